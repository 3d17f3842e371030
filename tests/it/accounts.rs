//! Accounts by the command line: added, changed, refused; and by two people at once on their page.

use std::{io::Write, process::Stdio};

use http::StatusCode;
use serde_json::json;

use crate::{admin_kit::Person, harness::App};

/// Runs `account …` with a password on stdin; exit code, stdout, stderr.
fn with_password(app: &App, args: &[&str], password: &str) -> (i32, String, String) {
    let mut command = app.command(args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // One that does not ask for a password has closed its end.
    let _closed = child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes());
    let done = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
}

const GOOD: &str = "a quiet afternoon in May";

#[test]
fn an_account_opens_the_groups_that_list_its_role_and_its_tier() {
    let app = App::idle(&[]);
    let add = |login: &str, roles: &str, tier: &str| {
        let (code, out, err) = with_password(&app, &["account", "add", login, "--roles", roles, "--tier", tier, "--json"], GOOD);
        assert_eq!(code, 0, "{err}");
        serde_json::from_str::<serde_json::Value>(&out).unwrap()["opens"].clone()
    };
    assert_eq!(add("admin1", "admin", "internal"), json!(["system_tools", "consultation_tools", "medical_tools", "welcome_tools"]));
    assert_eq!(add("consultant1", "consultant", "internal"), json!(["consultation_tools"]));
    assert_eq!(add("doctor1", "doctor", "internal"), json!(["consultation_tools", "medical_tools"]));
    assert_eq!(add("customer1", "customer", "external"), json!(["project_tools"]));
    // No tier includes another, and no role.
    assert_eq!(add("premium1", "customer", "premium"), json!([]));
    assert_eq!(add("inside1", "customer", "internal"), json!([]));
    assert_eq!(add("outside1", "admin", "external"), json!([]));
    let opens = |login: &str| app.ok_json(&["account", "show", login])["opens"].clone();
    app.ok(&["group", "set", "project_tools", "--roles", "customer,operator", "--tiers", "external,premium"]);
    assert_eq!(opens("premium1"), json!(["project_tools"]));
    let said = app.ok(&["group", "set", "project_tools", "--tiers", ""]);
    assert!(said.contains("no account opens project_tools"), "{said}");
    assert_eq!(opens("customer1"), json!([]));
    app.ok(&["account", "set", "customer1", "--roles", "consultant", "--tier", "internal", "--panel-role", "auditor"]);
    assert_eq!(opens("customer1"), json!(["consultation_tools"]));
    app.ok(&["account", "disable", "customer1"]);
    assert_eq!(opens("customer1"), json!([]));
    app.ok(&["account", "enable", "CUSTOMER1"]);
    assert_eq!(opens("customer1"), json!(["consultation_tools"]));
    app.ok(&["account", "set", "customer1", "--panel-role", "none"]);
    assert_eq!(app.ok_json(&["account", "show", "customer1"])["panel_role"], json!(null));
    assert_eq!(app.ok_json(&["account", "list"]).as_array().unwrap().len(), 7);
}

#[test]
fn bad_accounts_are_refused_with_what_to_do() {
    let app = App::idle(&[]);
    let add = |login: &str, rest: &[&str], password: &str| {
        let (code, _, err) = with_password(&app, &[&["account", "add", login], rest].concat(), password);
        (code, err)
    };
    let whole = ["--roles", "admin", "--tier", "internal"];
    for (login, rest, password, told) in [
        ("mei", &whole[..], "short", "12"),
        ("mei", &whole[..], "123456789012345", "simple"),
        ("meiling", &whole[..], "meiling has a password", "login"),
        ("mei", &whole[..], "", "ANMEI_MCP_ACCOUNT_PASSWORD"),
        ("小美", &whole[..], GOOD, "a-z"),
        ("mei", &["--roles", "chief", "--tier", "internal"][..], GOOD, "consultant"),
        ("mei", &["--roles", "admin", "--tier", "gold"][..], GOOD, "premium"),
        ("mei", &["--roles", "admin", "--tier", "internal", "--panel-role", "root"][..], GOOD, "auditor"),
        ("mei", &["--roles", "admin", "--tier", "internal", "--password", "x"][..], GOOD, "--password"),
    ] {
        let (code, err) = add(login, rest, password);
        assert!(code == 2 && err.contains(told), "{login} {rest:?} {code}: {err}");
    }
    assert_eq!(add("mei", &whole, GOOD).0, 0);
    let (code, err) = add("Mei", &whole, GOOD);
    assert!(code == 1 && err.contains("already"), "{code} {err}");
    for args in [&["account", "show", "nobody"][..], &["account", "disable", "nobody"], &["account", "delete", "nobody", "--yes"]] {
        let output = app.cli(args);
        assert_eq!(output.status.code(), Some(4), "{args:?}");
    }
    assert_eq!(app.cli(&["account", "delete", "mei"]).status.code(), Some(2));
    assert_eq!(app.cli(&["account", "set", "mei"]).status.code(), Some(2));
    app.ok(&["account", "delete", "mei", "--yes"]);
    assert_eq!(app.ok_json(&["account", "list"]), json!([]));
}

