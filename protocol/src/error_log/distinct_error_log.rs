//! Writing the error log.

use std::collections::HashMap;

use super::{
    FIRST_OBSERVATION_OFFSET, HEADER_LENGTH, LAST_OBSERVATION_OFFSET, LENGTH_OFFSET,
    OBSERVATION_COUNT_OFFSET, RECORD_ALIGNMENT,
};
use crate::{
    memory::AtomicView,
    types::{EpochMillis, align_usize},
};

/// What became of an observed error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "an error that the log has no room for should be told elsewhere"]
pub enum Observation {
    /// Recorded as a new entry.
    New,
    /// Counted on the entry it already has.
    Repeated,
    /// New, and there is no room for it: it is recorded nowhere.
    Full,
}

/// The only writer of an error log. Errors are the same when code and text are the same, as in the C driver.
#[derive(Debug)]
pub struct DistinctErrorLog {
    view: AtomicView,
    next_offset: usize,
    offsets: HashMap<i32, HashMap<Box<str>, usize>>,
}

impl DistinctErrorLog {
    /// Takes over a zeroed region.
    #[must_use]
    pub fn new(view: AtomicView) -> Self {
        Self { view, next_offset: 0, offsets: HashMap::new() }
    }

    /// Counts an error, after adding it if it is new. `text` is recorded whole; a driver begins it with `(code) `.
    ///
    /// Count and times of an entry are updated apart: a reader can see an entry with count 0 for a moment.
    pub fn record(&mut self, code: i32, text: &str, now: EpochMillis) -> Observation {
        let known = self.offsets.get(&code).and_then(|texts| texts.get(text)).copied();
        let (offset, observation) = match known {
            Some(offset) => (offset, Observation::Repeated),
            None => match self.append(text, now) {
                Some(offset) => {
                    self.offsets.entry(code).or_default().insert(text.into(), offset);
                    (offset, Observation::New)
                }
                None => return Observation::Full,
            },
        };
        self.view.fetch_add_i32(offset + OBSERVATION_COUNT_OFFSET, 1);
        self.view.put_i64_release(offset + LAST_OBSERVATION_OFFSET, now.get());
        observation
    }

    /// Adds an entry that nobody has observed yet; its length, stored last with release, makes it readable.
    fn append(&mut self, text: &str, now: EpochMillis) -> Option<usize> {
        let offset = self.next_offset;
        let length = HEADER_LENGTH + text.len();
        if !self.view.contains(offset, length) {
            return None;
        }
        self.view.write(offset + HEADER_LENGTH, text.as_bytes());
        self.view.put_i64(offset + FIRST_OBSERVATION_OFFSET, now.get());
        self.view.put_i32(offset + OBSERVATION_COUNT_OFFSET, 0);
        self.next_offset = align_usize(offset + length, RECORD_ALIGNMENT);
        self.view.put_i32_release(offset + LENGTH_OFFSET, length as i32);
        Some(offset)
    }
}
