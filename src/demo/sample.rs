//! Sample data.
use chrono::{DateTime, Utc};
use crate::store::import::Record;
/// Generates.
pub fn generate(_now: DateTime<Utc>) -> Vec<Record> { Vec::new() }
