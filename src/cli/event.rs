//! `event`: what was told to the app, how each attempt went, and telling it again.

use clap::Subcommand;
use serde_json::json;

use super::{Fault, exit, output};
use crate::{
    app::Core,
    clock::rfc3339,
    store::{
        events::{EventFilter, EventState},
        run_list::Page,
    },
};

#[derive(Debug, Subcommand)]
pub(super) enum EventCommand {
    /// Events, the latest first, and how the receiver is doing
    List {
        /// Only these: waiting, delivered or given_up
        #[arg(long)]
        state: Option<String>,
        /// At most that many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// One event with every attempt to deliver it
    Show {
        /// Its webhook-id
        id: String,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Sends an event again, under the same webhook-id, so that a receiver who has it drops it
    Replay {
        /// Its webhook-id
        id: String,
    },
    /// Puts a receiver back into use that had failed for too long
    Enable,
}

pub(super) async fn run(command: EventCommand, core: &Core) -> anyhow::Result<u8> {
    match command {
        EventCommand::List { state, limit, json } => list(core, state.as_deref(), limit, json).await?,
        EventCommand::Show { id, json } => show(core, &id, json)?,
        EventCommand::Replay { id } => replay(core, &id).await?,
        EventCommand::Enable => enable(core).await?,
    }
    Ok(exit::OK)
}

async fn list(core: &Core, state: Option<&str>, limit: u32, as_json: bool) -> anyhow::Result<()> {
    let state = state
        .map(|name| {
            EventState::parse(name)
                .ok_or_else(|| Fault::new(exit::USAGE, format!("--state {name}: waiting, delivered and given_up are states")))
        })
        .transpose()?;
    let page = async |after, limit| core.store.events(EventFilter { state, after, limit, ..EventFilter::default() }).await;
    let events = Page::gather(limit, page).await?;
    let endpoint = core.store.event_endpoint()?;
    if as_json {
        return output::json(&json!({"endpoint": endpoint, "events": events}));
    }
    if let Some(at) = endpoint.disabled_at {
        let reason = endpoint.reason.as_deref().unwrap_or_default();
        output::say(format_args!("the receiver is out of use since {}: {reason}; `anmei-mcp event enable` puts it back\n", rfc3339(at)))?;
    }
    output::table(
        &["EVENT", "KIND", "MADE", "STATE", "ATTEMPTS", "LAST"],
        events.into_iter().map(|event| {
            let last = event.last_error.or_else(|| event.last_status.map(|status| status.to_string())).unwrap_or_default();
            vec![event.id, event.kind, rfc3339(event.created_at), event.state, event.attempts.to_string(), last]
        }),
    )
}

fn show(core: &Core, id: &str, as_json: bool) -> anyhow::Result<()> {
    let event = core.store.outgoing_event(id)?.ok_or_else(|| unknown(id))?;
    let attempts = core.store.event_attempts(id)?;
    if as_json {
        let body: serde_json::Value = serde_json::from_str(&event.payload)?;
        return output::json(&json!({
            "id": event.id, "kind": event.kind, "created_at": rfc3339(event.created_at),
            "delivered_at": event.delivered_at.map(rfc3339), "body": body, "attempts": attempts,
        }));
    }
    output::say(format_args!("{}  {}  made {}\n{}\n", event.id, event.kind, rfc3339(event.created_at), event.payload))?;
    output::table(
        &["ATTEMPT", "AT", "MS", "STATUS", "ERROR"],
        attempts.into_iter().map(|attempt| {
            let status = attempt.status.map(|status| status.to_string()).unwrap_or_default();
            let (number, took) = (attempt.attempt.to_string(), attempt.duration_ms.to_string());
            vec![number, rfc3339(attempt.attempted_at), took, status, attempt.error.unwrap_or_default()]
        }),
    )
}

async fn replay(core: &Core, id: &str) -> anyhow::Result<()> {
    core.calls(None).replay_event(id, &super::by(core, None)).await?;
    output::say(format_args!("{id} is sent again"))
}

async fn enable(core: &Core) -> anyhow::Result<()> {
    core.calls(None).enable_event_endpoint(&super::by(core, None)).await?;
    output::say("the receiver is in use; what waits is sent within a minute")
}

fn unknown(id: &str) -> Fault {
    Fault::new(exit::NOT_FOUND, format!("there is no event {id}; `anmei-mcp event list` shows them"))
}
