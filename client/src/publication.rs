//! Messages to one channel and stream, from any number of threads.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use epona_protocol::{
    counters::{ChannelStatus, CountersReader, ReadablePosition},
    logbuffer::{
        LogBuffers,
        appender::{Batch, BufferClaim, ConcurrentAppender, Gather, Payload, Refusal},
    },
    types::{
        CounterId, DATA_HEADER_LENGTH, Nanos, Position, RegistrationId, SessionId, StreamId, TermId,
        TermLength,
    },
};

#[cfg(feature = "async")]
use crate::waiting::Wait;
use crate::{
    client::Client,
    error::ClientError,
    explanation::{PublicationExplanation, Stream, Watch},
    offer_error::OfferError,
    operation,
    pending::Pending,
    request::Request,
    status,
};

/// Publishes messages to a channel and stream, which other threads and other clients may publish to as well.
///
/// Adds of the same channel and stream share one log and one session. Clones are the same publication; it is closed
/// when the last one is dropped, or by [`Publication::close`].
///
/// Offers do not wait, allocate, lock or make a system call. An offer that is refused published nothing; see
/// [`OfferError`] for what to do.
///
/// Threading: `Send` and `Sync`, all methods from any thread. Messages of one thread stay in order.
///
/// ```no_run
/// # use epona_client::{Aeron, Context, OfferError};
/// # let aeron = Aeron::connect(Context::new())?;
/// let publication = aeron.add_publication("aeron:udp?endpoint=localhost:20121", 1001)?;
/// while let Err(refused) = publication.offer(b"hello") {
///     if !refused.is_temporary() {
///         panic!("{refused}");
///     }
///     std::thread::yield_now();
/// }
/// # Ok::<(), epona_client::ClientError>(())
/// ```
pub struct Publication {
    appender: ConcurrentAppender,
    /// The limit as last read: while it is not reached there is no need to look at the driver's.
    limit: AtomicI64,
    state: Arc<PublicationState>,
    owner: Arc<Owner>,
}

/// What the handles of a publication share with the conductor.
pub(crate) struct PublicationState {
    pub(crate) registration_id: RegistrationId,
    pub(crate) original_registration_id: RegistrationId,
    pub(crate) session_id: SessionId,
    pub(crate) stream_id: StreamId,
    pub(crate) channel: Arc<str>,
    pub(crate) log: LogBuffers,
    pub(crate) limit: ReadablePosition,
    pub(crate) channel_status_id: CounterId,
    pub(crate) watch: Watch,
    closed: AtomicBool,
}

/// What the driver told about a publication.
pub(crate) struct NewPublicationState {
    pub(crate) registration_id: RegistrationId,
    pub(crate) original_registration_id: RegistrationId,
    pub(crate) session_id: SessionId,
    pub(crate) stream_id: StreamId,
    pub(crate) channel: Arc<str>,
    pub(crate) channel_status_id: CounterId,
}

impl PublicationState {
    pub(crate) fn new(
        new: NewPublicationState,
        log: LogBuffers,
        limit: ReadablePosition,
        now: Nanos,
    ) -> Self {
        let watch = Watch::new(log.metadata().is_connected(), limit.position(), now);
        Self {
            registration_id: new.registration_id,
            original_registration_id: new.original_registration_id,
            session_id: new.session_id,
            stream_id: new.stream_id,
            channel: new.channel,
            log,
            limit,
            channel_status_id: new.channel_status_id,
            watch,
            closed: AtomicBool::new(false),
        }
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Notes since when it stands as it does. By the conductor.
    pub(crate) fn look(&self, now: Nanos) {
        self.watch.look(self.log.metadata().is_connected(), self.limit.position(), now);
    }

    /// How it stands, with its publisher at `position`.
    pub(crate) fn explain(&self, position: Position, counters: &CountersReader) -> PublicationExplanation {
        let stream = Stream {
            counters,
            log: &self.log,
            channel: &self.channel,
            session_id: self.session_id,
            stream_id: self.stream_id,
            limit_id: self.limit.id(),
            limit: self.limit.position(),
            position,
            original_registration_id: self.original_registration_id,
            is_closed: self.is_closed(),
            watch: &self.watch,
        };
        stream.explain()
    }

    /// Closes all handles; whether it was open before.
    pub(crate) fn close(&self) -> bool {
        !self.closed.swap(true, Ordering::AcqRel)
    }
}

impl fmt::Debug for PublicationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicationState")
            .field("registration_id", &self.registration_id)
            .finish_non_exhaustive()
    }
}

