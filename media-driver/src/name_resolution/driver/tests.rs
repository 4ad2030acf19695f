//! Drivers that gossip on a simulated network, with time held by hand.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use epona_protocol::{
    counters::{CounterDescriptor, CountersReader},
    frame::{ResolutionEntry, ResolutionFlags, ResolutionView, ResolutionWriter},
    memory::AtomicView,
    types::{CounterTypeId, EpochMillis},
};

use super::{cache::MAX_NAMES, gossip::MAX_NAME_LENGTH, *};
use crate::media::{
    Affinity, TransportFactory, TransportSpec,
    simulated::{Conditions, SimulatedNetwork},
};

const MS: Duration = Duration::from_millis(1);
const PORT: u16 = 8050;

/// What the system knows; the test may change it.
#[derive(Clone, Debug, Default)]
struct Hosts(Arc<Mutex<HashMap<String, IpAddr>>>);

impl Hosts {
    fn set(&self, name: &str, address: &str) {
        self.0.lock().unwrap().insert(name.into(), address.parse().unwrap());
    }
}

impl NameResolver for Hosts {
    fn resolve(&mut self, query: NameQuery<'_>) -> Result<IpAddr, ResolutionError> {
        self.0.lock().unwrap().get(query.name).copied().ok_or_else(|| ResolutionError::UnknownHost {
            parameter: query.parameter.into(),
            name: query.name.into(),
            reason: "not in the test".into(),
        })
    }
}

/// One driver's resolver, and what it shows.
struct Node {
    resolver: DriverNameResolver,
    manager: CountersManager,
    counters: CountersReader,
    system: SystemCounters,
    errors: Vec<String>,
}

impl Node {
    fn resolve(&mut self, name: &str) -> Option<String> {
        let query = NameQuery { name, parameter: "endpoint", is_re_resolution: false };
        self.resolver.resolve(query).ok().map(|ip| ip.to_string())
    }

    fn counters_of(&self, type_id: CounterTypeId) -> Vec<CounterDescriptor> {
        self.counters.iter().filter(|counter| counter.type_id == type_id).collect()
    }

    fn values(&self, type_id: CounterTypeId) -> Vec<i64> {
        self.counters_of(type_id).iter().map(|c| self.counters.value(c.id).unwrap()).collect()
    }

    fn labels(&self) -> Vec<String> {
        self.counters.iter().map(|counter| counter.label).collect()
    }

    fn neighbors(&self) -> i64 {
        self.values(CounterTypeId::NAME_RESOLVER_NEIGHBORS)[0]
    }

    fn names(&self) -> i64 {
        self.values(CounterTypeId::NAME_RESOLVER_CACHE_ENTRIES)[0]
    }

    fn bootstrap(&self) -> Vec<i64> {
        self.values(CounterTypeId::BOOTSTRAP_NEIGHBOR)
    }
}

/// Drivers on hosts of one network, whose time passes together.
struct World {
    network: SimulatedNetwork,
    hosts: Hosts,
    now: Now,
    nodes: Vec<Option<Node>>,
    mtu: usize,
}

impl World {
    fn new() -> Self {
        let now = Now { nanos: Nanos::new(1_000_000_000), epoch: EpochMillis::new(1_800_000_000_000) };
        let network = SimulatedNetwork::new(3);
        Self { network, hosts: Hosts::default(), now, nodes: Vec::new(), mtu: 1408 }
    }

    /// A driver on a host of its own, 10.0.0.1 for the first; returns its number.
    fn start(&mut self, name: &str, bootstrap: &str) -> usize {
        let ip = format!("10.0.0.{}", self.nodes.len() + 1);
        self.start_on(&ip, "0.0.0.0:8050", name, bootstrap)
    }

    fn start_on(&mut self, host: &str, interface: &str, name: &str, bootstrap: &str) -> usize {
        let mut manager = CountersManager::new(
            AtomicView::allocate(32 * 512),
            AtomicView::allocate(32 * 128),
            Duration::ZERO,
        );
        let bind = interface.parse().unwrap();
        let spec = TransportSpec::bound(Affinity::Conductor, bind);
        let transport = self.network.host(host.parse().unwrap()).open(&spec).unwrap();
        let settings = GossipSettings {
            name: name.into(),
            bootstrap_neighbors: bootstrap.split(',').filter(|n| !n.is_empty()).map(Into::into).collect(),
            neighbor_timeout: 10_000 * MS,
            self_resolution_interval: 1000 * MS,
            neighbor_resolution_interval: 2000 * MS,
            bootstrap_neighbor_resolution_interval: 10_000 * MS,
            mtu: self.mtu,
        };
        let system = SystemCounters::detached();
        let hosts = Box::new(self.hosts.clone());
        let resolver =
            DriverNameResolver::new(settings, hosts, transport, &mut manager, system.clone(), self.now)
                .unwrap();
        let counters = manager.reader();
        self.nodes.push(Some(Node { resolver, manager, counters, system, errors: Vec::new() }));
        self.nodes.len() - 1
    }

