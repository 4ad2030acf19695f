//! Creating images for setups that the receiver passed on. Source: driver spec 2.14.

use std::{path::PathBuf, sync::Arc};

use epona_protocol::{
    logbuffer::{LogBuffers, LogKind, LogParameters},
    types::{CorrelationId, CounterTypeId, Mtu, Position, TermGeometry},
    uri::{InferableBool, keys},
};

use super::{
    Conductor,
    endpoints::EndpointPhase,
    services::{AvailableImage, CounterStream},
    subscriptions::is_match,
};
use crate::{
    commands::{ImageRequest, JobId, ReceiverCommand, ResourceCommand},
    congestion_control::{CongestionControl, receiver_window},
    error::DriverError,
    image::{
        publication_image::{ImageCounters, ImageParams, PublicationImage},
        shared::{ImageIdentity, ImageState},
    },
    loss::{Detector, FeedbackDelay, OptimalMulticastDelay},
    media::udp_channel::UdpChannel,
    native_resource_agent::LogSpec,
    publication::params::{untethered_linger, untethered_timeouts},
    receiver::image::{ReceiverImage, ReceiverImageParams},
    subscription::Subscription,
};

/// An image that waits for its log.
#[derive(Debug)]
pub(super) struct PendingImage {
    job: JobId,
    request: ImageRequest,
    geometry: TermGeometry,
    mtu: Mtu,
    correlation_id: CorrelationId,
    path: PathBuf,
}

impl Conductor {
    /// Starts to create an image. What cannot be made now is forgotten by the receiver too, so that the next setup
    /// tries again.
    pub(super) fn create_image(&mut self, request: ImageRequest) {
        if let Err(error) = self.start_image(&request) {
            self.services.record(&error);
            self.forget_image(&request);
        }
    }

    fn forget_image(&mut self, request: &ImageRequest) {
        let setup = &request.setup;
        self.services.receiver.send(ReceiverCommand::ImageCreationFailed(
            request.endpoint,
            setup.stream_id,
            setup.session_id,
        ));
    }

    fn start_image(&mut self, request: &ImageRequest) -> Result<(), DriverError> {
        let Some((channel, subscriptions)) = self.wanted_by(request) else {
            // Nobody wants it any more: not an error.
            self.forget_image(request);
            return Ok(());
        };
        let setup = &request.setup;
        let geometry = setup.validate().map_err(|error| DriverError::generic(error.to_string()))?;
        let mtu = self.check_sender_mtu(setup.mtu, &channel)?;
        let correlation_id = self.to_driver.next_correlation_id();
        let path = self.context.directory.path.join("images").join(format!("{correlation_id}.logbuffer"));
        let first = &subscriptions[0];
        let is_sparse =
            subscriptions.iter().min_by_key(|s| s.registration_id).is_none_or(|s| s.params.is_sparse);
        let untethered = untethered_timeouts(channel.uri(), &self.context)?;
        let (send_buffer, receive_buffer) = self.socket_buffers_of(Some(&channel));
        let window = channel.effective_receiver_window(&self.context.network);
        let parameters = LogParameters {
            session_id: setup.session_id,
            stream_id: setup.stream_id,
            initial_term_id: setup.initial_term_id,
            page_size: self.context.buffers.file_page_size,
            receiver_window_length: i32::try_from(window).unwrap_or(i32::MAX),
            send_buffer,
            receive_buffer,
            untethered_window_limit_timeout_ns: nanos(untethered.window_limit),
            untethered_linger_timeout_ns: untethered_linger(channel.uri(), &self.context)?.map_or(-1, nanos),
            untethered_resting_timeout_ns: nanos(untethered.resting),
            group: is_group(first, &channel, request),
            is_response: first.params.is_response,
            rejoin: first.params.rejoin,
            reliable: first.params.is_reliable,
            sparse: is_sparse,
            tether: first.params.is_tethered,
            ..LogParameters::new(
                LogKind::Image,
                correlation_id.as_registration_id(),
                mtu,
                geometry.term_length(),
            )
        };
        let job = self.next_job();
        let spec = LogSpec { path: path.clone(), parameters, is_sparse };
        self.services.resources.send(ResourceCommand::MapLog { job, spec: Box::new(spec) });
        self.pending_image =
            Some(PendingImage { job, request: request.clone(), geometry, mtu, correlation_id, path });
        Ok(())
    }

    /// The endpoint's channel and who subscribes to the session; `None` when the endpoint is going or nobody does.
    fn wanted_by(&self, request: &ImageRequest) -> Option<(Arc<UdpChannel>, Vec<Arc<Subscription>>)> {
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
        (!subscriptions.is_empty()).then(|| (Arc::clone(&entry.channel), subscriptions))
    }

    /// Whether datagrams of the sender's MTU can be received at all. Source: wire spec 5.1.
    fn check_sender_mtu(&self, mtu: i32, channel: &UdpChannel) -> Result<Mtu, DriverError> {
        let checked =
            Mtu::new(i64::from(mtu)).map_err(|error| DriverError::generic(format!("sender {error}")))?;
        let window = channel.effective_receiver_window(&self.context.network);
        if mtu as usize > window {
            return Err(DriverError::generic(format!(
                "initial window={window} must be >= MTU={mtu} of the sender: raise rcv-wnd or \
                 aeron.rcv.initial.window.length"
            )));
        }
        let receive_buffer = self.receive_buffer_of(channel);
        if mtu as usize > receive_buffer {
            return Err(DriverError::generic(format!(
                "SO_RCVBUF={receive_buffer} must be >= MTU={mtu} of the sender: raise so-rcvbuf or \
                 aeron.socket.so_rcvbuf"
            )));
        }
        Ok(checked)
    }

