//! The entry: a connection to a media driver, and what can be added to it.

use std::sync::Arc;

use epona_protocol::{
    counters::CountersReader,
    types::{ClientId, CorrelationId, CounterTypeId, RegistrationId, SessionId, StreamId},
};

use crate::{
    add,
    counter::Counter,
    error::ClientError,
    handlers::{AddedCall, AddedHandler, CounterEvent},
    image_handlers::ImageHandlers,
    invoker::Invoker,
    link::{Client, Pending, Request},
    publication::{ExclusivePublication, Publication},
    subscription::Subscription,
};

/// A client of a media driver.
///
/// Clones are the same client. It ends, and closes all that was added through it, by [`Aeron::close`], or when the
/// last clone and the last publication, subscription and counter of it are dropped.
///
/// Adding takes a round trip to the driver. Each `add_...` waits for it, at most for the driver timeout; each
/// `add_..._async` returns at once with a [`Pending`] to be polled. In invoker mode waiting also steps the conductor.
///
/// When the driver goes away, or gives the client up, the client ends by itself: the error handler is told why, polls
/// return 0, offers [`OfferError::Closed`](crate::OfferError::Closed), and every later call
/// [`ClientError::Closed`] with the cause.
///
/// Threading: `Send` and `Sync`, all methods from any thread.
///
/// ```no_run
/// use epona_client::{Aeron, Context};
///
/// let aeron = Aeron::connect(Context::new())?;
/// let publication = aeron.add_publication("aeron:ipc", 1001)?;
/// let mut subscription = aeron.add_subscription("aeron:ipc", 1001)?;
/// # Ok::<(), epona_client::ClientError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Aeron {
    client: Arc<Client>,
}

impl Aeron {
    pub(crate) const fn new(client: Arc<Client>) -> Self {
        Self { client }
    }

    /// Adds a publication that shares its log with others of the same channel and stream id, and waits for it.
    ///
    /// # Errors
    /// As [`Pending::wait`].
    pub fn add_publication(&self, channel: &str, stream_id: i32) -> Result<Publication, ClientError> {
        self.client.refuse_reentry()?;
        self.add_publication_async(channel, stream_id)?.wait()
    }

    /// Asks for a publication as [`Aeron::add_publication`] does, and does not wait.
    ///
    /// # Errors
    /// [`ClientError::Closed`].
    pub fn add_publication_async(
        &self,
        channel: &str,
        stream_id: i32,
    ) -> Result<Pending<Publication>, ClientError> {
        add::add_publication(&self.client, channel, StreamId::new(stream_id))
    }

    /// Adds a publication with a log and session of its own, and waits for it.
    ///
    /// # Errors
    /// As [`Pending::wait`].
    pub fn add_exclusive_publication(
        &self,
        channel: &str,
        stream_id: i32,
    ) -> Result<ExclusivePublication, ClientError> {
        self.client.refuse_reentry()?;
        self.add_exclusive_publication_async(channel, stream_id)?.wait()
    }

    /// Asks for a publication as [`Aeron::add_exclusive_publication`] does, and does not wait.
    ///
    /// # Errors
    /// [`ClientError::Closed`].
    pub fn add_exclusive_publication_async(
        &self,
        channel: &str,
        stream_id: i32,
    ) -> Result<Pending<ExclusivePublication>, ClientError> {
        add::add_exclusive_publication(&self.client, channel, StreamId::new(stream_id))
    }

    /// Adds a subscription, with the context's handlers for its images, and waits for it.
    ///
    /// # Errors
    /// As [`Pending::wait`].
    pub fn add_subscription(&self, channel: &str, stream_id: i32) -> Result<Subscription, ClientError> {
        self.add_subscription_with(channel, stream_id, ImageHandlers::new())
    }

    /// Adds a subscription with handlers of its own, and waits for it.
    ///
    /// # Errors
    /// As [`Pending::wait`].
    pub fn add_subscription_with(
        &self,
        channel: &str,
        stream_id: i32,
        handlers: ImageHandlers,
    ) -> Result<Subscription, ClientError> {
        self.client.refuse_reentry()?;
        self.add_subscription_with_async(channel, stream_id, handlers)?.wait()
    }

    /// Asks for a subscription as [`Aeron::add_subscription`] does, and does not wait.
    ///
    /// # Errors
    /// [`ClientError::Closed`].
    pub fn add_subscription_async(
        &self,
        channel: &str,
        stream_id: i32,
    ) -> Result<Pending<Subscription>, ClientError> {
        self.add_subscription_with_async(channel, stream_id, ImageHandlers::new())
    }

    /// Asks for a subscription as [`Aeron::add_subscription_with`] does, and does not wait.
    ///
    /// # Errors
    /// [`ClientError::Closed`].
    pub fn add_subscription_with_async(
        &self,
        channel: &str,
        stream_id: i32,
        handlers: ImageHandlers,
    ) -> Result<Pending<Subscription>, ClientError> {
        add::add_subscription(&self.client, channel, StreamId::new(stream_id), handlers)
    }

    /// Adds a counter, freed when it is closed or the client ends, and waits for it.
    ///
    /// Types of applications are 1000 and up. At most 112 bytes of the key and 380 of the label are kept.
    ///
    /// # Errors
    /// As [`Pending::wait`].
    pub fn add_counter(
        &self,
        type_id: CounterTypeId,
        key: &[u8],
        label: &str,
    ) -> Result<Counter, ClientError> {
        self.client.refuse_reentry()?;
        self.add_counter_async(type_id, key, label)?.wait()
    }

