//! Counters of one name and one label, and times without a label: made once, found by their place.

use std::{sync::OnceLock, time::Duration};

use metrics::{Counter, Histogram};
use metrics_exporter_prometheus::PrometheusRecorder;

use crate::telemetry::exposition::{self, kept};

/// A counter for each value that a label may have. What is none of them is not counted: no caller can make a new one.
pub(super) struct Counts<const N: usize> {
    name: &'static str,
    label: &'static str,
    values: [&'static str; N],
    counters: [OnceLock<Counter>; N],
}

impl<const N: usize> Counts<N> {
    pub(super) const fn new(name: &'static str, label: &'static str, values: [&'static str; N]) -> Self {
        Self { name, label, values, counters: [const { OnceLock::new() }; N] }
    }

    pub(super) fn open(&self, recorder: &PrometheusRecorder) {
        self.values.iter().for_each(|value| self.add(recorder, value, 0));
    }

    pub(super) fn count(&self, value: &str, times: usize) {
        if let Some(recorder) = kept() {
            self.add(recorder, value, u64::try_from(times).unwrap_or_default());
        }
    }

    fn add(&self, recorder: &PrometheusRecorder, value: &str, times: u64) {
        let found = self.values.iter().zip(&self.counters).find(|(known, _)| **known == value);
        debug_assert!(found.is_some(), "{} has no {} {value}", self.name, self.label);
        if let Some((value, counter)) = found {
            counter.get_or_init(|| exposition::counter(recorder, self.name, &[(self.label, value)])).increment(times);
        }
    }
}

/// Times of one name.
pub(super) struct Times {
    name: &'static str,
    histogram: OnceLock<Histogram>,
}

impl Times {
    pub(super) const fn new(name: &'static str) -> Self {
        Self { name, histogram: OnceLock::new() }
    }

    pub(super) fn open(&self, recorder: &PrometheusRecorder) -> &Histogram {
        self.histogram.get_or_init(|| exposition::histogram(recorder, self.name, &[]))
    }

    pub(super) fn took(&self, took: Duration) {
        if let Some(recorder) = kept() {
            self.open(recorder).record(took);
        }
    }
}
