//! Files mapped into memory: `cnc.dat`, log buffers, the loss report.
#![expect(unsafe_code, reason = "the home of unsafe in this crate; see the invariants in the module above")]

use core::{hint::black_box, ptr::NonNull};
use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
    sync::Arc,
};

#[cfg(target_os = "linux")]
use memmap2::Advice;
use memmap2::{MmapOptions, MmapRaw};

use super::{
    AtomicView,
    aligned_mapping::{self, AlignedMapping},
    atomic_view::Backing,
};

/// How the storage of a new file is set aside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Allocation {
    /// Blocks are allocated when first touched; a full file system shows only then.
    Sparse,
    /// Blocks are allocated and pages faulted in now.
    Full,
}

/// A file mapped whole, shared with every process that maps it too; unmapped when the last view is dropped.
#[derive(Debug, Clone)]
pub struct MappedFile {
    view: AtomicView,
}

struct Mapping {
    map: MmapRaw,
}

// SAFETY: a mapping is page aligned, readable and writable (shared or copy-on-write, see the constructors) until the
// MmapRaw is dropped, and does not move with it.
unsafe impl Backing for Mapping {
    fn base(&self) -> NonNull<u8> {
        NonNull::new(self.map.as_mut_ptr()).unwrap_or(NonNull::dangling())
    }

    fn length(&self) -> usize {
        self.map.len()
    }

    #[cfg(target_os = "linux")]
    fn fault_in(&self, offset: usize, length: usize) -> io::Result<()> {
        self.map.advise_range(Advice::PopulateWrite, offset, length)
    }
}

impl MappedFile {
    /// Creates a zeroed file of `length` bytes and maps it for reading and writing.
    ///
    /// # Errors
    /// When the file exists, cannot be created, does not fit its file system, or cannot be mapped; no file is left
    /// behind then, unless it was there before.
    pub fn create(path: &Path, length: usize, allocation: Allocation) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Self::size_and_map(&file, length, allocation).inspect_err(|_| {
            let _ = std::fs::remove_file(path);
        })
    }

    fn size_and_map(file: &File, length: usize, allocation: Allocation) -> io::Result<Self> {
        match allocation {
            Allocation::Sparse => file.set_len(length as u64)?,
            Allocation::Full => {
                rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, length as u64)?
            }
        }
        let view = map_shared(file, length)?;
        if allocation == Allocation::Full {
            find_all_pages(&view);
        }
        Ok(Self { view })
    }

    /// Maps an existing file, whole, for reading and writing.
    ///
    /// # Errors
    /// When it is missing, empty, not readable and writable, or cannot be mapped.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Self { view: map_shared(&file, mappable_length(&file)?)? })
    }

    /// Maps an existing file for looking only: stores stay in this process (copy on write), loads see the others'.
    ///
    /// # Errors
    /// When it is missing, empty, not readable, or cannot be mapped.
    pub fn open_to_read(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = mappable_length(&file)?;
        // SAFETY: no reference to the bytes is ever made from the map (M3); it becomes a raw mapping at once.
        let map = unsafe { MmapOptions::new().len(length).map_copy(&file)? };
        Ok(Self { view: AtomicView::over(Arc::new(Mapping { map: map.into() })) })
    }

    /// A view of the whole file, which keeps the mapping alive.
    #[must_use]
    pub fn view(&self) -> &AtomicView {
        &self.view
    }

    /// Length in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.view.len()
    }
}

/// Maps the first bytes of a file for reading and writing, a long one so that it may have huge pages.
fn map_shared(file: &File, length: usize) -> io::Result<AtomicView> {
    if length >= aligned_mapping::LEAST_LENGTH
        && let Ok(mapping) = AlignedMapping::new(file, length)
    {
        return Ok(AtomicView::over(Arc::new(mapping)));
    }
    let map = MmapOptions::new().len(length).map_raw(file)?;
    Ok(AtomicView::over(Arc::new(Mapping { map })))
}

/// Has the system map all of a file's pages now.
fn find_all_pages(view: &AtomicView) {
    /// The shortest that there are.
    const PAGE: usize = 4096;
    (0..view.len()).step_by(PAGE).for_each(|page| _ = black_box(view.get_u8(page)));
}

fn mappable_length(file: &File) -> io::Result<usize> {
    match usize::try_from(file.metadata()?.len()) {
        Ok(length) if length > 0 => Ok(length),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "file is empty or too large to map")),
    }
}

/// Bytes that an unprivileged process may still use on the file system of `path`.
///
/// # Errors
/// When the file system cannot be asked. Source: driver spec 8.4 (`f_frsize * f_bavail`).
pub fn usable_space(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_frsize.saturating_mul(stat.f_bavail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_created_file_is_zeroed_and_shared() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let created = MappedFile::create(&path, 4096, Allocation::Full).unwrap();
        assert_eq!(created.view().get_i64(4088), 0);
        let opened = MappedFile::open(&path).unwrap();
        let reader = MappedFile::open_to_read(&path).unwrap();
        created.view().put_i64_release(8, 42);
        assert_eq!((opened.view().get_i64_acquire(8), reader.view().get_i64_acquire(8)), (42, 42));
        reader.view().put_i64(16, 7);
        assert_eq!(created.view().get_i64(16), 0, "a reader's stores stay its own");
    }

    #[test]
    fn creating_over_an_existing_file_fails_and_leaves_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, b"12345678").unwrap();
        let error = MappedFile::create(&path, 4096, Allocation::Sparse).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"12345678");
    }

    #[test]
    fn an_empty_file_cannot_be_mapped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, b"").unwrap();
        assert!(MappedFile::open(&path).is_err() && MappedFile::open_to_read(&path).is_err());
    }
}
