//! What a driver says that it sent is what the network saw: NAKs, status messages and error frames.

use epona_media_driver::media::simulated::{Event, TraceEntry};
use epona_protocol::{
    counters::{CountersReader, SystemCounter},
    frame::{FrameKind, StatusMessageFlags, StatusMessageView, classify},
};

use crate::{Violation, ensure};

/// What counters and network must agree on.
const COUNTED: [SystemCounter; 3] =
    [SystemCounter::NaksSent, SystemCounter::StatusMessagesSent, SystemCounter::ErrorFramesSent];

/// What the network saw of one driver since it started.
#[derive(Clone, Debug, Default)]
pub struct SentFrames {
    seen: [i64; COUNTED.len()],
    /// What goes to a group is seen once per member.
    sends_to_groups: bool,
}

impl SentFrames {
    /// The network took a datagram of the driver.
    pub fn record(&mut self, entry: &TraceEntry) {
        let place = match classify(&entry.bytes) {
            Ok(FrameKind::Nak) => 0,
            Ok(FrameKind::StatusMessage) if !asks_for_setup(&entry.bytes) => 1,
            Ok(FrameKind::Error) => 2,
            // Damaged on the way: the trace has what arrives.
            Err(_) => {
                self.sends_to_groups = true;
                return;
            }
            Ok(_) => return,
        };
        self.sends_to_groups |= entry.destination.ip().is_multicast();
        if !matches!(entry.event, Event::Duplicated(_)) {
            self.seen[place] += 1;
        }
    }

    /// Checks that the counters of the driver agree; how many checks that were.
    ///
    /// # Errors
    /// When they do not.
    pub fn check(&self, counters: &CountersReader) -> Result<u64, Violation> {
        if self.sends_to_groups {
            return Ok(0);
        }
        for (counter, seen) in COUNTED.iter().zip(self.seen) {
            let value = counters.value(counter.id()).unwrap_or(0);
            ensure!(value == seen, "{counter:?} is {value}, but the network saw {seen}");
        }
        Ok(COUNTED.len() as u64)
    }
}

/// Source: driver spec 10, counter 7: a request for a setup is no status message.
fn asks_for_setup(bytes: &[u8]) -> bool {
    StatusMessageView::new(bytes)
        .is_ok_and(|view| view.to_frame().flags.contains(StatusMessageFlags::SEND_SETUP))
}
