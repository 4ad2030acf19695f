//! Adding, sharing and removing publications.
//!
//! ```text
//!   IPC      parse ── share? ──────────────► link ── answer
//!                     └── map log (agent) ── create ── link ── answer ── link subscriptions
//!   network  resolve channel (agent) ── share? ──► link ── answer
//!                     └── map log (agent) ── endpoint ── create ── link ── answer ── link spies
//! ```
//! Source: driver spec 2.3, 2.5.

use std::{path::PathBuf, sync::Arc};

use epona_protocol::{
    command::{ErrorCode, Event, PublicationReady},
    logbuffer::{LogBuffers, LogKind, LogParameters, SocketBuffer},
    types::{
        ClientId, CorrelationId, CounterId, CounterTypeId, Position, RegistrationId, SessionId, StreamId,
        TermId,
    },
    uri::{ChannelUri, ControlMode, ResponseCorrelation, keys},
};

use super::{
    Conductor,
    clients::PublicationLink,
    endpoints::{EndpointCounters, SEND, SendEndpointEntry},
    requests::{AwaitedLog, PendingCommand},
    services::{AvailableImage, CounterStream},
};
use crate::{
    commands::{ResourceCommand, SendEndpointId, SenderCommand},
    error::DriverError,
    flow_control::FlowControl,
    media::udp_channel::UdpChannel,
    native_resource_agent::LogSpec,
    publication::{
        ipc::{self, IpcPublication, IpcPublicationParams},
        network::{self, NetworkPublication, NetworkPublicationCounters, NetworkPublicationParams},
        params::{ExistingPublication, PublicationParams, TaggedPublication},
        shared::{NetworkPublicationIdentity, NetworkPublicationState},
    },
    sender::{
        endpoint::{Route, SendEndpoint},
        publication::{SenderCounters, SenderParams, SenderPublication},
        retransmit_handler::{RetransmitConfig, RetransmitHandler},
    },
};

/// A client's wish for a publication.
#[derive(Clone, Debug)]
pub(super) struct AddPublication {
    pub(super) client_id: ClientId,
    pub(super) correlation_id: CorrelationId,
    pub(super) stream_id: StreamId,
    pub(super) channel: Arc<str>,
    pub(super) is_exclusive: bool,
}

impl AddPublication {
    fn registration_id(&self) -> RegistrationId {
        self.correlation_id.as_registration_id()
    }
}

/// A publication that waits for its log.
#[derive(Debug)]
pub(super) struct PlannedPublication {
    add: AddPublication,
    params: PublicationParams,
    session_id: SessionId,
    path: PathBuf,
    /// The channel that a network publication sends on; none for IPC.
    channel: Option<Arc<UdpChannel>>,
}

impl Conductor {
    /// Starts to add an IPC publication.
    pub(super) fn add_ipc_publication(&mut self, add: AddPublication) -> Result<(), DriverError> {
        let uri = ChannelUri::parse(&add.channel)?;
        let params = PublicationParams::ipc(&uri, &self.context, |tag| self.tagged_publication(tag))?;
        let is_on_stream = |p: &IpcPublication| p.params.stream_id == add.stream_id;
        if !add.is_exclusive {
            let shareable = self.ipc_publications.iter().position(|p| {
                is_on_stream(p)
                    && p.phase() == ipc::Phase::Active
                    && !p.params.is_exclusive
                    && p.params.response_correlation_id == params.response_correlation_id()
            });
            if let Some(at) = shareable {
                return self.share_ipc_publication(at, &add, &params);
            }
        }
        let is_used = |session: SessionId| {
            self.ipc_publications
                .iter()
                .any(|p| is_on_stream(p) && p.phase() != ipc::Phase::Linger && p.params.session_id == session)
        };
        let session_id = match params.session_id {
            Some(session) if is_used(session) => return Err(clashing_session(session, &add)),
            Some(session) => session,
            None => self.session_ids.allocate(is_used),
        };
        self.map_publication_log(PlannedPublication {
            add,
            params,
            session_id,
            path: PathBuf::new(),
            channel: None,
        });
        Ok(())
    }

