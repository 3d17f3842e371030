//! Jobs that were given up. The subject is `kind/id`, such as `registration/0190…`.
//!
//! An alert stays until its job is done or cancelled: one that is tried again is not settled yet. When an outage kills
//! many jobs, the first [`ONE_BY_ONE`] are told one by one and the rest together (empty subject). While `retry.on_failure`
//! says that failures are recorded only, no alert is opened; those that are open go on until they are settled.

use async_trait::async_trait;
use serde_json::json;

use super::{Condition, Finding, Kind, Scene};
use crate::{
    settings::OnFailure,
    store::{StoreError, health::DeadJob},
};

const NAME: &str = "dead_letter";
/// Most dead letters that are told one by one.
const ONE_BY_ONE: usize = 10;
/// Dead letters looked at to find those that are new.
const LOOKED_AT: usize = 3 * ONE_BY_ONE;

pub(super) struct DeadLetter;

#[async_trait]
impl Condition for DeadLetter {
    fn kind(&self) -> Kind {
        Kind { name: NAME, zh: "任务最终失败", en: "a job was given up", severity: "critical", flaps: false, every_ms: 0 }
    }

    async fn holds(&self, scene: &Scene<'_>) -> Result<Vec<Finding>, StoreError> {
        let (dead, total) = scene.store.dead_jobs(LOOKED_AT)?;
        let (mut findings, mut known_dead) = (Vec::new(), 0);
        for alert in scene.open(NAME) {
            let Some((kind, id)) = alert.subject.split_once('/') else { continue };
            let state = scene.store.job_state(kind, id)?;
            known_dead += i64::from(state.as_deref() == Some("dead"));
            if matches!(state.as_deref(), Some("dead" | "ready" | "running")) {
                findings.push(Finding::again(alert));
            }
        }
        let together = scene.open(NAME).any(|alert| alert.subject.is_empty());
        let tells = scene.settings.retry.on_failure == OnFailure::Alert;
        let room = if together || !tells { 0 } else { ONE_BY_ONE.saturating_sub(findings.len()) };
        let fresh = dead.iter().filter(|job| !scene.open(NAME).any(|alert| alert.subject == subject(job)));
        let single: Vec<Finding> = fresh.take(room).map(one).collect();
        let rest = total - known_dead - i64::try_from(single.len()).unwrap_or(i64::MAX);
        findings.extend(single);
        if rest > 0 && (tells || together) {
            findings.push(Finding::new(
                "",
                &format!("另有 {rest} 个任务最终失败"),
                &format!("{rest} more jobs were given up; `anmei-mcp job list --state dead` shows them"),
                json!({"jobs": rest}),
            ));
        }
        Ok(findings)
    }
}

fn subject(job: &DeadJob) -> String {
    format!("{}/{}", job.kind, job.subject_id)
}

fn one(job: &DeadJob) -> Finding {
    let (kind, id) = (&job.kind, &job.subject_id);
    let error = job.error.as_deref().unwrap_or("-");
    Finding::new(
        subject(job),
        &format!("任务 {kind} {id} 重试后仍失败，需人工处理"),
        &format!("the job {kind} of {id} was given up and waits for somebody: {error}"),
        json!({"kind": kind, "id": id, "error": job.error, "given_up_at": job.at}),
    )
}
