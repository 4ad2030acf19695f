//! Names that drivers told of, with their addresses, until nobody tells of them any more.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use epona_protocol::{counters::AtomicCounter, types::Nanos};

/// Most names kept, each family of addresses counting by itself. Whoever sends us made-up names must not cost us memory
/// without end; more drivers than that have not been seen gossiping.
pub const MAX_NAMES: usize = 1024;

/// An address of a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    /// Where the name's driver gossips; channels take the address and have ports of their own.
    pub address: SocketAddr,
    /// When that driver was last heard of, by us or by whoever told us.
    pub last_activity: Nanos,
}

/// What became of a name that was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// It is known now, or known better.
    Kept,
    /// Something later is known of it already.
    Outdated,
    /// There is no room for another name.
    Full,
}

/// The addresses of one name.
#[derive(Clone, Copy, Default, Debug)]
struct Addresses {
    ipv4: Option<Known>,
    ipv6: Option<Known>,
}

impl Addresses {
    fn of_family(&mut self, ipv6: bool) -> &mut Option<Known> {
        if ipv6 { &mut self.ipv6 } else { &mut self.ipv4 }
    }

    fn iter(&self) -> impl Iterator<Item = &Known> {
        self.ipv4.iter().chain(&self.ipv6)
    }
}

/// Names by their bytes, in order.
#[derive(Debug)]
pub struct NameCache {
    names: BTreeMap<Box<[u8]>, Addresses>,
    length: usize,
    timeout: Duration,
    counter: AtomicCounter,
}

impl NameCache {
    /// An empty cache; `counter` follows its length.
    #[must_use]
    pub fn new(timeout: Duration, counter: AtomicCounter) -> Self {
        Self { names: BTreeMap::new(), length: 0, timeout, counter }
    }

    /// Somebody told of a name. Of two addresses in one family the one heard of last counts, whoever tells it.
    pub fn tell(&mut self, name: &[u8], known: Known) -> Told {
        let ipv6 = known.address.is_ipv6();
        if let Some(slot) = self.names.get_mut(name).map(|addresses| addresses.of_family(ipv6))
            && let Some(before) = slot
        {
            if before.last_activity > known.last_activity {
                return Told::Outdated;
            }
            *before = known;
            return Told::Kept;
        }
        if self.length >= MAX_NAMES {
            return Told::Full;
        }
        *self.names.entry(name.into()).or_default().of_family(ipv6) = Some(known);
        self.length += 1;
        self.counter.set_release(self.length as i64);
        Told::Kept
    }

    /// The address of a name, all of it and not only its beginning: IPv4 first.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<IpAddr> {
        self.names.get(name.as_bytes())?.iter().next().map(|known| known.address.ip())
    }

    /// Forgets who was not heard of for the timeout; how many.
    pub fn expire(&mut self, now: Nanos) -> usize {
        let (timeout, mut removed) = (self.timeout, 0);
        self.names.retain(|_, addresses| {
            for slot in [&mut addresses.ipv4, &mut addresses.ipv6] {
                removed += usize::from(slot.take_if(|known| known.last_activity + timeout <= now).is_some());
            }
            addresses.iter().next().is_some()
        });
        if removed > 0 {
            self.length -= removed;
            self.counter.set_release(self.length as i64);
        }
        removed
    }

    /// All names with their addresses, in an order that stays.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Known)> {
        self.names.iter().flat_map(|(name, addresses)| addresses.iter().map(|known| (&**name, known)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    fn cache() -> (NameCache, AtomicCounter) {
        let counter = AtomicCounter::detached();
        (NameCache::new(TIMEOUT, counter.clone()), counter)
    }

    fn known(address: &str, at: i64) -> Known {
        Known { address: address.parse().unwrap(), last_activity: Nanos::new(at) }
    }

    #[test]
    fn a_name_is_found_by_all_of_it() {
        let (mut cache, counter) = cache();
        assert_eq!(cache.tell(b"server", known("10.0.0.1:8050", 0)), Told::Kept);
        assert_eq!(cache.find("server"), Some([10, 0, 0, 1].into()));
        for other in ["serve", "server1", "Server", ""] {
            assert_eq!(cache.find(other), None, "{other}");
        }
        assert_eq!(counter.get(), 1);
    }

    #[test]
    fn a_name_has_an_address_of_each_family_and_ipv4_comes_first() {
        let (mut cache, counter) = cache();
        cache.tell(b"a", known("[::1]:8050", 0));
        assert_eq!(cache.find("a"), Some("::1".parse().unwrap()));
        cache.tell(b"a", known("10.0.0.1:8050", 0));
        assert_eq!((cache.find("a"), counter.get()), (Some([10, 0, 0, 1].into()), 2));
    }

    #[test]
    fn what_was_heard_last_counts() {
        let (mut cache, counter) = cache();
        cache.tell(b"a", known("10.0.0.1:8050", 5));
        assert_eq!(cache.tell(b"a", known("10.0.0.2:8050", 4)), Told::Outdated);
        assert_eq!(cache.find("a"), Some([10, 0, 0, 1].into()));
        assert_eq!(cache.tell(b"a", known("10.0.0.2:8050", 5)), Told::Kept);
        assert_eq!((cache.find("a"), counter.get()), (Some([10, 0, 0, 2].into()), 1));
    }

    #[test]
    fn names_are_forgotten_when_nobody_heard_of_them_for_the_timeout() {
        let (mut cache, counter) = cache();
        cache.tell(b"a", known("10.0.0.1:8050", 0));
        cache.tell(b"a", known("[::1]:8050", 1));
        cache.tell(b"b", known("10.0.0.2:8050", 2));
        let end = Nanos::new(0) + TIMEOUT;
        assert_eq!(cache.expire(Nanos::new(end.get() - 1)), 0);
        assert_eq!((cache.expire(end), counter.get()), (1, 2));
        assert_eq!(cache.find("a"), Some("::1".parse().unwrap()), "each family by itself");
        assert_eq!((cache.expire(end + TIMEOUT), counter.get()), (2, 0));
        assert_eq!(cache.iter().count(), 0);
    }

    #[test]
    fn a_flood_of_names_ends_at_the_limit_and_known_names_stay() {
        let (mut cache, counter) = cache();
        cache.tell(b"friend", known("10.0.0.1:8050", 0));
        for i in 1..MAX_NAMES {
            assert_eq!(cache.tell(format!("made up {i}").as_bytes(), known("10.0.0.9:1", 0)), Told::Kept);
        }
        assert_eq!(cache.tell(b"one more", known("10.0.0.9:1", 0)), Told::Full);
        assert_eq!(cache.tell(b"friend", known("10.0.0.2:8050", 0)), Told::Kept);
        assert_eq!(cache.find("friend"), Some([10, 0, 0, 2].into()));
        assert_eq!((counter.get(), cache.iter().count()), (MAX_NAMES as i64, MAX_NAMES));
    }
}
