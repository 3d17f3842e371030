//! The conversation that is opened, and the welcome in it.

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

/// The default conversation (R001).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Conversation {
    /// Title of the conversation opened for a new customer.
    #[schemars(extend("x-zh" = "为新客户开启的默认会话的标题。"))]
    #[schemars(extend("minLength" = 1, "maxLength" = 100))]
    pub title: String,
    /// Whether the AI answers in the default conversation.
    #[schemars(extend("x-zh" = "默认会话是否由 AI 接待。"))]
    pub ai_controlled: bool,
    /// Name of the agent assigned to the default conversation; unset, the agent that writes the welcome.
    #[schemars(extend("x-zh" = "分配给默认会话的智能体名称；不设置时，为撰写欢迎消息的那个智能体。"))]
    #[schemars(extend("minLength" = 1, "maxLength" = 100, "examples" = ["欢迎助手"]))]
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
    #[schemars(extend("x-zh" = "作为第二条消息追加。"))]
    Append,
    /// It takes the place of a welcome nobody has read; else it follows.
    #[schemars(extend("x-zh" = "欢迎消息尚未阅读时替换它，否则追加。"))]
    ReplaceUnread,
    /// It is not used, and the agent is stopped at the deadline.
    #[schemars(extend("x-zh" = "不采用；到时限即停止智能体。"))]
    Drop,
}

/// The language a welcome must be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WelcomeLanguage {
    /// Chinese: mostly Han characters.
    #[schemars(extend("x-zh" = "中文：以汉字为主。"))]
    Zh,
    /// English: mostly Latin letters.
    #[schemars(extend("x-zh" = "英文：以拉丁字母为主。"))]
    En,
    /// Whatever the agent chose.
    #[schemars(extend("x-zh" = "不限，由智能体决定。"))]
    Any,
}

/// The welcome (R002).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Welcome {
    /// Time from acceptance within which the customer has a welcome, whatever wrote it.
    #[schemars(extend("x-zh" = "从受理起到客户收到欢迎消息的时限，无论由谁撰写。"))]
    #[schemars(extend("minimum" = "100ms", "maximum" = "10m"))]
    pub deadline: HumanDuration,
    /// Time from acceptance for which an agent's answer is waited for; not shorter than `welcome.deadline`.
    #[schemars(extend("x-zh" = "从受理起最多等待智能体回答多久；不得短于 welcome.deadline。"))]
    #[schemars(extend("minimum" = "100ms", "maximum" = "1h"))]
    pub total_limit: HumanDuration,
    /// What becomes of an agent's answer that comes after the deadline.
    #[schemars(extend("x-zh" = "时限之后才到的智能体回答如何处理。"))]
    pub late_answer: LateAnswer,
    /// Longest welcome; a longer answer is cut at a sentence.
    #[schemars(extend("x-zh" = "欢迎消息的最大长度；更长的回答在句末截断。"))]
    #[schemars(extend("minimum" = 20, "maximum" = 10_000, "x-unit" = "characters", "x-unit-zh" = "字"))]
    pub max_chars: u32,
    /// Language an agent's welcome must be in; one in another language is refused and the next rung writes. Names and
    /// brands in other letters are no matter. Templates are sent as they are.
    #[schemars(extend("x-zh" = "智能体撰写的欢迎消息必须使用的语言；其他语言的回答不予采用，由下一级撰写。人名与品牌用其他文字无妨。模板原样发送。"))]
    pub language: WelcomeLanguage,
    /// Whether agents are asked for a welcome at all.
    #[schemars(extend("x-zh" = "是否请智能体撰写欢迎消息。"))]
    pub ask_agents: bool,
    /// Template of each segment: `{username}` stands for the customer's name, `{concern}` for what the customer asks
    /// about. A segment without one goes to the last rung.
    #[schemars(extend("x-zh" = "各客群的欢迎模板：{username} 代表客户姓名，{concern} 代表客户关注的项目。没有模板的客群使用最后一级。"))]
    #[schemars(extend("maxProperties" = 50))]
    pub segment_templates: BTreeMap<String, String>,
    /// The last rung: the welcome when nothing else is in time, sent as it is.
    #[schemars(extend("x-zh" = "最后一级：其他方式都来不及时发送的欢迎消息，原样发送。"))]
    #[schemars(extend("minLength" = 1, "maxLength" = 10_000))]
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
            language: WelcomeLanguage::Zh,
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
