//! A network publication as the conductor sees it: limits, spies, and the end of its life.
//!
//! ```text
//!            last reference removed            drained            linger over,          sender
//!   Active ─────────────────────────► Draining ───────► Linger ─── no reference ──► Done ──► deleted
//!      └──────────── revoked ────────────────────────────▲                              gave it back
//! ```
//! Source: driver spec 3.2, 3.3.

use std::{sync::Arc, time::Duration};

use epona_protocol::{
    counters::AtomicCounter,
    logbuffer::PreTouch,
    types::{Nanos, Position, RegistrationId},
};

use super::{
    limits::{BlockedPublisher, LogCleaner},
    response::ResponseRole,
    shared::NetworkPublicationState,
};
use crate::{
    commands::SenderCommand,
    conductor::services::{AvailableImage, Services},
    endpoint_id::SendEndpointId,
    subscribable::{SubscriberPosition, SubscriberPositions},
    untethered::{TetherTimeouts, window_limit},
};

/// Where a network publication is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// In use.
    Active,
    /// No longer referenced; unsent data and spies are waited for.
    Draining,
    /// Sent, but NAKs are still answered.
    Linger,
    /// Handed back by nobody yet: the sender still has it.
    Done,
}

/// What the conductor fixes when it creates a network publication.
#[derive(Debug)]
pub struct NetworkPublicationParams {
    /// Endpoint that it sends on.
    pub endpoint: SendEndpointId,
    /// Whether one client alone writes to it.
    pub is_exclusive: bool,
    /// Where the stream starts.
    pub start: Position,
    /// How far the publisher may run ahead of the sender, in bytes.
    pub term_window: i64,
    /// How long it lingers.
    pub linger: Duration,
    /// How long a publisher may leave a claim uncommitted.
    pub unblock_timeout: Duration,
    /// Timeouts of untethered spies.
    pub untethered: TetherTimeouts,
    /// Who responses go to, or whose response this is, as log metadata has it.
    pub response_correlation_id: Option<i64>,
    /// Whether it asks for a response, or is one.
    pub response: ResponseRole,
    /// `tags=,<entity tag>`.
    pub entity_tag: Option<i64>,
}

/// Counters of a network publication.
#[derive(Debug)]
pub struct NetworkPublicationCounters {
    /// `pub-pos`.
    pub publisher_position: AtomicCounter,
    /// `pub-lmt`.
    pub publisher_limit: AtomicCounter,
    /// `snd-pos`, written by the sender.
    pub sender_position: AtomicCounter,
    /// `snd-lmt`, written by the sender.
    pub sender_limit: AtomicCounter,
    /// `snd-bpe`, written by the sender.
    pub back_pressure_events: AtomicCounter,
    /// `snd-naks-received`, written by the sender.
    pub naks_received: AtomicCounter,
    /// `fc-receivers`, written by the sender; only where flow control tracks receivers.
    pub receivers: Option<AtomicCounter>,
}

impl NetworkPublicationCounters {
    /// Frees them all.
    pub fn free(&self, services: &mut Services) {
        let of_every_publication = [
            &self.publisher_position,
            &self.publisher_limit,
            &self.sender_position,
            &self.sender_limit,
            &self.back_pressure_events,
            &self.naks_received,
        ];
        for counter in of_every_publication.into_iter().chain(&self.receivers) {
            services.free(counter.id());
        }
    }
}

/// One network publication; owned by the conductor, which is the only caller.
#[derive(Debug)]
pub struct NetworkPublication {
    /// What the sender knows too.
    pub state: Arc<NetworkPublicationState>,
    /// What was fixed at creation.
    pub params: NetworkPublicationParams,
    /// How spies are told of it.
    pub image: AvailableImage,
    phase: Phase,
    references: usize,
    counters: NetworkPublicationCounters,
    spies: SubscriberPositions,
    cleaner: LogCleaner,
    pre_touch: PreTouch,
    blocked: BlockedPublisher,
    time_of_last_activity: Nanos,
    has_sender_released: bool,
}

