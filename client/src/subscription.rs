//! Messages of all publications of a channel and stream.

use std::{fmt, fs::File, io, sync::Arc};

use epona_protocol::{
    counters::ChannelStatus,
    logbuffer::{Action, Block},
    types::{CounterId, RegistrationId, SessionId, StreamId},
};

use crate::{
    error::ClientError,
    explanation::{ImageExplanation, SubscriptionExplanation},
    header::Header,
    image::Image,
    link::{self, Client, Pending, Request},
    state::SubscriptionState,
    status,
};

/// Reads the streams of every publication that matches a channel and stream id, each through an [`Image`].
///
/// Closed when dropped. After the client or its driver has ended it has no images, and polls return 0.
///
/// Threading: `Send`, and polled through `&mut self`: one thread at a time, by type. Closing it from elsewhere, with
/// [`Aeron::remove`](crate::Aeron::remove) or [`Aeron::close`](crate::Aeron::close), is safe at any moment.
///
/// ```no_run
/// # use epona_client::{Aeron, Context};
/// # let aeron = Aeron::connect(Context::new())?;
/// let mut subscription = aeron.add_subscription("aeron:udp?endpoint=localhost:20121", 1001)?;
/// loop {
///     let fragments = subscription.poll(|payload, header| println!("{payload:?} at {}", header.position()), 10);
///     if fragments == 0 {
///         std::thread::yield_now();
///     }
/// }
/// # #[allow(unreachable_code)]
/// # Ok::<(), epona_client::ClientError>(())
/// ```
pub struct Subscription {
    pub(crate) state: Arc<SubscriptionState>,
    pub(crate) client: Arc<Client>,
    /// The images as of `seen`; the conductor's list is copied when its change number moves.
    images: Vec<Image>,
    seen: u64,
    round_robin: usize,
}

impl Subscription {
    pub(crate) const fn new(state: Arc<SubscriptionState>, client: Arc<Client>) -> Self {
        Self { state, client, images: Vec::new(), seen: 0, round_robin: 0 }
    }

