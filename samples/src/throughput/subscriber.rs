//! The side that subscribes.

use std::cell::RefCell;

use epona_client::{FragmentAssembler, SessionId};

use super::{
    Options,
    totals::{Count, Phase, Progress},
};
use crate::{
    common::{Stop, note},
    side::Side,
};

/// Fragments taken from a stream before the next gets its turn.
const FRAGMENT_LIMIT: usize = 256;

/// Takes what comes on all streams until told to end.
///
/// # Errors
/// When the driver refuses a stream; when messages come out of order; when the client has ended; on Ctrl-C.
pub(super) fn run(side: &mut Side<'_>, options: &Options, progress: &Progress) -> Result<(), Stop> {
    let mut subscriptions = Vec::new();
    for stream in options.streams() {
        subscriptions.push(side.add_subscription(stream)?);
    }
    if !options.publishes() {
        note("Waiting for `epona throughput --only publisher`. Ctrl-C ends.");
    }
    let tallies: Vec<_> = subscriptions.iter().map(|_| RefCell::new(Tally::default())).collect();
    let mut lanes: Vec<_> = subscriptions
        .into_iter()
        .zip(&tallies)
        .map(|(subscription, tally)| {
            let take = |message: &[u8], header: &epona_client::Header<'_>| {
                tally.borrow_mut().take(header.session_id(), message);
            };
            (subscription, FragmentAssembler::new(take))
        })
        .collect();
    let mut fragments = 0;
    while progress.phase() != Phase::Over {
        side.turn(fragments)?;
        fragments = 0;
        for (subscription, assembler) in &mut lanes {
            fragments +=
                subscription.poll(|payload, header| assembler.on_fragment(payload, header), FRAGMENT_LIMIT);
        }
        if fragments > 0 {
            report(&tallies, progress)?;
            if !options.publishes() {
                progress.enter(Phase::Running);
            }
        }
    }
    Ok(())
}

/// Tells the others how far it is.
fn report(tallies: &[RefCell<Tally>], progress: &Progress) -> Result<(), Stop> {
    let (mut count, mut skipped) = (Count::default(), 0);
    for tally in tallies {
        let tally = tally.borrow();
        if let Some(number) = tally.out_of_order {
            return Err(format!("message {number} came out of order").into());
        }
        count.messages += tally.count.messages;
        count.bytes += tally.count.bytes;
        skipped += tally.skipped;
    }
    progress.set_received(count, skipped);
    Ok(())
}

/// The messages of one stream.
#[derive(Debug, Default)]
struct Tally {
    count: Count,
    skipped: u64,
    /// Of each session the number that comes next.
    next: Vec<(SessionId, u64)>,
    out_of_order: Option<u64>,
}

impl Tally {
    #[inline]
    fn take(&mut self, session_id: SessionId, message: &[u8]) {
        self.count.messages += 1;
        self.count.bytes += message.len() as u64;
        let Some(number) = message.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)) else { return };
        let Some((_, next)) = self.next.iter_mut().find(|(session, _)| *session == session_id) else {
            // Whoever joins late begins in the middle.
            self.next.push((session_id, number.wrapping_add(1)));
            return;
        };
        if number < *next {
            self.out_of_order.get_or_insert(number);
        }
        self.skipped += number.saturating_sub(*next);
        *next = number.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_counted_together_and_ordered_apart() {
        let mut tally = Tally::default();
        let mut take = |session, number: u64| {
            tally.take(SessionId::new(session), &number.to_le_bytes());
            (tally.count.messages, tally.skipped, tally.out_of_order)
        };
        assert_eq!(take(1, 5), (1, 0, None), "a late joiner begins in the middle");
        assert_eq!(take(2, 0), (2, 0, None));
        assert_eq!(take(1, 6), (3, 0, None));
        assert_eq!(take(2, 4), (4, 3, None));
        assert_eq!(take(1, 6), (5, 3, Some(6)));
    }
}
