//! The receiver's half of an image: inserts packets, sends status messages and NAKs.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use epona_protocol::{
    command::ErrorCode,
    frame::{
        self, DataFlags, ErrorFrame, Nak, ResponseSetup, Rttm, RttmFlags, StatusMessage, StatusMessageFlags,
        data::{DataView, PacketRun, validate_run},
    },
    logbuffer::{self, extend, fill_gap, insert},
    seq_slot::ChangeNumber,
    types::{Nanos, Position},
};

use super::{
    connections::Connections,
    endpoint::ReceiveEndpoint,
    origin::{DestinationIndex, Origin, ReplyRoute},
};
use crate::{
    congestion_control::RoundTripTimer,
    event_log::DriverEvent,
    image::{shared::ImageState, status_message_schedule::ScheduledStatus},
    loss::Gap,
    status::SystemCounters,
};

/// Longest gap that one datagram has zeroed, in bytes: other streams wait for that. One that would leave a longer gap is
/// dropped once so much of it is zeroed, and those that follow find less to do.
const MAX_GAP: i64 = 4 << 20;

/// Settings that an image is received with.
#[derive(Clone, Copy, Debug)]
pub struct ReceiverImageParams {
    /// Largest window that congestion control will grant, in bytes.
    pub max_window: i32,
    /// A status message is repeated at this interval.
    pub status_message_timeout: Duration,
    /// A source without a frame for this long is not counted as a transport of the image.
    pub liveness_timeout: Duration,
    /// Measures round trips, where congestion control wants to know them.
    pub round_trips: Option<RoundTripTimer>,
}

/// One image as the receiver drives it; owned by the receiver, which is the only caller.
#[derive(Debug)]
pub struct ReceiverImage {
    state: Arc<ImageState>,
    params: ReceiverImageParams,
    connections: Connections,
    /// Where the image ends; the counter of that name is for others, who could write to it.
    high_water_mark: Position,
    /// Up to where there are zeroes beyond the high-water mark, if that is farther.
    zeroed_to: Position,
    last_status: ScheduledStatus,
    overrun_threshold: Position,
    status_message_deadline: Nanos,
    status_change: ChangeNumber,
    round_trips: Option<RoundTripTimer>,
    is_status_message_enabled: bool,
    rejection: Option<Box<str>>,
    /// As the metadata has it; `None` before it was written.
    active_transports: Option<usize>,
}

impl ReceiverImage {
    /// An image whose first status message is due at once.
    #[must_use]
    pub fn new(state: Arc<ImageState>, params: ReceiverImageParams, origin: Origin, now: Nanos) -> Self {
        let mut image = Self {
            connections: Connections::default(),
            high_water_mark: state.join_position,
            zeroed_to: state.join_position,
            last_status: ScheduledStatus { position: state.join_position, window: 0 },
            overrun_threshold: state.join_position + i64::from(state.geometry.term_length().get() / 2),
            status_message_deadline: now,
            status_change: ChangeNumber::default(),
            round_trips: params.round_trips,
            is_status_message_enabled: true,
            rejection: None,
            active_transports: None,
            state,
            params,
        };
        // The setup that made it is no frame of the stream: a transport is active from the first that is.
        let Origin { destination, control_address } = origin;
        image.connections.expect(ReplyRoute { destination, control_address: Some(control_address) }, now);
        image
    }

    /// What both sides know of the image.
    #[must_use]
    pub fn state(&self) -> &Arc<ImageState> {
        &self.state
    }

    /// Stops periodic status messages: a newer image of the same session has taken over.
    pub fn disable_status_messages(&mut self) {
        self.is_status_message_enabled = false;
    }

    /// Ignores the stream from now on and tells its source why. Source: wire spec 2.6.
    pub fn reject(&mut self, reason: Box<str>, now: Nanos) {
        self.rejection = Some(reason);
        self.status_message_deadline = now;
    }

    /// A setup for the image: its source is alive, though the image is not by that alone. Source: wire spec 2.3.
    pub fn on_setup(&mut self, origin: Origin, now: Nanos) {
        self.connections.track(origin, now);
    }

    /// A destination was added to the image's endpoint: it may bring the image's data too.
    pub fn on_destination_added(&mut self, route: ReplyRoute, now: Nanos) {
        self.connections.expect(route, now);
    }

    /// A destination is gone, and what arrived there with it. Source: driver spec 5.3.
    pub fn on_destination_removed(&mut self, gone: DestinationIndex, now: Nanos) {
        self.connections.retain(|destination| destination != gone);
        self.publish_active_transports(now);
    }

    /// Forgets connections by destinations that went while the image was made.
    pub fn retain_destinations(&mut self, exists: impl FnMut(DestinationIndex) -> bool) {
        self.connections.retain(exists);
    }

