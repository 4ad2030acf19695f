//! Times that drivers write into messages.

use std::ops::Range;

use epona_protocol::types::Nanos;

use crate::{Violation, applications::turn::Turn, ensure, scenario::Stamp};

/// What drivers write over of a message that has room for it, in bytes.
pub(super) fn places(stamps: &[Stamp], length: usize) -> Vec<Range<usize>> {
    let offsets = stamps.iter().filter_map(|stamp| stamp.offset);
    offsets.map(|offset| offset..offset + size_of::<i64>()).filter(|range| range.end <= length).collect()
}

/// Each time is one between sending and now.
pub(super) fn check(
    stamps: &[Stamp],
    (reserved, payload): (i64, &[u8]),
    sent_at: Nanos,
    turn: &mut Turn<'_>,
) -> Result<(), Violation> {
    for stamp in stamps {
        let time = match stamp.offset {
            None => reserved,
            Some(offset) => match payload.get(offset..).and_then(<[u8]>::first_chunk) {
                Some(bytes) => i64::from_le_bytes(*bytes),
                None => continue,
            },
        };
        ensure!(
            (sent_at..=turn.now.nanos).contains(&Nanos::new(time)),
            "{:?} of a message sent at {sent_at:?} says {time}",
            stamp.shows
        );
        turn.figures.checks += 1;
        turn.figures.features.count(stamp.shows);
    }
    Ok(())
}
