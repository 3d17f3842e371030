//! The file itself: where it is, which form it has, and whether it is text at all.

use std::{io::Read, path::Path};

use super::{Format, complaints::Complaints};
use crate::cli::{Fault, exit};

/// Largest file that is read. It is held in memory, with its records.
const LARGEST: u64 = 512 << 20;

/// Whether the file stands for stdin.
fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

/// What messages call the file.
pub(super) fn label(file: &Path) -> String {
    if is_stdin(file) {
        return "stdin".into();
    }
    file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
}

/// The form that was asked for, else the one that the name says.
pub(super) fn format_of(file: &Path, asked: Option<Format>) -> anyhow::Result<Format> {
    if let Some(format) = asked {
        return Ok(format);
    }
    let extension = file.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        Some("csv") => Ok(Format::Csv),
        Some("jsonl" | "ndjson") => Ok(Format::Jsonl),
        _ if is_stdin(file) => {
            Err(Fault::new(exit::USAGE, "stdin has no name that says its form; add --format csv or --format jsonl").into())
        }
        _ => {
            let text = format!("{} does not end in .csv, .jsonl or .ndjson; rename it, or add --format csv or --format jsonl", label(file));
            Err(Fault::new(exit::USAGE, text).into())
        }
    }
}

/// The bytes of the file.
pub(super) fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = if is_stdin(file) {
        std::io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| {
        let code = if error.kind() == std::io::ErrorKind::NotFound { exit::NOT_FOUND } else { exit::FAILURE };
        Fault::new(code, format!("cannot read {}: {error}", file.display()))
    })?;
    if bytes.len() as u64 > LARGEST {
        let text = format!("{} is larger than {} MiB; split it and import the parts one after the other", label(file), LARGEST >> 20);
        return Err(Fault::new(exit::FAILURE, text).into());
    }
    Ok(bytes)
}

/// The text of the file, without a byte order mark.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Complaints> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Complaints::one(1, "the file is UTF-16; save it as UTF-8"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = good.split(|byte| *byte == b'\n').count() as u64;
        Complaints::one(line, "the text is not UTF-8; save the file as UTF-8 (GBK and GB18030, as some spreadsheets write, are not read)")
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}
