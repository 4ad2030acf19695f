//! A transport whose datagrams pass interceptors.

use std::{cmp::Reverse, collections::BinaryHeap, io, net::SocketAddr, os::fd::RawFd};

use epona_protocol::{memory::SharedBytes, types::Nanos};

use super::{
    Fate,
    config::{Chain, InterceptorConfig},
};
use crate::media::{
    interface::Interfaces,
    timestamps::TimeOfDay,
    transport::{
        OpenError, ReceiveBuffers, Received, RecvOutcome, SendOutcome, SendRun, Transport, TransportFactory,
        TransportSpec,
    },
};

/// Most datagrams held back per direction; what is over is lost.
const MAX_HELD: usize = 65_536;

/// Gives the transports of another factory interceptors.
#[derive(Debug)]
pub struct InterceptingFactory {
    inner: Box<dyn TransportFactory>,
    config: InterceptorConfig,
    opened: u64,
}

impl InterceptingFactory {
    /// The transports of `inner`, with the interceptors of `config`; with none, they are left as they are.
    #[must_use]
    pub fn new(inner: Box<dyn TransportFactory>, config: InterceptorConfig) -> Self {
        Self { inner, config, opened: 0 }
    }
}

impl TransportFactory for InterceptingFactory {
    fn open(&mut self, spec: &TransportSpec) -> Result<Box<dyn Transport>, OpenError> {
        let transport = self.inner.open(spec)?;
        if self.config.is_empty() {
            return Ok(transport);
        }
        let (incoming, outgoing) = self.config.build(self.opened).map_err(|error| OpenError {
            action: "build interceptors".into(),
            source: io::Error::other(error),
        })?;
        self.opened += 1;
        Ok(Box::new(InterceptedTransport {
            inner: transport,
            incoming: Direction::new(incoming),
            outgoing: Direction::new(outgoing),
        }))
    }

    fn interfaces(&self) -> Box<dyn Interfaces> {
        self.inner.interfaces()
    }
}

/// A transport with interceptors in one or both directions.
#[derive(Debug)]
pub struct InterceptedTransport {
    inner: Box<dyn Transport>,
    incoming: Direction,
    outgoing: Direction,
}

/// Interceptors of one direction and what they hold back.
#[derive(Debug)]
struct Direction {
    chain: Chain,
    held: BinaryHeap<Reverse<Held>>,
    sequence: u64,
    /// Room for [`Direction::judge`]: when the copies of the datagram at hand go on.
    due: Vec<Nanos>,
}

/// A datagram held back. Ordered by time, then by arrival.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Held {
    due: Nanos,
    sequence: u64,
    bytes: Box<[u8]>,
    /// Source of an incoming, destination of an outgoing datagram.
    address: Option<SocketAddr>,
    timestamp_ns: Option<i64>,
}

impl Direction {
    fn new(chain: Chain) -> Self {
        Self { chain, held: BinaryHeap::new(), sequence: 0, due: Vec::new() }
    }

    fn holds(&self) -> bool {
        self.chain.iter().any(|interceptor| interceptor.holds())
    }

    /// How many copies of a datagram go on at once; later ones are put among the held.
    fn judge(
        &mut self,
        now: Nanos,
        bytes: &[u8],
        address: Option<SocketAddr>,
        timestamp_ns: Option<i64>,
    ) -> usize {
        self.due.clear();
        self.due.push(now);
        for interceptor in &mut self.chain {
            for index in 0..self.due.len() {
                let at = self.due[index];
                match interceptor.judge(at, bytes) {
                    Fate::Pass => {}
                    Fate::Drop => self.due[index] = Nanos::new(i64::MAX),
                    Fate::Delay(delay) => self.due[index] = at + delay,
                    Fate::Duplicate(delay) => self.due.push(at + delay),
                }
            }
            self.due.retain(|at| at.get() != i64::MAX);
        }
        for due in self.due.iter().filter(|due| **due > now) {
            if self.held.len() < MAX_HELD {
                let (sequence, bytes) = (self.sequence, bytes.into());
                self.held.push(Reverse(Held { due: *due, sequence, bytes, address, timestamp_ns }));
                self.sequence += 1;
            }
        }
        self.due.iter().filter(|due| **due <= now).count()
    }

    fn is_due(&self, now: Nanos) -> bool {
        self.held.peek().is_some_and(|Reverse(held)| held.due <= now)
    }

    fn pop_due(&mut self, now: Nanos) -> Option<Held> {
        if self.is_due(now) { self.held.pop().map(|Reverse(held)| held) } else { None }
    }
}

impl InterceptedTransport {
    /// Sends what was held back and is due. What the network refuses is lost, as it would be on a longer way.
    fn flush(&mut self, now: Nanos) -> Option<io::Error> {
        let mut error = None;
        while let Some(held) = self.outgoing.pop_due(now) {
            let run = SendRun::datagram(SharedBytes::from_slice(&held.bytes), held.address);
            error = self.inner.send_batch(now, &[run]).error.or(error);
        }
        error
    }
}

impl Transport for InterceptedTransport {
    fn send_batch(&mut self, now: Nanos, runs: &[SendRun<'_>]) -> SendOutcome {
        if self.outgoing.chain.is_empty() {
            return self.inner.send_batch(now, runs);
        }
        let mut outcome = SendOutcome { datagrams: 0, error: self.flush(now) };
        for run in runs {
            for segment in run.segments() {
                let copies = self.outgoing.judge(now, &segment.to_vec(), run.destination, None);
                let datagram = SendRun::datagram(segment, run.destination);
                for _ in 0..copies {
                    let sent = self.inner.send_batch(now, &[datagram]);
                    if sent.datagrams == 0 {
                        outcome.error = sent.error.or(outcome.error);
                        return outcome;
                    }
                }
                outcome.datagrams += 1;
            }
        }
        outcome
    }

    fn recv_batch(
        &mut self,
        now: Nanos,
        buffers: &mut ReceiveBuffers,
        handler: &mut dyn FnMut(Received<'_>),
    ) -> RecvOutcome {
        let flush_error = self.flush(now);
        let incoming = &mut self.incoming;
        while let Some(Held { bytes, address: Some(source), timestamp_ns, .. }) = incoming.pop_due(now) {
            handler(Received { bytes: &bytes, segment_size: bytes.len().max(1), source, timestamp_ns });
        }
        let mut outcome = self.inner.recv_batch(now, buffers, &mut |received| {
            let Received { source, timestamp_ns, .. } = received;
            for bytes in received.datagrams() {
                for _ in 0..incoming.judge(now, bytes, Some(source), timestamp_ns) {
                    handler(Received { bytes, segment_size: bytes.len().max(1), source, timestamp_ns });
                }
            }
        });
        outcome.error = outcome.error.or(flush_error);
        outcome
    }

    fn time_of_day(&self) -> TimeOfDay {
        self.inner.time_of_day()
    }

    fn local_address(&self) -> SocketAddr {
        self.inner.local_address()
    }

    fn reconnect(&mut self, address: SocketAddr) -> io::Result<()> {
        self.inner.reconnect(address)
    }

    fn descriptor(&self) -> Option<RawFd> {
        if self.incoming.holds() || self.outgoing.holds() { None } else { self.inner.descriptor() }
    }

    fn receive_buffer_length(&self) -> io::Result<usize> {
        self.inner.receive_buffer_length()
    }
}
