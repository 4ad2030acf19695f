//! What a driver holds, to be compared before and after: everything that was added must go again.

use std::{fs, path::Path};

use epona_protocol::{
    counters::{CountersReader, SystemCounter},
    types::CounterTypeId,
};

use crate::applications::keeper::KEPT;

/// What a driver holds. Labels and names sorted, so that equal means the same.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Resources {
    /// Names of log buffer files.
    pub logs: Vec<String>,
    /// Labels of counters, but for the driver's own.
    pub counters: Vec<String>,
    /// Sockets that are open.
    pub sockets: usize,
    /// Bytes that the driver says it has mapped, but for logs that it keeps ready.
    pub mapped: i64,
}

impl Resources {
    /// What the driver in a directory holds now; heartbeats of clients only if asked for.
    #[must_use]
    pub fn of(directory: &Path, counters: &CountersReader, sockets: usize, with_clients: bool) -> Self {
        let mut logs: Vec<_> =
            ["publications", "images"].iter().flat_map(|kind| files(&directory.join(kind), kind)).collect();
        logs.sort();
        let is_own = |type_id| {
            matches!(
                type_id,
                // The labels of a resolver's counters tell what it has found.
                CounterTypeId::SYSTEM_COUNTER
                    | CounterTypeId::NAME_RESOLVER_NEIGHBORS
                    | CounterTypeId::NAME_RESOLVER_CACHE_ENTRIES
                    | CounterTypeId::BOOTSTRAP_NEIGHBOR
                    // Stays for ever.
                    | KEPT
            ) || (type_id == CounterTypeId::CLIENT_HEARTBEAT && !with_clients)
        };
        let mut labels: Vec<_> =
            counters.iter().filter(|found| !is_own(found.type_id)).map(|found| found.label).collect();
        labels.sort();
        let mapped = counters.value(SystemCounter::BytesCurrentlyMapped.id()).unwrap_or(0);
        let ready: u64 = spare_logs(directory).iter().sum();
        Self { logs, counters: labels, sockets, mapped: mapped - ready as i64 }
    }

    /// What there is now and was not before, and the other way round, for people.
    #[must_use]
    pub fn difference(before: &[Self], now: &[Self]) -> String {
        let mut texts = Vec::new();
        for (host, (before, now)) in before.iter().zip(now).enumerate() {
            let more = |now: &[String], before: &[String]| {
                let mut rest = before.to_vec();
                let is_new = |thing: &&String| match rest.iter().position(|other| other == *thing) {
                    Some(place) => {
                        rest.swap_remove(place);
                        false
                    }
                    None => true,
                };
                now.iter().filter(is_new).cloned().collect::<Vec<_>>()
            };
            let (logs, counters) = (more(&now.logs, &before.logs), more(&now.counters, &before.counters));
            let gone = more(&before.counters, &now.counters);
            let sockets = now.sockets.abs_diff(before.sockets);
            let mapped = now.mapped - before.mapped;
            if now != before {
                texts.push(format!(
                    "host {host}: logs {logs:?}, counters {counters:?}, missing {gone:?}, sockets {sockets}, mapped bytes {mapped}"
                ));
            }
        }
        texts.join("; ")
    }
}

/// Lengths of the log buffers that the driver in a directory keeps ready, in bytes.
#[must_use]
pub fn spare_logs(directory: &Path) -> Vec<u64> {
    let entries = fs::read_dir(directory.join("spares")).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(entry.metadata().ok()?.len())).collect()
}

fn files(directory: &Path, kind: &str) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| format!("{kind}/{}", entry.file_name().to_string_lossy())).collect()
}
