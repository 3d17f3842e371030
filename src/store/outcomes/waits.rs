//! One look at each run of a period: how long its customer waited, for what, and whether that was too long.

use rusqlite::{Connection, Row};

use super::{CLAIM_TARGET_MS, CONVERSATION_TARGET_MS, Grid, NOTICE_TARGET_MS, RESPONSE_TARGET_MS, RunStep, Rungs, Share, Spread};

pub(super) const RUNS: &str =
    "SELECT accepted_at, state, deadline_at, welcome_rung, welcome_at, answered, opened_at, noticed_at, reached_at,
    claimed_at, closed, wrote_at FROM run_figures WHERE accepted_at > ?1";

/// What is gathered from the runs of a period.
pub(super) struct Waits {
    grid: Grid,
    pub(super) accepted: i64,
    pub(super) agent_success: Share,
    pub(super) rungs: Rungs,
    pub(super) responses: Vec<i64>,
    pub(super) responded_in_time: Share,
    pub(super) welcome_by_deadline: Share,
    pub(super) notices_arrived: Share,
    pub(super) conversed: Share,
    pub(super) claims: Vec<i64>,
    pub(super) claimed_in_time: Share,
    pub(super) steps: Vec<RunStep>,
    /// The times to the welcome, in each step.
    responses_in_steps: Vec<Vec<i64>>,
}

/// One run.
struct Run {
    accepted: i64,
    deadline: i64,
    welcome: Option<i64>,
    /// Since when a consultant is waited for.
    waits_since: i64,
    noticed: Option<i64>,
    reached: Option<i64>,
    claimed: Option<i64>,
    /// Whether somebody waits there until it is claimed.
    waits: bool,
}

impl Waits {
    pub(super) fn new(grid: Grid) -> Self {
        let steps = vec![RunStep::default(); grid.steps()];
        Self {
            grid,
            accepted: 0,
            agent_success: Share::default(),
            rungs: Rungs::default(),
            responses: Vec::new(),
            responded_in_time: Share::default(),
            welcome_by_deadline: Share::default(),
            notices_arrived: Share::default(),
            conversed: Share::default(),
            claims: Vec::new(),
            claimed_in_time: Share::default(),
            responses_in_steps: vec![Vec::new(); steps.len()],
            steps,
        }
    }

    /// Reads the runs of the period, and before them those that have had their time to begin to talk in it.
    pub(super) fn read(&mut self, db: &Connection, working: &impl Fn(i64, i64) -> i64) -> rusqlite::Result<()> {
        let mut statement = db.prepare_cached(RUNS)?;
        let mut rows = statement.query([self.grid.since - CONVERSATION_TARGET_MS])?;
        while let Some(row) = rows.next()? {
            let (accepted, wanted) = (row.get(0)?, !matches!(row.get_ref(1)?.as_str()?, "skipped" | "cancelled"));
            if wanted {
                self.conversation(accepted, row.get(11)?);
            }
            if accepted >= self.grid.since {
                self.run(row, (accepted, wanted), working)?;
            }
        }
        for (step, times) in self.steps.iter_mut().zip(std::mem::take(&mut self.responses_in_steps)) {
            step.welcome_p95 = Spread::of(times).p95;
        }
        Ok(())
    }

    /// In whichever conversation: what counts is that the customer began to talk.
    fn conversation(&mut self, accepted: i64, wrote: Option<i64>) {
        let due = accepted + CONVERSATION_TARGET_MS;
        if due <= self.grid.until {
            self.conversed.count(wrote.is_some_and(|wrote| wrote <= due));
        }
    }

    fn run(&mut self, row: &Row<'_>, (accepted, wanted): (i64, bool), working: &impl Fn(i64, i64) -> i64) -> rusqlite::Result<()> {
        let state = row.get_ref(1)?.as_str()?;
        let (opened, noticed): (Option<i64>, Option<i64>) = (row.get(6)?, row.get(7)?);
        let run = Run {
            accepted,
            deadline: row.get(2)?,
            welcome: row.get(4)?,
            waits_since: noticed.or(opened).unwrap_or(accepted),
            noticed,
            reached: row.get(8)?,
            claimed: row.get(9)?,
            waits: wanted && opened.is_some() && !row.get::<_, bool>(10)?,
        };
        self.accepted += 1;
        if let Some(answered) = row.get::<_, Option<bool>>(5)? {
            self.agent_success.count(answered);
        }
        self.step(&run, state, row.get_ref(3)?.as_str_or_null()?);
        if wanted {
            self.welcome(&run);
        }
        self.notice(&run);
        self.claim(&run, working);
        Ok(())
    }

    fn step(&mut self, run: &Run, state: &str, rung: Option<&str>) {
        let step = self.grid.step(run.accepted).and_then(|step| self.steps.get_mut(step));
        let (rungs, mut none) = (&mut self.rungs, RunStep::default());
        let step = step.unwrap_or(&mut none);
        step.accepted += 1;
        step.failed += i64::from(state == "dead_letter");
        match rung {
            Some("agent") => (rungs.agent, step.by_agent) = (rungs.agent + 1, step.by_agent + 1),
            Some("fallback_agent") => (rungs.fallback_agent, step.by_agent) = (rungs.fallback_agent + 1, step.by_agent + 1),
            Some("segment") => (rungs.segment, step.by_template) = (rungs.segment + 1, step.by_template + 1),
            Some("static") => (rungs.r#static, step.by_template) = (rungs.r#static + 1, step.by_template + 1),
            _ => {}
        }
    }

    /// Of the welcomes that are there or should be, those that came in time.
    fn welcome(&mut self, run: &Run) {
        let waited = run.welcome.map(|at| at - run.accepted);
        self.responses.extend(waited);
        if let Some(times) = self.grid.step(run.accepted).and_then(|step| self.responses_in_steps.get_mut(step)) {
            times.extend(waited);
        }
        let now = self.grid.until;
        for (share, bound) in
            [(&mut self.responded_in_time, run.accepted + RESPONSE_TARGET_MS), (&mut self.welcome_by_deadline, run.deadline)]
        {
            due(share, run.welcome, bound, now);
        }
    }

    /// A notice has arrived when it did at all; until it is overdue it says nothing.
    fn notice(&mut self, run: &Run) {
        let Some(noticed) = run.noticed else { return };
        let arrived = run.reached.or(run.claimed).is_some();
        if arrived || noticed + NOTICE_TARGET_MS < self.grid.until {
            self.notices_arrived.count(arrived);
        }
    }

    /// Who waits still is late once the time has passed.
    fn claim(&mut self, run: &Run, working: &impl Fn(i64, i64) -> i64) {
        if let Some(claimed) = run.claimed {
            let waited = working(run.waits_since, claimed);
            self.claims.push(waited);
            self.claimed_in_time.count(waited <= CLAIM_TARGET_MS);
        } else if run.waits && working(run.waits_since, self.grid.until) > CLAIM_TARGET_MS {
            self.claimed_in_time.count(false);
        }
    }
}

fn due(share: &mut Share, came: Option<i64>, bound: i64, now: i64) {
    match came {
        Some(at) => share.count(at <= bound),
        None if bound < now => share.count(false),
        None => {}
    }
}
