//! Writing channel URIs: one method per parameter.

use core::{fmt, time::Duration};

use super::{
    channel_uri::{ChannelUri, MAX_LENGTH, Media},
    error::{SyntaxError, UriError, ValueError},
    keys,
    params::{ControlMode, InferableBool, ResponseCorrelation, SessionIdParam, TimestampOffset},
    units,
};
use crate::types::{
    CorrelationId, FRAME_ALIGNMENT, GroupTag, Mtu, Position, RegistrationId, SessionId, StreamId,
    TermGeometry, TermId, TermLength,
};

/// Builds a [`ChannelUri`]. Parameters appear in the order in which they are first set; setting one again replaces it.
#[derive(Clone, Debug)]
pub struct ChannelUriBuilder {
    uri: ChannelUri,
    error: Option<UriError>,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident($type:ty) => $key:ident $(via $convert:expr)?;)+) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(self, value: $type) -> Self {
            $(let value = $convert(value);)?
            self.put(keys::$key, value)
        }
    )+};
}

impl ChannelUriBuilder {
    /// A channel over UDP.
    #[must_use]
    pub const fn udp() -> Self {
        Self { uri: ChannelUri::new(Media::Udp), error: None }
    }

    /// A channel through shared memory.
    #[must_use]
    pub const fn ipc() -> Self {
        Self { uri: ChannelUri::new(Media::Ipc), error: None }
    }

    /// Makes it a spy on a publication of the same driver.
    #[must_use]
    pub fn spy(mut self) -> Self {
        self.uri.set_spy(true);
        self
    }

    /// Sets any parameter.
    #[must_use]
    pub fn put(mut self, key: &str, value: impl fmt::Display) -> Self {
        if let Err(error) = self.uri.put(key, &value.to_string()) {
            self.error.get_or_insert(error);
        }
        self
    }