#[test]
fn a_password_comes_from_the_environment_too_and_is_nowhere_to_be_seen() {
    let app = App::idle(&[]);
    let mut command = app.command(&["account", "add", "mei", "--roles", "admin", "--tier", "internal"]);
    let done = command.env("ANMEI_MCP_ACCOUNT_PASSWORD", GOOD).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let hash = |app: &App| app.database().query_row("SELECT password_hash FROM accounts", [], |row| row.get::<_, String>(0)).unwrap();
    let first = hash(&app);
    assert!(first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{first}");
    let (code, out, err) = with_password(&app, &["account", "password", "mei"], "another afternoon in June");
    assert_eq!(code, 0, "{err}");
    assert_ne!(hash(&app), first);
    let audit = app.ok(&["audit", "list", "--json"]);
    for action in ["account.add", "account.password"] {
        assert!(audit.contains(action), "{audit}");
    }
    for text in [audit, out, err, app.ok(&["account", "show", "mei"]), app.ok(&["account", "list", "--json"])] {
        assert!(!text.contains("afternoon") && !text.contains("argon2"), "{text}");
    }
}

/// The version that the form on the page of an account was made on.
fn version_of(page: &str) -> &str {
    page.split_once("name=\"version\" value=\"").unwrap_or_else(|| panic!("no version: {page}")).1.split_once('"').unwrap().0
}

#[tokio::test]
async fn two_people_change_an_account_and_the_second_sees_both_versions() {
    let app = App::start(&[]).await;
    let lin = Person::called(&app, "lin", "administrator");
    Person::called(&app, "wu", "auditor");
    let path = "/panel/accounts/of/wu";
    let typed = |version: &str| {
        [
            ("version", version.to_owned()),
            ("display_name", "Mine".into()),
            ("panel_role", "auditor".into()),
            ("roles", "admin".into()),
            ("tier", "internal".into()),
            ("enabled", "true".into()),
        ]
    };
    let send = async |version: &str| {
        let fields = typed(version);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        lin.form(&app, path, &fields).await
    };
    let page = lin.page(&app, path, "en").await;
    let seen = version_of(&page.body).to_owned();
    app.ok(&["account", "set", "wu", "--tier", "external", "--roles", "admin,doctor"]);
    let stale = send(&seen).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED, "{stale:?}");
    assert!(stale.body.contains("Somebody changed this account") && stale.body.contains("value=\"Mine\""), "{}", stale.body);
    for theirs in ["<dt>Name</dt><dd>wu</dd>", "<dt>Tier</dt><dd>external</dd>", "<dt>Roles in the app</dt><dd>admin, doctor</dd>"] {
        assert!(stale.body.contains(theirs), "{theirs}: {}", stale.body);
    }
    assert!(!stale.body.contains("<dt>Role in the panel</dt>"), "what is the same is not listed: {}", stale.body);
    assert_eq!(app.ok_json(&["account", "show", "wu"])["display_name"], "wu");
    let now = version_of(&stale.body).to_owned();
    assert_ne!(now, seen);
    let done = send(&now).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, "/panel/accounts/of/wu?said=account-changed"), "{done:?}");
    let wu = app.ok_json(&["account", "show", "wu"]);
    assert_eq!((&wu["display_name"], &wu["tier"]), (&json!("Mine"), &json!("internal")));
}

#[tokio::test]
async fn why_the_last_administrator_stays_one_is_said_beside_the_field() {
    let app = App::start(&[]).await;
    let lin = Person::called(&app, "lin", "administrator");
    let path = "/panel/accounts/of/lin";
    let version = version_of(&lin.page(&app, path, "en").await.body).to_owned();
    let kept = [("version", version.as_str()), ("display_name", "Lin Xi"), ("roles", "admin"), ("tier", "internal")];
    for (more, field) in
        [(&[("panel_role", "administrator")][..], "enabled"), (&[("panel_role", "auditor"), ("enabled", "true")], "panel_role")]
    {
        let refused = lin.form(&app, path, &[&kept[..], more].concat()).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused:?}");
        let beside = format!("id=\"wrong-{field}\">lin is the last administrator");
        assert!(refused.body.contains(&beside) && refused.body.contains("value=\"Lin Xi\""), "{beside}: {}", refused.body);
    }
    let lin = app.ok_json(&["account", "show", "lin"]);
    assert_eq!((&lin["enabled"], &lin["panel_role"]), (&json!(true), &json!("administrator")));
}
