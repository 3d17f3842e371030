//! What came of a call, in rmcp's words: a result, or a protocol error for a tool that is not offered.
//!
//! A note for callers who work from an old list goes two ways: into `_meta` for programs, and as a text block of its own
//! behind the result, because hosts show models the content and nothing else.

use rmcp::{
    ErrorData,
    model::{CallToolResult, ContentBlock, ErrorCode, MetaObject},
};
use serde_json::Value;

use super::backend::Busy;
use crate::dispatch::{Note, Outcome};

/// Where `_meta` says what is old about the caller's list.
pub(super) const NOTE: &str = "anmei-smart/oldList";

/// The result of a call, with what the revision wants in `_meta`.
pub(super) fn call_result(outcome: Outcome, meta: Option<MetaObject>) -> Result<CallToolResult, ErrorData> {
    let (outcome, note) = outcome.and_note();
    let mut result = match outcome {
        Outcome::Answer(json) => {
            let value: Value = serde_json::from_str(&json).map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
            let mut result = CallToolResult::success(vec![ContentBlock::text(json)]);
            result.structured_content = Some(value);
            result
        }
        Outcome::Failed(text) => CallToolResult::error(vec![ContentBlock::text(text)]),
        Outcome::UnknownTool(text) => return Err(ErrorData::invalid_params(text, None)),
        Outcome::Limited(exceeded) => {
            let busy = Busy::from(&*exceeded);
            return Err(ErrorData::new(ErrorCode(busy.code), busy.message, Some(busy.data)));
        }
        Outcome::Noted(..) => return Err(ErrorData::internal_error("a result has one note", None)),
    };
    let mut meta = meta;
    if let Some(note) = note {
        meta.get_or_insert_default().0.insert(NOTE.into(), for_programs(&note));
        result.content.push(ContentBlock::text(note.text));
    }
    Ok(result.with_meta(meta))
}

/// The note without its words.
pub(super) fn for_programs(note: &Note) -> Value {
    let mut value = serde_json::to_value(note).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.remove("text");
    }
    value
}
