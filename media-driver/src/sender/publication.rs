//! The sender's half of a network publication: setup, data, heartbeats, retransmits.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use epona_protocol::{
    counters::{AtomicCounter, Confirmation},
    frame::{self, DataFlags, DataHeader, Nak, Rttm, RttmFlags, Setup, SetupFlags, StatusMessageView},
    logbuffer::{Availability, scan_for_availability},
    memory::SharedBytes,
    types::{Nanos, Now, Position, ReceiverId, SessionId, StreamId},
};

use super::{
    endpoint::{HEARTBEAT_LENGTH, SendEndpoint},
    gather::{Allowance, Gather, Way},
    receiver_liveness::ReceiverLiveness,
    retransmit_handler::{NakOutcome, Resend, RetransmitHandler},
    round_trip_bound::RoundTripBound,
    sent::Sent,
};
use crate::{
    endpoint_id::SendEndpointId,
    event_log::Range,
    flow_control::{FlowControl, ReceiverStatus},
    media::{MAX_BATCH, SendRun, segments_per_message},
    publication::{response::ResponseRole, shared::NetworkPublicationState},
    status::SystemCounters,
};

/// A setup is repeated at this interval until it is answered. Source: wire spec 2.2.
const SETUP_INTERVAL: Duration = Duration::from_millis(100);

/// An idle publication says so at this interval. Source: wire spec 10.3.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(100);

/// Heartbeats of quiet publications go out together, at multiples of this many nanoseconds: a power of two, about 8 ms.
/// Many idle streams then wake sender and receiver seldom.
const HEARTBEAT_GRID_NS: i64 = 1 << 23;

/// When a quiet publication says the next time that it is there.
fn heartbeat_due(last: Nanos) -> Nanos {
    let due = (last + HEARTBEAT_INTERVAL).get().saturating_add(HEARTBEAT_GRID_NS);
    Nanos::new(due & !(HEARTBEAT_GRID_NS - 1))
}

/// What the conductor settles when it hands a publication to the sender.
#[derive(Debug)]
pub struct SenderParams {
    /// Endpoint that the publication sends on.
    pub endpoint: SendEndpointId,
    /// Most datagrams in one send, 1..=64.
    pub max_messages_per_send: usize,
    /// How long a receiver counts as live after its last status message.
    pub connection_timeout: Duration,
    /// Multicast or multi-destination: several receivers share the stream.
    pub has_group_semantics: bool,
    /// Whether the publication asks for a response, or is one.
    pub response: ResponseRole,
    /// TTL announced in setups.
    pub ttl: i32,
}

/// `snd-bpe`, `snd-naks-received` and `fc-receivers` of one publication.
#[derive(Debug)]
pub struct SenderCounters {
    /// Times the publication ran into its sender limit.
    pub back_pressure_events: AtomicCounter,
    /// NAKs received.
    pub naks_received: AtomicCounter,
    /// Receivers that flow control tracks, where it does.
    pub receivers: Option<AtomicCounter>,
}

/// One publication as the sender drives it; owned by the sender, which is the only caller.
#[derive(Debug)]
pub struct SenderPublication {
    state: Arc<NetworkPublicationState>,
    params: SenderParams,
    counters: SenderCounters,
    flow_control: FlowControl,
    retransmits: RetransmitHandler,
    round_trip: RoundTripBound,
    receivers: ReceiverLiveness,
    response_address: Option<SocketAddr>,
    has_initial_connection: bool,
    is_setup_elicited: bool,
    is_back_pressure_armed: bool,
    is_blocked: bool,
    /// Whether the clients were told whether they are connected, since receivers last came or went.
    is_connection_told: bool,
    time_of_last_setup: Nanos,
    time_of_last_data_or_heartbeat: Nanos,
}

