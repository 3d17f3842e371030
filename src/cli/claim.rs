//! `claim`: customers who wait for a consultant, and taking one over.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Fault, exit, output};
use crate::{
    app::Core,
    store::claims::{Claim, ClaimOutcome, NewClaim, Target, Via, WaitingCustomer},
};

const DAY: i64 = 24 * 3_600_000;

#[derive(Debug, Subcommand)]
pub(super) enum ClaimCommand {
    /// Customers nobody has claimed, who waits longest first
    List(ListArgs),
    /// Takes a customer over for a consultant; the first to claim has the customer
    Take(TakeArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Claimed customers too
    #[arg(long)]
    all: bool,
    /// Registrations, and with --all claims, of that many days
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    days: u16,
    /// At most that many of each
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// For programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct TakeArgs {
    /// Id of the registration or of its conversation
    #[arg(value_name = "REGISTRATION|CONVERSATION")]
    id: String,
    /// User id of the consultant or supervisor who takes the customer
    #[arg(long, value_name = "ID")]
    consultant: String,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: ClaimCommand, core: &Core) -> anyhow::Result<u8> {
    match command {
        ClaimCommand::List(args) => list(core, &args).await?,
        ClaimCommand::Take(args) => take(core, args).await?,
    }
    Ok(exit::OK)
}

async fn list(core: &Core, args: &ListArgs) -> anyhow::Result<()> {
    let now = core.clock.now_ms();
    let since = now - i64::from(args.days) * DAY;
    let waiting = core.store.waiting_customers(since, args.limit).await?;
    let claimed = if args.all { core.store.recent_claims(since, args.limit).await? } else { Vec::new() };
    if args.json {
        let waiting: Vec<_> = waiting
            .iter()
            .map(|one| {
                json!({
                    "registration_id": one.registration_id,
                    "conversation_id": one.conversation_id,
                    "customer_id": one.customer_id,
                    "waiting_since": crate::clock::rfc3339(one.waiting_since),
                    "waiting_seconds": (now - one.waiting_since) / 1000,
                    "assigned_to": one.assigned_to,
                    "escalation_level": one.escalation_level,
                })
            })
            .collect();
        let claimed: Vec<_> = claimed.iter().map(shown).collect();
        return output::json(&if args.all { json!({"waiting": waiting, "claimed": claimed}) } else { json!({"waiting": waiting}) });
    }
    if waiting.is_empty() && claimed.is_empty() {
        return output::say("没有等待认领的客户 / nobody waits to be claimed");
    }
    let rows = waiting.iter().map(|one| waiting_row(one, now)).chain(claimed.iter().map(claimed_row));
    output::table(&["REGISTRATION", "CONVERSATION", "CUSTOMER", "SINCE", "WAITED", "LEVEL", "ASSIGNED", "CLAIMED BY", "VIA"], rows)
}

fn waiting_row(one: &WaitingCustomer, now: i64) -> Vec<String> {
    let dash = || "-".to_owned();
    vec![
        one.registration_id.clone(),
        one.conversation_id.clone(),
        one.customer_id.clone(),
        output::moment(Some(one.waiting_since)),
        length(now - one.waiting_since),
        one.escalation_level.to_string(),
        one.assigned_to.clone().unwrap_or_else(dash),
        dash(),
        dash(),
    ]
}

fn claimed_row(claim: &Claim) -> Vec<String> {
    let dash = || "-".to_owned();
    vec![
        claim.registration_id.clone(),
        claim.conversation_id.clone(),
        claim.customer_id.clone(),
        output::moment(Some(claim.waiting_since)),
        length(claim.waiting_ms()),
        dash(),
        dash(),
        claim.consultant_id.clone(),
        claim.via.clone(),
    ]
}

/// `2h 5m`, `5m 3s` or `3s`.
fn length(ms: i64) -> String {
    let seconds = (ms / 1000).max(0);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}

fn shown(claim: &Claim) -> serde_json::Value {
    json!({
        "registration_id": claim.registration_id,
        "conversation_id": claim.conversation_id,
        "customer_id": claim.customer_id,
        "claimed_by": claim.consultant_id,
        "via": claim.via,
        "claimed_at": crate::clock::rfc3339(claim.claimed_at),
        "waiting_seconds": claim.waiting_ms() / 1000,
    })
}

async fn take(core: &Core, args: TakeArgs) -> anyhow::Result<()> {
    let mut outcome = claim(core, Target::Registration(args.id.clone()), &args.consultant).await?;
    if outcome == ClaimOutcome::Unknown {
        outcome = claim(core, Target::Conversation(args.id.clone()), &args.consultant).await?;
    }
    let TakeArgs { id, consultant, json } = args;
    match outcome {
        ClaimOutcome::Won { claim } if json => output::json(&shown(&claim)),
        ClaimOutcome::Won { claim } => output::say(format_args!(
            "{} → {} · {} · {} · 等待 / waited {}",
            claim.customer_id,
            claim.consultant_id,
            claim.conversation_id,
            output::moment(Some(claim.claimed_at)),
            length(claim.waiting_ms())
        )),
        ClaimOutcome::Lost { claim } => Err(Fault::new(
            exit::FAILURE,
            format!("{} was first, at {} (via {})", claim.consultant_id, output::moment(Some(claim.claimed_at)), claim.via),
        )
        .into()),
        ClaimOutcome::Unknown => Err(Fault::new(
            exit::NOT_FOUND,
            format!("there is no registration and no conversation {id}; `anmei-mcp claim list` shows who waits"),
        )
        .into()),
        ClaimOutcome::NotConsultant => Err(Fault::new(
            exit::FAILURE,
            format!("{consultant} is no active user in the role consultant and no supervisor; only they may claim"),
        )
        .into()),
        ClaimOutcome::NotWaiting => Err(Fault::new(
            exit::FAILURE,
            format!("nobody waits at {id}: no registration opened it, it is closed, or the run was skipped or cancelled"),
        )
        .into()),
    }
}

async fn claim(core: &Core, target: Target, consultant: &str) -> anyhow::Result<ClaimOutcome> {
    let new = NewClaim {
        target,
        consultant_id: consultant.to_owned(),
        via: Via::Cli,
        events: core.config.outbound.webhook_url.is_some(),
        now: core.clock.now_ms(),
    };
    Ok(core.store.claim(new).await?)
}

#[cfg(test)]
mod tests {
    use super::length;

    #[test]
    fn a_wait_has_the_two_units_that_matter() {
        for (ms, text) in [(-5, "0s"), (59_999, "59s"), (60_000, "1m 0s"), (3_599_000, "59m 59s"), (90_061_000, "25h 1m")] {
            assert_eq!(length(ms), text);
        }
    }
}
