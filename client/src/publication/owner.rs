//! Closing, and what else both kinds of publication do alike.

use std::sync::Arc;

use epona_protocol::{
    memory::AtomicView,
    types::{DATA_HEADER_LENGTH, TermOffset},
};

#[cfg(feature = "async")]
use crate::link::Wait;
use crate::{
    link::{Client, Request},
    state::PublicationState,
};

/// Closes the publication with the last handle.
pub(super) struct Owner {
    pub(super) state: Arc<PublicationState>,
    pub(super) client: Arc<Client>,
}

impl Owner {
    pub(super) fn close(&self, revoke: bool) {
        if self.state.close() {
            self.client.tell(Request::RemovePublication { id: self.state.registration_id, revoke });
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.close(false);
    }
}

/// Waits for room to publish.
#[cfg(feature = "async")]
pub(super) fn room(state: &Arc<PublicationState>, client: &Arc<Client>) -> Wait {
    let state = Arc::clone(state);
    Wait::new(&client.shared, move || {
        state.is_closed() || state.limit.position() > state.log.producer_position()
    })
}

/// The reserved value that a caller computes from the payload of each frame.
pub(super) fn of_payload(
    mut supplier: impl FnMut(&[u8]) -> i64,
) -> impl FnMut(&AtomicView, TermOffset, i32) -> i64 {
    move |term, offset, frame_length| {
        let payload = usize::try_from(frame_length - DATA_HEADER_LENGTH).unwrap_or(0);
        supplier(term.fragment(offset.index() + DATA_HEADER_LENGTH as usize, payload))
    }
}
