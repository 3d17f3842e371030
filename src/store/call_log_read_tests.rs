use std::{sync::Arc, time::Duration};

use super::*;
use crate::store::{call_log::CallRow, rows_for_tests::Bench};

const T0: i64 = 1_764_000_000_000;

fn bounds(rows: usize, read: u32) -> Bounds {
    Bounds { rows, read, time: Duration::from_mins(1), bodies: false }
}

/// `count` calls, one a second: every tenth fails, every thousandth belongs to a run, the tool alternates.
fn fill(bench: &Bench, count: i64) {
    bench
        .db
        .execute(
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1)
             INSERT INTO mcp_call_logs (call_id, tool_name, group_id, key_id, caller_app_id, registration_id, client_name, channel, protocol,
                request_data, response_data, success, outcome, error_message, duration_ms, created_at)
             SELECT printf('call-%08d', i), iif(i % 2 = 0, 'even', 'odd'), iif(i % 3 = 0, 'g1', 'g2'), 'k' || (i % 5), iif(i % 500 = 0, 'app', NULL),
                iif(i % 1000 = 0, 'run-' || i, NULL), 'Client/' || (i % 7), 'http', '2025-11-25', '{}', '{\"bytes\":2}', i % 10 > 0,
                iif(i % 10 > 0, 'ok', iif(i % 20 = 0, 'timeout', 'tool_error')), iif(i % 10 > 0, NULL, 'Boom ' || i), i % 1000, ?2 + i * 1000 FROM n",
            params![count, T0],
        )
        .unwrap();
}

