//! Changes of settings on a real database: what is refused and how it is said, and what is stored.

use std::{fs, path::Path, sync::Arc};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Book, SettingsError};
use crate::{
    clock::SystemClock,
    secret::MasterKey,
    settings::{Channel, Edit, Given, LateAnswer, Settings, as_typed, definitions},
    store::{
        Store,
        audit::{By, Wanted},
        settings::SettingChange,
    },
};

struct Desk {
    dir: TempDir,
    store: Store,
    master: Arc<MasterKey>,
    book: Book,
}

fn book(store: &Store, master: &Arc<MasterKey>) -> Book {
    Book::new(store.clone(), Arc::clone(master), Arc::new(SystemClock))
}

fn by(actor: &str) -> By {
    By::new(actor, 0)
}

fn desk() -> Desk {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("test.sqlite3")).unwrap();
    let master = Arc::new(MasterKey::generate().unwrap());
    let book = book(&store, &master);
    Desk { dir, store, master, book }
}

fn typed(changes: &[(&str, &str)]) -> Vec<(String, Given)> {
    changes.iter().map(|(name, text)| ((*name).to_owned(), Given::Text((*text).to_owned()))).collect()
}

impl Desk {
    async fn set(&self, changes: &[(&str, &str)]) -> Result<Arc<Settings>, SettingsError> {
        self.book.set(&typed(changes), &by("test")).await
    }

    async fn refused(&self, changes: &[(&str, &str)]) -> String {
        self.set(changes).await.unwrap_err().to_string()
    }
}

