//! Registrations: the list, one run, trying it again, taking it back.

use chrono::{DateTime, NaiveDate};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    CallError, Calls, Listed,
    jobs::JobView,
    pages,
    words::{Words, length},
};
use crate::{
    clock::rfc3339,
    registration::RUN_JOB,
    store::{
        audit::By,
        registrations::Registration,
        run_list::{ListedRun, RunFilter},
    },
};

/// States of a registration.
pub(in crate::admin) const STATES: [&str; 6] = ["accepted", "done", "done_with_fallback", "dead_letter", "cancelled", "skipped"];
/// Rungs of the ladder on which a welcome is written.
pub(in crate::admin) const RUNGS: [&str; 4] = ["agent", "fallback_agent", "segment", "static"];
/// Kinds of new customers.
pub(in crate::admin) const SEGMENTS: [&str; 3] = ["new", "concern", "returning"];

/// Which registrations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunsWanted {
    /// `accepted`, `done`, `done_with_fallback`, `dead_letter`, `cancelled` or `skipped`.
    pub state: Option<String>,
    /// Which rung wrote the welcome: `agent`, `fallback_agent`, `segment` or `static`.
    pub rung: Option<String>,
    /// The agent chosen first, by id or name.
    pub agent: Option<String>,
    /// What kind of new customer it is: `new`, `concern` or `returning`.
    pub segment: Option<String>,
    /// Only accepted then or later: a time or a day (UTC).
    pub since: Option<String>,
    /// Only accepted before then.
    pub until: Option<String>,
    /// The user's id, or a part of the name.
    pub user: Option<String>,
    /// Only those that were given up or had to make do without an agent.
    pub failed: bool,
    /// Only those whose customer nobody has claimed.
    pub unclaimed: bool,
    /// Entries of the page.
    pub limit: u32,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// A registration in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RunView {
    /// Its id; also the run's.
    pub id: String,
    /// The app's user.
    pub user_id: String,
    /// The user's name as the app sent it: hostile text, to be shown as text.
    pub username: String,
    /// `accepted`, `done`, `done_with_fallback`, `dead_letter`, `cancelled` or `skipped`.
    pub state: String,
    /// Why nothing was done.
    pub skip_reason: Option<String>,
    /// When it was accepted.
    pub accepted_at: String,
    /// When the last step was done.
    pub finished_at: Option<String>,
    /// From acceptance to the welcome.
    pub welcome_ms: Option<i64>,
    /// From acceptance to the end.
    pub duration_ms: Option<i64>,
    /// What kind of new customer it is.
    pub segment: Option<String>,
    /// The agent chosen first.
    pub agent_id: Option<String>,
    /// Its name and version, while it exists.
    pub agent: Option<String>,
    /// Which rung wrote the welcome.
    pub rung: Option<String>,
    /// What became of an answer after the deadline.
    pub late_outcome: Option<String>,
    /// The conversation opened for it.
    pub conversation_id: Option<String>,
    /// When the customer was claimed.
    pub claimed_at: Option<String>,
    /// By whom.
    pub claimed_by: Option<String>,
    /// The last level of the escalation; 0 before the first.
    pub escalation_level: i64,
}

/// One registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RunDetail {
    /// What the list shows of it.
    #[serde(flatten)]
    pub run: RunView,
    /// When the welcome must be there.
    pub deadline_at: String,
    /// The consultant the rule offered the customer to first.
    pub assigned_to: Option<String>,
    /// The welcome, once there is one.
    pub welcome: Option<WelcomeView>,
    /// The job that carries it; finished ones are deleted after a while.
    pub job: Option<JobView>,
    /// Whether it can be tried again.
    pub can_retry: bool,
    /// Whether it can be taken back.
    pub can_cancel: bool,
    /// Whether it has ended with steps that are not done, and no job that could be tried again.
    pub can_resume: bool,
}

/// A welcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WelcomeView {
    /// The text the customer was sent first. Withheld from auditors.
    pub text: Option<String>,
    /// How long it is.
    pub characters: i64,
    /// Which rung wrote it.
    pub rung: Option<String>,
    /// Why that rung.
    pub reason: Option<String>,
    /// The stored message.
    pub message_id: Option<String>,
    /// When it was stored.
    pub stored_at: Option<String>,
}

impl Calls {
    /// Registrations, the latest first. A page may be short and still have a next one: filters without an index of
    /// their own look at a bounded number of rows.
    pub async fn runs(&self, wanted: RunsWanted) -> Result<Listed<RunView>, CallError> {
        let after = pages::place(wanted.cursor.as_deref())?;
        let limit = wanted.limit;
        let filter = self.run_filter(wanted)?;
        Ok(pages::listed(self.store.run_list(filter, after, limit).await?, RunView::from))
    }

    fn run_filter(&self, wanted: RunsWanted) -> Result<RunFilter, CallError> {
        let agent_id = match wanted.agent {
            Some(agent) => self.store.agents()?.into_iter().find(|one| one.app_name == agent).map(|one| one.id).or(Some(agent)),
            None => None,
        };
        Ok(RunFilter {
            state: one_of("/state", wanted.state, &STATES)?,
            rung: one_of("/rung", wanted.rung, &RUNGS)?,
            agent_id,
            segment: one_of("/segment", wanted.segment, &SEGMENTS)?,
            since: moment("/since", wanted.since.as_deref())?,
            until: moment("/until", wanted.until.as_deref())?,
            user: wanted.user.map(|user| user.trim().to_owned()).filter(|user| !user.is_empty()),
            failed: wanted.failed,
            unclaimed: wanted.unclaimed,
        })
    }

