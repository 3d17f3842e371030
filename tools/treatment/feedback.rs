//! What a customer's feedback asks for, by documented rules over its clauses.
//!
//! Understood, in Chinese and English: money (a budget, "too expensive", "20% cheaper", no limit), recovery time,
//! number of sessions, length of the plan, services and categories to leave out, add or exchange, allergies and
//! conditions, a stronger effect, other concerns. Whatever no rule understands is handed back as it was said: nothing is
//! guessed, and no safety fact is ever taken away.

use std::collections::BTreeSet;

use super::{
    clause::{self, Clause},
    constraints::Constraints,
    lexicon::{COURTESY, FIRST, IMPROVE, MINOR, NO_LONGER, STRONGER},
    limits,
};
use crate::{
    clinic::{
        catalogue,
        concerns::{self, Concern},
        tags::{self, Reading},
    },
    money,
    port::Service,
    words,
};

/// What the plan under discussion amounts to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Current {
    /// Highest cost, in fen.
    pub(crate) cost: i64,
    /// Longest recovery of any of its services.
    pub(crate) recovery: u32,
    /// Sessions in all.
    pub(crate) sessions: u32,
    /// Its length in days.
    pub(crate) days: u32,
}

/// What becomes of the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Budget {
    /// At most so many fen.
    AtMost(i64),
    /// Money is no object.
    Lifted,
}

/// What was understood, and what was not.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Heard {
    pub(crate) budget: Option<Budget>,
    pub(crate) recovery: Option<u32>,
    pub(crate) sessions: Option<u32>,
    pub(crate) days: Option<u32>,
    pub(crate) exclude: BTreeSet<String>,
    pub(crate) include: BTreeSet<String>,
    pub(crate) safety: Reading,
    pub(crate) minor: bool,
    pub(crate) stronger: bool,
    /// Concerns that matter most.
    pub(crate) first: Vec<Concern>,
    /// Concerns to be treated as well.
    pub(crate) also: Vec<Concern>,
    /// Concerns that no longer matter.
    pub(crate) no_longer: Vec<Concern>,
    /// What was understood, one sentence each.
    pub(crate) areas: Vec<String>,
    /// Clauses that no rule understood.
    pub(crate) not_understood: Vec<String>,
    /// Whether `budget`, `recovery`, `sessions`, `days` were given as numbers, which go before "less".
    pub(super) exact: [bool; 4],
    /// How often a rule understood something.
    hits: u32,
}

impl Heard {
    /// Notes what was understood.
    pub(super) fn note(&mut self, area: String) {
        self.hits += 1;
        if !self.areas.contains(&area) {
            self.areas.push(area);
        }
    }
}

/// Reads feedback on a plan that amounts to `current`.
pub(crate) fn read(text: &str, current: Current, services: &[Service]) -> Heard {
    let offered = catalogue::on_offer(services);
    let mut heard = Heard::default();
    let allergy = tags::speaks_of_allergy(&words::normalise(text));
    for said in clause::split(text) {
        let clause = Clause::new(&said, &offered);
        let before = (heard.hits, heard.safety.clone());
        limits::read(&clause, current, &mut heard);
        strength(&clause, &mut heard);
        services_named(&clause, &offered, &mut heard);
        safety(&clause, allergy && heard.hits == before.0, &mut heard);
        let about_health = heard.safety != before.1;
        if !about_health || words::any(&clause.text, IMPROVE) {
            concerns_named(&clause, services, &mut heard);
        }
        if heard.hits == before.0 && !about_health && !clause.repeats(&heard) && !is_courtesy(&said) {
            heard.not_understood.push(said);
        }
    }
    heard
}

fn is_courtesy(text: &str) -> bool {
    text.chars().count() <= 12 && words::any(text, COURTESY)
}

fn strength(clause: &Clause<'_>, heard: &mut Heard) {
    if words::any(&clause.text, STRONGER) {
        heard.stronger = true;
        heard.note("效果：更强，不再为少量次数放弃效果 / effect: stronger, sessions are no longer saved at its cost".to_owned());
    }
}

