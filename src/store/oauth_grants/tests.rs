use super::*;
use crate::store::{
    migrate,
    oauth_clients::{ClientKind, Registered},
};

const NOW: i64 = 1_800_000_000_000;
const DAY: i64 = 24 * 3_600_000;

async fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("db.sqlite3")).unwrap();
    let group =
        "INSERT INTO mcp_tool_groups (id, server_code, name, created_by, created_at, updated_at) VALUES ('g', 'a', 'a', 'setup', 0, 0)";
    store.write(move |db| Ok(db.execute_batch(group)?)).await.unwrap();
    (dir, store)
}

fn client(id: &str, kind: ClientKind, created_at: i64) -> Client {
    Client {
        redirect_uris: vec!["https://a.b/cb".into()],
        grant_types: vec!["authorization_code".into()],
        ..Client::bare(id, kind, created_at)
    }
}

fn granted(id: &str, client: &str, created_at: i64) -> Grant {
    Grant {
        id: id.into(),
        client_id: client.into(),
        group_id: "g".into(),
        audience: "http://h/mcp".into(),
        resource_code: None,
        scopes: vec!["tools:read".into()],
        key_id: Some("k".into()),
        account_id: None,
        created_at,
        expires_at: created_at + 90 * DAY,
        used_at: None,
        revoked_at: None,
        revoked_why: None,
    }
}

fn minted(n: u8, kind: TokenKind, grant: &str, created_at: i64) -> Token {
    Token {
        hash: [n; 32],
        id: format!("t{n}"),
        kind,
        grant_id: grant.into(),
        pair: 0,
        audience: "http://h/mcp".into(),
        resource_code: None,
        scopes: vec!["tools:read".into()],
        created_at,
        expires_at: created_at + DAY,
        used_at: None,
        revoked_at: None,
    }
}

#[tokio::test]
async fn what_has_ended_is_forgotten_and_what_has_not_is_kept() {
    let (_dir, store) = store().await;
    for (id, kind) in [("unused", ClientKind::Dynamic), ("used", ClientKind::Dynamic), ("kept", ClientKind::Operator)] {
        assert_eq!(store.register_client(client(id, kind, NOW), 10, 0).await.unwrap(), Registered::Added);
    }
    store.add_grant_with_token(granted("old", "used", NOW), minted(1, TokenKind::Access, "old", NOW)).await.unwrap();
    store.add_grant_with_token(granted("new", "used", NOW + 80 * DAY), minted(2, TokenKind::Refresh, "new", NOW + 80 * DAY)).await.unwrap();
    let left = |at: i64| {
        let store = store.clone();
        async move {
            store.prune_oauth(at, at - DAY).await.unwrap();
            let clients = store.oauth_clients().unwrap().into_iter().map(|client| client.id).collect::<Vec<_>>().join(" ");
            (clients, store.oauth_grants().unwrap().len(), store.oauth_token(&[1; 32]).unwrap().is_some())
        }
    };
    assert_eq!(left(NOW + DAY).await, ("kept unused used".into(), 2, true));
    assert_eq!(left(NOW + DAY + 1).await, ("kept used".into(), 2, true), "a day unused");
    assert_eq!(left(NOW + 3 * DAY).await, ("kept used".into(), 2, false), "a token, a day after its end");
    assert_eq!(left(NOW + 98 * DAY).await.1, 0, "grants without tokens, and those that ended a week ago");
    assert_eq!(left(NOW + 169 * DAY).await.0, "kept used", "not yet ninety days");
    assert_eq!(left(NOW + 171 * DAY).await.0, "kept");
}

#[tokio::test]
async fn a_revoked_key_ends_what_it_proved_and_every_end_is_counted() {
    let (_dir, store) = store().await;
    store.register_client(client("c", ClientKind::Dynamic, NOW), 10, 0).await.unwrap();
    store.add_grant_with_token(granted("one", "c", NOW), minted(1, TokenKind::Access, "one", NOW)).await.unwrap();
    let before = store.oauth_revision().unwrap();
    let key = "INSERT INTO mcp_keys (id, group_id, name, hash, hint, created_at) VALUES ('k', 'g', 'default', zeroblob(32), 'xxxx', 0)";
    store.write(move |db| Ok(db.execute_batch(key)?)).await.unwrap();
    store.touch_tokens(vec![([1; 32], NOW + 5)]).await.unwrap();
    assert_eq!(store.oauth_revision().unwrap(), before, "what ends nothing is not counted");
    store.write(|db| Ok(db.execute_batch("UPDATE mcp_keys SET revoked_at = 7 WHERE id = 'k'")?)).await.unwrap();
    let (_, grant) = store.oauth_token(&[1; 32]).unwrap().unwrap();
    assert_eq!((grant.revoked_at, grant.revoked_why.as_deref(), grant.used_at), (Some(7), Some("key revoked"), Some(NOW + 5)));
    assert!(store.oauth_revision().unwrap() > before);
}

