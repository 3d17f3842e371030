//! Jobs: what waits, what failed, trying it again, taking it back.

use serde::Serialize;
use utoipa::ToSchema;

use super::{CallError, Calls, Listed, events::unknown_state};
use crate::{
    clock::rfc3339,
    registration::RUN_JOB,
    store::{
        StoreError,
        audit::By,
        job_admin::{Job, JobCounts, JobFilter},
        registrations::StepRecord,
    },
};

/// States of a job.
const STATES: [&str; 5] = ["ready", "running", "done", "dead", "cancelled"];

/// Which jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobsWanted {
    /// `ready`, `running`, `done`, `dead` or `cancelled`.
    pub state: Option<String>,
    /// Only of this kind, such as `registration` or `push`.
    pub kind: Option<String>,
    /// Only about this, such as a registration.
    pub subject_id: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Entries of the page.
    pub limit: u32,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct JobView {
    /// Its id.
    pub id: String,
    /// What is done: `registration`, `outgoing_event`, `notice_ack`, `escalation`, `push` or `feedback`.
    pub kind: String,
    /// What it is about.
    pub subject_id: String,
    /// `ready`, `running`, `done`, `dead` or `cancelled`.
    pub state: String,
    /// 0 goes first.
    pub priority: i64,
    /// Tries begun that count.
    pub attempts: i64,
    /// Not before.
    pub run_at: String,
    /// When its holder is taken for dead.
    pub lease_until: Option<String>,
    /// Why the last try failed.
    pub last_error: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// When it was done or given up.
    pub finished_at: Option<String>,
}

/// A job; of a registration's, its steps as well.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct JobDetail {
    /// The job.
    pub job: JobView,
    /// Every try of every step, in order.
    pub steps: Vec<JobStepView>,
}

/// One try of one step of a registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct JobStepView {
    /// Name of the step.
    pub step: String,
    /// 1 for the first try.
    pub attempt: i64,
    /// How it ended.
    pub state: String,
    /// When it began.
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
    /// What went wrong.
    pub error: Option<String>,
}

/// How many jobs wait, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct JobCountsView {
    /// Due by now.
    pub due: i64,
    /// Due later: planned, or tried again after a wait.
    pub later: i64,
    /// In a worker's hands.
    pub running: i64,
    /// Given up: somebody has to look.
    pub dead: i64,
}

impl Calls {
    /// Jobs, the latest first.
    pub async fn jobs(&self, wanted: JobsWanted) -> Result<Listed<JobView>, CallError> {
        if let Some(state) = wanted.state.as_deref().filter(|state| !STATES.contains(state)) {
            return Err(unknown_state(state, &STATES));
        }
        let filter =
            JobFilter { state: wanted.state, kind: wanted.kind, subject_id: wanted.subject_id, after: wanted.cursor, limit: wanted.limit };
        let found = self.store.jobs(filter).await?;
        Ok(Listed { items: found.items.into_iter().map(JobView::from).collect(), next_cursor: found.next })
    }

    /// How many jobs wait, and how.
    pub async fn job_counts(&self) -> Result<JobCountsView, CallError> {
        let JobCounts { due, later, running, dead } = self.store.count_jobs(self.clock.now_ms()).await?;
        Ok(JobCountsView { due, later, running, dead })
    }

    /// The job with this id, or the one that carries this registration.
    pub fn job(&self, id: &str) -> Result<JobDetail, CallError> {
        let job = self.store.job(id)?.ok_or_else(|| unknown(id))?;
        let steps = if job.kind == RUN_JOB { self.store.registration_steps(&job.subject_id)? } else { Vec::new() };
        let step = |step: StepRecord| JobStepView {
            step: step.step,
            attempt: i64::from(step.attempt),
            state: step.state,
            started_at: rfc3339(step.started_at),
            duration_ms: step.duration_ms,
            error: step.error,
        };
        Ok(JobDetail { job: job.into(), steps: steps.into_iter().map(step).collect() })
    }

    /// Tries a dead or cancelled job again, at once and with all its tries. A registration goes on with it.
    pub async fn retry_job(&self, id: &str, by: &By) -> Result<JobView, CallError> {
        let job = self.store.retry_job(id, by.clone()).await;
        self.job_changed(id, job, "只有失败或已取消的任务可以重试")
    }

    /// Does not do a job that waits. A registration ends with it.
    pub async fn cancel_job(&self, id: &str, by: &By) -> Result<JobView, CallError> {
        let job = self.store.cancel_job(id, by.clone()).await;
        self.job_changed(id, job, "只有等待中的任务可以取消")
    }

    fn job_changed(&self, id: &str, job: Result<Job, StoreError>, rule: &str) -> Result<JobView, CallError> {
        match job {
            Ok(job) => {
                self.wake_queue();
                tracing::info!(job.id = job.id, job.kind = job.kind, state = job.state, "任务已更改 / a job was changed");
                Ok(job.into())
            }
            Err(StoreError::NotFound(_)) => Err(unknown(id)),
            Err(StoreError::Conflict(why)) => Err(CallError::conflict(rule, why)),
            Err(error) => Err(error.into()),
        }
    }

    /// Tells the queue of a running daemon that there is work. Beside one, it looks by itself.
    pub(super) fn wake_queue(&self) {
        if let Some(running) = &self.running {
            running.wake.notify_one();
        }
    }
}

fn unknown(id: &str) -> CallError {
    CallError::not_found(
        format!("没有任务 {id}，也没有处理该注册的任务"),
        format!("there is no job {id}, and no job that carries a registration of this id"),
    )
}

impl From<Job> for JobView {
    fn from(job: Job) -> Self {
        Self {
            id: job.id,
            kind: job.kind,
            subject_id: job.subject_id,
            state: job.state,
            priority: job.priority,
            attempts: job.attempt,
            run_at: rfc3339(job.run_at),
            lease_until: job.lease_until.map(rfc3339),
            last_error: job.last_error,
            created_at: rfc3339(job.created_at),
            finished_at: job.finished_at.map(rfc3339),
        }
    }
}
