//! A world: hosts, clients and applications, stepped together until everything has arrived and everything is gone.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use epona_media_driver::{
    clock::Clock,
    media::simulated::{self, SimulatedNetwork},
};
use epona_protocol::types::{Nanos, StreamId};

use crate::{
    Violation,
    client::Client,
    clock::{Pace, VirtualClock},
    content::mix,
    ensure,
    fault::FaultKind,
    host::{Host, Role},
    ledger::Ledger,
    outcome::{Failure, Figures, Outcome},
    publisher::Publisher,
    resources::Resources,
    scenario::{self, Scenario},
    subscriber::Subscriber,
    trace::{Event, Trace},
    turn::Turn,
    violation,
};

/// Virtual time in which everything must have arrived.
const DELIVERY_LIMIT: Duration = Duration::from_secs(120);

/// Virtual time after closing in which everything must be gone: longer than all timeouts that keep it.
const RELEASE_LIMIT: Duration = Duration::from_secs(60);

/// How often, in virtual time, what the drivers hold is looked at while it goes.
const RELEASE_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// How time passes while there is nothing to do but wait for timeouts.
const WAITING: Pace = Pace { busy: Duration::from_micros(500), idle: Duration::from_millis(20) };

/// Whose turn it is.
#[derive(Clone, Copy, Debug)]
enum Task {
    Role(usize, Role),
    Client(usize),
    Publisher(usize, usize),
    Subscriber(usize, usize),
}

struct Stream {
    spec: scenario::Stream,
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
}

struct World {
    network: SimulatedNetwork,
    clock: VirtualClock,
    started_at: Nanos,
    pace: Pace,
    skipped_turns: f64,
    random: fastrand::Rng,
    // In the order in which they end: applications, clients, drivers.
    streams: Vec<Stream>,
    clients: Vec<Client>,
    hosts: Vec<Host>,
    tasks: Vec<Task>,
    ledger: Ledger,
    trace: Trace,
    figures: Figures,
}

/// Runs a world from its start to its end, or to the first thing that goes wrong.
///
/// Panics of production code count as that; their message also goes to standard error, as panics do.
#[must_use]
pub fn run(scenario: &Scenario, trace: Trace) -> Outcome {
    let seed = scenario.seed;
    let mut world = match World::new(scenario, trace) {
        Ok(world) => world,
        Err(Violation { invariant, reason }) => {
            let failure = Failure { seed, step: 0, at: Duration::ZERO, invariant, reason, tail: Vec::new() };
            return Outcome { seed, digest: 0, figures: Figures::default(), failure: Some(failure) };
        }
    };
    // Nothing of the world is used after a panic but its trace and figures, which are whole at any time.
    let ended = catch_unwind(AssertUnwindSafe(|| world.run()));
    let violation = match ended {
        Ok(Ok(())) => None,
        Ok(Err(violation)) => Some(violation),
        Err(panic) => Some(violation!("panic: {}", panic_text(&*panic))),
    };
    world.figures.simulated = world.elapsed();
    let failure = violation.map(|Violation { invariant, reason }| Failure {
        seed,
        step: world.figures.steps,
        at: world.elapsed(),
        invariant,
        reason: world.without_paths(&reason),
        tail: world.trace.lines(),
    });
    Outcome { seed, digest: world.trace.digest(), figures: world.figures.clone(), failure }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a text")
}

