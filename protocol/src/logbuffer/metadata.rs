//! The metadata of a log: what is fixed at its creation, and the few fields that move.
//!
//! ```text
//!     0  tail counters, 3 x i64                24  active term count i32                    (publisher, unblocker)
//!   128  end of stream position i64           136  is connected i32                         (driver)
//!   140  active transport count i32                                                         (driver)
//!   256  registration id i64                  264  initial term id i32
//!   268  header length i32 (32)               272  MTU i32
//!   276  term length i32                      280  page size i32
//!   284  publication window i32               288  receiver window i32
//!   292  send buffer: given, OS default, OS maximum i32 x 3
//!   304  receive buffer: given, OS default, OS maximum i32 x 3                 316  max resend i32
//!   320  default frame header, 32 of 128 bytes
//!   448  entity tag i64   456  response correlation id i64   464  linger i64 ns
//!   472  untethered window limit i64 ns       480  untethered resting i64 ns
//!   488  group, is response, rejoin, reliable, sparse, signal eos, spies simulate connection, tether: u8 x 8
//!   496  revoked u8 (driver)                  497  type u8
//!   500  untethered linger i64 ns, not aligned                                 508  zero up to 4096
//! ```
//!
//! Source: shared-memory spec 7.2.

use crate::{
    memory::AtomicView,
    types::{Mtu, MtuError, Position, RegistrationId, TermId, TermLength, TermLengthError},
};

use super::{PageSize, PageSizeError, RawTail, descriptor::partition_index, header::HEADER_LENGTH};

pub(super) const TAIL_COUNTERS: usize = 0;
pub(super) const ACTIVE_TERM_COUNT: usize = 24;
pub(super) const END_OF_STREAM_POSITION: usize = 128;
pub(super) const IS_CONNECTED: usize = 136;
pub(super) const ACTIVE_TRANSPORT_COUNT: usize = 140;
pub(super) const REGISTRATION_ID: usize = 256;
pub(super) const INITIAL_TERM_ID: usize = 264;
pub(super) const FRAME_HEADER_LENGTH: usize = 268;
pub(super) const MTU_LENGTH: usize = 272;
pub(super) const TERM_LENGTH: usize = 276;
pub(super) const PAGE_SIZE: usize = 280;
pub(super) const PUBLICATION_WINDOW: usize = 284;
pub(super) const RECEIVER_WINDOW: usize = 288;
pub(super) const SEND_BUFFER: usize = 292;
pub(super) const RECEIVE_BUFFER: usize = 304;
pub(super) const MAX_RESEND: usize = 316;
pub(super) const DEFAULT_HEADER: usize = 320;
pub(super) const ENTITY_TAG: usize = 448;
pub(super) const RESPONSE_CORRELATION_ID: usize = 456;
pub(super) const LINGER: usize = 464;
pub(super) const UNTETHERED_WINDOW_LIMIT: usize = 472;
pub(super) const UNTETHERED_RESTING: usize = 480;
pub(super) const GROUP: usize = 488;
pub(super) const IS_RESPONSE: usize = 489;
pub(super) const REJOIN: usize = 490;
pub(super) const RELIABLE: usize = 491;
pub(super) const SPARSE: usize = 492;
pub(super) const SIGNAL_EOS: usize = 493;
pub(super) const SPIES_SIMULATE_CONNECTION: usize = 494;
pub(super) const TETHER: usize = 495;
pub(super) const IS_REVOKED: usize = 496;
pub(super) const KIND: usize = 497;
pub(super) const UNTETHERED_LINGER: usize = 500;

/// What a log belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogKind {
    /// A publication that many threads and clients may offer to.
    ConcurrentPublication,
    /// A publication with one owner.
    ExclusivePublication,
    /// A receiver's copy of a stream.
    Image,
}

impl LogKind {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::ConcurrentPublication => 0,
            Self::ExclusivePublication => 1,
            Self::Image => 2,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::ConcurrentPublication),
            1 => Some(Self::ExclusivePublication),
            2 => Some(Self::Image),
            _ => None,
        }
    }
}

/// Typed access to the metadata of a log, shared by publisher, driver and subscribers.
///
/// Threading: fields that move are loaded with acquire and stored with release ordering; fixed fields are relaxed, since
/// the driver writes them before it announces the log. Source: shared-memory spec 13.
#[derive(Clone, Debug)]
pub struct LogMetadata {
    view: AtomicView,
}

