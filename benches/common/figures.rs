//! Figures with their goals, as a table.

use std::fmt::Write as _;

use anyhow::Result;

/// What a figure should be.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

/// One line of the table.
pub(crate) struct Figure {
    pub(crate) key: &'static str,
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) goal: Goal,
}

impl Figure {
    pub(crate) fn met(&self) -> bool {
        match self.goal {
            Goal::AtLeast(least) => self.value >= least,
            Goal::AtMost(most) => self.value <= most,
        }
    }
}

/// The figures, one a line.
pub(crate) fn table<'a>(figures: impl IntoIterator<Item = &'a Figure>) -> Result<String> {
    let mut text = String::new();
    writeln!(text, "{:>10}  {:>10}  {:<6}  what", "figure", "goal", "")?;
    for figure in figures {
        let goal = match figure.goal {
            Goal::AtLeast(least) => format!(">= {}", short(least)),
            Goal::AtMost(most) => format!("<= {}", short(most)),
        };
        let verdict = if figure.met() { "ok" } else { "MISSED" };
        writeln!(text, "{:>10}  {goal:>10}  {verdict:<6}  {}", short(figure.value), figure.what)?;
    }
    Ok(text)
}

/// To three decimals, as it is saved.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// A number with as many digits as one reads.
fn short(value: f64) -> String {
    if value.abs() >= 1_000.0 || value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}
