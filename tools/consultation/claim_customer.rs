//! `claim_customer`: takes a new customer over for one consultant. The first to claim has the customer.
//!
//! Losing is an answer and no error: the caller learns who has the customer and since when. It refuses accounts that
//! may not claim, customers who do not wait, and two ids that contradict each other: with either of them somebody
//! could take over the wrong person.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    missing,
    port::{Claim, ClaimOutcome, ClaimTarget, Context, NewClaim},
    tool::{About, Effect, NativeTool, Subject, ToolError},
};

/// Arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[expect(clippy::struct_field_names, reason = "they are the names of the arguments")]
pub(crate) struct ClaimCustomer {
    /// 认领者的用户ID：在职顾问或主管。 / User id of who claims: an active consultant or a supervisor.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_-]{1,64}$"))]
    consultant_id: String,
    /// 待认领会话的ID；与 customer_id 至少填一个。 / Id of the conversation to be taken over; this or customer_id is required.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_-]{1,64}$"))]
    conversation_id: Option<String>,
    /// 待认领客户的用户ID；与 conversation_id 至少填一个。 / User id of the customer to be claimed; this or conversation_id is required.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_-]{1,64}$"))]
    customer_id: Option<String>,
}

/// Who has the customer now.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// Whether the customer is the caller's; false when somebody else was first.
    claimed: bool,
    /// User id of who has the customer.
    claimed_by: String,
    /// Name of who has the customer; absent when the account is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_by_name: Option<String>,
    /// Since when, RFC 3339 in UTC.
    #[schemars(with = "String")]
    claimed_at: DateTime<Utc>,
    /// The conversation that was taken over.
    conversation_id: String,
    /// The customer's user id.
    customer_id: String,
    /// How long the customer had waited for a consultant, in seconds.
    waiting_seconds: i64,
    /// What to do next, Chinese then English.
    note: &'static str,
}

#[async_trait]
impl NativeTool for ClaimCustomer {
    // An agent that speaks for one customer must not decide who has that customer: not offered in scoped groups.
    const SUBJECT: Subject = Subject::Anybody;
    type Output = Answer;

    fn about() -> About {
        About {
            name: "claim_customer",
            title: "认领客户 / Claim customer",
            description: "为一位顾问认领等待中的新客户：先认领者得，其他人会被告知由谁认领。认领后会话不再由AI控制，升级提醒停止。\
                          重复认领自己的客户不会改变任何内容。仅在顾问本人要求时调用；用 conversation_id 或 customer_id 指定客户。\n\
                          Claims a waiting new customer for one consultant: the first has the customer, and everybody else is told by whom. The conversation leaves the AI's control and the reminders stop. \
                          Claiming one's own customer again changes nothing. Call it only when that consultant asked for it; name the customer by conversation_id or customer_id. Returns claimed, claimed_by, claimed_at, conversation_id and waiting_seconds.",
            category: "consultation",
            version: "1.0.0",
            effect: Effect::Changes,
            timeout: Duration::from_secs(5),
            example: r#"{"consultant_id": "usr_consultant_01", "customer_id": "usr_0001"}"#,
            config: &[],
        }
    }

    async fn run(self, ctx: &Context<'_>) -> Result<Answer, ToolError> {
        let target = target(ctx, self.conversation_id, self.customer_id).await?;
        let claim = NewClaim { target: target.clone(), consultant_id: self.consultant_id.clone(), now: ctx.now };
        match ctx.records.claim(claim).await? {
            ClaimOutcome::Won(claim) => answer(ctx, true, claim).await,
            ClaimOutcome::Lost(claim) => answer(ctx, false, claim).await,
            ClaimOutcome::Unknown => Err(match &target {
                ClaimTarget::Conversation(id) => missing::conversation(id),
                ClaimTarget::Customer(id) => missing::user(id),
            }),
            ClaimOutcome::NotConsultant => Err(not_consultant(&self.consultant_id)),
            ClaimOutcome::NotWaiting => Err(not_waiting(&target)),
        }
    }
}

