//! Adding network publications, and sharing those that exist. Source: driver spec 2.3, 2.5.

use std::sync::Arc;

use epona_protocol::{
    logbuffer::LogBuffers,
    types::{CounterId, CounterTypeId, Position, SessionId},
    uri::{ControlMode, keys},
};

use super::{
    Conductor,
    client_counters::NO_OWNER,
    pending_command::{AddPublication, PlannedPublication},
    publications::ReadyPublication,
    services::CounterStream,
};
use crate::{
    commands::SenderCommand,
    endpoint_id::SendEndpointId,
    error::DriverError,
    flow_control::{FlowControl, GroupObserver},
    media::udp_channel::UdpChannel,
    publication::{
        network::{NetworkPublication, NetworkPublicationCounters, NetworkPublicationParams, Phase},
        params::{ExistingPublication, PublicationParams},
        shared::{NetworkPublicationIdentity, NetworkPublicationState},
    },
    sender::{
        publication::{SenderCounters, SenderParams, SenderPublication},
        retransmit_handler::{RetransmitConfig, RetransmitHandler},
    },
};

impl Conductor {
    /// Goes on with a network publication whose channel is resolved.
    pub(super) fn add_network_publication(
        &mut self,
        add: AddPublication,
        channel: Arc<UdpChannel>,
    ) -> Result<(), DriverError> {
        let params =
            PublicationParams::network(channel.uri(), &self.context, |tag| self.tagged_publication(tag))
                .map_err(|error| error.about(&add.channel))?;
        self.check_publication_channel(&channel, &params)?;
        let endpoint = self.find_send_endpoint(&channel, params.mtu)?;
        let on_endpoint = |p: &NetworkPublication| {
            Some(p.params.endpoint) == endpoint && p.state.stream_id == add.stream_id
        };
        if !add.is_exclusive {
            let shareable = self.network_publications.iter().position(|p| {
                on_endpoint(p)
                    && p.phase() == Phase::Active
                    && !p.params.is_exclusive
                    && p.params.response_correlation_id == params.response_correlation_id()
            });
            if let Some(at) = shareable {
                return self.share_network_publication(at, &add, &params);
            }
        }
        // Without an endpoint there is no publication on it: no session id is in use.
        let is_used = |session: SessionId| {
            self.network_publications
                .iter()
                .any(|p| on_endpoint(p) && p.phase() != Phase::Done && p.state.session_id == session)
        };
        let session_id = match params.session_id {
            Some(session) if is_used(session) => return Err(add.clash(session)),
            Some(session) => session,
            None => self.session_ids.allocate(is_used),
        };
        self.map_publication_log(add, params, session_id, Some(channel));
        Ok(())
    }

    fn share_network_publication(
        &mut self,
        at: usize,
        add: &AddPublication,
        params: &PublicationParams,
    ) -> Result<(), DriverError> {
        let publication = &self.network_publications[at];
        let state = &publication.state;
        params
            .confirm_match(&ExistingPublication {
                session_id: state.session_id,
                mtu: state.mtu,
                geometry: state.geometry,
                start: publication.params.start,
            })
            .map_err(|error| error.about(&add.channel))?;
        if params.spies_simulate_connection != state.spies_simulate_connection {
            return Err(DriverError::generic(format!(
                "existing publication has different spies simulate connection: existing={} requested={} channel={}",
                state.spies_simulate_connection, params.spies_simulate_connection, add.channel
            )));
        }
        self.check_answered_image(params)?;
        self.link_publication(add, publication.registration_id())?;
        self.network_publications[at].add_reference();
        self.present_network_publication(at, add);
        self.answer_image(at);
        Ok(())
    }

    /// Rows 3 to 6 and 17 of driver spec 2.3, and what this driver cannot do yet.
    fn check_publication_channel(
        &self,
        channel: &Arc<UdpChannel>,
        params: &PublicationParams,
    ) -> Result<(), DriverError> {
        let mode = channel.control_mode();
        let text = channel.text();
        if channel.has_explicit_endpoint()
            && channel.remote_data().port() == 0
            && !channel.is_multi_destination()
        {
            return Err(DriverError::generic(format!(
                "{text} has port=0 for publication: name a port in endpoint"
            )));
        }
        if channel.has_explicit_control() && !channel.has_explicit_endpoint() && mode == ControlMode::None {
            return Err(DriverError::generic(format!("control requires endpoint or control-mode: {text}")));
        }
        self.check_response_subscription(channel, params)?;
        self.flow_control(self.send_endpoints.channel_in_use(channel)).map(drop)
    }

