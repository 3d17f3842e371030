//! Every rule against a database that keeps it, and against one that breaks it.

use std::path::PathBuf;

use rusqlite::Connection;

use super::{Backlog, Check, Measures, backlog, rules::RULES, verify};
use crate::store::Store;

const NOW: i64 = 1_779_271_200_000;
/// Two runs: `…-1` is done in every respect, `…-2` was given up after its tries.
const SOUND: &str = include_str!("sound.sql");

const DONE: &str = "00000000-0000-7000-8000-000000000001";
const DEAD: &str = "00000000-0000-7000-8000-000000000002";

fn sound() -> (tempfile::TempDir, PathBuf, Connection) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("anmei-mcp.sqlite3");
    drop(Store::open(&path).unwrap());
    let db = Connection::open(&path).unwrap();
    db.execute_batch(SOUND).unwrap();
    (dir, path, db)
}

fn measures() -> Measures {
    Measures {
        now: NOW + 60_000,
        daemon_runs: false,
        drained: true,
        events: true,
        run_waits: vec![5_000, 15_000, 60_000],
        event_waits: vec![5_000, 300_000],
        deliveries_kept: 90 * 86_400_000,
    }
}

fn broken(checks: &[Check]) -> Vec<(&'static str, String)> {
    checks.iter().flat_map(|check| check.findings.iter().map(|finding| (check.name, finding.clone()))).collect()
}

#[test]
fn a_sound_database_keeps_every_rule() {
    let (_dir, path, _db) = sound();
    let checks = verify(&path, &measures()).unwrap();
    assert_eq!(broken(&checks), []);
    assert_eq!(checks.len(), RULES.len() + 2);
    let empty: Vec<_> = checks.iter().filter(|check| check.looked_at == 0).map(|check| check.name).collect();
    assert_eq!(empty, ["carried", "holders", "deliveries"], "every other rule has been held against rows, or it proves nothing");
    assert_eq!(backlog(&path, NOW).unwrap(), Backlog { runs: 0, jobs: 0 });
}

#[test]
fn each_breach_is_found_by_its_rule_and_named() {
    // What was done to the database, the rule that must see it, and what it must name.
    let breaches = [
        ("DELETE FROM conversations", "one_conversation", DONE),
        ("UPDATE conversations SET registration_id = NULL", "one_conversation", "names the conversation"),
        ("DELETE FROM messages", "one_welcome", DONE),
        ("UPDATE registrations SET welcome_text = NULL WHERE state = 'done'", "one_welcome", "without the text"),
        ("UPDATE registrations SET welcome_message_id = 'other' WHERE state = 'done'", "one_welcome", "other"),
        ("DELETE FROM notifications", "one_notice", DONE),
        ("UPDATE registrations SET finished_at = NULL WHERE state = 'dead_letter'", "ended", DEAD),
        ("UPDATE registrations SET state = 'accepted' WHERE state = 'done'", "ended", DONE),
        ("UPDATE registrations SET state = 'skipped' WHERE state = 'done'", "ended", "without a reason"),
        ("UPDATE registrations SET state = 'accepted', finished_at = NULL WHERE state = 'dead_letter'", "carried", "is dead"),
        (
            "UPDATE registrations SET state = 'accepted' WHERE state = 'done'; DELETE FROM jobs WHERE state = 'done'",
            "carried",
            "has no job",
        ),
        ("UPDATE jobs SET state = 'running', lease_token = 't', lease_until = 1, boot_id = 'b' WHERE state = 'done'", "holders", "gone"),
        ("UPDATE jobs SET lease_token = 't', lease_until = 1, boot_id = 'b' WHERE state = 'dead'", "holders", "with a holder"),
        ("UPDATE jobs SET attempt = 5 WHERE state = 'dead'", "tries", "5 times"),
        ("UPDATE registration_steps SET started_at = started_at - 1000 WHERE attempt = 2", "waits", "try 2"),
        (
            "INSERT INTO agent_calls (id, registration_id, agent_id, rung, state, started_at) SELECT 'again', registration_id, agent_id, rung, 'failed', started_at FROM agent_calls",
            "generations",
            "2 times",
        ),
        ("DELETE FROM outgoing_events WHERE kind = 'message.created'", "events", "message.created"),
        ("UPDATE outgoing_events SET delivered_at = NULL WHERE kind = 'message.created'", "deliveries", "message.created"),
        ("UPDATE pushes SET delivered_at = NULL", "deliveries", "ntfy"),
        (
            "INSERT INTO jobs (id, kind, subject_id, state, run_at, created_at) VALUES ('lost', 'push', 'nothing', 'ready', 0, 0)",
            "orphans",
            "nothing",
        ),
        ("DELETE FROM registrations WHERE state = 'dead_letter'", "foreign_keys", "registration_steps"),
        ("DELETE FROM registrations WHERE state = 'dead_letter'", "orphans", DEAD),
        ("UPDATE jobs SET state = 'ready', run_at = 0 WHERE state = 'dead'", "drained", "still ready"),
        ("UPDATE agent_calls SET state = 'asked'", "drained", "still open"),
    ];
    for (done, rule, named) in breaches {
        let (_dir, path, db) = sound();
        db.execute_batch(&format!("PRAGMA foreign_keys = OFF; {done}")).unwrap();
        let found = broken(&verify(&path, &measures()).unwrap());
        assert!(found.iter().any(|(name, finding)| *name == rule && finding.contains(named)), "{done}: {rule} {named}: {found:#?}");
    }
}

