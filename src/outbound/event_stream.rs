//! From bytes to Server-Sent Events, with limits, for whoever reads a stream from outside.
//!
//! The idle timer stands below the parser and counts bytes, so that a stream of comments is alive. Bytes reach the parser
//! in small slices, because it copies what it has not read for every line, and without a byte order mark, because it
//! panics on one.
//!
//! It refuses an event or a run over its cap, and text that is not UTF-8. What an event means is the reader's business.

use std::{pin::Pin, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use eventsource_stream::{Event, EventStream, EventStreamError};
use futures_util::{Stream, StreamExt, stream::try_unfold};

/// What one run may send.
#[derive(Debug, Clone, Copy)]
pub(in crate::outbound) struct Limits {
    /// The longest time without a byte.
    pub(in crate::outbound) idle: Duration,
    /// The largest event.
    pub(in crate::outbound) event: usize,
    /// The largest run.
    pub(in crate::outbound) run: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { idle: Duration::from_secs(30), event: 256 * 1024, run: 4 * 1024 * 1024 }
    }
}

/// Why there are no more events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::outbound) enum StreamFault {
    /// The connection broke.
    Transport(String),
    /// Not one byte for this long.
    Idle(Duration),
    /// Too much: what, and its cap.
    TooLarge(&'static str, usize),
    /// Not what is spoken here.
    Malformed(String),
}

type Slices = Pin<Box<dyn Stream<Item = Result<Bytes, StreamFault>> + Send>>;

/// Reads events from bytes.
pub(in crate::outbound) struct EventSource {
    parsed: EventStream<Slices>,
}

impl EventSource {
    /// Reads from `source`, whose errors are texts.
    pub(in crate::outbound) fn new(source: impl Stream<Item = Result<Bytes, String>> + Send + 'static, limits: Limits) -> Self {
        let guard = Guard { source: Box::pin(source), limits, pending: Bytes::new(), run: 0, event: 0, at_line_start: true };
        let slices: Slices = Box::pin(try_unfold(guard, Guard::next_slice));
        Self { parsed: EventStream::new(slices) }
    }

    /// The next event; nothing at the end of the stream. Dropping the future loses nothing.
    pub(in crate::outbound) async fn next(&mut self) -> Result<Option<Event>, StreamFault> {
        match self.parsed.next().await {
            None => Ok(None),
            Some(Ok(event)) => Ok(Some(event)),
            Some(Err(EventStreamError::Transport(fault))) => Err(fault),
            Some(Err(EventStreamError::Utf8(_))) => Err(StreamFault::Malformed("its text is not UTF-8".into())),
            Some(Err(EventStreamError::Parser(_))) => Err(StreamFault::Malformed("it is no event stream".into())),
        }
    }
}

/// Counts what passes.
struct Guard {
    source: Pin<Box<dyn Stream<Item = Result<Bytes, String>> + Send>>,
    limits: Limits,
    pending: Bytes,
    run: usize,
    event: usize,
    at_line_start: bool,
}

impl Guard {
    const SLICE: usize = 4096;
    const BOM: &[u8] = "\u{feff}".as_bytes();

    async fn next_slice(mut self) -> Result<Option<(Bytes, Self)>, StreamFault> {
        if self.run == 0 {
            self.skip_bom().await?;
        }
        while self.pending.is_empty() {
            match self.receive().await? {
                Some(bytes) => self.pending = bytes,
                None => return Ok(None),
            }
        }
        // Bytes that are there already never make a task wait by themselves: without this a flood would hold the thread,
        // and the caller's deadline could not end it.
        tokio::task::coop::consume_budget().await;
        let slice = self.pending.split_to(self.pending.len().min(Self::SLICE));
        self.count(&slice)?;
        Ok(Some((slice, self)))
    }

    async fn receive(&mut self) -> Result<Option<Bytes>, StreamFault> {
        match tokio::time::timeout(self.limits.idle, self.source.next()).await {
            Err(_) => Err(StreamFault::Idle(self.limits.idle)),
            Ok(None) => Ok(None),
            Ok(Some(Err(why))) => Err(StreamFault::Transport(why)),
            Ok(Some(Ok(bytes))) => Ok(Some(bytes)),
        }
    }

    /// Takes byte order marks off the beginning, however it is split.
    async fn skip_bom(&mut self) -> Result<(), StreamFault> {
        loop {
            while self.pending.len() < Self::BOM.len() && Self::BOM.starts_with(&self.pending) {
                let Some(more) = self.receive().await? else { return Ok(()) };
                let mut joined = BytesMut::from(self.pending.as_ref());
                joined.extend_from_slice(&more);
                self.pending = joined.freeze();
            }
            if !self.pending.starts_with(Self::BOM) {
                return Ok(());
            }
            self.pending.advance(Self::BOM.len());
            self.run += Self::BOM.len();
            if self.run > self.limits.run {
                return Err(StreamFault::TooLarge("run", self.limits.run));
            }
        }
    }

    /// An event ends at an empty line. A lone CR is no line end here: Dify sends none, and counting on is the safe side.
    fn count(&mut self, slice: &[u8]) -> Result<(), StreamFault> {
        self.run += slice.len();
        if self.run > self.limits.run {
            return Err(StreamFault::TooLarge("run", self.limits.run));
        }
        for byte in slice {
            match byte {
                b'\n' if self.at_line_start => self.event = 0,
                b'\n' => self.at_line_start = true,
                b'\r' => {}
                _ => {
                    self.at_line_start = false;
                    self.event += 1;
                    if self.event > self.limits.event {
                        return Err(StreamFault::TooLarge("event", self.limits.event));
                    }
                }
            }
        }
        Ok(())
    }
}
