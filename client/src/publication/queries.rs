//! The questions that both kinds of publication answer alike.

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
            explanation::explain(&self.state, self.appender.position(), &self.owner.client.shared.counters)
        }

        /// Adds a destination to a publication with `control-mode=manual`; the result is the destination's id.
        ///
        /// # Errors
        /// When the client is closed; the result tells what the driver says.
        pub fn add_destination(&self, channel: &str) -> Result<Pending<RegistrationId>, ClientError> {
            link::add_destination(&self.owner.client, self.state.original_registration_id, channel)
        }

        /// Removes a destination by its channel.
        ///
        /// # Errors
        /// When the client is closed; the result tells what the driver says.
        pub fn remove_destination(&self, channel: &str) -> Result<Pending<()>, ClientError> {
            link::remove_destination(&self.owner.client, self.state.original_registration_id, channel)
        }

        /// Removes a destination by the id that adding it gave.
        ///
        /// # Errors
        /// When the client is closed; the result tells what the driver says.
        pub fn remove_destination_by_id(
            &self,
            destination: RegistrationId,
        ) -> Result<Pending<()>, ClientError> {
            link::remove_destination_by_id(
                &self.owner.client,
                self.state.original_registration_id,
                destination,
            )
        }
    };
}
pub(crate) use publication_queries;
