//! Amounts as people read them: fen in, "¥3,000" out.
//!
//! Amounts are integers of fen everywhere else, so that nothing is lost in sums. This file refuses to calculate.

/// No treatment costs more; sums of such amounts stay far from overflow.
const MOST_YUAN: f64 = 1e9;

/// `300_000` → "¥3,000"; fen are shown only when there are any.
pub(crate) fn yuan(fen: i64) -> String {
    let sign = if fen < 0 { "-" } else { "" };
    let (whole, rest) = (fen.unsigned_abs() / 100, fen.unsigned_abs() % 100);
    let digits = whole.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if rest == 0 { format!("{sign}¥{grouped}") } else { format!("{sign}¥{grouped}.{rest:02}") }
}

/// A span of amounts: "¥3,000–8,000", or one amount when both ends are the same.
pub(crate) fn range(min_fen: i64, max_fen: i64) -> String {
    if min_fen == max_fen {
        return yuan(min_fen);
    }
    let max = yuan(max_fen);
    format!("{}–{}", yuan(min_fen), max.strip_prefix('¥').unwrap_or(&max))
}

/// The amount in yuan, for fields that programs read.
pub(crate) fn to_yuan(fen: i64) -> f64 {
    fen as f64 / 100.0
}

/// An amount that somebody gave in yuan; none when it is no amount between 0 and [`MOST_YUAN`].
pub(crate) fn to_fen(yuan: f64) -> Option<i64> {
    (0.0..=MOST_YUAN).contains(&yuan).then(|| (yuan * 100.0).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::{range, to_fen, to_yuan, yuan};

    #[test]
    fn amounts_are_grouped_and_keep_their_fen() {
        assert_eq!(yuan(0), "¥0");
        assert_eq!(yuan(99_900), "¥999");
        assert_eq!(yuan(300_000), "¥3,000");
        assert_eq!(yuan(123_456_789), "¥1,234,567.89");
        assert_eq!(yuan(-100_005), "-¥1,000.05");
    }

    #[test]
    fn a_span_of_one_amount_is_that_amount() {
        assert_eq!(range(300_000, 800_000), "¥3,000–8,000");
        assert_eq!(range(300_000, 300_000), "¥3,000");
    }

    #[test]
    fn yuan_and_fen_are_told_apart() {
        assert!((to_yuan(150) - 1.5).abs() < f64::EPSILON);
        assert_eq!(to_fen(1.5), Some(150));
        assert_eq!(to_fen(0.1 + 0.2), Some(30));
        assert_eq!(to_fen(1e9), Some(100_000_000_000));
        for no_amount in [-0.01, 1e9 + 1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(to_fen(no_amount), None);
        }
    }
}