impl NetworkPublication {
    /// A publication in use, with one reference.
    #[must_use]
    pub fn new(
        state: Arc<NetworkPublicationState>,
        params: NetworkPublicationParams,
        counters: NetworkPublicationCounters,
        image: AvailableImage,
        now: Nanos,
    ) -> Self {
        Self {
            cleaner: LogCleaner::new(params.start),
            pre_touch: PreTouch::in_steps(params.start),
            blocked: BlockedPublisher::new(params.start, now, params.unblock_timeout),
            state,
            params,
            image,
            phase: Phase::Active,
            references: 0,
            counters,
            spies: SubscriberPositions::default(),
            time_of_last_activity: now,
            has_sender_released: false,
        }
    }

    /// Registration id of the command that created it.
    #[must_use]
    pub fn registration_id(&self) -> RegistrationId {
        self.state.registration_id
    }

    /// Where it is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// `pub-lmt`, which clients read.
    #[must_use]
    pub fn publisher_limit_counter(&self) -> &AtomicCounter {
        &self.counters.publisher_limit
    }

    /// Spies, if any.
    #[must_use]
    pub fn spies(&self) -> &SubscriberPositions {
        &self.spies
    }

    /// One more client link.
    pub fn add_reference(&mut self) {
        self.references += 1;
    }

    /// One client link less; the last one starts the end, or the linger of a revoked publication anew.
    /// Source: driver spec 3.2.
    pub fn remove_reference(&mut self, now: Nanos) {
        self.references = self.references.saturating_sub(1);
        if self.references > 0 {
            return;
        }
        let producer = self.state.log.producer_position();
        self.time_of_last_activity = now;
        self.counters.publisher_limit.set_release(producer.get());
        self.state.log.metadata().set_end_of_stream_position(producer);
        if self.phase == Phase::Active && !self.state.is_revoked() {
            if self.state.sender_position() >= producer {
                self.state.set_end_of_stream();
            }
            self.phase = Phase::Draining;
        }
    }

    /// Ends the publication for everybody at the next timer tick, whatever is unsent. Source: driver spec 2.11.
    pub fn revoke(&mut self) {
        self.state.set_revoked();
    }

    /// Whether a new spy may join. Source: driver spec 2.8.
    #[must_use]
    pub fn accepts_spies(&self) -> bool {
        match self.phase {
            Phase::Active => true,
            Phase::Draining => {
                self.spies.working_count() > 0
                    && self.state.log.producer_position() > self.state.sender_position()
            }
            Phase::Linger | Phase::Done => false,
        }
    }

    /// Attaches a spy.
    pub fn add_spy(&mut self, spy: SubscriberPosition) {
        self.spies.add(spy);
        self.state.set_has_spies(true);
        self.state.note_news();
        if self.state.spies_simulate_connection {
            self.state.tell_connected();
        }
    }

    /// Detaches the spy of a subscription and frees its counter.
    pub fn remove_spy(&mut self, subscription: RegistrationId, services: &mut Services) {
        if !self.spies.remove(subscription, services) {
            return;
        }
        self.state.set_has_spies(self.spies.working_count() > 0);
        if self.state.spies_simulate_connection {
            self.state.tell_connected();
        }
    }

    /// The sender has let go.
    pub fn on_sender_released(&mut self) {
        self.has_sender_released = true;
    }

    /// Every conductor cycle: samples the producer, moves its limit. Work done. Source: driver spec 3.3.
    #[inline]
    pub fn update_limits(&mut self, now: Nanos) -> usize {
        if self.phase != Phase::Active {
            return 0;
        }
        let state = &self.state;
        let producer = state.log.producer_position();
        self.counters.publisher_position.set_release(producer.get());
        self.pre_touch.reach(&state.log, producer, now);
        let sender_position = state.sender_position();
        let limit = Position::at_frame(self.counters.publisher_limit.get());
        let history = i64::from(state.geometry.term_length().get());
        if state.has_subscribers() {
            let mut min = sender_position;
            if let Some(span) = self.spies.span() {
                min = min.min(span.min);
                state.propose_max_spy_position(span.max.max(sender_position));
            }
            let new_limit = min + self.params.term_window;
            if new_limit > limit {
                self.cleaner.clean(&state.log, min - history);
                if self.cleaner.permits(new_limit, &state.geometry) {
                    self.counters.publisher_limit.set_release(new_limit.get());
                }
                return 1;
            }
        } else if limit > sender_position {
            state.tell_connected();
            self.counters.publisher_limit.set_release(sender_position.get());
            self.cleaner.clean(&state.log, sender_position - history);
            return 1;
        }
        0
    }

