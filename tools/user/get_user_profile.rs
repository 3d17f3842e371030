//! `get_user_profile`: one account, by id.
//!
//! The hot path of the daemon: one point read, and the row's fields are moved into the result. It refuses to show
//! contact data unless details were asked for, and unmasked contact data unless the operator allows it.

use std::{borrow::Cow, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    contact::{mask_email, mask_phone},
    missing,
    port::{Context, User},
    tool::{About, Effect, NativeTool, Subject, ToolError},
};

/// Roles from the most to the least powerful: the first one a user has is their primary role.
const PRIORITY: [&str; 5] = ["admin", "consultant", "doctor", "operator", "customer"];

/// How long after registering a user counts as new.
const NEW_FOR: TimeDelta = TimeDelta::hours(24);

/// Arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct GetUserProfile {
    /// 用户ID（1–64位字母、数字、下划线或连字符）。 / The user's id (1 to 64 letters, digits, _ or -).
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_-]{1,64}$"))]
    user_id: String,
    /// 是否包含联系方式和头像，默认 false。 / Whether to include contact data and avatar; default false.
    #[serde(default)]
    include_details: bool,
}

/// One account, as a caller may see it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct UserProfile {
    /// The user's id.
    user_id: String,
    /// Display name, as the person typed it.
    username: String,
    /// All roles.
    roles: Vec<String>,
    /// The role that counts: admin > consultant > doctor > operator > customer; "none" for an account without roles.
    primary_role: Cow<'static, str>,
    /// Whether the account may be used.
    is_active: bool,
    /// Registered within the last 24 hours.
    is_new_user: bool,
    /// When the user registered, RFC 3339 in UTC.
    #[schemars(with = "String")]
    registration_time: DateTime<Utc>,
    /// Whether contact data and avatar were asked for.
    details_included: bool,
    /// Whether phone and email are masked; only with details.
    #[serde(skip_serializing_if = "Option::is_none")]
    contact_masked: Option<bool>,
    /// Phone number, such as 138****8888; only with details and when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    /// E-mail address, such as z***@example.com; only with details and when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// Address of the avatar; only with details and when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar: Option<String>,
}

#[async_trait]
impl NativeTool for GetUserProfile {
    type Output = UserProfile;
    const SUBJECT: Subject = Subject::Named(&["user_id"]);

    fn about() -> About {
        About {
            name: "get_user_profile",
            title: "查询用户档案 / Get user profile",
            description: "按用户ID查询一个用户的基本信息：姓名、角色、是否启用、是否新用户（24小时内注册）、注册时间。撰写个性化内容或处理客户请求前，先用它确认对方是谁；\
                          include_details=true 时另含电话、邮箱和头像（默认脱敏）。只有姓名或电话时先用 search_users 查ID。\n\
                          Returns one user's account by id: name, roles, primary role, whether active, whether new (registered within 24 hours) and registration time. \
                          Use it before writing to or about somebody, to know who they are; include_details=true adds phone, e-mail (both masked unless the operator allows them) and avatar. \
                          With only a name or phone number at hand, find the id with search_users first.",
            category: "user",
            version: "1.0.0",
            effect: Effect::Reads,
            timeout: Duration::from_secs(5),
            example: r#"{"user_id": "usr_0001", "include_details": true}"#,
            config: &[("allow_contact", "show phone and e-mail unmasked when details are asked for")],
        }
    }

    async fn run(self, ctx: &Context<'_>) -> Result<UserProfile, ToolError> {
        match ctx.records.user(&self.user_id).await? {
            Some(user) => Ok(profile(user, ctx, self.include_details)),
            None => Err(missing::user(&self.user_id)),
        }
    }
}

fn profile(user: User, ctx: &Context<'_>, details: bool) -> UserProfile {
    let masked = details && !ctx.allows("allow_contact");
    let shown = |value: Option<String>, mask: fn(&str) -> String| match value {
        Some(value) if masked => Some(mask(&value)),
        value => value.filter(|_| details),
    };
    UserProfile {
        primary_role: primary_role(&user.roles),
        is_new_user: ctx.now.signed_duration_since(user.registered_at) < NEW_FOR,
        user_id: user.id,
        username: user.username,
        roles: user.roles,
        is_active: user.is_active,
        registration_time: user.registered_at,
        details_included: details,
        contact_masked: details.then_some(masked),
        phone: shown(user.phone, mask_phone),
        email: shown(user.email, mask_email),
        avatar: user.avatar.filter(|_| details),
    }
}

