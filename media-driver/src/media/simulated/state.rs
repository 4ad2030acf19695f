//! Sockets, links and datagrams on their way.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use epona_protocol::types::Nanos;

use super::{Conditions, Event, Fate, Meddler, TraceEntry};
use crate::media::{
    address::wildcard,
    transport::{MAX_SEGMENTS, TransportSpec},
};

/// First port handed out to sockets that ask for none.
const FIRST_EPHEMERAL_PORT: u16 = 32_768;

#[derive(Debug)]
pub(super) struct State {
    pub(super) conditions: Conditions,
    pub(super) links: HashMap<(IpAddr, IpAddr), Conditions>,
    pub(super) meddler: Option<Box<dyn Meddler>>,
    pub(super) recording: bool,
    pub(super) trace: Vec<TraceEntry>,
    random: fastrand::Rng,
    /// By id, so that a multicast reaches its members in a fixed order.
    sockets: BTreeMap<u64, Socket>,
    next_socket: u64,
    sequence: u64,
}

#[derive(Debug)]
pub(super) struct Socket {
    host: IpAddr,
    pub(super) local: SocketAddr,
    /// Port that its datagrams come from; differs from `local` for a connected multicast sender.
    source_port: u16,
    pub(super) peer: Option<SocketAddr>,
    group: Option<SocketAddr>,
    pending: BinaryHeap<Reverse<Pending>>,
}

/// A datagram on its way. Ordered by time, then by sending.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Pending {
    due: Nanos,
    sequence: u64,
    source: SocketAddr,
    bytes: Box<[u8]>,
}

