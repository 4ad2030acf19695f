//! What handles ask of their conductor.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use epona_protocol::types::{CorrelationId, RegistrationId, StreamId};

use super::{ActiveCommand, Completion};
use crate::handlers::{AddedHandler, ImageCalls};

/// A command for the driver, encoded, which the driver answers.
pub(crate) struct Submission {
    pub(crate) id: CorrelationId,
    pub(crate) type_id: i32,
    pub(crate) payload: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) completion: Arc<Completion>,
    pub(crate) active: ActiveCommand,
}

/// What a submission becomes when the driver has answered it.
pub(crate) enum Kind {
    Publication {
        channel: Arc<str>,
        stream_id: StreamId,
    },
    ExclusivePublication {
        channel: Arc<str>,
        stream_id: StreamId,
    },
    Subscription {
        channel: Arc<str>,
        stream_id: StreamId,
        handlers: ImageCalls,
    },
    Counter,
    StaticCounter {
        registration_id: RegistrationId,
    },
    /// Answered by a bare success: destinations, rejected images.
    Operation {
        name: &'static str,
    },
    SessionId {
        stream_id: StreamId,
    },
}

impl Kind {
    /// The request in words, for errors.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Publication { channel, stream_id } => {
                format!("add publication {channel} stream {stream_id}")
            }
            Self::ExclusivePublication { channel, stream_id } => {
                format!("add exclusive publication {channel} stream {stream_id}")
            }
            Self::Subscription { channel, stream_id, .. } => {
                format!("add subscription {channel} stream {stream_id}")
            }
            Self::Counter => String::from("add counter"),
            Self::StaticCounter { .. } => String::from("add static counter"),
            Self::Operation { name } => String::from(*name),
            Self::SessionId { stream_id } => format!("next session id of stream {stream_id}"),
        }
    }
}

/// What the conductor is asked to do.
pub(crate) enum Request {
    Submit(Submission),
    /// A publication's handles are closed.
    RemovePublication {
        id: RegistrationId,
        revoke: bool,
    },
    /// A subscription's handle is closed.
    RemoveSubscription {
        id: RegistrationId,
    },
    /// A counter's handle is closed.
    RemoveCounter {
        id: RegistrationId,
    },
    /// A handler is to be called from now on.
    AddHandler(AddedHandler),
    /// Whatever was or will be registered under this id is not wanted.
    Abandon {
        id: RegistrationId,
    },
}

/// Requests on their way from any thread to the conductor; closed for good when the conductor ends.
pub(crate) struct Requests {
    queue: Mutex<Queue>,
}

struct Queue {
    open: bool,
    waiting: VecDeque<Request>,
}

impl Requests {
    pub(crate) fn new() -> Self {
        Self { queue: Mutex::new(Queue { open: true, waiting: VecDeque::new() }) }
    }

    /// Leaves a request; gives it back once the conductor has ended.
    pub(crate) fn push(&self, request: Request) -> Result<(), Request> {
        let mut queue = self.lock();
        if !queue.open {
            return Err(request);
        }
        queue.waiting.push_back(request);
        Ok(())
    }

    /// The oldest request.
    pub(crate) fn pop(&self) -> Option<Request> {
        self.lock().waiting.pop_front()
    }

    /// Takes no more requests, and returns those that were not met.
    pub(crate) fn close(&self) -> VecDeque<Request> {
        let mut queue = self.lock();
        queue.open = false;
        std::mem::take(&mut queue.waiting)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