fn code_for(n: u8) -> Code {
    Code {
        hash: [n; 32],
        transaction_id: format!("request {n}"),
        redirect_uri: "https://a.b/cb".into(),
        challenge: "x".into(),
        created_at: NOW,
        expires_at: NOW + 60_000,
        used_at: None,
        redirect_left_out: n.is_multiple_of(2),
    }
}

#[tokio::test]
async fn a_key_that_has_ended_meanwhile_leaves_no_grant_and_one_that_will_end_bounds_it() {
    let (_dir, store) = store().await;
    store.register_client(client("c", ClientKind::Dynamic, NOW), 10, 0).await.unwrap();
    let whole = NOW + 90 * DAY;
    for (n, (ends, until)) in (1..).zip([
        ("NULL, NULL, NULL, NULL, NULL".to_owned(), Some(whole)),
        (format!("NULL, NULL, NULL, NULL, {NOW}"), None),
        (format!("NULL, 7, {whole}, 8, NULL"), None),
        (format!("{NOW}, NULL, NULL, NULL, NULL"), None),
        (format!("{}, NULL, NULL, NULL, NULL", NOW + 1), Some(NOW + 1)),
        (format!("NULL, 7, {NOW}, NULL, NULL"), None),
        (format!("NULL, 7, {}, NULL, NULL", NOW + 1), Some(whole)),
    ]) {
        let key = format!(
            "INSERT INTO mcp_keys (id, group_id, name, hash, hint, created_at, expires_at, rotated_at, grace_until, retired_at, revoked_at)
             VALUES ('k{n}', 'g', 'k{n}', randomblob(32), 'xxxx', 0, {ends})"
        );
        store.write(move |db| Ok(db.execute_batch(&key)?)).await.unwrap();
        let grant = Grant { key_id: Some(format!("k{n}")), ..granted(&format!("grant {n}"), "c", NOW) };
        let became = store.add_grant(grant, code_for(n), None, By::new("test", NOW)).await.unwrap();
        let found = store.oauth_code(&[n; 32]).unwrap();
        assert_eq!(became, if until.is_some() { Approval::Done } else { Approval::KeyEnded }, "{ends}");
        assert_eq!(found.map(|(code, grant)| (code, grant.expires_at)), until.map(|until| (code_for(n), until)), "{ends}");
    }
    let unknown = Grant { key_id: Some("gone".into()), ..granted("grant", "c", NOW) };
    assert_eq!(store.add_grant(unknown, code_for(9), None, By::new("test", NOW)).await.unwrap(), Approval::KeyEnded);
}

#[tokio::test]
async fn a_request_is_answered_once_and_refusals_are_forgotten_with_their_pages() {
    let (_dir, store) = store().await;
    store.register_client(client("c", ClientKind::Dynamic, NOW), 10, 0).await.unwrap();
    let add = async |n: u8| {
        let grant = Grant { key_id: None, ..granted(&format!("grant {n}"), "c", NOW) };
        store.add_grant(grant, code_for(n), None, By::new("test", NOW)).await.unwrap()
    };
    let deny = async |n: u8, now: i64| store.deny_request(&format!("request {n}"), now, now + 10).await.unwrap();
    assert!(deny(1, NOW).await && !deny(1, NOW).await);
    assert_eq!((add(1).await, add(2).await, add(2).await), (Approval::Answered, Approval::Done, Approval::Answered));
    assert!(!deny(2, NOW).await);
    let kept = || store.point(|db| db.query_row("SELECT count(*) FROM oauth_denials", [], |row| row.get::<_, i64>(0))).unwrap();
    assert!(deny(3, NOW + 9).await && kept() == 2);
    assert!(deny(4, NOW + 10).await && kept() == 2, "the page of the first has ended");
    store.prune_oauth(NOW + 20, NOW - DAY).await.unwrap();
    assert_eq!(kept(), 0);
}

#[test]
fn the_look_ups_go_by_keys() {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(migrate::SCHEMA).unwrap();
    for sql in [
        format!("SELECT {TOKEN}, {GRANT} FROM oauth_tokens t JOIN oauth_grants g ON g.id = t.grant_id WHERE t.hash = ?1"),
        format!("SELECT {TOKEN}, {GRANT} FROM oauth_tokens t JOIN oauth_grants g ON g.id = t.grant_id WHERE t.id = ?1"),
        format!("SELECT {CODE}, {GRANT} FROM oauth_codes c JOIN oauth_grants g ON g.id = c.grant_id WHERE c.hash = ?1"),
    ] {
        let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps: Vec<String> = plan.query_map([""], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        assert!(steps.iter().all(|step| step.starts_with("SEARCH")), "{steps:?}");
    }
}
