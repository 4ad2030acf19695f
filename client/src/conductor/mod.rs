//! The client's side of the command protocol: everything that is not per message.
//!
//! ```text
//!   handles ── Request ──► requests.rs ── Command ──► driver
//!                                                       │
//!   handles ◄── Completion, handlers ◄── events.rs ◄── Event
//!                                        liveness.rs     heartbeats, both ways
//! ```
//!
//! A plain struct with a duty cycle: it is told the time, and neither reads clocks, nor sleeps, nor spawns. Its runner
//! is a thread, or an application through an [`Invoker`](crate::Invoker).

mod events;
mod liveness;
mod logs;
mod looks;
mod requests;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use epona_protocol::{
    broadcast::CopyReceiver,
    command::{Command, Request as DriverRequest},
    types::{CorrelationId, Nanos, Now, RegistrationId},
};

use self::{liveness::Liveness, logs::LogCache, looks::Looks, requests::Registering};
use crate::{
    clock::Clock,
    context::Context,
    error::ClientError,
    handlers::{Handlers, ImageCalls, guarded},
    link::Shared,
    state::{CounterState, ImageState, PublicationState, SubscriptionState},
};

/// Most events of the driver taken in one duty cycle.
const EVENT_LIMIT: usize = 16;

/// Most requests of the application taken in one duty cycle.
const REQUEST_LIMIT: usize = 64;

/// Registers resources with the driver, reacts to its events, and watches that both sides live.
pub(crate) struct Conductor {
    shared: Arc<Shared>,
    events: CopyReceiver,
    handlers: Handlers,
    // In order, so that what happens to all of them always happens in the same one.
    registering: BTreeMap<RegistrationId, Registering>,
    /// Commands that the driver's buffer had no room for yet, oldest first.
    outbox: VecDeque<Outgoing>,
    publications: BTreeMap<RegistrationId, Arc<PublicationState>>,
    looks: Looks,
    subscriptions: BTreeMap<RegistrationId, SubscriptionEntry>,
    counters: BTreeMap<RegistrationId, Arc<CounterState>>,
    logs: LogCache,
    liveness: Liveness,
    timeouts: Timeouts,
    now: Now,
    clock: Clock,
    last_service: Nanos,
    ended: bool,
}

/// Durations that the conductor keeps to.
#[derive(Clone, Copy, Debug)]
struct Timeouts {
    driver: Duration,
    inter_service: Duration,
    idle_sleep: Duration,
    wake_interval: Duration,
}

struct SubscriptionEntry {
    state: Arc<SubscriptionState>,
    handlers: ImageCalls,
}

/// A command on its way, with the id of the request that it makes good, if any.
struct Outgoing {
    id: CorrelationId,
    type_id: i32,
    payload: Vec<u8>,
}

impl Conductor {
    pub(crate) fn new(
        context: Context,
        shared: Arc<Shared>,
        events: CopyReceiver,
        inter_service_timeout: Duration,
        now: Now,
    ) -> Self {
        let liveness = Liveness::new(
            shared.client_id,
            context.client_name,
            context.driver_timeout,
            context.keepalive_interval,
            now.nanos,
        );
        let mut handlers = context.handlers;
        handlers.images = context.image_handlers.on(&shared);
        Self {
            shared,
            events,
            handlers,
            registering: BTreeMap::new(),
            outbox: VecDeque::new(),
            publications: BTreeMap::new(),
            looks: Looks::default(),
            subscriptions: BTreeMap::new(),
            counters: BTreeMap::new(),
            logs: LogCache::new(context.resource_linger, context.pre_touch),
            liveness,
            timeouts: Timeouts {
                driver: context.driver_timeout,
                inter_service: inter_service_timeout,
                idle_sleep: context.idle_sleep,
                wake_interval: context.wake_interval,
            },
            now,
            clock: Clock::System,
            last_service: now.nanos,
            ended: false,
        }
    }

    /// One duty cycle: requests, events, timeouts. How much there was to do.
    ///
    /// # Errors
    /// Fatal: the client has ended, its handles are closed and its handlers told. First with the cause itself, from
    /// then on, and after closing, with [`ClientError::Closed`]. Source: shared-memory spec 11.2, 16.3.
    pub(crate) fn do_work(&mut self, now: Now, clock: Clock) -> Result<usize, ClientError> {
        if clock != self.clock {
            self.change_clock(now, clock);
        }
        self.now = now;
        if self.shared.close_requested() {
            self.close();
        }
        if self.ended {
            return Err(self.shared.closed_error());
        }
        self.duty_cycle().inspect_err(|cause| self.terminate(cause.clone()))
    }

    fn duty_cycle(&mut self) -> Result<usize, ClientError> {
        let mut work = self.take_requests();
        work += self.take_events()?;
        if self.now.nanos > self.last_service + self.timeouts.idle_sleep {
            work += self.check_timeouts()?;
        }
        work += self.shared.waiters.check();
        Ok(work)
    }