    fn stop(&mut self, node: usize) {
        self.nodes[node] = None;
    }

    fn node(&mut self, node: usize) -> &mut Node {
        self.nodes[node].as_mut().unwrap()
    }

    /// Time passes in steps, all drivers get their turns.
    fn pass(&mut self, duration: Duration) {
        let end = self.now.nanos + duration;
        while self.now.nanos < end {
            self.now.nanos = self.now.nanos + 10 * MS;
            for node in self.nodes.iter_mut().flatten() {
                let mut reports = Vec::new();
                node.resolver.do_work(self.now, &mut reports);
                for report in reports {
                    match report {
                        Report::Error(error) => node.errors.push(error.to_string()),
                        Report::Label(id, label) => {
                            node.manager.set_label(id, label.as_bytes());
                        }
                    }
                }
            }
        }
    }

    /// A stranger's datagram to a host.
    fn inject(&mut self, to: &str, datagram: &[u8]) {
        let spec = TransportSpec::bound(Affinity::Conductor, "0.0.0.0:0".parse().unwrap());
        let mut stranger = self.network.host([10, 0, 0, 99].into()).open(&spec).unwrap();
        let to: SocketAddr = format!("{to}:{PORT}").parse().unwrap();
        let run = [SendRun::datagram(SharedBytes::from_slice(datagram), Some(to))];
        let outcome = stranger.send_batch(self.now.nanos, &run);
        assert_eq!(outcome.datagrams, 1);
    }
}

fn entry<'a>(name: &'a str, address: &str, port: u16) -> ResolutionEntry<'a> {
    ResolutionEntry {
        flags: ResolutionFlags::SELF,
        port,
        age_in_ms: 0,
        address: address.parse().unwrap(),
        name: name.as_bytes(),
    }
}

fn datagram(entries: &[ResolutionEntry<'_>]) -> Vec<u8> {
    let mut bytes = vec![0; 60_000];
    let mut writer = ResolutionWriter::new(&mut bytes);
    assert!(entries.iter().all(|entry| writer.push(entry)));
    let length = writer.length();
    bytes.truncate(length);
    bytes
}

#[test]
fn drivers_learn_each_others_names_from_a_bootstrap_neighbour_with_the_address_it_was_heard_from() {
    let mut world = World::new();
    let (a, b) = (world.start("A", ""), world.start("B", "10.0.0.1:8050"));
    world.pass(2500 * MS);
    assert_eq!(world.node(a).resolve("B").as_deref(), Some("10.0.0.2"));
    assert_eq!(world.node(b).resolve("A").as_deref(), Some("10.0.0.1"));
    for node in [a, b] {
        assert_eq!((world.node(node).neighbors(), world.node(node).names()), (1, 1));
        assert!(world.node(node).errors.is_empty());
    }
    assert_eq!(world.node(b).bootstrap(), [1]);
}

#[test]
fn a_late_joiner_and_the_others_learn_of_each_other_through_gossip() {
    let mut world = World::new();
    let (a, b) = (world.start("A", ""), world.start("B", "10.0.0.1:8050"));
    world.pass(5000 * MS);
    let c = world.start("C", "10.0.0.1:8050");
    world.pass(4500 * MS);
    assert_eq!(world.node(c).resolve("B").as_deref(), Some("10.0.0.2"));
    assert_eq!(world.node(b).resolve("C").as_deref(), Some("10.0.0.3"));
    for node in [a, b, c] {
        assert_eq!((world.node(node).neighbors(), world.node(node).names()), (2, 2), "{node}");
    }
}

#[test]
fn a_driver_that_fell_silent_is_forgotten_by_name_and_as_a_neighbour_and_found_again_where_it_comes_back() {
    let mut world = World::new();
    let (a, b) = (world.start("A", ""), world.start("B", "10.0.0.1:8050"));
    let c = world.start("C", "10.0.0.1:8050");
    world.pass(5000 * MS);
    world.stop(b);
    world.pass(8500 * MS);
    assert_eq!(world.node(a).resolve("B").as_deref(), Some("10.0.0.2"));
    // What A and C tell each other of B ages all the same.
    world.pass(2500 * MS);
    for node in [a, c] {
        assert_eq!(world.node(node).resolve("B"), None);
        assert_eq!((world.node(node).neighbors(), world.node(node).names()), (1, 1));
    }
    world.start("B", "10.0.0.3:8050");
    world.pass(4500 * MS);
    assert_eq!(world.node(a).resolve("B").as_deref(), Some("10.0.0.4"), "also who is not told directly");
}

#[test]
fn names_that_nobody_tells_of_are_asked_of_the_system_and_the_own_name_is_where_we_are() {
    let mut world = World::new();
    world.hosts.set("elsewhere", "10.9.9.9");
    world.hosts.set("A", "10.8.8.8");
    let a = world.start_on("10.0.0.1", "10.0.0.1:8050", "A", "");
    let node = world.node(a);
    assert_eq!(node.resolve("elsewhere").as_deref(), Some("10.9.9.9"));
    assert_eq!(node.resolve("A").as_deref(), Some("10.0.0.1"));
    assert_eq!(node.resolve("AA"), None, "a name is all of a name");
    assert_eq!(node.resolve("nowhere"), None);
}

#[test]
fn every_bootstrap_neighbour_is_told_even_when_one_is_down_and_another_unknown() {
    let mut world = World::new();
    world.hosts.set("first", "10.0.0.1");
    let a = world.start("A", "");
    let b = world.start("B", "first:8050,10.0.0.77:8050,third:8050");
    world.pass(2500 * MS);
    assert_eq!(world.node(a).resolve("B").as_deref(), Some("10.0.0.2"));
    assert_eq!(world.node(b).bootstrap(), [1, 0, 0]);
    let errors = &world.node(b).errors;
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].starts_with("unresolved - bootstrap_neighbor=third"), "{errors:?}");
    world.hosts.set("third", "10.0.0.3");
    let c = world.start("C", "");
    world.pass(10_500 * MS);
    assert_eq!(world.node(b).bootstrap(), [1, 0, 1]);
    assert_eq!(world.node(c).resolve("B").as_deref(), Some("10.0.0.2"));
    assert_eq!(
        world.node(b).labels(),
        [
            "Bootstrap neighbor: name=first:8050 resolved=10.0.0.1:8050",
            "Bootstrap neighbor: name=10.0.0.77:8050 resolved=10.0.0.77:8050",
            "Bootstrap neighbor: name=third:8050 resolved=10.0.0.3:8050",
            "Resolver neighbors: bound 0.0.0.0:8050",
            "Resolver cache entries: name=B",
        ]
    );
}

