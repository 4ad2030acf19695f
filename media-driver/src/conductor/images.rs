//! Creating images for setups that the receiver passed on. Source: driver spec 2.14.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use epona_protocol::{
    frame::SetupFlags,
    logbuffer::{LogBuffers, LogKind, LogParameters},
    types::{CorrelationId, CounterTypeId, Mtu, Position, TermGeometry},
    uri::{InferableBool, keys},
};

use super::{
    Conductor,
    client_counters::NO_OWNER,
    endpoints::EndpointPhase,
    publications::nanos,
    services::{AvailableImage, CounterStream},
    subscriptions::{add_image_subscriber, is_match},
};
use crate::{
    commands::{ImageRequest, JobId, LogSpec, ReceiverCommand, ResourceCommand},
    congestion_control::{CongestionControl, receiver_window},
    directory::{image_log, storage::TermLengthOrigin},
    error::DriverError,
    image::{
        publication_image::{CubicCounters, ImageCounters, ImageParams, PublicationImage},
        shared::{ImageIdentity, ImageState},
    },
    loss::{AnswerTime, Detector, FeedbackDelay, OptimalMulticastDelay, Retry},
    media::{address::Identity, udp_channel::UdpChannel},
    publication::params::SubscriptionParams,
    receiver::image::{ReceiverImage, ReceiverImageParams},
    subscription::Subscription,
};

/// An image that waits for its log.
#[derive(Debug)]
pub(super) struct PendingImage {
    job: JobId,
    plan: ImagePlan,
}

/// An image to be.
#[derive(Debug)]
struct ImagePlan {
    request: ImageRequest,
    geometry: TermGeometry,
    mtu: Mtu,
    correlation_id: CorrelationId,
    path: PathBuf,
    /// What the endpoint's channel asks for, whatever the subscriptions that share it do.
    endpoint: SubscriptionParams,
}

impl PendingImage {
    /// The log that the agent maps.
    pub(super) fn path(&self) -> &Path {
        &self.plan.path
    }
}

/// Who wants an image.
struct Demand {
    channel: Arc<UdpChannel>,
    /// At least one; the first decides how the image is received.
    subscriptions: Vec<Arc<Subscription>>,
}

impl Conductor {
    /// Starts to create an image. What cannot be made now is forgotten by the receiver too, so that the next setup
    /// tries again.
    pub(super) fn create_image(&mut self, request: ImageRequest) {
        let Some(demand) = self.demand_for(&request) else { return self.forget_image(&request) };
        match self.check_image(&request, &demand.channel) {
            Ok((geometry, mtu, endpoint)) => {
                let correlation_id = self.to_driver.next_correlation_id();
                let path = image_log(&self.context.directory.path, correlation_id);
                let plan = ImagePlan { request, geometry, mtu, correlation_id, path, endpoint };
                self.map_image_log(plan, &demand);
            }
            Err(error) => {
                self.services.record(&error);
                self.forget_image(&request);
            }
        }
    }

    fn check_image(
        &self,
        request: &ImageRequest,
        channel: &UdpChannel,
    ) -> Result<(TermGeometry, Mtu, SubscriptionParams), DriverError> {
        let geometry = request.setup.validate().map_err(|error| DriverError::generic(error.to_string()))?;
        let mtu = self.check_sender_mtu(request.setup.mtu, channel)?;
        Ok((geometry, mtu, SubscriptionParams::read(channel.uri(), &self.context)?))
    }

    /// Nothing is sent to an endpoint that is going away, with all that it remembers. Source: driver spec 14.1.
    fn forget_image(&mut self, request: &ImageRequest) {
        let endpoint = self.receive_endpoints.get(request.endpoint.index());
        if endpoint.is_none_or(|entry| entry.phase != EndpointPhase::Active) {
            return;
        }
        let setup = &request.setup;
        self.services.receiver.send(ReceiverCommand::ImageCreationFailed(
            request.endpoint,
            setup.stream_id,
            setup.session_id,
        ));
    }

