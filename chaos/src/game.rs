//! The game: steps of faults, each until every flow moves again; after some steps everybody but the drivers is ended,
//! and what is left is looked at.

use crate::{
    child::{Holdings, Process},
    fault::{Fault, Member, Setting, Step},
    figures::Figures,
    flow::{Flow, flows},
    host::World,
    leaks::{self, AtRest},
    roles::Report,
};
use rustix::process::Signal;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Steps between two looks at what is left.
const STEPS_PER_ROUND: u64 = 8;

/// How long a flow may stand still after everything is well again, and how long something may be left.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time between two looks at the processes.
const TICK: Duration = Duration::from_millis(5);

/// The game ends early: by Ctrl-C, or by a failure that makes the rest pointless.
struct Over;

type Outcome = Result<(), Over>;

/// Everybody who takes part.
pub(crate) struct Game {
    // Processes end before what they stand on.
    drivers: Vec<Option<Process>>,
    publishers: Vec<Option<Process>>,
    subscribers: Vec<Option<Process>>,
    floods: Vec<Process>,
    world: World,
    flows: Vec<Flow>,
    ports: [Vec<u16>; 2],
    random: fastrand::Rng,
    /// What subscribers that have ended received, by flow.
    received: Vec<u64>,
    /// Each driver before its first client.
    first: Vec<(AtRest, Holdings)>,
    figures: Figures,
    stop: Arc<AtomicBool>,
    start: Instant,
    last_line: Instant,
}

impl Game {
    /// Starts the drivers.
    pub(crate) fn new(world: World, seed: u64, stop: Arc<AtomicBool>) -> io::Result<Self> {
        let (flows, ports) = flows(&world.hosts)?;
        let network = if world.has_links() { "namespaces" } else { "loopback" };
        let nobody = || flows.iter().map(|_| None).collect();
        let mut game = Self {
            drivers: world.hosts.iter().map(|_| None).collect(),
            publishers: nobody(),
            subscribers: nobody(),
            floods: Vec::new(),
            received: vec![0; flows.len()],
            world,
            flows,
            ports,
            random: fastrand::Rng::with_seed(seed),
            first: Vec::new(),
            figures: Figures::new(seed, network),
            stop,
            start: Instant::now(),
            last_line: Instant::now(),
        };
        for host in 0..game.drivers.len() {
            game.spawn(Member::Driver(host))?;
            game.first.push(game.await_driver(host)?);
        }
        Ok(game)
    }

