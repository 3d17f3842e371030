//! What the fuzz targets call: the readers of whatever a stranger, or an operator in a hurry, may write.
//!
//! Each takes the bytes and checks what must hold of any input; a breach is a panic, which the fuzzer reports. Built with
//! the feature `fuzzing` only.

use std::sync::OnceLock;

use serde_json::Value;

use crate::dispatch::{Catalogue, arguments};
pub use crate::{
    config::fuzzing::configuration,
    mcp::fuzzing::{message, session},
};

/// The arguments of a call: the first byte chooses the tool, the rest is what the client sent for it.
pub fn tool_arguments(data: &[u8]) {
    static CATALOGUE: OnceLock<Option<Catalogue>> = OnceLock::new();
    let Some(catalogue) = CATALOGUE.get_or_init(|| Catalogue::new(anmei_mcp_tools::all()).ok()) else { return };
    let Some((first, rest)) = data.split_first() else { return };
    let Some(known) = catalogue.known().get(usize::from(*first) % catalogue.known().len().max(1)) else { return };
    let Ok(Value::Object(given)) = serde_json::from_slice(rest) else { return };
    match arguments::prepare(known, Some(given)) {
        Ok(arguments) => assert!(known.validator.is_valid(&Value::Object(arguments)), "what was let through is not valid"),
        Err(unfit) => assert!(unfit.text.contains(known.tool.name()), "the complaint names the tool"),
    }
}
