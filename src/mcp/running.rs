//! Requests of one session that are being answered, so that the client can cancel one by its id.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::envelope::Envelope;

/// What is running.
#[derive(Debug, Clone, Default)]
pub(super) struct Running(Arc<Mutex<HashMap<String, CancellationToken>>>);

/// One request while it runs.
#[derive(Debug)]
pub(super) struct Ticket {
    running: Running,
    id: String,
    /// Cancelled when the client no longer wants the answer.
    pub(super) cancelled: CancellationToken,
}

impl Running {
    /// A request with this id begins.
    pub(super) fn begin(&self, id: &RawValue) -> Ticket {
        let (id, cancelled) = (id.get().to_owned(), CancellationToken::new());
        self.lock().insert(id.clone(), cancelled.clone());
        Ticket { running: self.clone(), id, cancelled }
    }

    /// Cancels what a `notifications/cancelled` names; anything else is no business of ours.
    pub(super) fn hear(&self, notification: &Envelope<'_>) {
        #[derive(Deserialize)]
        struct Params<'a> {
            #[serde(borrow, rename = "requestId")]
            id: &'a RawValue,
        }
        if notification.method.as_deref() != Some("notifications/cancelled") {
            return;
        }
        let Some(Ok(params)) = notification.params.map(|params| serde_json::from_str::<Params<'_>>(params.get())) else { return };
        if let Some(cancelled) = self.lock().get(params.id.get()) {
            cancelled.cancel();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.running.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(running: &Running, text: &str) {
        running.hear(&Envelope::read(text).unwrap().0);
    }

    #[test]
    fn a_request_is_cancelled_by_its_own_id_only() {
        let running = Running::default();
        let id = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let (number, text) = (running.begin(&id("7")), running.begin(&id("\"7\"")));
        hear(&running, r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"requestId":7}}"#);
        hear(&running, r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#);
        hear(&running, r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":8}}"#);
        assert!(!number.cancelled.is_cancelled() && !text.cancelled.is_cancelled());
        hear(&running, r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"7","reason":"user"}}"#);
        assert!(!number.cancelled.is_cancelled() && text.cancelled.is_cancelled());
        drop((number, text));
        assert!(running.lock().is_empty());
    }
}
