//! Puts what is on record about a run in order.

use std::cmp::Reverse;

use serde_json::{Map, Value, json};

use super::{Entry, How, Timeline};
use crate::{
    admin::calls::words::{Words, length},
    clock::rfc3339,
    store::{
        agent_calls::{AgentCall, Thought},
        registrations::StepRecord,
        story::{Event, Notice, Push, Said, Story, ToolCall},
    },
};

/// An entry with the time by which it is sorted.
struct Moment {
    at: i64,
    entry: Entry,
}

/// Puts a story in order.
struct Teller<'a> {
    story: &'a Story,
    words: Words,
    moments: Vec<Moment>,
}

pub(super) fn told(story: &Story, words: Words) -> Timeline {
    let mut teller = Teller { story, words, moments: Vec::new() };
    teller.run();
    teller.questions();
    teller.people();
    teller.outside();
    let run = &story.run;
    let mut moments = teller.moments;
    // Of things that began in the same millisecond, the whole comes before its parts and the longer before the shorter.
    moments.sort_by_key(|moment| (moment.at, moment.entry.part_of.is_some(), Reverse(moment.entry.duration_ms)));
    Timeline {
        registration_id: run.id.clone(),
        state: run.state.clone(),
        accepted_at: rfc3339(run.accepted_at),
        finished_at: run.finished_at.map(rfc3339),
        entries: moments.into_iter().map(|moment| moment.entry).collect(),
    }
}