    /// The agents by which registrations can be told apart: ids and names.
    pub fn run_agents(&self) -> Result<Vec<(String, String)>, CallError> {
        Ok(self.store.agents()?.into_iter().map(|agent| (agent.id, agent.app_name)).collect())
    }

    /// One registration.
    pub fn run(&self, id: &str, words: Words) -> Result<RunDetail, CallError> {
        let listed = self.store.listed_run(id)?.ok_or_else(|| unknown(id))?;
        let run = self.store.registration(id)?.ok_or_else(|| unknown(id))?;
        let job = self.store.job(id)?.filter(|job| job.kind == RUN_JOB);
        let state = job.as_ref().map_or("", |job| job.state.as_str());
        let (can_retry, can_cancel) = (matches!(state, "dead" | "cancelled"), state == "ready");
        Ok(RunDetail {
            deadline_at: rfc3339(run.deadline_at),
            assigned_to: run.assigned_to.clone(),
            welcome: welcome(&run, words),
            job: job.map(JobView::from),
            can_resume: !can_retry && matches!(run.state.as_str(), "dead_letter" | "cancelled" | "skipped"),
            run: listed.into(),
            can_retry,
            can_cancel,
        })
    }

    /// Tries a registration again that was given up or cancelled: at once and with all its tries. Steps that are done
    /// are not done again.
    pub async fn retry_run(&self, id: &str, by: &By) -> Result<JobView, CallError> {
        self.known_run(id)?;
        self.retry_job(id, by).await
    }

    /// Takes a registration back that waits for its next try.
    pub async fn cancel_run(&self, id: &str, by: &By) -> Result<JobView, CallError> {
        self.known_run(id)?;
        self.cancel_job(id, by).await
    }

    /// Sends a registration that has ended through those of its steps that are not done.
    pub async fn resume_run(&self, id: &str, by: &By) -> Result<JobView, CallError> {
        self.known_run(id)?;
        let job = self.store.replay_registration(id, by.clone()).await?;
        self.wake_queue();
        Ok(job.into())
    }

    /// The registration, which must exist.
    pub(super) fn known_run(&self, id: &str) -> Result<Registration, CallError> {
        self.store.registration(id)?.ok_or_else(|| unknown(id))
    }
}

pub(super) fn unknown(id: &str) -> CallError {
    CallError::not_found(format!("没有注册 {id}"), format!("there is no registration {id}"))
}

fn welcome(run: &Registration, words: Words) -> Option<WelcomeView> {
    let text = run.welcome_text.as_ref()?;
    Some(WelcomeView {
        text: words.show(text),
        characters: length(text),
        rung: run.welcome_rung.clone(),
        reason: run.welcome_reason.clone(),
        message_id: run.welcome_message_id.clone(),
        stored_at: run.welcome_at.map(rfc3339),
    })
}

/// A value that must be one of a few.
fn one_of(pointer: &str, value: Option<String>, known: &[&str]) -> Result<Option<String>, CallError> {
    match value {
        Some(value) if !known.contains(&value.as_str()) => {
            let list = known.join(", ");
            Err(CallError::invalid(pointer, format!("没有 {value:?}；可选：{list}"), format!("there is no {value:?}; there are {list}")))
        }
        value => Ok(value),
    }
}

/// A time as RFC 3339, or the beginning of a day in UTC.
pub(super) fn moment(pointer: &str, text: Option<&str>) -> Result<Option<i64>, CallError> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    let day = || text.parse::<NaiveDate>().ok().and_then(|day| day.and_hms_opt(0, 0, 0)).map(|at| at.and_utc().timestamp_millis());
    let at = DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis()).or_else(day);
    at.map(Some).ok_or_else(|| {
        CallError::invalid(
            pointer,
            format!("{text:?} 不是时间：请写 2026-11-26 或 2026-11-26T08:00:00Z"),
            format!("{text:?} is no time: write 2026-11-26 or 2026-11-26T08:00:00Z"),
        )
    })
}

impl From<ListedRun> for RunView {
    fn from(run: ListedRun) -> Self {
        Self {
            welcome_ms: run.welcome_at.map(|at| (at - run.accepted_at).max(0)),
            duration_ms: run.finished_at.map(|at| (at - run.accepted_at).max(0)),
            id: run.id,
            user_id: run.user_id,
            username: run.username,
            state: run.state,
            skip_reason: run.skip_reason,
            accepted_at: rfc3339(run.accepted_at),
            finished_at: run.finished_at.map(rfc3339),
            segment: run.segment,
            agent_id: run.agent_id,
            agent: run.agent,
            rung: run.rung,
            late_outcome: run.late_outcome,
            conversation_id: run.conversation_id,
            claimed_at: run.claimed_at.map(rfc3339),
            claimed_by: run.claimed_by,
            escalation_level: run.escalation_level,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_moments_or_days() {
        assert_eq!(moment("/since", Some("1970-01-02")).unwrap(), Some(86_400_000));
        assert_eq!(moment("/since", Some("1970-01-01T08:00:01+08:00")).unwrap(), Some(1_000));
        assert_eq!((moment("/since", None).unwrap(), moment("/since", Some(" ")).unwrap()), (None, None));
        for text in ["yesterday", "2026-13-01", "1"] {
            assert!(matches!(moment("/since", Some(text)), Err(CallError::Invalid(_))), "{text}");
        }
    }

    #[test]
    fn what_there_is_not_is_refused_with_what_there_is() {
        let Err(CallError::Invalid(fields)) = one_of("/state", Some("dead".into()), &STATES) else { panic!("accepted") };
        assert!(fields[0].pointer == "/state" && fields[0].text.en.contains("dead_letter"), "{fields:?}");
        assert_eq!(one_of("/state", Some("done".into()), &STATES).unwrap().as_deref(), Some("done"));
    }
}
