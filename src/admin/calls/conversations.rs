//! Conversations and what was said in them. Who reads the words, [`super::Words`] decides.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    CallError, Calls, Listed, pages, with_reason,
    words::{Words, length},
};
use crate::{
    clock::rfc3339,
    store::{
        audit::{By, Change},
        conversation_list::{ListedConversation, ListedMessage},
    },
};

/// A conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConversationView {
    /// Its id.
    pub id: String,
    /// The customer.
    pub customer_id: String,
    /// The customer's name: hostile text, to be shown as text.
    pub username: String,
    /// The registration that opened it.
    pub registration_id: Option<String>,
    /// Its title.
    pub title: String,
    /// Whether the AI answers in it.
    pub ai_controlled: bool,
    /// `open` or `closed`.
    pub status: String,
    /// When it was created.
    pub created_at: String,
    /// When it last changed.
    pub updated_at: String,
    /// How many messages it has.
    pub messages: i64,
    /// Who claimed the customer.
    pub claimed_by: Option<String>,
    /// That person's name.
    pub claimed_by_name: Option<String>,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MessageView {
    /// Its id.
    pub id: String,
    /// `customer`, `consultant`, `doctor`, `ai` or `system`.
    pub sender_type: String,
    /// The sender's user id, when a person.
    pub sender_id: Option<String>,
    /// The sender's name, when known.
    pub sender_name: Option<String>,
    /// `text`, `media`, `system` or `structured`.
    pub kind: String,
    /// What was said; of what is no text, its JSON. Withheld from auditors unless they give a reason.
    pub text: Option<String>,
    /// How long it is.
    pub characters: i64,
    /// Which rung of the ladder wrote it, of a welcome.
    pub rung: Option<String>,
    /// When it was sent.
    pub created_at: String,
}

impl Calls {
    /// Conversations, the latest change first: all, or those of the user with this id or a name like it.
    pub async fn conversations(
        &self,
        user: Option<String>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Listed<ConversationView>, CallError> {
        let user = user.map(|user| user.trim().to_owned()).filter(|user| !user.is_empty());
        let page = self.store.conversation_list(user, pages::place(cursor)?, limit).await?;
        Ok(pages::listed(page, conversation))
    }

    /// One conversation.
    pub fn conversation(&self, id: &str) -> Result<ConversationView, CallError> {
        let missing = || CallError::not_found(format!("没有会话 {id}"), format!("there is no conversation {id}"));
        self.store.listed_conversation(id)?.map(conversation).ok_or_else(missing)
    }

    /// What was said in a conversation, the latest first.
    pub async fn messages(&self, id: &str, words: Words, cursor: Option<&str>, limit: u32) -> Result<Listed<MessageView>, CallError> {
        self.conversation(id)?;
        let page = self.store.message_list(id, pages::place(cursor)?, limit).await?;
        Ok(pages::listed(page, |message| message_view(message, words)))
    }
}

impl Calls {
    /// What was said in a conversation, to somebody who must say why. Who looked, and why, is written down first.
    pub async fn read_conversation(
        &self,
        id: &str,
        (by, reason): (By, &str),
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Listed<MessageView>, CallError> {
        let by = with_reason(by, Some(reason))?;
        let from = pages::place(cursor)?;
        self.conversation(id)?;
        self.store.audit(by, Change::new("conversation.read", format!("conversation/{id}"))).await?;
        let page = self.store.message_list(id, from, limit).await?;
        Ok(pages::listed(page, |message| message_view(message, Words::Shown)))
    }
}

fn conversation(one: ListedConversation) -> ConversationView {
    let (claimed_by, claimed_by_name) = one.claimed_by.unzip();
    ConversationView {
        id: one.id,
        customer_id: one.customer_id,
        username: one.username,
        registration_id: one.registration_id,
        title: one.title,
        ai_controlled: one.ai_controlled,
        status: one.status,
        created_at: rfc3339(one.created_at),
        updated_at: rfc3339(one.updated_at),
        messages: one.messages,
        claimed_by,
        claimed_by_name,
    }
}

fn message_view(message: ListedMessage, words: Words) -> MessageView {
    let content: Value = serde_json::from_str(&message.content).unwrap_or_default();
    let text = match content.get("text") {
        Some(Value::String(text)) => text.clone(),
        _ => message.content,
    };
    MessageView {
        id: message.id,
        sender_type: message.sender_type,
        sender_id: message.sender_id,
        sender_name: message.sender_name,
        kind: message.kind,
        characters: length(&text),
        text: words.show(text),
        rung: content.get("rung").and_then(Value::as_str).map(str::to_owned),
        created_at: rfc3339(message.created_at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::run_list::Place;

    fn message(content: &str) -> MessageView {
        let message = ListedMessage {
            place: Place { at: 1, row: 1 },
            id: "m".into(),
            sender_type: "ai".into(),
            sender_id: None,
            sender_name: None,
            kind: "text".into(),
            content: content.into(),
            created_at: 1,
        };
        message_view(message, Words::Shown)
    }

    #[test]
    fn a_text_is_shown_as_it_is_and_anything_else_as_its_json() {
        let said = message(r#"{"text":"<script>您好","rung":"agent"}"#);
        assert_eq!((said.text.as_deref(), said.rung.as_deref(), said.characters), (Some("<script>您好"), Some("agent"), 10));
        assert_eq!(message(r#"{"url":"x"}"#).text.as_deref(), Some(r#"{"url":"x"}"#));
        assert_eq!(message(r#"{"text":7}"#).text.as_deref(), Some(r#"{"text":7}"#));
    }
}
