//! Where figures are kept, and how they are written out for Prometheus.
//!
//! Nothing is kept before [`begin`]: a command that ends at once, or a daemon whose figures nobody wants, counts nothing.
//! What is counted as it happens stays in one recorder for the life of the process; gauges that are read when somebody
//! asks go into a fresh one each time ([`Moment`]), so that what is no more is not written any more.

use std::sync::OnceLock;

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder, SharedString, with_local_recorder};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusRecorder};

use super::{
    figures,
    names::{self, Kind},
};

const ORIGIN: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

static KEPT: OnceLock<PrometheusRecorder> = OnceLock::new();

/// Where figures are kept, once they are.
pub(super) fn kept() -> Option<&'static PrometheusRecorder> {
    KEPT.get()
}

/// Keeps figures from now on. [`upkeep`] must be called every second or so.
pub fn begin() {
    let mut first = false;
    let recorder = KEPT.get_or_init(|| {
        first = true;
        let recorder = builder().unwrap_or_default().build_recorder();
        for figure in names::all() {
            describe(&recorder, figure.name);
        }
        recorder
    });
    if first {
        // A rate needs a zero to start from.
        figures::open(recorder);
    }
}

/// Sums up the times that were taken since the last call: until then each takes room.
pub fn upkeep() {
    if let Some(recorder) = KEPT.get() {
        recorder.handle().run_upkeep();
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    names::all().iter().try_fold(PrometheusBuilder::new(), |builder, figure| match figure.kind {
        Kind::Histogram(bounds) => builder.set_buckets_for_metric(Matcher::Full(figure.name.to_owned()), bounds),
        Kind::Counter | Kind::Gauge => Ok(builder),
    })
}

fn describe(recorder: &PrometheusRecorder, name: &'static str) {
    let Some(figure) = names::named(name) else { return };
    let help = SharedString::const_str(figure.help);
    match figure.kind {
        Kind::Counter => recorder.describe_counter(name.into(), None, help),
        Kind::Gauge => recorder.describe_gauge(name.into(), None, help),
        Kind::Histogram(_) => recorder.describe_histogram(name.into(), None, help),
    }
}

fn key(name: &'static str, labels: &[(&'static str, &str)]) -> Key {
    Key::from_parts(name, labels.iter().map(|(label, value)| Label::new(*label, (*value).to_owned())).collect::<Vec<_>>())
}

pub(super) fn counter(recorder: &PrometheusRecorder, name: &'static str, labels: &[(&'static str, &str)]) -> Counter {
    recorder.register_counter(&key(name, labels), &ORIGIN)
}

pub(super) fn gauge(recorder: &PrometheusRecorder, name: &'static str, labels: &[(&'static str, &str)]) -> Gauge {
    recorder.register_gauge(&key(name, labels), &ORIGIN)
}

pub(super) fn histogram(recorder: &PrometheusRecorder, name: &'static str, labels: &[(&'static str, &str)]) -> Histogram {
    recorder.register_histogram(&key(name, labels), &ORIGIN)
}

/// The gauges of one moment.
pub struct Moment(PrometheusRecorder);

impl std::fmt::Debug for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Moment")
    }
}

impl Moment {
    /// How it is now.
    pub fn set(&self, name: &'static str, labels: &[(&'static str, &str)], value: f64) {
        describe(&self.0, name);
        gauge(&self.0, name, labels).set(value);
    }
}

/// All figures, with the gauges of this moment, in Prometheus' text format; nothing when none are kept.
pub fn expose(fill: impl FnOnce(&Moment)) -> Option<String> {
    let kept = KEPT.get()?;
    let moment = Moment(PrometheusBuilder::new().build_recorder());
    fill(&moment);
    with_local_recorder(&moment.0, || {
        let process = metrics_process::Collector::default();
        process.describe();
        process.collect();
    });
    Some(kept.handle().render() + &moment.0.handle().render())
}
