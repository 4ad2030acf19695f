//! One side of a measurement: a pinned thread that invokes a client and, where it has one, a driver.

use super::{
    Parameters, Result,
    content::{self, Checker},
    measurement::{new_histogram, record},
    relay::Relay,
};
use crate::party::{Client, InvokedDriver, Offer, Party, Publication, Sharing, Subscription};
use hdrhistogram::Histogram;
use std::{
    array,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// Stream of all measurements.
pub(super) const STREAM: i32 = 1001;

/// Turns of the data path between two turns of the client's conductor (and, over IPC, of the driver).
const TURNS_PER_HOUSEKEEPING: u32 = 256;

/// Most messages that are offered together.
const MAX_BATCH: usize = 64;

/// Bytes offered between two duty cycles of the driver: twice what one call can hand to the kernel, so that a driver that
/// sends much at a time finds as much, as it would if it had a processor for itself.
const OFFER_BURST: usize = 128 << 10;

/// Messages of a length offered between two duty cycles of the driver.
pub(super) fn offer_burst(length: usize) -> usize {
    (OFFER_BURST / (length + 32).next_multiple_of(32)).max(1)
}

/// Fragments taken by one poll.
pub(super) const FRAGMENT_LIMIT: usize = 256;

/// How long nothing may arrive before a run is given up.
pub(super) const SILENCE: Duration = Duration::from_secs(20);

/// When a side's driver has its turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DriverTurn {
    /// In every turn of the data path: it moves the messages.
    Always,
    /// Now and then, and when the publication is held up: it only keeps house.
    Housekeeping,
}

/// A client, its driver if it runs one, and when that has its turn.
pub(super) struct Side<P: Party> {
    pub(super) client: P::Client,
    driver: Option<P::Driver>,
    driver_turn: DriverTurn,
    /// The network, where this thread is to move it.
    pub(super) relay: Option<Relay>,
    shares_its_processor: bool,
    rest: Duration,
    turns: u32,
}

impl<P: Party> Side<P> {
    /// Pins the calling thread and connects to a driver of its own in `dir`.
    pub(super) fn with_driver(
        dir: &Path,
        parameters: &Parameters,
        processor: usize,
        driver_turn: DriverTurn,
    ) -> Result<Self> {
        pin(processor)?;
        let mut driver = P::Driver::launch(dir, &parameters.driver).map_err(|error| error.message)?;
        driver.do_work();
        let client = P::Client::connect(dir).map_err(|error| error.message)?;
        Ok(Self { driver: Some(driver), driver_turn, rest: parameters.rest, ..Self::new(client) })
    }

    /// Pins the calling thread and connects to the driver that the other side runs in `dir`.
    pub(super) fn without_driver(dir: &Path, processor: usize) -> Result<Self> {
        pin(processor)?;
        let client = P::Client::connect(dir).map_err(|error| error.message)?;
        Ok(Self::new(client))
    }

    /// Connects to the driver process in `dir` from a thread that runs wherever there is room, and makes room itself
    /// between two polls.
    pub(super) fn of_a_process(dir: &Path) -> Result<Self> {
        let client = P::Client::connect(dir).map_err(|error| error.message)?;
        Ok(Self { shares_its_processor: true, ..Self::new(client) })
    }

    fn new(client: P::Client) -> Self {
        Self {
            client,
            driver: None,
            driver_turn: DriverTurn::Housekeeping,
            relay: None,
            shares_its_processor: false,
            rest: Duration::ZERO,
            turns: 0,
        }
    }

    pub(super) fn add_publication(&mut self, channel: &str) -> Result<<P::Client as Client>::Publication> {
        self.add_publication_on(channel, STREAM)
    }

    pub(super) fn add_publication_on(
        &mut self,
        channel: &str,
        stream: i32,
    ) -> Result<<P::Client as Client>::Publication> {
        let driver = &mut self.driver;
        let mut turn = || work(driver);
        self.client
            .add_publication(channel, stream, Sharing::Exclusive, &mut turn)
            .map_err(|error| error.message)
    }

    pub(super) fn add_subscription(&mut self, channel: &str) -> Result<<P::Client as Client>::Subscription> {
        self.add_subscription_on(channel, STREAM)
    }

    pub(super) fn add_subscription_on(
        &mut self,
        channel: &str,
        stream: i32,
    ) -> Result<<P::Client as Client>::Subscription> {
        let driver = &mut self.driver;
        let mut turn = || work(driver);
        self.client.add_subscription(channel, stream, &mut turn).map_err(|error| error.message)
    }

