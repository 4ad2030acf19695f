//! Streams of a scenario: every kind of channel that a driver has.

mod fan_out;
mod local;
mod named;
mod responses;
mod sources;
mod unicast;

use std::{net::SocketAddr, time::Duration};

use super::{Lengths, Naming, Polls, Publisher, Scenario, Stream, Subscriber, address};
use crate::{fault::FaultKind, feature::Feature};

/// What a stream is to show.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Anything,
    /// Something that this fault matters to.
    Fault(FaultKind),
    Feature(Feature),
}

/// Parameters that make untethered subscriptions fall off and come back quickly.
const UNTETHERED: &str =
    "untethered-window-limit-timeout=300ms|untethered-linger-timeout=200ms|untethered-resting-timeout=400ms";

/// How long a world goes on after somebody has left a group.
const SEEN_AFTER: Duration = Duration::from_secs(2);

/// How the channels of a stream lead from publishers to subscribers.
#[derive(Clone, Copy)]
enum Topology {
    Ipc,
    Unicast,
    /// To a port that the receiving driver chooses.
    Wildcard,
    /// From more publishers than a stream may have images.
    Crowd,
    /// To whoever is in the group.
    Multicast,
    /// The same, but one of them leaves.
    Departure,
    /// The same, but one of them falls silent.
    Silence,
    /// Every host's subscriber is learned from its status messages.
    DynamicDestinations,
    /// Every host's subscriber is added by the publisher.
    ManualDestinations,
    /// Two paths to one subscriber, which takes whatever comes first.
    Multipath,
    /// From publishers on every kind of channel, to subscribers that have all of these for sources.
    EverySource,
    /// Spies alone, without a receiver.
    SimulatedConnection,
    /// Requests one way, and responses to them back: two streams.
    Responses,
    /// To a name that moves.
    MovingName,
    /// To two destinations, of which one moves under its name.
    MovingDestination,
    /// From a sender that moves under the name of its control address.
    MovingControl,
    /// The same, to a source of subscribers.
    MovingSource,
    /// To the name of a driver, which gossip tells of.
    GossipedName,
}

/// Who may be where.
struct Plan<'a> {
    number: usize,
    about: About,
    is_ipv6: bool,
    has_port_ranges: bool,
    hosts: usize,
    clients: &'a [usize],
    random: &'a mut fastrand::Rng,
}

/// Adds a stream, or two that belong together.
pub(super) fn add(scenario: &mut Scenario, about: About, random: &mut fastrand::Rng) {
    let number = scenario.streams.len();
    let wanted = match about {
        About::Anything => None,
        About::Fault(kind) => Topology::for_fault(kind),
        About::Feature(feature) => Topology::for_feature(feature),
    };
    let topology = match wanted {
        Some(topology) => topology,
        None => Topology::any(scenario, random),
    };
    let Scenario { hosts, is_ipv6, has_port_ranges, clients, .. } = scenario;
    let (is_ipv6, has_port_ranges, hosts) = (*is_ipv6, *has_port_ranges, *hosts);
    let mut plan = Plan { number, about, is_ipv6, has_port_ranges, hosts, clients, random };
    let streams = match topology {
        Topology::Ipc => vec![plan.ipc()],
        Topology::Unicast => vec![plan.unicast()],
        Topology::Wildcard => vec![plan.wildcard()],
        Topology::Crowd => vec![plan.crowd()],
        Topology::Multicast => vec![plan.multicast()],
        Topology::Departure => vec![plan.departure()],
        Topology::Silence => vec![plan.silence()],
        Topology::DynamicDestinations => vec![plan.dynamic_destinations()],
        Topology::ManualDestinations => vec![plan.manual_destinations()],
        Topology::Multipath => vec![plan.multipath()],
        Topology::EverySource => vec![plan.every_source()],
        Topology::SimulatedConnection => vec![plan.simulated_connection()],
        Topology::Responses => plan.responses(),
        Topology::MovingName => vec![plan.moving_name()],
        Topology::MovingDestination => vec![plan.moving_destination()],
        Topology::MovingControl => vec![plan.moving_sender(Feature::NamedControl)],
        Topology::MovingSource => vec![plan.moving_sender(Feature::NamedSource)],
        Topology::GossipedName => vec![plan.gossiped_name()],
    };
    // So that it is seen that who has left is let go.
    let departures =
        streams.iter().filter(|stream| stream.has_departure).flat_map(|stream| &stream.subscribers);
    let end = departures.filter_map(|subscriber| subscriber.ends_at).max().unwrap_or_default();
    scenario.runs_for = scenario.runs_for.max(end + SEEN_AFTER);
    scenario.streams.extend(streams);
}

