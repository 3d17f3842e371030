//! Who was told what: notices over live connections, and pushes over channels when nobody is connected or reacts.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{CallError, Calls, Listed, Words, events::unknown_state};
use crate::{
    clock::rfc3339,
    store::{
        audit::By,
        deliveries::{ListedNotice, ListedPush, NoticeFilter, NoticeState, PushFilter, PushState},
    },
};

/// Which notices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoticesWanted {
    /// `waiting`, `sent` or `acknowledged`.
    pub state: Option<String>,
    /// `new_customer`, `customer_claimed`, `escalation` or `message`.
    pub kind: Option<String>,
    /// Only for this user.
    pub recipient_id: Option<String>,
    /// Only of this registration.
    pub registration_id: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Entries of the page.
    pub limit: u32,
}

/// A notice: it stays until its receiver says they have it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NoticeView {
    /// Its id; receivers drop a repeated one by it.
    pub id: String,
    /// The registration it is about.
    pub registration_id: String,
    /// `new_customer`, `customer_claimed`, `escalation` or `message`.
    pub kind: String,
    /// Escalation level; 0 for the first notice.
    pub level: i64,
    /// The user it is for; empty for every consultant.
    pub recipient_id: String,
    /// That user's name, where it is known.
    pub recipient: Option<String>,
    /// Its title, where it has one.
    pub title: Option<String>,
    /// Its text, where it has one.
    pub message: Option<String>,
    /// `waiting`: it has not gone over any connection; `sent`: it has; `acknowledged`: its receiver has it.
    pub state: String,
    /// When it was made.
    pub created_at: String,
    /// When it first went over a live connection.
    pub sent_at: Option<String>,
    /// When the receiver said they have it.
    pub acknowledged_at: Option<String>,
    /// All it says; what is said to the customer is left out for whoever does not read that.
    #[schema(value_type = Object)]
    pub payload: Value,
}

/// Which pushes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PushesWanted {
    /// `waiting`, `delivered` or `given_up`.
    pub state: Option<String>,
    /// Only over this channel.
    pub channel: Option<String>,
    /// `new_customer`, `escalation`, `alert` or `resolved`.
    pub reason: Option<String>,
    /// Only about this registration or alert.
    pub subject_id: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Entries of the page.
    pub limit: u32,
}

/// A push over one channel.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PushView {
    /// Its id; receivers drop a repeated one by it.
    pub id: String,
    /// Name of the channel.
    pub channel: String,
    /// `new_customer`, `escalation`, `alert` or `resolved`.
    pub reason: String,
    /// The registration or the alert.
    pub subject_id: String,
    /// Escalation level; 0 for the first push.
    pub level: i64,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// Where it leads.
    pub link: Option<String>,
    /// `waiting`, `delivered` or `given_up`.
    pub state: String,
    /// Tries so far, while its job is known.
    pub attempts: Option<i64>,
    /// When it was decided.
    pub created_at: String,
    /// When the channel took it.
    pub delivered_at: Option<String>,
    /// Why the last try failed.
    pub last_error: Option<String>,
}

impl Calls {
    /// Notices, the latest first.
    pub async fn notices(&self, wanted: NoticesWanted, words: Words) -> Result<Listed<NoticeView>, CallError> {
        let state = wanted
            .state
            .map(|name| NoticeState::parse(&name).ok_or_else(|| unknown_state(&name, &NoticeState::ALL.map(NoticeState::as_str))));
        let filter = NoticeFilter {
            state: state.transpose()?,
            kind: wanted.kind,
            recipient_id: wanted.recipient_id,
            registration_id: wanted.registration_id,
            after: wanted.cursor,
            limit: wanted.limit,
        };
        let found = self.store.notices(filter).await?;
        Ok(Listed { items: found.items.into_iter().map(|notice| notice_view(notice, words)).collect(), next_cursor: found.next })
    }

    /// Pushes, the latest first.
    pub async fn pushes(&self, wanted: PushesWanted) -> Result<Listed<PushView>, CallError> {
        let state =
            wanted.state.map(|name| PushState::parse(&name).ok_or_else(|| unknown_state(&name, &PushState::ALL.map(PushState::as_str))));
        let filter = PushFilter {
            state: state.transpose()?,
            channel: wanted.channel,
            reason: wanted.reason,
            subject_id: wanted.subject_id,
            after: wanted.cursor,
            limit: wanted.limit,
        };
        let found = self.store.pushes(filter).await?;
        Ok(Listed { items: found.items.into_iter().map(PushView::from).collect(), next_cursor: found.next })
    }

    /// One push.
    pub fn push(&self, id: &str) -> Result<PushView, CallError> {
        let push = self.store.listed_push(id)?;
        push.map(PushView::from).ok_or_else(|| CallError::not_found(format!("没有推送 {id}"), format!("there is no push {id}")))
    }

    /// Sends a push again that was given up, under the same id.
    pub async fn resend_push(&self, id: &str, by: &By) -> Result<PushView, CallError> {
        let push = self.push(id)?;
        match push.state.as_str() {
            "waiting" => return Err(CallError::conflict("该推送正在等待发送", "the push waits to be sent already")),
            "delivered" => return Err(CallError::conflict("该推送已送达", "the channel has the push already")),
            _ => {}
        }
        self.store.resend_push(id, by.clone()).await?;
        self.wake_queue();
        self.push(id)
    }
}

fn text(payload: &Value, name: &str) -> Option<String> {
    payload.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn notice_view(notice: ListedNotice, words: Words) -> NoticeView {
    let state = notice.state().as_str().to_owned();
    let mut payload = notice.payload;
    if let (Words::Withheld, Some(content)) = (words, payload.get_mut("content")) {
        *content = Value::Null;
    }
    NoticeView {
        id: notice.id,
        registration_id: notice.registration_id,
        kind: notice.kind,
        level: notice.level,
        recipient_id: notice.recipient_id,
        recipient: notice.recipient,
        title: text(&payload, "title"),
        message: text(&payload, "message").or_else(|| text(payload.get("content")?, "text")),
        state,
        created_at: rfc3339(notice.created_at),
        sent_at: notice.sent_at.map(rfc3339),
        acknowledged_at: notice.acked_at.map(rfc3339),
        payload,
    }
}

impl From<ListedPush> for PushView {
    fn from(push: ListedPush) -> Self {
        let text = |name: &str| text(&push.payload, name);
        Self {
            title: text("title").unwrap_or_default(),
            body: text("body").unwrap_or_default(),
            link: text("link"),
            id: push.id,
            channel: push.channel,
            reason: push.reason,
            subject_id: push.subject_id,
            level: push.level,
            state: push.state.as_str().to_owned(),
            attempts: push.attempts,
            created_at: rfc3339(push.created_at),
            delivered_at: push.delivered_at.map(rfc3339),
            last_error: push.last_error,
        }
    }
}
