//! What a seed decides before a world starts: plain data, to be looked at, changed and run.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use epona_media_driver::media::simulated::Conditions;

use crate::{clock::Pace, content::mix};

pub use crate::content::Lengths;

/// A world to be: hosts, network, pace, streams.
#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    /// Where all chance of the run comes from.
    pub seed: u64,
    /// Number of hosts, each with a driver.
    pub hosts: usize,
    /// Host of each client.
    pub clients: Vec<usize>,
    /// How each host's datagrams fare, by the host that sends them.
    pub links: Vec<Conditions>,
    /// How time passes while there are streams.
    pub pace: Pace,
    /// How often a role, conductor or application misses its turn, 0.0..1.0.
    pub skipped_turns: f64,
    /// What is published and subscribed to.
    pub streams: Vec<Stream>,
}

/// Publishers and subscribers of one channel and stream id.
#[derive(Clone, PartialEq, Debug)]
pub struct Stream {
    /// Channel of the publishers.
    pub channel: String,
    /// Stream id.
    pub stream_id: i32,
    /// How long messages are.
    pub lengths: Lengths,
    /// Whether nothing is sent before all subscriptions are there, so that everybody sees everything.
    pub waits_for_subscribers: bool,
    /// Who publishes.
    pub publishers: Vec<Publisher>,
    /// Who subscribes.
    pub subscribers: Vec<Subscriber>,
}

/// An application that publishes.
#[derive(Clone, PartialEq, Debug)]
pub struct Publisher {
    /// Its client.
    pub client: usize,
    /// When it adds its publication, after the start.
    pub starts_at: Duration,
    /// Destinations that it adds to its publication.
    pub destinations: Vec<String>,
    /// Whether the publication is its own.
    pub exclusive: bool,
    /// Messages that it sends, at least; more while a subscriber has no image yet.
    pub messages: usize,
    /// Most messages in one turn.
    pub burst: usize,
    /// Share of messages that are claimed and written in place, where they fit a frame.
    pub claims: f64,
    /// Whether it closes as soon as everything is sent, rather than when everything has arrived.
    pub closes_early: bool,
}

/// An application that subscribes.
#[derive(Clone, PartialEq, Debug)]
pub struct Subscriber {
    /// Its client.
    pub client: usize,
    /// When it adds its subscription, after the start.
    pub starts_at: Duration,
    /// Channel of its subscription.
    pub channel: String,
    /// Destinations that it adds to its subscription.
    pub destinations: Vec<String>,
    /// Whether it listens to the publications of its own driver.
    pub is_spy: bool,
    /// Fragments per poll.
    pub fragment_limit: usize,
    /// Whether it uses controlled polls, breaking off and aborting now and then.
    pub controlled: bool,
}

/// Address of a host of the simulated network.
#[must_use]
pub fn address(host: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, u8::try_from(host + 1).unwrap_or(u8::MAX)))
}

impl Scenario {
    /// Two drivers and two clients, a handful of streams over IPC, UDP, to several destinations and by two paths, loss, delay, reordering and duplication.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let random = &mut fastrand::Rng::with_seed(mix(seed, 0));
        let hosts = 2;
        let is_perfect = random.u8(..10) == 0;
        let links = (0..hosts).map(|_| if is_perfect { perfect(random) } else { lossy(random) }).collect();
        let pace = Pace {
            busy: Duration::from_micros(random.u64(2..=100)),
            idle: Duration::from_micros(random.u64(100..=2000)),
        };
        let skipped_turns = if random.bool() { 0.0 } else { 0.5 * random.f64() };
        let streams = (0..random.usize(3..=5)).map(|index| stream(index, hosts, random)).collect();
        Self { seed, hosts, clients: (0..hosts).collect(), links, pace, skipped_turns, streams }
    }
}

fn perfect(random: &mut fastrand::Rng) -> Conditions {
    Conditions { delay: delay(random), ..Conditions::default() }
}

fn lossy(random: &mut fastrand::Rng) -> Conditions {
    Conditions {
        loss: 0.1 * random.f64(),
        duplication: 0.1 * random.f64(),
        reordering: 0.2 * random.f64(),
        delay: delay(random),
        reordering_delay: delay(random),
    }
}

/// 10 us to 50 ms, each order of magnitude about as likely as the next.
fn delay(random: &mut fastrand::Rng) -> Duration {
    let shortest = Duration::from_micros(10) * (1 << random.u32(0..=12));
    shortest.mul_f64(1.0 + 0.2 * random.f64())
}

/// How the channels of a stream lead from publishers to subscribers.
#[derive(Clone, Copy)]
enum Topology {
    Ipc,
    Unicast,
    /// Every host's subscriber is learned from its status messages.
    DynamicDestinations,
    /// Every host's subscriber is added by the publisher.
    ManualDestinations,
    /// Two paths to one subscriber, which takes whatever comes first.
    Multipath,
}

fn stream(index: usize, hosts: usize, random: &mut fastrand::Rng) -> Stream {
    let stream_id = 1001 + i32::try_from(index).unwrap_or(0);
    let waits_for_subscribers = random.bool();
    let lengths = [Lengths::Short, Lengths::Frame, Lengths::Edges, Lengths::Any][random.usize(..4)];
    let topology = match random.u8(..8) {
        0 | 1 => Topology::Ipc,
        2..=4 => Topology::Unicast,
        5 => Topology::DynamicDestinations,
        6 => Topology::ManualDestinations,
        _ => Topology::Multipath,
    };
    let (channel, publishers, subscribers) = match topology {
        Topology::Ipc => ipc(hosts, random),
        Topology::Unicast => unicast(hosts, random),
        Topology::DynamicDestinations => dynamic_destinations(index, hosts, random),
        Topology::ManualDestinations => manual_destinations(index, hosts, random),
        Topology::Multipath => multipath(index, hosts, random),
    };
    Stream { channel, stream_id, lengths, waits_for_subscribers, publishers, subscribers }
}

