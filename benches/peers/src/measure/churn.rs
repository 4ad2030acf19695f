//! What adding and removing publications does to a running stream, on a driver process with default settings: the times of
//! messages at a fixed rate while nothing else happens, and then while publications come and go on the same channel.

use super::{
    Measurement, Metric, Parameters, Result, content,
    measurement::{new_histogram, record},
    open_loop::Schedule,
    side::{FRAGMENT_LIMIT, SILENCE, STREAM, Side},
    udp,
};
use crate::{
    party::{Client, DriverKind, Offer, Party, Publication, Sharing, Subscription},
    process::DriverProcess,
};
use hdrhistogram::Histogram;
use std::{
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Time between two turns of the client that adds and removes: it is not to take the processors from the stream.
const REST: Duration = Duration::from_micros(100);

/// What the publisher, the subscriber and the client that adds and removes know.
struct Run<'a> {
    dir: PathBuf,
    channel: String,
    parameters: &'a Parameters,
    schedule: Schedule,
    /// When the last publication was removed.
    end: OnceLock<Instant>,
    stop: AtomicBool,
}

/// Of clients of one make on a driver of either.
pub(super) fn run<P: Party>(driver: DriverKind, parameters: &Parameters) -> Result<Measurement> {
    let driver = DriverProcess::spawn_stock(driver).map_err(|error| error.to_string())?;
    let run = Run {
        dir: driver.dir().to_owned(),
        channel: format!("{}|term-length={}", udp::channel()?, udp::SHORT_TERM),
        parameters,
        schedule: Schedule::new(parameters),
        end: OnceLock::new(),
        stop: AtomicBool::new(false),
    };
    let [quiet, adding] = thread::scope(|scope| {
        let helpers = [Run::publish::<P>, Run::add_and_remove::<P>].map(|part| {
            let run = &run;
            scope.spawn(move || {
                let outcome = part(run);
                // Nobody is waited for who has failed.
                run.stop.fetch_or(outcome.is_err(), Ordering::Relaxed);
                outcome
            })
        });
        let times = run.subscribe::<P>();
        run.stop.store(true, Ordering::Relaxed);
        for helper in helpers {
            helper.join().map_err(|_| "a measuring thread panicked".to_owned())??;
        }
        times
    })?;
    let mut measurement = Measurement::times(&adding);
    let at = |histogram: &Histogram<u64>, percentile: f64| {
        histogram.value_at_quantile(percentile / 100.0) as f64 / 1000.0
    };
    measurement.metrics = [
        ("quiet_p50", "adding_p50", 50.0),
        ("quiet_p99", "adding_p99", 99.0),
        ("quiet_max", "adding_max", 100.0),
    ]
    .into_iter()
    .flat_map(|(before, during, percentile)| {
        [
            Metric::lower(before, "us", at(&quiet, percentile)),
            Metric::lower(during, "us", at(&adding, percentile)),
        ]
    })
    .collect();
    Ok(measurement)
}