#[test]
fn bootstrap_neighbours_that_are_no_addresses_are_told_and_the_others_used() {
    let mut world = World::new();
    world.hosts.set("first", "10.0.0.1");
    let a = world.start("A", "");
    let b = world.start("B", "just:wrong,first:0,first:8050");
    world.pass(2500 * MS);
    assert_eq!(world.node(a).resolve("B").as_deref(), Some("10.0.0.2"));
    assert_eq!(world.node(b).bootstrap(), [0, 0, 1]);
    let errors = &world.node(b).errors;
    for told in ["unresolved - bootstrap_neighbor=just:wrong: ", "unresolved - bootstrap_neighbor=first:0: "]
    {
        assert!(errors.iter().any(|error| error.starts_with(told)), "{errors:?}");
    }
}

#[test]
fn a_bootstrap_neighbour_that_is_not_heard_is_looked_up_again() {
    let mut world = World::new();
    world.hosts.set("first", "10.0.0.1");
    let (a, b) = (world.start("A", ""), world.start("B", "first:8050"));
    world.pass(2500 * MS);
    assert_eq!(world.node(b).bootstrap(), [1]);
    world.stop(a);
    world.hosts.set("first", "10.0.0.3");
    let c = world.start("A", "");
    world.pass(5000 * MS);
    assert_eq!(world.node(b).bootstrap(), [1], "the old one is not given up at once");
    world.pass(17_500 * MS);
    assert_eq!((world.node(b).bootstrap(), world.node(b).neighbors()), (vec![1], 1));
    assert_eq!(world.node(c).resolve("B").as_deref(), Some("10.0.0.2"));
    assert_eq!(world.node(b).resolve("A").as_deref(), Some("10.0.0.3"));
}

#[test]
fn nothing_is_sent_as_long_as_nobody_is_known() {
    let mut world = World::new();
    world.network.record(true);
    world.start("A", "");
    world.pass(12_000 * MS);
    assert!(world.network.take_trace().is_empty());
}

