//! An image as the conductor sees it: rebuild, loss, window, subscribers, and the end of its life.
//!
//! ```text
//!           no subscriber, silence,         drained and told             no subscriber     receiver
//!           or all received                 the source so                or long over      gave it back
//!   Active ──────────────────────► Draining ───────────────► Linger ───────────────► Done ──► deleted
//! ```
//! Source: driver spec 5.

use std::{path::PathBuf, sync::Arc, time::Duration};

use epona_protocol::{
    counters::AtomicCounter,
    logbuffer::PreTouch,
    types::{CorrelationId, Nanos, Position, RegistrationId, TermGeometry},
};

use super::{shared::ImageState, status_message_schedule::StatusMessageSchedule};
use crate::{
    commands::ReceiverCommand,
    conductor::services::{AvailableImage, Services},
    congestion_control::{CongestionControl, Rebuild},
    endpoint_id::ReceiveEndpointId,
    loss::{Detector, Gap, ImageTerms, LossRecorder},
    subscribable::{SubscriberPosition, SubscriberPositions},
    untethered::{TetherTimeouts, window_limit},
};

/// An image drains for at least this many status message intervals, so that its source hears of it.
/// Source: wire spec 10.7.
const END_OF_STREAM_STATUS_MESSAGES: u32 = 5;

/// Where an image is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Receiving.
    Active,
    /// Subscribers read what is left; the source is told that this receiver has finished.
    Draining,
    /// Clients were told that it is gone; they may still have it mapped.
    Linger,
    /// The receiver still has it.
    Done,
}

/// What the conductor fixes when it creates an image.
#[derive(Clone, Debug)]
pub struct ImageParams {
    /// The image ends after this much silence.
    pub liveness_timeout: Duration,
    /// Interval of status messages.
    pub status_message_timeout: Duration,
    /// Timeouts of untethered subscribers.
    pub untethered: TetherTimeouts,
    /// Whether its source asks for a response.
    pub wants_response: bool,
}

/// Counters of an image.
#[derive(Debug)]
pub struct ImageCounters {
    /// `rcv-hwm`, written by the receiver.
    pub high_water_mark: AtomicCounter,
    /// `rcv-pos`, written by the conductor.
    pub rebuild_position: AtomicCounter,
    /// `rcv-naks-sent`, written by the receiver.
    pub naks_sent: AtomicCounter,
    /// Where the window follows CUBIC.
    pub cubic: Option<CubicCounters>,
}

/// Counters of CUBIC, written by the conductor. Source: driver spec 2.10.
#[derive(Debug)]
pub struct CubicCounters {
    /// `rcv-cc-cubic-rtt`: the round trip in ns, 0 as long as none was measured.
    pub rtt: AtomicCounter,
    /// `rcv-cc-cubic-wnd`: the window in bytes.
    pub window: AtomicCounter,
}

impl ImageCounters {
    /// Frees them all.
    pub fn free(&self, services: &mut Services) {
        for counter in [&self.high_water_mark, &self.rebuild_position, &self.naks_sent] {
            services.free(counter.id());
        }
        if let Some(CubicCounters { rtt, window }) = &self.cubic {
            services.free(rtt.id());
            services.free(window.id());
        }
    }
}

/// What a timer tick asks of the conductor beyond the image itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeEvent {
    /// Nothing.
    Nothing,
    /// The image no longer needs its endpoint.
    ReleaseEndpoint(ReceiveEndpointId),
}

/// One image; owned by the conductor, which is the only caller.
#[derive(Debug)]
pub struct PublicationImage {
    /// What the receiver knows too.
    pub state: Arc<ImageState>,
    /// How subscribers are told of it.
    pub image: AvailableImage,
    params: ImageParams,
    phase: Phase,
    counters: ImageCounters,
    subscribers: SubscriberPositions,
    /// The high-water mark that the last rebuild has seen.
    seen_hwm: Position,
    has_hwm_moved: bool,
    detector: Detector,
    congestion_control: CongestionControl,
    pre_touch: PreTouch,
    schedule: StatusMessageSchedule,
    losses: LossRecorder,
    time_of_phase_change: Nanos,
    has_receiver_released: bool,
}

impl PublicationImage {
    /// An image that has received nothing.
    #[must_use]
    pub fn new(
        state: Arc<ImageState>,
        params: ImageParams,
        image: AvailableImage,
        counters: ImageCounters,
        detector: Detector,
        congestion_control: CongestionControl,
        now: Nanos,
    ) -> Self {
        Self {
            pre_touch: PreTouch::in_steps(state.join_position),
            seen_hwm: state.join_position,
            has_hwm_moved: false,
            schedule: StatusMessageSchedule::new(state.join_position, congestion_control.initial_window()),
            state,
            image,
            params,
            phase: Phase::Active,
            counters,
            subscribers: SubscriberPositions::default(),
            detector,
            congestion_control,
            losses: LossRecorder::default(),
            time_of_phase_change: now,
            has_receiver_released: false,
        }
    }