#[tokio::test]
async fn a_change_is_in_force_at_once_in_every_process() {
    let desk = desk();
    let elsewhere = book(&Store::open(desk.store.path()).unwrap(), &desk.master);
    assert_eq!(*elsewhere.current().unwrap(), Settings::default());
    let changes = [
        ("welcome.deadline", "90s"),
        ("welcome.total_limit", "2m"),
        ("welcome.late_answer", "drop"),
        ("welcome.ask_agents", "false"),
        ("welcome.max_chars", " 300 "),
        ("retry.delays", "1s, 2s"),
        ("alerts.success_rate", "0.95"),
        ("conversation.agent", "欢迎 助手=1"),
        ("working_hours.days", r#"["mon","tue"]"#),
        ("escalation.levels", r#"[{"after":"60s","target":"administrator"}]"#),
        ("welcome.segment_templates", r#"{"concern":"{username}：{concern}"}"#),
    ];
    desk.set(&changes).await.unwrap();
    let settings = elsewhere.current().unwrap();
    assert_eq!((settings.welcome.deadline.as_secs(), settings.welcome.total_limit.as_secs()), (90, 120));
    assert_eq!((settings.welcome.late_answer, settings.welcome.ask_agents, settings.welcome.max_chars), (LateAnswer::Drop, false, 300));
    assert_eq!(settings.retry.delays.iter().map(|delay| delay.as_secs()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(settings.conversation.agent.as_deref(), Some("欢迎 助手=1"));
    assert_eq!(settings.escalation.levels.len(), 1);
    assert_eq!(settings.welcome.segment_templates.len(), 1);
    assert!(Arc::ptr_eq(&settings, &elsewhere.current().unwrap()), "nothing changed, so nothing is read again");

    let shown = elsewhere.get("welcome.deadline").unwrap();
    assert_eq!((shown.value, shown.is_default, shown.changed_by.as_deref()), (json!("90s"), false, Some("test")));
    assert!(shown.changed_at.is_some());
    let listed = elsewhere.list().unwrap();
    assert_eq!(listed.len(), definitions().keys().count());
    assert_eq!(listed.iter().filter(|setting| !setting.is_default).count(), changes.len());

    let names: Vec<String> = changes.iter().map(|(name, _)| (*name).to_owned()).collect();
    elsewhere.reset(&names, &by("test")).await.unwrap();
    assert_eq!(*desk.book.current().unwrap(), Settings::default());
    assert!(desk.store.settings().unwrap().is_empty(), "a default has no row");
}

#[tokio::test]
async fn every_default_can_be_given_as_it_is_shown() {
    let desk = desk();
    for info in definitions().keys().filter(|info| !info.default.is_null()) {
        let text = as_typed(&info.default);
        desk.set(&[(&info.key, &text)]).await.unwrap_or_else(|error| panic!("{}: {error}", info.key));
        let shown = desk.book.get(&info.key).unwrap();
        assert_eq!((shown.value, shown.is_default), (info.default.clone(), false), "{}", info.key);
    }
    assert_eq!(*desk.book.current().unwrap(), Settings::default());
    let examples = definitions().keys().filter_map(|info| Some((info.key.as_str(), as_typed(info.example.as_ref()?))));
    for (name, text) in examples {
        desk.set(&[(name, &text)]).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// What is typed, and how the answer begins.
const REFUSED: &[(&str, &str)] = &[
    ("welcome.deadlin=3s", "welcome.deadlin: there is no such setting; did you mean welcome.deadline?"),
    ("deadline=3s", "deadline: there is no such setting; did you mean welcome.deadline?"),
    ("zzzzzz=1", "zzzzzz: there is no such setting; `anmei-mcp settings list` shows all"),
    (
        "welcome.deadline=3",
        r#"welcome.deadline: found the text "3". Allowed: a length of time, 100ms to 10m. Example: welcome.deadline=3s"#,
    ),
    (
        "welcome.deadline=1h",
        r#"welcome.deadline: the text "1h" is out of range. Allowed: a length of time, 100ms to 10m. Example: welcome.deadline=3s"#,
    ),
    (
        "welcome.deadline=2m",
        "welcome.deadline: welcome.deadline would be 2m, longer than welcome.total_limit, 1m. Allowed: a deadline that",
    ),
    ("welcome.total_limit=1s", "welcome.total_limit: welcome.deadline would be 3s, longer than welcome.total_limit, 1s."),
    ("welcome.ask_agents=maybe", r#"welcome.ask_agents: found the text "maybe". Allowed: true or false. Example: welcome.ask_agents=true"#),
    ("welcome.late_answer=later", r#"welcome.late_answer: found the text "later". Allowed: one of append, replace_unread, drop."#),
    ("welcome.max_chars=1.5", r#"welcome.max_chars: found the text "1.5". Allowed: a whole number, 20 to 10000 characters."#),
    ("welcome.max_chars=-1", "welcome.max_chars: found the number -1."),
    ("welcome.max_chars=5", "welcome.max_chars: the number 5 is out of range."),
    ("welcome.static_text=  ", "welcome.static_text: is empty. Allowed: text, 1 to 10000 characters"),
    (
        "welcome.static_text={username}您好",
        "welcome.static_text: {username} is not a placeholder that is filled here. Allowed: a text without",
    ),
    ("welcome.segment_templates={", r#"welcome.segment_templates: found the text "{"."#),
    (r#"welcome.segment_templates={"a":"{phone}"}"#, "welcome.segment_templates: the template of a: {phone} is not a placeholder"),
    (r#"welcome.segment_templates={"a":"{username"}"#, "welcome.segment_templates: the template of a: a `{` is not closed"),
    (r#"welcome.segment_templates={"a":" "}"#, "welcome.segment_templates: the template of a is empty"),
    (r#"welcome.segment_templates={"a":1}"#, "welcome.segment_templates: the object: invalid type: integer"),
    ("conversation.title=", "conversation.title: is empty."),
    ("conversation.agent=", "conversation.agent: is empty; `anmei-mcp settings reset conversation.agent` unsets it."),
    (
        "retry.delays=5s,2d",
        r#"retry.delays: the list ["5s", "48h"] is out of range. Allowed: a list, each entry a length of time, 10ms to 24h each, at most 20 entries. Example: retry.delays=5s,15s,1m"#,
    ),
    ("retry.delays=5", r"retry.delays: found the list"),
    ("retry.jitter=nan", r#"retry.jitter: found the text "nan". Allowed: a number, 0 to 1 (share of 1). Example: retry.jitter=0.1"#),
    ("retry.jitter=1.01", "retry.jitter: the number 1.01 is out of range."),
    (
        "notice.link_template=https://app.cn/",
        "notice.link_template: {conversation_id} is missing. Allowed: an http or https address with {conversation_id} in it. Example: 'notice.link_template=https://",
    ),
    ("notice.link_template=app://{conversation_id}", r#"notice.link_template: "app://id" must start with http"#),
    (
        "notice.message={phone}",
        "notice.message: {phone} is not a placeholder that is filled here. Allowed: a text, with {username} in it or not",
    ),
    ("notice.push_title={username}", "notice.push_title: {username} is not a placeholder"),
    ("escalation.levels=[]", "escalation.levels: the list [] is out of range."),
    (
        r#"escalation.levels=[{"after":"3m","target":"again"},{"after":"3m","target":"supervisors"}]"#,
        "escalation.levels: level 2 comes after 3m, not later than the one before it",
    ),
    (
        r#"escalation.levels=[{"after":"0s","target":"again"}]"#,
        "escalation.levels: level 1 comes after 0s. Allowed: levels by growing time",
    ),
    (
        r#"escalation.levels=[{"after":"3m","target":"again"},{"after":"6m","target":"boss"}]"#,
        "escalation.levels: entry 2: unknown variant `boss`",
    ),
    (
        "working_hours.utc_offset=+25:00",
        r#"working_hours.utc_offset: "+25:00" is not an offset from UTC. Allowed: -12:00 to +14:00, written +HH:MM"#,
    ),
    ("working_hours.utc_offset=08:00", "working_hours.utc_offset: \"08:00\" is not an offset"),
    (
        "working_hours.from=9:00",
        r#"working_hours.from: "9:00" is not a time of day. Allowed: 00:00 to 24:00, written HH:MM. Example: working_hours.from=09:00"#,
    ),
    ("working_hours.to=24:01", r#"working_hours.to: "24:01" is not a time of day"#),
    ("working_hours.to=08:00", "working_hours.to: the working hours would begin at 09:00 and end at 08:00."),
    ("working_hours.from=21:00", "working_hours.from: the working hours would begin at 21:00 and end at 21:00."),
    ("working_hours.days=mon,mon", "working_hours.days: a day is named twice."),
    ("working_hours.days=", "working_hours.days: the list [] is out of range."),
    ("rollout.significance=0", "rollout.significance: the number 0.0 is out of range. Allowed: a number, 0.0001 to 0.5 (probability)."),
    ("intake.per_minute=0", "intake.per_minute: the number 0 is out of range."),
    (
        "notice.channels=https://a.cn/key",
        "notice.channels: found a text. Allowed: a list, each entry a JSON object, at most 20 entries. Example: 'notice.channels=[{",
    ),
    (r#"notice.channels=[{"kind":"wecom","name":"a","link":"hush"}]"#, "notice.channels: entry 1: unknown field `link`"),
    (
        r#"notice.channels=[{"kind":"wecom","name":"a","url":"hush"}]"#,
        "notice.channels: entry 1 (a): the address is not one of http or https. Allowed: an address",
    ),
    (r#"notice.channels=[{"kind":"wecom","name":"a","url":{"hush":1}}]"#, "notice.channels: entry 1 is not of the right form"),
    (
        r#"alerts.channels=[{"kind":"wecom","name":"a","url":"https://a.cn/?key=***"}]"#,
        "alerts.channels: entry 1: `***` in url stands for a stored secret, and none is stored",
    ),
    (
        r#"notice.channels=[{"kind":"wecom","name":"a","url":"https://a.cn/1"},{"kind":"feishu","name":"a","url":"https://a.cn/2"}]"#,
        "notice.channels: entry 2 (a): another channel has this name",
    ),
];

#[tokio::test]
async fn what_is_refused_says_what_is_wrong_what_is_allowed_and_an_example() {
    let desk = desk();
    for (change, start) in REFUSED {
        let (name, text) = change.split_once('=').unwrap();
        let said = desk.refused(&[(name, text)]).await;
        assert!(said.starts_with(start), "{change}\nsays   {said}\nshould {start}");
        assert!(!said.contains("hush"), "{said}");
    }
    assert!(desk.store.settings().unwrap().is_empty());
}

#[tokio::test]
async fn several_changes_are_all_made_or_none_and_everything_wrong_is_said() {
    let desk = desk();
    let said = desk.refused(&[("welcome.max_chars", "300"), ("welcome.deadline", "x"), ("nope.nope", "1"), ("retry.jitter", "2")]).await;
    let names: Vec<&str> = said.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(names, ["welcome.deadline", "nope.nope", "retry.jitter"], "{said}");
    assert_eq!(*desk.book.current().unwrap(), Settings::default());
    let said = desk.refused(&[("welcome.max_chars", "300"), ("welcome.max_chars", "400")]).await;
    assert!(said.starts_with("welcome.max_chars: is given twice"), "{said}");
    // Each alone would break the rule; together they keep it.
    desk.set(&[("welcome.deadline", "2m"), ("welcome.total_limit", "5m")]).await.unwrap();
    let said = desk.book.reset(&["welcome.total_limit".to_owned()], &by("test")).await.unwrap_err().to_string();
    assert!(said.starts_with("welcome.total_limit: welcome.deadline would be 2m, longer than welcome.total_limit, 1m"), "{said}");
    // A program sends values; null is the default.
    let null = [("welcome.deadline".to_owned(), Given::Value(Value::Null)), ("welcome.max_chars".to_owned(), Given::Value(json!(99)))];
    assert_eq!(desk.book.set(&null, &by("api")).await.unwrap().welcome.max_chars, 99);
    assert!(desk.book.get("welcome.deadline").unwrap().is_default);
    let said = desk.book.set(&[("welcome.deadline".to_owned(), Given::Value(json!(3)))], &by("api")).await.unwrap_err().to_string();
    assert!(said.starts_with("welcome.deadline: found the number 3."), "{said}");
}

/// Two changes that are right by themselves and wrong together never both get through, whoever comes first.
#[tokio::test(flavor = "multi_thread")]
async fn changes_at_the_same_time_keep_the_rules() {
    for _ in 0..20 {
        let desk = desk();
        desk.set(&[("welcome.deadline", "3s"), ("welcome.total_limit", "60s")]).await.unwrap();
        let other = book(&desk.store, &desk.master);
        let (one, two) = (by("a"), by("b"));
        let (longer, shorter) = (typed(&[("welcome.deadline", "30s")]), typed(&[("welcome.total_limit", "20s")]));
        let (a, b) = tokio::join!(desk.book.set(&longer, &one), other.set(&shorter, &two));
        assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
        let settings = desk.book.current().unwrap();
        assert!(settings.welcome.deadline <= settings.welcome.total_limit);
    }
}

fn bytes_under(dir: &Path) -> Vec<u8> {
    fs::read_dir(dir).unwrap().flat_map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn secrets_of_channels_are_sealed_in_the_file_and_masked_when_shown() {
    let desk = desk();
    let channels = json!([
        {"kind": "wecom", "name": "front", "url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=topsecretkey"},
        {"kind": "email", "name": "mail", "url": "smtps://ops:topsecretpass@mail.example.com:465", "from": "ops@example.com", "to": []},
        {"kind": "dingtalk", "name": "group", "url": "https://oapi.dingtalk.com/robot/send?access_token=topsecrettoken", "secret": "SECtopsecret"},
    ]);
    desk.set(&[("notice.channels", &channels.to_string()), ("conversation.title", "visible-title")]).await.unwrap();
    desk.store.close().await;
    let bytes = bytes_under(desk.dir.path());
    assert!(holds(&bytes, "visible-title"), "the bytes are those of the database");
    assert!(!holds(&bytes, "topsecret"), "no secret of a channel is in the file, not in the audit log either");

    assert_eq!(desk.book.current().unwrap().notice.channels.iter().map(Channel::name).collect::<Vec<_>>(), ["front", "mail", "group"]);
    let shown = desk.book.get("notice.channels").unwrap().value;
    assert!(!shown.to_string().contains("topsecret") && shown.to_string().contains("***"), "{shown}");
    let listed = format!("{:?} {:?}", desk.book.list().unwrap(), desk.book.current().unwrap());
    assert!(!listed.contains("topsecret"));

    let store = Store::open(desk.store.path()).unwrap();
    let again = book(&store, &desk.master);
    let revealed = again.reveal("notice.channels", &by("test")).await.unwrap().value;
    assert_eq!(revealed[1]["url"], channels[1]["url"]);
    let mut edited = shown;
    edited[0]["name"] = json!("前台");
    let said = again.set(&[("notice.channels".into(), Given::Value(edited.clone()))], &by("panel")).await.unwrap_err().to_string();
    assert!(said.starts_with("notice.channels: entry 1: `***` in url"), "{said}");
    edited[0] = json!({"kind": "ntfy", "name": "前台", "url": "https://ntfy.example.com/anmei"});
    again.set(&[("notice.channels".into(), Given::Value(edited))], &by("panel")).await.unwrap();
    let revealed = again.reveal("notice.channels", &by("test")).await.unwrap().value;
    assert_eq!((&revealed[1]["url"], &revealed[2]["secret"]), (&channels[1]["url"], &channels[2]["secret"]), "masked secrets are kept");

    let stranger = book(&store, &Arc::new(MasterKey::generate().unwrap()));
    assert!(stranger.current().unwrap().notice.channels.is_empty());
    let unusable = stranger.get("notice.channels").unwrap().unusable.unwrap();
    assert!(unusable.en.contains("another master key"), "{unusable:?}");
}

/// What a newer or an older version left behind, or a hand that wrote SQL.
#[tokio::test]
async fn a_stored_value_that_does_not_fit_leaves_the_default_in_force() {
    let desk = desk();
    let rows = [
        ("welcome.deadline", json!("soon")),
        ("welcome.max_chars", json!(1_000_000)),
        ("welcome.gone", json!(1)),
        ("notice.channels", json!([{"kind": "wecom", "name": "a", "url": "https://a.cn/?key=k"}])),
        ("conversation.title", json!("好")),
    ];
    let rows = rows.into_iter().map(|(name, value)| SettingChange::plain(name, value)).collect();
    assert!(desk.store.put_settings(rows, by("hand"), desk.store.policy_revision().unwrap()).await.unwrap());
    let settings = desk.book.current().unwrap();
    let expected =
        Settings { conversation: crate::settings::Conversation { title: "好".into(), ..Default::default() }, ..Default::default() };
    assert_eq!(*settings, expected);
    let why = |name: &str| desk.book.get(name).unwrap().unusable.unwrap().en;
    assert_eq!(why("welcome.deadline"), "found the text \"soon\"");
    assert_eq!(why("welcome.max_chars"), "the number 1000000 is out of range");
    assert_eq!(why("notice.channels"), "it is not sealed");
    desk.set(&[("welcome.deadline", "2s")]).await.unwrap();
    assert_eq!(desk.book.current().unwrap().welcome.deadline.as_secs(), 2);
}

/// Each change says what was and what is, without secrets; a change that is refused says nothing.
#[tokio::test]
async fn every_change_is_a_row_of_the_audit_log() {
    let desk = desk();
    let why = By { reason: Some("国庆活动".into()), address: Some("10.0.0.1".into()), ..by("account:chen") };
    let changes = typed(&[
        ("welcome.deadline", "5s"),
        ("notice.channels", r#"[{"kind":"ntfy","name":"a","url":"https://ntfy.sh/anmei","token":"hush"}]"#),
    ]);
    desk.book.set(&changes, &why).await.unwrap();
    desk.refused(&[("welcome.deadline", "1h")]).await;
    desk.book.reset(&["welcome.deadline".to_owned()], &by("cli:wang")).await.unwrap();
    desk.book.reveal("notice.channels", &by("cli:wang")).await.unwrap();
    desk.book.reveal("welcome.deadline", &by("cli:wang")).await.unwrap();
    let rows = desk.store.audit_entries(Wanted { limit: 10, ..Wanted::default() }).await.unwrap();
    let said: Vec<_> =
        rows.iter().map(|row| (row.action.as_str(), row.object.as_str(), row.before.as_deref(), row.after.as_deref())).collect();
    assert_eq!(
        said,
        [
            ("setting.set", "setting/welcome.deadline", Some("\"3s\""), Some("\"5s\"")),
            (
                "setting.set",
                "setting/notice.channels",
                Some("[]"),
                Some(r#"[{"kind":"ntfy","name":"a","url":"https://ntfy.sh/anmei","token":"***"}]"#)
            ),
            ("setting.reset", "setting/welcome.deadline", Some("\"5s\""), Some("\"3s\"")),
            ("setting.reveal", "setting/notice.channels", None, None),
        ]
    );
    assert_eq!(
        (rows[0].actor.as_str(), rows[0].reason.as_deref(), rows[0].address.as_deref()),
        ("account:chen", Some("国庆活动"), Some("10.0.0.1"))
    );
    assert!(rows[0].at > 0, "the time is that of the change");
    assert!(desk.store.verify_audit(None).await.unwrap().broken.is_none());
}

/// Whoever changes what they read an older version of is refused, and told what it is now; nothing of it is changed.
#[tokio::test]
async fn a_stale_edit_is_refused_as_a_whole() {
    let desk = desk();
    let edit = |name: &str, text: &str, seen| Edit { name: name.into(), given: Given::Text(text.into()), seen: Some(seen) };
    assert_eq!(desk.book.get("retry.jitter").unwrap().version(), 0);
    desk.book.change(&[edit("retry.jitter", "0.2", 0)], &by("a")).await.unwrap();
    let version = desk.book.get("retry.jitter").unwrap().version();
    let edits = [edit("retry.jitter", "0.3", 0), edit("welcome.max_chars", "100", 0)];
    let Err(SettingsError::Stale(stale)) = desk.book.change(&edits, &by("b")).await else { panic!("it is stale") };
    assert_eq!((stale.len(), &stale[0].value, stale[0].version(), stale[0].changed_by.as_deref()), (1, &json!(0.2), version, Some("a")));
    assert!(desk.book.get("welcome.max_chars").unwrap().is_default);
    desk.book.change(&[edit("retry.jitter", "0.3", version)], &by("b")).await.unwrap();
    assert!(desk.book.get("retry.jitter").unwrap().version() > version, "the version rises within a millisecond too");
    desk.book.reset(&["retry.jitter".to_owned()], &by("a")).await.unwrap();
    assert!(matches!(desk.book.change(&[edit("retry.jitter", "0.4", version)], &by("b")).await, Err(SettingsError::Stale(_))));
}
