//! Positions of the subscribers of one resource: an image, an IPC publication, or the spies of a network publication.

use std::sync::Arc;

use epona_protocol::{
    counters::AtomicCounter,
    types::{Position, RegistrationId},
};

use crate::{
    conductor::services::{AvailableImage, Services},
    subscription::Subscription,
    untethered::{Tether, TetherAction, TetherState, TetherTimeouts},
};

/// One subscriber's place in a stream.
#[derive(Debug)]
pub struct SubscriberPosition {
    /// Whose it is.
    pub subscription: Arc<Subscription>,
    /// `sub-pos`, written by the subscriber.
    pub counter: AtomicCounter,
    /// Whether it still holds the stream back.
    pub tether: Tether,
}

impl SubscriberPosition {
    /// How far the subscriber has read.
    #[must_use]
    pub fn position(&self) -> Position {
        Position::at_frame(self.counter.get_acquire())
    }

    /// Frees the counter; that of a closed subscriber was freed when it was closed, and may be somebody else's by now.
    fn free(self, services: &mut Services) {
        if self.tether.state() != TetherState::Closed {
            services.free(self.counter.id());
        }
    }
}

/// All subscribers of one resource. Owned by the conductor.
#[derive(Debug, Default)]
pub struct SubscriberPositions {
    list: Vec<SubscriberPosition>,
}

/// The slowest and the fastest of some subscribers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// The slowest one's position.
    pub min: Position,
    /// The fastest one's position.
    pub max: Position,
}

impl SubscriberPositions {
    /// Adds a subscriber.
    pub fn add(&mut self, position: SubscriberPosition) {
        self.list.push(position);
    }

    /// Takes out the subscriber with this registration id and frees its counter; whether it was there.
    pub fn remove(&mut self, registration_id: RegistrationId, services: &mut Services) -> bool {
        let found = self.list.iter().position(|p| p.subscription.registration_id == registration_id);
        if let Some(at) = found {
            self.list.swap_remove(at).free(services);
        }
        found.is_some()
    }

    /// Takes out all subscribers and frees their counters.
    pub fn clear(&mut self, services: &mut Services) {
        self.list.drain(..).for_each(|subscriber| subscriber.free(services));
    }

    /// Whether this subscription is attached, be it as one that was closed: such a one does not join again.
    #[must_use]
    pub fn contains(&self, registration_id: RegistrationId) -> bool {
        self.list.iter().any(|p| p.subscription.registration_id == registration_id)
    }

    /// Whether this very subscription is attached, and not another one under the same registration id, as destinations
    /// of one subscription are.
    #[must_use]
    pub fn has_link(&self, link: &Arc<Subscription>) -> bool {
        self.list.iter().any(|position| Arc::ptr_eq(&position.subscription, link))
    }

    /// Every subscriber.
    pub fn iter(&self) -> impl Iterator<Item = &SubscriberPosition> {
        self.list.iter()
    }

    /// Subscribers that may still read: neither resting nor closed. Source: driver spec 5.8.
    #[must_use]
    pub fn working_count(&self) -> usize {
        self.list.iter().filter(|p| p.tether.is_working()).count()
    }

    /// Slowest and fastest of those that hold the stream back; `None` when there is none.
    #[inline]
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        let mut span: Option<Span> = None;
        for position in self.list.iter().filter(|p| p.tether.is_working()).map(SubscriberPosition::position) {
            span = Some(match span {
                None => Span { min: position, max: position },
                Some(span) => Span { min: span.min.min(position), max: span.max.max(position) },
            });
        }
        span
    }

    /// Whether all that hold the stream back have read up to `position`; true when there is none.
    #[must_use]
    pub fn have_reached(&self, position: Position) -> bool {
        self.span().is_none_or(|span| span.min >= position)
    }

    /// Looks after untethered subscribers, on the conductor's timer: one that is not past `limit` for too long falls
    /// off, and joins again at `join` when it has rested and `may_rejoin`; otherwise it is closed, which is for good.
    /// Source: driver spec 5.8, 14.2.
    pub fn check_untethered(
        &mut self,
        limit: Position,
        join: Position,
        timeouts: &TetherTimeouts,
        may_rejoin: bool,
        image: &AvailableImage,
        services: &mut Services,
    ) {
        let now = services.now.nanos;
        for subscriber in &mut self.list {
            let position = subscriber.position();
            let subscription = &subscriber.subscription;
            let before = subscriber.tether.state();
            let action = subscriber.tether.check(position, limit, timeouts, may_rejoin, now);
            if action.is_some() {
                let change = (before, subscriber.tether.state());
                let id = subscription.registration_id;
                services.events.tether(id, image.stream_id, image.session_id, change, now);
            }
            match action {
                None | Some(TetherAction::Rest) => {}
                Some(TetherAction::ReportUnavailable) => {
                    services.on_unavailable_image(image.correlation_id, subscription, &subscription.channel);
                }
                Some(TetherAction::Close) => services.free(subscriber.counter.id()),
                Some(TetherAction::Rejoin) => {
                    subscriber.counter.set_release(join.get());
                    services.on_available_image(image, subscription, subscriber.counter.id());
                }
            }
        }
    }
}
