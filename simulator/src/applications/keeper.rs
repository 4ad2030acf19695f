//! Applications that keep numbers in static counters: whoever asks for one again finds it with its value, dead or not.

use std::time::Duration;

use epona_client::{Aeron, ClientError, Counter, Pending};
use epona_protocol::types::{CounterTypeId, Nanos, RegistrationId};

use crate::{Violation, applications::turn::Turn, ensure, feature::Feature};

/// Type of the counters.
pub(crate) const KEPT: CounterTypeId = CounterTypeId::new(1002);

/// Time between turns in which it counts on, or asks again for what was refused.
const PERIOD: Duration = Duration::from_millis(50);

/// How often it counts before it gives its counter back and asks for it again.
const PATIENCE: i64 = 10;

/// One application of a client.
pub(crate) struct Keeper {
    pub(crate) client: usize,
    host: usize,
    state: State,
    /// What the counter is, as far as this driver has it.
    kept: i64,
    /// Whether its driver has it.
    is_there: bool,
    acts_at: Nanos,
}

enum State {
    Waiting,
    Adding(Pending<Counter>),
    Open(Counter),
}

/// What is left of a keeper whose client died.
pub(crate) struct Remains {
    _state: State,
}

impl Keeper {
    /// `host` is that of its client.
    pub(crate) const fn new(client: usize, host: usize) -> Self {
        let acts_at = Nanos::new(i64::MIN);
        Self { client, host, state: State::Waiting, kept: 0, is_there: false, acts_at }
    }

    /// What its counter is registered under.
    pub(crate) const fn registration_id(&self) -> RegistrationId {
        RegistrationId::new(9000 + self.client as i64)
    }

    pub(crate) const fn host(&self) -> usize {
        self.host
    }

    /// The value that its driver must have, if it has the counter.
    pub(crate) fn kept(&self) -> Option<i64> {
        self.is_there.then_some(self.kept)
    }

    /// Another driver has taken the place of its own: counters begin anew.
    pub(crate) fn forget(&mut self) {
        (self.kept, self.is_there, self.state) = (0, false, State::Waiting);
    }

    /// Its client is gone: starts anew with the next one.
    pub(crate) fn start_anew(&mut self) -> Remains {
        Remains { _state: std::mem::replace(&mut self.state, State::Waiting) }
    }

    pub(crate) fn step(&mut self, aeron: &Aeron, turn: &mut Turn<'_>) -> Result<usize, Violation> {
        if turn.now.nanos < self.acts_at {
            return Ok(0);
        }
        match self.try_step(aeron) {
            Ok(Found::Nothing) => return Ok(0),
            Ok(Found::Counter(value)) => {
                ensure!(
                    value == self.kept,
                    "a static counter was left at {} and found at {value}",
                    self.kept
                );
                if self.is_there {
                    turn.figures.features.count(Feature::StaticCounter);
                }
                self.is_there = true;
            }
            Err(error) => {
                ensure!(turn.is_excused(&[self.host]), "a static counter was refused: {error}");
                self.state = State::Waiting;
            }
        }
        self.acts_at = turn.now.nanos + PERIOD;
        Ok(1)
    }

    fn try_step(&mut self, aeron: &Aeron) -> Result<Found, ClientError> {
        match &mut self.state {
            State::Waiting => {
                let (id, label) = (self.registration_id(), format!("kept by {}", self.client));
                let key = (self.client as u64).to_le_bytes();
                self.state = State::Adding(aeron.add_static_counter_async(KEPT, &key, &label, id)?);
                Ok(Found::Nothing)
            }
            State::Adding(pending) => {
                let Some(counter) = pending.poll()? else { return Ok(Found::Nothing) };
                let value = counter.get();
                self.state = State::Open(counter);
                Ok(Found::Counter(value))
            }
            State::Open(counter) if counter.is_closed() => Ok(Found::Nothing),
            State::Open(counter) => {
                self.kept += 1;
                counter.set(self.kept);
                if self.kept % PATIENCE == 0 {
                    self.state = State::Waiting;
                }
                Ok(Found::Nothing)
            }
        }
    }
}

/// What came of a turn.
enum Found {
    Nothing,
    /// The counter, with this value.
    Counter(i64),
}
