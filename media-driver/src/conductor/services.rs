//! What resources need of the conductor when time passes: counters, queues, and the ear of the clients.

use std::{path::PathBuf, sync::Arc};

use epona_protocol::{
    command::{self, ErrorCode, Event},
    counters::{AtomicCounter, CountersManager, NewCounter, StreamKey, stream_label},
    logbuffer::LogBuffers,
    loss_report::LossReport,
    types::{ClientId, CorrelationId, CounterId, CounterTypeId, Now, RegistrationId, SessionId, StreamId},
};

use super::{client_proxy::ClientProxy, error_recorder::ErrorRecorder};
use crate::{
    commands::{ReceiverCommand, ResourceCommand, SenderCommand},
    error::DriverError,
    event_log::EventLog,
    proxy::Proxy,
    status::SystemCounters,
    subscription::Subscription,
};

/// The conductor's means; lent to a resource while the conductor works on it.
#[derive(Debug)]
pub struct Services {
    /// This duty cycle's time.
    pub now: Now,
    /// Events to clients.
    pub clients: ClientProxy,
    /// Allocation of counters.
    pub counters: CountersManager,
    /// The driver's own counters.
    pub system: SystemCounters,
    /// Commands to the sender.
    pub sender: Proxy<SenderCommand>,
    /// Commands to the receiver.
    pub receiver: Proxy<ReceiverCommand>,
    /// Commands to the native resource agent.
    pub resources: Proxy<ResourceCommand>,
    /// The distinct error log.
    pub errors: ErrorRecorder,
    /// What is told to those who look for a fault.
    pub events: EventLog,
    /// What streams have lost.
    pub losses: LossReport,
    /// Whether a subscription went without a stream because counters had run out.
    pub has_missed_links: bool,
}

/// A stream as its counters name it.
#[derive(Clone, Copy, Debug)]
pub struct CounterStream<'a> {
    /// Registration id of the publication, or correlation id of the image.
    pub registration_id: i64,
    /// Client that asked for it; -1 for the driver itself.
    pub owner: i64,
    /// Session id.
    pub session_id: SessionId,
    /// Stream id.
    pub stream_id: StreamId,
    /// The channel, as the client wrote it.
    pub channel: &'a str,
}

impl Services {
    /// Sends an event to the clients; one that cannot be sent goes to the error log instead.
    pub fn tell(&mut self, event: &Event<'_>) {
        let sent = self.clients.send(event);
        if let Ok(record) = sent {
            self.events.command_out(event.type_id(), record, self.now.nanos);
        } else if let Err(error) = sent {
            let error = DriverError::generic(format!(
                "event {:#x} was not sent to clients: {error}; raise aeron.clients.buffer.length",
                event.type_id()
            ));
            self.record(&error);
        }
    }

    /// Puts an error into the distinct error log.
    pub fn record(&mut self, error: &DriverError) {
        self.errors.record(error, self.now.epoch);
    }

    /// Answers a command with an error, and records it.
    pub fn refuse(&mut self, correlation_id: CorrelationId, error: &DriverError) {
        self.record(error);
        self.tell(&Event::Error {
            correlation_id,
            error_code: error.code,
            message: error.message.as_bytes(),
        });
    }

    /// Answers a command that has nothing more to tell.
    pub fn succeed(&mut self, correlation_id: CorrelationId) {
        self.tell(&Event::OperationSuccess { correlation_id });
    }

    /// Allocates a counter.
    ///
    /// # Errors
    /// When all are in use.
    pub fn allocate(&mut self, counter: &NewCounter<'_>) -> Result<AtomicCounter, DriverError> {
        self.counters.allocate(self.now.epoch, counter).map_err(|error| {
            DriverError::new(
                ErrorCode::GenericError,
                format!("{error}: raise aeron.counters.buffer.length or close counters"),
            )
        })
    }

