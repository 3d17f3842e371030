//! NDJSON in, an answer for each line out: read as it comes, in bounded memory, each group of lines durable before it
//! is answered.
//!
//! Nothing is read while a group is being stored, so that whoever sends faster than the disk writes is held back by
//! TCP, and whoever goes away loses only what was not answered.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    body::{Body, BodyDataStream, Bytes},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use http::{StatusCode, header};
use serde_json::{Map, Value, json};

use crate::problem::Problem;

/// Most lines in one commit: few enough that a single registration beside them does not wait.
const GROUP: usize = 256;

/// One line that is not blank.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its place in the body, from 1; blank lines count.
    pub(super) number: u64,
    /// Its bytes; none when it was too long to be kept.
    pub(super) bytes: Option<Vec<u8>>,
}

impl Line {
    pub(super) fn text(&self, max: usize) -> Result<&[u8], Problem> {
        let too_long = || {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "too-large", format!("The line is longer than {max} bytes (`hook.max_body`)."))
        };
        self.bytes.as_deref().ok_or_else(too_long)
    }
}

/// Answers lines.
pub(super) trait Desk: Send + Sync + 'static {
    /// One answer for each line, in their order.
    fn answer(&self, lines: Vec<Line>) -> impl Future<Output = Vec<Value>> + Send;
}

/// The answer to a line that was taken.
pub(super) fn taken(number: u64, status: StatusCode, fields: Map<String, Value>) -> Value {
    let mut answer = Map::from_iter([("line".to_owned(), json!(number)), ("status".to_owned(), json!(status.as_u16()))]);
    answer.extend(fields);
    Value::Object(answer)
}

/// The answer to a line that was refused. Whatever is wrong with a line itself is 422.
pub(super) fn refused(number: u64, problem: &Problem) -> Value {
    let status = match problem.status_code() {
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => StatusCode::UNPROCESSABLE_ENTITY,
        other => other,
    };
    let mut fields = Map::from_iter([("error".to_owned(), json!(problem.detail))]);
    if !problem.errors.is_empty() {
        fields.insert("errors".to_owned(), json!(problem.errors));
    }
    taken(number, status, fields)
}

/// Lines of at most `max` bytes, from a body that may pause for `silence`.
pub(super) struct Lines {
    body: BodyDataStream,
    splitter: Splitter,
    waiting: VecDeque<Line>,
    silence: Duration,
    is_over: bool,
}

impl Lines {
    pub(super) fn new(body: Body, max: usize, silence: Duration) -> Self {
        Self {
            body: body.into_data_stream(),
            splitter: Splitter { max, number: 0, partial: Vec::new(), is_too_long: false },
            waiting: VecDeque::new(),
            silence,
            is_over: false,
        }
    }

    /// The answers of `desk`, as a response that grows while the lines come.
    pub(super) fn answered_by(self, desk: impl Desk) -> Response {
        let answers = stream::unfold((self, desk), |(mut lines, desk)| async move {
            let text = lines.next(&desk).await?;
            Some((Ok::<_, Infallible>(text), (lines, desk)))
        });
        ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(answers)).into_response()
    }

    async fn next(&mut self, desk: &impl Desk) -> Option<Bytes> {
        loop {
            if !self.waiting.is_empty() {
                let group = self.waiting.drain(..self.waiting.len().min(GROUP)).collect();
                return Some(text(&desk.answer(group).await));
            }
            if self.is_over {
                return None;
            }
            if let Some(last) = self.read().await {
                return Some(text(&[last]));
            }
        }
    }

    /// Reads on. Returns the last answer when nothing came for too long.
    async fn read(&mut self) -> Option<Value> {
        match tokio::time::timeout(self.silence, self.body.next()).await {
            Ok(Some(Ok(chunk))) => self.splitter.push(&chunk, &mut self.waiting),
            Ok(None) => {
                self.is_over = true;
                self.splitter.end(&mut self.waiting);
            }
            // The sender went away: the line that was cut is nobody's.
            Ok(Some(Err(_))) => self.is_over = true,
            Err(_) => {
                self.is_over = true;
                let why = format!("Nothing came for {} s. Send the lines from this one on again.", self.silence.as_secs());
                let problem = Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", why);
                return Some(refused(self.splitter.number + 1, &problem));
            }
        }
        None
    }
}

fn text(answers: &[Value]) -> Bytes {
    let lines: Vec<String> = answers.iter().map(Value::to_string).chain([String::new()]).collect();
    lines.join("\n").into()
}

/// Cuts a body into lines.
struct Splitter {
    max: usize,
    number: u64,
    partial: Vec<u8>,
    is_too_long: bool,
}

impl Splitter {
    fn push(&mut self, chunk: &[u8], lines: &mut VecDeque<Line>) {
        let mut parts = chunk.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = parts.next() {
            self.extend(part);
            // The last part is a line only once its end has come.
            if parts.peek().is_some() {
                self.end(lines);
            }
        }
    }

    fn extend(&mut self, part: &[u8]) {
        // The carriage return of a line that is just long enough is cut off later.
        if self.partial.len() + part.len() > self.max + 1 {
            self.is_too_long = true;
            self.partial = Vec::new();
        }
        if !self.is_too_long {
            self.partial.extend_from_slice(part);
        }
    }

    fn end(&mut self, lines: &mut VecDeque<Line>) {
        self.number += 1;
        let line = std::mem::take(&mut self.partial);
        let is_too_long = std::mem::take(&mut self.is_too_long);
        let trimmed = line.trim_ascii();
        if is_too_long || trimmed.len() > self.max {
            lines.push_back(Line { number: self.number, bytes: None });
        } else if !trimmed.is_empty() {
            lines.push_back(Line { number: self.number, bytes: Some(trimmed.to_vec()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(chunks: &[&str], max: usize) -> Vec<(u64, Option<String>)> {
        let mut splitter = Splitter { max, number: 0, partial: Vec::new(), is_too_long: false };
        let mut lines = VecDeque::new();
        for chunk in chunks {
            splitter.push(chunk.as_bytes(), &mut lines);
        }
        splitter.end(&mut lines);
        lines.into_iter().map(|line| (line.number, line.bytes.map(|bytes| String::from_utf8(bytes).unwrap()))).collect()
    }

    #[test]
    fn lines_are_the_same_however_the_body_is_cut() {
        let body = "one\r\n\n  \ntwo three\nfour";
        let expected: Vec<_> = [(1, "one"), (4, "two three"), (5, "four")].map(|(n, text)| (n, Some(text.to_owned()))).into();
        assert_eq!(split(&[body], 20), expected);
        for at in 0..body.len() {
            assert_eq!(split(&[&body[..at], &body[at..]], 20), expected, "{at}");
        }
        let bytes: Vec<&str> = body.split("").collect();
        assert_eq!(split(&bytes, 20), expected);
    }

    #[test]
    fn a_line_that_is_too_long_is_not_kept_and_the_next_is() {
        let long = "x".repeat(100);
        let expected = vec![(1, None), (2, Some("12345".to_owned())), (3, None), (4, Some("ok".into()))];
        assert_eq!(split(&[&long, &long, "\n12345\r\n123456\nok\n"], 5), expected);
    }
}