    /// Control frames to the sources behind a destination go elsewhere now.
    pub fn set_control_address(&mut self, destination: DestinationIndex, address: SocketAddr) {
        self.connections.set_control_address(destination, address);
    }

    /// Puts the first datagram of `received` into the term buffer, and with it those that continue it; the bytes taken.
    ///
    /// `received` holds datagrams of `segment_size` bytes each, the last maybe shorter, of which `header` is the first.
    /// Several go in with one copy where nothing has arrived yet: from the high-water mark on. Source: wire spec 10.5,
    /// 15.1.
    #[inline]
    pub fn insert(
        &mut self,
        received: &[u8],
        segment_size: usize,
        header: &DataView<'_>,
        origin: Origin,
        now: Nanos,
        system: &SystemCounters,
    ) -> usize {
        let geometry = self.state.geometry;
        let datagram = &received[..segment_size.min(received.len())];
        if header.term_id().terms_since(geometry.initial_term_id()) < 0 || self.rejection.is_some() {
            return datagram.len();
        }
        let position = geometry.position(header.term_id(), header.term_offset());
        let packets = if position >= self.high_water_mark { received } else { datagram };
        let validate =
            |packets| validate_run(packets, segment_size, header.term_offset(), geometry.term_length());
        let is_overrun = |run: &PacketRun| position + i64::from(run.in_term) > self.overrun_threshold;
        let mut validated = validate(packets);
        if validated.as_ref().is_ok_and(|run| run.datagrams > 1 && is_overrun(run)) {
            validated = validate(datagram);
        }
        let Ok(run) = validated else {
            system.invalid_packets.increment();
            return datagram.len();
        };
        if is_overrun(&run) {
            system.flow_control_over_runs.increment();
            return datagram.len();
        }
        let proposed = position + i64::from(run.in_term);
        if header.is_heartbeat() {
            self.on_heartbeat(header, position, origin, now, system);
        } else if position < self.last_status.position {
            system.flow_control_under_runs.increment();
            if proposed >= self.last_status.position - i64::from(self.params.max_window) {
                self.connections.track(origin, now);
            }
        } else {
            self.connections.track(origin, now);
            self.state.set_time_of_last_packet(now);
            if !self.make_room(position, proposed, system) {
                return datagram.len();
            }
            insert(self.state.log.term_at(position), header.term_offset(), &received[..run.bytes]);
            self.raise_high_water_mark(proposed);
        }
        run.bytes
    }

    fn on_heartbeat(
        &mut self,
        header: &DataView<'_>,
        position: Position,
        origin: Origin,
        now: Nanos,
        system: &SystemCounters,
    ) {
        let term_length = i64::from(self.state.geometry.term_length().get());
        let bottom = (self.last_status.position - term_length).max(Position::ZERO);
        if position < bottom {
            system.flow_control_under_runs.increment();
            return;
        }
        self.connections.track(origin, now);
        self.state.set_time_of_last_packet(now);
        if !self.make_room(position, position, system) {
            return;
        }
        // Before the end of the stream, so that the conductor never takes an image with a lost tail for complete.
        self.raise_high_water_mark(position);
        if header.flags().contains(DataFlags::EOS) && !self.state.is_end_of_stream() {
            let is_revoked = header.flags().contains(DataFlags::REVOKED);
            self.on_end_of_stream(origin.destination, position, is_revoked, system);
        }
        system.heartbeats_received.increment();
    }

    /// The stream has ended once every source has said so. Source: driver spec 5.2.
    fn on_end_of_stream(
        &mut self,
        destination: DestinationIndex,
        position: Position,
        is_revoked: bool,
        system: &SystemCounters,
    ) {
        let Some(end) = self.connections.on_end_of_stream(destination, position) else { return };
        if is_revoked {
            system.publication_images_revoked.increment();
        }
        self.state.set_end_of_stream(end, is_revoked);
    }

    /// Leaves nothing of earlier terms before `position`, and a zero at `end`; whether that could be done at once.
    #[inline]
    fn make_room(&mut self, position: Position, end: Position, system: &SystemCounters) -> bool {
        let from = self.high_water_mark.max(self.zeroed_to);
        // Of what begins before, the rest is zeroed as well: it may be refused, as something is there.
        let gap_end = if position < from { end } else { position };
        let is_possible = gap_end - from <= MAX_GAP;
        if is_possible {
            extend(&self.state.log, from, position, end);
        } else {
            system.flow_control_over_runs.increment();
            self.zeroed_to = from + MAX_GAP;
            extend(&self.state.log, from, self.zeroed_to, self.zeroed_to);
        }
        is_possible
    }

