//! Writing the loss report.

use super::{
    CHANNEL_OFFSET, ENTRY_ALIGNMENT, FIRST_OBSERVATION_OFFSET, LAST_OBSERVATION_OFFSET,
    OBSERVATION_COUNT_OFFSET, SESSION_ID_OFFSET, STREAM_ID_OFFSET, TOTAL_BYTES_LOST_OFFSET,
};
use crate::{
    memory::AtomicView,
    types::{EpochMillis, SessionId, StreamId, align_usize},
};

/// The only writer of a loss report.
#[derive(Debug)]
pub struct LossReport {
    view: AtomicView,
    next_offset: usize,
}

impl LossReport {
    /// Takes over a zeroed region.
    #[must_use]
    pub fn new(view: AtomicView) -> Self {
        Self { view, next_offset: 0 }
    }

    /// Adds an entry for a stream's first loss; `None` when there is no room left for it.
    ///
    /// Its observation count, stored last with release, makes it readable.
    pub fn create_entry(
        &mut self,
        bytes_lost: i64,
        now: EpochMillis,
        session_id: SessionId,
        stream_id: StreamId,
        channel: &str,
        source: &str,
    ) -> Option<LossReportHandle> {
        let source_offset = CHANNEL_OFFSET + align_usize(4 + channel.len(), 4);
        let length = align_usize(source_offset + 4 + source.len(), ENTRY_ALIGNMENT);
        if !self.view.contains(self.next_offset, length) {
            return None;
        }
        let entry = self.view.sub_view(self.next_offset, length);
        self.next_offset += length;
        entry.put_i64(TOTAL_BYTES_LOST_OFFSET, bytes_lost);
        entry.put_i64(FIRST_OBSERVATION_OFFSET, now.get());
        entry.put_i64(LAST_OBSERVATION_OFFSET, now.get());
        entry.put_i32(SESSION_ID_OFFSET, session_id.get());
        entry.put_i32(STREAM_ID_OFFSET, stream_id.get());
        entry.put_i32(CHANNEL_OFFSET, channel.len() as i32);
        entry.write(CHANNEL_OFFSET + 4, channel.as_bytes());
        entry.put_i32(source_offset, source.len() as i32);
        entry.write(source_offset + 4, source.as_bytes());
        entry.put_i64_release(OBSERVATION_COUNT_OFFSET, 1);
        Some(LossReportHandle { entry })
    }
}

/// One entry of the report, to count further losses on, from any thread.
#[derive(Clone, Debug)]
pub struct LossReportHandle {
    entry: AtomicView,
}

impl LossReportHandle {
    /// Counts one more loss of `bytes_lost` bytes.
    pub fn observe(&self, bytes_lost: i64, now: EpochMillis) {
        self.entry.put_i64_release(LAST_OBSERVATION_OFFSET, now.get());
        self.entry.fetch_add_i64(TOTAL_BYTES_LOST_OFFSET, bytes_lost);
        self.entry.fetch_add_i64(OBSERVATION_COUNT_OFFSET, 1);
    }
}
