//! Scenarios over UDP: two drivers, one per side.

use super::{
    Measurement, Parameters, Result,
    relay::Relay,
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

/// A new UDP channel on the loopback.
pub(super) fn channel() -> Result<String> {
    let port = net::free_port().map_err(|error| error.to_string())?;
    Ok(format!("aeron:udp?endpoint=127.0.0.1:{port}"))
}

/// Length of a term for what times messages, bytes: so short that all of its pages are in use once the stream has warmed
/// up, as they are in a stream that runs for long.
pub(super) const SHORT_TERM: usize = 1 << 20;

/// The way of a stream to its subscriber.
pub(super) struct Route {
    /// Channel of the publication.
    pub(super) publication: String,
    /// Channel of the subscription.
    pub(super) subscription: String,
    /// What is between them, if anything.
    pub(super) relay: Option<Relay>,
}

impl Route {
    /// Nothing is between them.
    pub(super) fn direct() -> Result<Self> {
        let channel = channel()?;
        Ok(Self { publication: channel.clone(), subscription: channel, relay: None })
    }

    /// A network that delays, and loses that much in either direction.
    pub(super) fn lossy(loss_percent: f64, parameters: &Parameters) -> Result<Self> {
        let port = net::free_port().map_err(|error| error.to_string())?;
        let relay = Relay::new(port, loss_percent, parameters)?;
        Ok(Self {
            publication: format!("aeron:udp?endpoint=127.0.0.1:{}", relay.port()?),
            subscription: format!("aeron:udp?endpoint=127.0.0.1:{port}"),
            relay: Some(relay),
        })
    }
}

/// Runs two sides, each in a thread with a driver of its own, and tells the first to stop when the second is done.
pub(super) fn in_two_threads<P: Party, T: Send>(
    parameters: &Parameters,
    servant: impl FnOnce(Side<P>, &AtomicBool) -> Result<()> + Send,
    master: impl FnOnce(Side<P>) -> Result<T> + Send,
) -> Result<T> {
    let scratch = net::scratch_dir().map_err(|error| error.to_string())?;
    let stop = AtomicBool::new(false);
    let side = |name: &str, processor| {
        let dir = Path::new(scratch.path()).join(name);
        Side::<P>::with_driver(&dir, parameters, processor, DriverTurn::Always)
    };
    thread::scope(|scope| {
        let servant = scope.spawn(|| servant(side("servant", parameters.processors[0])?, &stop));
        let master = scope.spawn(|| {
            let outcome = side("master", parameters.processors[1]).and_then(master);
            stop.store(true, Ordering::Relaxed);
            outcome
        });
        let servant = servant.join().map_err(|_| "a measuring thread panicked".to_owned());
        let master = master.join().map_err(|_| "a measuring thread panicked".to_owned());
        servant??;
        master?
    })
}

pub(super) fn latency<P: Party>(parameters: &Parameters) -> Result<Measurement> {
    let (ping, pong) = (channel()?, channel()?);
    in_two_threads::<P, _>(
        parameters,
        |mut side, stop| {
            let idle = side.add_idle_subscriptions(&ping, parameters)?;
            let mut incoming = [side.add_subscription(&ping)?];
            let mut outgoing = side.add_publication(&pong)?;
            side.pong(stop, parameters, &mut incoming, &mut outgoing);
            drop(idle);
            Ok(())
        },
        |mut side| {
            let idle = side.add_idle_publications(&ping, parameters)?;
            let mut incoming = side.add_subscription(&pong)?;
            let mut outgoing = [side.add_publication(&ping)?];
            side.await_connection(|| {
                outgoing.iter().chain(&idle).all(Publication::is_connected) && incoming.image_count() == 1
            })?;
            side.ping(parameters, &mut outgoing, &mut incoming).map(|times| Measurement::times(&times))
        },
    )
}

pub(super) fn wake<P: Party>(parameters: &Parameters) -> Result<Measurement> {
    let (ping, pong) = (channel()?, channel()?);
    in_two_threads::<P, _>(
        parameters,
        |mut side, stop| {
            let mut incoming = side.add_idle_subscriptions(&ping, parameters)?;
            let mut outgoing = side.add_publication(&pong)?;
            side.pong(stop, parameters, &mut incoming, &mut outgoing);
            Ok(())
        },
        |mut side| {
            let mut incoming = side.add_subscription(&pong)?;
            let mut outgoing = side.add_idle_publications(&ping, parameters)?;
            side.await_connection(|| {
                outgoing.iter().all(Publication::is_connected) && incoming.image_count() == 1
            })?;
            side.ping(parameters, &mut outgoing, &mut incoming).map(|times| Measurement::times(&times))
        },
    )
}

pub(super) fn throughput<P: Party>(parameters: &Parameters) -> Result<Measurement> {
    throughput_on::<P>(Route::direct()?, parameters)
}

pub(super) fn throughput_on<P: Party>(route: Route, parameters: &Parameters) -> Result<Measurement> {
    let Route { publication: outgoing, subscription: incoming, relay } = route;
    in_two_threads::<P, _>(
        parameters,
        |mut side, stop| {
            side.relay = relay;
            let idle = side.add_idle_publications(&outgoing, parameters)?;
            side.await_connection(|| {
                stop.load(Ordering::Relaxed) || idle.iter().all(Publication::is_connected)
            })?;
            let mut publication = side.add_publication(&outgoing)?;
            side.send(stop, parameters, &mut publication);
            Ok(())
        },
        |mut side| {
            let idle = side.add_idle_subscriptions(&incoming, parameters)?;
            let mut subscriptions = [side.add_subscription(&incoming)?];
            side.await_images(&idle)?;
            side.await_connection(|| subscriptions[0].image_count() == 1)?;
            Ok(Measurement::rate(side.count(parameters, &mut subscriptions, |_| ())?, parameters))
        },
    )
}