    /// A publication on each of the idle streams.
    pub(super) fn add_idle_publications(
        &mut self,
        channel: &str,
        parameters: &Parameters,
    ) -> Result<Vec<<P::Client as Client>::Publication>> {
        let channel = with_short_terms(channel);
        idle_streams(parameters).map(|stream| self.add_publication_on(&channel, stream)).collect()
    }

    /// A subscription to each of the idle streams.
    pub(super) fn add_idle_subscriptions(
        &mut self,
        channel: &str,
        parameters: &Parameters,
    ) -> Result<Vec<<P::Client as Client>::Subscription>> {
        idle_streams(parameters).map(|stream| self.add_subscription_on(channel, stream)).collect()
    }

    /// Waits until every one of the subscriptions has its image.
    pub(super) fn await_images(
        &mut self,
        subscriptions: &[<P::Client as Client>::Subscription],
    ) -> Result<()> {
        self.await_connection(|| subscriptions.iter().all(|subscription| subscription.image_count() == 1))
    }

    /// Everybody's turn; housekeeping only when it is due.
    #[inline]
    pub(super) fn turn(&mut self) {
        if self.driver_turn == DriverTurn::Always {
            work(&mut self.driver);
        }
        if let Some(relay) = &mut self.relay {
            relay.do_work();
        }
        if self.shares_its_processor {
            std::thread::yield_now();
        }
        if !self.rest.is_zero() {
            std::thread::sleep(self.rest);
        }
        self.turns = self.turns.wrapping_add(1);
        if self.turns.is_multiple_of(TURNS_PER_HOUSEKEEPING) {
            self.keep_house();
        }
    }

    /// A turn for the driver and the client's conductor, now.
    pub(super) fn keep_house(&mut self) {
        work(&mut self.driver);
        if let Some(relay) = &mut self.relay {
            relay.do_work();
        }
        self.client.do_work();
    }

    /// Waits until `connected`, or until `stop`.
    pub(super) fn await_connection(&mut self, mut connected: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + SILENCE;
        while !connected() {
            self.keep_house();
            std::thread::yield_now();
            if Instant::now() > deadline {
                return Err("the two sides never connected".to_owned());
            }
        }
        Ok(())
    }

    /// Sends a message on each publication in turn and waits for its echo, over and over: first warming up, then
    /// measuring.
    pub(super) fn ping(
        &mut self,
        parameters: &Parameters,
        pings: &mut [<P::Client as Client>::Publication],
        pong: &mut <P::Client as Client>::Subscription,
    ) -> Result<Histogram<u64>> {
        let mut message = content::message(parameters.length);
        let mut number = 0;
        let mut histogram = new_histogram()?;
        let start = Instant::now();
        let measured_from = start + parameters.warm_up;
        let end = measured_from + parameters.duration;
        for at in (0..pings.len()).cycle() {
            let ping = &mut pings[at];
            number += 1;
            content::stamp(&mut message, number);
            let sent_at = Instant::now();
            while !matches!(ping.offer(&message), Offer::Sent(_)) {
                self.keep_house();
                if sent_at.elapsed() > SILENCE {
                    return Err("a message was not taken".to_owned());
                }
            }
            let (mut echoes, mut right) = (0, true);
            while echoes == 0 {
                self.turn();
                echoes += pong.poll_fragments(1, |echo| right = echo == message);
                if self.turns.is_multiple_of(1 << 16) && sent_at.elapsed() > SILENCE {
                    return Err("a message was not echoed".to_owned());
                }
            }
            let now = Instant::now();
            if !right {
                return Err("an echo is not what was sent".to_owned());
            }
            if now >= end {
                if histogram.is_empty() {
                    return Err("no round trip began and ended in the time measured".to_owned());
                }
                return Ok(histogram);
            }
            if sent_at >= measured_from {
                record(&mut histogram, now - sent_at);
            }
        }
        Err("nothing to ping".to_owned())
    }

    /// Echoes every message, of each subscription in turn, until told to stop.
    pub(super) fn pong(
        &mut self,
        stop: &AtomicBool,
        parameters: &Parameters,
        pings: &mut [<P::Client as Client>::Subscription],
        pong: &mut <P::Client as Client>::Publication,
    ) {
        let mut message = content::message(parameters.length);
        let (mut owed, mut next) = (0, 0);
        while !stop.load(Ordering::Relaxed) {
            let received = pings[next].poll_fragments(1, |ping| {
                if ping.len() == message.len() {
                    message.copy_from_slice(ping);
                }
            });
            owed += received;
            next = (next + received) % pings.len();
            while owed > 0 && matches!(pong.offer(&message), Offer::Sent(_)) {
                owed -= 1;
            }
            self.turn();
        }
    }

