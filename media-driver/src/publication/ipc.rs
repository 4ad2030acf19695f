//! An IPC publication: subscribers read the publisher's log; the conductor only moves the limit and cleans.
//!
//! ```text
//!            last reference removed            drained           no reference
//!   Active ─────────────────────────► Draining ───────► Linger ───────────────► deleted
//!      └──────────── revoked ────────────────────────────▲
//! ```
//! Source: driver spec 4.

use std::{path::PathBuf, time::Duration};

use epona_protocol::{
    counters::AtomicCounter,
    logbuffer::{LogBuffers, PreTouch, unblock_log},
    types::{Mtu, Nanos, Position, RegistrationId, SessionId, StreamId},
};

use super::limits::{BlockedPublisher, LogCleaner};
use crate::{
    conductor::services::{AvailableImage, Services},
    subscribable::{SubscriberPosition, SubscriberPositions},
    untethered::{TetherTimeouts, window_limit},
};

/// Channel that subscribers of an IPC publication are told when it goes. Source: shared-memory spec 10.7.
const CHANNEL: &str = "aeron:ipc";

/// Where an IPC publication is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// In use.
    Active,
    /// No longer referenced; subscribers still read.
    Draining,
    /// Read, but still referenced by a link of a revoked publication.
    Linger,
}

/// What the conductor fixes when it creates an IPC publication.
#[derive(Debug)]
pub struct IpcPublicationParams {
    /// Registration id of the command that created it.
    pub registration_id: RegistrationId,
    /// Session id.
    pub session_id: SessionId,
    /// Stream id.
    pub stream_id: StreamId,
    /// Longest frame.
    pub mtu: Mtu,
    /// Whether one client alone writes to it.
    pub is_exclusive: bool,
    /// Where the stream starts.
    pub start: Position,
    /// How far the publisher may run ahead of its slowest subscriber, in bytes.
    pub term_window: i64,
    /// How long a publisher may leave a claim uncommitted.
    pub unblock_timeout: Duration,
    /// How long a rejected stream stays without subscribers.
    pub cool_down: Duration,
    /// Timeouts of untethered subscribers.
    pub untethered: TetherTimeouts,
    /// Who responses go to, or whose response this is.
    pub response_correlation_id: Option<i64>,
    /// `tags=,<entity tag>`.
    pub entity_tag: Option<i64>,
}

/// One IPC publication; owned by the conductor, which is the only caller.
#[derive(Debug)]
pub struct IpcPublication {
    /// What was fixed at creation.
    pub params: IpcPublicationParams,
    /// How subscribers are told of it.
    pub image: AvailableImage,
    /// Terms and metadata.
    pub log: LogBuffers,
    phase: Phase,
    references: usize,
    is_revoked: bool,
    publisher_position: AtomicCounter,
    publisher_limit: AtomicCounter,
    subscribers: SubscriberPositions,
    cleaner: LogCleaner,
    pre_touch: PreTouch,
    blocked: BlockedPublisher,
    consumer_position: Position,
    trip_limit: Position,
    cool_down_expiry: Option<Nanos>,
}

impl IpcPublication {
    /// A publication in use.
    #[must_use]
    pub fn new(
        params: IpcPublicationParams,
        log: LogBuffers,
        image: AvailableImage,
        publisher_position: AtomicCounter,
        publisher_limit: AtomicCounter,
        now: Nanos,
    ) -> Self {
        Self {
            cleaner: LogCleaner::new(params.start),
            pre_touch: PreTouch::in_steps(params.start),
            blocked: BlockedPublisher::new(params.start, now, params.unblock_timeout),
            consumer_position: params.start,
            trip_limit: params.start,
            params,
            image,
            log,
            phase: Phase::Active,
            references: 0,
            is_revoked: false,
            publisher_position,
            publisher_limit,
            subscribers: SubscriberPositions::default(),
            cool_down_expiry: None,
        }
    }

    /// Registration id of the command that created it.
    #[must_use]
    pub fn registration_id(&self) -> RegistrationId {
        self.params.registration_id
    }

    /// Where it is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// `pub-lmt`, which clients read.
    #[must_use]
    pub fn publisher_limit_counter(&self) -> &AtomicCounter {
        &self.publisher_limit
    }

    /// Subscribers attached now.
    #[must_use]
    pub fn subscribers(&self) -> &SubscriberPositions {
        &self.subscribers
    }

    /// One more client link.
    pub fn add_reference(&mut self) {
        self.references += 1;
    }

    /// One client link less; the last one starts the end. Source: driver spec 4.
    pub fn remove_reference(&mut self) {
        self.references = self.references.saturating_sub(1);
        if self.references > 0 || self.phase != Phase::Active {
            return;
        }
        let producer = self.log.producer_position();
        if self.publisher_limit.get() > producer.get() {
            self.publisher_limit.set_release(producer.get());
        }
        self.log.metadata().set_end_of_stream_position(producer);
        if !self.is_revoked {
            self.phase = Phase::Draining;
        }
    }

    /// Ends the publication for everybody at the next timer tick, whatever is unread.
    pub fn revoke(&mut self) {
        self.log.metadata().set_revoked();
        self.is_revoked = true;
    }

    /// Whether a new subscriber may join. Source: driver spec 2.8.
    #[must_use]
    pub fn accepts_subscribers(&self) -> bool {
        self.cool_down_expiry.is_none()
            && match self.phase {
                Phase::Active => true,
                Phase::Draining => !self.subscribers.have_reached(self.log.producer_position()),
                Phase::Linger => false,
            }
    }

