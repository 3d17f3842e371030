//! `get_conversation_data`: one conversation with its last messages and who takes part in it.
//!
//! Found by its id, or as a customer's latest. It refuses a question with neither id, and one whose two ids
//! contradict each other: answering with either would show somebody else's messages.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::content;
use crate::{
    missing,
    port::{Context, Conversation, Message, Participant},
    tool::{About, Effect, NativeTool, Subject, ToolError},
};

/// Arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct GetConversationData {
    /// 会话ID；与 user_id 至少填一个。 / The conversation's id; this or user_id is required.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_-]{1,64}$"))]
    conversation_id: Option<String>,
    /// 客户的用户ID：取其最近更新的会话；与 conversation_id 至少填一个。 / The customer's user id, for their latest conversation; this or conversation_id is required.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_-]{1,64}$"))]
    user_id: Option<String>,
    /// 最多返回最近多少条消息，1–100，默认20。 / How many of the last messages at most, 1 to 100; default 20.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = 100))]
    limit: u32,
}

fn default_limit() -> u32 {
    20
}

/// A conversation with its messages.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ConversationData {
    /// The conversation itself.
    conversation: Head,
    /// The last messages, oldest of them first.
    messages: Vec<Line>,
    /// How many there are in `messages`.
    message_count: usize,
    /// The customer and everybody who wrote.
    participants: Vec<Person>,
}

/// The conversation itself.
#[derive(Debug, Serialize, JsonSchema)]
struct Head {
    /// Its id.
    conversation_id: String,
    /// The customer's user id.
    customer_id: String,
    /// Its title.
    title: String,
    /// Whether the AI answers.
    ai_controlled: bool,
    /// open or closed.
    status: String,
    /// When it was created, RFC 3339 in UTC.
    #[schemars(with = "String")]
    created_at: DateTime<Utc>,
    /// When it last changed, RFC 3339 in UTC.
    #[schemars(with = "String")]
    updated_at: DateTime<Utc>,
}

/// One message.
#[derive(Debug, Serialize, JsonSchema)]
struct Line {
    /// Its id.
    message_id: String,
    /// customer, consultant, doctor, ai or system.
    sender_type: String,
    /// The sender's user id; absent when no person wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_id: Option<String>,
    /// text, media, system or structured.
    #[serde(rename = "type")]
    kind: String,
    /// What a person would read.
    text: String,
    /// When it was sent, RFC 3339 in UTC.
    #[schemars(with = "String")]
    created_at: DateTime<Utc>,
}

/// Somebody who takes part.
#[derive(Debug, Serialize, JsonSchema)]
struct Person {
    /// The user's id.
    user_id: String,
    /// The user's name.
    username: String,
    /// customer, consultant, doctor, ai or system.
    role: String,
}

#[async_trait]
impl NativeTool for GetConversationData {
    type Output = ConversationData;
    const SUBJECT: Subject = Subject::Named(&["user_id"]);

    fn about() -> About {
        About {
            name: "get_conversation_data",
            title: "查询会话内容 / Get conversation data",
            description: "查询一个会话：基本信息、最近的消息（旧的在前）和参与者。用 conversation_id 指定会话，或用 user_id 取该客户最近的会话，二者至少填一个。\
                          回复客户、接手会话或整理咨询记录前使用。\n\
                          Returns one conversation: its head, the last messages (oldest first) and who takes part. Name it by conversation_id, or pass user_id for the customer's latest conversation; at least one is required. \
                          Use it before answering a customer, taking over a conversation or writing up a consultation.",
            category: "consultation",
            version: "1.0.0",
            effect: Effect::Reads,
            timeout: Duration::from_secs(5),
            example: r#"{"user_id": "usr_0001", "limit": 20}"#,
            config: &[],
        }
    }

    async fn run(self, ctx: &Context<'_>) -> Result<ConversationData, ToolError> {
        let conversation = find(ctx, self.conversation_id.as_deref(), self.user_id.as_deref()).await?;
        let messages = ctx.records.messages(&conversation.id, self.limit).await?;
        let participants = ctx.records.participants(&conversation.id).await?;
        Ok(ConversationData {
            message_count: messages.len(),
            messages: messages.into_iter().map(line).collect(),
            participants: participants.into_iter().map(person).collect(),
            conversation: head(conversation),
        })
    }
}

async fn find(ctx: &Context<'_>, conversation_id: Option<&str>, user_id: Option<&str>) -> Result<Conversation, ToolError> {
    match (conversation_id, user_id) {
        (None, None) => Err(argument(
            "conversation_id",
            "错误：请提供 conversation_id 或 user_id，例如 {\"user_id\": \"usr_0001\"}。 / Error: pass conversation_id or user_id, such as {\"user_id\": \"usr_0001\"}.".to_owned(),
        )),
        (Some(id), user) => {
            let conversation = ctx.records.conversation(id).await?.ok_or_else(|| missing::conversation(id))?;
            match user {
                Some(user) if user != conversation.customer_id => Err(argument(
                    "user_id",
                    format!(
                        "错误：会话 {id} 不属于用户 {user}。请只提供其中一个参数。 / Error: conversation {id} is not user {user}'s. Pass only one of the two."
                    ),
                )),
                _ => Ok(conversation),
            }
        }
        (None, Some(user)) => match ctx.records.latest_conversation(user).await? {
            Some(conversation) => Ok(conversation),
            None if ctx.records.user(user).await?.is_some() => Err(missing::conversation_of(user)),
            None => Err(missing::user(user)),
        },
    }
}