/// Closes the publication with the last handle.
pub(crate) struct Owner {
    pub(crate) state: Arc<PublicationState>,
    pub(crate) client: Arc<Client>,
}

impl Owner {
    pub(crate) fn close(&self, revoke: bool) {
        if self.state.close() {
            self.client.tell(Request::RemovePublication { id: self.state.registration_id, revoke });
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.close(false);
    }
}

/// Waits for room to publish.
#[cfg(feature = "async")]
pub(crate) fn room(state: &Arc<PublicationState>, client: &Arc<Client>) -> Wait {
    let state = Arc::clone(state);
    Wait::new(&client.shared, move || {
        state.is_closed() || state.limit.position() > state.log.producer_position()
    })
}

/// The reserved value that a caller computes from the payload of each frame.
pub(crate) fn of_payload(
    mut supplier: impl FnMut(&[u8]) -> i64,
) -> impl FnMut(&epona_protocol::memory::AtomicView, epona_protocol::types::TermOffset, i32) -> i64 {
    move |term, offset, frame_length| {
        let payload = usize::try_from(frame_length - DATA_HEADER_LENGTH).unwrap_or(0);
        supplier(term.fragment(offset.index() + DATA_HEADER_LENGTH as usize, payload))
    }
}

/// What concurrent and exclusive publications answer alike; both have `state`, `owner` and `appender`.
macro_rules! publication_queries {
    () => {
        /// How far the stream may go for now, in bytes; what the driver's flow control allows.
        ///
        /// # Errors
        /// [`OfferError::Closed`].
        pub fn position_limit(&self) -> Result<Position, OfferError> {
            if self.is_closed() { Err(OfferError::Closed) } else { Ok(self.state.limit.position()) }
        }

        /// Bytes that can be offered before the limit, headers and padding included; negative when it was passed.
        ///
        /// # Errors
        /// [`OfferError::Closed`].
        pub fn available_window(&self) -> Result<i64, OfferError> {
            Ok(self.position_limit()? - self.position()?)
        }

        /// Whether there is a subscriber, as far as the driver knows.
        #[must_use]
        pub fn is_connected(&self) -> bool {
            !self.is_closed() && self.state.log.metadata().is_connected()
        }

        /// Whether the publication or its client has ended.
        #[inline]
        #[must_use]
        pub fn is_closed(&self) -> bool {
            self.state.is_closed()
        }

        /// Channel as given when adding.
        #[must_use]
        pub fn channel(&self) -> &str {
            &self.state.channel
        }

        /// Stream as given when adding.
        #[must_use]
        pub fn stream_id(&self) -> StreamId {
            self.state.stream_id
        }

        /// Session of the stream, which tells it from others on the channel and stream id.
        #[must_use]
        pub fn session_id(&self) -> SessionId {
            self.state.session_id
        }

        /// Id of this publication in the driver.
        #[must_use]
        pub fn registration_id(&self) -> RegistrationId {
            self.state.registration_id
        }

        /// Id of the add that created the log; several publications may share it.
        #[must_use]
        pub fn original_registration_id(&self) -> RegistrationId {
            self.state.original_registration_id
        }

        /// Whether this publication's add created the log.
        #[must_use]
        pub fn is_original(&self) -> bool {
            self.state.registration_id == self.state.original_registration_id
        }

        /// Longest message that can be offered, in bytes: an eighth of the term length, at most 16 MiB.
        #[must_use]
        pub fn max_message_length(&self) -> usize {
            usize::try_from(self.appender.max_message_length()).unwrap_or(0)
        }

        /// Longest message that takes one frame and so can be claimed, in bytes: the MTU less 32.
        #[must_use]
        pub fn max_payload_length(&self) -> usize {
            usize::try_from(self.appender.max_payload_length()).unwrap_or(0)
        }

        /// Where the stream ends for good, in bytes: the term length * 2^31.
        #[must_use]
        pub fn max_possible_position(&self) -> Position {
            self.state.log.geometry().max_position()
        }

        /// Length of the terms of the log.
        #[must_use]
        pub fn term_length(&self) -> TermLength {
            self.state.log.geometry().term_length()
        }

        /// Id of the stream's first term.
        #[must_use]
        pub fn initial_term_id(&self) -> TermId {
            self.state.log.geometry().initial_term_id()
        }

        /// The counter that holds the position limit.
        #[must_use]
        pub fn position_limit_id(&self) -> CounterId {
            self.state.limit.id()
        }

        /// The counter that holds the state of the channel; -1 when there is none, as for IPC.
        #[must_use]
        pub fn channel_status_id(&self) -> CounterId {
            self.state.channel_status_id
        }

        /// State of the channel's socket; `None` when closed or when the channel has none, as IPC.
        #[must_use]
        pub fn channel_status(&self) -> Option<ChannelStatus> {
            if self.is_closed() {
                return None;
            }
            status::channel(&self.owner.client.shared.counters, self.state.channel_status_id)
        }

        /// Addresses that the channel's sockets are bound to, as text; none before they are.
        #[must_use]
        pub fn local_socket_addresses(&self) -> Vec<String> {
            if self.is_closed() {
                return Vec::new();
            }
            status::local_addresses(&self.owner.client.shared.counters, self.state.channel_status_id)
        }

        /// Why an offer is refused or not: which limit holds, whose position that depends on, how far behind that is
        /// and for how long. Walks all counters: not for the hot path.
        ///
        /// ```no_run
        /// # let aeron = epona_client::Aeron::connect(epona_client::Context::new())?;
        /// # let mut publication = aeron.add_exclusive_publication("aeron:ipc", 1001)?;
        /// if let Err(refused) = publication.offer(b"hello") {
        ///     eprintln!("{refused}: {}", publication.explain());
        /// }
        /// # Ok::<(), epona_client::ClientError>(())
        /// ```
        #[must_use]
        pub fn explain(&self) -> PublicationExplanation {
            self.state.explain(self.appender.position(), &self.owner.client.shared.counters)
        }

        /// Adds a destination to a publication with `control-mode=manual`; the result is the destination's id.
        ///
        /// # Errors
        /// When the client is closed; the result tells what the driver says.
        pub fn add_destination(&self, channel: &str) -> Result<Pending<RegistrationId>, ClientError> {
            operation::add_destination(&self.owner.client, self.state.original_registration_id, channel)
        }

        /// Removes a destination by its channel.
        ///
        /// # Errors
        /// When the client is closed; the result tells what the driver says.
        pub fn remove_destination(&self, channel: &str) -> Result<Pending<()>, ClientError> {
            operation::remove_destination(&self.owner.client, self.state.original_registration_id, channel)
        }

        /// Removes a destination by the id that adding it gave.
        ///
        /// # Errors
        /// When the client is closed; the result tells what the driver says.
        pub fn remove_destination_by_id(
            &self,
            destination: RegistrationId,
        ) -> Result<Pending<()>, ClientError> {
            operation::remove_destination_by_id(
                &self.owner.client,
                self.state.original_registration_id,
                destination,
            )
        }
    };
}
pub(crate) use publication_queries;

impl Publication {
    /// Handle on a registered publication.
    pub(crate) fn new(state: Arc<PublicationState>, client: Arc<Client>) -> Option<Self> {
        let appender = ConcurrentAppender::new(state.log.clone()).ok()?;
        let owner = Arc::new(Owner { state: Arc::clone(&state), client });
        Some(Self { appender, limit: AtomicI64::new(0), state, owner })
    }