impl LogMetadata {
    /// Metadata over a view of at least the fields that will be used, normally all 4096 bytes.
    #[must_use]
    pub const fn over(view: AtomicView) -> Self {
        Self { view }
    }

    /// The raw memory, for dumps.
    #[must_use]
    pub const fn view(&self) -> &AtomicView {
        &self.view
    }

    /// Tail of the term in partition `index`, 0..=2.
    #[inline]
    #[must_use]
    pub fn tail(&self, index: usize) -> RawTail {
        RawTail::from_raw(self.view.get_i64_acquire(tail_offset(index)))
    }

    /// Stores a tail, as the only publisher may.
    #[inline]
    pub fn set_tail(&self, index: usize, tail: RawTail) {
        self.view.put_i64_release(tail_offset(index), tail.get());
    }

    /// Moves a tail on by `bytes` and returns where it was, as concurrent publishers do.
    #[inline]
    pub fn advance_tail(&self, index: usize, bytes: i32) -> RawTail {
        RawTail::from_raw(self.view.fetch_add_i64(tail_offset(index), i64::from(bytes)))
    }

    /// Replaces a tail if nobody else did; whether it did.
    #[inline]
    #[must_use]
    pub fn replace_tail(&self, index: usize, expected: RawTail, new: RawTail) -> bool {
        self.view.compare_exchange_i64(tail_offset(index), expected.get(), new.get())
    }

    /// Number of terms before the active one.
    #[inline]
    #[must_use]
    pub fn active_term_count(&self) -> i32 {
        self.view.get_i32_acquire(ACTIVE_TERM_COUNT)
    }

    /// Stores the number of terms before the active one, as the only publisher may.
    #[inline]
    pub fn set_active_term_count(&self, count: i32) {
        self.view.put_i32_release(ACTIVE_TERM_COUNT, count);
    }

    /// Replaces the active term count if nobody else did; whether it did.
    #[inline]
    pub fn replace_active_term_count(&self, expected: i32, new: i32) -> bool {
        self.view.compare_exchange_i32(ACTIVE_TERM_COUNT, expected, new)
    }

    /// Tail of the active term.
    #[inline]
    #[must_use]
    pub fn active_tail(&self) -> RawTail {
        self.tail(partition_index(self.active_term_count()))
    }

    /// Where the stream ends; [`Position::MAX`] while that is not known.
    #[inline]
    #[must_use]
    pub fn end_of_stream_position(&self) -> Position {
        Position::new(self.view.get_i64_acquire(END_OF_STREAM_POSITION))
    }

    /// Announces where the stream ends.
    pub fn set_end_of_stream_position(&self, position: Position) {
        self.view.put_i64_release(END_OF_STREAM_POSITION, position.get());
    }