    /// The URI.
    ///
    /// # Errors
    /// The first text that was set and is empty or contains `|`, an initial position at which no frame can start, or
    /// a URI of more than 4095 bytes.
    pub fn build(self) -> Result<ChannelUri, UriError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let text = self.uri.to_string();
        if text.len() > MAX_LENGTH {
            return Err(UriError::syntax(
                &text,
                SyntaxError::TooLong { length: text.len(), max: MAX_LENGTH },
            ));
        }
        Ok(self.uri)
    }

    setters! {
        /// Where data goes to, or is received: `host:port`.
        endpoint(&str) => ENDPOINT;
        /// Local address to use: `addr[:port][/prefix]` or `{name}[:port]`.
        interface(&str) => INTERFACE;
        /// Local control address of a publication, or where a subscription finds it: `host:port`.
        control(&str) => CONTROL;
        /// Time to live of multicast datagrams.
        ttl(u8) => TTL;
        /// Free text for people.
        alias(&str) => ALIAS;
        /// Longest frame.
        mtu(Mtu) => MTU;
        /// Length of a term.
        term_length(TermLength) => TERM_LENGTH;
        /// First term of the stream; needs [`ChannelUriBuilder::term_id`] and [`ChannelUriBuilder::term_offset`] too.
        initial_term_id(TermId) => INITIAL_TERM_ID;
        /// Term at which to start.
        term_id(TermId) => TERM_ID;
        /// Offset in that term, in bytes: a multiple of 32.
        term_offset(i32) => TERM_OFFSET;
        /// Stream, for those who derive a command from the URI.
        stream_id(StreamId) => STREAM_ID;
        /// How long a publication stays after the last client closed it.
        linger(Duration) => LINGER via units::format_duration;
        /// How far a publication may run ahead of its consumers, in bytes.
        publication_window(u32) => PUBLICATION_WINDOW;
        /// Whether log buffers are sparse files.
        sparse(bool) => SPARSE;
        /// Whether heartbeats tell the end of the stream.
        eos(bool) => EOS;
        /// Whether spies alone make a publication connected.
        spies_simulate_connection(bool) => SPIES_SIMULATE_CONNECTION;
        /// Flow control by text: `max`, `min` or `tagged`, and options.
        flow_control(&str) => FLOW_CONTROL;
        /// Concurrent retransmissions, 1..=256.
        max_resend(u16) => MAX_RESEND;
        /// Convention between applications, ignored by drivers: `host:port`.
        response_endpoint(&str) => RESPONSE_ENDPOINT;
        /// Whether lost data is asked for again.
        reliable(bool) => RELIABLE;
        /// Congestion control: `static` or `cubic`.
        congestion_control(&str) => CONGESTION_CONTROL;
        /// Initial receiver window, in bytes.
        receiver_window(u32) => RECEIVER_WINDOW;
        /// Wait before a NAK on unicast.
        nak_delay(Duration) => NAK_DELAY via units::format_duration;
        /// Whether a slow subscription holds back the stream.
        tether(bool) => TETHER;
        /// Whether a stream that was lost may come back.
        rejoin(bool) => REJOIN;
        /// Whether a subscription behaves as one of many receivers.
        group(InferableBool) => GROUP;
        /// Tag by which flow control groups receivers.
        group_tag(GroupTag) => GROUP_TAG;
        /// SO_SNDBUF, in bytes.
        socket_send_buffer(u32) => SOCKET_SNDBUF;
        /// SO_RCVBUF, in bytes.
        socket_receive_buffer(u32) => SOCKET_RCVBUF;
        /// Type of service or traffic class of what is sent.
        socket_tos(u8) => SOCKET_TOS;
        /// Transport security: known, without effect.
        ats(bool) => ATS;
        /// Whether the kernel may cut up and put together runs of datagrams; Aeron ignores it.
        offload(bool) => EPONA_OFFLOAD;
        /// How long an untethered subscription may stay behind the window.
        untethered_window_limit_timeout(Duration) => UNTETHERED_WINDOW_LIMIT_TIMEOUT via units::format_duration;
        /// How long it is then waited for.
        untethered_linger_timeout(Duration) => UNTETHERED_LINGER_TIMEOUT via units::format_duration;
        /// How long it then rests.
        untethered_resting_timeout(Duration) => UNTETHERED_RESTING_TIMEOUT via units::format_duration;
        /// Where to put the kernel's receive time.
        media_receive_timestamp_offset(TimestampOffset) => MEDIA_RECEIVE_TIMESTAMP_OFFSET;
        /// Where to put the driver's receive time.
        channel_receive_timestamp_offset(TimestampOffset) => CHANNEL_RECEIVE_TIMESTAMP_OFFSET;
        /// Where to put the driver's send time.
        channel_send_timestamp_offset(TimestampOffset) => CHANNEL_SEND_TIMESTAMP_OFFSET;
    }

    /// How destinations are found; [`ControlMode::None`] takes the parameter away.
    #[must_use]
    pub fn control_mode(mut self, mode: ControlMode) -> Self {
        match mode.as_str() {
            Some(value) => self.put(keys::CONTROL_MODE, value),
            None => {
                self.uri.remove(keys::CONTROL_MODE);
                self
            }
        }
    }

    /// Tag of the channel, any but -1, and of the publication or subscription on it.
    #[must_use]
    pub fn tags(self, channel_tag: i64, entity_tag: Option<i64>) -> Self {
        match entity_tag {
            Some(entity_tag) => self.put(keys::TAGS, format_args!("{channel_tag},{entity_tag}")),
            None => self.put(keys::TAGS, channel_tag),
        }
    }

    /// Session to use, or the only one to receive.
    #[must_use]
    pub fn session_id(self, session_id: SessionId) -> Self {
        self.session_id_param(SessionIdParam::Id(session_id))
    }

    /// Session id, or the tag of the publication whose id it is.
    #[must_use]
    pub fn session_id_param(self, session_id: SessionIdParam) -> Self {
        match session_id {
            SessionIdParam::Id(id) => self.put(keys::SESSION_ID, id),
            SessionIdParam::Tag(tag) => self.put(keys::SESSION_ID, format_args!("tag:{tag}")),
        }
    }

    /// What responses belong to: the registration id of its response subscription for the requester, the correlation id
    /// of the request's image for the responder.
    #[must_use]
    pub fn response_correlation_id(self, id: RegistrationId) -> Self {
        self.response_correlation(ResponseCorrelation::Id(CorrelationId::new(id.get())))
    }

    /// What responses belong to, or that they belong to nothing yet.
    #[must_use]
    pub fn response_correlation(self, correlation: ResponseCorrelation) -> Self {
        match correlation {
            ResponseCorrelation::Id(id) => self.put(keys::RESPONSE_CORRELATION_ID, id),
            ResponseCorrelation::Prototype => self.put(keys::RESPONSE_CORRELATION_ID, "prototype"),
        }
    }

    /// Flow control by the slowest receiver, once at least `min_group_size` are there.
    #[must_use]
    pub fn min_flow_control(self, min_group_size: Option<u32>, receiver_timeout: Option<Duration>) -> Self {
        let size = min_group_size.map(|size| format!(",g:/{size}")).unwrap_or_default();
        self.put(keys::FLOW_CONTROL, format_args!("min{size}{}", timeout_option(receiver_timeout)))
    }

    /// Flow control by the slowest receiver with this group tag, once at least `min_group_size` are there.
    #[must_use]
    pub fn tagged_flow_control(
        self,
        group_tag: GroupTag,
        min_group_size: Option<u32>,
        receiver_timeout: Option<Duration>,
    ) -> Self {
        let size = min_group_size.map(|size| format!("/{size}")).unwrap_or_default();
        let timeout = timeout_option(receiver_timeout);
        self.put(keys::FLOW_CONTROL, format_args!("tagged,g:{group_tag}{size}{timeout}"))
    }

    /// Starts a publication at a position: sets term length, initial term id, term id and term offset.
    /// A position that is negative or not a multiple of 32 makes [`ChannelUriBuilder::build`] fail.
    #[must_use]
    pub fn initial_position(
        mut self,
        position: Position,
        initial_term_id: TermId,
        term_length: TermLength,
    ) -> Self {
        if position < Position::ZERO || position.get() & i64::from(FRAME_ALIGNMENT - 1) != 0 {
            let error =
                UriError::value("initial position", &position.to_string(), ValueError::NotAFrameStart);
            self.error.get_or_insert(error);
            return self;
        }
        let geometry = TermGeometry::new(initial_term_id, term_length);
        self.term_length(term_length)
            .initial_term_id(initial_term_id)
            .term_id(geometry.term_id(position))
            .term_offset(geometry.term_offset(position).get())
    }
}

impl From<ChannelUri> for ChannelUriBuilder {
    fn from(uri: ChannelUri) -> Self {
        Self { uri, error: None }
    }
}

fn timeout_option(timeout: Option<Duration>) -> String {
    timeout.map(|timeout| format!(",t:{}", units::format_duration(timeout))).unwrap_or_default()
}
