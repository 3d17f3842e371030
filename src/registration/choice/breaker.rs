//! The circuit breaker of one agent: whether it may be asked at this moment, and when it is tried again.
//!
//! ```text
//! closed ──a row of failures, too large a share of them, or one that needs an administrator──▶ open
//! open ──the wait is over──▶ half-open: one probe at a time, over a fresh connection
//! half-open ──the probe succeeds──▶ closed          ──it fails──▶ open, for a little longer
//! ```
//!
//! A breaker that never closes again does more harm than none. What is done against it:
//! * a probe asks for a connection of its own, so that it does not meet the dead one the failures came from;
//! * only a probe's failure moves the time of the next probe: late results of calls begun before do not;
//! * a background check is let in by [`Breaker::due_probe`] ahead of calls, or reports through
//!   [`Breaker::report_check`] without being let in at all; it needs no traffic;
//! * a probe nobody reports on gives its place up after a while, and a check goes before the next call then, so that
//!   callers who always give up cannot keep the agent from being judged;
//! * due is due from its millisecond on, and [`Due::At`] says when to look again: no period can miss it for ever.
//!
//! Nothing is kept over a restart: an agent begins closed.

mod calls;
#[cfg(test)]
mod tests;
mod time;

use serde::Serialize;

use self::{
    calls::Calls,
    time::{SteadyTime, Waits},
};
use crate::settings;

/// Calls judged within the window before their share of failures says anything.
const CALLS_FOR_A_RATE: usize = 10;
/// A row of failures counts once it has one failure for so many calls under way: refused calls come back first, and
/// the few of a burst must not speak for the many that are still being answered.
const UNDER_WAY_PER_FAILURE: usize = 4;
/// Part of the time from opening to the first probe for which a probe that said nothing keeps further calls out.
const PAUSE_AFTER_NOTHING: i64 = 4;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    failures: usize,
    failure_rate: f64,
    window_ms: i64,
    open_for_ms: i64,
    probe_limit_ms: i64,
}

impl Rules {
    /// The settings, and how long a probe may stay unreported (at least the longest time an agent may take).
    pub fn new(settings: &settings::Breaker, probe_limit_ms: i64) -> Self {
        Self {
            failures: settings.failures.max(1) as usize,
            failure_rate: settings.failure_rate,
            window_ms: settings.window.as_ms().max(1),
            open_for_ms: settings.open_for.as_ms().max(1),
            probe_limit_ms: probe_limit_ms.max(1),
        }
    }
}

/// How an agent failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// No connection: refused, name resolution, TLS; or one that broke before an answer began.
    Network,
    /// A 5xx, or an answer that is not the agent's.
    Server,
    /// No first byte in time.
    FirstByte,
    /// It began and fell silent.
    Stall,
    /// The answer ended before its end.
    Cut,
    /// Nothing will work until somebody acts: 401, 403, the app is unavailable, the quota is spent.
    Fatal,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The agent works.
    Success,
    /// It does not.
    Failure(Failure),
    /// Nothing was learnt: the caller gave up first, or the request itself was wrong.
    Neutral,
}

/// Stands for one call that was let through. Given back with its outcome; one that is dropped blocks nothing.
#[derive(Debug, PartialEq, Eq)]
pub struct Token {
    /// The time between two changes of state in which it was given out.
    period: u64,
    number: u64,
}

/// The answer to [`Breaker::ask`].
#[derive(Debug, PartialEq, Eq)]
pub enum Permit {
    /// Go on.
    Call(Token),
    /// Go on, as the one probe.
    Probe {
        /// To report with.
        token: Token,
        /// Whether the connection must be a new one; it must.
        fresh: bool,
    },
    /// Take the next agent. A retry that waits for this one costs no attempt.
    Refused {
        /// The earliest time at which it may be different.
        retry_at: i64,
        /// Why it is open.
        reason: Reason,
    },
}

/// The answer to [`Breaker::due_probe`].
#[derive(Debug, PartialEq, Eq)]
pub enum Due {
    /// The agent needs no check.
    No,
    /// Look again at this time.
    At(i64),
    /// Check now, over a fresh connection, and report with this.
    Now(Token),
}

/// Why a breaker opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// Failures without a success between them.
    Row {
        /// So many.
        failures: usize,
        /// The last of them.
        last: Failure,
    },
    /// Too large a share of the calls.
    Rate {
        /// Failed calls within the window.
        failed: usize,
        /// All calls judged within the window.
        calls: usize,
    },
    /// One failure that needs an administrator.
    Fatal,
}

