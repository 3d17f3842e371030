//! The file on disk: read, changed, backed up, replaced as a whole.
//!
//! Nothing is written when nothing would change or when the file cannot be read; what is replaced stays beside it under
//! a name with the time. A new file is readable by its owner alone, since it may hold a key; one that is there keeps
//! its mode. A link is followed: the file behind it is what the host reads, and it stays a link.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    keep::keep,
    merge::{MergeError, merge},
    pieces::FilePiece,
};

/// Why a file was not written. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// It could not be read or written.
    #[error("cannot {what} {path}: {why}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// Its contents cannot be changed without losing something.
    #[error("{path}: {why}. Nothing was changed; correct the file, or put the entries in by hand", path = .path.display())]
    Contents {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: MergeError,
    },
    /// There are placeholders only, and no keys in the file that could stay.
    #[error(
        "the keys of {names} cannot be shown, and {path} holds none that could stay. Nothing was changed; name one group with --group, and give its key in ANMEI_MCP_API_KEY (without --key)", names = .names.join(", "), path = .path.display()
    )]
    NoKeys {
        /// The file.
        path: PathBuf,
        /// The entries.
        names: Vec<String>,
    },
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Installed {
    /// The file.
    pub path: PathBuf,
    /// Whether anything changed.
    pub changed: bool,
    /// What was there before.
    pub backup: Option<PathBuf>,
    /// Whether others on this machine may read it.
    pub exposed: bool,
    /// Entries whose keys are those that stood there, because no others are known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<String>,
}

/// Puts the entries into the file at `path`; `stamp` names the back-up. A key that stands there stays where the entry has one of
/// `placeholders` for it.
pub fn install(path: &Path, piece: &FilePiece, placeholders: &[String], stamp: &str) -> Result<Installed, InstallError> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let before = read(&path)?;
    let wrong = |why| InstallError::Contents { path: path.clone(), why };
    let text = before.as_deref().unwrap_or_default();
    let known = keep(text, piece, placeholders).map_err(wrong)?;
    if !known.without.is_empty() {
        return Err(InstallError::NoKeys { path, names: known.without });
    }
    let after = merge(text, &FilePiece { format: piece.format, puts: known.puts }).map_err(wrong)?;
    let kept = known.stay;
    if before.as_ref() == Some(&after) {
        return Ok(Installed { changed: false, backup: None, exposed: is_exposed(&path), path, kept });
    }
    let backup = match &before {
        None => {
            let folder = path.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(folder).map_err(|why| fail("make the directory", folder, why))?;
            None
        }
        Some(_) => Some(back_up(&path, stamp)?),
    };
    replace(&path, &after)?;
    Ok(Installed { changed: true, backup, exposed: is_exposed(&path), path, kept })
}

fn read(path: &Path) -> Result<Option<String>, InstallError> {
    match fs::read(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(fail("read", path, why)),
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|error| {
            let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let line = good.split(|byte| *byte == b'\n').count();
            let column = good.rsplit(|byte| *byte == b'\n').next().map_or(1, |line| line.len() + 1);
            InstallError::Contents { path: path.to_owned(), why: MergeError::Syntax { line, column, why: "it is not UTF-8".into() } }
        }),
    }
}

/// A copy beside the file. A second one in the same second gets a number.
fn back_up(path: &Path, stamp: &str) -> Result<PathBuf, InstallError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let candidates = (0..100).map(|n| if n == 0 { format!("{name}.{stamp}.bak") } else { format!("{name}.{stamp}-{n}.bak") });
    let mut candidates = candidates.map(|name| path.with_file_name(name));
    let free = candidates.find(|candidate| !candidate.exists()).unwrap_or_else(|| path.with_extension("bak"));
    fs::copy(path, &free).map_err(|why| fail("keep a copy as", &free, why))?;
    Ok(free)
}

/// Writes beside the file, then takes its place.
fn replace(path: &Path, text: &str) -> Result<(), InstallError> {
    let mode = fs::metadata(path).map(|file| file.permissions()).ok();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = (|| {
        let mut file = private(&beside)?;
        file.write_all(text.as_bytes())?;
        if let Some(mode) = mode {
            file.set_permissions(mode)?;
        }
        file.sync_all()?;
        drop(file);
        fs::rename(&beside, path)
    })();
    written.map_err(|why| {
        // What is left of it is of no use.
        let _removed = fs::remove_file(&beside);
        fail("write", path, why)
    })
}

#[cfg(unix)]
fn private(path: &Path) -> io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn private(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().write(true).create_new(true).open(path)
}

#[cfg(unix)]
fn is_exposed(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_exposed(_path: &Path) -> bool {
    false
}

fn fail(what: &'static str, path: &Path, why: io::Error) -> InstallError {
    InstallError::Io { what, path: path.to_owned(), why }
}
