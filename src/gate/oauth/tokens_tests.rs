use super::*;
use crate::{
    gate::{PolicyWatch, oauth::lifetimes::STEP},
    secret::SecretText,
    store::{
        audit::By,
        oauth_clients::{Client, ClientKind},
        rows_for_tests::Bench,
    },
};

const NOW: i64 = 1_800_000_000_000;
const LIFE: i64 = 30 * 60_000;

struct Door {
    _bench: Bench,
    store: Store,
    tokens: Tokens,
    policy: PolicyWatch,
    bearer: SecretText,
}

impl Door {
    /// A token for the URL of a group, or for the root.
    async fn with_token(code: Option<&str>) -> Self {
        let bench = Bench::new();
        let group =
            "INSERT INTO mcp_tool_groups (id, server_code, name, created_by, created_at, updated_at) VALUES ('g', 'a', 'a', 'setup', 0, 0)";
        bench.sql(group, &[]);
        let store = bench.store.clone();
        let client = Client { created_by: "cli".into(), ..Client::bare("c", ClientKind::Operator, NOW) };
        store.add_client(client, By::new("cli", NOW)).await.unwrap();
        let bearer = mint::mint(mint::ACCESS).unwrap();
        let grant = oauth_grants::Grant {
            id: "grant".into(),
            client_id: "c".into(),
            group_id: "g".into(),
            audience: "http://h/mcp".into(),
            resource_code: code.map(str::to_owned),
            scopes: vec!["tools:read".into()],
            key_id: None,
            account_id: None,
            created_at: NOW,
            expires_at: NOW + 2 * LIFE,
            used_at: None,
            revoked_at: None,
            revoked_why: None,
        };
        let token = Token {
            hash: mint::hash(bearer.expose()),
            id: "token".into(),
            kind: TokenKind::Access,
            grant_id: "grant".into(),
            pair: 0,
            audience: "http://h/mcp".into(),
            resource_code: code.map(str::to_owned),
            scopes: vec!["tools:read".into()],
            created_at: NOW,
            expires_at: NOW + LIFE,
            used_at: None,
            revoked_at: None,
        };
        store.add_grant_with_token(grant, token).await.unwrap();
        Self { _bench: bench, tokens: Tokens::new(store.clone()), policy: PolicyWatch::new(store.clone()), store, bearer }
    }

    async fn check(&self, code: Option<&str>, now: i64) -> Result<Grant, TokenRefusal> {
        let presented = Presented { code, ..Presented::default() };
        let policy = self.policy.current().unwrap();
        self.tokens.check(self.bearer.expose(), &presented, &policy, now).await
    }
}

fn told(answer: Result<Grant, TokenRefusal>) -> &'static str {
    match answer {
        Ok(_) => "in",
        Err(TokenRefusal::Unknown) => "unknown",
        Err(TokenRefusal::Invalid { why }) if why.contains("expired") => "expired",
        Err(TokenRefusal::Invalid { why }) if why.contains("revoked") => "revoked",
        Err(TokenRefusal::Invalid { why }) if why.contains("resource") => "resource",
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_is_in_force_for_its_time_whatever_the_clock_does() {
    let door = Door::with_token(None).await;
    for (now, answer) in [
        (NOW, "in"),
        (NOW + LIFE - 1, "in"),
        (NOW + LIFE, "expired"),
        (NOW + 1, "in"),
        (NOW - STEP, "in"),
        (NOW - STEP - 1, "expired"),
        (NOW + 100 * LIFE, "expired"),
        (NOW + 2, "in"),
    ] {
        assert_eq!(told(door.check(None, now).await), answer, "{}", now - NOW);
    }
}

#[tokio::test]
async fn rfc8707_2_a_token_for_a_group_is_for_its_url_alone() {
    let root = Door::with_token(None).await;
    assert_eq!((told(root.check(None, NOW).await), told(root.check(Some("a"), NOW).await)), ("in", "in"));
    let group = Door::with_token(Some("a")).await;
    assert_eq!(told(group.check(Some("a"), NOW).await), "in");
    assert_eq!((told(group.check(None, NOW).await), told(group.check(Some("b"), NOW).await)), ("resource", "resource"));
}

#[tokio::test]
async fn what_is_kept_in_memory_ends_with_the_grant() {
    let door = Door::with_token(None).await;
    let grant = door.check(None, NOW).await.unwrap();
    assert_eq!((&*grant.id, &*grant.principal, grant.expires_at), ("token", "grant", NOW + LIFE));
    assert!(door.tokens.still_holds(&grant, NOW) && !door.tokens.still_holds(&grant, NOW + LIFE));
    assert!(door.store.revoke_grant("grant", "test", By::new("cli", NOW)).await.unwrap());
    assert_eq!(told(door.check(None, NOW).await), "revoked");
    assert!(!door.tokens.still_holds(&grant, NOW));
    assert!(!door.store.revoke_grant("grant", "test", By::new("cli", NOW)).await.unwrap(), "once");
}

#[tokio::test]
async fn uses_are_written_down_and_other_texts_cost_no_look_up() {
    let door = Door::with_token(None).await;
    door.check(None, NOW + 7).await.unwrap();
    door.tokens.flush_uses().await.unwrap();
    let (token, grant) = door.store.oauth_token(&mint::hash(door.bearer.expose())).unwrap().unwrap();
    assert_eq!((token.used_at, grant.used_at), (Some(NOW + 7), Some(NOW + 7)));
    let policy = door.policy.current().unwrap();
    let refresh = mint::mint(mint::REFRESH).unwrap();
    let stranger = mint::mint(mint::ACCESS).unwrap();
    for text in ["", "x", "a.b.c", refresh.expose(), stranger.expose()] {
        let answer = door.tokens.check(text, &Presented::default(), &policy, NOW).await;
        assert_eq!(told(answer), "unknown");
    }
}
