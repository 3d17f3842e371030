//! The typed settings, one struct per section.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::HumanDuration;

/// The PRD's default welcome (4.3.3): the last rung of the ladder.
const STATIC_TEXT: &str = "\
欢迎来到安美智享！🌟

我是您的专属AI咨询助手，很高兴为您服务。我们提供专业的医美咨询服务，包括：

• 个性化美容方案设计
• 专业治疗建议
• 风险评估与安全指导
• 术后护理指导

您可以随时向我咨询任何关于医美的问题，我会根据您的具体情况提供专业建议。

有什么想了解的吗？我来为您详细介绍！😊";

/// All settings, as in force at one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Settings {
    /// The service switch `registration_automation` (PRD 8.2.2).
    pub registration_automation: Switch,
    /// The default conversation.
    pub conversation: Conversation,
    /// The welcome and its ladder.
    pub welcome: Welcome,
    /// Repeated tries.
    pub retry: Retry,
    /// The consultants' notice.
    pub notice: Notice,
    /// Who is offered a new customer first.
    pub assignment: Assignment,
    /// What happens when nobody claims.
    pub escalation: Escalation,
    /// When consultants work.
    pub working_hours: WorkingHours,
    /// Live connections.
    pub live: Live,
    /// The agents' circuit breakers.
    pub breaker: Breaker,
    /// The guard of a roll-out.
    pub rollout: Rollout,
    /// Events to the app.
    pub events: Events,
    /// What administrators are told of.
    pub alerts: Alerts,
    /// What the hook takes.
    pub intake: Intake,
    /// How long things are kept.
    pub retention: Retention,
}

/// A feature switch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Switch {
    /// Whether the service works. Off, a registration is answered 202 and recorded as skipped.
    pub enabled: bool,
}

impl Default for Switch {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// The default conversation (R001).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Conversation {
    /// Title of the conversation opened for a new customer.
    pub title: String,
    /// Whether the AI answers in it.
    pub ai_controlled: bool,
    /// Name of the agent assigned to it; unset, the agent that writes the welcome.
    pub agent: Option<String>,
}

impl Default for Conversation {
    fn default() -> Self {
        Self { title: "欢迎咨询".into(), ai_controlled: true, agent: None }
    }
}

/// What becomes of an agent's answer that comes after the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LateAnswer {
    /// It follows as a second message.
    Append,
    /// It takes the place of a welcome nobody has read; else it follows.
    ReplaceUnread,
    /// It is not used, and the agent is stopped at the deadline.
    Drop,
}

/// The welcome (R002).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Welcome {
    /// Time from acceptance within which the customer has a welcome, whatever wrote it.
    pub deadline: HumanDuration,
    /// Time from acceptance until an agent's answer is waited for.
    pub total_limit: HumanDuration,
    /// What becomes of an answer between the two.
    pub late_answer: LateAnswer,
    /// Longest welcome, in characters; a longer answer is cut at a sentence.
    pub max_chars: u32,
    /// Whether agents are asked at all.
    pub ask_agents: bool,
    /// Template of each segment; `{username}` stands for the customer's name. A segment without one goes to the last rung.
    pub segment_templates: BTreeMap<String, String>,
    /// The last rung.
    pub static_text: String,
}

impl Default for Welcome {
    fn default() -> Self {
        let template = |segment: &str, text: &str| (segment.to_owned(), text.to_owned());
        Self {
            deadline: HumanDuration::from_secs(3),
            total_limit: HumanDuration::from_secs(60),
            late_answer: LateAnswer::Append,
            max_chars: 600,
            ask_agents: true,
            segment_templates: BTreeMap::from([
                template(
                    "concern",
                    "{username}，欢迎来到安美智享！🌟\n\n您关心的{concern}，我们的医生和顾问每天都在面对。您可以先告诉我目前的情况和期望，我会为您说明可选的方案、恢复期与注意事项。\n\n想先了解哪一点呢？",
                ),
                template(
                    "returning",
                    "{username}，欢迎回来！🌟\n\n您之前的咨询记录都在，我可以接着为您服务：复查、术后护理或新的方案，都可以直接问我。\n\n今天想聊点什么？",
                ),
            ]),
            static_text: STATIC_TEXT.into(),
        }
    }
}

/// Repeated tries (PRD 4.2.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// Waits before the second, third, … try; after the last one the run is given up and administrators are told.
    pub delays: Vec<HumanDuration>,
    /// Largest share by which each wait is randomly lengthened.
    pub jitter: f64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { delays: [5, 15, 60].map(HumanDuration::from_secs).to_vec(), jitter: 0.1 }
    }
}

