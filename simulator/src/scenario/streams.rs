//! Streams of a scenario: every kind of channel that a driver has.

use std::{net::SocketAddr, time::Duration};

use super::{Lengths, Publisher, Scenario, Stream, Subscriber, address, host_name, moving_name, tag};
use crate::fault::FaultKind;

/// Parameters that make untethered subscriptions fall off and come back quickly.
const UNTETHERED: &str =
    "untethered-window-limit-timeout=300ms|untethered-linger-timeout=200ms|untethered-resting-timeout=400ms";

/// How the channels of a stream lead from publishers to subscribers.
#[derive(Clone, Copy)]
enum Topology {
    Ipc,
    Unicast,
    /// To a port that the receiving driver chooses.
    Wildcard,
    /// To whoever is in the group.
    Multicast,
    /// Every host's subscriber is learned from its status messages.
    DynamicDestinations,
    /// Every host's subscriber is added by the publisher.
    ManualDestinations,
    /// Two paths to one subscriber, which takes whatever comes first.
    Multipath,
    /// Spies alone, without a receiver.
    SimulatedConnection,
    /// Requests one way, and responses to them back: two streams.
    Responses,
    /// To a name that moves.
    MovingName,
    /// To the name of a driver, which gossip tells of.
    GossipedName,
}

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
    Timestamps,
    SocketBuffers,
}

impl Variant {
    const ALL: [Self; 13] = [
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
        Self::Timestamps,
        Self::SocketBuffers,
    ];

    /// Parameters of its publications.
    const fn sends(self) -> &'static str {
        match self {
            Self::Windows => "|max-resend=64|pub-wnd=16k",
            Self::MaxFlowControl => "|fc=max",
            Self::SocketBuffers => "|so-sndbuf=128k",
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
            Self::Timestamps => "|channel-rcv-ts-offset=reserved",
            Self::SocketBuffers => "|so-rcvbuf=256k",
            _ => "",
        }
    }

    /// Whether it says what all channels of an endpoint must say.
    const fn has_own_port(self) -> bool {
        matches!(self, Self::Tags | Self::Timestamps | Self::SocketBuffers)
    }
}

/// Who may be where.
struct Plan<'a> {
    number: usize,
    theme: Option<FaultKind>,
    is_ipv6: bool,
    hosts: usize,
    clients: &'a [usize],
    random: &'a mut fastrand::Rng,
}

/// Adds a stream, or two that belong together; one to which the theme of the world matters, if one is given.
pub(super) fn add(scenario: &mut Scenario, theme: Option<FaultKind>, random: &mut fastrand::Rng) {
    let number = scenario.streams.len();
    let topology = match theme.and_then(Topology::of) {
        Some(topology) => topology,
        None => Topology::any(scenario, random),
    };
    let Scenario { hosts, is_ipv6, clients, .. } = scenario;
    let mut plan = Plan { number, theme, is_ipv6: *is_ipv6, hosts: *hosts, clients, random };
    let streams = match topology {
        Topology::Ipc => vec![plan.ipc()],
        Topology::Unicast => vec![plan.unicast()],
        Topology::Wildcard => vec![plan.wildcard()],
        Topology::Multicast => vec![plan.multicast()],
        Topology::DynamicDestinations => vec![plan.dynamic_destinations()],
        Topology::ManualDestinations => vec![plan.manual_destinations()],
        Topology::Multipath => vec![plan.multipath()],
        Topology::SimulatedConnection => vec![plan.simulated_connection()],
        Topology::Responses => plan.responses(),
        Topology::MovingName => vec![plan.moving_name()],
        Topology::GossipedName => vec![plan.gossiped_name()],
    };
    scenario.streams.extend(streams);
}

