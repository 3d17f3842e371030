//! How a key stands at a moment: in force, in its grace, or ended, and by what.
//!
//! Pure: five times in, one [`Standing`] out. What somebody did (a revocation) or what was observed (a retirement) holds
//! whatever the clock says afterwards; what was only promised (expiry, grace) is compared with the clock.

use crate::store::keys::Key;

/// The times that decide over a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lifetime {
    /// Its own end.
    pub expires_at: Option<i64>,
    /// When another key took its place.
    pub rotated_at: Option<i64>,
    /// End of its grace.
    pub grace_until: Option<i64>,
    /// When it was retired because nobody used it any more.
    pub retired_at: Option<i64>,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
}

/// How a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// In force, and nothing took its place.
    Current,
    /// In force beside its successor.
    InGrace {
        /// Until then.
        until: i64,
    },
    /// Its own end has come.
    Expired {
        /// When.
        at: i64,
    },
    /// Its successor is the key.
    Replaced {
        /// When the successor was made.
        rotated_at: i64,
        /// When this one ended.
        ended_at: i64,
        /// Whether it ended before its grace did, because nobody used it.
        retired: bool,
    },
    /// Somebody revoked it.
    Revoked {
        /// When.
        at: i64,
    },
}

impl Standing {
    /// Whether the key is accepted.
    pub fn in_force(self) -> bool {
        matches!(self, Self::Current | Self::InGrace { .. })
    }

    /// When it ended, if it has.
    pub fn ended_at(self) -> Option<i64> {
        match self {
            Self::Current | Self::InGrace { .. } => None,
            Self::Expired { at } | Self::Revoked { at } => Some(at),
            Self::Replaced { ended_at, .. } => Some(ended_at),
        }
    }
}

impl From<&Key> for Lifetime {
    fn from(key: &Key) -> Self {
        Self {
            expires_at: key.expires_at,
            rotated_at: key.rotated_at,
            grace_until: key.grace_until,
            retired_at: key.retired_at,
            revoked_at: key.revoked_at,
        }
    }
}

impl Lifetime {
    /// How it stands at `now`. Each end counts from its millisecond on.
    pub fn at(&self, now: i64) -> Standing {
        if let Some(at) = self.revoked_at {
            return Standing::Revoked { at };
        }
        let expired = self.expires_at.filter(|end| *end <= now);
        let replaced = self.replaced(now);
        match (expired, replaced) {
            (Some(at), Some((ended_at, _))) if at <= ended_at => Standing::Expired { at },
            (_, Some((ended_at, retired))) => Standing::Replaced { rotated_at: self.rotated_at.unwrap_or(ended_at), ended_at, retired },
            (Some(at), None) => Standing::Expired { at },
            (None, None) => match self.rotated_at {
                Some(_) => Standing::InGrace { until: self.grace_until.into_iter().chain(self.expires_at).min().unwrap_or(i64::MAX) },
                None => Standing::Current,
            },
        }
    }

    /// When a key with a successor ended, and whether because nobody used it.
    fn replaced(&self, now: i64) -> Option<(i64, bool)> {
        if let Some(at) = self.retired_at {
            return Some((at, true));
        }
        self.rotated_at?;
        self.grace_until.filter(|end| *end <= now).map(|end| (end, false))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time() -> impl Strategy<Value = Option<i64>> {
        prop::option::of(0_i64..1_000)
    }

    prop_compose! {
        /// Times as the store writes them: a grace and a retirement come with a rotation.
        fn lifetime()(expires_at in time(), rotation in prop::option::of((0_i64..1_000, 0_i64..500, time())), revoked_at in time()) -> Lifetime {
            let (rotated_at, grace_until, retired_at) = match rotation {
                Some((at, grace, retired)) => (Some(at), Some(at + grace), retired.map(|after| at + after.min(grace))),
                None => (None, None, None),
            };
            Lifetime { expires_at, rotated_at, grace_until, retired_at, revoked_at }
        }
    }

    proptest! {
        #[test]
        fn an_ended_key_never_comes_back_while_the_clock_goes_on(life in lifetime(), moments in prop::collection::vec(0_i64..2_500, 1..30)) {
            let mut moments = moments;
            moments.sort_unstable();
            let mut ended = false;
            for now in moments {
                let standing = life.at(now);
                prop_assert!(!(ended && standing.in_force()), "{standing:?} at {now}");
                ended = !standing.in_force();
            }
        }

        #[test]
        fn it_is_in_force_exactly_before_the_first_of_its_ends(life in lifetime(), now in 0_i64..2_500) {
            let promised = life.expires_at.into_iter().chain(life.grace_until).min();
            let stopped = life.revoked_at.is_some() || life.retired_at.is_some();
            prop_assert_eq!(life.at(now).in_force(), !stopped && promised.is_none_or(|end| now < end));
        }

        #[test]
        fn an_end_by_the_clock_is_at_its_millisecond_and_is_what_is_said(life in lifetime(), now in 0_i64..2_500) {
            if let Some(at) = life.at(now).ended_at() && life.revoked_at.is_none() && life.retired_at.is_none() {
                prop_assert!(life.at(at - 1).in_force());
                prop_assert!(!life.at(at).in_force());
                prop_assert_eq!(life.at(at).ended_at(), Some(at));
            }
        }

        #[test]
        fn a_revocation_holds_whatever_the_clock_says(life in lifetime(), at in 0_i64..1_000, now in -5_000_i64..5_000) {
            prop_assert_eq!(Lifetime { revoked_at: Some(at), ..life }.at(now), Standing::Revoked { at });
        }
    }
}
