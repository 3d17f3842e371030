//! Files as people have them, through the whole verb: what is stored, and what is said about mistakes.

use std::path::PathBuf;

use anmei_mcp_tools::Records;
use clap::{Args, FromArgMatches};

use super::{Format, ImportArgs, ImportOptions, import};
use crate::{
    clock::FixedClock,
    store::{
        Store,
        import::{ImportSummary, Kind},
    },
};

struct Clinic {
    dir: tempfile::TempDir,
    store: Store,
}

impl Clinic {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("anmei.db")).unwrap();
        Self { dir, store }
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    async fn import(&self, kind: Kind, name: &str, text: impl AsRef<[u8]>) -> Result<ImportSummary, String> {
        self.import_with(kind, name, text, ImportOptions::default()).await
    }

    async fn import_with(&self, kind: Kind, name: &str, text: impl AsRef<[u8]>, options: ImportOptions) -> Result<ImportSummary, String> {
        let file = self.file(name, text);
        let clock = FixedClock::at_ms(1_779_271_200_000);
        import(&self.store, kind, &file, options, &clock).await.map_err(|error| error.to_string())
    }
}

fn summary(added: u64, changed: u64, unchanged: u64) -> ImportSummary {
    ImportSummary { added, changed, unchanged }
}

const USERS: &str = "\u{feff}userId,username,phone,roles,createdAt\r\nusr_1,张伟,138 1234 8888,customer,2026-05-01\r\nusr_2,\"Li, Na\",,customer|doctor,\r\n";

#[tokio::test]
async fn a_csv_file_with_a_mark_and_crlf_is_read_and_can_be_read_again() {
    let clinic = Clinic::new();
    assert_eq!(clinic.import(Kind::Users, "users.csv", USERS).await, Ok(summary(2, 0, 0)));
    assert_eq!(clinic.import(Kind::Users, "users.csv", USERS).await, Ok(summary(0, 0, 2)));
    let user = clinic.store.user("usr_2").await.unwrap().unwrap();
    assert_eq!((user.username.as_str(), user.phone), ("Li, Na", None));
    assert_eq!(user.roles, ["customer", "doctor"]);
    let renamed = USERS.replace("张伟", "张玮");
    assert_eq!(clinic.import(Kind::Users, "users.csv", renamed).await, Ok(summary(0, 1, 1)));
}

#[tokio::test]
async fn jsonl_is_read_with_blank_lines() {
    let clinic = Clinic::new();
    clinic.import(Kind::Users, "users.csv", USERS).await.unwrap();
    let text = "{\"user_id\": \"usr_1\", \"concerns\": [\"色斑\"], \"allergies\": \"lidocaine;Penicillin\"}\n\n{\"userId\": \"usr_2\", \"skinType\": null}\n";
    assert_eq!(clinic.import(Kind::Customers, "customers.ndjson", text).await, Ok(summary(2, 0, 0)));
    let customer = clinic.store.customer("usr_1").await.unwrap().unwrap();
    assert_eq!(customer.allergies, ["lidocaine", "penicillin"]);
    let budget = "{\"user_id\": \"usr_1\", \"budget_min\": 1980.5, \"budgetMax\": \"9,800\"}";
    assert_eq!(clinic.import(Kind::Preferences, "preferences.jsonl", budget).await, Ok(summary(1, 0, 0)));
    let preferences = clinic.store.preferences("usr_1").await.unwrap().unwrap();
    assert_eq!((preferences.budget_min_fen, preferences.budget_max_fen), (Some(198_050), Some(980_000)));
}

#[tokio::test]
async fn mistakes_are_named_by_line_and_nothing_is_kept() {
    let clinic = Clinic::new();
    let text = "id,username,phone\nusr_1,\"two\nlines\",1381234\nusr_2,张伟,ask\nusr_3,Li\nusr 4,,13812348888\n";
    let error = clinic.import(Kind::Users, "users.csv", text).await.unwrap_err();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines[0], "nothing was imported: users.csv has 5 mistakes");
    assert!(lines[1].starts_with("  users.csv:2: username: `two"), "{error}");
    assert!(error.contains("\n  users.csv:4: phone: `ask` is not understood; expected 3 to 20 digits, such as"), "{error}");
    assert!(error.contains("\n  users.csv:5: the row has 2 cells and the header 3; expected as many"), "{error}");
    assert!(error.contains("\n  users.csv:6: id: `usr 4` is not understood"), "{error}");
    assert!(error.contains("\n  users.csv:6: username: it is missing; expected display name"), "{error}");
    assert!(clinic.store.user("usr_1").await.unwrap().is_none());
}

