//! What a seed decides before a world starts: plain data, to be looked at, changed and run.

mod faults;
mod streams;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
    time::Duration,
};

use epona_media_driver::media::simulated::Conditions;

use self::streams::About;
use crate::{
    fault::{Fault, FaultKind},
    feature::Feature,
    invariants::content::mix,
};

pub use crate::{invariants::content::Lengths, surroundings::clock::Pace};

/// Ports of the receivers of a driver that chooses them from a range.
pub const RECEIVER_PORTS: RangeInclusive<u16> = 21_000..=21_015;

/// Ports of its senders.
pub const SENDER_PORTS: RangeInclusive<u16> = 22_000..=22_015;

/// Images that a stream may have, where that is limited: two publishers, and two before them whose clients died. Were it
/// less, a group that waits for all could wait for ever, each session for a receiver that has the other ones.
pub const SESSION_LIMIT: usize = 4;

/// Session ids that no driver chooses, where they leave some to others: nearly half of all.
pub const RESERVED_SESSIONS: RangeInclusive<i32> = -1_000_000_000..=1_000_000_000;

/// More of them after those, for each driver that starts: who begins right after them shares no sessions with another one.
pub const MORE_RESERVED_SESSIONS: i32 = 1_000_000;

/// In how many worlds there is one without a feature of its own.
const PLAIN_WORLDS: usize = 1;

/// A world to be: hosts, network, pace, streams, faults.
#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    /// Where all chance of the run comes from.
    pub seed: u64,
    /// Number of hosts, each with a driver, 2..=5.
    pub hosts: usize,
    /// Whether their addresses are of IPv6.
    pub is_ipv6: bool,
    /// How drivers resolve names.
    pub naming: Naming,
    /// Whether they take ports that channels leave open from ranges.
    pub has_port_ranges: bool,
    /// Whether they limit the images of a stream.
    pub limits_sessions: bool,
    /// Log buffers of each length that drivers keep ready.
    pub spare_logs: usize,
    /// Whether clients keep numbers in static counters.
    pub has_static_counters: bool,
    /// Whether drivers leave [`RESERVED_SESSIONS`] to others.
    pub reserves_sessions: bool,
    /// Host of each client, 2..=8 of them.
    pub clients: Vec<usize>,
    /// How each host's datagrams fare, by the host that sends them.
    pub links: Vec<Conditions>,
    /// How time passes.
    pub pace: Pace,
    /// How often a role, conductor or application misses its turn, 0.0..1.0.
    pub skipped_turns: f64,
    /// How long applications publish and faults happen, before everything must recover.
    pub runs_for: Duration,
    /// What is published and subscribed to.
    pub streams: Vec<Stream>,
    /// What goes wrong, beside what the links do.
    pub faults: Vec<Fault>,
}

/// How drivers resolve names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Naming {
    /// As their systems do.
    System,
    /// By gossip; each starts from the next one alone.
    Gossip,
    /// From a table, in which names that move have a row.
    Table,
}

/// Publishers and subscribers of one channel and stream id.
#[derive(Clone, PartialEq, Debug)]
pub struct Stream {
    /// Its number, which stays when other streams of the scenario are left out.
    pub number: usize,
    /// Channel of the publishers. `{subscription S.P}`, `{image S.P}`, `{port S.P}` and `{message S.P}` stand for the
    /// registration id, the image, the port and the first message of subscriber P of stream S; `{generation}` for how often
    /// the publisher has started anew.
    pub channel: String,
    /// Stream id.
    pub stream_id: i32,
    /// How long messages are.
    pub lengths: Lengths,
    /// Whether nothing is sent before all subscriptions are there, so that everybody sees everything.
    pub waits_for_subscribers: bool,
    /// Whether the sender never gets further ahead of any receiver than its window.
    pub follows_slowest: bool,
    /// Whether it cannot be expected to come back from severe faults by itself.
    pub is_fragile: bool,
    /// How many its flow control waits for by their tag.
    pub tagged: Option<usize>,
    /// Whether the first subscriber leaves a group, of which all others are there before it.
    pub has_departure: bool,
    /// The host whose receiver falls silent for longer than flow control waits for it.
    pub silenced: Option<usize>,
    /// Who has a name that moves: the first of them leaves, and the second one takes its place.
    pub moving: Option<Moving>,
    /// Who publishes.
    pub publishers: Vec<Publisher>,
    /// Who subscribes.
    pub subscribers: Vec<Subscriber>,
}

