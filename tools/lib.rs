//! The tools of anmei-mcp: what each is, what it does, and the ports it asks through.
//!
//! One folder per set, one file per tool. A tool is a struct of arguments whose doc comments become the schema's
//! texts, a definition, and an async `run`. Adding one is a file, a line in its set, and a snapshot.

mod clinic;
mod contact;
#[cfg(test)]
mod memory;
mod missing;
mod money;
pub mod port;
mod schema;
pub mod tool;
mod words;

pub mod consultation;
pub mod customer;
pub mod projects;
pub mod treatment;
pub mod user;

pub use port::{Context, Records};
pub use tool::{About, Definition, Effect, FormerName, NativeTool, Subject, Tool, ToolError};

/// Every tool of the crate, in a fixed order.
pub fn all() -> Vec<Tool> {
    [user::tools(), customer::tools(), consultation::tools(), treatment::tools(), projects::tools()].concat()
}
