//! A publication as a subscription sees it, and the polls that read it.

use std::{
    fmt,
    fs::File,
    io,
    path::PathBuf,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use epona_protocol::{
    counters::AtomicCounter,
    logbuffer::{Action, Block, Fragment, LogBuffers, TermReader, scan_block},
    types::{
        CounterId, Mtu, Position, RegistrationId, SessionId, StreamId, TermGeometry, TermLength, TermOffset,
    },
};

use crate::{client::Client, error::ClientError, header::Header, operation, pending::Pending};

/// Longest reason for rejecting an image, in bytes. Source: shared-memory spec 10.3.
pub const MAX_REJECT_REASON_LENGTH: usize = 1023;

/// One publication's stream, replicated to (or shared with) this process, and this subscription's place in it.
///
/// A subscription owns its images; they are lent for polling one by one, and to handlers for looking at. Closing is
/// the conductor's: it may happen during a poll, which then ends early and safely. The log buffer stays mapped for as
/// long as anything refers to it.
///
/// Threading: `Send`; the polls take `&mut self`, so a stream has one reader at a time per subscription.
pub struct Image {
    state: Arc<ImageState>,
}

/// What the polling thread and the conductor share of an image.
pub(crate) struct ImageState {
    pub(crate) correlation_id: RegistrationId,
    pub(crate) subscription_registration_id: RegistrationId,
    pub(crate) session_id: SessionId,
    pub(crate) stream_id: StreamId,
    pub(crate) source_identity: String,
    pub(crate) log: LogBuffers,
    log_file: PathBuf,
    /// Opened by the first raw poll.
    file: OnceLock<File>,
    /// Owned by the polling thread: read plain, written with release ordering for the driver.
    subscriber_position: AtomicCounter,
    join_position: Position,
    mtu_length: i32,
    closed: AtomicBool,
    at_close: OnceLock<AtClose>,
    client: Weak<Client>,
}

/// What a closed image answers. Source: shared-memory spec 9.1.
#[derive(Clone, Copy)]
struct AtClose {
    position: Position,
    end_of_stream_position: Position,
    revoked: bool,
}

/// What the driver told about an image.
pub(crate) struct NewImage {
    pub(crate) correlation_id: RegistrationId,
    pub(crate) subscription_registration_id: RegistrationId,
    pub(crate) session_id: SessionId,
    pub(crate) stream_id: StreamId,
    pub(crate) source_identity: String,
    pub(crate) log_file: PathBuf,
}

impl ImageState {
    /// An image over its log.
    pub(crate) fn new(
        new: NewImage,
        log: LogBuffers,
        subscriber_position: AtomicCounter,
        client: Weak<Client>,
    ) -> Self {
        let mtu_length =
            log.metadata().mtu().map_or_else(|other| i32::try_from(other.0).unwrap_or(0), Mtu::get);
        let join_position = Position::new(subscriber_position.get_acquire());
        Self {
            correlation_id: new.correlation_id,
            subscription_registration_id: new.subscription_registration_id,
            session_id: new.session_id,
            stream_id: new.stream_id,
            source_identity: new.source_identity,
            log,
            log_file: new.log_file,
            file: OnceLock::new(),
            subscriber_position,
            join_position,
            mtu_length,
            closed: AtomicBool::new(false),
            at_close: OnceLock::new(),
            client,
        }
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// How far the stream is consumed, in bytes; after closing, how far it had been.
    pub(crate) fn position(&self) -> Position {
        match self.after_close() {
            Some(at_close) => at_close.position,
            None => Position::new(self.subscriber_position.get_acquire()),
        }
    }

    /// Where the stream ends; [`Position::MAX`] until the publisher has ended it.
    pub(crate) fn end_of_stream_position(&self) -> Position {
        match self.after_close() {
            Some(at_close) => at_close.end_of_stream_position,
            None => self.log.metadata().end_of_stream_position(),
        }
    }

    /// Number of transports that still bring this stream; 0 after closing.
    pub(crate) fn active_transport_count(&self) -> usize {
        match self.after_close() {
            Some(_) => 0,
            None => usize::try_from(self.log.metadata().active_transport_count()).unwrap_or(0),
        }
    }

    /// Whether a poll would move on.
    #[cfg(feature = "async")]
    pub(crate) fn has_fragment(&self) -> bool {
        let position = Position::new(self.subscriber_position.get());
        Fragment::at(self.log.term_at(position), self.log.geometry().term_offset(position)).is_some()
    }

    fn after_close(&self) -> Option<AtClose> {
        if self.is_closed() { self.at_close.get().copied() } else { None }
    }

    /// Ends the image for its readers; later queries answer what held now. By the conductor.
    pub(crate) fn close(&self) {
        let _ = self.at_close.set(AtClose {
            position: Position::new(self.subscriber_position.get_acquire()),
            end_of_stream_position: self.log.metadata().end_of_stream_position(),
            revoked: self.log.metadata().is_revoked(),
        });
        self.closed.store(true, Ordering::Release);
    }
}

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
    pub(crate) const fn new(state: Arc<ImageState>) -> Self {
        Self { state }
    }

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

    /// How far the stream is consumed, in bytes; after closing, how far it had been.
    #[must_use]
    pub fn position(&self) -> Position {
        self.state.position()
    }

    /// Where this subscription joined the stream.
    #[must_use]
    pub fn join_position(&self) -> Position {
        self.state.join_position
    }

    /// Whether everything up to the end of the stream is consumed.
    #[must_use]
    pub fn is_end_of_stream(&self) -> bool {
        self.position() >= self.end_of_stream_position()
    }

    /// Where the stream ends; [`Position::MAX`] until the publisher has ended it.
    #[must_use]
    pub fn end_of_stream_position(&self) -> Position {
        self.state.end_of_stream_position()
    }

    /// Number of transports that still bring this stream; 0 after closing.
    #[must_use]
    pub fn active_transport_count(&self) -> usize {
        self.state.active_transport_count()
    }

    /// Whether the publisher took the stream back; what was not consumed yet may be gone.
    #[must_use]
    pub fn is_publication_revoked(&self) -> bool {
        match self.state.after_close() {
            Some(at_close) => at_close.revoked,
            None => self.state.log.metadata().is_revoked(),
        }
    }

    /// Whether the stream, its subscription or the client has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state.is_closed()
    }

    /// Asks the driver to reject this image: its publisher is told the reason, at most 1023 bytes, and the image goes
    /// away for a while. The result may be dropped.
    ///
    /// # Errors
    /// When the reason is too long, or the image or its client is closed.
    pub fn reject(&self, reason: &str) -> Result<Pending<()>, ClientError> {
        let client = self.state.client.upgrade().filter(|_| !self.is_closed());
        let Some(client) = client else { return Err(ClientError::Closed { cause: None }) };
        if reason.len() > MAX_REJECT_REASON_LENGTH {
            return Err(ClientError::Configuration(format!(
                "reason of {} bytes to reject an image is longer than {}",
                reason.len(),
                MAX_REJECT_REASON_LENGTH
            )));
        }
        operation::reject_image(&client, self.state.correlation_id, self.position(), reason)
    }

    /// Session of the stream.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        self.state.session_id
    }

    /// Stream of the publication.
    #[must_use]
    pub fn stream_id(&self) -> StreamId {
        self.state.stream_id
    }

    /// Where the stream comes from: `address:port`, or `aeron:ipc`.
    #[must_use]
    pub fn source_identity(&self) -> &str {
        &self.state.source_identity
    }

    /// Id of the image in the driver; that of the publication for IPC and spies.
    #[must_use]
    pub fn correlation_id(&self) -> RegistrationId {
        self.state.correlation_id
    }

    /// The subscription that this image belongs to.
    #[must_use]
    pub fn subscription_registration_id(&self) -> RegistrationId {
        self.state.subscription_registration_id
    }

    /// How positions of the stream map onto its terms.
    #[inline]
    #[must_use]
    pub fn geometry(&self) -> TermGeometry {
        self.state.log.geometry()
    }

    /// Length of the stream's terms.
    #[must_use]
    pub fn term_length(&self) -> TermLength {
        self.geometry().term_length()
    }

    /// Longest frame that the publisher writes, header included, in bytes.
    #[must_use]
    pub fn mtu_length(&self) -> i32 {
        self.state.mtu_length
    }

    /// The counter that holds [`Image::position`].
    #[must_use]
    pub fn subscriber_position_id(&self) -> CounterId {
        self.state.subscriber_position.id()
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("session_id", &self.session_id())
            .field("stream_id", &self.stream_id())
            .field("source_identity", &self.source_identity())
            .field("position", &self.position())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
