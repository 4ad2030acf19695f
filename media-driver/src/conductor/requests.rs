//! Commands of clients: read one at a time, answered at once or after the native resource agent has done its part.
//!
//! While a command waits for the agent no further one is read, so clients see their commands carried out in order.
//! Source: driver spec 2.1, 2.2.

use std::sync::{Arc, atomic::Ordering};

use epona_protocol::{
    command::{Command, CommandError, ErrorCode, Event, Fault, PublicationError, Request},
    logbuffer::LogBuffers,
    ring_buffer::ReadAction,
    types::{ClientId, CorrelationId, ReceiverId, RegistrationId, StreamId},
    uri::{MAX_LENGTH, SPY_PREFIX},
};

use super::{
    Conductor,
    pending_command::{AddPublication, AddSubscription, AwaitedChannel, Change, PendingCommand},
};
use crate::{
    commands::{JobId, PublicationErrorReport, ReceiverCommand, ResourceCommand},
    error::DriverError,
    media::{ChannelPurpose, udp_channel::UdpChannel},
};

/// Channels that start so are IPC. Source: driver spec 2.2.
pub(super) const IPC_PREFIX: &str = "aeron:ipc";

/// Longest reason that a client may give for rejecting an image, in bytes. Source: driver spec 2.13.
const MAX_REASON_LENGTH: usize = 1023;

impl Conductor {
    /// Reads and starts at most one command, unless one is under way or a queue is congested. Work done.
    pub(super) fn take_request(&mut self) -> usize {
        let services = &self.services;
        let is_congested = services.sender.is_congested()
            || services.receiver.is_congested()
            || services.resources.is_congested();
        if self.pending_command.is_some() || is_congested {
            return 0;
        }
        let mut record = std::mem::take(&mut self.record);
        let mut type_id = None;
        self.to_driver.controlled_read(1, |id, bytes| {
            type_id = Some(id);
            record.clear();
            record.extend_from_slice(bytes);
            ReadAction::Continue
        });
        if let Some(type_id) = type_id {
            self.on_record(type_id, &record);
        }
        self.record = record;
        usize::from(type_id.is_some())
    }

    fn on_record(&mut self, type_id: i32, record: &[u8]) {
        self.services.events.command_in(type_id, record, self.services.now.nanos);
        match Command::parse(type_id, record) {
            Ok(command) => {
                if let Err(error) = self.on_command(&command) {
                    self.services.refuse(command.correlation_id, &error);
                }
            }
            Err(error) => self.on_malformed(&error),
        }
    }

    /// A command that cannot be understood is recorded, and answered when its correlation id could be read.
    fn on_malformed(&mut self, error: &CommandError) {
        let code = match error.fault {
            Fault::UnknownType => ErrorCode::UnknownCommandTypeId,
            _ => ErrorCode::MalformedCommand,
        };
        let refusal = DriverError::new(code, error.to_string());
        match error.correlation_id {
            Some(correlation_id) => self.services.refuse(correlation_id, &refusal),
            None => self.services.record(&refusal),
        }
    }

