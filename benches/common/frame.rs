//! How a benchmark begins and ends: whether it was meant, a folder on a real disk, and its exit code.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// Runs the benchmark `name` when it is `meant`, which `cargo bench` says and `cargo test` does not.
pub(crate) fn run(name: &str, meant: bool, measure: impl FnOnce() -> Result<ExitCode>) -> ExitCode {
    if !meant {
        eprintln!("not measured: run it with `cargo bench --bench {name}`, or with --bench");
        return ExitCode::SUCCESS;
    }
    measure().unwrap_or_else(|error| {
        eprintln!("the benchmark could not run: {error:#}");
        ExitCode::FAILURE
    })
}

/// The exit code of a benchmark with goals.
pub(crate) fn met(every_goal: bool) -> ExitCode {
    if every_goal { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Where figures are written, and below it a folder for the run of the benchmark `name`.
pub(crate) fn folders(name: &str) -> Result<(PathBuf, TempDir)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let scratch = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(&folder)?;
    Ok((folder, scratch))
}
