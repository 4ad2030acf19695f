use std::net::UdpSocket;

use epona_protocol::types::Nanos;

use super::*;
use crate::media::{Affinity, Transport, TransportSpec, UdpTransport};

struct World {
    transports: Vec<UdpTransport>,
    peer: UdpSocket,
    poller: Poller<usize>,
    tokens: Vec<PollToken>,
}

impl World {
    fn new(count: usize, vector: usize, config: PollerConfig) -> Self {
        let mut poller = Poller::new(config, ReceiveBuffers::new(vector, 64)).unwrap();
        let spec = TransportSpec::bound(Affinity::Receiver, "127.0.0.1:0".parse().unwrap());
        let transports: Vec<_> = (0..count).map(|_| UdpTransport::open(&spec).unwrap()).collect();
        let tokens =
            (0..count).map(|index| poller.add(index, transports[index].descriptor()).unwrap()).collect();
        Self { transports, peer: UdpSocket::bind("127.0.0.1:0").unwrap(), poller, tokens }
    }

    fn send(&self, to: usize, count: usize) {
        for _ in 0..count {
            self.peer.send_to(&[to as u8; 8], self.transports[to].local_address()).unwrap();
        }
    }

    /// One poll: (transport, first byte) of each datagram, and the reads made of each transport.
    fn poll(&mut self) -> (Vec<(usize, u8)>, Vec<usize>) {
        let mut found = Vec::new();
        let mut reads = vec![0; self.transports.len()];
        let outcome = self.poller.poll(|index, buffers| {
            reads[*index] += 1;
            self.transports[*index].recv_batch(Nanos::default(), buffers, &mut |received| {
                found.push((*index, received.bytes[0]));
            })
        });
        assert!(outcome.error.is_none() && outcome.messages == found.len(), "{outcome:?}");
        (found, reads)
    }
}

const SMALL: PollerConfig = PollerConfig { iteration_threshold: 5, socket_poll_limit: 4 };

#[test]
fn up_to_the_threshold_every_transport_is_read_at_every_poll() {
    let mut world = World::new(5, 2, SMALL);
    assert_eq!(world.poll(), (vec![], vec![1; 5]));
    world.send(3, 1);
    assert_eq!(world.poll().0, [(3, 3)]);
}

#[test]
fn above_the_threshold_only_ready_transports_are_read() {
    let mut world = World::new(8, 2, SMALL);
    assert_eq!(world.poll(), (vec![], vec![1; 8]), "all are read once when the mode changes");
    assert_eq!(world.poll(), (vec![], vec![0; 8]));
    world.send(6, 1);
    world.send(2, 1);
    let (mut found, reads) = world.poll();
    found.sort_unstable();
    assert_eq!((found, reads.iter().sum()), (vec![(2, 2), (6, 6)], 4));
    world.poll();
    assert_eq!(world.poll(), (vec![], vec![0; 8]), "found empty, so no longer read");
}

#[test]
fn a_busy_transport_is_read_up_to_the_limit_and_again_at_the_next_poll() {
    // The first read does not know that there are more, nor does the poller, as long as it looks again anyway.
    for (count, expected) in [(1, [1, 8, 8, 2, 0]), (8, [7, 8, 4, 0, 0])] {
        let mut world = World::new(count, 2, SMALL);
        world.poll();
        world.send(0, 19);
        let counts: Vec<_> = (0..5).map(|_| world.poll().0.len()).collect();
        assert_eq!(counts, expected, "{count} transports");
    }
}

#[test]
fn transports_without_a_descriptor_are_read_at_every_poll() {
    let mut world = World::new(6, 2, SMALL);
    world.tokens.drain(..).for_each(|token| {
        world.poller.remove(token);
    });
    for index in 0..6 {
        let descriptor = (index > 0).then(|| world.transports[index].descriptor()).flatten();
        world.poller.add(index, descriptor).unwrap();
    }
    world.poll();
    assert_eq!(world.poll().1, [1, 0, 0, 0, 0, 0]);
    world.send(0, 1);
    assert_eq!(world.poll().0, [(0, 0)]);
}

#[test]
fn an_error_on_one_transport_does_not_stop_the_others() {
    for count in [2, 8] {
        let mut world = World::new(count, 2, SMALL);
        (0..count).for_each(|index| world.send(index, 1));
        let mut read = Vec::new();
        let outcome = world.poller.poll(|index, _| {
            read.push(*index);
            let error = (*index == 0).then(|| io::ErrorKind::Other.into());
            RecvOutcome { bytes: 0, messages: 0, more: error.is_some(), error }
        });
        assert!(outcome.error.is_none());
        read.dedup();
        assert_eq!(read.len(), count, "{read:?}");
    }
}

#[test]
fn removed_transports_are_read_no_more_and_their_places_are_reused() {
    let mut world = World::new(8, 2, SMALL);
    world.send(7, 1);
    assert_eq!(world.poller.remove(world.tokens[7]), Some(7));
    assert_eq!(world.poller.remove(world.tokens[7]), None);
    assert_eq!(world.poller.len(), 7);
    assert_eq!(world.poll().1[7], 0);
    let token = world.poller.add(7, world.transports[7].descriptor()).unwrap();
    assert_eq!(token, world.tokens[7]);
    assert_eq!(world.poll().0, [(7, 7)]);
}

#[test]
fn what_arrived_before_the_threshold_was_crossed_is_not_lost() {
    let mut world = World::new(5, 2, SMALL);
    world.send(0, 20);
    assert_eq!([world.poll().0.len(), world.poll().0.len()], [1, 8]);
    let spec = TransportSpec::bound(Affinity::Receiver, "127.0.0.1:0".parse().unwrap());
    world.transports.push(UdpTransport::open(&spec).unwrap());
    world.poller.add(5, world.transports[5].descriptor()).unwrap();
    assert_eq!([world.poll().0.len(), world.poll().0.len()], [8, 3]);
}
