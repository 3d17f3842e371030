//! A tool is data plus a function: what clients see of it, and what it does.
//!
//! Tools are listed explicitly in their set; nothing registers itself. Names are for ever.

use std::{future::Future, pin::Pin, time::Duration};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    port::{Context, RecordsError},
    schema,
};

/// What a tool says of itself.
#[derive(Debug, Clone)]
pub struct About {
    /// Wire name, `snake_case`.
    pub name: &'static str,
    /// Short title for people, Chinese then English.
    pub title: &'static str,
    /// What it does and when to use it, Chinese then English.
    pub description: &'static str,
    /// The set it belongs to.
    pub category: &'static str,
    /// Version of its definition.
    pub version: &'static str,
    /// What it does to the world.
    pub effect: Effect,
    /// Default limit of one call.
    pub timeout: Duration,
    /// Arguments that are accepted, as JSON text: shown in errors and documentation.
    pub example: &'static str,
    /// Switches that `config_data` understands, with their meaning.
    pub config: &'static [(&'static str, &'static str)],
}

/// What calling a tool does to the world; becomes the MCP annotations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Reads only: any number of calls changes nothing.
    Reads,
    /// Adds rows, changes and removes none.
    Adds,
    /// Brings something into the state asked for and removes nothing: the same call again changes nothing more.
    Changes,
}

/// Whose data a tool can reach. Decides whether a group that is bound to subjects may offer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Anybody's: it searches, or starts from an id that is no person's. Not offered where callers see one person only.
    Anybody,
    /// Nobody's: what it reads is about no person.
    Nobody,
    /// The person whose user id is this argument: its name, after those of the objects around it.
    Named(&'static [&'static str]),
}

/// A name that a tool had before. Clients that hold an old list go on calling it; until the sunset they are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormerName {
    /// The old wire name.
    pub name: &'static str,
    /// When it was renamed: milliseconds since 1970.
    pub since_ms: i64,
    /// From when on the old name is refused: milliseconds since 1970.
    pub until_ms: i64,
}

/// The full definition: what is said plus the schemas derived from the types.
#[derive(Debug, Clone)]
pub struct Definition {
    /// What the tool says of itself.
    pub about: About,
    /// Whose data it can reach.
    pub subject: Subject,
    /// Whether one call may take so long that clients want a task, and to be told how far it is.
    pub long: bool,
    /// Names it had before.
    pub former_names: &'static [FormerName],
    /// JSON Schema (2020-12) of the arguments: inlined, portable keywords only.
    pub input_schema: Map<String, Value>,
    /// JSON Schema (2020-12) of the result.
    pub output_schema: Map<String, Value>,
    /// [`About::example`], parsed.
    pub example: Value,
}

/// Why a tool has no result. The text is written for the model that called it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ToolError {
    /// An argument is well-formed and still not usable.
    #[error("argument `{field}`: {why}")]
    Argument {
        /// Its name.
        field: String,
        /// What is wrong and what would be accepted.
        why: String,
    },
    /// The thing asked for does not exist.
    #[error("{0}")]
    NotFound(String),
    /// Something the tool needs is not there at the moment.
    #[error("{reason}; try again in {} s", retry_after.as_secs().max(1))]
    Unavailable {
        /// What is missing.
        reason: String,
        /// When it is worth another try.
        retry_after: Duration,
    },
    /// The tool itself failed.
    #[error("{0}")]
    Internal(String),
}

impl From<RecordsError> for ToolError {
    fn from(error: RecordsError) -> Self {
        match error {
            RecordsError::Unavailable(_) => Self::Unavailable { reason: error.to_string(), retry_after: Duration::from_secs(1) },
            RecordsError::Corrupt(why) => Self::Internal(why),
            RecordsError::OutOfScope => Self::NotFound(error.to_string()),
        }
    }
}

