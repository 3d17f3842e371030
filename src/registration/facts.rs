//! What an agent is told: facts, each in its own field. Contact data never leaves, and neither does the real user id.

use serde_json::{Map, Value, json};

use super::choice::segment;
use crate::{
    names::safe_name,
    store::{Store, StoreError, agents::Agent, registrations::Registration},
};

/// The facts there are, by the names under which an agent's inputs may ask for them.
pub const FACTS: [&str; 7] = ["user_id", "customer_id", "username", "is_new_user", "roles", "segment", "source"];

/// The inputs for `agent`: as its mapping says, or every fact under its own name.
pub(super) fn inputs(run: &Registration, subject: &str, agent: &Agent) -> Map<String, Value> {
    let facts = facts(run, subject);
    if agent.inputs.is_empty() {
        return facts;
    }
    let value = |wanted: &Value| match wanted {
        Value::String(fact) => facts.get(fact).cloned().unwrap_or_default(),
        Value::Object(constant) => constant.get("value").cloned().unwrap_or_default(),
        _ => Value::Null,
    };
    agent.inputs.iter().map(|(name, wanted)| (name.clone(), value(wanted))).collect()
}

fn facts(run: &Registration, subject: &str) -> Map<String, Value> {
    let profile = &run.profile;
    let facts = json!({
        "user_id": subject,
        "customer_id": subject,
        "username": safe_name(&profile.username),
        "is_new_user": "true",
        "roles": profile.roles.join(","),
        "segment": run.segment.as_deref().unwrap_or("new"),
        "source": "registration_automation",
    });
    match facts {
        Value::Object(facts) => facts,
        _ => Map::new(),
    }
}

/// What is on record about the customer, besides what this registration itself made.
pub(super) fn known(store: &Store, run: &Registration) -> Result<segment::Facts, StoreError> {
    let facts = store.known_facts(&run.profile.user_id)?;
    Ok(segment::Facts {
        username: run.profile.username.clone(),
        concerns: facts.concerns,
        consultations: usize::try_from(facts.consultations).unwrap_or_default(),
        conversations: usize::try_from(facts.conversations).unwrap_or_default(),
    })
}