impl SenderPublication {
    /// A publication that will announce itself at its first turn.
    #[must_use]
    pub fn new(
        state: Arc<NetworkPublicationState>,
        params: SenderParams,
        counters: SenderCounters,
        flow_control: FlowControl,
        retransmits: RetransmitHandler,
        now: Nanos,
    ) -> Self {
        let just_due = Duration::from_nanos(1);
        let receivers = ReceiverLiveness::new(params.connection_timeout);
        state.set_receivers(false, flow_control.has_required_receivers());
        Self {
            state,
            params,
            counters,
            flow_control,
            retransmits,
            round_trip: RoundTripBound::default(),
            receivers,
            response_address: None,
            has_initial_connection: false,
            is_setup_elicited: false,
            is_back_pressure_armed: false,
            is_blocked: false,
            is_connection_told: false,
            time_of_last_setup: now - SETUP_INTERVAL - just_due,
            time_of_last_data_or_heartbeat: now - HEARTBEAT_INTERVAL - just_due,
        }
    }

    /// What both sides know of the publication.
    #[must_use]
    pub fn state(&self) -> &Arc<NetworkPublicationState> {
        &self.state
    }

    /// Whether it asks for a response, or is one.
    #[must_use]
    pub fn response(&self) -> ResponseRole {
        self.params.response
    }

    /// The endpoint it sends on.
    #[must_use]
    pub fn endpoint(&self) -> SendEndpointId {
        self.params.endpoint
    }

    /// The key by which control frames find it on its endpoint.
    #[must_use]
    pub fn key(&self) -> (StreamId, SessionId) {
        (self.state.stream_id, self.state.session_id)
    }

    /// Whether the last turn has left something unsent because no receiver has room for it.
    #[inline]
    #[must_use]
    pub const fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// After a turn without data: when something is to be done even if nothing is published and no receiver speaks.
    #[must_use]
    pub fn next_due(&self) -> Nanos {
        // Spies move on whenever their clients like.
        if self.state.spies_simulate_connection {
            return Nanos::new(i64::MIN);
        }
        let mut due = self.receivers.next_timeout();
        if self.has_initial_connection {
            due = due.min(heartbeat_due(self.time_of_last_data_or_heartbeat));
        }
        if !self.has_initial_connection || self.is_setup_elicited {
            due = due.min(self.time_of_last_setup + SETUP_INTERVAL);
        }
        due.min(self.flow_control.next_timeout()).min(self.retransmits.next_timeout())
    }

    /// Where its datagrams go.
    #[inline]
    pub(super) fn way(&self) -> Way {
        (self.params.endpoint, self.response_address)
    }

    /// One turn: setup when due, then data, which is left in `gather` for the publication's `slot`, or without data idle
    /// chores and a heartbeat, which may go with those of others, later in the turn. Bytes found, and bytes sent.
    ///
    /// Source: wire spec 10.2.
    #[inline]
    pub(super) fn send(
        &mut self,
        now: Nanos,
        slot: usize,
        endpoint: &mut SendEndpoint,
        gather: &mut Gather,
        system: &SystemCounters,
    ) -> (usize, usize) {
        let sender_position = Position::at_frame(self.state.sender_position.get());
        if !self.has_initial_connection || self.is_setup_elicited {
            self.send_setup_when_due(now, sender_position, endpoint, system);
        }
        let found = self.gather_data(now, sender_position, slot, endpoint, gather, system);
        let sent = if found == 0 { self.on_nothing_sent(now, endpoint, system) } else { 0 };
        let (state, learned) = (&self.state, self.response_address);
        self.retransmits.process_timeouts(now, |due| resend(state, due, learned, now, endpoint, system));
        (found, sent)
    }