    /// Where a new subscriber joins: with the slowest. Source: driver spec 2.7.
    #[must_use]
    pub fn join_position(&self) -> Position {
        self.subscribers.span().map_or(self.consumer_position, |span| span.min.min(self.consumer_position))
    }

    /// Attaches a subscriber.
    pub fn add_subscriber(&mut self, subscriber: SubscriberPosition) {
        self.subscribers.add(subscriber);
        self.log.metadata().set_connected(true);
    }

    /// Detaches a subscription and frees its counter.
    pub fn remove_subscriber(&mut self, subscription: RegistrationId, services: &mut Services) {
        if let Some(span) = self.subscribers.span() {
            self.consumer_position = self.consumer_position.max(span.max);
        }
        if self.subscribers.remove(subscription, services) && self.subscribers.working_count() == 0 {
            self.log.metadata().set_connected(false);
        }
    }

    /// Every conductor cycle: samples the producer, moves its limit. Work done.
    #[inline]
    pub fn update_limits(&mut self, now: Nanos) -> usize {
        if self.phase != Phase::Active {
            return 0;
        }
        let producer = self.log.producer_position();
        self.publisher_position.set_release(producer.get());
        self.pre_touch.reach(&self.log, producer, now);
        let limit = Position::at_frame(self.publisher_limit.get());
        if let Some(span) = self.subscribers.span() {
            self.consumer_position = self.consumer_position.max(span.max);
            let new_limit = span.min + self.params.term_window;
            if new_limit > self.trip_limit {
                self.cleaner.clean(&self.log, span.min);
                self.publisher_limit.set_release(new_limit.get());
                self.trip_limit = new_limit + self.params.term_window / 8;
                return 1;
            }
        } else if limit > self.consumer_position {
            self.publisher_limit.set_release(self.consumer_position.get());
            self.trip_limit = self.consumer_position;
            self.cleaner.clean(&self.log, self.consumer_position);
            return 1;
        }
        0
    }

    /// Whether all subscribers have read all that was published.
    #[inline]
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.phase != Phase::Active
            || self.subscribers.have_reached(Position::at_frame(self.publisher_position.get()))
    }

    /// Every timer interval. Source: driver spec 4, 14.2.
    pub fn on_time_event(&mut self, services: &mut Services) {
        match self.phase {
            Phase::Active if self.is_revoked => {
                let producer = self.log.producer_position();
                self.publisher_limit.set_release(producer.get());
                self.log.metadata().set_end_of_stream_position(producer);
                self.log.metadata().set_connected(false);
                self.tell_unavailable(services);
                services.system.publications_revoked.increment();
                self.phase = Phase::Linger;
            }
            Phase::Active => self.check_active(services),
            Phase::Draining => self.drain(services),
            Phase::Linger => {}
        }
    }

    /// Whether nothing refers to it any more. IPC publications do not linger in time.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.phase == Phase::Linger && self.references == 0
    }

    /// Whether the cool-down after a rejection has just ended, so that subscriptions link again.
    pub fn take_cool_down_end(&mut self, now: Nanos) -> bool {
        let has_ended =
            self.phase == Phase::Active && self.cool_down_expiry.is_some_and(|expiry| now > expiry);
        if has_ended {
            self.cool_down_expiry = None;
        }
        has_ended
    }

    /// Detaches all subscribers for the length of the cool-down. Source: driver spec 4.
    pub fn reject(&mut self, services: &mut Services) {
        if self.cool_down_expiry.is_none() {
            self.log.metadata().set_connected(false);
            for subscriber in self.subscribers.iter() {
                // By their own channels, where the end of the stream is told by that of all IPC. Source: Aeron C.
                let subscription = &subscriber.subscription;
                services.on_unavailable_image(self.image.correlation_id, subscription, &subscription.channel);
            }
            self.subscribers.clear(services);
        }
        self.cool_down_expiry = Some(services.now.nanos + self.params.cool_down);
    }

    fn check_active(&mut self, services: &mut Services) {
        self.check_untethered(services, true);
        self.log.metadata().set_connected(self.subscribers.working_count() > 0);
        let producer = self.log.producer_position();
        self.publisher_position.set_release(producer.get());
        if !self.params.is_exclusive
            && self.blocked.check(&self.log, self.consumer_position, producer, services.now.nanos)
        {
            services.system.unblocked_publications.increment();
        }
    }

    fn check_untethered(&mut self, services: &mut Services, may_rejoin: bool) {
        let limit = window_limit(self.consumer_position, self.params.term_window as i32);
        let join = self.join_position();
        self.subscribers.check_untethered(
            limit,
            join,
            &self.params.untethered,
            may_rejoin,
            &self.image,
            services,
        );
    }

    fn drain(&mut self, services: &mut Services) {
        self.check_untethered(services, false);
        let producer = self.log.producer_position();
        self.publisher_position.set_release(producer.get());
        if let Some(span) = self.subscribers.span() {
            self.consumer_position = self.consumer_position.max(span.max);
        }
        if self.subscribers.have_reached(producer) {
            self.tell_unavailable(services);
            self.phase = Phase::Linger;
        } else if unblock_log(&self.log, self.consumer_position) {
            services.system.unblocked_publications.increment();
        }
    }

    fn tell_unavailable(&self, services: &mut Services) {
        for subscriber in self.subscribers.iter() {
            services.on_unavailable_image(self.image.correlation_id, &subscriber.subscription, CHANNEL);
        }
    }

    /// Frees the counters and hands the log over to be deleted.
    pub fn close(mut self, services: &mut Services) {
        self.subscribers.clear(services);
        services.free(self.publisher_position.id());
        services.free(self.publisher_limit.id());
        services.free_log(PathBuf::from(&*self.image.log_path), self.log);
    }
}

#[cfg(test)]
mod tests;
