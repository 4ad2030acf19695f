//! Names by gossip: drivers tell each other what they are called and where they are.
//!
//! ```text
//!   every 1 s   own name, flag SELF ──► bootstrap neighbours, all other neighbours
//!   every 2 s   all names known     ──► all neighbours, as many datagrams as it takes
//!   every 10 s  bootstrap neighbours that are not heard of are looked up again
//!   10 s after the last word        a name, or a neighbour, is forgotten
//! ```
//!
//! A neighbour is whoever is told of, and stays one for what it says itself. A driver on a wildcard address does not
//! know where it is; who hears it takes the address that it was heard from. Names that nobody tells of are asked of
//! the system. What is told is input of strangers: bounded in number and length, counted when dropped.
//! Source: wire spec 9, driver spec 6.9.

pub mod bootstrap;
pub mod cache;
pub mod gossip;
pub mod neighbors;

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use epona_protocol::{
    counters::{CountersError, CountersManager, NewCounter, resolver_cache_label, resolver_neighbors_label},
    memory::SharedBytes,
    types::{CounterTypeId, Nanos, Now},
};

use self::{bootstrap::Bootstrap, cache::NameCache, gossip::Gossip, neighbors::Neighbors};
use super::{NameQuery, NameResolver, Report, ResolutionError};
use crate::{
    error::DriverError,
    event_log::EventLog,
    media::{ReceiveBuffers, SendRun, Transport, address::Identity},
    status::SystemCounters,
};

/// Shortest time between two turns. Source: driver spec 6.9.
const TURN: Duration = Duration::from_millis(10);

/// Most reads per turn, of [`DATAGRAMS_PER_READ`] each: a flood is dropped by the system, not worked off.
const READS_PER_TURN: usize = 4;
/// Most datagrams of other names in one round, however many neighbours there are said to be: the next round goes on.
const MAX_DATAGRAMS_PER_ROUND: usize = 4096;
const DATAGRAMS_PER_READ: usize = 4;

/// Longest datagram, in bytes.
const MAX_DATAGRAM: usize = 64 * 1024;

/// Room for a datagram with the longest name.
const MIN_FRAME_BUFFER: usize = 1024;

/// How a driver gossips.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GossipSettings {
    /// What this driver is called.
    pub name: String,
    /// Neighbours to start from, `host:port`.
    pub bootstrap_neighbors: Vec<String>,
    /// Silence after which neighbours and names are forgotten.
    pub neighbor_timeout: Duration,
    /// How often it tells its own name.
    pub self_resolution_interval: Duration,
    /// How often it tells all names.
    pub neighbor_resolution_interval: Duration,
    /// How often it looks up neighbours that it does not hear.
    pub bootstrap_neighbor_resolution_interval: Duration,
    /// Longest datagram of names, in bytes.
    pub mtu: usize,
}

/// Resolves what drivers are called, and tells them what this one is.
#[derive(Debug)]
pub struct DriverNameResolver {
    gossip: Gossip,
    bootstrap: Bootstrap,
    hosts: Box<dyn NameResolver>,
    transport: Box<dyn Transport>,
    buffers: ReceiveBuffers,
    frame: Vec<u8>,
    settings: GossipSettings,
    next_turn: Nanos,
    next_own: Nanos,
    next_others: Nanos,
    /// Where the next round of other names goes on, when there are too many datagrams for one.
    next_datagram: usize,
}

impl DriverNameResolver {
    /// A resolver that gossips over a bound transport and asks `hosts` for names that it is not told.
    ///
    /// # Errors
    /// When there are not enough counters.
    pub fn new(
        settings: GossipSettings,
        hosts: Box<dyn NameResolver>,
        transport: Box<dyn Transport>,
        counters: &mut CountersManager,
        system: SystemCounters,
        now: Now,
    ) -> Result<Self, CountersError> {
        let local = transport.local_address();
        let (timeout, interval) =
            (settings.neighbor_timeout, settings.bootstrap_neighbor_resolution_interval);
        let bootstrap =
            Bootstrap::new(&settings.bootstrap_neighbors, interval, counters, (now.nanos, now.epoch))?;
        let mut counter = |type_id, label: String| {
            let label = label.as_bytes();
            let counter =
                NewCounter { type_id, key: &[], label, registration_id: 0, owner_id: 0, reference_id: 0 };
            counters.allocate(now.epoch, &counter)
        };
        let neighbors =
            counter(CounterTypeId::NAME_RESOLVER_NEIGHBORS, resolver_neighbors_label(&Identity(local)))?;
        let names =
            counter(CounterTypeId::NAME_RESOLVER_CACHE_ENTRIES, resolver_cache_label(&settings.name))?;
        let gossip = Gossip {
            name: settings.name.clone(),
            local,
            cache: NameCache::new(timeout, names),
            neighbors: Neighbors::new(timeout, neighbors),
            timeout,
            system,
            overflowed: false,
        };
        Ok(Self {
            gossip,
            bootstrap,
            hosts,
            transport,
            buffers: ReceiveBuffers::new(DATAGRAMS_PER_READ, MAX_DATAGRAM),
            frame: vec![0; settings.mtu.max(MIN_FRAME_BUFFER)],
            next_turn: now.nanos,
            next_own: now.nanos,
            next_others: now.nanos + settings.neighbor_resolution_interval,
            next_datagram: 0,
            settings,
        })
    }

