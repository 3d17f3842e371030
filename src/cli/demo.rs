//! `demo`: the main job on sample data, with nothing set up beforehand.
//!
//! A throw-away data directory, sample clinic data, a stand-in for Dify that speaks the real stream and calls our tools
//! back over HTTP, and one registration through the real webhook. Everything else is the daemon as it ships.

use std::{net::SocketAddr, sync::Arc};

use clap::Args;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{Common, Fault, Logs, clock, exit, output, register, serve::in_language, timeline};
use crate::{
    app::{self, Core, Daemon, Parts, Setup},
    config::{Config, Language, Loaded},
    demo::{
        sample,
        stand_in_dify::{Behaviour, McpServer, StandIn, StandInHandle},
    },
    ids::new_id,
    lifecycle,
    registration::agent_key_purpose,
    store::{agents::Agent, import::ImportSummary},
};

/// The name of the customer who registers.
const NEW_CUSTOMER: &str = "林晓月";

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Exits after the timeline: 0 when the agent's welcome arrived by its deadline, else 1
    #[arg(long)]
    once: bool,
}

pub(super) async fn demo(args: &DemoArgs, mut common: Common) -> anyhow::Result<u8> {
    let clock = clock();
    let dir = std::env::temp_dir().join(format!("anmei-mcp-demo-{}", new_id(clock.as_ref())));
    // Whatever is configured on this machine, the demo works on data of its own.
    common.data_dir = Some(dir.clone());
    let mut loaded = common.load(Logs::Warnings)?;
    loaded.config = free_ports(loaded.config).await;
    let stop = CancellationToken::new();
    lifecycle::stop_on_signals(stop.clone(), lifecycle::Again::default())?;
    let shown = run(args, loaded, stop).await;
    if let Err(error) = std::fs::remove_dir_all(&dir) {
        tracing::warn!(%error, dir = %dir.display(), "the demo's directory could not be removed");
    }
    shown
}

async fn run(args: &DemoArgs, loaded: Loaded, stop: CancellationToken) -> anyhow::Result<u8> {
    let core = Core::open(loaded.config.clone(), clock()).await?;
    let setup = core.set_up().await?;
    let summary = fill(&core).await?;
    let language = core.config.language;
    let sample = in_language(language, "样例数据（条）：", "sample records:");
    output::say(format_args!("{sample} {}  {}\n", summary.added, core.dir.path().display()))?;
    let parts = Parts { stop: stop.clone(), loaded: Arc::new(loaded), again: lifecycle::Again::default() };
    let daemon = app::serve(core.clone(), parts).await?;
    let dify = start_stand_in(&core, &setup, &daemon).await?;
    output::say(format_args!("{} {NEW_CUSTOMER} …", in_language(language, "注册新客户", "registering")))?;
    let hook = timeline::Hook::new(&daemon.addresses.hook, daemon.hook_key.clone())?;
    let user_id = format!("usr_{}", new_id(core.clock.as_ref()).replace('-', ""));
    let path = hook.send(&register::body(&user_id, NEW_CUSTOMER)).await?;
    let run = hook.watch(&path).await?;
    let good = timeline::show_end(&run)? && by_the_agent(&run);
    if args.once {
        stop.cancel();
    } else {
        show_how_to_go_on(&setup, &daemon, &user_id, language)?;
        show_panel(&core, &daemon).await?;
    }
    daemon.run().await.map_err(anyhow::Error::msg)?;
    dify.shutdown().await;
    if good || !args.once {
        Ok(exit::OK)
    } else {
        Err(Fault::new(exit::FAILURE, "the welcome was not the agent's: see the reason above").into())
    }
}

fn by_the_agent(run: &Value) -> bool {
    run.pointer("/welcome/rung").and_then(Value::as_str) == Some("agent")
}

/// The configured ports where they are free, others where they are not: a demo beside a running daemon works.
async fn free_ports(mut config: Config) -> Config {
    for address in [&mut config.mcp.listen, &mut config.hook.listen, &mut config.live.listen, &mut config.admin.listen] {
        if tokio::net::TcpListener::bind(*address).await.is_err() {
            *address = SocketAddr::new(address.ip(), 0);
        }
    }
    config
}

async fn fill(core: &Core) -> anyhow::Result<ImportSummary> {
    let records = sample::generate(core.clock.now());
    Ok(core.store.import(records, core.clock.now_ms()).await?)
}

/// The stand-in holds the key of the group for welcomes, as a Dify workspace would, and is added as an agent.
async fn start_stand_in(core: &Core, setup: &Setup, daemon: &Daemon) -> anyhow::Result<StandInHandle> {
    let server = |code: &str| {
        let key = setup.keys.iter().find(|new| new.server_code == code).map(|new| new.key.clone());
        key.map(|key| McpServer { name: code.into(), url: format!("{}/server/{code}/mcp", daemon.addresses.mcp), key })
    };
    let stand_in = StandIn {
        mcp: server("welcome_tools").into_iter().collect(),
        behaviour: Behaviour::Normal { think_ms: 150 },
        ..StandIn::default()
    };
    let handle = StandIn::start(([127, 0, 0, 1], 0).into(), stand_in).await?;
    let id = new_id(core.clock.as_ref());
    let sealed_key = core.master.seal(&agent_key_purpose(&id), handle.key.expose().as_bytes())?;
    let agent = Agent::new(id, "管家智能体".into(), handle.base_url.clone(), sealed_key, core.clock.now_ms());
    core.store.add_agent(agent, super::by(core, None)).await?;
    Ok(handle)
}

fn show_how_to_go_on(setup: &Setup, daemon: &Daemon, user_id: &str, language: Language) -> anyhow::Result<()> {
    let addresses = &daemon.addresses;
    output::table(
        &["GROUP", "URL", "KEY"],
        setup.keys.iter().map(|new| {
            vec![new.server_code.clone(), format!("{}/server/{}/mcp", addresses.mcp, new.server_code), new.key.expose().to_owned()]
        }),
    )?;
    let try_it = in_language(language, "试一试：", "Try:");
    let key = setup.keys.first().map(|new| new.key.expose()).unwrap_or_default();
    output::say(format_args!(
        "\n{try_it}\n\ncurl -s {}/mcp -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\\n  -d '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"get_user_profile\",\"arguments\":{{\"user_id\":\"{user_id}\"}}}}}}'\n",
        addresses.mcp
    ))?;
    output::say(format_args!(
        "curl -s {}/hooks/registration -H 'Authorization: Bearer {}' -H 'Content-Type: application/json' \\\n  -d '{{\"user_id\":\"usr_me\",\"username\":\"小明\",\"roles\":[\"customer\"]}}'",
        addresses.hook,
        daemon.hook_key.expose()
    ))
}

/// Where to look at all this, and how to get in: nobody has an account yet.
async fn show_panel(core: &Core, daemon: &Daemon) -> anyhow::Result<()> {
    let language = core.config.language;
    if let Some(link) = core.setup_link(Some(&daemon.addresses), super::by(core, None)).await? {
        let text = in_language(
            language,
            "管理后台（打开链接创建管理员账号，30 分钟内有效）：",
            "Panel (the link makes the administrator, within 30 minutes):",
        );
        output::say(format_args!("\n{text}\n{}", link.expose()))?;
    }
    let end = in_language(language, "按 Ctrl-C 结束，并删除这些数据", "Ctrl-C ends the demo and removes its data");
    output::say(format_args!("\n{end}"))
}
