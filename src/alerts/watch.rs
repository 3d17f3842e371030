//! The watcher: asks every condition, compares with the open alerts, and writes down what changed.
//!
//! **Flapping.** A condition that comes and goes by itself (a breaker, a share, the disk) is resolved only when it has
//! not been seen for [`CALM_MS`]; if it comes back before that, its alert simply goes on. So whoever was told
//! "resolved" can believe it, and a condition that flickers makes one notice. What somebody or something has settled for
//! good (a dead letter replayed, a receiver enabled again) is resolved at once.

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    Breakers,
    conditions::{self, Condition, Finding, Scene},
};
use crate::{
    clock::SharedClock,
    settings::Book,
    store::{
        Store, StoreError,
        alerts::{Alert, AlertChange, NewAlert},
    },
};

/// How long a condition that comes and goes must not have been seen before it is resolved.
pub(super) const CALM_MS: i64 = 5 * 60_000;
/// How often an open alert's `seen_at` is written: not with every look, or an open alert would cost a commit each.
const SEEN_MS: i64 = 10_000;

/// Evaluates the conditions, over and over.
pub struct Watcher {
    parts: WatcherParts,
    conditions: Vec<Box<dyn Condition>>,
    state: Mutex<State>,
}

/// What a watcher works with.
pub struct WatcherParts {
    /// The database.
    pub store: Store,
    /// The settings: thresholds and channels.
    pub book: Book,
    /// The time.
    pub clock: SharedClock,
    /// Which agents are not asked.
    pub breakers: Arc<dyn Breakers>,
    /// Tells the queue that there are pushes.
    pub wake: Arc<Notify>,
    /// Time between two looks.
    pub period: Duration,
}

#[derive(Default)]
struct State {
    /// When each condition was last asked.
    asked_at: HashMap<&'static str, i64>,
    /// What failed at the last look, so that it is logged once.
    failing: HashSet<&'static str>,
}

impl Watcher {
    /// A watcher of all conditions.
    pub fn new(parts: WatcherParts) -> Self {
        Self::of(parts, conditions::all())
    }

    pub(super) fn of(parts: WatcherParts, conditions: Vec<Box<dyn Condition>>) -> Self {
        Self { parts, conditions, state: Mutex::default() }
    }

    /// Looks until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            let looked = self.look().await;
            self.note("the watcher", looked.err().map(|error| error.to_string()));
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.parts.period) => {}
            }
        }
    }

    /// One look at all conditions that are due. A condition that cannot be asked costs only itself: its alerts stay as
    /// they are.
    pub async fn look(&self) -> Result<(), StoreError> {
        let WatcherParts { store, book, clock, breakers, wake, .. } = &self.parts;
        let (settings, open, now) = (book.current()?, store.open_alerts()?, clock.now_ms());
        let scene = Scene { store, settings: &settings, breakers: breakers.as_ref(), open: &open, now };
        let mut changes = Vec::new();
        for condition in self.conditions.iter().filter(|condition| self.is_due(condition.as_ref(), now)) {
            let asked = AssertUnwindSafe(condition.holds(&scene)).catch_unwind().await;
            let found = asked.unwrap_or_else(|_| Err(StoreError::Engine("the condition panicked".into())));
            match found {
                Ok(findings) => {
                    self.note(condition.kind().name, None);
                    changes.extend(compare(condition.as_ref(), findings, &open, now));
                }
                Err(error) => self.note(condition.kind().name, Some(error.to_string())),
            }
        }
        if changes.is_empty() {
            return Ok(());
        }
        let channels = settings.alerts.channels.iter().map(|channel| channel.name().to_owned()).collect();
        let pushes = store.change_alerts(changes.clone(), channels, now).await?;
        for change in &changes {
            report(change, &open);
        }
        if pushes > 0 {
            wake.notify_one();
        }
        Ok(())
    }

    fn is_due(&self, condition: &dyn Condition, now: i64) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = condition.kind();
        // A clock that was set back must not silence a condition.
        let due = state.asked_at.get(kind.name).is_none_or(|at| (now - at).abs() >= kind.every_ms);
        if due {
            state.asked_at.insert(kind.name, now);
        }
        due
    }

    /// Logs the first of a row of failures, and their end.
    fn note(&self, what: &'static str, error: Option<String>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match error {
            Some(error) if state.failing.insert(what) => tracing::error!(what, error, "a look for alerts failed; it is tried again"),
            None if state.failing.remove(what) => tracing::info!(what, "a look for alerts works again"),
            _ => {}
        }
    }
}

/// What has to be written so that the alerts of one condition say what was found.
fn compare(condition: &dyn Condition, findings: Vec<Finding>, open: &[Alert], now: i64) -> Vec<AlertChange> {
    let kind = condition.kind();
    let ours: Vec<&Alert> = open.iter().filter(|alert| alert.condition == kind.name).collect();
    let gone = ours.iter().filter(|alert| !findings.iter().any(|finding| finding.subject == alert.subject));
    let calm = |alert: &Alert| !kind.flaps || (now - alert.seen_at).abs() >= CALM_MS;
    let mut changes: Vec<AlertChange> = gone
        .filter(|alert| calm(alert))
        .map(|alert| AlertChange::Resolve { id: alert.id.clone(), title: format!("已恢复：{} / Resolved: {}", kind.zh, kind.en) })
        .collect();
    for finding in findings {
        match ours.iter().find(|alert| alert.subject == finding.subject) {
            None => changes.push(AlertChange::Open(NewAlert {
                condition: kind.name,
                subject: finding.subject,
                severity: kind.severity,
                title: format!("告警：{} / Alert: {}", kind.zh, kind.en),
                summary: finding.summary,
                detail: finding.detail,
            })),
            Some(alert) if (now - alert.seen_at).abs() >= SEEN_MS => {
                changes.push(AlertChange::Seen { id: alert.id.clone(), summary: finding.summary, detail: finding.detail });
            }
            Some(_) => {}
        }
    }
    changes
}

fn report(change: &AlertChange, open: &[Alert]) {
    match change {
        AlertChange::Open(new) => {
            tracing::error!(condition = new.condition, subject = new.subject, severity = new.severity, "告警 / alert: {}", new.summary);
        }
        AlertChange::Resolve { id, .. } => {
            if let Some(alert) = open.iter().find(|alert| alert.id == *id) {
                tracing::info!(condition = alert.condition, subject = alert.subject, "告警已恢复 / an alert is resolved");
            }
        }
        AlertChange::Seen { .. } => {}
    }
}
