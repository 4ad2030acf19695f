//! What must hold for the counters of a driver, step after step.

use epona_protocol::{
    cnc::Cnc,
    counters::{CounterDescriptor, CountersReader, RecordState, StreamKey, SystemCounter},
    error_log,
    types::{CounterId, CounterTypeId, SessionId, StreamId, TermLength},
};

use crate::{Violation, ensure, violation};

/// Positions that never go back.
const MONOTONIC: [CounterTypeId; 5] = [
    CounterTypeId::SENDER_POSITION,
    CounterTypeId::SUBSCRIBER_POSITION,
    CounterTypeId::RECEIVER_POSITION,
    CounterTypeId::RECEIVER_HWM,
    CounterTypeId::PUBLISHER_POSITION,
];

/// Pairs of which the first never passes the highest that the second has been, for the same publication or image; but
/// for padding, of which only the header is sent and counts. (The limit of `fc=min` goes back when status messages
/// arrive out of order: wire spec 5.4.)
const ORDERED: [(CounterTypeId, CounterTypeId); 2] = [
    (CounterTypeId::SENDER_POSITION, CounterTypeId::SENDER_LIMIT),
    (CounterTypeId::RECEIVER_POSITION, CounterTypeId::RECEIVER_HWM),
];

/// Longest frame of any scenario, in bytes.
const LONGEST_CLAIM: i64 = 4096;

/// Counters that stay at zero in any driver.
const NEVER: [SystemCounter; 4] = [
    SystemCounter::ReceiverProxyFails,
    SystemCounter::SenderProxyFails,
    SystemCounter::ShortSends,
    SystemCounter::FreeFails,
];

/// Counters that stay at zero in a healthy driver.
const ZERO: [SystemCounter; 5] = [
    SystemCounter::ConductorProxyFails,
    SystemCounter::UnblockedPublications,
    SystemCounter::UnblockedCommands,
    SystemCounter::ClientTimeouts,
    SystemCounter::Errors,
];

/// Looking for counters takes long; a freed one rests for a second before it becomes another, which is longer than
/// these many steps.
const STEPS_BETWEEN_LOOKS: u32 = 16;

/// What may have happened to a driver.
#[derive(Clone, Copy, Debug)]
pub struct Health {
    /// Whether errors are to be expected, or clients that time out.
    pub is_disturbed: bool,
    /// Whether datagrams arrive as they were sent.
    pub is_unaltered: bool,
    /// Whether what is lost is always asked for again.
    pub is_reliable: bool,
}

/// The positions of one driver as last seen.
#[derive(Debug)]
pub struct CounterWatch {
    counters: CountersReader,
    /// Counters of the driver itself, which come first and are none of streams.
    own: usize,
    is_stale: bool,
    /// Steps since counters were looked for.
    steps: u32,
    /// Positions and limits.
    seen: Vec<Seen>,
    /// Indices in `seen` of those of which the first never passes the second.
    ordered: Vec<(usize, usize)>,
    /// Most counters that there were at once.
    most: usize,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    id: CounterId,
    registration_id: i64,
    type_id: CounterTypeId,
    session: SessionId,
    stream: StreamId,
    is_monotonic: bool,
    value: i64,
    highest: i64,
}

impl CounterWatch {
    /// Watches the counters of a driver that has no clients yet.
    #[must_use]
    pub fn new(cnc: &Cnc) -> Self {
        let counters = CountersReader::new(cnc.counters_metadata(), cnc.counters_values());
        let own = counters.iter().count();
        Self {
            counters,
            own,
            is_stale: true,
            steps: STEPS_BETWEEN_LOOKS,
            seen: Vec::new(),
            ordered: Vec::new(),
            most: own,
        }
    }

    /// The counters.
    #[must_use]
    pub const fn counters(&self) -> &CountersReader {
        &self.counters
    }

    /// Counters may have been added or freed.
    pub const fn look_again(&mut self) {
        self.is_stale = true;
    }

    /// Freed counters may become others at once.
    pub const fn look_at_once(&mut self) {
        self.is_stale = true;
        self.steps = STEPS_BETWEEN_LOOKS;
    }

    /// Most counters that there were at once.
    #[must_use]
    pub const fn most(&self) -> usize {
        self.most
    }

