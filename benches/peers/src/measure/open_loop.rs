//! Messages at a fixed rate, whether or not the party keeps up, each timed from when it was due: a stall costs every
//! message that it delays (no coordinated omission).

use super::{
    Measurement, Metric, Parameters, Result, content,
    measurement::{new_histogram, record},
    side::{FRAGMENT_LIMIT, SILENCE, offer_burst},
    udp::{self, Route},
};
use crate::party::{Offer, Party, Publication, Subscription};
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Share of the rate that must arrive.
const LEAST_RATE: f64 = 0.99;

/// Round trips that a message may take over a network.
const ROUND_TRIPS: u32 = 40;

/// When each message is due; both sides have the same clock, and the sender says when it begins.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    start: Arc<OnceLock<Instant>>,
    rate: u64,
    warm_up: Duration,
    duration: Duration,
    /// How long what is measured may take to arrive after the last of it was due.
    patience: Duration,
}

impl Schedule {
    pub(super) fn new(parameters: &Parameters) -> Self {
        let Parameters { rate, warm_up, duration, .. } = *parameters;
        let patience = Duration::ZERO;
        Self { start: Arc::default(), rate: rate.max(1), warm_up, duration, patience }
    }

    /// Over a network: nothing arrives in less than half a round trip, and what is lost takes several of them.
    fn over_a_network(self, parameters: &Parameters) -> Self {
        Self { patience: ROUND_TRIPS * parameters.round_trip, ..self }
    }

    /// Number of the first message that is not measured any more.
    fn end(&self) -> u64 {
        let nanoseconds = (self.warm_up + self.duration).as_nanos() * u128::from(self.rate);
        u64::try_from(nanoseconds.div_ceil(1_000_000_000)).unwrap_or(u64::MAX)
    }

    /// How long after the start the message with that number is due.
    fn due(&self, number: u64) -> Duration {
        let nanoseconds = u128::from(number) * 1_000_000_000 / u128::from(self.rate);
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }

    /// When that is, once the sender has begun.
    pub(super) fn due_at(&self, number: u64) -> Option<Instant> {
        self.start.get().map(|&start| start + self.due(number))
    }

    /// Sends what is due, until told to stop: `offer` is given each message and says whether it was taken; after all that
    /// are due, or many of them, it is everybody else's `turn`.
    pub(super) fn send(
        &self,
        message: &mut [u8],
        stop: &AtomicBool,
        mut offer: impl FnMut(&[u8]) -> Result<bool>,
        mut turn: impl FnMut(),
    ) -> Result<()> {
        let start = *self.start.get_or_init(Instant::now);
        let most = offer_burst(message.len());
        let mut next = 0;
        content::stamp(message, next);
        while !stop.load(Ordering::Relaxed) {
            let mut burst = 0;
            while burst < most && start.elapsed() >= self.due(next) && offer(message)? {
                burst += 1;
                next += 1;
                content::stamp(message, next);
            }
            turn();
        }
        Ok(())
    }

    /// What became of a rate that was missed, of which no message is known to be lost; `next` has not arrived.
    fn lateness(&self, arrived: f64, intended: f64, next: u64) -> String {
        let elapsed = self.start.get().map_or(Duration::ZERO, Instant::elapsed);
        let behind = elapsed.saturating_sub(self.due(next)).as_secs_f64() * 1e3;
        format!(
            "missed its rate of {} messages per second: {arrived:.0} of the {intended:.0} that were due in the time measured \
             had arrived at its end; none was lost, the next had been due for {behind:.1} ms",
            self.rate
        )
    }

    /// Times messages as `poll` hands them over.
    pub(super) fn receive(
        &self,
        mut poll: impl FnMut(&mut dyn FnMut(&[u8])) -> Result<()>,
    ) -> Result<Measurement> {
        let mut histogram = new_histogram()?;
        let (mut expected, mut wrong) = (0, 0u64);
        let mut last_seen = Instant::now();
        loop {
            let before = expected;
            poll(&mut |message| {
                let number = content::number(message);
                wrong += u64::from(number != expected);
                expected = number.wrapping_add(1);
                let due = self.due(number);
                if due >= self.warm_up && due < self.warm_up + self.duration {
                    let elapsed = self.start.get().map_or(Duration::ZERO, Instant::elapsed);
                    record(&mut histogram, elapsed.saturating_sub(due));
                }
            })?;
            if wrong > 0 {
                return Err(format!("messages lost, repeated or garbled before number {expected}"));
            }
            let now = Instant::now();
            if expected > before {
                last_seen = now;
            } else if now - last_seen > SILENCE {
                return Err("messages stopped arriving".to_owned());
            }
            let over = self.warm_up + self.duration + self.patience;
            let is_over = self.start.get().is_some_and(|&start| now - start >= over);
            if is_over || (self.patience > Duration::ZERO && expected >= self.end()) {
                break;
            }
        }
        let intended = self.rate as f64 * self.duration.as_secs_f64();
        let arrived = histogram.len() as f64;
        if arrived < LEAST_RATE * intended {
            return Err(self.lateness(arrived, intended, expected));
        }
        let mut measurement = Measurement::times(&histogram);
        let rate = arrived / self.duration.as_secs_f64() / 1e6;
        measurement.metrics.push(Metric::higher("rate", "Mmsg/s", rate));
        Ok(measurement)
    }
}

pub(super) fn run<P: Party>(parameters: &Parameters) -> Result<Measurement> {
    run_on::<P>(Route::direct()?, parameters)
}

pub(super) fn run_on<P: Party>(route: Route, parameters: &Parameters) -> Result<Measurement> {
    let Route { publication: outgoing, subscription: incoming, relay } = route;
    let schedule = match relay {
        Some(_) => Schedule::new(parameters).over_a_network(parameters),
        None => Schedule::new(parameters),
    };
    let (sender, receiver) = (schedule.clone(), schedule);
    udp::in_two_threads::<P, _>(
        parameters,
        |mut side, stop| {
            side.relay = relay;
            let mut publication = side.add_publication(&outgoing)?;
            side.await_connection(|| stop.load(Ordering::Relaxed) || publication.is_connected())?;
            let mut message = content::message(parameters.length);
            let offer = |message: &[u8]| Ok(matches!(publication.offer(message), Offer::Sent(_)));
            sender.send(&mut message, stop, offer, || side.turn())
        },
        |mut side| {
            let mut subscription = side.add_subscription(&incoming)?;
            side.await_connection(|| subscription.image_count() == 1)?;
            receiver.receive(|on_message| {
                subscription.poll_fragments(FRAGMENT_LIMIT, |fragment| on_message(fragment));
                side.turn();
                Ok(())
            })
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_are_only_late_are_told_to_be_late() {
        let parameters = Parameters {
            rate: 1000,
            warm_up: Duration::from_millis(20),
            duration: Duration::from_millis(30),
            ..Parameters::default()
        };
        let schedule = Schedule::new(&parameters);
        schedule.start.get_or_init(Instant::now);
        let mut numbers = 0..25;
        let mut message = content::message(32);
        let outcome = schedule.receive(|on_message| {
            for number in numbers.by_ref() {
                content::stamp(&mut message, number);
                on_message(&message);
            }
            Ok(())
        });
        let fault = outcome.expect_err("25 of 50");
        assert!(fault.contains("5 of the 30 that were due"), "{fault}");
        assert!(fault.contains("none was lost, the next had been due for "), "{fault}");
    }
}
