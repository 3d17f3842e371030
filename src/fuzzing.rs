//! What the fuzz targets call: the readers of whatever a stranger, or an operator in a hurry, may write.
//!
//! Each takes the bytes and checks what must hold of any input; a breach is a panic, which the fuzzer reports. Built with
//! the feature `fuzzing` only.

use std::sync::OnceLock;

use serde_json::Value;

pub use crate::{
    config::fuzzing::configuration,
    mcp::fuzzing::{message, session},
};
use crate::{
    dispatch::{Catalogue, arguments},
    gate::oauth::{
        params::Params,
        redirect::{self, RedirectRules},
        registration, scope,
    },
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

/// What a stranger may send to the authorization server: a line of parameters, a redirect address that is registered,
/// one that is asked for, and the body of a registration.
pub fn oauth(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut parts = text.splitn(4, '\n');
    let mut next = || parts.next().unwrap_or_default();
    let (params, registered, asked, body) = (Params::read(next()), next(), next(), next());
    if let Ok(wanted) = scope::parse(params.get("scope")) {
        assert!(wanted.group.is_none_or(|code| !code.is_empty()), "a group has a code");
    }
    let rules = RedirectRules::default();
    if redirect::acceptable(registered, &rules).is_ok() && redirect::matches(registered, asked) && registered != asked {
        assert!(redirect::is_loopback(registered) && redirect::is_loopback(asked), "only on the user's machine may anything differ");
        assert_eq!(redirect::acceptable(asked, &rules), Ok(()), "what matches could have been registered");
    }
    if let Ok(client) = registration::read(body.as_bytes(), &rules) {
        for uri in &client.redirect_uris {
            assert_eq!(redirect::acceptable(uri, &rules), Ok(()), "what is registered is acceptable");
        }
    }
}
