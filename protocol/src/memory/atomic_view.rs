//! A bounds-checked window on shared memory: integers by memory ordering, bytes by copy.
#![expect(unsafe_code, reason = "the home of unsafe in this crate; see the invariants in the module above")]

#[cfg(target_arch = "x86_64")]
use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
use core::{
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    ptr::{self, NonNull},
    slice,
    sync::atomic::{AtomicI32, AtomicI64, AtomicU8, AtomicU16, Ordering},
};
use std::{io, sync::Arc};

/// Keeps the memory of a region valid until dropped.
///
/// # Safety
/// `base()..base() + length()` must be 8-byte aligned, readable and writable until the value is dropped, and moving
/// the value must not move the memory.
pub(super) unsafe trait Backing: Send + Sync {
    fn base(&self) -> NonNull<u8>;
    fn length(&self) -> usize;

    /// Has the system find storage for the pages of a range inside, and map them.
    fn fault_in(&self, _offset: usize, _length: usize) -> io::Result<()> {
        Ok(())
    }

    /// Has the system make huge pages of a range inside.
    fn fault_in_huge(&self, _offset: usize, _length: usize) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Zeroed process-private memory, for tests and for structures that need no file.
struct Heap {
    words: NonNull<[u64]>,
}

// SAFETY: the boxed words are uniquely owned by this value and only accessed through views' atomics (M2).
unsafe impl Send for Heap {}
// SAFETY: as above.
unsafe impl Sync for Heap {}

// SAFETY: a boxed slice of u64 is 8-byte aligned, lives until the drop below and never moves.
unsafe impl Backing for Heap {
    fn base(&self) -> NonNull<u8> {
        self.words.cast()
    }

    fn length(&self) -> usize {
        self.words.len() * 8
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        // SAFETY: the pointer came from Box::leak in `AtomicView::allocate` and is released only here.
        drop(unsafe { Box::from_raw(self.words.as_ptr()) });
    }
}

/// A window on a shared region. Cloning shares the memory and keeps it alive.
///
/// Verbs without a suffix are relaxed; `_acquire` and `_release` name their ordering. All offsets and lengths are in
/// bytes; integers must lie at offsets that are multiples of their size.
///
/// # Panics
/// Every access panics when it reaches outside the view or is misaligned: such an offset is a bug of the caller.
///
/// Threading: `Send` and `Sync`; pairing of orderings is documented by each structure built on a view.
#[derive(Clone)]
pub struct AtomicView {
    base: NonNull<u8>,
    length: usize,
    backing: Arc<dyn Backing>,
}

// SAFETY: all access through a view is atomic or covered by M3, and the backing is Send + Sync.
unsafe impl Send for AtomicView {}
// SAFETY: as above.
unsafe impl Sync for AtomicView {}

impl fmt::Debug for AtomicView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AtomicView({} bytes)", self.length)
    }
}

