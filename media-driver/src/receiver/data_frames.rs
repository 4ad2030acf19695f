//! What senders send: data, padding, heartbeats, setups and round-trip replies.
//!
//! Source: wire spec 2.3, 4, driver spec 6.1, 6.2.

use std::{net::SocketAddr, time::Duration};

use epona_protocol::{
    frame::{self, FrameKind, RttmFlags, RttmView, SetupView, data::DataView},
    types::{Nanos, SessionId, StreamId},
};

use super::{
    Images,
    dispatcher::{DataAction, MAX_PENDING_SETUPS, SetupAction},
    endpoint::ReceiveEndpoint,
    origin::Origin,
    pending_setup::{PendingSetups, SetupTarget},
};
use crate::{
    commands::{ConductorCommand, ImageRequest},
    endpoint_id::ReceiveEndpointId,
    error::DriverError,
    media::{ReceiveBuffers, RecvOutcome, timestamps::ReceiveTimestamps},
    proxy::Proxy,
    status::SystemCounters,
};

/// A flood of unknown sessions is reported at most this often.
const OVERFLOW_REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// What handling a datagram may touch besides its endpoint.
pub(super) struct Collaborators<'a> {
    pub(super) now: Nanos,
    /// Counts what was given to images, heartbeats left out.
    pub(super) data_bytes: &'a mut usize,
    pub(super) images: &'a mut Images,
    pub(super) pending_setups: &'a mut PendingSetups<SetupTarget>,
    /// When it may be reported again that too many sessions await their SETUP.
    pub(super) next_overflow_report: &'a mut Nanos,
    pub(super) next_limit_report: &'a mut Nanos,
    pub(super) conductor: &'a mut Proxy<ConductorCommand>,
    pub(super) system: &'a SystemCounters,
}

/// A frame to send once the socket is free again.
enum Reply {
    ElicitSetup { stream_id: StreamId, session_id: SessionId, origin: Origin },
    Rttm { frame: frame::Rttm, origin: Origin },
}

/// Most replies of one read. Each datagram asks for at most one, and a read that brought coalesced datagrams may ask for more:
/// those are left out, which only postpones them.
const MAX_REPLIES: usize = crate::media::MAX_BATCH;

/// Reads one socket once and acts on what it brings.
#[inline]
pub(super) fn receive(
    endpoint: &mut ReceiveEndpoint,
    place: usize,
    buffers: &mut ReceiveBuffers,
    with: &mut Collaborators<'_>,
) -> RecvOutcome {
    let mut replies = arrayvec::ArrayVec::<Reply, MAX_REPLIES>::new_const();
    let receiver_id = endpoint.receiver_id();
    let id = endpoint.id();
    let ReceiveEndpoint { destinations, dispatcher, .. } = endpoint;
    let Some(socket) = destinations.get_mut(place).and_then(Option::as_mut) else {
        return RecvOutcome::default();
    };
    let route = socket.route();
    let group_ttl = socket.group_ttl();
    let mut was_active = false;
    let (transport, mut timestamps) = socket.transport_and_timestamps();
    let outcome = transport.recv_batch(with.now, buffers, &mut |received| {
        let origin = route.origin(received.source);
        let stamps = timestamps.as_deref_mut().map(|stamps| (stamps, received.timestamp_ns));
        let mut incoming = Incoming {
            id,
            receiver_id,
            dispatcher,
            origin,
            group_ttl,
            source: received.source,
            stamps,
            with,
        };
        let mut rest = Some(received.bytes);
        while let Some(datagrams) = rest {
            let (reply, taken) = incoming.on_datagrams(datagrams, received.segment_size, &mut was_active);
            if let Some(reply) = reply {
                // A full list only postpones: the request expires, and the next packet of the session asks again.
                let _ = replies.try_push(reply);
            }
            // An empty datagram is one too, but nothing comes after it.
            rest = datagrams.get(taken..).filter(|after| !after.is_empty());
        }
    });
    if was_active {
        socket.on_activity(with.now);
    }
    // Not by value: that would copy the whole list, which is nearly always empty.
    for reply in replies.drain(..) {
        send(reply, endpoint, with);
    }
    outcome
}

