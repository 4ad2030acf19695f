//! Reading a loss report, of a driver running or gone.

use super::{
    CHANNEL_OFFSET, ENTRY_ALIGNMENT, FIRST_OBSERVATION_OFFSET, LAST_OBSERVATION_OFFSET,
    OBSERVATION_COUNT_OFFSET, SESSION_ID_OFFSET, STREAM_ID_OFFSET, TOTAL_BYTES_LOST_OFFSET,
};
use crate::{
    memory::AtomicView,
    types::{EpochMillis, SessionId, StreamId, align_usize},
};

/// What one stream from one source has lost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LossReportEntry {
    /// How often loss was observed.
    pub observation_count: i64,
    /// Bytes lost in all.
    pub total_bytes_lost: i64,
    /// When loss was first observed.
    pub first_observation: EpochMillis,
    /// When loss was last observed.
    pub last_observation: EpochMillis,
    /// Session of the stream.
    pub session_id: SessionId,
    /// Stream id.
    pub stream_id: StreamId,
    /// Channel of the subscription; bytes that are not UTF-8 replaced.
    pub channel: String,
    /// Where the stream came from, `address:port`.
    pub source: String,
}

/// Iterator over the entries of a loss report. Ends at the first length that cannot be.
#[derive(Clone, Debug)]
pub struct LossReportEntries {
    view: AtomicView,
    offset: usize,
}

/// All entries of a loss report, in the order of their first observation.
#[must_use]
pub fn entries(view: AtomicView) -> LossReportEntries {
    LossReportEntries { view, offset: 0 }
}

impl LossReportEntries {
    /// The text behind the length at `offset`, and where it ends.
    fn text_at(&self, offset: usize) -> Option<(String, usize)> {
        if !self.view.contains(offset, 4) {
            return None;
        }
        let length = usize::try_from(self.view.get_i32(offset)).ok()?;
        if !self.view.contains(offset + 4, length) {
            return None;
        }
        let text = self.view.to_vec(offset + 4, length);
        Some((String::from_utf8_lossy(&text).into_owned(), offset + 4 + length))
    }
}

impl Iterator for LossReportEntries {
    type Item = LossReportEntry;

    fn next(&mut self) -> Option<LossReportEntry> {
        let offset = self.offset;
        if !self.view.contains(offset, CHANNEL_OFFSET) {
            return None;
        }
        let observation_count = self.view.get_i64_acquire(offset + OBSERVATION_COUNT_OFFSET);
        if observation_count <= 0 {
            return None;
        }
        let (channel, channel_end) = self.text_at(offset + CHANNEL_OFFSET)?;
        let (source, end) = self.text_at(align_usize(channel_end, 4))?;
        self.offset = align_usize(end, ENTRY_ALIGNMENT);
        Some(LossReportEntry {
            observation_count,
            total_bytes_lost: self.view.get_i64_acquire(offset + TOTAL_BYTES_LOST_OFFSET),
            first_observation: EpochMillis::new(self.view.get_i64(offset + FIRST_OBSERVATION_OFFSET)),
            last_observation: EpochMillis::new(self.view.get_i64_acquire(offset + LAST_OBSERVATION_OFFSET)),
            session_id: SessionId::new(self.view.get_i32(offset + SESSION_ID_OFFSET)),
            stream_id: StreamId::new(self.view.get_i32(offset + STREAM_ID_OFFSET)),
            channel,
            source,
        })
    }
}
