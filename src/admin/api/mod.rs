//! The REST API, `/api/v1`: thin handlers over the calls, one file per subject.

pub mod frame;