/// Who has a name that moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moving {
    /// Who publishes: the name stands for the control address.
    Publisher,
    /// Who subscribes: the name stands for the endpoint.
    Subscriber,
}

/// An application that publishes.
#[derive(Clone, PartialEq, Debug)]
pub struct Publisher {
    /// Its client.
    pub client: usize,
    /// Its channel, where that is not its stream's.
    pub channel: Option<String>,
    /// The only host at which it is heard, if there is one.
    pub heard_at: Option<usize>,
    /// When it adds its publication, after the start.
    pub starts_at: Duration,
    /// When it closes it, heard or not, if before the others.
    pub ends_at: Option<Duration>,
    /// Destinations that it adds to its publication.
    pub destinations: Vec<String>,
    /// Whether its channel names a host that its driver may not have heard of yet.
    pub awaits_gossip: bool,
    /// Whether its socket has one of [`SENDER_PORTS`].
    pub has_port_of_range: bool,
    /// Whether the publication is its own.
    pub exclusive: bool,
    /// Messages that it sends, at most.
    pub messages: usize,
    /// Most messages in one turn.
    pub burst: usize,
    /// Time between turns in which it sends.
    pub period: Duration,
    /// Share of messages that are claimed and written in place, where they fit a frame.
    pub claims: f64,
    /// Share of turns in which it offers several messages at once.
    pub batches: f64,
    /// Whether it closes as soon as everything is sent, rather than when everything has arrived.
    pub closes_early: bool,
    /// Whether it revokes its publication in the end, delivered or not.
    pub revokes: bool,
    /// Whether it asks its driver for the id of its session.
    pub asks_for_session: bool,
    /// Whether it gives messages reserved values, but for those of batches.
    pub reserves: bool,
    /// What is seen to work when a message of it arrives.
    pub shows: Vec<Feature>,
}

/// An application that subscribes.
#[derive(Clone, PartialEq, Debug)]
pub struct Subscriber {
    /// Its client.
    pub client: usize,
    /// When it adds its subscription, after the start.
    pub starts_at: Duration,
    /// When it closes it, if before the others.
    pub ends_at: Option<Duration>,
    /// Channel of its subscription; `{tag S.P}` stands for the tag of another one, once that is there.
    pub channel: String,
    /// Destinations that it adds to its subscription.
    pub destinations: Vec<String>,
    /// Whether it listens to the publications of its own driver.
    pub is_spy: bool,
    /// The only session that it hears.
    pub session: Option<i32>,
    /// Whether what gets lost stays lost.
    pub is_lossy: bool,
    /// Whether it may fall off and come back, because it holds nobody back.
    pub is_untethered: bool,
    /// Times that drivers write into its messages.
    pub stamps: Vec<Stamp>,
    /// Whether its socket has one of [`RECEIVER_PORTS`].
    pub has_port_of_range: bool,
    /// Images that it has at most, though there are more publishers.
    pub most_images: Option<usize>,
    /// Whether it is behind a flow control that does not wait for it, so that it may get nowhere.
    pub is_left_behind: bool,
    /// After how many messages it rejects the image that brings them.
    pub rejects_after: Option<usize>,
    /// Fragments per poll.
    pub fragment_limit: usize,
    /// How it reads.
    pub polls: Polls,
    /// What is seen to work when a message arrives.
    pub shows: Vec<Feature>,
}

/// How a subscriber reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Polls {
    /// Fragment by fragment.
    Plain,
    /// Breaking off and aborting now and then.
    Controlled,
    /// Whole frames at once, which it takes apart itself.
    Blocks,
}

/// A time that a driver writes into a message, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Where in the payload, in bytes; in the reserved value, if nowhere there.
    pub offset: Option<usize>,
    /// What it shows.
    pub shows: Feature,
}

/// Name of the endpoint of a stream that moves.
#[must_use]
pub fn moving_name(stream: usize) -> String {
    format!("moves-{stream}")
}

/// Name of a host's driver, where drivers gossip.
#[must_use]
pub fn host_name(host: usize) -> String {
    format!("host-{host}")
}

/// Tag of a subscription's channel, by stream and place.
#[must_use]
pub const fn tag((stream, place): (usize, usize)) -> usize {
    7000 + 10 * stream + place
}

/// What a channel says of a parameter.
pub(crate) fn parameter<'a>(channel: &'a str, key: &str) -> Option<&'a str> {
    let (_, parameters) = channel.split_once('?')?;
    parameters.split('|').find_map(|parameter| parameter.strip_prefix(key)?.strip_prefix('='))
}

