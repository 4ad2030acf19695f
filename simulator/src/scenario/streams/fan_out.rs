//! To several receivers, or on several ways to one.

use super::{About, Plan};
use crate::{
    feature::Feature,
    scenario::{Publisher, Stream, Subscriber},
};

/// Flow control that starts with the last receiver and follows the slowest, so that everybody sees everything.
fn everybody(receivers: usize) -> String {
    format!("fc=min,g:/{receivers}")
}

/// Has flow control wait for everybody. Nobody claims then: of a claim given up, the sender counts the header alone
/// against the limit, as Aeron's does, and a receiver that missed what came before takes what follows for an overrun, asks
/// for nothing and loses its image.
fn follow_slowest(stream: &mut Stream) {
    stream.follows_slowest = true;
    stream.publishers.iter_mut().for_each(|publisher| publisher.claims = 0.0);
}

impl Plan<'_> {
    pub(super) fn multicast(&mut self) -> Stream {
        let port = self.own_port();
        // Data goes to odd addresses, control to the even ones after them.
        let member = 39 + 2 * self.number;
        let group = if self.is_ipv6 {
            format!("endpoint=[ff02::{member:x}]:{port}|interface=[fd00::]/64")
        } else {
            format!("endpoint=224.20.30.{member}:{port}|interface=10.0.0.0/24")
        };
        let tag = self.random.i32(1..=100);
        let sender = self.host();
        let kind = self.random.u8(..4);
        let flow_control = match kind {
            0 => String::from("fc=max"),
            1 | 2 => everybody(self.hosts),
            _ => format!("fc=tagged,g:{tag}/1"),
        };
        let channel = format!("aeron:udp?{group}|{flow_control}|{}", self.log());
        let publishers = (0..self.random.usize(1..=2)).map(|_| self.publisher(sender, &[])).collect();
        let subscribers = (0..self.hosts)
            .map(|host| {
                let is_in_group = kind != 3 || host == 0;
                let tag = if kind == 3 && is_in_group { format!("|gtag={tag}") } else { String::new() };
                let is_left_behind = kind == 0 || !is_in_group;
                Subscriber { is_left_behind, ..self.subscriber(host, &format!("aeron:udp?{group}{tag}")) }
            })
            .collect();
        let mut stream = self.stream(channel, publishers, subscribers);
        if matches!(kind, 1 | 2) {
            follow_slowest(&mut stream);
        }
        stream.waits_for_subscribers &= stream.follows_slowest;
        if self.starts_somewhere() {
            self.start_somewhere(&mut stream);
        }
        stream
    }

    pub(super) fn dynamic_destinations(&mut self) -> Stream {
        let sender = self.host();
        let port = self.own_port();
        let control = format!("control={}", self.at(sender, port));
        let channel =
            format!("aeron:udp?{control}|control-mode=dynamic|{}|{}", everybody(self.hosts), self.log());
        let publishers = (0..self.random.usize(1..=2)).map(|_| self.publisher(sender, &[])).collect();
        let subscribers = (0..self.hosts)
            .map(|host| {
                let endpoint = format!("endpoint={}", self.at(host, port + 1));
                self.subscriber(host, &format!("aeron:udp?{endpoint}|{control}"))
            })
            .collect();
        let mut stream = self.stream(channel, publishers, subscribers);
        follow_slowest(&mut stream);
        stream
    }

    pub(super) fn manual_destinations(&mut self) -> Stream {
        let port = self.own_port();
        let sender = self.host();
        // Its socket has a port of the range then, which a driver takes for explicit control alone.
        let has_port_of_range = self.has_port_ranges
            && (self.about == About::Feature(Feature::SenderPortRange) || self.random.bool());
        let control =
            if has_port_of_range { format!("control={}|", self.at(sender, 0)) } else { String::new() };
        let channel =
            format!("aeron:udp?{control}control-mode=manual|{}|{}", everybody(self.hosts), self.log());
        let endpoints: Vec<_> =
            (0..self.hosts).map(|host| format!("aeron:udp?endpoint={}", self.at(host, port))).collect();
        let publishers = (0..self.random.usize(1..=2))
            .map(|_| {
                let host = if has_port_of_range { sender } else { self.host() };
                Publisher { exclusive: true, has_port_of_range, ..self.publisher(host, &endpoints) }
            })
            .collect();
        let subscribers =
            endpoints.iter().enumerate().map(|(host, endpoint)| self.subscriber(host, endpoint)).collect();
        let mut stream = self.stream(channel, publishers, subscribers);
        follow_slowest(&mut stream);
        stream
    }

    pub(super) fn multipath(&mut self) -> Stream {
        let (receiver, sender) = (self.host(), self.host());
        let port = self.own_port();
        let channel = format!("aeron:udp?control-mode=manual|{}|{}", everybody(1), self.log());
        let paths: Vec<_> = (port..port + self.random.u16(2..=3))
            .map(|port| format!("aeron:udp?endpoint={}", self.at(receiver, port)))
            .collect();
        let publishers = vec![Publisher { exclusive: true, ..self.publisher(sender, &paths) }];
        let one = self.subscriber(receiver, "aeron:udp?control-mode=manual");
        self.stream(channel, publishers, vec![Subscriber { destinations: paths, ..one }])
    }
}
