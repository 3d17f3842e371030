//! Agents through the admin side's front door: added, checked, weighed, changed by two people at once, restored, and no
//! key ever comes out.

use anmei_mcp::demo::stand_in_dify::{StandIn, StandInHandle};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    admin_kit::{Person, etag},
    harness::App,
    registration::{connect, new_user},
};

async fn stand_in() -> StandInHandle {
    StandIn::start(([127, 0, 0, 1], 0).into(), StandIn::default()).await.unwrap()
}

fn agent(name: &str, dify: &StandInHandle) -> Value {
    json!({"name": name, "base_url": dify.base_url, "key": dify.key.expose()})
}

/// The agent `old`, and the candidate `new` as the API shows it.
async fn old_and_candidate(app: &App, operator: &Person) -> (StandInHandle, StandInHandle, Value) {
    let (old, new) = (stand_in().await, stand_in().await);
    operator.post(app, "/agents", agent("old", &old)).await;
    let mut candidate = agent("new", &new);
    candidate["part"] = json!("candidate");
    let candidate = operator.post(app, "/agents", candidate).await;
    (old, new, candidate)
}

#[tokio::test]
async fn an_agent_is_added_and_checked_and_its_key_is_nowhere_to_be_seen() {
    let app = App::start(&[]).await;
    let operator = Person::new(&app, "operator");
    let dify = stand_in().await;
    let added = operator.ask(&app, ("POST", "/agents?reason=%E4%B8%8A%E7%BA%BF"), &[("idempotency-key", "k1")], agent("管家", &dify)).await;
    assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
    let again = operator.ask(&app, ("POST", "/agents?reason=%E4%B8%8A%E7%BA%BF"), &[("idempotency-key", "k1")], agent("管家", &dify)).await;
    assert_eq!((again.status, &again.body), (added.status, &added.body), "sent twice, done once");
    let other = operator.ask(&app, ("POST", "/agents?reason=other"), &[("idempotency-key", "k1")], agent("管家", &dify)).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY, "another reason is another request: {other:?}");
    let id = added.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(added.headers["location"], format!("/api/v1/agents/{id}"));
    let check = operator.post(&app, &format!("/agents/{id}/check"), Value::Null).await;
    assert_eq!((&check["ok"], &check["app_mode"]), (&json!(true), &json!("agent-chat")), "{check}");
    let twice = operator.ask(&app, ("POST", "/agents"), &[], agent("管家", &dify)).await;
    assert_eq!(twice.status, StatusCode::CONFLICT, "{twice:?}");

    let other = stand_in().await;
    let version = etag(&operator.ask(&app, ("GET", &format!("/agents/{id}")), &[], Value::Null).await);
    let key = json!({"key": other.key.expose()});
    let replaced = operator.ask(&app, ("PUT", &format!("/agents/{id}/key")), &[("if-match", &version)], key).await;
    assert_eq!(replaced.status, StatusCode::OK, "{replaced:?}");
    let check = operator.post(&app, &format!("/agents/{id}/check"), Value::Null).await;
    assert!(check["problem"]["zh"].as_str().unwrap().contains("密钥未被接受"), "{check}");

    let mut seen = app.log() + &app.ok(&["audit", "list", "--json"]) + &added.body + &replaced.body + &check.to_string();
    for path in ["/agents".to_owned(), format!("/agents/{id}"), format!("/agents/{id}/versions")] {
        seen += &operator.get(&app, &path).await.to_string();
    }
    for path in ["/panel/agents".to_owned(), format!("/panel/agents/{id}"), format!("/panel/agents/{id}/versions/2")] {
        let page = operator.page(&app, &path, "en").await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        seen += &page.body;
    }
    for key in [&dify.key, &other.key] {
        assert!(!seen.contains(key.expose()), "a key came out");
    }
    for trace in ["agent.add", "agent.key", "account:operator", "上线"] {
        assert!(seen.contains(trace), "{trace}");
    }
}

