//! What a driver process with default settings costs while nothing is sent, and how long the first message takes then.

use super::{
    Measurement, Metric, Parameters, Result, content,
    measurement::{new_histogram, record},
    process_usage::Usage,
    side::{SILENCE, Side},
    udp,
};
use crate::{
    party::{Client, Offer, Party, Publication, Subscription},
    process::DriverProcess,
};
use hdrhistogram::Histogram;
use std::time::{Duration, Instant};

/// Time between two turns of the client, which has nothing to do but to show that it lives.
const CLIENT_REST: Duration = Duration::from_millis(20);

/// Time without a message after which one is timed: long enough that every thread sleeps for as long as it ever does.
const LULL: Duration = Duration::from_millis(200);

pub(super) fn run<P: Party>(parameters: &Parameters) -> Result<Measurement> {
    let driver = DriverProcess::spawn_stock(P::DRIVER).map_err(|error| error.to_string())?;
    let mut side = Side::<P>::of_a_process(driver.dir())?;
    let channel = udp::channel()?;
    let subscriptions = side.add_idle_subscriptions(&channel, parameters)?;
    let publications = side.add_idle_publications(&channel, parameters)?;
    side.await_images(&subscriptions)?;
    side.await_connection(|| publications.iter().all(Publication::is_connected))?;

    rest(&mut side, parameters.warm_up);
    let before = Usage::of(driver.id())?;
    let start = Instant::now();
    rest(&mut side, parameters.duration);
    let (used, elapsed) = (Usage::of(driver.id())?, start.elapsed().as_secs_f64());
    if !publications.iter().all(Publication::is_connected) {
        return Err("an idle stream was disconnected".to_owned());
    }
    let share = (used.processor - before.processor).as_secs_f64() / elapsed;
    let switches = used.switches.saturating_sub(before.switches) as f64 / elapsed;
    let first = first_messages(&mut side, parameters)?;
    let first_us = |percentile| first.value_at_quantile(percentile) as f64 / 1000.0;
    let metrics = vec![
        Metric::lower("processor", "% of one", share * 100.0),
        Metric::lower("switches", "1/s", switches),
        Metric::lower("first_p50", "us", first_us(0.5)),
        Metric::lower("first_p99", "us", first_us(0.99)),
    ];
    Ok(Measurement { metrics, curve: None })
}

/// Times of single messages with a lull before each, from before the offer until they are polled, in nanoseconds.
fn first_messages<P: Party>(side: &mut Side<P>, parameters: &Parameters) -> Result<Histogram<u64>> {
    let channel = udp::channel()?;
    let mut subscription = side.add_subscription(&channel)?;
    let mut publication = side.add_publication(&channel)?;
    side.await_connection(|| publication.is_connected() && subscription.image_count() == 1)?;
    let message = content::message(parameters.length);
    let mut histogram = new_histogram()?;
    let end = Instant::now() + parameters.duration;
    while Instant::now() < end || histogram.is_empty() {
        rest(side, LULL);
        let start = Instant::now();
        while !matches!(publication.offer(&message), Offer::Sent(_)) {
            side.turn();
            if start.elapsed() > SILENCE {
                return Err("a message was not taken".to_owned());
            }
        }
        while subscription.poll_messages(1, |_| {}) == 0 {
            side.turn();
            if start.elapsed() > SILENCE {
                return Err("a message was lost".to_owned());
            }
        }
        record(&mut histogram, start.elapsed());
    }
    Ok(histogram)
}

fn rest<P: Party>(side: &mut Side<P>, duration: Duration) {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        side.client.do_work();
        std::thread::sleep(CLIENT_REST);
    }
}
