//! What the benchmarks share: their beginning and end, an installation of ours, its users, load on it, and figures with their goals.

pub(crate) mod client;
pub(crate) mod figures;
pub(crate) mod frame;
pub(crate) mod histogram;
pub(crate) mod http;
pub(crate) mod measure;
pub(crate) mod people;
pub(crate) mod process;
pub(crate) mod request;
pub(crate) mod site;
