//! One turn of sending: publication by publication, their data together.

use epona_protocol::types::Nanos;

use super::{Slot, endpoint_of, gather::Gather, publication::SenderPublication, report_trouble, sent::Sent};
use crate::{commands::ConductorCommand, proxy::Proxy, status::SystemCounters};

/// A turn, and what came of it so far.
pub(super) struct Turn<'a> {
    now: Nanos,
    endpoints: &'a mut [Option<Slot>],
    conductor: &'a mut Proxy<ConductorCommand>,
    system: &'a SystemCounters,
    gather: &'a mut Gather,
    has_heartbeats: bool,
    /// Bytes sent.
    pub(super) bytes: usize,
    /// Runs sent.
    pub(super) moved: usize,
    /// Whether something waits for a receiver to open its window.
    pub(super) is_blocked: bool,
}

impl<'a> Turn<'a> {
    #[inline]
    pub(super) fn new(
        now: Nanos,
        gather: &'a mut Gather,
        endpoints: &'a mut [Option<Slot>],
        conductor: &'a mut Proxy<ConductorCommand>,
        system: &'a SystemCounters,
    ) -> Self {
        Self {
            now,
            endpoints,
            conductor,
            system,
            gather,
            has_heartbeats: false,
            bytes: 0,
            moved: 0,
            is_blocked: false,
        }
    }

    /// The turn of the publication in a slot; whether there is data of it to send, which goes at once if it `is_alone`, else at
    /// the latest with [`Turn::flush`].
    #[inline]
    pub(super) fn take(
        &mut self,
        slots: &mut [Option<SenderPublication>],
        at: usize,
        is_alone: bool,
    ) -> bool {
        let Some(way) = slots.get(at).and_then(Option::as_ref).map(SenderPublication::way) else {
            return false;
        };
        if !self.gather.takes(way) {
            self.flush(slots);
        }
        let Some(publication) = slots.get_mut(at).and_then(Option::as_mut) else { return false };
        let Some(endpoint) = endpoint_of(self.endpoints, way.0) else { return false };
        let (found, sent) = publication.send(self.now, at, endpoint, self.gather, self.system);
        self.bytes += sent;
        self.is_blocked |= publication.is_blocked();
        self.has_heartbeats |= endpoint.has_heartbeats();
        report_trouble(self.conductor, endpoint);
        // Of several destinations each may miss some: what it missed is to be of one publication.
        if found > 0 && (is_alone || endpoint.has_destinations()) {
            self.flush(slots);
        }
        found > 0
    }

    /// Sends what was found. Of what was not accepted nothing counts as sent; publications that could send nothing have the
    /// chores of a turn without data.
    #[inline]
    pub(super) fn flush(&mut self, slots: &mut [Option<SenderPublication>]) {
        let Self { now, gather, system, .. } = self;
        let Some((id, _)) = gather.way() else { return };
        let Some(endpoint) = endpoint_of(self.endpoints, id) else { return gather.clear() };
        let sent = gather.send(*now, endpoint, |slot| Some(&slots.get(slot)?.as_ref()?.state().log));
        if matches!(sent, Sent::Short { .. } | Sent::Partly) {
            system.short_sends.increment();
        }
        for (piece, is_accepted) in gather.outcomes(sent) {
            let Some(Some(publication)) = slots.get_mut(piece.slot()) else { continue };
            if is_accepted {
                publication.on_sent(piece.end(), *now);
                self.bytes += piece.bytes();
                self.moved += 1;
            } else if piece.is_first() {
                self.bytes += publication.on_nothing_sent(*now, endpoint, system);
            }
        }
        gather.clear();
        // Of those whose data was refused.
        self.has_heartbeats |= endpoint.has_heartbeats();
        report_trouble(self.conductor, endpoint);
    }

    /// Sends the heartbeats that were due.
    #[inline]
    pub(super) fn send_heartbeats(&mut self) {
        if self.has_heartbeats {
            self.send_heartbeats_of_each();
        }
    }

    #[cold]
    fn send_heartbeats_of_each(&mut self) {
        let endpoints = self.endpoints.iter_mut().flatten().map(|slot| &mut slot.endpoint);
        for endpoint in endpoints.filter(|endpoint| endpoint.has_heartbeats()) {
            self.bytes += endpoint.send_heartbeats(self.now, self.system);
            report_trouble(self.conductor, endpoint);
        }
    }
}
