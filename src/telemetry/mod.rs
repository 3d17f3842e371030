//! What the process says of itself: log lines, figures for Prometheus, traces.
//!
//! ```text
//! lines       log lines, on stderr
//! figures     what is counted and timed, by whoever does it: no names of metrics anywhere else
//! names       every metric, with its kind, its buckets and its meaning
//! exposition  where figures are kept, and how they are written out
//! trace       whose trace a piece of work belongs to, and the spans of this process
//! otlp        spans to a collector (feature `otlp`)
//! ```
//!
//! Architecture invariant: labels come from closed sets (tools of the catalogue, templates of routes, words of this
//! code), never from what somebody sends (`tests/it/metrics.rs`). Arguments, results, names and addresses of people are
//! in no figure and in no span.

mod exposition;
pub mod figures;
mod lines;
mod names;
#[cfg(feature = "otlp")]
mod otlp;
pub mod trace;

pub use exposition::{Moment, begin, expose, upkeep};
pub use lines::{Format, start};
pub use names::{Figure, Kind, all as figures_kept};
