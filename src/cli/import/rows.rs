//! From the text of a file to records: rows of CSV, lines of JSON.

use csv::{ErrorKind, StringRecord};
use indicatif::ProgressBar;
use serde_json::{Map, Value};

use super::complaints::Complaints;
use crate::store::import::{Kind, Record, parse};

/// Records, and the line on which each began.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) records: Vec<Record>,
    pub(super) lines: Vec<u64>,
}

/// Rows as they are read.
struct Reading<'a> {
    kind: Kind,
    rows: Rows,
    complaints: Complaints,
    bar: &'a ProgressBar,
}

impl Reading<'_> {
    fn new(kind: Kind, bar: &ProgressBar) -> Reading<'_> {
        Reading { kind, rows: Rows::default(), complaints: Complaints::default(), bar }
    }

    fn add(&mut self, line: u64, cells: Vec<(&'static str, Value)>) {
        match parse(self.kind, cells) {
            Ok(record) => {
                self.rows.records.push(record);
                self.rows.lines.push(line);
            }
            Err(problems) => problems.into_iter().for_each(|problem| self.complaints.add(line, Some(problem.field), problem.why)),
        }
    }

    fn end(self) -> Result<Rows, Complaints> {
        if self.complaints.list.is_empty() { Ok(self.rows) } else { Err(self.complaints) }
    }
}

/// Reads a file with a header row.
pub(super) fn csv(kind: Kind, text: &str, bar: &ProgressBar) -> Result<Rows, Complaints> {
    let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| Complaints::one(1, error.to_string()))?;
    let columns = columns(kind, header)?;
    let mut reading = Reading::new(kind, bar);
    let mut row = StringRecord::new();
    while !reading.complaints.full() {
        match reader.read_record(&mut row) {
            Ok(false) => break,
            Ok(true) => {
                let line = row.position().map_or(0, csv::Position::line);
                let cells = columns.iter().zip(&row).map(|(name, cell)| (*name, Value::from(cell)));
                reading.add(line, cells.collect());
            }
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                reading.complaints.add(line, None, row_error(&error));
            }
        }
        reading.bar.set_position(reader.position().byte());
    }
    reading.end()
}

fn row_error(error: &csv::Error) -> String {
    match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!(
                "the row has {len} cells and the header {expected_len}; expected as many (a comma inside a cell needs \"quotes\" around it)"
            )
        }
        _ => error.to_string(),
    }
}

/// The fields that the header names, in its order.
fn columns(kind: Kind, header: &StringRecord) -> Result<Vec<&'static str>, Complaints> {
    let mut complaints = Complaints::default();
    let mut columns = Vec::with_capacity(header.len());
    for column in header {
        match kind.field(column) {
            Ok(field) if columns.contains(&field.name) => {
                complaints.add(1, Some(field.name), format!("two columns say it, one of them `{column}`; expected one"));
            }
            Ok(field) => columns.push(field.name),
            Err(why) => complaints.add(1, None, why),
        }
    }
    if header.is_empty() {
        let names: Vec<&str> = kind.fields().iter().map(|field| field.name).collect();
        return Err(Complaints::one(1, format!("the file is empty; expected a header row of {}", names.join(", "))));
    }
    for field in kind.fields().iter().filter(|field| field.required && !columns.contains(&field.name)) {
        complaints.add(1, Some(field.name), format!("the column is missing; expected {}", field.meaning));
    }
    if complaints.list.is_empty() { Ok(columns) } else { Err(complaints) }
}

/// Reads a file with one JSON object a line; blank lines are skipped.
pub(super) fn jsonl(kind: Kind, text: &str, bar: &ProgressBar) -> Result<Rows, Complaints> {
    let mut reading = Reading::new(kind, bar);
    for (number, line) in (1..).zip(text.split('\n')) {
        if reading.complaints.full() {
            break;
        }
        reading.bar.inc(line.len() as u64 + 1);
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str(line) {
            Ok(object) => match cells(kind, object) {
                Ok(cells) => reading.add(number, cells),
                Err(problems) => problems.into_iter().for_each(|why| reading.complaints.add(number, None, why)),
            },
            Err(error) => {
                reading.complaints.add(
                    number,
                    None,
                    format!("it is no JSON object (column {}); expected one object a line", error.column()),
                );
            }
        }
    }
    reading.end()
}

fn cells(kind: Kind, object: Map<String, Value>) -> Result<Vec<(&'static str, Value)>, Vec<String>> {
    let mut cells: Vec<(&'static str, Value)> = Vec::with_capacity(object.len());
    let mut problems = Vec::new();
    for (key, value) in object {
        match kind.field(&key) {
            Ok(field) if cells.iter().any(|(name, _)| *name == field.name) => {
                problems.push(format!("{}: two keys say it, one of them `{key}`; expected one", field.name));
            }
            Ok(field) => cells.push((field.name, value)),
            Err(why) => problems.push(why),
        }
    }
    if problems.is_empty() { Ok(cells) } else { Err(problems) }
}
