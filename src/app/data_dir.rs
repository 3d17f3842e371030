//! The data directory: made 0700, its secrets 0600, locked by the one daemon that works on it.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::secret::SecretText;

/// A command that asks whether a daemon runs holds the lock for an instant: a start outwaits it.
const PASSING: Duration = Duration::from_millis(250);

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Something in it cannot be made, read or written.
    #[error("cannot {what} {path}: {why}. Choose another directory with --data-dir, or give this user the right to it")]
    Unusable {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// Another daemon works on it.
    #[error("another anmei-mcp serve works on {path} already. Stop it, or give this one another --data-dir")]
    Busy {
        /// The directory.
        path: PathBuf,
    },
    /// Others may read a secret.
    #[error("the secret file {path} can be read by other users (mode {mode:o}). Run: chmod 600 {path}")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

/// Where a running daemon can be reached; written when it is ready, removed when it stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFile {
    /// Its process id.
    pub pid: u32,
    /// Root of the MCP listener.
    pub mcp: String,
    /// Root of the hook's listener.
    pub hook: String,
    /// Root of the listener for live connections.
    pub live: String,
    /// Root of the panel and the admin API; none when they are switched off.
    #[serde(default)]
    pub admin: Option<String>,
}

/// The directory.
#[derive(Debug, Clone)]
pub struct DataDir {
    path: PathBuf,
}

impl DataDir {
    /// Uses `path`, making it if it is not there.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|why| unusable("make the directory", path, why))?;
        Ok(Self { path: path.to_owned() })
    }

    /// The database file.
    pub fn database(&self) -> PathBuf {
        self.path.join("anmei-mcp.sqlite3")
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the lock of the one daemon. It is held until the file is dropped, however the process ends.
    pub fn lock(&self) -> Result<File, DataDirError> {
        let until = Instant::now() + PASSING;
        loop {
            match self.try_lock() {
                Err(DataDirError::Busy { .. }) if Instant::now() < until => std::thread::sleep(PASSING / 10),
                taken => return taken,
            }
        }
    }

    /// Whether a daemon works on the directory at this moment.
    pub fn is_served(&self) -> bool {
        matches!(self.try_lock(), Err(DataDirError::Busy { .. }))
    }

    fn try_lock(&self) -> Result<File, DataDirError> {
        let path = self.path.join("serve.lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|why| unusable("open the lock", &path, why))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => Err(DataDirError::Busy { path: self.path.clone() }),
            Err(fs::TryLockError::Error(why)) => Err(unusable("lock", &path, why)),
        }
    }

    /// The secret in the file `path`, making it with `make` if the file is not there. True when it was made.
    pub fn secret<E: From<DataDirError>>(path: &Path, make: impl FnOnce() -> Result<SecretText, E>) -> Result<(SecretText, bool), E> {
        if let Some(found) = read_secret(path)? {
            return Ok((found, false));
        }
        let secret = make()?;
        match write_new(path, secret.expose()) {
            Ok(()) => Ok((secret, true)),
            // Another process was faster: its secret counts.
            Err(error) => read_secret(path)?.map(|found| (found, false)).ok_or_else(|| error.into()),
        }
    }

    /// Writes a secret into a file of the directory that only its owner reads, in the place of what was there.
    pub fn put_secret(&self, name: &str, secret: &SecretText) -> Result<PathBuf, DataDirError> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(unusable("replace", &path, why)),
            _ => write_new(&path, secret.expose()).map(|()| path),
        }
    }

    /// Writes where this daemon can be reached.
    pub fn write_run_file(&self, run: &RunFile) -> Result<(), DataDirError> {
        let path = self.run_file();
        let half = path.with_extension("json.new");
        let text = serde_json::to_vec_pretty(run).unwrap_or_default();
        fs::write(&half, text).and_then(|()| fs::rename(&half, &path)).map_err(|why| unusable("write", &path, why))
    }

    /// Where a running daemon can be reached; none when none runs.
    pub fn read_run_file(&self) -> Option<RunFile> {
        let text = fs::read(self.run_file()).ok()?;
        let run: RunFile = serde_json::from_slice(&text).ok()?;
        // A killed daemon leaves the file behind, and the lock free.
        self.is_served().then_some(run)
    }

    /// Removes the file.
    pub fn remove_run_file(&self) {
        if let Err(error) = fs::remove_file(self.run_file()) {
            tracing::debug!(%error, "the run file was gone already");
        }
    }

    fn run_file(&self) -> PathBuf {
        self.path.join("run.json")
    }
}

fn read_secret(path: &Path) -> Result<Option<SecretText>, DataDirError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(unusable("read", path, why)),
    };
    let mode = file.metadata().map_err(|why| unusable("read", path, why))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(DataDirError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|why| unusable("read", path, why))?;
    Ok(Some(SecretText::new(text.trim())))
}

fn write_new(path: &Path, text: &str) -> Result<(), DataDirError> {
    let fail = |why| unusable("make", path, why);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(fail)?;
    file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n")).and_then(|()| file.sync_all()).map_err(fail)
}

fn unusable(what: &'static str, path: &Path, why: std::io::Error) -> DataDirError {
    DataDirError::Unusable { what, path: path.to_owned(), why }
}
