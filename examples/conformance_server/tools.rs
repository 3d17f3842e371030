//! The tools' definitions, in the order in which they are listed.

use rmcp::model::Tool;
use serde_json::{Value, json};

/// Every tool that is always there.
pub(crate) fn definitions() -> Vec<Tool> {
    [plain(), telling(), asking(), inputs(), tasks()].concat()
}

/// The tool that `test_trigger_tool_change` adds and takes away.
pub(crate) fn added() -> Tool {
    define("test_added_tool", "Is there after one call of test_trigger_tool_change, and gone after the next", nothing())
}

fn define(name: &'static str, description: &'static str, schema: Value) -> Tool {
    let schema = match schema {
        Value::Object(schema) => schema,
        _ => serde_json::Map::new(),
    };
    Tool::new(name, description, schema)
}

fn nothing() -> Value {
    json!({"type": "object", "properties": {}, "additionalProperties": false})
}

fn one_text(name: &str, description: &str) -> Value {
    json!({"type": "object", "properties": {name: {"type": "string", "description": description}}, "required": [name]})
}

fn plain() -> Vec<Tool> {
    vec![
        define("test_simple_text", "Answers one text", nothing()),
        define("test_image_content", "Answers an image", nothing()),
        define("test_audio_content", "Answers a sound", nothing()),
        define("test_embedded_resource", "Answers a resource", nothing()),
        define("test_multiple_content_types", "Answers a text, an image and a resource", nothing()),
        define("test_error_handling", "Always fails", nothing()),
        define("json_schema_2020_12_tool", "Tool with JSON Schema 2020-12 features", dialect()),
        define(
            "test_custom_header",
            "Has an argument that clients repeat in a header",
            json!({
                "type": "object",
                "properties": {"region": {"type": "string", "description": "Where to run", "x-mcp-header": "Region"}},
                "required": ["region"],
            }),
        ),
    ]
}

/// Keywords that a server must hand through as they are.
fn dialect() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
            },
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false,
    })
}

fn telling() -> Vec<Tool> {
    vec![
        define("test_tool_with_progress", "Reports 0, 50 and 100 of 100", nothing()),
        define("test_tool_with_logging", "Sends three log messages while it works", nothing()),
        define("test_logging_tool", "Sends a log message to whoever asked for them", nothing()),
        define("test_reconnection", "Takes a moment, so that its stream can be left and found again", nothing()),
        define("test_trigger_tool_change", "Changes the list of tools", nothing()),
        define("test_trigger_prompt_change", "Changes the list of prompts", nothing()),
        define("test_trigger_resource_change", "Changes test://watched-resource", nothing()),
    ]
}

fn asking() -> Vec<Tool> {
    vec![
        define("test_sampling", "Has the client's model answer a prompt", one_text("prompt", "What the model is asked")),
        define("test_elicitation", "Asks the user for a name and an address", one_text("message", "What the user reads")),
        define("test_elicitation_sep1034_defaults", "Asks the user with a default in every field", nothing()),
        define("test_elicitation_sep1330_enums", "Asks the user to choose, in every form of choice", nothing()),
        define("test_missing_capability", "Works only for clients that can sample", nothing()),
        define("test_streaming_elicitation", "Reports progress, then needs the user", nothing()),
    ]
}

fn inputs() -> Vec<Tool> {
    vec![
        define("test_input_required_result_elicitation", "Needs the user's name", nothing()),
        define("test_input_required_result_sampling", "Needs an answer of the client's model", nothing()),
        define("test_input_required_result_list_roots", "Needs the client's roots", nothing()),
        define("test_input_required_result_request_state", "Needs a confirmation and its state back", nothing()),
        define("test_input_required_result_multiple_inputs", "Needs three things at once", nothing()),
        define("test_input_required_result_multi_round", "Needs two answers, one after the other", nothing()),
        define("test_input_required_result_tampered_state", "Refuses a state that is not its own", nothing()),
        define("test_input_required_result_capabilities", "Needs only what the client can give", nothing()),
    ]
}

fn tasks() -> Vec<Tool> {
    let seconds = json!({
        "type": "object",
        "properties": {
            "seconds": {"type": "number", "minimum": 0, "description": "How long to work"},
            "label": {"type": "string", "description": "What to call the result"},
        },
    });
    vec![
        define("greet", "Greets at once, never as a task", one_text("name", "Whom to greet")),
        define("slow_compute", "Works for some seconds, as a task where the client knows tasks", seconds),
        define("failing_job", "Fails after a second; a task only", nothing()),
        define("protocol_error_job", "Breaks; a task only", nothing()),
        define("confirm_delete", "A task that asks before it goes on", one_text("filename", "What would be deleted")),
        define("multi_input", "A task that asks two things at once", nothing()),
        define("test_tool_with_task", "Needs the user's name, then goes on as a task", nothing()),
    ]
}