    fn share_ipc_publication(
        &mut self,
        at: usize,
        add: &AddPublication,
        params: &PublicationParams,
    ) -> Result<(), DriverError> {
        let publication = &mut self.ipc_publications[at];
        params.confirm_match(&ExistingPublication {
            session_id: publication.params.session_id,
            mtu: publication.params.mtu,
            geometry: publication.log.geometry(),
            start: publication.params.start,
        })?;
        let original = publication.registration_id();
        let client = self.clients.get_or_add(add.client_id, &mut self.services)?;
        client
            .publications
            .push(PublicationLink { registration_id: add.registration_id(), publication: original });
        publication.add_reference();
        let limit_id = publication.publisher_limit_counter().id();
        let image = publication.image.clone();
        self.answer_publication(add, original, &image, limit_id, CounterId::NULL);
        self.link_subscriptions_to_ipc(original);
        Ok(())
    }

    /// Goes on with a network publication whose channel is resolved.
    pub(super) fn add_network_publication(
        &mut self,
        add: AddPublication,
        channel: Arc<UdpChannel>,
    ) -> Result<(), DriverError> {
        let params =
            PublicationParams::network(channel.uri(), &self.context, |tag| self.tagged_publication(tag))?;
        self.check_publication_channel(&channel, &params)?;
        let endpoint = self.send_endpoints.find(&channel)?;
        match endpoint {
            Some(endpoint) => self.check_existing_send_endpoint(endpoint, &channel)?,
            None => check_original(&channel)?,
        }
        let on_endpoint = |p: &NetworkPublication| {
            endpoint.is_some_and(|endpoint| p.params.endpoint == SendEndpointId::new(endpoint))
                && p.state.stream_id == add.stream_id
        };
        if !add.is_exclusive {
            let shareable = self.network_publications.iter().position(|p| {
                on_endpoint(p)
                    && p.phase() == network::Phase::Active
                    && !p.params.is_exclusive
                    && p.params.response_correlation_id == params.response_correlation_id()
            });
            if let Some(at) = shareable {
                return self.share_network_publication(at, &add, &params);
            }
        }
        let is_used = |session: SessionId| {
            self.network_publications
                .iter()
                .any(|p| on_endpoint(p) && p.phase() != network::Phase::Done && p.state.session_id == session)
        };
        let session_id = match params.session_id {
            Some(session) if is_used(session) => return Err(clashing_session(session, &add)),
            Some(session) => session,
            None => self.session_ids.allocate(is_used),
        };
        self.map_publication_log(PlannedPublication {
            add,
            params,
            session_id,
            path: PathBuf::new(),
            channel: Some(channel),
        });
        Ok(())
    }

    fn share_network_publication(
        &mut self,
        at: usize,
        add: &AddPublication,
        params: &PublicationParams,
    ) -> Result<(), DriverError> {
        let publication = &mut self.network_publications[at];
        let state = &publication.state;
        params.confirm_match(&ExistingPublication {
            session_id: state.session_id,
            mtu: state.mtu,
            geometry: state.geometry,
            start: publication.params.start,
        })?;
        if params.spies_simulate_connection != state.spies_simulate_connection {
            return Err(DriverError::generic(format!(
                "existing publication has different spies simulate connection: existing={} requested={}",
                state.spies_simulate_connection, params.spies_simulate_connection
            )));
        }
        let original = publication.registration_id();
        let client = self.clients.get_or_add(add.client_id, &mut self.services)?;
        client
            .publications
            .push(PublicationLink { registration_id: add.registration_id(), publication: original });
        publication.add_reference();
        let limit_id = publication.publisher_limit_counter().id();
        let image = publication.image.clone();
        let status_id = self.send_status_id(publication_endpoint(&self.network_publications[at]));
        self.answer_publication(add, original, &image, limit_id, status_id);
        self.link_spies_to_publication(original);
        Ok(())
    }

