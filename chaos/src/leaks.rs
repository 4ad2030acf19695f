//! What must be gone when its users are gone.

use crate::child::Holdings;
use epona_protocol::{
    cnc::{Cnc, CncState},
    counters::CountersReader,
};
use std::{fs, path::Path};

/// What a driver without clients has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct AtRest {
    /// Labels of its counters, without what is appended to them.
    counters: Vec<String>,
    /// Files of its directory.
    files: Vec<String>,
    descriptors: usize,
    mappings: usize,
}

/// Growth of a driver's own memory that is none of a leak: buffers that stay, the allocator's reserves.
const MEMORY_SLACK_KIB: u64 = 32 << 10;

impl AtRest {
    /// Of a driver now; `None` while it has no directory.
    pub(crate) fn of(dir: &Path, holdings: Holdings) -> Option<Self> {
        let CncState::Ready(cnc) = Cnc::open_to_read(dir).ok()? else { return None };
        let reader = CountersReader::new(cnc.counters_metadata(), cnc.counters_values());
        let counters = reader.iter().map(|counter| format!("{} of type {}", counter.label, counter.type_id));
        let mut files = Vec::new();
        list(dir, &mut files);
        Some(Self {
            counters: counters.collect(),
            files,
            descriptors: holdings.descriptors,
            mappings: holdings.mappings,
        })
    }

    /// What `now` has beyond this, in words.
    pub(crate) fn leaked(&self, now: &Self) -> Vec<String> {
        let beyond = |what: &str, now: &[String], then: &[String]| -> Vec<String> {
            now.iter().filter(|one| !then.contains(one)).map(|one| format!("{what} {one}")).collect()
        };
        let mut leaks = beyond("counter", &now.counters, &self.counters);
        leaks.extend(beyond("file", &now.files, &self.files));
        for (what, now, then) in
            [("descriptors", now.descriptors, self.descriptors), ("mappings", now.mappings, self.mappings)]
        {
            if now > then {
                leaks.push(format!("{now} {what}, {then} at first"));
            }
        }
        leaks
    }
}

/// Whether a driver's memory has grown beyond what stays around anyway.
pub(crate) fn grown(first: Holdings, now: Holdings) -> Option<String> {
    (now.anonymous_kib > first.anonymous_kib + MEMORY_SLACK_KIB)
        .then(|| format!("{} KiB of memory, {} at first", now.anonymous_kib, first.anonymous_kib))
}

fn list(dir: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            list(&entry.path(), files);
        } else {
            files.push(entry.path().display().to_string());
        }
    }
    files.sort_unstable();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_was_not_at_first_is_a_leak() {
        let first = AtRest { counters: vec!["a".to_owned()], files: vec![], descriptors: 5, mappings: 1 };
        assert_eq!(first.leaked(&first), Vec::<String>::new());
        let now = AtRest {
            counters: vec!["a".to_owned(), "b".to_owned()],
            files: vec!["1.logbuffer".to_owned()],
            descriptors: 6,
            mappings: 2,
        };
        assert_eq!(first.leaked(&now).len(), 4);
        assert_eq!(now.leaked(&first), Vec::<String>::new(), "less is no leak");
    }
}
