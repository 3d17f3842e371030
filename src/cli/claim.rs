//! `claim`: customers who wait for a consultant, and taking one over.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Fault, exit, output};
use crate::{
    admin::{
        CallError,
        calls::consultants::{ClaimView, WaitingView},
    },
    app::Core,
    store::claims::Via,
};

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
    /// Why; kept in the audit log
    #[arg(long)]
    reason: Option<String>,
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
    let (calls, days) = (core.calls(None), Some(u32::from(args.days)));
    let waiting = calls.claim_queue(days, None, args.limit).await?.items;
    let claimed = if args.all { calls.claims(None, days, None, args.limit).await?.items } else { Vec::new() };
    if args.json {
        return output::json(&if args.all { json!({"waiting": waiting, "claimed": claimed}) } else { json!({"waiting": waiting}) });
    }
    if waiting.is_empty() && claimed.is_empty() {
        return output::say("没有等待认领的客户 / nobody waits to be claimed");
    }
    let rows = waiting.iter().map(waiting_row).chain(claimed.iter().map(claimed_row));
    output::table(&["REGISTRATION", "CONVERSATION", "CUSTOMER", "SINCE", "WAITED", "LEVEL", "ASSIGNED", "CLAIMED BY", "VIA"], rows)
}

fn waiting_row(one: &WaitingView) -> Vec<String> {
    let dash = || "-".to_owned();
    vec![
        one.registration_id.clone(),
        one.conversation_id.clone(),
        one.customer_id.clone(),
        one.waiting_since.clone(),
        length(one.waiting_seconds),
        one.escalation_level.to_string(),
        one.assigned_to.clone().unwrap_or_else(dash),
        dash(),
        dash(),
    ]
}

fn claimed_row(claim: &ClaimView) -> Vec<String> {
    let dash = || "-".to_owned();
    vec![
        claim.registration_id.clone(),
        claim.conversation_id.clone(),
        claim.customer_id.clone(),
        claim.waiting_since.clone(),
        length(claim.waiting_seconds),
        dash(),
        dash(),
        claim.claimed_by.clone(),
        claim.via.clone(),
    ]
}

/// `2h 5m`, `5m 3s` or `3s`.
fn length(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}

async fn take(core: &Core, args: TakeArgs) -> anyhow::Result<()> {
    let by = super::by(core, args.reason.as_deref());
    let claim = match core.calls(None).claim_for(&args.id, &args.consultant, Via::Cli, &by).await {
        Ok(claim) => claim,
        // The command was written right; this one may not claim.
        Err(CallError::Invalid(fields)) => {
            let why = fields.into_iter().map(|field| field.text.en).collect::<Vec<_>>().join("; ");
            return Err(Fault::new(exit::FAILURE, why).into());
        }
        Err(error) => return Err(error.into()),
    };
    if args.json {
        return output::json(&claim);
    }
    let ClaimView { customer_id, claimed_by, conversation_id, claimed_at, waiting_seconds, .. } = claim;
    output::say(format_args!("{customer_id} → {claimed_by} · {conversation_id} · {claimed_at} · 等待 / waited {}", length(waiting_seconds)))
}

#[cfg(test)]
mod tests {
    use super::length;

    #[test]
    fn a_wait_has_the_two_units_that_matter() {
        for (seconds, text) in [(-5, "0s"), (59, "59s"), (60, "1m 0s"), (3_599, "59m 59s"), (90_061, "25h 1m")] {
            assert_eq!(length(seconds), text);
        }
    }
}