    fn gather_data(
        &mut self,
        now: Nanos,
        sender_position: Position,
        slot: usize,
        endpoint: &SendEndpoint,
        gather: &mut Gather,
        system: &SystemCounters,
    ) -> usize {
        let (window, mtu) =
            (Position::at_frame(self.state.sender_limit.get()) - sender_position, self.state.mtu);
        let (datagrams, run) = if endpoint.is_offloaded() {
            // Each run is one message to the kernel: the last one is not to be a short one.
            let run = segments_per_message(mtu.get() as usize);
            (MAX_BATCH.next_multiple_of(run), run)
        } else {
            (self.params.max_messages_per_send, self.params.max_messages_per_send)
        };
        let allowance = Allowance { window, mtu, datagrams, run };
        let found = gather.fill(self.way(), slot, &self.state.log, sender_position, allowance);
        self.is_blocked = found.is_blocked;
        if found.is_blocked && self.is_back_pressure_armed {
            self.is_back_pressure_armed = false;
            self.counters.back_pressure_events.increment();
            system.sender_flow_control_limits.increment();
        }
        if found.bytes > 0
            && let Some(timestamps) = endpoint.timestamps()
        {
            let geometry = &self.state.geometry;
            let term = self.state.log.term(geometry.partition_index(sender_position));
            timestamps.stamp(term, geometry.term_offset(sender_position).index(), found.bytes, now);
        }
        found.bytes
    }

    /// Everything up to `position` was sent.
    #[inline]
    pub(super) fn on_sent(&mut self, position: Position, now: Nanos) {
        self.time_of_last_data_or_heartbeat = now;
        self.is_back_pressure_armed = true;
        self.state.set_sender_position(position);
        self.round_trip.on_sent(position, now);
    }

    /// No data was sent in this turn: a heartbeat when due, and idle chores. Bytes sent.
    pub(super) fn on_nothing_sent(
        &mut self,
        now: Nanos,
        endpoint: &mut SendEndpoint,
        system: &SystemCounters,
    ) -> usize {
        let sender_position = Position::at_frame(self.state.sender_position.get());
        let bytes = self.send_heartbeat_when_due(now, sender_position, endpoint, system);
        self.on_idle(now, sender_position);
        bytes
    }

    fn send_setup_when_due(
        &mut self,
        now: Nanos,
        sender_position: Position,
        endpoint: &mut SendEndpoint,
        system: &SystemCounters,
    ) {
        if now <= self.time_of_last_setup + SETUP_INTERVAL {
            return;
        }
        if self.is_setup_elicited {
            self.flow_control.on_setup(Position::at_frame(self.state.sender_limit.get()), now);
        }
        let mut flags = SetupFlags::NONE;
        if let ResponseRole::Request(_) = self.params.response {
            flags = flags.with(SetupFlags::SEND_RESPONSE_SETUP);
        }
        if self.params.has_group_semantics {
            flags = flags.with(SetupFlags::GROUP);
        }
        let geometry = &self.state.geometry;
        let frame = Setup {
            flags,
            term_offset: geometry.term_offset(sender_position),
            session_id: self.state.session_id,
            stream_id: self.state.stream_id,
            initial_term_id: geometry.initial_term_id(),
            active_term_id: geometry.term_id(sender_position),
            term_length: geometry.term_length().get(),
            mtu: self.state.mtu.get(),
            ttl: self.params.ttl,
        };
        let mut bytes = [0; frame::setup::LENGTH];
        frame.emit(&mut bytes);
        self.send_control(now, &bytes, endpoint, system);
        self.time_of_last_setup = now;
        if self.state.has_receivers() {
            self.is_setup_elicited = false;
        }
    }

    fn send_heartbeat_when_due(
        &mut self,
        now: Nanos,
        sender_position: Position,
        endpoint: &mut SendEndpoint,
        system: &SystemCounters,
    ) -> usize {
        if !self.has_initial_connection || now <= self.time_of_last_data_or_heartbeat + HEARTBEAT_INTERVAL {
            return 0;
        }
        let mut flags = DataFlags::UNFRAGMENTED;
        if self.state.is_revoked() {
            flags = flags.with(DataFlags::EOS).with(DataFlags::REVOKED);
        } else if self.state.signal_eos && self.state.is_end_of_stream() {
            flags = flags.with(DataFlags::EOS);
        }
        let geometry = &self.state.geometry;
        let mut bytes = [0; HEARTBEAT_LENGTH];
        DataHeader::heartbeat(
            self.state.session_id,
            self.state.stream_id,
            geometry.term_id(sender_position),
            geometry.term_offset(sender_position),
            flags,
        )
        .emit(&mut bytes);
        system.heartbeats_sent.increment();
        self.time_of_last_data_or_heartbeat = now;
        if self.response_address.is_some() {
            let sent = self.send_control(now, &bytes, endpoint, system);
            return if matches!(sent, Sent::All | Sent::Partly) { bytes.len() } else { 0 };
        }
        if endpoint.add_heartbeat(&bytes) { endpoint.send_heartbeats(now, system) } else { 0 }
    }