macro_rules! integer_verbs {
    ($int:ty, $atomic:ty, $get:ident, $get_acquire:ident, $put:ident, $put_release:ident, $add:ident, $cas:ident) => {
        /// Loads, relaxed.
        #[inline]
        #[must_use]
        pub fn $get(&self, offset: usize) -> $int {
            self.atomic::<$atomic>(offset).load(Ordering::Relaxed)
        }

        /// Loads with acquire ordering.
        #[inline]
        #[must_use]
        pub fn $get_acquire(&self, offset: usize) -> $int {
            self.atomic::<$atomic>(offset).load(Ordering::Acquire)
        }

        /// Stores, relaxed.
        #[inline]
        pub fn $put(&self, offset: usize, value: $int) {
            self.atomic::<$atomic>(offset).store(value, Ordering::Relaxed);
        }

        /// Stores with release ordering.
        #[inline]
        pub fn $put_release(&self, offset: usize, value: $int) {
            self.atomic::<$atomic>(offset).store(value, Ordering::Release);
        }

        /// Adds, wrapping, with acquire-release ordering; returns the value before.
        #[inline]
        pub fn $add(&self, offset: usize, delta: $int) -> $int {
            self.atomic::<$atomic>(offset).fetch_add(delta, Ordering::AcqRel)
        }

        /// Replaces `expected` by `new` with acquire-release ordering; whether it did.
        #[inline]
        pub fn $cas(&self, offset: usize, expected: $int, new: $int) -> bool {
            self.atomic::<$atomic>(offset)
                .compare_exchange(expected, new, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
        }
    };
}

impl AtomicView {
    /// A zeroed region of its own, `length` rounded up to a multiple of 8.
    #[must_use]
    pub fn allocate(length: usize) -> Self {
        let words = vec![0_u64; length.div_ceil(8)].into_boxed_slice();
        let view = Self::over(Arc::new(Heap { words: NonNull::from(Box::leak(words)) }));
        view.sub_view(0, length)
    }

    /// A view of the whole of a backing.
    pub(super) fn over(backing: Arc<dyn Backing>) -> Self {
        Self { base: backing.base(), length: backing.length(), backing }
    }

    /// Length in bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether the view has no bytes.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether `length` bytes at `offset` lie inside the view; no overflow for any input.
    #[inline]
    #[must_use]
    pub fn contains(&self, offset: usize, length: usize) -> bool {
        offset <= self.length && length <= self.length - offset
    }

    /// A window on part of this view; `offset` must be a multiple of 8.
    #[must_use]
    pub fn sub_view(&self, offset: usize, length: usize) -> Self {
        assert!(offset.is_multiple_of(8), "sub-view at {offset} is not 8-byte aligned");
        let base = self.check(offset, length);
        Self { base, length, backing: Arc::clone(&self.backing) }
    }

    integer_verbs!(
        i32,
        AtomicI32,
        get_i32,
        get_i32_acquire,
        put_i32,
        put_i32_release,
        fetch_add_i32,
        compare_exchange_i32
    );
    integer_verbs!(
        i64,
        AtomicI64,
        get_i64,
        get_i64_acquire,
        put_i64,
        put_i64_release,
        fetch_add_i64,
        compare_exchange_i64
    );

    /// Loads a byte, relaxed.
    #[inline]
    #[must_use]
    pub fn get_u8(&self, offset: usize) -> u8 {
        self.atomic::<AtomicU8>(offset).load(Ordering::Relaxed)
    }

    /// Loads a byte with acquire ordering.
    #[inline]
    #[must_use]
    pub fn get_u8_acquire(&self, offset: usize) -> u8 {
        self.atomic::<AtomicU8>(offset).load(Ordering::Acquire)
    }

    /// Stores a byte, relaxed.
    #[inline]
    pub fn put_u8(&self, offset: usize, value: u8) {
        self.atomic::<AtomicU8>(offset).store(value, Ordering::Relaxed);
    }

    /// Stores a byte with release ordering.
    #[inline]
    pub fn put_u8_release(&self, offset: usize, value: u8) {
        self.atomic::<AtomicU8>(offset).store(value, Ordering::Release);
    }

    /// Loads a 16-bit integer, relaxed.
    #[inline]
    #[must_use]
    pub fn get_u16(&self, offset: usize) -> u16 {
        self.atomic::<AtomicU16>(offset).load(Ordering::Relaxed)
    }

    /// Stores a 16-bit integer, relaxed.
    #[inline]
    pub fn put_u16(&self, offset: usize, value: u16) {
        self.atomic::<AtomicU16>(offset).store(value, Ordering::Relaxed);
    }

    /// Copies `source` into the view at `offset`; other threads may see it torn until a release store follows.
    #[inline]
    pub fn write(&self, offset: usize, source: &[u8]) {
        let target = self.check(offset, source.len());
        // SAFETY: the target is inside the view (M1, M2) and cannot overlap a slice that we may reference (M3).
        unsafe { ptr::copy_nonoverlapping(source.as_ptr(), target.as_ptr(), source.len()) };
    }

    /// Copies bytes at `offset` out into `target`; whoever may race validates afterwards.
    #[inline]
    pub fn read(&self, offset: usize, target: &mut [u8]) {
        let source = self.check(offset, target.len());
        // SAFETY: the source is inside the view (M1, M2) and cannot overlap a slice that we may reference (M3).
        unsafe { ptr::copy_nonoverlapping(source.as_ptr(), target.as_mut_ptr(), target.len()) };
    }

    /// [`AtomicView::write`] of bytes that others may read meanwhile: each is stored whole, relaxed. Slower.
    pub fn write_relaxed(&self, offset: usize, source: &[u8]) {
        self.check(offset, source.len());
        for (at, byte) in source.iter().enumerate() {
            self.put_u8(offset + at, *byte);
        }
    }

    /// [`AtomicView::read`] of bytes that others may write meanwhile: each is loaded whole, relaxed. Slower.
    pub fn read_relaxed(&self, offset: usize, target: &mut [u8]) {
        self.check(offset, target.len());
        for (at, byte) in target.iter_mut().enumerate() {
            *byte = self.get_u8(offset + at);
        }
    }

    /// [`AtomicView::read_relaxed`] into a fresh vector; for control-plane use.
    #[must_use]
    pub fn to_vec(&self, offset: usize, length: usize) -> Vec<u8> {
        self.check(offset, length);
        let mut bytes = vec![0; length];
        self.read_relaxed(offset, &mut bytes);
        bytes
    }

    /// Copies `length` bytes from `source_offset` of another view; the two ranges may overlap.
    #[inline]
    pub fn copy_from(&self, offset: usize, source: &Self, source_offset: usize, length: usize) {
        let target = self.check(offset, length);
        let from = source.check(source_offset, length);
        // SAFETY: both ranges are inside their views (M1, M2); `copy` allows overlap.
        unsafe { ptr::copy(from.as_ptr(), target.as_ptr(), length) };
    }

    /// Sets `length` bytes to zero.
    #[inline]
    pub fn zero(&self, offset: usize, length: usize) {
        let target = self.check(offset, length);
        // SAFETY: the range is inside the view (M1, M2); zero is a value of every type stored (M4).
        unsafe { ptr::write_bytes(target.as_ptr(), 0, length) };
    }

    /// Has the system find storage for the pages of a range and map them, so that nobody who writes there waits for it.
    /// Bytes stay as they are, whoever uses them meanwhile. One system call, which takes as long as the storage does.
    ///
    /// # Errors
    /// What the system says: it is full, or older than Linux 5.14 and cannot. Writing there is not the worse for it.
    pub fn fault_in(&self, offset: usize, length: usize) -> io::Result<()> {
        self.backing.fault_in(self.offset_in_backing(offset, length), length)
    }

    /// [`AtomicView::fault_in`] that makes huge pages of a range, which begins and ends at multiples of
    /// [`HUGE_PAGE`](super::HUGE_PAGE) of its file: one address translation where there were 512.
    ///
    /// # Errors
    /// What the system says: it has no memory in one piece, was told to make no huge pages of shared memory, is older than
    /// Linux 6.1, or the file is not in memory. All is as before then.
    pub fn fault_in_huge(&self, offset: usize, length: usize) -> io::Result<()> {
        self.backing.fault_in_huge(self.offset_in_backing(offset, length), length)
    }

    fn offset_in_backing(&self, offset: usize, length: usize) -> usize {
        self.check(offset, length).as_ptr() as usize - self.backing.base().as_ptr() as usize
    }

    /// Has the processor fetch the cache line at `offset`, which will be wanted soon; nothing where that lies outside.
    #[inline]
    pub fn prefetch(&self, offset: usize) {
        #[cfg(target_arch = "x86_64")]
        if offset < self.length {
            // SAFETY: a hint, which reads nothing and never faults; inside the view all the same.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(self.base.as_ptr().add(offset).cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = offset;
    }

    /// Address and length of a range, for a system call to read or write; no reference is made.
    #[inline]
    #[must_use]
    pub fn bytes(&self, offset: usize, length: usize) -> SharedBytes<'_> {
        SharedBytes { base: self.check(offset, length), length, view: PhantomData }
    }

    /// Lends the payload of a committed frame for the time of a poll: the first of the two lent slices (M3).
    ///
    /// The caller has loaded the frame's length with acquire ordering and found it positive.
    #[inline]
    #[must_use]
    pub fn fragment(&self, offset: usize, length: usize) -> &[u8] {
        let base = self.check(offset, length);
        // SAFETY: inside the view, which `self` keeps alive (M1, M2); not written while lent (M3).
        unsafe { slice::from_raw_parts(base.as_ptr(), length) }
    }

    /// Lends a claimed, uncommitted range to its claimant: the second of the two lent slices (M3).
    ///
    /// The caller has moved the tail past this range and so is its only writer until it commits.
    #[inline]
    #[must_use]
    pub(crate) fn claimed(&self, offset: usize, length: usize) -> ClaimedBytes<'_> {
        ClaimedBytes { base: self.check(offset, length), length, view: PhantomData }
    }

    #[inline]
    fn atomic<T>(&self, offset: usize) -> &T {
        let size = size_of::<T>();
        let address = self.check(offset, size);
        if offset & (size - 1) != 0 {
            misaligned(offset, size);
        }
        // SAFETY: T is one of core's atomic integers (private, see callers); in bounds and aligned (M1, M2), any bit
        // pattern valid (M4), and shared access is what atomics are for.
        unsafe { address.cast::<T>().as_ref() }
    }

    #[inline]
    fn check(&self, offset: usize, length: usize) -> NonNull<u8> {
        if !self.contains(offset, length) {
            out_of_bounds(offset, length, self.length);
        }
        // SAFETY: offset is at most the length of the allocation that base points into (M1).
        unsafe { self.base.add(offset) }
    }
}