    /// Creates a network publication whose log is mapped, and its endpoint where there is none yet.
    pub(super) fn create_network_publication(
        &mut self,
        planned: PlannedPublication,
        channel: &Arc<UdpChannel>,
        log: LogBuffers,
    ) -> Result<(), DriverError> {
        self.check_answered_image(&planned.params)?;
        // The endpoint may have gone while the log was mapped.
        let endpoint = match self.find_send_endpoint(channel, planned.params.mtu)? {
            Some(endpoint) => endpoint,
            None => self.create_send_endpoint(channel, planned.add.registration_id())?,
        };
        let in_use = Arc::clone(self.send_endpoints.channel_in_use(channel));
        let created = self.flow_control(&in_use).and_then(|flow_control| {
            self.create_publication_on(endpoint, planned, &in_use, flow_control, log)
        });
        if created.is_err() {
            self.send_endpoints.close_if_unused(endpoint, &mut self.services);
        }
        created
    }

    /// The flow control that the channel of an endpoint asks for: it is that of all its publications.
    /// Source: Aeron C, which hands that channel to the supplier of strategies.
    fn flow_control(&self, channel: &UdpChannel) -> Result<FlowControl, DriverError> {
        let spec = channel.uri().get(keys::FLOW_CONTROL);
        let flow_control = self.context.flow_control.flow_control(channel.has_group_semantics(), spec);
        flow_control.map_err(|error| DriverError::from(error).about(channel.text()))
    }

    fn create_publication_on(
        &mut self,
        endpoint: SendEndpointId,
        planned: PlannedPublication,
        channel: &UdpChannel,
        mut flow_control: FlowControl,
        log: LogBuffers,
    ) -> Result<(), DriverError> {
        let PlannedPublication { add, params, session_id, .. } = &planned;
        flow_control.observe(GroupObserver {
            events: self.services.events.clone(),
            session_id: *session_id,
            stream_id: add.stream_id,
            channel: Arc::from(&*add.channel),
        });
        let start = log.producer_position();
        let sender_params = self.sender_params(endpoint, params)?;
        let retransmits = self.retransmit_handler(&sender_params, params);
        let counters =
            self.allocate_publication_counters(add, *session_id, start, channel.text(), &flow_control)?;
        if let Err(error) = self.link_publication(add, add.registration_id()) {
            counters.free(&mut self.services);
            return Err(error);
        }
        if let Some(entry) = self.send_endpoints.get_mut(endpoint.index()) {
            entry.publications += 1;
        }
        let now = self.services.now.nanos;
        let identity = NetworkPublicationIdentity {
            registration_id: add.registration_id(),
            session_id: *session_id,
            stream_id: add.stream_id,
            mtu: params.mtu,
            spies_simulate_connection: params.spies_simulate_connection,
            signal_eos: params.signal_eos,
        };
        let news = self.network_publications.next_signal();
        let (position, limit) = (counters.sender_position.clone(), counters.sender_limit.clone());
        let state = Arc::new(NetworkPublicationState::new(identity, log, position, limit, news));
        let sender_counters = SenderCounters {
            back_pressure_events: counters.back_pressure_events.clone(),
            naks_received: counters.naks_received.clone(),
            receivers: counters.receivers.clone(),
        };
        let publication_params = NetworkPublicationParams {
            endpoint,
            is_exclusive: add.is_exclusive,
            start,
            term_window: i64::from(params.window),
            linger: params.linger,
            unblock_timeout: self.context.timeouts.publication_unblock,
            untethered: params.untethered,
            response_correlation_id: params.response_correlation_id(),
            response: params.response_role(),
            entity_tag: params.entity_tag,
        };
        let image = planned.image();
        let mut publication =
            NetworkPublication::new(Arc::clone(&state), publication_params, counters, image, now);
        publication.add_reference();
        self.network_publications.push(publication);
        let sender =
            SenderPublication::new(state, sender_params, sender_counters, flow_control, retransmits, now);
        self.services.sender.send(SenderCommand::AddPublication(Box::new(sender)));
        let at = self.network_publications.len() - 1;
        self.present_network_publication(at, &planned.add);
        self.answer_image(at);
        Ok(())
    }