/// One datagram's way to its image.
struct Incoming<'a, 'b> {
    id: ReceiveEndpointId,
    receiver_id: epona_protocol::types::ReceiverId,
    dispatcher: &'a mut super::dispatcher::Dispatcher<super::endpoint::ImageSlot>,
    origin: Origin,
    /// The time to live that the channel names, of a group.
    group_ttl: Option<u8>,
    source: SocketAddr,
    /// What stamps data, with the time that the socket told.
    stamps: Option<(&'a mut ReceiveTimestamps, Option<i64>)>,
    with: &'a mut Collaborators<'b>,
}

impl Incoming<'_, '_> {
    /// Acts on the first of several datagrams, and on those after it that go the same way; how many bytes those are.
    #[inline]
    fn on_datagrams(
        &mut self,
        datagrams: &[u8],
        segment_size: usize,
        was_active: &mut bool,
    ) -> (Option<Reply>, usize) {
        let first = &datagrams[..segment_size.min(datagrams.len())];
        let reply = match frame::classify(first) {
            Ok(FrameKind::Data | FrameKind::Pad) => {
                *was_active = true;
                return self.on_data(datagrams, first);
            }
            Ok(FrameKind::Setup) => {
                *was_active |= self.on_setup(first);
                None
            }
            Ok(FrameKind::Rttm) => self.on_rttm(first, was_active),
            // Status messages and NAKs of others come by on a multicast socket: not for us, not wrong either.
            Ok(_) => None,
            Err(_) => {
                self.with.system.invalid_packets.increment();
                None
            }
        };
        (reply, first.len())
    }

    #[inline]
    fn on_data(&mut self, datagrams: &[u8], first: &[u8]) -> (Option<Reply>, usize) {
        let Ok(view) = DataView::new(first) else {
            self.with.system.invalid_packets.increment();
            return (None, first.len());
        };
        let mut taken = first.len();
        let reply = self.dispatch(&view, datagrams, first, &mut taken);
        (reply, taken)
    }

    /// Gives data to its image; `taken` becomes how much it took.
    #[inline]
    fn dispatch(
        &mut self,
        view: &DataView<'_>,
        datagrams: &[u8],
        first: &[u8],
        taken: &mut usize,
    ) -> Option<Reply> {
        let (stream_id, session_id) = (view.stream_id(), view.session_id());
        match self.dispatcher.on_data(stream_id, session_id, view.flags().contains(frame::DataFlags::EOS)) {
            DataAction::Deliver(slot) => {
                let images = &mut self.with.images;
                let image = if view.is_heartbeat() { images.get_mut(slot) } else { images.wake(slot) };
                if let Some(image) = image {
                    // Each datagram is stamped by itself.
                    let datagrams = match &mut self.stamps {
                        Some((stamps, media_time)) => stamps.stamp(first, *media_time, self.with.now),
                        None => datagrams,
                    };
                    let (now, system) = (self.with.now, self.with.system);
                    *taken = image.insert(datagrams, first.len(), view, self.origin, now, system);
                    *self.with.data_bytes += if view.is_heartbeat() { 0 } else { *taken };
                }
                None
            }
            DataAction::ElicitSetup if self.with.pending_setups.is_full() => {
                self.dispatcher.remove_pending_setup(stream_id, session_id);
                self.report_too_many_pending();
                None
            }
            DataAction::ElicitSetup => {
                let target = SetupTarget { endpoint: self.id, destination: self.origin.destination };
                self.with.pending_setups.add(target, stream_id, session_id, self.with.now);
                Some(Reply::ElicitSetup { stream_id, session_id, origin: self.origin })
            }
            DataAction::TooManyPending => {
                self.report_too_many_pending();
                None
            }
            DataAction::Ignore => None,
        }
    }

