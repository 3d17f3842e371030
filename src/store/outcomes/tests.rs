//! Outcomes against rows whose sums were made by hand.

use super::*;
use crate::store::rows_for_tests::{Bench, DAY, HOUR, MINUTE, Run, T0};

#[tokio::test]
async fn outcomes_are_what_the_rows_say() {
    let bench = Bench::new();
    let run = |id: &'static str, state: &'static str, accepted_at: i64, waited: Option<i64>| {
        let welcome_at = waited.map(|ms| accepted_at + ms);
        bench.run(Run { id, state, accepted_at, welcome_at, finished_at: welcome_at, rung: None, agent_id: None });
    };
    let today = T0 - HOUR;
    run("quick", "done", today, Some(1_000));
    run("slow", "done_with_fallback", today, Some(4_000));
    run("slower", "done", today, Some(6 * MINUTE));
    run("waits", "accepted", today, None);
    run("just_came", "accepted", T0 - 500, None);
    run("off", "skipped", today, None);
    run("yesterday", "done", T0 - 30 * HOUR, Some(1_000));
    run("mute", "done", T0 - 40 * HOUR, Some(1_000));
    run("last_week", "done", T0 - 7 * DAY - HOUR, Some(1_000));
    run("gone", "done", T0 - 7 * DAY - HOUR, Some(1_000));
    run("long_ago", "done", T0 - 9 * DAY, Some(1_000));
    for (id, state) in [("quick", "answered"), ("slow", "late"), ("slower", "failed")] {
        bench.call(id, ("g", "agent"), state, 10);
    }
    bench.says("yesterday", T0 - 29 * HOUR);
    bench.says("quick", T0);
    bench.says("last_week", T0 - 2 * DAY);
    bench.says("long_ago", T0 - 8 * DAY);
    bench.claimed("quick", today + 10 * MINUTE);
    bench.claimed("slow", today + 10 * MINUTE + 1);
    bench.claimed("yesterday", today);
    bench.rated("quick", 5);
    bench.rated("slow", 4);

    let outcomes = bench.store.outcomes(T0 - DAY, T0, |from, to| to - from).await.unwrap();
    assert_eq!(outcomes.registrations, 6);
    assert_eq!(outcomes.automation_success, Share { hits: 3, of: 3 });
    assert_eq!(outcomes.agent_success, Share { hits: 2, of: 3 });
    let response = outcomes.first_response;
    assert_eq!((response.count, response.p50, response.p95), (3, Some(4_000), Some(360_000)));
    assert_eq!(outcomes.responded_in_time, Share { hits: 2, of: 4 }, "who waits for an hour is late, who just came is not");
    assert_eq!(outcomes.welcome_by_deadline, Share { hits: 1, of: 4 });
    assert_eq!(outcomes.replied_24h, Share { hits: 1, of: 2 }, "yesterday and mute");
    assert_eq!(outcomes.conversed_7d, Share { hits: 1, of: 2 }, "last_week and gone");
    assert_eq!((outcomes.claim.count, outcomes.claim.p50, outcomes.claim.p95), (2, Some(600_000), Some(600_001)));
    assert_eq!(outcomes.claimed_in_time, Share { hits: 1, of: 4 }, "quick; not slow, and slower and waits are overdue");
    assert_eq!((outcomes.ratings.count, outcomes.ratings.mean), (2, Some(4.5)));

    let at_night = bench.store.outcomes(T0 - DAY, T0, |_, _| 0).await.unwrap();
    assert_eq!(at_night.claimed_in_time, Share { hits: 2, of: 2 }, "outside working hours nobody is late");
}

#[tokio::test]
async fn nothing_is_made_up_for_an_empty_period() {
    let outcomes = Bench::new().store.outcomes(0, T0, |from, to| to - from).await.unwrap();
    assert_eq!((outcomes.automation_success.value(), outcomes.first_response.p95, outcomes.ratings.mean), (None, None, None));
}