    /// Correlation id that names it towards clients.
    #[must_use]
    pub fn correlation_id(&self) -> CorrelationId {
        self.state.correlation_id
    }

    /// Where it is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether its source asks for a response.
    #[must_use]
    pub fn wants_response(&self) -> bool {
        self.params.wants_response
    }

    /// Subscribers attached now.
    #[must_use]
    pub fn subscribers(&self) -> &SubscriberPositions {
        &self.subscribers
    }

    /// Whether a new subscriber may join. Source: driver spec 2.8.
    #[must_use]
    pub fn accepts_subscribers(&self) -> bool {
        self.subscribers.working_count() > 0
            && match self.phase {
                Phase::Active => true,
                Phase::Draining => !self.is_drained(),
                Phase::Linger | Phase::Done => false,
            }
    }

    /// Where a new subscriber joins: with the slowest, and not beyond what is complete. Source: driver spec 2.7.
    #[must_use]
    pub fn join_position(&self) -> Position {
        let rebuilt = Position::at_frame(self.counters.rebuild_position.get());
        self.subscribers.span().map_or(rebuilt, |span| span.min.min(rebuilt))
    }

    /// Attaches a subscriber.
    pub fn add_subscriber(&mut self, subscriber: SubscriberPosition) {
        self.subscribers.add(subscriber);
    }

    /// Detaches a subscription and frees its counter.
    pub fn remove_subscriber(&mut self, subscription: RegistrationId, services: &mut Services) {
        self.subscribers.remove(subscription, services);
    }

    /// The receiver has let go.
    pub fn on_receiver_released(&mut self) {
        self.has_receiver_released = true;
    }

    /// Every conductor cycle: what has arrived without a gap, what is missing, what may be sent. Work done.
    ///
    /// Source: driver spec 5.4.
    #[inline]
    pub fn track_rebuild(&mut self, now: Nanos, services: &mut Services) -> usize {
        if matches!(self.phase, Phase::Linger | Phase::Done) || self.state.is_revoked() {
            return 0;
        }
        let Some(span) = self.subscribers.span() else { return 0 };
        let start = Position::at_frame(self.counters.rebuild_position.get()).max(span.max);
        let hwm = Position::at_frame(self.counters.high_water_mark.get_acquire());
        self.has_hwm_moved = hwm != self.seen_hwm;
        self.seen_hwm = hwm;
        self.pre_touch.reach(&self.state.log, hwm, now);
        let mut reported = 0;
        let Self { state, detector, losses, image, subscribers, .. } = self;
        let ImageState { log, geometry, session_id, stream_id, .. } = &**state;
        let terms = ImageTerms { log, geometry: *geometry, session_id: *session_id, stream_id: *stream_id };
        let scan = detector.scan(geometry, start, hwm, now, &terms, |gap| {
            state.report_gap(gap);
            record_loss(losses, geometry, gap, image, subscribers, services);
            reported += 1;
        });
        if scan.rebuild_position.get() > self.counters.rebuild_position.get() {
            self.counters.rebuild_position.set_release(scan.rebuild_position.get());
        }
        let mut work = reported;
        self.take_round_trip();
        let window = self.congestion_control.on_track_rebuild(
            &Rebuild {
                consumption: span.min,
                next_sm_position: self.schedule.last().position,
                hwm,
                start,
                end: scan.rebuild_position,
                loss_found: scan.loss_found,
            },
            now,
        );
        self.show_cubic_window();
        if let Some(status) = self.schedule.on_rebuild(span.min, window) {
            self.state.schedule_status_message(status);
            work += 1;
        }
        work
    }

    /// Passes on what the receiver has measured. Source: wire spec 4.
    #[inline]
    fn take_round_trip(&mut self) {
        let Some(counters) = &self.counters.cubic else { return };
        let Some(rtt) = self.state.round_trip() else { return };
        let nanos = rtt.as_nanos() as i64;
        if counters.rtt.get() != nanos {
            self.congestion_control.on_round_trip(rtt);
            counters.rtt.set_release(nanos);
        }
    }

    /// Whether everything that arrived is complete and was read, so that nothing is asked of the source.
    #[inline]
    #[must_use]
    pub fn is_settled(&self) -> bool {
        match self.phase {
            Phase::Linger | Phase::Done => true,
            // What has just arrived may have been read after this turn looked at the subscribers; without them no turn
            // looks at what arrives; and the window of CUBIC moves with time.
            Phase::Active | Phase::Draining => {
                !self.has_hwm_moved
                    && self.subscribers.working_count() > 0
                    && self.congestion_control.cubic().is_none()
                    && self.subscribers.have_reached(self.seen_hwm)
            }
        }
    }

