//! The figures with their goals, on the terminal and in `target/bench/registrations.json`.

use std::{fmt::Write as _, path::Path};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::{
    agents::Agents,
    common::{
        figures::{Figure, Goal, rounded, table},
        site::Site,
    },
    consultants::CONSULTANTS,
    rows::DEADLINE_MS,
    scenario::{Measured, Scenario},
};

/// What a figure of the usual scenarios is read from, and how the worst of them is found.
type Of = fn(&Measured) -> f64;

const USUAL: [(&str, &str, Goal, Of); 5] = [
    ("welcome_by_deadline_pct", "% of customers with a welcome within 3 s of acceptance", Goal::AtLeast(100.0), |m| {
        m.rows.welcome_by_deadline_pct
    }),
    ("conversation_p99_ms", "ms from acceptance to the stored conversation, p99", Goal::AtMost(500.0), |m| m.rows.conversation_p99_ms),
    ("notice_p99_ms", "ms from acceptance until the notice had arrived at every consultant, p99", Goal::AtMost(1_000.0), |m| {
        m.rows.notice_p99_ms
    }),
    ("intake_p99_ms", "ms from sending a registration to its 202, p99", Goal::AtMost(50.0), |m| m.intake_p99_ms),
    (
        "agent_success_pct",
        "% of customers whose welcome, or the message that followed it, an agent wrote (fallback agent included)",
        Goal::AtLeast(95.0),
        |m| m.rows.agent_success_pct,
    ),
];

/// Everything that was measured.
pub(crate) struct Report {
    setup: Vec<String>,
    scenarios: Vec<(Scenario, Measured)>,
}

impl Report {
    /// An empty report that says how the installation is set up.
    pub(crate) fn new(site: &Site, agents: &Agents) -> Result<Self> {
        let changed = site.command(&["settings", "list", "--changed", "--json"], "")?;
        let changed: Value = serde_json::from_str(&changed).with_context(|| format!("`settings list --json` printed: {changed}"))?;
        let setup = vec![
            agents.text(),
            format!(
                "consultants: {CONSULTANTS}, each on a live connection; configuration: free ports, a hook key, outbound.webhook_url and its secret"
            ),
            format!("runtime settings changed: {changed}"),
        ];
        Ok(Self { setup, scenarios: Vec::new() })
    }

    pub(crate) fn add(&mut self, scenario: Scenario, measured: Measured) {
        self.scenarios.push((scenario, measured));
    }

    /// The goals, each with the worst of the scenarios it holds for.
    fn figures(&self) -> Vec<Figure> {
        let usual: Vec<&Measured> = self.scenarios.iter().filter(|(scenario, _)| scenario.is_usual).map(|(_, measured)| measured).collect();
        let worst = |goal, of: Of| {
            let values = usual.iter().map(|measured| of(measured));
            match goal {
                Goal::AtLeast(_) => values.fold(f64::MAX, f64::min),
                Goal::AtMost(_) => values.fold(0.0, f64::max),
            }
        };
        let figure = |key, what: &str, value, goal| Figure { key, what: what.to_owned(), value, goal };
        let mut figures = Vec::new();
        if !usual.is_empty() {
            figures.extend(USUAL.iter().map(|&(key, what, goal, of)| figure(key, what, worst(goal, of), goal)));
        }
        let lost: u64 = self.scenarios.iter().map(|(_, measured)| measured.lost()).sum();
        let what = "accepted registrations without exactly one conversation, one welcome and their notices, all scenarios";
        figures.push(figure("lost", what, lost as f64, Goal::AtMost(0.0)));
        let findings: u64 = self.scenarios.iter().map(|(_, measured)| measured.findings).sum();
        let what = "findings of `job verify` over the databases, all scenarios";
        figures.push(figure("findings", what, findings as f64, Goal::AtMost(0.0)));
        for (_, burst) in self.scenarios.iter().filter(|(scenario, _)| !scenario.is_usual) {
            let what = format!("s until a burst of {} was accepted", burst.accepted);
            figures.push(figure("burst_accept_s", &what, burst.accept_s, Goal::AtMost(3.0)));
        }
        figures
    }

