//! Lets faults start and end.

use std::{any::Any, time::Duration};

use epona_media_driver::clock::Clock;

use super::World;
use crate::{
    Violation,
    applications::client::Client,
    applications::destinations::Removal,
    applications::keeper::Keeper,
    applications::storm::Storm,
    ensure,
    fault::{Disturbance, Fault, Moment, Role},
    feature::Feature,
    invariants::{datagrams::SentFrames, watch::CounterWatch},
    scenario::{self, Naming},
    surroundings::host::Host,
    trace::Event,
};

/// How often a driver tries to start in a directory whose driver seems to be alive, because the clock went back.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Something to be done at a time after the start.
#[derive(Clone, Debug)]
pub(super) struct Due {
    pub(super) at: Duration,
    pub(super) starts: bool,
    pub(super) fault: Fault,
}

/// What faults are due, the next one last.
pub(super) fn agenda(faults: &[Fault]) -> Vec<Due> {
    let due = |fault: &Fault| {
        let (start, end) = (fault.at, fault.end());
        [(start, true), (end, false)].map(|(at, starts)| Due { at, starts, fault: fault.clone() })
    };
    let mut agenda: Vec<_> = faults.iter().flat_map(due).collect();
    agenda.sort_by_key(|due| (std::cmp::Reverse(due.at), due.starts));
    agenda
}

/// What is left of clients that died, with all that they had: nobody may be told before the world ends.
#[derive(Default)]
pub(super) struct Graveyard {
    remains: Vec<Box<dyn Any>>,
    /// For how much longer than usual they seem alive, because the wall clock went back by which they are found dead.
    pub(super) seem_alive_for: Duration,
}

impl World {
    /// Starts and ends what is due.
    pub(super) fn disturb(&mut self) -> Result<(), Violation> {
        let elapsed = self.elapsed();
        while self.agenda.last().is_some_and(|due| due.at <= elapsed) {
            let Some(due) = self.agenda.pop() else { break };
            let what = due.fault.what;
            self.trace.record(self.clock.now_nanos(), Event::Fault { what, starts: due.starts });
            if due.starts { self.start_fault(&due.fault)? } else { self.end_fault(due)? }
        }
        Ok(())
    }