    fn await_driver(&self, host: usize) -> io::Result<(AtRest, Holdings)> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let holdings = self.drivers[host].as_ref().map(Process::holdings);
            // A driver that has just made its directory has not opened everything yet.
            thread::sleep(Duration::from_millis(200));
            if let Some(holdings) = holdings
                && self.drivers[host].as_ref().map(Process::holdings) == Some(holdings)
                && let Some(at_rest) = AtRest::of(&self.world.hosts[host].dir(), holdings)
            {
                return Ok((at_rest, holdings));
            }
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("the driver of host {host} did not start")));
            }
        }
    }

    /// Plays for that long and ends everybody.
    pub(crate) fn play(mut self, duration: Duration) -> io::Result<Figures> {
        let end = self.start + duration;
        // Whoever ended it, what was seen until then counts.
        let (Ok(()) | Err(Over)) = self.rounds(end)?;
        self.end();
        self.figures.seconds = self.start.elapsed().as_secs_f64();
        Ok(self.figures)
    }

    fn rounds(&mut self, end: Instant) -> io::Result<Outcome> {
        let setting = Setting {
            hosts: self.world.hosts.len(),
            flows: self.flows.len(),
            has_links: self.world.has_links(),
            has_disks: self.world.has_disks(),
        };
        loop {
            self.spawn_clients()?;
            if self.await_flows().is_err() {
                return Ok(Err(Over));
            }
            for _ in 0..STEPS_PER_ROUND {
                let step = Step::next(&mut self.random, &setting);
                if self.step(&step)?.is_err() {
                    return Ok(Err(Over));
                }
                if Instant::now() > end {
                    break;
                }
            }
            if self.settle().is_err() || Instant::now() > end {
                return Ok(Ok(()));
            }
        }
    }

    fn step(&mut self, step: &Step) -> io::Result<Outcome> {
        self.figures.steps += 1;
        for &fault in &step.faults {
            *self.figures.faults.entry(fault.kind()).or_default() += 1;
            self.inject(fault)?;
        }
        let held = self.rest(step.duration);
        for &fault in &step.faults {
            self.heal(fault)?;
        }
        if held.is_err() {
            return Ok(Err(Over));
        }
        let healed = Instant::now();
        if self.await_flows().is_err() {
            if !self.stop.load(Ordering::Relaxed) {
                let what = format!("after {:?} for {:?}", step.faults, step.duration);
                Figures::trouble(&mut self.figures.failures, what);
            }
            return Ok(Err(Over));
        }
        self.figures.recovered(healed.elapsed());
        let pause = Duration::from_millis(self.random.u64(..300));
        Ok(self.rest(pause))
    }

    fn inject(&mut self, fault: Fault) -> io::Result<()> {
        match fault {
            Fault::Kill(member) => {
                if let Some(mut process) = self.place(member).take() {
                    process.kill()?;
                    self.bury(member, &process.report());
                }
                // Half of them come back while everything else is still wrong.
                if self.random.bool() { self.spawn(member) } else { Ok(()) }
            }
            Fault::Pause(member) => self.signal(member, Signal::STOP),
            Fault::LinkDown(host) => self.world.set_link(host, false),
            Fault::FullDisk(host) => self.world.hosts[host].set_full(true),
            Fault::Flood(host) => {
                let mut arguments =
                    vec!["flood".to_owned(), "--seed".to_owned(), self.random.u64(..).to_string()];
                for port in &self.ports[host] {
                    arguments
                        .extend(["--to".to_owned(), format!("{}:{port}", self.world.hosts[host].address)]);
                }
                let log = self.world.log_file("flood");
                let from = &self.world.hosts[1 - host];
                self.floods.push(Process::spawn("flood", from, log, &arguments)?);
                Ok(())
            }
        }
    }

    fn heal(&mut self, fault: Fault) -> io::Result<()> {
        match fault {
            Fault::Kill(member) if self.place(member).is_some() => Ok(()),
            Fault::Kill(member) => self.spawn(member),
            Fault::Pause(member) => self.signal(member, Signal::CONT),
            Fault::LinkDown(host) => self.world.set_link(host, true),
            Fault::FullDisk(host) => self.world.hosts[host].set_full(false),
            Fault::Flood(_) => {
                for flood in self.floods.drain(..) {
                    if let Err(trouble) = flood.finish() {
                        Figures::trouble(&mut self.figures.failures, trouble);
                    }
                }
                Ok(())
            }
        }
    }

    fn place(&mut self, member: Member) -> &mut Option<Process> {
        match member {
            Member::Driver(host) => &mut self.drivers[host],
            Member::Publisher(flow) => &mut self.publishers[flow],
            Member::Subscriber(flow) => &mut self.subscribers[flow],
        }
    }

    fn signal(&mut self, member: Member, signal: Signal) -> io::Result<()> {
        self.place(member).as_ref().map_or(Ok(()), |process| process.signal(signal))
    }

    fn spawn(&mut self, member: Member) -> io::Result<()> {
        let (name, host, arguments) = match member {
            Member::Driver(host) => {
                let dir = self.world.hosts[host].dir().display().to_string();
                (format!("driver-{host}"), host, vec!["driver".to_owned(), "--dir".to_owned(), dir])
            }
            Member::Publisher(flow) => {
                let flow = &self.flows[flow];
                (format!("publisher-{}", flow.id), flow.from, self.client(flow, "publisher"))
            }
            Member::Subscriber(flow) => {
                let flow = &self.flows[flow];
                (format!("subscriber-{}", flow.id), flow.to, self.client(flow, "subscriber"))
            }
        };
        let log = self.world.log_file(&name);
        let process = Process::spawn(&name, &self.world.hosts[host], log, &arguments)?;
        *self.place(member) = Some(process);
        Ok(())
    }

    fn client(&self, flow: &Flow, role: &str) -> Vec<String> {
        let (host, channel) = match role {
            "publisher" => (flow.from, &flow.publication),
            _ => (flow.to, &flow.subscription),
        };
        let dir = self.world.hosts[host].dir().display().to_string();
        let (id, stream) = (flow.id.to_string(), flow.stream().to_string());
        [role, "--dir", &dir, "--flow", &id, "--channel", channel, "--stream", &stream]
            .map(str::to_owned)
            .into()
    }

    fn spawn_clients(&mut self) -> io::Result<()> {
        for flow in 0..self.flows.len() {
            self.spawn(Member::Subscriber(flow))?;
            self.spawn(Member::Publisher(flow))?;
        }
        Ok(())
    }

    /// Keeps what an ended client told.
    fn bury(&mut self, member: Member, report: &Report) {
        if let Member::Subscriber(flow) = member {
            self.received[flow] += report.messages;
            self.figures.messages += report.messages;
            self.figures.bytes += report.bytes;
            self.figures.missed_between_images += report.missed_between_images;
        }
        let name = member.kind();
        for error in &report.errors {
            let what = format!("{name} ({member:?}): {error}");
            Figures::trouble(&mut self.figures.content_errors, what);
        }
    }

    fn received(&self, flow: usize) -> u64 {
        let now = self.subscribers[flow].as_ref().map_or(0, |process| process.report().messages);
        self.received[flow] + now
    }

    /// Waits, looks whether everybody lives, and tells how far the game is.
    fn rest(&mut self, duration: Duration) -> Outcome {
        let end = Instant::now() + duration;
        loop {
            self.look_around()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(TICK));
        }
    }

    fn look_around(&mut self) -> Outcome {
        let everybody = self.drivers.iter_mut().chain(&mut self.publishers).chain(&mut self.subscribers);
        let deaths: Vec<_> =
            everybody.flatten().chain(&mut self.floods).filter_map(Process::unexpected_end).collect();
        let failed = !deaths.is_empty();
        for death in deaths {
            Figures::trouble(&mut self.figures.failures, death);
        }
        if self.last_line.elapsed() > Duration::from_secs(1) {
            self.last_line = Instant::now();
            self.tell();
        }
        if failed || self.stop.load(Ordering::Relaxed) { Err(Over) } else { Ok(()) }
    }

    fn tell(&self) {
        let messages: u64 = (0..self.flows.len()).map(|flow| self.received(flow)).sum();
        let figures = &self.figures;
        eprintln!(
            "{:>5} s  {} rounds  {} steps  {} faults  {messages} messages  worst recovery {} ms",
            self.start.elapsed().as_secs(),
            figures.rounds,
            figures.steps,
            figures.faults.values().sum::<u64>(),
            figures.worst_recovery_ms,
        );
    }

    /// Waits until every flow has received something new.
    fn await_flows(&mut self) -> Outcome {
        let before: Vec<_> = (0..self.flows.len()).map(|flow| self.received(flow)).collect();
        self.until("flows move", |game| {
            let stuck = (0..game.flows.len()).filter(|&flow| game.received(flow) <= before[flow]);
            let stuck: Vec<_> = stuck.map(|flow| format!("flow {flow} stands still")).collect();
            if stuck.is_empty() { Ok(()) } else { Err(stuck) }
        })
        .map_err(|troubles| {
            for trouble in troubles {
                Figures::trouble(&mut self.figures.failures, trouble);
            }
            Over
        })
    }

    /// Waits until it is true, or says why it is not; nothing is said on Ctrl-C.
    fn until(
        &mut self,
        what: &str,
        mut condition: impl FnMut(&Self) -> Result<(), Vec<String>>,
    ) -> Result<(), Vec<String>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Err(reasons) = condition(self) else { return Ok(()) };
            if self.rest(TICK).is_err() {
                return Err(Vec::new());
            }
            if Instant::now() > deadline {
                let reasons = reasons.into_iter();
                return Err(reasons
                    .map(|reason| format!("{reason} (waited {PATIENCE:?}: {what})"))
                    .collect());
            }
        }
    }

    /// Ends all clients and looks at what is left.
    fn settle(&mut self) -> Outcome {
        let held = self.until("clients let go of what is deleted", |game| {
            let clients = game.publishers.iter().chain(&game.subscribers).flatten();
            let holders = clients.map(Process::holdings).filter(|held| held.deleted_mappings > 0);
            let leaks: Vec<_> = holders.map(|held| format!("a client keeps {held:?}")).collect();
            if leaks.is_empty() { Ok(()) } else { Err(leaks) }
        });
        self.leaked(held)?;
        self.finish_clients();
        for host in 0..self.drivers.len() {
            let at_rest = self.until("a driver without clients is at rest", |game| game.leaks_of(host));
            self.leaked(at_rest)?;
        }
        self.figures.rounds += 1;
        Ok(())
    }

    fn leaked(&mut self, outcome: Result<(), Vec<String>>) -> Outcome {
        let Err(leaks) = outcome else { return Ok(()) };
        if leaks.is_empty() {
            return Err(Over);
        }
        for leak in leaks {
            Figures::trouble(&mut self.figures.leaks, leak);
        }
        Ok(())
    }

    fn leaks_of(&self, host: usize) -> Result<(), Vec<String>> {
        let Some(driver) = &self.drivers[host] else { return Ok(()) };
        let holdings = driver.holdings();
        let (first, first_holdings) = &self.first[host];
        let Some(now) = AtRest::of(&self.world.hosts[host].dir(), holdings) else {
            return Err(vec![format!("host {host} has no driver")]);
        };
        let mut leaks = first.leaked(&now);
        leaks.extend(leaks::grown(*first_holdings, holdings));
        if leaks.is_empty() {
            return Ok(());
        }
        Err(leaks.into_iter().map(|leak| format!("driver {host}: {leak}")).collect())
    }

    fn finish_clients(&mut self) {
        let publishers = (0..self.flows.len()).map(Member::Publisher);
        for member in publishers.chain((0..self.flows.len()).map(Member::Subscriber)) {
            let Some(process) = self.place(member).take() else { continue };
            match process.finish() {
                Ok(report) => self.bury(member, &report),
                Err(trouble) => Figures::trouble(&mut self.figures.failures, trouble),
            }
        }
    }

    /// Ends the drivers, which leave nothing, unless one of them is just being replaced.
    fn end(&mut self) {
        self.finish_clients();
        for host in 0..self.drivers.len() {
            let Some(driver) = self.drivers[host].take() else { continue };
            if let Err(trouble) = driver.finish() {
                Figures::trouble(&mut self.figures.failures, trouble);
            } else if !self.stop.load(Ordering::Relaxed) && self.world.hosts[host].dir().exists() {
                let what = format!("driver {host} left {}", self.world.hosts[host].dir().display());
                Figures::trouble(&mut self.figures.leaks, what);
            }
        }
    }
}
