//! Tools that answer at once, whoever asks: every kind of content, an error, and two schemas. Both lanes answer them.

use rmcp::model::{CallToolResult, ContentBlock, JsonObject, ResourceContents};
use serde_json::Value;

/// One red pixel.
pub(crate) const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGO4YKAAAALUARU3N4eGAAAAAElFTkSuQmCC";
/// Half a millisecond of a buzz.
const WAV: &str = "UklGRigAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQQAAACAoIBg";

/// Answers the tool if it is one of these.
pub(crate) fn call(name: &str, arguments: &JsonObject) -> Option<CallToolResult> {
    let content = match name {
        "test_simple_text" => vec![ContentBlock::text("This is a simple text response for testing.")],
        "test_image_content" => vec![ContentBlock::image(PNG, "image/png")],
        "test_audio_content" => vec![ContentBlock::audio(WAV, "audio/wav")],
        "test_embedded_resource" => {
            vec![embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")]
        }
        "test_multiple_content_types" => vec![
            ContentBlock::text("Multiple content types test:"),
            ContentBlock::image(PNG, "image/png"),
            embedded("test://mixed-content-resource", "application/json", "{\"test\":\"data\",\"value\":123}"),
        ],
        "test_error_handling" => return Some(failed("This tool intentionally returns an error for testing")),
        "json_schema_2020_12_tool" => {
            vec![ContentBlock::text(format!("JSON Schema 2020-12 tool called with {}", Value::Object(arguments.clone())))]
        }
        "test_custom_header" => return Some(region(arguments)),
        "greet" => return Some(greet(arguments)),
        _ => return None,
    };
    Some(CallToolResult::success(content))
}

/// A resource inside a message.
pub(crate) fn embedded(uri: &str, mime: &str, text: &str) -> ContentBlock {
    ContentBlock::resource(ResourceContents::text(text, uri).with_mime_type(mime))
}

/// A tool's answer in one text.
pub(crate) fn said(text: impl Into<String>) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

/// A tool's own error.
pub(crate) fn failed(text: impl Into<String>) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(text)])
}

/// An argument that is a text.
pub(crate) fn text<'a>(arguments: &'a JsonObject, name: &str) -> Option<&'a str> {
    arguments.get(name).and_then(Value::as_str)
}

fn region(arguments: &JsonObject) -> CallToolResult {
    match text(arguments, "region") {
        Some(region) => said(format!("The region is {region}.")),
        None => failed("`region` is missing: say it in the arguments and in the header Mcp-Param-Region"),
    }
}

fn greet(arguments: &JsonObject) -> CallToolResult {
    match text(arguments, "name") {
        Some(name) => said(format!("Hello, {name}!")),
        None => failed("`name` is missing: whom shall I greet?"),
    }
}