#[cold]
#[inline(never)]
fn out_of_bounds(offset: usize, length: usize, view: usize) -> ! {
    panic!("{length} bytes at {offset} reach outside a view of {view} bytes");
}

#[cold]
#[inline(never)]
fn misaligned(offset: usize, size: usize) -> ! {
    panic!("offset {offset} is not aligned for an integer of {size} bytes");
}

/// Address and length of shared bytes, alive as long as the view it came from; for system calls.
#[derive(Clone, Copy)]
pub struct SharedBytes<'a> {
    base: NonNull<u8>,
    length: usize,
    view: PhantomData<&'a AtomicView>,
}

// SAFETY: only an address; whoever hands it to the kernel has the same rights on any thread.
unsafe impl Send for SharedBytes<'_> {}

impl<'a> SharedBytes<'a> {
    /// Shared bytes over private memory, for callers that send what they built themselves.
    #[must_use]
    pub fn from_slice(bytes: &'a [u8]) -> Self {
        Self { base: NonNull::from(bytes).cast(), length: bytes.len(), view: PhantomData }
    }

    /// Address of the first byte; reading it races with other processes, so only the kernel should.
    #[inline]
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.base.as_ptr()
    }

    /// Length in bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are no bytes.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Part of these bytes.
    ///
    /// # Panics
    /// When the range reaches outside: a bug of the caller.
    #[inline]
    #[must_use]
    pub fn range(&self, offset: usize, length: usize) -> Self {
        if offset > self.length || length > self.length - offset {
            out_of_bounds(offset, length, self.length);
        }
        // SAFETY: offset is within the range that base points to (M2).
        Self { base: unsafe { self.base.add(offset) }, length, view: PhantomData }
    }

    /// Copies the first bytes out, as many as fit; how many.
    pub fn copy_start(&self, target: &mut [u8]) -> usize {
        let length = self.length.min(target.len());
        // SAFETY: the source lives as long as 'a and has at least `length` bytes (M1); the target too.
        unsafe { ptr::copy_nonoverlapping(self.base.as_ptr(), target.as_mut_ptr(), length) };
        length
    }

    /// Copies all bytes out, as a transport without a kernel does.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length];
        // SAFETY: the source lives as long as 'a and has `length` bytes (M1); the vector has as many.
        unsafe { ptr::copy_nonoverlapping(self.base.as_ptr(), bytes.as_mut_ptr(), self.length) };
        bytes
    }
}

