//! Turns of roles, clients and applications, one at a time.

use epona_media_driver::clock::Clock;
use epona_protocol::types::StreamId;

use super::{World, stream::Stream};
use crate::{
    Violation,
    applications::client::{Client, Turned},
    applications::turn::{Phase, Turn},
    fault::Role,
    surroundings::host::Host,
};

/// What an application works with, while the world's streams, clients and storms are borrowed beside it.
macro_rules! turn {
    ($world:ident) => {
        Turn {
            now: $world.clock.now(),
            phase: $world.phase,
            random: &mut $world.random,
            ledger: &mut $world.ledger,
            excuses: &$world.excuses,
            known: &mut $world.known,
            reserves_sessions: $world.scenario.reserves_sessions,
            trace: &mut $world.trace,
            figures: &mut $world.figures,
        }
    };
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Task {
    Role(usize, Role),
    Client(usize),
    Publisher(usize, usize),
    Subscriber(usize, usize),
}

impl World {
    /// Streams, and what their applications work with.
    pub(super) fn split(&mut self) -> (&mut Vec<Stream>, Turn<'_>) {
        (&mut self.streams, turn!(self))
    }

    pub(super) fn take_turn(&mut self, task: Task) -> Result<usize, Violation> {
        let now = self.clock.now();
        match task {
            Task::Role(host, role) => Ok(self.hosts[host].step(role, now)),
            Task::Client(client) => match self.clients[client].step(now) {
                Turned::Worked(work) => Ok(work),
                Turned::Ended(why) => self.client_ended(client, &why.to_string()).map(|()| 1),
            },
            Task::Publisher(stream, place) => self.publish(stream, place),
            Task::Subscriber(stream, place) => self.subscribe(stream, place),
        }
    }

    fn publish(&mut self, stream: usize, place: usize) -> Result<usize, Violation> {
        let elapsed = self.elapsed();
        let mut turn = turn!(self);
        let stream = &mut self.streams[stream];
        let spec = stream.publishers[place].spec();
        let client = &self.clients[spec.client];
        let Some(aeron) = client.aeron().filter(|_| !client.is_paused(turn.now.nanos)) else { return Ok(0) };
        if elapsed < spec.starts_at {
            return Ok(0);
        }
        // One that is still being added would leave a session that nobody knows.
        let publisher = &mut stream.publishers[place];
        if publisher.is_open() && publisher.spec().ends_at.is_some_and(|end| elapsed >= end) {
            publisher.close(&mut turn);
            return Ok(0);
        }
        stream.publish(place, (aeron, client.generation), &mut turn)
    }

    fn subscribe(&mut self, stream: usize, place: usize) -> Result<usize, Violation> {
        let elapsed = self.elapsed();
        let mut turn = turn!(self);
        let Stream { spec, subscribers, .. } = &mut self.streams[stream];
        let subscriber = &mut subscribers[place];
        let client = &self.clients[subscriber.spec().client];
        let Some(aeron) = client.aeron().filter(|_| !client.is_paused(turn.now.nanos)) else { return Ok(0) };
        if elapsed < subscriber.spec().starts_at || subscriber.is_closed() {
            return Ok(0);
        }
        if subscriber.spec().ends_at.is_some_and(|end| elapsed >= end) {
            subscriber.close(&mut turn);
            return Ok(1);
        }
        if subscriber.is_registered() {
            subscriber.poll(StreamId::new(spec.stream_id), &mut turn)
        } else {
            subscriber.register(aeron, spec, &mut turn)
        }
    }

    pub(super) fn step_keepers(&mut self) -> Result<usize, Violation> {
        if self.phase == Phase::Finishing {
            return Ok(0);
        }
        let mut work = 0;
        let mut turn = turn!(self);
        for keeper in &mut self.keepers {
            let client = &self.clients[keeper.client];
            if let Some(aeron) = client.aeron().filter(|_| !client.is_paused(turn.now.nanos)) {
                work += keeper.step(aeron, &mut turn)?;
            }
        }
        Ok(work)
    }

    pub(super) fn step_storms(&mut self) -> Result<usize, Violation> {
        let mut work = 0;
        let mut turn = turn!(self);
        for storm in &mut self.storms {
            let client = &self.clients[storm.client];
            if let Some(aeron) = client.aeron().filter(|_| !client.is_paused(turn.now.nanos)) {
                work += storm.step(aeron, &mut turn)?;
            }
        }
        Ok(work)
    }
}

/// Everybody who has turns.
pub(super) fn tasks(hosts: &[Host], clients: &[Client], streams: &[Stream]) -> Vec<Task> {
    let roles = (0..hosts.len()).flat_map(|host| Role::ALL.map(|role| Task::Role(host, role)));
    let conductors = (0..clients.len()).map(Task::Client);
    let applications = streams.iter().enumerate().flat_map(|(index, stream)| {
        let publishers = (0..stream.publishers.len()).map(move |place| Task::Publisher(index, place));
        publishers.chain((0..stream.subscribers.len()).map(move |place| Task::Subscriber(index, place)))
    });
    roles.chain(conductors).chain(applications).collect()
}
