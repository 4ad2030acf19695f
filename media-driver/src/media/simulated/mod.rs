//! A network in memory: virtual time, one seed, every decision on record.
//!
//! ```text
//!   host 10.0.0.1                                host 10.0.0.2
//!   SimulatedTransport ──send──► conditions ──► pending, by due time ──recv at now >= due──► SimulatedTransport
//!                                  │ lost, late, twice
//!                                  └► trace
//! ```
//!
//! Everything happens inside `send_batch` and `recv_batch` at the time given to them: no threads, no clocks. The same
//! seed and the same calls give the same deliveries and the same trace.

mod state;
mod transport;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use epona_protocol::types::Nanos;

use self::state::State;
pub use self::transport::{SimulatedFactory, SimulatedTransport};

/// How a link treats datagrams. Default: perfect and without delay.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Conditions {
    /// Share of datagrams lost, 0.0..=1.0; 1.0 cuts the link.
    pub loss: f64,
    /// Share of datagrams that come twice, 0.0..=1.0.
    pub duplication: f64,
    /// Share of datagrams that are late by up to `reordering_delay` more, 0.0..=1.0.
    pub reordering: f64,
    /// Time on the way.
    pub delay: Duration,
    /// Largest additional delay of a reordered or doubled datagram.
    pub reordering_delay: Duration,
}

/// What happened to a datagram, at the time it was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// It will be delivered at that time.
    Sent(Nanos),
    /// It will be delivered at that time, later than others.
    Late(Nanos),
    /// It was altered on the way, and will be delivered at that time.
    Altered(Nanos),
    /// A second copy will be delivered at that time.
    Duplicated(Nanos),
    /// The link lost it.
    Lost,
    /// A [`Meddler`] took it away.
    Taken,
    /// Nobody is bound to the address.
    Unreachable,
}

/// One decision of the network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TraceEntry {
    /// When it was sent.
    pub at: Nanos,
    /// Who sent it.
    pub source: SocketAddr,
    /// Where to; for multicast, the group.
    pub destination: SocketAddr,
    /// What happened; once per receiver.
    pub event: Event,
    /// The datagram.
    pub bytes: Box<[u8]>,
}

/// What a [`Meddler`] does to a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Nothing: the conditions of its link decide.
    Untouched,
    /// It has changed the bytes; the rest is for the conditions of the link to decide.
    Altered,
    /// It is taken away.
    Taken,
}

/// Decides about single datagrams, before the conditions of their link do. Called once per receiver, and must not use
/// the network itself.
pub trait Meddler: Send + fmt::Debug {
    /// A datagram goes from one host to another; the bytes may be changed.
    fn meddle(&mut self, now: Nanos, from: IpAddr, to: IpAddr, bytes: &mut Vec<u8>) -> Fate;
}

/// A network of hosts. Clones are the same network.
#[derive(Clone, Debug)]
pub struct SimulatedNetwork {
    state: Arc<Mutex<State>>,
}

impl SimulatedNetwork {
    /// A network without hosts, of which all chance follows from the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(seed))) }
    }

    /// A machine with this address and loopback addresses of its own; opens transports bound to it.
    #[must_use]
    pub fn host(&self, address: IpAddr) -> SimulatedFactory {
        SimulatedFactory::new(self.clone(), address)
    }

    /// Sets the conditions of all links that have none of their own.
    pub fn set_conditions(&self, conditions: Conditions) {
        self.lock().conditions = conditions;
    }

    /// Sets the conditions from one host to another, in that direction only.
    pub fn set_link(&self, from: IpAddr, to: IpAddr, conditions: Conditions) {
        self.lock().links.insert((from, to), conditions);
    }

    /// Lets somebody decide about every datagram.
    pub fn set_meddler(&self, meddler: impl Meddler + 'static) {
        self.lock().meddler = Some(Box::new(meddler));
    }

    /// Number of sockets that a host has open.
    #[must_use]
    pub fn sockets(&self, host: IpAddr) -> usize {
        self.lock().sockets(host)
    }

    /// When the next datagram is due, so that virtual time can jump there.
    #[must_use]
    pub fn next_delivery(&self) -> Option<Nanos> {
        self.lock().next_delivery()
    }

    /// Starts or stops recording.
    pub fn record(&self, on: bool) {
        self.lock().recording = on;
    }

    /// What was recorded since the last call.
    #[must_use]
    pub fn take_trace(&self) -> Vec<TraceEntry> {
        std::mem::take(&mut self.lock().trace)
    }

    /// The state is consistent between calls, whatever panicked meanwhile.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
