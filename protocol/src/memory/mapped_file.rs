//! Files mapped into memory: `cnc.dat`, log buffers, the loss report.
#![expect(unsafe_code, reason = "the home of unsafe in this crate; see the invariants in the module above")]

use core::ptr::NonNull;
use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
    sync::Arc,
};

#[cfg(target_os = "linux")]
use memmap2::Advice;
use memmap2::{MmapOptions, MmapRaw};
use rustix::mm::{MapFlags, ProtFlags};

use super::{AtomicView, atomic_view::Backing};

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

/// Length of a huge page, where other pages are of 4 KiB.
pub const HUGE_PAGE: usize = 2 << 20;

/// Shorter files get no addresses that suit huge pages.
const LEAST_FOR_HUGE_PAGES: usize = 2 * HUGE_PAGE;

struct Mapping {
    /// The addresses, which may be some more than the file has.
    map: MmapRaw,
    /// Where the file begins in them.
    start: usize,
    length: usize,
}

impl Mapping {
    /// Maps the first bytes of a file, shared. Addresses of a long file begin at a multiple of [`HUGE_PAGE`], as the system
    /// maps huge pages only where the file and the addresses agree.
    fn shared(file: &File, length: usize) -> io::Result<Self> {
        if length < LEAST_FOR_HUGE_PAGES {
            let map = MmapOptions::new().len(length).map_raw(file)?;
            return Ok(Self { map, start: 0, length });
        }
        let map: MmapRaw = MmapOptions::new().len(length + HUGE_PAGE).no_reserve_swap().map_anon()?.into();
        let start = map.as_ptr().align_offset(HUGE_PAGE);
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED | MapFlags::FIXED);
        // SAFETY: replaces pages of `map` by those of the file; they are inside, as `start` is less than the length of a
        // huge page, and nobody has been told of them yet. They go with `map`.
        unsafe { rustix::mm::mmap(map.as_mut_ptr().add(start).cast(), length, protection, flags, file, 0)? };
        Ok(Self { map, start, length })
    }
}

// SAFETY: a mapping is page aligned, readable and writable (shared or copy-on-write, see the constructors) until the
// MmapRaw is dropped, and does not move with it.
unsafe impl Backing for Mapping {
    fn base(&self) -> NonNull<u8> {
        // SAFETY: the file begins inside the map.
        NonNull::new(unsafe { self.map.as_mut_ptr().add(self.start) }).unwrap_or(NonNull::dangling())
    }

    fn length(&self) -> usize {
        self.length
    }

    #[cfg(target_os = "linux")]
    fn fault_in(&self, offset: usize, length: usize) -> io::Result<()> {
        self.map.advise_range(Advice::PopulateWrite, self.start + offset, length)
    }

    #[cfg(target_os = "linux")]
    fn fault_in_huge(&self, offset: usize, length: usize) -> io::Result<()> {
        if self.length < LEAST_FOR_HUGE_PAGES {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let address = self.base().as_ptr() as usize + offset;
        // SAFETY: moves what is there to other pages, which no reader or writer can tell, and checks addresses itself.
        match unsafe { libc::madvise(address as *mut libc::c_void, length, libc::MADV_COLLAPSE) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
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
        let view = AtomicView::over(Arc::new(Mapping::shared(file, length)?));
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
        let mapping = Mapping::shared(&file, mappable_length(&file)?)?;
        Ok(Self { view: AtomicView::over(Arc::new(mapping)) })
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
        Ok(Self { view: AtomicView::over(Arc::new(Mapping { map: map.into(), start: 0, length })) })
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

/// Has the system map all of a file's pages now, huge ones where it can. What it cannot, it does when they are used.
fn find_all_pages(view: &AtomicView) {
    let _ = view.fault_in_huge(0, view.len() & !(HUGE_PAGE - 1));
    let _ = view.fault_in(0, view.len());
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
