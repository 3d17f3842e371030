//! What goes wrong, by type and frequency, each with a sample: calls of tools, steps of registrations, agents.
//!
//! Two failures are of one type when they happened in the same place, ended in the same way, and say the same but for
//! numbers and ids. Only the latest of a range are sorted so; how many there are in all is counted beside them.

use std::{cmp::Reverse, collections::HashMap};

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    CallError, Calls,
    call_log::{in_time, moment},
};
use crate::{
    clock::rfc3339,
    store::failures::{COUNTED, FailedIn, Failure},
};

/// Failures of each kind that are read.
const READ: u32 = 2_000;
/// Types that are told.
const TYPES: usize = 200;
/// Characters of a text that tell types apart.
const TELLING: usize = 200;
/// How far back one looks when nobody says.
const RANGE_MS: i64 = 86_400_000;
/// The longest range: what a log is kept at most.
const LONGEST_MS: i64 = 366 * 86_400_000;

/// Which errors are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ErrorQuery {
    /// Only errors of one kind.
    pub kind: Option<ErrorKind>,
    /// From this time on (RFC 3339; without an offset it is UTC); a day ago when it is left out.
    #[param(max_length = 40)]
    pub since: Option<String>,
    /// Before this time; now when it is left out.
    #[param(max_length = 40)]
    pub until: Option<String>,
}

/// Where something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ErrorKind {
    /// A call of a tool, or a request that was refused.
    Call,
    /// A step of a registration.
    Step,
    /// A question to an agent.
    Agent,
}

impl ErrorKind {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Step => "step",
            Self::Agent => "agent",
        }
    }
}

impl From<FailedIn> for ErrorKind {
    fn from(failed_in: FailedIn) -> Self {
        match failed_in {
            FailedIn::Call => Self::Call,
            FailedIn::Step => Self::Step,
            FailedIn::Agent => Self::Agent,
        }
    }
}

/// What failed in a range.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ErrorsView {
    /// Where the range begins.
    pub since: String,
    /// Where it ends.
    pub until: String,
    /// The types, the most frequent first.
    pub types: Vec<ErrorType>,
    /// How many failures there are of each kind, and how many of them were sorted into types.
    pub kinds: Vec<ErrorCount>,
}

/// How many failures of a kind there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ErrorCount {
    /// The kind.
    pub kind: ErrorKind,
    /// So many in the range.
    pub count: i64,
    /// Whether there may be more: nobody counts further.
    pub at_least: bool,
    /// So many, the latest, were sorted into types.
    pub sorted: usize,
}

/// Failures that are alike.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ErrorType {
    /// Where it failed.
    pub kind: ErrorKind,
    /// The tool, the step, or the agent; empty when a request was refused before it named a tool.
    pub what: String,
    /// How it ended.
    pub outcome: String,
    /// What was said, with `#` for numbers and `…` for ids; empty when nothing was.
    pub message: String,
    /// How often, among those that were sorted.
    pub count: usize,
    /// Its share of the sorted failures of its kind, from 0 to 1.
    pub share: f64,
    /// The first of them.
    pub first_at: String,
    /// The last of them.
    pub last_at: String,
    /// The last of them, as it was said.
    pub sample: ErrorSample,
}

/// One failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ErrorSample {
    /// When.
    pub at: String,
    /// What was said.
    pub message: Option<String>,
    /// The call, for a call.
    pub call_id: Option<String>,
    /// The registration, for a step and an agent.
    pub registration_id: Option<String>,
}

impl Calls {
    /// What failed, by type and frequency.
    pub async fn errors(&self, query: &ErrorQuery) -> Result<ErrorsView, CallError> {
        let (since, until) = self.error_range(query)?;
        let (mut types, mut kinds) = (Vec::new(), Vec::new());
        for failed_in in FailedIn::ALL {
            let kind = ErrorKind::from(failed_in);
            if query.kind.is_some_and(|wanted| wanted != kind) {
                continue;
            }
            let found = in_time(self.store.failures(failed_in, (since, until), READ)).await?;
            let sorted = found.latest.len();
            kinds.push(ErrorCount { kind, count: found.count, at_least: found.count >= COUNTED, sorted });
            types.extend(sort(kind, found.latest));
        }
        types.sort_by(|a: &ErrorType, b| (Reverse(a.count), Reverse(&a.last_at)).cmp(&(Reverse(b.count), Reverse(&b.last_at))));
        types.truncate(TYPES);
        Ok(ErrorsView { since: rfc3339(since), until: rfc3339(until), types, kinds })
    }

    fn error_range(&self, query: &ErrorQuery) -> Result<(i64, i64), CallError> {
        let until = moment("/until", query.until.as_deref())?.unwrap_or_else(|| self.clock.now_ms() + 1);
        let since = moment("/since", query.since.as_deref())?.unwrap_or(until.saturating_sub(RANGE_MS));
        if since >= until || until.saturating_sub(since) > LONGEST_MS {
            let (zh, en) = ("开始时间必须早于结束时间，且不超过 366 天", "must be before until, and by no more than 366 days");
            return Err(CallError::invalid("/since", zh, en));
        }
        Ok((since, until))
    }
}

