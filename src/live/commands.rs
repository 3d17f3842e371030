//! What becomes of a command: who may give it, and what is answered.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    Shared,
    frames::Command,
    inbound::{Door, Refusal, RefusalCode, Target},
    outbox::Outbox,
    who::{Role, Who},
};
use crate::store::StoreError;

/// Longest a command may take.
const LIMIT: Duration = Duration::from_secs(10);

impl Shared {
    /// Takes a customer over, through whichever door.
    pub(super) async fn claim(&self, who: &Who, target: Target, door: Door) -> Result<Value, Refusal> {
        must_be(who, Role::Consultant, "认领客户 claim a customer")?;
        in_time(self.inbound.claim(who, target, door)).await
    }

    /// Acknowledges notices. Somebody else's and those that do not exist get the same answer.
    async fn ack(&self, who: &Who, ids: Vec<String>) -> Result<Vec<String>, Refusal> {
        let acked = self.store.ack_notifications(who.audience(), ids, self.clock.now_ms()).await.map_err(|error| unavailable(&error))?;
        if acked.is_empty() {
            return Err(Refusal::new(RefusalCode::NotFound, "没有该通知 there is no such notification for you"));
        }
        Ok(acked)
    }

    /// Does what a connected person asks for.
    pub(super) async fn command(&self, who: &Who, command: Command, outbox: &mut Outbox) -> Result<Value, Refusal> {
        match command {
            Command::Auth { .. } => {
                Err(Refusal::new(RefusalCode::Invalid, "已登录 already authenticated: connect again to use another token"))
            }
            Command::Ack { ids } => {
                let acked = self.ack(who, ids).await?;
                outbox.acked(&acked);
                Ok(json!({"acked": acked}))
            }
            Command::Claim { target } => self.claim(who, target, Door::Live).await,
            Command::Read { message_id } => {
                must_be(who, Role::Customer, "标记已读 mark a message as read")?;
                in_time(self.inbound.read(who, &message_id)).await
            }
            Command::Feedback(feedback) => {
                must_be(who, Role::Customer, "评价 rate a welcome")?;
                in_time(self.inbound.feedback(who, feedback)).await
            }
            Command::Message { conversation_id, text } => {
                must_be(who, Role::Customer, "发送消息 send a message")?;
                in_time(self.inbound.message(who, &conversation_id, &text)).await
            }
        }
    }
}

fn must_be(who: &Who, role: Role, what: &str) -> Result<(), Refusal> {
    if who.has(role) {
        return Ok(());
    }
    let (chinese, english) = if role == Role::Consultant { ("顾问", "consultants") } else { ("客户", "customers") };
    Err(Refusal::new(RefusalCode::Forbidden, format!("仅限{chinese} only {english} may do this: {what}")))
}

async fn in_time(command: impl Future<Output = Result<Value, Refusal>>) -> Result<Value, Refusal> {
    let late = || Refusal::new(RefusalCode::Unavailable, "处理超时 no answer in time: the outcome is unknown; it is safe to ask again");
    tokio::time::timeout(LIMIT, command).await.unwrap_or_else(|_| Err(late()))
}

fn unavailable(error: &StoreError) -> Refusal {
    tracing::error!(%error, "a live command met a database that does not answer");
    Refusal::new(RefusalCode::Unavailable, "暂时不可用 the database does not answer: ask again in a moment")
}
