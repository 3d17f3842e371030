//! Keys as rows: replaced, quiet, forgotten, used; and what a database of the first release becomes.

use super::{uses::USES_PER_KEY, *};
use crate::store::{
    audit::By,
    policy::{Group, NewGroup, Written},
    rows_for_tests::{Bench, DAY, HOUR, MINUTE, T0},
};

fn by(bench: &Bench) -> By {
    By::new("test", bench.now())
}

fn key(id: &str, name: &str) -> Key {
    let mut hash = [0; 32];
    hash.iter_mut().zip(id.bytes()).for_each(|(slot, byte)| *slot = byte);
    Key { id: id.into(), group_id: "g".into(), name: name.into(), hash, created_at: T0, created_by: "test".into(), ..Key::default() }
}

/// A group `lab` with one key, `k1`, named `default`.
async fn bench() -> Bench {
    let bench = Bench::new();
    let group = Group {
        id: "g".into(),
        server_code: "lab".into(),
        name: "lab".into(),
        description: String::new(),
        user_tier_access: Vec::new(),
        allowed_roles: Vec::new(),
        enabled: true,
        subject_scoped: false,
        created_by: "test".into(),
        created_at: T0,
        updated_at: T0,
    };
    let new = NewGroup { group, key: key("k1", "default"), tools: Vec::new() };
    bench.store.create_groups(vec![new], by(&bench)).await.unwrap();
    bench
}

fn used(id: &str, address: &str, at: i64) -> Uses {
    let one = KeyUse {
        key_id: id.into(),
        address: address.into(),
        client: "dify".into(),
        first_at: at,
        last_at: at,
        calls: 1,
        calls_in_grace: 1,
        refused: 0,
    };
    Uses { uses: vec![one], open: Vec::new() }
}

fn ids(keys: &[Key]) -> Vec<&str> {
    keys.iter().map(|key| key.id.as_str()).collect()
}

#[tokio::test]
async fn a_replaced_key_retires_once_it_has_been_quiet_while_somebody_watched() {
    let bench = bench().await;
    bench.store.rotate_key("k1", key("k2", "default"), T0 + 7 * DAY, by(&bench)).await.unwrap();
    let quiet = async |since: i64| bench.store.retire_quiet_keys(since, DAY, by(&bench)).await.unwrap();
    bench.store.note_key_uses(used("k1", "192.0.2.1", T0 + HOUR)).await.unwrap();
    bench.clock.advance_ms(DAY);
    assert!(quiet(T0).await.is_empty(), "used an hour after the rotation");
    bench.clock.advance_ms(HOUR - 1);
    assert!(quiet(T0).await.is_empty());
    bench.clock.advance_ms(1);
    assert!(quiet(T0 + 2 * HOUR).await.is_empty(), "the daemon was down for a while: that was no quiet");
    assert_eq!(ids(&quiet(T0).await), ["k1"]);
    assert!(quiet(T0).await.is_empty(), "once");
    let keys = bench.store.keys_of("g").unwrap();
    assert_eq!((keys[0].retired_at, keys[1].retired_at), (Some(bench.now()), None), "a current key never retires");
    assert_eq!(bench.texts("SELECT action FROM audit_log ORDER BY seq"), ["group.create", "key.rotate", "key.add", "key.retire"]);
}

#[tokio::test]
async fn what_stays_open_keeps_a_replaced_key_from_retiring() {
    let bench = bench().await;
    bench.store.rotate_key("k1", key("k2", "default"), T0 + 7 * DAY, by(&bench)).await.unwrap();
    bench.store.note_key_uses(Uses { uses: Vec::new(), open: vec![("k1".into(), T0 + DAY)] }).await.unwrap();
    bench.clock.advance_ms(DAY + HOUR);
    assert!(bench.store.retire_quiet_keys(T0, DAY, by(&bench)).await.unwrap().is_empty());
}

#[tokio::test]
async fn somebody_may_end_a_grace_before_its_time_and_nothing_else() {
    let bench = bench().await;
    let early = bench.store.retire_key("k1", by(&bench)).await.unwrap_err();
    assert!(early.to_string().contains("not in its grace"), "{early}");
    bench.store.rotate_key("k1", key("k2", "default"), T0 + DAY, by(&bench)).await.unwrap();
    assert_eq!(bench.store.retire_key("k1", by(&bench)).await.unwrap().retired_at, Some(bench.now()));
    assert!(bench.store.retire_key("k1", by(&bench)).await.is_err(), "once");
    assert!(bench.store.retire_key("k2", by(&bench)).await.is_err(), "a current key is revoked, not retired");
}

#[tokio::test]
async fn a_key_is_rotated_once_and_names_are_taken_by_current_keys_only() {
    let bench = bench().await;
    bench.store.rotate_key("k1", key("k2", "default"), T0 + DAY, by(&bench)).await.unwrap();
    let again = bench.store.rotate_key("k1", key("k3", "default"), T0 + DAY, by(&bench)).await.unwrap_err();
    assert!(again.to_string().contains("meanwhile"), "{again}");
    let taken = bench.store.add_key(key("k4", "default"), by(&bench)).await.unwrap_err();
    assert!(taken.to_string().contains("named default already"), "{taken}");
    bench.store.add_key(key("k5", "other"), by(&bench)).await.unwrap();
    assert!(bench.store.rename_key("k5", "default", None, by(&bench)).await.is_err());
    assert_eq!(bench.store.revoke_keys(vec!["k2".into()], by(&bench)).await.unwrap(), 1);
    assert_eq!(bench.store.revoke_keys(vec!["k2".into()], by(&bench)).await.unwrap(), 0);
    let stale = bench.store.rename_key("k5", "default", Some(1), by(&bench)).await.unwrap();
    assert!(matches!(&stale, Written::Stale(key) if key.name == "other"), "{stale:?}");
    let renamed = bench.store.rename_key("k5", "default", None, by(&bench)).await.unwrap();
    assert!(matches!(&renamed, Written::Done(key) if key.name == "default"), "{renamed:?}");
    assert_eq!(ids(&bench.store.keys_of("g").unwrap()), ["k1", "k2", "k5"], "what failed left nothing behind");
}