fn argument(field: &str, why: String) -> ToolError {
    ToolError::Argument { field: field.to_owned(), why }
}

fn head(conversation: Conversation) -> Head {
    Head {
        conversation_id: conversation.id,
        customer_id: conversation.customer_id,
        title: conversation.title,
        ai_controlled: conversation.ai_controlled,
        status: conversation.status,
        created_at: conversation.created_at,
        updated_at: conversation.updated_at,
    }
}

fn line(message: Message) -> Line {
    Line {
        message_id: message.id,
        sender_type: message.sender_type,
        sender_id: message.sender_id,
        kind: message.kind,
        text: content::text(&message.content),
        created_at: message.created_at,
    }
}

fn person(participant: Participant) -> Person {
    Person { user_id: participant.user_id, username: participant.username, role: participant.role }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::GetConversationData;
    use crate::{
        memory::{Memory, accepts, call, customer_account, days_ago},
        port::{Conversation, Message},
        tool::{Tool, ToolError},
    };

    fn tool() -> Tool {
        Tool::native::<GetConversationData>()
    }

    fn conversation(id: &str, customer: &str, days: i64) -> Conversation {
        Conversation {
            id: id.into(),
            customer_id: customer.into(),
            title: "欢迎咨询".into(),
            ai_controlled: true,
            status: "open".into(),
            created_at: days_ago(days + 1),
            updated_at: days_ago(days),
        }
    }

    fn message(id: &str, sender: Option<&str>, text: &str) -> Message {
        Message {
            id: id.into(),
            sender_type: if sender.is_some() { "customer" } else { "ai" }.into(),
            sender_id: sender.map(Into::into),
            kind: "text".into(),
            content: json!({"text": text}),
            created_at: days_ago(1),
        }
    }

    fn clinic() -> Memory {
        let messages = vec![message("m1", None, "欢迎"), message("m2", Some("usr_0001"), "想祛斑"), message("m3", None, "好的")];
        Memory {
            users: vec![customer_account("usr_0001", "王芳", 100), customer_account("usr_2", "张伟", 100)],
            conversations: vec![
                conversation("con_old", "usr_0001", 9),
                conversation("con_new", "usr_0001", 1),
                conversation("con_2", "usr_3", 2),
            ],
            messages: [("con_new".to_owned(), messages)].into(),
            ..Memory::default()
        }
    }

    #[tokio::test]
    async fn the_example_finds_the_latest_conversation() {
        let result = call(&tool(), &clinic(), tool().definition.example.clone()).await.unwrap();
        assert_eq!(result["conversation"]["conversation_id"], "con_new");
        assert_eq!(result["message_count"], 3);
        let expected = json!({
            "message_id": "m2", "sender_type": "customer", "sender_id": "usr_0001", "type": "text", "text": "想祛斑", "created_at": "2026-05-19T10:00:00Z",
        });
        assert_eq!(result["messages"][1], expected);
        assert!(result["messages"][0].get("sender_id").is_none());
        assert_eq!(result["participants"], json!([{"user_id": "usr_0001", "username": "王芳", "role": "customer"}]));
    }

    #[tokio::test]
    async fn the_last_messages_are_kept() {
        let result = call(&tool(), &clinic(), json!({"conversation_id": "con_new", "limit": 1})).await.unwrap();
        assert_eq!(result["messages"][0]["text"], "好的");
        assert_eq!(result["message_count"], 1);
    }

    #[tokio::test]
    async fn both_ids_are_fine_when_they_agree_and_refused_when_not() {
        let result = call(&tool(), &clinic(), json!({"conversation_id": "con_old", "user_id": "usr_0001"})).await.unwrap();
        assert_eq!(result["conversation"]["conversation_id"], "con_old");
        let error = call(&tool(), &clinic(), json!({"conversation_id": "con_2", "user_id": "usr_0001"})).await.unwrap_err();
        assert!(matches!(&error, ToolError::Argument { field, why } if field == "user_id" && !why.contains("usr_3")), "{error}");
    }

    #[tokio::test]
    async fn one_id_is_required() {
        let error = call(&tool(), &clinic(), json!({})).await.unwrap_err();
        assert!(matches!(&error, ToolError::Argument { why, .. } if why.contains("user_id")), "{error}");
    }

    #[tokio::test]
    async fn what_does_not_exist_is_named() {
        for (arguments, hint) in [
            (json!({"conversation_id": "con_9"}), "con_9"),
            (json!({"user_id": "usr_2"}), "no conversation yet"),
            (json!({"user_id": "usr_9"}), "search_users"),
        ] {
            let error = call(&tool(), &clinic(), arguments).await.unwrap_err();
            assert!(matches!(&error, ToolError::NotFound(text) if text.contains(hint)), "{error}");
        }
    }

    #[test]
    fn the_schema_bounds_the_limit_and_requires_nothing() {
        assert!(accepts(&tool(), &json!({})));
        assert!(!accepts(&tool(), &json!({"user_id": "usr_1", "limit": 101})));
        assert!(!accepts(&tool(), &json!({"user_id": ""})));
        assert!(tool().definition.input_schema.get("required").is_none_or(|required| required == &json!([])));
    }
}