impl World {
    fn new(scenario: &Scenario, trace: Trace) -> Result<Self, Violation> {
        let seed = scenario.seed;
        let network = SimulatedNetwork::new(mix(seed, 1));
        network.record(true);
        let addresses: Vec<_> = (0..scenario.hosts).map(scenario::address).collect();
        for (from, conditions) in addresses.iter().zip(&scenario.links) {
            addresses.iter().for_each(|to| network.set_link(*from, *to, *conditions));
        }
        let clock = VirtualClock::new();
        let hosts = addresses
            .iter()
            .enumerate()
            .map(|(index, address)| Host::start(*address, &network, &clock, mix(seed, 100 + index as u64)))
            .collect::<Result<Vec<_>, _>>()?;
        let clients: Vec<_> =
            scenario.clients.iter().map(|host| Client::new(*host, hosts[*host].path())).collect();
        let streams: Vec<_> = scenario
            .streams
            .iter()
            .enumerate()
            .map(|(index, stream)| Stream::new(index, stream, &clients, seed))
            .collect();
        let tasks = tasks(&hosts, &clients, &streams);
        Ok(Self {
            network,
            started_at: clock.now().nanos,
            clock,
            pace: scenario.pace,
            skipped_turns: scenario.skipped_turns,
            random: fastrand::Rng::with_seed(mix(seed, 2)),
            streams,
            clients,
            hosts,
            tasks,
            ledger: Ledger::new(seed),
            trace,
            figures: Figures::default(),
        })
    }

    fn run(&mut self) -> Result<(), Violation> {
        self.phase("connect");
        let baseline = self.resources(true);
        self.step_until(DELIVERY_LIMIT, |world| world.clients.iter().all(|client| client.aeron().is_some()))?;
        self.phase("deliver");
        self.step_until(DELIVERY_LIMIT, Self::is_delivered)?;
        self.check_completeness()?;
        self.phase("close streams");
        self.pace = WAITING;
        self.close_streams();
        self.step_until_gone(&baseline, false)?;
        self.phase("close clients");
        self.clients.iter_mut().for_each(Client::close);
        self.step_until_gone(&baseline, true)?;
        for host in &self.hosts {
            self.figures.checks += host.watch.check_health(&host.cnc)?;
        }
        Ok(())
    }

    /// Steps until something is so; too late is a violation, which says what is missing.
    fn step_until(&mut self, limit: Duration, is_so: impl Fn(&Self) -> bool) -> Result<(), Violation> {
        let deadline = self.clock.now().nanos + limit;
        while !is_so(self) {
            ensure!(
                self.clock.now().nanos < deadline,
                "not done after {limit:?}: {}",
                self.what_is_missing().join("; ")
            );
            self.step()?;
        }
        Ok(())
    }

    fn step_until_gone(&mut self, baseline: &[Resources], with_clients: bool) -> Result<(), Violation> {
        let deadline = self.clock.now().nanos + RELEASE_LIMIT;
        loop {
            let held = self.resources(with_clients);
            if held == baseline {
                self.figures.checks += held.len() as u64;
                return Ok(());
            }
            ensure!(
                self.clock.now().nanos < deadline,
                "{RELEASE_LIMIT:?} after closing there is left: {held:?}"
            );
            let next = self.clock.now().nanos + RELEASE_CHECK_INTERVAL;
            while self.clock.now().nanos < next {
                self.step()?;
            }
        }
    }

    /// One turn of everybody, in an order of its own, then the checks, then time passes.
    fn step(&mut self) -> Result<(), Violation> {
        self.figures.steps += 1;
        let mut tasks = std::mem::take(&mut self.tasks);
        self.random.shuffle(&mut tasks);
        let mut work = 0;
        for task in &tasks {
            if self.skipped_turns == 0.0 || self.random.f64() >= self.skipped_turns {
                work += self.take_turn(*task)?;
            }
        }
        self.tasks = tasks;
        self.record_network();
        for host in &mut self.hosts {
            self.figures.checks += host.watch.check()?;
        }
        self.clock.advance(work > 0, self.pace, self.network.next_delivery(), &mut self.random);
        Ok(())
    }

