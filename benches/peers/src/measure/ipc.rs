//! Scenarios over shared memory: one driver, invoked by the side that publishes (or pings).

use super::{
    Measurement, Parameters, Result,
    side::{DriverTurn, Side},
};
use crate::{
    net,
    party::{Party, Publication, Subscription},
};
use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

/// Ping and pong are two streams; a channel each keeps them apart by alias only, so they differ in session.
const PING: &str = "aeron:ipc?alias=ping|session-id=1";
const PONG: &str = "aeron:ipc?alias=pong|session-id=2";

/// Channel of the idle streams.
const IDLE: &str = "aeron:ipc";

/// Runs the side with the driver in one thread and the other in a second; the first to finish stops both.
fn in_two_threads<P: Party, T: Send, U: Send>(
    parameters: &Parameters,
    with_driver: impl FnOnce(Side<P>, &AtomicBool) -> Result<T> + Send,
    without_driver: impl FnOnce(Side<P>, &AtomicBool) -> Result<U> + Send,
) -> Result<(T, U)> {
    let scratch = net::scratch_dir().map_err(|error| error.to_string())?;
    let dir = Path::new(scratch.path()).join("driver");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let with_driver = scope.spawn(|| {
            let side =
                Side::<P>::with_driver(&dir, parameters, parameters.processors[0], DriverTurn::Housekeeping);
            let outcome = side.and_then(|side| with_driver(side, &stop));
            stop.store(true, Ordering::Relaxed);
            outcome
        });
        let without_driver = scope.spawn(|| {
            let outcome = Side::<P>::without_driver(&dir, parameters.processors[1])
                .and_then(|side| without_driver(side, &stop));
            stop.store(true, Ordering::Relaxed);
            outcome
        });
        let one = with_driver.join().map_err(|_| "a measuring thread panicked".to_owned());
        let other = without_driver.join().map_err(|_| "a measuring thread panicked".to_owned());
        Ok((one??, other??))
    })
}

pub(super) fn latency<P: Party>(parameters: &Parameters) -> Result<Measurement> {
    let (histogram, ()) = in_two_threads::<P, _, _>(
        parameters,
        |mut side, _| {
            let mut incoming = side.add_subscription(PONG)?;
            let mut outgoing = [side.add_publication(PING)?];
            side.await_connection(|| outgoing[0].is_connected() && incoming.image_count() == 1)?;
            side.ping(parameters, &mut outgoing, &mut incoming)
        },
        |mut side, stop| {
            let mut incoming = [side.add_subscription(PING)?];
            let mut outgoing = side.add_publication(PONG)?;
            side.pong(stop, parameters, &mut incoming, &mut outgoing);
            Ok(())
        },
    )?;
    Ok(Measurement::times(&histogram))
}

pub(super) fn throughput<P: Party>(parameters: &Parameters) -> Result<Measurement> {
    let ((), rate) = in_two_threads::<P, _, _>(
        parameters,
        |mut side, stop| {
            let idle = side.add_idle_publications(IDLE, parameters)?;
            side.await_connection(|| {
                stop.load(Ordering::Relaxed) || idle.iter().all(Publication::is_connected)
            })?;
            let mut publication = side.add_publication(PING)?;
            side.send(stop, parameters, &mut publication);
            Ok(())
        },
        |mut side, _| {
            let idle = side.add_idle_subscriptions(IDLE, parameters)?;
            let mut subscriptions = [side.add_subscription(PING)?];
            side.await_images(&idle)?;
            side.await_connection(|| subscriptions[0].image_count() == 1)?;
            side.count(parameters, &mut subscriptions, |_| ())
        },
    )?;
    Ok(Measurement::rate(rate, parameters))
}
