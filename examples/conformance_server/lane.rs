//! What stands behind the endpoint: the handler for every method, and the tools that the fast lane answers itself.

use std::sync::Arc;

use anmei_mcp::mcp::{Asked, Backend, CallAnswer, Listing};
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

use super::{
    about::{TTL_MS, meta},
    content,
    handler::Fixtures,
    world::World,
};

/// Whose arguments are repeated in headers, which rmcp compares.
const MIRRORED: &str = "test_custom_header";

/// The fixtures as an endpoint serves them.
pub(crate) struct FixtureBackend {
    world: Arc<World>,
    server_meta: Box<RawValue>,
}

impl FixtureBackend {
    pub(crate) fn new(world: Arc<World>) -> Result<Self, serde_json::Error> {
        Ok(Self { world, server_meta: to_raw_value(&meta())? })
    }
}

impl Backend for FixtureBackend {
    type Handler = Fixtures;

    fn handler(&self) -> Fixtures {
        Fixtures::new(Arc::clone(&self.world))
    }

    fn server_meta(&self) -> &RawValue {
        &self.server_meta
    }

    fn list_ttl_ms(&self) -> u64 {
        TTL_MS
    }

    fn list(&self, _: &Asked<'_>) -> Option<Arc<Listing>> {
        Some(Arc::new(Listing::new(self.world.tools())))
    }

    /// Whatever answers at once and without a word before: the rest needs a handler.
    fn takes(&self, _: &Asked<'_>, tool: &str) -> bool {
        tool != MIRRORED && content::call(tool, &Map::new()).is_some()
    }

    async fn call(&self, _: &Asked<'_>, tool: &str, arguments: Option<Map<String, Value>>) -> CallAnswer {
        let Some(mut result) = content::call(tool, &arguments.unwrap_or_default()) else {
            return CallAnswer::UnknownTool(format!("there is no tool {tool}"));
        };
        result.result_type = None;
        match to_raw_value(&result) {
            Ok(json) => CallAnswer::Result(json),
            Err(error) => CallAnswer::Error { code: -32603, message: format!("the result cannot be written: {error}") },
        }
    }
}
