//! How a tool of a group has been doing lately, from the newest rows of the call log.

use serde::Serialize;
use utoipa::ToSchema;

use super::policy_of;
use crate::{
    admin::calls::{CallError, Calls},
    clock::rfc3339,
    store::logged_calls::{LoggedCall, Of},
};

/// The time that is looked at: a week.
const SPAN_MS: i64 = 7 * 24 * 3_600_000;
/// Rows of the log that are looked at, of each outcome.
const MOST: u32 = 5000;

/// Calls of a tool in a group.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ToolFigures {
    /// From when on calls are counted.
    pub since: String,
    /// Calls.
    pub calls: usize,
    /// Those of them without a result.
    pub failed: usize,
    /// Median of the time one took, in milliseconds.
    pub p50_ms: Option<i64>,
    /// 95th percentile of it.
    pub p95_ms: Option<i64>,
    /// The last one.
    pub last_at: Option<String>,
    /// Whether these are all calls since then; else there were more than are looked at.
    pub complete: bool,
}

impl Calls {
    /// How a tool of a group has been doing in the last week.
    pub async fn tool_figures(&self, code: &str, name: &str) -> Result<ToolFigures, CallError> {
        let group = self.group_policy(code)?;
        policy_of(&group, name)?;
        let since = self.clock.now_ms() - SPAN_MS;
        let of = Of::Tool { group_id: group.group.id.clone(), tool_name: name.to_owned() };
        let found = self.store.logged_calls(of, since, MOST).await?;
        Ok(figures(&found.calls, since, found.complete))
    }
}

fn figures(calls: &[LoggedCall], since: i64, complete: bool) -> ToolFigures {
    let mut times: Vec<i64> = calls.iter().map(|call| call.duration_ms).collect();
    times.sort_unstable();
    ToolFigures {
        since: rfc3339(since),
        calls: calls.len(),
        failed: calls.iter().filter(|call| !call.success).count(),
        p50_ms: percentile(&times, 50),
        p95_ms: percentile(&times, 95),
        last_at: calls.iter().map(|call| call.created_at).max().map(rfc3339),
        complete,
    }
}

/// The smallest time that so many of a hundred do not exceed.
fn percentile(sorted: &[i64], percent: usize) -> Option<i64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let times: Vec<i64> = (1..=20).collect();
        assert_eq!((percentile(&times, 50), percentile(&times, 95)), (Some(10), Some(19)));
        assert_eq!((percentile(&[7], 50), percentile(&[7], 95), percentile(&[], 50)), (Some(7), Some(7), None));
    }
}
