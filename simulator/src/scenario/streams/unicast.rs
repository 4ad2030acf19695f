//! From one driver to another, or to itself.

use std::time::Duration;

use super::{About, Plan, UNTETHERED};
use crate::{
    fault::FaultKind,
    feature::Feature,
    scenario::{Publisher, SESSION_LIMIT, Stamp, Stream, Subscriber, tag},
};

/// What a unicast stream has beside endpoint and log.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variant {
    Plain,
    Cubic,
    Rejoin,
    NoRejoin,
    NakDelay,
    Windows,
    MaxFlowControl,
    Session,
    Tags,
    SendTimestamps,
    ReceiveTimestamps,
    PayloadTimestamps,
    SocketBuffers,
    TrafficClass,
    Group,
    NextSession,
}

impl Variant {
    const ALL: [Self; 18] = [
        Self::Plain,
        Self::Plain,
        Self::Cubic,
        Self::Cubic,
        Self::Rejoin,
        Self::NoRejoin,
        Self::NakDelay,
        Self::Windows,
        Self::MaxFlowControl,
        Self::Session,
        Self::Tags,
        Self::SendTimestamps,
        Self::ReceiveTimestamps,
        Self::PayloadTimestamps,
        Self::SocketBuffers,
        Self::TrafficClass,
        Self::Group,
        Self::NextSession,
    ];

    /// Parameters of its publications.
    const fn sends(self) -> &'static str {
        match self {
            Self::Windows => "|pub-wnd=16k",
            Self::MaxFlowControl => "|fc=max",
            Self::SendTimestamps => "|channel-snd-ts-offset=reserved",
            Self::PayloadTimestamps => "|channel-snd-ts-offset=0",
            Self::SocketBuffers => "|so-sndbuf=128k",
            Self::TrafficClass => "|so-tos=46",
            _ => "",
        }
    }

    /// Parameters of its subscriptions.
    const fn hears(self) -> &'static str {
        match self {
            Self::Cubic => "|cc=cubic",
            Self::Rejoin => "|rejoin=true|rcv-wnd=16k",
            Self::NoRejoin => "|rejoin=false",
            Self::NakDelay => "|nak-delay=2ms",
            Self::ReceiveTimestamps => "|channel-rcv-ts-offset=reserved",
            Self::PayloadTimestamps => "|channel-rcv-ts-offset=8|media-rcv-ts-offset=reserved",
            Self::SocketBuffers => "|so-rcvbuf=256k",
            Self::TrafficClass => "|so-tos=46",
            Self::Group => "|group=true",
            _ => "",
        }
    }

    /// Whether it says what all channels of an endpoint must say.
    fn has_own_port(self) -> bool {
        matches!(self, Self::Tags | Self::SocketBuffers | Self::TrafficClass)
            || !self.stamps(false).is_empty()
    }

    /// The times that its subscribers find in messages, or its spies.
    fn stamps(self, is_spy: bool) -> Vec<Stamp> {
        let in_payload = |offset| Stamp { offset: Some(offset), shows: Feature::PayloadTimestamp };
        let reserved = |shows| Stamp { offset: None, shows };
        match self {
            Self::SendTimestamps => vec![reserved(Feature::SendTimestamp)],
            Self::ReceiveTimestamps if !is_spy => vec![reserved(Feature::ReceiveTimestamp)],
            Self::PayloadTimestamps if is_spy => vec![in_payload(0)],
            Self::PayloadTimestamps => vec![in_payload(0), in_payload(8), reserved(Feature::MediaTimestamp)],
            _ => Vec::new(),
        }
    }
}

