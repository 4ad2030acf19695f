//! Whether a log fits its file system, asked before it is created.
//!
//! A sparse log takes its storage when it is first written to; what it may take yet is promised to it, so that no process
//! ever dies of a write to a file system that is full. Source: driver spec 8.4; Aeron makes no such promise.

use std::{
    collections::HashMap,
    fmt, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Knows how much room there is. Used by one thread, which may be kept waiting.
pub trait FileSystem: Send + fmt::Debug {
    /// Bytes that may still be used in the file system of a directory.
    ///
    /// # Errors
    /// What the system says.
    fn usable_space(&mut self, directory: &Path) -> io::Result<u64>;
}

/// Asks the operating system.
#[derive(Clone, Copy, Default, Debug)]
pub struct SystemStorage;

impl FileSystem for SystemStorage {
    fn usable_space(&mut self, directory: &Path) -> io::Result<u64> {
        epona_protocol::memory::usable_space(directory)
    }
}

/// Bytes of a block in [`MetadataExt::blocks`], whatever the file system's own blocks are.
const BLOCK_LENGTH: u64 = 512;

/// Where the length of a log's terms comes from, when its channel does not say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TermLengthOrigin {
    /// `aeron.term.buffer.length`.
    Network,
    /// `aeron.ipc.term.buffer.length`.
    Ipc,
    /// The publication at the other end.
    Source,
}

/// What a log needs, for the check and for who reads that it failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Need {
    /// Length of the file in bytes.
    pub length: u64,
    /// Length of its terms in bytes.
    pub term_length: u64,
    /// What to change to make them shorter.
    pub origin: TermLengthOrigin,
}

/// Why a log must not be created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct InsufficientStorage {
    /// What the log takes.
    pub need: Need,
    /// What there is, in bytes.
    pub available: u64,
    /// Where.
    pub directory: PathBuf,
}

impl fmt::Display for InsufficientStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Need { length, term_length, origin } = self.need;
        let (needed, available, directory) =
            (Grouped(length), Grouped(self.available), self.directory.display());
        write!(
            f,
            "insufficient storage space: needs {needed} bytes in {directory}, {available} available; lower "
        )?;
        let now = Size(term_length);
        match origin {
            TermLengthOrigin::Network => write!(f, "aeron.term.buffer.length (now {now}) or term-length")?,
            TermLengthOrigin::Ipc => write!(f, "aeron.ipc.term.buffer.length (now {now}) or term-length")?,
            TermLengthOrigin::Source => write!(f, "term-length (now {now}) of the publication")?,
        }
        f.write_str(", or raise the shared memory size")
    }
}

/// A number with a comma between thousands.
struct Grouped(u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// A power of two in the largest unit that fits.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) => write!(f, "{} MiB", bytes >> 20),
            bytes if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) => write!(f, "{} KiB", bytes >> 10),
            bytes => write!(f, "{bytes} bytes"),
        }
    }
}

/// Sparse logs, to which storage is promised.
#[derive(Debug, Default)]
pub struct Promises {
    lengths: HashMap<PathBuf, u64>,
}

impl Promises {
    /// A sparse log of `length` bytes was created.
    pub fn add(&mut self, path: PathBuf, length: u64) {
        self.lengths.insert(path, length);
    }

    /// A log was deleted; nothing, when it was not sparse.
    pub fn remove(&mut self, path: &Path) {
        self.lengths.remove(path);
    }

    /// What of `usable` bytes is promised to nobody, at least `needed` when that is so: logs are asked what they have
    /// taken already only when it matters.
    #[must_use]
    pub fn available(&self, usable: u64, needed: u64) -> u64 {
        let all = self.lengths.values().sum::<u64>();
        let least = usable.saturating_sub(all);
        if least >= needed {
            return least;
        }
        usable.saturating_sub(self.lengths.iter().map(|(path, length)| outstanding(path, *length)).sum())
    }
}

/// What a file of this length may take yet.
fn outstanding(path: &Path, length: u64) -> u64 {
    // A file that cannot be asked has gone.
    let taken = path.metadata().map_or(length, |metadata| metadata.blocks().saturating_mul(BLOCK_LENGTH));
    length.saturating_sub(taken)
}

/// What to make of the usable space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// There is enough.
    Ample,
    /// There is enough, but not for long: record this in the error log.
    Low(String),
}

/// Checks whether a log fits into the `available` bytes of the file system of `directory`, and whether more than
/// `low_threshold` are there at all.
///
/// # Errors
/// When it does not fit.
pub fn check(
    directory: &Path,
    available: u64,
    need: Need,
    low_threshold: u64,
) -> Result<Storage, InsufficientStorage> {
    if available < need.length {
        return Err(InsufficientStorage { need, available, directory: directory.to_owned() });
    }
    Ok(if available <= low_threshold {
        Storage::Low(format!(
            "WARNING: space is running low: threshold={low_threshold} usable={available} in {}",
            directory.display()
        ))
    } else {
        Storage::Ample
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(length: u64) -> Need {
        Need { length, term_length: 16 << 20, origin: TermLengthOrigin::Network }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_what_is_low_is_told() {
        let check = |available, needed| check(Path::new("/shm"), available, need(needed), 100);
        assert_eq!(check(1000, 50), Ok(Storage::Ample));
        assert_eq!(check(101, 101), Ok(Storage::Ample));
        assert!(matches!(check(100, 100), Ok(Storage::Low(text)) if text.contains("usable=100 in /shm")));
        assert!(check(99, 100).is_err());
    }

    #[test]
    fn a_refusal_says_what_is_needed_what_there_is_and_what_to_change() {
        let text = |origin, term_length| {
            let need = Need { length: 50_335_744, term_length, origin };
            check(Path::new("/dev/shm/aeron-app"), 13_631_488, need, 0).unwrap_err().to_string()
        };
        assert_eq!(
            text(TermLengthOrigin::Network, 16 << 20),
            "insufficient storage space: needs 50,335,744 bytes in /dev/shm/aeron-app, 13,631,488 available; lower \
             aeron.term.buffer.length (now 16 MiB) or term-length, or raise the shared memory size"
        );
        assert!(text(TermLengthOrigin::Ipc, 64 << 10).contains("aeron.ipc.term.buffer.length (now 64 KiB)"));
        assert!(text(TermLengthOrigin::Source, 1 << 30).contains("(now 1024 MiB) of the publication"));
        assert_eq!(
            [1, 999, 1000, 1_000_000].map(|n| Grouped(n).to_string()),
            ["1", "999", "1,000", "1,000,000"]
        );
    }

    #[test]
    fn what_sparse_logs_have_not_taken_yet_is_promised_to_them_until_they_go() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        std::fs::File::create(&path).unwrap().set_len(1 << 20).unwrap();
        let mut promises = Promises::default();
        promises.add(path.clone(), 1 << 20);
        assert_eq!(promises.available(3 << 20, 1 << 20), 2 << 20);
        assert_eq!(promises.available(2 << 20, 2 << 20), 1 << 20);
        assert_eq!(promises.available(100, 1), 0);
        std::fs::write(&path, vec![1; 1 << 20]).unwrap();
        assert_eq!(
            promises.available(2 << 20, 2 << 20),
            2 << 20,
            "taken, and so not usable by others anyway"
        );
        promises.remove(&path);
        assert_eq!(promises.available(3 << 20, 1), 3 << 20);
    }
}
