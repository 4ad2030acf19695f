//! A process with a client in it: the conductor, stepped with virtual time.

use std::{path::Path, time::Duration};

use epona_client::{Aeron, ClientError, Connecting, Context, Invoker};
use epona_protocol::types::Now;

use crate::{Violation, violation};

pub(crate) struct Client {
    pub(crate) host: usize,
    state: State,
}

enum State {
    Connecting(Box<Connecting>),
    Running(Aeron, Invoker),
    Closed,
}

impl Client {
    pub(crate) fn new(host: usize, directory: &Path) -> Self {
        // Everything that the environment of the process could say is said here.
        let context = Context::new()
            .dir(directory)
            .driver_timeout(Duration::from_secs(10))
            .resource_linger(Duration::from_secs(3))
            .idle_sleep(Duration::from_millis(16))
            .pre_touch_mapped_memory(false)
            .client_name("simulated")
            .use_invoker();
        Self { host, state: State::Connecting(Box::new(Aeron::connecting(context))) }
    }

    pub(crate) const fn aeron(&self) -> Option<&Aeron> {
        match &self.state {
            State::Running(aeron, _) => Some(aeron),
            State::Connecting(_) | State::Closed => None,
        }
    }

    /// One turn of the conductor.
    pub(crate) fn step(&mut self, now: Now) -> Result<usize, Violation> {
        let failed = |error: ClientError| violation!("a client failed: {error}");
        match &mut self.state {
            State::Connecting(connecting) => {
                let Some(aeron) = connecting.poll(now).map_err(failed)? else { return Ok(0) };
                let Some(invoker) = aeron.invoker() else {
                    return Err(violation!("a client without an invoker"));
                };
                self.state = State::Running(aeron, invoker);
                Ok(1)
            }
            State::Running(_, invoker) => invoker.do_work(now).map_err(failed),
            State::Closed => Ok(0),
        }
    }

    pub(crate) fn close(&mut self) {
        if let State::Running(aeron, _) = std::mem::replace(&mut self.state, State::Closed) {
            aeron.close();
        }
    }
}
