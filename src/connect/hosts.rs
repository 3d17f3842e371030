//! What each host wants to be told.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{
    host::{Host, Transport, Unsupported},
    offer::{Offer, Server},
    pieces::{Entry, Field, FilePiece, Format, Pieces, Put},
};

/// Everything for one host.
pub fn pieces(host: Host, offer: &Offer) -> Result<Pieces, Unsupported> {
    host.supports(offer.transport)?;
    let entries = offer.servers.iter().map(|server| entry(host, offer, server)).collect();
    let file = file(host, offer);
    let link = file.as_ref().filter(|_| host == Host::CherryStudio).map(cherry_link);
    Ok(Pieces { host, transport: offer.transport, entries, file, link, notes: notes(host, offer) })
}

fn entry(host: Host, offer: &Offer, server: &Server) -> Entry {
    let mut entry = Entry { code: server.code.clone(), name: entry_name(host, offer, server), ..Entry::default() };
    match host {
        Host::ClaudeCode => entry.commands = claude(offer, server),
        Host::Codex => entry.commands = codex(offer, server),
        Host::Gemini => entry.commands = gemini(offer, server),
        Host::Inspector => entry.commands = inspector(offer, server),
        Host::Cursor => {
            let config = percent(&STANDARD.encode(Value::Object(reach(host, offer, server)).to_string()));
            entry.link = Some(format!("cursor://anysphere.cursor-deeplink/mcp/install?name={}&config={config}", percent(&entry.name)));
        }
        Host::VsCode => {
            let mut whole = Map::from_iter([("name".to_owned(), json!(entry.name))]);
            whole.extend(reach(host, offer, server));
            if offer.transport != Transport::Stdio {
                whole.insert("inputs".into(), json!([vscode_input(offer, server)]));
                entry.fields = vec![Field::new("Key, when VS Code asks for it", server.key_text())];
            }
            entry.link = Some(format!("vscode:mcp/install?{}", percent(&Value::Object(whole).to_string())));
        }
        Host::N8n => entry.fields = n8n(offer, server),
        Host::Dify => entry.fields = dify(offer, server),
        Host::ClaudeDesktop | Host::CherryStudio | Host::DifyPlugin => {}
    }
    entry
}

/// The name in the host's list. The Dify plugin's are the groups' own, as the requirements show them.
fn entry_name(host: Host, offer: &Offer, server: &Server) -> String {
    match host {
        Host::DifyPlugin | Host::Dify => server.code.clone(),
        _ => offer.name(server),
    }
}

fn file(host: Host, offer: &Offer) -> Option<FilePiece> {
    let (format, table) = match host {
        Host::ClaudeCode | Host::ClaudeDesktop | Host::Cursor | Host::CherryStudio | Host::Inspector | Host::Gemini => {
            (Format::Json, Some("mcpServers"))
        }
        Host::VsCode => (Format::Json, Some("servers")),
        Host::DifyPlugin => (Format::Json, None),
        Host::Codex => (Format::Toml, Some("mcp_servers")),
        Host::N8n | Host::Dify => return None,
    };
    let member = |server: &Server| Put::Member { table, name: entry_name(host, offer, server), value: reach(host, offer, server) };
    let mut puts: Vec<Put> = offer.servers.iter().map(member).collect();
    if host == Host::VsCode && offer.transport != Transport::Stdio {
        puts.extend(offer.servers.iter().map(|server| Put::Item {
            list: "inputs",
            id: vscode_id(offer, server),
            value: vscode_input(offer, server),
        }));
    }
    Some(FilePiece { format, puts })
}

