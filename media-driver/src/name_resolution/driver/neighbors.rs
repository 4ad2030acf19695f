//! Drivers to gossip with.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use epona_protocol::{counters::AtomicCounter, types::Nanos};

use crate::event_log::{DriverEvent, EventLog};

/// Most neighbours kept: what is made up must not cost us memory, nor make us send to everybody.
pub const MAX_NEIGHBORS: usize = 1024;

#[derive(Debug)]
struct Neighbor {
    address: SocketAddr,
    last_activity: Nanos,
}

/// Neighbours by address and port, in order.
#[derive(Debug)]
pub struct Neighbors {
    neighbors: BTreeMap<(IpAddr, u16), Neighbor>,
    timeout: Duration,
    counter: AtomicCounter,
    /// What is told to those who look for a fault.
    pub events: EventLog,
}

impl Neighbors {
    /// No neighbours; `counter` follows how many there are.
    #[must_use]
    pub fn new(timeout: Duration, counter: AtomicCounter) -> Self {
        Self { neighbors: BTreeMap::new(), timeout, counter, events: EventLog::off() }
    }

    /// Somebody told `now` of a driver that was last active then. One that is known stays for what it says itself, not
    /// for what others say of it. False when there is no room. Source: wire spec 9.
    pub fn tell(&mut self, address: SocketAddr, last_activity: Nanos, is_self: bool, now: Nanos) -> bool {
        let key = (address.ip(), address.port());
        if let Some(known) = self.neighbors.get_mut(&key) {
            if is_self {
                known.last_activity = last_activity;
            }
            return true;
        }
        if self.neighbors.len() >= MAX_NEIGHBORS {
            return false;
        }
        self.neighbors.insert(key, Neighbor { address, last_activity });
        self.events.neighbor(DriverEvent::NameResolutionNeighborAdded, address, now);
        self.count();
        true
    }

    /// Whether a driver at this address is known.
    #[must_use]
    pub fn contains(&self, address: SocketAddr) -> bool {
        self.neighbors.contains_key(&(address.ip(), address.port()))
    }

    /// Forgets those that were silent for the timeout; how many.
    pub fn expire(&mut self, now: Nanos) -> usize {
        let before = self.neighbors.len();
        let Self { neighbors, timeout, events, .. } = self;
        neighbors.retain(|_, neighbor| {
            let stays = neighbor.last_activity + *timeout > now;
            if !stays {
                events.neighbor(DriverEvent::NameResolutionNeighborRemoved, neighbor.address, now);
            }
            stays
        });
        let removed = before - self.neighbors.len();
        if removed > 0 {
            self.count();
        }
        removed
    }

    /// Where they are, in an order that stays.
    pub fn iter(&self) -> impl Iterator<Item = SocketAddr> {
        self.neighbors.values().map(|neighbor| neighbor.address)
    }

    fn count(&self) {
        self.counter.set_release(self.neighbors.len() as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    #[test]
    fn neighbours_are_told_apart_by_port_and_stay_for_what_they_say_themselves() {
        let counter = AtomicCounter::detached();
        let mut neighbors = Neighbors::new(TIMEOUT, counter.clone());
        let address = |port| SocketAddr::from(([10, 0, 0, 1], port));
        let (start, later) = (Nanos::new(0), Nanos::new(5));
        neighbors.tell(address(1), start, false, start);
        neighbors.tell(address(2), start, false, start);
        neighbors.tell(address(1), later, true, later);
        neighbors.tell(address(2), later, false, later);
        assert_eq!(counter.get(), 2);
        assert_eq!(neighbors.expire(Nanos::new((start + TIMEOUT).get() - 1)), 0);
        assert_eq!((neighbors.expire(start + TIMEOUT), counter.get()), (1, 1));
        assert!(neighbors.contains(address(1)) && !neighbors.contains(address(2)));
        assert_eq!((neighbors.expire(later + TIMEOUT), counter.get()), (1, 0));
    }

    #[test]
    fn a_flood_of_neighbours_ends_at_the_limit() {
        let mut neighbors = Neighbors::new(TIMEOUT, AtomicCounter::detached());
        let address = |i: usize| SocketAddr::from(([10, 0, 0, 1], i as u16 + 1));
        assert!((0..MAX_NEIGHBORS).all(|i| neighbors.tell(address(i), Nanos::new(0), true, Nanos::new(0))));
        assert!(!neighbors.tell(address(MAX_NEIGHBORS), Nanos::new(0), true, Nanos::new(0)));
        assert!(neighbors.tell(address(7), Nanos::new(1), true, Nanos::new(1)), "who is known still counts");
        assert_eq!(neighbors.iter().count(), MAX_NEIGHBORS);
    }
}