/// The conversation where one is named, if it is the named customer's.
async fn target(ctx: &Context<'_>, conversation_id: Option<String>, customer_id: Option<String>) -> Result<ClaimTarget, ToolError> {
    match (conversation_id, customer_id) {
        (Some(id), None) => Ok(ClaimTarget::Conversation(id)),
        (None, Some(id)) => Ok(ClaimTarget::Customer(id)),
        (Some(id), Some(customer)) => {
            let conversation = ctx.records.conversation(&id).await?.ok_or_else(|| missing::conversation(&id))?;
            if conversation.customer_id == customer {
                return Ok(ClaimTarget::Conversation(id));
            }
            Err(argument(
                "customer_id",
                format!(
                    "错误：会话 {id} 不属于客户 {customer}，未认领任何客户。请只提供其中一个参数。 / Error: conversation {id} is not customer {customer}'s; nobody was claimed. Pass only one of the two."
                ),
            ))
        }
        (None, None) => Err(argument(
            "conversation_id",
            "错误：请提供 conversation_id 或 customer_id，例如 {\"consultant_id\": \"usr_consultant_01\", \"customer_id\": \"usr_0001\"}。 / \
             Error: pass conversation_id or customer_id, such as {\"consultant_id\": \"usr_consultant_01\", \"customer_id\": \"usr_0001\"}."
                .to_owned(),
        )),
    }
}

async fn answer(ctx: &Context<'_>, claimed: bool, claim: Claim) -> Result<Answer, ToolError> {
    let name = ctx.records.user(&claim.consultant_id).await?.map(|user| user.username);
    let note = if claimed {
        "已认领，请尽快回复客户 / the customer is yours: answer them soon"
    } else {
        "已被他人认领，无需再联系该客户 / somebody else has the customer: leave them to that colleague"
    };
    Ok(Answer {
        claimed,
        claimed_by: claim.consultant_id,
        claimed_by_name: name,
        claimed_at: claim.claimed_at,
        conversation_id: claim.conversation_id,
        customer_id: claim.customer_id,
        waiting_seconds: (claim.claimed_at - claim.waiting_since).num_seconds().max(0),
        note,
    })
}

fn not_consultant(id: &str) -> ToolError {
    argument(
        "consultant_id",
        format!(
            "错误：{id} 不是在职顾问或主管，不能认领客户。请填写认领者本人的用户ID，可用 search_users 查找。 / \
             Error: {id} is no active consultant or supervisor and cannot claim. Pass the user id of who claims; search_users finds it."
        ),
    )
}

fn not_waiting(target: &ClaimTarget) -> ToolError {
    let (field, id) = match target {
        ClaimTarget::Conversation(id) => ("conversation_id", id),
        ClaimTarget::Customer(id) => ("customer_id", id),
    };
    argument(
        field,
        format!(
            "错误：{id} 没有等待认领的新客户会话（不是注册自动创建的会话，或会话已关闭、流程已取消）。可用 get_conversation_data 查看会话。 / \
             Error: nobody waits to be claimed at {id}: no registration opened it, it is closed, or the run was cancelled. get_conversation_data shows the conversation."
        ),
    )
}

