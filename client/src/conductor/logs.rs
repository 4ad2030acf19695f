//! One mapping per log buffer, however many publications and images use it.

use std::{collections::HashMap, path::Path, time::Duration};

use epona_protocol::{
    logbuffer::LogBuffers,
    memory::AtomicView,
    types::{Nanos, RegistrationId, TermGeometry},
};

use crate::error::ClientError;

/// Distance of two stores that fault a mapping in, in bytes: the smallest page.
const TOUCH_STEP: usize = 4096;

/// Mappings in use, by the id of their log, and those that nobody uses any more, for as long as they linger.
///
/// Lingering leaves the unmapping, which is slow, to the conductor: a polling thread that still holds the log has let
/// go of it by then. Source: shared-memory spec 9.8, 11.5.
#[derive(Debug)]
pub(super) struct LogCache {
    in_use: HashMap<RegistrationId, Entry>,
    lingering: Vec<(Nanos, LogBuffers)>,
    linger: Duration,
    pre_touch: bool,
}

#[derive(Debug)]
struct Entry {
    log: LogBuffers,
    users: usize,
}

impl LogCache {
    pub(super) fn new(linger: Duration, pre_touch: bool) -> Self {
        Self { in_use: HashMap::new(), lingering: Vec::new(), linger, pre_touch }
    }

    /// The log of an id, mapped if it is not yet; each call is to be followed by one of [`LogCache::release`].
    pub(super) fn acquire(&mut self, id: RegistrationId, path: &Path) -> Result<LogBuffers, ClientError> {
        if let Some(entry) = self.in_use.get_mut(&id) {
            entry.users += 1;
            return Ok(entry.log.clone());
        }
        let unusable = |reason| ClientError::LogBuffer { path: path.to_owned(), reason };
        let log = LogBuffers::open(path).map_err(|error| unusable(error.to_string()))?;
        if self.pre_touch {
            touch(&log);
        }
        self.in_use.insert(id, Entry { log: log.clone(), users: 1 });
        Ok(log)
    }

    /// One user less; the last one leaves the mapping to linger.
    pub(super) fn release(&mut self, id: RegistrationId, now: Nanos) {
        let Some(entry) = self.in_use.get_mut(&id) else { return };
        entry.users -= 1;
        if entry.users == 0
            && let Some(entry) = self.in_use.remove(&id)
        {
            self.lingering.push((now + self.linger, entry.log));
        }
    }

    /// Lets go of what has lingered long enough; how many mappings that were.
    pub(super) fn check(&mut self, now: Nanos) -> usize {
        let before = self.lingering.len();
        self.lingering.retain(|(deadline, _)| now < *deadline);
        before - self.lingering.len()
    }

    /// Moves all deadlines, because the clock changes.
    pub(super) fn move_times(&mut self, moved: impl Fn(Nanos) -> Nanos) {
        self.lingering.iter_mut().for_each(|(deadline, _)| *deadline = moved(*deadline));
    }
}

/// Faults a mapping in for writing without changing it: compares with zero and stores zero. Source: spec 16.3.
fn touch(log: &LogBuffers) {
    let touch_view = |view: &AtomicView| {
        for offset in (0..view.len()).step_by(TOUCH_STEP) {
            view.compare_exchange_i64(offset, 0, 0);
        }
    };
    (0..TermGeometry::PARTITION_COUNT).for_each(|index| touch_view(log.term(index)));
    touch_view(log.metadata().view());
}
