//! What IPC and network publications have in common: from a client's wish to a publication, and back.
//!
//! ```text
//!   IPC      parse ── share? ──────────────► link ── answer
//!                     └── map log (agent) ── create ── link ── answer ── link subscriptions
//!   network  resolve channel (agent) ── share? ──► link ── answer
//!                     └── map log (agent) ── endpoint ── create ── link ── answer ── link spies
//! ```
//! Source: driver spec 2.3, 2.5.

use std::{sync::Arc, time::Duration};

use epona_protocol::{
    command::{ErrorCode, Event, PublicationReady},
    logbuffer::{LogBuffers, LogKind, LogParameters, SocketBuffer},
    types::{ClientId, CounterId, RegistrationId, SessionId, StreamId, TermId},
};

use super::{
    Conductor,
    clients::PublicationLink,
    events::IPC_CHANNEL,
    pending_command::{AddPublication, PendingCommand, PlannedPublication},
    services::AvailableImage,
};
use crate::{
    commands::{LogSpec, ResourceCommand},
    directory::{publication_log, storage::TermLengthOrigin},
    error::DriverError,
    event_log::DriverEvent,
    media::udp_channel::UdpChannel,
    publication::params::{PublicationParams, TaggedPublication},
};

/// A publication as its client is told of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadyPublication<'a> {
    pub(super) original: RegistrationId,
    pub(super) image: &'a AvailableImage,
    pub(super) limit_id: CounterId,
    pub(super) channel_status_id: CounterId,
}

impl Conductor {
    /// Finds the publication that another one names as `session-id=tag:...`.
    pub(super) fn tagged_publication(&self, tag: i64) -> Option<TaggedPublication> {
        let found = self.network_publications.iter().find(|p| p.params.entity_tag == Some(tag))?;
        Some(TaggedPublication {
            session_id: found.state.session_id,
            mtu: found.state.mtu,
            term_length: found.state.geometry.term_length(),
        })
    }

    /// Has the log of a publication mapped.
    pub(super) fn map_publication_log(
        &mut self,
        add: AddPublication,
        params: PublicationParams,
        session_id: SessionId,
        channel: Option<Arc<UdpChannel>>,
    ) {
        let path = publication_log(&self.context.directory.path, add.registration_id());
        let term_length_origin =
            if channel.is_some() { TermLengthOrigin::Network } else { TermLengthOrigin::Ipc };
        let planned = PlannedPublication { add, params, session_id, channel, path };
        let job = self.next_job();
        let spec = LogSpec {
            path: planned.path.clone(),
            parameters: self.publication_log_parameters(&planned),
            is_sparse: planned.params.is_sparse,
            term_length_origin,
        };
        self.services.resources.send(ResourceCommand::MapLog { job, spec: Box::new(spec) });
        self.pending_command = Some(PendingCommand::Log(job, Box::new(planned)));
    }

    fn publication_log_parameters(&mut self, planned: &PlannedPublication) -> LogParameters {
        let PlannedPublication { add, params, session_id, channel, .. } = planned;
        let kind =
            if add.is_exclusive { LogKind::ExclusivePublication } else { LogKind::ConcurrentPublication };
        let initial_term_id = params
            .position
            .map_or_else(|| TermId::new(self.random.i32(..)), |position| position.initial_term_id);
        let channel = channel.as_ref().map(|channel| self.send_endpoints.channel_in_use(channel));
        let (send_buffer, receive_buffer) = self.socket_buffers_of(channel.map(|channel| &**channel));
        LogParameters {
            session_id: *session_id,
            stream_id: add.stream_id,
            initial_term_id,
            start: params.position.map(|position| position.start),
            page_size: self.context.buffers.file_page_size,
            publication_window_length: params.window,
            send_buffer,
            receive_buffer,
            max_resend: params.max_resend.map_or(0, i32::from),
            entity_tag: params.entity_tag.unwrap_or(-1),
            response_correlation_id: params.response_correlation_id().unwrap_or(-1),
            linger_timeout_ns: nanos(params.linger),
            untethered_window_limit_timeout_ns: nanos(params.untethered.window_limit),
            untethered_linger_timeout_ns: nanos(params.untethered.linger),
            untethered_resting_timeout_ns: nanos(params.untethered.resting),
            group: channel.is_some_and(|channel| channel.has_group_semantics()),
            is_response: params.is_response,
            sparse: params.is_sparse,
            signal_eos: params.signal_eos,
            spies_simulate_connection: params.spies_simulate_connection,
            ..LogParameters::new(kind, add.registration_id(), params.mtu, params.term_length)
        }
    }

