//! How much of a model's attention a group's list of tools takes.
//!
//! The bytes are those of the array that `tools/list` answers. The tokens are an estimate that needs no model's
//! vocabulary: four ASCII characters make one, and every other character (Chinese, for the most part) is one of its own.
//! Real tokenizers differ from it by about a quarter either way, so it compares groups well and bills nobody.

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::{
    admin::calls::{CallError, Calls},
    dispatch::{Hints, Offer},
};

/// The size of a group's `tools/list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ListSize {
    /// Tools in it.
    pub tools: usize,
    /// Bytes of the array of tools.
    pub bytes: usize,
    /// Estimated tokens: one for four ASCII characters, one for every other character.
    pub estimated_tokens: usize,
}

impl Calls {
    /// The size of what a group's `tools/list` answers.
    pub fn list_size(&self, code: &str) -> Result<ListSize, CallError> {
        let group = self.group_policy(code)?;
        let offers = self.dispatch.catalogue().offers_of(&group);
        let tools: Vec<Value> = offers.iter().map(|offer| listed(offer)).collect();
        let text = Value::Array(tools).to_string();
        Ok(ListSize { tools: offers.iter().len(), bytes: text.len(), estimated_tokens: estimated_tokens(&text) })
    }
}

/// Tokens of a text, as they are estimated here.
pub fn estimated_tokens(text: &str) -> usize {
    let ascii = text.bytes().filter(u8::is_ascii).count();
    ascii.div_ceil(4) + text.chars().filter(|c| !c.is_ascii()).count()
}

/// A tool as `tools/list` shows it.
fn listed(offer: &Offer) -> Value {
    let definition = &offer.known.tool.definition;
    let hints = Hints::of(definition);
    let annotations = json!({
        "readOnlyHint": hints.read_only, "destructiveHint": hints.destructive, "idempotentHint": hints.idempotent, "openWorldHint": hints.open_world,
    });
    Value::Object(Map::from_iter([
        ("name".to_owned(), definition.about.name.into()),
        ("title".to_owned(), definition.about.title.into()),
        ("description".to_owned(), offer.description.clone().into()),
        ("inputSchema".to_owned(), Value::Object(definition.input_schema.clone())),
        ("outputSchema".to_owned(), Value::Object(definition.output_schema.clone())),
        ("annotations".to_owned(), annotations),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_ascii_characters_are_a_token_and_so_is_each_other_one() {
        assert_eq!(estimated_tokens(""), 0);
        assert_eq!(estimated_tokens("abcd"), 1);
        assert_eq!(estimated_tokens("abcde"), 2);
        assert_eq!(estimated_tokens("查询用户 abc"), 5);
    }
}
