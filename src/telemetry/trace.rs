//! Whose trace a piece of work belongs to (W3C Trace Context), and the spans of this process.
//!
//! A [`Place`] is read, kept and passed on whether or not this process sends spans anywhere: what others trace through us
//! holds together either way. With the feature `otlp` and an endpoint, [`Span`]s are sent; else they cost nothing and
//! stand where their parent stands. They say what was done, how long it took and how it ended, and never with what.

use std::{borrow::Cow, fmt, time::Duration};

#[cfg(feature = "otlp")]
use super::otlp;
#[cfg(feature = "otlp")]
pub use super::otlp::{Exporting, Post, StartError, finish, start};

/// A place in a trace, as the header `traceparent` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub(super) trace: u128,
    pub(super) span: u64,
    pub(super) flags: u8,
}

impl Place {
    /// Reads a `traceparent`. What is none is as if it had not been sent, as the standard asks.
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let version = hex(parts.next()?, 2)?;
        let trace = hex(parts.next()?, 32).filter(|trace| *trace != 0)?;
        let span = u64::try_from(hex(parts.next()?, 16)?).ok().filter(|span| *span != 0)?;
        let flags = u8::try_from(hex(parts.next()?, 2)?).ok()?;
        // A later version may have more to say; this one has not.
        let known = version != 0xff && (version > 0 || parts.next().is_none());
        known.then_some(Self { trace, span, flags })
    }

    /// Whether both are in one trace.
    pub fn is_in_trace_of(self, other: Self) -> bool {
        self.trace == other.trace
    }

    /// The trace alone: 32 hexadecimal digits.
    pub fn trace_id(self) -> String {
        format!("{:032x}", self.trace)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

/// Exactly so many hexadecimal digits, small ones.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let fits = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    fits.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

/// On which side of whom a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Somebody asked us.
    Server,
    /// We ask somebody.
    Client,
    /// Work that somebody left for us.
    Consumer,
    /// A part of our own.
    Internal,
}

/// What is said of a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
}

impl From<&'static str> for Attribute {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<i64> for Attribute {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// Whether spans are sent: what would only be made for them need not be.
pub fn is_on() -> bool {
    #[cfg(feature = "otlp")]
    let on = otlp::is_on();
    #[cfg(not(feature = "otlp"))]
    let on = false;
    on
}

/// A piece of work, from here to where it is dropped.
#[derive(Debug)]
pub struct Span {
    place: Option<Place>,
    #[cfg(feature = "otlp")]
    sent: Option<otlp::Sent>,
}

impl Span {
    /// Begins.
    #[cfg(feature = "otlp")]
    pub fn begin(name: impl Into<Cow<'static, str>>, kind: Kind, parent: Option<Place>) -> Self {
        let sent = otlp::Sent::begin(name.into(), kind, parent);
        Self { place: sent.as_ref().map(otlp::Sent::place).or(parent), sent }
    }

    /// Begins.
    #[cfg(not(feature = "otlp"))]
    pub fn begin(_name: impl Into<Cow<'static, str>>, _kind: Kind, parent: Option<Place>) -> Self {
        Self { place: parent }
    }

    /// Where it stands: what belongs to it has this for a parent.
    pub fn place(&self) -> Option<Place> {
        self.place
    }

    /// Says something of it.
    #[cfg(feature = "otlp")]
    pub fn set(&mut self, key: &'static str, value: impl Into<Attribute>) {
        if let Some(sent) = &mut self.sent {
            sent.set(key, value.into());
        }
    }

    /// Says something of it.
    #[cfg(not(feature = "otlp"))]
    pub fn set(&mut self, _key: &'static str, _value: impl Into<Attribute>) {}

    /// It did not work: `error_type` is a word for the kind of failure.
    #[cfg(feature = "otlp")]
    pub fn failed(&mut self, error_type: impl Into<Cow<'static, str>>) {
        if let Some(sent) = &mut self.sent {
            sent.failed(error_type.into());
        }
    }

    /// It did not work: `error_type` is a word for the kind of failure.
    #[cfg(not(feature = "otlp"))]
    pub fn failed(&mut self, _error_type: impl Into<Cow<'static, str>>) {}
}

/// A piece of work that is over, of which only then is known what it was.
#[derive(Debug)]
pub struct Done {
    /// The span's name.
    pub name: Cow<'static, str>,
    /// Its kind.
    pub kind: Kind,
    /// What it belongs to.
    pub parent: Option<Place>,
    /// How long it took; it ends now.
    pub took: Duration,
    /// What is said of it.
    pub attributes: Vec<(&'static str, Attribute)>,
    /// The kind of failure, if it failed.
    pub error_type: Option<&'static str>,
}

impl Done {
    /// Sends it.
    pub fn send(self) {
        #[cfg(feature = "otlp")]
        otlp::send(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_as_the_standard_says() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let place = Place::read(text).unwrap();
        assert_eq!((place.to_string().as_str(), place.trace_id().as_str()), (text, "4bf92f3577b34da6a3ce929d0e0e4736"));
        assert!(Place::read("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes").is_some());
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert_eq!(Place::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_span_that_goes_nowhere_stands_where_its_parent_stands() {
        let parent = Place::read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
        let mut span = Span::begin("registration", Kind::Consumer, parent);
        span.set("anmei.registration.id", "1");
        span.failed("x");
        assert_eq!(span.place(), parent);
        assert_eq!(Span::begin("registration", Kind::Consumer, None).place(), None);
        assert!(!is_on());
    }
}