    /// Socket buffers as log metadata records them: none of the channel's for IPC.
    pub(super) fn socket_buffers_of(&self, channel: Option<&UdpChannel>) -> (SocketBuffer, SocketBuffer) {
        let length = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX);
        let buffer = |of_channel: usize, os_default: usize| SocketBuffer {
            length: length(of_channel),
            os_default: length(os_default),
            os_max: 0,
        };
        (
            buffer(channel.map_or(0, UdpChannel::send_buffer), self.system_buffers.send),
            buffer(channel.map_or(0, UdpChannel::receive_buffer), self.system_buffers.receive),
        )
    }

    /// The agent has mapped the log of a publication, or not. A log that comes to nothing is handed back.
    pub(super) fn on_publication_log(
        &mut self,
        planned: PlannedPublication,
        log: Result<LogBuffers, DriverError>,
    ) {
        let correlation_id = planned.add.correlation_id;
        let created = log.and_then(|log| {
            let (path, mapped) = (planned.path.clone(), log.clone());
            self.create_publication(planned, log).inspect_err(|_| self.services.free_log(path, mapped))
        });
        if let Err(error) = created {
            self.services.refuse(correlation_id, &error);
        }
    }

    fn create_publication(
        &mut self,
        planned: PlannedPublication,
        log: LogBuffers,
    ) -> Result<(), DriverError> {
        match planned.channel.clone() {
            None => self.create_ipc_publication(planned, log),
            Some(channel) => self.create_network_publication(planned, &channel, log),
        }
    }

    /// Gives a client its share in a publication; a client that is new is announced first.
    pub(super) fn link_publication(
        &mut self,
        add: &AddPublication,
        publication: RegistrationId,
    ) -> Result<(), DriverError> {
        let client = self.clients.get_or_add(add.client_id, &mut self.services)?;
        client.publications.push(PublicationLink { registration_id: add.registration_id(), publication });
        Ok(())
    }

    pub(super) fn answer_publication(&mut self, add: &AddPublication, publication: ReadyPublication<'_>) {
        let ReadyPublication { original, image, limit_id, channel_status_id } = publication;
        let ready = PublicationReady {
            correlation_id: add.correlation_id,
            original_registration_id: original,
            session_id: image.session_id,
            stream_id: image.stream_id,
            limit_id,
            channel_status_id,
            log_file_name: &image.log_path,
        };
        self.services.tell(&if add.is_exclusive {
            Event::ExclusivePublicationReady(ready)
        } else {
            Event::PublicationReady(ready)
        });
    }

    /// A client gives up its share in a publication. Source: driver spec 2.11.
    pub(super) fn remove_publication(
        &mut self,
        client_id: ClientId,
        registration_id: RegistrationId,
        revoke: bool,
    ) -> Result<(), DriverError> {
        let link = self.clients.get_mut(client_id).and_then(|client| {
            let at = client.publications.iter().position(|link| link.registration_id == registration_id)?;
            Some(client.publications.swap_remove(at))
        });
        let Some(link) = link else {
            return Err(DriverError::new(
                ErrorCode::UnknownPublication,
                format!("unknown publication client_id={client_id} registration_id={registration_id}"),
            ));
        };
        self.release_publication(link, revoke);
        Ok(())
    }

    /// Takes a link off its publication.
    pub(super) fn release_publication(&mut self, link: PublicationLink, revoke: bool) {
        let now = self.services.now.nanos;
        let id = link.publication;
        if let Some(publication) = self.ipc_publications.iter_mut().find(|p| p.registration_id() == id) {
            if revoke {
                publication.revoke();
                let (event, position) = (DriverEvent::PublicationRevoke, publication.log.producer_position());
                let stream = (publication.params.session_id, publication.params.stream_id);
                self.services.events.revoked(event, position, stream, IPC_CHANNEL, now);
            }
            publication.remove_reference();
        } else if let Some(at) = self.network_publications.iter().position(|p| p.registration_id() == id) {
            let publication = &mut self.network_publications[at];
            if revoke {
                publication.revoke();
            }
            publication.remove_reference(now);
            if revoke {
                let publication = &self.network_publications[at];
                self.log_publication_revoked(publication.params.endpoint, &publication.state);
            }
        }
    }

    /// A session id that no publication of a stream uses. Source: driver spec 2.9.
    pub(super) fn next_available_session_id(&mut self, stream_id: StreamId) -> SessionId {
        self.session_ids.allocate(|session| {
            self.ipc_publications
                .iter()
                .any(|p| p.params.stream_id == stream_id && p.params.session_id == session)
                || self
                    .network_publications
                    .iter()
                    .any(|p| p.state.stream_id == stream_id && p.state.session_id == session)
        })
    }
}

/// A duration as log metadata has it.
pub(super) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
