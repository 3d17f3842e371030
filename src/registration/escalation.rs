//! What happens when nobody claims (PRD 9.2): level by level, others hear of the customer who waits.
//!
//! A job looks at one run. A level whose working time has passed since the notice is reached: recorded, told over live
//! connections and channels, all in one transaction; then the job sleeps until the next level. Levels and working
//! hours are read at each look, so that a change counts for those who wait already. It ends with a claim, with the
//! last level, or when the conversation is closed.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{Connected, hours::Hours};
use crate::{
    clock::{SharedClock, rfc3339},
    queue::{Handler, JobError},
    settings::{Book, EscalationLevel, EscalationTarget, Settings, WorkingHours},
    store::{
        Store,
        escalations::{Audience, NewLevel, Reached, Unclaimed},
        pushes::NewPush,
    },
    telemetry::figures,
};

/// Reaches the levels of runs nobody claims.
pub struct Escalation {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: SharedClock,
    /// The settings in force.
    pub book: Book,
    /// Who is connected.
    pub connected: Arc<dyn Connected>,
    /// Wakes the queue for the pushes.
    pub wake: Arc<Notify>,
}

impl std::fmt::Debug for Escalation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Escalation").finish_non_exhaustive()
    }
}

#[async_trait]
impl Handler for Escalation {
    async fn run(&self, registration_id: &str, _attempt: u32) -> Result<(), JobError> {
        let settings = self.book.current()?;
        let Some(customer) = self.store.unclaimed(registration_id)?.filter(|_| settings.escalation.enabled) else { return Ok(()) };
        let hours = hours(&settings.working_hours);
        let Some(level) = level_after(&settings, customer.level) else { return Ok(()) };
        let due = due(&hours, &customer, level);
        let now = self.clock.now_ms();
        if now < due {
            return Err(JobError::Later { run_at: due });
        }
        let reached = self.store.escalate(new_level(&settings, &hours, &customer, level, now), now).await?;
        if let Some(reached) = reached {
            self.tell(&customer, level, &reached);
        }
        match level_after(&settings, customer.level + 1) {
            Some(next) => Err(JobError::Later { run_at: self::due(&hours, &customer, next).max(now) }),
            None => Ok(()),
        }
    }

    fn delay(&self, attempt: u32) -> Option<Duration> {
        self.book.retry_delay(attempt)
    }

    async fn given_up(&self, registration_id: &str, error: &JobError) {
        tracing::error!(registration.id = registration_id, %error, "nobody is told any more that this customer waits; `anmei-mcp claim list` shows who does");
    }
}

impl Escalation {
    /// The rows are committed: makes haste with them, and says it in the log.
    fn tell(&self, customer: &Unclaimed, level: EscalationLevel, reached: &Reached) {
        figures::notices("escalation", reached.recipients.len());
        self.connected.look(&reached.recipients);
        if reached.pushes > 0 {
            self.wake.notify_one();
        }
        let (told, pushes) = (reached.recipients.len(), reached.pushes);
        let (number, target) = (customer.level + 1, target(level.target));
        if told + pushes == 0 {
            tracing::error!(
                registration.id = customer.registration_id,
                level = number,
                target,
                "客户无人认领，且无人可通知 / nobody has claimed a customer, and there is nobody to tell: no such account, and no channel"
            );
        } else {
            tracing::warn!(
                registration.id = customer.registration_id,
                level = number,
                target,
                told,
                pushes,
                "客户无人认领，已升级 / nobody has claimed a customer; escalated"
            );
        }
    }
}

/// The hours of the setting. What cannot be read must not silence the escalation: then every hour counts.
fn hours(setting: &WorkingHours) -> Hours {
    Hours::try_from(setting).unwrap_or_else(|error| {
        tracing::warn!(%error, "working_hours cannot be counted with; every hour counts as working time");
        Hours::always()
    })
}

/// The level that follows `reached`, which is 0 before the first.
fn level_after(settings: &Settings, reached: i64) -> Option<EscalationLevel> {
    settings.escalation.levels.get(usize::try_from(reached).ok()?).copied()
}

fn due(hours: &Hours, customer: &Unclaimed, level: EscalationLevel) -> i64 {
    hours.add_working(customer.notified_at, level.after.get())
}

fn new_level(settings: &Settings, hours: &Hours, customer: &Unclaimed, level: EscalationLevel, now: i64) -> NewLevel {
    let number = customer.level + 1;
    let minutes = hours.working_ms_between(customer.notified_at, now) / 60_000;
    let title = format!("客户等待认领（第 {number} 次提醒） / A customer waits (reminder {number})");
    let body =
        format!("已等待 {minutes} 分钟（工作时间），尚无顾问认领。 / Nobody has claimed this customer for {minutes} working minutes.");
    let link = settings.notice.link_template.as_ref().map(|link| link.replace("{conversation_id}", &customer.conversation_id));
    let data = data(customer, number, level.target, now);
    let mut notice = data.clone();
    if let Some(notice) = notice.as_object_mut() {
        notice.extend([
            ("type".to_owned(), json!("escalation")),
            ("title".to_owned(), json!(title)),
            ("message".to_owned(), json!(body)),
            ("conversation_link".to_owned(), json!(link)),
            ("timestamp".to_owned(), json!(rfc3339(now))),
            ("action".to_owned(), json!("claim_customer")),
        ]);
    }
    NewLevel {
        registration_id: customer.registration_id.clone(),
        level: number,
        audience: audience(level.target),
        notice,
        push: NewPush {
            reason: "escalation",
            subject_id: customer.registration_id.clone(),
            level: number,
            payload: json!({"title": title, "body": body, "link": link, "severity": "warning", "data": data}),
            channels: channels(settings, level.target),
        },
    }
}

/// Ids and times only: pushes pass through other people's servers.
fn data(customer: &Unclaimed, level: i64, target: EscalationTarget, now: i64) -> Value {
    json!({
        "registration_id": customer.registration_id,
        "conversation_id": customer.conversation_id,
        "customer_id": customer.customer_id,
        "level": level,
        "target": self::target(target),
        "waiting_since": rfc3339(customer.notified_at),
        "waiting_seconds": (now - customer.notified_at) / 1000,
    })
}

fn audience(target: EscalationTarget) -> Audience {
    match target {
        EscalationTarget::Again => Audience::Consultants,
        EscalationTarget::Supervisors => Audience::Supervisors,
        EscalationTarget::Administrator => Audience::Administrators,
    }
}

fn target(target: EscalationTarget) -> &'static str {
    audience(target).as_str()
}

/// Administrators have channels of their own, if any are set up; everybody else has the consultants'.
fn channels(settings: &Settings, target: EscalationTarget) -> Vec<String> {
    let own = &settings.alerts.channels;
    let channels = if target == EscalationTarget::Administrator && !own.is_empty() { own } else { &settings.notice.channels };
    channels.iter().map(|channel| channel.name().to_owned()).collect()
}

#[cfg(test)]
mod tests;