fn argument(field: &str, why: String) -> ToolError {
    ToolError::Argument { field: field.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::ClaimCustomer;
    use crate::{
        memory::{Memory, accepts, call, customer_account, days_ago, now},
        port::{Conversation, User},
        tool::{Effect, Tool, ToolError},
    };

    fn tool() -> Tool {
        Tool::native::<ClaimCustomer>()
    }

    fn consultant(id: &str, username: &str) -> User {
        User { roles: vec!["consultant".into()], ..customer_account(id, username, 900) }
    }

    fn conversation(id: &str, customer_id: &str, status: &str) -> Conversation {
        Conversation {
            id: id.into(),
            customer_id: customer_id.into(),
            title: "欢迎咨询".into(),
            ai_controlled: true,
            status: status.into(),
            created_at: now() - chrono::Duration::seconds(75),
            updated_at: days_ago(0),
        }
    }

    fn clinic() -> Memory {
        Memory {
            users: vec![
                customer_account("usr_0001", "王芳", 0),
                customer_account("usr_2", "张伟", 0),
                consultant("usr_consultant_01", "林顾问"),
                consultant("usr_consultant_02", "陈顾问"),
                User { is_active: false, ..consultant("usr_gone", "赵顾问") },
            ],
            conversations: vec![conversation("cnv_1", "usr_0001", "open"), conversation("cnv_2", "usr_2", "closed")],
            ..Memory::default()
        }
    }

    async fn refused(arguments: Value) -> (String, String) {
        match call(&tool(), &clinic(), arguments).await.unwrap_err() {
            ToolError::Argument { field, why } => (field, why),
            other => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn the_first_has_the_customer_and_the_second_hears_of_whom() {
        let records = clinic();
        let won = call(&tool(), &records, tool().definition.example.clone()).await.unwrap();
        let expected = json!({
            "claimed": true, "claimed_by": "usr_consultant_01", "claimed_by_name": "林顾问", "claimed_at": "2026-05-20T10:00:00Z",
            "conversation_id": "cnv_1", "customer_id": "usr_0001", "waiting_seconds": 75, "note": won["note"],
        });
        assert_eq!(won, expected);
        let again = call(&tool(), &records, json!({"consultant_id": "usr_consultant_01", "conversation_id": "cnv_1"})).await.unwrap();
        assert_eq!(again, won);
        let lost = call(&tool(), &records, json!({"consultant_id": "usr_consultant_02", "conversation_id": "cnv_1"})).await.unwrap();
        assert_eq!(
            (&lost["claimed"], &lost["claimed_by"], &lost["claimed_by_name"]),
            (&json!(false), &json!("usr_consultant_01"), &json!("林顾问"))
        );
        assert_ne!(lost["note"], won["note"]);
        assert_eq!(records.claims.into_inner().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn who_may_not_claim_and_who_does_not_wait_is_refused_by_argument() {
        for nobody in ["usr_2", "usr_gone", "usr_nowhere"] {
            let (field, why) = refused(json!({"consultant_id": nobody, "customer_id": "usr_0001"})).await;
            assert!(field == "consultant_id" && why.contains(nobody), "{field} {why}");
        }
        for (argument, id) in [("conversation_id", "cnv_2"), ("customer_id", "usr_2"), ("customer_id", "usr_consultant_02")] {
            let (field, why) = refused(json!({"consultant_id": "usr_consultant_01", argument: id})).await;
            assert!(field == argument && why.contains(id) && why.contains(" / "), "{field} {why}");
        }
    }

    #[tokio::test]
    async fn ids_that_are_missing_unknown_or_disagree_claim_nobody() {
        let (field, why) = refused(json!({"consultant_id": "usr_consultant_01"})).await;
        assert!(field == "conversation_id" && why.contains("customer_id"), "{why}");
        let records = clinic();
        let both = json!({"consultant_id": "usr_consultant_01", "conversation_id": "cnv_1", "customer_id": "usr_2"});
        let error = call(&tool(), &records, both).await.unwrap_err();
        assert!(matches!(&error, ToolError::Argument { field, why } if field == "customer_id" && !why.contains("usr_0001")), "{error}");
        for (argument, id) in [("conversation_id", "cnv_9"), ("customer_id", "usr_9")] {
            let error = call(&tool(), &records, json!({"consultant_id": "usr_consultant_01", argument: id})).await.unwrap_err();
            assert!(matches!(&error, ToolError::NotFound(text) if text.contains(id)), "{error}");
        }
        assert!(records.claims.lock().unwrap().is_empty());
        let agree = json!({"consultant_id": "usr_consultant_01", "conversation_id": "cnv_1", "customer_id": "usr_0001"});
        assert_eq!(call(&tool(), &records, agree).await.unwrap()["claimed"], true);
    }

    #[tokio::test]
    async fn a_busy_database_is_worth_another_try() {
        let records = Memory { down: true, ..clinic() };
        let error = call(&tool(), &records, tool().definition.example.clone()).await.unwrap_err();
        assert!(matches!(error, ToolError::Unavailable { .. }), "{error}");
    }

    #[test]
    fn it_changes_things_and_its_arguments_are_ids() {
        assert_eq!(tool().definition.about.effect, Effect::Changes);
        assert!(accepts(&tool(), &tool().definition.example));
        assert!(!accepts(&tool(), &json!({"conversation_id": "cnv_1"})));
        assert!(!accepts(&tool(), &json!({"consultant_id": "", "conversation_id": "cnv_1"})));
        assert!(!accepts(&tool(), &json!({"consultant_id": "a b", "conversation_id": "cnv_1"})));
    }
}
