//! The measuring loop.

use std::{cell::RefCell, fmt, num::NonZero, time::Duration};

use epona_client::{ExclusivePublication, FragmentAssembler, Nanos, OfferError, Subscription};
use hdrhistogram::Histogram;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::{
    message::{LEAST_LENGTH, Message, Stamp, stamp_of},
    tally::Tally,
};
use crate::{
    common::{Stop, note},
    side::Side,
};

/// How long an answer may stay out.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait for the answer to a knock before the next.
const KNOCK_INTERVAL: Duration = Duration::from_millis(50);

/// Messages between two looks at the progress bar.
const PROGRESS_INTERVAL: u64 = 1000;

/// When messages are sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    /// Each when the answer to the one before is back.
    ClosedLoop,
    /// So many a second, come what may.
    Rate(NonZero<u64>),
}

impl Pace {
    /// The time to stamp message `sent` with, if it is due; the first was due at `start`.
    ///
    /// A message that is late, because the one before was, is stamped with the time at which it should have gone. So
    /// a stall counts for every message that had to wait for it.
    #[inline]
    fn due(self, sent: u64, answered: u64, start: Nanos, now: Nanos) -> Option<Nanos> {
        match self {
            Self::ClosedLoop => (sent == answered).then_some(now),
            Self::Rate(rate) => {
                let nanos = u128::from(sent) * 1_000_000_000 / u128::from(rate.get());
                let due = start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
                (due <= now).then_some(due)
            }
        }
    }
}

/// What a run brought.
#[derive(Debug)]
pub(super) struct RoundTrips {
    /// Round trips in nanoseconds.
    pub(super) histogram: Histogram<u64>,
    /// From the first message to the last answer.
    pub(super) elapsed: Duration,
}

/// A bar on standard error, drawn a few times a second, where that is a terminal.
pub(super) fn progress_bar(what: &'static str, count: u64) -> Result<ProgressBar, Stop> {
    let bar = ProgressBar::with_draw_target(Some(count), ProgressDrawTarget::stderr_with_hz(4));
    let style = "{prefix:8} {human_len} messages  [{bar:24}] {percent:>3}%  {rate}";
    let style = ProgressStyle::with_template(style)?.progress_chars("##-").with_key("rate", write_rate);
    Ok(bar.with_style(style).with_prefix(what))
}

fn write_rate(state: &ProgressState, output: &mut dyn fmt::Write) {
    // A bar is drawn without what cannot be written.
    let _ = write!(output, "{} round trips/s", HumanCount(state.per_sec() as u64));
}

/// The ping's side with its streams.
#[derive(Debug)]
pub(super) struct Pinger<'a, 'i> {
    publication: ExclusivePublication,
    subscription: Subscription,
    message: Message,
    length: usize,
    /// Number of the next run's first message.
    first: u64,
    side: &'a mut Side<'i>,
}

impl<'a, 'i> Pinger<'a, 'i> {
    pub(super) fn new(
        side: &'a mut Side<'i>,
        publication: ExclusivePublication,
        subscription: Subscription,
        length: usize,
    ) -> Self {
        // Milliseconds since 1970 with room for the messages of a run.
        let first = side.now().epoch.get().unsigned_abs() << 20;
        Self { publication, subscription, message: Message::new(length), length, first, side }
    }

    /// Knocks until the pong answers. That both are connected here is not enough: the pong may hear before it is heard,
    /// and what it cannot answer it drops.
    ///
    /// # Errors
    /// When that takes too long or the pong has ended; when the client has; on Ctrl-C.
    pub(super) fn await_pong(
        &mut self,
        patience: Duration,
        has_ended: impl Fn() -> bool,
    ) -> Result<(), Stop> {
        let mut now = self.side.now().nanos;
        let (give_up, mut next_knock, mut has_answered) = (now + patience, now, false);
        // No number of a run, so that a late answer to a knock is not taken for one of its.
        let number = self.first - 1;
        while !has_answered {
            if has_ended() || now > give_up {
                return Err(self.explain_no_pong(patience).into());
            }
            if now >= next_knock && self.publication.is_connected() && self.subscription.is_connected() {
                let knock = &self.message.stamped(Stamp { sent: now, number })[..LEAST_LENGTH];
                // Whatever came in between, the next knock or turn tells.
                let _ = self.publication.offer(knock);
                next_knock = now + KNOCK_INTERVAL;
            }
            let answers = self.subscription.poll(
                |answer, _| has_answered |= stamp_of(answer).is_some_and(|stamp| stamp.number == number),
                10,
            );
            now = self.side.turn(answers)?.nanos;
        }
        Ok(())
    }

