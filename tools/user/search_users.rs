//! `search_users`: people by name, e-mail address or phone number, best first.
//!
//! The ranking is the store's; this file bounds the question and masks the answer. It refuses a query that is blank
//! after trimming: it would list everybody.

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    contact::mask_email,
    port::{Context, UserHit},
    tool::{About, Effect, NativeTool, ToolError},
};

/// Longest query, in characters.
const QUERY_MAX: usize = 100;

/// Arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct SearchUsers {
    /// 要查找的姓名、邮箱或电话，可只写一部分（1–100个字符）。 / Name, e-mail or phone to look for, or a part of it (1 to 100 characters).
    #[schemars(length(min = 1, max = 100))]
    query: String,
    /// 最多返回多少人，1–50，默认10。 / How many people at most, 1 to 50; default 10.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = 50))]
    limit: u32,
}

fn default_limit() -> u32 {
    10
}

/// The people found.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FoundUsers {
    /// The people found, best match first.
    result: Vec<FoundUser>,
    /// How many there are in `result`.
    count: usize,
}

/// One person found.
#[derive(Debug, Serialize, JsonSchema)]
struct FoundUser {
    /// The user's id.
    user_id: String,
    /// Display name, as the person typed it.
    username: String,
    /// E-mail address, when known; masked like z***@example.com unless the operator allows contact data.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// All roles.
    roles: Vec<String>,
    /// How well the person matches, 0 to 1.
    match_score: f64,
}

#[async_trait]
impl NativeTool for SearchUsers {
    type Output = FoundUsers;

    fn about() -> About {
        About {
            name: "search_users",
            title: "搜索用户 / Search users",
            description: "按姓名、邮箱或电话（可只写一部分）搜索用户，按匹配程度排序。不知道用户ID时先用它：返回用户ID、姓名、脱敏邮箱、角色和匹配分（0–1），\
                          再把 user_id 交给其他工具；没有匹配时返回空列表。\n\
                          Searches users by name, e-mail address or phone number (a part is enough), best match first. Use it whenever the user id is not known: \
                          it returns id, name, masked e-mail, roles and a match score from 0 to 1; hand the user_id to the other tools. No match is an empty list.",
            category: "user",
            version: "1.0.0",
            effect: Effect::Reads,
            timeout: Duration::from_secs(5),
            example: r#"{"query": "张", "limit": 10}"#,
            config: &[("allow_contact", "show e-mail addresses unmasked")],
        }
    }

    async fn run(self, ctx: &Context<'_>) -> Result<FoundUsers, ToolError> {
        let query = self.query.trim();
        if query.is_empty() || query.chars().count() > QUERY_MAX {
            return Err(ToolError::Argument {
                field: "query".into(),
                why: format!(
                    "错误：去掉首尾空格后须为1–{QUERY_MAX}个字符，例如 \"张\" 或 \"8888\"。 / \
                     Error: 1 to {QUERY_MAX} characters are needed once blanks around them are removed, such as \"张\" or \"8888\"."
                ),
            });
        }
        let open = ctx.allows("allow_contact");
        let hits = ctx.records.search_users(query, self.limit).await?;
        let result: Vec<FoundUser> = hits.into_iter().map(|hit| found(hit, open)).collect();
        Ok(FoundUsers { count: result.len(), result })
    }
}

fn found(UserHit { user, score }: UserHit, open: bool) -> FoundUser {
    FoundUser {
        user_id: user.id,
        username: user.username,
        email: if open { user.email } else { user.email.as_deref().map(mask_email) },
        roles: user.roles,
        match_score: (score * 1000.0).round() / 1000.0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::SearchUsers;
    use crate::{
        memory::{Memory, accepts, call, call_with, customer_account},
        tool::{Tool, ToolError},
    };

    fn clinic() -> Memory {
        Memory {
            users: vec![
                customer_account("usr_1", "小张", 1),
                customer_account("usr_2", "张", 2),
                customer_account("usr_3", "张伟", 3),
                customer_account("usr_4", "Li Na", 4),
            ],
            ..Memory::default()
        }
    }

    fn tool() -> Tool {
        Tool::native::<SearchUsers>()
    }

    #[tokio::test]
    async fn the_example_finds_people_best_first_with_rounded_scores() {
        let example = tool().definition.example.clone();
        let found = call(&tool(), &clinic(), example).await.unwrap();
        assert_eq!(found["count"], 3);
        assert_eq!(
            found["result"][0],
            json!({"user_id": "usr_2", "username": "张", "email": "u***@example.com", "roles": ["customer"], "match_score": 1.0})
        );
        assert_eq!(found["result"][1]["match_score"], 0.667);
        assert_eq!(found["result"][2]["match_score"], 0.333);
    }

    #[tokio::test]
    async fn addresses_are_shown_whole_only_when_allowed() {
        let found = call_with(&tool(), &clinic(), json!({"query": "Li Na"}), json!({"allow_contact": true})).await.unwrap();
        assert_eq!(found["result"][0]["email"], "usr_4@example.com");
    }

    #[tokio::test]
    async fn blanks_are_trimmed_and_the_limit_holds() {
        let found = call(&tool(), &clinic(), json!({"query": "  张 ", "limit": 1})).await.unwrap();
        assert_eq!(found["count"], 1);
        assert_eq!(found["result"][0]["user_id"], "usr_2");
    }

    #[tokio::test]
    async fn a_blank_query_is_refused_and_no_match_is_an_empty_list() {
        let error = call(&tool(), &clinic(), json!({"query": "  "})).await.unwrap_err();
        assert!(matches!(&error, ToolError::Argument { field, why } if field == "query" && why.contains("Error")), "{error}");
        let found = call(&tool(), &clinic(), json!({"query": "nobody"})).await.unwrap();
        assert_eq!(found, json!({"result": [], "count": 0}));
    }

    #[test]
    fn the_schema_bounds_query_and_limit() {
        for arguments in [json!({}), json!({"query": ""}), json!({"query": "a", "limit": 0}), json!({"query": "a", "limit": 51})] {
            assert!(!accepts(&tool(), &arguments), "{arguments}");
        }
        assert!(accepts(&tool(), &json!({"query": "x".repeat(100), "limit": 50})));
        assert!(!accepts(&tool(), &json!({"query": "x".repeat(101)})));
        assert_eq!(tool().definition.input_schema["properties"]["limit"]["default"], 10);
    }
}
