//! Another party's identities: JWTs of a configured issuer as bearers on the MCP URLs.
//!
//! A token is believed when its signature is that of a key the issuer lists, for the algorithm of that key, and when it
//! names this issuer, this server as its audience, and a time that is now. It opens the groups that a claim of it is mapped
//! to, each under its own URL, and nothing else: no role, no account and no other group follows from it. What is not signed
//! by the issuer is a stranger's, and hears what every stranger hears.
//!
//! ```text
//! doors      which bearer is asked about where
//! external   the issuer's tokens
//! claims     values of a claim that may lie deep
//! ```

mod claims;
mod doors;
mod external;

pub use self::{
    doors::Doors,
    external::{External, ExternalSettings},
};
