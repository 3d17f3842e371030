//! Retries, connections, breakers, alerts, limits, and how long things are kept.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Channel;
use crate::config::HumanDuration;

/// Repeated tries (PRD 4.2.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// Waits before the second, third, … try: the number of entries is the largest number of retries. After the last one
    /// the job is given up, and `retry.on_failure` says what is done about it.
    #[schemars(extend("x-zh" = "重试间隔：第二次、第三次……尝试之前的等待；项数即最大重试次数。用尽后放弃该任务，再按 retry.on_failure 处理。"))]
    #[schemars(extend("minimum" = "10ms", "maximum" = "24h", "maxItems" = 20))]
    pub delays: Vec<HumanDuration>,
    /// Largest share by which each wait is randomly lengthened.
    #[schemars(extend("x-zh" = "每次等待随机延长的最大比例，避免同时重试。"))]
    #[schemars(extend("minimum" = 0, "maximum" = 1, "x-unit" = "(share of 1)", "x-unit-zh" = "(占 1 的比例)"))]
    pub jitter: f64,
    /// What is done about a job that failed for good. Either way it is kept as a dead letter, which can be tried again.
    #[schemars(extend("x-zh" = "失败处理策略：任务最终失败后怎么办。两种方式都会保留该任务（失败待处理），可以再次重试。"))]
    pub on_failure: OnFailure,
}

/// What is done about a job that failed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Administrators are told by an alert.
    #[schemars(extend("x-zh" = "告警，通知管理员。"))]
    Alert,
    /// It is recorded only, and nobody is told.
    #[schemars(extend("x-zh" = "只做记录，不通知。"))]
    Record,
}

impl Retry {
    /// The wait after the failed try `attempt` (1 for the first); nothing when it was the last.
    pub fn delay(&self, attempt: u32) -> Option<Duration> {
        nth(&self.delays, attempt)
    }
}

impl Events {
    /// The same for events.
    pub fn delay(&self, attempt: u32) -> Option<Duration> {
        nth(&self.delays, attempt)
    }
}

fn nth(delays: &[HumanDuration], attempt: u32) -> Option<Duration> {
    let index = usize::try_from(attempt).ok()?.checked_sub(1)?;
    delays.get(index).map(|delay| delay.get())
}

impl Default for Retry {
    fn default() -> Self {
        Self { delays: [5, 15, 60].map(HumanDuration::from_secs).to_vec(), jitter: 0.1, on_failure: OnFailure::Alert }
    }
}

