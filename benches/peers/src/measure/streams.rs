//! Several streams on one channel, all as fast as they go: what the number of streams costs.
//!
//! The window of a stream is a promise about the receiver's term buffer, not about its socket: a hundred windows are
//! many times what the socket holds, and what is measured then is how a party recovers from losing most of what it
//! sends. So the receiver tells the sender through a shared word how far it is, as for the bare sockets.

use super::{
    Measurement, Parameters, Result, content,
    side::{STREAM, Side, offer_burst},
    udp,
};
use crate::party::{Client, Offer, Party, Publication};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Terms of all streams together, bytes; there are three of each, and as many again in the images.
const ALL_TERMS: usize = 64 << 20;

/// What the kernel keeps per datagram beside its bytes.
const KERNEL_OVERHEAD: usize = 1024;

/// Bytes before each message.
const HEADER_LENGTH: usize = 32;

/// Length of a term, bytes: a thousand logs of the usual length do not fit where shared memory is.
pub(super) fn term_length(streams: usize) -> usize {
    let share = ALL_TERMS / streams.max(1);
    (1 << share.max(1).ilog2()).clamp(64 << 10, 16 << 20)
}

/// Messages that the receiver's socket holds, each burst in datagrams of its own.
fn in_flight(parameters: &Parameters) -> u64 {
    // The kernel doubles what it is asked for.
    let buffer = 2 * parameters.driver.socket_buffer;
    let burst = parameters.burst.max(1);
    let bytes = burst * (parameters.length + HEADER_LENGTH).next_multiple_of(HEADER_LENGTH);
    // No datagram but the last of a burst is filled to less than half.
    let datagrams = burst.min(2 * bytes / parameters.driver.mtu.max(1) + 1);
    (burst * (buffer / (bytes + datagrams * KERNEL_OVERHEAD))).max(1) as u64
}

pub(super) fn run<P: Party>(parameters: &Parameters) -> Result<Measurement> {
    let channel = udp::channel()?;
    let ids = || (STREAM..).take(parameters.streams.max(1));
    let received = AtomicU64::new(0);
    udp::in_two_threads::<P, _>(
        parameters,
        |mut side, stop| {
            let publications: Result<Vec<_>> =
                ids().map(|stream| side.add_publication_on(&channel, stream)).collect();
            let mut publications = publications?;
            side.await_connection(|| {
                stop.load(Ordering::Relaxed) || publications.iter().all(Publication::is_connected)
            })?;
            send(&mut side, stop, parameters, &mut publications, &received);
            Ok(())
        },
        |mut side| {
            let subscriptions: Result<Vec<_>> =
                ids().map(|stream| side.add_subscription_on(&channel, stream)).collect();
            let mut subscriptions = subscriptions?;
            side.await_images(&subscriptions)?;
            let rate = side.count(parameters, &mut subscriptions, |messages| {
                received.fetch_add(messages, Ordering::Release);
            })?;
            Ok(Measurement::rate(rate, parameters))
        },
    )
}

/// Sends a burst on each publication in turn, as long as not too much is under way, until told to stop. However many
/// there are, the driver has its turn after as many messages.
fn send<P: Party>(
    side: &mut Side<P>,
    stop: &AtomicBool,
    parameters: &Parameters,
    publications: &mut [<P::Client as Client>::Publication],
    received: &AtomicU64,
) {
    let in_flight = in_flight(parameters);
    let (burst, most) = (parameters.burst.max(1), offer_burst(parameters.length));
    let mut message = content::message(parameters.length);
    let mut numbers = vec![0; publications.len()];
    let (mut sent, mut since_turn) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let before = sent;
        for (publication, number) in publications.iter_mut().zip(&mut numbers) {
            let room = (received.load(Ordering::Acquire) + in_flight).saturating_sub(sent);
            for _ in 0..room.min(burst as u64) {
                content::stamp(&mut message, *number);
                if !matches!(publication.offer(&message), Offer::Sent(_)) {
                    break;
                }
                *number += 1;
                sent += 1;
                since_turn += 1;
            }
            if since_turn >= most || room == 0 {
                since_turn = 0;
                side.turn();
            }
        }
        if sent == before {
            side.turn();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_powers_of_two_within_aerons_limits_however_many_streams_there_are() {
        let lengths = [0, 1, 10, 100, 1000].map(term_length);
        assert_eq!(lengths, [16 << 20, 16 << 20, 4 << 20, 512 << 10, 64 << 10]);
    }

    #[test]
    fn what_is_under_way_fits_the_sockets_of_the_system() {
        let mut parameters = Parameters::default();
        let buffer = 2 * parameters.driver.socket_buffer;
        let fits = in_flight(&parameters) as usize;
        assert!(fits > 1000 && fits * (parameters.length + HEADER_LENGTH) < buffer, "{fits}");
        parameters.driver.socket_buffer = 200 << 10;
        assert!(in_flight(&parameters) < fits as u64 / 8);
        parameters.driver.socket_buffer = 0;
        assert_eq!(in_flight(&parameters), 1);
    }
}
