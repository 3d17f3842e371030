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
    /// Most questions as normal; some fail, and some get the headers of a stream and then nothing.
    Mixed(Mixed),
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
    /// Calls its tools, says half of the welcome, and breaks the connection; the run goes on until it is stopped, and
    /// `GET /messages` has no answer.
    CutMidRun,
    /// Calls its tools, says half of the welcome, and then nothing more, while the connection stays open. The run never
    /// ends.
    StallsMidStream,
    /// Answers 429 in Dify's words, and asks to be left alone for so many seconds.
    Busy {
        /// `Retry-After`.
        seconds: u32,
    },
    /// Ends well without a word.
    Empty,
    /// Has its whole answer replaced by moderation.
    Replaced(String),
    /// Sends one event larger than any client should take.
    Oversized,
    /// Says far more than any client should take, in events of ordinary size.
    Endless,
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

/// An agent with its everyday failures: which question meets which is decided by the seed alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mixed {
    /// As in [`Behaviour::Normal`].
    pub think_ms: u64,
    /// How many in a hundred fail: half of them with 500, half with an `error` event.
    pub errors_percent: u8,
    /// How many in a hundred fall silent after the headers.
    pub stalls_percent: u8,
    /// Another seed, other questions that fail.
    pub seed: u64,
}

impl Behaviour {
    /// What the `n`-th question meets.
    pub(super) fn at(&self, n: u64) -> Self {
        let Self::Mixed(mixed) = self else { return self.clone() };
        let drawn = scattered(mixed.seed.wrapping_add(n));
        let (errors, stalls) = (u64::from(mixed.errors_percent), u64::from(mixed.stalls_percent));
        match drawn % 100 {
            place if place < errors && drawn >> 63 == 0 => Self::Http(500),
            place if place < errors => Self::ErrorEvent("completion_request_error".into()),
            place if place < errors + stalls => Self::Silent,
            _ => Self::Normal { think_ms: mixed.think_ms },
        }
    }
}

/// Neighbouring numbers become numbers that have nothing to do with each other (the finalizer of SplitMix64).
fn scattered(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIXED: Mixed = Mixed { think_ms: 700, errors_percent: 5, stalls_percent: 2, seed: 1 };

    #[test]
    fn a_mixed_agent_fails_in_its_shares_and_each_question_alike_every_time() {
        let behaviour = Behaviour::Mixed(MIXED);
        let met: Vec<Behaviour> = (0..100_000).map(|n| behaviour.at(n)).collect();
        let share = |wanted: &Behaviour| met.iter().filter(|one| *one == wanted).count() as f64 / 1_000.0;
        let event = Behaviour::ErrorEvent("completion_request_error".into());
        for (wanted, percent) in
            [(Behaviour::Http(500), 2.5), (event, 2.5), (Behaviour::Silent, 2.0), (Behaviour::Normal { think_ms: 700 }, 93.0)]
        {
            assert!((share(&wanted) - percent).abs() < 0.4, "{wanted:?}: {} %", share(&wanted));
        }
        assert!((0..1_000).all(|n| behaviour.at(n) == met[n as usize]));
        let other = Behaviour::Mixed(Mixed { seed: 2_000_000, ..MIXED });
        assert!((0..1_000).any(|n| other.at(n) != met[n as usize]));
    }

    #[test]
    fn the_other_behaviours_are_what_they_are() {
        assert_eq!(Behaviour::Hang.at(7), Behaviour::Hang);
    }
}
