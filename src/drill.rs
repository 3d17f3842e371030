//! Points at which a drill kills this process, to prove that nothing is lost there. Idle in ordinary operation.

use std::sync::OnceLock;

static KILL_AT: OnceLock<String> = OnceLock::new();

/// Names the point at which this process is to die. The first call counts.
pub fn arm(point: String) {
    let _second = KILL_AT.set(point);
}

/// A moment worth dying at: `<step>.<moment>`.
#[inline]
pub fn point(name: &str) {
    if KILL_AT.get().is_some_and(|armed| armed == name) {
        // SIGABRT runs no destructor and flushes nothing, like a kill from outside.
        std::process::abort();
    }
}
