//! One winner, everything that follows from it, and nothing that follows from losing.

use serde_json::{Value, json};

use super::{
    Claim, ClaimOutcome, NewClaim, Target, Via,
    fixture::{NOW, clinic, customer_waits, execute, rows},
};
use crate::{clock::rfc3339, store::Store};

fn new(target: Target, consultant: &str, now: i64) -> NewClaim {
    NewClaim { target, consultant_id: consultant.into(), via: Via::Live, events: true, now }
}

async fn claim(store: &Store, run: &str, consultant: &str) -> ClaimOutcome {
    store.claim(new(Target::Registration(run.into()), consultant, NOW + 90_000)).await.unwrap()
}

fn standing(outcome: ClaimOutcome) -> Claim {
    match outcome {
        ClaimOutcome::Won { claim } | ClaimOutcome::Lost { claim } => claim,
        other => panic!("{other:?}"),
    }
}

/// What a claim touches, to see that something changed nothing.
fn state(store: &Store) -> Vec<Value> {
    rows(
        store,
        "SELECT json_array(kind, subject_id, state, finished_at) FROM jobs
         UNION ALL SELECT json_array(id, ai_controlled, updated_at) FROM conversations
         UNION ALL SELECT json_array(id, kind, recipient_id, payload, acked_at) FROM notifications
         UNION ALL SELECT json_array(registration_id, consultant_id, via, claimed_at) FROM claims
         UNION ALL SELECT json_array(id, kind, payload) FROM outgoing_events",
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_claims_at_once_one_wins_and_the_others_hear_of_whom() {
    let (_dir, store) = clinic().await;
    let run = customer_waits(&store, "usr_new", NOW).await;
    let consultants = ["usr_c1", "usr_c2", "usr_c3"];
    let tasks = tokio_util::task::TaskTracker::new();
    let claims: Vec<_> = (0..50)
        .map(|number| {
            let (store, run) = (store.clone(), run.clone());
            let consultant = consultants[number % 3];
            tasks.spawn(async move {
                let target = if number % 2 == 0 { Target::Registration(run) } else { Target::Conversation("cnv_usr_new".into()) };
                (consultant, store.claim(new(target, consultant, NOW + 1000 + i64::try_from(number).unwrap())).await.unwrap())
            })
        })
        .collect();
    let mut stands = Vec::new();
    let mut lost = 0;
    for claim in claims {
        let (consultant, outcome) = claim.await.unwrap();
        match outcome {
            ClaimOutcome::Won { claim } => {
                assert_eq!(claim.consultant_id, consultant);
                stands.push(claim);
            }
            ClaimOutcome::Lost { claim } => {
                assert_ne!(claim.consultant_id, consultant);
                lost += 1;
                stands.push(claim);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(stands.iter().all(|claim| *claim == stands[0]), "everybody hears the same");
    assert!((33..=34).contains(&lost), "only the winner's own claims are won: {lost}");
    assert_eq!(rows(&store, "SELECT consultant_id FROM claims"), [json!(stands[0].consultant_id)]);
    assert_eq!(rows(&store, "SELECT json_array(count(*)) FROM notifications WHERE kind = 'customer_claimed'"), [json!([2])]);
    assert_eq!(rows(&store, "SELECT json_array(count(*)) FROM outgoing_events"), [json!([1])]);
}

#[tokio::test]
async fn everything_that_follows_is_there_with_the_claim() {
    let (_dir, store) = clinic().await;
    let run = customer_waits(&store, "usr_new", NOW).await;
    let other = customer_waits(&store, "usr_other", NOW).await;
    let won = standing(claim(&store, &run, "usr_c2").await);
    let expected = Claim {
        registration_id: run.clone(),
        conversation_id: "cnv_usr_new".into(),
        customer_id: "usr_new".into(),
        consultant_id: "usr_c2".into(),
        via: "live".into(),
        claimed_at: NOW + 90_000,
        waiting_since: NOW,
    };
    assert_eq!((&won, won.waiting_ms()), (&expected, 90_000));
    let told = rows(&store, "SELECT recipient_id FROM notifications WHERE kind = 'customer_claimed' ORDER BY recipient_id");
    assert_eq!(told, ["usr_c1", "usr_c3"], "neither the winner, nor who left, nor who was never told");
    let payload = &rows(&store, "SELECT payload FROM notifications WHERE kind = 'customer_claimed' LIMIT 1")[0];
    let said = json!({
        "type": "customer_claimed", "registration_id": run, "conversation_id": "cnv_usr_new", "customer_id": "usr_new",
        "claimed_by": "usr_c2", "timestamp": rfc3339(NOW + 90_000),
    });
    assert_eq!(payload, &said);
    assert_eq!(rows(&store, "SELECT json_array(count(*)) FROM notifications WHERE acked_at IS NOT NULL"), [json!([0])]);
    let mut jobs = rows(&store, "SELECT json_array(kind, subject_id, state) FROM jobs WHERE kind IN ('notice_ack', 'escalation')");
    let mut wanted: Vec<Value> = [(&run, "cancelled"), (&other, "ready")]
        .iter()
        .flat_map(|(id, state)| ["notice_ack", "escalation"].map(|kind| json!([kind, id, state])))
        .collect();
    jobs.sort_by_key(Value::to_string);
    wanted.sort_by_key(Value::to_string);
    assert_eq!(jobs, wanted);
    let conversations = rows(&store, "SELECT json_array(customer_id, ai_controlled, updated_at) FROM conversations ORDER BY customer_id");
    assert_eq!(conversations, [json!(["usr_new", 0, NOW + 90_000]), json!(["usr_other", 1, NOW - 1000])]);
    let event = &rows(&store, "SELECT payload FROM outgoing_events WHERE kind = 'customer.claimed'")[0];
    let data = json!({
        "registration_id": run, "user_id": "usr_new", "conversation_id": "cnv_usr_new", "consultant_id": "usr_c2", "via": "live",
        "waiting_ms": 90_000,
    });
    assert_eq!(event, &json!({"type": "customer.claimed", "timestamp": rfc3339(NOW + 90_000), "data": data}));
    let sends = "SELECT json_array(j.state, e.subject_id) FROM jobs j JOIN outgoing_events e ON e.id = j.subject_id WHERE j.kind = 'outgoing_event'";
    assert_eq!(rows(&store, sends), [json!(["ready", run])]);
}

#[tokio::test]
async fn claiming_again_changes_nothing() {
    let (_dir, store) = clinic().await;
    let run = customer_waits(&store, "usr_new", NOW).await;
    let first = claim(&store, &run, "usr_c1").await;
    let before = state(&store);
    let later = |target, consultant| new(target, consultant, NOW + 500_000);
    for target in [Target::Registration(run.clone()), Target::Conversation("cnv_usr_new".into()), Target::Customer("usr_new".into())] {
        assert_eq!(store.claim(later(target.clone(), "usr_c1")).await.unwrap(), first);
        let lost = store.claim(later(target, "usr_c2")).await.unwrap();
        assert!(matches!(&lost, ClaimOutcome::Lost { claim } if claim == &standing(first.clone())), "{lost:?}");
    }
    assert_eq!(state(&store), before);
}

#[tokio::test]
async fn only_consultants_and_supervisors_may_claim() {
    let (_dir, store) = clinic().await;
    let run = customer_waits(&store, "usr_new", NOW).await;
    let before = state(&store);
    for nobody in ["usr_doctor", "usr_admin", "usr_gone", "usr_new", "usr_nowhere", ""] {
        assert_eq!(claim(&store, &run, nobody).await, ClaimOutcome::NotConsultant, "{nobody}");
    }
    assert_eq!(state(&store), before);
    assert_eq!(standing(claim(&store, &run, "usr_sup").await).consultant_id, "usr_sup");
}

#[tokio::test]
async fn who_does_not_wait_cannot_be_claimed() {
    let (_dir, store) = clinic().await;
    let run = customer_waits(&store, "usr_new", NOW).await;
    execute(
        &store,
        "INSERT INTO conversations (id, customer_id, title, created_at, updated_at) VALUES ('cnv_app', 'usr_doctor', '', 0, 0)",
    )
    .await;
    let outcome = async |target| store.claim(new(target, "usr_c1", NOW)).await.unwrap();
    assert_eq!(outcome(Target::Conversation("cnv_app".into())).await, ClaimOutcome::NotWaiting);
    assert_eq!(outcome(Target::Customer("usr_doctor".into())).await, ClaimOutcome::NotWaiting);
    for unknown in [Target::Registration("x".into()), Target::Conversation("x".into()), Target::Customer("x".into())] {
        assert_eq!(outcome(unknown).await, ClaimOutcome::Unknown);
    }
    execute(&store, "UPDATE conversations SET status = 'closed' WHERE customer_id = 'usr_new'").await;
    assert_eq!(claim(&store, &run, "usr_c1").await, ClaimOutcome::NotWaiting);
    execute(&store, "UPDATE conversations SET status = 'open'").await;
    for state in ["UPDATE registrations SET state = 'cancelled'", "UPDATE registrations SET state = 'skipped'"] {
        execute(&store, state).await;
        assert_eq!(claim(&store, &run, "usr_c1").await, ClaimOutcome::NotWaiting);
    }
    execute(&store, "UPDATE registrations SET state = 'dead_letter'").await;
    standing(claim(&store, &run, "usr_c1").await);
}

#[tokio::test]
async fn who_was_told_of_the_wait_hears_of_its_end_and_no_event_is_made_for_nobody() {
    let (_dir, store) = clinic().await;
    let run = customer_waits(&store, "usr_new", NOW).await;
    execute(
        &store,
        "INSERT INTO notifications (id, registration_id, kind, level, recipient_id, payload, created_at)
         SELECT 'n', id, 'escalation', 2, 'usr_sup', '{}', 0 FROM registrations",
    )
    .await;
    let silent = NewClaim { events: false, ..new(Target::Registration(run), "usr_c1", NOW) };
    standing(store.claim(silent).await.unwrap());
    let told = rows(&store, "SELECT recipient_id FROM notifications WHERE kind = 'customer_claimed' ORDER BY recipient_id");
    assert_eq!(told, ["usr_c2", "usr_c3", "usr_sup"]);
    assert!(rows(&store, "SELECT id FROM outgoing_events").is_empty());
}

#[tokio::test]
async fn lists_and_figures_come_from_rows() {
    let (_dir, store) = clinic().await;
    let first = customer_waits(&store, "usr_a", NOW).await;
    let second = customer_waits(&store, "usr_b", NOW + 1000).await;
    execute(&store, "UPDATE registrations SET assigned_to = 'usr_c3' WHERE user_id = 'usr_b'").await;
    execute(&store, "INSERT INTO escalations (registration_id, level, target, escalated_at) SELECT id, 1, 'again', 0 FROM registrations WHERE user_id = 'usr_b'").await;
    let waiting = store.waiting_customers(0, 10).await.unwrap();
    let shown: Vec<_> = waiting
        .iter()
        .map(|one| (one.registration_id.as_str(), one.waiting_since, one.assigned_to.as_deref(), one.escalation_level))
        .collect();
    assert_eq!(shown, [(first.as_str(), NOW, None, 0), (second.as_str(), NOW + 1000, Some("usr_c3"), 1)]);
    assert_eq!(store.waiting_customers(0, 1).await.unwrap(), waiting[..1]);
    assert_eq!(store.waiting_customers(NOW + 1, 10).await.unwrap(), waiting[1..]);
    let won = standing(claim(&store, &second, "usr_c1").await);
    assert_eq!(store.waiting_customers(0, 10).await.unwrap(), waiting[..1]);
    assert_eq!(store.claims_of("usr_c1", 0).await.unwrap(), std::slice::from_ref(&won));
    assert_eq!(store.recent_claims(NOW, 10).await.unwrap(), [won]);
    assert!(store.claims_of("usr_c1", NOW + 90_001).await.unwrap().is_empty() && store.claims_of("usr_c2", 0).await.unwrap().is_empty());
}

/// The point reads of a claim and of an escalation stand on an index.
#[tokio::test]
async fn claims_do_not_scan() {
    let (_dir, store) = clinic().await;
    let sqls = [super::STANDING, super::OPEN, super::BY_CONVERSATION, super::BY_CUSTOMER, super::CANCEL, super::OF_CONSULTANT];
    for sql in sqls {
        let plan: Vec<String> = store
            .point(|db| {
                let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
                let unbound = statement.parameter_count();
                let params = rusqlite::params_from_iter(std::iter::repeat_n("x", unbound));
                statement.query_map(params, |row| row.get(3))?.collect()
            })
            .unwrap();
        assert!(!plan.iter().any(|line| line.starts_with("SCAN")), "{sql}: {plan:?}");
    }
}

/// The tool's door: the same claim, with an event only where the handle says that somebody receives it.
#[tokio::test]
async fn the_port_claims_by_mcp() {
    use anmei_mcp_tools::{Records, port};
    let (_dir, store) = clinic().await;
    let mut events = 0;
    for (customer, on) in [("usr_a", false), ("usr_b", true)] {
        customer_waits(&store, customer, NOW).await;
        let records = store.clone().with_events(on);
        let claim = async |consultant: &str| {
            let target = port::ClaimTarget::Customer(customer.into());
            let new = port::NewClaim { target, consultant_id: consultant.into(), now: crate::clock::from_ms(NOW + 5000) };
            Records::claim(&records, new).await.unwrap()
        };
        let port::ClaimOutcome::Won(won) = claim("usr_c1").await else { panic!("{customer}") };
        assert_eq!((won.conversation_id, (won.claimed_at - won.waiting_since).num_seconds()), (format!("cnv_{customer}"), 5));
        assert!(matches!(claim("usr_c2").await, port::ClaimOutcome::Lost(lost) if lost.consultant_id == "usr_c1"));
        assert_eq!(claim("usr_doctor").await, port::ClaimOutcome::NotConsultant);
        events += i32::from(on);
        assert_eq!(rows(&store, "SELECT json_array(count(*)) FROM outgoing_events"), [json!([events])]);
    }
    assert_eq!(rows(&store, "SELECT via FROM claims"), ["mcp", "mcp"]);
}
