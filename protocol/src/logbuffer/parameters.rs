//! What a driver fixes when it creates a log.

use crate::types::{
    DATA_HEADER_LENGTH, Mtu, Position, RegistrationId, SessionId, StreamId, TermId, TermLength, TermOffset,
};

use super::{
    LogKind, LogMetadata, PageSize, RawTail,
    descriptor::{PARTITION_COUNT, partition_index},
    header::HeaderTemplate,
    metadata as field,
};

/// Where a publication starts when its channel says so (`init-term-id`, `term-id`, `term-offset`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StartPosition {
    /// The first active term; not before the initial one.
    pub term_id: TermId,
    /// Where its first frame goes: 0 to the term length, a multiple of 32.
    pub term_offset: TermOffset,
}

/// A socket buffer, in bytes; 0 for "not known" or "not given".
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SocketBuffer {
    /// What the channel or the driver's configuration asks for.
    pub length: i32,
    /// What the operating system gives unasked.
    pub os_default: i32,
    /// The most that the operating system gives.
    pub os_max: i32,
}

/// Every fixed field of a log's metadata. What does not apply to a kind of log is 0 or false.
/// Source: shared-memory spec 7.2, 7.5.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the format")]
pub struct LogParameters {
    /// What the log belongs to.
    pub kind: LogKind,
    /// Registration id of the publication, or correlation id of the image.
    pub registration_id: RegistrationId,
    /// Session of the stream.
    pub session_id: SessionId,
    /// Stream id.
    pub stream_id: StreamId,
    /// Id of the stream's first term.
    pub initial_term_id: TermId,
    /// Where a publication starts, if not at the beginning of the initial term; ignored for images.
    pub start: Option<StartPosition>,
    /// Length of each term.
    pub term_length: TermLength,
    /// Unit of the file's length.
    pub page_size: PageSize,
    /// Longest frame, in bytes; an image may have learned 32, which is no [`Mtu`].
    pub mtu_length: i32,
    /// Publications: how far the publisher may run ahead, in bytes.
    pub publication_window_length: i32,
    /// Images: initial receiver window, in bytes.
    pub receiver_window_length: i32,
    /// Send buffer of the channel.
    pub send_buffer: SocketBuffer,
    /// Receive buffer of the channel.
    pub receive_buffer: SocketBuffer,
    /// The channel's `max-resend`, or 0.
    pub max_resend: i32,
    /// The channel's tag, -1 for none; 0 for images.
    pub entity_tag: i64,
    /// The correlation id that responses go to, -1 for none; 0 for images.
    pub response_correlation_id: i64,
    /// Linger of a publication, in nanoseconds.
    pub linger_timeout_ns: i64,
    /// In nanoseconds.
    pub untethered_window_limit_timeout_ns: i64,
    /// In nanoseconds, -1 when not given.
    pub untethered_linger_timeout_ns: i64,
    /// In nanoseconds.
    pub untethered_resting_timeout_ns: i64,
    /// Group semantics; for an image, treated as multicast.
    pub group: bool,
    /// Response channel.
    pub is_response: bool,
    /// Images: may be joined again.
    pub rejoin: bool,
    /// Images: lost frames are asked for again.
    pub reliable: bool,
    /// Blocks of the file are allocated when first touched.
    pub sparse: bool,
    /// Publications: end of stream is signalled.
    pub signal_eos: bool,
    /// Publications: spies alone make it connected.
    pub spies_simulate_connection: bool,
    /// Images: the subscriber's position holds back flow control.
    pub tether: bool,
}

impl LogParameters {
    /// The least that a log needs, everything else 0, false or "none"; fill in with struct update syntax.
    #[must_use]
    pub fn new(kind: LogKind, registration_id: RegistrationId, mtu: Mtu, term_length: TermLength) -> Self {
        let tag = if kind == LogKind::Image { 0 } else { -1 };
        Self {
            kind,
            registration_id,
            session_id: SessionId::new(0),
            stream_id: StreamId::new(0),
            initial_term_id: TermId::new(0),
            start: None,
            term_length,
            page_size: PageSize::MIN,
            mtu_length: mtu.get(),
            publication_window_length: 0,
            receiver_window_length: 0,
            send_buffer: SocketBuffer::default(),
            receive_buffer: SocketBuffer::default(),
            max_resend: 0,
            entity_tag: tag,
            response_correlation_id: tag,
            linger_timeout_ns: 0,
            untethered_window_limit_timeout_ns: 0,
            untethered_linger_timeout_ns: 0,
            untethered_resting_timeout_ns: 0,
            group: false,
            is_response: false,
            rejoin: false,
            reliable: false,
            sparse: false,
            signal_eos: false,
            spies_simulate_connection: false,
            tether: false,
        }
    }

