//! The publications of the sender, in sending order and by who they are.

use std::collections::HashMap;

use epona_protocol::types::{RegistrationId, SessionId, StreamId};

use super::publication::SenderPublication;
use crate::endpoint_id::SendEndpointId;

/// Publications in sending order, found by endpoint, stream and session.
#[derive(Debug, Default)]
pub(super) struct Publications {
    pub(super) list: Vec<SenderPublication>,
    index: HashMap<(SendEndpointId, StreamId, SessionId), usize>,
}

impl Publications {
    pub(super) fn add(&mut self, publication: SenderPublication) {
        let (stream, session) = publication.key();
        self.index.insert((publication.endpoint(), stream, session), self.list.len());
        self.list.push(publication);
    }

    pub(super) fn remove(&mut self, registration_id: RegistrationId) -> Option<SenderPublication> {
        let at = self.list.iter().position(|p| p.state().registration_id == registration_id)?;
        let removed = self.list.swap_remove(at);
        let (stream, session) = removed.key();
        self.index.remove(&(removed.endpoint(), stream, session));
        if let Some(moved) = self.list.get(at) {
            let (stream, session) = moved.key();
            self.index.insert((moved.endpoint(), stream, session), at);
        }
        Some(removed)
    }

    pub(super) fn find(
        &mut self,
        endpoint: SendEndpointId,
        stream: StreamId,
        session: SessionId,
    ) -> Option<&mut SenderPublication> {
        let at = *self.index.get(&(endpoint, stream, session))?;
        self.list.get_mut(at)
    }
}
