//! A process with a client in it: the conductor, stepped with virtual time. It may die, and another take its place.

use std::{path::PathBuf, time::Duration};

use epona_client::{Aeron, ClientError, Connecting, Context, Invoker};
use epona_protocol::types::{Nanos, Now};

/// Time that it takes to start a process anew.
const RESTART: Duration = Duration::from_millis(20);

pub(crate) struct Client {
    pub(crate) host: usize,
    directory: PathBuf,
    state: State,
    starts_at: Nanos,
    paused_until: Nanos,
    /// Whether it has stood still and its conductor had no turn since. Applications wait for that: as with Aeron, a client
    /// that the driver gave up meanwhile does not know so before, and would take the counters of others for its own.
    is_unaware: bool,
    /// How many clients there have been in its place before.
    pub(crate) generation: u32,
}

enum State {
    Connecting(Box<Connecting>),
    Running(Aeron, Invoker),
    Closed,
}

/// What came of a turn.
pub(crate) enum Turned {
    Worked(usize),
    /// The client has ended by itself.
    Ended(ClientError),
}

/// What is left of a client that died: it must not be told so before its world ends.
pub(crate) struct Remains {
    _client: Option<(Aeron, Invoker)>,
}

impl Client {
    pub(crate) fn new(host: usize, directory: PathBuf) -> Self {
        let state = connecting(&directory);
        let never = Nanos::new(i64::MIN);
        Self {
            host,
            directory,
            state,
            starts_at: never,
            paused_until: never,
            is_unaware: false,
            generation: 0,
        }
    }

    pub(crate) const fn aeron(&self) -> Option<&Aeron> {
        match &self.state {
            State::Running(aeron, _) => Some(aeron),
            State::Connecting(_) | State::Closed => None,
        }
    }

    /// Whether its applications stand still.
    pub(crate) fn is_paused(&self, now: Nanos) -> bool {
        now < self.paused_until || self.is_unaware
    }

    pub(crate) fn pause(&mut self, until: Nanos) {
        self.paused_until = self.paused_until.max(until);
        self.is_unaware = true;
    }

    /// One turn of the conductor.
    pub(crate) fn step(&mut self, now: Now) -> Turned {
        if now.nanos < self.paused_until.max(self.starts_at) {
            return Turned::Worked(0);
        }
        self.is_unaware = false;
        match &mut self.state {
            State::Connecting(connecting) => match connecting.poll(now) {
                Ok(None) => Turned::Worked(0),
                Ok(Some(aeron)) => {
                    let Some(invoker) = aeron.invoker() else {
                        return Turned::Ended(ClientError::Closed { cause: None });
                    };
                    self.state = State::Running(aeron, invoker);
                    Turned::Worked(1)
                }
                Err(error) => Turned::Ended(error),
            },
            State::Running(aeron, invoker) => match invoker.do_work(now) {
                Ok(_) if aeron.is_closed() => Turned::Ended(ClientError::Closed { cause: aeron.failure() }),
                Ok(work) => Turned::Worked(work),
                Err(error) => Turned::Ended(error),
            },
            State::Closed => Turned::Worked(0),
        }
    }

    /// Another client takes the place of this one.
    pub(crate) fn start_anew(&mut self, now: Nanos) -> Remains {
        self.generation += 1;
        self.starts_at = now + RESTART;
        let state = std::mem::replace(&mut self.state, connecting(&self.directory));
        Remains {
            _client: match state {
                State::Running(aeron, invoker) => Some((aeron, invoker)),
                State::Connecting(_) | State::Closed => None,
            },
        }
    }

    pub(crate) fn close(&mut self) {
        if let State::Running(aeron, _) = std::mem::replace(&mut self.state, State::Closed) {
            aeron.close();
        }
    }
}

fn connecting(directory: &std::path::Path) -> State {
    // Everything that the environment of the process could say is said here.
    let context = Context::new()
        .dir(directory)
        .driver_timeout(Duration::from_secs(10))
        .resource_linger(Duration::from_secs(3))
        .idle_sleep(Duration::from_millis(16))
        .pre_touch_mapped_memory(false)
        .client_name("simulated")
        // Whether there may be errors is for the invariants to say.
        .on_error(|_| ())
        .use_invoker();
    State::Connecting(Box::new(Aeron::connecting(context)))
}
