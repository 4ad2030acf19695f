//! The answers of a run, checked and counted.

use epona_media_driver::clock::{Clock, SystemClock};
use hdrhistogram::Histogram;

use super::message::{is_intact, stamp_of};
use crate::common::Stop;

/// An empty histogram of nanoseconds, to three digits.
///
/// # Errors
/// Never, in fact: three digits are fine.
pub(super) fn new_histogram() -> Result<Histogram<u64>, Stop> {
    Ok(Histogram::new_with_bounds(1, 3_600_000_000_000, 3)?)
}

/// The answers of a run.
#[derive(Debug)]
pub(super) struct Tally {
    /// Round trips in nanoseconds.
    pub(super) histogram: Histogram<u64>,
    clock: SystemClock,
    first: u64,
    answered: u64,
    length: usize,
    /// An answer that was not what had been sent.
    changed: Option<u64>,
}

impl Tally {
    /// Of a run whose first message has the number `first`; answers must be `length` bytes long.
    ///
    /// # Errors
    /// As [`new_histogram`].
    pub(super) fn new(first: u64, length: usize, clock: SystemClock) -> Result<Self, Stop> {
        Ok(Self { histogram: new_histogram()?, clock, first, answered: 0, length, changed: None })
    }

    /// Takes the next answer; leaves alone what comes from an earlier run or a second pong.
    #[inline]
    pub(super) fn take(&mut self, answer: &[u8]) {
        let now = self.clock.now().nanos;
        let Some(stamp) = stamp_of(answer) else { return };
        if stamp.number != self.first + self.answered {
            return;
        }
        if !is_intact(answer, self.length) {
            self.changed.get_or_insert(self.answered);
        }
        self.answered += 1;
        let nanos = u64::try_from(now.since(stamp.sent).as_nanos()).unwrap_or(u64::MAX);
        self.histogram.saturating_record(nanos);
    }

    /// How many answers there were.
    ///
    /// # Errors
    /// When one was not what had been sent.
    #[inline]
    pub(super) fn answered(&self) -> Result<u64, Stop> {
        match self.changed {
            None => Ok(self.answered),
            Some(number) => Err(format!("the answer to message {number} is not what was sent").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use epona_client::Nanos;

    use super::*;
    use crate::ping::message::{Message, Stamp};

    #[test]
    fn answers_of_other_runs_and_second_pongs_are_left_alone() {
        let mut tally = Tally::new(100, 16, SystemClock::new()).unwrap();
        let mut message = Message::new(16);
        for (number, answered) in [(7, 0), (100, 1), (100, 1), (101, 2), (100, 2), (102, 3)] {
            tally.take(message.stamped(Stamp { sent: Nanos::new(0), number }));
            assert_eq!(tally.answered().unwrap(), answered);
        }
        tally.take(b"short");
        assert_eq!((tally.answered().unwrap(), tally.histogram.len()), (3, 3));
    }

    #[test]
    fn an_answer_that_is_not_what_was_sent_ends_the_run() {
        let mut tally = Tally::new(0, 16, SystemClock::new()).unwrap();
        tally.take(Message::new(17).stamped(Stamp { sent: Nanos::new(0), number: 0 }));
        assert!(tally.answered().is_err());
    }
}