impl fmt::Debug for SharedBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedBytes({} bytes)", self.length)
    }
}

/// A claimed range, writable by its claimant alone until the frame is committed.
pub struct ClaimedBytes<'a> {
    base: NonNull<u8>,
    length: usize,
    view: PhantomData<&'a AtomicView>,
}

// SAFETY: exclusive access to plain bytes (M3) may move between threads.
unsafe impl Send for ClaimedBytes<'_> {}

impl Deref for ClaimedBytes<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: in bounds and alive (M1, M2); the claimant is the only writer (M3).
        unsafe { slice::from_raw_parts(self.base.as_ptr(), self.length) }
    }
}

impl DerefMut for ClaimedBytes<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: in bounds and alive (M1, M2); the claimant is the only writer (M3).
        unsafe { slice::from_raw_parts_mut(self.base.as_ptr(), self.length) }
    }
}

impl fmt::Debug for ClaimedBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClaimedBytes({} bytes)", self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_come_back_and_lie_little_endian() {
        let view = AtomicView::allocate(24);
        view.put_i32(4, 0x0102_0304);
        view.put_i64_release(8, -2);
        assert_eq!(view.get_i32_acquire(4), 0x0102_0304);
        assert_eq!(view.get_i64(8), -2);
        assert_eq!(view.to_vec(4, 4), [4, 3, 2, 1]);
        assert_eq!(view.fetch_add_i64(8, 5), -2);
        assert!(view.compare_exchange_i64(8, 3, 9) && !view.compare_exchange_i64(8, 3, 9));
    }

    #[test]
    fn sub_views_share_memory_and_keep_it_alive() {
        let sub = {
            let view = AtomicView::allocate(64);
            view.write(40, b"abc");
            view.sub_view(40, 8)
        };
        let mut bytes = [0; 3];
        sub.read(0, &mut bytes);
        assert_eq!(&bytes, b"abc");
    }

    #[test]
    fn contains_never_overflows() {
        let view = AtomicView::allocate(16);
        assert!(view.contains(16, 0) && view.contains(0, 16));
        assert!(!view.contains(17, 0) && !view.contains(8, 9) && !view.contains(usize::MAX, usize::MAX));
    }

    #[test]
    #[should_panic(expected = "reach outside")]
    fn reading_past_the_end_panics() {
        let _ = AtomicView::allocate(8).get_i32(8);
    }

    #[test]
    #[should_panic(expected = "not aligned")]
    fn misaligned_integers_panic() {
        let _ = AtomicView::allocate(16).get_i64(4);
    }
}