fn services_named(clause: &Clause<'_>, offered: &[&Service], heard: &mut Heard) {
    if words::any(&clause.text, STRONGER) {
        return;
    }
    for (service, wanted) in clause.services(offered) {
        let name = format!("{} ({})", service.name, service.code);
        if wanted {
            heard.exclude.remove(&service.code);
            heard.include.insert(service.code.clone());
            heard.note(format!("项目：加入 {name} / service: add {name}"));
        } else if !heard.include.contains(&service.code) {
            heard.exclude.insert(service.code.clone());
            heard.note(format!("项目：不要 {name} / service: without {name}"));
        }
    }
}

fn safety(clause: &Clause<'_>, allergy_nearby: bool, heard: &mut Heard) {
    heard.minor |= words::any(&clause.text, MINOR) || clause.age().is_some_and(|age| age < 18.0);
    let mut reading = tags::overheard(&clause.text);
    if allergy_nearby && reading == Reading::default() {
        reading = tags::overheard(&format!("{} 过敏", clause.text));
    }
    if reading == Reading::default() {
        reading.unknown.extend(clause::unknown_allergen(&clause.text));
    }
    let said = reading.all();
    for fact in said.difference(&heard.safety.all()) {
        heard.areas.push(format!("安全：新增禁忌 {0} / safety: respect {0}", tags::label(fact)));
    }
    for fact in reading.denied.difference(&reading.tags) {
        heard.not_understood.push(format!(
            "否认“{0}”：反馈不能删除安全信息，请由医生更正档案。 / denial of {0}: feedback removes no safety fact; a physician corrects the record.",
            tags::label(fact)
        ));
    }
    heard.safety.extend(reading);
}

fn concerns_named(clause: &Clause<'_>, services: &[Service], heard: &mut Heard) {
    let stronger = words::any(&clause.text, STRONGER);
    for concern in concerns::mentioned(&clause.without_services(), services) {
        let label = concern.label.clone();
        if !stronger && words::any(&clause.text, NO_LONGER) {
            heard.no_longer.push(concern);
            heard.note(format!("诉求：不再针对 {label} / concern: no longer {label}"));
        } else if stronger || words::any(&clause.text, FIRST) {
            heard.first.push(concern);
            heard.note(format!("诉求：优先 {label} / concern: {label} first"));
        } else {
            heard.also.push(concern);
            heard.note(format!("诉求：加上 {label} / concern: also {label}"));
        }
    }
}

/// The constraints of the plan, changed by the feedback.
pub(crate) fn apply(heard: &Heard, constraints: &Constraints) -> Constraints {
    let mut new = constraints.clone();
    new.budget_max_fen = match heard.budget {
        Some(Budget::AtMost(fen)) => Some(fen),
        Some(Budget::Lifted) => None,
        None => new.budget_max_fen,
    };
    new.max_recovery_days = heard.recovery.or(new.max_recovery_days);
    new.max_sessions = heard.sessions.or(new.max_sessions);
    new.max_days = heard.days.or(new.max_days);
    new.strong |= heard.stronger;
    new.safety.extend(heard.safety.all());
    new.exclude.extend(heard.exclude.iter().cloned());
    new.include.extend(heard.include.iter().cloned());
    new.include.retain(|code| !heard.exclude.contains(code));
    new.prefer.retain(|code| !heard.exclude.contains(code));
    new.exclude.retain(|code| !heard.include.contains(code));
    new.concerns = reordered(heard, &constraints.concerns);
    new
}

fn reordered(heard: &Heard, old: &[String]) -> Vec<String> {
    let kept = concerns::read_all(old);
    let all = heard.first.iter().chain(&kept).chain(&heard.also);
    let mut keys: Vec<&str> = Vec::new();
    let mut labels = Vec::new();
    for concern in all {
        let dropped = heard.no_longer.iter().any(|other| other.key == concern.key);
        if !dropped && !keys.contains(&concern.key.as_str()) {
            keys.push(&concern.key);
            let own_words = kept.iter().find(|other| other.key == concern.key).unwrap_or(concern);
            labels.push(own_words.label.clone());
        }
    }
    labels
}

/// What a budget is called in the result.
pub(super) fn budget_text(fen: i64) -> String {
    format!("费用：上限 {0} / cost: at most {0}", money::yuan(fen))
}

#[cfg(test)]
#[path = "feedback_tests.rs"]
mod tests;
