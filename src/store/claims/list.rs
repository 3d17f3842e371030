//! Lists of claims and of customers who wait for one, page by page: each walks along an index of its own.

use rusqlite::{Row, params};

use super::{Claim, WaitingCustomer, read, waiting};
use crate::store::{
    Store, StoreError,
    page::{Page, Place},
    rows,
};

/// A customer who waits, with what people want to know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// Where it stands in the queue.
    pub place: Place,
    /// The customer.
    pub customer: WaitingCustomer,
    /// The customer's name, as the app sent it.
    pub username: String,
    /// The name of the consultant the rule offered the customer to first.
    pub assigned_name: Option<String>,
    /// Who was told at the last level of the escalation.
    pub escalated_to: Option<String>,
    /// When.
    pub escalated_at: Option<i64>,
    /// When somebody looks whether the next level is due.
    pub next_look_at: Option<i64>,
    /// How many consultants have said that they have the notice.
    pub acknowledged: i64,
}

/// A claim with the names of both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// Where it stands in the list.
    pub place: Place,
    /// The claim.
    pub claim: Claim,
    /// The customer's name, as the app sent it.
    pub username: String,
    /// The consultant's name.
    pub consultant_name: String,
}

const QUEUE: &str = concat!(
    "SELECT r.id, c.id, c.customer_id, ",
    since!(),
    ", r.assigned_to, coalesce((SELECT max(e.level) FROM escalations e WHERE e.registration_id = r.id), 0), r.accepted_at, r.rowid,
            coalesce(json_extract(r.profile, '$.username'), ''), (SELECT username FROM users WHERE id = r.assigned_to),
            (SELECT e.target FROM escalations e WHERE e.registration_id = r.id ORDER BY e.level DESC LIMIT 1),
            (SELECT e.escalated_at FROM escalations e WHERE e.registration_id = r.id ORDER BY e.level DESC LIMIT 1),
            (SELECT j.run_at FROM jobs j WHERE j.kind = 'escalation' AND j.subject_id = r.id AND j.state = 'ready'),
            (SELECT count(*) FROM notifications n WHERE n.registration_id = r.id AND n.kind = 'new_customer' AND n.acked_at IS NOT NULL)
       FROM registrations r INDEXED BY registrations_unclaimed CROSS JOIN conversations c ON c.registration_id = r.id
      WHERE r.accepted_at >= ?1 AND (r.accepted_at, r.rowid) > (?2, ?3)
        AND r.claimed_at IS NULL AND r.state NOT IN ('skipped', 'cancelled') AND c.status = 'open'
      ORDER BY r.accepted_at, r.rowid LIMIT ?4"
);
const WAITING_COUNT: &str = "
    SELECT count(*), min(r.accepted_at) FROM registrations r INDEXED BY registrations_unclaimed CROSS JOIN conversations c ON c.registration_id = r.id
     WHERE r.accepted_at >= ?1 AND r.claimed_at IS NULL AND r.state NOT IN ('skipped', 'cancelled') AND c.status = 'open'";
const CLAIMED: &str = concat!(
    "SELECT k.registration_id, k.conversation_id, k.customer_id, k.consultant_id, k.via, k.claimed_at, ",
    since!(),
    ", k.rowid, coalesce(json_extract(r.profile, '$.username'), ''), coalesce((SELECT username FROM users WHERE id = k.consultant_id), '')
       FROM claims k INDEXED BY {index} CROSS JOIN registrations r ON r.id = k.registration_id LEFT JOIN conversations c ON c.id = k.conversation_id
      WHERE {mine} AND k.claimed_at >= ?2 AND (k.claimed_at, k.rowid) < (?3, ?4) ORDER BY k.claimed_at DESC, k.rowid DESC LIMIT ?5"
);
impl Store {
    /// Customers nobody has claimed, of registrations since `since`, behind `after`; who waits longest comes first.
    pub async fn claim_queue(&self, since: i64, after: Option<Place>, limit: u32) -> Result<Page<Queued>, StoreError> {
        let after = after.unwrap_or(Place::OLDEST);
        self.scan(move |db| {
            let items = rows::all(db, QUEUE, params![since, after.at, after.row, i64::from(limit) + 1], queued)?;
            Ok(Page::of(items, limit.into(), |one| one.place))
        })
        .await
    }

    /// How many customers nobody has claimed, of registrations since `since`, and when the first of them registered.
    pub async fn count_waiting(&self, since: i64) -> Result<(i64, Option<i64>), StoreError> {
        self.scan(move |db| db.prepare_cached(WAITING_COUNT)?.query_row([since], |row| Ok((row.get(0)?, row.get(1)?)))).await
    }

    /// Claims since `since` behind `after`, the latest first; of one consultant, or of everybody.
    pub async fn claim_list(
        &self,
        consultant_id: Option<String>,
        since: i64,
        after: Option<Place>,
        limit: u32,
    ) -> Result<Page<Claimed>, StoreError> {
        let after = after.unwrap_or(Place::LATEST);
        self.scan(move |db| {
            let (index, mine) = match consultant_id {
                Some(_) => ("claims_by_consultant", "k.consultant_id = ?1"),
                None => ("claims_by_time", "?1 IS NULL"),
            };
            let sql = CLAIMED.replace("{index}", index).replace("{mine}", mine);
            let items = rows::all(db, &sql, params![consultant_id, since, after.at, after.row, i64::from(limit) + 1], claimed)?;
            Ok(Page::of(items, limit.into(), |one| one.place))
        })
        .await
    }