    /// Sends messages as fast as they are taken, until told to stop.
    pub(super) fn send(
        &mut self,
        stop: &AtomicBool,
        parameters: &Parameters,
        publication: &mut <P::Client as Client>::Publication,
    ) {
        if parameters.batch > 1 {
            self.send_batches(stop, parameters, publication);
            return;
        }
        let burst = offer_burst(parameters.length);
        let mut message = content::message(parameters.length);
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            for _ in 0..burst {
                content::stamp(&mut message, number);
                if !matches!(publication.offer(&message), Offer::Sent(_)) {
                    if self.driver_turn == DriverTurn::Housekeeping {
                        work(&mut self.driver);
                    }
                    break;
                }
                number += 1;
            }
            self.turn();
        }
    }

    /// [`Side::send`] of several messages at once.
    fn send_batches(
        &mut self,
        stop: &AtomicBool,
        parameters: &Parameters,
        publication: &mut <P::Client as Client>::Publication,
    ) {
        let mut buffers = vec![content::message(parameters.length); parameters.batch];
        let (mut next, mut taken) = (0, parameters.batch);
        while !stop.load(Ordering::Relaxed) {
            // Those that were taken give their place to the next ones.
            buffers.rotate_left(taken);
            for buffer in &mut buffers[parameters.batch - taken..] {
                content::stamp(buffer, next);
                next += 1;
            }
            let batch: [&[u8]; MAX_BATCH] =
                array::from_fn(|at| buffers.get(at).map_or(&[][..], Vec::as_slice));
            taken = publication.offer_batch(&batch[..parameters.batch.min(MAX_BATCH)]);
            if taken == 0 && self.driver_turn == DriverTurn::Housekeeping {
                work(&mut self.driver);
            }
            self.turn();
        }
    }

    /// Takes the messages of every subscription for the time of the measurement, telling after each turn how many came
    /// since the last; how many came per second in all.
    pub(super) fn count(
        &mut self,
        parameters: &Parameters,
        subscriptions: &mut [<P::Client as Client>::Subscription],
        mut on_messages: impl FnMut(u64),
    ) -> Result<f64> {
        let mut checkers = vec![Checker::new(parameters.length); subscriptions.len()];
        self.count_for(parameters.warm_up, subscriptions, &mut checkers, &mut on_messages)?;
        let rate = self.count_for(parameters.duration, subscriptions, &mut checkers, &mut on_messages)?;
        checkers.iter().try_for_each(Checker::verdict)?;
        Ok(rate)
    }

    fn count_for(
        &mut self,
        duration: Duration,
        subscriptions: &mut [<P::Client as Client>::Subscription],
        checkers: &mut [Checker],
        on_messages: &mut impl FnMut(u64),
    ) -> Result<f64> {
        let start = Instant::now();
        let (mut last_seen, mut last_count, mut count) = (start, 0, 0);
        // As many polls between two looks at the clock, however many subscriptions there are.
        let rounds = (64 / subscriptions.len().max(1)).max(1);
        loop {
            for _ in 0..rounds {
                let mut taken = 0;
                for (subscription, checker) in subscriptions.iter_mut().zip(&mut *checkers) {
                    let before = checker.messages;
                    subscription.poll_fragments(FRAGMENT_LIMIT, |fragment| checker.take(fragment));
                    taken += checker.messages - before;
                }
                on_messages(taken);
                count += taken;
                self.turn();
            }
            let now = Instant::now();
            if count > last_count {
                (last_seen, last_count) = (now, count);
            } else if now - last_seen > SILENCE {
                return Err("messages stopped arriving".to_owned());
            }
            if now - start >= duration {
                return Ok(count as f64 / (now - start).as_secs_f64());
            }
        }
    }
}

/// Stream ids of the idle streams.
fn idle_streams(parameters: &Parameters) -> impl Iterator<Item = i32> {
    (STREAM..).skip(1).take(parameters.idle_streams)
}

/// Length of a term of the idle streams, bytes: the shortest there is, as little or nothing is to be sent on them.
pub const IDLE_TERM: usize = 64 << 10;

/// A channel whose publications have such terms.
fn with_short_terms(channel: &str) -> String {
    let separator = if channel.contains('?') { '|' } else { '?' };
    format!("{channel}{separator}term-length={IDLE_TERM}")
}

#[inline]
fn work<D: InvokedDriver>(driver: &mut Option<D>) {
    if let Some(driver) = driver {
        driver.do_work();
    }
}

/// Binds the calling thread to one processor, where there is more than one.
pub(super) fn pin(processor: usize) -> Result<()> {
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    let mut set = rustix::thread::CpuSet::new();
    set.set(processor % available);
    rustix::thread::sched_setaffinity(None, &set)
        .map_err(|error| format!("cannot pin to processor {processor}: {error}"))
}
