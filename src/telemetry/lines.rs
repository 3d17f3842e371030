//! Log lines: always on stderr (stdout belongs to protocols and results), for people on a terminal, as JSON otherwise.
//!
//! Fields carry the same names everywhere: `group.code`, `tool.name`, `registration.id`, `user.id`, `duration_ms`.
//! Keys, message bodies, phones and e-mail addresses are never logged.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// In which form lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Starts logging. A filter that cannot be read is replaced by `info`, and said.
pub fn start(format: Format, filter: &str, colour: bool) {
    let terminal = std::io::stderr().is_terminal();
    let parsed = EnvFilter::try_new(filter);
    let bad = parsed.as_ref().err().map(ToString::to_string);
    let registry = tracing_subscriber::registry().with(parsed.unwrap_or_else(|_| EnvFilter::new("info")));
    let json = format == Format::Json || (format == Format::Auto && !terminal);
    let started = if json {
        registry.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init()
    } else {
        registry.with(fmt::layer().with_target(false).with_ansi(colour && terminal).with_writer(std::io::stderr)).try_init()
    };
    if started.is_err() {
        // A second start in the same process keeps the first one's.
        return;
    }
    if let Some(why) = bad {
        tracing::warn!(filter, why, "the log filter cannot be read; using `info`");
    }
    log_panics();
}

/// A caught panic is reported where it was caught; this adds the place, without a stack trace on anybody's screen.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
}