    /// Whether all that was published has been sent, and nobody reads it from the log here.
    #[inline]
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.phase != Phase::Active
            || (self.spies.iter().next().is_none()
                && self.counters.publisher_position.get() == self.state.sender_position.get())
    }

    /// Every timer interval. Source: driver spec 3.2, 14.2.
    pub fn on_time_event(&mut self, services: &mut Services) {
        match self.phase {
            Phase::Active if self.state.is_revoked() => self.end_revoked(services),
            Phase::Active => self.check_active(services),
            Phase::Draining => self.drain(services),
            Phase::Linger => {
                let now = services.now.nanos;
                let is_over = self.state.has_received_unicast_eos()
                    || now > self.time_of_last_activity + self.params.linger;
                if self.references == 0 && is_over {
                    services.sender.send(SenderCommand::RemovePublication(self.registration_id()));
                    self.phase = Phase::Done;
                }
            }
            Phase::Done => {}
        }
    }

    /// Whether nothing refers to it any more.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.phase == Phase::Done && self.has_sender_released
    }

    fn check_active(&mut self, services: &mut Services) {
        self.check_untethered(services, true);
        self.state.tell_connected();
        let producer = self.state.log.producer_position();
        self.counters.publisher_position.set_release(producer.get());
        if !self.params.is_exclusive {
            let sender_position = self.state.sender_position();
            if self.blocked.check(&self.state.log, sender_position, producer, services.now.nanos) {
                services.system.unblocked_publications.increment();
            }
        }
    }

    fn check_untethered(&mut self, services: &mut Services, may_rejoin: bool) {
        let sender_position = self.state.sender_position();
        let limit = window_limit(sender_position, self.params.term_window as i32);
        self.spies.check_untethered(
            limit,
            sender_position,
            &self.params.untethered,
            may_rejoin,
            &self.image,
            services,
        );
        self.state.set_has_spies(self.spies.working_count() > 0);
    }

    fn end_revoked(&mut self, services: &mut Services) {
        let producer = self.state.log.producer_position();
        self.counters.publisher_limit.set_release(producer.get());
        self.state.log.metadata().set_end_of_stream_position(producer);
        self.state.log.metadata().set_connected(false);
        self.state.set_end_of_stream();
        self.release_spies(services);
        services.system.publications_revoked.increment();
        self.phase = Phase::Linger;
    }

    fn drain(&mut self, services: &mut Services) {
        self.check_untethered(services, false);
        let producer = self.state.log.producer_position();
        self.counters.publisher_position.set_release(producer.get());
        let sender_position = self.state.sender_position();
        if producer > sender_position {
            if epona_protocol::logbuffer::unblock_log(&self.state.log, sender_position) {
                services.system.unblocked_publications.increment();
                return;
            }
            if self.state.has_receivers() {
                return;
            }
        } else {
            self.state.set_end_of_stream();
        }
        if self.spies.have_reached(producer) {
            // Those that only rest were told long ago.
            if self.spies.working_count() > 0 {
                self.release_spies(services);
            }
            self.time_of_last_activity = services.now.nanos;
            self.phase = Phase::Linger;
        }
    }

    fn release_spies(&mut self, services: &mut Services) {
        for spy in self.spies.iter() {
            let subscription = &spy.subscription;
            services.on_unavailable_image(self.image.correlation_id, subscription, &subscription.channel);
        }
        self.spies.clear(services);
        self.state.set_has_spies(false);
    }

    /// Frees the counters and hands the log over to be deleted.
    pub fn close(mut self, services: &mut Services) {
        self.spies.clear(services);
        self.counters.free(services);
        services.free_log(std::path::PathBuf::from(&*self.image.log_path), self.state.log.clone());
    }
}

#[cfg(test)]
mod tests;
