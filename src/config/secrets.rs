//! Secrets in the configuration: read as text, shown as `***`, and taken only from files that others cannot read.

use std::{fs, io, path::Path};

use crate::secret::SecretText;

/// How a secret is shown.
pub(super) const HIDDEN: &str = "***";

/// A secret from its text.
pub(super) fn from_text(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}

/// A field that holds a secret or nothing.
pub(super) mod optional {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{HIDDEN, SecretText, from_text};

    #[expect(clippy::ref_option, reason = "serde hands the field's own type")]
    pub(in super::super) fn serialize<S: Serializer>(secret: &Option<SecretText>, to: S) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(|_| HIDDEN).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SecretText>, D::Error> {
        Ok(Option::<String>::deserialize(from)?.map(|text| from_text(&text)))
    }
}

/// A field that holds any number of secrets.
pub(super) mod list {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{HIDDEN, SecretText, from_text};

    pub(in super::super) fn serialize<S: Serializer>(secrets: &[SecretText], to: S) -> Result<S::Ok, S::Error> {
        vec![HIDDEN; secrets.len()].serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<SecretText>, D::Error> {
        Ok(Vec::<String>::deserialize(from)?.iter().map(|text| from_text(text)).collect())
    }
}

/// Why a secret's file is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretFileError {
    #[error("cannot read {path}: {source}")]
    Unreadable { path: String, source: io::Error },
    #[error("{path} can be read by everyone (mode {mode:04o}); run `chmod 600 {path}`")]
    Exposed { path: String, mode: u32 },
    #[error("{path} is empty")]
    Empty { path: String },
}

/// The trimmed text of a secret's file. A file that everyone can read is refused.
pub(super) fn read(path: &Path) -> Result<String, SecretFileError> {
    let shown = path.display().to_string();
    let unreadable = |source| SecretFileError::Unreadable { path: shown.clone(), source };
    if let Some(mode) = exposed_mode(path).map_err(unreadable)? {
        return Err(SecretFileError::Exposed { path: shown, mode });
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    match text.trim() {
        "" => Err(SecretFileError::Empty { path: shown }),
        text => Ok(text.to_owned()),
    }
}

/// The mode of a file that everyone can read.
#[cfg(unix)]
pub(super) fn exposed_mode(path: &Path) -> io::Result<Option<u32>> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path)?.permissions().mode() & 0o7777;
    Ok((mode & 0o004 != 0).then_some(mode))
}

/// The mode of a file that everyone can read; not known on this system.
#[cfg(not(unix))]
pub(super) fn exposed_mode(path: &Path) -> io::Result<Option<u32>> {
    fs::metadata(path).map(|_| None)
}