    fn take_turn(&mut self, task: Task) -> Result<usize, Violation> {
        let now = self.clock.now();
        let elapsed = self.elapsed();
        let mut turn = Turn {
            now,
            random: &mut self.random,
            ledger: &mut self.ledger,
            trace: &mut self.trace,
            figures: &mut self.figures,
        };
        match task {
            Task::Role(host, role) => Ok(self.hosts[host].step(role, now)),
            Task::Client(client) => self.clients[client].step(now),
            Task::Publisher(stream, place) => {
                let stream = &mut self.streams[stream];
                let publisher = &stream.publishers[place];
                let Some(aeron) = self.clients[publisher.spec().client].aeron() else { return Ok(0) };
                if elapsed < publisher.spec().starts_at {
                    Ok(0)
                } else {
                    stream.publish(place, aeron, &mut turn)
                }
            }
            Task::Subscriber(stream, place) => {
                let Stream { spec, subscribers, .. } = &mut self.streams[stream];
                let subscriber = &mut subscribers[place];
                let Some(aeron) = self.clients[subscriber.spec().client].aeron() else { return Ok(0) };
                if elapsed < subscriber.spec().starts_at {
                    return Ok(0);
                }
                if subscriber.is_registered() {
                    subscriber.poll(StreamId::new(spec.stream_id), &mut turn)
                } else {
                    subscriber.register(aeron, spec, &mut turn)
                }
            }
        }
    }

    fn record_network(&mut self) {
        for entry in self.network.take_trace() {
            let kind = match entry.event {
                simulated::Event::Duplicated(_) => Some(FaultKind::Duplication),
                simulated::Event::Late(_) => Some(FaultKind::Reordering),
                simulated::Event::Lost => Some(FaultKind::Loss),
                simulated::Event::Sent(_) | simulated::Event::Unreachable => None,
            };
            kind.into_iter().for_each(|kind| self.figures.faults.count(kind));
            self.figures.datagrams += 1;
            self.trace.record(entry.at, Event::Datagram(entry));
        }
    }

    fn close_streams(&mut self) {
        let now = self.clock.now();
        let Self { random, ledger, trace, figures, streams, .. } = self;
        let mut turn = Turn { now, random, ledger, trace, figures };
        for stream in streams {
            stream.publishers.iter_mut().for_each(|publisher| publisher.close(&mut turn));
            stream.subscribers.iter_mut().for_each(|subscriber| subscriber.close(&mut turn));
        }
    }

    /// Whether everybody has sent everything and everybody has got it.
    fn is_delivered(&self) -> bool {
        let is_done = |stream: &Stream| stream.is_sent(&self.ledger) && stream.is_delivered(&self.ledger);
        self.streams.iter().all(is_done)
    }

    /// Who was there from the start has missed nothing.
    fn check_completeness(&mut self) -> Result<(), Violation> {
        for subscriber in self.streams.iter().flat_map(|stream| &stream.subscribers) {
            ensure!(
                !subscriber.has_unknown_images(),
                "subscriber {:?} has an image of a session that nobody publishes there",
                subscriber.place()
            );
        }
        for stream in self.streams.iter().filter(|stream| stream.spec.waits_for_subscribers) {
            for (subscriber, session) in stream.pairs() {
                ensure!(
                    self.ledger.joined_at_start(subscriber.place(), session),
                    "subscriber {:?} was there first, but joined late: {}",
                    subscriber.place(),
                    self.ledger.progress(subscriber.place(), session)
                );
                self.figures.checks += 1;
            }
        }
        Ok(())
    }

