//! Faults that happen to datagrams on their way.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use epona_media_driver::media::simulated::{Fate, Meddler};
use epona_protocol::{
    frame::{HEADER_LENGTH, frame_type, layout},
    types::Nanos,
};

use crate::fault::{Disturbance, FaultCounts, FrameType, Way};

/// Share of datagrams that a fault of a type, a version or a header hits.
const RATE: f64 = 0.5;

/// Where all frames have named their stream and session, in bytes. Source: wire spec 1.
const SESSION_AND_STREAM: usize = 24;

/// The faults of a network that are under way. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct NetworkFaults {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    random: fastrand::Rng,
    addresses: Vec<IpAddr>,
    rules: Vec<Rule>,
    counts: FaultCounts,
}

#[derive(Debug)]
struct Rule {
    what: Disturbance,
    /// Datagrams that it has looked at.
    seen: u64,
    /// Whether it has met a frame of its type.
    has_met: bool,
}

impl NetworkFaults {
    /// None yet, between hosts with these addresses.
    pub(crate) fn new(seed: u64, addresses: &[IpAddr]) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        let addresses = addresses.to_vec();
        let state = State { random, addresses, rules: Vec::new(), counts: FaultCounts::default() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    pub(crate) fn start(&self, what: Disturbance) {
        self.lock().rules.push(Rule { what, seen: 0, has_met: false });
    }

    pub(crate) fn stop(&self, what: Disturbance) {
        let mut state = self.lock();
        if let Some(place) = state.rules.iter().position(|rule| rule.what == what) {
            state.rules.swap_remove(place);
        }
    }

    /// What has happened since the last call.
    pub(crate) fn take_counts(&self) -> FaultCounts {
        std::mem::take(&mut self.lock().counts)
    }

    /// The state is consistent between calls, whatever panicked meanwhile.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meddler for NetworkFaults {
    fn meddle(&mut self, _: Nanos, from: IpAddr, to: IpAddr, bytes: &mut Vec<u8>) -> Fate {
        let State { random, addresses, rules, counts } = &mut *self.lock();
        let host = |ip| addresses.iter().position(|address| *address == ip);
        let (Some(from), Some(to)) = (host(from), host(to)) else { return Fate::Untouched };
        for rule in rules {
            if !concerns(rule.what, from, to) {
                continue;
            }
            let fate = rule.apply(random, bytes);
            if fate != Fate::Untouched {
                counts.count(rule.what.kind());
                return fate;
            }
        }
        Fate::Untouched
    }
}

fn concerns(what: Disturbance, from: usize, to: usize) -> bool {
    what.way() == Some(Way { from, to })
        || (matches!(what, Disturbance::Partition(..)) && what.way() == Some(Way { from: to, to: from }))
}

impl Rule {
    fn apply(&mut self, random: &mut fastrand::Rng, bytes: &mut Vec<u8>) -> Fate {
        let taken_if = |condition| if condition { Fate::Taken } else { Fate::Untouched };
        let seen = self.seen;
        let frame = frame_type_of(bytes);
        if frame == Some(FrameType::Data) || !matches!(self.what, Disturbance::LoseGaps(..)) {
            self.seen += 1;
        }
        match self.what {
            Disturbance::LoseOne(_) => taken_if(seen == 0),
            Disturbance::LoseBurst(_, datagrams) => taken_if(seen < datagrams),
            Disturbance::LoseGaps(_, every) => {
                taken_if(frame == Some(FrameType::Data) && seen % every.max(2) == 1)
            }
            Disturbance::LoseFrames(_, which) => {
                let is_one = frame == Some(which);
                // There may be no second one.
                let is_only = which == FrameType::ResponseSetup && !self.has_met;
                self.has_met |= is_one;
                taken_if(is_one && (random.f64() < RATE || is_only))
            }
            Disturbance::LimitLength(_, limit) => taken_if(bytes.len() > limit),
            Disturbance::Cut(_) | Disturbance::Partition(..) => Fate::Taken,
            _ if random.f64() >= RATE || bytes.len() < HEADER_LENGTH => Fate::Untouched,
            Disturbance::Corrupt(_) => {
                bytes[layout::TYPE + 1] ^= 0x40 | random.u8(..);
                Fate::Altered
            }
            Disturbance::ForeignVersion(_) => {
                bytes[layout::VERSION] ^= 1 + random.u8(..255);
                // It names the same stream, but what it means by the rest is its own affair.
                let ids = bytes.len().min(SESSION_AND_STREAM);
                random.fill(&mut bytes[ids..]);
                Fate::Altered
            }
            Disturbance::Truncate(_) => {
                bytes.truncate(random.usize(..bytes.len()));
                Fate::Altered
            }
            _ => Fate::Untouched,
        }
    }
}

fn frame_type_of(bytes: &[u8]) -> Option<FrameType> {
    let type_id = u16::from_le_bytes([*bytes.get(layout::TYPE)?, *bytes.get(layout::TYPE + 1)?]);
    let is_empty = bytes[..4] == [0; 4];
    Some(match type_id {
        frame_type::DATA if is_empty => FrameType::Heartbeat,
        frame_type::DATA | frame_type::PAD => FrameType::Data,
        frame_type::SETUP => FrameType::Setup,
        frame_type::SM => FrameType::StatusMessage,
        frame_type::NAK => FrameType::Nak,
        frame_type::RTTM => FrameType::RoundTrip,
        frame_type::ERR => FrameType::Error,
        frame_type::RSP_SETUP => FrameType::ResponseSetup,
        _ => return None,
    })
}
