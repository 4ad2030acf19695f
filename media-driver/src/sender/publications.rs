//! The publications of the sender: by who they are, and in turns.

use std::collections::HashMap;

use epona_protocol::types::{Nanos, RegistrationId, SessionId, StreamId};

use super::publication::SenderPublication;
use crate::{
    active_set::{ActiveSet, Activity},
    endpoint_id::SendEndpointId,
};

/// Quiet publications looked at in one turn: each costs about a cache line.
const QUIET_SLICE: usize = 64;

/// Publications found by endpoint, stream and session, of which those that have nothing to send cost little.
#[derive(Debug)]
pub(super) struct Publications {
    slots: Vec<Option<SenderPublication>>,
    index: HashMap<(SendEndpointId, StreamId, SessionId), usize>,
    active: ActiveSet,
}

impl Default for Publications {
    fn default() -> Self {
        Self { slots: Vec::new(), index: HashMap::new(), active: ActiveSet::new(QUIET_SLICE) }
    }
}

impl Publications {
    pub(super) fn add(&mut self, publication: SenderPublication) {
        let (stream, session) = publication.key();
        let free = self.slots.iter().position(Option::is_none);
        let at = free.unwrap_or(self.slots.len());
        self.index.insert((publication.endpoint(), stream, session), at);
        match free {
            Some(at) => self.slots[at] = Some(publication),
            None => self.slots.push(Some(publication)),
        }
        self.active.activate(at);
    }

    pub(super) fn remove(&mut self, registration_id: RegistrationId) -> Option<SenderPublication> {
        let is_it = |publication: &SenderPublication| publication.state().registration_id == registration_id;
        let at = self.slots.iter().position(|slot| slot.as_ref().is_some_and(is_it))?;
        let removed = self.slots[at].take()?;
        let (stream, session) = removed.key();
        self.index.remove(&(removed.endpoint(), stream, session));
        self.active.remove(at);
        Some(removed)
    }

    /// The publication that a control frame is about.
    pub(super) fn find(
        &mut self,
        endpoint: SendEndpointId,
        stream: StreamId,
        session: SessionId,
    ) -> Option<&mut SenderPublication> {
        let at = *self.index.get(&(endpoint, stream, session))?;
        let publication = self.slots.get_mut(at)?.as_mut()?;
        publication.stir();
        Some(publication)
    }

    /// Calls `send` for each publication that may have something to send, or of which something is due.
    #[inline]
    pub(super) fn take_turns(&mut self, now: Nanos, mut send: impl FnMut(&mut SenderPublication)) {
        let Self { slots, active, .. } = self;
        active.take_turns(|at, activity| {
            let Some(publication) = slots.get_mut(at).and_then(Option::as_mut) else {
                return Activity::Quiet;
            };
            if activity == Activity::Quiet && !publication.is_due(now) {
                return Activity::Quiet;
            }
            let position = publication.state().sender_position.get();
            send(publication);
            let has_sent = publication.state().sender_position.get() != position;
            if has_sent || !publication.settle(now) { Activity::Busy } else { Activity::Quiet }
        });
    }
}