#[test]
fn a_driver_of_our_name_on_our_port_is_ourselves_and_on_another_port_another() {
    let mut world = World::new();
    let a = world.start("A", "10.0.0.1:8050");
    world.pass(3000 * MS);
    assert_eq!((world.node(a).neighbors(), world.node(a).names()), (0, 0), "it hears itself");
    world.start_on("10.0.0.2", "0.0.0.0:8051", "A", "10.0.0.1:8050");
    world.pass(1500 * MS);
    assert_eq!((world.node(a).neighbors(), world.node(a).names()), (1, 1));
    assert_eq!(world.node(a).resolve("A").as_deref(), Some("10.0.0.2"));
}

#[test]
fn gossip_also_works_over_ipv6() {
    let mut world = World::new();
    let a = world.start_on("fd00::1", "[fd00::1]:8050", "A", "");
    let b = world.start_on("fd00::2", "[::]:8050", "B", "[fd00::1]:8050");
    world.pass(2500 * MS);
    assert_eq!(world.node(a).resolve("B").as_deref(), Some("fd00::2"));
    assert_eq!(world.node(b).resolve("A").as_deref(), Some("fd00::1"));
    assert_eq!(world.node(b).labels()[1], "Resolver neighbors: bound [::]:8050");
}

#[test]
fn names_are_told_in_as_many_datagrams_as_the_mtu_asks_for() {
    let mut world = World::new();
    world.mtu = 128;
    let (a, b) = (world.start("A", ""), world.start("B", "10.0.0.1:8050"));
    let told: Vec<_> = (0..20).map(|i| format!("driver number {i}")).collect();
    let address = |i: usize| format!("10.0.1.{i}");
    let entries: Vec<_> =
        told.iter().enumerate().map(|(i, name)| entry(name, &address(i + 1), PORT)).collect();
    world.inject("10.0.0.1", &datagram(&entries));
    world.network.record(true);
    world.pass(2500 * MS);
    let trace = world.network.take_trace();
    assert!(trace.iter().all(|sent| sent.bytes.len() <= 128 && ResolutionView::parse(&sent.bytes).is_ok()));
    assert!(trace.iter().any(|sent| sent.bytes.len() == 104), "three names of 32 bytes are as many as fit");
    for (i, name) in told.iter().enumerate() {
        assert_eq!(world.node(b).resolve(name), Some(address(i + 1)));
    }
    assert_eq!((world.node(a).names(), world.node(b).names()), (21, 21));
}

#[test]
fn what_cannot_be_true_is_counted_and_dropped_and_what_stands_beside_it_is_not() {
    let mut world = World::new();
    let a = world.start("A", "");
    let long = "n".repeat(MAX_NAME_LENGTH + 1);
    let with_age = |age_in_ms| ResolutionEntry { age_in_ms, ..entry("aged", "10.0.0.9", PORT) };
    let by_others = ResolutionEntry { flags: ResolutionFlags::default(), ..entry("wild", "0.0.0.0", PORT) };
    let impossible = [
        entry("", "10.0.0.9", PORT),
        entry(&long, "10.0.0.9", PORT),
        entry("group", "224.0.1.1", PORT),
        entry("all", "255.255.255.255", PORT),
        entry("portless", "10.0.0.9", 0),
        with_age(-1),
        with_age(i32::MIN),
        by_others,
    ];
    for impossible in impossible {
        world.inject("10.0.0.1", &datagram(&[impossible, entry("friend", "10.0.0.5", PORT)]));
    }
    world.pass(50 * MS);
    assert_eq!(world.node(a).system.invalid_packets.get(), impossible.len() as i64);
    assert_eq!((world.node(a).names(), world.node(a).neighbors()), (1, 1));
    assert_eq!(world.node(a).resolve("friend").as_deref(), Some("10.0.0.5"));
}

#[test]
fn what_is_too_old_or_out_of_reach_makes_no_neighbour() {
    let mut world = World::new();
    let a = world.start("A", "");
    world.inject(
        "10.0.0.1",
        &datagram(&[
            ResolutionEntry { age_in_ms: 10_000, ..entry("old", "10.0.0.9", PORT) },
            entry("six", "fd00::9", PORT),
        ]),
    );
    world.pass(50 * MS);
    assert_eq!((world.node(a).names(), world.node(a).neighbors()), (1, 0));
    assert_eq!(world.node(a).resolve("six").as_deref(), Some("fd00::9"));
}

