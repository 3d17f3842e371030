//! One setting as a page shows it: which input it has, what stands in it, what is said beside it.

use serde_json::{Map, Value};

use super::draft::{Draft, JOINT, shown};
use crate::{
    admin::{
        calls::{Field, settings::SettingView},
        panel::texts::Texts,
    },
    config::{KeyInfo, Kind, Language, ObjectKind, Part, Shape, Word},
    settings::as_typed,
};

/// Longer texts have a field of several lines.
const LINE: u64 = 200;
/// Settings that hold one wait for each retry: there are as many retries as waits.
const WAITS: [&str; 2] = ["retry.delays", "events.delays"];

/// A setting on a page.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) name: String,
    /// What it means: the label.
    pub(super) meaning: String,
    /// What follows from its value, its range and its default.
    pub(super) help: String,
    pub(super) widget: Widget,
    /// The version and the value, as JSON, that the fields were made of.
    pub(super) version: i64,
    pub(super) was: String,
    pub(super) is_default: bool,
    pub(super) changed_by: Option<String>,
    pub(super) changed_at: Option<String>,
    pub(super) unusable: Option<String>,
    pub(super) may_change: bool,
    pub(super) error: Option<String>,
    /// What somebody else made of it meanwhile.
    pub(super) theirs: Option<Theirs>,
}

/// A value that somebody else has put in the place of the one that was read.
#[derive(Debug)]
pub(super) struct Theirs {
    pub(super) by: String,
    pub(super) value: String,
}

/// How a value is shown and edited.
#[derive(Debug)]
pub(super) enum Widget {
    Switch(bool),
    Choice(Vec<Opt>),
    Checks(Vec<Opt>),
    Line { value: String, numeric: bool },
    Area { value: String, rows: usize },
    Texts(Vec<TextRow>),
    Objects { rows: Vec<ObjectRow>, kinds: Vec<(String, String)> },
}

/// One word of a choice.
#[derive(Debug)]
pub(super) struct Opt {
    pub(super) word: String,
    pub(super) meaning: String,
    pub(super) chosen: bool,
}

/// A name and its text.
#[derive(Debug)]
pub(super) struct TextRow {
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) text: String,
    pub(super) lines: usize,
    pub(super) error: Option<String>,
}

/// An object of a list.
#[derive(Debug)]
pub(super) struct ObjectRow {
    pub(super) at: usize,
    /// The field that names its kind, with the word.
    pub(super) tag: Option<(String, String)>,
    /// What its kind is.
    pub(super) meaning: String,
    pub(super) fields: Vec<ObjectField>,
    pub(super) error: Option<String>,
}

/// A field of an object.
#[derive(Debug)]
pub(super) struct ObjectField {
    pub(super) name: String,
    pub(super) meaning: String,
    pub(super) needed: bool,
    pub(super) value: String,
    pub(super) options: Vec<Opt>,
    pub(super) error: Option<String>,
}

/// What an item is made of besides its definition.
pub(super) struct Making<'a> {
    pub(super) setting: &'a SettingView,
    pub(super) draft: Draft,
    /// What is wrong, of any setting.
    pub(super) wrong: &'a [Field],
    pub(super) may_change: bool,
    pub(super) t: Texts,
}

impl Item {
    /// The item of a setting as it is in force.
    pub(super) fn new(info: &KeyInfo, making: &Making<'_>) -> Self {
        let (setting, language) = (making.setting, making.t.0);
        let wrong = Wrong { of: &info.key, all: making.wrong, language };
        let widget = widget(info, &making.draft, &wrong);
        Self {
            name: info.key.clone(),
            meaning: sentence(info.doc.of(language)),
            help: help(info, &making.draft, making.t),
            error: wrong.rest(&widget),
            widget,
            version: setting.version,
            was: setting.value.to_string(),
            is_default: setting.is_default,
            changed_by: setting.changed_by.clone(),
            changed_at: setting.changed_at.clone(),
            unusable: setting.unusable.as_ref().map(|why| why.of(language).to_owned()),
            may_change: making.may_change,
            theirs: None,
        }
    }
}

/// A sentence without the stop at its end: it stands as a label.
fn sentence(text: &str) -> String {
    text.trim_end_matches(['。', '.']).to_owned()
}

fn help(info: &KeyInfo, draft: &Draft, t: Texts) -> String {
    let mut parts = Vec::new();
    if let Draft::Value(Value::Array(waits)) = draft
        && WAITS.contains(&info.key.as_str())
    {
        parts.push(t.with("settings-retries", waits.len()));
    }
    parts.extend(info.range_text(t.0).map(|range| t.with("settings-range", range)));
    if matches!(info.kind, Kind::Duration) || matches!(&info.kind, Kind::List(entry) if **entry == Kind::Duration) {
        parts.push(t.say("settings-durations"));
    }
    let default = if info.default.is_null() { t.say("settings-unset") } else { one_line(&info.default) };
    parts.push(t.with("settings-default", default));
    parts.join(" · ")
}