/// A datagram that has arrived, or several as one: see [`Received`](crate::media::transport::Received).
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) due: Nanos,
    pub(super) source: SocketAddr,
    pub(super) bytes: Vec<u8>,
    pub(super) segment_size: usize,
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            conditions: Conditions::default(),
            links: HashMap::new(),
            meddler: None,
            recording: false,
            trace: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
            sockets: BTreeMap::new(),
            next_socket: 0,
            sequence: 0,
        }
    }

    /// Binds a socket; its id.
    pub(super) fn open(&mut self, host: IpAddr, spec: &TransportSpec) -> io::Result<u64> {
        let group = spec.multicast.map(|multicast| multicast.group);
        let mut local =
            group.map_or(spec.bind, |group| SocketAddr::new(wildcard(group.is_ipv6()).ip(), group.port()));
        let foreign = !local.ip().is_unspecified() && !local.ip().is_loopback() && local.ip() != host;
        if foreign {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        if local.port() == 0 {
            local.set_port(self.free_port(host)?);
        } else if group.is_none() && self.is_bound(host, local) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let own_source = group.is_some() && spec.connect.is_some();
        let source_port = if own_source { self.free_port(host)? } else { local.port() };
        let id = self.next_socket;
        self.next_socket += 1;
        let pending = BinaryHeap::new();
        self.sockets.insert(id, Socket { host, local, source_port, peer: spec.connect, group, pending });
        Ok(id)
    }

    pub(super) fn close(&mut self, id: u64) {
        self.sockets.remove(&id);
    }

    pub(super) fn socket_mut(&mut self, id: u64) -> Option<&mut Socket> {
        self.sockets.get_mut(&id)
    }

    fn is_bound(&self, host: IpAddr, local: SocketAddr) -> bool {
        let overlaps =
            |other: IpAddr| other == local.ip() || other.is_unspecified() || local.ip().is_unspecified();
        let mut sockets = self.sockets.values().filter(|socket| socket.host == host);
        sockets.any(|socket| socket.local.port() == local.port() && overlaps(socket.local.ip()))
    }

    fn free_port(&self, host: IpAddr) -> io::Result<u16> {
        let used = |port: &u16| {
            let mut sockets = self.sockets.values().filter(|socket| socket.host == host);
            sockets.any(|socket| socket.local.port() == *port || socket.source_port == *port)
        };
        (FIRST_EPHEMERAL_PORT..=u16::MAX)
            .find(|port| !used(port))
            .ok_or_else(|| io::ErrorKind::AddrInUse.into())
    }

    /// Sends a datagram from a socket to wherever it goes.
    pub(super) fn send(&mut self, now: Nanos, from: u64, destination: SocketAddr, bytes: &[u8]) {
        let Some(socket) = self.sockets.get(&from) else { return };
        let (host, local) = (socket.host, socket.local.ip());
        let source_ip = if !local.is_unspecified() {
            local
        } else if destination.ip().is_loopback() {
            destination.ip()
        } else {
            host
        };
        let source = SocketAddr::new(source_ip, socket.source_port);
        let receivers = self.receivers(host, source, destination);
        if receivers.is_empty() {
            self.note(now, source, destination, Event::Unreachable, bytes);
        }
        for (id, to) in receivers {
            let conditions = *self.links.get(&(host, to)).unwrap_or(&self.conditions);
            let (fate, altered) = self.meddle(now, (host, to), bytes);
            let bytes = altered.as_deref().unwrap_or(bytes);
            self.transmit(now, conditions, id, (source, destination), (fate, bytes));
        }
    }

    /// What becomes of a datagram, and its bytes if they were changed.
    fn meddle(&mut self, now: Nanos, (from, to): (IpAddr, IpAddr), bytes: &[u8]) -> (Fate, Option<Vec<u8>>) {
        let Some(meddler) = &mut self.meddler else { return (Fate::Untouched, None) };
        let mut changed = bytes.to_vec();
        let fate = meddler.meddle(now, from, to, &mut changed);
        (fate, (fate == Fate::Altered).then_some(changed))
    }

    pub(super) fn sockets(&self, host: IpAddr) -> usize {
        self.sockets.values().filter(|socket| socket.host == host).count()
    }

    /// Sockets that hear a datagram, with the hosts they are on.
    fn receivers(&self, host: IpAddr, source: SocketAddr, destination: SocketAddr) -> Vec<(u64, IpAddr)> {
        let target = if destination.ip().is_loopback() { host } else { destination.ip() };
        let hears = |socket: &Socket| match socket.group {
            Some(group) => group == destination,
            None => {
                socket.host == target
                    && socket.local.port() == destination.port()
                    && (socket.local.ip().is_unspecified() || socket.local.ip() == destination.ip())
                    && socket.peer.is_none_or(|peer| peer == source)
            }
        };
        self.sockets
            .iter()
            .filter(|(_, socket)| hears(socket))
            .map(|(id, socket)| (*id, socket.host))
            .collect()
    }

    fn transmit(
        &mut self,
        now: Nanos,
        conditions: Conditions,
        id: u64,
        (source, destination): (SocketAddr, SocketAddr),
        (fate, bytes): (Fate, &[u8]),
    ) {
        let lost = self.happens(conditions.loss);
        let late = self.happens(conditions.reordering);
        let twice = self.happens(conditions.duplication);
        if fate == Fate::Taken {
            return self.note(now, source, destination, Event::Taken, bytes);
        }
        if lost {
            return self.note(now, source, destination, Event::Lost, bytes);
        }
        let extra = if late { self.extra_delay(conditions) } else { Duration::ZERO };
        let due = now + conditions.delay + extra;
        let event = match fate {
            Fate::Altered => Event::Altered(due),
            _ if late => Event::Late(due),
            _ => Event::Sent(due),
        };
        self.note(now, source, destination, event, bytes);
        self.enqueue(id, due, source, bytes);
        if twice {
            let due = due + self.extra_delay(conditions);
            self.note(now, source, destination, Event::Duplicated(due), bytes);
            self.enqueue(id, due, source, bytes);
        }
    }

    fn enqueue(&mut self, id: u64, due: Nanos, source: SocketAddr, bytes: &[u8]) {
        let sequence = self.sequence;
        self.sequence += 1;
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.pending.push(Reverse(Pending { due, sequence, source, bytes: bytes.into() }));
        }
    }

    fn happens(&mut self, rate: f64) -> bool {
        self.random.f64() < rate
    }

    fn extra_delay(&mut self, conditions: Conditions) -> Duration {
        conditions.reordering_delay.mul_f64(self.random.f64())
    }

    fn note(&mut self, at: Nanos, source: SocketAddr, destination: SocketAddr, event: Event, bytes: &[u8]) {
        if self.recording {
            self.trace.push(TraceEntry { at, source, destination, event, bytes: bytes.into() });
        }
    }

    pub(super) fn next_delivery(&self) -> Option<Nanos> {
        let next = |socket: &Socket| socket.pending.peek().map(|Reverse(pending)| pending.due);
        self.sockets.values().filter_map(next).min()
    }
}

impl Socket {
    /// The next datagram that has arrived, with those behind it that the kernel puts together with it in `room` bytes: they
    /// came at the same time from the same source, and are as long, but for the last.
    pub(super) fn receive(&mut self, now: Nanos, room: usize) -> Option<Arrival> {
        let Pending { due, source, bytes, .. } = self.pop_if(|next| next.due <= now)?;
        let segment_size = bytes.len().max(1);
        let mut arrival = Arrival { due, source, bytes: bytes.into_vec(), segment_size };
        for _ in 1..MAX_SEGMENTS {
            let length = arrival.bytes.len();
            let is_open = length > 0 && length.is_multiple_of(segment_size);
            let joins = |next: &Pending| {
                let fits =
                    (1..=segment_size).contains(&next.bytes.len()) && length + next.bytes.len() <= room;
                is_open && fits && next.due == due && next.source == source
            };
            let Some(next) = self.pop_if(joins) else { break };
            arrival.bytes.extend_from_slice(&next.bytes);
        }
        Some(arrival)
    }

    fn pop_if(&mut self, is_wanted: impl FnOnce(&Pending) -> bool) -> Option<Pending> {
        let Reverse(next) = self.pending.peek()?;
        if is_wanted(next) { self.pending.pop().map(|Reverse(pending)| pending) } else { None }
    }
}