    /// The packet is well formed, so it is no invalid packet, and Aeron has no counter for it: the error log tells of it,
    /// now and then.
    #[cold]
    fn report_too_many_pending(&mut self) {
        if self.with.now < *self.with.next_overflow_report {
            return;
        }
        *self.with.next_overflow_report = self.with.now + OVERFLOW_REPORT_INTERVAL;
        let error = DriverError::generic(format!(
            "data of more than {MAX_PENDING_SETUPS} unknown sessions a second: some are ignored; is somebody making them up?"
        ));
        let _ = self.with.conductor.try_send(ConductorCommand::Error(Box::new(error)));
    }

    #[cold]
    fn report_session_limit(&mut self, stream_id: StreamId) {
        if self.with.now < *self.with.next_limit_report {
            return;
        }
        *self.with.next_limit_report = self.with.now + OVERFLOW_REPORT_INTERVAL;
        let error = DriverError::generic(format!(
            "stream {stream_id} exceeded its session limit: raise aeron.driver.stream.session.limit"
        ));
        let _ = self.with.conductor.try_send(ConductorCommand::Error(Box::new(error)));
    }

    /// Whether the setup was valid.
    fn on_setup(&mut self, datagram: &[u8]) -> bool {
        let setup = match SetupView::new(datagram).map(|view| view.to_frame()) {
            // A term before the first one would give positions below 0.
            Ok(setup)
                if setup.validate().is_ok()
                    && setup.active_term_id.terms_since(setup.initial_term_id) >= 0 =>
            {
                setup
            }
            _ => {
                self.with.system.invalid_packets.increment();
                return false;
            }
        };
        match self.dispatcher.on_setup(setup.stream_id, setup.session_id) {
            SetupAction::RefreshConnection(slot) => {
                if let Some(image) = self.with.images.get_mut(slot) {
                    image.on_setup(self.origin, self.with.now);
                }
            }
            SetupAction::CreateImage { was_elicited } => {
                // Source: wire spec 2.3; only of setups that were asked for, as Aeron C.
                if was_elicited && self.group_ttl.is_some_and(|ttl| i32::from(ttl) < setup.ttl) {
                    self.with.system.possible_ttl_asymmetry.increment();
                }
                let request =
                    ImageRequest { endpoint: self.id, setup, source: self.source, origin: self.origin };
                // Dropped when the conductor is swamped: the next setup asks again.
                if self.with.conductor.try_send(ConductorCommand::CreateImage(Box::new(request))).is_err() {
                    self.dispatcher.remove_init_in_progress(setup.stream_id, setup.session_id);
                }
            }
            SetupAction::SessionLimitReached => {
                self.report_session_limit(setup.stream_id);
            }
            SetupAction::Ignore => {}
        }
        true
    }

    /// A request is answered; an answer is for congestion control. Source: wire spec 4.
    fn on_rttm(&mut self, datagram: &[u8], was_active: &mut bool) -> Option<Reply> {
        let rttm = RttmView::new(datagram).ok()?.to_frame();
        if rttm.receiver_id != self.receiver_id && rttm.receiver_id.get() != 0 {
            return None;
        }
        *was_active = true;
        let slot = self.dispatcher.image(rttm.stream_id, rttm.session_id)?;
        if !rttm.flags.contains(RttmFlags::REPLY) {
            if let Some(image) = self.with.images.wake(slot) {
                image.on_rttm_answer(&rttm, self.with.now, self.with.system);
            }
            return None;
        }
        let frame = frame::Rttm { receiver_id: self.receiver_id, ..rttm.reply(0) };
        Some(Reply::Rttm { frame, origin: self.origin })
    }
}

fn send(reply: Reply, endpoint: &mut ReceiveEndpoint, with: &Collaborators<'_>) {
    match reply {
        Reply::ElicitSetup { stream_id, session_id, origin } => {
            endpoint.elicit_setup(with.now, origin, stream_id, session_id, with.system);
        }
        Reply::Rttm { frame, origin } => {
            let mut bytes = [0; frame::rttm::LENGTH];
            frame.emit(&mut bytes);
            endpoint.send(with.now, origin, &bytes, with.system);
        }
    }
}