/// A tool written in Rust: the implementing type is its arguments.
#[async_trait]
pub trait NativeTool: DeserializeOwned + JsonSchema + Send + 'static {
    /// Its result. Always a JSON object: older clients know nothing else.
    type Output: Serialize + JsonSchema + Send;
    /// Whose data it can reach. A tool that does not say is taken to reach anybody's.
    const SUBJECT: Subject = Subject::Anybody;
    /// Whether one call may take long. Such a tool reports how far it is ([`Context::report`]).
    const LONG: bool = false;
    /// Names it had before, each with the day from which it is refused.
    const FORMER_NAMES: &'static [FormerName] = &[];
    /// What it says of itself.
    fn about() -> About;
    /// Does the work.
    async fn run(self, ctx: &Context<'_>) -> Result<Self::Output, ToolError>;
}

/// The future of one call: the result as JSON text, serialised once.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<String, ToolError>> + Send + 'a>>;

/// A tool with its type erased.
#[derive(Debug, Clone)]
pub struct Tool {
    /// What clients see.
    pub definition: Definition,
    run: for<'a> fn(Map<String, Value>, &'a Context<'a>) -> Running<'a>,
}

impl Tool {
    /// Wraps a native tool.
    pub fn native<T: NativeTool>() -> Self {
        let about = T::about();
        Self {
            definition: Definition {
                subject: T::SUBJECT,
                long: T::LONG,
                former_names: T::FORMER_NAMES,
                input_schema: schema::input::<T>(),
                output_schema: schema::output::<T::Output>(),
                // A test parses every example; a broken one shows as null there.
                example: serde_json::from_str(about.example).unwrap_or(Value::Null),
                about,
            },
            run: run_native::<T>,
        }
    }

    /// Its wire name.
    pub fn name(&self) -> &'static str {
        self.definition.about.name
    }

    /// Calls it. `arguments` have been validated against the input schema.
    pub fn call<'a>(&self, arguments: Map<String, Value>, ctx: &'a Context<'a>) -> Running<'a> {
        (self.run)(arguments, ctx)
    }
}

fn run_native<'a, T: NativeTool>(arguments: Map<String, Value>, ctx: &'a Context<'a>) -> Running<'a> {
    Box::pin(async move {
        let tool: T = serde_json::from_value(Value::Object(arguments))
            .map_err(|error| ToolError::Argument { field: "arguments".into(), why: error.to_string() })?;
        let output = tool.run(ctx).await?;
        serde_json::to_string(&output).map_err(|error| ToolError::Internal(format!("the result cannot be written as JSON: {error}")))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::Subject;

    fn properties(schema: &Value) -> Option<&Map<String, Value>> {
        schema.get("properties")?.as_object()
    }

    /// Paths of the arguments that hold a person's id, at any depth.
    fn people(schema: &Value, path: &[String], found: &mut Vec<Vec<String>>) {
        for (name, inner) in properties(schema).into_iter().flatten() {
            let path = [path, std::slice::from_ref(name)].concat();
            if name == "user_id" || name == "customer_id" {
                found.push(path.clone());
            }
            people(inner, &path, found);
        }
    }

    #[test]
    fn a_tool_that_asks_for_a_person_says_where() {
        // Kept out of scoped groups on purpose, although it names a customer.
        for tool in crate::all().into_iter().filter(|tool| tool.name() != "claim_customer") {
            let mut found = Vec::new();
            people(&Value::Object(tool.definition.input_schema.clone()), &[], &mut found);
            let said: Vec<Vec<String>> = match tool.definition.subject {
                Subject::Named(path) => vec![path.iter().map(|&name| name.to_owned()).collect()],
                Subject::Anybody | Subject::Nobody => Vec::new(),
            };
            assert_eq!(found, said, "{}: declare SUBJECT", tool.name());
        }
    }

    #[test]
    fn a_former_name_is_nobodys_present_name_and_has_a_sunset() {
        let tools = crate::all();
        for tool in &tools {
            for former in tool.definition.former_names {
                assert!(tools.iter().all(|other| other.name() != former.name), "{} is a tool", former.name);
                assert!(former.since_ms < former.until_ms, "{}", former.name);
            }
        }
    }

    #[test]
    fn tools_that_search_or_start_from_other_ids_reach_anybody() {
        for tool in crate::all() {
            let anybody = ["search_users", "optimize_plan", "claim_customer"].contains(&tool.name());
            assert!(!anybody || tool.definition.subject == Subject::Anybody, "{}", tool.name());
        }
    }
}