    fn check_publication_channel(
        &self,
        channel: &UdpChannel,
        params: &PublicationParams,
    ) -> Result<(), DriverError> {
        let mode = channel.control_mode();
        let is_multi_destination = matches!(mode, ControlMode::Manual | ControlMode::Dynamic);
        if channel.has_explicit_endpoint() && channel.remote_data().port() == 0 && !is_multi_destination {
            return Err(DriverError::generic(format!(
                "{} has port=0 for publication: name a port in endpoint",
                channel.uri()
            )));
        }
        if channel.has_explicit_control() && !channel.has_explicit_endpoint() && mode == ControlMode::None {
            return Err(DriverError::generic(format!(
                "control requires endpoint or control-mode: {}",
                channel.uri()
            )));
        }
        if let (Some(ResponseCorrelation::Id(id)), false) = (params.response_correlation, params.is_response)
            && !self.subscriptions.iter().any(|s| s.registration_id.get() == id.get() && s.is_network())
        {
            return Err(DriverError::generic(format!(
                "unable to find response subscription for response-correlation-id={id}"
            )));
        }
        self.check_response(params)?;
        let send_buffer = self.send_buffer_of(channel);
        if params.mtu.get() as usize > send_buffer {
            return Err(DriverError::generic(format!(
                "MTU {} greater than SO_SNDBUF {send_buffer} for {}: lower mtu or raise so-sndbuf \
                 (aeron.socket.so_sndbuf)",
                params.mtu,
                channel.uri()
            )));
        }
        Ok(())
    }

    /// A response channel answers an image, or is made ahead of any. Source: driver spec 2.3, row 13.
    fn check_response(&self, params: &PublicationParams) -> Result<(), DriverError> {
        match params.response_correlation {
            _ if !params.is_response => Ok(()),
            None => Err(DriverError::generic(
                "control-mode=response was specified, but no response-correlation-id",
            )),
            Some(ResponseCorrelation::Id(id)) if !self.images.iter().any(|i| i.correlation_id() == id) => {
                Err(DriverError::generic(format!("image response-correlation-id={id} not found")))
            }
            Some(_) => Ok(()),
        }
    }

    fn check_existing_send_endpoint(&self, endpoint: u32, channel: &UdpChannel) -> Result<(), DriverError> {
        match self.send_endpoints.get(endpoint as usize) {
            Some(entry) => {
                super::endpoints::check_send_options(channel, &entry.channel, &self.context.network)
            }
            None => Ok(()),
        }
    }

    /// SO_SNDBUF that the socket of a channel will have: the channel's, else the configured, else the system's.
    fn send_buffer_of(&self, channel: &UdpChannel) -> usize {
        match channel.effective_send_buffer(&self.context.network) {
            0 => self.system_buffers.send,
            bytes => bytes,
        }
    }

    pub(super) fn tagged_publication(&self, tag: i64) -> Option<TaggedPublication> {
        let found = self.network_publications.iter().find(|p| p.params.entity_tag == Some(tag))?;
        Some(TaggedPublication {
            session_id: found.state.session_id,
            mtu: found.state.mtu,
            term_length: found.state.geometry.term_length(),
        })
    }

    fn map_publication_log(&mut self, mut planned: PlannedPublication) {
        let job = self.next_job();
        let id = planned.add.correlation_id;
        planned.path = self.context.directory.path.join("publications").join(format!("{id}.logbuffer"));
        let parameters = self.publication_log_parameters(&planned);
        let spec = LogSpec { path: planned.path.clone(), parameters, is_sparse: planned.params.is_sparse };
        self.services.resources.send(ResourceCommand::MapLog { job, spec: Box::new(spec) });
        self.pending_command = Some(PendingCommand::Log(job, AwaitedLog::Publication(Box::new(planned))));
    }

