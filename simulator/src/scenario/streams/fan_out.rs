//! To several receivers, or on several ways to one.

use std::time::Duration;

use super::{About, Plan};
use crate::{
    feature::Feature,
    scenario::{Publisher, Stream, Subscriber},
};

/// Flow control that starts with the last receiver and follows the slowest, so that everybody sees everything.
pub(super) fn everybody(receivers: usize) -> String {
    format!("fc=min,g:/{receivers}")
}

/// Has flow control wait for everybody. Nobody claims then: of a claim given up, the sender counts the header alone
/// against the limit, as Aeron's does, and a receiver that missed what came before takes what follows for an overrun, asks
/// for nothing and loses its image.
pub(super) fn follow_slowest(stream: &mut Stream) {
    stream.follows_slowest = true;
    stream.publishers.iter_mut().for_each(|publisher| publisher.claims = 0.0);
}

/// How receivers of a group treat what they hear, all alike.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    Plain,
    Cubic,
    Lossy,
    /// As if it were no group.
    Alone,
}

impl Treatment {
    /// A subscriber that treats its channel so.
    fn applied_to(self, subscriber: Subscriber) -> Subscriber {
        let said = match self {
            Self::Plain => return subscriber,
            Self::Cubic => "cc=cubic",
            Self::Lossy => "reliable=false",
            Self::Alone => "group=false",
        };
        let is_lossy = self == Self::Lossy;
        let mut shows = subscriber.shows;
        shows.extend(is_lossy.then_some(Feature::LossyGroup));
        Subscriber { channel: format!("{}|{said}", subscriber.channel), is_lossy, shows, ..subscriber }
    }
}

