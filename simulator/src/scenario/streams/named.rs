//! To names: of endpoints that move, and of drivers.

use super::Plan;
use crate::scenario::{Publisher, Stream, host_name, moving_name};

impl Plan<'_> {
    pub(super) fn moving_name(&mut self) -> Stream {
        let sender = self.host();
        let from = self.host();
        let to = (from + 1) % self.hosts;
        let port = self.own_port();
        let channel = format!("aeron:udp?endpoint={}:{port}|{}", moving_name(self.number), self.log());
        let publishers = vec![self.publisher(sender, &[])];
        let subscribers = [from, to]
            .map(|host| self.subscriber(host, &format!("aeron:udp?endpoint={}", self.at(host, port))));
        let mut stream = self.stream(channel, publishers, subscribers.to_vec());
        stream.waits_for_subscribers = false;
        stream
    }

    pub(super) fn gossiped_name(&mut self) -> Stream {
        let (sender, receiver) = (self.host(), self.host());
        let port = self.own_port();
        let channel = format!("aeron:udp?endpoint={}:{port}|{}", host_name(receiver), self.log());
        let publishers = vec![Publisher { awaits_gossip: true, ..self.publisher(sender, &[]) }];
        let heard = format!("aeron:udp?endpoint={}", self.at(receiver, port));
        let subscribers = vec![self.subscriber(receiver, &heard)];
        self.stream(channel, publishers, subscribers)
    }
}