    /// The agent has mapped the log of the pending image, or not.
    pub(super) fn on_image_log(&mut self, job: JobId, log: Result<LogBuffers, DriverError>) {
        let Some(pending) = self.pending_image.take_if(|pending| pending.job == job) else { return };
        match log {
            Ok(log) => {
                let (path, mapped) = (pending.path.clone(), log.clone());
                match self.finish_image(&pending, log) {
                    Ok(true) => {}
                    Ok(false) => {
                        self.services.free_log(path, mapped);
                        self.forget_image(&pending.request);
                    }
                    Err(error) => {
                        self.services.free_log(path, mapped);
                        self.services.record(&error);
                        self.forget_image(&pending.request);
                    }
                }
            }
            Err(error) => {
                self.services.record(&error);
                self.forget_image(&pending.request);
            }
        }
    }

    /// Whether the image was still wanted, and so was made.
    fn finish_image(&mut self, pending: &PendingImage, log: LogBuffers) -> Result<bool, DriverError> {
        let request = &pending.request;
        let Some((channel, subscriptions)) = self.wanted_by(request) else { return Ok(false) };
        let setup = &request.setup;
        let join = pending.geometry.position(setup.active_term_id, setup.term_offset);
        let now = self.services.now.nanos;
        let first = Arc::clone(&subscriptions[0]);
        let window =
            i32::try_from(channel.effective_receiver_window(&self.context.network)).unwrap_or(i32::MAX);
        let congestion_control = CongestionControl::new(
            self.context
                .congestion_control
                .strategy
                .for_channel(channel.uri().get(keys::CONGESTION_CONTROL))?,
            receiver_window(window, pending.geometry.term_length()),
            pending.mtu,
            &self.context.congestion_control.cubic,
            now,
        );
        let counters = self.allocate_image_counters(pending, &first, join)?;
        let state = Arc::new(ImageState::new(
            ImageIdentity {
                correlation_id: pending.correlation_id,
                endpoint: request.endpoint,
                session_id: setup.session_id,
                stream_id: setup.stream_id,
                join_position: join,
                is_reliable: first.params.is_reliable,
            },
            log,
            counters.high_water_mark.clone(),
            counters.naks_sent.clone(),
            congestion_control.initial_window(),
            now,
        ));
        let timeouts = &self.context.timeouts;
        let receiver_params = ReceiverImageParams {
            max_window: congestion_control.max_window(),
            status_message_timeout: timeouts.status_message,
            liveness_timeout: timeouts.image_liveness,
        };
        let params = ImageParams {
            liveness_timeout: timeouts.image_liveness,
            status_message_timeout: timeouts.status_message,
            untethered: untethered_timeouts(channel.uri(), &self.context)?,
        };
        let image = AvailableImage {
            correlation_id: pending.correlation_id,
            session_id: setup.session_id,
            stream_id: setup.stream_id,
            log_path: pending.path.to_string_lossy().into(),
            source_identity: request.source.to_string().into(),
        };
        let detector = Detector::new(self.feedback_delay(&first, &channel, request));
        self.images.push(PublicationImage::new(
            Arc::clone(&state),
            params,
            image,
            counters,
            detector,
            congestion_control,
            now,
        ));
        if let Some(entry) = self.receive_endpoints.get_mut(request.endpoint.index()) {
            entry.images += 1;
        }
        let at = self.images.len() - 1;
        for subscription in &subscriptions {
            self.add_image_subscriber(at, subscription, join);
        }
        let image = ReceiverImage::new(state, receiver_params, request.origin, now);
        self.services.receiver.send(ReceiverCommand::AddImage(Box::new(image)));
        Ok(true)
    }

    fn allocate_image_counters(
        &mut self,
        pending: &PendingImage,
        first: &Subscription,
        join: Position,
    ) -> Result<ImageCounters, DriverError> {
        let setup = &pending.request.setup;
        let stream = CounterStream {
            registration_id: pending.correlation_id.get(),
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
        Ok(ImageCounters { high_water_mark, rebuild_position, naks_sent })
    }

    /// How long to wait before asking for what is missing. Source: wire spec 3.2.
    fn feedback_delay(
        &mut self,
        subscription: &Subscription,
        channel: &UdpChannel,
        request: &ImageRequest,
    ) -> FeedbackDelay {
        let loss = &self.context.loss;
        if !subscription.params.is_reliable {
            return FeedbackDelay::none();
        }
        if is_group(subscription, channel, request) {
            let random = fastrand::Rng::with_seed(self.random.u64(..));
            return FeedbackDelay::OptimalMulticast(OptimalMulticastDelay::new(
                loss.nak_multicast_max_backoff,
                loss.nak_multicast_group_size,
                random,
            ));
        }
        let of_channel = channel.uri().duration(keys::NAK_DELAY).ok().flatten();
        let first = of_channel.unwrap_or(loss.nak_unicast_delay);
        let ratio = u32::try_from(loss.nak_unicast_retry_delay_ratio).unwrap_or(u32::MAX);
        FeedbackDelay::unicast(first, ratio)
    }
}

/// Whether the receiver acts as one of many. Source: wire spec 3.2.
fn is_group(subscription: &Subscription, channel: &UdpChannel, request: &ImageRequest) -> bool {
    match subscription.params.group {
        InferableBool::True => true,
        InferableBool::False => false,
        InferableBool::Infer => {
            channel.is_multicast() || request.setup.flags.contains(epona_protocol::frame::SetupFlags::GROUP)
        }
    }
}

fn nanos(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
