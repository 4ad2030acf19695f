//! The view that loom explores: the same verbs over loom's atomics, one per 8-byte word.
//!
//! Narrower accesses read or rewrite the word that holds them. A rewrite is a read-modify-write where the machine
//! would do a plain store, so loom may miss reorderings between two halves of one word; the orderings between words,
//! which the structures rely on, are explored as they are. Keep regions tiny.
//!
//! A rewrite begins with a compare-exchange on a guess, never with a load: loom remembers one last access of a word,
//! so a load before the exchange would hide from it another thread's earlier load, and with it the interleavings of
//! the two.

use std::sync::Arc;

use loom::sync::atomic::{AtomicU64, Ordering};

/// Stand-in for the real view; see there for the meaning of each verb.
#[derive(Clone, Debug)]
pub struct AtomicView {
    words: Arc<[AtomicU64]>,
    /// What each word probably holds: not part of the model.
    guesses: Arc<[core::sync::atomic::AtomicU64]>,
    start: usize,
    length: usize,
}

macro_rules! integer_verbs {
    ($int:ty, $get:ident, $get_acquire:ident, $put:ident, $put_release:ident, $add:ident, $cas:ident) => {
        pub fn $get(&self, offset: usize) -> $int {
            self.load(offset, size_of::<$int>(), Ordering::Relaxed) as $int
        }

        pub fn $get_acquire(&self, offset: usize) -> $int {
            self.load(offset, size_of::<$int>(), Ordering::Acquire) as $int
        }

        pub fn $put(&self, offset: usize, value: $int) {
            self.store(offset, size_of::<$int>(), value as u64, Ordering::Relaxed);
        }

        pub fn $put_release(&self, offset: usize, value: $int) {
            self.store(offset, size_of::<$int>(), value as u64, Ordering::Release);
        }

        pub fn $add(&self, offset: usize, delta: $int) -> $int {
            self.update(offset, size_of::<$int>(), Ordering::AcqRel, |old| {
                Some((old as $int).wrapping_add(delta) as u64)
            })
            .unwrap_or_else(|old| old) as $int
        }

        pub fn $cas(&self, offset: usize, expected: $int, new: $int) -> bool {
            self.update(offset, size_of::<$int>(), Ordering::AcqRel, |old| {
                (old as $int == expected).then_some(new as u64)
            })
            .is_ok()
        }
    };
}

#[expect(missing_docs, reason = "the verbs are documented on the view they stand in for")]
impl AtomicView {
    pub fn allocate(length: usize) -> Self {
        let words = length.div_ceil(8);
        Self {
            words: (0..words).map(|_| AtomicU64::new(0)).collect(),
            guesses: (0..words).map(|_| core::sync::atomic::AtomicU64::new(0)).collect(),
            start: 0,
            length,
        }
    }

    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub fn contains(&self, offset: usize, length: usize) -> bool {
        offset <= self.length && length <= self.length - offset
    }

    pub fn sub_view(&self, offset: usize, length: usize) -> Self {
        assert!(offset % 8 == 0 && self.contains(offset, length));
        Self { start: self.start + offset, length, ..self.clone() }
    }

    integer_verbs!(
        i32,
        get_i32,
        get_i32_acquire,
        put_i32,
        put_i32_release,
        fetch_add_i32,
        compare_exchange_i32
    );
    integer_verbs!(
        i64,
        get_i64,
        get_i64_acquire,
        put_i64,
        put_i64_release,
        fetch_add_i64,
        compare_exchange_i64
    );

    pub fn get_u8(&self, offset: usize) -> u8 {
        self.load(offset, 1, Ordering::Relaxed) as u8
    }

    pub fn get_u8_acquire(&self, offset: usize) -> u8 {
        self.load(offset, 1, Ordering::Acquire) as u8
    }

    pub fn put_u8(&self, offset: usize, value: u8) {
        self.store(offset, 1, u64::from(value), Ordering::Relaxed);
    }

    pub fn put_u8_release(&self, offset: usize, value: u8) {
        self.store(offset, 1, u64::from(value), Ordering::Release);
    }

    pub fn get_u16(&self, offset: usize) -> u16 {
        self.load(offset, 2, Ordering::Relaxed) as u16
    }

    pub fn put_u16(&self, offset: usize, value: u16) {
        self.store(offset, 2, u64::from(value), Ordering::Relaxed);
    }

