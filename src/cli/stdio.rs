//! `stdio`: one group on stdin and stdout.

use clap::Args;
use http::HeaderValue;
use tokio_util::sync::CancellationToken;

use super::{Fault, clock, exit, output, serve};
use crate::{
    app::{Core, server_settings},
    config::{Loaded, environment},
    gate::{Presented, Refusal},
    lifecycle, mcp,
};

#[derive(Debug, Args)]
pub(super) struct StdioArgs {
    /// Server code of the group
    #[arg(long, value_name = "CODE")]
    server_code: String,
}

pub(super) async fn stdio(args: &StdioArgs, loaded: Loaded) -> anyhow::Result<u8> {
    let core = Core::open(loaded.config, clock()).await?;
    if let Some(keys) = serve::new_keys(&core.set_up().await?, core.config.language) {
        output::aside(keys);
    }
    let admitted = admit(&core, &args.server_code).await;
    if let Err(refusal) = admitted {
        core.close().await;
        return Err(refused(&refusal, &args.server_code).into());
    }
    core.start_recording();
    let stop = CancellationToken::new();
    lifecycle::stop_on_signals(stop.clone(), lifecycle::Again::default())?;
    let served =
        mcp::serve_stdio(core.dispatch.clone(), core.gate.clone(), server_settings(&core.config), args.server_code.clone(), stop).await;
    core.close().await;
    served?;
    // A reader of stdin that waits for its next line cannot be woken; leaving it must not delay the exit.
    std::process::exit(i32::from(exit::OK));
}

/// A key in the environment must open the group; without one, whoever may read the database may use it.
async fn admit(core: &Core, code: &str) -> Result<(), Refusal> {
    match environment().api_key() {
        Some(key) => {
            let header = HeaderValue::from_str(&format!("Bearer {}", key.expose())).map_err(|_| Refusal::BadKey)?;
            core.gate
                .admit(Presented { authorization: Some(&header), code: Some(code), client: Some("stdio"), ..Presented::default() })
                .await
                .map(drop)
        }
        None => core.gate.admit_local(code).map(drop),
    }
}

fn refused(refusal: &Refusal, code: &str) -> Fault {
    match refusal {
        Refusal::UnknownCode => Fault::new(exit::NOT_FOUND, format!("there is no group {code}; `anmei-mcp group list` shows the groups")),
        Refusal::NoKey | Refusal::BadKey | Refusal::Mistyped | Refusal::Throttled { .. } | Refusal::OtherGroup { .. } => Fault::new(
            exit::AUTH,
            format!("the key in ANMEI_MCP_API_KEY does not open the group {code}; `anmei-mcp key show {code}` shows the right one"),
        ),
        Refusal::Ended(_) | Refusal::InvalidToken { .. } | Refusal::InsufficientScope { .. } => {
            Fault::new(exit::AUTH, format!("ANMEI_MCP_API_KEY: {}", refusal.problem().detail))
        }
        Refusal::Disabled { .. } | Refusal::Unavailable(_) => Fault::new(exit::FAILURE, refusal.problem().detail),
    }
}
