//! Log files that are ready before anybody asks for them: zeroed, with storage, mapped and faulted in.
//!
//! ```text
//!   <dir>/spares/<number>  ──rename──►  <dir>/publications/<id>.logbuffer
//! ```
//!
//! Who asked for a log of some length is likely to ask for another: spares of that length are made when there is nothing
//! else to do. To take one costs a rename instead of a page fault for every page. Where storage is short they go first.

use std::{
    collections::VecDeque,
    fs, io,
    path::{Path, PathBuf},
};

use epona_protocol::memory::{Allocation, MappedFile};

/// The spares of a driver.
#[derive(Debug)]
pub(super) struct Spares {
    directory: PathBuf,
    /// Of each length, 0 for none.
    wanted: usize,
    ready: Vec<Spare>,
    /// Lengths of which some may be missing, in bytes.
    to_fill: VecDeque<usize>,
    next_number: u64,
}

#[derive(Debug)]
struct Spare {
    path: PathBuf,
    file: MappedFile,
}

impl Spares {
    /// No spares yet; at most `wanted` of each length, in `directory`, which need not exist.
    pub(super) fn new(directory: PathBuf, wanted: usize) -> Self {
        Self { directory, wanted, ready: Vec::new(), to_fill: VecDeque::new(), next_number: 0 }
    }

    /// A log of `length` bytes is wanted at `path`: a spare goes there, if one is ready.
    ///
    /// # Errors
    /// When the system does not let it be moved, as somebody deleted it perhaps; it is none any more.
    pub(super) fn take(&mut self, length: usize, path: &Path) -> io::Result<Option<MappedFile>> {
        if self.wanted > 0 && !self.to_fill.contains(&length) {
            self.to_fill.push_back(length);
        }
        let Some(at) = self.ready.iter().position(|spare| spare.file.length() == length) else {
            return Ok(None);
        };
        let spare = self.ready.swap_remove(at);
        fs::rename(&spare.path, path).inspect_err(|_| {
            let _ = fs::remove_file(&spare.path);
        })?;
        Ok(Some(spare.file))
    }

    /// Length of the spare to make next, in bytes.
    pub(super) fn missing(&mut self) -> Option<usize> {
        while let Some(&length) = self.to_fill.front() {
            if self.ready.iter().filter(|spare| spare.file.length() == length).count() < self.wanted {
                return Some(length);
            }
            self.to_fill.pop_front();
        }
        None
    }

    /// No more spares of the length that is missing, until a log of that length is wanted again.
    pub(super) fn give_up(&mut self) {
        self.to_fill.pop_front();
    }

    /// Makes a spare of `length` bytes, which may take a while.
    ///
    /// # Errors
    /// When it cannot be created, or does not fit.
    pub(super) fn make(&mut self, length: usize) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let path = self.directory.join(self.next_number.to_string());
        // Somebody may have taken the name: the next one is another.
        self.next_number += 1;
        let file = MappedFile::create(&path, length, Allocation::Full)?;
        self.ready.push(Spare { path, file });
        Ok(())
    }

    /// Deletes all; how many bytes that were.
    pub(super) fn clear(&mut self) -> u64 {
        self.to_fill.clear();
        let mut bytes = 0;
        for Spare { path, file } in self.ready.drain(..) {
            bytes += file.length() as u64;
            // What cannot be deleted goes with the directory.
            let _ = fs::remove_file(path);
        }
        let _ = fs::remove_dir(&self.directory);
        bytes
    }
}
