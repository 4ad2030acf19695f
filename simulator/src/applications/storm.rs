//! Applications that add and remove as quickly as they can, and those that take all counters that there are.

use std::{net::IpAddr, time::Duration};

use epona_client::{Aeron, ClientError, Counter, ExclusivePublication, Pending, Publication, Subscription};
use epona_protocol::{
    command::ErrorCode,
    types::{CounterTypeId, Nanos},
};

use crate::{Violation, applications::turn::Turn, ensure, fault::Disturbance};

/// Most things that a storm holds.
const HELD: usize = 24;

/// Time between turns in which it acts.
const PERIOD: Duration = Duration::from_millis(2);

/// Requests that an application which takes all counters has open at one time: more would wait for minutes.
const GREED: usize = 256;

/// Share of its turns in which it gives one back, once it has them all: a few each second.
const GENEROSITY: f64 = 0.01;

/// Channels of a storm, of which some clash with each other; `{host}` stands for the address of its own host.
const CHANNELS: [&str; 6] = [
    "aeron:ipc?term-length=64k",
    "aeron:ipc?term-length=128k",
    "aeron:udp?endpoint={host}:20900|term-length=64k",
    "aeron:udp?endpoint=224.20.30.99:20900|interface=127.0.0.1|term-length=64k",
    "aeron:udp?control={host}:20901|control-mode=dynamic|term-length=64k",
    "aeron:udp?endpoint=nobody:20900",
];

/// Type of the counters.
const COUNTER: CounterTypeId = CounterTypeId::new(1001);

/// One application, for as long as its cause lasts.
pub(crate) struct Storm {
    pub(crate) client: usize,
    pub(crate) cause: Disturbance,
    host: usize,
    address: IpAddr,
    held: Vec<Held>,
    is_full: bool,
    acts_at: Nanos,
}

enum Held {
    PendingPublication(Pending<Publication>),
    PendingExclusive(Pending<ExclusivePublication>),
    PendingSubscription(Pending<Subscription>),
    PendingCounter(Pending<Counter>),
    /// Held to be dropped.
    #[expect(dead_code, reason = "what matters is when it is dropped")]
    Added(Box<dyn std::any::Any>),
}

impl Storm {
    /// `host` and `address` are those of its client.
    pub(crate) const fn new(client: usize, (host, address): (usize, IpAddr), cause: Disturbance) -> Self {
        Self { client, cause, host, address, held: Vec::new(), is_full: false, acts_at: Nanos::new(i64::MIN) }
    }

    pub(crate) fn step(&mut self, aeron: &Aeron, turn: &mut Turn<'_>) -> Result<usize, Violation> {
        if turn.now.nanos < self.acts_at {
            return Ok(0);
        }
        self.acts_at = turn.now.nanos + PERIOD;
        let takes_counters = matches!(self.cause, Disturbance::FillCounters(_));
        for index in (0..self.held.len()).rev() {
            match self.held[index].poll() {
                Ok(None) => {}
                Ok(Some(added)) => self.held[index] = added,
                Err(error) => {
                    self.is_full |= takes_counters;
                    ensure!(
                        is_to_be_expected(&error) || turn.is_excused(&[self.host]),
                        "a storm met an error: {error}"
                    );
                    self.held.swap_remove(index);
                }
            }
        }
        if takes_counters {
            return Ok(self.take_counters(aeron, turn.random));
        }
        for _ in 0..turn.random.usize(..3) {
            if self.held.len() >= HELD || (!self.held.is_empty() && turn.random.u8(..3) == 0) {
                let index = turn.random.usize(..self.held.len());
                self.held.swap_remove(index);
            } else if let Ok(held) = add(aeron, self.address, turn.random) {
                self.held.push(held);
            }
        }
        Ok(1)
    }

    /// Takes counters until there are none; from then on gives one back now and then, so that who needs several finds some.
    fn take_counters(&mut self, aeron: &Aeron, random: &mut fastrand::Rng) -> usize {
        if self.is_full {
            if !self.held.is_empty() && random.f64() < GENEROSITY {
                self.held.swap_remove(random.usize(..self.held.len()));
            }
            return 0;
        }
        let pending = self.held.iter().filter(|held| matches!(held, Held::PendingCounter(_))).count();
        for _ in pending..GREED {
            if let Ok(pending) = aeron.add_counter_async(COUNTER, b"", "taken") {
                self.held.push(Held::PendingCounter(pending));
            }
        }
        GREED - pending.min(GREED)
    }

    /// Its client is gone: what it held is the next one's not.
    pub(crate) fn take_held(&mut self) -> Box<dyn std::any::Any> {
        Box::new(std::mem::take(&mut self.held))
    }
}

fn add(aeron: &Aeron, host: IpAddr, random: &mut fastrand::Rng) -> Result<Held, ClientError> {
    let host = if host.is_ipv6() { format!("[{host}]") } else { host.to_string() };
    let channel = &CHANNELS[random.usize(..CHANNELS.len())].replace("{host}", &host);
    let stream = random.i32(5000..5004);
    Ok(match random.u8(..4) {
        0 => Held::PendingPublication(aeron.add_publication_async(channel, stream)?),
        1 => Held::PendingExclusive(aeron.add_exclusive_publication_async(channel, stream)?),
        2 => Held::PendingSubscription(aeron.add_subscription_async(channel, stream)?),
        _ => Held::PendingCounter(aeron.add_counter_async(COUNTER, b"key", "in a storm")?),
    })
}

/// What clashing channels, foreign addresses and unknown names are answered.
fn is_to_be_expected(error: &ClientError) -> bool {
    match error {
        ClientError::Registration { code, .. } => matches!(
            code,
            ErrorCode::InvalidChannel
                | ErrorCode::GenericError
                | ErrorCode::UnknownHost
                | ErrorCode::ResourceTemporarilyUnavailable
        ),
        _ => false,
    }
}

impl Held {
    fn poll(&mut self) -> Result<Option<Self>, ClientError> {
        fn added<T: 'static>(thing: T) -> Held {
            Held::Added(Box::new(thing))
        }
        Ok(match self {
            Self::PendingPublication(pending) => pending.poll()?.map(added),
            Self::PendingExclusive(pending) => pending.poll()?.map(added),
            Self::PendingSubscription(pending) => pending.poll()?.map(added),
            Self::PendingCounter(pending) => pending.poll()?.map(added),
            Self::Added(_) => None,
        })
    }
}
