//! Whether a file fits its file system, asked before it is created. Source: driver spec 8.4.

use std::path::{Path, PathBuf};

/// Why a file must not be created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "insufficient usable storage for new log of length={needed} usable={usable} in {}: lower term-length in the channel or aeron.term.buffer.length, or raise the shared memory size",
    directory.display()
)]
pub struct InsufficientStorage {
    /// What the file takes, in bytes.
    pub needed: u64,
    /// What there is, in bytes.
    pub usable: u64,
    /// Where.
    pub directory: PathBuf,
}

/// What to make of the usable space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// There is enough.
    Ample,
    /// There is enough, but not for long: record this in the error log.
    Low(String),
}

/// Checks whether `needed` bytes fit into the `usable` bytes of the file system of `directory`, and whether more than
/// `low_threshold` are usable at all.
///
/// # Errors
/// When they do not fit.
pub fn check(
    directory: &Path,
    usable: u64,
    needed: u64,
    low_threshold: u64,
) -> Result<Storage, InsufficientStorage> {
    if usable < needed {
        return Err(InsufficientStorage { needed, usable, directory: directory.to_owned() });
    }
    Ok(if usable <= low_threshold {
        Storage::Low(format!(
            "WARNING: space is running low: threshold={low_threshold} usable={usable} in {}",
            directory.display()
        ))
    } else {
        Storage::Ample
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_and_what_is_low_is_told() {
        let check = |usable, needed| check(Path::new("/shm"), usable, needed, 100);
        assert_eq!(check(1000, 50), Ok(Storage::Ample));
        assert_eq!(check(101, 101), Ok(Storage::Ample));
        assert!(matches!(check(100, 100), Ok(Storage::Low(text)) if text.contains("usable=100 in /shm")));
        let error = check(99, 100).unwrap_err();
        assert!(error.to_string().contains("length=100 usable=99 in /shm"), "{error}");
    }
}