/// A way to reach people who are not connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Channel {
    /// A signed POST after Standard Webhooks.
    Webhook {
        /// Name shown to people.
        name: String,
        /// Where.
        url: String,
        /// `whsec_` and base64 of 24 to 64 bytes.
        secret: String,
    },
    /// E-mail over SMTP.
    Email {
        /// Name shown to people.
        name: String,
        /// `smtps://user:password@host:465` or `smtp://host:587?tls=required`.
        url: String,
        /// Sender.
        from: String,
        /// Recipients; empty: the consultants' own addresses.
        to: Vec<String>,
    },
    /// A robot of a WeCom (企业微信) group.
    Wecom {
        /// Name shown to people.
        name: String,
        /// The robot's address.
        url: String,
    },
    /// A robot of a DingTalk (钉钉) group.
    Dingtalk {
        /// Name shown to people.
        name: String,
        /// The robot's address.
        url: String,
        /// Its signing secret (`SEC…`), when it has one.
        secret: Option<String>,
    },
    /// A robot of a Feishu (飞书) group.
    Feishu {
        /// Name shown to people.
        name: String,
        /// The robot's address.
        url: String,
        /// Its signing secret, when it has one.
        secret: Option<String>,
    },
    /// A topic of an ntfy server.
    Ntfy {
        /// Name shown to people.
        name: String,
        /// Address of the topic.
        url: String,
        /// Access token, when it needs one.
        token: Option<String>,
    },
    /// The existing app's sockets, over its Redis (`ws:broadcast`).
    Redis {
        /// Name shown to people.
        name: String,
        /// `redis://host:6379/0`.
        url: String,
    },
}

impl Channel {
    /// Name shown to people; unique among the channels.
    pub fn name(&self) -> &str {
        match self {
            Self::Webhook { name, .. }
            | Self::Email { name, .. }
            | Self::Wecom { name, .. }
            | Self::Dingtalk { name, .. }
            | Self::Feishu { name, .. }
            | Self::Ntfy { name, .. }
            | Self::Redis { name, .. } => name,
        }
    }
}

/// The consultants' notice (R003).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Notice {
    /// Whether consultants are told.
    pub enabled: bool,
    /// Time in which a consultant should answer: shown in the notice.
    pub expected_response: HumanDuration,
    /// Link to a conversation; `{conversation_id}` stands for its id.
    pub link_template: Option<String>,
    /// Title of the notice.
    pub title: String,
    /// Text of the notice; `{username}` stands for the customer's name.
    pub message: String,
    /// Time for a connected consultant to acknowledge before the channels are used as well.
    pub ack_timeout: HumanDuration,
    /// Channels that reach consultants who are not connected.
    pub channels: Vec<Channel>,
    /// Title of such a push.
    pub push_title: String,
    /// Text of such a push; `{username}` stands for the customer's name.
    pub push_body: String,
}

impl Default for Notice {
    fn default() -> Self {
        Self {
            enabled: true,
            expected_response: HumanDuration::from_secs(300),
            link_template: None,
            title: "新客户注册".into(),
            message: "新客户已注册并开始咨询，等待顾问认领".into(),
            ack_timeout: HumanDuration::from_secs(30),
            channels: Vec::new(),
            push_title: "新客户等待服务".into(),
            push_body: "有新客户注册，请及时响应".into(),
        }
    }
}

/// How a new customer finds a consultant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AssignmentRule {
    /// Everybody is told at once; who claims first has the customer.
    FirstCome,
    /// One after the other.
    RoundRobin,
    /// Whoever has the fewest customers claimed within a day.
    LeastLoaded,
    /// Whoever has the most tags in common with the customer's concerns.
    TagMatch,
}

/// Who is offered a new customer first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Assignment {
    /// The rule. All but `first_come` name one consultant in the notice; the others are told as well and may claim.
    pub rule: AssignmentRule,
}

impl Default for Assignment {
    fn default() -> Self {
        Self { rule: AssignmentRule::FirstCome }
    }
}

/// Who hears of a customer nobody claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EscalationTarget {
    /// The consultants, again.
    Again,
    /// The supervisors.
    Supervisors,
    /// The administrators.
    Administrator,
}

/// One level of the escalation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EscalationLevel {
    /// Working time since the notice.
    pub after: HumanDuration,
    /// Who is told.
    pub target: EscalationTarget,
}

/// What happens when nobody claims (PRD 9.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Escalation {
    /// Whether anything does.
    pub enabled: bool,
    /// The levels, by growing time.
    pub levels: Vec<EscalationLevel>,
}

