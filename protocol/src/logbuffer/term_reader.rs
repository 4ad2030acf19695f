//! Reading the committed frames of a term, in order and in place.

use crate::{
    frame::{data::layout::TYPE, frame_type},
    memory::AtomicView,
    types::{TermOffset, align_frame},
};

use super::header::{Fragment, committed_length, is_frame_start, term_length};

/// What to do after a fragment was handled. Source: shared-memory spec 9.2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Do not consume the fragment: it comes again with the next read. Stop.
    Abort,
    /// Consume the fragment and stop.
    Break,
    /// Consume the fragment, publish the position at once and go on.
    Commit,
    /// Consume the fragment and go on.
    Continue,
}

/// Walks the committed data frames of one term; padding is passed over.
///
/// As an iterator it consumes each fragment before it lends it, so that a handler that panics does not meet it again.
/// Reads stop at the first slot that is not committed, at a length that cannot be right, and never cross the term's end.
#[derive(Debug)]
pub struct TermReader<'a> {
    term: &'a AtomicView,
    offset: i32,
    limit: i32,
    end: i32,
}

impl<'a> TermReader<'a> {
    /// Starts at `offset`, normally a frame's; from a place where no frame can start there is nothing to read.
    #[inline]
    #[must_use]
    pub fn new(term: &'a AtomicView, offset: TermOffset) -> Self {
        Self::bounded(term, offset, TermOffset::new(i32::MAX))
    }

    /// Starts at `offset` and reads only frames that start before `limit`; the last one may reach past it.
    #[inline]
    #[must_use]
    pub fn bounded(term: &'a AtomicView, offset: TermOffset, limit: TermOffset) -> Self {
        let end = term_length(term);
        let limit = if is_frame_start(offset, end) { limit.get().min(end) } else { i32::MIN };
        Self { term, offset: offset.get(), limit, end }
    }

    /// Where the next read starts: everything before is consumed.
    #[inline]
    #[must_use]
    pub const fn offset(&self) -> TermOffset {
        TermOffset::new(self.offset)
    }

    /// Gives a fragment back: it is the next one again.
    #[inline]
    pub fn unread(&mut self, fragment: &Fragment<'a>) {
        self.offset = fragment.offset().get();
    }

    /// Hands up to `fragment_limit` fragments to `handler`; how many it took.
    #[inline]
    pub fn read(&mut self, fragment_limit: usize, mut handler: impl FnMut(Fragment<'a>)) -> usize {
        let mut fragments = 0;
        while fragments < fragment_limit {
            let Some(fragment) = self.next() else { break };
            fragments += 1;
            handler(fragment);
        }
        fragments
    }

    /// Hands up to `fragment_limit` fragments to `handler` and does as it says; `commit` gets the offset to publish
    /// when it says [`Action::Commit`]. How many fragments were consumed.
    #[inline]
    pub fn read_controlled(
        &mut self,
        fragment_limit: usize,
        mut handler: impl FnMut(Fragment<'a>) -> Action,
        mut commit: impl FnMut(TermOffset),
    ) -> usize {
        let mut fragments = 0;
        while fragments < fragment_limit {
            let Some(fragment) = self.next() else { break };
            fragments += 1;
            match handler(fragment) {
                Action::Continue => {}
                Action::Commit => commit(self.offset()),
                Action::Break => break,
                Action::Abort => {
                    self.unread(&fragment);
                    return fragments - 1;
                }
            }
        }
        fragments
    }
}

impl<'a> Iterator for TermReader<'a> {
    type Item = Fragment<'a>;

    #[inline]
    fn next(&mut self) -> Option<Fragment<'a>> {
        while self.offset < self.limit {
            let frame_length = committed_length(self.term, self.offset, self.end);
            if frame_length == 0 {
                break;
            }
            let offset = self.offset as usize;
            self.offset += align_frame(frame_length);
            if self.term.get_u16(offset + TYPE) != frame_type::PAD {
                return Some(Fragment::known(self.term, offset, frame_length));
            }
        }
        None
    }
}