    fn sender_params(
        &self,
        endpoint: SendEndpointId,
        params: &PublicationParams,
    ) -> Result<SenderParams, DriverError> {
        let Some(entry) = self.send_endpoints.get(endpoint.index()) else {
            return Err(DriverError::generic("send endpoint vanished while its publication was made"));
        };
        Ok(SenderParams {
            endpoint,
            max_messages_per_send: self.context.network.messages_per_send,
            connection_timeout: self.context.timeouts.publication_connection,
            has_group_semantics: entry.channel.has_group_semantics(),
            response: params.response_role(),
            ttl: entry.channel.ttl().into(),
        })
    }

    fn retransmit_handler(&self, sender: &SenderParams, params: &PublicationParams) -> RetransmitHandler {
        let loss = &self.context.loss;
        let is_group = sender.has_group_semantics;
        let max_resends = if is_group {
            params.max_resend.map_or(loss.max_resend as usize, usize::from)
        } else {
            loss.unicast_max_gaps
        };
        RetransmitHandler::new(&RetransmitConfig {
            delay: loss.retransmit_unicast_delay,
            linger: loss.retransmit_unicast_linger,
            max_resends,
            is_group,
        })
    }

    fn allocate_publication_counters(
        &mut self,
        add: &AddPublication,
        session_id: SessionId,
        start: Position,
        endpoint_channel: &str,
        flow_control: &FlowControl,
    ) -> Result<NetworkPublicationCounters, DriverError> {
        let stream = add.counter_stream(session_id);
        let receivers = match flow_control.receiver_count() {
            None => None,
            Some(_) => {
                let ownerless = CounterStream { owner: NO_OWNER, channel: endpoint_channel, ..stream };
                let kind = CounterTypeId::FLOW_CONTROL_RECEIVERS;
                Some(self.services.allocate_stream_counter(kind, "fc-receivers", &ownerless, 0)?)
            }
        };
        let allocated = self.services.allocate_stream_counters(
            &stream,
            [
                (CounterTypeId::PUBLISHER_POSITION, add.publisher_position_name(), start.get()),
                (CounterTypeId::PUBLISHER_LIMIT, "pub-lmt", start.get()),
                (CounterTypeId::SENDER_POSITION, "snd-pos", start.get()),
                (CounterTypeId::SENDER_LIMIT, "snd-lmt", start.get()),
                (CounterTypeId::SENDER_BPE, "snd-bpe", 0),
                (CounterTypeId::SENDER_NAKS_RECEIVED, "snd-naks-received", 0),
            ],
        );
        let [
            publisher_position,
            publisher_limit,
            sender_position,
            sender_limit,
            back_pressure_events,
            naks_received,
        ] = allocated.inspect_err(|_| {
            if let Some(receivers) = &receivers {
                self.services.free(receivers.id());
            }
        })?;
        Ok(NetworkPublicationCounters {
            publisher_position,
            publisher_limit,
            sender_position,
            sender_limit,
            back_pressure_events,
            naks_received,
            receivers,
        })
    }

    /// Answers the client, then links spies that are not linked yet.
    fn present_network_publication(&mut self, at: usize, add: &AddPublication) {
        let publication = &self.network_publications[at];
        let (original, image) = (publication.registration_id(), publication.image.clone());
        let limit_id = publication.publisher_limit_counter().id();
        let endpoint = self.send_endpoints.get(publication.params.endpoint.index());
        let channel_status_id = endpoint.map_or(CounterId::NULL, |entry| entry.counters.status_id());
        self.answer_publication(
            add,
            ReadyPublication { original, image: &image, limit_id, channel_status_id },
        );
        self.link_spies_to_publication(at);
    }
}