    /// Asks for a counter as [`Aeron::add_counter`] does, and does not wait.
    ///
    /// # Errors
    /// [`ClientError::Closed`].
    pub fn add_counter_async(
        &self,
        type_id: CounterTypeId,
        key: &[u8],
        label: &str,
    ) -> Result<Pending<Counter>, ClientError> {
        add::add_counter(&self.client, type_id, key, label)
    }

    /// Adds a counter that is never freed, or finds it by its type and registration id, and waits for it.
    ///
    /// # Errors
    /// As [`Pending::wait`].
    pub fn add_static_counter(
        &self,
        type_id: CounterTypeId,
        key: &[u8],
        label: &str,
        registration_id: RegistrationId,
    ) -> Result<Counter, ClientError> {
        self.client.refuse_reentry()?;
        self.add_static_counter_async(type_id, key, label, registration_id)?.wait()
    }

    /// Asks for a counter as [`Aeron::add_static_counter`] does, and does not wait.
    ///
    /// # Errors
    /// [`ClientError::Closed`].
    pub fn add_static_counter_async(
        &self,
        type_id: CounterTypeId,
        key: &[u8],
        label: &str,
        registration_id: RegistrationId,
    ) -> Result<Pending<Counter>, ClientError> {
        add::add_static_counter(&self.client, type_id, key, label, registration_id)
    }

    /// Asks the driver for a session id that is not in use on a stream.
    ///
    /// # Errors
    /// As [`Pending::wait`].
    pub fn next_session_id(&self, stream_id: i32) -> Result<SessionId, ClientError> {
        self.client.refuse_reentry()?;
        self.next_session_id_async(stream_id)?.wait()
    }

    /// [`Aeron::next_session_id`] that does not wait.
    ///
    /// # Errors
    /// [`ClientError::Closed`].
    pub fn next_session_id_async(&self, stream_id: i32) -> Result<Pending<SessionId>, ClientError> {
        add::next_session_id(&self.client, StreamId::new(stream_id))
    }

    /// Adds a handler of counters that appear, beside that of the context; [`Aeron::remove`] takes the id.
    ///
    /// # Errors
    /// [`ClientError::Closed`].
    pub fn add_available_counter_handler(
        &self,
        handler: impl FnMut(&CounterEvent) + Send + 'static,
    ) -> Result<RegistrationId, ClientError> {
        self.add_handler(AddedCall::AvailableCounter(Box::new(handler)))
    }

    /// Adds a handler of counters that are freed, beside that of the context; [`Aeron::remove`] takes the id.
    ///
    /// # Errors
    /// [`ClientError::Closed`].
    pub fn add_unavailable_counter_handler(
        &self,
        handler: impl FnMut(&CounterEvent) + Send + 'static,
    ) -> Result<RegistrationId, ClientError> {
        self.add_handler(AddedCall::UnavailableCounter(Box::new(handler)))
    }

    /// Adds a handler of the client's end, beside that of the context; [`Aeron::remove`] takes the id.
    ///
    /// # Errors
    /// [`ClientError::Closed`].
    pub fn add_close_handler(
        &self,
        handler: impl FnMut() + Send + 'static,
    ) -> Result<RegistrationId, ClientError> {
        self.add_handler(AddedCall::Close(Box::new(handler)))
    }

    fn add_handler(&self, call: AddedCall) -> Result<RegistrationId, ClientError> {
        let id = self.next_correlation_id().as_registration_id();
        self.client.shared.request(Request::AddHandler(AddedHandler { id, call }))?;
        Ok(id)
    }

    /// Closes a publication, subscription or counter, or removes a handler, by its registration id and from any
    /// thread; a closed handle answers closed from then on. Unknown ids are ignored.
    pub fn remove(&self, registration_id: RegistrationId) {
        self.client.abandon(registration_id);
    }

    /// Whether a request to the driver is under way: sent or about to be, and neither answered nor given up.
    #[must_use]
    pub fn is_command_active(&self, registration_id: RegistrationId) -> bool {
        self.client.shared.active_commands.contains(registration_id)
    }

    /// Whether any request of this client is under way.
    #[must_use]
    pub fn has_active_commands(&self) -> bool {
        !self.client.shared.active_commands.is_empty()
    }

    /// An id that neither this nor any other client of the driver has been given before.
    #[must_use]
    pub fn next_correlation_id(&self) -> CorrelationId {
        self.client.next_correlation_id()
    }

    /// Id of this client.
    #[must_use]
    pub fn client_id(&self) -> ClientId {
        self.client.shared.client_id
    }

    /// The driver's counters.
    #[must_use]
    pub fn counters_reader(&self) -> &CountersReader {
        &self.client.shared.counters
    }

    /// Steps the conductor, if the context asked for that; `None` when it has a thread.
    #[must_use]
    pub fn invoker(&self) -> Option<Invoker> {
        self.client.is_invoked().then(|| Invoker::new(Arc::clone(&self.client)))
    }

    /// Whether the client has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.client.shared.is_closed()
    }

    /// The fatal error that ended the client, if one did.
    #[must_use]
    pub fn failure(&self) -> Option<Arc<ClientError>> {
        self.client.shared.failure()
    }

    /// Ends the client, and with it all that was added: handlers are told, then the driver. When it returns no handler
    /// runs any more, except when it was called from one.
    pub fn close(&self) {
        self.client.close();
    }
}