#[tokio::test]
async fn at_most_twenty_mistakes_are_named() {
    let clinic = Clinic::new();
    let error = clinic.import(Kind::Users, "users.jsonl", "{]\n".repeat(50)).await.unwrap_err();
    assert_eq!(error.lines().count(), 21);
    assert!(
        error.starts_with(
            "nothing was imported: users.jsonl has 20 mistakes or more\n  users.jsonl:1: it is no JSON object (column 2); expected"
        ),
        "{error}"
    );
}

#[tokio::test]
async fn columns_that_are_unknown_missing_or_twice_are_named() {
    let clinic = Clinic::new();
    let error = clinic.import(Kind::Users, "users.csv", "id,user_id,nickname\n").await.unwrap_err();
    assert!(error.contains("users.csv:1: id: two columns say it, one of them `user_id`; expected one"), "{error}");
    assert!(error.contains("users.csv:1: users have no column `nickname`; expected id, username, email"), "{error}");
    assert!(error.contains("users.csv:1: username: the column is missing; expected display name"), "{error}");
    let error = clinic.import(Kind::Users, "users.jsonl", "{\"id\": \"a\", \"userId\": \"a\", \"nickname\": 1}").await.unwrap_err();
    assert!(error.contains("users.jsonl:1: id: two keys say it"), "{error}");
    assert!(error.contains("users.jsonl:1: users have no column `nickname`"), "{error}");
    let error = clinic.import(Kind::Users, "users.csv", "").await.unwrap_err();
    assert!(error.contains("users.csv:1: the file is empty; expected a header row of id, username"), "{error}");
}

#[tokio::test]
async fn rows_that_point_at_nothing_are_named_by_line() {
    let clinic = Clinic::new();
    clinic.import(Kind::Users, "users.csv", USERS).await.unwrap();
    let text = "user_id,city\nusr_1,上海\nusr_x,北京\n";
    let error = clinic.import(Kind::Customers, "customers.csv", text).await.unwrap_err();
    assert_eq!(
        error,
        "nothing was imported: customers.csv has 1 mistake\n  customers.csv:3: user_id usr_x is not in users; import users first"
    );
    assert!(clinic.store.customer("usr_1").await.unwrap().is_none());
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_keeps_nothing() {
    let clinic = Clinic::new();
    let options = ImportOptions { dry_run: true, json: true, ..ImportOptions::default() };
    assert_eq!(clinic.import_with(Kind::Users, "users.csv", USERS, options).await, Ok(summary(2, 0, 0)));
    assert!(clinic.store.user("usr_1").await.unwrap().is_none());
    assert_eq!(clinic.import(Kind::Users, "users.csv", USERS).await, Ok(summary(2, 0, 0)));
}

#[tokio::test]
async fn other_encodings_and_names_are_refused_with_advice() {
    let clinic = Clinic::new();
    let error = clinic.import(Kind::Users, "users.csv", b"id,username\nusr_1,\xd5\xc5\xce\xb0\n").await.unwrap_err();
    assert!(error.contains("users.csv:2: the text is not UTF-8; save the file as UTF-8"), "{error}");
    let error = clinic.import(Kind::Users, "users.csv", b"\xff\xfei\0d\0").await.unwrap_err();
    assert!(error.contains("users.csv:1: the file is UTF-16; save it as UTF-8"), "{error}");
    let error = clinic.import(Kind::Users, "users.txt", USERS).await.unwrap_err();
    assert!(error.starts_with("users.txt does not end in .csv, .jsonl or .ndjson"), "{error}");
    let options = ImportOptions { format: Some(Format::Csv), ..ImportOptions::default() };
    assert_eq!(clinic.import_with(Kind::Users, "users.txt", USERS, options).await, Ok(summary(2, 0, 0)));
    let missing =
        import(&clinic.store, Kind::Users, &clinic.dir.path().join("none.csv"), ImportOptions::default(), &FixedClock::at_ms(0)).await;
    assert!(missing.unwrap_err().to_string().starts_with("cannot read "));
}

#[test]
fn the_command_line_knows_every_kind_and_explains_the_columns() {
    let command = || ImportArgs::augment_args(clap::Command::new("import"));
    for kind in Kind::ALL {
        let matches = command().try_get_matches_from(["import", kind.name(), "-", "--format", "jsonl"]).unwrap();
        assert_eq!(ImportArgs::from_arg_matches(&matches).unwrap().kind, kind);
    }
    assert!(command().try_get_matches_from(["import", "people", "x.csv"]).is_err());
    let help = command().render_long_help().to_string();
    assert!(help.contains("services:") && help.contains("* price_min"), "{help}");
}