/// Failures, newest first, by what they have in common.
fn sort(kind: ErrorKind, failures: Vec<Failure>) -> Vec<ErrorType> {
    let of = failures.len() as f64;
    let mut places: HashMap<(String, String, String), usize> = HashMap::new();
    let mut types: Vec<ErrorType> = Vec::new();
    for failure in failures {
        let message = alike(failure.error.as_deref().unwrap_or_default());
        let key = (failure.what.clone(), failure.outcome.clone(), message.clone());
        let place = *places.entry(key).or_insert(types.len());
        match types.get_mut(place) {
            Some(known) => {
                known.count += 1;
                known.first_at = rfc3339(failure.at);
            }
            None => types.push(first(kind, failure, message)),
        }
    }
    for known in &mut types {
        known.share = known.count as f64 / of;
    }
    types
}

fn first(kind: ErrorKind, failure: Failure, message: String) -> ErrorType {
    let at = rfc3339(failure.at);
    let (call_id, registration_id) = match kind {
        ErrorKind::Call => (Some(failure.id), None),
        ErrorKind::Step | ErrorKind::Agent => (None, Some(failure.id)),
    };
    let sample = ErrorSample { at: at.clone(), message: failure.error, call_id, registration_id };
    ErrorType {
        kind,
        what: failure.what,
        outcome: failure.outcome,
        message,
        count: 1,
        share: 0.0,
        first_at: at.clone(),
        last_at: at,
        sample,
    }
}

/// What is said, without what differs from time to time: `#` for a number, `…` for an id.
fn alike(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars().take(TELLING).chain([' ']) {
        if c.is_ascii_alphanumeric() || c == '_' || c == '-' {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            out.push_str(&without_digits(&std::mem::take(&mut word)));
        }
        out.push(c);
    }
    out.pop();
    out
}

/// A word with two changes between letters and digits, or so long that nobody would write it, is an id.
fn without_digits(word: &str) -> String {
    let digit = |c: char| c.is_ascii_digit();
    if !word.contains(digit) {
        return word.to_owned();
    }
    let kinds: Vec<bool> = word.chars().filter(char::is_ascii_alphanumeric).map(digit).collect();
    let changes = kinds.windows(2).filter(|pair| pair.first() != pair.last()).count();
    let letters = kinds.iter().any(|digit| !digit);
    if letters && (changes >= 2 || word.len() >= 16) {
        return "…".into();
    }
    let mut out = String::new();
    for c in word.chars() {
        if !digit(c) {
            out.push(c);
        } else if !out.ends_with('#') {
            out.push('#');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ids_make_no_difference_and_words_do() {
        for (text, expected) in [
            ("no answer after 3000 ms", "no answer after # ms"),
            ("找不到用户 usr_0123456789abcdef0123，请核对", "找不到用户 …，请核对"),
            ("run 0199a3b2-7c1d-7e00-8a1b-000000000001 is gone", "run … is gone"),
            ("429 Too Many Requests (retry in 12s)", "# Too Many Requests (retry in #s)"),
            ("refused: key_expired", "refused: key_expired"),
            ("HTTP/1.1 at 127.0.0.1:8001", "HTTP/#.# at #.#.#.#:#"),
            ("utf-8", "utf-#"),
            ("", ""),
        ] {
            assert_eq!(alike(text), expected);
        }
        assert_eq!(alike(&"过".repeat(1_000)).chars().count(), TELLING);
    }

    #[test]
    fn failures_are_sorted_by_what_they_have_in_common() {
        let failure = |what: &str, error: Option<&str>, at| Failure {
            what: what.into(),
            outcome: "timeout".into(),
            error: error.map(str::to_owned),
            at,
            id: format!("call-{at}"),
        };
        let types = sort(
            ErrorKind::Call,
            vec![
                failure("a", Some("after 5 s"), 40),
                failure("b", None, 30),
                failure("a", Some("after 60 s"), 20),
                failure("a", Some("gone"), 10),
            ],
        );
        let told: Vec<_> = types.iter().map(|t| (t.what.as_str(), t.message.as_str(), t.count, t.share)).collect();
        assert_eq!(told, [("a", "after # s", 2, 0.5), ("b", "", 1, 0.25), ("a", "gone", 1, 0.25)]);
        assert_eq!((types[0].first_at.as_str(), types[0].last_at.as_str()), ("1970-01-01T00:00:00.020Z", "1970-01-01T00:00:00.040Z"));
        assert_eq!((types[0].sample.call_id.as_deref(), types[0].sample.message.as_deref()), (Some("call-40"), Some("after 5 s")));
    }
}