    /// Allocates a counter of a stream, with Aeron's key and label, at an initial value.
    ///
    /// # Errors
    /// When all are in use.
    pub fn allocate_stream_counter(
        &mut self,
        type_id: CounterTypeId,
        name: &str,
        stream: &CounterStream<'_>,
        value: i64,
    ) -> Result<AtomicCounter, DriverError> {
        let CounterStream { registration_id, owner, session_id, stream_id, channel } = *stream;
        let key = StreamKey { registration_id, session_id, stream_id, channel: channel.into() };
        let counter = self.allocate(&NewCounter {
            type_id,
            key: &key.encode(),
            label: stream_label(name, registration_id, session_id, stream_id, channel).as_bytes(),
            registration_id,
            owner_id: owner,
            reference_id: 0,
        })?;
        counter.set_release(value);
        Ok(counter)
    }

    /// Allocates several counters of a stream: all of them, or none.
    ///
    /// # Errors
    /// When there are not enough left.
    pub fn allocate_stream_counters<const N: usize>(
        &mut self,
        stream: &CounterStream<'_>,
        wanted: [(CounterTypeId, &str, i64); N],
    ) -> Result<[AtomicCounter; N], DriverError> {
        let mut allocated = Vec::with_capacity(N);
        for (type_id, name, value) in wanted {
            match self.allocate_stream_counter(type_id, name, stream, value) {
                Ok(counter) => allocated.push(counter),
                Err(error) => {
                    allocated.iter().for_each(|counter: &AtomicCounter| self.free(counter.id()));
                    return Err(error);
                }
            }
        }
        allocated.try_into().map_err(|_| DriverError::generic("counters are incomplete"))
    }

    /// Frees a counter, to be reused after its cool-down.
    pub fn free(&mut self, id: CounterId) {
        self.counters.free(id, self.now.epoch);
    }

    /// Hands a log to the native resource agent, to unmap and delete.
    pub fn free_log(&mut self, path: PathBuf, log: LogBuffers) {
        self.resources.send(ResourceCommand::FreeLog { path, log });
    }

    /// Tells a subscription's client that an image is gone.
    pub fn on_unavailable_image(&mut self, image: CorrelationId, subscription: &Subscription, channel: &str) {
        self.tell(&Event::UnavailableImage {
            image_id: image,
            subscription_id: subscription.registration_id,
            stream_id: subscription.stream_id,
            channel,
        });
    }

    /// Tells a subscription's client that there is an image, read by `counter`.
    pub fn on_available_image(
        &mut self,
        image: &AvailableImage,
        subscription: &Subscription,
        counter: CounterId,
    ) {
        self.tell(&Event::AvailableImage(command::AvailableImage {
            image_id: image.correlation_id,
            session_id: image.session_id,
            stream_id: image.stream_id,
            subscription_id: subscription.registration_id,
            position_id: counter,
            log_file_name: &image.log_path,
            source_identity: &image.source_identity,
        }));
    }

    /// Tells all clients of a counter.
    pub fn on_counter_ready(&mut self, registration_id: i64, counter_id: CounterId) {
        self.tell(&Event::CounterReady { correlation_id: CorrelationId::new(registration_id), counter_id });
    }

    /// Tells all clients that a counter is gone.
    pub fn on_unavailable_counter(&mut self, registration_id: RegistrationId, counter_id: CounterId) {
        self.tell(&Event::UnavailableCounter { registration_id, counter_id });
    }

    /// Tells all clients that one of them fell silent.
    pub fn on_client_timeout(&mut self, client_id: ClientId) {
        self.tell(&Event::ClientTimeout { client_id });
    }
}

/// An image as it is announced to clients.
#[derive(Clone, Debug)]
pub struct AvailableImage {
    /// Correlation id of the image, or registration id of the publication that is read directly.
    pub correlation_id: CorrelationId,
    /// Session id.
    pub session_id: SessionId,
    /// Stream id.
    pub stream_id: StreamId,
    /// The log buffer to map.
    pub log_path: Arc<str>,
    /// `address:port` of the source, or `aeron:ipc`.
    pub source_identity: Arc<str>,
}
