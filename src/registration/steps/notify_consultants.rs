//! Step 4: consultants hear of the customer (R003, PRD 4.4.1). Does not wait for the welcome.
//!
//! The notice is a row for each consultant, which the live hub delivers and delivers again; a job looks whether
//! anybody has seen it, at once when nobody is connected, and another one begins the escalation.

use serde_json::{Value, json};

use crate::{
    clock::rfc3339,
    drill,
    ids::new_id,
    queue::JobError,
    registration::{
        ESCALATION_JOB, NOTICE_JOB,
        assignment::{self, Candidate},
        run::{Job, Try, span_of},
    },
    store::{
        jobs::{NewJob, Priority},
        notices::{Consultant, NewNotice},
        registrations::Registration,
    },
    telemetry::figures,
};

const STEP: &str = "notify_consultants";

pub(in crate::registration) async fn notify_consultants(job: &Job<'_>, run: &Registration) -> Result<(), JobError> {
    if !job.settings.notice.enabled || job.runner.is_done(&run.id, STEP)? {
        return Ok(());
    }
    let this = Try::begin(job, STEP);
    let runner = job.runner;
    let consultants = runner.store.consultants(runner.clock.now_ms())?;
    let recipients: Vec<String> = consultants.iter().map(|consultant| consultant.id.clone()).collect();
    let notice = notice(job, run, &consultants, &recipients)?;
    drill::point("notify_consultants.before_commit");
    match runner.store.tell_consultants(&run.id, recipients.clone(), notice, this.done(json!({}))).await {
        Ok(told) => {
            drill::point("notify_consultants.after_commit");
            runner.wake.notify_one();
            runner.connected.look(if recipients.is_empty() { &EVERYBODY } else { &recipients });
            let since_acceptance_ms = runner.clock.now_ms() - run.accepted_at;
            figures::notices("new_customer", told);
            figures::consultants_told(span_of(since_acceptance_ms));
            tracing::info!(
                registration.id = run.id,
                user.id = run.profile.user_id,
                consultants = told,
                since_acceptance_ms,
                "顾问通知发送完成 / consultants notified"
            );
            Ok(())
        }
        Err(error) => Err(this.failed(job, &run.id, error.into()).await),
    }
}

static EVERYBODY: [String; 1] = [String::new()];

fn notice(job: &Job<'_>, run: &Registration, consultants: &[Consultant], recipients: &[String]) -> Result<NewNotice, JobError> {
    let (runner, settings) = (job.runner, &job.settings);
    let now = runner.clock.now_ms();
    let facts = runner.store.known_facts(&run.profile.user_id)?;
    let candidates: Vec<Candidate> = consultants
        .iter()
        .map(|consultant| Candidate {
            id: consultant.id.clone(),
            tags: consultant.tags.clone(),
            claims_today: consultant.claimed_today,
            last_assigned_at: consultant.last_assigned_at,
            online: runner.connected.any(std::slice::from_ref(&consultant.id)),
            available: true,
        })
        .collect();
    let online = candidates.iter().any(|candidate| candidate.online);
    let look_at = if online { now + settings.notice.ack_timeout.as_ms() } else { now };
    let first_level = settings.escalation.levels.first().filter(|_| settings.escalation.enabled);
    let mut jobs = vec![follow_up(runner.clock.as_ref(), NOTICE_JOB, &run.id, look_at)];
    jobs.extend(first_level.map(|level| follow_up(runner.clock.as_ref(), ESCALATION_JOB, &run.id, now + level.after.as_ms())));
    let payload = payload(job, run);
    Ok(NewNotice {
        event: runner.announcer.event(runner.clock.as_ref(), run, "customer.waiting", json!({"consultants": recipients.len()})),
        assigned_to: assignment::choose(settings.assignment.rule, &candidates, &facts.concerns).map(|candidate| candidate.id.clone()),
        payload,
        jobs,
    })
}

fn follow_up(clock: &dyn crate::clock::Clock, kind: &'static str, run_id: &str, run_at: i64) -> NewJob {
    NewJob { id: new_id(clock), kind, subject_id: run_id.to_owned(), run_at, priority: Priority::Normal }
}

/// The PRD's payload with basic facts, link and expected response time. Contact data stay out: the conversation shows
/// them to those who may see them.
fn payload(job: &Job<'_>, run: &Registration) -> Value {
    let notice = &job.settings.notice;
    let conversation = run.conversation_id.as_deref().unwrap_or_default();
    let name = crate::names::safe_name(&run.profile.username);
    json!({
        "type": "new_customer",
        "title": notice.title,
        "message": notice.message.replace("{username}", &name),
        "customer_id": run.profile.user_id,
        "customer": {"username": name, "roles": run.profile.roles, "segment": run.segment, "registered_at": rfc3339(run.profile.registered_at)},
        "conversation_id": conversation,
        "conversation_link": notice.link_template.as_ref().map(|link| link.replace("{conversation_id}", conversation)),
        "registration_id": run.id,
        "expected_response_seconds": notice.expected_response.as_secs(),
        "timestamp": rfc3339(job.runner.clock.now_ms()),
        "action": "claim_customer",
    })
}
