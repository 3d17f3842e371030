//! The room that is left on the disk under the database.

use std::path::Path;

use super::Store;

impl Store {
    /// Bytes that this user may still write to the disk of the data directory.
    pub fn free_bytes(&self) -> std::io::Result<u64> {
        let directory = self.path().parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let disk = rustix::fs::statvfs(directory)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}