impl Teller<'_> {
    fn add(&mut self, at: i64, what: &str, fill: impl FnOnce(&mut Entry)) {
        let mut entry = Entry {
            id: None,
            part_of: None,
            at: rfc3339(at),
            offset_ms: at - self.story.run.accepted_at,
            duration_ms: None,
            what: what.to_owned(),
            name: String::new(),
            how: How::Plain,
            outcome: String::new(),
            error: None,
            words: None,
            detail: Map::new(),
        };
        fill(&mut entry);
        entry.detail.retain(|_, value| !value.is_null());
        self.moments.push(Moment { at, entry });
    }

    /// Words that somebody said, and how long they are.
    fn say(words: Words, entry: &mut Entry, text: &str) {
        entry.words = words.show(text);
        entry.detail.insert("characters".into(), length(text).into());
    }

    /// Acceptance, steps, end.
    fn run(&mut self) {
        let story = self.story;
        let run = &story.run;
        self.add(run.accepted_at, "webhook_accepted", |entry| {
            entry.how = if run.skip_reason.is_some() { How::Plain } else { How::Good };
            entry.outcome = if run.skip_reason.is_some() { "skipped".into() } else { "accepted".into() };
            entry.error.clone_from(&run.skip_reason);
            entry.detail = object(json!({"event_id": story.event_id, "deadline_at": rfc3339(run.deadline_at)}));
        });
        for step in &story.steps {
            self.step(step);
        }
        if let Some(at) = run.finished_at {
            self.add(at, "ended", |entry| {
                entry.how = match run.state.as_str() {
                    "done" => How::Good,
                    "dead_letter" => How::Bad,
                    _ => How::Plain,
                };
                entry.outcome.clone_from(&run.state);
                entry.detail = object(json!({"rung": run.welcome_rung, "reason": run.welcome_reason}));
            });
        }
    }

    fn step(&mut self, step: &StepRecord) {
        let what = match step.step.as_str() {
            "open_conversation" => "conversation_created",
            "compose_welcome" => "welcome_composed",
            "deliver_welcome" => "welcome_sent",
            "notify_consultants" => "consultants_notified",
            other => other,
        };
        self.add(step.started_at, what, |entry| {
            entry.duration_ms = Some(step.duration_ms);
            entry.name = format!("{}#{}", step.step, step.attempt);
            entry.how = if step.state == "done" { How::Good } else { How::Bad };
            entry.outcome.clone_from(&step.state);
            entry.error.clone_from(&step.error);
            entry.detail = object(step.detail.clone());
            entry.detail.insert("attempt".into(), step.attempt.into());
        });
    }

    /// Questions to agents, what they thought, and the calls of tools they made.
    fn questions(&mut self) {
        let story = self.story;
        for call in &story.agent_calls {
            self.question(call);
        }
        for (call_id, thought) in &story.thoughts {
            if let Some(call) = story.agent_calls.iter().find(|call| call.id == *call_id) {
                self.thought(call, thought);
            }
        }
        for call in &story.tool_calls {
            self.tool_call(call);
        }
    }

    fn question(&mut self, call: &AgentCall) {
        self.add(call.started_at, "dify_triggered", |entry| {
            entry.id = Some(call.id.clone());
            entry.name = call.agent.clone().unwrap_or_else(|| call.agent_id.clone());
            entry.duration_ms = call.duration_ms;
            entry.how = match call.state.as_str() {
                "answered" => How::Good,
                "asked" => How::Open,
                "late" | "stopped" => How::Plain,
                _ => How::Bad,
            };
            entry.outcome.clone_from(&call.state);
            entry.error.clone_from(&call.error);
            entry.detail = object(json!({
                "rung": call.rung, "agent_id": call.agent_id, "first_byte_ms": call.first_byte_ms, "thoughts": call.thoughts,
                "tokens": call.tokens, "price": call.price, "currency": call.currency, "error_kind": call.error_kind,
                "task_id": call.task_id, "dify_conversation_id": call.dify_conversation_id, "dify_message_id": call.dify_message_id,
            }));
        });
    }

    fn thought(&mut self, call: &AgentCall, thought: &Thought) {
        let words = self.words;
        self.add(call.started_at + thought.began_ms.unwrap_or_default(), "thought", |entry| {
            entry.part_of = Some(call.id.clone());
            entry.name.clone_from(&thought.tool);
            entry.duration_ms = thought.ended_ms.zip(thought.began_ms).map(|(ended, began)| ended - began);
            entry.words = thought.text.as_ref().and_then(|text| words.show(text));
            entry.detail = object(json!({
                "position": thought.position, "characters": thought.characters, "input_bytes": thought.input_bytes,
                "observation_bytes": thought.observation_bytes,
            }));
        });
    }

    fn tool_call(&mut self, call: &ToolCall) {
        let during = |question: &&AgentCall| {
            question.started_at <= call.at && question.duration_ms.is_none_or(|duration| call.at <= question.started_at + duration)
        };
        // Of two questions at once the later one: the earlier is the one that nobody waits for any more.
        let part_of = self.story.agent_calls.iter().rev().find(during).map(|question| question.id.clone());
        self.add(call.at, "mcp_called", |entry| {
            entry.id = Some(call.call_id.clone());
            entry.part_of = part_of;
            entry.name.clone_from(&call.tool);
            entry.duration_ms = Some(call.duration_ms);
            entry.how = if call.outcome == "ok" { How::Good } else { How::Bad };
            entry.outcome.clone_from(&call.outcome);
            entry.error.clone_from(&call.error);
            let (sent, answered) = (call.request_bytes, call.response_bytes);
            entry.detail = object(json!({"group": call.group, "request_bytes": sent, "response_bytes": answered}));
        });
    }

    /// Messages, notices, escalation, claim, rating.
    fn people(&mut self) {
        let story = self.story;
        for said in &story.messages {
            self.message(said);
        }
        for notice in &story.notices {
            self.notice(notice);
        }
        for level in &story.levels {
            self.add(level.at, "escalated", |entry| {
                entry.name.clone_from(&level.target);
                entry.how = How::Bad;
                entry.outcome = format!("level {}", level.level);
                entry.detail = object(json!({"level": level.level, "target": level.target}));
            });
        }
        if let Some(claim) = &story.claim {
            self.add(claim.claimed_at, "customer_claimed", |entry| {
                entry.name.clone_from(&claim.consultant_id);
                entry.how = How::Good;
                entry.outcome.clone_from(&claim.via);
                entry.detail = object(json!({"consultant_id": claim.consultant_id, "via": claim.via, "waiting_ms": claim.waiting_ms()}));
            });
        }
        if let Some(at) = story.welcome_read_at {
            self.add(at, "welcome_read", |entry| entry.how = How::Good);
        }
        if let Some(rating) = &story.rating {
            let words = self.words;
            self.add(rating.at, "rated", |entry| {
                entry.name = rating.rating.to_string();
                entry.how = if rating.rating >= 3 { How::Good } else { How::Bad };
                entry.outcome.clone_from(&rating.source);
                entry.detail = object(json!({"rating": rating.rating, "forwarded_at": rating.forwarded_at.map(rfc3339)}));
                if let Some(comment) = &rating.comment {
                    Self::say(words, entry, comment);
                }
            });
        }
    }

    fn message(&mut self, said: &Said) {
        let (words, welcome) = (self.words, self.story.run.welcome_message_id.as_ref() == Some(&said.id));
        self.add(said.at, "message", |entry| {
            entry.id = Some(said.id.clone());
            entry.name.clone_from(&said.sender_type);
            entry.outcome = if welcome { "welcome".into() } else { "stored".into() };
            entry.detail = object(json!({"rung": said.rung}));
            Self::say(words, entry, &said.text);
        });
    }

    fn notice(&mut self, notice: &Notice) {
        self.add(notice.at, "notice", |entry| {
            entry.id = Some(notice.id.clone());
            entry.name.clone_from(&notice.kind);
            entry.duration_ms = notice.acked_at.map(|at| at - notice.at);
            (entry.how, entry.outcome) = match (notice.acked_at, notice.sent_at) {
                (Some(_), _) => (How::Good, "acknowledged".into()),
                (None, Some(_)) => (How::Open, "sent".into()),
                (None, None) => (How::Open, "waiting".into()),
            };
            let recipient = if notice.recipient_id.is_empty() { "*" } else { &notice.recipient_id };
            entry.detail = object(json!({
                "recipient_id": recipient, "level": notice.level, "sent_at": notice.sent_at.map(rfc3339), "acked_at": notice.acked_at.map(rfc3339),
            }));
        });
    }

    /// What went to channels and other systems.
    fn outside(&mut self) {
        let story = self.story;
        for push in &story.pushes {
            self.push(push);
        }
        for event in &story.events {
            self.event(event);
        }
    }

    fn push(&mut self, push: &Push) {
        self.add(push.at, "push", |entry| {
            entry.id = Some(push.id.clone());
            entry.name.clone_from(&push.channel);
            entry.duration_ms = push.delivered_at.map(|at| at - push.at);
            (entry.how, entry.outcome) = match (push.delivered_at, &push.last_error) {
                (Some(_), _) => (How::Good, "delivered".into()),
                (None, Some(_)) => (How::Bad, "failed".into()),
                (None, None) => (How::Open, "waiting".into()),
            };
            entry.error.clone_from(&push.last_error);
            entry.detail = object(json!({"reason": push.reason, "level": push.level}));
        });
    }

    fn event(&mut self, event: &Event) {
        self.add(event.at, "event", |entry| {
            entry.id = Some(event.id.clone());
            entry.name.clone_from(&event.kind);
            entry.duration_ms = event.delivered_at.map(|at| at - event.at);
            (entry.how, entry.outcome) = match (event.delivered_at, event.given_up_at) {
                (Some(_), _) => (How::Good, "delivered".into()),
                (None, Some(_)) => (How::Bad, "given_up".into()),
                (None, None) => (How::Open, "waiting".into()),
            };
            entry.error = event.attempts.last().and_then(|last| last.error.clone());
            let attempts: Vec<Value> = event
                .attempts
                .iter()
                .map(|one| {
                    json!({
                        "attempt": one.attempt, "at": rfc3339(one.attempted_at), "duration_ms": one.duration_ms, "status": one.status,
                        "error": one.error,
                    })
                })
                .collect();
            entry.detail = object(json!({"attempts": attempts}));
        });
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
