//! The clinic's records in memory, for the unit tests of the tools.
//!
//! It answers like the daemon's store (order, limits, first match) and holds what a test puts into its fields. It
//! refuses nothing: set `down` to see what a tool does when the database is busy.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use chrono::{DateTime, Duration, TimeZone, Utc};
use serde_json::{Map, Value};

use crate::{
    port::{
        Activity, Claim, ClaimOutcome, ClaimTarget, Consultation, Context, Conversation, Customer, Message, NewClaim, NewPlan, NewSummary,
        NobodyAsked, Participant, Plan, Preferences, Records, RecordsError, Service, Stored, User, UserHit,
    },
    tool::{Tool, ToolError},
};

/// Rows of every kind, in the order in which a test pushed them.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) users: Vec<User>,
    pub(crate) customers: Vec<Customer>,
    pub(crate) preferences: BTreeMap<String, Preferences>,
    pub(crate) activity: BTreeMap<String, Activity>,
    pub(crate) consultations: Vec<Consultation>,
    pub(crate) conversations: Vec<Conversation>,
    /// Messages by conversation, oldest first.
    pub(crate) messages: BTreeMap<String, Vec<Message>>,
    pub(crate) services: Vec<Service>,
    pub(crate) plans: Mutex<Vec<Plan>>,
    pub(crate) summaries: Mutex<Vec<NewSummary>>,
    pub(crate) claims: Mutex<Vec<Claim>>,
    /// How many ids were given out.
    pub(crate) ids: AtomicU32,
    /// How many questions were asked.
    pub(crate) asked: AtomicU32,
    /// Every question fails with [`RecordsError::Unavailable`].
    pub(crate) down: bool,
}

impl Memory {
    fn asked(&self) -> Result<(), RecordsError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.down {
            return Err(RecordsError::Unavailable("database is locked".into()));
        }
        Ok(())
    }

    fn stored(&self, kind: &str) -> Stored {
        let number = self.ids.fetch_add(1, Ordering::Relaxed) + 1;
        Stored { id: format!("{kind}_{number}"), created_at: now() }
    }

    fn username(&self, id: &str) -> String {
        self.users.iter().find(|user| user.id == id).map(|user| user.username.clone()).unwrap_or_default()
    }
}

#[async_trait]
impl Records for Memory {
    async fn user(&self, id: &str) -> Result<Option<User>, RecordsError> {
        self.asked()?;
        Ok(self.users.iter().find(|user| user.id == id).cloned())
    }

    async fn search_users(&self, query: &str, limit: u32) -> Result<Vec<UserHit>, RecordsError> {
        self.asked()?;
        let mut hits: Vec<UserHit> = self.users.iter().filter_map(|user| hit(user, query)).collect();
        hits.sort_by(|a, b| b.score.total_cmp(&a.score));
        hits.truncate(limit as usize);
        Ok(hits)
    }

    async fn customer(&self, user_id: &str) -> Result<Option<Customer>, RecordsError> {
        self.asked()?;
        Ok(self.customers.iter().find(|customer| customer.user_id == user_id).cloned())
    }

    async fn preferences(&self, user_id: &str) -> Result<Option<Preferences>, RecordsError> {
        self.asked()?;
        Ok(self.preferences.get(user_id).cloned())
    }

    async fn activity(&self, user_id: &str, _now: DateTime<Utc>) -> Result<Activity, RecordsError> {
        self.asked()?;
        Ok(self.activity.get(user_id).cloned().unwrap_or_default())
    }

