//! What must hold for the counters of a driver, step after step.

use epona_protocol::{
    cnc::Cnc,
    counters::{CountersReader, RecordState, SystemCounter},
    error_log,
    types::{CounterId, CounterTypeId, TermLength},
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

/// Counters that stay at zero in a healthy driver whose datagrams arrive whole or not at all.
const ZERO: [SystemCounter; 11] = [
    SystemCounter::ReceiverProxyFails,
    SystemCounter::SenderProxyFails,
    SystemCounter::ConductorProxyFails,
    SystemCounter::InvalidPackets,
    SystemCounter::Errors,
    SystemCounter::ShortSends,
    SystemCounter::FreeFails,
    SystemCounter::UnblockedPublications,
    SystemCounter::UnblockedCommands,
    SystemCounter::LossGapFills,
    SystemCounter::ClientTimeouts,
];

/// The positions of one driver as last seen.
#[derive(Debug)]
pub struct CounterWatch {
    counters: CountersReader,
    /// Counters of the driver itself, which come first and are none of streams.
    own: usize,
    /// All others.
    seen: Vec<Seen>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    registration_id: i64,
    type_id: i32,
    value: i64,
    highest: i64,
}

impl CounterWatch {
    /// Watches the counters of a driver that has no clients yet.
    #[must_use]
    pub fn new(cnc: &Cnc) -> Self {
        let counters = CountersReader::new(cnc.counters_metadata(), cnc.counters_values());
        let own = counters.iter().count();
        Self { counters, own, seen: Vec::new() }
    }

    /// The counters.
    #[must_use]
    pub const fn counters(&self) -> &CountersReader {
        &self.counters
    }

    /// Checks what must hold after every step; how many checks that were.
    ///
    /// # Errors
    /// When a position went back, or passed its limit.
    pub fn check(&mut self) -> Result<u64, Violation> {
        let mut checks = 0;
        for index in 0..self.counters.capacity() - self.own {
            let id = CounterId::new(i32::try_from(self.own + index).unwrap_or(i32::MAX));
            let state = self.counters.state(id);
            if self.seen.len() <= index {
                self.seen.push(Seen::default());
            }
            match state {
                Some(RecordState::Allocated) => checks += self.check_one(id, index)?,
                Some(RecordState::Reclaimed) => self.seen[index] = Seen::default(),
                _ => break,
            }
        }
        for (position, limit) in ORDERED {
            checks += self.check_order(position, limit)?;
        }
        Ok(checks)
    }

    fn check_one(&mut self, id: CounterId, index: usize) -> Result<u64, Violation> {
        let Some(type_id) = self.counters.type_id(id) else { return Ok(0) };
        let before = self.seen[index];
        let value = self.counters.value(id).unwrap_or(0);
        let mut now = Seen {
            registration_id: self.counters.registration_id(id).unwrap_or(0),
            type_id: type_id.get(),
            value,
            highest: value,
        };
        let is_same = (before.registration_id, before.type_id) == (now.registration_id, now.type_id);
        if is_same {
            now.highest = value.max(before.highest);
        }
        self.seen[index] = now;
        if !is_same || !MONOTONIC.contains(&type_id) {
            return Ok(0);
        }
        ensure!(
            now.value >= before.value,
            "{} went back from {} to {}",
            self.counters.label(id).unwrap_or_default(),
            before.value,
            now.value
        );
        Ok(1)
    }

    fn check_order(&self, position: CounterTypeId, limit: CounterTypeId) -> Result<u64, Violation> {
        let mut checks = 0;
        for lower in self.seen.iter().filter(|seen| seen.type_id == position.get()) {
            let same = |upper: &&Seen| {
                upper.type_id == limit.get() && upper.registration_id == lower.registration_id
            };
            let Some(upper) = self.seen.iter().find(same) else { continue };
            // At the end of a term, or for a claim that was given up.
            let is_end_of_term = lower.value % TermLength::MIN.bytes() as i64 == 0;
            let is_padding = is_end_of_term || lower.value - upper.highest < LONGEST_CLAIM;
            ensure!(
                lower.value <= upper.highest || is_padding,
                "registration {}: {} at {} passed {} at {}",
                lower.registration_id,
                position.label_name().unwrap_or("position"),
                lower.value,
                limit.label_name().unwrap_or("limit"),
                upper.highest
            );
            checks += 1;
        }
        Ok(checks)
    }

    /// Checks that the driver has nothing to complain of.
    ///
    /// # Errors
    /// When a counter of trouble has moved, or something is in the error log.
    pub fn check_health(&self, cnc: &Cnc) -> Result<u64, Violation> {
        if let Some(error) = error_log::entries(cnc.error_log()).next() {
            return Err(violation!("the driver logged an error: {error:?}"));
        }
        for counter in ZERO {
            let value = self.counters.value(counter.id()).unwrap_or(0);
            ensure!(value == 0, "{counter:?} is {value}");
        }
        Ok(ZERO.len() as u64 + 1)
    }
}
