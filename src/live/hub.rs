//! Who is connected: connections by user, presence, and the poke that makes a connection look for new rows.
//!
//! The hub holds no messages. A notice is a committed row; [`Hub::deliver`] only says "look", and each connection reads
//! its rows as fast as its own client takes them. So nobody waits for a slow client, and nothing piles up in memory.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use serde::{Serialize, Serializer};
use tokio::sync::Notify;

use super::who::{Role, Who};
use crate::{
    clock::rfc3339,
    store::{live_revocations::Revocation, notifications::EVERY_CONSULTANT},
};

/// Everybody who is connected. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Hub(Arc<Mutex<HashMap<String, Vec<Arc<Link>>>>>);

/// One connection as the hub sees it.
#[derive(Debug)]
struct Link {
    who: Who,
    since: i64,
    seen: AtomicI64,
    revoked: AtomicBool,
    wake: Notify,
}

/// A user who is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Presence {
    /// The app's user id.
    pub user_id: String,
    /// The role that counts for most.
    pub role: Role,
    /// When the oldest of the connections was made.
    #[serde(serialize_with = "as_rfc3339")]
    pub since: i64,
    /// When the client was last heard of.
    #[serde(serialize_with = "as_rfc3339")]
    pub last_seen: i64,
    /// How many connections: tabs and devices.
    pub connections: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn as_rfc3339<S: Serializer>(ms: &i64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&rfc3339(*ms))
}

impl Hub {
    /// Nobody is connected yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that rows for these users may have been committed; [`EVERY_CONSULTANT`] stands for all consultants.
    /// Returns how many connections will look.
    pub fn deliver<'a>(&self, users: impl IntoIterator<Item = &'a str>) -> usize {
        let all = self.lock();
        let mut poked = 0;
        for user in users {
            if user == EVERY_CONSULTANT {
                poked += poke(all.values().flatten().filter(|link| link.who.has(Role::Consultant)));
            } else {
                poked += poke(all.get(user).into_iter().flatten());
            }
        }
        poked
    }

    /// Ends the connections whose tokens these revocations are about.
    pub(super) fn revoke(&self, revocations: &[Revocation]) {
        if revocations.is_empty() {
            return;
        }
        for link in self.lock().values().flatten().filter(|link| revocations.iter().any(|one| link.who.is_revoked_by(one))) {
            link.revoked.store(true, Ordering::Relaxed);
            link.wake.notify_one();
        }
    }

    /// Everybody who is connected and plays this part, by user id.
    pub fn online(&self, role: Role) -> Vec<Presence> {
        let mut found: Vec<Presence> =
            self.lock().values().filter(|links| links.iter().any(|link| link.who.has(role))).filter_map(|links| presence(links)).collect();
        found.sort_unstable_by(|a, b| a.user_id.cmp(&b.user_id));
        found
    }

    /// How many connections there are of each role, by the one that counts for most.
    pub fn connections(&self) -> [(Role, usize); 5] {
        let all = self.lock();
        Role::ALL.map(|role| (role, all.values().flatten().filter(|link| link.who.role == role).count()))
    }

    /// How a user is connected, if at all.
    pub fn presence(&self, user: &str) -> Option<Presence> {
        self.lock().get(user).and_then(|links| presence(links))
    }

    /// How many users are connected, and by how many connections.
    pub fn crowd(&self) -> (usize, usize) {
        let all = self.lock();
        (all.len(), all.values().map(Vec::len).sum())
    }

    /// Takes a connection in, unless its user has `cap` of them.
    pub(super) fn join(&self, who: Who, now: i64, cap: usize) -> Option<Seat> {
        let mut all = self.lock();
        if all.get(&who.user_id).map_or(0, Vec::len) >= cap {
            return None;
        }
        let link = Arc::new(Link { who, since: now, seen: now.into(), revoked: AtomicBool::new(false), wake: Notify::new() });
        all.entry(link.who.user_id.clone()).or_default().push(Arc::clone(&link));
        Some(Seat { hub: self.clone(), link })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Arc<Link>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn poke<'a>(links: impl Iterator<Item = &'a Arc<Link>>) -> usize {
    links.inspect(|link| link.wake.notify_one()).count()
}

fn presence(links: &[Arc<Link>]) -> Option<Presence> {
    Some(Presence {
        user_id: links.first()?.who.user_id.clone(),
        role: links.iter().map(|link| link.who.role).max()?,
        since: links.iter().map(|link| link.since).min()?,
        last_seen: links.iter().map(|link| link.seen.load(Ordering::Relaxed)).max()?,
        connections: links.len(),
    })
}

/// A connection's place in the hub; it is given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    hub: Hub,
    link: Arc<Link>,
}

impl Seat {
    /// Who sits here.
    pub(super) fn who(&self) -> &Who {
        &self.link.who
    }

    /// The client was heard of.
    pub(super) fn seen(&self, now: i64) {
        self.link.seen.store(now, Ordering::Relaxed);
    }

    /// Whether the token was taken back.
    pub(super) fn is_revoked(&self) -> bool {
        self.link.revoked.load(Ordering::Relaxed)
    }

    /// Waits for a poke; one that came before is not lost.
    pub(super) async fn poked(&self) {
        self.link.wake.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut all = self.hub.lock();
        let user = &self.link.who.user_id;
        if let Some(links) = all.get_mut(user) {
            links.retain(|link| !Arc::ptr_eq(link, &self.link));
            if links.is_empty() {
                all.remove(user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(user: &str, roles: &[Role]) -> Who {
        Who::new(user.into(), roles.to_vec(), i64::MAX).unwrap()
    }

    #[tokio::test]
    async fn presence_counts_connections_and_ends_with_the_last_one() {
        let hub = Hub::new();
        let first = hub.join(who("b", &[Role::Consultant]), 10, 2).unwrap();
        let second = hub.join(who("b", &[Role::Admin, Role::Consultant]), 20, 2).unwrap();
        assert!(hub.join(who("b", &[Role::Consultant]), 30, 2).is_none(), "the cap holds");
        assert_eq!(hub.crowd(), (1, 2));
        let _customer = hub.join(who("a", &[Role::Customer]), 30, 2).unwrap();
        second.seen(50);
        let expected = Presence { user_id: "b".into(), role: Role::Admin, since: 10, last_seen: 50, connections: 2 };
        assert_eq!(hub.online(Role::Consultant), [expected]);
        drop(first);
        assert_eq!(hub.presence("b").unwrap().since, 20);
        drop(second);
        assert_eq!((hub.presence("b"), hub.online(Role::Consultant)), (None, Vec::new()));
        assert_eq!(hub.online(Role::Customer).len(), 1);
        assert_eq!(hub.connections().map(|(_, count)| count), [1, 0, 0, 0, 0]);
        assert!(hub.join(who("c", &[Role::Customer]), 30, 0).is_none() && hub.presence("c").is_none());
    }

    #[tokio::test]
    async fn a_poke_reaches_those_it_is_for_and_is_kept_for_those_who_look_away() {
        let hub = Hub::new();
        let consultant = hub.join(who("b", &[Role::Consultant]), 0, 2).unwrap();
        let customer = hub.join(who("a", &[Role::Customer]), 0, 2).unwrap();
        assert_eq!(hub.deliver(["a", "nobody"]), 1);
        assert_eq!(hub.deliver([EVERY_CONSULTANT]), 1);
        customer.poked().await;
        consultant.poked().await;
        let nothing = tokio::time::timeout(std::time::Duration::from_millis(20), customer.poked()).await;
        assert!(nothing.is_err());
    }
}