    fn on_command(&mut self, command: &Command<'_>) -> Result<(), DriverError> {
        let (client_id, correlation_id) = (command.client_id, command.correlation_id);
        match command.request {
            Request::AddPublication { stream_id, channel } => {
                self.start_publication(client_id, correlation_id, stream_id, channel, false)?;
            }
            Request::AddExclusivePublication { stream_id, channel } => {
                self.start_publication(client_id, correlation_id, stream_id, channel, true)?;
            }
            Request::RemovePublication { registration_id, revoke } => {
                self.remove_publication(client_id, registration_id, revoke)?;
                self.services.succeed(correlation_id);
            }
            Request::AddSubscription { stream_id, channel } => {
                self.start_subscription(client_id, correlation_id, stream_id, channel)?;
            }
            Request::RemoveSubscription { registration_id } => {
                self.remove_subscription(registration_id)?;
                self.services.succeed(correlation_id);
            }
            Request::ClientKeepalive => self.clients.on_keepalive(client_id, self.services.now.epoch),
            Request::ClientClose => self.clients.on_close(client_id),
            Request::AddCounter { type_id, key, label } => {
                self.add_counter(client_id, correlation_id, type_id, key, label)?;
            }
            Request::AddStaticCounter { registration_id, type_id, key, label } => {
                self.add_static_counter(client_id, correlation_id, registration_id, type_id, key, label)?;
            }
            Request::RemoveCounter { registration_id } => {
                self.remove_counter(client_id, correlation_id, registration_id)?;
            }
            Request::TerminateDriver { .. } => {
                if self.termination.is_allowed {
                    self.termination.is_requested.store(true, Ordering::Release);
                }
            }
            Request::RejectImage { image_id, reason, .. } => {
                self.reject_image(image_id, reason)?;
                self.services.succeed(correlation_id);
            }
            Request::NextAvailableSessionId { stream_id } => {
                let session_id = self.next_available_session_id(stream_id);
                self.services.tell(&Event::NextAvailableSessionId { correlation_id, session_id });
            }
            Request::AddDestination { registration_id, channel } => {
                self.start_destination(correlation_id, registration_id, channel, Change::Add)?;
            }
            Request::RemoveDestination { registration_id, channel } => {
                self.start_destination(correlation_id, registration_id, channel, Change::Remove)?;
            }
            Request::RemoveDestinationById { registration_id, destination_registration_id } => {
                self.remove_destination_by_id(registration_id, destination_registration_id)?;
                self.services.succeed(correlation_id);
            }
            Request::AddReceiveDestination { registration_id, channel } => {
                self.start_receive_destination(correlation_id, registration_id, channel, Change::Add)?;
            }
            Request::RemoveReceiveDestination { registration_id, channel } => {
                self.start_receive_destination(correlation_id, registration_id, channel, Change::Remove)?;
            }
        }
        Ok(())
    }

    fn start_publication(
        &mut self,
        client_id: ClientId,
        correlation_id: CorrelationId,
        stream_id: StreamId,
        channel: &str,
        is_exclusive: bool,
    ) -> Result<(), DriverError> {
        check_length(channel)?;
        let add =
            AddPublication { client_id, correlation_id, stream_id, channel: channel.into(), is_exclusive };
        if channel.starts_with(IPC_PREFIX) {
            return self.add_ipc_publication(add);
        }
        if channel.starts_with(SPY_PREFIX) {
            return Err(DriverError::invalid_channel(format!("a publication cannot be a spy: {channel}")));
        }
        self.resolve(channel, ChannelPurpose::Endpoint, AwaitedChannel::Publication(add));
        Ok(())
    }

    fn start_subscription(
        &mut self,
        client_id: ClientId,
        correlation_id: CorrelationId,
        stream_id: StreamId,
        channel: &str,
    ) -> Result<(), DriverError> {
        check_length(channel)?;
        let add = AddSubscription { client_id, correlation_id, stream_id, channel: channel.into() };
        if channel.starts_with(IPC_PREFIX) {
            return self.add_ipc_subscription(add);
        }
        match channel.strip_prefix(SPY_PREFIX) {
            Some(spied) => self.resolve(spied, ChannelPurpose::Endpoint, AwaitedChannel::Spy(add)),
            None => self.resolve(channel, ChannelPurpose::Endpoint, AwaitedChannel::Subscription(add)),
        }
        Ok(())
    }

    /// Has the native resource agent parse and resolve a channel, which is then carried on with.
    pub(super) fn resolve(&mut self, channel: &str, purpose: ChannelPurpose, awaited: AwaitedChannel) {
        let job = self.next_job();
        let channel = channel.to_owned();
        self.services.resources.send(ResourceCommand::ResolveChannel { job, channel, purpose });
        self.pending_command = Some(PendingCommand::Channel(job, awaited));
    }

