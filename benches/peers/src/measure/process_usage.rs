//! What a process has used, read from `/proc`.

use super::Result;
use std::{fs, os::unix::fs::MetadataExt, path::Path, time::Duration};

/// Of all threads of a process, since they began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Usage {
    /// Time on a processor.
    pub(super) processor: Duration,
    /// Times a thread gave up its processor by itself.
    pub(super) switches: u64,
    /// Memory of its own, bytes.
    pub(super) anonymous_bytes: u64,
}

impl Usage {
    /// Of the process with that id.
    pub(super) fn of(process: u32) -> Result<Self> {
        let root = Path::new("/proc").join(process.to_string());
        let read =
            |path: &Path| fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
        let mut usage = Self { processor: Duration::ZERO, switches: 0, anonymous_bytes: 0 };
        let tasks = fs::read_dir(root.join("task")).map_err(|error| format!("process {process}: {error}"))?;
        for task in tasks.flatten() {
            // A thread may end at any time.
            let texts = (read(&task.path().join("schedstat")), read(&task.path().join("status")));
            let (Ok(times), Ok(status)) = texts else { continue };
            usage.processor += Duration::from_nanos(first_number(&times));
            usage.switches += field(&status, "voluntary_ctxt_switches:");
        }
        usage.anonymous_bytes = field(&read(&root.join("status"))?, "RssAnon:") * 1024;
        Ok(usage)
    }
}

/// The number of the line that begins with `name`; zero without such a line.
fn field(text: &str, name: &str) -> u64 {
    text.lines().find_map(|line| line.strip_prefix(name)).map_or(0, first_number)
}

fn first_number(text: &str) -> u64 {
    text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Bytes that the files below a directory occupy.
pub(super) fn bytes_in(dir: &Path) -> u64 {
    fs::read_dir(dir).map_or(0, |entries| {
        entries
            .flatten()
            .map(|entry| match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
                Ok(metadata) => metadata.blocks() * 512,
                Err(_) => 0,
            })
            .sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_that_works_uses_its_processor_and_memory() {
        let mut worker = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let before = Usage::of(worker.id()).unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        let outcome = loop {
            let now = Usage::of(worker.id()).unwrap();
            if now.processor > before.processor && now.anonymous_bytes > 0 {
                break Ok(());
            }
            if std::time::Instant::now() > deadline {
                break Err(format!("{before:?} to {now:?}"));
            }
        };
        worker.kill().unwrap();
        worker.wait().unwrap();
        outcome.unwrap();
    }

    #[test]
    fn files_below_a_directory_count_with_what_they_occupy() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("below")).unwrap();
        fs::write(dir.path().join("below/file"), vec![1; 100_000]).unwrap();
        let bytes = bytes_in(dir.path());
        assert!((100_000..200_000).contains(&bytes), "{bytes}");
    }
}
