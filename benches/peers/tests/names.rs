//! Drivers of either make tell each other their names, and clients of one reach the other by them.

mod common;

use common::{Exchange, cnc, driver, system_counter, type_id};
use epona_peers::{
    aeron::AeronClient,
    epona::EponaClient,
    net,
    party::{Client, DriverKind, Sharing},
    process::DriverProcess,
};
use std::time::{Duration, Instant};

/// How long drivers may take to learn of each other; they need two rounds of gossip, which is seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Terms passed through.
const TERMS: usize = 5;

/// A driver that gossips under a name of its own.
struct Gossiping {
    process: DriverProcess,
    name: &'static str,
    /// Where it gossips, as its label says.
    bound: String,
    port: u16,
}

impl Gossiping {
    /// Starts one on an address, which may be the wildcard, with neighbours to start from.
    fn start(kind: DriverKind, name: &'static str, address: &str, neighbors: &[&Self]) -> Self {
        let port = net::free_port().expect("a free port");
        let bound = format!("{address}:{port}");
        let listed: Vec<_> =
            neighbors.iter().map(|neighbor| format!("localhost:{}", neighbor.port)).collect();
        let mut properties = vec![
            ("aeron.name.resolver.supplier", "driver".to_owned()),
            ("aeron.driver.resolver.name", name.to_owned()),
            ("aeron.driver.resolver.interface", bound.clone()),
        ];
        if !listed.is_empty() {
            properties.push(("aeron.driver.resolver.bootstrap.neighbor", listed.join(",")));
        }
        Self { process: driver(kind, &properties), name, bound, port }
    }

    fn neighbors(&self) -> i64 {
        self.value(type_id::RESOLVER_NEIGHBORS, &format!("Resolver neighbors: bound {}", self.bound))
    }

    fn names(&self) -> i64 {
        self.value(type_id::RESOLVER_CACHE_ENTRIES, &format!("Resolver cache entries: name={}", self.name))
    }

    /// Waits until its counter says that it hears a bootstrap neighbour.
    fn await_hearing(&self, neighbor: &Self) {
        let port = neighbor.port;
        let label = format!("Bootstrap neighbor: name=localhost:{port} resolved=127.0.0.1:{port}");
        let deadline = Instant::now() + PATIENCE;
        while self.value(type_id::BOOTSTRAP_NEIGHBOR, &label) != 1 {
            assert!(
                Instant::now() < deadline,
                "{} does not hear {} after {PATIENCE:?}",
                self.name,
                neighbor.name
            );
            std::thread::yield_now();
        }
    }

    fn value(&self, type_id: i32, label: &str) -> i64 {
        let entry = cnc(&self.process).counter(type_id, label);
        entry.unwrap_or_else(|| panic!("{:?} driver has no counter {label:?}", self.process.kind())).value
    }

    /// Waits until it knows so many others.
    fn await_names(&self, count: i64) {
        let deadline = Instant::now() + PATIENCE;
        while (self.names(), self.neighbors()) != (count, count) {
            assert!(
                Instant::now() < deadline,
                "{} knows {} names and {} neighbours after {PATIENCE:?}, not {count}",
                self.name,
                self.names(),
                self.neighbors()
            );
            std::thread::yield_now();
        }
    }
}

/// A client of the driver `from` publishes to one of `to`, which both call by its name.
fn exchange<P: Client, S: Client>(from: &Gossiping, to: &Gossiping) {
    let port = net::free_port().expect("a free port");
    let channel = format!("aeron:udp?endpoint={}:{port}|term-length=64k", to.name);
    Exchange::new(Sharing::Concurrent, TERMS).run::<P, S>(&from.process, &to.process, &channel);
}

/// Two drivers, of which the second starts from the first, on `address`.
fn both_ways<A: Client, B: Client>(first: DriverKind, second: DriverKind, address: &str) {
    let first = Gossiping::start(first, "first.example.invalid", address, &[]);
    let second = Gossiping::start(second, "second.example.invalid", address, &[&first]);
    first.await_names(1);
    second.await_names(1);
    exchange::<A, B>(&first, &second);
    exchange::<B, A>(&second, &first);
    second.await_hearing(&first);
    for driver in [&first, &second] {
        assert_eq!(system_counter(&driver.process, "Invalid packets"), 0);
    }
}

#[test]
fn ours_starts_from_aerons() {
    both_ways::<AeronClient, EponaClient>(DriverKind::Aeron, DriverKind::Epona, "127.0.0.1");
}

#[test]
fn aerons_starts_from_ours() {
    both_ways::<EponaClient, AeronClient>(DriverKind::Epona, DriverKind::Aeron, "127.0.0.1");
}

#[test]
fn aerons_starts_from_aerons() {
    both_ways::<AeronClient, AeronClient>(DriverKind::Aeron, DriverKind::Aeron, "127.0.0.1");
}

#[test]
fn on_wildcard_addresses_each_is_where_the_other_hears_it_from() {
    both_ways::<EponaClient, AeronClient>(DriverKind::Epona, DriverKind::Aeron, "0.0.0.0");
    both_ways::<AeronClient, EponaClient>(DriverKind::Aeron, DriverKind::Epona, "0.0.0.0");
}

#[test]
fn two_that_start_from_a_third_learn_of_each_other_through_its_gossip() {
    for [seed, one, other] in [
        [DriverKind::Epona, DriverKind::Aeron, DriverKind::Aeron],
        [DriverKind::Aeron, DriverKind::Epona, DriverKind::Epona],
        [DriverKind::Epona, DriverKind::Epona, DriverKind::Aeron],
    ] {
        let seed = Gossiping::start(seed, "seed.example.invalid", "127.0.0.1", &[]);
        let one = Gossiping::start(one, "one.example.invalid", "127.0.0.1", &[&seed]);
        let other = Gossiping::start(other, "other.example.invalid", "127.0.0.1", &[&seed]);
        for driver in [&seed, &one, &other] {
            driver.await_names(2);
        }
        exchange::<EponaClient, EponaClient>(&one, &other);
        exchange::<EponaClient, EponaClient>(&other, &one);
    }
}

#[test]
fn a_driver_that_has_gone_is_forgotten_by_both_makes() {
    let ours = Gossiping::start(DriverKind::Epona, "ours.example.invalid", "127.0.0.1", &[]);
    let aerons = Gossiping::start(DriverKind::Aeron, "aerons.example.invalid", "127.0.0.1", &[&ours]);
    let gone = Gossiping::start(DriverKind::Aeron, "gone.example.invalid", "127.0.0.1", &[&ours, &aerons]);
    ours.await_names(2);
    aerons.await_names(2);
    drop(gone);
    ours.await_names(1);
    aerons.await_names(1);
}
