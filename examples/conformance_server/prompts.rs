//! The prompts, and completion of their arguments.

use rmcp::{
    ErrorData,
    model::{
        CompleteRequestParams, CompletionInfo, ContentBlock, GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Reference,
        Role,
    },
};
use serde_json::Value;

use super::{content, resources::TEMPLATE};

/// What `arg1` may be completed to.
const WORDS: [&str; 5] = ["paris", "park", "party", "test", "testing"];

/// Every prompt that is always there.
pub(crate) fn definitions() -> Vec<Prompt> {
    vec![
        prompt("test_simple_prompt", "One message", &[]),
        prompt("test_prompt_with_arguments", "A message with two arguments in it", &["arg1", "arg2"]),
        prompt("test_prompt_with_embedded_resource", "A message with a resource in it", &["resourceUri"]),
        prompt("test_prompt_with_image", "A message with an image in it", &[]),
        prompt("test_input_required_result_prompt", "Needs to know the context first", &[]),
    ]
}

/// The prompt that `test_trigger_prompt_change` adds and takes away.
pub(crate) fn added() -> Prompt {
    prompt("test_added_prompt", "Is there after one call of test_trigger_prompt_change, and gone after the next", &[])
}

fn prompt(name: &str, description: &str, arguments: &[&str]) -> Prompt {
    let argument = |name: &&str| PromptArgument::new(*name).with_description(format!("The value of {name}")).with_required(true);
    let arguments: Vec<_> = arguments.iter().map(argument).collect();
    Prompt::new(name, Some(description), Some(arguments).filter(|list| !list.is_empty()))
}

/// Whether a prompt needs something from the client first.
pub(crate) fn needs_input(name: &str) -> bool {
    name == "test_input_required_result_prompt"
}

/// The messages of a prompt that needs nothing but its arguments.
pub(crate) fn get(name: &str, arguments: Option<&JsonObject>) -> Result<GetPromptResult, ErrorData> {
    let argument = |name: &str| {
        let value = arguments.and_then(|all| all.get(name)).and_then(Value::as_str);
        value.ok_or_else(|| ErrorData::invalid_params(format!("the argument {name} is missing"), None))
    };
    let messages = match name {
        "test_simple_prompt" => vec![user("This is a simple prompt for testing.")],
        "test_prompt_with_arguments" => {
            vec![user(format!("Prompt with arguments: arg1='{}', arg2='{}'", argument("arg1")?, argument("arg2")?))]
        }
        "test_prompt_with_embedded_resource" => {
            let resource = content::embedded(argument("resourceUri")?, "text/plain", "Embedded resource content for testing.");
            vec![PromptMessage::new(Role::User, resource), user("Please process the embedded resource above.")]
        }
        "test_prompt_with_image" => {
            let image = ContentBlock::image(content::PNG, "image/png");
            vec![PromptMessage::new(Role::User, image), user("Please analyze the image above.")]
        }
        "test_added_prompt" => vec![user("This prompt was added.")],
        _ => return Err(ErrorData::invalid_params(format!("there is no prompt {name}"), None)),
    };
    Ok(GetPromptResult::new(messages))
}

/// A message of the user.
pub(crate) fn user(text: impl Into<String>) -> PromptMessage {
    PromptMessage::new_text(Role::User, text)
}

/// What an argument may be completed to.
pub(crate) fn complete(request: &CompleteRequestParams) -> Result<CompletionInfo, ErrorData> {
    let words: &[&str] = match &request.r#ref {
        Reference::Prompt(of) if of.name == "test_prompt_with_arguments" => &WORDS,
        Reference::Prompt(of) if definitions().iter().any(|known| known.name == of.name) => &[],
        Reference::Resource(of) if of.uri == TEMPLATE => &["1", "12", "123"],
        _ => return Err(ErrorData::invalid_params("there is nothing to complete: no such prompt or template", None)),
    };
    let fitting = words.iter().filter(|word| word.starts_with(&request.argument.value)).map(|&word| word.to_owned());
    CompletionInfo::with_all_values(fitting.collect()).map_err(|error| ErrorData::internal_error(error, None))
}
