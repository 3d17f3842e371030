//! Builds everything once and hands each folder only its parts.
//!
//! [`Core`] is what every verb shares: the database, the gate and the dispatch. [`serve`] adds listeners, the queue and
//! the automation, and takes the data directory's lock, so that one daemon works on it.

mod admin;
mod automation;
mod core;
mod data_dir;
mod external_idp;
mod first_start;
mod housekeeping;
mod keys;
mod limits;
mod listeners;
mod live;
mod oauth;
mod process;
mod scrape;
mod serve;
mod traces;
mod watching;

pub use self::{
    core::{Core, StartError},
    data_dir::{DataDir, DataDirError, RunFile},
    first_start::{NewKey, Setup},
    serve::{Daemon, Parts, serve, server_settings},
};

#[cfg(test)]
mod routes_tests;