/// The role that counts; a role we do not know stands for itself when there is no other.
fn primary_role(roles: &[String]) -> Cow<'static, str> {
    match PRIORITY.into_iter().find(|known| roles.iter().any(|role| role == known)) {
        Some(known) => Cow::Borrowed(known),
        None => roles.first().map_or(Cow::Borrowed("none"), |role| Cow::Owned(role.clone())),
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;
    use serde_json::json;

    use super::{GetUserProfile, primary_role};
    use crate::{
        memory::{Memory, accepts, call, call_with, customer_account, now},
        tool::{Tool, ToolError},
    };

    fn clinic() -> Memory {
        let mut user = customer_account("usr_0001", "张伟", 3);
        user.avatar = Some("/avatars/1.png".into());
        Memory { users: vec![user], ..Memory::default() }
    }

    fn tool() -> Tool {
        Tool::native::<GetUserProfile>()
    }

    #[tokio::test]
    async fn the_example_is_accepted_and_answered() {
        let example = tool().definition.example.clone();
        let profile = call(&tool(), &clinic(), example).await.unwrap();
        assert_eq!(profile["username"], "张伟");
        assert_eq!(profile["primary_role"], "customer");
        assert_eq!(profile["registration_time"], "2026-05-17T10:00:00Z");
    }

    #[tokio::test]
    async fn without_details_there_is_no_contact_data() {
        let profile = call(&tool(), &clinic(), json!({"user_id": "usr_0001"})).await.unwrap();
        let expected = json!({
            "user_id": "usr_0001", "username": "张伟", "roles": ["customer"], "primary_role": "customer", "is_active": true,
            "is_new_user": false, "registration_time": "2026-05-17T10:00:00Z", "details_included": false,
        });
        assert_eq!(profile, expected);
    }

    #[tokio::test]
    async fn contact_data_is_masked_unless_allowed() {
        let arguments = json!({"user_id": "usr_0001", "include_details": true});
        let masked = call(&tool(), &clinic(), arguments.clone()).await.unwrap();
        assert_eq!(masked["phone"], "138****8888");
        assert_eq!(masked["email"], "u***@example.com");
        assert_eq!(masked["avatar"], "/avatars/1.png");
        assert_eq!(masked["contact_masked"], true);
        // Anything but `true` is off.
        let nearly = call_with(&tool(), &clinic(), arguments.clone(), json!({"allow_contact": "true"})).await.unwrap();
        assert_eq!(nearly["phone"], "138****8888");
        let open = call_with(&tool(), &clinic(), arguments, json!({"allow_contact": true})).await.unwrap();
        assert_eq!(open["phone"], "13812348888");
        assert_eq!(open["email"], "usr_0001@example.com");
        assert_eq!(open["contact_masked"], false);
    }

    #[tokio::test]
    async fn allowing_contact_data_does_not_include_it_unasked() {
        let profile = call_with(&tool(), &clinic(), json!({"user_id": "usr_0001"}), json!({"allow_contact": true})).await.unwrap();
        assert!(profile.get("phone").is_none() && profile.get("email").is_none() && profile.get("avatar").is_none());
    }

    #[tokio::test]
    async fn a_user_is_new_for_less_than_a_day() {
        for (hours, seconds, new) in [(23, 3_599, true), (24, 0, false), (0, 0, true), (-1, 0, true)] {
            let mut records = clinic();
            records.users[0].registered_at = now() - Duration::hours(hours) - Duration::seconds(seconds);
            let profile = call(&tool(), &records, json!({"user_id": "usr_0001"})).await.unwrap();
            assert_eq!(profile["is_new_user"], new, "{hours} h {seconds} s");
        }
    }

    #[tokio::test]
    async fn it_asks_the_records_once() {
        let records = clinic();
        call(&tool(), &records, json!({"user_id": "usr_0001", "include_details": true})).await.unwrap();
        assert_eq!(records.asked.into_inner(), 1);
    }

    #[tokio::test]
    async fn an_unknown_user_is_an_error_that_says_what_to_do() {
        let error = call(&tool(), &clinic(), json!({"user_id": "usr_9"})).await.unwrap_err();
        let ToolError::NotFound(text) = error else { panic!("{error}") };
        assert!(text.starts_with("错误") && text.contains("Error") && text.contains("usr_9") && text.contains("search_users"), "{text}");
    }

    #[tokio::test]
    async fn a_busy_database_is_worth_another_try() {
        let records = Memory { down: true, ..clinic() };
        let error = call(&tool(), &records, json!({"user_id": "usr_0001"})).await.unwrap_err();
        assert!(matches!(error, ToolError::Unavailable { .. }), "{error}");
    }

    #[test]
    fn ids_are_checked_by_the_schema() {
        for id in ["", "a b", "usr/1", "张伟", &"x".repeat(65)] {
            assert!(!accepts(&tool(), &json!({"user_id": id})), "{id}");
        }
        assert!(accepts(&tool(), &json!({"user_id": "x".repeat(64)})));
        assert!(!accepts(&tool(), &json!({"user_id": "usr_1", "details": true})));
        let schema = &tool().definition.input_schema;
        assert_eq!(schema["properties"]["include_details"]["default"], false);
        assert_eq!(schema["required"], json!(["user_id"]));
    }

    #[test]
    fn the_most_powerful_role_is_the_primary_one() {
        let role = |roles: &[&str]| primary_role(&roles.iter().map(|role| (*role).to_owned()).collect::<Vec<_>>()).into_owned();
        assert_eq!(role(&["customer", "doctor", "consultant"]), "consultant");
        assert_eq!(role(&["operator", "admin"]), "admin");
        assert_eq!(role(&["auditor"]), "auditor");
        assert_eq!(role(&[]), "none");
    }
}
