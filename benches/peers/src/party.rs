//! What tests and scenarios need of a client and a driver, so that they can be written once for every maker.
//!
//! Everything here is invoked: the caller's thread does all work, so one thread can run a whole exchange.

use std::{net::SocketAddr, path::Path, time::Duration};

/// How long a driver may be silent, where a test is not about that.
const DRIVER_TIMEOUT: Duration = Duration::from_secs(30);

/// What went wrong at a party, in its own words.
#[derive(Debug, thiserror::Error)]
#[error("{party}: {message}")]
pub struct PartyError {
    /// Name of the party.
    pub party: &'static str,
    /// Its message.
    pub message: String,
}

/// Result of a party's control operation.
pub type Result<T> = std::result::Result<T, PartyError>;

/// Outcome of offering one message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offer {
    /// Appended; the stream's new position in bytes.
    Sent(i64),
    /// The flow-control window is full.
    BackPressured,
    /// No subscriber is connected.
    NotConnected,
    /// A term rotation or similar got in the way: try again.
    AdminAction,
    /// The publication or its client is closed.
    Closed,
    /// The stream has reached its end.
    MaxPositionExceeded,
    /// Refused, for instance because the message is too long.
    Refused,
}

/// How a publication shares its session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sharing {
    /// Any number of threads, clients and publications append to one session.
    Concurrent,
    /// One publication owns the session.
    Exclusive,
}

/// An image that came or went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImageEvent {
    /// Whether it came; it went otherwise.
    pub available: bool,
    /// Session of the publisher.
    pub session_id: i32,
    /// Id of the image in the subscriber's driver.
    pub correlation_id: i64,
    /// Where the publisher is, as the driver describes it: `ip:port`, or `aeron:ipc`.
    pub source_identity: String,
    /// Position at which the subscriber joined, bytes.
    pub join_position: i64,
    /// Whether the publication was revoked, as far as is known at the time.
    pub revoked: bool,
}

/// What a publisher's client is told when a receiver rejects the stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicationErrorEvent {
    /// Original registration id of the publication.
    pub registration_id: i64,
    /// Session of the stream.
    pub session_id: i32,
    /// Stream.
    pub stream_id: i32,
    /// Group tag of the receiver; -1 for none.
    pub group_tag: i64,
    /// Where the error frame came from.
    pub source: Option<SocketAddr>,
    /// Kind of error, as numbered in the protocol.
    pub error_code: i32,
    /// The receiver's reason.
    pub message: String,
}

/// How a destination of a publication is named that is to be removed.
#[derive(Clone, Copy, Debug)]
pub enum Destination<'a> {
    /// By the registration id that it was added with.
    Id(i64),
    /// By its channel.
    Channel(&'a str),
}

/// A client of a media driver, of any make; its conductor is invoked by [`Client::do_work`].
pub trait Client: Sized {
    /// Name of the maker.
    const NAME: &'static str;
    /// Its publications, of both kinds.
    type Publication: Publication;
    /// Its subscriptions.
    type Subscription: Subscription;
    /// Its counters.
    type Counter: Counter;

    /// Connects to the driver in `dir`, which may be silent for `driver_timeout` before it counts as gone.
    ///
    /// # Errors
    /// No driver within that time, or one that this client cannot speak to.
    fn connect_within(dir: &Path, driver_timeout: Duration) -> Result<Self>;

    /// Connects with a driver timeout that suits a crowded machine.
    ///
    /// # Errors
    /// As [`Client::connect_within`].
    fn connect(dir: &Path) -> Result<Self> {
        Self::connect_within(dir, DRIVER_TIMEOUT)
    }

    /// Begins to add a publication and completes it, calling `turn` while waiting.
    ///
    /// # Errors
    /// The driver's refusal, or its silence.
    fn add_publication(
        &mut self,
        channel: &str,
        stream_id: i32,
        sharing: Sharing,
        turn: &mut dyn FnMut(),
    ) -> Result<Self::Publication>;

