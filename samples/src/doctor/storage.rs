//! Shared memory against what the driver and its streams need.

use std::{fs, path::Path};

use epona_client::ChannelUri;
use epona_media_driver::Context;
use epona_protocol::{
    logbuffer::descriptor::file_length,
    memory::usable_space,
    types::TermLength,
    uri::{
        Media,
        units::{format_size, parse_size},
    },
};

use super::{directory::is_running, finding::Finding};
use crate::text::grouped;

const STORAGE: &str = "shared memory";

/// Source: Linux, `TMPFS_MAGIC`.
const TMPFS: i128 = 0x0102_1994;

/// Counters of a driver and its clients beside those of streams, amply.
const COUNTERS_OF_DRIVER: u64 = 128;

/// Counters of a publication, or of an image with one subscriber, at most.
const COUNTERS_PER_LOG: u64 = 8;

/// Logs that there should be room for beyond what was asked for.
const SPARE_LOGS: u64 = 2;

/// Whether everything fits.
pub(super) fn check(context: &Context, channels: &[ChannelUri], streams: u32) -> Finding {
    let path = &context.directory.path;
    let Some(existing) = path.ancestors().find(|ancestor| ancestor.exists()) else {
        return Finding::fail(STORAGE, format!("{} is nowhere", path.display()), "change aeron.dir");
    };
    let free = match usable_space(existing) {
        Ok(free) => free,
        Err(error) => {
            let found = format!("cannot ask how much is free in {}: {error}", existing.display());
            return Finding::warn(STORAGE, found, "check it by hand");
        }
    };
    let need = Need::new(context, channels, streams);
    // What a dead driver left goes when the next one starts.
    let available = free + if need.driver > 0 { length_on_disk(path) } else { 0 };
    let place = existing.display();
    let found = format!(
        "needs {} bytes in {place}{}, {} available",
        bytes(need.total()),
        need.explained(),
        bytes(available)
    );
    if need.total() > available {
        return Finding::fail(STORAGE, found, need.advice(context));
    }
    let rest = (available - need.total()) / need.longest_log.max(1);
    if is_on_disk(existing) {
        let advice =
            "what is written there stalls when the disk does: set aeron.dir to a directory in /dev/shm";
        return Finding::warn(STORAGE, format!("{found}; that is a disk"), advice);
    }
    if rest < SPARE_LOGS {
        return Finding::warn(STORAGE, format!("{found}: room for {rest} more logs"), need.advice(context));
    }
    Finding::ok(STORAGE, format!("{found}: room for {rest} more logs"))
}

/// What is needed, in bytes.
#[derive(Debug)]
struct Need {
    /// By a driver that has yet to start.
    driver: u64,
    logs: u64,
    log_count: u64,
    longest_log: u64,
}

impl Need {
    fn new(context: &Context, channels: &[ChannelUri], streams: u32) -> Self {
        let buffers = &context.buffers;
        let page = buffers.file_page_size;
        let mut lengths: Vec<u64> =
            channels.iter().map(|channel| file_length(term_length(context, channel), page) as u64).collect();
        if lengths.is_empty() {
            lengths.push(file_length(buffers.term_length, page) as u64);
        }
        let streams = u64::from(streams);
        let log_count = streams * lengths.len() as u64;
        let counters = log_count.saturating_mul(COUNTERS_PER_LOG).saturating_add(COUNTERS_OF_DRIVER);
        let cnc = buffers.cnc_storage(usize::try_from(counters).unwrap_or(usize::MAX / 2));
        let driver = cnc.saturating_add(buffers.loss_report_length.next_multiple_of(page.get() as usize));
        Self {
            driver: if is_running(context) { 0 } else { driver as u64 },
            logs: lengths
                .iter()
                .fold(0, |sum: u64, length| sum.saturating_add(length.saturating_mul(streams))),
            log_count,
            longest_log: lengths.iter().copied().max().unwrap_or(0),
        }
    }

    const fn total(&self) -> u64 {
        self.driver.saturating_add(self.logs)
    }

    fn explained(&self) -> String {
        let logs = format!("{} for {} logs", bytes(self.logs), self.log_count);
        if self.driver == 0 {
            format!(" ({logs})")
        } else {
            format!(" ({} for the driver, {logs})", bytes(self.driver))
        }
    }

    fn advice(&self, context: &Context) -> String {
        let now = |length: TermLength| format_size(length.bytes() as u64);
        let (udp, ipc) = (now(context.buffers.term_length), now(context.buffers.ipc_term_length));
        format!(
            "lower aeron.term.buffer.length (now {udp}; for IPC aeron.ipc.term.buffer.length, now {ipc}) or term-length \
             in the channel, lower aeron.counters.buffer.length (now {}), or raise the shared memory size",
            format_size(context.buffers.counter_values_length as u64)
        )
    }
}

/// As the driver would choose it.
fn term_length(context: &Context, channel: &ChannelUri) -> TermLength {
    let asked = channel.get("term-length").and_then(|text| parse_size(text).ok());
    let asked = asked.and_then(|bytes| TermLength::new(i64::try_from(bytes).ok()?).ok());
    let default = match channel.media() {
        Media::Ipc => context.buffers.ipc_term_length,
        Media::Udp => context.buffers.term_length,
    };
    asked.unwrap_or(default)
}

fn bytes(number: u64) -> String {
    grouped(i64::try_from(number).unwrap_or(i64::MAX))
}

/// What the files of a directory, and of those in it, take.
fn length_on_disk(directory: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;

    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().collect::<Vec<_>>();
    let inner = ["publications", "images"].map(|name| entries(&directory.join(name)));
    let all = entries(directory).into_iter().chain(inner.into_iter().flatten());
    // Counted in units of 512, whatever the file system's own are.
    all.filter_map(|entry| entry.metadata().ok()).map(|facts| facts.blocks() * 512).sum()
}

#[cfg(target_os = "linux")]
fn is_on_disk(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|facts| i128::from(facts.f_type) != TMPFS)
}

/// Nobody can tell.
#[cfg(not(target_os = "linux"))]
fn is_on_disk(_path: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_needs_logs_of_its_own_term_length() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::default().dir(dir.path().join("none"));
        let need = |channels: &[&str], streams| {
            let channels: Vec<_> = channels.iter().map(|channel| channel.parse().unwrap()).collect();
            Need::new(&context, &channels, streams)
        };
        const MIB: u64 = 1 << 20;
        let log = |term: u64| 3 * term + 4096;
        assert_eq!((need(&[], 1).logs, need(&[], 3).logs), (log(16 * MIB), 3 * log(16 * MIB)));
        assert_eq!(need(&["aeron:ipc"], 1).logs, log(64 * MIB));
        let both = need(&["aeron:ipc?term-length=64k", "aeron:udp?endpoint=localhost:1"], 2);
        assert_eq!(both.logs, 2 * (log(MIB / 16) + log(16 * MIB)));
        assert_eq!((both.log_count, both.longest_log), (4, log(16 * MIB)));
        // Counters fill most of cnc.dat; storage is set aside for those in use.
        assert!((4 * MIB..8 * MIB).contains(&both.driver), "{both:?}");
        assert!(need(&["aeron:ipc?term-length=64k"], 1_000).driver > both.driver + 4 * MIB);
    }
}
