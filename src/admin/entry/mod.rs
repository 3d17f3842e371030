//! Who gets into the panel and the API.
//!
//! ```text
//! extract   what a handler is given: the calls, once it is known who asks and that they may
//! ```

mod extract;

pub(in crate::admin) use self::extract::{Administrator, BodyReader, Operator, Reader};
