//! The publications of the sender: by who they are, and in turns.

use std::collections::HashMap;

use epona_protocol::types::{Nanos, Position, RegistrationId, SessionId, StreamId};

use super::{publication::SenderPublication, watch::Watch};
use crate::{
    active_set::{ActiveSet, Activity},
    endpoint_id::SendEndpointId,
};

/// Quiet publications looked at per millisecond: each costs about a cache line and the translation of its address, up to
/// 0.3 us, and their clients wait for it.
const PACE: u32 = 100;

/// Publications found by endpoint, stream and session, of which those that have nothing to send cost little.
#[derive(Debug)]
pub(super) struct Publications {
    slots: Vec<Option<SenderPublication>>,
    /// By slot, what the publication is looked at for when it is quiet.
    watches: Vec<Option<Watch>>,
    index: HashMap<(SendEndpointId, StreamId, SessionId), usize>,
    active: ActiveSet,
}

impl Default for Publications {
    fn default() -> Self {
        Self { slots: Vec::new(), watches: Vec::new(), index: HashMap::new(), active: ActiveSet::eager(PACE) }
    }
}

impl Publications {
    pub(super) fn add(&mut self, publication: SenderPublication) {
        let (stream, session) = publication.key();
        let free = self.slots.iter().position(Option::is_none);
        let at = free.unwrap_or(self.slots.len());
        self.index.insert((publication.endpoint(), stream, session), at);
        let state = publication.state();
        let watch = Some(Watch::new(&state.log, state.sender_position()));
        match free {
            Some(at) => (self.slots[at], self.watches[at]) = (Some(publication), watch),
            None => {
                self.slots.push(Some(publication));
                self.watches.push(watch);
            }
        }
        self.active.activate(at);
    }

    pub(super) fn remove(&mut self, registration_id: RegistrationId) -> Option<SenderPublication> {
        let is_it = |publication: &SenderPublication| publication.state().registration_id == registration_id;
        let at = self.slots.iter().position(|slot| slot.as_ref().is_some_and(is_it))?;
        let removed = self.slots[at].take()?;
        // It would keep the log mapped.
        self.watches[at] = None;
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
        self.watches.get_mut(at)?.as_mut()?.stir();
        self.slots.get_mut(at)?.as_mut()
    }

    /// Calls `send` for each publication that may have something to send, or of which something is due, with its slot and
    /// whether it may be the only one; it says whether it found data to send. How many moved without.
    #[inline]
    pub(super) fn take_turns(
        &mut self,
        now: Nanos,
        mut send: impl FnMut(&mut [Option<SenderPublication>], usize, bool) -> bool,
    ) -> usize {
        let Self { slots, watches, active, .. } = self;
        let mut moved = 0;
        let is_alone = active.busy_count() < 2;
        let prefetch = |watches: &Vec<Option<Watch>>, at: usize| {
            if let Some(Some(watch)) = watches.get(at) {
                watch.prefetch();
            }
        };
        active.take_turns_in(watches, now, prefetch, |watches, at, activity| {
            let Some(watch) = watches.get_mut(at).and_then(Option::as_mut) else { return Activity::Quiet };
            // A lone one is looked at by visiting it.
            if (activity == Activity::Quiet || !is_alone) && !watch.is_due(now) {
                return Activity::Quiet;
            }
            let Some(publication) = slots.get(at).and_then(Option::as_ref) else {
                return Activity::Quiet;
            };
            if activity == Activity::Quiet && watch.has_frame() {
                publication.state().note_news();
            }
            let position = publication.state().sender_position.get();
            if send(slots, at, is_alone) {
                // What it was last looked at for lies behind it now, and may be cleaned any moment.
                watch.stir();
                return Activity::Busy;
            }
            let Some(publication) = slots.get(at).and_then(Option::as_ref) else {
                return Activity::Quiet;
            };
            let state = publication.state();
            if state.sender_position.get() != position {
                moved += 1;
                return Activity::Busy;
            }
            watch.set(&state.log, Position::at_frame(position), publication.next_due());
            // What waits for the window or for the socket has its turn as long as it waits.
            if watch.is_due(now) { Activity::Waiting } else { Activity::Quiet }
        });
        moved
    }

    /// Nothing of what was found could be sent.
    pub(super) fn on_rest(&mut self) {
        self.active.on_rest();
    }

    /// All slots.
    pub(super) fn slots_mut(&mut self) -> &mut [Option<SenderPublication>] {
        &mut self.slots
    }
}
