//! How consultants hear of a customer, and what happens when none of them claims.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Channel;
use crate::config::HumanDuration;

/// The consultants' notice (R003).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Notice {
    /// Whether consultants are told of new customers.
    #[schemars(extend("x-zh" = "是否通知顾问。"))]
    pub enabled: bool,
    /// Time in which a consultant should answer: shown in the notice.
    #[schemars(extend("x-zh" = "期望顾问应答的时间，显示在通知里。"))]
    #[schemars(extend("minimum" = "1s", "maximum" = "168h"))]
    pub expected_response: HumanDuration,
    /// Link to a conversation; `{conversation_id}` stands for its id. Unset, the notice has no link.
    #[schemars(extend("x-zh" = "会话链接；{conversation_id} 代表会话编号。不设置时通知不带链接。"))]
    #[schemars(extend("maxLength" = 2000, "examples" = ["https://app.example.com/conversations/{conversation_id}"]))]
    pub link_template: Option<String>,
    /// Title of the notice.
    #[schemars(extend("x-zh" = "通知标题。"))]
    #[schemars(extend("minLength" = 1, "maxLength" = 100))]
    pub title: String,
    /// Text of the notice; `{username}` stands for the customer's name.
    #[schemars(extend("x-zh" = "通知正文；{username} 代表客户姓名。"))]
    #[schemars(extend("minLength" = 1, "maxLength" = 1000))]
    pub message: String,
    /// Time for a connected consultant to acknowledge before the channels are used as well.
    #[schemars(extend("x-zh" = "在线顾问确认通知的时限；超过后同时使用推送渠道。"))]
    #[schemars(extend("minimum" = "10ms", "maximum" = "1h"))]
    pub ack_timeout: HumanDuration,
    /// Channels that reach consultants who are not connected: webhook, email, wecom, dingtalk, feishu, ntfy, redis. Their
    /// secrets are stored sealed.
    #[schemars(extend("x-zh" = "通知不在线顾问的推送渠道：webhook、email、wecom（企业微信）、dingtalk（钉钉）、feishu（飞书）、ntfy、redis。密钥加密保存。"))]
    #[schemars(extend("maxItems" = 20, "writeOnly" = true, "examples" = [[{"kind": "wecom", "name": "前台群", "url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=KEY"}]]))]
    pub channels: Vec<Channel>,
    /// Title of a push over the channels.
    #[schemars(extend("x-zh" = "推送标题。"))]
    #[schemars(extend("minLength" = 1, "maxLength" = 100))]
    pub push_title: String,
    /// Text of a push over the channels; `{username}` stands for the customer's name.
    #[schemars(extend("x-zh" = "推送正文；{username} 代表客户姓名。"))]
    #[schemars(extend("minLength" = 1, "maxLength" = 1000))]
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
    #[schemars(extend("x-zh" = "同时通知所有人，先认领者得。"))]
    FirstCome,
    /// One after the other.
    #[schemars(extend("x-zh" = "依次轮流。"))]
    RoundRobin,
    /// Whoever has the fewest customers claimed within a day.
    #[schemars(extend("x-zh" = "一天内认领客户最少者优先。"))]
    LeastLoaded,
    /// Whoever has the most tags in common with the customer's concerns.
    #[schemars(extend("x-zh" = "与客户关注点相同标签最多者优先。"))]
    TagMatch,
}

/// Who is offered a new customer first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Assignment {
    /// Rule by which new customers are offered. All but `first_come` name one consultant in the notice; the others are told as well and may claim.
    #[schemars(extend("x-zh" = "新客户的分配规则。除 first_come 外，通知会点名一位顾问；其他顾问同样收到通知，也可以认领。"))]
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
    #[schemars(extend("x-zh" = "再次通知顾问。"))]
    Again,
    /// The supervisors.
    #[schemars(extend("x-zh" = "通知主管。"))]
    Supervisors,
    /// The administrators.
    #[schemars(extend("x-zh" = "通知管理员。"))]
    Administrator,
}

/// One level of the escalation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EscalationLevel {
    /// Working time since the notice.
    #[schemars(extend("x-zh" = "自通知起的工作时间。"))]
    pub after: HumanDuration,
    /// Who is told.
    #[schemars(extend("x-zh" = "通知谁。"))]
    pub target: EscalationTarget,
}

/// What happens when nobody claims (PRD 9.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Escalation {
    /// Whether anything happens when nobody claims.
    #[schemars(extend("x-zh" = "无人认领时是否升级。"))]
    pub enabled: bool,
    /// The levels, by growing time: `after` is working time since the notice, `target` is again, supervisors or
    /// administrator.
    #[schemars(extend("x-zh" = "升级的各级，按时间递增：after 为自通知起的工作时间，target 为 again、supervisors 或 administrator。"))]
    #[schemars(extend("minItems" = 1, "maxItems" = 10))]
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
    #[schemars(extend("x-zh" = "星期一。"))]
    Mon,
    /// Tuesday.
    #[schemars(extend("x-zh" = "星期二。"))]
    Tue,
    /// Wednesday.
    #[schemars(extend("x-zh" = "星期三。"))]
    Wed,
    /// Thursday.
    #[schemars(extend("x-zh" = "星期四。"))]
    Thu,
    /// Friday.
    #[schemars(extend("x-zh" = "星期五。"))]
    Fri,
    /// Saturday.
    #[schemars(extend("x-zh" = "星期六。"))]
    Sat,
    /// Sunday.
    #[schemars(extend("x-zh" = "星期日。"))]
    Sun,
}

/// When consultants work: claims and escalation are counted in this time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WorkingHours {
    /// Offset from UTC, such as `+08:00`.
    #[schemars(extend("x-zh" = "与 UTC 的时差，例如 +08:00。"))]
    #[schemars(extend("maxLength" = 6))]
    pub utc_offset: String,
    /// Days with working hours.
    #[schemars(extend("x-zh" = "有工作时间的日子。"))]
    #[schemars(extend("minItems" = 1, "maxItems" = 7))]
    pub days: Vec<Weekday>,
    /// Beginning of the working hours, `HH:MM`.
    #[schemars(extend("x-zh" = "开始时刻，HH:MM。"))]
    #[schemars(extend("maxLength" = 5))]
    pub from: String,
    /// End of the working hours, `HH:MM`; `24:00` is midnight.
    #[schemars(extend("x-zh" = "结束时刻，HH:MM；24:00 为午夜。"))]
    #[schemars(extend("maxLength" = 5))]
    pub to: String,
}

impl Default for WorkingHours {
    fn default() -> Self {
        use Weekday::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
        Self { utc_offset: "+08:00".into(), days: vec![Mon, Tue, Wed, Thu, Fri, Sat, Sun], from: "09:00".into(), to: "21:00".into() }
    }
}
