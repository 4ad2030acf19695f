//! Publishes numbered messages in bursts, on one publication after the other.

use super::{End, Report, Reporter, Stream, tell, with_drivers};
use crate::content;
use epona_client::{Aeron, ClientError, ExclusivePublication, OfferError, Position, Publication};
use std::{thread, time::Duration};

/// Most messages between two pauses.
const BURST: u32 = 40;

/// Longest pause, microseconds.
const PAUSE_US: u64 = 4000;

/// A publication of either kind.
enum Outlet {
    Concurrent(Publication),
    Exclusive(ExclusivePublication),
}

impl Outlet {
    fn add(aeron: &Aeron, stream: &Stream, is_exclusive: bool) -> Result<Self, ClientError> {
        if is_exclusive {
            aeron.add_exclusive_publication(&stream.channel, stream.stream).map(Self::Exclusive)
        } else {
            aeron.add_publication(&stream.channel, stream.stream).map(Self::Concurrent)
        }
    }

    fn offer(&mut self, message: &[u8]) -> Result<Position, OfferError> {
        match self {
            Self::Concurrent(publication) => publication.offer(message),
            Self::Exclusive(publication) => publication.offer(message),
        }
    }
}

pub(super) fn run(stream: &Stream, end: &End) {
    let mut report = Report::default();
    let mut reporter = Reporter(None);
    // Not from the game's seed: each process is a new origin.
    let mut random = fastrand::Rng::new();
    with_drivers(stream, end, |aeron| {
        report.connections += 1;
        let mut outlet = Outlet::add(aeron, stream, random.bool())?;
        let (origin, mut sequence) = (random.u64(..), 0);
        let mut message = Vec::new();
        content::write(stream.flow, origin, sequence, &mut message);
        while !end.is_near() && !aeron.is_closed() {
            for _ in 0..random.u32(1..=BURST) {
                match outlet.offer(&message) {
                    Ok(_) => {
                        report.messages += 1;
                        report.bytes += message.len() as u64;
                        sequence += 1;
                        content::write(stream.flow, origin, sequence, &mut message);
                    }
                    Err(OfferError::Closed) => return Ok(()),
                    Err(refused) if refused.is_temporary() => break,
                    Err(refused) => {
                        report.errors.push(format!("an offer was refused: {refused}"));
                        tell(&report);
                        return Ok(());
                    }
                }
            }
            reporter.tell_now_and_then(|| report.clone());
            thread::sleep(Duration::from_micros(random.u64(1..=PAUSE_US)));
        }
        Ok(())
    });
    tell(&report);
}
