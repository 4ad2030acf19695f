//! Both sides of the exchange: where the pong is, how the two come up and go down.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use super::{
    Options,
    measure::{Pinger, RoundTrips},
};
use crate::{
    common::{Stop, note},
    cores::Cores,
    driver::{Choice, Embedded},
    interrupt::Interrupt,
    pong,
    side::{Place, Side},
};

/// How long a pong inside this process may take to answer.
const PONG_INSIDE_PATIENCE: Duration = Duration::from_secs(10);

/// How long `epona pong` elsewhere may take to be started.
const PONG_ELSEWHERE_PATIENCE: Duration = Duration::from_secs(60);

/// Whether the pong runs in another process: when asked to leave everything to others, or when this one could not
/// listen to the channel, because its endpoint is on another host or somebody listens to it already.
///
/// # Errors
/// When the endpoint cannot be resolved.
pub(super) fn is_pong_elsewhere(options: &Options) -> Result<bool, Stop> {
    if options.driver.embedded == Embedded::Never {
        return Ok(true);
    }
    let Some(endpoint) = options.channel.endpoint() else { return Ok(false) };
    let addresses: Vec<SocketAddr> = endpoint
        .to_socket_addrs()
        .map_err(|error| format!("cannot resolve endpoint {endpoint}: {error}"))?
        .collect();
    // As the driver does, prefer IPv4.
    let address = addresses.iter().find(|address| address.is_ipv4()).or_else(|| addresses.first());
    let bound = address.map(UdpSocket::bind);
    Ok(
        matches!(bound, Some(Err(error)) if matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable)),
    )
}

/// Brings both sides up, measures, and takes them down again.
///
/// # Errors
/// As [`super::run`].
pub(super) fn measure(
    options: &Options,
    choice: &Choice,
    pong_is_elsewhere: bool,
    cores: &Cores,
    interrupt: &Interrupt,
) -> Result<RoundTrips, Stop> {
    let place = Place::new(choice, options.length, cores);
    let mut side = Side::open(&place, 0, interrupt)?;
    if pong_is_elsewhere {
        note("Waiting for `epona pong` with the same channels. Ctrl-C ends.");
        return run_ping(&mut side, options, PONG_ELSEWHERE_PATIENCE, || false);
    }
    let pong_place = if options.is_within_one_driver() { place.beside(side.directory()) } else { place };
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let pong = scope.spawn(|| run_pong(options, &pong_place, &is_over, interrupt));
        let measured = run_ping(&mut side, options, PONG_INSIDE_PATIENCE, || pong.is_finished());
        is_over.store(true, Ordering::Relaxed);
        // What went wrong with the pong is why the ping got no answers.
        pong.join().unwrap_or_else(|_| Err("the pong thread panicked".into())).and(measured)
    })
}

/// The ping's side: waits for the pong, warms up, measures.
fn run_ping(
    side: &mut Side<'_>,
    options: &Options,
    patience: Duration,
    has_pong_ended: impl Fn() -> bool,
) -> Result<RoundTrips, Stop> {
    let subscription = side.add_subscription(options.back_stream())?;
    let publication = side.add_publication(options.ping_stream())?;
    let mut pinger = Pinger::new(side, publication, subscription, options.length);
    pinger.await_pong(patience, has_pong_ended)?;

    pinger.run("warm-up", options.warmup, options.pace())?;
    pinger.run("measure", options.messages, options.pace())
}

/// The pong's side, inside this process.
fn run_pong(
    options: &Options,
    place: &Place<'_>,
    is_over: &AtomicBool,
    interrupt: &Interrupt,
) -> Result<(), Stop> {
    let mut side = Side::open(place, 1, interrupt)?;
    let mut subscription = side.add_subscription(options.ping_stream())?;
    let mut publication = side.add_publication(options.back_stream())?;
    pong::echo(&mut subscription, &mut publication, |fragments| {
        side.turn(fragments)?;
        Ok(!is_over.load(Ordering::Relaxed))
    })
}