    fn publication_log_parameters(&mut self, planned: &PlannedPublication) -> LogParameters {
        let PlannedPublication { add, params, session_id, channel, .. } = planned;
        let kind =
            if add.is_exclusive { LogKind::ExclusivePublication } else { LogKind::ConcurrentPublication };
        let initial_term_id = params
            .position
            .map_or_else(|| TermId::new(self.random.i32(..)), |position| position.initial_term_id);
        let (send_buffer, receive_buffer) = self.socket_buffers_of(channel.as_deref());
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
            untethered_linger_timeout_ns: params.untethered_linger.map_or(-1, nanos),
            untethered_resting_timeout_ns: nanos(params.untethered.resting),
            group: channel.as_ref().is_some_and(|channel| channel.has_group_semantics()),
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

    /// Goes on with a publication whose log is mapped. On an error the log is handed back.
    pub(super) fn create_publication(
        &mut self,
        planned: PlannedPublication,
        log: LogBuffers,
    ) -> Result<(), DriverError> {
        let (path, mapped) = (planned.path.clone(), log.clone());
        let created = match planned.channel.clone() {
            None => self.create_ipc_publication(planned, log),
            Some(channel) => self.create_network_publication(planned, &channel, log),
        };
        if created.is_err() {
            self.services.free_log(path, mapped);
        }
        created
    }

    fn create_ipc_publication(
        &mut self,
        planned: PlannedPublication,
        log: LogBuffers,
    ) -> Result<(), DriverError> {
        let PlannedPublication { add, params, session_id, path, .. } = planned;
        let start = log.producer_position();
        let stream = CounterStream {
            registration_id: add.correlation_id.get(),
            owner: add.client_id.get(),
            session_id,
            stream_id: add.stream_id,
            channel: &add.channel,
        };
        let [publisher_position, publisher_limit] = self.services.allocate_stream_counters(
            &stream,
            [
                (CounterTypeId::PUBLISHER_POSITION, publisher_position_name(add.is_exclusive), start.get()),
                (CounterTypeId::PUBLISHER_LIMIT, "pub-lmt", start.get()),
            ],
        )?;
        if let Err(error) = self.add_publication_link(&add) {
            self.services.free(publisher_position.id());
            self.services.free(publisher_limit.id());
            return Err(error);
        }
        let limit_id = publisher_limit.id();
        let image = image_of_publication(&add, session_id, &path);
        let mut publication = IpcPublication::new(
            IpcPublicationParams {
                registration_id: add.registration_id(),
                session_id,
                stream_id: add.stream_id,
                mtu: params.mtu,
                is_exclusive: add.is_exclusive,
                start,
                term_window: i64::from(params.window),
                unblock_timeout: self.context.timeouts.publication_unblock,
                cool_down: self.context.timeouts.image_liveness,
                untethered: params.untethered,
                response_correlation_id: params.response_correlation_id(),
                entity_tag: params.entity_tag,
            },
            log,
            image.clone(),
            publisher_position,
            publisher_limit,
            self.services.now.nanos,
        );
        publication.add_reference();
        self.ipc_publications.push(publication);
        self.answer_publication(&add, add.registration_id(), &image, limit_id, CounterId::NULL);
        self.link_subscriptions_to_ipc(add.registration_id());
        Ok(())
    }

    fn create_network_publication(
        &mut self,
        planned: PlannedPublication,
        channel: &Arc<UdpChannel>,
        log: LogBuffers,
    ) -> Result<(), DriverError> {
        let PlannedPublication { add, params, session_id, path, .. } = planned;
        let flow_control = self.flow_control_of(channel)?;
        let endpoint = match self.send_endpoints.find(channel)? {
            Some(endpoint) => SendEndpointId::new(endpoint),
            None => self.create_send_endpoint(channel, add.registration_id())?,
        };
        let created =
            self.create_publication_on(endpoint, &add, &params, session_id, &path, flow_control, log);
        match created {
            Ok((image, limit_id)) => {
                let status_id = self.send_status_id(endpoint);
                self.answer_publication(&add, add.registration_id(), &image, limit_id, status_id);
                self.link_spies_to_publication(add.registration_id());
                Ok(())
            }
            Err(error) => {
                self.send_endpoints.close_if_unused(endpoint, &mut self.services);
                Err(error)
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a publication, gathered in two steps")]
    fn create_publication_on(
        &mut self,
        endpoint: SendEndpointId,
        add: &AddPublication,
        params: &PublicationParams,
        session_id: SessionId,
        path: &std::path::Path,
        flow_control: FlowControl,
        log: LogBuffers,
    ) -> Result<(AvailableImage, CounterId), DriverError> {
        let start = log.producer_position();
        let counters = self.allocate_publication_counters(add, session_id, start)?;
        if let Err(error) = self.add_publication_link(add) {
            counters.free(&mut self.services);
            return Err(error);
        }
        let now = self.services.now.nanos;
        let identity = NetworkPublicationIdentity {
            registration_id: add.registration_id(),
            session_id,
            stream_id: add.stream_id,
            mtu: params.mtu,
            spies_simulate_connection: params.spies_simulate_connection,
            signal_eos: params.signal_eos,
        };
        let state = Arc::new(NetworkPublicationState::new(
            identity,
            log,
            counters.sender_position.clone(),
            counters.sender_limit.clone(),
        ));
        let Some(entry) = self.send_endpoints.get_mut(endpoint.index()) else {
            return Err(DriverError::generic("send endpoint vanished while its publication was made"));
        };
        entry.publications += 1;
        let has_group_semantics = entry.channel.has_group_semantics();
        let sender_params = SenderParams {
            endpoint,
            max_messages_per_send: self.context.network.messages_per_send,
            connection_timeout: self.context.timeouts.publication_connection,
            has_group_semantics,
            is_response: params.is_response,
            wants_response: params.response_correlation.is_some(),
            ttl: entry.channel.ttl().into(),
        };
        let loss = &self.context.loss;
        let retransmits = RetransmitHandler::new(&RetransmitConfig {
            delay: loss.retransmit_unicast_delay,
            linger: loss.retransmit_unicast_linger,
            max_resends: has_group_semantics.then(|| {
                params.max_resend.unwrap_or_else(|| u16::try_from(loss.max_resend).unwrap_or(u16::MAX))
            }),
        });
        let image = image_of_publication(add, session_id, path);
        let limit_id = counters.publisher_limit.id();
        let sender_counters = SenderCounters {
            back_pressure_events: counters.back_pressure_events.clone(),
            naks_received: counters.naks_received.clone(),
        };
        let mut publication = NetworkPublication::new(
            Arc::clone(&state),
            NetworkPublicationParams {
                endpoint,
                is_exclusive: add.is_exclusive,
                start,
                term_window: i64::from(params.window),
                linger: params.linger,
                unblock_timeout: self.context.timeouts.publication_unblock,
                untethered: params.untethered,
                response_correlation_id: params.response_correlation_id(),
                entity_tag: params.entity_tag,
            },
            counters,
            image.clone(),
            now,
        );
        publication.add_reference();
        self.network_publications.push(publication);
        self.services.sender.send(SenderCommand::AddPublication(Box::new(SenderPublication::new(
            state,
            sender_params,
            sender_counters,
            flow_control,
            retransmits,
            now,
        ))));
        Ok((image, limit_id))
    }

    fn allocate_publication_counters(
        &mut self,
        add: &AddPublication,
        session_id: SessionId,
        start: Position,
    ) -> Result<NetworkPublicationCounters, DriverError> {
        let stream = CounterStream {
            registration_id: add.correlation_id.get(),
            owner: add.client_id.get(),
            session_id,
            stream_id: add.stream_id,
            channel: &add.channel,
        };
        let [
            publisher_position,
            publisher_limit,
            sender_position,
            sender_limit,
            back_pressure_events,
            naks_received,
        ] = self.services.allocate_stream_counters(
            &stream,
            [
                (CounterTypeId::PUBLISHER_POSITION, publisher_position_name(add.is_exclusive), start.get()),
                (CounterTypeId::PUBLISHER_LIMIT, "pub-lmt", start.get()),
                (CounterTypeId::SENDER_POSITION, "snd-pos", start.get()),
                (CounterTypeId::SENDER_LIMIT, "snd-lmt", start.get()),
                (CounterTypeId::SENDER_BPE, "snd-bpe", 0),
                (CounterTypeId::SENDER_NAKS_RECEIVED, "snd-naks-received", 0),
            ],
        )?;
        Ok(NetworkPublicationCounters {
            publisher_position,
            publisher_limit,
            sender_position,
            sender_limit,
            back_pressure_events,
            naks_received,
        })
    }

    fn add_publication_link(&mut self, add: &AddPublication) -> Result<(), DriverError> {
        let client = self.clients.get_or_add(add.client_id, &mut self.services)?;
        let registration_id = add.registration_id();
        client.publications.push(PublicationLink { registration_id, publication: registration_id });
        Ok(())
    }

    fn flow_control_of(&self, channel: &UdpChannel) -> Result<FlowControl, DriverError> {
        let spec = channel.uri().get(keys::FLOW_CONTROL);
        Ok(self.context.flow_control.flow_control(channel.has_group_semantics(), spec)?)
    }

    fn create_send_endpoint(
        &mut self,
        channel: &Arc<UdpChannel>,
        registration_id: RegistrationId,
    ) -> Result<SendEndpointId, DriverError> {
        let bind = self.sender_ports.acquire(channel.send_bind(), channel.has_explicit_control())?;
        let spec = channel.send_spec(&self.context.network, bind);
        let opened = self.transports.open(&spec);
        let transport = match opened {
            Ok(transport) => transport,
            Err(error) => {
                self.sender_ports.release(bind);
                return Err(DriverError::generic(format!("{}: {error}", channel.uri())));
            }
        };
        let text = channel.uri().to_string();
        let bound = transport.local_address();
        let counters = EndpointCounters::allocate(&SEND, &text, registration_id, bound, &mut self.services)?;
        let index = self.send_endpoints.next_index();
        let id = SendEndpointId::new(index);
        let route = match channel.control_mode() {
            ControlMode::Response => Route::Learned,
            _ if spec.connect.is_some() => Route::Connected,
            _ => Route::Address(channel.remote_data()),
        };
        let now = self.services.now.nanos;
        let endpoint = SendEndpoint::new(id, Arc::clone(channel), transport, route, now);
        self.services.sender.send(SenderCommand::AddEndpoint(Box::new(endpoint)));
        self.send_endpoints.insert(index, SendEndpointEntry::new(Arc::clone(channel), counters, bind));
        Ok(id)
    }

    fn send_status_id(&self, endpoint: SendEndpointId) -> CounterId {
        self.send_endpoints.get(endpoint.index()).map_or(CounterId::NULL, |entry| entry.counters.status_id())
    }

    fn answer_publication(
        &mut self,
        add: &AddPublication,
        original: RegistrationId,
        image: &AvailableImage,
        limit_id: CounterId,
        channel_status_id: CounterId,
    ) {
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
            }
            publication.remove_reference();
        } else if let Some(publication) =
            self.network_publications.iter_mut().find(|p| p.registration_id() == id)
        {
            if revoke {
                publication.revoke();
            }
            publication.remove_reference(now);
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

    pub(super) fn on_publication_log(
        &mut self,
        planned: PlannedPublication,
        log: Result<LogBuffers, DriverError>,
    ) {
        let correlation_id = planned.add.correlation_id;
        if let Err(error) = log.and_then(|log| self.create_publication(planned, log)) {
            self.services.refuse(correlation_id, &error);
        }
    }
}

fn publication_endpoint(publication: &NetworkPublication) -> SendEndpointId {
    publication.params.endpoint
}

/// The first channel of a tag says where it leads; only later ones may name the tag alone. Source: driver spec 2.6.
fn check_original(channel: &UdpChannel) -> Result<(), DriverError> {
    let leads_somewhere = channel.has_explicit_endpoint()
        || channel.has_explicit_control()
        || channel.control_mode() == ControlMode::Manual;
    if channel.tag().is_none() || leads_somewhere {
        return Ok(());
    }
    Err(DriverError::generic(format!(
        "URI must have explicit control, endpoint, or be manual control-mode when original: {}",
        channel.uri()
    )))
}

fn image_of_publication(
    add: &AddPublication,
    session_id: SessionId,
    path: &std::path::Path,
) -> AvailableImage {
    AvailableImage {
        correlation_id: add.correlation_id,
        session_id,
        stream_id: add.stream_id,
        log_path: path.to_string_lossy().into(),
        source_identity: "aeron:ipc".into(),
    }
}

fn clashing_session(session: SessionId, add: &AddPublication) -> DriverError {
    DriverError::invalid_channel(format!(
        "existing publication has clashing session id {session} for stream id {} and channel {}",
        add.stream_id, add.channel
    ))
}

fn publisher_position_name(is_exclusive: bool) -> &'static str {
    if is_exclusive { "pub-pos (exclusive)" } else { "pub-pos (concurrent)" }
}

fn nanos(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