#[tokio::test]
async fn what_cannot_be_an_agent_is_refused_by_its_fields() {
    let app = App::start(&[]).await;
    let operator = Person::new(&app, "operator");
    for url in ["file:///etc/passwd", "ftp://dify", "https://user:pass@dify", "javascript:alert(1)", "dify", ""] {
        let wrong = json!({"name": "a", "base_url": url, "key": "app-1", "weight": 99_999});
        let answer = operator.ask(&app, ("POST", "/agents"), &[], wrong).await;
        let pointers: Vec<_> = answer.json()["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
        assert_eq!((answer.status, pointers), (StatusCode::UNPROCESSABLE_ENTITY, vec![json!("/base_url"), json!("/weight")]), "{url}");
    }
    let typed = [("name", "a"), ("base_url", "nowhere"), ("key", "app-typed-secret"), ("weight", "many"), ("kind", "agent")];
    let page = operator.form(&app, "/panel/agents/new", &typed).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("value=\"nowhere\"") && page.body.contains("write a whole number"), "{}", page.body);
    assert!(!page.body.contains("app-typed-secret"), "no page holds a key");
    assert!(operator.get(&app, "/agents").await["items"].as_array().unwrap().is_empty());
    assert_eq!(operator.ask(&app, ("GET", "/agents/nobody"), &[], Value::Null).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn weights_are_previewed_and_decide_who_is_asked_next() {
    let app = App::with_records(&[]).await;
    let operator = Person::new(&app, "operator");
    let (one, two) = (stand_in().await, stand_in().await);
    for (name, dify) in [("一", &one), ("二", &two)] {
        connect(&app, dify);
        operator.post(&app, "/agents", agent(name, dify)).await;
    }
    let weights = |first: u32| json!({"weights": [{"agent": "一", "weight": first}, {"agent": "二", "weight": 100 - first}]});
    let preview = operator.post(&app, "/agents/weights/preview", weights(25)).await;
    assert_eq!((&preview["agents"][0]["share"], &preview["agents"][1]["share"]), (&json!(0.25), &json!(0.75)), "{preview}");
    let mut asked = Vec::new();
    for (n, first) in [0, 100].into_iter().enumerate() {
        let version = etag(&operator.ask(&app, ("GET", "/agents/weights"), &[], Value::Null).await);
        let set = operator.ask(&app, ("PUT", "/agents/weights"), &[("if-match", &version)], weights(first)).await;
        assert_eq!((set.status, &set.json()["effective_immediately"]), (StatusCode::OK, &json!(true)), "{set:?}");
        let late = operator.ask(&app, ("PUT", "/agents/weights"), &[("if-match", &version)], weights(50)).await;
        assert_eq!((late.status, &late.json()["current"]["agents"][0]["weight"]), (StatusCode::PRECONDITION_FAILED, &json!(first)));
        let run = app.finished(&app.register(None, &new_user(n)).await.json()).await;
        asked.push(run["agent_calls"][0]["agent"].as_str().unwrap().to_owned());
    }
    assert_eq!(asked, ["二 v1", "一 v1"]);
    let nobody = json!({"weights": [{"agent": "一", "weight": 0}, {"agent": "二", "weight": 0}]});
    let refused = operator.ask(&app, ("PUT", "/agents/weights"), &[("if-match", "*")], nobody).await;
    assert_eq!(refused.json()["errors"][0]["pointer"], "/weights");
    let standing = operator.get(&app, "/agents/%E4%B8%80").await;
    assert_eq!((&standing["standing"]["breaker"], &standing["standing"]["free_places"]), (&json!("closed"), &json!(8)), "{standing}");
    let figures = operator.get(&app, "/agents/figures?since=1h").await;
    assert!(figures["items"].as_array().unwrap().iter().all(|one| one["runs"] == 1 && one["success"]["share"] == 1.0), "{figures}");
}

#[tokio::test]
async fn two_people_change_an_agent_and_the_second_sees_both_versions() {
    let app = App::start(&[]).await;
    let (operator, auditor) = (Person::new(&app, "operator"), Person::new(&app, "auditor"));
    let dify = stand_in().await;
    let id = operator.post(&app, "/agents", agent("<b>x</b>", &dify)).await["id"].as_str().unwrap().to_owned();
    let path = format!("/agents/{id}");
    let read = operator.ask(&app, ("GET", &path), &[], Value::Null).await;
    let seen = etag(&read);
    let bare = operator.ask(&app, ("PATCH", &path), &[], json!({"weight": 5})).await;
    assert_eq!(bare.status, StatusCode::PRECONDITION_REQUIRED, "{bare:?}");
    let first = operator.ask(&app, ("PATCH", &path), &[("if-match", &seen)], json!({"weight": 5})).await;
    assert_eq!((first.status, &first.json()["effective_immediately"]), (StatusCode::OK, &json!(true)), "{first:?}");
    let second = operator.ask(&app, ("PATCH", &path), &[("if-match", &seen)], json!({"weight": 6})).await;
    assert_eq!((second.status, &second.json()["current"]["weight"]), (StatusCode::PRECONDITION_FAILED, &json!(5)), "{second:?}");
    assert_eq!(etag(&second), etag(&first), "the version to go on from");

    // The same on a page: what was typed stays, beside what is there.
    let revision = seen.trim_matches('"');
    let typed = [
        ("revision", revision),
        ("name", "mine"),
        ("base_url", dify.base_url.as_str()),
        ("kind", "agent"),
        ("part", "stable"),
        ("version", "1"),
        ("environment", "production"),
        ("weight", "6"),
        ("rollout_percent", "0"),
        ("timeout_seconds", "60"),
        ("first_byte_ms", "2000"),
        ("stall_ms", "15000"),
        ("max_concurrent", "8"),
        ("enabled", "true"),
    ];
    let panel = format!("/panel/agents/{id}");
    let stale = operator.form(&app, &panel, &typed).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    assert!(stale.body.contains("value=\"mine\"") && stale.body.contains("<dd>5</dd>"), "{}", stale.body);
    assert!(!stale.body.contains("<b>x</b>") && stale.body.contains("&#60;b&#62;x&#60;/b&#62;"), "markup in a name is shown as text");
    let now = format!("name=\"revision\" value=\"{}\"", etag(&first).trim_matches('"'));
    assert!(stale.body.contains(&now), "sending it once more is a change of that version");
    let fresh: Vec<_> = typed
        .iter()
        .copied()
        .map(|(name, value)| if name == "revision" { (name, etag(&first)) } else { (name, value.to_owned()) })
        .collect();
    let fresh: Vec<_> = fresh.iter().map(|(name, value)| (*name, value.trim_matches('"'))).collect();
    let done = operator.form(&app, &panel, &fresh).await;
    assert_eq!(
        (done.status, done.headers["location"].to_str().unwrap()),
        (StatusCode::SEE_OTHER, &*format!("{panel}?said=agents-saved")),
        "{done:?}"
    );

    let versions = operator.get(&app, &format!("{path}/versions")).await;
    assert_eq!(versions["items"].as_array().unwrap().len(), 3, "{versions}");
    let version = etag(&operator.ask(&app, ("GET", &path), &[], Value::Null).await);
    let restored = operator.ask(&app, ("POST", &format!("{path}/versions/1/restore")), &[("if-match", &version)], Value::Null).await;
    assert_eq!((&restored.json()["weight"], &restored.json()["name"]), (&json!(100), &json!("<b>x</b>")), "{restored:?}");
    let stale = operator.ask(&app, ("POST", &format!("{path}/versions/2/restore")), &[("if-match", &version)], Value::Null).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    for wrong in ["9", "x", "-1"] {
        let answer = operator.ask(&app, ("GET", &format!("{path}/versions/{wrong}")), &[], Value::Null).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{wrong}: {answer:?}");
    }
    // An auditor looks, and changes nothing.
    assert_eq!(auditor.get(&app, &path).await["weight"], 100);
    let refused = auditor.ask(&app, ("PATCH", &path), &[("if-match", "*")], json!({"weight": 1})).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(!auditor.page(&app, &panel, "en").await.body.contains("name=\"key\""), "what may not be done is not shown");
}

#[tokio::test]
async fn a_candidate_is_rolled_out_compared_and_rolled_back() {
    let app = App::start(&[]).await;
    let operator = Person::new(&app, "operator");
    let (_old, _new, _) = old_and_candidate(&app, &operator).await;
    let put = async |percent: u32, version: &str| {
        operator.ask(&app, ("PUT", "/agents/new/rollout"), &[("if-match", version)], json!({"percent": percent})).await
    };
    let out = put(20, "*").await;
    assert_eq!((&out.json()["rollout_percent"], &out.json()["share"]), (&json!(20), &json!(0.2)), "{out:?}");
    assert_eq!(put(101, "*").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let view = operator.get(&app, "/agents/new/rollout").await;
    assert_eq!((&view["verdict"], &view["need"], &view["guard"]), (&json!("not_enough"), &json!(30), &json!(true)), "{view}");
    assert_eq!(operator.ask(&app, ("GET", "/agents/old/rollout"), &[], Value::Null).await.status, StatusCode::CONFLICT);
    let page = operator.page(&app, &format!("/panel/agents/{}", out.json()["id"].as_str().unwrap()), "zh-CN").await;
    assert!(page.body.contains("数据不足（0 / 30）") && page.body.contains("自动守护已开启"), "{}", page.body);
    let back = operator.ask(&app, ("POST", "/agents/new/rollout/roll-back?reason=worse"), &[("if-match", &etag(&out))], Value::Null).await;
    assert_eq!(back.json()["rollout_percent"], 0, "{back:?}");
    let latest = &operator.get(&app, "/agents/new/versions?limit=1").await["items"][0];
    assert_eq!((&latest["action"], &latest["reason"]), (&json!("agent.roll_back"), &json!("worse")), "{latest}");
}

/// The version that the first form of a page was made on.
fn revision_of(page: &str) -> String {
    let rest = page.split_once("name=\"revision\" value=\"").unwrap_or_else(|| panic!("no revision: {page}")).1;
    rest.split_once('"').unwrap().0.to_owned()
}

#[tokio::test]
async fn a_form_of_weights_shows_what_somebody_else_set_and_keeps_what_was_typed() {
    let app = App::start(&[]).await;
    let operator = Person::new(&app, "operator");
    let dify = stand_in().await;
    let id = operator.post(&app, "/agents", agent("one", &dify)).await["id"].as_str().unwrap().to_owned();
    let field = format!("weight.{id}");
    let revision = revision_of(&operator.page(&app, "/panel/agents", "en").await.body);
    let weights = json!({"weights": [{"agent": "one", "weight": 30}]});
    let set = operator.ask(&app, ("PUT", "/agents/weights"), &[("if-match", "*")], weights).await;
    assert_eq!(set.status, StatusCode::OK, "{set:?}");

    let send = async |revision: &str, reason: &str| {
        operator
            .form(&app, "/panel/agents/weights", &[("revision", revision), (field.as_str(), "70"), ("reason", reason), ("save", "1")])
            .await
    };
    let stale = send(&revision, "try").await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED, "{stale:?}");
    for part in ["value=\"70\"", "now: 30", "value=\"try\"", "Somebody changed an agent"] {
        assert!(stale.body.contains(part), "{part}: {}", stale.body);
    }
    let now = revision_of(&stale.body);
    let wordy = send(&now, &"x".repeat(501)).await;
    assert_eq!(wordy.status, StatusCode::UNPROCESSABLE_ENTITY, "{wordy:?}");
    assert!(
        wordy.body.contains("id=\"wrong-reason\">500 characters at most") && wordy.body.contains("value=\"70\""),
        "what is wrong stands beside its field: {}",
        wordy.body
    );
    assert!(!wordy.body.contains("now: 30"), "nobody was faster");
    let done = send(&now, "try").await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, "/panel/agents?said=agents-weights"), "{done:?}");
    assert_eq!(operator.get(&app, "/agents/one").await["weight"], 70);
}

