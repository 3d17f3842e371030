//! Signals: the first one asks for a soft stop, the second ends the process at once. And the way to begin anew in place.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

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

/// Whether the program is to begin anew once it has stopped: in the same process, with the same arguments and
/// environment. Whatever watches over the process sees none end and none begin. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Again {
    program: Option<PathBuf>,
    wanted: Arc<AtomicBool>,
}

impl Again {
    /// Of this program. Its path is asked for at the start: when its file is replaced meanwhile, the new one begins.
    pub fn here() -> io::Result<Self> {
        Ok(Self { program: Some(std::env::current_exe()?), wanted: Arc::default() })
    }

    /// Whether there is a program that could begin anew.
    pub fn is_possible(&self) -> bool {
        self.program.as_ref().is_some_and(|program| program.is_file())
    }

    /// Wishes for it: whoever stops the process softly then looks at [`Self::begin`].
    pub fn want(&self) {
        self.wanted.store(true, Ordering::SeqCst);
    }

    /// Whether somebody wishes for it.
    pub fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::SeqCst)
    }

    /// Begins anew, and returns only if the system does not let it. Files and sockets are closed by that, the lock of the
    /// data directory with them.
    pub fn begin(&self) -> io::Error {
        use std::os::unix::process::CommandExt;
        let Some(program) = &self.program else { return io::Error::other("this process has no program of its own") };
        let mut arguments = std::env::args_os();
        let mut command = std::process::Command::new(program);
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        command.args(arguments).exec()
    }
}

/// Cancels `stop` at SIGTERM or SIGINT; a second signal ends the process without waiting. Whoever sends one wants an end:
/// what was to begin `again` does not.
#[expect(clippy::disallowed_methods, reason = "it listens as long as the process lives; nothing waits for it")]
pub fn stop_on_signals(stop: CancellationToken, again: Again) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        for second in [false, true] {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            if second {
                std::process::exit(INTERRUPTED);
            }
            again.wanted.store(false, Ordering::SeqCst);
            tracing::info!("stopping; a second signal ends the process at once");
            stop.cancel();
        }
    });
    Ok(())
}
