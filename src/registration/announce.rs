//! The bodies of events for other systems, after Standard Webhooks: type, timestamp, data.

use serde_json::{Value, json};

use crate::{
    clock::{Clock, rfc3339},
    ids::new_id,
    store::{events::OutgoingEvent, registrations::Registration},
};

/// Makes events, or none while nobody receives them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Announcer {
    /// Whether a receiver is configured.
    pub(super) on: bool,
}

impl Announcer {
    /// An event of `kind` about the run, with `more` beside the ids that every event has.
    pub(super) fn event(self, clock: &dyn Clock, run: &Registration, kind: &'static str, more: Value) -> Option<OutgoingEvent> {
        if !self.on {
            return None;
        }
        let mut data = json!({
            "registration_id": run.id,
            "user_id": run.profile.user_id,
            "conversation_id": run.conversation_id,
        });
        if let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) {
            data.extend(more);
        }
        Some(OutgoingEvent {
            id: format!("msg_{}", new_id(clock)),
            job_id: new_id(clock),
            kind,
            subject_id: run.id.clone(),
            payload: json!({"type": kind, "timestamp": rfc3339(clock.now_ms()), "data": data}),
        })
    }
}