#[tokio::test]
async fn every_form_of_an_agent_shows_what_somebody_else_did_and_keeps_what_was_typed() {
    let app = App::start(&[]).await;
    let operator = Person::new(&app, "operator");
    let (_old, new, candidate) = old_and_candidate(&app, &operator).await;
    let id = candidate["id"].as_str().unwrap();
    let panel = format!("/panel/agents/{id}");
    let page = operator.page(&app, &panel, "en").await.body;
    let slider = page.split_once("type=\"range\"").unwrap().1.split_once('>').unwrap().0;
    assert!(slider.contains("min=\"0\" max=\"100\"") && slider.contains("data-shown-in=\"percent-now\""), "{slider}");
    assert!(page.contains("<output id=\"percent-now\" for=\"f-percent\""), "{page}");

    let revision = revision_of(&page);
    let out = operator.ask(&app, ("PUT", "/agents/new/rollout"), &[("if-match", "*")], json!({"percent": 20})).await;
    assert_eq!(out.status, StatusCode::OK, "{out:?}");
    let theirs = "<dt>Roll-out (%)</dt><dd>20</dd>";
    let key = new.key.expose();
    for (path, typed, kept) in [
        ("rollout", &[("percent", "40"), ("reason", "wider")][..], "value=\"40\""),
        ("rollout", &[("percent", "40"), ("roll_back", "1"), ("reason", "wider")], "value=\"40\""),
        ("key", &[("key", key), ("reason", "wider")], "value=\"wider\""),
        ("versions/1/restore", &[("reason", "wider")], "value=\"wider\""),
    ] {
        let stale = operator.form(&app, &format!("{panel}/{path}"), &[&[("revision", revision.as_str())], typed].concat()).await;
        assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED, "{path}: {stale:?}");
        for part in [theirs, kept, "value=\"wider\"", "<dd>account:operator</dd>", "Somebody changed this agent"] {
            assert!(stale.body.contains(part), "{path}: {part}: {}", stale.body);
        }
        assert!(!stale.body.contains(key), "no page holds a key");
        assert_ne!(revision_of(&stale.body), revision, "sending it once more is a change of the version that is there");
    }

    let now = revision_of(&operator.page(&app, &panel, "en").await.body);
    let rollout = format!("{panel}/rollout");
    let send = async |percent: &str, reason: &str| {
        operator.form(&app, &rollout, &[("revision", now.as_str()), ("percent", percent), ("reason", reason)]).await
    };
    let far = send("101", "wider").await;
    assert!(far.status == StatusCode::UNPROCESSABLE_ENTITY && far.body.contains("id=\"wrong-percent\""), "{far:?}");
    let wordy = send("40", &"x".repeat(501)).await;
    assert!(wordy.status == StatusCode::UNPROCESSABLE_ENTITY && wordy.body.contains("500 characters at most"), "{wordy:?}");
    assert!(wordy.body.contains("value=\"40\""), "{}", wordy.body);
    assert_eq!(send("40", "wider").await.status, StatusCode::SEE_OTHER);
    assert_eq!(operator.get(&app, "/agents/new").await["rollout_percent"], 40);
    let chinese = operator.page(&app, &panel, "zh-CN").await.body;
    assert!(chinese.contains("灰度比例（%）: 20 → 40"), "fields are called by their names: {chinese}");
}
