//! A world: hosts, clients and applications, stepped together until everything has arrived and everything is gone.
//!
//! ```text
//!   connect ──► run ──────────────► recover ───────────► finish ──────────► close
//!               publish, faults     every stream must    everything must    everything must
//!                                   get on               arrive             be given back
//! ```

mod checks;
mod disturb;
mod sightings;
mod stream;
mod turns;

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use epona_media_driver::{
    clock::Clock,
    media::simulated::{self, SimulatedNetwork},
};
use epona_protocol::types::Nanos;

use self::{
    disturb::{Due, Graveyard, agenda},
    stream::Stream,
    turns::{Task, tasks},
};
use crate::{
    Violation,
    applications::client::Client,
    applications::keeper::Keeper,
    applications::storm::Storm,
    applications::turn::{Known, Phase},
    ensure,
    fault::{Disturbance, FaultKind},
    invariants::content::mix,
    invariants::datagrams::SentFrames,
    invariants::excuses::Excuses,
    invariants::ledger::Ledger,
    invariants::resources::Resources,
    outcome::{Failure, Figures, Outcome},
    scenario::{self, Naming, Scenario},
    surroundings::clock::{Pace, VirtualClock},
    surroundings::host::Host,
    surroundings::network_faults::NetworkFaults,
    surroundings::system::Names,
    trace::{Event, Trace},
    violation,
};

/// Virtual time in which all clients must have connected, and everything have arrived in the end.
const DELIVERY_LIMIT: Duration = Duration::from_secs(60);

/// Virtual time after the last fault in which every stream must get on: longer than the timeouts of clients, images and
/// claims, one after the other.
const RECOVERY_LIMIT: Duration = Duration::from_secs(75);

/// Virtual time after closing in which everything must be gone: longer than all timeouts that keep it.
const RELEASE_LIMIT: Duration = Duration::from_secs(60);

/// How often, in virtual time, what the drivers hold is looked at while it goes.
const RELEASE_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// How time passes while there is nothing to do but wait for timeouts.
const WAITING: Pace = Pace { busy: Duration::from_micros(500), idle: Duration::from_millis(2) };

