//! What is read for a range, once for everybody who looks at it.
//!
//! What was read is good for a second, or for a hundred times as long as it took to read: so those who watch a range never
//! take more than a hundredth of one processor, however long it is and however many they are. Tool calls keep the rest.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use super::{machine::Machine, range::Range};
use crate::{
    admin::calls::{CallError, Calls, said},
    registration::hours::{Hours, utc_offset_ms},
    store::{
        figures::{agents::AllAgents, calls::CallFigures, grid::Grid, steps::StepFigures},
        outcomes::{Outcomes, RunStep},
    },
};

/// How long what was read is good for, at least and at most.
const GOOD_FOR: (Duration, Duration) = (Duration::from_millis(900), Duration::from_secs(30));
/// Part of one processor that reading may take.
const PART: u32 = 100;
const DAY_MS: i64 = 86_400_000;

/// What was read for a range.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) grid: Grid,
    pub(super) outcomes: Outcomes,
    pub(super) runs: Vec<RunStep>,
    pub(super) calls: CallFigures,
    pub(super) steps: Vec<StepFigures>,
    pub(super) agents: AllAgents,
    /// Registrations since the clinic's midnight.
    pub(super) today: i64,
    /// Customers nobody has claimed, of those whom the claims' list shows.
    pub(super) waiting: i64,
}

#[derive(Debug)]
struct Kept {
    gathered: Arc<Gathered>,
    until: Instant,
}

/// What is shared by all who look.
#[derive(Debug, Default)]
pub struct Memory {
    ranges: HashMap<Range, Mutex<Option<Kept>>>,
    pub(super) machine: Machine,
}

impl Memory {
    /// Nothing was read yet.
    pub fn new() -> Self {
        Self { ranges: Range::ALL.into_iter().map(|range| (range, Mutex::default())).collect(), machine: Machine::default() }
    }
}

impl Calls {
    /// What there is for a range: read now, or a moment ago for somebody else.
    pub(super) async fn gathered(&self, range: Range) -> Result<Arc<Gathered>, CallError> {
        let Some(slot) = self.figures.ranges.get(&range) else { return self.gather(range).await.map(Arc::new) };
        // Whoever comes while it is read waits for it, and does not read it again.
        let mut slot = slot.lock().await;
        if let Some(kept) = slot.as_ref().filter(|kept| Instant::now() < kept.until) {
            return Ok(Arc::clone(&kept.gathered));
        }
        let began = Instant::now();
        let gathered = Arc::new(self.gather(range).await?);
        let good_for = (began.elapsed() * PART).clamp(GOOD_FOR.0, GOOD_FOR.1);
        *slot = Some(Kept { gathered: Arc::clone(&gathered), until: Instant::now() + good_for });
        Ok(gathered)
    }

    async fn gather(&self, range: Range) -> Result<Gathered, CallError> {
        let now = self.clock.now_ms();
        let offset = self.clinic_offset()?;
        let grid = range.grid(now, offset);
        let midnight = (now + offset).div_euclid(DAY_MS) * DAY_MS - offset;
        // Two at a time: searches of tools share the connections.
        let rolled_up = async {
            let calls = self.store.call_figures(grid, None).await?;
            let steps = self.store.step_figures(grid).await?;
            let agents = self.store.agent_figures(grid).await?;
            let today = self.store.registrations_since(midnight).await?;
            let (waiting, _) = self.store.count_waiting(now - i64::from(super::super::consultants::QUEUE_DAYS) * DAY_MS).await?;
            Ok::<_, CallError>((calls, steps, agents, today, waiting))
        };
        let runs = async { Ok::<_, CallError>(self.store.outcomes_in_steps(grid, self.working_time()?).await?) };
        let ((calls, steps, agents, today, waiting), (outcomes, runs)) = tokio::try_join!(rolled_up, runs)?;
        Ok(Gathered { grid, outcomes, runs, calls, steps, agents, today, waiting })
    }

    /// How far the clinic's clock is before UTC.
    pub(in crate::admin) fn clinic_offset(&self) -> Result<i64, CallError> {
        Ok(utc_offset_ms(&self.settings.current()?.working_hours.utc_offset).unwrap_or_default())
    }

    /// How much working time lies between two moments.
    pub(super) fn working_time(&self) -> Result<impl Fn(i64, i64) -> i64 + Send + use<>, CallError> {
        let hours = Hours::try_from(&self.settings.current()?.working_hours);
        let hours = hours.map_err(|error| {
            CallError::Unavailable(said(format!("工作时间设置无效：{error}"), format!("the working hours are not right: {error}")))
        })?;
        Ok(move |from, to| hours.working_ms_between(from, to))
    }
}
