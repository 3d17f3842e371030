//! The proof over the rows that nothing was lost and nothing was done twice. It reads the database alone, and changes
//! nothing.

use std::path::Path;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use super::{CallError, Calls, said};
use crate::{
    config::{Config, HumanDuration},
    settings::Settings,
    store::verify::{self, Check, Measures, VerifyError},
};

/// A proof reads every row: one at a time.
static ONE: Semaphore = Semaphore::const_new(1);

/// What the proof found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProofView {
    /// Whether every rule holds.
    pub ok: bool,
    /// Rows that break a rule.
    pub findings: usize,
    /// Registrations under way.
    pub runs_under_way: i64,
    /// Jobs that are due.
    pub jobs_due: i64,
    /// Every rule.
    pub checks: Vec<CheckView>,
}

/// What one rule found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CheckView {
    /// Short name.
    pub name: String,
    /// What must hold.
    pub holds: String,
    /// Rows it was held against.
    pub looked_at: i64,
    /// Rows that break it.
    pub broken: usize,
    /// Which they are; the first fifty.
    pub findings: Vec<String>,
}

/// When the rows are held against the rules, and after what.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The time.
    pub now: i64,
    /// Whether nothing should be left to do.
    pub drained: bool,
    /// Whether a daemon works on the database.
    pub daemon_runs: bool,
}

/// What the rules are measured by: the settings as they are stored.
pub fn measures(database: &Path, config: &Config, moment: Moment) -> Result<Measures, VerifyError> {
    let stored = verify::settings(database)?;
    let standard = Settings::default();
    let ms = |waits: Vec<HumanDuration>| waits.into_iter().map(HumanDuration::as_ms).collect();
    Ok(Measures {
        now: moment.now,
        daemon_runs: moment.daemon_runs,
        drained: moment.drained,
        events: config.outbound.webhook_url.is_some(),
        run_waits: ms(setting(&stored, "retry.delays", standard.retry.delays)),
        event_waits: ms(setting(&stored, "events.delays", standard.events.delays)),
        deliveries_kept: setting(&stored, "retention.deliveries", standard.retention.deliveries).as_ms(),
    })
}

impl Calls {
    /// Holds every rule against the rows, beside whatever is going on.
    pub async fn verify_jobs(&self) -> Result<ProofView, CallError> {
        let Ok(_turn) = ONE.try_acquire() else {
            return Err(CallError::conflict("正在核查，请稍候", "a proof is under way already; wait for it"));
        };
        let (path, config) = (self.store.path().to_owned(), self.config.clone());
        let moment = Moment { now: self.clock.now_ms(), drained: false, daemon_runs: self.running.is_some() };
        let held = tokio::task::spawn_blocking(move || hold(&path, &config, moment)).await;
        let failed = |why: String| CallError::Unavailable(said(format!("无法核查：{why}"), format!("the rows could not be read: {why}")));
        held.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))
    }
}

fn hold(path: &Path, config: &Config, moment: Moment) -> Result<ProofView, VerifyError> {
    let checks = verify::verify(path, &measures(path, config, moment)?)?;
    // Work that is due now or in a second; what is planned for later is no backlog.
    let backlog = verify::backlog(path, moment.now + 1_000)?;
    let findings = checks.iter().map(|check| check.broken).sum();
    let checks = checks.into_iter().map(CheckView::from).collect();
    Ok(ProofView { ok: findings == 0, findings, runs_under_way: backlog.runs, jobs_due: backlog.jobs, checks })
}

impl From<Check> for CheckView {
    fn from(check: Check) -> Self {
        let (name, holds) = (check.name.to_owned(), check.holds.to_owned());
        Self { name, holds, looked_at: check.looked_at, broken: check.broken, findings: check.findings }
    }
}

fn setting<T: DeserializeOwned>(stored: &[(String, Value)], name: &str, standard: T) -> T {
    let value = stored.iter().find(|(stored, _)| stored == name).map(|(_, value)| value.clone());
    value.and_then(|value| serde_json::from_value(value).ok()).unwrap_or(standard)
}