impl Run<'_> {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// When the first publication is added, once the stream has begun.
    fn begin(&self) -> Option<Instant> {
        let Parameters { warm_up, duration, .. } = *self.parameters;
        self.schedule.due_at(0).map(|start| start + warm_up + duration)
    }

    /// Which of the two times a message that was due then belongs to: 0 before anything is added, 1 from then on.
    fn phase(&self, due: Instant) -> Option<usize> {
        let begin = self.begin()?;
        if due < begin {
            return (due + self.parameters.duration >= begin).then_some(0);
        }
        self.end.get().is_none_or(|&end| due < end).then_some(1)
    }

    fn publish<P: Party>(&self) -> Result<()> {
        let mut side = Side::<P>::of_a_process(&self.dir)?;
        let mut publication = side.add_publication(&self.channel)?;
        side.await_connection(|| self.is_stopped() || publication.is_connected())?;
        let mut message = content::message(self.parameters.length);
        let offer = |message: &[u8]| Ok(matches!(publication.offer(message), Offer::Sent(_)));
        self.schedule.send(&mut message, &self.stop, offer, || side.turn())
    }

    /// The times of messages, in nanoseconds, before and while publications come and go.
    fn subscribe<P: Party>(&self) -> Result<[Histogram<u64>; 2]> {
        let mut side = Side::<P>::of_a_process(&self.dir)?;
        let mut subscription = side.add_subscription(&self.channel)?;
        side.await_connection(|| self.is_stopped() || subscription.image_count() == 1)?;
        let mut times = [new_histogram()?, new_histogram()?];
        let (mut expected, mut wrong, mut last_seen) = (0, 0u64, Instant::now());
        while !self.is_stopped() {
            let before = expected;
            subscription.poll_fragments(FRAGMENT_LIMIT, |message| {
                let number = content::number(message);
                wrong += u64::from(number != expected);
                expected = number.wrapping_add(1);
                let due = self.schedule.due_at(number);
                if let Some((due, phase)) = due.and_then(|due| Some((due, self.phase(due)?))) {
                    record(&mut times[phase], due.elapsed());
                }
            });
            side.turn();
            if wrong > 0 {
                return Err(format!("messages lost, repeated or garbled before number {expected}"));
            }
            if expected > before {
                last_seen = Instant::now();
            } else if last_seen.elapsed() > SILENCE {
                return Err("messages stopped arriving".to_owned());
            }
            // Those that were due by then have all arrived, however late.
            if self.end.get().is_some_and(|&end| self.schedule.due_at(expected).is_some_and(|due| due > end))
            {
                break;
            }
        }
        Ok(times)
    }

    /// Adds the publications one by one in the first half of the time, and removes them in the second.
    fn add_and_remove<P: Party>(&self) -> Result<()> {
        let mut side = Side::<P>::of_a_process(&self.dir)?;
        let count = u32::try_from(self.parameters.publications.max(1)).map_err(|error| error.to_string())?;
        let step = self.parameters.duration / (2 * count);
        let mut publications = Vec::new();
        for (at, stream) in (0..count).zip(STREAM + 1..) {
            self.rest_until(&mut side, step * at);
            let added = side
                .client
                .add_publication(&self.channel, stream, Sharing::Exclusive, &mut || thread::sleep(REST));
            publications.push(added.map_err(|error| error.message)?);
        }
        for (at, publication) in (count..).zip(publications) {
            self.rest_until(&mut side, step * at);
            drop(publication);
            side.client.do_work();
        }
        self.end.get_or_init(Instant::now);
        while !self.is_stopped() {
            rest(&mut side);
        }
        Ok(())
    }

    /// Rests until that long after the beginning, or until told to stop.
    fn rest_until<P: Party>(&self, side: &mut Side<P>, after: Duration) {
        while !self.is_stopped() && self.begin().is_none_or(|begin| begin + after > Instant::now()) {
            rest(side);
        }
    }
}

/// A turn for the client, and a pause.
fn rest<P: Party>(side: &mut Side<P>) {
    side.client.do_work();
    thread::sleep(REST);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_belongs_to_the_time_in_which_it_was_due() {
        let [warm_up, duration] = [10, 100].map(Duration::from_millis);
        let parameters = Parameters { warm_up, duration, ..Parameters::default() };
        let run = Run {
            dir: PathBuf::new(),
            channel: String::new(),
            parameters: &parameters,
            schedule: Schedule::new(&parameters),
            end: OnceLock::new(),
            stop: AtomicBool::new(true),
        };
        assert_eq!(run.phase(Instant::now()), None, "nothing was sent yet");
        run.schedule.send(&mut content::message(32), &run.stop, |_| Ok(true), || ()).unwrap();
        let start = run.schedule.due_at(0).unwrap();
        let phases =
            |run: &Run<'_>| [9, 10, 109, 110, 300].map(|at| run.phase(start + Duration::from_millis(at)));
        assert_eq!(phases(&run), [None, Some(0), Some(0), Some(1), Some(1)]);
        run.end.set(start + Duration::from_millis(300)).unwrap();
        assert_eq!(phases(&run), [None, Some(0), Some(0), Some(1), None]);
    }
}
