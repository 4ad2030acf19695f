//! Messages to one channel and stream, from one owner.

use std::{fmt, sync::Arc};

use epona_protocol::{
    counters::ChannelStatus,
    logbuffer::appender::{Batch, BufferClaim, ExclusiveAppender, Gather, Payload},
    memory::AtomicView,
    types::{CounterId, Position, RegistrationId, SessionId, StreamId, TermId, TermLength, TermOffset},
};

#[cfg(feature = "async")]
use super::owner::room;
use super::{
    owner::{Owner, of_payload},
    queries::publication_queries,
    wake::Wake,
};
use crate::{
    error::ClientError,
    explanation::{self, PublicationExplanation},
    link::{self, Client, Pending},
    offer_error::{BlockOfferError, OfferError},
    state::PublicationState,
    status,
};

/// Publishes messages to a channel and stream through a log and session of its own: quicker than a
/// [`Publication`](crate::Publication), since nobody else moves the tail.
///
/// Closed when dropped. Threading: `Send`; offers take `&mut self`, so there is one publisher at a time, by type.
///
/// ```no_run
/// # use epona_client::{Aeron, Context};
/// # let aeron = Aeron::connect(Context::new())?;
/// let mut publication = aeron.add_exclusive_publication("aeron:ipc?term-length=64k", 1001)?;
/// let position = publication.offer_parts(&[b"head".as_slice(), b"body".as_slice()]);
/// # Ok::<(), epona_client::ClientError>(())
/// ```
pub struct ExclusivePublication {
    appender: ExclusiveAppender,
    /// The limit as last read: while it is not reached there is no need to look at the driver's.
    limit: Position,
    state: Arc<PublicationState>,
    owner: Owner,
    wake: Wake,
    revoke_on_close: bool,
}

impl ExclusivePublication {
    /// Handle on a registered publication.
    pub(crate) fn new(state: Arc<PublicationState>, client: Arc<Client>) -> Option<Self> {
        let appender = ExclusiveAppender::new(state.log.clone()).ok()?;
        let wake = Wake::new(&state, &client);
        let owner = Owner { state: Arc::clone(&state), client };
        Some(Self { appender, limit: Position::ZERO, state, owner, wake, revoke_on_close: false })
    }

    /// Publishes a message; the stream's position after it. See [`Publication::offer`](crate::Publication::offer).
    ///
    /// # Errors
    /// See [`OfferError`]; nothing was published then.
    #[inline]
    pub fn offer(&mut self, message: &[u8]) -> Result<Position, OfferError> {
        self.append(message, |_, _, _| 0)
    }

    /// [`ExclusivePublication::offer`] of a message in parts, which become one.
    ///
    /// # Errors
    /// See [`OfferError`]; nothing was published then.
    #[inline]
    pub fn offer_parts(&mut self, parts: &[&[u8]]) -> Result<Position, OfferError> {
        self.append(Gather::new(parts), |_, _, _| 0)
    }

    /// Publishes several messages at once, which is quicker than one after the other: as many, from the first, as there
    /// is room for before the limit and in the term. Subscribers find all of them or none. A message longer than
    /// [`ExclusivePublication::max_payload_length`] goes out alone. To be called again with what is left.
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
    pub fn offer_batch(&mut self, messages: &[&[u8]]) -> Result<Batch, OfferError> {
        let limit = self.limit()?;
        let outcome = self.appender.offer_batch(messages, limit);
        self.wake.after(outcome.map_err(|refusal| OfferError::of_message(refusal, self.term_length())))
    }

    /// [`ExclusivePublication::offer`] that fills the eight reserved bytes in the header of each frame with what
    /// `supplier` makes of that frame's payload: a checksum, a time.
    ///
    /// # Errors
    /// See [`OfferError`]; nothing was published then.
    #[inline]
    pub fn offer_with_reserved_value(
        &mut self,
        message: &[u8],
        supplier: impl FnMut(&[u8]) -> i64,
    ) -> Result<Position, OfferError> {
        self.append(message, of_payload(supplier))
    }

    /// [`ExclusivePublication::offer_parts`] with a reserved value for each frame, as [`ExclusivePublication::offer_with_reserved_value`].
    ///
    /// # Errors
    /// See [`OfferError`]; nothing was published then.
    #[inline]
    pub fn offer_parts_with_reserved_value(
        &mut self,
        parts: &[&[u8]],
        supplier: impl FnMut(&[u8]) -> i64,
    ) -> Result<Position, OfferError> {
        self.append(Gather::new(parts), of_payload(supplier))
    }

