//! A file at addresses where the system can map its huge pages.
//!
//! ```text
//!   reserved  ├── less than 2 MiB ──┼──────── the file ────────┼── the rest ──┤
//!                nothing there      ▲ a multiple of 2 MiB         nothing there
//! ```
//!
//! The system maps huge pages only where file and addresses agree, and chooses addresses of files in `/dev/shm` without
//! looking at that.
#![expect(unsafe_code, reason = "the home of unsafe in this crate; see the invariants in the module above")]

use core::{
    ffi::c_void,
    ptr::{self, NonNull},
};
use std::{fs::File, io};

#[cfg(target_os = "linux")]
use rustix::mm::Advice;
use rustix::mm::{MapFlags, ProtFlags};

use super::atomic_view::Backing;

/// Length of a huge page, bytes, where other pages are of 4 KiB.
pub const HUGE_PAGE: usize = 2 << 20;

/// Shorter files have no use for huge pages.
pub(super) const LEAST_LENGTH: usize = 2 * HUGE_PAGE;

/// Makes huge pages of a range, whatever settings say but `shmem_enabled=deny`; since Linux 6.1. Source: madvise(2).
#[cfg(target_os = "linux")]
const MADV_COLLAPSE: libc::c_int = 25;

/// The mapping, with the addresses around it.
#[derive(Debug)]
pub(super) struct AlignedMapping {
    reserved: NonNull<c_void>,
    reserved_length: usize,
    base: NonNull<u8>,
    length: usize,
}

// SAFETY: memory that is shared anyway, accessed through views' atomics (M2).
unsafe impl Send for AlignedMapping {}
// SAFETY: as above.
unsafe impl Sync for AlignedMapping {}

impl AlignedMapping {
    /// Maps the first bytes of a file, shared, for reading and writing.
    ///
    /// # Errors
    /// When there are no addresses, or the file cannot be mapped there: pages of hugetlbfs may be longer still.
    pub(super) fn new(file: &File, length: usize) -> io::Result<Self> {
        let reserved_length = length.checked_add(HUGE_PAGE).ok_or(io::ErrorKind::OutOfMemory)?;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: new addresses, where nobody can read or write.
        let reserved = unsafe {
            rustix::mm::mmap_anonymous(ptr::null_mut(), reserved_length, ProtFlags::empty(), flags)?
        };
        let before = (reserved as usize).next_multiple_of(HUGE_PAGE) - reserved as usize;
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED | MapFlags::FIXED);
        // SAFETY: inside what was reserved, as less than a huge page lies before. Where it fails, addresses stay reserved:
        // which of them still are ours then, nobody says.
        let base =
            unsafe { rustix::mm::mmap(reserved.byte_add(before), length, protection, flags, file, 0)? };
        match (NonNull::new(reserved), NonNull::new(base.cast())) {
            (Some(reserved), Some(base)) => Ok(Self { reserved, reserved_length, base, length }),
            _ => Err(io::ErrorKind::AddrNotAvailable.into()),
        }
    }
}

// SAFETY: a mapping is page aligned, readable and writable until dropped, and does not move with the value.
unsafe impl Backing for AlignedMapping {
    fn base(&self) -> NonNull<u8> {
        self.base
    }

    fn length(&self) -> usize {
        self.length
    }

    #[cfg(target_os = "linux")]
    fn fault_in(&self, offset: usize, length: usize) -> io::Result<()> {
        let (start, length) = whole_pages(offset, length);
        // SAFETY: changes nothing of what is there; the system checks the addresses.
        let done = unsafe {
            rustix::mm::madvise(
                self.base.as_ptr().wrapping_add(start).cast(),
                length,
                Advice::LinuxPopulateWrite,
            )
        };
        Ok(done?)
    }

    #[cfg(target_os = "linux")]
    fn fault_in_huge(&self, offset: usize, length: usize) -> io::Result<()> {
        let start = self.base.as_ptr().wrapping_add(offset).cast();
        // SAFETY: moves what is there to other pages, which no reader or writer can tell; the system checks the addresses.
        match unsafe { libc::madvise(start, length, MADV_COLLAPSE) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// The pages that a range lies on, as offset and length. Advice has to begin with a page.
#[cfg(target_os = "linux")]
fn whole_pages(offset: usize, length: usize) -> (usize, usize) {
    let start = offset - offset % rustix::param::page_size();
    (start, length + (offset - start))
}

impl Drop for AlignedMapping {
    fn drop(&mut self) {
        // SAFETY: reserved by this value, which nobody can reach any more, and never given away.
        let _ = unsafe { rustix::mm::munmap(self.reserved.as_ptr(), self.reserved_length) };
    }
}