impl Plan<'_> {
    pub(super) fn unicast(&mut self) -> Stream {
        let receiver = self.host();
        let variant = match self.about {
            About::Fault(FaultKind::LostRoundTrip) => Variant::Cubic,
            About::Fault(_) => Variant::Plain,
            About::Feature(Feature::SendTimestamp) => Variant::SendTimestamps,
            About::Feature(Feature::ReceiveTimestamp) => Variant::ReceiveTimestamps,
            About::Feature(Feature::MediaTimestamp | Feature::PayloadTimestamp) => Variant::PayloadTimestamps,
            About::Feature(Feature::NextSession) => Variant::NextSession,
            _ => Variant::ALL[self.random.usize(..Variant::ALL.len())],
        };
        // A small choice, so that streams share endpoints; but for what all streams of an endpoint must agree on.
        let port = if variant.has_own_port() { self.own_port() } else { self.random.u16(20_121..=20_122) };
        let endpoint = format!("endpoint={}", self.at(receiver, port));
        let mut publishers: Vec<_> = (0..self.random.usize(1..=2))
            .map(|_| {
                let host = self.host();
                self.publisher(host, &[])
            })
            .collect();
        let mut session = None;
        if variant == Variant::Session {
            session = Some(self.random.i32(2000..=3000));
            publishers.truncate(1);
            publishers[0].exclusive = true;
        }
        for publisher in &mut publishers {
            // Drivers write there.
            publisher.reserves &= variant.stamps(false).is_empty();
            if variant == Variant::NextSession {
                (publisher.exclusive, publisher.asks_for_session) = (true, true);
            }
        }
        let mut channel = format!("aeron:udp?{endpoint}|{}{}", self.log(), variant.sends());
        if let Some(session) = session {
            channel += &format!("|session-id={session}");
        }
        let is_lossy = self.one_in(6);
        let reliable = if is_lossy { "|reliable=false" } else { "" };
        let heard = format!("aeron:udp?{endpoint}{}{reliable}", variant.hears());
        let subscribers = self.unicast_subscribers(receiver, (&heard, reliable), variant, session);
        let mut stream = self.stream(channel, publishers, subscribers);
        stream.subscribers.iter_mut().for_each(|subscriber| subscriber.is_lossy = is_lossy);
        if self.one_in(4) {
            let host = self.clients[stream.publishers[0].client];
            let spy = self.subscriber(host, &format!("aeron:udp?{endpoint}"));
            let stamps = variant.stamps(true);
            stream.subscribers.push(Subscriber { is_spy: true, stamps, ..spy });
        }
        // A later session is another image, which may come back; one whose driver shall not let it does not.
        stream.is_fragile = matches!(variant, Variant::Session | Variant::NoRejoin | Variant::Tags);
        if self.starts_somewhere() {
            self.start_somewhere(&mut stream);
        }
        self.ends(&mut stream);
        if variant == Variant::NoRejoin {
            // What was rejected would be gone for good.
            stream.subscribers[0].rejects_after = None;
        }
        stream
    }

    fn unicast_subscribers(
        &mut self,
        receiver: usize,
        (heard, reliable): (&str, &str),
        variant: Variant,
        session: Option<i32>,
    ) -> Vec<Subscriber> {
        let mut subscribers: Vec<_> =
            (0..self.random.usize(1..=2)).map(|_| self.subscriber(receiver, heard)).collect();
        if let Some(session) = session {
            subscribers[0].session = Some(session);
            subscribers[0].channel += &format!("|session-id={session}");
            // It hears nobody.
            let other = format!("{heard}|session-id={}", session + 1);
            subscribers.push(Subscriber { session: Some(session + 1), ..self.subscriber(receiver, &other) });
        }
        if variant == Variant::Tags {
            // The second and later ones name the channel of the first by its tag.
            let first = tag((self.number, 0));
            subscribers[0].channel += &format!("|tags={first}");
            let named = format!("aeron:udp?tags={{tag {}.0}}{reliable}", self.number);
            let others = self.subscriber(receiver, &named);
            subscribers.truncate(1);
            subscribers.push(others);
        } else if self.one_in(6) {
            let channel = format!("{heard}|tether=false|{UNTETHERED}");
            subscribers.push(Subscriber { is_untethered: true, ..self.subscriber(receiver, &channel) });
        }
        subscribers.iter_mut().for_each(|subscriber| subscriber.stamps = variant.stamps(false));
        subscribers
    }

    pub(super) fn wildcard(&mut self) -> Stream {
        let (receiver, sender) = (self.host(), self.host());
        let heard = format!("aeron:udp?endpoint={}", self.at(receiver, 0));
        let log = self.log();
        let place = self.at(receiver, 0);
        let host = place.trim_end_matches('0');
        let channel = format!("aeron:udp?endpoint={host}{{port {}.0}}|{log}", self.number);
        let publishers = vec![self.publisher(sender, &[])];
        let has_port_of_range = self.has_port_ranges;
        let subscribers = vec![Subscriber { has_port_of_range, ..self.subscriber(receiver, &heard) }];
        let mut stream = self.stream(channel, publishers, subscribers);
        // A new subscription has another port, of which the old publication never hears.
        stream.is_fragile = true;
        stream
    }
    /// One publisher more than a stream may have images; one of them leaves, so that all others get in.
    pub(super) fn crowd(&mut self) -> Stream {
        let receiver = self.host();
        let endpoint = format!("aeron:udp?endpoint={}", self.at(receiver, self.own_port()));
        let channel = format!("{endpoint}|{}", self.log());
        let mut publishers: Vec<_> = (0..=SESSION_LIMIT)
            .map(|_| {
                let host = self.host();
                Publisher { exclusive: true, ..self.publisher(host, &[]) }
            })
            .collect();
        publishers[0].ends_at = Some(Duration::from_millis(self.random.u64(500..=2000)));
        let subscribers = (0..self.random.usize(1..=2))
            .map(|_| {
                let most_images = Some(SESSION_LIMIT);
                Subscriber { most_images, ..self.subscriber(receiver, &endpoint) }
            })
            .collect();
        let mut stream = self.stream(channel, publishers, subscribers);
        stream.waits_for_subscribers = false;
        stream
    }
}
