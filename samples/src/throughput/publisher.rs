//! The side that publishes.

use std::time::Duration;

use epona_client::{ExclusivePublication, OfferError};

use super::{
    LEAST_LENGTH, Options,
    totals::{Count, Phase, Progress},
};
use crate::{
    common::{Stop, note},
    side::Side,
};

/// Messages offered to one stream before the next gets its turn.
const BURST: u64 = 64;

/// How long a driver of this side's own stays after the last message, to send again what was lost.
const LINGER: Duration = Duration::from_secs(1);

/// One stream, and the number of its next message.
struct Lane {
    publication: ExclusivePublication,
    next: u64,
}

/// Publishes on all streams until the time is over.
///
/// # Errors
/// When the driver refuses a stream, or a message is too long; when the client has ended; on Ctrl-C.
pub(super) fn run(side: &mut Side<'_>, options: &Options, progress: &Progress) -> Result<(), Stop> {
    let mut lanes = Vec::new();
    for stream in options.streams() {
        lanes.push(Lane { publication: side.add_publication(stream)?, next: 0 });
    }
    if !options.subscribes() {
        note("Waiting for `epona throughput --only subscriber`, or another subscriber. Ctrl-C ends.");
    }
    while !lanes.iter().all(|lane| lane.publication.is_connected()) {
        if progress.phase() == Phase::Over {
            return Ok(());
        }
        side.turn(0)?;
    }
    progress.enter(Phase::Running);
    let goal = options.messages.map_or(u64::MAX, u64::from);
    let mut message: Vec<u8> = (0..options.length).map(|index| index as u8).collect();
    let (mut count, mut refused) = (Count::default(), 0);
    while progress.phase() == Phase::Running && lanes.iter().any(|lane| lane.next < goal) {
        let before = count.messages;
        for lane in &mut lanes {
            let (taken, was_refused) = lane.burst(&mut message, goal)?;
            count.messages += taken;
            refused += u64::from(was_refused);
        }
        count.bytes = count.messages * options.length as u64;
        progress.set_published(count, refused);
        side.turn(usize::try_from(count.messages - before).unwrap_or(usize::MAX))?;
    }
    progress.enter(Phase::Published);
    linger(side, options, progress)
}

/// Goes on sending until all has arrived, or where nobody here can tell, for a while.
fn linger(side: &mut Side<'_>, options: &Options, progress: &Progress) -> Result<(), Stop> {
    let end = side.now().nanos + LINGER;
    let counts_here = options.subscribes();
    let mut now = side.now().nanos;
    while if counts_here { progress.phase() != Phase::Over } else { side.has_driver() && now < end } {
        now = side.turn(0)?.nanos;
    }
    Ok(())
}

impl Lane {
    /// Offers some messages; how many were taken, and whether one was not.
    fn burst(&mut self, message: &mut [u8], goal: u64) -> Result<(u64, bool), Stop> {
        let first = self.next;
        while self.next < goal && self.next - first < BURST {
            message[..LEAST_LENGTH].copy_from_slice(&self.next.to_le_bytes());
            match self.publication.offer(message) {
                Ok(_) => self.next += 1,
                // The turn that follows tells why.
                Err(OfferError::Closed) => break,
                Err(error) if error.is_temporary() => return Ok((self.next - first, true)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok((self.next - first, false))
    }
}
