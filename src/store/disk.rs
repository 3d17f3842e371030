//! The disk under the database: its room, and what the files take of it.

use std::{fs, path::Path};

use super::Store;

/// The disk of the data directory, and the files on it, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// All of it.
    pub total: u64,
    /// What this user may still write.
    pub free: u64,
    /// The database.
    pub database: u64,
    /// Its write-ahead log.
    pub wal: u64,
}

impl Store {
    /// Bytes that this user may still write to the disk of the data directory.
    pub fn free_bytes(&self) -> std::io::Result<u64> {
        self.disk().map(|disk| disk.free)
    }

    /// The disk and the files.
    pub fn disk(&self) -> std::io::Result<Disk> {
        let path = self.path();
        let directory = path.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let disk = rustix::fs::statvfs(directory)?;
        let length = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
        Ok(Disk {
            total: disk.f_blocks.saturating_mul(disk.f_frsize),
            free: disk.f_bavail.saturating_mul(disk.f_frsize),
            database: length(path),
            wal: length(Path::new(&format!("{}-wal", path.display()))),
        })
    }
}