/// What an entry of the host's file says of how a group is reached.
fn reach(host: Host, offer: &Offer, server: &Server) -> Map<String, Value> {
    let (url, authorization) = (offer.url(server), json!({ "Authorization": server.bearer() }));
    let over_http = |kind: &str| json!({ "type": kind, "url": url, "headers": authorization });
    let value = match (host, offer.transport) {
        (Host::ClaudeDesktop, Transport::Http | Transport::Sse) => {
            let (command, args) = offer.command(server, true);
            json!({ "command": command, "args": args, "env": { "ANMEI_MCP_API_KEY": server.key_text() } })
        }
        (_, Transport::Stdio) => stdio(host, offer, server),
        (Host::Cursor, _) | (Host::Gemini, Transport::Sse) => json!({ "url": url, "headers": authorization }),
        (Host::VsCode, transport) => {
            let key = format!("Bearer ${{input:{}}}", vscode_id(offer, server));
            json!({ "type": transport.name(), "url": url, "headers": { "Authorization": key } })
        }
        (Host::CherryStudio, transport) => {
            let kind = if transport == Transport::Sse { "sse" } else { "streamableHttp" };
            json!({ "name": server.title, "type": kind, "baseUrl": url, "headers": authorization, "isActive": true })
        }
        (Host::DifyPlugin, transport) => {
            let kind = if transport == Transport::Sse { "sse" } else { "streamable_http" };
            let url = format!("{}/mcp", offer.base);
            json!({ "transport": kind, "url": url, "headers": authorization, "timeout": 50, "sse_read_timeout": 50 })
        }
        (Host::Inspector, Transport::Http) => over_http("streamable-http"),
        (Host::Codex, _) => json!({ "url": url, "http_headers": authorization }),
        (Host::Gemini, Transport::Http) => json!({ "httpUrl": url, "headers": authorization }),
        (_, transport) => over_http(transport.name()),
    };
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn stdio(host: Host, offer: &Offer, server: &Server) -> Value {
    let (command, args) = offer.command(server, false);
    match host {
        Host::ClaudeCode | Host::VsCode | Host::Inspector => json!({ "type": "stdio", "command": command, "args": args }),
        Host::CherryStudio => json!({ "name": server.title, "type": "stdio", "command": command, "args": args, "isActive": true }),
        _ => json!({ "command": command, "args": args }),
    }
}

fn claude(offer: &Offer, server: &Server) -> Vec<String> {
    let name = offer.name(server);
    vec![match offer.transport {
        Transport::Stdio => format!("claude mcp add --scope user {} -- {}", quoted(&name), program(offer, server)),
        other => format!(
            "claude mcp add --scope user --transport {} {} {} --header {}",
            other.name(),
            quoted(&name),
            quoted(&offer.url(server)),
            quoted(&format!("Authorization: {}", server.bearer()))
        ),
    }]
}

fn codex(offer: &Offer, server: &Server) -> Vec<String> {
    let name = quoted(&offer.name(server));
    if offer.transport == Transport::Stdio {
        return vec![format!("codex mcp add {name} -- {}", program(offer, server))];
    }
    let variable = server.variable();
    vec![
        format!("export {variable}={}", quoted(&server.key_text())),
        format!("codex mcp add {name} --url {} --bearer-token-env-var {variable}", quoted(&offer.url(server))),
    ]
}

fn gemini(offer: &Offer, server: &Server) -> Vec<String> {
    let name = quoted(&offer.name(server));
    vec![match offer.transport {
        Transport::Stdio => format!("gemini mcp add -s user {name} {}", program(offer, server)),
        other => format!(
            "gemini mcp add -s user -t {} -H {} {name} {}",
            other.name(),
            quoted(&format!("Authorization: {}", server.bearer())),
            quoted(&offer.url(server))
        ),
    }]
}

fn inspector(offer: &Offer, server: &Server) -> Vec<String> {
    let target = match offer.transport {
        Transport::Stdio => program(offer, server),
        other => format!(
            "{} --transport {} --header {}",
            quoted(&offer.url(server)),
            other.name(),
            quoted(&format!("Authorization: {}", server.bearer()))
        ),
    };
    let cli = "npx @modelcontextprotocol/inspector --cli";
    vec![match offer.transport {
        Transport::Stdio => format!("{cli} --method tools/list {target}"),
        _ => format!("{cli} {target} --method tools/list"),
    }]
}

fn n8n(offer: &Offer, server: &Server) -> Vec<Field> {
    let transport = if offer.transport == Transport::Sse { "Server Sent Events (Deprecated)" } else { "HTTP Streamable" };
    vec![
        Field::new("MCP Endpoint URL", offer.url(server)),
        Field::new("Server Transport", transport),
        Field::new("Authentication", "Bearer Auth"),
        Field::new("Credential, Bearer Token", server.key_text()),
    ]
}

fn dify(offer: &Offer, server: &Server) -> Vec<Field> {
    vec![
        Field::new("Server URL", offer.url(server)),
        Field::new("Name", server.title.clone()),
        Field::new("Server Identifier", server.code.clone()),
        Field::new("Headers, Authorization", server.bearer()),
        Field::new("Timeout", "30"),
        Field::new("SSE Read Timeout", "300"),
    ]
}

fn vscode_id(offer: &Offer, server: &Server) -> String {
    format!("{}-key", offer.name(server))
}

fn vscode_input(offer: &Offer, server: &Server) -> Map<String, Value> {
    Map::from_iter([
        ("type".to_owned(), json!("promptString")),
        ("id".to_owned(), json!(vscode_id(offer, server))),
        ("description".to_owned(), json!(format!("{} ({}): anmei-mcp key show {}", server.title, server.code, server.code))),
        ("password".to_owned(), json!(true)),
    ])
}

fn cherry_link(file: &FilePiece) -> String {
    let text = serde_json::from_str::<Value>(&file.text()).unwrap_or_default().to_string();
    format!("cherrystudio://mcp/install?servers={}", percent(&STANDARD.encode(text)))
}

fn notes(host: Host, offer: &Offer) -> Vec<String> {
    let mut notes: Vec<String> = match host {
        Host::ClaudeCode => vec!["`claude mcp list` ends with 0 even when a server fails: read its lines."],
        Host::ClaudeDesktop => vec!["Claude Desktop starts programs only; quit and start it again after a change."],
        Host::CherryStudio => vec!["What is imported arrives switched off: switch it on in Settings > MCP Servers."],
        Host::N8n => vec!["In the node MCP Client Tool; make the credential first (Bearer Auth)."],
        Host::Dify => vec![
            "Tools > MCP > Add MCP Server (HTTP), once for each group: Dify allows one provider for each URL.",
            "From a container the host is not localhost: name it in mcp.allowed_hosts and give it with --url.",
            "Dify keeps the list of tools: press Update after a change.",
        ],
        Host::DifyPlugin => {
            vec!["Paste all of it into the plugin's field \"MCP Servers config\"; every entry has the same URL, and only the key differs."]
        }
        Host::VsCode if offer.transport != Transport::Stdio => vec!["VS Code asks for each key once and keeps it; the file holds none."],
        Host::Codex if offer.transport != Transport::Stdio => {
            vec!["The commands leave the key in the environment; --write puts it into the file."]
        }
        _ => Vec::new(),
    }
    .into_iter()
    .map(str::to_owned)
    .collect();
    if offer.transport != Transport::Stdio {
        notes.extend(offer.servers.iter().filter(|server| server.key.is_none()).map(|server| {
            format!(
                "{} stands for the key of {}, which cannot be shown: put it in its place, or make a new one with `anmei-mcp key rotate {}`.",
                server.key_text(),
                server.code,
                server.code
            )
        }));
    }
    notes
}

fn program(offer: &Offer, server: &Server) -> String {
    let (path, arguments) = offer.command(server, false);
    std::iter::once(&path).chain(&arguments).map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Percent-encoding of everything but letters, digits and `-._~`.
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte.into());
        } else {
            out.push('%');
            out.extend(
                [byte >> 4, byte & 15].iter().filter_map(|digit| char::from_digit(u32::from(*digit), 16)).map(|c| c.to_ascii_uppercase()),
            );
        }
    }
    out
}
