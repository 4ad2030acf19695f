//! Where the bytes of a message come from.

use crate::memory::AtomicView;

/// Bytes of a message, copied out front to back.
pub trait Payload {
    /// Bytes that are left.
    fn remaining(&self) -> usize;

    /// Copies the next `length` bytes, at most what remains, to `offset` of a term.
    fn write_next(&mut self, term: &AtomicView, offset: usize, length: usize);
}

impl Payload for &[u8] {
    #[inline]
    fn remaining(&self) -> usize {
        self.len()
    }

    #[inline]
    fn write_next(&mut self, term: &AtomicView, offset: usize, length: usize) {
        let (next, rest) = self.split_at(length.min(self.len()));
        term.write(offset, next);
        *self = rest;
    }
}

/// A message in parts that lie apart.
#[derive(Clone, Copy, Debug)]
pub struct Gather<'a> {
    parts: &'a [&'a [u8]],
    /// Bytes of the first part that are gone already.
    consumed: usize,
    remaining: usize,
}

impl<'a> Gather<'a> {
    /// All parts, one after the other.
    #[inline]
    #[must_use]
    pub fn new(parts: &'a [&'a [u8]]) -> Self {
        let remaining = parts.iter().fold(0_usize, |sum, part| sum.saturating_add(part.len()));
        Self { parts, consumed: 0, remaining }
    }
}

impl Payload for Gather<'_> {
    #[inline]
    fn remaining(&self) -> usize {
        self.remaining
    }

    #[inline]
    fn write_next(&mut self, term: &AtomicView, offset: usize, length: usize) {
        let mut written = 0;
        while written < length {
            let Some((part, others)) = self.parts.split_first() else { return };
            let size = (part.len() - self.consumed).min(length - written);
            term.write(offset + written, &part[self.consumed..self.consumed + size]);
            written += size;
            self.remaining -= size;
            self.consumed += size;
            if self.consumed == part.len() {
                self.parts = others;
                self.consumed = 0;
            }
        }
    }
}