    #[inline]
    fn raise_high_water_mark(&mut self, position: Position) {
        if position > self.high_water_mark {
            self.high_water_mark = position;
            self.state.high_water_mark.set_release(position.get());
            self.state.note_arrival();
        }
    }

    /// When there is something to send even if nothing arrives and the conductor reports nothing.
    #[inline]
    #[must_use]
    pub fn next_due(&self) -> Nanos {
        let is_repeated = self.is_status_message_enabled;
        let status = if is_repeated { self.status_message_deadline } else { Nanos::new(i64::MAX) };
        self.round_trips.as_ref().map_or(status, |timer| status.min(timer.deadline()))
    }

    /// Sends a status message when the conductor scheduled one or the last is old. Datagrams sent.
    ///
    /// Source: driver spec 5.5, wire spec 5.1.
    pub fn send_pending_status_message(
        &mut self,
        now: Nanos,
        endpoint: &mut ReceiveEndpoint,
        system: &SystemCounters,
    ) -> usize {
        if self.state.take_status_message_request() {
            self.status_message_deadline = now - Duration::from_nanos(1);
        }
        let is_due = self.is_status_message_enabled && self.status_message_deadline < now;
        if let Some(reason) = &self.rejection {
            if !is_due {
                return 0;
            }
            self.status_message_deadline = now + self.params.status_message_timeout;
            return send_rejection(reason, &self.state, &self.connections, now, endpoint, system);
        }
        let report = self.state.newer_status_report(&mut self.status_change);
        if report.is_none() && !is_due {
            return 0;
        }
        let mut sent = if is_due { self.send_response_setup(now, endpoint, system) } else { 0 };
        let status = report.unwrap_or(self.last_status);
        sent += self.send_status_message(status, now, endpoint, system);
        self.last_status = status;
        self.overrun_threshold = status.position + i64::from(self.state.geometry.term_length().get() / 2);
        self.status_message_deadline = now + self.params.status_message_timeout;
        self.publish_active_transports(now);
        sent
    }

    fn send_status_message(
        &self,
        status: ScheduledStatus,
        now: Nanos,
        endpoint: &mut ReceiveEndpoint,
        system: &SystemCounters,
    ) -> usize {
        let geometry = &self.state.geometry;
        let message = StatusMessage {
            flags: if self.state.is_sending_eos() {
                StatusMessageFlags::END_OF_STREAM
            } else {
                StatusMessageFlags::NONE
            },
            session_id: self.state.session_id,
            stream_id: self.state.stream_id,
            consumption_term_id: geometry.term_id(status.position),
            consumption_term_offset: geometry.term_offset(status.position),
            receiver_window: status.window,
            receiver_id: endpoint.receiver_id(),
            group_tag: endpoint.group_tag(),
        };
        let mut bytes = [0; frame::status_message::TAGGED_LENGTH];
        let length = message.emit(&mut bytes);
        let mut sent = 0;
        for origin in self.connections.active(now) {
            endpoint.send(now, origin, &bytes[..length], system);
            system.status_messages_sent.increment();
            sent += 1;
        }
        sent
    }

    /// Tells every live source in which session it is answered, if that has to be told. Datagrams sent.
    ///
    /// Source: driver spec 5.6, wire spec 2.7.
    fn send_response_setup(
        &self,
        now: Nanos,
        endpoint: &mut ReceiveEndpoint,
        system: &SystemCounters,
    ) -> usize {
        let Some(response_session_id) = self.state.response_session.get() else { return 0 };
        let (session_id, stream_id) = (self.state.session_id, self.state.stream_id);
        let mut bytes = [0; frame::response_setup::LENGTH];
        ResponseSetup { session_id, stream_id, response_session_id }.emit(&mut bytes);
        let mut sent = 0;
        for origin in self.connections.active(now) {
            endpoint.send(now, origin, &bytes, system);
            sent += 1;
        }
        sent
    }

    /// Acts on the gaps that the conductor reported: a NAK for each to every source, or padding. Datagrams sent or gaps
    /// filled.
    ///
    /// Source: driver spec 5.4, wire spec 3.3.
    #[inline]
    pub fn send_pending_loss(
        &mut self,
        now: Nanos,
        endpoint: &mut ReceiveEndpoint,
        system: &SystemCounters,
    ) -> usize {
        let mut work = 0;
        // No more than there were: the conductor may report on meanwhile.
        for _ in 0..self.state.reported_gaps() {
            let Some(gap) = self.state.take_gap() else { break };
            if self.state.is_revoked() {
                continue;
            }
            work += if self.state.is_reliable {
                self.send_nak(gap, now, endpoint, system)
            } else {
                self.fill(gap, system)
            };
        }
        work
    }