    fn start_fault(&mut self, fault: &Fault) -> Result<(), Violation> {
        let end = self.clock.now_nanos() + fault.lasts;
        if fault.is_severe() {
            for host in self.touched(fault.what) {
                self.excuses.add(host, end);
            }
        }
        if fault.what.way().is_some() {
            self.network_faults.start(fault.what);
            return Ok(());
        }
        self.figures.faults.count(fault.what.kind());
        match fault.what {
            Disturbance::PauseDriver(host) => {
                Role::ALL.iter().for_each(|role| self.hosts[host].pause(*role, end));
            }
            Disturbance::PauseRole(host, role) => self.hosts[host].pause(role, end),
            Disturbance::RestartDriver(host) => self.hosts[host].die(),
            Disturbance::PauseClient(client) => self.clients[client].pause(end),
            Disturbance::KillClient(client, moment) => self.kill(client, moment)?,
            Disturbance::JumpClock(millis) => self.jump_clock(millis),
            Disturbance::FillStorage(host) => self.hosts[host].room.set_full(true),
            Disturbance::FillCounters(client) | Disturbance::Storm(client) => {
                let host = self.clients[client].host;
                self.storms.push(Storm::new(client, (host, self.scenario.address(host)), fault.what));
            }
            Disturbance::FillErrorLog(host) => self.hosts[host].fill_error_log(),
            Disturbance::FillCommands(host) => {
                self.hosts[host].pause(Role::Conductor, end);
                self.hosts[host].fill_commands();
            }
            Disturbance::SlowSubscriber(number, place) => {
                let stream = self.streams.iter_mut().find(|stream| stream.spec.number == number);
                let subscriber = stream.and_then(|stream| stream.subscribers.get_mut(place));
                subscriber.into_iter().for_each(|subscriber| subscriber.pause(end));
            }
            Disturbance::RemoveDestination { .. } | Disturbance::RemoveReceiveDestination(_) => {
                self.send_destinations_away(fault.what, true);
            }
            Disturbance::MoveName(stream, host) => {
                let name = scenario::moving_name(stream);
                if self.scenario.naming == Naming::Table {
                    self.hosts.iter_mut().for_each(|host| host.move_name(&name));
                    self.figures.features.count(Feature::NameTable);
                } else {
                    self.names.set(&name, self.scenario.address(host));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end_fault(&mut self, due: Due) -> Result<(), Violation> {
        match due.fault.what {
            what if what.way().is_some() => self.network_faults.stop(what),
            Disturbance::FillStorage(host) => self.hosts[host].room.set_full(false),
            Disturbance::RemoveDestination { .. } | Disturbance::RemoveReceiveDestination(_) => {
                self.send_destinations_away(due.fault.what, false);
            }
            what @ (Disturbance::FillCounters(_) | Disturbance::Storm(_)) => {
                let ended = self.storms.iter().position(|storm| storm.cause == what);
                ended.into_iter().for_each(|place| drop(self.storms.swap_remove(place)));
            }
            Disturbance::RestartDriver(host) if !self.hosts[host].is_running() => {
                self.sent_frames[host] = SentFrames::default();
                let keepers = self.keepers.iter_mut().filter(|keeper| keeper.host() == host);
                keepers.for_each(Keeper::forget);
                if let Err(violation) = self.hosts[host].start(&self.clock) {
                    ensure!(!self.graveyard.seem_alive_for.is_zero(), "{violation}");
                    let at = self.elapsed() + TRY_AGAIN;
                    self.agenda.push(Due { at, ..due });
                    self.agenda.sort_by_key(|due| (std::cmp::Reverse(due.at), due.starts));
                    self.excuses.add(host, self.clock.now_nanos() + TRY_AGAIN);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The wall clock jumps. Nobody feels it when it goes back, but who is dead is found so for as much later.
    fn jump_clock(&mut self, millis: i64) {
        self.clock.jump(millis);
        let watches = self.hosts.iter_mut().filter_map(Host::watch_mut);
        watches.for_each(CounterWatch::look_at_once);
        let deadly: Vec<_> =
            self.scenario.faults.iter().filter(|fault| fault.is_deadly()).map(|fault| fault.what).collect();
        if millis < 0 && !deadly.is_empty() {
            let back = Duration::from_millis(millis.unsigned_abs());
            self.graveyard.seem_alive_for += back;
            let touched: Vec<_> = deadly.iter().flat_map(|what| self.touched(*what)).collect();
            for host in touched {
                self.excuses.add(host, self.clock.now_nanos() + back);
            }
        }
    }

    /// The first destinations of a stream are removed, or added again.
    fn send_destinations_away(&mut self, what: Disturbance, are_away: bool) {
        for stream in &mut self.streams {
            match what {
                Disturbance::RemoveDestination { stream: number, by_id } if number == stream.spec.number => {
                    let removal = if by_id { Removal::ById } else { Removal::ByChannel };
                    let publishers = stream.publishers.iter_mut();
                    publishers
                        .for_each(|publisher| publisher.send_destination_away(are_away.then_some(removal)));
                }
                Disturbance::RemoveReceiveDestination(number) if number == stream.spec.number => {
                    let away = are_away.then_some(Removal::ByChannel);
                    let subscribers = stream.subscribers.iter_mut();
                    subscribers.for_each(|subscriber| subscriber.send_destination_away(away));
                }
                _ => {}
            }
        }
    }

    /// Hosts whose streams may end because of a fault.
    fn touched(&self, what: Disturbance) -> Vec<usize> {
        if let Some(way) = what.way() {
            return vec![way.from, way.to];
        }
        match what {
            Disturbance::PauseDriver(host)
            | Disturbance::PauseRole(host, _)
            | Disturbance::RestartDriver(host)
            | Disturbance::FillStorage(host)
            | Disturbance::FillErrorLog(host)
            | Disturbance::FillCommands(host) => vec![host],
            Disturbance::PauseClient(client)
            | Disturbance::KillClient(client, _)
            | Disturbance::FillCounters(client)
            | Disturbance::Storm(client) => vec![self.clients[client].host],
            _ => (0..self.hosts.len()).collect(),
        }
    }

    /// A client dies, and all that its applications had with it.
    fn kill(&mut self, client: usize, moment: Moment) -> Result<(), Violation> {
        let host = self.clients[client].host;
        match moment {
            Moment::Idle | Moment::Committed | Moment::Claimed => {}
            Moment::CommandClaimed => self.hosts[host].claim_command_in_vain(),
            Moment::CommandSent => {
                let added = self.clients[client].aeron().map(|aeron| {
                    (
                        aeron.add_publication_async("aeron:ipc?term-length=64k", 4999),
                        aeron.add_subscription_async("aeron:ipc", 4999),
                    )
                });
                let now = self.clock.now();
                let _ = self.clients[client].step(now);
                self.graveyard.remains.push(Box::new(added));
            }
        }
        let (streams, mut turn) = self.split();
        for publisher in streams.iter_mut().flat_map(|stream| &mut stream.publishers) {
            if publisher.spec().client == client {
                publisher.die_in(moment, &mut turn)?;
            }
        }
        let remains = self.bury(client);
        self.graveyard.remains.extend(remains);
        Ok(())
    }

    /// A client and its applications are gone; others start in their place. What is left of them.
    pub(super) fn bury(&mut self, client: usize) -> Vec<Box<dyn Any>> {
        let mut remains: Vec<Box<dyn Any>> = Vec::new();
        let (streams, mut turn) = self.split();
        for stream in streams {
            let publishers = stream.publishers.iter_mut();
            for publisher in publishers.filter(|publisher| publisher.spec().client == client) {
                remains.push(Box::new(publisher.start_anew(&stream.spec, &mut turn)));
            }
            let subscribers = stream.subscribers.iter_mut();
            for subscriber in subscribers.filter(|subscriber| subscriber.spec().client == client) {
                remains.push(Box::new(subscriber.start_anew(&mut turn)));
            }
        }
        let storms = self.storms.iter_mut().filter(|storm| storm.client == client);
        remains.extend(storms.map(Storm::take_held));
        let keepers = self.keepers.iter_mut().filter(|keeper| keeper.client == client);
        remains.extend(keepers.map(|keeper| Box::new(keeper.start_anew()) as Box<dyn Any>));
        remains.push(Box::new(self.clients[client].start_anew(self.clock.now_nanos())));
        remains
    }

    /// A client has ended by itself: there must have been a reason.
    pub(super) fn client_ended(&mut self, client: usize, why: &str) -> Result<(), Violation> {
        let Client { host, .. } = self.clients[client];
        let is_excused = self.excuses.cover(&[host], self.clock.now_nanos());
        ensure!(is_excused, "client {client} on host {host} failed: {why}");
        self.trace.record(self.clock.now_nanos(), Event::ClientEnded(client, self.without_paths(why)));
        drop(self.bury(client));
        Ok(())
    }
}