    /// Whether anyone consumes the publication.
    #[inline]
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.view.get_i32_acquire(IS_CONNECTED) == 1
    }

    /// Announces whether anyone consumes the publication.
    pub fn set_connected(&self, connected: bool) {
        self.view.put_i32_release(IS_CONNECTED, i32::from(connected));
    }

    /// Number of transports that feed the image.
    #[must_use]
    pub fn active_transport_count(&self) -> i32 {
        self.view.get_i32_acquire(ACTIVE_TRANSPORT_COUNT)
    }

    /// Announces the number of transports that feed the image.
    pub fn set_active_transport_count(&self, count: i32) {
        self.view.put_i32_release(ACTIVE_TRANSPORT_COUNT, count);
    }

    /// Whether the publication was revoked: what is not consumed yet may be lost.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.view.get_u8_acquire(IS_REVOKED) == 1
    }

    /// Announces that the publication is revoked.
    pub fn set_revoked(&self) {
        self.view.put_u8_release(IS_REVOKED, 1);
    }

    /// Registration id of the publication or image that the log was made for.
    #[must_use]
    pub fn registration_id(&self) -> RegistrationId {
        RegistrationId::new(self.view.get_i64(REGISTRATION_ID))
    }

    /// Id of the stream's first term.
    #[must_use]
    pub fn initial_term_id(&self) -> TermId {
        TermId::new(self.view.get_i32(INITIAL_TERM_ID))
    }

    /// Longest frame on this log.
    ///
    /// # Errors
    /// When the field holds no valid MTU, as of an image whose sender announced 32.
    pub fn mtu(&self) -> Result<Mtu, MtuError> {
        Mtu::new(i64::from(self.view.get_i32(MTU_LENGTH)))
    }

    /// Length of each term.
    ///
    /// # Errors
    /// When the field holds no valid term length.
    pub fn term_length(&self) -> Result<TermLength, TermLengthError> {
        TermLength::new(i64::from(self.view.get_i32(TERM_LENGTH)))
    }

    /// Page size that the file's length is a multiple of.
    ///
    /// # Errors
    /// When the field holds no valid page size.
    pub fn page_size(&self) -> Result<PageSize, PageSizeError> {
        PageSize::new(i64::from(self.view.get_i32(PAGE_SIZE)))
    }

    /// How far a publisher may run ahead, in bytes; 0 for an image.
    #[must_use]
    pub fn publication_window_length(&self) -> i32 {
        self.view.get_i32(PUBLICATION_WINDOW)
    }

    /// Window that the image started with, in bytes; 0 for a publication.
    #[must_use]
    pub fn receiver_window_length(&self) -> i32 {
        self.view.get_i32(RECEIVER_WINDOW)
    }

    /// The `max-resend` of the channel, or 0 when it has none.
    #[must_use]
    pub fn max_resend(&self) -> i32 {
        self.view.get_i32(MAX_RESEND)
    }

    /// The tag of the channel entity, -1 for none.
    #[must_use]
    pub fn entity_tag(&self) -> i64 {
        self.view.get_i64(ENTITY_TAG)
    }

    /// The correlation id that responses go to, -1 for none.
    #[must_use]
    pub fn response_correlation_id(&self) -> i64 {
        self.view.get_i64(RESPONSE_CORRELATION_ID)
    }

    /// How long a drained publication stays for late NAKs, in nanoseconds.
    #[must_use]
    pub fn linger_timeout_ns(&self) -> i64 {
        self.view.get_i64(LINGER)
    }

    /// Time that an untethered subscriber may stay behind the window, in nanoseconds.
    #[must_use]
    pub fn untethered_window_limit_timeout_ns(&self) -> i64 {
        self.view.get_i64(UNTETHERED_WINDOW_LIMIT)
    }

    /// Time that an untethered subscriber lingers before it rests, in nanoseconds; -1 when not given.
    #[must_use]
    pub fn untethered_linger_timeout_ns(&self) -> i64 {
        let mut bytes = [0; 8];
        self.view.read(UNTETHERED_LINGER, &mut bytes);
        i64::from_le_bytes(bytes)
    }

    /// Time that an untethered subscriber rests before it rejoins, in nanoseconds.
    #[must_use]
    pub fn untethered_resting_timeout_ns(&self) -> i64 {
        self.view.get_i64(UNTETHERED_RESTING)
    }

    /// Whether the channel has group semantics.
    #[must_use]
    pub fn is_group(&self) -> bool {
        self.flag(GROUP)
    }

    /// Whether this is a response channel.
    #[must_use]
    pub fn is_response(&self) -> bool {
        self.flag(IS_RESPONSE)
    }

    /// Whether a lost image may be joined again.
    #[must_use]
    pub fn is_rejoin(&self) -> bool {
        self.flag(REJOIN)
    }

    /// Whether lost frames are asked for again.
    #[must_use]
    pub fn is_reliable(&self) -> bool {
        self.flag(RELIABLE)
    }

    /// Whether the file's blocks are allocated when first touched.
    #[must_use]
    pub fn is_sparse(&self) -> bool {
        self.flag(SPARSE)
    }

    /// Whether the end of the stream is signalled to receivers.
    #[must_use]
    pub fn signals_end_of_stream(&self) -> bool {
        self.flag(SIGNAL_EOS)
    }

    /// Whether spies alone make the publication connected.
    #[must_use]
    pub fn spies_simulate_connection(&self) -> bool {
        self.flag(SPIES_SIMULATE_CONNECTION)
    }

    /// Whether the subscriber is tethered: its position holds back flow control.
    #[must_use]
    pub fn is_tethered(&self) -> bool {
        self.flag(TETHER)
    }

    /// What the log belongs to; `None` for a type this release does not know.
    #[must_use]
    pub fn kind(&self) -> Option<LogKind> {
        LogKind::from_code(self.view.get_u8(KIND))
    }

    /// The header that frames of this stream start from; frame length 0, term offset 0, initial term id.
    #[must_use]
    pub fn default_header(&self) -> [u8; HEADER_LENGTH] {
        let mut header = [0; HEADER_LENGTH];
        self.view.read(DEFAULT_HEADER, &mut header);
        header
    }

    fn flag(&self, offset: usize) -> bool {
        self.view.get_u8(offset) != 0
    }
}

const fn tail_offset(index: usize) -> usize {
    TAIL_COUNTERS + index * 8
}