    pub(crate) fn met(&self) -> bool {
        self.figures().iter().all(Figure::met)
    }

    pub(crate) fn text(&self) -> Result<String> {
        let mut text = table(&self.figures())?;
        writeln!(text)?;
        for line in &self.setup {
            writeln!(text, "  {line}")?;
        }
        for (scenario, measured) in &self.scenarios {
            writeln!(text, "\n{}", scenario.what())?;
            describe(&mut text, measured)?;
        }
        Ok(text)
    }

    pub(crate) fn save(&self, path: &Path, quick: bool) -> Result<()> {
        let figures = self.figures();
        let (main, more): (Vec<_>, Vec<_>) = figures.iter().partition(|figure| !matches!(figure.key, "burst_accept_s" | "findings"));
        let values = |figures: &[&Figure]| -> Map<String, Value> {
            figures.iter().map(|figure| (figure.key.to_owned(), json!(rounded(figure.value)))).collect()
        };
        let mut summary = values(&main);
        let mut details = values(&more);
        details.insert("quick".into(), quick.into());
        details.insert("cores".into(), std::thread::available_parallelism()?.get().into());
        details.insert("missed".into(), figures.iter().filter(|figure| !figure.met()).map(|figure| figure.key).collect());
        details.insert("setup".into(), json!(self.setup));
        let scenarios: Map<String, Value> =
            self.scenarios.iter().map(|(scenario, measured)| (scenario.name.to_owned(), json!(measured))).collect();
        details.insert("scenarios".into(), Value::Object(scenarios));
        summary.insert("details".into(), Value::Object(details));
        let text = serde_json::to_string_pretty(&Value::Object(summary))?;
        std::fs::write(path, text + "\n").with_context(|| format!("writing {}", path.display()))
    }
}

/// One scenario for the reader.
fn describe(text: &mut String, m: &Measured) -> Result<()> {
    let rows = &m.rows;
    writeln!(
        text,
        "  accepted {} in {:.2} s, drained in {:.1} s, lost {}, findings {}",
        m.accepted,
        m.accept_s,
        m.drained_s,
        m.lost(),
        m.findings
    )?;
    writeln!(text, "  {:<14}{:>10}{:>10}", "ms", "p50", "p99")?;
    let times = [
        ("intake", m.intake_p50_ms, m.intake_p99_ms),
        ("conversation", rows.conversation_p50_ms, rows.conversation_p99_ms),
        ("notice", rows.notice_p50_ms, rows.notice_p99_ms),
        ("welcome", rows.welcome_p50_ms, rows.welcome_p99_ms),
    ];
    for (what, middle, late) in times {
        writeln!(text, "  {what:<14}{middle:>10.1}{late:>10.1}")?;
    }
    writeln!(
        text,
        "  notices of all consultants stored p99 {:.1} ms; welcome within {DEADLINE_MS:.0} ms: {:.2} %; written by an agent: {:.2} %, in time {:.2} %",
        rows.notice_stored_p99_ms, rows.welcome_by_deadline_pct, rows.agent_success_pct, rows.agent_in_time_pct
    )?;
    writeln!(text, "  welcomes by rung: {}; questions to agents: {}", counts(&rows.rungs), counts(&rows.agent_calls))?;
    writeln!(
        text,
        "  events: {} made, {} received, {} repeated, {} refused, {} undelivered; from made to delivered p99 {:.0} ms",
        rows.events_made, m.events_received, m.events_repeated, m.events_refused, rows.events_undelivered, rows.event_p99_ms
    )?;
    writeln!(
        text,
        "  tool calls by agents: {}, failed {}; the daemon took {:.2} s of CPU and {:.1} MiB",
        m.tool_calls, m.tool_calls_failed, m.daemon_cpu_s, m.rss_mib
    )?;
    Ok(())
}

fn counts(counts: &std::collections::BTreeMap<String, i64>) -> String {
    let shown: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    shown.join(", ")
}
