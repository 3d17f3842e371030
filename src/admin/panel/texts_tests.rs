//! Both languages say everything, with the same values filled in; no page asks for a text that is not there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::*;
use crate::{
    admin::{calls::call_log::OUTCOMES, panel::agents::breaker_key},
    gate::accounts::{ROLES, TIERS},
};

/// Beginnings of keys that are put together when a page is made, such as `state-` and the state.
const PUT_TOGETHER: &[&str] = &["said-", "error-", "state-", "outcome-", "role-", "nav-", "rung-", "kind-", "label-"];

fn panel() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin")
}

/// Every key of a language, with the names of what is filled in.
fn keys(tag: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(panel().join("panel/locales").join(tag)).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let mut key = String::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, _)) = line.split_once(" =").filter(|(name, _)| !name.starts_with(' ')) {
                key = name.to_owned();
                assert!(found.insert(key.clone(), BTreeSet::new()).is_none(), "{} says {key} a second time", path.display());
            }
            let names = line.split('$').skip(1).map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap());
            found.entry(key.clone()).or_default().extend(names.map(str::to_owned));
        }
    }
    found.remove("");
    found
}

/// Sources and templates.
fn files_under(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_under(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs" || ext == "html") {
            found.push(path);
        }
    }
}

/// Every key that templates and handlers name, and where.
fn asked() -> Vec<(String, PathBuf)> {
    let (mut files, mut found) = (Vec::new(), Vec::new());
    files_under(&panel(), &mut files);
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        for call in [".say(\"", ".with(\"", ".with2(\"", ".fill(\""] {
            let rest = text.split(call).skip(1);
            found.extend(rest.map(|rest| (rest.split('"').next().unwrap().to_owned(), path.clone())));
        }
    }
    found
}

#[test]
fn both_languages_say_everything_with_the_same_values() {
    let (zh, en) = (keys("zh-CN"), keys("en"));
    let missing: Vec<_> = zh.keys().filter(|key| !en.contains_key(*key)).chain(en.keys().filter(|key| !zh.contains_key(*key))).collect();
    assert!(missing.is_empty(), "in one language only: {missing:?}");
    for (key, values) in &zh {
        assert_eq!(values, &en[key], "{key} is filled in with other values in the other language");
    }
}

#[test]
fn no_page_asks_for_a_text_that_is_not_there_and_no_text_is_left_over() {
    let (zh, asked) = (keys("zh-CN"), asked());
    let missing: Vec<_> = asked.iter().filter(|(key, _)| !key.ends_with('-') && !zh.contains_key(key)).collect();
    assert!(missing.is_empty(), "asked for and not there: {missing:?}");
    let sources: String = {
        let mut files = Vec::new();
        files_under(&panel(), &mut files);
        files.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
    };
    // Such as `format!("state-{state}")`.
    let put_together = |key: &str| key.match_indices('-').any(|(at, _)| sources.contains(&format!("\"{}{{", &key[..=at])));
    let left: Vec<_> = zh
        .keys()
        .filter(|key| {
            !PUT_TOGETHER.iter().any(|start| key.starts_with(start)) && !put_together(key) && !sources.contains(&format!("\"{key}\""))
        })
        .collect();
    assert!(left.is_empty(), "nobody asks for {left:?}");
}

#[test]
fn every_text_can_be_made() {
    for language in [Language::ZhCn, Language::En] {
        let t = Texts(language);
        for (key, values) in keys(t.tag()) {
            let filled =
                t.fill(&key, ["x", "y", "z"].into_iter().filter(|name| values.contains(*name)).map(|name| (name, 1.into())).collect());
            assert!(!filled.is_empty() && filled != key && !filled.contains("{$"), "{key} in {language:?}: {filled}");
        }
    }
}

/// The words that the schema lets a column hold.
fn words_of(table: &str, column: &str) -> Vec<&'static str> {
    const SCHEMA: &str = include_str!("../../../schema.sql");
    let definition = SCHEMA.split_once(&format!("CREATE TABLE {table} (")).unwrap().1;
    let listed = definition.split_once(&format!("CHECK ({column} IN (")).unwrap().1;
    listed.split_once(')').unwrap().0.split(", ").map(|word| word.trim_matches('\'')).collect()
}

/// The steps of a run, by the names that they are written down under.
fn steps() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/registration/steps");
    let sources = fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    sources.filter_map(|source| Some(source.split_once("const STEP: &str = \"")?.1.split_once('"')?.0.to_owned())).collect()
}

#[test]
fn every_word_of_a_run_has_its_label_in_both_languages() {
    let steps = steps();
    assert!(steps.len() >= 5, "{steps:?}");
    let mut asked: Vec<(&str, Vec<&str>)> = vec![("step", steps.iter().map(String::as_str).collect())];
    for (kind, table, column) in [
        ("run-state", "registrations", "state"),
        ("run-outcome", "registrations", "state"),
        ("run-outcome", "registration_steps", "state"),
        ("run-outcome", "agent_calls", "state"),
        ("run-outcome", "claims", "via"),
        ("run-outcome", "feedback", "source"),
        ("run-via", "claims", "via"),
        ("run-rung", "registrations", "welcome_rung"),
        ("run-late", "registrations", "late_outcome"),
        ("run-target", "escalations", "target"),
        ("run-job", "jobs", "state"),
        ("sender", "messages", "sender_type"),
    ] {
        asked.push((kind, words_of(table, column)));
    }
    asked.extend([("call", OUTCOMES.to_vec()), ("run-outcome", OUTCOMES.to_vec()), ("role", ROLES.to_vec()), ("tier", TIERS.to_vec())]);
    for language in [Language::ZhCn, Language::En] {
        for (kind, words) in &asked {
            assert!(words.len() > 1, "{kind}: {words:?}");
            for word in words {
                assert!(Texts(language).find(&format!("label-{kind}-{word}")).is_some(), "{word} has no label-{kind} in {language:?}");
            }
        }
        let breakers: BTreeSet<_> = ["closed", "open", "half_open"].map(|state| Texts(language).find(breaker_key(state)).unwrap()).into();
        assert_eq!(breakers.len(), 3, "{breakers:?}");
    }
}