impl Stream {
    /// Clients of who has a name that moves, before and after.
    pub(crate) fn movers(&self) -> Option<[usize; 2]> {
        Some(match self.moving? {
            Moving::Publisher => [0, 1].map(|place| self.publishers[place].client),
            Moving::Subscriber => [0, 1].map(|place| self.subscribers[place].client),
        })
    }

    /// Channel of a publisher.
    pub(crate) fn channel_of<'a>(&'a self, publisher: &'a Publisher) -> &'a str {
        publisher.channel.as_ref().unwrap_or(&self.channel)
    }
}

impl Scenario {
    /// Two to five drivers, as many clients or more, a handful of streams of all kinds, and up to half a dozen faults.
    ///
    /// Each world has a theme, one after the other: a kind of fault that it is sure to have, with a stream that it matters
    /// to. Most worlds have a feature too, one after the other, with a stream that shows it.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let random = &mut fastrand::Rng::with_seed(mix(seed, 0));
        let theme = FaultKind::ALL[(seed % FaultKind::ALL.len() as u64) as usize];
        let features = Feature::ALL.len() + PLAIN_WORLDS;
        let feature = Feature::ALL.get((seed % features as u64) as usize).copied();
        let has = |wanted| feature == Some(wanted);
        let hosts = [2, 2, 2, 3, 3, 4, 5][random.usize(..7)];
        let more = random.usize(0..=3.min(8 - hosts));
        let clients: Vec<_> = (0..hosts).chain((0..more).map(|_| random.usize(..hosts))).collect();
        let is_perfect = random.u8(..10) == 0 && !theme.is_of_links();
        let links = (0..hosts).map(|_| if is_perfect { perfect(random) } else { lossy(random) }).collect();
        let pace = Pace {
            busy: Duration::from_micros(random.u64(2..=100)),
            idle: Duration::from_micros(random.u64(200..=2000)),
        };
        let skipped_turns = if random.bool() { 0.0 } else { 0.5 * random.f64() };
        let mut scenario = Self {
            seed,
            hosts,
            is_ipv6: random.u8(..6) == 0 || has(Feature::Ipv6Multicast),
            naming: match random.u8(..4) {
                _ if has(Feature::NameTable) => Naming::Table,
                0 => Naming::Gossip,
                1 => Naming::Table,
                _ => Naming::System,
            },
            has_port_ranges: has(Feature::ReceiverPortRange) || has(Feature::SenderPortRange),
            limits_sessions: has(Feature::SessionLimit),
            spare_logs: if has(Feature::SpareLog) { random.usize(1..=3) } else { 0 },
            has_static_counters: has(Feature::StaticCounter),
            reserves_sessions: has(Feature::ReservedSessions),
            clients,
            links,
            pace,
            skipped_turns,
            runs_for: Duration::from_millis(random.u64(500..=3000)),
            streams: Vec::new(),
            faults: Vec::new(),
        };
        streams::add(&mut scenario, About::Fault(theme), random);
        streams::add(&mut scenario, feature.map_or(About::Anything, About::Feature), random);
        for _ in 0..random.usize(..3) {
            streams::add(&mut scenario, About::Anything, random);
        }
        faults::add(&mut scenario, theme, random);
        streams::spread(&mut scenario, random);
        scenario
    }

    /// Address of a host of the simulated network.
    #[must_use]
    pub fn address(&self, host: usize) -> IpAddr {
        address(host, self.is_ipv6)
    }

    /// A table of the names that move: each with the address that it stands for at first, and the other one.
    #[must_use]
    pub fn name_table(&self) -> String {
        let row = |stream: &Stream| {
            let [from, to] = stream.movers()?.map(|client| self.address(self.clients[client]));
            Some(format!("{},{from},{to}", moving_name(stream.number)))
        };
        // A table has at least one row.
        let nobody = format!("nobody,{0},{0}", self.address(0));
        self.streams.iter().filter_map(row).chain([nobody]).collect::<Vec<_>>().join("|")
    }

    /// Whether streams may end and requests be refused.
    #[must_use]
    pub fn is_severe(&self) -> bool {
        self.faults.iter().any(Fault::is_severe)
    }
}

fn address(host: usize, is_ipv6: bool) -> IpAddr {
    let number = u8::try_from(host + 1).unwrap_or(u8::MAX);
    if is_ipv6 {
        IpAddr::V6(Ipv6Addr::new(0xFD00, 0, 0, 0, 0, 0, 0, number.into()))
    } else {
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, number))
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
