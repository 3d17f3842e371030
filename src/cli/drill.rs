//! `drill`: kills a daemon of its own at every moment that matters, and proves that nothing is lost.
//!
//! The daemon is this very binary, on a scratch directory and free ports; Dify and the app are stand-ins in the drill's
//! own process, so that their ledgers survive every kill. What was answered 202 is kept in a third ledger, outside the
//! database. After each kill the daemon is started again, everything is sent again, and the three ledgers and the rows
//! must agree.

mod client;
mod site;
mod strikes;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use self::{
    site::Site,
    strikes::{Strike, at_points, at_random},
};
use super::{Fault, clock, exit, output};
use crate::{drill::POINTS, ids::new_id};

#[derive(Debug, Subcommand)]
pub(super) enum DrillCommand {
    /// Kills the daemon at each point of a registration in turn, or at random moments under load
    Crash(CrashArgs),
}

#[derive(Debug, Args)]
pub(super) struct CrashArgs {
    /// Times through all points; with --random, kills [default: 1, with --random 20]
    #[arg(long)]
    cycles: Option<u32>,
    /// Scratch directory: new or empty [default: a temporary one, removed when all is well]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Seed of the random moments, to repeat a drill
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Kills at random moments under 50 registrations a second, instead of at each point
    #[arg(long)]
    random: bool,
    /// Only this point (repeatable)
    #[arg(long, value_name = "POINT", conflicts_with = "random")]
    point: Vec<String>,
}

pub(super) async fn run(command: DrillCommand) -> anyhow::Result<u8> {
    let DrillCommand::Crash(args) = command;
    if let Some(unknown) = args.point.iter().find(|name| !POINTS.contains(&name.as_str())) {
        return Err(Fault::new(exit::USAGE, format!("there is no point {unknown}; there are: {}", POINTS.join(", "))).into());
    }
    let (dir, temporary) = scratch(args.dir.clone())?;
    let mut site = Site::build(&dir).await?;
    let strikes = if args.random {
        at_random(&mut site, args.cycles.unwrap_or(20), args.seed).await?
    } else {
        at_points(&mut site, args.cycles.unwrap_or(1), &args.point).await?
    };
    drop(site);
    show(&strikes)?;
    let bad = strikes.iter().filter(|strike| !strike.is_good()).count();
    if bad == 0 {
        if temporary {
            std::fs::remove_dir_all(&dir)?;
        }
        output::say(format_args!("\nall {} strikes: nothing lost, nothing twice", strikes.len()))?;
        return Ok(exit::OK);
    }
    Err(Fault::new(
        exit::FAILURE,
        format!("{bad} of {} strikes went wrong; the database and the log are in {}", strikes.len(), dir.display()),
    )
    .into())
}

/// A directory that is nobody's: a drill fills it, and a used one would prove nothing.
fn scratch(dir: Option<PathBuf>) -> anyhow::Result<(PathBuf, bool)> {
    let temporary = dir.is_none();
    let dir = dir.unwrap_or_else(|| std::env::temp_dir().join(format!("anmei-mcp-drill-{}", new_id(clock().as_ref()))));
    std::fs::create_dir_all(&dir)?;
    if std::fs::read_dir(&dir)?.next().is_some() {
        return Err(Fault::new(exit::USAGE, format!("{} is not empty: a drill needs a directory of its own", dir.display())).into());
    }
    Ok((dir.canonicalize()?, temporary))
}

fn show(strikes: &[Strike]) -> anyhow::Result<()> {
    output::table(
        &["KILLED AT", "HIT", "SENT", "202", "LOST", "TWICE", "ASKED", "READY", "DRAINED", "RESULT"],
        strikes.iter().map(|strike| {
            vec![
                strike.moment.clone(),
                output::yes(strike.hit),
                strike.sent.to_string(),
                strike.acknowledged.to_string(),
                strike.lost.to_string(),
                strike.twice.to_string(),
                strike.asked.to_string(),
                format!("{} ms", strike.ready.as_millis()),
                format!("{} ms", strike.drained.as_millis()),
                if strike.is_good() { "ok".into() } else { "FAILED".into() },
            ]
        }),
    )?;
    for strike in strikes {
        if !strike.hit {
            output::say(format_args!("{}: the daemon was not killed there: the point was never reached", strike.moment))?;
        }
        for finding in &strike.findings {
            output::say(format_args!("{}: {finding}", strike.moment))?;
        }
    }
    Ok(())
}