/// A value as it is typed, cut to what fits on a line.
fn one_line(value: &Value) -> String {
    const SHOWN: usize = 60;
    let text = as_typed(value).replace('\n', " ");
    if text.chars().count() <= SHOWN { text } else { text.chars().take(SHOWN - 1).chain(['…']).collect() }
}

/// What is wrong with one setting.
struct Wrong<'a> {
    of: &'a str,
    all: &'a [Field],
    language: Language,
}

impl Wrong<'_> {
    /// What is said of exactly this place in the value.
    fn at(&self, place: &str) -> Option<String> {
        let pointer = format!("/{}{place}", self.of);
        self.all.iter().find(|field| field.pointer == pointer).map(|field| field.text.of(self.language).to_owned())
    }

    /// What is said of the whole, or of a place that has no field of its own.
    fn rest(&self, widget: &Widget) -> Option<String> {
        let start = format!("/{}", self.of);
        let own = |place: &str| {
            let mut parts = place.trim_start_matches('/').splitn(2, '/');
            let (first, second) = (parts.next().unwrap_or_default(), parts.next());
            match widget {
                Widget::Objects { rows, .. } => rows
                    .iter()
                    .any(|row| row.at.to_string() == first && second.is_none_or(|name| row.fields.iter().any(|field| field.name == name))),
                Widget::Texts(rows) => rows.iter().any(|row| row.name.replace('~', "~0").replace('/', "~1") == first),
                _ => false,
            }
        };
        let place = |field: &Field| {
            field.pointer.strip_prefix(&start).filter(|place| place.is_empty() || place.starts_with('/')).map(str::to_owned)
        };
        let mut found = self.all.iter().filter_map(|field| Some((place(field)?, field)));
        found.find(|(place, _)| place.is_empty() || !own(place)).map(|(_, field)| field.text.of(self.language).to_owned())
    }
}

fn widget(info: &KeyInfo, draft: &Draft, wrong: &Wrong<'_>) -> Widget {
    let value = match draft {
        Draft::Pairs(pairs) => return Widget::Texts(pairs.iter().enumerate().map(|(at, pair)| text_row(at, pair, wrong)).collect()),
        Draft::Value(value) => value,
    };
    let chosen = |word: &str| value.as_str() == Some(word) || value.as_array().is_some_and(|list| list.iter().any(|one| one == word));
    let opts = |words: &[Word]| words.iter().map(|word| opt(word, chosen(&word.word), wrong.language)).collect();
    match (&info.kind, &info.shape) {
        (_, Shape::Objects(kinds)) => {
            let rows = value.as_array().into_iter().flatten().filter_map(Value::as_object);
            Widget::Objects {
                rows: rows.enumerate().filter_map(|(at, row)| object_row(at, row, kinds, wrong)).collect(),
                kinds: kinds.iter().map(|kind| (kind.word().to_owned(), kind_meaning(kind, wrong.language))).collect(),
            }
        }
        (Kind::Bool, _) => Widget::Switch(value == &Value::Bool(true)),
        (Kind::Choice(words), _) => Widget::Choice(opts(words)),
        (Kind::List(entry), _) if let Kind::Choice(words) = entry.as_ref() => Widget::Checks(opts(words)),
        (kind, _) => {
            let text = if value.is_null() { String::new() } else { as_typed(value) };
            let long = *kind == Kind::Json || (*kind == Kind::Text && info.length.1.is_some_and(|most| most > LINE));
            if long {
                Widget::Area { rows: lines(&text), value: text }
            } else {
                Widget::Line { value: text, numeric: matches!(kind, Kind::Integer | Kind::Number | Kind::Size) }
            }
        }
    }
}

fn lines(text: &str) -> usize {
    text.lines().count().clamp(3, 16)
}

fn opt(word: &Word, chosen: bool, language: Language) -> Opt {
    Opt { word: word.word.clone(), meaning: sentence(word.doc.of(language)), chosen }
}

fn text_row(at: usize, (name, text): &(String, String), wrong: &Wrong<'_>) -> TextRow {
    let place = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
    TextRow { at, name: name.clone(), lines: lines(text), text: text.clone(), error: wrong.at(&place) }
}

fn kind_meaning(kind: &ObjectKind, language: Language) -> String {
    kind.tag.as_ref().map(|(_, word)| sentence(word.doc.of(language))).unwrap_or_default()
}

