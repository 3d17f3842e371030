//! Telling consultants of a new customer: who is told, whom the rule names, and what follows if nobody reacts.

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::{
    Store, StoreError,
    events::{self, OutgoingEvent},
    jobs::{self, NewJob},
    registrations::{StepRecord, insert_step},
    rows,
};
use crate::ids::new_id_at;

/// A consultant who may take a new customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consultant {
    /// The account.
    pub id: String,
    /// What the person is good at.
    pub tags: Vec<String>,
    /// Customers claimed within the last day.
    pub claimed_today: i64,
    /// When the rule last named this one.
    pub last_assigned_at: Option<i64>,
}

/// What is told.
#[derive(Debug, Clone)]
pub struct NewNotice {
    /// PRD 4.4.1; `assigned_to` is added.
    pub payload: Value,
    /// The consultant the rule names, if it names one.
    pub assigned_to: Option<String>,
    /// `customer.waiting`.
    pub event: Option<OutgoingEvent>,
    /// What follows if nobody reacts: looks for an acknowledgement, escalation.
    pub jobs: Vec<NewJob>,
}

const CONSULTANTS: &str = r#"
    SELECT u.id, coalesce(c.tags, '[]'),
           (SELECT count(*) FROM claims WHERE consultant_id = u.id AND claimed_at > ?1),
           (SELECT max(accepted_at) FROM registrations WHERE assigned_to = u.id AND accepted_at > ?1)
      FROM users u LEFT JOIN consultants c ON c.user_id = u.id
     WHERE u.is_active = 1 AND coalesce(c.is_available, 1) = 1
       AND u.roles <> '["customer"]' AND EXISTS (SELECT 1 FROM json_each(u.roles) WHERE value = 'consultant')
     ORDER BY u.id"#;

impl Store {
    /// The consultants who may take a new customer.
    pub fn consultants(&self, now: i64) -> Result<Vec<Consultant>, StoreError> {
        self.point(|db| consultants(db, now))
    }

    /// Step 4: a notification for each of `recipients`, or one for everybody when none is known.
    pub async fn tell_consultants(
        &self,
        registration_id: &str,
        recipients: Vec<String>,
        notice: NewNotice,
        record: StepRecord,
    ) -> Result<usize, StoreError> {
        let id = registration_id.to_owned();
        self.write(move |db| {
            let now = record.started_at;
            let everybody = [String::new()];
            let recipients = if recipients.is_empty() { &everybody[..] } else { &recipients };
            let payload = with_assignee(notice.payload, notice.assigned_to.as_deref()).to_string();
            let mut insert = db.prepare_cached(
                "INSERT INTO notifications (id, registration_id, kind, level, recipient_id, payload, created_at)
                 VALUES (?1, ?2, 'new_customer', 0, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
            )?;
            for recipient in recipients {
                insert.execute(params![new_id_at(now), id, recipient, payload, now])?;
            }
            db.prepare_cached("UPDATE registrations SET assigned_to = coalesce(assigned_to, ?2) WHERE id = ?1")?
                .execute(params![id, notice.assigned_to])?;
            for job in &notice.jobs {
                jobs::enqueue(db, job, now)?;
            }
            if let Some(event) = &notice.event {
                events::add(db, &id, event, now)?;
            }
            let told = recipients.len();
            insert_step(db, &id, &StepRecord { detail: json!({"consultants": told, "assigned_to": notice.assigned_to}), ..record })?;
            Ok(told)
        })
        .await
    }

    /// Whether any consultant has acknowledged the notice of a run, or claimed its customer.
    pub fn notice_was_seen(&self, registration_id: &str) -> Result<bool, StoreError> {
        self.point(|db| {
            db.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM notifications WHERE registration_id = ?1 AND kind = 'new_customer' AND acked_at IS NOT NULL)
                     OR EXISTS (SELECT 1 FROM claims WHERE registration_id = ?1)",
            )?
            .query_row([registration_id], |row| row.get(0))
        })
    }
}

fn consultants(db: &Connection, now: i64) -> rusqlite::Result<Vec<Consultant>> {
    let day_ago = now - 24 * 3_600_000;
    rows::all(db, CONSULTANTS, [day_ago], |row| {
        Ok(Consultant { id: row.get(0)?, tags: rows::json(row, 1)?, claimed_today: row.get(2)?, last_assigned_at: row.get(3)? })
    })
}

fn with_assignee(mut payload: Value, assigned_to: Option<&str>) -> Value {
    if let Some(fields) = payload.as_object_mut() {
        fields.insert("assigned_to".into(), json!(assigned_to));
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::super::Store;

    /// Customers are many: what is read for each new one must not grow with them.
    #[test]
    fn consultants_are_found_among_staff_alone_and_what_they_have_by_index() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("db")).unwrap();
        let plan: Vec<String> = store
            .point(|db| db.prepare(&format!("EXPLAIN QUERY PLAN {}", super::CONSULTANTS))?.query_map([0], |row| row.get(3))?.collect())
            .unwrap();
        for index in ["users_with_other_roles", "claims_by_consultant", "registrations_by_assignee"] {
            assert!(plan.iter().any(|line| line.contains(index)), "{index}: {plan:#?}");
        }
    }
}
