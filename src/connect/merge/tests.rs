//! Files of others with our entries put into them.

use serde_json::json;

use super::*;

fn member(table: Option<&'static str>, name: &str, value: &serde_json::Value) -> Put {
    Put::Member { table, name: name.into(), value: value.as_object().cloned().unwrap() }
}

fn json_piece(value: &serde_json::Value) -> FilePiece {
    FilePiece { format: Format::Json, puts: vec![member(Some("mcpServers"), "ours", value)] }
}

fn toml_piece(value: &serde_json::Value) -> FilePiece {
    FilePiece { format: Format::Toml, puts: vec![member(Some("mcp_servers"), "ours", value)] }
}

#[test]
fn comments_foreign_entries_and_layout_stay_as_they_are() {
    let before = "// mine\n{\n    \"theme\": \"dark\", // nice\n    \"mcpServers\": {\n        /* theirs */\n        \"other\": { \"command\": \"x\" },\n    },\n}\n";
    let after = merge(before, &json_piece(&json!({"url": "http://h/mcp"}))).unwrap();
    for kept in ["// mine\n", "    \"theme\": \"dark\", // nice\n", "        /* theirs */\n        \"other\": { \"command\": \"x\" }"] {
        assert!(after.contains(kept), "{after}");
    }
    assert!(after.contains("\"ours\": {") && after.contains("\"url\": \"http://h/mcp\""), "{after}");
    assert_eq!(merge(&after, &json_piece(&json!({"url": "http://h/mcp"}))).unwrap(), after, "again is the same");
    let windows = before.replace('\n', "\r\n");
    let after = merge(&windows, &json_piece(&json!({"url": "u"}))).unwrap();
    assert!(!after.replace("\r\n", "").contains('\n'), "line ends stay: {after:?}");
}

#[test]
fn an_entry_keeps_what_its_owner_added_and_loses_how_it_was_reached_before() {
    let before = r#"{"mcpServers": {"ours": {"command": "old", "args": [], "timeout": 9, "url": "a"}}}"#;
    let after = merge(before, &json_piece(&json!({"url": "b", "headers": {"Authorization": "Bearer k"}}))).unwrap();
    let read: serde_json::Value = serde_json::from_str(&after).unwrap();
    assert_eq!(read["mcpServers"]["ours"], json!({"timeout": 9, "url": "b", "headers": {"Authorization": "Bearer k"}}));
    let before = "# mine\nmodel = \"m\"\n\n[mcp_servers.ours]\ncommand = \"old\"\nstartup_timeout_sec = 5 # slow\n\n[mcp_servers.other]\nurl = \"x\"\n";
    let after = merge(before, &toml_piece(&json!({"url": "b", "http_headers": {"Authorization": "Bearer k"}}))).unwrap();
    for kept in ["# mine\nmodel = \"m\"\n", "startup_timeout_sec = 5 # slow\n", "[mcp_servers.other]\nurl = \"x\"\n"] {
        assert!(after.contains(kept), "{after}");
    }
    assert!(!after.contains("command") && after.contains("http_headers = { Authorization = \"Bearer k\" }"), "{after}");
    assert_eq!(merge(&after, &toml_piece(&json!({"url": "b", "http_headers": {"Authorization": "Bearer k"}}))).unwrap(), after);
}

#[test]
fn what_the_host_wrote_in_its_own_way_is_left_so() {
    let piece = toml_piece(&json!({"command": "x", "args": ["a", "b"], "http_headers": {"Authorization": "Bearer k"}}));
    let before = "[mcp_servers.ours]\nargs = [\n  'a',\n  \"b\", # two\n]\ncommand = 'x'\n\n[mcp_servers.ours.http_headers]\nAuthorization = \"Bearer k\"\n";
    assert_eq!(merge(before, &piece).unwrap(), before);
    let rotated = toml_piece(&json!({"command": "x", "args": ["a", "b"], "http_headers": {"Authorization": "Bearer new"}}));
    let after = merge(before, &rotated).unwrap();
    assert!(after.contains("Bearer new") && !after.contains("Bearer k") && after.contains("# two"), "{after}");
}

#[test]
fn an_empty_file_takes_everything_and_a_byte_order_mark_stays() {
    for empty in ["", "  \n", "{}"] {
        let after = merge(empty, &json_piece(&json!({"url": "u"}))).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&after).unwrap(), json!({"mcpServers": {"ours": {"url": "u"}}}), "{empty:?}");
    }
    assert!(merge("\u{feff}{}", &json_piece(&json!({"url": "u"}))).unwrap().starts_with("\u{feff}{"));
    assert_eq!(merge("", &toml_piece(&json!({"url": "u"}))).unwrap(), "[mcp_servers.ours]\nurl = \"u\"\n");
}

#[test]
fn a_file_that_cannot_be_read_is_refused_with_its_place() {
    let refused = |text: &str, piece: &FilePiece| merge(text, piece).unwrap_err().to_string();
    let json = json_piece(&json!({"url": "u"}));
    assert!(refused("{\n  \"a\": oops\n}", &json).starts_with("line 2, column 8: "), "{}", refused("{\n  \"a\": oops\n}", &json));
    assert!(refused("{\"a\": 1,, }", &json).starts_with("line 1, column 9"), "{}", refused("{\"a\": 1,, }", &json));
    assert!(refused("{ 'a': 1 }", &json).starts_with("line 1, column 3"));
    assert_eq!(refused("[]", &json), "the file is not a JSON object");
    assert_eq!(refused(r#"{"mcpServers": []}"#, &json), "\"mcpServers\" is not a JSON object");
    assert_eq!(refused(r#"{"mcpServers": {"ours": 3}}"#, &json), "the entry \"ours\" is not a JSON object");
    let toml = toml_piece(&json!({"url": "u"}));
    assert!(refused("a = 1\nb = \n", &toml).starts_with("line 2, column 5: "), "{}", refused("a = 1\nb = \n", &toml));
    assert_eq!(refused("mcp_servers = 3", &toml), "\"mcp_servers\" is not a TOML table");
}

#[test]
fn items_of_a_list_are_known_by_their_id() {
    let item = |text: &str| FilePiece {
        format: Format::Json,
        puts: vec![Put::Item { list: "inputs", id: "k".into(), value: json!({"id": "k", "text": text}).as_object().cloned().unwrap() }],
    };
    let before = "{\"inputs\": [{\"id\": \"other\"} /* theirs */]}";
    let once = merge(before, &item("a")).unwrap();
    assert!(once.contains("/* theirs */"), "{once}");
    assert_eq!(merge(&once, &item("a")).unwrap(), once);
    let changed = merge(&once, &item("b")).unwrap();
    assert!(changed.contains("\"other\"") && changed.contains("\"b\"") && !changed.contains("\"a\""), "{changed}");
}
