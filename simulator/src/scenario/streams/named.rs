//! To names: of endpoints, destinations and control addresses that move, and of drivers.

use super::{Plan, fan_out::everybody};
use crate::{
    feature::Feature,
    scenario::{Moving, Publisher, Stream, Subscriber, host_name, moving_name},
};

impl Plan<'_> {
    /// Where somebody with a moving name is at first, and then.
    fn two_places(&mut self) -> [usize; 2] {
        let from = self.host();
        [from, (from + 1) % self.hosts]
    }

    pub(super) fn moving_name(&mut self) -> Stream {
        let sender = self.host();
        let places = self.two_places();
        let port = self.own_port();
        let channel = format!("aeron:udp?endpoint={}:{port}|{}", moving_name(self.number), self.log());
        let publishers = vec![self.publisher(sender, &[])];
        let subscribers =
            places.map(|host| self.subscriber(host, &format!("aeron:udp?endpoint={}", self.at(host, port))));
        let mut stream = self.stream(channel, publishers, subscribers.to_vec());
        stream.moving = Some(Moving::Subscriber);
        stream.waits_for_subscribers = false;
        stream
    }

    /// One of two destinations moves.
    pub(super) fn moving_destination(&mut self) -> Stream {
        let (sender, other) = (self.host(), self.host());
        let [from, to] = self.two_places();
        let port = self.own_port();
        let channel = format!("aeron:udp?control-mode=manual|{}|{}", everybody(1), self.log());
        let stays = format!("aeron:udp?endpoint={}", self.at(other, port + 1));
        let mut destinations =
            vec![format!("aeron:udp?endpoint={}:{port}", moving_name(self.number)), stays.clone()];
        self.random.shuffle(&mut destinations);
        let publishers = vec![Publisher { exclusive: true, ..self.publisher(sender, &destinations) }];
        let at = |host| format!("aeron:udp?endpoint={}", self.at(host, port));
        let [first, second] = [at(from), at(to)];
        let mut moved = self.subscriber(to, &second);
        moved.shows.push(Feature::NamedDestination);
        let subscribers = vec![self.subscriber(from, &first), moved, self.subscriber(other, &stays)];
        let mut stream = self.stream(channel, publishers, subscribers);
        stream.moving = Some(Moving::Subscriber);
        stream.waits_for_subscribers = false;
        stream
    }

    /// A sender of dynamic destinations moves, and its receivers find it by the name of its control address; which is that
    /// of their subscription, or of a source of it.
    pub(super) fn moving_sender(&mut self, shows: Feature) -> Stream {
        let places = self.two_places();
        let (port, log) = (self.own_port(), self.log());
        let receivers = self.random.usize(1..=self.hosts);
        let channels = places.map(|host| {
            let control = self.at(host, port);
            // It must not wait for those who have gone after the name already, or it would never end.
            format!("aeron:udp?control={control}|control-mode=dynamic|{}|{log}", everybody(1))
        });
        let publishers = [0, 1].map(|end| Publisher {
            channel: Some(channels[end].clone()),
            ..self.publisher(places[end], &[])
        });
        let subscribers = (0..receivers)
            .map(|host| {
                let endpoint = self.at(host, port + 1);
                let heard =
                    format!("aeron:udp?endpoint={endpoint}|control={}:{port}", moving_name(self.number));
                if shows == Feature::NamedSource {
                    let one = self.subscriber(host, "aeron:udp?control-mode=manual");
                    Subscriber { destinations: vec![heard], ..one }
                } else {
                    self.subscriber(host, &heard)
                }
            })
            .collect();
        let [first, _] = channels;
        let mut stream = self.stream(first, publishers.to_vec(), subscribers);
        stream.publishers[1].shows.push(shows);
        stream.moving = Some(Moving::Publisher);
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