impl Topology {
    /// The one that a theme needs.
    const fn of(theme: FaultKind) -> Option<Self> {
        Some(match theme {
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

    fn any(scenario: &Scenario, random: &mut fastrand::Rng) -> Self {
        match random.u8(..20) {
            0..=2 => Self::Ipc,
            // The interface of a group is one of this machine's, which may have none of IPv6.
            9..=11 if !scenario.is_ipv6 => Self::Multicast,
            8 => Self::Wildcard,
            12 => Self::DynamicDestinations,
            13 => Self::ManualDestinations,
            14 | 15 => Self::Multipath,
            16 => Self::SimulatedConnection,
            17 | 18 => Self::Responses,
            19 => Self::MovingName,
            6..=11 if scenario.gossips => Self::GossipedName,
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

    fn is_about(&self, theme: FaultKind) -> bool {
        self.theme == Some(theme)
    }

    /// A port of a host, as channels name it.
    fn at(&self, host: usize, port: u16) -> String {
        SocketAddr::new(address(host, self.is_ipv6), port).to_string()
    }

    /// What may be said of any publication.
    fn trimmings(&mut self) -> String {
        let mut trimmings = String::new();
        for said in ["|sparse=true", "|sparse=false", "|alias=world", "|ttl=4"] {
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
            stream_id: 1001 + i32::try_from(self.number).unwrap_or(0),
            lengths: [Lengths::Short, Lengths::Frame, Lengths::Edges, Lengths::Any][self.random.usize(..4)],
            waits_for_subscribers: self.random.bool(),
            follows_slowest: false,
            is_fragile: false,
            publishers,
            subscribers,
        }
    }

    fn publisher(&mut self, host: usize, destinations: &[String]) -> Publisher {
        Publisher {
            client: self.client(host),
            starts_at: self.start(),
            destinations: destinations.to_vec(),
            awaits_gossip: false,
            exclusive: self.random.bool(),
            messages: self.random.usize(50..=250),
            burst: self.random.usize(1..=8),
            period: Duration::ZERO,
            claims: if self.random.bool() { self.random.f64() } else { 0.0 },
            closes_early: self.random.bool(),
            revokes: false,
        }
    }

    fn subscriber(&mut self, host: usize, channel: &str) -> Subscriber {
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
            is_stamped: false,
            is_left_behind: false,
            rejects_after: None,
            fragment_limit: self.random.usize(1..=20),
            controlled: self.random.bool(),
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
            let after = self.random.usize(1..=40);
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

    fn ipc(&mut self) -> Stream {
        let host = self.host();
        let channel = format!("aeron:ipc?{}", self.log());
        let publishers: Vec<_> = (0..self.random.usize(1..=2)).map(|_| self.publisher(host, &[])).collect();
        let mut subscribers: Vec<_> =
            (0..self.random.usize(1..=2)).map(|_| self.subscriber(host, "aeron:ipc")).collect();
        if self.one_in(4) {
            let channel = format!("aeron:ipc?tether=false|{UNTETHERED}");
            subscribers.push(Subscriber { is_untethered: true, ..self.subscriber(host, &channel) });
        }
        let mut stream = self.stream(channel, publishers, subscribers);
        if self.starts_somewhere() {
            self.start_somewhere(&mut stream);
        }
        self.ends(&mut stream);
        stream
    }

    fn unicast(&mut self) -> Stream {
        let receiver = self.host();
        let variant = match self.theme {
            Some(FaultKind::LostRoundTrip) => Variant::Cubic,
            Some(_) => Variant::Plain,
            None => Variant::ALL[self.random.usize(..Variant::ALL.len())],
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
            stream.subscribers.push(Subscriber { is_spy: true, ..spy });
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
        subscribers.iter_mut().for_each(|subscriber| subscriber.is_stamped = variant == Variant::Timestamps);
        subscribers
    }

    fn wildcard(&mut self) -> Stream {
        let (receiver, sender) = (self.host(), self.host());
        let heard = format!("aeron:udp?endpoint={}", self.at(receiver, 0));
        let log = self.log();
        let place = self.at(receiver, 0);
        let host = place.trim_end_matches('0');
        let channel = format!("aeron:udp?endpoint={host}{{port {}.0}}|{log}", self.number);
        let publishers = vec![self.publisher(sender, &[])];
        let subscribers = vec![self.subscriber(receiver, &heard)];
        let mut stream = self.stream(channel, publishers, subscribers);
        // A new subscription has another port, of which the old publication never hears.
        stream.is_fragile = true;
        stream
    }

    fn multicast(&mut self) -> Stream {
        let port = self.own_port();
        let group = format!("endpoint=224.20.30.{}:{port}|interface=127.0.0.1", 39 + 2 * self.number);
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

    fn dynamic_destinations(&mut self) -> Stream {
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

    fn manual_destinations(&mut self) -> Stream {
        let port = self.own_port();
        let channel = format!("aeron:udp?control-mode=manual|{}|{}", everybody(self.hosts), self.log());
        let endpoints: Vec<_> =
            (0..self.hosts).map(|host| format!("aeron:udp?endpoint={}", self.at(host, port))).collect();
        let publishers = (0..self.random.usize(1..=2))
            .map(|_| {
                let host = self.host();
                Publisher { exclusive: true, ..self.publisher(host, &endpoints) }
            })
            .collect();
        let subscribers =
            endpoints.iter().enumerate().map(|(host, endpoint)| self.subscriber(host, endpoint)).collect();
        let mut stream = self.stream(channel, publishers, subscribers);
        follow_slowest(&mut stream);
        stream
    }

    fn multipath(&mut self) -> Stream {
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

    fn simulated_connection(&mut self) -> Stream {
        let (host, nobody) = (self.host(), self.host());
        let endpoint = format!("endpoint={}", self.at(nobody, self.own_port()));
        let channel = format!("aeron:udp?{endpoint}|ssc=true|{}", self.log());
        let publishers = vec![self.publisher(host, &[])];
        let spies = (0..self.random.usize(1..=2))
            .map(|_| Subscriber { is_spy: true, ..self.subscriber(host, &format!("aeron:udp?{endpoint}")) })
            .collect();
        self.stream(channel, publishers, spies)
    }

    fn responses(&mut self) -> Vec<Stream> {
        let (server, requester) = (self.host(), self.host());
        let (asked, answered) = (self.number, self.number + 1);
        let port = self.own_port();
        let endpoint = format!("aeron:udp?endpoint={}", self.at(server, port));
        let control = format!("aeron:udp?control={}|control-mode=response", self.at(server, port + 1));
        let log = self.log();
        let channel = format!("{endpoint}|{log}|response-correlation-id={{subscription {answered}.0}}");
        let publishers = vec![Publisher { closes_early: false, ..self.publisher(requester, &[]) }];
        let subscribers = vec![self.subscriber(server, &endpoint)];
        let mut requests = self.stream(channel, publishers, subscribers);
        self.number = answered;
        let channel = format!("{control}|{log}|response-correlation-id={{image {asked}.0}}");
        let publishers =
            vec![Publisher { exclusive: true, closes_early: false, ..self.publisher(server, &[]) }];
        let subscribers = vec![self.subscriber(requester, &control)];
        let mut responses = self.stream(channel, publishers, subscribers);
        for stream in [&mut requests, &mut responses] {
            // A new requester needs a new responder, which applications have to see to.
            stream.is_fragile = true;
            stream.waits_for_subscribers = false;
        }
        vec![requests, responses]
    }

    fn moving_name(&mut self) -> Stream {
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

    fn gossiped_name(&mut self) -> Stream {
        let (sender, receiver) = (self.host(), self.host());
        let port = self.own_port();
        let channel = format!("aeron:udp?endpoint={}:{port}|{}", host_name(receiver), self.log());
        let publishers = vec![Publisher { awaits_gossip: true, ..self.publisher(sender, &[]) }];
        let heard = format!("aeron:udp?endpoint={}", self.at(receiver, port));
        let subscribers = vec![self.subscriber(receiver, &heard)];
        self.stream(channel, publishers, subscribers)
    }
}
