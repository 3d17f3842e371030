//! What is told of the matrix. Nothing is called right that was not tried.

use serde::Serialize;
use serde_json::json;

use super::{Cell, Verdict, grid};
use crate::cli::output;

/// A key that could not be tried, and why.
#[derive(Debug, Clone, Serialize)]
pub(super) struct NotTried {
    pub(super) key: String,
    pub(super) why: String,
    /// Whether it opens its group.
    pub(super) in_force: bool,
}

/// What was asked, and what was not.
pub(super) struct Outcome {
    pub(super) root: String,
    pub(super) cells: Vec<Cell>,
    /// Keys in force that were tried.
    pub(super) tried: usize,
    pub(super) not_tried: Vec<NotTried>,
}

impl Outcome {
    /// Whether every answer that came is as it should be.
    pub(super) fn is_sound(&self) -> bool {
        self.count(Verdict::Leak) + self.count(Verdict::Broken) == 0
    }

    fn of(&self, verdict: Verdict) -> impl Iterator<Item = &Cell> {
        self.cells.iter().filter(move |cell| cell.verdict == verdict)
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.of(verdict).count()
    }

    /// Keys in force that were not tried. Others that cannot be shown are over, and open nothing.
    fn untried(&self) -> usize {
        self.not_tried.iter().filter(|key| key.in_force).count()
    }

    fn warnings(&self) -> Vec<String> {
        let (untried, limited) = (self.untried(), self.count(Verdict::Limited));
        let all = self.tried + untried;
        let keys = || format!("{untried} of {all} keys in force were not tried, because they cannot be shown: what they open is not known");
        let limits = || format!("{limited} questions have no answer, because a limit was full: ask again in a minute");
        [(untried > 0).then(keys), (limited > 0).then(limits)].into_iter().flatten().collect()
    }

    pub(super) fn show(&self, as_json: bool) -> anyhow::Result<()> {
        let (leaks, broken, limited) = (self.count(Verdict::Leak), self.count(Verdict::Broken), self.count(Verdict::Limited));
        let warnings = self.warnings();
        if as_json {
            return output::json(&json!({
                "ok": self.is_sound() && warnings.is_empty(), "daemon": self.root, "leaks": leaks, "broken": broken, "limited": limited,
                "untried": self.untried(), "warnings": warnings, "not_tried": self.not_tried, "cells": self.cells,
            }));
        }
        output::say(grid::text(&self.cells))?;
        for cell in self.of(Verdict::Leak).chain(self.of(Verdict::Broken)) {
            output::say(wrong(cell))?;
        }
        for NotTried { key, why, .. } in &self.not_tried {
            output::say(format_args!("not tried: {key}: {why}"))?;
        }
        for warning in warnings {
            output::say(format_args!("warning: {warning}"))?;
        }
        output::say(format_args!(
            "{} questions at {}: {leaks} leaks, {broken} broken, {limited} not told because a limit was full, {} keys in force not tried",
            self.cells.len(),
            self.root,
            self.untried()
        ))
    }
}

fn wrong(cell: &Cell) -> String {
    let word = if cell.verdict == Verdict::Leak { "LEAK" } else { "BROKEN" };
    let transport = cell.transport.name();
    format!("{word}: {} on {} over {transport}, {}: expected {}, came {}", cell.key, cell.target, cell.method, cell.expected, cell.came)
}
