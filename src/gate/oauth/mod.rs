//! The rules of our OAuth 2.1 authorization server: who may ask for tokens, for what, and how long they last.
//!
//! ```text
//! base          under which address we are asked: issuer and resources      request       authorization requests
//! redirect      where answers may be sent                                   transaction   a request on the consent page
//! scope, pkce   what their parameters mean                                  grants        proof → code → tokens → next pair
//! registration  what clients say of themselves                              tokens        access tokens at the door
//! ```
//!
//! Tokens are opaque and kept as hashes: what is revoked is out at once, and there is no key to steal and no algorithm
//! to confuse. There is no implicit grant, no password grant, no PKCE by plain text. Nothing here speaks HTTP:
//! `src/oauth/` does.

pub mod base;
pub mod challenge;
mod exchange;
pub mod grants;
pub mod lifetimes;
pub mod limiter;
pub mod mint;
pub mod params;
pub mod pkce;
mod problem;
pub mod redirect;
pub mod registration;
pub mod request;
pub mod scope;
pub mod tokens;
pub mod transaction;

pub use problem::OauthError;
