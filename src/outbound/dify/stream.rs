//! From bytes to events: Server-Sent Events with limits.
//!
//! Dify's ping is a bare `event: ping` without data, which by the rules of SSE is no event at all. So the idle timer
//! stands below the parser and counts bytes: a stream of pings is alive, only too slow, and the caller's deadline ends
//! it. Bytes reach the parser in small slices, because it copies what it has not read for every line, and without a
//! byte order mark, because it panics on one.
//!
//! It refuses an event over 256 KiB, a run over 4 MiB, text that is not UTF-8, and data that is no event of Dify's.

use std::{pin::Pin, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use eventsource_stream::{EventStream, EventStreamError};
use futures_util::{Stream, StreamExt, stream::try_unfold};

use super::events::Incoming;

/// What one run may send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The longest time without a byte.
    pub(crate) idle: Duration,
    /// The largest event.
    pub(crate) event: usize,
    /// The largest run.
    pub(crate) run: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { idle: Duration::from_secs(30), event: 256 * 1024, run: 4 * 1024 * 1024 }
    }
}

/// Why there are no more events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StreamFault {
    /// The connection broke.
    Transport(String),
    /// Not one byte for this long.
    Idle(Duration),
    /// Too much: what, and its cap.
    TooLarge(&'static str, usize),
    /// Not what Dify sends.
    Malformed(String),
}

type Slices = Pin<Box<dyn Stream<Item = Result<Bytes, StreamFault>> + Send>>;

/// Reads events from bytes.
pub(crate) struct Events {
    parsed: EventStream<Slices>,
}

impl Events {
    /// Reads from `source`, whose errors are texts.
    pub(crate) fn new(source: impl Stream<Item = Result<Bytes, String>> + Send + 'static, limits: Limits) -> Self {
        let guard = Guard { source: Box::pin(source), limits, pending: Bytes::new(), run: 0, event: 0, at_line_start: true };
        let slices: Slices = Box::pin(try_unfold(guard, Guard::next_slice));
        Self { parsed: EventStream::new(slices) }
    }

    /// The next event; nothing at the end of the stream. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<Incoming>, StreamFault> {
        loop {
            let event = match self.parsed.next().await {
                None => return Ok(None),
                Some(Ok(event)) => event,
                Some(Err(EventStreamError::Transport(fault))) => return Err(fault),
                Some(Err(EventStreamError::Utf8(_))) => return Err(StreamFault::Malformed("its text is not UTF-8".into())),
                Some(Err(EventStreamError::Parser(_))) => return Err(StreamFault::Malformed("it is no event stream".into())),
            };
            if event.event == "ping" || event.data.trim().is_empty() {
                continue;
            }
            let incoming = serde_json::from_str(&event.data);
            // The parser's words, not the data's: those may be anybody's.
            return incoming
                .map(Some)
                .map_err(|error| StreamFault::Malformed(format!("an event is not Dify's: {:?} error", error.classify())));
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

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::{
        super::events::{Delta, Event},
        *,
    };

    const LIMITS: Limits = Limits { idle: Duration::from_secs(30), event: 200, run: 1000 };

    fn of(chunks: Vec<Vec<u8>>) -> Events {
        Events::new(stream::iter(chunks.into_iter().map(|chunk| Ok(Bytes::from(chunk)))), LIMITS)
    }

    async fn texts(mut events: Events) -> Result<Vec<String>, StreamFault> {
        let mut texts = Vec::new();
        while let Some(incoming) = events.next().await? {
            match incoming.event {
                Event::Message(Delta { answer }) => texts.push(answer),
                other => texts.push(format!("{other:?}")),
            }
        }
        Ok(texts)
    }

    const TWO: &str = "event: ping\n\ndata: {\"event\":\"message\",\"answer\":\"您好\"}\n\nevent: ping\n\nevent: ping\n\ndata: {\"event\": \"message\", \"answer\": \"🌟再见\"}\n\n";

    #[tokio::test]
    async fn bare_pings_are_no_events_and_any_split_will_do() {
        for text in [
            TWO.to_owned(),
            TWO.replace('\n', "\r\n"),
            format!("\u{feff}{TWO}"),
            format!("\u{feff}\u{feff}{TWO}"),
            format!(": comment\n\n{TWO}"),
        ] {
            for size in [1, 2, 3, 5, 7, 64, 1000] {
                let chunks = text.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
                assert_eq!(texts(of(chunks)).await.unwrap(), ["您好", "🌟再见"], "chunks of {size}: {text:?}");
            }
        }
    }

    #[tokio::test]
    async fn an_event_without_its_empty_line_is_none() {
        assert_eq!(texts(of(vec![b"data: {\"event\":\"message\"}\n".to_vec()])).await.unwrap(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn what_is_not_dify_is_malformed() {
        for text in
            [&b"data: [DONE]\n\n"[..], b"data: null\n\n", b"data: {\"answer\":\"x\"}\n\n", b"data: \xff\xfe\n\n", b"data: {\"event\":\n\n"]
        {
            let fault = texts(of(vec![text.to_vec()])).await.unwrap_err();
            assert!(matches!(fault, StreamFault::Malformed(_)), "{fault:?}");
        }
        assert_eq!(texts(of(vec![b"<html>\n\n</html>\n\n".to_vec()])).await.unwrap(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn events_and_runs_have_caps() {
        let event = |length: usize| format!("data: {{\"event\":\"message\",\"answer\":\"{}\"}}\r\n\r\n", "x".repeat(length)).into_bytes();
        assert_eq!(texts(of(vec![event(150), event(150), event(150)])).await.unwrap().len(), 3);
        assert_eq!(texts(of(vec![event(170)])).await.unwrap_err(), StreamFault::TooLarge("event", 200));
        assert_eq!(texts(of(vec![vec![b'x'; 150], vec![b'x'; 51]])).await.unwrap_err(), StreamFault::TooLarge("event", 200));
        assert_eq!(texts(of(vec![event(150); 6])).await.unwrap_err(), StreamFault::TooLarge("run", 1000));
        assert_eq!(texts(of(vec![vec![b'\n'; 1001]])).await.unwrap_err(), StreamFault::TooLarge("run", 1000));
    }

    #[tokio::test]
    async fn a_ping_is_a_sign_of_life_and_silence_is_not() {
        let limits = Limits { idle: Duration::from_millis(500), ..LIMITS };
        let pings = stream::unfold(0, |count| async move {
            tokio::time::sleep(Duration::from_millis(if count < 8 { 100 } else { 5000 })).await;
            Some((Ok(Bytes::from_static(b"event: ping\n\n")), count + 1))
        });
        let started = tokio::time::Instant::now();
        let fault = texts(Events::new(pings, limits)).await.unwrap_err();
        assert_eq!(fault, StreamFault::Idle(limits.idle));
        let took = started.elapsed().as_millis();
        assert!((1300..5000).contains(&took), "{took} ms");
    }

    #[tokio::test]
    async fn a_broken_connection_is_told_after_what_came_before() {
        let chunks = [Ok(Bytes::from_static(TWO.as_bytes())), Err("connection reset".to_owned())];
        let mut events = Events::new(stream::iter(chunks), LIMITS);
        assert!(events.next().await.unwrap().is_some());
        assert!(events.next().await.unwrap().is_some());
        assert_eq!(events.next().await.unwrap_err(), StreamFault::Transport("connection reset".into()));
    }
}
