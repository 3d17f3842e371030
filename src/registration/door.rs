//! What connected people ask for: a consultant claims, a customer reads, rates and answers.
//!
//! The port of [`crate::live`]: live knows who somebody is, and this knows what is theirs. Every answer comes after the
//! commit; whoever else must know has a row by then, and the hub is told to look.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{FEEDBACK_JOB, announce::Announcer};
use crate::{
    clock::{SharedClock, rfc3339},
    ids::new_id,
    live::{self, Feedback, Hub, Inbound, Refusal, RefusalCode, Who},
    store::{
        Store, StoreError,
        claims::{Claim, ClaimOutcome, NewClaim, Target, Via},
        customers_words::NewWords,
        feedback::{NewFeedback, Rated},
    },
};

/// Most characters of a customer's message or comment.
const LONGEST: usize = 4_000;

/// Answers connected people. Its parts are public: there is nothing to keep between two commands.
pub struct Door {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: SharedClock,
    /// Who is connected.
    pub hub: Hub,
    /// Whether events are sent to other systems.
    pub events: bool,
    /// Tells the queue that a command added a job.
    pub wake: Arc<Notify>,
}

#[async_trait]
impl Inbound for Door {
    async fn claim(&self, who: &Who, target: live::Target, door: live::Door) -> Result<Value, Refusal> {
        let claim = NewClaim {
            target: match target {
                live::Target::Registration(id) => Target::Registration(id),
                live::Target::Conversation(id) => Target::Conversation(id),
            },
            consultant_id: who.user_id.as_str().to_owned(),
            via: match door {
                live::Door::Live => Via::Live,
                live::Door::Rest => Via::Rest,
            },
            events: self.events,
            now: self.clock.now_ms(),
        };
        match self.store.claim(claim).await.map_err(|error| unavailable(&error))? {
            ClaimOutcome::Won { claim } => {
                self.wake.notify_one();
                self.tell_the_others(&claim).await;
                Ok(shown(&claim))
            }
            ClaimOutcome::Lost { claim } => {
                let text = "这位客户已被其他顾问认领。 / This customer was claimed by another consultant.";
                Err(Refusal::new(RefusalCode::Taken, text).with_detail(shown(&claim)))
            }
            ClaimOutcome::Unknown => Err(not_found("没有这位待接待的客户。 / There is no such customer.")),
            ClaimOutcome::NotConsultant => {
                let text = "只有在职顾问或主管可以认领。 / Only active consultants and supervisors can claim.";
                Err(Refusal::new(RefusalCode::Forbidden, text))
            }
            ClaimOutcome::NotWaiting => Err(not_found("这位客户不在等待认领。 / This customer is not waiting for a consultant.")),
        }
    }

    async fn read(&self, who: &Who, message_id: &str) -> Result<Value, Refusal> {
        let known = self.store.welcome_was_read(who.user_id.as_str(), message_id, self.clock.now_ms()).await;
        // Other messages have nothing that depends on being read; saying so would only tell which ids exist.
        known.map(|_| json!({})).map_err(|error| unavailable(&error))
    }

    async fn feedback(&self, who: &Who, feedback: Feedback) -> Result<Value, Refusal> {
        let user = who.user_id.as_str();
        let run = match &feedback.target {
            live::Target::Registration(id) => self.store.registration(id),
            live::Target::Conversation(id) => self.store.registration_of_conversation(id),
        };
        let run = run.map_err(|error| unavailable(&error))?.filter(|run| run.profile.user_id == user);
        let run = run.ok_or_else(|| not_found("没有这条欢迎消息。 / There is no such welcome of yours."))?;
        let new = NewFeedback {
            rated: Rated::Registration(run.id),
            rating: feedback.rating,
            comment: feedback.comment.map(|text| cut(&text)),
            source: "live",
            job_id: new_id(self.clock.as_ref()),
            job_kind: FEEDBACK_JOB,
            now: self.clock.now_ms(),
        };
        let kept = self.store.keep_feedback(new).await.map_err(|error| unavailable(&error))?;
        self.wake.notify_one();
        Ok(json!({"registration_id": kept.map(|kept| kept.registration_id), "rating": feedback.rating}))
    }

    async fn message(&self, who: &Who, conversation_id: &str, text: &str) -> Result<Value, Refusal> {
        let text = cut(text);
        if text.trim().is_empty() {
            return Err(Refusal::new(RefusalCode::Invalid, "消息为空。 / The message is empty."));
        }
        let now = self.clock.now_ms();
        let run = self.store.registration_of_conversation(conversation_id).map_err(|error| unavailable(&error))?;
        let said = json!({"text": text, "sender_type": "customer"});
        let event = run.and_then(|run| Announcer { on: self.events }.event(self.clock.as_ref(), &run, "message.created", said));
        let words = NewWords {
            id: new_id(self.clock.as_ref()),
            conversation_id: conversation_id.to_owned(),
            customer_id: who.user_id.as_str().to_owned(),
            text,
            event,
            now,
        };
        let id = words.id.clone();
        if self.store.add_customers_words(words).await.map_err(|error| unavailable(&error))? {
            self.wake.notify_one();
            return Ok(json!({"message_id": id, "created_at": rfc3339(now)}));
        }
        Err(not_found("没有这个会话。 / There is no such conversation of yours."))
    }
}

impl Door {
    /// Everybody who was told that the customer waits now has a row that says who has the customer.
    async fn tell_the_others(&self, claim: &Claim) {
        match self.store.recipients_of(&claim.registration_id, "customer_claimed").await {
            Ok(others) => {
                self.hub.deliver(others.iter().map(String::as_str));
            }
            Err(error) => tracing::warn!(registration.id = claim.registration_id, %error, "others hear of a claim at their next look"),
        }
    }
}

fn shown(claim: &Claim) -> Value {
    json!({
        "registration_id": claim.registration_id,
        "conversation_id": claim.conversation_id,
        "customer_id": claim.customer_id,
        "claimed_by": claim.consultant_id,
        "claimed_at": rfc3339(claim.claimed_at),
    })
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || *c == '\n').take(LONGEST).collect()
}

fn not_found(text: &str) -> Refusal {
    Refusal::new(RefusalCode::NotFound, text)
}

fn unavailable(error: &StoreError) -> Refusal {
    tracing::error!(%error, "a command of a connected person could not be stored");
    Refusal::new(RefusalCode::Unavailable, "暂时无法保存，请稍后重试。 / It could not be stored at the moment; try again.")
}
