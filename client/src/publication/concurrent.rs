//! Messages to one channel and stream, from any number of threads.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use epona_protocol::{
    counters::ChannelStatus,
    logbuffer::appender::{Batch, BufferClaim, ConcurrentAppender, Gather, Payload, Refusal},
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
    offer_error::OfferError,
    state::PublicationState,
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
    wake: Wake,
}

impl Publication {
    /// Handle on a registered publication.
    pub(crate) fn new(state: Arc<PublicationState>, client: Arc<Client>) -> Option<Self> {
        let appender = ConcurrentAppender::new(state.log.clone()).ok()?;
        let wake = Wake::new(&state, &client);
        let owner = Arc::new(Owner { state: Arc::clone(&state), client });
        Some(Self { appender, limit: AtomicI64::new(0), state, owner, wake })
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
    /// # let publication = aeron.add_publication("aeron:ipc", 1001)?;
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
        let outcome = self.within_limit(|limit| self.appender.offer_batch(messages, limit));
        self.wake.after(outcome.map_err(|refusal| self.refused(refusal)))
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
        mut reserved_value: impl FnMut(&AtomicView, TermOffset, i32) -> i64,
    ) -> Result<Position, OfferError> {
        let outcome = self.within_limit(|limit| self.appender.append(payload, limit, &mut reserved_value));
        self.wake.after(outcome.map_err(|refusal| self.refused(refusal)))
    }

    fn refused(&self, refusal: Option<Refusal>) -> OfferError {
        refusal.map_or(OfferError::Closed, |refusal| OfferError::of_message(refusal, self.term_length()))
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
        let claim = self
            .within_limit(|limit| self.appender.claim(length, limit))
            .map_err(|refusal| refusal.map_or(OfferError::Closed, OfferError::of_claim))
            .inspect_err(|refused| self.wake.on_refused(*refused))?;
        Ok(claim.waking(self.wake.of_claim()))
    }

    /// Tries with the limit as last read, and again with a fresh one when that seems exhausted. `Err(None)` when
    /// closed.
    ///
    /// Without a subscriber the limit stands still or goes back, as when the driver has ended the publication, and is read
    /// each time, so that the publication notices at once.
    #[inline]
    fn within_limit<T>(
        &self,
        mut attempt: impl FnMut(Position) -> Result<T, Refusal>,
    ) -> Result<T, Option<Refusal>> {
        if self.state.is_closed() {
            return Err(None);
        }
        if self.state.is_limit_kept() {
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
            wake: self.wake.clone(),
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
