//! Figures that are kept equal a count over the rows they are of: over random logs, whatever is killed, pruned or told twice.

use std::{collections::BTreeMap, sync::Arc};

use proptest::test_runner::{Config, TestRunner};
use rusqlite::Connection;

use super::{calls::CallFigures, grid::Grid, *};
use crate::store::{
    Store,
    agent_calls::{AgentCallEnd, NewAgentCall},
    call_log::CallRow,
    figures::grid::Span,
    prune::Cutoffs,
    registrations::{StepRecord, insert_step},
    rows_for_tests::{Bench, DAY, HOUR, MINUTE, Run, T0},
};

const TOOLS: [&str; 3] = ["get_user_profile", "analyze_customer", "optimize_plan"];
const OUTCOMES: [&str; 8] = ["ok", "ok", "ok", "tool_error", "timeout", "unknown_tool", "refused", "cancelled"];

/// Numbers that look random and come out the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }

    fn call(&mut self, number: usize, back: i64) -> CallRow {
        let outcome = self.of(&OUTCOMES);
        let made_up = format!("made_up_{}", self.below(1000));
        CallRow {
            call_id: format!("call_{number}").into(),
            tool_name: if outcome == "unknown_tool" { made_up.into() } else { self.of(&TOOLS).into() },
            group_id: Some(self.of(&["g1", "g2"]).into()).filter(|_| self.below(9) > 0),
            key_id: None,
            caller_app_id: None,
            registration_id: None,
            client_name: None,
            channel: "http",
            protocol: "".into(),
            request_data: None,
            response_data: None,
            success: outcome == "ok",
            outcome,
            error_message: None,
            duration_ms: i64::try_from(self.below(30) * self.below(40)).unwrap(),
            created_at: T0 - i64::try_from(self.below(u64::try_from(back).unwrap())).unwrap(),
            stale: None,
        }
    }
}

/// Figures by tool.
type Tools = BTreeMap<String, (i64, i64, i64)>;

/// Calls and failed calls by tool, and by step, counted over the log itself.
fn counted(db: &Connection, grid: &Grid) -> (Tools, Vec<(i64, i64)>) {
    let mut tools = BTreeMap::<String, (i64, i64, i64)>::new();
    let mut steps = vec![(0, 0); grid.steps()];
    let sql =
        "SELECT CASE WHEN outcome IN ('unknown_tool', 'refused', 'limited') THEN '' ELSE tool_name END, success, created_at, duration_ms
        FROM mcp_call_logs WHERE created_at >= ?1 AND created_at <= ?2";
    let mut statement = db.prepare(sql).unwrap();
    let mut rows = statement.query([grid.since, grid.until]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let (tool, ok, at, took): (String, bool, i64, i64) =
            (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap(), row.get(3).unwrap());
        let step = &mut steps[grid.step(at).unwrap()];
        let sum = tools.entry(tool).or_default();
        *sum = (sum.0 + 1, sum.1 + i64::from(!ok), sum.2 + took);
        *step = (step.0 + 1, step.1 + i64::from(!ok));
    }
    tools.remove("");
    (tools, steps)
}

async fn equals(store: &Store, db: &Connection, grid: Grid) -> CallFigures {
    let figures = store.call_figures(grid, None).await.unwrap();
    let (tools, steps) = counted(db, &grid);
    let kept: BTreeMap<_, _> = figures
        .tools
        .iter()
        .map(|tool| (tool.tool.clone(), (tool.calls, tool.failed, (tool.spread.mean.unwrap() * tool.calls as f64).round() as i64)))
        .collect();
    assert_eq!(kept, tools);
    assert_eq!(figures.steps.iter().map(|step| (step.calls, step.failed)).collect::<Vec<_>>(), steps);
    assert_eq!(figures.outcomes.iter().map(|(_, calls)| calls).sum::<i64>(), figures.calls);
    figures
}

fn ranges() -> [Grid; 3] {
    [
        Grid::back(T0, HOUR, (MINUTE, Span::Minute), 8 * HOUR),
        Grid::back(T0, DAY, (15 * MINUTE, Span::Minute), 8 * HOUR),
        Grid::back(T0, 30 * DAY, (DAY, Span::Hour), 8 * HOUR),
    ]
}