    async fn consultations(&self, customer_id: &str, limit: u32) -> Result<Vec<Consultation>, RecordsError> {
        self.asked()?;
        let mut found: Vec<Consultation> = self.consultations.iter().filter(|row| row.customer_id == customer_id).cloned().collect();
        found.sort_by_key(|row| std::cmp::Reverse(row.occurred_at));
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn consultation(&self, id: &str) -> Result<Option<Consultation>, RecordsError> {
        self.asked()?;
        Ok(self.consultations.iter().find(|row| row.id == id).cloned())
    }

    async fn save_summary(&self, summary: NewSummary) -> Result<Stored, RecordsError> {
        self.asked()?;
        self.summaries.lock().unwrap().push(summary);
        Ok(self.stored("sum"))
    }

    async fn conversation(&self, id: &str) -> Result<Option<Conversation>, RecordsError> {
        self.asked()?;
        Ok(self.conversations.iter().find(|row| row.id == id).cloned())
    }

    async fn latest_conversation(&self, user_id: &str) -> Result<Option<Conversation>, RecordsError> {
        self.asked()?;
        Ok(self.conversations.iter().filter(|row| row.customer_id == user_id).max_by_key(|row| row.updated_at).cloned())
    }

    async fn messages(&self, conversation_id: &str, limit: u32) -> Result<Vec<Message>, RecordsError> {
        self.asked()?;
        let all = self.messages.get(conversation_id).map(Vec::as_slice).unwrap_or_default();
        Ok(all.iter().skip(all.len().saturating_sub(limit as usize)).cloned().collect())
    }

    async fn participants(&self, conversation_id: &str) -> Result<Vec<Participant>, RecordsError> {
        self.asked()?;
        let mut found: Vec<Participant> = Vec::new();
        if let Some(conversation) = self.conversations.iter().find(|row| row.id == conversation_id) {
            found.push(Participant {
                user_id: conversation.customer_id.clone(),
                username: self.username(&conversation.customer_id),
                role: "customer".into(),
            });
        }
        for message in self.messages.get(conversation_id).into_iter().flatten() {
            let Some(id) = &message.sender_id else { continue };
            if !found.iter().any(|row| &row.user_id == id) {
                found.push(Participant { user_id: id.clone(), username: self.username(id), role: message.sender_type.clone() });
            }
        }
        Ok(found)
    }

    async fn services(&self, _now: DateTime<Utc>) -> Result<Vec<Service>, RecordsError> {
        self.asked()?;
        let mut found = self.services.clone();
        found.sort_by(|a, b| (&a.category, &a.code).cmp(&(&b.category, &b.code)));
        Ok(found)
    }

    async fn plan(&self, id: &str) -> Result<Option<Plan>, RecordsError> {
        self.asked()?;
        Ok(self.plans.lock().unwrap().iter().find(|plan| plan.id == id).cloned())
    }

    async fn save_plan(&self, plan: NewPlan) -> Result<Stored, RecordsError> {
        self.asked()?;
        let stored = self.stored("plan");
        self.plans.lock().unwrap().push(Plan {
            id: stored.id.clone(),
            customer_id: plan.customer_id,
            parent_id: plan.parent_id,
            status: "pending_physician_review".into(),
            body: plan.body,
            created_at: stored.created_at,
        });
        Ok(stored)
    }

    /// Every open conversation waits, since it was created.
    async fn claim(&self, new: NewClaim) -> Result<ClaimOutcome, RecordsError> {
        self.asked()?;
        let may = |user: &User| user.id == new.consultant_id && user.is_active && user.roles.iter().any(|role| role == "consultant");
        if !self.users.iter().any(may) {
            return Ok(ClaimOutcome::NotConsultant);
        }
        let named = |row: &&Conversation| match &new.target {
            ClaimTarget::Conversation(id) => &row.id == id,
            ClaimTarget::Customer(id) => &row.customer_id == id,
        };
        let Some(conversation) = self.conversations.iter().find(named) else {
            let known = |id: &String| self.users.iter().any(|user| &user.id == id);
            let exists = matches!(&new.target, ClaimTarget::Customer(id) if known(id));
            return Ok(if exists { ClaimOutcome::NotWaiting } else { ClaimOutcome::Unknown });
        };
        let mut claims = self.claims.lock().unwrap();
        if let Some(claim) = claims.iter().find(|claim| claim.conversation_id == conversation.id).cloned() {
            let own = claim.consultant_id == new.consultant_id;
            return Ok(if own { ClaimOutcome::Won(claim) } else { ClaimOutcome::Lost(claim) });
        }
        if conversation.status != "open" {
            return Ok(ClaimOutcome::NotWaiting);
        }
        let claim = Claim {
            consultant_id: new.consultant_id,
            customer_id: conversation.customer_id.clone(),
            conversation_id: conversation.id.clone(),
            waiting_since: conversation.created_at,
            claimed_at: new.now,
        };
        claims.push(claim.clone());
        Ok(ClaimOutcome::Won(claim))
    }
}

fn hit(user: &User, query: &str) -> Option<UserHit> {
    let texts = [Some(user.username.as_str()), user.email.as_deref(), user.phone.as_deref()];
    let score = texts.into_iter().flatten().filter_map(|text| match text {
        whole if whole == query => Some(1.0),
        prefix if prefix.starts_with(query) => Some(2.0 / 3.0),
        inner if inner.contains(query) => Some(1.0 / 3.0),
        _ => None,
    });
    let score = score.max_by(f64::total_cmp)?;
    Some(UserHit { user: user.clone(), score })
}

/// The time at which every test calls: 2026-05-20 10:00 UTC, 18:00 at the clinic.
pub(crate) fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 5, 20, 10, 0, 0).unwrap()
}

/// `days` before [`now`].
pub(crate) fn days_ago(days: i64) -> DateTime<Utc> {
    now() - Duration::days(days)
}

/// A customer account that registered `days` before [`now`].
pub(crate) fn customer_account(id: &str, username: &str, days: i64) -> User {
    User {
        id: id.into(),
        username: username.into(),
        email: Some(format!("{id}@example.com")),
        phone: Some("13812348888".into()),
        avatar: None,
        roles: vec!["customer".into()],
        is_active: true,
        registered_at: days_ago(days),
    }
}

/// Calls a tool as the daemon does: arguments checked against its input schema, the result against its output schema.
pub(crate) async fn call_with(tool: &Tool, records: &Memory, arguments: Value, config: Value) -> Result<Value, ToolError> {
    let valid = |schema: &Map<String, Value>, value: &Value, what: &str| {
        let validator = jsonschema::validator_for(&Value::Object(schema.clone())).unwrap();
        let problems: Vec<String> = validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(problems.is_empty(), "{} of {}: {problems:?}\n{value:#}", what, tool.name());
    };
    valid(&tool.definition.input_schema, &arguments, "arguments");
    let (Value::Object(arguments), Value::Object(config)) = (arguments, config) else {
        panic!("arguments and config are JSON objects");
    };
    let context = Context { records, now: now(), config: &config, progress: &NobodyAsked };
    let text = tool.call(arguments, &context).await?;
    let result: Value = serde_json::from_str(&text).unwrap();
    assert!(result.is_object(), "{text}");
    valid(&tool.definition.output_schema, &result, "result");
    Ok(result)
}

/// [`call_with`], with nothing switched on.
pub(crate) async fn call(tool: &Tool, records: &Memory, arguments: Value) -> Result<Value, ToolError> {
    call_with(tool, records, arguments, Value::Object(Map::new())).await
}

/// Whether `arguments` would pass the tool's input schema.
pub(crate) fn accepts(tool: &Tool, arguments: &Value) -> bool {
    jsonschema::is_valid(&Value::Object(tool.definition.input_schema.clone()), arguments)
}
