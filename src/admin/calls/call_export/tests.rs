use serde_json::Value;

use super::{
    columns::{COLUMNS, Cell, csv, csv_head, defused, jsonl},
    *,
};
use crate::admin::calls::call_log::CallView;

fn call(tool: &str, error: Option<&str>) -> Record {
    let view = CallView {
        call_id: "c".into(),
        number: 1,
        at: "2026-11-26T10:00:00.000Z".into(),
        group: None,
        tool: tool.into(),
        success: error.is_none(),
        outcome: "ok".into(),
        error: error.map(str::to_owned),
        duration_ms: -1,
        key: None,
        client: Some("@SUM(A1)".into()),
        app_id: None,
        registration_id: None,
        channel: "http".into(),
        protocol: String::new(),
    };
    Record::of(view, (Some(json!({"query": "[2 characters]"})), None))
}

#[test]
fn no_cell_is_taken_for_a_formula() {
    for text in ["=1+1", "+1", "-1", "@a", "\tx", "\rx"] {
        assert_eq!(defused(text), format!("'{text}"));
    }
    assert_eq!(defused("a=1"), "a=1");
    let file = String::from_utf8(csv(&[call("=cmd|' /C calc'!A0", Some("a \"quoted\", thing\nof two lines"))]).unwrap()).unwrap();
    let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(file.as_bytes());
    let row = reader.records().next().unwrap().unwrap();
    assert_eq!(row.len(), COLUMNS.len());
    assert_eq!((&row[5], &row[8], &row[9], &row[12]), ("'=cmd|' /C calc'!A0", "a \"quoted\", thing\nof two lines", "-1", "'@SUM(A1)"));
    assert_eq!(&row[17], "{\"query\":\"[2 characters]\"}");
    assert!(csv_head().starts_with("\u{feff}call_id,number,at,".as_bytes()));
}

#[test]
fn a_file_that_is_cut_says_so_in_its_last_row() {
    let cut = Record::cut(100, "2026-11-26T10:00:00.000Z");
    let cells = cut.cells();
    assert_eq!((cells.len(), &cells[0]), (COLUMNS.len(), &Cell::Text("truncated".into())));
    let lines = String::from_utf8(jsonl(&[call("t", None), cut]).unwrap()).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines[0]["call_id"].as_str(), lines[1]["truncated"]["rows"].as_i64()), (Some("c"), Some(100)));
}

#[tokio::test]
async fn a_workbook_is_packed_while_it_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = Book::new(dir.path()).unwrap();
    let long = "x".repeat(40_000);
    for _ in 0..300 {
        book.add(&[call("=1+1", Some(&long)), call("t", None)]).unwrap();
    }
    let pieces: Vec<Bytes> = book.send().try_collect().await.unwrap();
    let archive = pieces.concat();
    assert!(archive.starts_with(b"PK\x03\x04") && archive.windows(4).any(|bytes| bytes == b"PK\x05\x06"), "{}", archive.len());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing stays behind");
}
