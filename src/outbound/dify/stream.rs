//! The events of one of Dify's streams.
//!
//! Dify's ping is a bare `event: ping` without data, which by the rules of SSE is no event at all: a stream of pings is
//! alive, only too slow, and the caller's deadline ends it. It refuses data that is no event of Dify's; sizes and silence
//! are the matter of [`event_stream`](crate::outbound::event_stream).

use bytes::Bytes;
use futures_util::Stream;

use super::events::Incoming;
use crate::outbound::event_stream::EventSource;
pub(super) use crate::outbound::event_stream::{Limits, StreamFault};

/// Reads events from bytes.
pub(crate) struct Events(EventSource);

impl Events {
    /// Reads from `source`, whose errors are texts.
    pub(crate) fn new(source: impl Stream<Item = Result<Bytes, String>> + Send + 'static, limits: Limits) -> Self {
        Self(EventSource::new(source, limits))
    }

    /// The next event; nothing at the end of the stream. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<Incoming>, StreamFault> {
        loop {
            let Some(event) = self.0.next().await? else { return Ok(None) };
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
