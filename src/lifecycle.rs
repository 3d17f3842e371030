//! Signals: the first one asks for a soft stop, the second ends the process at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code of a process that was interrupted by the user (128 + SIGINT).
pub const INTERRUPTED: i32 = 130;

/// Makes a file-size limit an error of the write that met it, where by default it ends the process.
pub fn survive_file_size_limit() -> std::io::Result<()> {
    // A signal that is listened for has lost its default action for good; nobody needs to hear this one.
    signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).map(drop)
}

/// Makes room for `wanted` open files and sockets, as far as the system lets this process. The error says what is
/// missing, and how an operator gives it.
pub fn enough_files(wanted: u64) -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let granted = limit.maximum.map_or(wanted, |most| most.min(wanted));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(granted), maximum: limit.maximum });
    let now = if raised.is_ok() { granted } else { limit.current.unwrap_or(wanted) };
    if now >= wanted {
        return Ok(());
    }
    Err(format!(
        "this process may open {now} files, and http.max_connections on each listener needs {wanted}: raise the limit (`LimitNOFILE=` of the systemd unit, `ulimit -n`), or lower the setting"
    ))
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
