//! What each host is told, byte by byte: its wording is what people paste.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::*;
use crate::secret::SecretText;

fn offer(transport: Transport) -> Offer {
    let server =
        |code: &str, title: &str, key: Option<&str>| Server { code: code.into(), title: title.into(), key: key.map(SecretText::new) };
    Offer {
        transport,
        base: "https://mcp.clinic.cn/anmei".into(),
        program: Program { path: "/usr/bin/anmei-mcp".into(), arguments: vec!["--data-dir".into(), "/var/lib/anmei mcp".into()] },
        servers: vec![
            server("system_tools", "系统工具", Some("mcp_key_system")),
            server("medical_tools", "医疗工具", Some("mcp_key_medical")),
        ],
    }
}

#[test]
fn every_host_by_every_transport() {
    for host in Host::ALL {
        for transport in [Transport::Stdio, Transport::Http, Transport::Sse] {
            match pieces(host, &offer(transport)) {
                Ok(pieces) => {
                    let mut shown = serde_json::to_value(&pieces).unwrap();
                    if let Some(file) = &pieces.file {
                        shown["file"] = file.text().into();
                    }
                    insta::assert_json_snapshot!(format!("{host}_{}", transport.name()), shown);
                }
                Err(unsupported) => {
                    assert!(!host.transports().contains(&transport));
                    assert!(unsupported.to_string().contains("use --transport"), "{unsupported}");
                }
            }
        }
    }
}

/// What a link carries, as the host reads it.
fn decoded(text: &str) -> String {
    let pairs = url::form_urlencoded::parse(text.as_bytes()).next().unwrap();
    pairs.0.into_owned()
}

#[test]
fn links_carry_the_entry_itself() {
    let cursor = pieces(Host::Cursor, &offer(Transport::Http)).unwrap();
    let link = url::Url::parse(cursor.entries[0].link.as_deref().unwrap()).unwrap();
    let config = link.query_pairs().find(|(name, _)| name == "config").unwrap().1.into_owned();
    let config: Value = serde_json::from_slice(&STANDARD.decode(config).unwrap()).unwrap();
    assert_eq!(
        config,
        json!({"url": "https://mcp.clinic.cn/anmei/server/system_tools/mcp", "headers": {"Authorization": "Bearer mcp_key_system"}})
    );
    let vscode = pieces(Host::VsCode, &offer(Transport::Http)).unwrap();
    let link = vscode.entries[1].link.as_deref().unwrap();
    let whole: Value = serde_json::from_str(&decoded(link.strip_prefix("vscode:mcp/install?").unwrap())).unwrap();
    assert_eq!((&whole["name"], &whole["inputs"][0]["id"]), (&json!("anmei-medical-tools"), &json!("anmei-medical-tools-key")));
    assert!(!link.contains("mcp_key") && !vscode.file.unwrap().text().contains("mcp_key"), "VS Code asks for the key");
    let cherry = pieces(Host::CherryStudio, &offer(Transport::Http)).unwrap();
    let servers = decoded(cherry.link.unwrap().strip_prefix("cherrystudio://mcp/install?servers=").unwrap());
    let servers: Value = serde_json::from_slice(&STANDARD.decode(servers).unwrap()).unwrap();
    assert_eq!(servers["mcpServers"]["anmei-system-tools"]["type"], "streamableHttp");
}

#[test]
fn the_plugin_of_dify_gets_what_the_requirements_show() {
    let plugin = pieces(Host::DifyPlugin, &offer(Transport::Sse)).unwrap();
    let text: Value = serde_json::from_str(&plugin.file.unwrap().text()).unwrap();
    let expected = |key: &str| json!({"transport": "sse", "url": "https://mcp.clinic.cn/anmei/mcp", "headers": {"Authorization": format!("Bearer {key}")}, "timeout": 50, "sse_read_timeout": 50});
    assert_eq!(text, json!({"system_tools": expected("mcp_key_system"), "medical_tools": expected("mcp_key_medical")}));
}

#[test]
fn a_key_that_cannot_be_shown_leaves_a_place_for_it_and_a_word() {
    let mut hidden = offer(Transport::Http);
    hidden.servers[1].key = None;
    let cursor = pieces(Host::Cursor, &hidden).unwrap();
    assert!(cursor.file.unwrap().text().contains("Bearer KEY_OF_MEDICAL_TOOLS"));
    assert!(cursor.notes.iter().any(|note| note.contains("key rotate medical_tools")), "{:?}", cursor.notes);
    hidden.transport = Transport::Stdio;
    assert!(pieces(Host::Cursor, &hidden).unwrap().notes.is_empty(), "stdio needs no key");
}

#[test]
fn names_stay_apart_when_codes_differ_by_an_underscore_only() {
    let mut offer = offer(Transport::Http);
    offer.servers[0].code = "a_b".into();
    offer.servers[1].code = "a-b".into();
    let names: Vec<String> = offer.servers.iter().map(|server| offer.name(server)).collect();
    assert_eq!(names, ["anmei-a_b", "anmei-a-b"]);
}

#[test]
fn each_host_has_its_file_on_each_platform() {
    let places = |platform| Places {
        platform,
        home: "/home/li".into(),
        xdg_config: None,
        app_data: Some("/home/li/AppData/Roaming".into()),
        codex: None,
        claude: None,
    };
    let file = |platform, host| places(platform).file(host).map(|path| path.display().to_string());
    let desktop = |platform| file(platform, Host::ClaudeDesktop).unwrap();
    assert_eq!(desktop(Platform::Linux), "/home/li/.config/Claude/claude_desktop_config.json");
    assert_eq!(desktop(Platform::Mac), "/home/li/Library/Application Support/Claude/claude_desktop_config.json");
    assert_eq!(desktop(Platform::Windows), "/home/li/AppData/Roaming/Claude/claude_desktop_config.json");
    assert_eq!(file(Platform::Mac, Host::VsCode).unwrap(), "/home/li/Library/Application Support/Code/User/mcp.json");
    assert_eq!(file(Platform::Linux, Host::Codex).unwrap(), "/home/li/.codex/config.toml");
    assert_eq!(file(Platform::Linux, Host::N8n), None);
    let moved = Places { codex: Some("/c".into()), claude: Some("/d".into()), xdg_config: Some("/x".into()), ..places(Platform::Linux) };
    let file = |host| moved.file(host).unwrap().display().to_string();
    assert_eq!((file(Host::Codex), file(Host::ClaudeCode)), ("/c/config.toml".to_owned(), "/d/.claude.json".to_owned()));
    assert_eq!(file(Host::VsCode), "/x/Code/User/mcp.json");
}
