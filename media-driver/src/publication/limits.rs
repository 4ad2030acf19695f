//! How far a publisher may go, and the cleaning of terms that makes it safe to go there.

use std::time::Duration;

use epona_protocol::{
    logbuffer::{LogBuffers, clean, unblock_log},
    types::{Nanos, Position, TermGeometry},
};

/// Zeroes terms behind their slowest reader, at most one contiguous piece a call.
///
/// Publishers never zero: a term must be clean before the publisher limit reaches into it.
/// Source: driver spec 3.4.
#[derive(Debug)]
pub struct LogCleaner {
    clean_position: Position,
}

impl LogCleaner {
    /// All of the log ahead of `position` is clean.
    #[must_use]
    pub fn new(position: Position) -> Self {
        Self { clean_position: position }
    }

    /// Cleans towards `position`, to the end of the current term at most.
    pub fn clean(&mut self, log: &LogBuffers, position: Position) {
        let dirty = position - self.clean_position;
        if dirty <= 0 {
            return;
        }
        let geometry = log.geometry();
        let offset = geometry.term_offset(self.clean_position);
        let left_in_term = i64::from(geometry.term_length().get() - offset.get());
        let cleaned = clean(log.term_at(self.clean_position), offset, dirty.min(left_in_term) as i32);
        self.clean_position = self.clean_position + i64::from(cleaned);
    }

    /// Whether a publisher that reaches `limit` stays out of terms that are still dirty.
    ///
    /// Source: driver spec 3.3 (the gap rule).
    #[must_use]
    pub fn permits(&self, limit: Position, geometry: &TermGeometry) -> bool {
        let gap = geometry.term_count(limit).wrapping_sub(geometry.term_count(self.clean_position));
        gap < 2 || (gap == 2 && geometry.term_offset(self.clean_position).get() != 0)
    }
}

/// Watches a concurrent publication for a publisher that died between claim and commit.
///
/// Source: driver spec 3.9, shared-memory spec 8.10.
#[derive(Debug)]
pub struct BlockedPublisher {
    position: Position,
    time_of_last_change: Nanos,
    timeout: Duration,
}

impl BlockedPublisher {
    /// Starts watching at `position`.
    #[must_use]
    pub fn new(position: Position, now: Nanos, timeout: Duration) -> Self {
        Self { position, time_of_last_change: now, timeout }
    }

    /// Looks at the consumer's (or sender's) position; unblocks the log when it has stood still too long with
    /// something in front of it. Whether it did.
    pub fn check(&mut self, log: &LogBuffers, position: Position, producer: Position, now: Nanos) -> bool {
        if position == self.position && is_possibly_blocked(log, position, producer) {
            if now > self.time_of_last_change + self.timeout {
                return unblock_log(log, position);
            }
        } else {
            self.time_of_last_change = now;
            self.position = position;
        }
        false
    }
}

fn is_possibly_blocked(log: &LogBuffers, position: Position, producer: Position) -> bool {
    log.metadata().active_term_count() != log.geometry().term_count(position) || producer > position
}

#[cfg(test)]
mod tests {
    use epona_protocol::types::{TermId, TermLength};

    use super::*;

    #[test]
    fn a_limit_two_terms_ahead_is_allowed_only_once_cleaning_has_begun() {
        let geometry = TermGeometry::new(TermId::new(0), TermLength::MIN);
        let term = i64::from(TermLength::MIN.get());
        let at = |position| LogCleaner::new(Position::new(position));
        assert!(at(0).permits(Position::new(2 * term - 32), &geometry));
        assert!(!at(0).permits(Position::new(2 * term), &geometry));
        assert!(at(32).permits(Position::new(2 * term), &geometry));
        assert!(!at(32).permits(Position::new(3 * term), &geometry));
    }
}