#[tokio::test]
async fn keys_that_ended_long_ago_are_forgotten_with_their_uses() {
    let bench = bench().await;
    bench.store.add_key(Key { expires_at: Some(T0 + HOUR), ..key("k2", "short") }, by(&bench)).await.unwrap();
    bench.store.add_key(key("k3", "revoked"), by(&bench)).await.unwrap();
    bench.store.revoke_keys(vec!["k3".into()], by(&bench)).await.unwrap();
    bench.store.rotate_key("k1", key("k4", "default"), T0 + DAY, by(&bench)).await.unwrap();
    bench.store.note_key_uses(used("k3", "192.0.2.1", T0)).await.unwrap();
    let forget = async |cutoff: i64| bench.store.forget_ended_keys(cutoff, by(&bench)).await.unwrap();
    assert_eq!(forget(T0).await, 0);
    assert_eq!(forget(T0 + 1).await, 1, "revoked");
    assert_eq!(forget(T0 + HOUR + 1).await, 1, "expired");
    assert_eq!(forget(T0 + DAY + 1).await, 1, "replaced");
    assert_eq!(forget(T0 + 1_000 * DAY).await, 0);
    assert_eq!(ids(&bench.store.keys_of("g").unwrap()), ["k4"]);
    assert_eq!(bench.number("SELECT count(*) FROM mcp_key_uses"), 0);
    bench.store.note_key_uses(used("k3", "192.0.2.1", T0)).await.unwrap();
    assert_eq!(bench.number("SELECT count(*) FROM mcp_key_uses"), 0, "a use of a key that is gone is nobody's");
}

#[tokio::test]
async fn uses_add_up_per_client_and_only_the_latest_are_kept() {
    let bench = bench().await;
    for _ in 0..3 {
        bench.store.note_key_uses(used("k1", "192.0.2.1", T0)).await.unwrap();
    }
    for n in 0..i64::from(USES_PER_KEY) + 20 {
        bench.store.note_key_uses(used("k1", &format!("198.51.100.{n}"), T0 + n)).await.unwrap();
    }
    bench.store.note_key_uses(used("k1", "192.0.2.1", T0 + HOUR)).await.unwrap();
    let uses = bench.store.key_uses("g").unwrap();
    assert_eq!(uses.len(), USES_PER_KEY as usize);
    let first = &uses[0];
    assert_eq!((&*first.address, first.last_at), ("192.0.2.1", T0 + HOUR));
    let key = &bench.store.keys_of("g").unwrap()[0];
    assert_eq!((key.last_used_at, key.last_used_address.as_deref()), (Some(T0 + HOUR), Some("192.0.2.1")));
    assert_eq!(bench.number("SELECT revision FROM policy_revision"), 3, "a group and a key were added; uses are no change");
}

#[tokio::test]
async fn an_old_key_in_use_near_its_end_is_a_straggler() {
    let bench = bench().await;
    bench.store.rotate_key("k1", key("k2", "default"), T0 + 10 * HOUR, by(&bench)).await.unwrap();
    let names = |now: i64| bench.store.stragglers(now).unwrap().into_iter().map(|one| (one.code, one.name, one.users)).collect::<Vec<_>>();
    bench.store.note_key_uses(used("k1", "192.0.2.1", T0 + 8 * HOUR)).await.unwrap();
    assert_eq!(names(T0 + 9 * HOUR + MINUTE), [], "it was used, but not lately");
    bench.store.note_key_uses(used("k1", "192.0.2.2", T0 + 9 * HOUR)).await.unwrap();
    assert_eq!(names(T0 + 9 * HOUR + MINUTE), [("lab".to_owned(), "default".to_owned(), 2)]);
    assert_eq!(names(T0 + 10 * HOUR), [], "it has ended");
}

#[test]
fn a_database_of_the_first_release_keeps_its_graces() {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(include_str!("../migrations/0001_base.sql")).unwrap();
    db.execute_batch(
        "INSERT INTO mcp_tool_groups (id, server_code, name, created_by, created_at, updated_at) VALUES ('g', 'g', 'g', 'setup', 1, 1);
         INSERT INTO mcp_keys (id, group_id, name, hash, hint, created_at, expires_at, revoked_at) VALUES
            ('a', 'g', 'default', zeroblob(32), 'aaaa', 10, 500, NULL), ('b', 'g', 'default', randomblob(32), 'bbbb', 20, NULL, 30),
            ('c', 'g', 'default', randomblob(32), 'cccc', 40, NULL, NULL);",
    )
    .unwrap();
    db.execute_batch(include_str!("../migrations/0003_keys.sql")).unwrap();
    let keys = all(&db).unwrap();
    let old = &keys[0];
    assert_eq!((old.rotated_at, old.grace_until, old.expires_at, old.replaced_by.as_deref()), (Some(20), Some(500), None, Some("b")));
    assert_eq!(keys.iter().filter(|key| key.is_current()).map(|key| key.id.as_str()).collect::<Vec<_>>(), ["c"]);
    assert!(keys.iter().all(|key| key.created_by == "unknown"));
}
