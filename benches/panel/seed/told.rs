//! Who was told of a run: notices, pushes, events with their attempts, escalations, and the jobs that did it.

use anyhow::Result;
use rusqlite::{Connection, params};
use serde_json::json;

use super::{Cast, runs::Run};
use crate::random::Random;

/// Jobs that ended are kept so long.
const JOBS_KEPT_DAYS: i64 = 30;
/// Notices that nobody acknowledged are those of the last days.
const NOTICES_OPEN_DAYS: i64 = 3;
const NOTICE: &str = "INSERT INTO notifications (id, registration_id, kind, recipient_id, payload, created_at, sent_at, acked_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
/// When it arrived is counted when the row says so.
const ACKNOWLEDGED: &str = "UPDATE notifications SET acked_at = ?2 WHERE id = ?1";
const PUSH: &str = "INSERT INTO pushes (id, channel, reason, subject_id, payload, created_at, delivered_at, last_error)
    VALUES (?1, 'wecom', 'new_customer', ?2, ?3, ?4, ?5, ?6)";
const EVENT: &str = "INSERT INTO outgoing_events (id, kind, subject_id, registration_id, payload, created_at, delivered_at, given_up_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const ATTEMPT: &str =
    "INSERT INTO event_attempts (event_id, attempt, attempted_at, duration_ms, status, error) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const JOB: &str = "INSERT INTO jobs (id, kind, subject_id, state, attempt, run_at, last_error, created_at, finished_at)
    VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?5, ?7)";
const LEVEL: &str = "INSERT INTO escalations (registration_id, level, target, escalated_at) VALUES (?1, 1, 'again', ?2)";

pub(super) fn write(db: &Connection, cast: &Cast, run: &Run, random: &mut Random) -> Result<()> {
    notices(db, cast, run, random)?;
    events(db, cast, run, random)?;
    job(db, cast, random, ("registration", &run.id, run.finished_at, "done"))?;
    if random.chance(200) {
        push(db, cast, run, random)?;
    }
    if run.claimed_at.is_none_or(|at| at > run.welcome_at + 600_000) {
        db.prepare_cached(LEVEL)?.execute(params![run.id, run.welcome_at + 600_000])?;
    }
    Ok(())
}

fn notices(db: &Connection, cast: &Cast, run: &Run, random: &mut Random) -> Result<()> {
    let payload = json!({
        "type": "new_customer", "registration_id": run.id, "conversation_id": run.conversation,
        "customer": {"user_id": run.customer, "username": "陈晓雯"}, "message": "新客户已注册，请尽快联系", "segment": "new",
    });
    let first = random.below(cast.consultants.len() as i64) as usize;
    let told = cast.consultants.iter().cycle().skip(first).take(2);
    let at = run.welcome_at + 5;
    let mut insert = db.prepare_cached(NOTICE)?;
    for (n, consultant) in told.enumerate() {
        let open = cast.days.in_last(NOTICES_OPEN_DAYS, at) && random.chance(100);
        let acked = (!open).then(|| at + random.time(2_000));
        let sent = (n == 0 || !open).then_some(at + 3);
        let id = random.id(at);
        insert.execute(params![id, run.id, "new_customer", consultant, payload.to_string(), at, sent, None::<i64>])?;
        if acked.is_some() {
            db.prepare_cached(ACKNOWLEDGED)?.execute(params![id, acked])?;
        }
        if let Some(claimed) = run.claimed_at.filter(|_| *consultant != run.assigned_to) {
            let payload = json!({"type": "customer_claimed", "registration_id": run.id, "claimed_by": run.assigned_to}).to_string();
            let times = params![random.id(claimed), run.id, "customer_claimed", consultant, payload, claimed, claimed + 3, claimed + 900];
            insert.execute(times)?;
        }
    }
    Ok(())
}

fn push(db: &Connection, cast: &Cast, run: &Run, random: &mut Random) -> Result<()> {
    let (id, at) = (random.id(run.welcome_at), run.welcome_at + 5);
    let given_up = random.chance(4);
    let error = given_up.then_some("the channel answered 500");
    let payload = json!({"title": "新客户", "body": "陈晓雯 刚刚注册，请尽快联系", "link": null, "data": {}}).to_string();
    db.prepare_cached(PUSH)?.execute(params![id, run.id, payload, at, (!given_up).then_some(at + 240), error])?;
    job(db, cast, random, ("push", &id, at + 240, if given_up { "dead" } else { "done" }))
}

fn events(db: &Connection, cast: &Cast, run: &Run, random: &mut Random) -> Result<()> {
    let (welcome, own) = (format!("welcome-{}", run.id), &run.id);
    let last = run.claimed_at.map(|at| ("customer.claimed", own, at));
    let kinds = [
        ("conversation.created", &run.conversation, run.at + 6),
        ("message.created", &welcome, run.welcome_at),
        ("customer.waiting", own, run.welcome_at + 5),
        ("registration.completed", own, run.finished_at),
    ];
    for (kind, subject, at) in kinds.into_iter().chain(last) {
        let id = format!("msg_{}", random.id(at));
        let payload = json!({"type": kind, "timestamp": at, "data": {"id": subject, "registration_id": own, "user_id": run.customer}});
        let given_up = random.below(20_000) == 0;
        let repeated = given_up || random.chance(20);
        let delivered = (!given_up).then_some(at + 60);
        let ended = given_up.then_some(at + 90_000);
        db.prepare_cached(EVENT)?.execute(params![id, kind, subject, own, payload.to_string(), at, delivered, ended])?;
        let mut attempt = db.prepare_cached(ATTEMPT)?;
        if repeated {
            attempt.execute(params![id, 1, at + 10, random.time(40), 503, "the receiver answered 503"])?;
        }
        let number = if repeated { 2 } else { 1 };
        let status = if given_up { 503 } else { 200 };
        attempt.execute(params![id, number, at + 40, random.time(12), status, given_up.then_some("the receiver answered 503")])?;
        job(db, cast, random, ("outgoing_event", &id, at + 60, if given_up { "dead" } else { "done" }))?;
    }
    Ok(())
}

/// Jobs that are done are deleted after a while; those that were given up stay.
fn job(db: &Connection, cast: &Cast, random: &mut Random, (kind, subject, at, state): (&str, &String, i64, &str)) -> Result<()> {
    if state == "dead" || cast.days.in_last(JOBS_KEPT_DAYS, at) {
        let error = (state == "dead").then_some("given up after 12 tries");
        db.prepare_cached(JOB)?.execute(params![random.id(at), kind, subject, state, at, error, at + 30])?;
    }
    Ok(())
}