    /// Hands up to `fragment_limit` fragments of all images to `handler`; how many that were.
    ///
    /// Each call starts with another image, in turn. See [`Image::poll`]. Source: shared-memory spec 9.8.
    #[inline]
    pub fn poll(&mut self, mut handler: impl FnMut(&[u8], &Header<'_>), fragment_limit: usize) -> usize {
        self.each_in_turn(fragment_limit, |image, left| image.poll(&mut handler, left))
    }

    /// [`Subscription::poll`] whose handler says after each fragment what becomes of it. [`Action::Abort`] and
    /// [`Action::Break`] end the poll of that image only; those after it in turn are still polled.
    #[inline]
    pub fn controlled_poll(
        &mut self,
        mut handler: impl FnMut(&[u8], &Header<'_>) -> Action,
        fragment_limit: usize,
    ) -> usize {
        self.each_in_turn(fragment_limit, |image, left| image.controlled_poll(&mut handler, left))
    }

    /// Hands a run of whole frames of each image, at most `block_length_limit` bytes of each, to `handler`; the number
    /// of bytes. See [`Image::block_poll`].
    pub fn block_poll(&mut self, mut handler: impl FnMut(&Block<'_>), block_length_limit: usize) -> usize {
        self.refresh();
        self.images.iter_mut().map(|image| image.block_poll(&mut handler, block_length_limit)).sum()
    }

    /// [`Subscription::block_poll`] that also tells where each run lies in its log buffer's file.
    /// See [`Image::raw_poll`].
    ///
    /// # Errors
    /// When a log buffer's file cannot be opened; images before it in the list have been polled.
    pub fn raw_poll(
        &mut self,
        mut handler: impl FnMut(&File, u64, &Block<'_>),
        block_length_limit: usize,
    ) -> io::Result<usize> {
        self.refresh();
        self.images
            .iter_mut()
            .try_fold(0, |bytes, image| Ok(bytes + image.raw_poll(&mut handler, block_length_limit)?))
    }

    #[inline]
    fn each_in_turn(&mut self, limit: usize, mut poll: impl FnMut(&mut Image, usize) -> usize) -> usize {
        self.refresh();
        let mut start = self.round_robin;
        self.round_robin += 1;
        if start >= self.images.len() {
            start = 0;
            self.round_robin = 1;
        }
        let (first_last, first) = self.images.split_at_mut(start);
        let mut fragments = 0;
        for image in first.iter_mut().chain(first_last) {
            if fragments >= limit {
                break;
            }
            fragments += poll(image, limit - fragments);
        }
        fragments
    }

    /// Copies the conductor's list if it has changed.
    #[inline]
    fn refresh(&mut self) {
        let changes = self.state.changes();
        if changes != self.seen {
            self.copy_images(changes);
        }
    }

    #[cold]
    fn copy_images(&mut self, changes: u64) {
        let handle = |state: &Arc<_>| Image::new(Arc::clone(state), Arc::clone(&self.client.shared));
        self.images = self.state.images().iter().map(handle).collect();
        self.seen = changes;
    }

    /// The images, for polling one by one.
    #[must_use]
    pub fn images(&mut self) -> &mut [Image] {
        self.refresh();
        &mut self.images
    }

    /// The image of a session.
    #[must_use]
    pub fn image_by_session_id(&mut self, session_id: SessionId) -> Option<&mut Image> {
        self.images().iter_mut().find(|image| image.session_id() == session_id)
    }

    /// Number of images.
    #[must_use]
    pub fn image_count(&self) -> usize {
        self.state.images().len()
    }

    /// Whether there is an image that is not closed.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.state.images().iter().any(|image| !image.is_closed())
    }

    /// Whether the subscription or its client has ended.
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

    /// Id of this subscription in the driver.
    #[must_use]
    pub fn registration_id(&self) -> RegistrationId {
        self.state.registration_id
    }

    /// The counter that holds the state of the channel; -1 when there is none, as for IPC and spies.
    #[must_use]
    pub fn channel_status_id(&self) -> CounterId {
        self.state.channel_status_id
    }

    /// State of the channel's socket; `None` when closed or when the channel has none, as IPC and spies.
    #[must_use]
    pub fn channel_status(&self) -> Option<ChannelStatus> {
        if self.is_closed() {
            None
        } else {
            status::channel(&self.client.shared.counters, self.state.channel_status_id)
        }
    }

    /// Addresses that the channel's sockets are bound to, as text; none before they are.
    #[must_use]
    pub fn local_socket_addresses(&self) -> Vec<String> {
        if self.is_closed() {
            return Vec::new();
        }
        status::local_addresses(&self.client.shared.counters, self.state.channel_status_id)
    }

    /// The address and port that the channel's first socket is bound to; `None` before it is.
    #[must_use]
    pub fn resolved_endpoint(&self) -> Option<String> {
        self.local_socket_addresses().into_iter().next()
    }

    /// Why polls find something or not: whether the socket works, who publishes, what is unread and what was lost.
    /// Walks all counters: not for the hot path.
    #[must_use]
    pub fn explain(&self) -> SubscriptionExplanation {
        let counters = &self.client.shared.counters;
        SubscriptionExplanation {
            channel: Arc::clone(&self.state.channel),
            stream_id: self.state.stream_id,
            is_closed: self.is_closed(),
            channel_status: self.channel_status(),
            local_socket_addresses: self.local_socket_addresses(),
            images: self.state.images().iter().map(|image| ImageExplanation::of(image, counters)).collect(),
        }
    }

    /// The channel with port 0 of its endpoint replaced by the port that the system chose. `None` while that is not
    /// known; the channel unchanged when it names a port, is not UDP, or its destinations are added by hand.
    #[must_use]
    pub fn try_resolve_channel_endpoint_port(&self) -> Option<String> {
        status::resolve_endpoint_port(&self.state.channel, &self.local_socket_addresses())
    }

    /// Adds a source to a subscription with `control-mode=manual`: a socket to listen on, or, with `aeron-spy:` or
    /// `aeron:ipc`, publications of this driver. The result is the id of the request, which can be waited for.
    ///
    /// ```no_run
    /// # let aeron = epona_client::Aeron::connect(epona_client::Context::new())?;
    /// let subscription = aeron.add_subscription("aeron:udp?control-mode=manual", 1001)?;
    /// subscription.add_destination("aeron:udp?endpoint=localhost:20121")?.wait()?;
    /// # Ok::<(), epona_client::ClientError>(())
    /// ```
    ///
    /// # Errors
    /// When the client is closed; the result tells what the driver says.
    pub fn add_destination(&self, channel: &str) -> Result<Pending<RegistrationId>, ClientError> {
        link::add_receive_destination(&self.client, self.state.registration_id, channel)
    }

    /// Removes a source by its channel, as it was written when it was added. That there was no such socket is no error.
    ///
    /// # Errors
    /// When the client is closed; the result tells what the driver says.
    pub fn remove_destination(&self, channel: &str) -> Result<Pending<()>, ClientError> {
        link::remove_receive_destination(&self.client, self.state.registration_id, channel)
    }

    /// Closes the subscription, as dropping does.
    pub fn close(self) {}
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.client.tell(Request::RemoveSubscription { id: self.state.registration_id });
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("channel", &self.channel())
            .field("stream_id", &self.stream_id())
            .field("registration_id", &self.registration_id())
            .field("image_count", &self.image_count())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
