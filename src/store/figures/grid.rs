//! The time that figures are shown for, cut into steps of one length.

use serde::Serialize;

/// Which rows are read: those of minutes reach back for two days, those of hours for longer than anybody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
}

impl Span {
    /// Both.
    pub(in crate::store) const ALL: [Self; 2] = [Self::Minute, Self::Hour];

    /// Its length in milliseconds, which is how rows name it.
    pub const fn ms(self) -> i64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
        }
    }

    /// Where the one begins in which `at` lies.
    pub(in crate::store) fn begin(self, at: i64) -> i64 {
        at.div_euclid(self.ms()) * self.ms()
    }
}

/// A time in steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Its beginning, which is that of a step.
    pub since: i64,
    /// Its end, in the last step or at its end.
    pub until: i64,
    /// Length of a step.
    pub step_ms: i64,
    /// Which rows are read.
    pub span: Span,
}

impl Grid {
    /// The steps that reach back from `until` for at least `length`. They begin when days do, as far as rows of this
    /// span can tell: an offset of `offset_ms` from UTC with half an hour in it is an hour early by that half.
    pub fn back(until: i64, length: i64, (step_ms, span): (i64, Span), offset_ms: i64) -> Self {
        let begin = (until - length + offset_ms).div_euclid(step_ms) * step_ms - offset_ms;
        Self { since: span.begin(begin), until, step_ms, span }
    }

    /// One step, with rows that tell it apart as well as they can.
    pub fn whole(since: i64, until: i64) -> Self {
        let step_ms = (until - since).max(1);
        Self { since, until, step_ms, span: if step_ms <= 24 * Span::Hour.ms() { Span::Minute } else { Span::Hour } }
    }

    /// Where the row begins in which the time begins: what is read begins there.
    pub(in crate::store) fn first_row(&self) -> i64 {
        self.span.begin(self.since)
    }

    /// How many steps there are.
    pub fn steps(&self) -> usize {
        usize::try_from((self.until - self.since).max(0) / self.step_ms + 1).unwrap_or(0)
    }

    /// Which step a moment lies in.
    pub fn step(&self, at: i64) -> Option<usize> {
        let step = usize::try_from((at - self.since).div_euclid(self.step_ms)).ok()?;
        (step < self.steps()).then_some(step)
    }

    /// When each step begins.
    pub fn begins(&self) -> impl Iterator<Item = i64> + use<> {
        let (since, step_ms) = (self.since, self.step_ms);
        (0..self.steps()).map(move |step| since + i64::try_from(step).unwrap_or(0) * step_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;
    /// 2027-01-15 12:00 UTC.
    const NOON: i64 = 1_800_014_400_000;

    #[test]
    fn days_begin_at_the_clinics_midnight() {
        let grid = Grid::back(NOON, 30 * DAY, (DAY, Span::Hour), 8 * HOUR);
        assert_eq!(grid.since, NOON - 20 * HOUR - 30 * DAY, "midnight in China is 16:00 UTC");
        assert_eq!((grid.steps(), grid.step(grid.since), grid.step(NOON), grid.step(grid.since - 1)), (31, Some(0), Some(30), None));
        let begins: Vec<_> = grid.begins().collect();
        assert_eq!((begins.len(), begins[30]), (31, NOON - 20 * HOUR));
        let half = Grid::back(NOON, DAY, (DAY, Span::Hour), 5 * HOUR + HOUR / 2);
        assert_eq!(half.since % HOUR, 0, "rows of hours begin with hours");
    }

    #[test]
    fn what_happens_at_this_moment_is_in_the_last_step() {
        let grid = Grid::back(NOON, HOUR, (60_000, Span::Minute), 0);
        assert_eq!((grid.steps(), grid.step(NOON), grid.step(NOON + 60_000)), (61, Some(60), None));
    }
}
