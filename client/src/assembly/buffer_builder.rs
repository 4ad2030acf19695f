//! Grows one message out of its fragments.

use epona_protocol::types::TermOffset;

/// First allocation, in bytes. Source: shared-memory spec 9.6.
const INITIAL_CAPACITY: usize = 4096;

/// The bytes of a message under assembly, with what must match for the next fragment to continue it.
#[derive(Debug, Default)]
pub(crate) struct BufferBuilder {
    bytes: Vec<u8>,
    next_term_offset: Option<TermOffset>,
}

impl BufferBuilder {
    /// Forgets any half-assembled message and starts a new one.
    pub(crate) fn begin(&mut self, payload: &[u8], next: TermOffset) {
        self.bytes.clear();
        self.append(payload, next);
    }

    /// Whether a fragment at this offset continues the message. Source: shared-memory spec 9.6.
    #[inline]
    pub(crate) fn continues_at(&self, offset: TermOffset) -> bool {
        self.next_term_offset == Some(offset)
    }

    /// Adds a fragment; the one after it must start at `next`. Grows by half again, from 4096 bytes.
    pub(crate) fn append(&mut self, payload: &[u8], next: TermOffset) {
        let needed = self.bytes.len() + payload.len();
        if needed > self.bytes.capacity() {
            let mut capacity = self.bytes.capacity().max(INITIAL_CAPACITY);
            while capacity < needed {
                capacity += capacity / 2;
            }
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(payload);
        self.next_term_offset = Some(next);
    }

    /// Nothing continues this message any more; its bytes stay until the next one begins.
    pub(crate) const fn complete(&mut self) {
        self.next_term_offset = None;
    }

    /// Undoes the last append, so that the fragment at `offset` is expected again.
    pub(crate) fn restore(&mut self, length: usize, offset: TermOffset) {
        self.bytes.truncate(length);
        self.next_term_offset = Some(offset);
    }

    /// Drops the message; the next one must begin anew.
    #[inline]
    pub(crate) fn reset(&mut self) {
        self.bytes.clear();
        self.next_term_offset = None;
    }

    /// The bytes so far.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