    #[inline]
    fn show_cubic_window(&self) {
        if let (Some(counters), Some(cubic)) = (&self.counters.cubic, self.congestion_control.cubic()) {
            let window = i64::from(cubic.window());
            if counters.window.get() != window {
                counters.window.set_release(window);
            }
        }
    }

    fn is_drained(&self) -> bool {
        self.subscribers.have_reached(Position::at_frame(self.counters.rebuild_position.get()))
    }

    /// Every timer interval. Source: driver spec 5.1, 14.2.
    pub fn on_time_event(&mut self, services: &mut Services) -> TimeEvent {
        match self.phase {
            Phase::Active => {
                self.check_active(services);
                TimeEvent::Nothing
            }
            Phase::Draining => self.drain(services),
            Phase::Linger => {
                let is_over = services.now.nanos > self.time_of_phase_change + self.params.liveness_timeout;
                if self.subscribers.working_count() == 0 || is_over {
                    self.enter(Phase::Done, services.now.nanos);
                }
                TimeEvent::Nothing
            }
            Phase::Done => TimeEvent::Nothing,
        }
    }

    /// Whether nothing refers to it any more.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.phase == Phase::Done && self.has_receiver_released
    }

    fn enter(&mut self, phase: Phase, now: Nanos) {
        self.phase = phase;
        self.time_of_phase_change = now;
    }

    fn check_active(&mut self, services: &mut Services) {
        let now = services.now.nanos;
        if self.state.is_revoked() {
            self.enter(Phase::Draining, now);
            return;
        }
        self.check_untethered(services, true);
        let is_silent = now > self.state.time_of_last_packet() + self.params.liveness_timeout;
        let is_complete = self.state.is_end_of_stream()
            && self.counters.rebuild_position.get() >= self.state.high_water_mark.get_acquire();
        if self.subscribers.working_count() == 0 || is_silent || is_complete {
            self.state.set_sending_eos();
            self.enter(Phase::Draining, now);
        }
    }

    fn check_untethered(&mut self, services: &mut Services, may_rejoin: bool) {
        let rebuilt = Position::at_frame(self.counters.rebuild_position.get());
        let fastest = self.subscribers.span().map_or(rebuilt, |span| span.max);
        let limit = window_limit(fastest, self.schedule.last().window);
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

    fn drain(&mut self, services: &mut Services) -> TimeEvent {
        let now = services.now.nanos;
        self.check_untethered(services, false);
        let told_source = self.params.status_message_timeout * END_OF_STREAM_STATUS_MESSAGES;
        let is_revoked = self.state.is_revoked();
        let has_drained = self.is_drained() && now > self.time_of_phase_change + told_source;
        if !is_revoked && !has_drained {
            return TimeEvent::Nothing;
        }
        if is_revoked {
            self.state.set_sending_eos();
            self.state.request_status_message();
        }
        let state = &self.state;
        services.receiver.send(ReceiverCommand::RemoveImage(state.endpoint, state.correlation_id));
        let mut may_rejoin = true;
        for subscriber in self.subscribers.iter() {
            may_rejoin = subscriber.subscription.params.rejoin;
            let subscription = &subscriber.subscription;
            services.on_unavailable_image(state.correlation_id, subscription, &subscription.channel);
        }
        if may_rejoin {
            services.receiver.send(ReceiverCommand::AllowRejoin(
                state.endpoint,
                state.stream_id,
                state.session_id,
            ));
        }
        let endpoint = state.endpoint;
        self.enter(Phase::Linger, now);
        TimeEvent::ReleaseEndpoint(endpoint)
    }

    /// Frees the counters and hands the log over to be deleted.
    pub fn close(mut self, services: &mut Services) {
        self.subscribers.clear(services);
        self.counters.free(services);
        services.free_log(PathBuf::from(&*self.image.log_path), self.state.log.clone());
    }
}

fn record_loss(
    losses: &mut LossRecorder,
    geometry: &TermGeometry,
    gap: Gap,
    image: &AvailableImage,
    subscribers: &SubscriberPositions,
    services: &mut Services,
) {
    let (begin, now) = (geometry.position(gap.term_id, gap.offset), services.now.epoch);
    losses.on_gap(begin, gap.length, now, |bytes| {
        let channel = &subscribers.iter().next()?.subscription.channel;
        let source = &image.source_identity;
        services.losses.create_entry(bytes, now, image.session_id, image.stream_id, channel, source)
    });
}

#[cfg(test)]
mod tests;
