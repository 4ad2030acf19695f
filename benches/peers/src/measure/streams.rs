//! Several streams on one channel, all as fast as they go: what the number of streams costs.

use super::{Measurement, Parameters, Result, side::STREAM, udp};
use crate::party::{Party, Publication};
use std::sync::atomic::Ordering;

/// Terms of all streams together, bytes; there are three of each, and as many again in the images.
const ALL_TERMS: usize = 64 << 20;

/// Length of a term, bytes: a thousand logs of the usual length do not fit where shared memory is.
fn term_length(streams: usize) -> usize {
    let share = ALL_TERMS / streams.max(1);
    (1 << share.max(1).ilog2()).clamp(64 << 10, 16 << 20)
}

pub(super) fn run<P: Party>(parameters: &Parameters) -> Result<Measurement> {
    let channel = udp::channel()?;
    let ids = || (STREAM..).take(parameters.streams.max(1));
    udp::in_two_threads::<P, _>(
        parameters,
        |mut side, stop| {
            let with_terms = format!("{channel}|term-length={}", term_length(parameters.streams));
            let publications: Result<Vec<_>> =
                ids().map(|stream| side.add_publication_on(&with_terms, stream)).collect();
            let mut publications = publications?;
            side.await_connection(|| {
                stop.load(Ordering::Relaxed) || publications.iter().all(Publication::is_connected)
            })?;
            side.send(stop, parameters, &mut publications);
            Ok(())
        },
        |mut side| {
            let subscriptions: Result<Vec<_>> =
                ids().map(|stream| side.add_subscription_on(&channel, stream)).collect();
            let mut subscriptions = subscriptions?;
            side.await_images(&subscriptions)?;
            Ok(Measurement::rate(side.count(parameters, &mut subscriptions)?, parameters))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_powers_of_two_within_aerons_limits_however_many_streams_there_are() {
        let lengths = [0, 1, 10, 100, 1000].map(term_length);
        assert_eq!(lengths, [16 << 20, 16 << 20, 4 << 20, 512 << 10, 64 << 10]);
    }
}
