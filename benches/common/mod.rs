//! What the benchmarks share: an installation of ours, load on it, and figures with their goals.

pub(crate) mod client;
pub(crate) mod figures;
pub(crate) mod histogram;
mod http;
pub(crate) mod process;
pub(crate) mod request;
pub(crate) mod site;
