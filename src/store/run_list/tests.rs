//! Filters, pages that are neither repeated nor lost, and how far a walk reaches.

use super::*;
use crate::store::rows_for_tests::Bench;

/// Runs 1 to `count`, a second apart, each with what its number says.
fn runs(bench: &Bench, count: i64) {
    bench
        .db
        .execute_batch(&format!(
            "BEGIN;
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})
             INSERT INTO users (id, username, name_chars, registered_at, created_at, updated_at)
             SELECT 'usr_' || n, iif(n = 7, '林晓月', 'user ' || n), iif(n = 7, '林 晓 月 林晓 晓月', ''), n, n, n FROM n;
             INSERT INTO registrations (id, user_id, body_hash, profile, state, accepted_at, deadline_at, segment, agent_id, welcome_rung)
             SELECT printf('run_%06d', seq), id, x'00', json_object('username', username),
                    CASE WHEN seq % 100 = 0 THEN 'dead_letter' WHEN seq % 10 = 0 THEN 'done_with_fallback' ELSE 'done' END,
                    seq / 2 * 2000, 0, iif(seq % 50 = 0, 'returning', 'new'), iif(seq % 2, 'a', 'b'), iif(seq % 10 = 0, 'static', 'agent') FROM users;
             INSERT INTO claims (registration_id, conversation_id, customer_id, consultant_id, via, claimed_at)
             SELECT id, 'c', user_id, 'usr_c1', 'panel', accepted_at + 5 FROM registrations WHERE rowid % 20 <> 0;
             COMMIT;"
        ))
        .unwrap();
}

async fn ids(bench: &Bench, filter: RunFilter) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = bench.store.run_list(filter.clone(), after, 30).await.unwrap();
        found.extend(page.items.into_iter().map(|run| run.id));
        match page.next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}

#[tokio::test]
async fn pages_follow_each_other_and_filters_combine() {
    let bench = Bench::new();
    runs(&bench, 400);
    let all = ids(&bench, RunFilter::default()).await;
    assert_eq!((all.len(), all[0].as_str()), (400, "run_000400"));
    assert!(all.is_sorted_by(|a, b| a > b), "nothing twice, nothing left out, the latest first");
    let text = |text: &str| Some(text.to_owned());
    let counts = [
        (RunFilter { state: text("dead_letter"), ..RunFilter::default() }, 4),
        (RunFilter { state: text("done"), ..RunFilter::default() }, 360),
        (RunFilter { rung: text("static"), ..RunFilter::default() }, 40),
        (RunFilter { rung: text("agent"), state: text("done"), ..RunFilter::default() }, 360),
        (RunFilter { rung: text("static"), state: text("done"), ..RunFilter::default() }, 0),
        (RunFilter { segment: text("returning"), ..RunFilter::default() }, 8),
        (RunFilter { segment: text("returning"), state: text("dead_letter"), agent_id: text("b"), ..RunFilter::default() }, 4),
        (RunFilter { agent_id: text("a"), ..RunFilter::default() }, 200),
        (RunFilter { failed: true, ..RunFilter::default() }, 40),
        (RunFilter { failed: true, unclaimed: true, ..RunFilter::default() }, 20),
        (RunFilter { unclaimed: true, ..RunFilter::default() }, 20),
        (RunFilter { unclaimed: true, state: text("done"), ..RunFilter::default() }, 0),
        (RunFilter { unclaimed: true, state: text("dead_letter"), ..RunFilter::default() }, 4),
        (RunFilter { since: Some(100_000), until: Some(200_000), ..RunFilter::default() }, 100),
        (RunFilter { user: text("usr_9"), ..RunFilter::default() }, 1),
        (RunFilter { user: text("晓月"), ..RunFilter::default() }, 1),
        (RunFilter { user: text("晓月"), state: text("dead_letter"), ..RunFilter::default() }, 0),
        (RunFilter { user: text("%' OR 1 --"), ..RunFilter::default() }, 0),
    ];
    for (filter, count) in counts {
        assert_eq!(ids(&bench, filter.clone()).await.len(), count, "{filter:?}");
    }
    let page = bench.store.run_list(RunFilter { user: text("usr_7"), ..RunFilter::default() }, None, 5).await.unwrap();
    let run = &page.items[0];
    assert_eq!((run.username.as_str(), run.claimed_by.as_deref(), run.claimed_at), ("林晓月", Some("usr_c1"), Some(6_005)));
}

#[tokio::test]
async fn a_filter_that_nothing_fits_is_answered_within_its_reach() {
    let bench = Bench::new();
    runs(&bench, REACH + 500);
    let filter = RunFilter { segment: Some("new".into()), rung: Some("segment".into()), ..RunFilter::default() };
    let nothing = bench.store.run_list(RunFilter { rung: None, state: Some("skipped".into()), ..filter.clone() }, None, 50).await.unwrap();
    assert_eq!(nothing, Page { items: vec![], next: None });
    // A filter without an index of its own: the page is empty, and the next one goes on where it stopped.
    let failed = RunFilter { failed: true, agent_id: Some("a".into()), ..RunFilter::default() };
    assert_eq!(bench.store.run_list(failed.clone(), None, 50).await.unwrap().next, None, "half of them are within reach");
    let failed = RunFilter { agent_id: None, since: Some(0), segment: None, failed: true, unclaimed: false, ..failed };
    bench.sql("UPDATE registrations SET state = 'done'", &[]);
    let first = bench.store.run_list(failed.clone(), None, 50).await.unwrap();
    assert_eq!((first.items.len(), first.next.map(|place| place.row)), (0, Some(501)));
    assert_eq!(bench.store.run_list(failed, first.next, 50).await.unwrap(), Page { items: vec![], next: None });
}

#[test]
fn every_walk_goes_along_an_index_and_sorts_nothing() {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(crate::store::migrate::SCHEMA).unwrap();
    let text = |text: &str| Some(text.to_owned());
    let filters = [
        RunFilter::default(),
        RunFilter { state: text("done"), ..RunFilter::default() },
        RunFilter { state: text("dead_letter"), rung: text("static"), ..RunFilter::default() },
        RunFilter { rung: text("agent"), failed: true, ..RunFilter::default() },
        RunFilter { segment: text("new"), unclaimed: true, ..RunFilter::default() },
        RunFilter { unclaimed: true, ..RunFilter::default() },
        RunFilter { agent_id: text("a"), since: Some(5), until: Some(6), ..RunFilter::default() },
    ];
    for filter in filters {
        for after in [None, Some(Place { at: 5, row: 5 })] {
            let walk = Walk::plan(&filter, after);
            let sql = format!(
                "EXPLAIN QUERY PLAN SELECT {COLUMNS} FROM registrations r INDEXED BY {} WHERE {} AND {} ORDER BY r.accepted_at DESC, r.rowid DESC LIMIT 51",
                walk.index,
                walk.along.text(),
                walk.rest.text()
            );
            let values: Vec<&dyn ToSql> = walk.along.values.iter().chain(&walk.rest.values).map(AsRef::as_ref).collect();
            let plan: Vec<String> = rows::all(&db, &sql, params_from_iter(values), |row| row.get(3)).unwrap();
            assert!(plan[0].contains(walk.index) && !plan.iter().any(|step| step.contains("TEMP B-TREE")), "{filter:?}: {plan:?}");
        }
    }
}
