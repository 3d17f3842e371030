//! Who gets in: host and origin, session or token, CSRF, and what every answer carries.
//!
//! ```text
//! layer       runs before every route: who is asking, and may a page of ours have sent it
//! forms       what a form carries against forgery
//! cookie      the browser's half of a session
//! headers     what every answer carries; pages of other origins
//! door        for the pages in front of it: sign-in, setup
//! extract     Reader, BodyReader, Operator, Administrator: the only ways to the data
//! repeat      requests that were sent twice
//! ```
//!
//! Architecture invariant: a handler reaches data through one of the extractors, so none can be asked by somebody whose
//! right was not looked at.

pub(in crate::admin) mod cookie;
mod door;
mod extract;
mod forms;
mod headers;
mod layer;
mod repeat;

pub(in crate::admin) use self::{
    door::Door,
    extract::{Administrator, BodyReader, Operator, Reader, is_panel},
    headers::carried,
    layer::guard,
    repeat::once,
};
