//! When no consultant is connected, or none reacts: pushes over the configured channels, each sent by a job of its own.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::{
    clock::SharedClock,
    drill,
    names::safe_name,
    outbound::{
        channels::{self, ChannelConfig, Next, Push, Recipient, Severity, Tools},
        http_client::HttpClient,
    },
    queue::{Handler, JobError},
    secret::SecretText,
    settings::{Book, Channel, Notice},
    store::{
        Store,
        pushes::{Audience, NewPush, StoredPush},
    },
    telemetry::figures,
};

/// Longest one channel may take.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Handler of the jobs that look whether a notice was seen.
pub struct NoticeWatch {
    store: Store,
    clock: SharedClock,
    book: Book,
    wake: std::sync::Arc<tokio::sync::Notify>,
}

impl NoticeWatch {
    /// A watch; `wake` tells the queue that it added jobs.
    pub fn new(store: Store, clock: SharedClock, book: Book, wake: std::sync::Arc<tokio::sync::Notify>) -> Self {
        Self { store, clock, book, wake }
    }
}

#[async_trait]
impl Handler for NoticeWatch {
    async fn run(&self, subject_id: &str, _attempt: u32) -> Result<(), JobError> {
        let Some(run) = self.store.registration(subject_id)? else { return Ok(()) };
        if self.store.notice_was_seen(subject_id)? {
            return Ok(());
        }
        let notice = &self.book.current()?.notice;
        let customer = WaitingCustomer {
            registration_id: &run.id,
            conversation_id: run.conversation_id.as_deref().unwrap_or_default(),
            username: &run.profile.username,
        };
        let push = NewPush {
            reason: "new_customer",
            subject_id: run.id.clone(),
            level: 0,
            payload: push_payload(notice, customer),
            channels: notice.channels.iter().map(|channel| channel.name().to_owned()).collect(),
        };
        let added = self.store.add_pushes(push, self.clock.now_ms()).await?;
        if added > 0 {
            self.wake.notify_one();
        }
        tracing::info!(
            registration.id = run.id,
            channels = added,
            "无顾问确认，已改用离线推送 / no consultant has seen the notice; channels are used"
        );
        Ok(())
    }

    fn delay(&self, attempt: u32) -> Option<Duration> {
        self.book.retry_delay(attempt)
    }

    async fn given_up(&self, subject_id: &str, error: &JobError) {
        tracing::error!(registration.id = subject_id, %error, "whether a notice was seen could not be looked up");
    }
}

/// A customer whose consultants have not reacted.
#[derive(Debug, Clone, Copy)]
pub struct WaitingCustomer<'a> {
    /// The run.
    pub registration_id: &'a str,
    /// The customer's conversation.
    pub conversation_id: &'a str,
    /// The customer's name, as the app gave it.
    pub username: &'a str,
}

/// What is pushed of a customer whose consultants have not reacted.
pub fn push_payload(notice: &Notice, customer: WaitingCustomer<'_>) -> Value {
    let WaitingCustomer { registration_id, conversation_id, username } = customer;
    json!({
        "title": notice.push_title,
        "body": notice.push_body.replace("{username}", &safe_name(username)),
        "conversation_id": conversation_id,
        "link": notice.link_template.as_ref().map(|link| link.replace("{conversation_id}", conversation_id)),
        "registration_id": registration_id,
        "severity": "normal",
    })
}

/// A push as channels want it: `payload` is what was written down of it.
pub fn push_message(id: &str, payload: &Value, recipients: Vec<Recipient>) -> Push {
    let text = |name: &str| payload.get(name).and_then(Value::as_str).map(str::to_owned);
    Push {
        id: id.to_owned(),
        title: text("title").unwrap_or_default(),
        body: text("body").unwrap_or_default(),
        link: text("link"),
        severity: match payload.get("severity").and_then(Value::as_str) {
            Some("critical") => Severity::Critical,
            Some("warning") => Severity::Warning,
            _ => Severity::Info,
        },
        data: payload.clone(),
        recipients,
    }
}

/// Handler of the jobs that send pushes.
pub struct PushSender {
    store: Store,
    clock: SharedClock,
    http: HttpClient,
    book: Book,
}