    /// Without data to send: flow control may change its mind, receivers may have gone. Source: driver spec 3.5.
    fn on_idle(&mut self, now: Nanos, sender_position: Position) {
        let state = &self.state;
        let is_simulated = state.spies_simulate_connection && state.has_spies() && !state.has_receivers();
        let limit = if is_simulated {
            let position = state.max_spy_position().max(sender_position);
            if position != sender_position {
                state.set_sender_position(position);
            }
            position
        } else {
            Position::at_frame(state.sender_limit.get())
        };
        let new_limit = self.flow_control.on_idle(limit, now);
        if new_limit.get() != state.sender_limit.get() {
            state.sender_limit.set_release(new_limit.get());
        }
        self.receivers.on_idle(now);
        self.publish_receivers();
    }

    fn publish_receivers(&mut self) {
        let (has_any, has_required) =
            (self.receivers.has_receivers(), self.flow_control.has_required_receivers());
        if self.state.set_receivers(has_any, has_required) {
            self.is_connection_told = false;
        }
        if let (Some(counter), Some(count)) = (&self.counters.receivers, self.flow_control.receiver_count()) {
            let count = count as i64;
            if counter.get() != count {
                counter.set_release(count);
            }
        }
    }

    /// A status message that elicits a setup. Source: wire spec 2.2, driver spec 3.7.
    pub fn on_setup_elicited(&mut self, sm: &StatusMessageView<'_>, source: SocketAddr) {
        if self.state.is_end_of_stream() {
            return;
        }
        self.is_setup_elicited = true;
        self.flow_control.on_trigger_send_setup(sm.group_tag());
        if let ResponseRole::Response(_) = self.params.response
            && self.response_address.replace(source).is_none()
        {
            // Setups that had nowhere to go do not count.
            self.time_of_last_setup = self.time_of_last_setup - SETUP_INTERVAL - Duration::from_nanos(1);
        }
    }

    /// A status message that reports consumption, its fields checked; whether its position can belong to this
    /// stream, so that it counts. Source: driver spec 3.6, wire spec 5.2.
    pub fn on_status_message(&mut self, sm: &StatusMessageView<'_>, source: SocketAddr, now: Now) -> bool {
        let status = ReceiverStatus::of(sm, &self.state.geometry, source);
        let sender_position = Position::at_frame(self.state.sender_position.get());
        if !status.is_plausible(sender_position, self.state.geometry.term_length())
            || !self.receivers.on_status_message(status.receiver_id, status.end_of_stream, now.nanos)
        {
            return false;
        }
        if status.end_of_stream && !self.params.has_group_semantics {
            self.state.set_received_unicast_eos();
        }
        self.has_initial_connection = true;
        let limit = Position::at_frame(self.state.sender_limit.get());
        let limit = self.flow_control.on_status_message(&status, limit, now.nanos);
        self.state.sender_limit.set_release(limit.get());
        let by = self.flow_control.pacemaker();
        self.state.sender_limit.confirm(Confirmation { at: now.epoch, by });
        self.publish_receivers();
        if !self.is_connection_told {
            self.state.tell_connected();
            self.is_connection_told = true;
        }
        true
    }