    /// Writes all fields into zeroed metadata, the end of stream position last.
    pub fn initialise(&self, metadata: &LogMetadata) {
        if self.kind != LogKind::Image {
            self.write_tails(metadata);
        }
        let view = metadata.view();
        view.put_i64(field::REGISTRATION_ID, self.registration_id.get());
        for (offset, value) in self.small_fields() {
            view.put_i32(offset, value);
        }
        let header =
            HeaderTemplate::new(self.session_id, self.stream_id).default_header(self.initial_term_id);
        view.write(field::DEFAULT_HEADER, &header);
        for (offset, value) in self.long_fields() {
            view.put_i64(offset, value);
        }
        view.write(field::UNTETHERED_LINGER, &self.untethered_linger_timeout_ns.to_le_bytes());
        for (offset, value) in self.byte_fields() {
            view.put_u8(offset, value);
        }
        metadata.set_end_of_stream_position(Position::MAX);
    }

    /// The active term gets its id and offset, the two that follow the ids they had one round ago.
    /// Source: shared-memory spec 7.5.
    fn write_tails(&self, metadata: &LogMetadata) {
        let start = self
            .start
            .unwrap_or(StartPosition { term_id: self.initial_term_id, term_offset: TermOffset::ZERO });
        let term_count = start.term_id.terms_since(self.initial_term_id);
        let index = partition_index(term_count);
        metadata.set_tail(index, RawTail::new(start.term_id, start.term_offset));
        for following in 1..PARTITION_COUNT {
            let term_id = start.term_id.wrapping_add(following as i32 - PARTITION_COUNT as i32);
            metadata.set_tail((index + following) % PARTITION_COUNT, RawTail::new(term_id, TermOffset::ZERO));
        }
        metadata.set_active_term_count(term_count);
    }

    fn small_fields(&self) -> [(usize, i32); 14] {
        [
            (field::INITIAL_TERM_ID, self.initial_term_id.get()),
            (field::FRAME_HEADER_LENGTH, DATA_HEADER_LENGTH),
            (field::MTU_LENGTH, self.mtu_length),
            (field::TERM_LENGTH, self.term_length.get()),
            (field::PAGE_SIZE, self.page_size.get()),
            (field::PUBLICATION_WINDOW, self.publication_window_length),
            (field::RECEIVER_WINDOW, self.receiver_window_length),
            (field::SEND_BUFFER, self.send_buffer.length),
            (field::SEND_BUFFER + 4, self.send_buffer.os_default),
            (field::SEND_BUFFER + 8, self.send_buffer.os_max),
            (field::RECEIVE_BUFFER, self.receive_buffer.length),
            (field::RECEIVE_BUFFER + 4, self.receive_buffer.os_default),
            (field::RECEIVE_BUFFER + 8, self.receive_buffer.os_max),
            (field::MAX_RESEND, self.max_resend),
        ]
    }

    fn long_fields(&self) -> [(usize, i64); 5] {
        [
            (field::ENTITY_TAG, self.entity_tag),
            (field::RESPONSE_CORRELATION_ID, self.response_correlation_id),
            (field::LINGER, self.linger_timeout_ns),
            (field::UNTETHERED_WINDOW_LIMIT, self.untethered_window_limit_timeout_ns),
            (field::UNTETHERED_RESTING, self.untethered_resting_timeout_ns),
        ]
    }

    fn byte_fields(&self) -> [(usize, u8); 9] {
        [
            (field::GROUP, self.group.into()),
            (field::IS_RESPONSE, self.is_response.into()),
            (field::REJOIN, self.rejoin.into()),
            (field::RELIABLE, self.reliable.into()),
            (field::SPARSE, self.sparse.into()),
            (field::SIGNAL_EOS, self.signal_eos.into()),
            (field::SPIES_SIMULATE_CONNECTION, self.spies_simulate_connection.into()),
            (field::TETHER, self.tether.into()),
            (field::KIND, self.kind.code()),
        ]
    }
}