    fn fill(&self, gap: Gap, system: &SystemCounters) -> usize {
        let missing = logbuffer::Gap { offset: gap.offset, length: gap.length };
        let is_filled = fill_gap(&self.state.log, gap.term_id, missing);
        if is_filled {
            system.loss_gap_fills.increment();
        }
        usize::from(is_filled)
    }

    fn send_nak(
        &self,
        gap: Gap,
        now: Nanos,
        endpoint: &mut ReceiveEndpoint,
        system: &SystemCounters,
    ) -> usize {
        let nak = Nak {
            session_id: self.state.session_id,
            stream_id: self.state.stream_id,
            term_id: gap.term_id,
            term_offset: gap.offset,
            length: gap.length,
        };
        let mut bytes = [0; frame::nak::LENGTH];
        nak.emit(&mut bytes);
        let mut sent = 0;
        for origin in self.connections.active(now) {
            endpoint.send(now, origin, &bytes, system);
            system.naks_sent.increment();
            self.state.naks_sent.increment();
            log_nak(&nak, origin, now, endpoint);
            sent += 1;
        }
        sent
    }

    /// Asks every source for an answer when it is time to measure the round trip. Datagrams sent.
    ///
    /// Source: wire spec 4.
    #[inline]
    pub fn initiate_rttm(
        &mut self,
        now: Nanos,
        endpoint: &mut ReceiveEndpoint,
        system: &SystemCounters,
    ) -> usize {
        match &mut self.round_trips {
            Some(timer) if timer.is_due(now) => self.send_rttm(now, endpoint, system),
            _ => 0,
        }
    }

    fn send_rttm(&mut self, now: Nanos, endpoint: &mut ReceiveEndpoint, system: &SystemCounters) -> usize {
        let request = Rttm {
            flags: RttmFlags::REPLY,
            session_id: self.state.session_id,
            stream_id: self.state.stream_id,
            echo_timestamp: now.get(),
            reception_delta: 0,
            receiver_id: endpoint.receiver_id(),
        };
        let mut bytes = [0; frame::rttm::LENGTH];
        request.emit(&mut bytes);
        let mut sent = 0;
        for origin in self.connections.active(now) {
            endpoint.send(now, origin, &bytes, system);
            sent += 1;
        }
        if let Some(timer) = self.round_trips.as_mut().filter(|_| sent > 0) {
            timer.on_request_sent(now);
        }
        sent
    }

    /// An answer to one of our requests, or what claims to be one. Source: wire spec 4.
    pub fn on_rttm_answer(&mut self, answer: &Rttm, now: Nanos, system: &SystemCounters) {
        let Some(timer) = &mut self.round_trips else { return };
        match timer.on_answer(answer.echo_timestamp, answer.reception_delta, now) {
            Some(rtt) => self.state.set_round_trip(rtt),
            None => system.invalid_packets.increment(),
        }
    }

    /// Written only when it changes: the page of the metadata is seldom near.
    fn publish_active_transports(&mut self, now: Nanos) {
        let active = self.connections.transports(now, self.params.liveness_timeout);
        if self.active_transports.replace(active) != Some(active) {
            self.state.log.metadata().set_active_transport_count(active as i32);
        }
    }
}

fn log_nak(nak: &Nak, origin: Origin, now: Nanos, endpoint: &ReceiveEndpoint) {
    if endpoint.events.is_on(DriverEvent::NakSent) {
        let (stream, channel) = ((nak.session_id, nak.stream_id), endpoint.channel_text(origin.destination));
        let to = origin.control_address;
        endpoint.events.nak(DriverEvent::NakSent, to, stream, (*nak).into(), channel, now);
    }
}

/// Tells every source, dead or alive, why its stream is refused. Source: wire spec 2.6, driver spec 5.6.
fn send_rejection(
    reason: &str,
    state: &ImageState,
    connections: &Connections,
    now: Nanos,
    endpoint: &mut ReceiveEndpoint,
    system: &SystemCounters,
) -> usize {
    let error = ErrorFrame {
        session_id: state.session_id,
        stream_id: state.stream_id,
        receiver_id: endpoint.receiver_id(),
        group_tag: endpoint.group_tag(),
        error_code: ErrorCode::ImageRejected.get(),
        text: reason.as_bytes(),
    };
    let mut bytes = [0; frame::error::MAX_LENGTH];
    let length = error.emit(&mut bytes);
    let mut sent = 0;
    for origin in connections.all() {
        endpoint.send(now, origin, &bytes[..length], system);
        system.error_frames_sent.increment();
        sent += 1;
    }
    sent
}