    fn explain_no_pong(&self, patience: Duration) -> String {
        let missing = match (self.publication.is_connected(), self.subscription.is_connected()) {
            (false, _) => format!("nobody subscribes to {}", self.publication.channel()),
            (true, false) => format!("nobody publishes to {}", self.subscription.channel()),
            (true, true) => format!("nobody answers on {}", self.subscription.channel()),
        };
        format!(
            "no pong within {} s: {missing}; start `epona pong` with the same channels",
            patience.as_secs()
        )
    }

    /// Makes `count` round trips.
    ///
    /// # Errors
    /// When an answer stays out or comes back changed; when the client has ended; on Ctrl-C.
    pub(super) fn run(&mut self, what: &'static str, count: u64, pace: Pace) -> Result<RoundTrips, Stop> {
        let tally = RefCell::new(Tally::new(self.first, self.length, self.side.clock())?);
        let mut assembler = FragmentAssembler::new(|answer, _| tally.borrow_mut().take(answer));
        let bar = progress_bar(what, count)?;
        let start = self.side.now().nanos;
        let (mut sent, mut answered, mut last_answer, mut fragments) = (0, 0, start, 0);
        while answered < count {
            if sent < count
                && let Some(due) = pace.due(sent, answered, start, self.side.now().nanos)
            {
                let stamp = Stamp { sent: due, number: self.first + sent };
                match self.publication.offer(self.message.stamped(stamp)) {
                    Ok(_) => sent += 1,
                    Err(OfferError::Closed) => {}
                    Err(error) if error.is_temporary() => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let now = self.side.turn(fragments)?.nanos;
            fragments = self.subscription.poll(|payload, header| assembler.on_fragment(payload, header), 10);
            if fragments > 0 {
                last_answer = now;
                answered = tally.borrow().answered()?;
                if answered % PROGRESS_INTERVAL == 0 {
                    bar.set_position(answered);
                }
            } else if now.since(last_answer) > ANSWER_PATIENCE {
                return Err(format!(
                    "no answer for {} s: {answered} of {sent} messages sent have come back",
                    ANSWER_PATIENCE.as_secs()
                )
                .into());
            }
        }
        bar.finish_and_clear();
        note(&format!("{what:8} {} messages  done", HumanCount(count)));
        self.first += count;
        Ok(RoundTrips {
            histogram: tally.into_inner().histogram,
            elapsed: self.side.now().nanos.since(start),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Nanos = Nanos::new(1_000);

    #[test]
    fn a_closed_loop_sends_when_the_answer_is_back() {
        let now = Nanos::new(5_000);
        assert_eq!(Pace::ClosedLoop.due(3, 3, START, now), Some(now));
        assert_eq!(Pace::ClosedLoop.due(3, 2, START, now), None);
    }

    #[test]
    fn a_late_message_is_stamped_with_the_time_at_which_it_was_due() {
        let pace = Pace::Rate(NonZero::new(1_000_000).unwrap());
        assert_eq!(pace.due(0, 0, START, START), Some(START));
        assert_eq!(pace.due(3, 0, START, Nanos::new(3_999)), None);
        assert_eq!(pace.due(3, 0, START, Nanos::new(4_000)), Some(Nanos::new(4_000)));
        assert_eq!(pace.due(3, 0, START, Nanos::new(900_000)), Some(Nanos::new(4_000)));
        let three_a_second = Pace::Rate(NonZero::new(3).unwrap());
        let an_hour = Nanos::new(3_600_000_000_000);
        assert_eq!(
            three_a_second.due(10_800, 0, Nanos::new(0), an_hour),
            Some(an_hour),
            "no rounding adds up"
        );
    }
}