    /// Publishes a message; the stream's position after it.
    ///
    /// A message longer than [`Publication::max_payload_length`] goes out in fragments, which a
    /// [`FragmentAssembler`](crate::FragmentAssembler) puts together again. Source: shared-memory spec 8.2.
    ///
    /// # Errors
    /// See [`OfferError`]; nothing was published then.
    #[inline]
    pub fn offer(&self, message: &[u8]) -> Result<Position, OfferError> {
        self.append(message, |_, _, _| 0)
    }

    /// [`Publication::offer`] of a message in parts, which become one.
    ///
    /// # Errors
    /// See [`OfferError`]; nothing was published then.
    #[inline]
    pub fn offer_parts(&self, parts: &[&[u8]]) -> Result<Position, OfferError> {
        self.append(Gather::new(parts), |_, _, _| 0)
    }

    /// Publishes several messages at once, which is quicker than one after the other: as many, from the first, as there
    /// is room for before the limit and in the term. Subscribers find all of them or none. A message longer than
    /// [`Publication::max_payload_length`] goes out alone. To be called again with what is left.
    ///
    /// # Errors
    /// See [`OfferError`]; nothing was published then.
    ///
    /// ```no_run
    /// # let aeron = epona_client::Aeron::connect(epona_client::Context::new())?;
    /// # let mut publication = aeron.add_exclusive_publication("aeron:ipc", 1001)?;
    /// let mut left: &[&[u8]] = &[b"one", b"two", b"three"];
    /// while !left.is_empty() {
    ///     match publication.offer_batch(left) {
    ///         Ok(batch) => left = &left[batch.messages..],
    ///         Err(refused) if refused.is_temporary() => std::thread::yield_now(),
    ///         Err(refused) => panic!("{refused}"),
    ///     }
    /// }
    /// # Ok::<(), epona_client::ClientError>(())
    /// ```
    #[inline]
    pub fn offer_batch(&self, messages: &[&[u8]]) -> Result<Batch, OfferError> {
        self.within_limit(|limit| self.appender.offer_batch(messages, limit)).map_err(|refusal| {
            refusal.map_or(OfferError::Closed, |r| OfferError::of_message(r, self.term_length()))
        })
    }