impl Topology {
    /// The one that a fault needs.
    const fn for_fault(kind: FaultKind) -> Option<Self> {
        Some(match kind {
            FaultKind::LostRoundTrip
            | FaultKind::LostError
            | FaultKind::ImageRejection
            | FaultKind::Revocation
            | FaultKind::TermIdWrap
            | FaultKind::PositionNearMaximum
            | FaultKind::LostNak
            | FaultKind::LostStatusMessage
            | FaultKind::LostSetup
            | FaultKind::LostHeartbeat => Self::Unicast,
            FaultKind::LostResponseSetup => Self::Responses,
            FaultKind::AddressChange => Self::MovingName,
            FaultKind::DestinationRemoval => Self::ManualDestinations,
            FaultKind::ReceiveDestinationRemoval => Self::Multipath,
            _ => return None,
        })
    }

    /// The one that shows a feature.
    const fn for_feature(feature: Feature) -> Option<Self> {
        Some(match feature {
            Feature::ReceiverPortRange => Self::Wildcard,
            Feature::SenderPortRange => Self::ManualDestinations,
            Feature::SessionLimit => Self::Crowd,
            Feature::NameTable => Self::MovingName,
            Feature::Ipv6Multicast
            | Feature::GroupOverride
            | Feature::TaggedGroup
            | Feature::TimeToLive
            | Feature::CubicGroup
            | Feature::LossyGroup
            | Feature::ResendLimit => Self::Multicast,
            Feature::Departure => Self::Departure,
            Feature::ReceiverTimeout => Self::Silence,
            Feature::MulticastDestination
            | Feature::SpyDestination
            | Feature::IpcDestination
            | Feature::LinkedDestinationReturn => Self::EverySource,
            Feature::NamedDestination => Self::MovingDestination,
            Feature::NamedControl => Self::MovingControl,
            Feature::NamedSource => Self::MovingSource,
            Feature::SendTimestamp
            | Feature::ReceiveTimestamp
            | Feature::MediaTimestamp
            | Feature::PayloadTimestamp
            | Feature::NextSession => Self::Unicast,
            Feature::StaticCounter
            | Feature::SpareLog
            | Feature::Batch
            | Feature::ReservedSessions
            | Feature::ReservedValue
            | Feature::BlockPoll => return None,
        })
    }

    fn any(scenario: &Scenario, random: &mut fastrand::Rng) -> Self {
        match random.u8(..27) {
            0..=2 => Self::Ipc,
            9..=11 => Self::Multicast,
            8 => Self::Wildcard,
            12 => Self::DynamicDestinations,
            13 => Self::ManualDestinations,
            14 | 15 => Self::Multipath,
            16 => Self::SimulatedConnection,
            17 | 18 => Self::Responses,
            19 => Self::MovingName,
            20 | 21 => Self::EverySource,
            22 => [Self::Departure, Self::Silence][random.usize(..2)],
            23 => Self::MovingDestination,
            24 => Self::MovingControl,
            25 => Self::MovingSource,
            5..=7 if scenario.naming == Naming::Gossip => Self::GossipedName,
            _ => Self::Unicast,
        }
    }
}

/// Lets publishers send at their leisure while the world runs, or all at once.
pub(super) fn spread(scenario: &mut Scenario, random: &mut fastrand::Rng) {
    let time = scenario.runs_for;
    for publisher in scenario.streams.iter_mut().flat_map(|stream| &mut stream.publishers) {
        let turns = publisher.messages.div_ceil(publisher.burst.div_ceil(2)).max(1);
        let share = [0.0, 0.3, 0.9][random.usize(..3)];
        publisher.period = time.mul_f64(share / turns as f64);
    }
}

