//! The groups a fresh installation starts with (PRD 3.2.3). The first four have disjoint tool names, because one client
//! may hold all their keys; the welcome agent holds the key of the fifth alone.

use anmei_mcp_tools::Tool;
use serde_json::Map;

use crate::{clock::Clock, ids::new_id, store::policy::ToolPolicy};

/// A tool as a group offers it when nobody said how: with the definition's own limit and description.
pub fn tool_policy(group_id: &str, tool: &Tool, clock: &dyn Clock) -> ToolPolicy {
    let (about, now) = (&tool.definition.about, clock.now_ms());
    ToolPolicy {
        id: new_id(clock),
        tool_name: about.name.into(),
        group_id: group_id.into(),
        version: about.version.into(),
        description: None,
        enabled: true,
        timeout_seconds: u32::try_from(about.timeout.as_secs()).unwrap_or(30).clamp(1, 300),
        config_data: Map::new(),
        created_at: now,
        updated_at: now,
    }
}

/// A group before it is stored.
#[derive(Debug, Clone, Copy)]
pub struct DefaultGroup {
    /// Segment of its URL.
    pub server_code: &'static str,
    /// Name shown to people.
    pub name: &'static str,
    /// What it is for; agents read it as instructions.
    pub description: &'static str,
    /// Tiers that may open it by account.
    pub tiers: &'static [&'static str],
    /// Roles that may open it by account.
    pub roles: &'static [&'static str],
    /// Whether its tools see only the customers of registrations in progress, by subject id.
    pub subject_scoped: bool,
    /// Its tools, in the order clients see them.
    pub tools: &'static [&'static str],
}

/// The PRD's four groups, and the one for the agent that writes welcomes.
pub const GROUPS: &[DefaultGroup] = &[
    DefaultGroup {
        server_code: "system_tools",
        name: "系统工具",
        description: "查询用户资料、按姓名或联系方式查找用户。先用 search_users 得到 user_id，再用 get_user_profile 读取资料。 / Look up people of the clinic: find a user_id with search_users, then read the profile with get_user_profile.",
        tiers: &["internal"],
        roles: &["admin"],
        subject_scoped: false,
        tools: &["get_user_profile", "search_users"],
    },
    DefaultGroup {
        server_code: "consultation_tools",
        name: "咨询工具",
        description: "认领新客户、分析客户、读取偏好与咨询历史、读取会话、生成咨询小结。 / Claim new customers and understand them: analysis, preferences, consultation history, conversations, and consultation summaries.",
        tiers: &["internal"],
        roles: &["admin", "consultant", "doctor"],
        subject_scoped: false,
        tools: &[
            "analyze_customer",
            "get_customer_preferences",
            "get_consultation_history",
            "create_consultation_summary",
            "get_conversation_data",
            "claim_customer",
        ],
    },
    DefaultGroup {
        server_code: "medical_tools",
        name: "医疗方案工具",
        description: "在预算、恢复期与禁忌之内生成和优化治疗方案；所有方案均须医生审核。 / Draft and revise treatment plans within budget, recovery time and contraindications; every plan needs a physician's review.",
        tiers: &["internal"],
        roles: &["admin", "doctor"],
        subject_scoped: false,
        tools: &["generate_treatment_plan", "optimize_plan"],
    },
    DefaultGroup {
        server_code: "project_tools",
        name: "项目工具",
        description: "查询可提供的医美项目、价格、时长与禁忌。 / Look up the services on offer: prices, durations and contraindications.",
        tiers: &["external"],
        roles: &["customer"],
        subject_scoped: false,
        tools: &["get_service_info"],
    },
    DefaultGroup {
        server_code: "welcome_tools",
        name: "欢迎语工具",
        description: "为刚注册的客户写欢迎语时查询该客户：资料、分析、偏好。user_id 只填任务给出的以 sub_ 开头的ID，其他ID一律拒绝。 / Look up the customer who has just registered, to write their welcome: profile, analysis, preferences. Pass the user_id you were given (it begins with sub_); every other id is refused.",
        tiers: &["internal"],
        roles: &["admin"],
        subject_scoped: true,
        tools: &["get_user_profile", "analyze_customer", "get_customer_preferences"],
    },
];