    /// Begins to add a subscription and completes it, calling `turn` while waiting.
    ///
    /// # Errors
    /// The driver's refusal, or its silence.
    fn add_subscription(
        &mut self,
        channel: &str,
        stream_id: i32,
        turn: &mut dyn FnMut(),
    ) -> Result<Self::Subscription>;

    /// Adds a counter, calling `turn` while waiting.
    ///
    /// # Errors
    /// The driver's refusal, or its silence.
    fn add_counter(
        &mut self,
        type_id: i32,
        key: &[u8],
        label: &str,
        turn: &mut dyn FnMut(),
    ) -> Result<Self::Counter>;

    /// Adds a counter that outlives its clients, or finds it by type and registration id, calling `turn` while waiting.
    ///
    /// # Errors
    /// The driver's refusal, or its silence.
    fn add_static_counter(
        &mut self,
        type_id: i32,
        key: &[u8],
        label: &str,
        registration_id: i64,
        turn: &mut dyn FnMut(),
    ) -> Result<Self::Counter>;

    /// Asks for a session id that no publication of the stream uses, calling `turn` while waiting.
    ///
    /// # Errors
    /// The driver's refusal, or its silence.
    fn next_session_id(&mut self, stream_id: i32, turn: &mut dyn FnMut()) -> Result<i32>;

    /// Adds a destination to a publication with `control-mode=manual`; its registration id.
    ///
    /// # Errors
    /// The driver's refusal, or its silence.
    fn add_destination(
        &mut self,
        publication: &Self::Publication,
        channel: &str,
        turn: &mut dyn FnMut(),
    ) -> Result<i64>;

    /// Removes a destination of a publication.
    ///
    /// # Errors
    /// The driver's refusal, or its silence.
    fn remove_destination(
        &mut self,
        publication: &Self::Publication,
        destination: Destination<'_>,
        turn: &mut dyn FnMut(),
    ) -> Result<()>;

    /// One duty cycle of the client's conductor.
    fn do_work(&mut self) -> usize;

    /// Images that came and went since the last call, oldest first.
    fn take_image_events(&mut self) -> Vec<ImageEvent>;

    /// Rejections of this client's publications since the last call, oldest first.
    fn take_publication_errors(&mut self) -> Vec<PublicationErrorEvent>;

    /// Errors that reached the client's error handler since the last call.
    fn take_errors(&mut self) -> Vec<String>;

    /// Whether the client has closed itself, for instance because its driver is gone.
    fn is_closed(&self) -> bool;
}