impl Plan<'_> {
    /// How the receivers of a stream treat it.
    fn treatment(&mut self) -> Treatment {
        match self.about {
            About::Feature(Feature::CubicGroup) => Treatment::Cubic,
            About::Feature(Feature::LossyGroup) => Treatment::Lossy,
            About::Feature(Feature::GroupOverride) => Treatment::Alone,
            // What a fault is about may need what is not lost, or a sender that waits; what is sent again was asked for.
            About::Fault(_) | About::Feature(Feature::ResendLimit) => Treatment::Plain,
            _ => [Treatment::Plain, Treatment::Plain, Treatment::Cubic, Treatment::Lossy]
                [self.random.usize(..4)],
        }
    }

    /// A group of this stream's own, as publications and subscriptions name it.
    pub(super) fn group(&self) -> String {
        let port = self.own_port();
        // Data goes to odd addresses, control to the even ones after them.
        let member = 39 + 2 * self.number;
        if self.is_ipv6 {
            format!("endpoint=[ff02::{member:x}]:{port}|interface=[fd00::]/64")
        } else {
            format!("endpoint=224.20.30.{member}:{port}|interface=10.0.0.0/24")
        }
    }

    pub(super) fn multicast(&mut self) -> Stream {
        let group = self.group();
        let tag = self.random.i32(1..=100);
        let sender = self.host();
        let kind = if self.about == About::Feature(Feature::TaggedGroup) { 3 } else { self.random.u8(..4) };
        let members = match kind {
            0 => 0,
            1 | 2 => self.hosts,
            _ => self.random.usize(1..=self.hosts),
        };
        // Longer than anything mild takes.
        let patience = if self.one_in(4) { format!(",t:{}s", self.random.u8(4..=9)) } else { String::new() };
        let flow_control = match kind {
            0 => String::from("fc=max"),
            1 | 2 => everybody(members) + &patience,
            _ => format!("fc=tagged,g:{tag}/{members}{patience}"),
        };
        let treatment = self.treatment();
        let mut channel = format!("aeron:udp?{group}|{flow_control}|{}", self.log());
        if self.about == About::Feature(Feature::TimeToLive) || self.one_in(4) {
            channel += &format!("|ttl={}", self.random.u8(1..=64));
        }
        if self.about == About::Feature(Feature::ResendLimit) {
            channel += "|max-resend=1";
        }
        let publishers = (0..self.random.usize(1..=2)).map(|_| self.publisher(sender, &[])).collect();
        let subscribers = (0..self.hosts)
            .map(|host| {
                let is_member = host < members;
                let tag = if kind == 3 && is_member { format!("|gtag={tag}") } else { String::new() };
                let mut subscriber = self.subscriber(host, &format!("aeron:udp?{group}{tag}"));
                subscriber.is_left_behind = !is_member;
                subscriber.shows.extend(self.is_ipv6.then_some(Feature::Ipv6Multicast));
                treatment.applied_to(subscriber)
            })
            .collect();
        let mut stream = self.stream(channel, publishers, subscribers);
        if kind > 0 {
            follow_slowest(&mut stream);
        }
        stream.tagged = (kind == 3).then_some(members);
        stream.waits_for_subscribers &= stream.follows_slowest;
        if self.starts_somewhere() {
            self.start_somewhere(&mut stream);
        }
        stream
    }

    /// A group that one more joins and leaves again.
    pub(super) fn departure(&mut self) -> Stream {
        // Far longer than it takes until the sender hears of it.
        let patience = self.random.u8(9..=12);
        let mut stream = self.group_of_all(&format!("{},t:{patience}s", everybody(self.hosts - 1)));
        // It comes once the others have something: were it one of those that are waited for, another one would come late.
        let first = &mut stream.subscribers[0];
        first.channel += &format!("|alias={{message {}.1}}", self.number);
        first.ends_at = Some(Duration::from_millis(self.random.u64(1000..=2000)));
        // The others go on, should the sender not hear of it in time.
        first.is_left_behind = true;
        stream.has_departure = true;
        follow_slowest(&mut stream);
        stream
    }

    /// A group of which one falls silent for longer than the sender waits.
    pub(super) fn silence(&mut self) -> Stream {
        let patience = self.random.u16(300..=600);
        let mut stream = self.group_of_all(&format!("{},t:{patience}ms", everybody(self.hosts)));
        let sender = self.clients[stream.publishers[0].client];
        stream.silenced = Some((sender + self.random.usize(1..self.hosts)) % self.hosts);
        // So may anybody whose status messages get lost.
        stream.subscribers.iter_mut().for_each(|subscriber| subscriber.is_left_behind = true);
        stream
    }

    /// One publisher, and a subscriber on every host.
    fn group_of_all(&mut self, flow_control: &str) -> Stream {
        let group = self.group();
        let sender = self.host();
        let channel = format!("aeron:udp?{group}|{flow_control}|{}", self.log());
        let publishers = vec![self.publisher(sender, &[])];
        let subscribers =
            (0..self.hosts).map(|host| self.subscriber(host, &format!("aeron:udp?{group}"))).collect();
        let mut stream = self.stream(channel, publishers, subscribers);
        stream.waits_for_subscribers = false;
        stream
    }

    pub(super) fn dynamic_destinations(&mut self) -> Stream {
        let sender = self.host();
        let port = self.own_port();
        let control = format!("control={}", self.at(sender, port));
        let treatment = self.treatment();
        let channel =
            format!("aeron:udp?{control}|control-mode=dynamic|{}|{}", everybody(self.hosts), self.log());
        let publishers = (0..self.random.usize(1..=2)).map(|_| self.publisher(sender, &[])).collect();
        let subscribers = (0..self.hosts)
            .map(|host| {
                let endpoint = format!("endpoint={}", self.at(host, port + 1));
                treatment.applied_to(self.subscriber(host, &format!("aeron:udp?{endpoint}|{control}")))
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
        let treatment = self.treatment();
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
        let subscribers = endpoints
            .iter()
            .enumerate()
            .map(|(host, endpoint)| treatment.applied_to(self.subscriber(host, endpoint)))
            .collect();
        let mut stream = self.stream(channel, publishers, subscribers);
        follow_slowest(&mut stream);
        stream
    }

    pub(super) fn multipath(&mut self) -> Stream {
        let (receiver, sender) = (self.host(), self.host());
        let port = self.own_port();
        let treatment = self.treatment();
        let channel = format!("aeron:udp?control-mode=manual|{}|{}", everybody(1), self.log());
        let paths: Vec<_> = (port..port + self.random.u16(2..=3))
            .map(|port| format!("aeron:udp?endpoint={}", self.at(receiver, port)))
            .collect();
        let publishers = vec![Publisher { exclusive: true, ..self.publisher(sender, &paths) }];
        let one = treatment.applied_to(self.subscriber(receiver, "aeron:udp?control-mode=manual"));
        self.stream(channel, publishers, vec![Subscriber { destinations: paths, ..one }])
    }
}