    fn what_is_missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for (index, stream) in self.streams.iter().enumerate() {
            if !stream.is_sent(&self.ledger) {
                missing.push(format!("stream {index} ({}) is not all sent", stream.spec.channel));
            }
            for (subscriber, session) in stream.pairs() {
                if !self.ledger.has_all(subscriber.place(), session) {
                    let progress = self.ledger.progress(subscriber.place(), session);
                    missing.push(format!("subscriber {:?}, {progress}", subscriber.place()));
                }
            }
        }
        missing
    }

    fn resources(&self, with_clients: bool) -> Vec<Resources> {
        let of = |host: &Host| Resources::of(host.path(), host.watch.counters(), with_clients);
        self.hosts.iter().map(of).collect()
    }

    fn phase(&mut self, name: &'static str) {
        self.trace.record(self.clock.now().nanos, Event::Phase(name));
    }

    fn elapsed(&self) -> Duration {
        self.clock.now().nanos.since(self.started_at)
    }

    /// Directories have other names in each run.
    fn without_paths(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (index, host) in self.hosts.iter().enumerate() {
            text = text.replace(&*host.path().to_string_lossy(), &format!("<directory of host {index}>"));
        }
        text
    }
}

fn tasks(hosts: &[Host], clients: &[Client], streams: &[Stream]) -> Vec<Task> {
    let roles = (0..hosts.len()).flat_map(|host| Role::ALL.map(|role| Task::Role(host, role)));
    let conductors = (0..clients.len()).map(Task::Client);
    let applications = streams.iter().enumerate().flat_map(|(index, stream)| {
        let publishers = (0..stream.publishers.len()).map(move |place| Task::Publisher(index, place));
        publishers.chain((0..stream.subscribers.len()).map(move |place| Task::Subscriber(index, place)))
    });
    roles.chain(conductors).chain(applications).collect()
}

impl Stream {
    fn new(index: usize, spec: &scenario::Stream, clients: &[Client], seed: u64) -> Self {
        let host_of = |client: usize| clients[client].host;
        let publishers = spec.publishers.iter().enumerate().map(|(place, publisher)| {
            Publisher::new((index, place), host_of(publisher.client), publisher.clone(), spec.lengths)
        });
        let subscribers = spec.subscribers.iter().enumerate().map(|(place, subscriber)| {
            let seed = mix(seed, 1000 + 100 * index as u64 + place as u64);
            Subscriber::new((index, place), host_of(subscriber.client), subscriber.clone(), seed)
        });
        Self { spec: spec.clone(), publishers: publishers.collect(), subscribers: subscribers.collect() }
    }

    /// The turn of a publisher: adds its publication, sends, and closes when it is time.
    fn publish(
        &mut self,
        place: usize,
        aeron: &epona_client::Aeron,
        turn: &mut Turn<'_>,
    ) -> Result<usize, Violation> {
        let everybody_is_there = self.subscribers.iter().all(Subscriber::is_registered);
        let publisher = &mut self.publishers[place];
        let Some(session) = publisher.session() else { return publisher.register(aeron, &self.spec, turn) };
        if publisher.is_closed() || (self.spec.waits_for_subscribers && !everybody_is_there) {
            return Ok(0);
        }
        let host = publisher.host();
        let mut listeners = self.subscribers.iter().filter(|subscriber| subscriber.hears(host));
        let is_done = publisher.has_sent_enough()
            && listeners.all(|subscriber| turn.ledger.has_image(subscriber.place(), session));
        if !is_done {
            return publisher.send(turn);
        }
        if publisher.spec().closes_early {
            publisher.close(turn);
            return Ok(1);
        }
        Ok(0)
    }

    /// Subscribers, each with every session that it hears.
    fn pairs(&self) -> impl Iterator<Item = (&Subscriber, usize)> {
        self.subscribers.iter().flat_map(|subscriber| {
            let heard = self.publishers.iter().filter(|publisher| subscriber.hears(publisher.host()));
            heard.filter_map(Publisher::session).map(move |session| (subscriber, session))
        })
    }

    fn is_sent(&self, ledger: &Ledger) -> bool {
        self.publishers.iter().all(Publisher::has_sent_enough)
            && self.pairs().all(|(subscriber, session)| ledger.has_image(subscriber.place(), session))
    }

    fn is_delivered(&self, ledger: &Ledger) -> bool {
        self.pairs().all(|(subscriber, session)| ledger.has_all(subscriber.place(), session))
    }
}