fn object_row(at: usize, row: &Map<String, Value>, kinds: &[ObjectKind], wrong: &Wrong<'_>) -> Option<ObjectRow> {
    let kind = kinds.iter().find(|kind| kind.is_of(row))?;
    let field = |part: &Part| {
        let value = shown(row.get(&part.name));
        let words = if let Kind::Choice(words) = &part.kind { words.as_slice() } else { &[] };
        ObjectField {
            name: part.name.clone(),
            meaning: sentence(part.doc.of(wrong.language)),
            needed: part.needed,
            options: words.iter().map(|word| opt(word, word.word == value, wrong.language)).collect(),
            error: wrong.at(&format!("/{at}/{}", part.name)),
            value,
        }
    };
    Some(ObjectRow {
        at,
        tag: kind.tag.as_ref().map(|(tag, word)| (tag.clone(), word.word.clone())),
        meaning: kind_meaning(kind, wrong.language),
        fields: kind.fields.iter().map(field).collect(),
        error: wrong.at(&format!("/{at}")),
    })
}

impl Item {
    /// The name of a field of a row.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "a template hands a reference")]
    pub(super) fn field(&self, at: &usize, part: &str) -> String {
        format!("{}{JOINT}{at}{JOINT}{part}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{admin::calls::said, settings::definition};

    #[expect(clippy::needless_pass_by_value, reason = "made where it is given")]
    fn item(name: &str, value: Value, wrong: &[(&str, &str)]) -> Item {
        let info = definition(name).unwrap();
        let wrong: Vec<Field> = wrong.iter().map(|(pointer, text)| Field { pointer: (*pointer).into(), text: said("错", *text) }).collect();
        let setting = SettingView {
            name: name.into(),
            value: value.clone(),
            is_default: true,
            version: 0,
            changed_by: None,
            changed_at: None,
            unusable: None,
        };
        let draft = Draft::of(info, &value);
        Item::new(info, &Making { setting: &setting, draft, wrong: &wrong, may_change: true, t: Texts(Language::En) })
    }

    #[test]
    fn every_setting_has_an_input_of_its_kind() {
        for info in crate::settings::definitions().keys() {
            let item = item(&info.key, info.default.clone(), &[]);
            let expected = match (&info.kind, &info.shape) {
                (_, Shape::Texts) => matches!(item.widget, Widget::Texts(_)),
                (_, Shape::Objects(_)) => matches!(item.widget, Widget::Objects { .. }),
                (Kind::Bool, _) => matches!(item.widget, Widget::Switch(_)),
                (Kind::Choice(_), _) => {
                    matches!(&item.widget, Widget::Choice(words) if words.iter().filter(|word| word.chosen).count() == 1)
                }
                (Kind::List(entry), _) if matches!(**entry, Kind::Choice(_)) => matches!(item.widget, Widget::Checks(_)),
                _ => matches!(item.widget, Widget::Line { .. } | Widget::Area { .. }),
            };
            assert!(expected && !item.meaning.is_empty() && item.help.contains("default"), "{item:?}");
        }
    }

    #[test]
    fn how_often_is_tried_again_is_said_beside_the_waits() {
        assert!(item("retry.delays", json!(["1s", "2s"]), &[]).help.starts_with("max retries = 2 · "));
        assert!(item("retry.delays", json!("soon"), &[]).help.starts_with("range: "), "of what is no list nothing follows");
    }

    #[test]
    fn a_mistake_is_shown_where_it_is() {
        let list = json!([{"kind": "wecom", "name": "a", "url": "x"}, {"kind": "ntfy", "name": "b", "url": "y", "token": null}]);
        let item = item(
            "notice.channels",
            list,
            &[("/notice.channels/1/url", "no topic"), ("/notice.channels/0/kind", "no such kind"), ("/notice.title", "other")],
        );
        let Widget::Objects { rows, kinds } = &item.widget else { panic!("{item:?}") };
        assert_eq!((rows.len(), kinds.len()), (2, 7));
        assert_eq!(rows[1].fields.iter().find(|field| field.name == "url").unwrap().error.as_deref(), Some("no topic"));
        assert_eq!(
            (rows[0].error.as_deref(), item.error.as_deref()),
            (None, Some("no such kind")),
            "the kind has no field: it is said of the whole"
        );
        let item = self::item("welcome.segment_templates", json!({"a": "x"}), &[("/welcome.segment_templates/a", "empty")]);
        let Widget::Texts(rows) = &item.widget else { panic!("{item:?}") };
        assert_eq!((rows[0].error.as_deref(), item.error.as_deref()), (Some("empty"), None));
    }
}