    pub fn write(&self, offset: usize, source: &[u8]) {
        assert!(self.contains(offset, source.len()));
        let mut at = 0;
        while at < source.len() {
            let size = (8 - (self.start + offset + at) % 8).min(source.len() - at);
            let mut bytes = [0; 8];
            bytes[..size].copy_from_slice(&source[at..at + size]);
            self.store_part(offset + at, size, u64::from_le_bytes(bytes), Ordering::Relaxed);
            at += size;
        }
    }

    pub fn read(&self, offset: usize, target: &mut [u8]) {
        assert!(self.contains(offset, target.len()));
        let mut at = 0;
        while at < target.len() {
            let size = (8 - (self.start + offset + at) % 8).min(target.len() - at);
            let bytes = self.load_part(offset + at, size, Ordering::Relaxed).to_le_bytes();
            target[at..at + size].copy_from_slice(&bytes[..size]);
            at += size;
        }
    }

    pub fn write_relaxed(&self, offset: usize, source: &[u8]) {
        self.write(offset, source);
    }

    pub fn read_relaxed(&self, offset: usize, target: &mut [u8]) {
        self.read(offset, target);
    }

    pub fn to_vec(&self, offset: usize, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.read(offset, &mut bytes);
        bytes
    }

    pub fn prefetch(&self, _offset: usize) {}

    pub fn copy_from(&self, offset: usize, source: &Self, source_offset: usize, length: usize) {
        self.write(offset, &source.to_vec(source_offset, length));
    }

    pub fn zero(&self, offset: usize, length: usize) {
        self.write(offset, &vec![0; length]);
    }

    fn load(&self, offset: usize, size: usize, ordering: Ordering) -> u64 {
        assert!(offset % size == 0 && self.contains(offset, size));
        self.load_part(offset, size, ordering)
    }

    fn store(&self, offset: usize, size: usize, value: u64, ordering: Ordering) {
        assert!(offset % size == 0 && self.contains(offset, size));
        self.store_part(offset, size, value, ordering);
    }

    fn load_part(&self, offset: usize, size: usize, ordering: Ordering) -> u64 {
        let (word, shift, mask) = self.place(offset, size);
        (word.load(ordering) >> shift) & mask
    }

    fn store_part(&self, offset: usize, size: usize, value: u64, ordering: Ordering) {
        let (word, shift, mask) = self.place(offset, size);
        if size == 8 {
            word.store(value, ordering);
            self.guess(offset, value);
            return;
        }
        let _ = self.rewrite(offset, ordering, Ordering::Relaxed, |old| {
            Some((old & !(mask << shift)) | ((value & mask) << shift))
        });
    }

    fn update(
        &self,
        offset: usize,
        size: usize,
        ordering: Ordering,
        change: impl Fn(u64) -> Option<u64>,
    ) -> Result<u64, u64> {
        assert!(offset % size == 0 && self.contains(offset, size));
        let (_, shift, mask) = self.place(offset, size);
        let part = |old: u64| (old >> shift) & mask;
        self.rewrite(offset, ordering, Ordering::Acquire, |old| {
            change(part(old)).map(|new| (old & !(mask << shift)) | ((new & mask) << shift))
        })
        .map(part)
        .map_err(part)
    }

    /// Changes the word at `offset`, or leaves it as it is; the old value either way.
    fn rewrite(
        &self,
        offset: usize,
        success: Ordering,
        failure: Ordering,
        change: impl Fn(u64) -> Option<u64>,
    ) -> Result<u64, u64> {
        let at = (self.start + offset) / 8;
        let mut expected = self.guesses[at].load(Ordering::Relaxed);
        let mut known = false;
        loop {
            let Some(new) = change(expected) else {
                if known {
                    return Err(expected);
                }
                let found = self.words[at].compare_exchange(expected, expected, failure, failure);
                expected = found.unwrap_or_else(|actual| actual);
                known = true;
                continue;
            };
            match self.words[at].compare_exchange(expected, new, success, failure) {
                Ok(old) => {
                    self.guess(offset, new);
                    return Ok(old);
                }
                Err(actual) => (expected, known) = (actual, true),
            }
        }
    }

    fn guess(&self, offset: usize, value: u64) {
        self.guesses[(self.start + offset) / 8].store(value, Ordering::Relaxed);
    }

    fn place(&self, offset: usize, size: usize) -> (&AtomicU64, usize, u64) {
        let at = self.start + offset;
        let mask = if size == 8 { u64::MAX } else { (1 << (size * 8)) - 1 };
        (&self.words[at / 8], at % 8 * 8, mask)
    }
}
