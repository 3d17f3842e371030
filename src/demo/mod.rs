//! What the demonstration and the tests bring along: sample data, and stand-ins for Dify and for the app.

pub mod sample;
pub mod stand_in_app;
pub mod stand_in_dify;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A lock whose holder cannot leave a half-made value: a panic elsewhere is no reason to stop here.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