struct World {
    network: SimulatedNetwork,
    network_faults: NetworkFaults,
    names: Names,
    clock: VirtualClock,
    started_at: Nanos,
    phase: Phase,
    pace: Pace,
    scenario: Scenario,
    random: fastrand::Rng,
    agenda: Vec<Due>,
    excuses: Excuses,
    known: Known,
    // In the order in which they end: applications, clients, drivers, and what was left by the dead.
    streams: Vec<Stream>,
    storms: Vec<Storm>,
    keepers: Vec<Keeper>,
    clients: Vec<Client>,
    hosts: Vec<Host>,
    graveyard: Graveyard,
    tasks: Vec<Task>,
    ledger: Ledger,
    /// By host.
    sent_frames: Vec<SentFrames>,
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
    world.figures.faults += &world.network_faults.take_counts();
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
        let addresses: Vec<_> = (0..scenario.hosts).map(|host| scenario.address(host)).collect();
        let network_faults = NetworkFaults::new(mix(seed, 3), &addresses);
        network.set_meddler(network_faults.clone());
        for (from, conditions) in addresses.iter().zip(&scenario.links) {
            addresses.iter().for_each(|to| network.set_link(*from, *to, *conditions));
        }
        let names = name_endpoints(scenario);
        let clock = VirtualClock::new();
        let mut hosts: Vec<_> = (0..scenario.hosts)
            .map(|host| Host::new(scenario, host, &network, &names, clock.now()))
            .collect();
        hosts.iter_mut().try_for_each(|host| host.start(&clock))?;
        let clients: Vec<_> =
            scenario.clients.iter().map(|host| Client::new(*host, hosts[*host].path().to_owned())).collect();
        let is_calm = is_calm(scenario);
        let streams: Vec<_> =
            scenario.streams.iter().map(|stream| Stream::new(stream, &clients, seed, is_calm)).collect();
        let keepers = keepers(scenario);
        let tasks = tasks(&hosts, &clients, &streams);
        let mut figures = Figures::default();
        count_positions(scenario, &mut figures);
        Ok(Self {
            network,
            network_faults,
            names,
            started_at: clock.now().nanos,
            clock,
            phase: Phase::Running,
            pace: scenario.pace,
            scenario: scenario.clone(),
            random: fastrand::Rng::with_seed(mix(seed, 2)),
            agenda: agenda(&scenario.faults),
            excuses: Excuses::new(scenario.hosts),
            known: Known::new(),
            streams,
            storms: Vec::new(),
            keepers,
            clients,
            hosts,
            graveyard: Graveyard::default(),
            tasks,
            ledger: Ledger::new(seed),
            sent_frames: vec![SentFrames::default(); scenario.hosts],
            trace,
            figures,
        })
    }

    fn run(&mut self) -> Result<(), Violation> {
        let baseline = self.resources(true);
        self.enter(Phase::Running, "run");
        self.step_until(None, |world| world.elapsed() >= world.scenario.runs_for && world.agenda.is_empty())?;
        self.enter(Phase::Recovering, "recover");
        self.ledger.heal();
        let healed = self.elapsed();
        self.step_until(Some(RECOVERY_LIMIT + self.graveyard.seem_alive_for), Self::is_recovered)?;
        if !self.scenario.faults.is_empty() {
            self.figures.worst_recovery = self.elapsed().saturating_sub(healed);
        }
        self.look_at_images()?;
        self.look_at_tagged()?;
        self.enter(Phase::Finishing, "finish");
        self.step_until(Some(DELIVERY_LIMIT), Self::is_delivered)?;
        self.check_completeness()?;
        self.look_at_resends();
        self.trace.record(self.clock.now_nanos(), Event::Phase("close streams"));
        self.pace = WAITING;
        self.close_streams();
        self.step_until_gone(&baseline, false)?;
        self.check_static_counters()?;
        self.trace.record(self.clock.now_nanos(), Event::Phase("close clients"));
        self.clients.iter_mut().for_each(Client::close);
        self.step_until_gone(&baseline, true)?;
        self.check_health()
    }

    fn enter(&mut self, phase: Phase, name: &'static str) {
        self.phase = phase;
        self.trace.record(self.clock.now_nanos(), Event::Phase(name));
    }

    /// Steps until something is so; too late is a violation, which says what is missing.
    fn step_until(
        &mut self,
        limit: Option<Duration>,
        is_so: impl Fn(&Self) -> bool,
    ) -> Result<(), Violation> {
        let start = self.clock.now_nanos();
        while !is_so(self) {
            if let Some(limit) = limit
                && self.clock.now_nanos().since(start) > limit
            {
                let streams = self.streams.iter();
                let missing: Vec<_> =
                    streams.flat_map(|stream| stream.what_is_missing(self.phase, &self.ledger)).collect();
                let invariant = missing.first().map_or("not all is there", |(kind, _)| *kind);
                let texts: Vec<_> = missing.into_iter().map(|(_, text)| text).collect();
                let what = match self.phase {
                    Phase::Finishing => "not all has arrived",
                    Phase::Running | Phase::Recovering => "not recovered",
                };
                let reason = format!("{what} after {limit:?}: {}", texts.join("; "));
                return Err(Violation { invariant, reason });
            }
            self.step()?;
        }
        Ok(())
    }

    fn step_until_gone(&mut self, baseline: &[Resources], with_clients: bool) -> Result<(), Violation> {
        let limit = RELEASE_LIMIT + self.graveyard.seem_alive_for;
        let deadline = self.clock.now_nanos() + limit;
        loop {
            let held = self.resources(with_clients);
            if held == baseline {
                self.figures.checks += held.len() as u64;
                return Ok(());
            }
            ensure!(
                self.clock.now_nanos() < deadline,
                "{limit:?} after closing there is left: {}",
                Resources::difference(baseline, &held)
            );
            let next = self.clock.now_nanos() + RELEASE_CHECK_INTERVAL;
            while self.clock.now_nanos() < next {
                self.step()?;
            }
        }
    }

    /// One turn of everybody, in an order of its own, then the checks, then time passes.
    fn step(&mut self) -> Result<(), Violation> {
        self.figures.steps += 1;
        self.disturb()?;
        let mut tasks = std::mem::take(&mut self.tasks);
        self.random.shuffle(&mut tasks);
        let mut work = self.step_storms()? + self.step_keepers()?;
        for task in &tasks {
            if self.scenario.skipped_turns == 0.0 || self.random.f64() >= self.scenario.skipped_turns {
                work += self.take_turn(*task)?;
            }
        }
        self.tasks = tasks;
        self.record_network()?;
        for (host, sent) in self.hosts.iter_mut().zip(&self.sent_frames) {
            if let Some(watch) = host.watch_mut() {
                self.figures.checks += watch.check()? + sent.check(watch.counters())?;
            }
        }
        self.check_flow_control()?;
        self.look_at_crowds();
        self.look_at_departures()?;
        self.look_at_silence();
        self.clock.advance(work > 0, self.pace, self.network.next_delivery(), &mut self.random);
        Ok(())
    }

    fn record_network(&mut self) -> Result<(), Violation> {
        for entry in self.network.take_trace() {
            let kind = match entry.event {
                simulated::Event::Duplicated(_) => Some(FaultKind::Duplication),
                simulated::Event::Late(_) => Some(FaultKind::Reordering),
                simulated::Event::Lost => Some(FaultKind::Loss),
                // Counted where it is done.
                simulated::Event::Altered(_) | simulated::Event::Taken => None,
                simulated::Event::Sent(_) | simulated::Event::Unreachable => None,
            };
            kind.into_iter().for_each(|kind| self.figures.faults.count(kind));
            self.figures.datagrams += 1;
            let host = (0..self.hosts.len()).find(|host| self.scenario.address(*host) == entry.source.ip());
            host.into_iter().for_each(|host| self.sent_frames[host].record(&entry));
            let looked_at = self.look_at_setup(&entry);
            self.trace.record(entry.at, Event::Datagram(entry));
            looked_at?;
        }
        Ok(())
    }

    fn close_streams(&mut self) {
        self.keepers.iter_mut().for_each(|keeper| drop(keeper.start_anew()));
        let (streams, mut turn) = self.split();
        for stream in streams {
            stream.publishers.iter_mut().for_each(|publisher| publisher.close(&mut turn));
            stream.subscribers.iter_mut().for_each(|subscriber| subscriber.close(&mut turn));
        }
    }

    fn is_recovered(&self) -> bool {
        self.hosts.iter().all(Host::is_running)
            && self.clients.iter().all(|client| client.aeron().is_some())
            && self.streams.iter().all(|stream| stream.is_recovered(&self.ledger))
    }

    /// Whether everybody has got everything.
    fn is_delivered(&self) -> bool {
        self.streams.iter().all(|stream| stream.is_delivered(&self.ledger))
    }

    fn resources(&self, with_clients: bool) -> Vec<Resources> {
        let of = |(index, host): (usize, &Host)| {
            let sockets = self.network.sockets(self.scenario.address(index));
            host.watch().map_or_else(Resources::default, |watch| {
                Resources::of(host.path(), watch.counters(), sockets, with_clients)
            })
        };
        self.hosts.iter().enumerate().map(of).collect()
    }

    fn elapsed(&self) -> Duration {
        self.clock.now_nanos().since(self.started_at)
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

/// Whether nothing ends before its time.
fn is_calm(scenario: &Scenario) -> bool {
    let kills = |what| matches!(what, Disturbance::KillClient(..));
    !scenario.is_severe() && !scenario.faults.iter().any(|fault| kills(fault.what))
}

/// Each client keeps a static counter, if any does.
fn keepers(scenario: &Scenario) -> Vec<Keeper> {
    let clients = scenario.clients.iter().enumerate().filter(|_| scenario.has_static_counters);
    clients.map(|(client, host)| Keeper::new(client, *host)).collect()
}

/// Names that move stand for the host of the first one who has them, unless a table has them.
fn name_endpoints(scenario: &Scenario) -> Names {
    let names = Names::default();
    if scenario.naming == Naming::Table {
        return names;
    }
    for stream in &scenario.streams {
        if let Some([first, _]) = stream.movers() {
            names.set(&scenario::moving_name(stream.number), scenario.address(scenario.clients[first]));
        }
    }
    names
}

/// Counts streams that start where positions are unusual.
fn count_positions(scenario: &Scenario, figures: &mut Figures) {
    for stream in &scenario.streams {
        let value = |key: &str| {
            let (_, rest) = stream.channel.split_once(key)?;
            rest.split('|').next()?.parse::<i32>().ok()
        };
        let (Some(initial), Some(term)) = (value("|init-term-id="), value("|term-id=")) else { continue };
        if term.wrapping_sub(initial) > i32::MAX / 2 {
            figures.faults.count(FaultKind::PositionNearMaximum);
        }
        if initial == i32::MAX || term < initial {
            figures.faults.count(FaultKind::TermIdWrap);
        }
    }
}