    /// The agent has resolved a channel, or not.
    pub(super) fn on_channel(&mut self, job: JobId, channel: Result<Arc<UdpChannel>, DriverError>) {
        let awaited = match self.pending_command.take() {
            Some(PendingCommand::Channel(pending, awaited)) if pending == job => awaited,
            other => {
                self.pending_command = other;
                return;
            }
        };
        let correlation_id = awaited.correlation_id();
        let done = channel.and_then(|channel| match awaited {
            AwaitedChannel::Publication(add) => self.add_network_publication(add, channel),
            AwaitedChannel::Subscription(add) => self.add_network_subscription(add, channel),
            AwaitedChannel::Spy(add) => self.add_spy(add, channel),
            AwaitedChannel::ReceiveDestination(wish) => self.change_receive_destination(&wish, channel),
        });
        if let Err(error) = done {
            self.services.refuse(correlation_id, &error);
        }
    }

    /// The agent has mapped a log, or not: for a client's publication, or for an image.
    pub(super) fn on_log(&mut self, job: JobId, log: Result<LogBuffers, DriverError>) {
        match self.pending_command.take() {
            Some(PendingCommand::Log(pending, planned)) if pending == job => {
                self.on_publication_log(*planned, log);
            }
            other => {
                self.pending_command = other;
                self.on_image_log(job, log);
            }
        }
    }

    fn reject_image(&mut self, image_id: CorrelationId, reason: &[u8]) -> Result<(), DriverError> {
        if reason.len() > MAX_REASON_LENGTH {
            return Err(DriverError::generic(format!(
                "invalidation reason of {} bytes must be {MAX_REASON_LENGTH} bytes or less",
                reason.len()
            )));
        }
        if let Some(image) = self.images.iter().find(|image| image.correlation_id() == image_id) {
            let endpoint = image.state.endpoint;
            let reason = String::from_utf8_lossy(reason).into();
            self.services.receiver.send(ReceiverCommand::RejectImage(endpoint, image_id, reason));
        } else if let Some(at) =
            self.ipc_publications.iter().position(|p| p.registration_id().get() == image_id.get())
        {
            self.reject_ipc(at, reason);
        } else {
            return Err(DriverError::generic(format!(
                "Unable to resolve image for correlationId={image_id}"
            )));
        }
        self.services.system.images_rejected.increment();
        Ok(())
    }

    fn reject_ipc(&mut self, at: usize, reason: &[u8]) {
        let publication = &self.ipc_publications[at];
        let report = PublicationErrorReport {
            registration_id: publication.registration_id(),
            destination_registration_id: None,
            session_id: publication.params.session_id,
            stream_id: publication.params.stream_id,
            receiver_id: ReceiverId::new(-1),
            group_tag: None,
            source: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
            error_code: ErrorCode::ImageRejected,
            message: reason.to_vec(),
        };
        self.on_publication_error(&report);
        self.ipc_publications[at].reject(&mut self.services);
    }

    /// A receiver refused a stream: recorded, and told to the clients. Source: driver spec 2.13.
    pub(super) fn on_publication_error(&mut self, report: &PublicationErrorReport) {
        let text = format!(
            "onPublicationError: registrationId={}, destinationRegistrationId={}, sessionId={}, streamId={}, \
             receiverId={}, groupId={}, errorCode={}, errorMessage={}",
            report.registration_id,
            report.destination_registration_id.map_or(-1, RegistrationId::get),
            report.session_id,
            report.stream_id,
            report.receiver_id,
            report.group_tag.map_or(-1, |tag| tag.get()),
            report.error_code.get(),
            String::from_utf8_lossy(&report.message)
        );
        self.services.record(&DriverError::new(report.error_code, text));
        self.services.tell(&Event::PublicationError(PublicationError {
            registration_id: report.registration_id,
            destination_registration_id: report.destination_registration_id,
            session_id: report.session_id,
            stream_id: report.stream_id,
            receiver_id: report.receiver_id,
            group_tag: report.group_tag,
            source: Some(report.source),
            error_code: report.error_code,
            message: &report.message,
        }));
    }
}

/// No client may send a longer channel. Source: driver spec 2.2.
pub(super) fn check_length(channel: &str) -> Result<(), DriverError> {
    if channel.len() > MAX_LENGTH {
        let shown = String::from_utf8_lossy(&channel.as_bytes()[..MAX_LENGTH]);
        return Err(DriverError::invalid_channel(format!(
            "URI length ({}) exceeds max supported length ({MAX_LENGTH}): {shown}",
            channel.len()
        )));
    }
    Ok(())
}
