//! Points at which a drill kills this process, to prove that nothing is lost there. Idle in ordinary operation.
//!
//! A point stands just before an effect becomes durable, or just after: whatever is durable at that moment is all that
//! the next start has. `anmei-mcp drill crash` arms each in turn and counts; a point that is never reached fails it.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

/// Every point there is, in the order a registration meets them.
pub const POINTS: [&str; 21] = [
    "accept.before_commit",
    "accept.after_commit",
    "open_conversation.before_commit",
    "open_conversation.after_commit",
    "compose_welcome.before_ask",
    "compose_welcome.after_ask",
    "compose_welcome.after_commit",
    "deliver_welcome.before_commit",
    "deliver_welcome.after_commit",
    "notify_consultants.before_commit",
    "notify_consultants.after_commit",
    "finish.before_commit",
    "finish.after_commit",
    "event.before_send",
    "event.after_send",
    "event.after_commit",
    "push.before_send",
    "push.after_send",
    "push.after_commit",
    "late_answer.before_commit",
    "late_answer.after_commit",
];

static ARMED: OnceLock<Armed> = OnceLock::new();

/// Where to die, and how many passes are left until then.
#[derive(Debug)]
pub struct Armed {
    point: &'static str,
    left: AtomicU32,
}

/// Why a text names no point.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPoint {
    /// There is none of this name.
    #[error("there is no point `{0}` to die at; there are: {all}", all = POINTS.join(", "))]
    Unknown(String),
    /// The number of the pass is none.
    #[error("`{0}` is no number of a pass: give 1 or more, such as finish.after_commit:2")]
    Pass(String),
}

impl Armed {
    /// Reads `point` or `point:n`, which dies at the n-th pass.
    pub fn parse(text: &str) -> Result<Self, BadPoint> {
        let (name, pass) = text.split_once(':').unwrap_or((text, "1"));
        let point = POINTS.into_iter().find(|point| *point == name).ok_or_else(|| BadPoint::Unknown(name.to_owned()))?;
        match pass.parse() {
            Ok(left @ 1..) => Ok(Self { point, left: AtomicU32::new(left) }),
            _ => Err(BadPoint::Pass(pass.to_owned())),
        }
    }

    /// Whether this pass is the last one.
    fn passes(&self, name: &str) -> bool {
        self.point == name && self.left.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

/// Decides where this process is to die. The first call counts.
pub fn arm(armed: Armed) {
    let _second = ARMED.set(armed);
}

/// A moment worth dying at: one of [`POINTS`].
#[inline]
pub fn point(name: &str) {
    debug_assert!(POINTS.contains(&name), "{name} is not one of drill::POINTS");
    if ARMED.get().is_some_and(|armed| armed.passes(name)) {
        // SIGABRT runs no destructor and flushes nothing, like a kill from outside.
        std::process::abort();
    }
}

/// What arms [`relax`] in place of a point.
pub const RELAXED: &str = "synchronous.normal";

static RELAXED_SYNC: OnceLock<()> = OnceLock::new();

/// From now on commits do not wait for the disk. A power-loss drill needs a daemon that loses something, to prove that it
/// would see a loss. Call it before the database is opened.
pub fn relax() {
    RELAXED_SYNC.get_or_init(|| ());
}

/// SQLite's `synchronous` for the writer.
pub fn synchronous() -> &'static str {
    if RELAXED_SYNC.get().is_some() { "NORMAL" } else { "FULL" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_armed_by_name_and_pass() {
        let armed = Armed::parse("finish.after_commit:3").unwrap();
        let passes: Vec<_> = (0..4).map(|_| armed.passes("finish.after_commit")).collect();
        assert_eq!(passes, [false, false, true, false], "the third pass, and no other");
        assert!(!armed.passes("finish.before_commit"));
        assert!(Armed::parse("event.before_send").unwrap().passes("event.before_send"));
        assert_eq!(Armed::parse("nowhere").unwrap_err(), BadPoint::Unknown("nowhere".into()));
        for text in ["event.before_send:0", "event.before_send:", "event.before_send:x"] {
            assert!(matches!(Armed::parse(text), Err(BadPoint::Pass(_))), "{text}");
        }
    }

    #[test]
    fn a_point_that_is_not_armed_is_passed() {
        for name in POINTS {
            point(name);
        }
    }
}
