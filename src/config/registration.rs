//! `[registration]`: what happens after a new user was announced.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::HumanDuration;

/// The PRD's default welcome, sent when no agent answered in time.
const STATIC_WELCOME: &str = "\
欢迎来到安美智享！🌟

我是您的专属AI咨询助手，很高兴为您服务。我们提供专业的医美咨询服务，包括：

• 个性化美容方案设计
• 专业治疗建议
• 风险评估与安全指导
• 术后护理指导

您可以随时向我咨询任何关于医美的问题，我会根据您的具体情况提供专业建议。

有什么想了解的吗？我来为您详细介绍！😊";

/// The registration automation: conversation, welcome, consultants' notice.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Registration {
    /// Whether accepted registrations are worked on. Off, they are still accepted and kept for later.
    pub enabled: bool,
    /// Time from acceptance within which the customer has a welcome, the agent's or the static one.
    #[schemars(extend("minimum" = "100ms", "maximum" = "10m"))]
    pub welcome_deadline: HumanDuration,
    /// Title of the conversation opened for a new customer.
    pub conversation_title: String,
    /// Waits before the second, third, … attempt of a failed run or event; after the last one it is given up, and the
    /// log says so.
    pub retry_delays: Vec<HumanDuration>,
    /// Largest share by which each wait is randomly lengthened, so that retries do not come all at once.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub retry_jitter: f64,
    /// Environment of this installation: only agents of the same one are asked.
    pub environment: String,
    /// Runs worked on at a time.
    #[schemars(range(min = 1, max = 10000))]
    pub workers: usize,
    /// Time after which the run of a worker that no longer reports is taken over by another.
    #[schemars(extend("minimum" = "1s", "maximum" = "1h"))]
    pub lease: HumanDuration,
    /// Welcome that is sent when no agent answered by the deadline.
    pub static_welcome: String,
    /// Time in which a consultant should answer a new customer: shown in the notice.
    #[schemars(extend("minimum" = "1s", "maximum" = "168h"))]
    pub expected_response: HumanDuration,
    /// Link to a conversation for the consultants' notice; `{conversation_id}` stands for its id. Without it the
    /// notice has no link.
    #[schemars(extend("examples" = ["https://app.example.com/conversations/{conversation_id}"]))]
    pub link_template: Option<String>,
}

impl Default for Registration {
    fn default() -> Self {
        Self {
            enabled: true,
            welcome_deadline: HumanDuration::from_secs(3),
            conversation_title: "欢迎咨询".to_owned(),
            retry_delays: [5, 15, 60].map(HumanDuration::from_secs).to_vec(),
            retry_jitter: 0.1,
            environment: "production".to_owned(),
            workers: 2048,
            lease: HumanDuration::from_secs(30),
            static_welcome: STATIC_WELCOME.to_owned(),
            expected_response: HumanDuration::from_secs(300),
            link_template: None,
        }
    }
}