/// Live connections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Live {
    /// Time between two pings; a client that misses two is gone.
    #[schemars(extend("x-zh" = "两次心跳之间的时间；连续错过两次的客户端视为离线。"))]
    #[schemars(extend("minimum" = "10ms", "maximum" = "5m"))]
    pub heartbeat: HumanDuration,
    /// Most connections of one user.
    #[schemars(extend("x-zh" = "每位用户的连接数上限。"))]
    #[schemars(extend("minimum" = 1, "maximum" = 1000, "x-unit" = "connections", "x-unit-zh" = "个连接"))]
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
    /// Failures within the window that open a breaker.
    #[schemars(extend("x-zh" = "窗口内达到多少次失败即熔断。"))]
    #[schemars(extend("minimum" = 1, "maximum" = 10_000, "x-unit" = "failures", "x-unit-zh" = "次失败"))]
    pub failures: u32,
    /// Share of failed calls within the window that opens a breaker.
    #[schemars(extend("x-zh" = "窗口内失败比例达到多少即熔断。"))]
    #[schemars(extend("minimum" = 0.01, "maximum" = 1, "x-unit" = "(share of 1)", "x-unit-zh" = "(占 1 的比例)"))]
    pub failure_rate: f64,
    /// Window in which failures are counted.
    #[schemars(extend("x-zh" = "统计失败的窗口。"))]
    #[schemars(extend("minimum" = "10ms", "maximum" = "1h"))]
    pub window: HumanDuration,
    /// Time from a breaker's opening to the first probe.
    #[schemars(extend("x-zh" = "从熔断到第一次探测的时间。"))]
    #[schemars(extend("minimum" = "10ms", "maximum" = "1h"))]
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
    #[schemars(extend("x-zh" = "候选版本更差时是否自动回滚。"))]
    pub guard: bool,
    /// Runs of each side before anything is concluded.
    #[schemars(extend("x-zh" = "得出结论之前双方各需的运行次数。"))]
    #[schemars(extend("minimum" = 1, "maximum" = 1_000_000, "x-unit" = "runs", "x-unit-zh" = "次运行"))]
    pub min_runs: u32,
    /// Probability of a false alarm that is accepted for one comparison.
    #[schemars(extend("x-zh" = "每次比较可接受的误报概率。"))]
    #[schemars(extend("minimum" = 0.0001, "maximum" = 0.5, "x-unit" = "(probability)", "x-unit-zh" = "(概率)"))]
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
    /// Waits before the second, third, … try of an event.
    #[schemars(extend("x-zh" = "第二次、第三次……发送之前的等待。"))]
    #[schemars(extend("minimum" = "10ms", "maximum" = "24h", "maxItems" = 20))]
    pub delays: Vec<HumanDuration>,
    /// Time of continued failure after which the receiver is taken out of use and administrators are told.
    #[schemars(extend("x-zh" = "接收方持续失败多久后停用并通知管理员。"))]
    #[schemars(extend("minimum" = "1s", "maximum" = "720h"))]
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
    /// Channels that reach administrators, written like those of `notice.channels`. Their secrets are stored sealed.
    #[schemars(extend("x-zh" = "通知管理员的渠道；写法同 notice.channels。密钥加密保存。"))]
    #[schemars(extend("maxItems" = 20, "writeOnly" = true, "examples" = [[{"kind": "wecom", "name": "前台群", "url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=KEY"}]]))]
    pub channels: Vec<Channel>,
    /// Share of runs that must end well, over the last hour (PRD 10.1).
    #[schemars(extend("x-zh" = "最近一小时内运行成功的最低比例。"))]
    #[schemars(extend("minimum" = 0, "maximum" = 1, "x-unit" = "(share of 1)", "x-unit-zh" = "(占 1 的比例)"))]
    pub success_rate: f64,
    /// Runs within the hour below which the share says nothing.
    #[schemars(extend("x-zh" = "一小时内运行次数少于此数时，不判断成功率。"))]
    #[schemars(extend("minimum" = 1, "maximum" = 1_000_000, "x-unit" = "runs", "x-unit-zh" = "次运行"))]
    pub success_min_runs: u32,
    /// Time without one successful registration, while some arrive, after which something is wrong.
    #[schemars(extend("x-zh" = "有注册到来却多久没有一次成功，即视为异常。"))]
    #[schemars(extend("minimum" = "1s", "maximum" = "24h"))]
    pub no_success_for: HumanDuration,
    /// Free space of the data directory's disk below which it is low.
    #[schemars(extend("x-zh" = "数据目录所在磁盘的剩余空间低于此值即告警。"))]
    #[schemars(extend("minimum" = 0, "maximum" = 4_000_000_000_u32, "x-unit" = "MiB", "x-unit-zh" = "MiB"))]
    pub disk_low_mib: u32,
    /// Age of the oldest due job above which the backlog is old.
    #[schemars(extend("x-zh" = "最早到期的任务等待超过此时间即视为积压。"))]
    #[schemars(extend("minimum" = "1s", "maximum" = "24h"))]
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
    #[schemars(extend("x-zh" = "每个密钥或签名每分钟可提交的注册数；超出时应答 429 与 Retry-After。"))]
    #[schemars(extend("minimum" = 1, "maximum" = 100_000_000, "x-unit" = "registrations", "x-unit-zh" = "个注册"))]
    pub per_minute: u32,
    /// Registrations that may wait; beyond it 503 with `Retry-After`.
    #[schemars(extend("x-zh" = "可等待处理的注册数；超出时应答 503 与 Retry-After。"))]
    #[schemars(extend("minimum" = 1, "maximum" = 100_000_000, "x-unit" = "registrations", "x-unit-zh" = "个注册"))]
    pub backlog: u32,
    /// Free space of the disk below which nothing new is accepted.
    #[schemars(extend("x-zh" = "磁盘剩余空间低于此值时不再受理。"))]
    #[schemars(extend("minimum" = 0, "maximum" = 4_000_000_000_u32, "x-unit" = "MiB", "x-unit-zh" = "MiB"))]
    pub disk_min_mib: u32,
}

