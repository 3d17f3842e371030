//! The figures: ratios first, on the terminal and in `target/bench/summary.json`.

use std::{fmt::Write as _, path::Path};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::{
    common::{
        figures::{Figure, Goal, rounded, table},
        measure::{Contest, Measured, Sample},
    },
    phases::{Calls, Intake, Kept, Memory, typical},
};

/// Ratios before absolute figures, which drift with the machine.
fn is_ratio(figure: &Figure) -> bool {
    figure.key.contains("_vs_") || figure.key.ends_with("_ratio")
}

/// Everything that was measured.
#[derive(Default)]
pub(crate) struct Report {
    figures: Vec<Figure>,
    details: Map<String, Value>,
    tables: String,
}

impl Report {
    pub(crate) fn calls(&mut self, calls: &Calls) -> Result<()> {
        let limit = calls.contest.get("limit")?;
        let (modern, legacy) = (calls.contest.get("ours, 2026-07-28")?, calls.contest.get("ours, 2025-06-18")?);
        let rate = |sample: &Sample| sample.per_second;
        let late = |sample: &Sample| sample.p99_ms;
        self.figure(
            "tools_call_vs_limit_modern",
            "tools/call, 2026-07-28 / limit, requests/s",
            modern.ratio(limit, rate),
            Goal::AtLeast(0.6),
        );
        self.figure(
            "tools_call_vs_limit_legacy",
            "tools/call, 2025-06-18 / limit, requests/s",
            legacy.ratio(limit, rate),
            Goal::AtLeast(0.6),
        );
        let late = modern.ratio(limit, late).max(legacy.ratio(limit, late));
        self.figure("tools_call_p99_ratio", "tools/call, the slower of the two / limit, p99", late, Goal::AtMost(2.0));
        self.lost("tools_call_log_rows_missing", "answered calls without a call-log row (orderly stop)", calls.logged);
        for name in ["hyper", "rmcp, 2026-07-28", "rmcp, 2025-06-18"] {
            let other = calls.contest.get(name)?;
            let (new, old) = (modern.ratio(other, rate), legacy.ratio(other, rate));
            writeln!(self.tables, "  for the reader: 2026-07-28 {new:.2} x, 2025-06-18 {old:.2} x the requests/s of {name}")?;
        }
        self.contest("tools/call get_user_profile, 32 connections, medians", &calls.contest)?;
        self.detail("tools_call", calls)
    }

    pub(crate) fn memory(&mut self, memory: &Memory) -> Result<()> {
        let (done, mib) = memory.last();
        self.figure("rss_mib_after_1m", format!("resident MiB after {done} of {} calls", memory.wanted), mib, Goal::AtMost(40.0));
        self.figure("rss_growth_mib", "resident MiB gained from the first quarter to the end", memory.growth_mib(), Goal::AtMost(4.0));
        self.lost("memory_log_rows_missing", "answered calls without a call-log row (orderly stop)", memory.logged);
        writeln!(self.tables, "\nresident memory")?;
        for (calls, mib) in &memory.at {
            writeln!(self.tables, "  {calls:>9} calls  {mib:>6.1} MiB")?;
        }
        self.detail("memory", memory)
    }

    pub(crate) fn cold_start(&mut self, starts: &[f64]) -> Result<()> {
        let what = format!("ms from start to the first answered call, median of {}", starts.len());
        self.figure("cold_start_ms", what, typical(starts), Goal::AtMost(100.0));
        self.detail("cold_starts_ms", &starts)
    }