    /// [`Publication::offer`] that fills the eight reserved bytes in the header of each frame with what `supplier`
    /// makes of that frame's payload: a checksum, a time.
    ///
    /// # Errors
    /// See [`OfferError`]; nothing was published then.
    #[inline]
    pub fn offer_with_reserved_value(
        &self,
        message: &[u8],
        supplier: impl FnMut(&[u8]) -> i64,
    ) -> Result<Position, OfferError> {
        self.append(message, of_payload(supplier))
    }

    /// [`Publication::offer_parts`] with a reserved value for each frame, as [`Publication::offer_with_reserved_value`].
    ///
    /// # Errors
    /// See [`OfferError`]; nothing was published then.
    #[inline]
    pub fn offer_parts_with_reserved_value(
        &self,
        parts: &[&[u8]],
        supplier: impl FnMut(&[u8]) -> i64,
    ) -> Result<Position, OfferError> {
        self.append(Gather::new(parts), of_payload(supplier))
    }

    #[inline]
    fn append<P: Payload + Copy>(
        &self,
        payload: P,
        mut reserved_value: impl FnMut(
            &epona_protocol::memory::AtomicView,
            epona_protocol::types::TermOffset,
            i32,
        ) -> i64,
    ) -> Result<Position, OfferError> {
        self.within_limit(|limit| self.appender.append(payload, limit, &mut reserved_value)).map_err(
            |refusal| refusal.map_or(OfferError::Closed, |r| OfferError::of_message(r, self.term_length())),
        )
    }