    /// Tells the event log of neighbours that come and go.
    pub fn log_neighbors(&mut self, events: EventLog) {
        self.gossip.neighbors.events = events;
    }

    fn receive(&mut self, now: Nanos, reports: &mut Vec<Report>) -> usize {
        let Self { gossip, transport, buffers, .. } = self;
        let mut bytes = 0;
        for _ in 0..READS_PER_TURN {
            let outcome = transport.recv_batch(now, buffers, &mut |received| {
                for datagram in received.datagrams() {
                    gossip.on_datagram(now, received.source, datagram);
                }
            });
            bytes += outcome.bytes;
            if let Some(error) = outcome.error {
                reports.push(failure(format!("receive resolution frames on {}: {error}", gossip.local)));
                break;
            }
            if !outcome.more {
                break;
            }
        }
        if std::mem::take(&mut gossip.overflowed) {
            reports.push(failure(format!(
                "keep all that is told on {}: more than {} names or {} neighbours; those that came last are ignored",
                gossip.local,
                cache::MAX_NAMES,
                neighbors::MAX_NEIGHBORS
            )));
        }
        bytes
    }

    fn tell_own_name(&mut self, now: Nanos, reports: &mut Vec<Report>) -> usize {
        let mut frame = std::mem::take(&mut self.frame);
        let length = self.gossip.write_own(&mut frame);
        let mut receivers = self.bootstrap.addresses();
        let others: Vec<_> = self.gossip.neighbors_beyond(&receivers).collect();
        receivers.extend(others);
        for receiver in &receivers {
            self.send(now, &frame[..length], *receiver, reports);
        }
        self.bootstrap.count(&self.gossip.neighbors);
        self.frame = frame;
        receivers.len()
    }

    fn tell_other_names(&mut self, now: Nanos, reports: &mut Vec<Report>) -> usize {
        let mut frame = std::mem::take(&mut self.frame);
        let mtu = self.settings.mtu.min(frame.len());
        let mut frames: Vec<Vec<u8>> = Vec::new();
        self.gossip.write_others(now, &mut frame[..mtu], |bytes| frames.push(bytes.to_vec()));
        self.frame = frame;
        let receivers: Vec<_> = self.gossip.neighbors.iter().collect();
        let all = frames.len() * receivers.len();
        let count = all.min(MAX_DATAGRAMS_PER_ROUND);
        let first = self.next_datagram;
        for at in (0..count).map(|n| (first + n) % all) {
            self.send(now, &frames[at / receivers.len()], receivers[at % receivers.len()], reports);
        }
        self.next_datagram = if count < all { (first + count) % all } else { 0 };
        count
    }

    fn send(&mut self, now: Nanos, frame: &[u8], receiver: SocketAddr, reports: &mut Vec<Report>) {
        let run = [SendRun::datagram(SharedBytes::from_slice(frame), Some(receiver))];
        let outcome = self.transport.send_batch(now, &run);
        match outcome.error {
            Some(error) => {
                reports.push(failure(format!("send resolution frames to neighbor {receiver}: {error}")));
            }
            None if outcome.datagrams == 0 => self.gossip.system.short_sends.increment(),
            None => {}
        }
    }
}

fn failure(what: String) -> Report {
    Report::Error(DriverError::generic(format!("name resolver failed to {what}")))
}

impl NameResolver for DriverNameResolver {
    fn lookup<'a>(&mut self, query: NameQuery<'a>) -> Result<Cow<'a, str>, ResolutionError> {
        self.hosts.lookup(query)
    }

    /// What was told of the name, else our own address if it is our name, else what the system knows.
    fn resolve(&mut self, query: NameQuery<'_>) -> Result<IpAddr, ResolutionError> {
        let Self { gossip, hosts, .. } = self;
        match gossip.cache.find(query.name) {
            Some(ip) => Ok(ip),
            None if query.name == gossip.name => Ok(gossip.local.ip()),
            None => hosts.resolve(query),
        }
    }

    fn do_work(&mut self, now: Now, reports: &mut Vec<Report>) -> usize {
        let mut work = self.hosts.do_work(now, reports);
        let now = now.nanos;
        if now < self.next_turn {
            return work;
        }
        self.next_turn = now + TURN;
        work += self.receive(now, reports);
        work += self.gossip.cache.expire(now);
        work += self.gossip.neighbors.expire(now);
        work += self.bootstrap.resolve_next(now, &self.gossip.neighbors, &mut *self.hosts, reports);
        if self.bootstrap.is_ready() && self.next_own <= now {
            work += self.tell_own_name(now, reports);
            self.next_own = now + self.settings.self_resolution_interval;
        }
        if self.next_others <= now {
            work += self.tell_other_names(now, reports);
            self.next_others = now + self.settings.neighbor_resolution_interval;
        }
        work
    }
}

#[cfg(test)]
mod tests;