    /// Checks what must hold after every step; how many checks that were.
    ///
    /// # Errors
    /// When a position went back, or passed its limit.
    pub fn check(&mut self) -> Result<u64, Violation> {
        self.steps += 1;
        if self.is_stale && self.steps >= STEPS_BETWEEN_LOOKS {
            self.is_stale = false;
            self.steps = 0;
            self.look();
        }
        for seen in &mut self.seen {
            let value = self.counters.value(seen.id).unwrap_or(0);
            ensure!(
                value >= seen.value || !seen.is_monotonic,
                "{} went back from {} to {value}",
                self.counters.label(seen.id).unwrap_or_default(),
                seen.value
            );
            seen.value = value;
            seen.highest = seen.highest.max(value);
        }
        for (lower, upper) in &self.ordered {
            let (lower, upper) = (self.seen[*lower], self.seen[*upper]);
            // At the end of a term, or for a claim that was given up.
            let is_end_of_term = lower.value % TermLength::MIN.bytes() as i64 == 0;
            let is_padding = is_end_of_term || lower.value - upper.highest < LONGEST_CLAIM;
            ensure!(
                lower.value <= upper.highest || is_padding,
                "registration {}: {} at {} passed {} at {}",
                lower.registration_id,
                lower.type_id.label_name().unwrap_or("position"),
                lower.value,
                upper.type_id.label_name().unwrap_or("limit"),
                upper.highest
            );
        }
        Ok((self.seen.len() + self.ordered.len()) as u64)
    }

    /// The limit of the sender of a session, if it is known.
    #[must_use]
    pub fn sender_limit(&self, stream: StreamId, session: SessionId) -> Option<i64> {
        let mut limits = self.seen.iter().filter(|seen| seen.type_id == CounterTypeId::SENDER_LIMIT);
        limits.find(|seen| (seen.stream, seen.session) == (stream, session)).map(|seen| seen.value)
    }

    /// A counter of a stream and session, by its type and the name in its label.
    #[must_use]
    pub fn of_stream(&self, type_id: CounterTypeId, name: &str, of: (StreamId, SessionId)) -> Option<i64> {
        let is_it = |found: &CounterDescriptor| {
            found.type_id == type_id
                && found.label.starts_with(name)
                && StreamKey::decode(&found.key).is_some_and(|key| (key.stream_id, key.session_id) == of)
        };
        let found = self.counters.iter().find(is_it)?;
        self.counters.value(found.id)
    }

    /// Finds the positions that there are now, and keeps what is known of those that there were before.
    fn look(&mut self) {
        let before = std::mem::take(&mut self.seen);
        let mut before = before.iter().peekable();
        let mut count = self.own;
        for index in self.own..self.counters.capacity() {
            let id = CounterId::new(i32::try_from(index).unwrap_or(i32::MAX));
            match self.counters.state(id) {
                Some(RecordState::Allocated) => count += 1,
                Some(RecordState::Reclaimed) => continue,
                _ => break,
            }
            let Some(type_id) = self.counters.type_id(id) else { continue };
            let is_monotonic = MONOTONIC.contains(&type_id);
            if !is_monotonic && !ORDERED.iter().any(|(_, limit)| *limit == type_id) {
                continue;
            }
            let registration_id = self.counters.registration_id(id).unwrap_or(0);
            while before.peek().is_some_and(|seen| seen.id.get() < id.get()) {
                before.next();
            }
            let same = before.peek().filter(|seen| {
                (seen.id, seen.registration_id, seen.type_id) == (id, registration_id, type_id)
            });
            self.seen.push(same.map_or_else(
                || {
                    let key = self.counters.key(id).unwrap_or([0; _]);
                    let key = StreamKey::decode(&key);
                    let value = self.counters.value(id).unwrap_or(0);
                    Seen {
                        id,
                        registration_id,
                        type_id,
                        session: key.as_ref().map_or(SessionId::new(0), |key| key.session_id),
                        stream: key.as_ref().map_or(StreamId::new(0), |key| key.stream_id),
                        is_monotonic,
                        value,
                        highest: value,
                    }
                },
                |seen| **seen,
            ));
        }
        self.most = self.most.max(count);
        self.ordered = self.order();
    }

    fn order(&self) -> Vec<(usize, usize)> {
        let mut ordered = Vec::new();
        for (position, limit) in ORDERED {
            for (lower, seen) in self.seen.iter().enumerate().filter(|(_, seen)| seen.type_id == position) {
                let upper = self.seen.iter().position(|other| {
                    other.type_id == limit && other.registration_id == seen.registration_id
                });
                ordered.extend(upper.map(|upper| (lower, upper)));
            }
        }
        ordered
    }

    /// Checks that the driver has nothing to complain of but what was done to it.
    ///
    /// # Errors
    /// When a counter of trouble has moved, or something is in the error log.
    pub fn check_health(&self, cnc: &Cnc, health: Health) -> Result<u64, Violation> {
        let mut zero = NEVER.to_vec();
        if !health.is_disturbed {
            if let Some(error) = error_log::entries(cnc.error_log()).next() {
                return Err(violation!("the driver logged an error: {error:?}"));
            }
            zero.extend(ZERO);
        }
        if health.is_unaltered {
            zero.push(SystemCounter::InvalidPackets);
        }
        if health.is_reliable {
            zero.push(SystemCounter::LossGapFills);
        }
        for counter in &zero {
            let value = self.counters.value(counter.id()).unwrap_or(0);
            ensure!(value == 0, "counters of trouble: {counter:?} is {value}");
        }
        Ok(zero.len() as u64 + 1)
    }
}