#[test]
fn calls_are_counted_as_they_are_written_and_stay_counted_when_the_log_is_pruned() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::new(Config { cases: 6, ..Config::default() });
    let dice = proptest::num::u64::ANY;
    runner
        .run(&dice, |seed| {
            runtime.block_on(async {
                let bench = Bench::new();
                let mut dice = Dice(seed);
                let mut written = 0;
                for back in [30 * DAY, DAY, HOUR] {
                    for _ in 0..6 {
                        let rows: Vec<_> = (0..dice.below(80)).map(|n| dice.call(written + usize::try_from(n).unwrap(), back)).collect();
                        written += rows.len();
                        bench.store.append_calls(rows.into()).await.unwrap();
                    }
                }
                let mut before = Vec::new();
                for grid in ranges() {
                    before.push(equals(&bench.store, &bench.db, grid).await);
                }
                let cutoffs = Cutoffs { jobs: 0, deliveries: 0, call_log: T0 + 1, subjects: 0, tasks: 0 };
                bench.store.prune(cutoffs).await.unwrap();
                assert_eq!(bench.number("SELECT count(*) FROM mcp_call_logs"), 0);
                bench.store.append_calls(vec![dice.call(written, MINUTE)].into()).await.unwrap();
                for (grid, before) in ranges().into_iter().zip(before) {
                    let after = bench.store.call_figures(grid, None).await.unwrap();
                    assert_eq!(after.calls, before.calls + 1, "what is pruned from the log stays counted");
                }
            });
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn a_group_that_is_undone_is_not_counted_and_one_that_is_done_is_counted_once() {
    let bench = Bench::new();
    let mut dice = Dice(7);
    let rows: Arc<Vec<_>> = Arc::new((0..50).map(|n| dice.call(n, HOUR)).collect());
    bench.store.append_calls(Arc::clone(&rows)).await.unwrap();
    // The same ids again: the write fails at its first row, as one does that is cut off, and leaves nothing.
    assert!(bench.store.append_calls(rows).await.is_err());
    assert_eq!(equals(&bench.store, &bench.db, ranges()[0]).await.calls, bench.number("SELECT count(*) FROM mcp_call_logs"));
}

#[tokio::test]
async fn what_was_there_before_is_counted_by_the_migration_as_it_would_have_been() {
    let bench = Bench::new();
    let mut dice = Dice(99);
    for part in 0..4 {
        bench.store.append_calls((0..60).map(|n| dice.call(part * 60 + n, 3 * DAY)).collect::<Vec<_>>().into()).await.unwrap();
    }
    bench.agent("a", "stable", 0).await;
    for n in 0..20 {
        let id = format!("run_{n}");
        bench.run(Run { id: &id, accepted_at: T0 - n * HOUR, ..Run::default() });
        try_step(&bench, &id, "deliver_welcome", (1, "failed"), n).await;
        try_step(&bench, &id, "deliver_welcome", (2, "done"), 3 * n).await;
        ask(&bench, &id, T0 - n * HOUR, if n % 3 == 0 { "failed" } else { "answered" }).await;
    }
    bench.store.prune_figures(T0).await.unwrap();
    let all = |table: &str, names: &str| {
        let sql = format!("SELECT span || ' ' || at || ' ' || {names} FROM {table} WHERE span = 3600000 OR at >= {} ORDER BY 1", T0 - DAY);
        bench.texts(&sql)
    };
    let tables = [
        (
            "call_figures",
            "tool_name || ' ' || group_id || ' ' || outcome || ' ' || calls || ' ' || slow || ' ' || duration_ms || ' ' || hex(spread)",
        ),
        ("step_figures", "step || ' ' || state || ' ' || tries || ' ' || repeated || ' ' || duration_ms || ' ' || hex(spread)"),
        (
            "agent_figures",
            "agent_id || ' ' || state || ' ' || error_kind || ' ' || questions || ' ' || tokens || ' ' || duration_ms || ' ' || hex(spread)",
        ),
        ("agent_costs", "agent_id || ' ' || currency || ' ' || nanos"),
    ];
    let kept = tables.map(|(table, names)| all(table, names));
    assert!(kept.iter().all(|rows| rows.len() > 5), "{:?}", kept.each_ref().map(Vec::len));
    upkeep::recount(bench.store.path()).unwrap();
    assert_eq!(tables.map(|(table, names)| all(table, names)), kept);
}

async fn try_step(bench: &Bench, run: &str, step: &str, (attempt, state): (u32, &str), duration_ms: i64) {
    let record = StepRecord {
        step: step.into(),
        attempt,
        state: state.into(),
        started_at: bench.now() - duration_ms * 1000,
        duration_ms,
        began: None,
        detail: serde_json::json!({}),
        error: None,
    };
    let run = run.to_owned();
    bench.store.write(move |db| insert_step(db, &run, &record)).await.unwrap();
}

async fn ask(bench: &Bench, run: &str, at: i64, state: &'static str) {
    let id = format!("ask_{run}");
    let call = NewAgentCall { id: id.clone(), registration_id: run.into(), agent_id: "a".into(), rung: "agent", now: at };
    bench.store.begin_agent_call(call).await.unwrap();
    let end = AgentCallEnd {
        state,
        duration_ms: 1200,
        tokens: Some(30),
        price: Some("0.0012".into()),
        currency: Some("USD".into()),
        error_kind: (state == "failed").then(|| "server".into()),
        ..AgentCallEnd::default()
    };
    bench.store.end_agent_call(&id, end.clone()).await.unwrap();
    // A second end of the same question is none.
    bench.store.end_agent_call(&id, end).await.unwrap();
}

#[tokio::test]
async fn a_try_that_is_recorded_again_counts_as_it_was_recorded_last() {
    let bench = Bench::new();
    bench.run(Run { id: "r", accepted_at: T0, ..Run::default() });
    try_step(&bench, "r", "compose_welcome", (1, "failed"), 5).await;
    try_step(&bench, "r", "compose_welcome", (1, "done"), 40).await;
    try_step(&bench, "r", "compose_welcome", (2, "done"), 60).await;
    for grid in ranges() {
        let figures = bench.store.step_figures(grid).await.unwrap();
        let [compose] = &figures[..] else { panic!("{figures:?}") };
        assert_eq!((compose.done, compose.failed, compose.repeated), (2, 0, 1));
        assert_eq!((compose.spread.mean, compose.spread.p50), (Some(50.0), Some(41)), "40 ms lie in a bucket up to 41");
    }
    assert_eq!(bench.number("SELECT count(*) FROM step_figures WHERE state = 'failed'"), 0);
}

#[tokio::test]
async fn an_agents_figures_are_those_of_its_questions() {
    let bench = Bench::new();
    bench.agent("a", "stable", 0).await;
    for (run, state) in [("r1", "answered"), ("r2", "failed"), ("r3", "late"), ("r4", "unknown")] {
        bench.run(Run { id: run, accepted_at: T0, ..Run::default() });
        ask(&bench, run, T0, state).await;
    }
    let figures = bench.store.agent_figures(ranges()[1]).await.unwrap();
    let [agent] = &figures.agents[..] else { panic!("{figures:?}") };
    assert_eq!((agent.agent.as_deref(), agent.questions, agent.tokens), (Some("a v1"), 4, 120));
    assert_eq!(agent.answered, Share { hits: 2, of: 3 }, "how a question ended that nobody heard of says nothing");
    assert_eq!(agent.costs.iter().map(|cost| (cost.currency.as_str(), cost.sum)).collect::<Vec<_>>(), [("USD", 0.0048)]);
    assert_eq!(agent.errors, [("server".to_owned(), 1)]);
    assert_eq!((agent.latency.count, agent.latency.mean), (2, Some(1200.0)));
    assert_eq!(agent.steps.last(), Some(&Share { hits: 2, of: 3 }));
    assert_eq!(figures.p95.last(), Some(&agent.latency.p95), "all of them are of the last step, and of one agent");
    assert!(agent.latency.p95.is_some() && figures.p95.iter().flatten().count() == 1);
}

#[tokio::test]
async fn figures_of_minutes_end_after_two_days_and_those_of_hours_stay() {
    let bench = Bench::new();
    let mut dice = Dice(3);
    bench.store.append_calls((0..200).map(|n| dice.call(n, 5 * DAY)).collect::<Vec<_>>().into()).await.unwrap();
    let hours = bench.number("SELECT sum(calls) FROM call_figures WHERE span = 3600000");
    assert!(bench.store.prune_figures(T0).await.unwrap() > 0);
    assert_eq!(bench.store.prune_figures(T0).await.unwrap(), 0);
    assert_eq!(bench.number("SELECT sum(calls) FROM call_figures WHERE span = 3600000"), hours);
    assert!(bench.number("SELECT min(at) FROM call_figures WHERE span = 60000") >= T0 - 2 * DAY);
    equals(&bench.store, &bench.db, ranges()[1]).await;
    assert!(bench.store.prune_figures(T0 + 600 * DAY).await.unwrap() > 0);
    assert_eq!(bench.number("SELECT count(*) FROM call_figures"), 0);
}

/// Whatever the ranges, what is read is found by key: no table of rows is walked through.
#[test]
fn figures_are_read_by_key() {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(crate::store::migrate::SCHEMA).unwrap();
    for sql in [calls::SQL, steps::SQL, agents::SQL, upkeep::SQL, crate::store::outcomes::SQL].concat() {
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        for n in 1..=statement.parameter_count() {
            statement.raw_bind_parameter(n, 0).unwrap();
        }
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().unwrap() {
            let line: String = row.get(3).unwrap();
            assert!(line.starts_with("SEARCH") || line.starts_with("USE TEMP B-TREE FOR GROUP BY"), "{line}\n{sql}");
        }
    }
}