    /// A NAK with fields already checked. Source: driver spec 3.8.
    pub fn on_nak(&mut self, nak: &Nak, now: Nanos, endpoint: &mut SendEndpoint, system: &SystemCounters) {
        self.counters.naks_received.increment();
        let geometry = &self.state.geometry;
        let term_length = geometry.term_length();
        let gap_end = geometry.position(nak.term_id, nak.term_offset) + i64::from(nak.length);
        if let Some(bound) = self.round_trip.on_heard(gap_end, now) {
            self.retransmits.on_round_trip(bound);
        }
        match self.retransmits.on_nak((*nak).into(), &self.flow_control, term_length, now) {
            NakOutcome::Resend(due) => {
                resend(&self.state, due, self.response_address, now, endpoint, system);
            }
            NakOutcome::Delayed | NakOutcome::Known | NakOutcome::Empty => {}
            NakOutcome::Invalid => system.invalid_packets.increment(),
            NakOutcome::Overflow => system.retransmit_overflow.increment(),
        }
    }

    /// A request for a round-trip sample is answered along the data path. Source: wire spec 4.
    pub fn on_rttm(&mut self, rttm: &Rttm, now: Nanos, endpoint: &mut SendEndpoint, system: &SystemCounters) {
        if rttm.flags.contains(RttmFlags::REPLY) {
            let mut bytes = [0; frame::rttm::LENGTH];
            rttm.reply(0).emit(&mut bytes);
            self.send_control(now, &bytes, endpoint, system);
        }
    }

    /// An error frame; whether its sender was a live receiver, so that the clients should hear of it once.
    ///
    /// Source: wire spec 2.6.
    pub fn on_error(&mut self, receiver_id: ReceiverId) -> bool {
        self.flow_control.on_error(receiver_id);
        let was_live = self.receivers.remove(receiver_id);
        if was_live {
            self.publish_receivers();
        }
        was_live
    }

    fn send_control(
        &mut self,
        now: Nanos,
        bytes: &[u8],
        endpoint: &mut SendEndpoint,
        system: &SystemCounters,
    ) -> Sent {
        let mut run = [SendRun::datagram(SharedBytes::from_slice(bytes), None)];
        let sent = endpoint.send(now, &mut run, self.response_address);
        if matches!(sent, Sent::Short { .. } | Sent::Partly) {
            system.short_sends.increment();
        }
        sent
    }
}

/// Sends a range again, a datagram at a time; silently nothing when it lies outside what the log still holds.
///
/// Source: wire spec 3.4.
fn resend(
    state: &NetworkPublicationState,
    due: Resend,
    learned: Option<SocketAddr>,
    now: Nanos,
    endpoint: &mut SendEndpoint,
    system: &SystemCounters,
) {
    let geometry = &state.geometry;
    if !due.is_allowed(Position::at_frame(state.sender_position.get()), geometry) {
        return;
    }
    let range = Range { term_id: due.term_id, term_offset: due.offset, length: due.length };
    let stream = (state.session_id, state.stream_id);
    endpoint.events.resend(stream, range, endpoint.channel().text(), now);
    let term = state.log.term_at(geometry.position(due.term_id, due.offset));
    let (mut offset, mut remaining, mut resent) = (due.offset, due.length, 0_i64);
    while remaining > 0 {
        let limit = remaining.min(state.mtu.get());
        let Availability::Datagram { length, padding } = scan_for_availability(term, offset, limit) else {
            break;
        };
        if let Some(timestamps) = endpoint.timestamps() {
            timestamps.stamp(term, offset.index(), length as usize, now);
        }
        let mut run = [SendRun::datagram(term.bytes(offset.index(), length as usize), None)];
        match endpoint.send(now, &mut run, learned) {
            Sent::All => {}
            Sent::Partly => system.short_sends.increment(),
            Sent::Short { .. } => {
                system.short_sends.increment();
                break;
            }
            Sent::Failed { .. } | Sent::Nowhere => break,
        }
        resent += i64::from(length + padding);
        offset = offset + (length + padding);
        remaining -= length + padding;
    }
    if resent > 0 {
        system.retransmits_sent.increment();
        system.retransmitted_bytes.add(resent);
    }
}