    fn map_image_log(&mut self, plan: ImagePlan, demand: &Demand) {
        let ImagePlan { request: ImageRequest { setup, .. }, endpoint, .. } = &plan;
        let Demand { channel, subscriptions } = demand;
        let first = &subscriptions[0];
        let oldest = subscriptions.iter().min_by_key(|s| s.registration_id);
        let is_sparse = oldest.is_none_or(|s| s.params.is_sparse);
        let (send_buffer, receive_buffer) = self.socket_buffers_of(Some(channel));
        let window = channel.effective_receiver_window(&self.context.network);
        let registration_id = plan.correlation_id.as_registration_id();
        let parameters = LogParameters {
            session_id: setup.session_id,
            stream_id: setup.stream_id,
            initial_term_id: setup.initial_term_id,
            page_size: self.context.buffers.file_page_size,
            receiver_window_length: i32::try_from(window).unwrap_or(i32::MAX),
            send_buffer,
            receive_buffer,
            untethered_window_limit_timeout_ns: nanos(endpoint.untethered.window_limit),
            untethered_linger_timeout_ns: nanos(endpoint.untethered.linger),
            untethered_resting_timeout_ns: nanos(endpoint.untethered.resting),
            group: is_group(first, channel, &plan.request),
            is_response: endpoint.response.is_unsettled(),
            rejoin: endpoint.rejoin,
            reliable: first.params.is_reliable,
            sparse: is_sparse,
            tether: endpoint.is_tethered,
            ..LogParameters::new(LogKind::Image, registration_id, plan.mtu, plan.geometry.term_length())
        };
        let job = self.next_job();
        let spec = LogSpec {
            path: plan.path.clone(),
            parameters,
            is_sparse,
            term_length_origin: TermLengthOrigin::Source,
        };
        self.services.resources.send(ResourceCommand::MapLog { job, spec: Box::new(spec) });
        self.pending_image = Some(PendingImage { job, plan });
    }

    /// `None` when the endpoint is going or nobody subscribes to the session: not an error.
    fn demand_for(&self, request: &ImageRequest) -> Option<Demand> {
        let entry = self.receive_endpoints.get(request.endpoint.index())?;
        if entry.phase != EndpointPhase::Active {
            return None;
        }
        let setup = &request.setup;
        let subscriptions: Vec<_> = self
            .subscriptions
            .iter()
            .filter(|s| is_match(s, request.endpoint, setup.stream_id, setup.session_id))
            .cloned()
            .collect();
        (!subscriptions.is_empty()).then(|| Demand { channel: Arc::clone(&entry.channel), subscriptions })
    }

    /// Whether datagrams of the sender's MTU can be received at all. Source: wire spec 5.1.
    fn check_sender_mtu(&self, mtu: i32, channel: &UdpChannel) -> Result<Mtu, DriverError> {
        let checked =
            Mtu::new(i64::from(mtu)).map_err(|error| DriverError::generic(format!("sender {error}")))?;
        let window = channel.effective_receiver_window(&self.context.network);
        if mtu as usize > window {
            return Err(DriverError::generic(format!(
                "mtuLength={mtu} of the sender > initialWindowLength={window}: raise rcv-wnd or \
                 aeron.rcv.initial.window.length"
            )));
        }
        let receive_buffer = self.receive_buffer_of(channel);
        if mtu as usize > receive_buffer {
            return Err(DriverError::generic(format!(
                "mtuLength={mtu} of the sender > SO_RCVBUF={receive_buffer}: raise so-rcvbuf or \
                 aeron.socket.so_rcvbuf"
            )));
        }
        Ok(checked)
    }