    /// [`Publication::offer`] that awaits room for the message, and a subscriber to begin with.
    ///
    /// Dropping the future takes the message back, unless it was published already. Wake-ups are those of
    /// [`Messages`](crate::Messages).
    ///
    /// # Errors
    /// See [`OfferError`]; never one that is temporary.
    ///
    /// ```no_run
    /// # async fn publish(aeron: epona_client::Aeron) -> Result<(), Box<dyn std::error::Error>> {
    /// let publication = aeron.add_publication_async("aeron:ipc", 1001)?.await?;
    /// let position = publication.offer_async(b"hello").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "async")]
    pub async fn offer_async(&self, message: &[u8]) -> Result<Position, OfferError> {
        let mut wait = room(&self.state, &self.owner.client);
        std::future::poll_fn(|context| match self.offer(message) {
            Err(refused) if refused.is_temporary() => wait.pending(context),
            outcome => std::task::Poll::Ready(outcome),
        })
        .await
    }

    /// Claims space for a message of `length` bytes, at most [`Publication::max_payload_length`], to be written in
    /// place and committed.
    ///
    /// Until it is committed or dropped, nothing after it reaches anybody; be quick. Source: shared-memory spec 8.6.
    ///
    /// # Errors
    /// See [`OfferError`].
    ///
    /// ```no_run
    /// # use epona_client::{Aeron, Context};
    /// # let aeron = Aeron::connect(Context::new())?;
    /// # let publication = aeron.add_publication("aeron:ipc", 1001)?;
    /// if let Ok(mut claim) = publication.try_claim(5) {
    ///     claim.copy_from_slice(b"hello");
    ///     claim.commit();
    /// }
    /// # Ok::<(), epona_client::ClientError>(())
    /// ```
    #[inline]
    pub fn try_claim(&self, length: usize) -> Result<BufferClaim<'_>, OfferError> {
        self.within_limit(|limit| self.appender.claim(length, limit))
            .map_err(|refusal| refusal.map_or(OfferError::Closed, OfferError::of_claim))
    }

    /// Tries with the limit as last read, and again with a fresh one when that seems exhausted. `Err(None)` when
    /// closed.
    ///
    /// Without a subscriber the limit stands still or goes back, and is read each time, so that the publication notices
    /// at once that nobody listens.
    #[inline]
    fn within_limit<T>(
        &self,
        mut attempt: impl FnMut(Position) -> Result<T, Refusal>,
    ) -> Result<T, Option<Refusal>> {
        if self.state.is_closed() {
            return Err(None);
        }
        if self.state.log.metadata().is_connected() {
            match attempt(Position::new(self.limit.load(Ordering::Relaxed))) {
                Err(Refusal::BackPressured | Refusal::NotConnected | Refusal::MaxPositionExceeded) => {}
                outcome => return outcome.map_err(Some),
            }
        }
        let limit = self.state.limit.position();
        self.limit.store(limit.get(), Ordering::Relaxed);
        attempt(limit).map_err(Some)
    }

    /// Where the next message goes, in bytes.
    ///
    /// # Errors
    /// [`OfferError::Closed`].
    pub fn position(&self) -> Result<Position, OfferError> {
        if self.is_closed() { Err(OfferError::Closed) } else { Ok(self.appender.position()) }
    }

    publication_queries!();

    /// Closes this publication and all its clones; the stream goes on while others publish to it.
    pub fn close(&self) {
        self.owner.close(false);
    }
}

impl Clone for Publication {
    fn clone(&self) -> Self {
        Self {
            appender: self.appender.clone(),
            limit: AtomicI64::new(self.limit.load(Ordering::Relaxed)),
            state: Arc::clone(&self.state),
            owner: Arc::clone(&self.owner),
        }
    }
}

impl fmt::Debug for Publication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publication")
            .field("channel", &self.channel())
            .field("stream_id", &self.stream_id())
            .field("session_id", &self.session_id())
            .field("registration_id", &self.registration_id())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
