use serde_json::Value;

use super::{query::moment, view::kept, *};
use crate::store::call_log_read::CallNames;

fn stored(request: Option<&str>, response: Option<&str>) -> LoggedCall {
    LoggedCall {
        id: 7,
        call_id: "c".into(),
        tool_name: "search_users".into(),
        group_id: Some("g".into()),
        key_id: Some("k".into()),
        app_id: None,
        registration_id: None,
        client_name: None,
        channel: "http".into(),
        protocol: String::new(),
        success: true,
        outcome: "ok".into(),
        error_message: None,
        duration_ms: 1,
        created_at: 1_764_000_000_000,
        request_data: request.map(str::to_owned),
        response_data: response.map(str::to_owned),
    }
}

#[test]
fn it_is_told_whether_the_log_holds_more_than_everybody_sees() {
    let full = stored(Some("{\"query\":\"张伟\"}"), Some("{\"users\":[]}"));
    assert_eq!(kept(&full), Kept::Full);
    assert_eq!(redacted(&full).0.map(|value| value.to_string()), Some("{\"query\":\"[2 characters]\"}".into()));
    assert_eq!(kept(&stored(Some("{\"query\":\"[2 characters]\"}"), Some("{\"bytes\":12}"))), Kept::Redacted);
    assert_eq!(kept(&stored(None, None)), Kept::Nothing);
}

#[test]
fn what_is_gone_is_named_by_its_id() {
    let mut names = CallNames::default();
    names.groups.insert("g".into(), ("system_tools".into(), "系统工具".into()));
    let view = view(&stored(None, None), &names);
    let group = view.group.unwrap();
    assert_eq!((group.id.as_str(), group.code.as_deref(), group.name.as_deref()), ("g", Some("system_tools"), Some("系统工具")));
    assert_eq!(view.key, Some(CallKey { id: "k".into(), name: None, hint: None }));
}

#[test]
fn times_are_read_as_people_and_programs_write_them() {
    let of = |text: &str| moment("/since", Some(text)).map(Option::unwrap_or_default);
    for text in
        ["2025-11-24T16:00:00Z", "2025-11-25T00:00:00+08:00", "2025-11-25T00:00:00 08:00", "2025-11-24T16:00", " 2025-11-24T16:00:00.000 "]
    {
        assert_eq!(of(text).unwrap(), 1_764_000_000_000, "{text}");
    }
    assert!(matches!(of("yesterday"), Err(CallError::Invalid(fields)) if fields[0].pointer == "/since"));
    assert_eq!(moment("/since", Some("  ")).unwrap(), None);
}

#[test]
fn a_body_that_is_no_json_is_shown_as_the_text_it_is() {
    assert_eq!(parsed(Some("not json".into())), Some(Value::String("not json".into())));
}
