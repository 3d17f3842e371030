//! How long things are in force. Pure: a time comes in, a time goes out.
//!
//! A clock that is set back prolongs nothing: what was made later than [`STEP`] from now is not in force until the
//! clock has caught up.

/// How far a clock may be set back (by time synchronisation) without shutting anybody out.
pub const STEP: i64 = 5 * 60_000;

/// Lengths of time, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Of a code.
    pub code: i64,
    /// Of an access token.
    pub access: i64,
    /// Of a refresh token, from each exchange on.
    pub refresh: i64,
    /// Of a grant with all that comes of it.
    pub grant: i64,
}

impl Lifetimes {
    /// When a grant that is given now ends.
    pub fn grant_until(&self, now: i64) -> i64 {
        now.saturating_add(self.grant)
    }

    /// When a code that is made now ends.
    pub fn code_until(&self, now: i64) -> i64 {
        now.saturating_add(self.code)
    }

    /// When an access token that is made now ends: never after its grant.
    pub fn access_until(&self, now: i64, grant_until: i64) -> i64 {
        now.saturating_add(self.access).min(grant_until)
    }

    /// When a refresh token that is made now ends: never after its grant.
    pub fn refresh_until(&self, now: i64, grant_until: i64) -> i64 {
        now.saturating_add(self.refresh).min(grant_until)
    }
}

/// Whether something made at `from` that ends at `until` is in force at `now`.
pub fn in_force(from: i64, until: i64, now: i64) -> bool {
    from.saturating_sub(STEP) <= now && now < until
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60_000;
    const DAY: i64 = 24 * 60 * MINUTE;
    const LIFE: Lifetimes = Lifetimes { code: MINUTE, access: 30 * MINUTE, refresh: 30 * DAY, grant: 90 * DAY };

    #[test]
    fn due_is_due_from_its_millisecond_on() {
        assert!(in_force(0, 10, 9) && !in_force(0, 10, 10));
        assert!(in_force(STEP, STEP + 10, 0) && !in_force(STEP + 1, STEP + 10, 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

        /// A client that refreshes at any moments of any clock never holds anything that outlives its grant or its own
        /// length, whatever the clock does in between.
        #[test]
        fn no_chain_of_refreshes_outlives_the_grant(start in 0i64..4_000_000_000_000, steps in prop::collection::vec(-10 * DAY..40 * DAY, 0..40)) {
            let end = LIFE.grant_until(start);
            let (mut now, mut refresh) = (start, (start, LIFE.refresh_until(start, end)));
            for step in steps {
                now = now.saturating_add(step);
                if !in_force(refresh.0, refresh.1, now) || !in_force(start, end, now) {
                    continue;
                }
                let access = LIFE.access_until(now, end);
                prop_assert!(access <= end && access - now <= LIFE.access && access > now);
                refresh = (now, LIFE.refresh_until(now, end));
                prop_assert!(refresh.1 <= end && refresh.1 - now <= LIFE.refresh);
                prop_assert!(!in_force(now, access, access) && !in_force(now, access, end));
            }
        }

        /// However the clock moves, something is in force for its own length of time at most, and a step.
        #[test]
        fn a_clock_that_goes_back_prolongs_nothing(from in 0i64..4_000_000_000_000, length in 1i64..90 * DAY, moved in -200 * DAY..200 * DAY) {
            let now = from + moved;
            let force = in_force(from, from + length, now);
            prop_assert_eq!(force, (-STEP..length).contains(&moved));
        }

        /// The greatest numbers there are overflow nothing.
        #[test]
        fn no_number_overflows(now in any::<i64>(), until in any::<i64>()) {
            let _force = in_force(now, until, i64::MIN) || in_force(until, now, i64::MAX);
            prop_assert!(LIFE.access_until(now, until) <= until && LIFE.grant_until(now) >= now);
        }
    }
}
