//! `audit`: the log of changes, and the proof that nobody changed it.

use clap::{Args, Subcommand};

use super::{Fault, exit, output};
use crate::{admin::calls::AuditQuery, app::Core, clock::rfc3339, config::HumanDuration};

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// The latest changes, the oldest of them first
    List(ListArgs),
    /// Walks along the chain of hashes; exit code 1 when a row was changed, added or taken out
    Verify {
        /// A hash that must be part of the chain, such as the last one that was noted elsewhere: shows an end that was cut off
        #[arg(long, value_name = "HASH")]
        expect: Option<String>,
        /// For programs
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only the last so long, such as 24h
    #[arg(long, value_name = "DURATION")]
    since: Option<HumanDuration>,
    /// Only actors that begin so, such as account:mei
    #[arg(long, value_name = "PREFIX", default_value = "")]
    actor: String,
    /// Only objects that begin so, such as key/system_tools
    #[arg(long, value_name = "PREFIX", default_value = "")]
    object: String,
    /// Only actions that begin so, such as key.reveal
    #[arg(long, value_name = "PREFIX", default_value = "")]
    action: String,
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: AuditCommand, core: &Core) -> anyhow::Result<u8> {
    match command {
        AuditCommand::List(args) => list(core, args).await,
        AuditCommand::Verify { expect, json } => verify(core, expect, json).await,
    }
}

async fn list(core: &Core, args: ListArgs) -> anyhow::Result<u8> {
    let since = args.since.map_or(0, |since| core.clock.now_ms().saturating_sub(since.as_ms()));
    let since = rfc3339(since);
    let query = AuditQuery { actor: &args.actor, action: &args.action, object: &args.object, since: Some(&since), until: None };
    let mut entries = core.calls(None).audit_rows(query, args.limit).await?;
    entries.reverse();
    if args.json {
        output::json(&entries)?;
    } else {
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        let rows = entries.iter().map(|entry| {
            vec![
                entry.seq.to_string(),
                entry.at.clone(),
                entry.actor.clone(),
                entry.action.clone(),
                entry.object.clone(),
                text(&entry.reason),
                text(&entry.address),
            ]
        });
        output::table(&["SEQ", "AT", "ACTOR", "ACTION", "OBJECT", "REASON", "ADDRESS"], rows)?;
    }
    Ok(exit::OK)
}

async fn verify(core: &Core, expect: Option<String>, as_json: bool) -> anyhow::Result<u8> {
    let proof = core.calls(None).verify_audit(expect.clone()).await?;
    if as_json {
        output::json(&proof)?;
    }
    if let Some(seq) = proof.broken_at {
        let why = proof.why.unwrap_or_default();
        return Err(Fault::new(exit::FAILURE, format!("the audit log was tampered with at row {seq}: {why}")).into());
    }
    if let Some(hash) = expect.filter(|_| !proof.contains) {
        let text = format!("the audit log does not contain {hash}: rows were cut off at its end, or the hash is another log's");
        return Err(Fault::new(exit::FAILURE, text).into());
    }
    if !as_json {
        output::say(format_args!("{} rows, each bound to the one before; the last hash is\n{}", proof.rows, proof.head))?;
    }
    Ok(exit::OK)
}