#[test]
fn what_a_unique_column_forbids_is_found_all_the_same() {
    let (_dir, path, db) = sound();
    // A damaged index is how a second row could come to be: the table without its UNIQUE columns stands for it.
    // The triggers on other tables that name it are left as they are.
    db.execute_batch(
        "PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON;
         DROP TRIGGER registration_claimed;
         CREATE TABLE copy AS SELECT * FROM registrations UNION ALL SELECT * FROM registrations;
         DROP TABLE registrations; ALTER TABLE copy RENAME TO registrations;
         CREATE TABLE copy AS SELECT * FROM notifications UNION ALL SELECT * FROM notifications;
         DROP TABLE notifications; ALTER TABLE copy RENAME TO notifications;
         CREATE TABLE copy AS SELECT * FROM pushes UNION ALL SELECT * FROM pushes;
         DROP TABLE pushes; ALTER TABLE copy RENAME TO pushes;
         CREATE TABLE copy AS SELECT * FROM outgoing_events UNION ALL SELECT * FROM outgoing_events;
         DROP TABLE outgoing_events; ALTER TABLE copy RENAME TO outgoing_events;
         CREATE TABLE copy AS SELECT * FROM messages UNION ALL SELECT * FROM messages;
         DROP TABLE messages; ALTER TABLE copy RENAME TO messages;
         CREATE TABLE copy AS SELECT * FROM alerts UNION ALL SELECT * FROM alerts;
         DROP TABLE alerts; ALTER TABLE copy RENAME TO alerts;",
    )
    .unwrap();
    // Asked one by one: foreign_key_check refuses a parent without a key.
    let snapshot = super::open(&path).unwrap();
    let named = |rule: &str| {
        let rule = RULES.iter().find(|known| known.name == rule).unwrap();
        super::hold(&snapshot, rule, &measures()).unwrap().broken
    };
    for rule in ["accepted_once", "one_welcome", "one_notice", "one_push", "events", "alerts"] {
        assert!(named(rule) > 0, "{rule}");
    }
}

#[test]
fn beside_a_daemon_its_own_jobs_are_no_finding_and_anothers_are() {
    let (_dir, path, db) = sound();
    let running = |boot: &str, state: &str| {
        let sql = "UPDATE jobs SET state = 'running', lease_token = 't', lease_until = 1, boot_id = ?1 WHERE state = ?2";
        db.execute(sql, [boot, state]).unwrap();
    };
    let measures = Measures { daemon_runs: true, drained: false, ..measures() };
    running("boot-2", "done");
    assert_eq!(broken(&verify(&path, &measures).unwrap()), []);
    running("boot-1", "dead");
    let found = broken(&verify(&path, &measures).unwrap());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].0 == "holders" && found[0].1.contains(DEAD), "the older boot is the one that is gone: {found:?}");
}

#[test]
fn a_damaged_or_foreign_file_is_told() {
    let (dir, path, db) = sound();
    db.execute_batch("PRAGMA user_version = 99").unwrap();
    assert!(verify(&path, &measures()).unwrap_err().to_string().contains("newer"));
    let missing = verify(&dir.path().join("nothing"), &measures()).unwrap_err().to_string();
    assert!(missing.contains("cannot open the database"), "{missing}");
}
