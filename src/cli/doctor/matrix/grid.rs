//! The grid: one table for each transport, a row for each key, a column for each door, the worst answer in each cell.

use super::{Cell, Transport, Verdict};
use crate::cli::output;

pub(super) fn text(cells: &[Cell]) -> String {
    let tables = Transport::ALL.into_iter().filter_map(|transport| table(transport, cells));
    tables.map(|table| format!("{table}\n")).collect::<Vec<_>>().join("\n")
}

/// In the order in which they came.
fn names<'a>(cells: &[&'a Cell], name: impl Fn(&'a Cell) -> &'a str) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for cell in cells {
        let name = name(cell);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn table(transport: Transport, cells: &[Cell]) -> Option<String> {
    let cells: Vec<&Cell> = cells.iter().filter(|cell| cell.transport == transport).collect();
    let (keys, targets) = (names(&cells, |cell| &cell.key), names(&cells, |cell| &cell.target));
    let heading = transport.name().to_uppercase();
    let headings: Vec<&str> = std::iter::once(heading.as_str()).chain(targets.iter().copied()).collect();
    let rows = keys.iter().map(|key| {
        let at =
            |target: &&str| entry(&cells.iter().copied().filter(|cell| cell.key == *key && cell.target == **target).collect::<Vec<_>>());
        std::iter::once((*key).to_owned()).chain(targets.iter().map(at)).collect()
    });
    (!cells.is_empty()).then(|| output::table_text(&headings, rows.collect::<Vec<_>>()))
}

fn entry(cells: &[&Cell]) -> String {
    let worst = cells.iter().map(|cell| cell.verdict).max();
    let count = |verdict: Verdict| cells.iter().filter(|cell| cell.verdict == verdict).count();
    match worst {
        None => "-".into(),
        Some(Verdict::Leak) => format!("LEAK ×{}", count(Verdict::Leak)),
        Some(Verdict::Broken) => format!("BROKEN ×{}", count(Verdict::Broken)),
        Some(Verdict::Limited) => format!("limited ×{}", count(Verdict::Limited)),
        Some(Verdict::Off) => "off".into(),
        Some(Verdict::Right) if cells.iter().all(|cell| cell.expected == "a refusal") => format!("shut ×{}", cells.len()),
        Some(Verdict::Right) => format!("open ×{}", cells.len()),
    }
}