#[test]
fn datagrams_cut_short_or_made_of_noise_are_counted_and_dropped() {
    let mut world = World::new();
    let a = world.start("A", "");
    let whole = datagram(&[entry("friend", "10.0.0.5", PORT), entry("other", "10.0.0.6", PORT)]);
    let mut injected = 0;
    for length in 1..whole.len() {
        world.inject("10.0.0.1", &whole[..length]);
        injected += 1;
    }
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..200 {
        let mut noise = vec![0; random.usize(1..200)];
        random.fill(&mut noise);
        // What looks like a RES is taken apart further.
        let head = noise.len().min(8);
        noise[..head].copy_from_slice(&whole[..head]);
        world.inject("10.0.0.1", &noise);
        injected += 1;
    }
    world.pass(5000 * MS);
    let dropped = world.node(a).system.invalid_packets.get();
    assert!(dropped >= injected - 5 && world.node(a).names() <= 3, "{dropped} of {injected}");
    assert!(world.node(a).errors.is_empty());
}

#[test]
fn a_flood_of_names_costs_bounded_memory_and_is_counted_and_reported() {
    let mut world = World::new();
    let (a, b) = (world.start("A", ""), world.start("B", "10.0.0.1:8050"));
    world.pass(2500 * MS);
    let names: Vec<_> = (0..MAX_NAMES + 100).map(|i| format!("{i}")).collect();
    for chunk in names.chunks(100) {
        let entries: Vec<_> = chunk.iter().map(|name| entry(name, "10.0.0.9", PORT)).collect();
        world.inject("10.0.0.1", &datagram(&entries));
    }
    world.pass(500 * MS);
    let node = world.node(a);
    assert_eq!((node.names(), node.neighbors()), (MAX_NAMES as i64, 2));
    assert_eq!(node.system.invalid_packets.get(), 101);
    assert!(node.errors.iter().any(|error| error.contains("1024 names")), "{:?}", node.errors);
    assert_eq!(node.resolve("B").as_deref(), Some("10.0.0.2"), "who was known stays known");
    world.pass(12_000 * MS);
    assert_eq!((world.node(a).names(), world.node(b).names()), (1, 1), "and the flood passes");
}

#[test]
fn a_round_of_gossip_ends_at_its_limit_and_the_next_goes_on_from_there() {
    let mut world = World::new();
    // A datagram for each few names: with many neighbours more than one round sends.
    world.mtu = 1024;
    let a = world.start("A", "");
    let long = |i: usize| format!("{i:0500}");
    let names: Vec<_> = (0..MAX_NAMES).map(long).collect();
    let ports: Vec<_> = (0..MAX_NAMES).map(|i| 10_000 + i as u16).collect();
    for chunk in (0..MAX_NAMES).collect::<Vec<_>>().chunks(100) {
        let entries: Vec<_> = chunk.iter().map(|i| entry(&names[*i], "10.0.0.9", ports[*i])).collect();
        world.inject("10.0.0.1", &datagram(&entries));
    }
    world.pass(50 * MS);
    assert_eq!((world.node(a).names(), world.node(a).neighbors()), (1024, 1024));
    world.network.record(true);
    let (mut told, mut rounds) = (std::collections::HashSet::new(), 0);
    for _ in 0..450 {
        world.pass(10 * MS);
        let sent = world.network.take_trace();
        // The own name, which is short, goes to every neighbour once a second.
        let others: Vec<_> = sent.iter().filter(|sent| sent.bytes.len() > 100).collect();
        if !others.is_empty() {
            assert_eq!(others.len(), MAX_DATAGRAMS_PER_ROUND, "as many as a round may have");
            rounds += 1;
        }
        for sent in others {
            let first = ResolutionView::parse(&sent.bytes).unwrap().entries().next().unwrap().unwrap();
            assert!(told.insert((sent.destination, first.name.to_vec())), "told before others were");
        }
    }
    assert_eq!(rounds, 2);
}

#[test]
fn a_lossy_network_does_not_make_drivers_forget_each_other() {
    let mut world = World::new();
    world.network.set_conditions(Conditions { loss: 0.3, ..Conditions::default() });
    let (a, b) = (world.start("A", ""), world.start("B", "10.0.0.1:8050"));
    world.pass(10_000 * MS);
    for _ in 0..60 {
        world.pass(1000 * MS);
        assert_eq!(world.node(a).resolve("B").as_deref(), Some("10.0.0.2"));
        assert_eq!(world.node(b).resolve("A").as_deref(), Some("10.0.0.1"));
    }
}

#[test]
fn the_own_name_is_told_in_the_bytes_that_aerons_c_driver_sends() {
    let mut world = World::new();
    world.network.record(true);
    world.start("node-bb", "10.0.0.9:8050");
    world.pass(20 * MS);
    let sent = world.network.take_trace();
    // Datagram 1 of the golden capture `resolver.pcap`.
    let golden = "2000000000000700\
                  0180721f000000000000000007006e6f64652d6262000000";
    let hex: String = sent[0].bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, golden);
}
