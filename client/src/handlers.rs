//! What applications are told of by the conductor, and the functions that are told.

use std::{net::SocketAddr, sync::Arc};

use epona_protocol::{
    command::ErrorCode,
    types::{CounterId, GroupTag, ReceiverId, RegistrationId, SessionId, StreamId},
};

use crate::{error::ClientError, state::ImageState};

/// A publication that the driver has registered for this client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPublication {
    /// Id of the add that this answers.
    pub registration_id: RegistrationId,
    /// Id of the first add that created the log; other publications of the client or of others may share it.
    pub original_registration_id: RegistrationId,
    /// Session of the stream.
    pub session_id: SessionId,
    /// Stream as given when adding.
    pub stream_id: StreamId,
    /// Channel as given when adding.
    pub channel: String,
}

/// A subscription that the driver has registered for this client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSubscription {
    /// Id of the add that this answers.
    pub registration_id: RegistrationId,
    /// Stream as given when adding.
    pub stream_id: StreamId,
    /// Channel as given when adding.
    pub channel: String,
}

/// A counter that appeared or was freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterEvent {
    /// Correlation id of the command that created it, or the id of the client for a heartbeat counter.
    pub registration_id: RegistrationId,
    /// Index of the counter, for [`Aeron::counters_reader`](crate::Aeron::counters_reader).
    pub counter_id: CounterId,
}

/// What a receiver said when it rejected a publication. Source: shared-memory spec 10.5, ON_PUBLICATION_ERROR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicationErrorFrame {
    /// Original registration id of the publication.
    pub registration_id: RegistrationId,
    /// The destination concerned, when it is known.
    pub destination_registration_id: Option<RegistrationId>,
    /// Session of the stream.
    pub session_id: SessionId,
    /// Stream of the publication.
    pub stream_id: StreamId,
    /// The receiver, as it names itself in status messages; -1 for IPC.
    pub receiver_id: ReceiverId,
    /// Group tag of the receiver, if it has one.
    pub group_tag: Option<GroupTag>,
    /// Where the error frame came from, when the driver could tell.
    pub source: Option<SocketAddr>,
    /// Kind of error; [`ErrorCode::ImageRejected`] for a rejected image.
    pub error_code: ErrorCode,
    /// Reason given by the receiver.
    pub message: String,
}

/// Told of an image.
pub(crate) type ImageHandler = Box<dyn FnMut(&Arc<ImageState>) + Send>;

/// Whom the conductor tells of images: for one subscription, or for those without handlers of their own.
#[derive(Default)]
pub(crate) struct ImageCalls {
    pub(crate) available: Option<ImageHandler>,
    pub(crate) unavailable: Option<ImageHandler>,
}

/// Handlers of the whole client, owned by its conductor.
pub(crate) struct Handlers {
    pub(crate) error: Box<dyn FnMut(&ClientError) + Send>,
    pub(crate) images: ImageCalls,
    pub(crate) new_publication: Box<dyn FnMut(&NewPublication) + Send>,
    pub(crate) new_exclusive_publication: Box<dyn FnMut(&NewPublication) + Send>,
    pub(crate) new_subscription: Box<dyn FnMut(&NewSubscription) + Send>,
    pub(crate) available_counter: Box<dyn FnMut(&CounterEvent) + Send>,
    pub(crate) unavailable_counter: Box<dyn FnMut(&CounterEvent) + Send>,
    pub(crate) close: Box<dyn FnMut() + Send>,
    pub(crate) publication_error: Box<dyn FnMut(&PublicationErrorFrame) + Send>,
    /// In the order of their adding, after those above.
    pub(crate) added: Vec<AddedHandler>,
}

impl Handlers {
    /// Tells all who want to know of a counter that appeared; the panics of those that did.
    pub(crate) fn tell_available_counter(&mut self, event: &CounterEvent) -> Vec<ClientError> {
        let first = guarded("available counter", || (self.available_counter)(event)).err();
        let added = self.added.iter_mut().filter_map(|added| match &mut added.call {
            AddedCall::AvailableCounter(handler) => guarded("available counter", || handler(event)).err(),
            AddedCall::UnavailableCounter(_) | AddedCall::Close(_) => None,
        });
        first.into_iter().chain(added).collect()
    }

    /// Tells all who want to know of a counter that was freed; the panics of those that did.
    pub(crate) fn tell_unavailable_counter(&mut self, event: &CounterEvent) -> Vec<ClientError> {
        let first = guarded("unavailable counter", || (self.unavailable_counter)(event)).err();
        let added = self.added.iter_mut().filter_map(|added| match &mut added.call {
            AddedCall::UnavailableCounter(handler) => guarded("unavailable counter", || handler(event)).err(),
            AddedCall::AvailableCounter(_) | AddedCall::Close(_) => None,
        });
        first.into_iter().chain(added).collect()
    }

    /// Tells all who want to know that the client has closed; the panics of those that did.
    pub(crate) fn tell_close(&mut self) -> Vec<ClientError> {
        let first = guarded("close", || (self.close)()).err();
        let added = self.added.iter_mut().filter_map(|added| match &mut added.call {
            AddedCall::Close(handler) => guarded("close", handler).err(),
            AddedCall::AvailableCounter(_) | AddedCall::UnavailableCounter(_) => None,
        });
        first.into_iter().chain(added).collect()
    }
}

/// A handler added while the client runs, with the id that removes it.
pub(crate) struct AddedHandler {
    pub(crate) id: RegistrationId,
    pub(crate) call: AddedCall,
}

/// What an added handler is told of.
pub(crate) enum AddedCall {
    AvailableCounter(Box<dyn FnMut(&CounterEvent) + Send>),
    UnavailableCounter(Box<dyn FnMut(&CounterEvent) + Send>),
    Close(Box<dyn FnMut() + Send>),
}

impl Default for Handlers {
    fn default() -> Self {
        Self {
            error: Box::new(print_error),
            images: ImageCalls::default(),
            new_publication: Box::new(|_| {}),
            new_exclusive_publication: Box::new(|_| {}),
            new_subscription: Box::new(|_| {}),
            available_counter: Box::new(|_| {}),
            unavailable_counter: Box::new(|_| {}),
            close: Box::new(|| {}),
            publication_error: Box::new(|_| {}),
            added: Vec::new(),
        }
    }
}

#[expect(clippy::print_stderr, reason = "an error that nobody asked to handle must not vanish")]
fn print_error(error: &ClientError) {
    eprintln!("aeron client: {error}");
}

/// Runs a handler of the application; its panic becomes an error and leaves the conductor whole.
pub(crate) fn guarded(name: &'static str, call: impl FnOnce()) -> Result<(), ClientError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).map_err(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned());
        ClientError::HandlerPanicked { handler: name, message: text.unwrap_or_default() }
    })
}
