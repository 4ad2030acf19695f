//! Reading an error log, of a driver running or gone.

use super::{
    FIRST_OBSERVATION_OFFSET, HEADER_LENGTH, LAST_OBSERVATION_OFFSET, LENGTH_OFFSET,
    OBSERVATION_COUNT_OFFSET, RECORD_ALIGNMENT,
};
use crate::{
    memory::AtomicView,
    types::{EpochMillis, align_usize},
};

/// A distinct error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ErrorEntry {
    /// How often it was observed; 0 for a moment while it is recorded first.
    pub observation_count: i32,
    /// When it was first observed.
    pub first_observation: EpochMillis,
    /// When it was last observed.
    pub last_observation: EpochMillis,
    /// What happened; bytes that are not UTF-8 replaced.
    pub text: String,
}

/// Iterator over the entries of an error log. Ends at the first length that cannot be.
#[derive(Clone, Debug)]
pub struct ErrorEntries {
    view: AtomicView,
    offset: usize,
}

/// All entries of an error log, in the order of their first observation.
#[must_use]
pub fn entries(view: AtomicView) -> ErrorEntries {
    ErrorEntries { view, offset: 0 }
}

/// The entries of an error log last observed at `since` or later.
pub fn entries_since(view: AtomicView, since: EpochMillis) -> impl Iterator<Item = ErrorEntry> {
    entries(view).filter(move |entry| entry.last_observation >= since)
}

impl Iterator for ErrorEntries {
    type Item = ErrorEntry;

    fn next(&mut self) -> Option<ErrorEntry> {
        let offset = self.offset;
        if !self.view.contains(offset, HEADER_LENGTH) {
            return None;
        }
        let length = usize::try_from(self.view.get_i32_acquire(offset + LENGTH_OFFSET)).ok()?;
        if length < HEADER_LENGTH || !self.view.contains(offset, length) {
            return None;
        }
        self.offset = align_usize(offset + length, RECORD_ALIGNMENT);
        let text = self.view.to_vec(offset + HEADER_LENGTH, length - HEADER_LENGTH);
        Some(ErrorEntry {
            last_observation: EpochMillis::new(self.view.get_i64_acquire(offset + LAST_OBSERVATION_OFFSET)),
            observation_count: self.view.get_i32(offset + OBSERVATION_COUNT_OFFSET),
            first_observation: EpochMillis::new(self.view.get_i64(offset + FIRST_OBSERVATION_OFFSET)),
            text: String::from_utf8_lossy(&text).into_owned(),
        })
    }
}
