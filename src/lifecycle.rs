//! Signals: the first one asks for a soft stop, the second ends the process at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code of a process that was interrupted by the user (128 + SIGINT).
pub const INTERRUPTED: i32 = 130;

/// Sent to a process that would write beyond its file size limit (Linux, every architecture Rust ships for but MIPS).
const SIGXFSZ: i32 = 25;

/// A file at the process's size limit is a full disk, not the end: with a handler the write fails, and is answered 503.
/// Without one the signal would kill the daemon in the midst of its work.
pub fn outlive_file_limits() -> std::io::Result<()> {
    // The handler stays for good; nobody needs to hear of it.
    signal(SignalKind::from_raw(SIGXFSZ)).map(drop)
}

/// Cancels `stop` at SIGTERM or SIGINT; a second signal ends the process without waiting.
#[expect(clippy::disallowed_methods, reason = "it listens as long as the process lives; nothing waits for it")]
pub fn stop_on_signals(stop: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        for again in [false, true] {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            if again {
                std::process::exit(INTERRUPTED);
            }
            tracing::info!("stopping; a second signal ends the process at once");
            stop.cancel();
        }
    });
    Ok(())
}
