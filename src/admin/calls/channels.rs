//! Channels that reach people who are not connected: what they would show, and a test over one of them.
//!
//! A preview is made by the code that makes real pushes, with sample facts in the place of a customer's. Addresses and
//! secrets are shown as the settings show them: what proves who is calling is `***`.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{CallError, Calls, agents::TextView, outside, said};
use crate::{
    ids::new_id,
    outbound::{
        channels::{self, ChannelError, Next, Push, Recipient, Severity, Tools},
        http_client::HttpClient,
    },
    registration::{WaitingCustomer, channel_config, push_message, push_payload},
    settings::{Channel, Given, Notice, Settings, SettingsError},
    store::{
        audit::{By, Change},
        pushes::Audience,
    },
};

/// Longest that a test may take.
const TEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Ids of the customer that a preview is about: of none there is.
const SAMPLE_RUN: &str = "00000000-0000-7000-8000-000000000000";
const SAMPLE_CONVERSATION: &str = "conv_sample";
/// The name of that customer, unless another is given.
const SAMPLE_NAME: &str = "林晓月";

/// Whom a list of channels reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChannelAudience {
    /// Consultants who are not connected (`notice.channels`).
    Consultants,
    /// Administrators (`alerts.channels`).
    Administrators,
}

/// A channel as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChannelView {
    /// Its name.
    pub name: String,
    /// `webhook`, `email`, `wecom`, `dingtalk`, `feishu`, `ntfy` or `redis`.
    pub kind: String,
    /// Whom it reaches.
    pub audience: ChannelAudience,
    /// Its address, with `***` in the place of secrets.
    pub address: String,
}

/// What is to be previewed; what is not given is as it is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PreviewAsked {
    /// Whom the channel reaches, where both lists have one of this name.
    pub audience: Option<ChannelAudience>,
    /// The customer's name.
    pub username: Option<String>,
    /// A title to try in the place of `notice.push_title`.
    pub push_title: Option<String>,
    /// A text to try in the place of `notice.push_body`.
    pub push_body: Option<String>,
    /// An address to try in the place of `notice.link_template`.
    pub link_template: Option<String>,
}

/// What a channel would show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChannelPreview {
    /// The channel.
    pub channel: ChannelView,
    /// The title.
    pub title: String,
    /// The text.
    pub body: String,
    /// Where it leads.
    pub link: Option<String>,
    /// The whole as people see it on this channel, or what a program reads there.
    pub shown: String,
}

/// What any channel would be given to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PushPreview {
    /// The title.
    pub title: String,
    /// The text.
    pub body: String,
    /// Where it leads.
    pub link: Option<String>,
}

/// How a test over a channel went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChannelTest {
    /// Whether the channel took it.
    pub ok: bool,
    /// The channel.
    pub channel: ChannelView,
    /// The id it was sent under.
    pub push_id: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Those it could not reach: user ids, or the place of an address in the channel's list.
    pub missed: Vec<String>,
    /// Why it was not taken, and what to do.
    pub problem: Option<TextView>,
    /// Whether another try may work without a change.
    pub worth_retrying: bool,
}

impl Calls {
    /// Every channel that is configured.
    pub fn channels(&self) -> Result<Vec<ChannelView>, CallError> {
        let mut found = Vec::new();
        for (setting, audience) in [("notice.channels", ChannelAudience::Consultants), ("alerts.channels", ChannelAudience::Administrators)]
        {
            let listed = self.settings.get(setting)?.value;
            found.extend(listed.as_array().into_iter().flatten().map(|channel| view(channel, audience)));
        }
        Ok(found)
    }

    /// What a channel would show, with sample facts. Nothing is sent.
    pub async fn preview_channel(&self, name: &str, asked: PreviewAsked) -> Result<ChannelPreview, CallError> {
        let (view, channel) = self.configured(name, asked.audience)?;
        let push = self.sample(view.audience, asked, Vec::new())?;
        let channel = self.built(&channel, outside::http_client().await?).map_err(|why| CallError::conflict(why.zh, why.en))?;
        let shown = channel.text(&push);
        Ok(ChannelPreview { channel: view, title: push.title, body: push.body, link: push.link, shown })
    }

    /// What a push would say, whichever channel there will be, with sample facts. Nothing is sent.
    pub fn preview_push(&self, asked: PreviewAsked) -> Result<PushPreview, CallError> {
        let push = self.sample(asked.audience.unwrap_or(ChannelAudience::Consultants), asked, Vec::new())?;
        Ok(PushPreview { title: push.title, body: push.body, link: push.link })
    }

    /// Sends a test over a channel, to those it would reach, marked as a test. That it was sent is in the audit log.
    pub async fn test_channel(&self, name: &str, asked: PreviewAsked, by: &By) -> Result<ChannelTest, CallError> {
        let (view, channel) = self.configured(name, asked.audience)?;
        let recipients = self.recipients(view.audience).await?;
        let sample = self.sample(view.audience, asked, recipients)?;
        let push = Push { title: format!("【测试 / Test】{}", sample.title), ..sample };
        let http = outside::http_client().await?;
        let began = Instant::now();
        let sent = match self.built(&channel, http) {
            Ok(channel) => channel.send(&push).await.map_err(|error| (told(&error), matches!(error.next(), Next::Retry { .. }))),
            Err(why) => Err((why, false)),
        };
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (ok, missed, problem, worth_retrying) = match sent {
            Ok(sent) => (true, sent.missed, None, false),
            Err((problem, again)) => (false, Vec::new(), Some(problem), again),
        };
        let change = Change::new("channel.test", format!("channel/{name}"));
        let facts = json!({"push_id": push.id, "ok": ok, "problem": problem.as_ref().map(|problem| &problem.en)});
        self.store.audit(by.clone(), change.after(facts)).await?;
        Ok(ChannelTest { ok, channel: view, push_id: push.id, took_ms, missed, problem, worth_retrying })
    }