/// A publication of any make.
pub trait Publication {
    /// Appends one message.
    fn offer(&mut self, message: &[u8]) -> Offer;
    /// Appends as many messages, from the first, as there is room for; how many. One by one where a client has no batch.
    fn offer_batch(&mut self, messages: &[&[u8]]) -> usize {
        messages.iter().take_while(|message| matches!(self.offer(message), Offer::Sent(_))).count()
    }
    /// Claims `length` bytes, lets `fill` write them and commits.
    fn try_claim(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Offer;
    /// Claims `length` bytes and never commits: what a client killed at that moment leaves behind.
    fn abandon_claim(&mut self, length: usize) -> Offer;
    /// Whether a subscriber is connected.
    fn is_connected(&self) -> bool;
    /// Length of the longest message, in bytes.
    fn max_message_length(&self) -> usize;
    /// Length of the longest message of one fragment, in bytes.
    fn max_payload_length(&self) -> usize;
    /// Length of a term, in bytes.
    fn term_length(&self) -> usize;
    /// Session of the publication.
    fn session_id(&self) -> i32;
    /// Registration id of the stream's log: that of the first publication to share it.
    fn original_registration_id(&self) -> i64;
    /// Ends an exclusive publication at once, consumed or not; a concurrent one just closes.
    fn revoke(self);
}

/// A subscription of any make.
pub trait Subscription {
    /// Polls up to `limit` fragments and hands over whole messages.
    fn poll_messages<F: FnMut(&[u8])>(&mut self, limit: usize, on_message: F) -> usize;
    /// Polls up to `limit` fragments and hands them over as they are.
    fn poll_fragments<F: FnMut(&[u8])>(&mut self, limit: usize, on_fragment: F) -> usize;
    /// Number of images.
    fn image_count(&self) -> usize;
    /// Id of the subscription in its driver.
    fn registration_id(&self) -> i64;
    /// Adds a destination, calling `turn`, which gives the client its turns, while waiting.
    ///
    /// # Errors
    /// The driver's refusal, or its silence.
    fn add_destination(&mut self, channel: &str, turn: &mut dyn FnMut()) -> Result<()>;
    /// Removes a destination, likewise.
    ///
    /// # Errors
    /// The driver's refusal, or its silence.
    fn remove_destination(&mut self, channel: &str, turn: &mut dyn FnMut()) -> Result<()>;
    /// Rejects the image of a session, for a reason that its publisher is told.
    ///
    /// # Errors
    /// No such image, or the client refuses the reason.
    fn reject(&mut self, session_id: i32, reason: &str) -> Result<()>;
    /// The channel with port 0 of its endpoint replaced by the port that was bound; `None` while there is none.
    fn resolved_channel(&self) -> Option<String>;
}

/// A counter of any make; closed when dropped.
pub trait Counter {
    /// Index in the counters file.
    fn id(&self) -> i32;
    /// Sets the value.
    fn set(&self, value: i64);
}

/// Whose driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DriverKind {
    /// Aeron C; as a process, through the program `compare` of this crate.
    Aeron,
    /// Ours; as a process, the program `eponamd` as it ships.
    Epona,
}

/// A driver on the caller's thread.
pub trait InvokedDriver: Sized {
    /// Creates the directory and starts the driver in INVOKER mode.
    ///
    /// # Errors
    /// The directory or a setting is refused.
    fn launch(dir: &Path, settings: &DriverSettings) -> Result<Self>;
    /// One duty cycle of all its agents.
    fn do_work(&mut self) -> usize;
}

/// One maker: a driver and a client that belong together.
pub trait Party {
    /// Name in reports.
    const NAME: &'static str;
    /// Whose driver it is.
    const DRIVER: DriverKind;
    /// Its driver.
    type Driver: InvokedDriver;
    /// Its client.
    type Client: Client;
}

/// What every party's driver is set to in a measurement.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct DriverSettings {
    /// Largest datagram payload, bytes.
    pub mtu: usize,
    /// Receiver's initial window, bytes.
    pub window: usize,
    /// Window of IPC publications, bytes.
    pub ipc_window: usize,
    /// Socket send and receive buffers, bytes.
    pub socket_buffer: usize,
    /// Term length of UDP publications, bytes.
    pub term_length: usize,
    /// Term length of IPC publications, bytes.
    pub ipc_term_length: usize,
}

impl DriverSettings {
    /// What the makers of both chose. Source: C `aeron_driver_context.c`, `AERON_*_DEFAULT`; the tests compare.
    pub const STOCK: Self = Self {
        mtu: 1408,
        window: 128 << 10,
        ipc_window: 0,
        socket_buffer: 128 << 10,
        term_length: 16 << 20,
        ipc_term_length: 64 << 20,
    };
}

impl Default for DriverSettings {
    /// The settings of the published comparison: MTU 1408, 2 MiB window and buffers, 16 MiB terms.
    fn default() -> Self {
        Self {
            mtu: 1408,
            window: 2 << 20,
            ipc_window: 8 << 20,
            socket_buffer: 2 << 20,
            term_length: 16 << 20,
            ipc_term_length: 16 << 20,
        }
    }
}