    /// The claim of a run's customer, with the names of both.
    pub fn claim_with_names(&self, registration_id: &str) -> Result<Option<Claimed>, StoreError> {
        let sql = CLAIMED.replace("INDEXED BY {index}", "").replace("{mine}", "k.registration_id = ?1");
        self.point(|db| rows::one(db, &sql, params![registration_id, i64::MIN, i64::MAX, i64::MAX, 1], claimed))
    }
}

fn queued(row: &Row<'_>) -> rusqlite::Result<Queued> {
    Ok(Queued {
        customer: waiting(row)?,
        place: Place { at: row.get(6)?, row: row.get(7)? },
        username: row.get(8)?,
        assigned_name: row.get(9)?,
        escalated_to: row.get(10)?,
        escalated_at: row.get(11)?,
        next_look_at: row.get(12)?,
        acknowledged: row.get(13)?,
    })
}

fn claimed(row: &Row<'_>) -> rusqlite::Result<Claimed> {
    let claim = read(row)?;
    Ok(Claimed { place: Place { at: claim.claimed_at, row: row.get(7)? }, claim, username: row.get(8)?, consultant_name: row.get(9)? })
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::store::{
        audit::{By, Wanted},
        claims::{
            ClaimOutcome, NewClaim, Target, Via,
            fixture::{NOW, clinic, customer_waits, execute},
        },
    };

    fn claim(run: &str, consultant: &str, now: i64) -> NewClaim {
        NewClaim { target: Target::Registration(run.into()), consultant_id: consultant.into(), via: Via::Panel, events: false, now }
    }

    #[tokio::test]
    async fn who_waits_longest_comes_first_and_leaves_with_a_claim() {
        let (_dir, store) = clinic().await;
        let mut runs = Vec::new();
        for n in 0..5 {
            runs.push(customer_waits(&store, &format!("usr_new{n}"), NOW + i64::from(n / 2)).await);
        }
        execute(&store, "UPDATE conversations SET status = 'closed' WHERE customer_id = 'usr_new1'").await;
        execute(&store, "INSERT INTO escalations SELECT id, 1, 'supervisors', 77 FROM registrations WHERE user_id = 'usr_new2'").await;
        let first = store.claim_queue(0, None, 2).await.unwrap();
        let names: Vec<_> = first.items.iter().map(|one| one.customer.customer_id.as_str()).collect();
        assert_eq!(names, ["usr_new0", "usr_new2"]);
        let waits = &first.items[1];
        assert_eq!(
            (waits.escalated_to.as_deref(), waits.escalated_at, waits.next_look_at),
            (Some("supervisors"), Some(77), Some(NOW + 60_001))
        );
        let rest = store.claim_queue(0, first.next, 9).await.unwrap();
        assert_eq!((rest.items.len(), rest.next), (2, None));
        assert_eq!(store.count_waiting(0).await.unwrap(), (4, Some(NOW)));

        let by = By { reason: Some("电话沟通".into()), ..By::new("account:op", NOW) };
        for (consultant, won) in [("usr_c1", true), ("usr_c1", true), ("usr_c2", false)] {
            let outcome = store.claim_for(claim(&runs[0], consultant, NOW + 9), by.clone()).await.unwrap();
            assert_eq!(matches!(outcome, ClaimOutcome::Won { .. }), won, "{outcome:?}");
        }
        let log = store.audit_entries(Wanted { limit: 9, ..Wanted::default() }).await.unwrap();
        assert_eq!(
            (log.len(), log[0].action.as_str(), log[0].reason.as_deref()),
            (1, "claim.take", Some("电话沟通")),
            "one claim, one row"
        );
        assert_eq!(store.count_waiting(0).await.unwrap().0, 3);
        store.claim_for(claim(&runs[2], "usr_c2", NOW + 9), by).await.unwrap();
        let all = store.claim_list(None, 0, None, 1).await.unwrap();
        assert_eq!((all.items[0].claim.consultant_id.as_str(), all.items[0].consultant_name.as_str()), ("usr_c2", "usr_c2"));
        let next = store.claim_list(None, 0, all.next, 5).await.unwrap();
        assert_eq!((next.items.len(), next.items[0].claim.via.as_str(), next.next), (1, "panel", None));
        assert_eq!(store.claim_list(Some("usr_c2".into()), 0, None, 5).await.unwrap().items.len(), 1);
    }

    #[test]
    fn each_list_walks_along_its_index() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(crate::store::migrate::SCHEMA).unwrap();
        let of = |index: &str, mine: &str| CLAIMED.replace("{index}", index).replace("{mine}", mine);
        let lists = [
            QUEUE.to_owned(),
            WAITING_COUNT.to_owned(),
            of("claims_by_time", "?1 IS NULL"),
            of("claims_by_consultant", "k.consultant_id = ?1"),
        ];
        for sql in lists {
            let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps: Vec<String> = plan.raw_query().mapped(|row| row.get(3)).collect::<Result<_, _>>().unwrap();
            assert!(steps.iter().all(|step| !step.starts_with("SCAN") && !step.contains("TEMP B-TREE")), "{sql}: {steps:?}");
        }
    }
}
