//! Those who take customers, and what each has done of late.

use rusqlite::{Row, params};

use super::{Store, StoreError, rows};

/// Most claims that are summed up.
const MOST_CLAIMS: i64 = 20_000;

/// Somebody who may claim customers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffMember {
    /// The app's user id.
    pub user_id: String,
    /// The name.
    pub username: String,
    /// Whether the role is `consultant`; else a supervisor only.
    pub is_consultant: bool,
    /// Whether customers nobody claims are told.
    pub is_supervisor: bool,
    /// Whether new customers are taken.
    pub is_available: bool,
    /// What the person is good at.
    pub tags: Vec<String>,
    /// When the rule last named this one.
    pub last_assigned_at: Option<i64>,
}

/// One claim, as the load of whoever made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Who has the customer.
    pub consultant_id: String,
    /// When.
    pub claimed_at: i64,
    /// How long the customer had waited.
    pub waited_ms: i64,
    /// Whether the conversation is still open.
    pub open: bool,
}

const STAFF: &str = r#"
    SELECT u.id, u.username, EXISTS (SELECT 1 FROM json_each(u.roles) WHERE value = 'consultant'), coalesce(c.is_supervisor, 0),
           coalesce(c.is_available, 1), coalesce(c.tags, '[]'), (SELECT max(accepted_at) FROM registrations WHERE assigned_to = u.id)
      FROM users u LEFT JOIN consultants c ON c.user_id = u.id
     WHERE u.is_active = 1 AND u.roles <> '["customer"]'
       AND (c.is_supervisor = 1 OR EXISTS (SELECT 1 FROM json_each(u.roles) WHERE value = 'consultant'))
     ORDER BY u.id"#;
const LOADS: &str = "
    SELECT claimed_by, claimed_at, claimed_at - coalesce(noticed_at, opened_at, accepted_at), NOT closed
      FROM run_figures INDEXED BY run_figures_by_claim WHERE claimed_at >= ?1 ORDER BY claimed_at DESC LIMIT ?2";

impl Store {
    /// Everybody who may claim customers.
    pub async fn staff(&self) -> Result<Vec<StaffMember>, StoreError> {
        self.scan(|db| rows::all(db, STAFF, [], member)).await
    }

    /// The claims since `since`, the latest first; the latest 20 000 when there are more.
    pub async fn loads(&self, since: i64) -> Result<Vec<Load>, StoreError> {
        self.scan(move |db| {
            rows::all(db, LOADS, params![since, MOST_CLAIMS], |row| {
                let waited: i64 = row.get(2)?;
                Ok(Load { consultant_id: row.get(0)?, claimed_at: row.get(1)?, waited_ms: waited.max(0), open: row.get(3)? })
            })
        })
        .await
    }
}

fn member(row: &Row<'_>) -> rusqlite::Result<StaffMember> {
    Ok(StaffMember {
        user_id: row.get(0)?,
        username: row.get(1)?,
        is_consultant: row.get(2)?,
        is_supervisor: row.get(3)?,
        is_available: row.get(4)?,
        tags: rows::json(row, 5)?,
        last_assigned_at: row.get(6)?,
    })
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::store::claims::fixture::{NOW, clinic, customer_waits};

    #[tokio::test]
    async fn staff_are_those_who_may_claim_and_their_load_is_what_they_claimed() {
        let (_dir, store) = clinic().await;
        let staff = store.staff().await.unwrap();
        let told: Vec<_> = staff.iter().map(|one| (one.user_id.as_str(), one.is_consultant, one.is_supervisor)).collect();
        assert_eq!(told, [("usr_c1", true, false), ("usr_c2", true, false), ("usr_c3", true, false), ("usr_sup", false, true)]);
        let run = customer_waits(&store, "usr_new", NOW).await;
        let claim = crate::store::claims::NewClaim {
            target: crate::store::claims::Target::Registration(run),
            consultant_id: "usr_c2".into(),
            via: crate::store::claims::Via::Panel,
            events: false,
            now: NOW + 5_000,
        };
        store.claim(claim).await.unwrap();
        let load = Load { consultant_id: "usr_c2".into(), claimed_at: NOW + 5_000, waited_ms: 5_000, open: true };
        assert_eq!(store.loads(NOW).await.unwrap(), [load]);
        assert_eq!(store.loads(NOW + 6_000).await.unwrap(), []);
    }

    #[test]
    fn both_are_read_along_an_index() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(crate::store::migrate::SCHEMA).unwrap();
        for (sql, index) in [(STAFF, "users_with_other_roles"), (LOADS, "COVERING INDEX run_figures_by_claim")] {
            let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps: Vec<String> = plan.raw_query().mapped(|row| row.get(3)).collect::<Result<_, _>>().unwrap();
            assert!(steps.iter().any(|step| step.contains(index)), "{steps:?}");
            assert!(!steps.iter().any(|step| step.starts_with("SCAN r") || step.starts_with("SCAN c ")), "{steps:?}");
        }
    }
}
