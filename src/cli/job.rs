//! `job`: what waits, what failed, trying it again; and the proof that nothing was lost.

mod verify;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

pub(super) use self::verify::{VerifyArgs, verify};
use super::{Fault, exit, output};
use crate::{
    admin::calls::jobs::JobView,
    app::Core,
    clock::rfc3339,
    registration::RUN_JOB,
    store::{job_admin::JobFilter, run_list::Page},
};

#[derive(Debug, Subcommand)]
pub(super) enum JobCommand {
    /// Jobs, the latest first
    List(ListArgs),
    /// One job; for a registration's, its steps as well
    Show {
        /// The job's id, or the registration's
        id: String,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Tries a dead or cancelled job again, at once and with all its tries
    Retry {
        /// The job's id, or the registration's
        id: String,
        /// Why; kept in the audit log
        #[arg(long)]
        reason: Option<String>,
    },
    /// Does not do a job that waits; a registration's run ends with it
    Cancel {
        /// The job's id, or the registration's
        id: String,
        /// Why; kept in the audit log
        #[arg(long)]
        reason: Option<String>,
    },
    /// Sends a registration that has ended through those of its steps that are not done
    Replay {
        /// The registration's id
        registration: String,
        /// Why; kept in the audit log
        #[arg(long)]
        reason: Option<String>,
    },
    /// Proves over the database that nothing was lost and nothing was done twice
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only in this state
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only of this kind, such as registration or outgoing_event
    #[arg(long)]
    kind: Option<String>,
    /// The latest so many
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// For programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    Ready,
    Running,
    Done,
    Dead,
    Cancelled,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }
}

pub(super) async fn run(command: JobCommand, core: &Core) -> anyhow::Result<u8> {
    let by = |reason: Option<String>| super::by(core, reason.as_deref());
    match command {
        JobCommand::List(args) => list(core, args).await?,
        JobCommand::Show { id, json } => show(core, &id, json)?,
        JobCommand::Retry { id, reason } => changed(&core.calls(None).retry_job(&id, &by(reason)).await?)?,
        JobCommand::Cancel { id, reason } => changed(&core.calls(None).cancel_job(&id, &by(reason)).await?)?,
        JobCommand::Replay { registration, reason } => changed(&core.calls(None).resume_run(&registration, &by(reason)).await?)?,
        JobCommand::Verify(args) => return verify(&args, &core.config, core.clock.now_ms()),
    }
    Ok(exit::OK)
}

async fn list(core: &Core, args: ListArgs) -> anyhow::Result<()> {
    let filter = JobFilter { state: args.state.map(|state| state.name().into()), kind: args.kind, ..JobFilter::default() };
    let jobs = Page::gather(args.limit, async |after, limit| core.store.jobs(JobFilter { after, limit, ..filter.clone() }).await).await?;
    if args.json {
        return output::json(&jobs);
    }
    let rows = jobs.into_iter().map(|job| {
        let why = job.last_error.unwrap_or_default();
        vec![job.id, job.kind, job.subject_id, job.state, job.attempt.to_string(), rfc3339(job.run_at), why]
    });
    output::table(&["JOB", "KIND", "SUBJECT", "STATE", "TRIES", "NOT BEFORE", "LAST ERROR"], rows)
}

fn show(core: &Core, id: &str, as_json: bool) -> anyhow::Result<()> {
    let missing = || Fault::new(exit::NOT_FOUND, format!("there is no job {id}, and no job that carries a registration of this id"));
    let job = core.store.job(id)?.ok_or_else(missing)?;
    let steps = if job.kind == RUN_JOB { core.store.registration_steps(&job.subject_id)? } else { Vec::new() };
    if as_json {
        return output::json(&json!({"job": job, "steps": steps}));
    }
    let fact = |name: &str, value: String| vec![name.to_owned(), value];
    output::table(
        &["JOB", job.id.as_str()],
        [
            fact("kind", job.kind),
            fact("subject", job.subject_id),
            fact("state", job.state),
            fact("tries", job.attempt.to_string()),
            fact("not before", rfc3339(job.run_at)),
            fact("made", rfc3339(job.created_at)),
            fact("ended", output::moment(job.finished_at)),
            fact("last error", job.last_error.unwrap_or_else(|| "-".into())),
        ],
    )?;
    if steps.is_empty() {
        return Ok(());
    }
    output::say("")?;
    let rows = steps.into_iter().map(|step| {
        let took = format!("{} ms", step.duration_ms);
        vec![step.step, step.attempt.to_string(), step.state, rfc3339(step.started_at), took, step.error.unwrap_or_default()]
    });
    output::table(&["STEP", "TRY", "STATE", "BEGAN", "TOOK", "ERROR"], rows)
}

fn changed(job: &JobView) -> anyhow::Result<()> {
    output::say(format_args!("the job {} ({} {}) is {}", job.id, job.kind, job.subject_id, job.state))
}
