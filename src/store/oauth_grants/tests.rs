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