impl Default for Escalation {
    fn default() -> Self {
        let level = |minutes: u64, target| EscalationLevel { after: HumanDuration::from_secs(minutes * 60), target };
        Self {
            enabled: true,
            levels: vec![
                level(3, EscalationTarget::Again),
                level(6, EscalationTarget::Supervisors),
                level(10, EscalationTarget::Administrator),
            ],
        }
    }
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// When consultants work: claims and escalation are counted in this time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WorkingHours {
    /// Offset from UTC, such as `+08:00`.
    pub utc_offset: String,
    /// Days with working hours.
    pub days: Vec<Weekday>,
    /// Beginning, `HH:MM`.
    pub from: String,
    /// End, `HH:MM`; `24:00` is midnight.
    pub to: String,
}

impl Default for WorkingHours {
    fn default() -> Self {
        use Weekday::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
        Self { utc_offset: "+08:00".into(), days: vec![Mon, Tue, Wed, Thu, Fri, Sat, Sun], from: "09:00".into(), to: "21:00".into() }
    }
}

/// Live connections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Live {
    /// Time between two pings; a client that misses two is gone.
    pub heartbeat: HumanDuration,
    /// Connections of one user.
    pub connections_per_user: u32,
}

impl Default for Live {
    fn default() -> Self {
        Self { heartbeat: HumanDuration::from_secs(20), connections_per_user: 8 }
    }
}

/// The agents' circuit breakers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Breaker {
    /// Failures within the window that open it.
    pub failures: u32,
    /// Share of failed calls within the window that opens it.
    pub failure_rate: f64,
    /// The window.
    pub window: HumanDuration,
    /// Time from opening to the first probe.
    pub open_for: HumanDuration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 5, failure_rate: 0.5, window: HumanDuration::from_secs(30), open_for: HumanDuration::from_secs(10) }
    }
}

/// The guard of a roll-out (PRD 8.3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rollout {
    /// Whether a candidate that is worse is rolled back by itself.
    pub guard: bool,
    /// Runs of each side before anything is concluded.
    pub min_runs: u32,
    /// Probability of a false alarm that is accepted for one comparison.
    pub significance: f64,
}

impl Default for Rollout {
    fn default() -> Self {
        Self { guard: true, min_runs: 30, significance: 0.01 }
    }
}

/// Events to the app (Standard Webhooks).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Events {
    /// Waits before the second, third, … try.
    pub delays: Vec<HumanDuration>,
    /// Time of continued failure after which the receiver is taken out of use and administrators are told.
    pub disable_after: HumanDuration,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            delays: [5, 300, 1_800, 7_200, 18_000, 36_000, 28_800].map(HumanDuration::from_secs).to_vec(),
            disable_after: HumanDuration::from_secs(24 * 3_600),
        }
    }
}

/// What administrators are told of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Alerts {
    /// Channels that reach administrators.
    pub channels: Vec<Channel>,
    /// Share of runs that must end well, over the last hour (PRD 10.1).
    pub success_rate: f64,
    /// Runs within the hour below which the share says nothing.
    pub success_min_runs: u32,
    /// Time without one successful registration, while some arrive, after which something is wrong.
    pub no_success_for: HumanDuration,
    /// Free bytes of the data directory's disk, in MiB, below which it is low.
    pub disk_low_mib: u32,
    /// Age of the oldest due job above which the backlog is old.
    pub backlog_age: HumanDuration,
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            channels: Vec::new(),
            success_rate: 0.99,
            success_min_runs: 20,
            no_success_for: HumanDuration::from_secs(600),
            disk_low_mib: 512,
            backlog_age: HumanDuration::from_secs(60),
        }
    }
}

/// What the hook takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Intake {
    /// Registrations of one key or signature in a minute; beyond it 429 with `Retry-After`.
    pub per_minute: u32,
    /// Registrations that may wait; beyond it 503 with `Retry-After`.
    pub backlog: u32,
    /// Free MiB on the disk below which nothing new is accepted.
    pub disk_min_mib: u32,
}

impl Default for Intake {
    fn default() -> Self {
        Self { per_minute: 1_000_000, backlog: 1_000_000, disk_min_mib: 64 }
    }
}

/// How long things are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Finished jobs.
    pub jobs: HumanDuration,
    /// Delivered notices, pushes and events with their attempts.
    pub deliveries: HumanDuration,
    /// The call log.
    pub call_log: HumanDuration,
}

impl Default for Retention {
    fn default() -> Self {
        let days = |days: u64| HumanDuration::from_secs(days * 86_400);
        Self { jobs: days(30), deliveries: days(90), call_log: days(180) }
    }
}
