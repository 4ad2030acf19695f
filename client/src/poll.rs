//! Reading an image: the polls, and one of them under way.

use std::{fs::File, io, sync::Arc};

use epona_protocol::{
    logbuffer::{Action, Block, Fragment, TermReader, scan_block},
    types::{Position, TermOffset},
};

use crate::{header::Header, image::Image, state::ImageState};

/// A poll under way: publishes how far it got when it ends, by panic too.
struct Reading<'a> {
    state: &'a ImageState,
    reader: TermReader<'a>,
    start: Position,
    start_offset: TermOffset,
    published: Position,
}

impl<'a> Reading<'a> {
    /// Starts at the image's position; `limit` is where no further frame may start.
    #[inline]
    fn new(state: &'a ImageState, limit: Option<Position>) -> Self {
        let start = Position::new(state.subscriber_position.get());
        let start_offset = state.log.geometry().term_offset(start);
        let term = state.log.term_at(start);
        let reader = match limit {
            None => TermReader::new(term, start_offset),
            Some(limit) => {
                TermReader::bounded(term, start_offset, Self::limit_offset(start, start_offset, limit))
            }
        };
        Self { state, reader, start, start_offset, published: start }
    }

    /// `limit` as an offset in the term of `start`. Source: shared-memory spec 9.2.
    fn limit_offset(start: Position, start_offset: TermOffset, limit: Position) -> TermOffset {
        let ahead =
            (limit.get().saturating_sub(start.get())).clamp(0, i64::from(i32::MAX - start_offset.get()));
        start_offset + ahead as i32
    }

    #[inline]
    fn next(&mut self) -> Option<Fragment<'a>> {
        if self.state.is_closed() {
            return None;
        }
        self.reader.next()
    }

    /// Tells the driver how far the stream is consumed; not after closing, when the counter may be another's.
    #[inline]
    fn publish(&mut self) {
        let position = self.start + i64::from(self.reader.offset() - self.start_offset);
        if position > self.published && !self.state.is_closed() {
            self.state.subscriber_position.set_release(position.get());
            self.published = position;
        }
    }
}

impl Drop for Reading<'_> {
    #[inline]
    fn drop(&mut self) {
        self.publish();
    }
}

impl Image {
    /// Hands up to `fragment_limit` fragments to `handler` and consumes them; how many that were.
    ///
    /// The fragments are lent in place, from the log. A poll ends at the end of a term at the latest; 0 does not mean
    /// that nothing follows. When the handler panics, the fragments up to and including that one are consumed.
    /// Source: shared-memory spec 9.2.
    #[inline]
    pub fn poll(&mut self, handler: impl FnMut(&[u8], &Header<'_>), fragment_limit: usize) -> usize {
        self.read(Reading::new(&self.state, None), handler, fragment_limit)
    }

    /// [`Image::poll`] of fragments that start before `limit`. The last one may end past it.
    #[inline]
    pub fn bounded_poll(
        &mut self,
        handler: impl FnMut(&[u8], &Header<'_>),
        limit: Position,
        fragment_limit: usize,
    ) -> usize {
        self.read(Reading::new(&self.state, Some(limit)), handler, fragment_limit)
    }

    /// [`Image::poll`] whose handler says after each fragment what becomes of it; see [`Action`].
    #[inline]
    pub fn controlled_poll(
        &mut self,
        handler: impl FnMut(&[u8], &Header<'_>) -> Action,
        fragment_limit: usize,
    ) -> usize {
        self.read_controlled(Reading::new(&self.state, None), handler, fragment_limit)
    }

    /// [`Image::controlled_poll`] of fragments that start before `limit`. The last one may end past it.
    #[inline]
    pub fn bounded_controlled_poll(
        &mut self,
        handler: impl FnMut(&[u8], &Header<'_>) -> Action,
        limit: Position,
        fragment_limit: usize,
    ) -> usize {
        self.read_controlled(Reading::new(&self.state, Some(limit)), handler, fragment_limit)
    }

    #[inline]
    fn read(
        &self,
        mut reading: Reading<'_>,
        mut handler: impl FnMut(&[u8], &Header<'_>),
        fragment_limit: usize,
    ) -> usize {
        let mut fragments = 0;
        while fragments < fragment_limit {
            let Some(fragment) = reading.next() else { break };
            fragments += 1;
            handler(fragment.payload(), &Header::new(fragment, self));
        }
        fragments
    }

    #[inline]
    fn read_controlled(
        &self,
        mut reading: Reading<'_>,
        mut handler: impl FnMut(&[u8], &Header<'_>) -> Action,
        fragment_limit: usize,
    ) -> usize {
        let mut fragments = 0;
        while fragments < fragment_limit {
            let Some(fragment) = reading.next() else { break };
            match handler(fragment.payload(), &Header::new(fragment, self)) {
                Action::Continue => {}
                Action::Commit => reading.publish(),
                Action::Break => return fragments + 1,
                Action::Abort => {
                    reading.reader.unread(&fragment);
                    break;
                }
            }
            fragments += 1;
        }
        fragments
    }

    /// Hands a run of whole frames of at most `block_length_limit` bytes to `handler`, headers included, and consumes
    /// them; the number of bytes. Padding comes as a block of its own, of which only the header means anything.
    /// When the handler panics, the block is not consumed. Source: shared-memory spec 9.4.
    pub fn block_poll(&mut self, handler: impl FnOnce(&Block<'_>), block_length_limit: usize) -> usize {
        self.read_block(|_, block| handler(block), block_length_limit)
    }

    /// [`Image::block_poll`] that also tells where the run lies: the log buffer's file, open for reading, and the offset
    /// of the block in it, for those who hand it on to the kernel by file.
    ///
    /// # Errors
    /// When the log buffer's file cannot be opened; nothing was consumed then.
    pub fn raw_poll(
        &mut self,
        handler: impl FnOnce(&File, u64, &Block<'_>),
        block_length_limit: usize,
    ) -> io::Result<usize> {
        let state = Arc::clone(&self.state);
        let file = match state.file.get() {
            Some(file) => file,
            None => {
                let opened = File::open(&state.log_file)?;
                state.file.get_or_init(|| opened)
            }
        };
        let geometry = state.log.geometry();
        let place = |start, block: &Block<'_>| {
            geometry.partition_index(start) * geometry.term_length().bytes() + block.first().offset().index()
        };
        Ok(self
            .read_block(|start, block| handler(file, place(start, block) as u64, block), block_length_limit))
    }

    fn read_block(&self, handler: impl FnOnce(Position, &Block<'_>), block_length_limit: usize) -> usize {
        let state = &*self.state;
        if state.is_closed() {
            return 0;
        }
        let start = Position::new(state.subscriber_position.get());
        let limit = i32::try_from(block_length_limit).unwrap_or(i32::MAX);
        let Some(block) =
            scan_block(state.log.term_at(start), state.log.geometry().term_offset(start), limit)
        else {
            return 0;
        };
        handler(start, &block);
        if !state.is_closed() {
            state.subscriber_position.set_release((start + i64::from(block.length())).get());
        }
        usize::try_from(block.length()).unwrap_or(0)
    }
}