/// What a report changed: worth a log line and an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The agent is not asked any more.
    Opened(Reason),
    /// It is asked again, after so many milliseconds.
    Closed {
        /// Time since it opened.
        after_ms: i64,
    },
}

/// A breaker as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct View {
    /// What it does.
    #[serde(flatten)]
    pub state: State,
    /// Failed calls within the window.
    pub failures: usize,
    /// Calls judged within the window.
    pub calls: usize,
}

/// What a breaker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Lets calls through.
    Closed,
    /// Refuses them.
    Open {
        /// Since when.
        since: i64,
        /// When it is tried again.
        probe_at: i64,
        /// Why.
        #[serde(flatten)]
        reason: Reason,
    },
    /// Tries the agent, or lets the next one who asks try it.
    HalfOpen {
        /// Since when it has not been closed.
        since: i64,
        /// Why.
        #[serde(flatten)]
        reason: Reason,
    },
}

/// The breaker of one agent.
#[derive(Debug)]
pub struct Breaker {
    rules: Rules,
    time: SteadyTime,
    waits: Waits,
    period: u64,
    issued: u64,
    calls: Calls,
    opening: Option<Opening>,
    last: Option<Closing>,
}

/// An opening, from its failure to the probe that ends it.
#[derive(Debug)]
struct Opening {
    since: i64,
    reason: Reason,
    failed_probes: u32,
    /// From when a background check may probe.
    check_at: i64,
    /// From when a call may.
    calls_at: i64,
    probe: Option<Probe>,
}

#[derive(Debug)]
struct Probe {
    number: u64,
    until: i64,
}

/// The end of an opening: an agent that fails again at once is not tried as if it were for the first time.
#[derive(Debug)]
struct Closing {
    at: i64,
    failed_probes: u32,
}

impl Breaker {
    /// A closed breaker. `seed` decides on the small random part of its waits; any number, another one per agent.
    pub fn new(rules: Rules, seed: u64) -> Self {
        Self {
            rules,
            time: SteadyTime::default(),
            waits: Waits::new(seed),
            period: 0,
            issued: 0,
            calls: Calls::default(),
            opening: None,
            last: None,
        }
    }

    /// Follows changed settings, from the next decision on.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// May the agent be asked?
    pub fn ask(&mut self, now: i64) -> Permit {
        let at = self.settle(now);
        let Some(opening) = &self.opening else {
            let token = self.issue();
            self.calls.begin(token.number, at);
            return Permit::Call(token);
        };
        let wait_until = opening.probe.as_ref().map_or(opening.calls_at, |probe| probe.until);
        if opening.probe.is_some() || at < opening.calls_at {
            return Permit::Refused { retry_at: self.time.shown(wait_until), reason: opening.reason };
        }
        Permit::Probe { token: self.probe(at), fresh: true }
    }

    /// Should a background check look at the agent? Ask again at [`Due::At`], or at any period.
    pub fn due_probe(&mut self, now: i64) -> Due {
        let at = self.settle(now);
        let Some(opening) = &self.opening else { return Due::No };
        match &opening.probe {
            Some(probe) => Due::At(self.time.shown(probe.until)),
            None if at < opening.check_at => Due::At(self.time.shown(opening.check_at)),
            None => Due::Now(self.probe(at)),
        }
    }

    /// What became of a call that was let through.
    #[expect(clippy::needless_pass_by_value, reason = "a report spends its token: nobody reports twice")]
    pub fn report(&mut self, token: Token, outcome: Outcome, now: i64) -> Option<Change> {
        let at = self.settle(now);
        let Token { period, number } = token;
        // A call begun in an earlier period says nothing about this one.
        if period != self.period {
            return None;
        }
        match &self.opening {
            None => self.judge_call(number, outcome, at),
            // However late it is: the agent answered.
            Some(_) if outcome == Outcome::Success => self.close(at),
            Some(opening) if opening.probe.as_ref().is_some_and(|probe| probe.number == number) => {
                self.end_probe(outcome, at);
                None
            }
            Some(_) => None,
        }
    }

    /// What a check found that asked nobody, such as an administrator's. A failure that would pass changes nothing.
    pub fn report_check(&mut self, outcome: Outcome, now: i64) -> Option<Change> {
        let at = self.settle(now);
        match (outcome, self.opening.is_some()) {
            (Outcome::Success, true) => self.close(at),
            (Outcome::Failure(Failure::Fatal), false) => Some(self.open(Reason::Fatal, at)),
            _ => None,
        }
    }