    /// The agent has mapped the log of the pending image, or not. A log that comes to nothing is handed back.
    pub(super) fn on_image_log(&mut self, job: JobId, log: Result<LogBuffers, DriverError>) {
        let Some(PendingImage { plan, .. }) = self.pending_image.take_if(|pending| pending.job == job) else {
            return;
        };
        let created = log.and_then(|log| {
            let Some(demand) = self.demand_for(&plan.request) else {
                self.services.free_log(plan.path.clone(), log);
                return Ok(false);
            };
            let mapped = log.clone();
            self.finish_image(&plan, &demand, log)
                .inspect_err(|_| self.services.free_log(plan.path.clone(), mapped))
                .map(|()| true)
        });
        match created {
            Ok(true) => {}
            Ok(false) => self.forget_image(&plan.request),
            Err(error) => {
                self.services.record(&error);
                self.forget_image(&plan.request);
            }
        }
    }

    fn finish_image(
        &mut self,
        plan: &ImagePlan,
        demand: &Demand,
        log: LogBuffers,
    ) -> Result<(), DriverError> {
        let ImagePlan { request, geometry, correlation_id, .. } = plan;
        let Demand { channel, subscriptions } = demand;
        let setup = &request.setup;
        let first = &subscriptions[0];
        let join = geometry.position(setup.active_term_id, setup.term_offset);
        let now = self.services.now.nanos;
        let congestion_control = self.congestion_control(plan, channel)?;
        let mut counters = self.allocate_image_counters(plan, first, join)?;
        if let Some(cubic) = congestion_control.cubic() {
            let window = i64::from(cubic.window());
            let cubic = self.allocate_cubic_counters(plan, channel, window);
            counters.cubic = Some(cubic.inspect_err(|_| counters.free(&mut self.services))?);
        }
        let identity = ImageIdentity {
            correlation_id: *correlation_id,
            endpoint: request.endpoint,
            session_id: setup.session_id,
            stream_id: setup.stream_id,
            join_position: join,
            is_reliable: first.params.is_reliable,
            max_gaps: self.context.loss.unicast_max_gaps,
        };
        let (hwm, naks_sent) = (counters.high_water_mark.clone(), counters.naks_sent.clone());
        let initial_window = congestion_control.initial_window();
        let arrivals = self.images.next_signal();
        let state = Arc::new(ImageState::new(identity, log, hwm, naks_sent, initial_window, arrivals, now));
        let timeouts = &self.context.timeouts;
        let receiver_params = ReceiverImageParams {
            max_window: congestion_control.max_window(),
            status_message_timeout: timeouts.status_message,
            liveness_timeout: timeouts.image_liveness,
            round_trips: congestion_control.round_trip_timer(),
        };
        let params = ImageParams {
            liveness_timeout: timeouts.image_liveness,
            status_message_timeout: timeouts.status_message,
            untethered: plan.endpoint.untethered,
            wants_response: setup.flags.contains(SetupFlags::SEND_RESPONSE_SETUP),
        };
        let image = AvailableImage {
            correlation_id: *correlation_id,
            session_id: setup.session_id,
            stream_id: setup.stream_id,
            log_path: plan.path.to_string_lossy().into(),
            source_identity: Identity(request.source).to_string().into(),
        };
        let detector = self.detector(join, first, channel, request);
        let shared = Arc::clone(&state);
        let mut image =
            PublicationImage::new(shared, params, image, counters, detector, congestion_control, now);
        if let Some(entry) = self.receive_endpoints.get_mut(request.endpoint.index()) {
            entry.images += 1;
        }
        for subscription in subscriptions {
            add_image_subscriber(&mut image, subscription, join, &mut self.services);
        }
        self.images.push(image);
        let image = ReceiverImage::new(state, receiver_params, request.origin, now);
        self.services.receiver.send(ReceiverCommand::AddImage(Box::new(image)));
        Ok(())
    }

    fn congestion_control(
        &self,
        plan: &ImagePlan,
        channel: &UdpChannel,
    ) -> Result<CongestionControl, DriverError> {
        let config = &self.context.congestion_control;
        let kind = config.strategy.for_channel(channel.uri().get(keys::CONGESTION_CONTROL))?;
        let window =
            i32::try_from(channel.effective_receiver_window(&self.context.network)).unwrap_or(i32::MAX);
        let max_window = receiver_window(window, plan.geometry.term_length());
        let now = self.services.now.nanos;
        Ok(CongestionControl::new(kind, max_window, plan.mtu, &config.cubic, now))
    }

