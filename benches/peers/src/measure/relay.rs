//! A network between two drivers: a relay that holds datagrams back for half a round trip and loses some, by a seed.
//!
//! It is invoked by the publishing side's thread, keeps runs that the kernel put together as runs, and is the same for
//! every party.
//!
//! ```text
//! publisher  <-- front socket | relay | back socket -->  subscriber
//! ```

use super::{Parameters, Result, sockets::MAX_DATAGRAM};
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use std::{
    collections::VecDeque,
    io::{self, ErrorKind, IoSliceMut},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

/// Bytes that wait in one direction; what comes beyond is lost, as in the full buffer of a switch.
const CAPACITY: usize = 32 << 20;

/// Socket buffers of the relay, bytes, or what the system allows of it.
const SOCKET_BUFFER: usize = 8 << 20;

/// Runs taken from a socket in one turn.
const RUNS_PER_TURN: usize = 8;

/// A relay for one UDP channel.
pub(super) struct Relay {
    front: Link,
    back: Link,
    subscriber: SocketAddr,
    publisher: Option<SocketAddr>,
    loss: Loss,
    delay: Duration,
    buffer: Vec<u8>,
}

impl Relay {
    /// Relays to a subscriber's port of the loopback, losing `loss_percent` of the datagrams in either direction.
    pub(super) fn new(subscriber_port: u16, loss_percent: f64, parameters: &Parameters) -> Result<Self> {
        let link = || Link::new().map_err(|error| format!("a socket of the relay: {error}"));
        Ok(Self {
            front: link()?,
            back: link()?,
            subscriber: SocketAddr::from((Ipv4Addr::LOCALHOST, subscriber_port)),
            publisher: None,
            loss: Loss { random: fastrand::Rng::with_seed(parameters.seed), share: loss_percent / 100.0 },
            delay: parameters.round_trip / 2,
            buffer: vec![0; MAX_DATAGRAM],
        })
    }

    /// Port that the publication's endpoint names.
    pub(super) fn port(&self) -> Result<u16> {
        self.front.socket.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
    }

    /// Takes what waits in both directions and passes on what is due.
    pub(super) fn do_work(&mut self) {
        let now = Instant::now();
        let due = now + self.delay;
        for _ in 0..RUNS_PER_TURN {
            let Some(meta) = self.front.receive(&mut self.buffer) else { break };
            self.publisher = Some(meta.addr);
            self.back.hold(due, self.subscriber, &self.buffer[..meta.len], meta.stride, &mut self.loss);
        }
        for _ in 0..RUNS_PER_TURN {
            let Some(meta) = self.back.receive(&mut self.buffer) else { break };
            let Some(publisher) = self.publisher else { continue };
            self.front.hold(due, publisher, &self.buffer[..meta.len], meta.stride, &mut self.loss);
        }
        self.front.send_due(now);
        self.back.send_due(now);
    }
}

/// Which datagrams are lost.
struct Loss {
    random: fastrand::Rng,
    share: f64,
}

impl Loss {
    fn strikes(&mut self) -> bool {
        self.share > 0.0 && self.random.f64() < self.share
    }
}

/// Datagrams of one length, the last of which may be shorter, on their way.
struct Run {
    due: Instant,
    to: SocketAddr,
    bytes: Vec<u8>,
    segment: usize,
}

/// A socket and what is to leave by it.
struct Link {
    socket: UdpSocket,
    state: UdpSocketState,
    waiting: VecDeque<Run>,
    waiting_bytes: usize,
    spare: Vec<Vec<u8>>,
}

impl Link {
    fn new() -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        state.set_send_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER)?;
        state.set_recv_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER)?;
        Ok(Self { socket, state, waiting: VecDeque::new(), waiting_bytes: 0, spare: Vec::new() })
    }

    /// The next run. A peer that has gone answers with an error, which is nothing to a network.
    fn receive(&self, buffer: &mut [u8]) -> Option<RecvMeta> {
        let mut metas = [RecvMeta::default(); 1];
        let received =
            self.state.recv(UdpSockRef::from(&self.socket), &mut [IoSliceMut::new(buffer)], &mut metas);
        received.is_ok_and(|count| count == 1).then_some(metas[0])
    }

    /// Keeps what is not lost of a run until it is due.
    fn hold(&mut self, due: Instant, to: SocketAddr, bytes: &[u8], segment: usize, loss: &mut Loss) {
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.clear();
        for datagram in bytes.chunks(segment.max(1)) {
            if !loss.strikes() {
                kept.extend_from_slice(datagram);
            }
        }
        if kept.is_empty() || self.waiting_bytes + kept.len() > CAPACITY {
            return self.spare.push(kept);
        }
        self.waiting_bytes += kept.len();
        self.waiting.push_back(Run { due, to, bytes: kept, segment });
    }

    fn send_due(&mut self, now: Instant) {
        while self.waiting.front().is_some_and(|run| run.due <= now) {
            let Some(run) = self.waiting.pop_front() else { return };
            if !self.send(&run) {
                return self.waiting.push_front(run);
            }
            self.waiting_bytes -= run.bytes.len();
            self.spare.push(run.bytes);
        }
    }

    /// Whether the socket took the run, or never will.
    fn send(&self, run: &Run) -> bool {
        let most = run.segment.saturating_mul(self.state.max_gso_segments());
        run.bytes.chunks(most.max(1)).all(|contents| {
            let transmit = Transmit {
                destination: run.to,
                ecn: None,
                contents,
                segment_size: Some(run.segment),
                src_ip: None,
            };
            let outcome = self.state.try_send(UdpSockRef::from(&self.socket), &transmit);
            !outcome.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What arrives of 1000 datagrams, by number.
    fn relayed(loss_percent: f64) -> Vec<u64> {
        const LAST: u64 = u64::MAX;
        let (publisher, subscriber) =
            (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        subscriber.set_nonblocking(true).unwrap();
        let port = subscriber.local_addr().unwrap().port();
        let mut relay = Relay::new(port, loss_percent, &Parameters::default()).unwrap();
        let front = ("127.0.0.1", relay.port().unwrap());
        let mut arrived = Vec::new();
        let mut buffer = [0; 64];
        let deadline = Instant::now() + Duration::from_secs(30);
        // One on its way at a time, so that no socket overflows; one that may be lost again and again says it was all.
        for number in (0..1000).chain(std::iter::repeat(LAST)) {
            publisher.send_to(&u64::to_le_bytes(number), front).unwrap();
            let sent_at = Instant::now();
            while sent_at.elapsed() < Duration::from_micros(100) || !relay.back.waiting.is_empty() {
                relay.do_work();
            }
            while let Ok(length) = subscriber.recv(&mut buffer) {
                arrived.push(u64::from_le_bytes(buffer[..length].try_into().unwrap()));
            }
            if arrived.last() == Some(&LAST) {
                break;
            }
            assert!(Instant::now() < deadline, "{} arrived", arrived.len());
        }
        arrived.retain(|&number| number != LAST);
        arrived
    }

    #[test]
    fn everything_arrives_in_order_without_loss_and_a_share_is_missing_with_it() {
        assert_eq!(relayed(0.0), (0..1000).collect::<Vec<_>>());
        let arrived = relayed(20.0);
        assert!((700..900).contains(&arrived.len()), "{} of 1000", arrived.len());
        assert!(arrived.is_sorted());
    }

    #[test]
    fn a_run_is_held_until_it_is_due_and_shrinks_by_what_is_lost() {
        let mut link = Link::new().unwrap();
        let to = link.socket.local_addr().unwrap();
        let now = Instant::now();
        let mut loss = Loss { random: fastrand::Rng::with_seed(1), share: 0.5 };
        link.hold(now + Duration::from_secs(60), to, &[7; 6400], 100, &mut loss);
        let kept = link.waiting_bytes;
        assert!(kept > 0 && kept < 6400 && kept.is_multiple_of(100), "{kept}");
        link.send_due(now);
        assert_eq!(link.waiting.len(), 1, "not yet");
        link.send_due(now + Duration::from_secs(60));
        assert_eq!((link.waiting.len(), link.waiting_bytes), (0, 0));
    }
}