    pub(crate) fn intake(&mut self, intake: &Intake) -> Result<()> {
        let (ours, limit) = (intake.contest.get("ours")?, intake.contest.get("limit")?);
        let rate = |sample: &Sample| sample.per_second;
        self.figure(
            "intake_vs_limit",
            "registrations / hyper committing the same rows, requests/s",
            ours.ratio(limit, rate),
            Goal::AtLeast(0.5),
        );
        let shipped = intake.contest.get("ours, with the automation at work")?;
        let what = "the same, while the automation works on what was accepted";
        self.figure("intake_at_work_vs_limit", what, shipped.ratio(limit, rate), Goal::AtLeast(0.2));
        self.figure("intake_per_s", "durable registrations a second", ours.median(rate), Goal::AtLeast(8_000.0));
        self.figure("intake_at_work_per_s", "the same, while the automation works", shipped.median(rate), Goal::AtLeast(8_000.0));
        let slowest = |one: &Measured| one.median(|sample| sample.p99_ms);
        self.figure(
            "intake_p99_ms",
            "registrations, p99 in ms, whichever is slower",
            slowest(ours).max(slowest(shipped)),
            Goal::AtMost(40.0),
        );
        self.lost("intake_rows_missing", "accepted registrations not in the database (kill -9)", intake.kept);
        self.contest("POST /hooks/registration, 100 connections, synchronous=FULL, medians", &intake.contest)?;
        self.detail("intake", intake)
    }

    /// The table of ratios, then what they come from.
    pub(crate) fn text(&self) -> Result<String> {
        let (ratios, others): (Vec<_>, Vec<_>) = self.figures.iter().partition(|figure| is_ratio(figure));
        Ok(format!("{}\n{}\n", table(ratios.into_iter().chain(others))?, self.tables))
    }

    /// Whether every figure reached its goal.
    pub(crate) fn met(&self) -> bool {
        self.figures.iter().all(Figure::met)
    }

    pub(crate) fn save(&self, path: &Path, quick: bool) -> Result<()> {
        let mut summary = Map::new();
        for figure in &self.figures {
            summary.insert(figure.key.into(), json!(rounded(figure.value)));
        }
        summary.insert("quick".into(), quick.into());
        summary.insert("cores".into(), std::thread::available_parallelism()?.get().into());
        summary.insert("missed".into(), self.figures.iter().filter(|figure| !figure.met()).map(|figure| figure.key).collect());
        summary.insert("details".into(), Value::Object(self.details.clone()));
        let text = serde_json::to_string_pretty(&Value::Object(summary))?;
        std::fs::write(path, text + "\n").with_context(|| format!("writing {}", path.display()))
    }

    fn figure(&mut self, key: &'static str, what: impl Into<String>, value: f64, goal: Goal) {
        self.figures.push(Figure { key, what: what.into(), value, goal });
    }

    fn lost(&mut self, key: &'static str, what: &str, kept: Kept) {
        let what = format!("{what}: {} answered, {} rows", kept.answered, kept.rows);
        self.figure(key, what, kept.answered.saturating_sub(kept.rows) as f64, Goal::AtMost(0.0));
    }

    fn detail(&mut self, key: &str, value: &impl serde::Serialize) -> Result<()> {
        self.details.insert(key.into(), serde_json::to_value(value)?);
        Ok(())
    }

    fn contest(&mut self, title: &str, contest: &Contest) -> Result<()> {
        writeln!(self.tables, "\n{title}")?;
        writeln!(
            self.tables,
            "  {:<22}{:>12}{:>9}{:>9}{:>13}{:>10}{:>8}{:>13}",
            "server", "requests/s", "p50 ms", "p99 ms", "CPU us/req", "RSS MiB", "errors", "client core"
        )?;
        for (name, measured) in &contest.0 {
            writeln!(
                self.tables,
                "  {name:<22}{:>12.0}{:>9.2}{:>9.2}{:>13.1}{:>10.1}{:>8.0}{:>12.0}%",
                measured.median(|sample| sample.per_second),
                measured.median(|sample| sample.p50_ms),
                measured.median(|sample| sample.p99_ms),
                measured.median(|sample| sample.cpu_us),
                measured.median(|sample| sample.rss_mib),
                measured.rounds.iter().map(|sample| sample.errors).sum::<f64>(),
                measured.median(|sample| sample.client_share) * 100.0,
            )?;
        }
        Ok(())
    }
}
