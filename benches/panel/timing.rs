//! How long pages take: server time as one person sees it, from the request sent to the last byte of the answer.

use std::{thread::sleep, time::Duration};

use anyhow::Result;
use serde::Serialize;

use crate::{
    browser::Browser,
    pages::{Page, RANGES},
};

/// Requests before those that count.
const WARM_UP: usize = 3;
/// What was read for the overview is shared for a while: a multiple of how long it took to read, within these bounds.
const SHARED_TIMES: u32 = 105;
const SHARED: (Duration, Duration) = (Duration::from_millis(1_050), Duration::from_millis(30_500));

/// The times of one page.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Timing {
    pub(crate) path: String,
    pub(crate) p50_ms: f64,
    pub(crate) p95_ms: f64,
    pub(crate) max_ms: f64,
    /// Length of the last answer.
    pub(crate) bytes: usize,
    pub(crate) requests: usize,
}

impl Timing {
    fn of(path: &str, mut times: Vec<Duration>, bytes: usize) -> Self {
        times.sort_unstable();
        let rank = |percent: usize| times.get((times.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        let ms = |time: Option<Duration>| time.unwrap_or_default().as_secs_f64() * 1_000.0;
        Self {
            path: path.to_owned(),
            p50_ms: ms(rank(50)),
            p95_ms: ms(rank(95)),
            max_ms: ms(times.last().copied()),
            bytes,
            requests: times.len(),
        }
    }
}

/// One page, asked for again and again.
pub(crate) fn page(browser: &mut Browser, page: &Page, times: usize) -> Result<Timing> {
    let (mut taken, mut bytes) = (Vec::new(), 0);
    for n in 0..WARM_UP + times {
        let answer = browser.get(&page.path)?;
        if n >= WARM_UP {
            taken.push(answer.took);
            bytes = answer.body.len();
        }
    }
    Ok(Timing::of(&page.path, taken, bytes))
}

/// The overview of every range: read afresh each time, and once more from what was read a moment ago.
pub(crate) fn overview(browser: &mut Browser, times: usize) -> Result<(Vec<Timing>, Vec<Timing>)> {
    let mut taken = RANGES.map(|range| (format!("/panel/?range={range}"), Vec::new(), Vec::new(), 0));
    for n in 0..WARM_UP + times {
        let mut slowest = Duration::ZERO;
        for (path, afresh, again, bytes) in &mut taken {
            let (first, second) = (browser.get(path)?, browser.get(path)?);
            slowest = slowest.max(first.took);
            if n >= WARM_UP {
                afresh.push(first.took);
                again.push(second.took);
                *bytes = first.body.len();
            }
        }
        // Afterwards nothing that was read is good any more.
        sleep((slowest * SHARED_TIMES).clamp(SHARED.0, SHARED.1));
    }
    Ok(taken.into_iter().map(|(path, afresh, again, bytes)| (Timing::of(&path, afresh, bytes), Timing::of(&path, again, bytes))).unzip())
}
