//! What a driver process with default settings costs while nothing is sent.

use super::{Measurement, Metric, Parameters, Result, process_usage::Usage, side::Side, udp};
use crate::{
    party::{Client, Party, Publication},
    process::DriverProcess,
};
use std::time::{Duration, Instant};

/// Time between two turns of the client, which has nothing to do but to show that it lives.
const CLIENT_REST: Duration = Duration::from_millis(20);

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
    let metrics = vec![
        Metric::lower("processor", "% of one", share * 100.0),
        Metric::lower("switches", "1/s", switches),
    ];
    Ok(Measurement { metrics, curve: None })
}

fn rest<P: Party>(side: &mut Side<P>, duration: Duration) {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        side.client.do_work();
        std::thread::sleep(CLIENT_REST);
    }
}
