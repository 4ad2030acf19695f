//! What a driver holds, to be compared before and after: everything that was added must go again.

use std::{fs, path::Path};

use epona_protocol::{
    counters::{CountersReader, SystemCounter},
    types::CounterTypeId,
};

/// What a driver holds. Labels and names sorted, so that equal means the same.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Resources {
    /// Names of log buffer files.
    pub logs: Vec<String>,
    /// Labels of counters, but for the driver's own.
    pub counters: Vec<String>,
    /// Bytes that the driver says it has mapped.
    pub mapped: i64,
}

impl Resources {
    /// What the driver in a directory holds now; heartbeats of clients only if asked for.
    #[must_use]
    pub fn of(directory: &Path, counters: &CountersReader, with_clients: bool) -> Self {
        let mut logs: Vec<_> =
            ["publications", "images"].iter().flat_map(|kind| files(&directory.join(kind), kind)).collect();
        logs.sort();
        let is_own = |type_id| {
            type_id == CounterTypeId::SYSTEM_COUNTER
                || (type_id == CounterTypeId::CLIENT_HEARTBEAT && !with_clients)
        };
        let mut labels: Vec<_> =
            counters.iter().filter(|found| !is_own(found.type_id)).map(|found| found.label).collect();
        labels.sort();
        let mapped = counters.value(SystemCounter::BytesCurrentlyMapped.id()).unwrap_or(0);
        Self { logs, counters: labels, mapped }
    }
}

fn files(directory: &Path, kind: &str) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| format!("{kind}/{}", entry.file_name().to_string_lossy())).collect()
}