/// A stream's publishers' channel, its publishers and its subscribers.
type Parties = (String, Vec<Publisher>, Vec<Subscriber>);

fn log(random: &mut fastrand::Rng) -> String {
    format!("term-length=64k|mtu={}", [1408, 1408, 512, 4096][random.usize(..4)])
}

fn ipc(hosts: usize, random: &mut fastrand::Rng) -> Parties {
    let client = random.usize(..hosts);
    let channel = format!("aeron:ipc?{}", log(random));
    let publishers = (0..random.usize(1..=2)).map(|_| publisher(client, &[], random)).collect();
    let subscribers = (0..random.usize(1..=2)).map(|_| subscriber(client, &channel, random)).collect();
    (channel, publishers, subscribers)
}

fn unicast(hosts: usize, random: &mut fastrand::Rng) -> Parties {
    let receiver = random.usize(..hosts);
    // A small choice, so that streams share endpoints.
    let port = random.u16(20_121..=20_122);
    let channel = format!("aeron:udp?endpoint={}:{port}|{}", address(receiver), log(random));
    let publishers: Vec<_> =
        (0..random.usize(1..=2)).map(|_| publisher(random.usize(..hosts), &[], random)).collect();
    let mut subscribers: Vec<_> =
        (0..random.usize(1..=2)).map(|_| subscriber(receiver, &channel, random)).collect();
    if random.u8(..4) == 0 {
        let spy = subscriber(publishers[0].client, &channel, random);
        subscribers.push(Subscriber { is_spy: true, ..spy });
    }
    (channel, publishers, subscribers)
}

/// First of the ports that only this stream uses.
fn own_port(index: usize) -> u16 {
    20_200 + 10 * u16::try_from(index).unwrap_or(0)
}

/// Flow control that starts with the last receiver and follows the slowest, so that everybody sees everything.
fn everybody(receivers: usize) -> String {
    format!("fc=min,g:/{receivers}")
}

fn dynamic_destinations(index: usize, hosts: usize, random: &mut fastrand::Rng) -> Parties {
    let sender = random.usize(..hosts);
    let port = own_port(index);
    let control = format!("control={}:{port}", address(sender));
    let channel = format!("aeron:udp?{control}|control-mode=dynamic|{}|{}", everybody(hosts), log(random));
    let publishers = (0..random.usize(1..=2)).map(|_| publisher(sender, &[], random)).collect();
    let hear = |host| format!("aeron:udp?endpoint={}:{}|{control}", address(host), port + 1);
    let subscribers = (0..hosts).map(|host| subscriber(host, &hear(host), random)).collect();
    (channel, publishers, subscribers)
}

fn manual_destinations(index: usize, hosts: usize, random: &mut fastrand::Rng) -> Parties {
    let port = own_port(index);
    let channel = format!("aeron:udp?control-mode=manual|{}|{}", everybody(hosts), log(random));
    let endpoints: Vec<_> =
        (0..hosts).map(|host| format!("aeron:udp?endpoint={}:{port}", address(host))).collect();
    let publishers = (0..random.usize(1..=2))
        .map(|_| Publisher { exclusive: true, ..publisher(random.usize(..hosts), &endpoints, random) })
        .collect();
    let subscribers =
        endpoints.iter().enumerate().map(|(host, endpoint)| subscriber(host, endpoint, random)).collect();
    (channel, publishers, subscribers)
}

fn multipath(index: usize, hosts: usize, random: &mut fastrand::Rng) -> Parties {
    let receiver = random.usize(..hosts);
    let port = own_port(index);
    let channel = format!("aeron:udp?control-mode=manual|{}|{}", everybody(1), log(random));
    let paths: Vec<_> =
        (port..port + 2).map(|port| format!("aeron:udp?endpoint={}:{port}", address(receiver))).collect();
    let publishers = vec![Publisher { exclusive: true, ..publisher(random.usize(..hosts), &paths, random) }];
    let one = subscriber(receiver, "aeron:udp?control-mode=manual", random);
    (channel, publishers, vec![Subscriber { destinations: paths, ..one }])
}

fn publisher(client: usize, destinations: &[String], random: &mut fastrand::Rng) -> Publisher {
    Publisher {
        client,
        starts_at: start(random),
        destinations: destinations.to_vec(),
        exclusive: random.bool(),
        messages: random.usize(100..=300),
        burst: random.usize(1..=8),
        claims: if random.bool() { random.f64() } else { 0.0 },
        closes_early: random.bool(),
    }
}

fn subscriber(client: usize, channel: &str, random: &mut fastrand::Rng) -> Subscriber {
    Subscriber {
        client,
        starts_at: start(random),
        channel: channel.to_owned(),
        destinations: Vec::new(),
        is_spy: false,
        fragment_limit: random.usize(1..=20),
        controlled: random.bool(),
    }
}

fn start(random: &mut fastrand::Rng) -> Duration {
    if random.bool() { Duration::ZERO } else { Duration::from_micros(random.u64(..500_000)) }
}
