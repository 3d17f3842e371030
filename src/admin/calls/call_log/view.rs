//! Calls as they are shown: redacted, and with the names of their groups and keys.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    clock::rfc3339,
    dispatch::{redacted_request, redacted_response},
    store::call_log_read::{CallNames, LoggedCall},
};

/// A group, as a call names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CallGroup {
    /// Its id.
    pub id: String,
    /// Its server code; none once it was deleted.
    pub code: Option<String>,
    /// Its name; none once it was deleted.
    pub name: Option<String>,
}

/// A key, as a call names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CallKey {
    /// Its id.
    pub id: String,
    /// Its name; none once it was forgotten.
    pub name: Option<String>,
    /// Its last four characters; none once it was forgotten.
    pub hint: Option<String>,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CallView {
    /// UUID v7 of the call.
    pub call_id: String,
    /// Its number in the log: calls are numbered as they end.
    pub number: i64,
    /// When it arrived.
    pub at: String,
    /// Group asked for; none when a stranger knocked.
    pub group: Option<CallGroup>,
    /// Tool asked for; empty when the request was refused before one was named.
    pub tool: String,
    /// Whether the tool answered with a result.
    pub success: bool,
    /// How it ended.
    pub outcome: String,
    /// Why not, as the caller was told.
    pub error: Option<String>,
    /// Time it took, in milliseconds.
    pub duration_ms: i64,
    /// Key used; none for stdio, the command line, tokens and strangers.
    pub key: Option<CallKey>,
    /// Name and version of the client.
    pub client: Option<String>,
    /// Id the caller gives itself.
    pub app_id: Option<String>,
    /// Registration whose subject it was about.
    pub registration_id: Option<String>,
    /// By which door it came.
    pub channel: String,
    /// Revision of the protocol.
    pub protocol: String,
}

/// A page of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CallsListed {
    /// The calls, newest first. May be fewer than asked for, or none, although there is a next page.
    pub items: Vec<CallView>,
    /// Where the next page begins; none at the end of the log.
    pub next_cursor: Option<String>,
    /// Set when the page ended early, because enough was read for it: calls were looked through back to this time.
    pub scanned_until: Option<String>,
}

/// A call with its arguments and result, redacted.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CallDetail {
    /// The call.
    #[serde(flatten)]
    pub call: CallView,
    /// Its arguments: ids, numbers and switches; other text is replaced by its length.
    pub request: Option<Value>,
    /// The size of its result.
    pub response: Option<Value>,
    /// What the log holds of them: `full`, `redacted` (no more than is shown here) or `nothing`, as `call_log.bodies` was
    /// when the call was made.
    pub kept: Kept,
}

/// What the log holds of arguments and result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kept {
    /// More than everybody is shown.
    Full,
    /// No more than everybody is shown.
    Redacted,
    /// Nothing.
    Nothing,
}

/// Arguments and result of a call, as the log holds them.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CallBodies {
    /// UUID v7 of the call.
    pub call_id: String,
    /// Its arguments.
    pub request: Option<Value>,
    /// Its result.
    pub response: Option<Value>,
    /// What the log holds of them. `redacted`: there is no more than everybody is shown.
    pub kept: Kept,
}

/// What a filter of the log may be chosen from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallChoices {
    /// Groups: code and name.
    pub groups: Vec<(String, String)>,
    /// Tools that a group has.
    pub tools: Vec<String>,
    /// Keys: id, and the name with its group.
    pub keys: Vec<(String, String)>,
    /// How calls end.
    pub outcomes: &'static [&'static str],
}

/// What came since the last batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CallBatch {
    /// The calls, in the order they ended.
    pub items: Vec<CallView>,
    /// Calls that are not among them, because more came than a batch takes.
    pub left_out: i64,
    /// The number of the last call that was looked at.
    #[serde(skip)]
    pub seen: i64,
}

pub(super) fn view(call: &LoggedCall, names: &CallNames) -> CallView {
    let group = call.group_id.as_ref().map(|id| {
        let known = names.groups.get(id).cloned();
        CallGroup { id: id.clone(), code: known.as_ref().map(|(code, _)| code.clone()), name: known.map(|(_, name)| name) }
    });
    let key = call.key_id.as_ref().map(|id| {
        let known = names.keys.get(id).cloned();
        CallKey { id: id.clone(), name: known.as_ref().map(|(name, _)| name.clone()), hint: known.map(|(_, hint)| hint) }
    });
    CallView {
        call_id: call.call_id.clone(),
        number: call.id,
        at: rfc3339(call.created_at),
        group,
        tool: call.tool_name.clone(),
        success: call.success,
        outcome: call.outcome.clone(),
        error: call.error_message.clone(),
        duration_ms: call.duration_ms,
        key,
        client: call.client_name.clone(),
        app_id: call.app_id.clone(),
        registration_id: call.registration_id.clone(),
        channel: call.channel.clone(),
        protocol: call.protocol.clone(),
    }
}

/// Arguments and result as everybody may see them.
pub(in crate::admin::calls) fn redacted(call: &LoggedCall) -> (Option<Value>, Option<Value>) {
    (call.request_data.as_deref().and_then(redacted_request), call.response_data.as_deref().and_then(redacted_response))
}

pub(super) fn kept(call: &LoggedCall) -> Kept {
    let (request, response) = redacted(call);
    match (&call.request_data, &call.response_data) {
        (None, None) => Kept::Nothing,
        (stored_request, stored_response) if parsed(stored_request.clone()) == request && parsed(stored_response.clone()) == response => {
            Kept::Redacted
        }
        _ => Kept::Full,
    }
}

pub(super) fn parsed(stored: Option<String>) -> Option<Value> {
    stored.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
