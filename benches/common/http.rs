//! As much of HTTP/1.1 as a load generator has to read: one response, with a length or in chunks.

use std::borrow::Cow;

use anyhow::{Context, Result, bail};

/// Longest response that is read.
pub(crate) const LONGEST: usize = 1 << 20;

/// One whole response.
pub(crate) struct Response<'a> {
    pub(crate) status: u16,
    pub(crate) body: Cow<'a, [u8]>,
    /// The server will close the connection.
    pub(crate) close: bool,
}

impl Response<'_> {
    /// The start of the body, for an error message.
    pub(crate) fn excerpt(&self) -> String {
        let shown = self.body.get(..400).unwrap_or(&self.body);
        String::from_utf8_lossy(shown).into_owned()
    }
}

enum Framing {
    Length(usize),
    Chunked,
}

struct Head {
    status: u16,
    framing: Framing,
    close: bool,
    length: usize,
}

/// The response that `bytes` begins with, or `None` while it is incomplete.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Response<'_>>> {
    if bytes.len() > LONGEST {
        bail!("a response of more than {LONGEST} bytes");
    }
    let Some(head) = head(bytes)? else { return Ok(None) };
    let rest = bytes.get(head.length..).unwrap_or_default();
    let body = match head.framing {
        Framing::Length(length) if rest.len() > length => bail!("{} bytes after the response", rest.len() - length),
        Framing::Length(length) => (rest.len() == length).then_some(Cow::Borrowed(rest)),
        Framing::Chunked => chunks(rest)?.map(Cow::Owned),
    };
    Ok(body.map(|body| Response { status: head.status, body, close: head.close }))
}

fn head(bytes: &[u8]) -> Result<Option<Head>> {
    let mut head = Head { status: 0, framing: Framing::Length(0), close: false, length: 0 };
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(text) = line.strip_suffix(b"\r\n") else { return Ok(None) };
        head.length += line.len();
        if text.is_empty() {
            return Ok(Some(head));
        }
        if head.status == 0 {
            head.status = status(text)?;
        } else {
            field(&mut head, text)?;
        }
    }
    Ok(None)
}

fn status(line: &[u8]) -> Result<u16> {
    let code = line.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
    let code = code.and_then(|code| str::from_utf8(code).ok()).and_then(|code| code.parse().ok());
    code.with_context(|| format!("no HTTP/1.1 status line: {}", String::from_utf8_lossy(line)))
}

fn field(head: &mut Head, line: &[u8]) -> Result<()> {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return Ok(()) };
    let (name, value) = line.split_at(colon);
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    if name.eq_ignore_ascii_case(b"content-length") {
        let length = str::from_utf8(value).ok().and_then(|value| value.parse().ok());
        head.framing = Framing::Length(length.context("a Content-Length that is no number")?);
    } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
        head.framing = Framing::Chunked;
    } else if name.eq_ignore_ascii_case(b"connection") {
        head.close = value.eq_ignore_ascii_case(b"close");
    }
    Ok(())
}

/// The chunks joined, or `None` while the last one is missing.
fn chunks(mut rest: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let (line, after) = rest.split_at(end + 1);
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let digits = str::from_utf8(digits).unwrap_or_default();
        let size = usize::from_str_radix(digits, 16).with_context(|| format!("`{digits}` is no chunk size"))?;
        let Some((chunk, after)) = size.checked_add(2).and_then(|size| after.split_at_checked(size)) else { return Ok(None) };
        body.extend_from_slice(chunk.get(..size).unwrap_or_default());
        if size == 0 {
            return Ok(Some(body));
        }
        rest = after;
    }
}