impl PushSender {
    /// A sender over the channels of the settings.
    pub fn new(store: Store, clock: SharedClock, http: HttpClient, book: Book) -> Self {
        Self { store, clock, http, book }
    }

    /// The channel of a push, as it is configured now. Alerts have channels of their own.
    fn channel(&self, push: &StoredPush) -> Result<Channel, JobError> {
        let settings = self.book.current()?;
        let (alerts, notice) = (&settings.alerts.channels, &settings.notice.channels);
        let channels = if push.audience() == Audience::Administrators && !alerts.is_empty() { alerts } else { notice };
        let found = channels.iter().find(|channel| channel.name() == push.channel).cloned();
        found.ok_or_else(|| JobError::Fatal(format!("the channel {} is no longer configured", push.channel)))
    }

    async fn recipients(&self, push: &StoredPush) -> Result<Vec<Recipient>, JobError> {
        let people = self.store.people(push.audience()).await?;
        Ok(people.into_iter().map(|(user_id, email)| Recipient { user_id, email }).collect())
    }
}

#[async_trait]
impl Handler for PushSender {
    async fn run(&self, subject_id: &str, _attempt: u32) -> Result<(), JobError> {
        let push = self.store.push(subject_id)?;
        let push = push.ok_or_else(|| JobError::Fatal(format!("the push {subject_id} is not in the database")))?;
        if push.delivered_at.is_some() {
            return Ok(());
        }
        let channel = self.channel(&push)?;
        let message = push_message(&push.id, &push.payload, self.recipients(&push).await?);
        drill::point("push.before_send");
        let tools = Tools { http: self.http.clone(), clock: std::sync::Arc::clone(&self.clock), timeout: SEND_TIMEOUT };
        let channel = channels::Channel::new(&channel_config(&channel), tools).map_err(|error| JobError::Fatal(error.to_string()))?;
        let sent = channel.send(&message).await;
        drill::point("push.after_send");
        let outcome = sent.as_ref().map(|_| self.clock.now_ms()).map_err(ToString::to_string);
        self.store.note_push(&push.id, outcome).await?;
        drill::point("push.after_commit");
        figures::push(if sent.is_ok() { "delivered" } else { "failed" });
        match sent {
            Ok(_) => {
                tracing::info!(push.id = push.id, channel = push.channel, reason = push.reason, "push delivered");
                Ok(())
            }
            Err(error) => Err(match error.next() {
                Next::Retry { after } => JobError::Retry { after, why: error.to_string() },
                Next::Never => JobError::Fatal(error.to_string()),
            }),
        }
    }

    fn delay(&self, attempt: u32) -> Option<Duration> {
        self.book.retry_delay(attempt)
    }

    async fn given_up(&self, subject_id: &str, error: &JobError) {
        figures::push("given_up");
        tracing::error!(push.id = subject_id, %error, "a push was given up");
    }
}

/// The setting as the channel wants it.
pub fn channel_config(channel: &Channel) -> ChannelConfig {
    let secret = |text: &String| SecretText::new(text.clone());
    match channel {
        Channel::Webhook { name, url, secret: key } => ChannelConfig::Webhook { name: name.clone(), url: secret(url), secret: secret(key) },
        Channel::Email { name, url, from, to } => {
            ChannelConfig::Email { name: name.clone(), url: secret(url), from: from.clone(), to: to.clone() }
        }
        Channel::Wecom { name, url } => ChannelConfig::Wecom { name: name.clone(), url: secret(url) },
        Channel::Dingtalk { name, url, secret: key } => {
            ChannelConfig::Dingtalk { name: name.clone(), url: secret(url), secret: key.as_ref().map(secret) }
        }
        Channel::Feishu { name, url, secret: key } => {
            ChannelConfig::Feishu { name: name.clone(), url: secret(url), secret: key.as_ref().map(secret) }
        }
        Channel::Ntfy { name, url, token } => {
            ChannelConfig::Ntfy { name: name.clone(), url: secret(url), token: token.as_ref().map(secret) }
        }
        Channel::Redis { name, url } => ChannelConfig::Redis { name: name.clone(), url: secret(url) },
    }
}