impl Default for Intake {
    fn default() -> Self {
        Self { per_minute: 1_000_000, backlog: 1_000_000, disk_min_mib: 64 }
    }
}

/// How much each key may ask of the tools, where `anmei-mcp limit set` says nothing else. Groups bound to subjects are free
/// of all of these: what they are asked is bounded by the registrations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// `tools/list` requests of one key in a minute; 0 is no limit. A minute's worth may come at once; beyond it 429 with
    /// `Retry-After`.
    #[schemars(extend("x-zh" = "每个密钥每分钟可请求 tools/list 的次数；0 表示不限。一分钟的额度可一次用完；超出时应答 429 与 Retry-After。"))]
    #[schemars(extend("minimum" = 0, "maximum" = 60_000_000, "x-unit" = "requests", "x-unit-zh" = "次请求"))]
    pub list_per_minute: u32,
    /// Tool calls of one key in a minute; 0 is no limit.
    #[schemars(extend("x-zh" = "每个密钥每分钟可调用工具的次数；0 表示不限。"))]
    #[schemars(extend("minimum" = 0, "maximum" = 60_000_000, "x-unit" = "calls", "x-unit-zh" = "次调用"))]
    pub call_per_minute: u32,
    /// Other requests of one key in a minute (handshakes, pings, lists of resources and prompts); 0 is no limit.
    #[schemars(extend("x-zh" = "每个密钥每分钟的其他请求次数（握手、ping、资源与提示列表）；0 表示不限。"))]
    #[schemars(extend("minimum" = 0, "maximum" = 60_000_000, "x-unit" = "requests", "x-unit-zh" = "次请求"))]
    pub other_per_minute: u32,
    /// Tool calls of one key that may run at a time; 0 is no limit.
    #[schemars(extend("x-zh" = "每个密钥可同时进行的工具调用数；0 表示不限。"))]
    #[schemars(extend("minimum" = 0, "maximum" = 60_000_000, "x-unit" = "calls", "x-unit-zh" = "次调用"))]
    pub concurrent_calls: u32,
    /// Tool calls of one key in a day, which ends at midnight by `working_hours.utc_offset`; 0 is no limit.
    #[schemars(extend("x-zh" = "每个密钥每日可调用工具的次数，按 working_hours.utc_offset 的零点换日；0 表示不限。"))]
    #[schemars(extend("minimum" = 0, "maximum" = 60_000_000, "x-unit" = "calls", "x-unit-zh" = "次调用"))]
    pub calls_per_day: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { list_per_minute: 120, call_per_minute: 240, other_per_minute: 2_400, concurrent_calls: 128, calls_per_day: 0 }
    }
}

/// How long things are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// How long finished jobs are kept.
    #[schemars(extend("x-zh" = "已完成的任务保留多久。"))]
    #[schemars(extend("minimum" = "1m", "maximum" = "87600h"))]
    pub jobs: HumanDuration,
    /// How long delivered notices, pushes and events are kept, with their attempts.
    #[schemars(extend("x-zh" = "已送达的通知、推送和事件及其尝试记录保留多久。"))]
    #[schemars(extend("minimum" = "1m", "maximum" = "87600h"))]
    pub deliveries: HumanDuration,
    /// How long the call log is kept.
    #[schemars(extend("x-zh" = "调用日志保留多久。"))]
    #[schemars(extend("minimum" = "1m", "maximum" = "87600h"))]
    pub call_log: HumanDuration,
}

impl Default for Retention {
    fn default() -> Self {
        let days = |days: u64| HumanDuration::from_secs(days * 86_400);
        Self { jobs: days(30), deliveries: days(90), call_log: days(180) }
    }
}
