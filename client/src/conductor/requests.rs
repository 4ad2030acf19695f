//! What the application asks for, and how long the driver may take to answer.

use std::{collections::VecDeque, sync::Arc};

use epona_protocol::{
    command::Request as DriverRequest,
    ring_buffer::WriteError,
    types::{Nanos, RegistrationId},
};

use super::{Conductor, Outgoing, REQUEST_LIMIT};
use crate::{
    error::ClientError,
    link::{ActiveCommand, Completion, Kind, Request, Submission},
};

/// A request that the driver has not answered yet.
pub(super) struct Registering {
    pub(super) kind: Kind,
    pub(super) completion: Arc<Completion>,
    pub(super) deadline: Nanos,
    /// Nobody wants it any more: what the driver makes of it is removed again.
    pub(super) abandoned: bool,
    /// Says that it is under way, for as long as it is.
    pub(super) _active: ActiveCommand,
}

impl Conductor {
    /// Meets what the application asked for, and sends what waits.
    pub(super) fn take_requests(&mut self) -> usize {
        let mut work = 0;
        while work < REQUEST_LIMIT {
            let Some(request) = self.shared.requests.pop() else { break };
            self.on_request(request);
            work += 1;
        }
        work + self.flush()
    }

    fn on_request(&mut self, request: Request) {
        match request {
            Request::Submit(submission) => self.on_submission(submission),
            Request::RemovePublication { id, revoke } => self.remove_publication(id, revoke),
            Request::RemoveSubscription { id } => self.remove_subscription(id),
            Request::RemoveCounter { id } => self.remove_counter(id),
            Request::AddHandler(handler) => self.handlers.added.push(handler),
            Request::Abandon { id } => self.abandon(id),
        }
    }

    fn on_submission(&mut self, submission: Submission) {
        let Submission { id, type_id, payload, kind, completion, active } = submission;
        let deadline = self.now.nanos + self.timeouts.driver;
        let registering = Registering { kind, completion, deadline, abandoned: false, _active: active };
        self.registering.insert(id.as_registration_id(), registering);
        self.outbox.push_back(Outgoing { id, type_id, payload });
    }

    /// Removals are made good even now; what waits to be added is refused.
    pub(super) fn refuse(&mut self, requests: VecDeque<Request>) {
        for request in requests {
            match request {
                Request::Submit(submission) => submission.completion.settle(Err(self.shared.closed_error())),
                removal => self.on_request(removal),
            }
        }
    }

    /// Sends what waits, in order, as far as there is room; how many commands that were.
    pub(super) fn flush(&mut self) -> usize {
        let mut sent = 0;
        while let Some(outgoing) = self.outbox.front() {
            match self.shared.to_driver.write(outgoing.type_id, &outgoing.payload) {
                Ok(()) => sent += 1,
                Err(WriteError::Full) => break,
                Err(error) => {
                    let id = outgoing.id.as_registration_id();
                    if let Some(registering) = self.registering.remove(&id) {
                        let request = registering.kind.describe();
                        let reason = error.to_string();
                        registering.completion.settle(Err(ClientError::RequestTooLong { request, reason }));
                    }
                }
            }
            self.outbox.pop_front();
        }
        if sent > 0
            && let Some(doorbell) = &self.shared.doorbells.conductor
        {
            doorbell.ring();
        }
        sent
    }

    /// Sends a command whose answer nobody waits for.
    fn tell_driver(&mut self, request: DriverRequest<'_>) {
        let id = self.shared.to_driver.next_correlation_id();
        self.push(id, request);
    }

    fn remove_publication(&mut self, id: RegistrationId, revoke: bool) {
        let Some(publication) = self.publications.remove(&id) else { return };
        publication.close();
        self.logs.release(publication.original_registration_id, self.now.nanos);
        self.tell_driver(DriverRequest::RemovePublication { registration_id: id, revoke });
    }

    fn remove_subscription(&mut self, id: RegistrationId) {
        let Some(mut subscription) = self.subscriptions.remove(&id) else { return };
        self.tell_driver(DriverRequest::RemoveSubscription { registration_id: id });
        self.close_images(&mut subscription);
    }

    fn remove_counter(&mut self, id: RegistrationId) {
        let Some(counter) = self.counters.remove(&id) else { return };
        counter.close();
        if !counter.is_static {
            self.tell_driver(DriverRequest::RemoveCounter { registration_id: id });
        }
    }

    fn abandon(&mut self, id: RegistrationId) {
        if let Some(registering) = self.registering.get_mut(&id) {
            registering.abandoned = true;
            return;
        }
        self.handlers.added.retain(|handler| handler.id != id);
        self.remove_publication(id, false);
        self.remove_subscription(id);
        self.remove_counter(id);
    }

    /// Asks the driver to take back what it made, or may still make, of a request.
    pub(super) fn take_back(&mut self, id: RegistrationId, kind: &Kind) {
        match kind {
            Kind::Publication { .. } | Kind::ExclusivePublication { .. } => {
                self.tell_driver(DriverRequest::RemovePublication { registration_id: id, revoke: false });
            }
            Kind::Subscription { .. } => {
                self.tell_driver(DriverRequest::RemoveSubscription { registration_id: id });
            }
            Kind::Counter => self.tell_driver(DriverRequest::RemoveCounter { registration_id: id }),
            Kind::StaticCounter { .. } | Kind::Operation { .. } | Kind::SessionId { .. } => {}
        }
    }

    /// Gives up on requests that the driver did not answer in time; how many those were.
    pub(super) fn check_registrations(&mut self) -> usize {
        let now = self.now.nanos;
        let late: Vec<_> = self
            .registering
            .iter()
            .filter(|(_, waiting)| now > waiting.deadline)
            .map(|(id, _)| *id)
            .collect();
        for id in &late {
            if let Some(registering) = self.registering.remove(id) {
                self.give_up(*id, &registering);
            }
        }
        late.len()
    }

    fn give_up(&mut self, id: RegistrationId, registering: &Registering) {
        let request = registering.kind.describe();
        let timeout = self.timeouts.driver;
        let unsent = self.outbox.iter().position(|outgoing| outgoing.id.as_registration_id() == id);
        let error = match unsent {
            Some(index) => {
                self.outbox.remove(index);
                ClientError::CommandBufferFull { request, timeout }
            }
            None => {
                // Commands are met in order: a driver that comes round to it removes what it has just made.
                self.take_back(id, &registering.kind);
                ClientError::RegistrationTimeout { request, registration_id: id, timeout }
            }
        };
        registering.completion.settle(Err(error));
    }
}