/// Every call that a filter finds, and how many rows were read for the pages.
async fn every(bench: &Bench, filter: &CallFilter, bounds: Bounds) -> (Vec<i64>, Vec<u32>) {
    let (mut found, mut read, mut from) = (Vec::new(), Vec::new(), None);
    loop {
        let page = bench.store.calls_page(filter.clone(), from, bounds).await.unwrap();
        assert!(page.calls.len() <= bounds.rows && page.read <= bounds.read);
        found.extend(page.calls.iter().map(|call| call.id));
        read.push(page.read);
        assert!(!page.ended_early || page.next.is_some());
        match page.next {
            Some(next) => from = Some(next),
            None => return (found, read),
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "what a filter's field is")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test]
async fn every_filter_finds_the_same_along_an_index_as_by_looking_at_every_row() {
    let bench = Bench::new();
    fill(&bench, 3_000);
    let time = CallFilter { since: Some(T0 + 500_000), until: Some(T0 + 2_500_000), ..CallFilter::default() };
    let filters = [
        (CallFilter::default(), "1"),
        (CallFilter { tool_name: some("even"), ..CallFilter::default() }, "tool_name = 'even'"),
        (
            CallFilter { tool_name: some("even"), outcome: some("timeout"), ..CallFilter::default() },
            "tool_name = 'even' AND outcome = 'timeout'",
        ),
        (CallFilter { tool_name: some("odd"), success: Some(true), ..CallFilter::default() }, "tool_name = 'odd' AND success = 1"),
        (CallFilter { success: Some(false), ..CallFilter::default() }, "success = 0"),
        (
            CallFilter { outcome: some("tool_error"), group_id: some("g1"), ..CallFilter::default() },
            "outcome = 'tool_error' AND group_id = 'g1'",
        ),
        (CallFilter { group_id: some("g2"), at_least_ms: Some(900), ..CallFilter::default() }, "group_id = 'g2' AND duration_ms >= 900"),
        (CallFilter { app_id: some("app"), ..CallFilter::default() }, "caller_app_id = 'app'"),
        (CallFilter { registration_id: some("run-2000"), ..CallFilter::default() }, "registration_id = 'run-2000'"),
        (
            CallFilter { key_id: some("k3"), client: some("client/4"), ..CallFilter::default() },
            "key_id = 'k3' AND client_name = 'Client/4'",
        ),
        (CallFilter { error: some("boom 1"), ..CallFilter::default() }, "error_message LIKE 'Boom 1%'"),
        (CallFilter { channel: some("stdio"), ..CallFilter::default() }, "0"),
        (time.clone(), "1"),
        (CallFilter { tool_name: some("even"), ..time.clone() }, "tool_name = 'even'"),
        (CallFilter { success: Some(false), ..time.clone() }, "success = 0"),
    ];
    for (filter, sql) in filters {
        let (since, until) = (filter.since.unwrap_or(0), filter.until.unwrap_or(i64::MAX));
        let sql = format!("SELECT id FROM mcp_call_logs WHERE ({sql}) AND created_at >= {since} AND created_at < {until} ORDER BY id DESC");
        let expected: Vec<i64> = rows::all(&bench.db, &sql, [], |row| row.get(0)).unwrap();
        for bounds in [bounds(50, 100_000), bounds(7, 64), bounds(200, 1)] {
            let (found, _) = every(&bench, &filter, bounds).await;
            assert_eq!(found, expected, "{filter:?} {bounds:?}");
        }
    }
}

#[tokio::test]
async fn a_page_reads_no_more_than_it_may_however_long_the_log_is() {
    let bench = Bench::new();
    fill(&bench, 200_000);
    let page = async |filter: CallFilter| bench.store.calls_page(filter, None, bounds(50, 10_000)).await.unwrap();
    // What an index serves is read and nothing else; one row more says that there is another page.
    for (filter, read) in [
        (CallFilter::default(), 51),
        (CallFilter { tool_name: some("odd"), ..CallFilter::default() }, 51),
        (CallFilter { success: Some(false), ..CallFilter::default() }, 51),
        (CallFilter { group_id: some("g1"), ..CallFilter::default() }, 51),
        (CallFilter { app_id: some("app"), ..CallFilter::default() }, 51),
        (CallFilter { registration_id: some("run-1000"), ..CallFilter::default() }, 1),
        (CallFilter { tool_name: some("nobody"), ..CallFilter::default() }, 0),
        // The range is found by halving, and the rows beside it are those of a quarter of an hour.
        (CallFilter { since: Some(T0 + 100_000_000), until: Some(T0 + 100_010_000), ..CallFilter::default() }, 1_810),
    ] {
        let found = page(filter.clone()).await;
        assert_eq!((found.read, found.ended_early), (read, false), "{filter:?}");
    }
    // What no index serves ends after so many rows, and says where to go on.
    let rare = CallFilter { client: some("nobody"), ..CallFilter::default() };
    let first = page(rare.clone()).await;
    assert_eq!((first.calls.len(), first.read, first.ended_early), (0, 10_000, true));
    assert_eq!(first.next, Some(Place { at: T0 + 190_000_000, id: 190_001 }));
    let (found, read) = every(&bench, &rare, bounds(50, 10_000)).await;
    assert_eq!((found.len(), read.iter().sum::<u32>()), (0, 200_000));
}

#[test]
fn every_way_is_along_its_index_and_in_order() {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(super::super::migrate::SCHEMA).unwrap();
    let all = CallFilter::default();
    for (filter, index) in [
        (CallFilter { registration_id: some("r"), ..all.clone() }, "mcp_call_logs_by_run"),
        (CallFilter { app_id: some("a"), ..all.clone() }, "mcp_call_logs_by_caller"),
        (CallFilter { tool_name: some("t"), ..all.clone() }, "mcp_call_logs_by_tool"),
        (CallFilter { success: Some(false), ..all.clone() }, "mcp_call_logs_failed"),
        (CallFilter { group_id: some("g"), ..all.clone() }, "mcp_call_logs_by_group"),
    ] {
        let sql = format!("EXPLAIN QUERY PLAN {}", Way::of(&filter).sql(filter.wanted_success(), BODIES));
        let mut statement = db.prepare(&sql).unwrap();
        let plan: Vec<String> = statement
            .query_map(named_params! {":value": "", ":since": 0, ":at": 1, ":id": 1, ":read": 1}, |row| row.get(3))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}

#[tokio::test]
async fn what_came_since_is_told_once_and_what_was_too_much_is_counted() {
    let bench = Bench::new();
    let all = CallFilter::default();
    assert_eq!(bench.store.newest_call().unwrap(), 0);
    fill(&bench, 100);
    let latest = async |filter: &CallFilter, after: i64, rows, read| {
        bench.store.calls_after(filter.clone(), after, bounds(rows, read)).await.unwrap()
    };
    let ids = |latest: &Latest| latest.calls.iter().map(|call| call.id).collect::<Vec<_>>();
    let found = latest(&all, 97, 10, 50).await;
    assert_eq!((ids(&found), found.seen, found.left_out), (vec![98, 99, 100], 100, 0));
    assert_eq!(latest(&all, 100, 10, 50).await, Latest { seen: 100, ..Latest::default() });
    let crowd = latest(&all, 0, 2, 50).await;
    assert_eq!((ids(&crowd), crowd.seen, crowd.left_out), (vec![99, 100], 100, 98));
    let failed = latest(&CallFilter { success: Some(false), ..all.clone() }, 60, 10, 50).await;
    assert_eq!((ids(&failed), failed.left_out), (vec![61, 71, 81, 91], 0));
    // A number of another log: the tail goes on with this one.
    assert_eq!(latest(&all, 5_000, 10, 50).await.seen, 100);
}

#[tokio::test]
async fn a_call_is_found_with_what_the_log_holds_of_it() {
    let bench = Bench::new();
    let row = CallRow {
        call_id: "one".into(),
        tool_name: "search_users".into(),
        group_id: Some("g".into()),
        key_id: Some("k".into()),
        caller_app_id: Some("app".into()),
        registration_id: Some("run".into()),
        client_name: Some("Dify".into()),
        channel: "http",
        protocol: "2025-11-25".into(),
        request_data: Some("{\"a\":1}".into()),
        response_data: None,
        success: false,
        outcome: "timeout",
        error_message: Some("too slow".into()),
        duration_ms: 7,
        created_at: T0,
        stale: None,
    };
    bench.store.append_calls(Arc::new(vec![row])).await.unwrap();
    let call = bench.store.logged_call("one").unwrap().unwrap();
    assert_eq!((call.tool_name.as_str(), call.outcome.as_str(), call.duration_ms, call.created_at), ("search_users", "timeout", 7, T0));
    assert_eq!((call.request_data.as_deref(), call.response_data), (Some("{\"a\":1}"), None));
    assert_eq!(bench.store.logged_call("two").unwrap(), None);
}
