//! Who this server says it is, and what a request says of its client.

use rmcp::{
    RoleServer,
    model::{ClientCapabilities, Implementation, InputRequiredResult, MetaObject, ProtocolVersion},
    service::RequestContext,
};
use serde_json::json;

/// How long a client may keep a list, in milliseconds.
pub(crate) const TTL_MS: u64 = 5000;

/// The server's name and version.
pub(crate) fn implementation() -> Implementation {
    Implementation::new("anmei-mcp conformance fixtures", env!("CARGO_PKG_VERSION"))
}

/// `_meta` of results: the server's name.
pub(crate) fn meta() -> MetaObject {
    let mut meta = MetaObject::default();
    meta.0.insert("io.modelcontextprotocol/serverInfo".into(), json!(implementation()));
    meta
}

/// The same, for a request of the revision that asks for it.
pub(crate) fn server_meta(ctx: &RequestContext<RoleServer>) -> Option<MetaObject> {
    modern(ctx).then(meta)
}

/// What the client of this request can do.
pub(crate) fn capabilities(ctx: &RequestContext<RoleServer>) -> Option<ClientCapabilities> {
    ctx.client_capabilities()
}

/// An input-required result with the server's name.
pub(crate) fn named(mut result: InputRequiredResult, ctx: &RequestContext<RoleServer>) -> InputRequiredResult {
    result.meta = server_meta(ctx);
    result
}

/// Whether a request is of the revision that has no handshake.
pub(crate) fn modern(ctx: &RequestContext<RoleServer>) -> bool {
    ctx.protocol_version().is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}
