//! When the conductor has its turn on a thread that it shares with sender, receiver and the application.
//!
//! What it does for a message that has just come, or gone, can wait until the application had it; and while nothing goes
//! on, each look at its tables only lengthens the time to the next look at the sockets.

use std::time::Duration;

use epona_protocol::types::Nanos;

/// Most turns that it misses in a row.
const MOST_MISSED: u32 = 3;

/// Longest time without a turn, as far as it depends on what is decided here.
const LONGEST: Duration = Duration::from_micros(2);

/// Work of sender and receiver in one turn, in bytes, from which on windows are to be opened at once.
const MUCH: usize = 4096;

/// Decides whether the conductor has a turn now.
#[derive(Debug, Default)]
pub(super) struct Housekeeping {
    missed: u32,
    /// Whether there was something to do in its last turn, or sender or receiver have moved since.
    is_behind: bool,
    last: Nanos,
}

impl Housekeeping {
    /// Sender and receiver have just had their turns and `moved` so much; whether the conductor has its own now.
    #[inline]
    pub(super) fn is_due(&mut self, moved: usize, now: Nanos) -> bool {
        let may_wait = moved < MUCH && self.missed < MOST_MISSED && now < self.last + LONGEST;
        if may_wait && (moved > 0 || !self.is_behind) {
            self.missed += 1;
            self.is_behind |= moved > 0;
            return false;
        }
        true
    }

    /// It had its turn, and did so much.
    #[inline]
    pub(super) fn on_turn(&mut self, work: usize, now: Nanos) {
        *self = Self { missed: 0, is_behind: work > 0, last: now };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of several turns at one time are the conductor's, that each find so much moved.
    fn turns(housekeeping: &mut Housekeeping, now: i64, moved: &[usize]) -> Vec<bool> {
        let turn = |moved: &usize| {
            let is_due = housekeeping.is_due(*moved, Nanos::new(now));
            if is_due {
                housekeeping.on_turn(0, Nanos::new(now));
            }
            is_due
        };
        moved.iter().map(turn).collect()
    }

    #[test]
    fn a_message_goes_first_and_the_conductor_has_the_next_turn() {
        let mut housekeeping = Housekeeping::default();
        assert_eq!(turns(&mut housekeeping, 0, &[64, 0, 0, 0, 0]), [false, true, false, false, false]);
    }

    #[test]
    fn few_turns_are_missed_and_none_after_much_or_after_some_time() {
        let mut housekeeping = Housekeeping::default();
        assert_eq!(turns(&mut housekeeping, 0, &[1, 1, 1, 1, 1]), [false, false, false, true, false]);
        assert_eq!(turns(&mut housekeeping, 0, &[MUCH, MUCH]), [true, true]);
        assert_eq!(turns(&mut housekeeping, 1_000_000, &[1, 1]), [true, false]);
    }

    #[test]
    fn what_it_has_to_do_it_goes_on_with() {
        let mut housekeeping = Housekeeping::default();
        housekeeping.on_turn(7, Nanos::new(0));
        assert!(housekeeping.is_due(0, Nanos::new(0)));
    }
}
