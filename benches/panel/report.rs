//! The figures with their goals, on the terminal and in `target/bench/panel.json`.

use std::{fmt::Write as _, path::Path};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::{
    common::figures::{Figure, Goal, rounded, table},
    pages::Kind,
    throughput::Throughput,
    timing::Timing,
};

/// The overview is to be there so soon, in milliseconds.
const OVERVIEW_MS: f64 = 150.0;
/// And any other page.
const PAGE_MS: f64 = 50.0;
/// Of the calls a second, so much is left while people are in the panel.
const LEFT: f64 = 0.95;

/// Everything that was measured.
pub(crate) struct Report {
    pub(crate) setup: Map<String, Value>,
    /// Read afresh; and from what was read a moment ago.
    pub(crate) overview: (Vec<Timing>, Vec<Timing>),
    pub(crate) pages: Vec<(Kind, Timing)>,
    pub(crate) throughput: Option<Throughput>,
}

impl Report {
    fn figures(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        let mut slowest = |key, what: &str, goal, timings: Vec<&Timing>| {
            if let Some(worst) = timings.into_iter().max_by(|a, b| a.p95_ms.total_cmp(&b.p95_ms)) {
                let what = format!("{what}, p95 in ms of the slowest: {}", worst.path);
                figures.push(Figure { key, what, value: worst.p95_ms, goal: Goal::AtMost(goal) });
            }
        };
        let of = |kind| self.pages.iter().filter(move |(of, _)| *of == kind).map(|(_, timing)| timing).collect();
        slowest("overview_p95_ms", "the overview, read afresh", OVERVIEW_MS, self.overview.0.iter().collect());
        slowest("list_pages_p95_ms", "list pages of the panel", PAGE_MS, of(Kind::Panel));
        slowest("api_lists_p95_ms", "lists of the API", PAGE_MS, of(Kind::Api));
        slowest("single_pages_p95_ms", "timelines, single things, figures for Prometheus", PAGE_MS, of(Kind::Single));
        if let Some(throughput) = &self.throughput {
            let what = "tool calls a second with five people in the panel / without".to_owned();
            figures.push(Figure { key: "throughput_ratio", what, value: throughput.ratio(), goal: Goal::AtLeast(LEFT) });
        }
        figures
    }

    /// The goals, then what they come from.
    pub(crate) fn text(&self) -> Result<String> {
        let mut text = table(&self.figures())?;
        for (name, value) in &self.setup {
            writeln!(text, "{name}: {value}")?;
        }
        let sections = [
            ("overview, read afresh", self.overview.0.iter().collect()),
            ("overview, read a moment ago for somebody else", self.overview.1.iter().collect()),
            ("list pages of the panel", self.of(Kind::Panel)),
            ("lists of the API", self.of(Kind::Api)),
            ("single pages and figures", self.of(Kind::Single)),
        ];
        for (title, timings) in sections {
            rows(&mut text, title, timings)?;
        }
        if let Some(throughput) = &self.throughput {
            let Throughput { pages, pages_p95_ms, live_parts, .. } = throughput;
            writeln!(text, "\ntools/call get_user_profile, 32 connections, medians")?;
            for (name, measured) in [("without people", &throughput.without), ("with people", &throughput.with)] {
                let (rate, p99) = (measured.median(|sample| sample.per_second), measured.median(|sample| sample.p99_ms));
                writeln!(text, "  {name:<16}{rate:>9.0} requests/s  p99 {p99:>6.2} ms")?;
            }
            writeln!(text, "  p99 with people / without: {:.2}", throughput.p99_ratio())?;
            writeln!(text, "  meanwhile people loaded {pages} pages (p95 {pages_p95_ms:.0} ms), and {live_parts} parts came live")?;
        }
        Ok(text)
    }

    fn of(&self, kind: Kind) -> Vec<&Timing> {
        self.pages.iter().filter(|(of, _)| *of == kind).map(|(_, timing)| timing).collect()
    }

    /// Whether every figure reached its goal.
    pub(crate) fn met(&self) -> bool {
        self.figures().iter().all(Figure::met)
    }

    pub(crate) fn save(&self, path: &Path, quick: bool) -> Result<()> {
        let figures = self.figures();
        let mut summary = Map::new();
        for figure in &figures {
            summary.insert(figure.key.into(), json!(rounded(figure.value)));
        }
        summary.insert("quick".into(), quick.into());
        summary.insert("cores".into(), std::thread::available_parallelism()?.get().into());
        summary.insert("missed".into(), figures.iter().filter(|figure| !figure.met()).map(|figure| figure.key).collect());
        summary.insert("setup".into(), Value::Object(self.setup.clone()));
        summary.insert("overview".into(), json!(self.overview.0));
        summary.insert("overview_shared".into(), json!(self.overview.1));
        for (name, kind) in [("panel", Kind::Panel), ("api", Kind::Api), ("single", Kind::Single)] {
            summary.insert(name.into(), json!(self.of(kind)));
        }
        summary.insert("throughput".into(), json!(self.throughput));
        let text = serde_json::to_string_pretty(&Value::Object(summary))?;
        std::fs::write(path, text + "\n").with_context(|| format!("writing {}", path.display()))
    }
}

/// One line for each page, the slowest first.
fn rows(text: &mut String, title: &str, mut timings: Vec<&Timing>) -> Result<()> {
    timings.sort_by(|a, b| b.p95_ms.total_cmp(&a.p95_ms));
    writeln!(text, "\n{:>9}{:>9}{:>9}{:>9}  {title}", "p50 ms", "p95 ms", "max ms", "KiB")?;
    for timing in timings {
        let Timing { path, p50_ms, p95_ms, max_ms, bytes, .. } = timing;
        writeln!(text, "{p50_ms:>9.1}{p95_ms:>9.1}{max_ms:>9.1}{:>9.1}  {path}", *bytes as f64 / 1024.0)?;
    }
    Ok(())
}