    fn allocate_image_counters(
        &mut self,
        plan: &ImagePlan,
        first: &Subscription,
        join: Position,
    ) -> Result<ImageCounters, DriverError> {
        let setup = &plan.request.setup;
        let stream = CounterStream {
            registration_id: plan.correlation_id.get(),
            owner: first.client_id.get(),
            session_id: setup.session_id,
            stream_id: setup.stream_id,
            channel: &first.channel,
        };
        let [high_water_mark, rebuild_position, naks_sent] = self.services.allocate_stream_counters(
            &stream,
            [
                (CounterTypeId::RECEIVER_HWM, "rcv-hwm", join.get()),
                (CounterTypeId::RECEIVER_POSITION, "rcv-pos", join.get()),
                (CounterTypeId::RECEIVER_NAKS_SENT, "rcv-naks-sent", 0),
            ],
        )?;
        Ok(ImageCounters { high_water_mark, rebuild_position, naks_sent, cubic: None })
    }

    fn allocate_cubic_counters(
        &mut self,
        plan: &ImagePlan,
        channel: &UdpChannel,
        window: i64,
    ) -> Result<CubicCounters, DriverError> {
        let stream = CounterStream {
            registration_id: plan.correlation_id.get(),
            owner: NO_OWNER,
            session_id: plan.request.setup.session_id,
            stream_id: plan.request.setup.stream_id,
            channel: channel.text(),
        };
        let kind = CounterTypeId::PER_IMAGE;
        let wanted = [(kind, "rcv-cc-cubic-rtt", 0), (kind, "rcv-cc-cubic-wnd", window)];
        let [rtt, window] = self.services.allocate_stream_counters(&stream, wanted)?;
        Ok(CubicCounters { rtt, window })
    }

    /// What looks for loss, and how long it waits before asking for what is missing. Source: wire spec 3.2.
    fn detector(
        &mut self,
        join: Position,
        subscription: &Subscription,
        channel: &UdpChannel,
        request: &ImageRequest,
    ) -> Detector {
        let loss = &self.context.loss;
        let max_gaps = loss.unicast_max_gaps;
        let is_reliable = subscription.params.is_reliable;
        if is_reliable && is_group(subscription, channel, request) {
            let random = fastrand::Rng::with_seed(self.random.u64(..));
            let (max_backoff, group_size) = (loss.nak_multicast_max_backoff, loss.nak_multicast_group_size);
            let delay = OptimalMulticastDelay::new(max_backoff, group_size, random);
            return Detector::single(FeedbackDelay::OptimalMulticast(delay));
        }
        let (first, retry) = if is_reliable {
            let of_channel = channel.uri().duration(keys::NAK_DELAY).ok().flatten();
            let first = of_channel.unwrap_or(loss.nak_unicast_delay);
            let ratio = u32::try_from(loss.nak_unicast_retry_delay_ratio).unwrap_or(u32::MAX);
            (first, first.saturating_mul(ratio))
        } else {
            (Duration::ZERO, Duration::ZERO)
        };
        match max_gaps {
            0 | 1 => Detector::single(FeedbackDelay::Static { first, retry }),
            _ if is_reliable => {
                Detector::multi(join, max_gaps, first, Retry::Measured(AnswerTime::new(retry)))
            }
            _ => Detector::multi(join, max_gaps, first, Retry::Fixed(retry)),
        }
    }
}

/// Whether the receiver acts as one of many. Source: wire spec 3.2.
fn is_group(subscription: &Subscription, channel: &UdpChannel, request: &ImageRequest) -> bool {
    match subscription.params.group {
        InferableBool::True => true,
        InferableBool::False => false,
        InferableBool::Infer => channel.is_multicast() || request.setup.flags.contains(SetupFlags::GROUP),
    }
}