impl Plan<'_> {
    fn host(&mut self) -> usize {
        self.random.usize(..self.hosts)
    }

    /// A client of a host.
    fn client(&mut self, host: usize) -> usize {
        let there: Vec<_> = (0..self.clients.len()).filter(|client| self.clients[*client] == host).collect();
        there[self.random.usize(..there.len())]
    }

    fn one_in(&mut self, times: u8) -> bool {
        self.random.u8(..times) == 0
    }

    fn is_about(&self, kind: FaultKind) -> bool {
        self.about == About::Fault(kind)
    }

    /// A port of a host, as channels name it.
    fn at(&self, host: usize, port: u16) -> String {
        SocketAddr::new(address(host, self.is_ipv6), port).to_string()
    }

    /// What may be said of any publication.
    fn trimmings(&mut self) -> String {
        let mut trimmings = String::new();
        let stream_id = format!("|stream-id={}", self.stream_id());
        for said in ["|sparse=true", "|sparse=false", "|alias=world", "|ttl=4", &stream_id] {
            if self.one_in(8) {
                trimmings += said;
            }
        }
        trimmings
    }

    /// First of the ports that only this stream uses.
    fn own_port(&self) -> u16 {
        20_200 + 10 * u16::try_from(self.number).unwrap_or(0)
    }

    fn stream_id(&self) -> i32 {
        1001 + i32::try_from(self.number).unwrap_or(0)
    }

    fn log(&mut self) -> String {
        format!("term-length=64k|mtu={}", [1408, 1408, 512, 4096][self.random.usize(..4)])
    }

    fn stream(
        &mut self,
        channel: String,
        publishers: Vec<Publisher>,
        subscribers: Vec<Subscriber>,
    ) -> Stream {
        Stream {
            number: self.number,
            channel,
            stream_id: self.stream_id(),
            lengths: [Lengths::Short, Lengths::Frame, Lengths::Edges, Lengths::Any][self.random.usize(..4)],
            waits_for_subscribers: self.random.bool(),
            follows_slowest: false,
            is_fragile: false,
            tagged: None,
            has_departure: false,
            silenced: None,
            moving: None,
            publishers,
            subscribers,
        }
    }

    fn publisher(&mut self, host: usize, destinations: &[String]) -> Publisher {
        Publisher {
            client: self.client(host),
            channel: None,
            heard_at: None,
            starts_at: self.start(),
            ends_at: None,
            destinations: destinations.to_vec(),
            awaits_gossip: false,
            has_port_of_range: false,
            exclusive: self.random.bool(),
            messages: self.random.usize(50..=250),
            burst: self.random.usize(1..=8),
            period: Duration::ZERO,
            claims: if self.random.bool() { self.random.f64() } else { 0.0 },
            batches: if self.about == About::Feature(Feature::Batch) || self.one_in(4) { 0.5 } else { 0.0 },
            closes_early: self.random.bool(),
            revokes: false,
            asks_for_session: false,
            reserves: self.about == About::Feature(Feature::ReservedValue) || self.one_in(4),
            shows: Vec::new(),
        }
    }

    fn subscriber(&mut self, host: usize, channel: &str) -> Subscriber {
        let polls = match self.random.u8(..8) {
            _ if self.about == About::Feature(Feature::BlockPoll) => Polls::Blocks,
            0 => Polls::Blocks,
            1..=4 => Polls::Controlled,
            _ => Polls::Plain,
        };
        Subscriber {
            client: self.client(host),
            starts_at: self.start(),
            ends_at: None,
            channel: channel.to_owned(),
            destinations: Vec::new(),
            is_spy: false,
            session: None,
            is_lossy: false,
            is_untethered: false,
            stamps: Vec::new(),
            has_port_of_range: false,
            most_images: None,
            is_left_behind: false,
            rejects_after: None,
            fragment_limit: self.random.usize(1..=20),
            polls,
            shows: (polls == Polls::Blocks).then_some(Feature::BlockPoll).into_iter().collect(),
        }
    }

    fn start(&mut self) -> Duration {
        if self.random.bool() { Duration::ZERO } else { Duration::from_micros(self.random.u64(..300_000)) }
    }

    /// Lets a publication start somewhere: where term ids wrap, or close to the last position of all.
    fn start_somewhere(&mut self, stream: &mut Stream) {
        let initial = if self.is_about(FaultKind::TermIdWrap) { 2 } else { self.random.usize(..4) };
        let initial = [0, -1, i32::MAX, self.random.i32(..)][initial];
        let terms = if self.is_about(FaultKind::PositionNearMaximum) { 3 } else { self.random.usize(..4) };
        let terms = [0, 1, 2, i32::MAX - self.random.i32(1..=12)][terms];
        let offset = 32 * self.random.i32(0..2000);
        let term = initial.wrapping_add(terms);
        stream.channel += &format!("|init-term-id={initial}|term-id={term}|term-offset={offset}");
        stream.publishers.iter_mut().for_each(|publisher| publisher.exclusive = true);
    }

    /// Ends that are not those of every day.
    fn ends(&mut self, stream: &mut Stream) {
        if self.is_about(FaultKind::Revocation) || self.one_in(5) {
            let revokes = &mut stream.publishers[0];
            (revokes.revokes, revokes.exclusive) = (true, true);
        }
        if self.is_about(FaultKind::ImageRejection) || self.is_about(FaultKind::LostError) || self.one_in(6) {
            // Soon, where its error frame is to be lost at the beginning.
            let most = if self.is_about(FaultKind::LostError) { 2 } else { 40 };
            let after = self.random.usize(1..=most);
            stream.subscribers[0].rejects_after = Some(after);
            stream.waits_for_subscribers = false;
        }
        if self.one_in(5) {
            stream.channel += &format!("|linger={}s", self.random.u8(5..=10));
        }
        if self.one_in(5) {
            stream.channel += "|eos=false";
        }
        stream.channel += &self.trimmings();
    }

    fn starts_somewhere(&mut self) -> bool {
        self.is_about(FaultKind::TermIdWrap)
            || self.is_about(FaultKind::PositionNearMaximum)
            || self.one_in(4)
    }
}