    /// The channel of a name, as it is shown and as it is.
    fn configured(&self, name: &str, audience: Option<ChannelAudience>) -> Result<(ChannelView, Channel), CallError> {
        let settings = self.settings.current()?;
        let wanted = |view: &ChannelView| view.name == name && audience.is_none_or(|audience| audience == view.audience);
        let view = self.channels()?.into_iter().find(wanted);
        let found = view.and_then(|view| {
            let list = list(&settings, view.audience);
            list.iter().find(|channel| channel.name() == name).cloned().map(|channel| (view, channel))
        });
        found.ok_or_else(|| {
            CallError::not_found(
                format!("没有名为 {name} 的渠道；渠道在设置 notice.channels 和 alerts.channels 中"),
                format!("there is no channel {name}; channels are in the settings notice.channels and alerts.channels"),
            )
        })
    }

    fn built(&self, channel: &Channel, http: HttpClient) -> Result<channels::Channel, TextView> {
        let tools = Tools { http, clock: self.clock.clone(), timeout: TEST_TIMEOUT };
        channels::Channel::new(&channel_config(channel), tools)
            .map_err(|error| TextView { zh: format!("渠道的设置无法使用：{error}"), en: error.to_string() })
    }

    async fn recipients(&self, audience: ChannelAudience) -> Result<Vec<Recipient>, CallError> {
        let people = match audience {
            ChannelAudience::Consultants => self.store.people(Audience::Consultants),
            ChannelAudience::Administrators => self.store.people(Audience::Administrators),
        };
        Ok(people.await?.into_iter().map(|(user_id, email)| Recipient { user_id, email }).collect())
    }

    /// A push of a customer there is none of, or of an alert that is none.
    fn sample(&self, audience: ChannelAudience, asked: PreviewAsked, recipients: Vec<Recipient>) -> Result<Push, CallError> {
        let id = new_id(self.clock.as_ref());
        if audience == ChannelAudience::Administrators {
            return Ok(Push { recipients, ..sample_alert(id) });
        }
        let username = asked.username.clone().unwrap_or_else(|| SAMPLE_NAME.to_owned());
        let customer = WaitingCustomer { registration_id: SAMPLE_RUN, conversation_id: SAMPLE_CONVERSATION, username: &username };
        let payload = push_payload(&self.notice(asked)?, customer);
        Ok(push_message(&id, &payload, recipients))
    }

    /// The notice's settings with what is to be tried in them, checked as a change of them is.
    fn notice(&self, asked: PreviewAsked) -> Result<Notice, CallError> {
        let tried =
            [("notice.push_title", asked.push_title), ("notice.push_body", asked.push_body), ("notice.link_template", asked.link_template)];
        let changes = tried.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Given::Value(Value::String(value?)))));
        let settings = self.settings.tried(&changes.collect::<Vec<_>>()).map_err(refused)?;
        Ok(settings.notice)
    }
}

/// A field of a preview has its setting's name without the section.
fn refused(error: SettingsError) -> CallError {
    match CallError::from(error) {
        CallError::Invalid(mut fields) => {
            for field in &mut fields {
                field.pointer = field.pointer.replace("/notice.", "/");
            }
            CallError::Invalid(fields)
        }
        other => other,
    }
}

fn sample_alert(id: String) -> Push {
    let (title, body) = ("告警：积压 / Alert: backlog", "这是一条示例告警，没有发生任何问题。 / This is a sample: nothing is wrong.");
    let data = json!({"title": title, "body": body, "severity": "warning", "data": {"condition": "sample"}});
    Push { id, title: title.into(), body: body.into(), link: None, severity: Severity::Warning, data, recipients: Vec::new() }
}

fn list(settings: &Settings, audience: ChannelAudience) -> &[Channel] {
    match audience {
        ChannelAudience::Consultants => &settings.notice.channels,
        ChannelAudience::Administrators => &settings.alerts.channels,
    }
}

fn view(channel: &Value, audience: ChannelAudience) -> ChannelView {
    let text = |name: &str| channel.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    ChannelView { name: text("name"), kind: text("kind"), audience, address: text("url") }
}

fn told(error: &ChannelError) -> TextView {
    let zh = match error {
        ChannelError::Id => "无法发送",
        ChannelError::Nobody(_) => "没有可送达的人",
        ChannelError::NoAnswer(_) => "没有应答",
        ChannelError::NotNow { .. } => "对方暂时无法接收",
        ChannelError::Refused { .. } => "对方拒绝接收",
    };
    let text = said(format!("{zh}：{error}"), error.to_string());
    text.into()
}

#[cfg(test)]
mod tests;
