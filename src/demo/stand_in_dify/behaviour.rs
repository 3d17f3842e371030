//! How the stand-in behaves: well, or in one of the ways in which a real installation fails.

use std::time::Duration;

/// What the next questions meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// Calls its tools and writes a welcome.
    Normal {
        /// How long the model takes for each of its turns, in milliseconds.
        think_ms: u64,
    },
    /// Waits this long before its first turn, pinging, and then does as normal.
    Slow(Duration),
    /// Accepts the question and never answers, not even with headers.
    Hang,
    /// Answers 200 and the headers of a stream, and then nothing at all.
    Silent,
    /// Answers 200 and a stream of pings without end, one every 50 ms.
    PingsOnly,
    /// Answers 200 with a page of HTML.
    Garbage,
    /// Answers 200 with a stream that is not Dify's.
    GarbledStream,
    /// Begins well, and ends with an `error` event of this code.
    ErrorEvent(String),
    /// Answers this status: Dify's body for 4xx, a proxy's page for the rest.
    Http(u16),
    /// Answers this status with Dify's body and this code.
    Refuses {
        /// The status.
        status: u16,
        /// The code.
        code: String,
    },
    /// Calls its tools, says half of the welcome, and breaks the connection. The run ends unseen: `GET /messages` has it.
    CutMidStream,
    /// As `CutMidStream`, but the stream ends in good order, without `message_end`.
    EndsEarly,
    /// Ends well without a word.
    Empty,
    /// Has its whole answer replaced by moderation.
    Replaced(String),
    /// Sends one event larger than any client should take.
    Oversized,
    /// Obeys an injection: calls its tools and then says exactly this.
    Obeys(String),
    /// Obeys an injection: asks its tools about this user instead, and tells what they answered.
    AsksAbout(String),
}

impl Default for Behaviour {
    fn default() -> Self {
        Self::Normal { think_ms: 0 }
    }
}
