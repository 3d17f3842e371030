//! What is offered to the host: the groups of the database, or the one that the command line names.
//!
//! On a machine without the database nothing is made up: keys of a new one would open nothing where the server is. Only
//! a host that starts this program itself is served from a database that its first start makes.

use super::ConnectArgs;
use crate::{
    admin::calls::groups::is_server_code,
    app::{Core, RunFile},
    cli::{Fault, clock, exit, fault, key, output, serve},
    config::{Config, Loaded, environment, web_url},
    connect::{Offer, Program, Server, Transport},
    gate::keys::Hidden,
    secret::SecretText,
};

pub(super) async fn offer(args: &ConnectArgs, loaded: Loaded, transport: Transport) -> anyhow::Result<Offer> {
    let program = program(&loaded)?;
    let starts_here = transport == Transport::Stdio && args.url.is_none();
    if !starts_here && !loaded.config.in_data_dir("anmei-mcp.sqlite3").exists() {
        return elsewhere(args, &loaded.config, (transport, program));
    }
    let core = Core::open(loaded.config, clock()).await?;
    core.start_recording();
    let offer = from_database(args, &core, (transport, program)).await;
    core.close().await;
    offer
}

async fn from_database(args: &ConnectArgs, core: &Core, (transport, program): (Transport, Program)) -> anyhow::Result<Offer> {
    if let Some(keys) = serve::new_keys(&core.set_up().await?, core.config.language) {
        output::aside(keys);
    }
    let servers = servers(args, core, transport).await?;
    Ok(Offer { transport, base: base(args, &core.config, core.dir.read_run_file().as_ref())?, program, servers })
}

/// A group of a server on another machine: what would be looked up is said on the command line.
fn elsewhere(args: &ConnectArgs, config: &Config, (transport, program): (Transport, Program)) -> anyhow::Result<Offer> {
    let given = (&args.url, &args.group, environment().api_key(), &args.key);
    let (Some(_), Some(code), Some(key), None) = given else {
        let text = format!(
            "there is no database in {}. Run this where the data directory is (--data-dir names it), or start `anmei-mcp serve` first. \
             For a server on another machine give its address with --url, a group with --group and its key in ANMEI_MCP_API_KEY",
            config.data_dir.display()
        );
        return Err(Fault::new(exit::NOT_FOUND, text).into());
    };
    if !is_server_code(code) {
        let text = format!("--group {code}: a server code is 1 to 24 of a-z 0-9 _ -, the first a letter or digit");
        return Err(Fault::new(exit::USAGE, text).into());
    }
    let server = Server { code: code.clone(), title: code.clone(), key: Some(key) };
    Ok(Offer { transport, base: base(args, config, None)?, program, servers: vec![server] })
}

/// The groups with their keys. One whose key cannot be told does not keep the others from their hosts.
async fn servers(args: &ConnectArgs, core: &Core, transport: Transport) -> anyhow::Result<Vec<Server>> {
    let policy = core.gate.policy().current()?;
    let chosen = match &args.group {
        Some(code) => vec![core.calls(None).group_policy(code).map_err(fault)?],
        None => policy.groups().iter().filter(|group| group.group.enabled && !group.group.subject_scoped).cloned().collect(),
    };
    let (mut servers, mut left_out) = (Vec::new(), Vec::new());
    for group in chosen {
        let group = &group.group;
        match key_of(args, core, (transport, &group.server_code)).await {
            Ok(key) => servers.push(Server { code: group.server_code.clone(), title: group.name.clone(), key }),
            Err(why) if why.is::<Fault>() => left_out.push(why),
            Err(why) => return Err(why),
        }
    }
    if servers.is_empty() {
        let none = || Fault::new(exit::NOT_FOUND, "no group is enabled; `anmei-mcp group list` shows the groups").into();
        return Err(left_out.into_iter().next().unwrap_or_else(none));
    }
    for why in left_out {
        output::aside(format_args!("left out: {why}"));
    }
    Ok(servers)
}

/// The key that the host is given: the one that is named, then the one in the environment, then the group's own. On stdio
/// nobody needs a key, and so none is looked at.
async fn key_of(args: &ConnectArgs, core: &Core, (transport, code): (Transport, &str)) -> anyhow::Result<Option<SecretText>> {
    if transport == Transport::Stdio {
        return Ok(None);
    }
    match (&args.group, &args.key, environment().api_key()) {
        (Some(_), None, Some(given)) => Ok(Some(given)),
        _ => revealed(core, (code, args.key.as_deref())).await,
    }
}

/// The group's key, unless no copy of it is kept.
async fn revealed(core: &Core, (code, wanted): (&str, Option<&str>)) -> anyhow::Result<Option<SecretText>> {
    match key::open::reveal(core, (code, wanted), "connect").await? {
        Ok(text) => Ok(Some(text)),
        Err(Hidden::NotKept) => Ok(None),
        Err(hidden) => Err(Fault::new(exit::FAILURE, format!("{code}: {hidden}")).into()),
    }
}

/// The address in front of every path: what was said, what is configured, or where the daemon listens.
fn base(args: &ConnectArgs, config: &Config, running: Option<&RunFile>) -> anyhow::Result<String> {
    let Some(url) = &args.url else {
        return Ok(config.mcp.client_base(running.map(|run| run.mcp.as_str())));
    };
    let wrong = |why: &str| Fault::new(exit::USAGE, format!("--url {url}: {why}"));
    let parsed = web_url(url).map_err(|why| wrong(&why))?;
    if parsed.query().is_some() || parsed.fragment().is_some() || !parsed.username().is_empty() {
        return Err(wrong("scheme, host, port and perhaps a path are expected").into());
    }
    let plain = url.trim_end_matches('/');
    let ours = ["/mcp", "/sse"].iter().any(|end| plain.ends_with(end));
    if ours { Err(wrong("give the address in front of /mcp").into()) } else { Ok(plain.to_owned()) }
}

fn program(loaded: &Loaded) -> anyhow::Result<Program> {
    let absolute = |path: &std::path::Path| std::path::absolute(path).map(|path| path.display().to_string());
    let mut arguments = vec!["--data-dir".to_owned(), absolute(&loaded.config.data_dir)?];
    if let Some(file) = &loaded.file {
        arguments.extend(["--config".to_owned(), absolute(file)?]);
    }
    Ok(Program { path: std::env::current_exe()?.display().to_string(), arguments })
}