    /// The agent's settings were changed: what is known about it is void.
    pub fn reset(&mut self, now: i64) -> Option<Change> {
        let at = self.settle(now);
        let change = self.close(at);
        self.last = None;
        self.calls = Calls::default();
        change
    }

    /// The breaker as people see it.
    pub fn view(&mut self, now: i64) -> View {
        let at = self.settle(now);
        let state = match &self.opening {
            None => State::Closed,
            Some(Opening { since, reason, check_at, probe, .. }) => {
                let (since, reason) = (self.time.shown(*since), *reason);
                if probe.is_some() || at >= *check_at {
                    State::HalfOpen { since, reason }
                } else {
                    State::Open { since, probe_at: self.time.shown(*check_at), reason }
                }
            }
        };
        View { state, failures: self.calls.failed(), calls: self.calls.judged() }
    }

    /// Does what time alone does, and gives the breaker's own time.
    fn settle(&mut self, now: i64) -> i64 {
        let at = self.time.of(now);
        self.calls.forget_before(at - self.rules.window_ms);
        let unreported = self.opening.as_ref().and_then(|opening| opening.probe.as_ref()).map(|probe| probe.until);
        if let Some(until) = unreported.filter(|until| at >= *until) {
            self.end_probe(Outcome::Neutral, until);
        }
        at
    }

    fn issue(&mut self) -> Token {
        self.issued += 1;
        Token { period: self.period, number: self.issued }
    }

    /// The one probe begins.
    fn probe(&mut self, at: i64) -> Token {
        let token = self.issue();
        if let Some(opening) = &mut self.opening {
            opening.probe = Some(Probe { number: token.number, until: at + self.rules.probe_limit_ms });
        }
        token
    }

    fn judge_call(&mut self, number: u64, outcome: Outcome, at: i64) -> Option<Change> {
        self.calls.end(number);
        match outcome {
            Outcome::Neutral => None,
            Outcome::Success => {
                self.calls.judge(at, false);
                None
            }
            Outcome::Failure(failure) => {
                self.calls.judge(at, true);
                self.reason_to_open(failure).map(|reason| self.open(reason, at))
            }
        }
    }

    fn reason_to_open(&self, last: Failure) -> Option<Reason> {
        let (row, failed, calls, under_way) = (self.calls.row(), self.calls.failed(), self.calls.judged(), self.calls.under_way());
        let enough = (failed as f64) >= self.rules.failure_rate * (calls + under_way) as f64;
        if last == Failure::Fatal {
            Some(Reason::Fatal)
        } else if row >= self.rules.failures && under_way <= row * UNDER_WAY_PER_FAILURE {
            Some(Reason::Row { failures: row, last })
        } else if calls >= CALLS_FOR_A_RATE && enough {
            Some(Reason::Rate { failed, calls })
        } else {
            None
        }
    }

    fn open(&mut self, reason: Reason, at: i64) -> Change {
        let lately = |closing: &Closing| at - closing.at <= self.rules.window_ms;
        let failed_probes = self.last.take().filter(lately).map_or(0, |closing| closing.failed_probes.saturating_add(1));
        let first = at + self.waits.next(self.rules.open_for_ms, failed_probes, reason == Reason::Fatal);
        self.opening = Some(Opening { since: at, reason, failed_probes, check_at: first, calls_at: first, probe: None });
        self.period += 1;
        Change::Opened(reason)
    }

    fn end_probe(&mut self, outcome: Outcome, at: i64) {
        let Some(opening) = &mut self.opening else { return };
        opening.probe = None;
        if let Outcome::Failure(failure) = outcome {
            opening.failed_probes = opening.failed_probes.saturating_add(1);
            let fatal = failure == Failure::Fatal;
            if fatal {
                opening.reason = Reason::Fatal;
            }
            opening.check_at = at + self.waits.next(self.rules.open_for_ms, opening.failed_probes, fatal);
            opening.calls_at = opening.check_at;
        } else {
            opening.check_at = at;
            opening.calls_at = at + self.rules.open_for_ms / PAUSE_AFTER_NOTHING;
        }
    }

    fn close(&mut self, at: i64) -> Option<Change> {
        let opening = self.opening.take()?;
        self.last = Some(Closing { at, failed_probes: opening.failed_probes });
        self.calls = Calls::default();
        self.period += 1;
        Some(Change::Closed { after_ms: at - opening.since })
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Row { failures, last } => write!(f, "{failures} failures in a row, the last: {last:?}"),
            Self::Rate { failed, calls } => write!(f, "{failed} of {calls} calls failed"),
            Self::Fatal => f.write_str("a failure that needs an administrator"),
        }
    }
}