    #[inline]
    fn append<P: Payload>(
        &mut self,
        payload: P,
        reserved_value: impl FnMut(&AtomicView, TermOffset, i32) -> i64,
    ) -> Result<Position, OfferError> {
        let limit = self.limit()?;
        let outcome = self.appender.append(payload, limit, reserved_value);
        self.wake.after(outcome.map_err(|refusal| OfferError::of_message(refusal, self.term_length())))
    }

    /// [`ExclusivePublication::offer`] that awaits room; see
    /// [`Publication::offer_async`](crate::Publication::offer_async).
    ///
    /// # Errors
    /// See [`OfferError`]; never one that is temporary.
    #[cfg(feature = "async")]
    pub async fn offer_async(&mut self, message: &[u8]) -> Result<Position, OfferError> {
        let mut wait = room(&self.state, &self.owner.client);
        std::future::poll_fn(|context| match self.offer(message) {
            Err(refused) if refused.is_temporary() => wait.pending(context),
            outcome => std::task::Poll::Ready(outcome),
        })
        .await
    }

    /// Claims space for a message of `length` bytes, at most [`ExclusivePublication::max_payload_length`], to be
    /// written in place and committed. See [`Publication::try_claim`](crate::Publication::try_claim).
    ///
    /// # Errors
    /// See [`OfferError`].
    #[inline]
    pub fn try_claim(&mut self, length: usize) -> Result<BufferClaim<'_>, OfferError> {
        let limit = self.limit()?;
        let claim = self
            .appender
            .claim(length, limit)
            .map_err(OfferError::of_claim)
            .inspect_err(|refused| self.wake.on_refused(*refused))?;
        Ok(claim.waking(self.wake.of_claim()))
    }

    /// Moves the stream on by a frame of `length` bytes that subscribers skip. Source: shared-memory spec 8.8.
    ///
    /// # Errors
    /// See [`OfferError`].
    pub fn append_padding(&mut self, length: usize) -> Result<Position, OfferError> {
        let limit = self.limit()?;
        self.wake.after(self.appender.append_padding(length, limit).map_err(OfferError::from))
    }

    /// Publishes whole frames that were made elsewhere for exactly this place: the stream's next term id and offset,
    /// its session and stream id, within one term. Source: shared-memory spec 8.8.
    ///
    /// # Errors
    /// See [`BlockOfferError`]; nothing was published then.
    pub fn offer_block(&mut self, block: &[u8]) -> Result<Position, BlockOfferError> {
        let limit = self.limit()?;
        let position = self.appender.offer_block(block, limit)?;
        self.wake.on_published();
        Ok(position)
    }

    /// The limit to offer against: as last read while it is ahead and somebody listens, else a fresh one.
    ///
    /// Without a subscriber the limit stands still or goes back, as when the driver has ended the publication, and is read
    /// each time, so that the publication notices at once.
    #[inline]
    fn limit(&mut self) -> Result<Position, OfferError> {
        if self.state.is_closed() {
            return Err(OfferError::Closed);
        }
        if self.appender.position() >= self.limit || !self.state.is_limit_kept() {
            self.limit = self.state.limit.position();
        }
        Ok(self.limit)
    }

    /// Where the next message goes, in bytes.
    ///
    /// # Errors
    /// [`OfferError::Closed`].
    pub fn position(&self) -> Result<Position, OfferError> {
        if self.is_closed() { Err(OfferError::Closed) } else { Ok(self.appender.position()) }
    }

    /// Term that the next message goes to, unless it rotates.
    #[must_use]
    pub fn term_id(&self) -> TermId {
        self.appender.term_id()
    }

    /// Offset in that term, in bytes; the term's length when it is full.
    #[must_use]
    pub fn term_offset(&self) -> TermOffset {
        self.appender.term_offset()
    }

    publication_queries!();

    /// Closes the publication, as dropping does. Subscribers still get what was published.
    pub fn close(self) {}

    /// Closes the publication and takes the stream back: subscribers need not get what they have not read yet.
    pub fn revoke(mut self) {
        self.revoke_on_close = true;
    }

    /// Whether closing, by dropping too, takes the stream back as [`ExclusivePublication::revoke`] does.
    pub fn set_revoke_on_close(&mut self, revoke: bool) {
        self.revoke_on_close = revoke;
    }
}

impl Drop for ExclusivePublication {
    fn drop(&mut self) {
        self.owner.close(self.revoke_on_close);
    }
}

impl fmt::Debug for ExclusivePublication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExclusivePublication")
            .field("channel", &self.channel())
            .field("stream_id", &self.stream_id())
            .field("session_id", &self.session_id())
            .field("registration_id", &self.registration_id())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
