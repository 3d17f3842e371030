//! Shares, lengths of time and sums as people read them.

use crate::config::HumanDuration;

/// What stands where there is nothing to show.
pub(super) const NOTHING: &str = "–";

/// A share from 0 to 1 in percent.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// So many of so many, in percent.
pub(super) fn share(share: Option<f64>, hits: i64, of: i64) -> String {
    share.map_or_else(|| NOTHING.to_owned(), |share| format!("{} ({hits}/{of})", percent(share)))
}

/// A length of time in the unit people would choose.
pub(super) fn length(ms: Option<i64>) -> String {
    match ms {
        None => NOTHING.to_owned(),
        Some(ms) if ms < 10_000 => format!("{ms} ms"),
        Some(ms) if ms < 600_000 => format!("{:.1} s", ms as f64 / 1e3),
        Some(ms) if ms < 36_000_000 => format!("{:.1} min", ms as f64 / 6e4),
        Some(ms) => format!("{:.1} h", ms as f64 / 3.6e6),
    }
}

/// How far back a page looks: what was asked for if it is one of these, else the first.
pub(super) fn range<'a>(asked: &str, ranges: &[&'a str]) -> (&'a str, i64) {
    let chosen = ranges.iter().find(|range| **range == asked).or_else(|| ranges.first()).copied().unwrap_or("24h");
    let ms = chosen.parse::<HumanDuration>().map_or(86_400_000, HumanDuration::as_ms);
    (chosen, ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_well() {
        assert_eq!((length(Some(950)), length(Some(61_000)), length(None)), ("950 ms".into(), "61.0 s".into(), "–".into()));
        assert_eq!((share(Some(0.5), 1, 2), share(None, 0, 0)), ("50.0 % (1/2)".into(), "–".into()));
        assert_eq!((range("7d", &["24h", "7d"]).1, range("1y", &["24h", "7d"])), (7 * 86_400_000, ("24h", 86_400_000)));
    }
}
