//! I4: a fresh database and a migrated one have the same schema; and every column says what it holds.

use std::{collections::BTreeMap, fs, path::Path};

use rusqlite::Connection;

use crate::harness::App;

/// Tables with their columns, and the text of everything else, without comments and layout.
fn shape(db: &Connection) -> BTreeMap<String, String> {
    let mut statement =
        db.prepare("SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%'").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).unwrap();
    rows.map(|row| {
        let (name, sql) = row.unwrap();
        let bare: Vec<_> = sql.lines().map(|line| line.split("--").next().unwrap()).collect();
        (name, bare.join(" ").split_whitespace().collect::<Vec<_>>().join(" ").replace("( ", "(").replace(" )", ")").replace(" ,", ","))
    })
    .collect()
}

#[test]
fn i4_a_fresh_database_and_a_migrated_one_have_the_same_schema() {
    let app = App::idle(&[]);
    app.ok(&["group", "list"]);
    let fresh = app.database();
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().join("migrated.sqlite3");
    anmei_mcp::store::migrate::migrate_from_nothing(&path).unwrap();
    let migrated = Connection::open(path).unwrap();
    let version = |db: &Connection| db.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(version(&fresh), version(&migrated));
    let (fresh, migrated) = (shape(&fresh), shape(&migrated));
    assert!(fresh.len() > 30, "{}", fresh.len());
    assert_eq!(fresh, migrated);
}

#[test]
fn every_column_says_what_it_holds_and_every_table_is_strict() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.sql")).unwrap();
    let mut table = String::new();
    let mut columns = 0;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("CREATE TABLE ") {
            name.split(' ').next().unwrap().clone_into(&mut table);
        } else if line.starts_with(')') {
            assert!(line.starts_with(") STRICT"), "{table} is not STRICT");
            table.clear();
        } else if !table.is_empty() && line.starts_with("    ") && !line.trim_start().starts_with(|c: char| c.is_uppercase()) {
            columns += 1;
            assert!(line.contains("-- "), "{table}: {line}");
        }
    }
    assert!(columns > 100, "{columns}");
}
