//! Every row has an entry, parts know their whole, and words are withheld where they must be.

use serde_json::json;

use super::{tell::told, *};
use crate::store::{
    agent_calls::{AgentCall, Thought},
    claims::Claim,
    events::EventAttempt,
    registrations::{Profile, Registration, StepRecord},
    story::{Event, Level, Notice, Push, Rating, Said, Story, ToolCall},
};

fn run() -> Registration {
    let profile = Profile {
        user_id: "usr_1".into(),
        username: "林晓月".into(),
        email: None,
        phone: None,
        avatar: None,
        roles: vec![],
        registered_at: 0,
    };
    Registration {
        id: "run".into(),
        profile,
        state: "done".into(),
        accepted_at: 1_000,
        deadline_at: 4_000,
        conversation_id: Some("cnv".into()),
        welcome_text: Some("您好".into()),
        welcome_rung: Some("agent".into()),
        welcome_reason: None,
        welcome_message_id: Some("msg".into()),
        welcome_at: Some(1_900),
        late_outcome: None,
        skip_reason: None,
        segment: Some("new".into()),
        agent_id: Some("a".into()),
        assigned_to: None,
        finished_at: Some(2_000),
        traceparent: None,
    }
}

fn question(id: &str, state: &str, (started_at, duration_ms): (i64, Option<i64>)) -> AgentCall {
    AgentCall {
        id: id.into(),
        agent_id: "a".into(),
        agent: Some("管家 v1".into()),
        rung: "agent".into(),
        state: state.into(),
        started_at,
        first_byte_ms: Some(3),
        duration_ms,
        task_id: None,
        dify_conversation_id: None,
        dify_message_id: None,
        tools: None,
        thoughts: Some(2),
        tokens: Some(7),
        price: None,
        currency: None,
        error_kind: None,
        error: None,
    }
}

fn thought(position: i64, began: i64, text: Option<&str>) -> Thought {
    Thought {
        position,
        began_ms: Some(began),
        ended_ms: Some(began + 5),
        text: text.map(str::to_owned),
        characters: 3,
        tool: "get_user_profile".into(),
        input_bytes: 4,
        observation_bytes: 5,
    }
}

fn tool_call(id: &str, at: i64, outcome: &str) -> ToolCall {
    ToolCall {
        call_id: id.into(),
        tool: "get_user_profile".into(),
        group: Some("welcome_tools".into()),
        outcome: outcome.into(),
        error: None,
        request_bytes: Some(20),
        response_bytes: Some(300),
        duration_ms: 2,
        at,
    }
}

fn story() -> Story {
    let step = |step: &str, state: &str, started_at| StepRecord {
        step: step.into(),
        attempt: 1,
        state: state.into(),
        started_at,
        duration_ms: 10,
        began: None,
        detail: json!({"made": 1, "nothing": null}),
        error: (state == "failed").then(|| "why".into()),
    };
    Story {
        run: run(),
        event_id: Some("evt".into()),
        welcome_read_at: Some(2_500),
        steps: vec![step("open_conversation", "done", 1_010), step("compose_welcome", "failed", 1_020)],
        agent_calls: vec![question("q1", "failed", (1_030, Some(100))), question("q2", "answered", (1_200, Some(500)))],
        thoughts: vec![("q1".into(), thought(1, 10, Some("想一想"))), ("q2".into(), thought(1, 20, None))],
        tool_calls: vec![tool_call("t1", 1_050, "timeout"), tool_call("t2", 1_300, "ok"), tool_call("t3", 9_000, "ok")],
        messages: vec![Said { id: "msg".into(), sender_type: "ai".into(), text: "您好".into(), rung: Some("agent".into()), at: 1_900 }],
        notices: vec![Notice {
            id: "n".into(),
            kind: "new_customer".into(),
            level: 0,
            recipient_id: String::new(),
            at: 1_100,
            sent_at: None,
            acked_at: None,
        }],
        pushes: vec![Push {
            id: "p".into(),
            channel: "desk".into(),
            reason: "new_customer".into(),
            level: 0,
            at: 1_101,
            delivered_at: None,
            last_error: Some("503".into()),
        }],
        events: vec![Event {
            id: "msg_1".into(),
            kind: "conversation.created".into(),
            at: 1_011,
            delivered_at: Some(1_400),
            given_up_at: None,
            attempts: vec![EventAttempt { attempt: 1, attempted_at: 1_390, duration_ms: 10, status: Some(204), error: None }],
        }],
        levels: vec![Level { level: 1, target: "again".into(), at: 3_000 }],
        claim: Some(Claim {
            registration_id: "run".into(),
            conversation_id: "cnv".into(),
            customer_id: "usr_1".into(),
            consultant_id: "usr_c1".into(),
            via: "panel".into(),
            claimed_at: 3_100,
            waiting_since: 1_100,
        }),
        rating: Some(Rating { rating: 5, comment: Some("很好".into()), source: "live".into(), at: 4_000, forwarded_at: None }),
    }
}

#[test]
fn every_row_has_its_entry_in_the_order_things_began() {
    let timeline = told(&story(), Words::Shown);
    let what: Vec<_> = timeline.entries.iter().map(|entry| entry.what.as_str()).collect();
    assert_eq!(
        what,
        [
            "webhook_accepted",
            "conversation_created",
            "event",
            "welcome_composed",
            "dify_triggered",
            "thought",
            "mcp_called",
            "notice",
            "push",
            "dify_triggered",
            "thought",
            "mcp_called",
            "message",
            "ended",
            "welcome_read",
            "escalated",
            "customer_claimed",
            "rated",
            "mcp_called"
        ]
    );
    let parts: Vec<_> = timeline.entries.iter().filter_map(|entry| Some((entry.what.as_str(), entry.part_of.as_deref()?))).collect();
    assert_eq!(
        parts,
        [("thought", "q1"), ("mcp_called", "q1"), ("thought", "q2"), ("mcp_called", "q2")],
        "a call after all questions is nobody's part"
    );
    let hows: Vec<_> = timeline.entries.iter().take(9).map(|entry| entry.how).collect();
    let (good, bad) = (How::Good, How::Bad);
    assert_eq!(hows, [good, good, good, bad, bad, How::Plain, bad, How::Open, bad]);
    let composed = &timeline.entries[3];
    assert_eq!((composed.offset_ms, composed.duration_ms, composed.error.as_deref()), (20, Some(10), Some("why")));
    assert!(!composed.detail.contains_key("nothing"), "what is absent says nothing");
    assert_eq!(timeline.entries[2].detail["attempts"][0]["status"], 204);
}

#[test]
fn an_auditor_sees_that_something_was_said_and_not_what() {
    let shown = serde_json::to_string(&told(&story(), Words::Shown)).unwrap();
    let withheld = serde_json::to_string(&told(&story(), Words::Withheld)).unwrap();
    for text in ["您好", "很好", "想一想"] {
        assert!(shown.contains(text) && !withheld.contains(text), "{text}");
    }
    assert!(withheld.contains("\"characters\":2"));
}
