//! The typed settings, one struct per section: what each means in English (its comment) and in Chinese (`x-zh`), its
//! range, its default. Definitions, checks, the manual page and the panel's form are read from them.

mod channel;
mod consultants;
mod operation;
mod welcome;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    channel::Channel,
    consultants::{Assignment, AssignmentRule, Escalation, EscalationLevel, EscalationTarget, Notice, Weekday, WorkingHours},
    operation::{Alerts, Breaker, Events, Intake, Limits, Live, OnFailure, Retention, Retry, Rollout},
    welcome::{Conversation, LateAnswer, Welcome, WelcomeLanguage},
};

/// All settings, as in force at one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Settings {
    /// The service switch `registration_automation` (PRD 8.2.2).
    #[schemars(extend("x-zh" = "服务开关 registration_automation"))]
    pub registration_automation: Switch,
    /// The default conversation.
    #[schemars(extend("x-zh" = "默认会话"))]
    pub conversation: Conversation,
    /// The welcome and its ladder.
    #[schemars(extend("x-zh" = "欢迎消息及其逐级回退"))]
    pub welcome: Welcome,
    /// Repeated tries.
    #[schemars(extend("x-zh" = "重试机制"))]
    pub retry: Retry,
    /// The consultants' notice.
    #[schemars(extend("x-zh" = "顾问通知"))]
    pub notice: Notice,
    /// Who is offered a new customer first.
    #[schemars(extend("x-zh" = "客户分配规则"))]
    pub assignment: Assignment,
    /// What happens when nobody claims.
    #[schemars(extend("x-zh" = "无人认领时的升级"))]
    pub escalation: Escalation,
    /// When consultants work.
    #[schemars(extend("x-zh" = "顾问工作时间"))]
    pub working_hours: WorkingHours,
    /// Live connections.
    #[schemars(extend("x-zh" = "实时连接"))]
    pub live: Live,
    /// The agents' circuit breakers.
    #[schemars(extend("x-zh" = "智能体熔断"))]
    pub breaker: Breaker,
    /// The guard of a roll-out.
    #[schemars(extend("x-zh" = "灰度发布的守护"))]
    pub rollout: Rollout,
    /// Events to the app.
    #[schemars(extend("x-zh" = "发往应用的事件"))]
    pub events: Events,
    /// What administrators are told of.
    #[schemars(extend("x-zh" = "管理员告警"))]
    pub alerts: Alerts,
    /// What the hook takes.
    #[schemars(extend("x-zh" = "注册入口的限制"))]
    pub intake: Intake,
    /// How much each key may ask of the tools.
    #[schemars(extend("x-zh" = "工具调用的限制"))]
    pub limits: Limits,
    /// How long things are kept.
    #[schemars(extend("x-zh" = "数据保留时长"))]
    pub retention: Retention,
}

/// A feature switch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Switch {
    /// Whether the registration automation works. Off, a registration is answered 202 and recorded as skipped.
    #[schemars(extend("x-zh" = "注册自动化是否工作。关闭后，注册仍以 202 应答，并记录为“已跳过”。"))]
    pub enabled: bool,
}

impl Default for Switch {
    fn default() -> Self {
        Self { enabled: true }
    }
}
