//! Figures against rows whose sums were made by hand.

use super::*;
use crate::store::{
    figures::upkeep::count_all,
    rows_for_tests::{Bench, DAY, HOUR, Run, T0},
};

#[tokio::test]
async fn figures_are_what_the_rows_say() {
    let bench = Bench::new();
    bench.agent("new", "candidate", 10).await;
    let run = |id: &'static str, state: &'static str, rung: Option<&'static str>, accepted_at: i64| {
        let welcome_at = rung.map(|_| accepted_at + 1_000);
        bench.run(Run { id, state, accepted_at, agent_id: Some("new"), rung, welcome_at, finished_at: welcome_at });
    };
    run("a", "done", Some("agent"), T0 - 2 * DAY);
    run("b", "done", Some("fallback_agent"), T0 - 2 * DAY);
    run("c", "done_with_fallback", Some("static"), T0 - 2 * DAY);
    run("d", "dead_letter", None, T0 - 2 * DAY);
    run("e", "done", Some("agent"), T0 - HOUR);
    run("too_old", "done", Some("agent"), T0 - 8 * DAY);
    for (id, agent, rung, state, ms) in [
        ("a", "new", "agent", "answered", 900),
        ("b", "new", "agent", "failed", 50),
        ("b", "old", "fallback_agent", "answered", 700),
        ("c", "new", "agent", "late", 4_000),
        ("e", "new", "agent", "answered", 1_100),
        ("too_old", "new", "agent", "answered", 77_777),
    ] {
        bench.call(id, (agent, rung), state, ms);
    }
    bench.sql("UPDATE agent_calls SET tokens = 100, price = '0.0012345', currency = 'USD' WHERE registration_id IN ('a', 'c')", &[]);
    bench.sql("UPDATE agent_calls SET tokens = 7, price = '1.5', currency = 'RMB' WHERE registration_id = 'e'", &[]);
    bench.sql("UPDATE agent_calls SET started_at = started_at - ?1 WHERE registration_id = 'too_old'", &[&(8 * DAY)]);
    bench.store.write(count_all).await.unwrap();
    bench.says("a", T0 - 2 * DAY + 1_000 + DAY);
    bench.says("b", T0 - 2 * DAY + 1_001 + DAY);
    bench.says("e", T0);
    bench.claimed("a", T0 - 2 * DAY + 60_000);
    bench.claimed("b", T0 - 2 * DAY + 180_000);
    bench.rated("a", 5);
    bench.rated("c", 2);

    let figures = bench.store.variant_figures(T0 - 7 * DAY, T0).await.unwrap();
    let [new, old] = figures.as_slice() else { panic!("{figures:#?}") };
    assert_eq!(new.agent.as_deref(), Some("new v1"));
    assert_eq!((new.runs, new.success), (5, Share { hits: 4, of: 5 }));
    assert_eq!(new.rungs, Rungs { agent: 2, fallback_agent: 1, segment: 0, r#static: 1 });
    assert_eq!(
        (new.questions, new.latency.count, new.latency.p50, new.latency.p95),
        (4, 3, Some(1_151), Some(4_095)),
        "as the sums keep them"
    );
    assert_eq!(new.tokens, 207);
    let cost = |currency: &str, sum| Cost { currency: currency.into(), sum };
    assert_eq!(new.costs, [cost("RMB", 1.5), cost("USD", 0.002_469)]);
    assert_eq!(new.replied_24h, Share { hits: 1, of: 3 }, "b wrote a millisecond too late, d got nothing, e has time left");
    assert_eq!((new.claim.count, new.claim.p50, new.claim.p95), (2, Some(60_000), Some(180_000)));
    assert_eq!((new.ratings.count, new.ratings.mean), (2, Some(3.5)));
    assert_eq!((old.agent_id.as_str(), &old.agent, old.runs, old.questions, old.latency.p50), ("old", &None, 0, 1, Some(703)));
}
