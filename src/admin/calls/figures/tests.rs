//! What the overview tells, against rows that were made by hand; and that what was read is shared.

use std::sync::Arc;

use super::*;
use crate::{
    admin::calls::bench::Bench,
    store::{call_log::CallRow, rows_for_tests::T0},
};

const HOUR: i64 = 3_600_000;

fn call(n: usize, outcome: &'static str, duration_ms: i64) -> CallRow {
    CallRow {
        call_id: format!("call_{n}").into(),
        tool_name: "get_user_profile".into(),
        success: outcome == "ok",
        outcome,
        duration_ms,
        created_at: T0 - 1_000,
        ..any_row()
    }
}

fn any_row() -> CallRow {
    CallRow {
        call_id: "".into(),
        tool_name: "".into(),
        group_id: None,
        key_id: None,
        caller_app_id: None,
        registration_id: None,
        client_name: None,
        channel: "http",
        protocol: "".into(),
        request_data: None,
        response_data: None,
        success: true,
        outcome: "ok",
        error_message: None,
        duration_ms: 0,
        created_at: T0,
        stale: None,
    }
}

async fn filled() -> Bench {
    let bench = Bench::new().await;
    let mut calls: Vec<_> = (0..96).map(|n| call(n, "ok", 20)).collect();
    calls.extend([call(96, "ok", 600), call(97, "timeout", 30_000), call(98, "refused", 1), call(99, "tool_error", 5)]);
    bench.calls.store.append_calls(Arc::new(calls)).await.unwrap();
    let run = |id: &str, at: i64, state: &str, rung: Option<&str>, waited: Option<i64>| {
        let sql = "INSERT INTO registrations (id, user_id, body_hash, profile, state, accepted_at, deadline_at, welcome_rung, welcome_at, finished_at)
            VALUES (?1, ?1, x'00', '{}', ?2, ?3, ?3 + 3000, ?4, ?3 + ?5, ?3 + ?5)";
        bench.db.execute(sql, rusqlite::params![id, state, at, rung, waited]).unwrap();
    };
    run("quick", T0 - HOUR, "done", Some("agent"), Some(1_000));
    run("template", T0 - 2 * HOUR, "done_with_fallback", Some("segment"), Some(4_000));
    run("given_up", T0 - 3 * HOUR, "dead_letter", None, Some(9_000));
    run("yesterday", T0 - 30 * HOUR, "done", Some("static"), Some(3_000));
    bench
}

#[tokio::test]
async fn the_overview_says_what_the_rows_say() {
    let bench = filled().await;
    let overview = bench.calls.overview(Range::Day).await.unwrap();
    // The clock says 20:00 in China: yesterday's run is not of today, nor of the last day.
    assert_eq!((overview.registrations.today, overview.registrations.in_range), (3, 3));
    assert_eq!(overview.registrations.success.share, Some(2.0 / 3.0));
    assert_eq!(overview.automation.welcomes, WelcomesView { agent: 1, fallback_agent: 0, segment: 1, static_text: 0 });
    assert_eq!((overview.calls.calls, overview.calls.failed), (100, 3));
    assert_eq!(
        (overview.calls.available.hits, overview.calls.available.of),
        (97, 99),
        "slow and late ones are not, refused ones no question"
    );
    let [tool] = &overview.calls.tools[..] else { panic!("{:?}", overview.calls.tools) };
    assert_eq!((tool.calls, tool.failed.hits, tool.latency.p50_ms), (99, 2, Some(20)));
    let errors: Vec<_> = overview.errors.iter().map(|error| (error.kind, error.error.as_str(), error.count)).collect();
    assert_eq!(errors, [("call", "refused", 1), ("call", "timeout", 1), ("call", "tool_error", 1)]);
    assert!(overview.system.storage.unwrap().database > 0);
    assert_eq!(overview.consultants.online, None, "a command beside the daemon does not know");
    let met = |name: &str| overview.indicators.iter().find(|one| one.name == name).unwrap().met;
    assert_eq!((met("automation_success"), met("mcp_available"), met("rating")), (Some(false), Some(false), None));
}

#[tokio::test]
async fn the_steps_of_a_range_add_up_to_its_overview() {
    let bench = filled().await;
    for range in Range::ALL {
        let overview = bench.calls.overview(range).await.unwrap();
        let series = bench.calls.series(range).await.unwrap();
        let sum = |of: fn(&SeriesPoint) -> i64| series.points.iter().map(of).sum::<i64>();
        assert_eq!(sum(|point| point.registrations), overview.registrations.in_range, "{range:?}");
        assert_eq!((sum(|point| point.calls), sum(|point| point.calls_failed)), (overview.calls.calls, overview.calls.failed), "{range:?}");
        assert_eq!(
            sum(|point| point.welcomes_by_template),
            overview.automation.welcomes.segment + overview.automation.welcomes.static_text
        );
        let waited = series.points.iter().filter_map(|point| point.welcome_p95_ms);
        assert!(waited.clone().all(|ms| (1_000..=9_000).contains(&ms)), "{range:?}");
        assert_eq!(waited.max().is_some(), overview.automation.first_response.count > 0, "{range:?}");
        assert_eq!((&series.since, &series.until), (&overview.since, &overview.until));
    }
}

#[tokio::test]
async fn those_who_ask_together_get_what_was_read_once() {
    let bench = filled().await;
    let before = bench.calls.overview(Range::Week).await.unwrap().calls.calls;
    bench.calls.store.append_calls(vec![call(200, "ok", 3)].into()).await.unwrap();
    assert_eq!(bench.calls.overview(Range::Week).await.unwrap().calls.calls, before);
    // The longer it took to read, the longer it is good for: half a minute at most.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(31);
    while bench.calls.overview(Range::Week).await.unwrap().calls.calls == before && std::time::Instant::now() < until {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(bench.calls.overview(Range::Week).await.unwrap().calls.calls, before + 1);
}

#[tokio::test]
async fn a_report_covers_exactly_the_time_that_is_asked_for() {
    let bench = filled().await;
    assert_eq!(bench.calls.report(24 * HOUR).await.unwrap().registrations, 3);
    assert_eq!(bench.calls.report(90 * 60_000).await.unwrap().registrations, 1);
    let available = |report: &IndicatorsView| report.indicators.iter().find(|one| one.name == "mcp_available").unwrap().of;
    assert_eq!(available(&bench.calls.report(5 * 60_000).await.unwrap()), 99);
    assert!(bench.calls.report(0).await.is_err() && bench.calls.report(500 * 24 * HOUR).await.is_err());
}