    fn check_timeouts(&mut self) -> Result<usize, ClientError> {
        let interval = self.now.nanos.since(self.last_service);
        if interval > self.timeouts.inter_service {
            return Err(ClientError::ConductorServiceTimeout {
                interval,
                limit: self.timeouts.inter_service,
            });
        }
        self.last_service = self.now.nanos;
        let driver_heartbeat = self.shared.to_driver.consumer_heartbeat();
        let mut work = self.liveness.check(self.now, driver_heartbeat, &self.shared.counters)?;
        work += self.logs.check(self.now.nanos);
        work += self.check_registrations();
        self.looks.take(&self.publications, |publication| publication.look(self.now));
        Ok(work)
    }

    /// Goes on under a clock of another origin, as if no time had passed between the two.
    fn change_clock(&mut self, now: Now, clock: Clock) {
        let shift = Duration::from_nanos(now.nanos.get().abs_diff(self.now.nanos.get()));
        let is_later = now.nanos > self.now.nanos;
        let moved = |moment: Nanos| if is_later { moment + shift } else { moment - shift };
        self.last_service = moved(self.last_service);
        self.liveness.move_times(moved);
        self.logs.move_times(moved);
        self.publications.values().for_each(|publication| publication.watch.move_times(moved));
        self.registering.values_mut().for_each(|waiting| waiting.deadline = moved(waiting.deadline));
        self.clock = clock;
    }

    /// The time of the last duty cycle, and whose it was.
    pub(crate) const fn last_time(&self) -> (Now, Clock) {
        (self.now, self.clock)
    }

    /// How long a runner with nothing to do may sleep.
    pub(crate) fn idle_time(&self, awaiting: Duration) -> Duration {
        let is_awaiting = !self.registering.is_empty() || !self.outbox.is_empty();
        let sleep =
            if is_awaiting { self.timeouts.idle_sleep.min(awaiting) } else { self.timeouts.idle_sleep };
        if self.shared.waiters.is_anyone_waiting() { sleep.min(self.timeouts.wake_interval) } else { sleep }
    }

    /// Tells the application of something that went wrong.
    fn report(&mut self, error: &ClientError) {
        // A handler of errors that panics has nobody left to be reported to.
        let _ = guarded("error", || (self.handlers.error)(error));
    }

    /// Reports the panic of a handler, if it did.
    fn called(&mut self, outcome: Result<(), ClientError>) {
        if let Err(panicked) = outcome {
            self.report(&panicked);
        }
    }

    /// Ends the client because it cannot go on; the driver is told nothing.
    fn terminate(&mut self, cause: ClientError) {
        self.ended = true;
        self.shared.mark_closed(Some(cause.clone()));
        self.report(&cause);
        self.refuse(self.shared.requests.close());
        self.close_resources();
    }

    /// Ends the client on purpose, and tells the driver. Source: shared-memory spec 11.6.
    pub(crate) fn close(&mut self) {
        if self.ended {
            return;
        }
        self.ended = true;
        self.shared.mark_closed(None);
        let requests = self.shared.requests.close();
        self.refuse(requests);
        self.close_resources();
        self.push(CorrelationId::new(-1), DriverRequest::ClientClose);
        self.flush();
    }

    /// Closes every handle, then settles every request, then tells the handlers: who hears of the end finds all of it.
    fn close_resources(&mut self) {
        for publication in std::mem::take(&mut self.publications).into_values() {
            publication.close();
        }
        for counter in std::mem::take(&mut self.counters).into_values() {
            counter.close();
        }
        let subscriptions = std::mem::take(&mut self.subscriptions).into_values();
        let mut subscriptions: Vec<_> =
            subscriptions.map(|entry| (entry.state.close(), entry.handlers)).collect();
        let closed = self.shared.closed_error();
        for registering in std::mem::take(&mut self.registering).into_values() {
            registering.completion.settle(Err(closed.clone()));
        }
        for (images, handlers) in &mut subscriptions {
            images.drain(..).for_each(|image| self.close_image(image, handlers));
        }
        self.shared.waiters.check();
        let panics = self.handlers.tell_close();
        panics.iter().for_each(|panicked| self.report(panicked));
        // Nobody is told anything from now on. Handlers that own the client would keep it, and it them, for ever.
        let handlers = std::mem::take(&mut self.handlers);
        let _ = guarded("close", || drop(handlers));
    }

    /// Ends a subscription's images and tells of each.
    fn close_images(&mut self, subscription: &mut SubscriptionEntry) {
        for image in subscription.state.close() {
            self.close_image(image, &mut subscription.handlers);
        }
    }

    fn close_image(&mut self, image: Arc<ImageState>, handlers: &mut ImageCalls) {
        image.close();
        self.logs.release(image.correlation_id, self.now.nanos);
        let handler = handlers.unavailable.as_mut().or(self.handlers.images.unavailable.as_mut());
        if let Some(handler) = handler {
            let outcome = guarded("unavailable image", || handler(&image));
            self.called(outcome);
        }
    }

    /// Puts a command behind those that wait, if any do.
    fn push(&mut self, id: CorrelationId, request: DriverRequest<'_>) {
        let command = Command { client_id: self.shared.client_id, correlation_id: id, request };
        let mut payload = Vec::new();
        command.encode(&mut payload);
        self.outbox.push_back(Outgoing { id, type_id: command.type_id(), payload });
    }
}

impl Drop for Conductor {
    /// However its runner ends, nobody is left waiting.
    fn drop(&mut self) {
        self.close();
    }
}
