//! What receivers send back: status messages, NAKs, round-trip requests, errors, response setups.
//!
//! Source: wire spec 2.4, driver spec 6.5.

use std::net::SocketAddr;

use epona_protocol::{
    command::ErrorCode,
    frame::{self, ErrorFrame, FrameKind, Nak, ResponseSetup, Rttm, StatusMessageFlags, StatusMessageView},
    types::{Now, TermLength},
};

use super::{
    destinations::{Learned, MAX_LEARNED_DESTINATIONS},
    endpoint::SendEndpoint,
    publication::SenderPublication,
    publications::Publications,
};
use crate::{
    commands::{ConductorCommand, PublicationErrorReport},
    error::DriverError,
    event_log::{DriverEvent, Range},
    media::{ReceiveBuffers, RecvOutcome},
    proxy::Proxy,
    publication::response::ResponseRole,
    status::SystemCounters,
};

/// What handling a control frame may touch besides its publication.
pub(super) struct Collaborators<'a> {
    pub(super) now: Now,
    pub(super) conductor: &'a mut Proxy<ConductorCommand>,
    pub(super) system: &'a SystemCounters,
    /// Counts frames after which there may be something to do: not what receivers of idle streams repeat.
    pub(super) news: &'a mut usize,
}

/// A frame out of the receive buffer, so that handling it may use the socket.
#[derive(Debug)]
pub(super) struct ControlFrame {
    kind: FrameKind,
    source: SocketAddr,
    length: usize,
    bytes: [u8; frame::error::MAX_LENGTH],
}

impl ControlFrame {
    /// Copies a datagram of that kind; what is longer than any control frame is not part of it.
    fn copy(kind: FrameKind, source: SocketAddr, datagram: &[u8]) -> Self {
        let mut bytes = [0; frame::error::MAX_LENGTH];
        let length = datagram.len().min(bytes.len());
        bytes[..length].copy_from_slice(&datagram[..length]);
        Self { kind, source, length, bytes }
    }
}

/// Reads one endpoint's socket once and acts on what it brings; `frames` is room to keep it in meanwhile.
pub(super) fn receive(
    endpoint: &mut SendEndpoint,
    publications: &mut Publications,
    buffers: &mut ReceiveBuffers,
    frames: &mut Vec<ControlFrame>,
    with: &mut Collaborators<'_>,
) -> RecvOutcome {
    let (now, system) = (with.now.nanos, with.system);
    let outcome = endpoint.transport_mut().recv_batch(now, buffers, &mut |received| {
        for datagram in received.datagrams() {
            match frame::classify(datagram) {
                Ok(
                    kind @ (FrameKind::StatusMessage
                    | FrameKind::Nak
                    | FrameKind::Rttm
                    | FrameKind::Error
                    | FrameKind::ResponseSetup),
                ) => frames.push(ControlFrame::copy(kind, received.source, datagram)),
                // Our own data and setups come back on a multicast socket: not for us, not wrong either.
                Ok(_) => {}
                Err(_) => system.invalid_packets.increment(),
            }
        }
    });
    for frame in frames.drain(..) {
        if on_frame(&frame, endpoint, publications, with).is_none() {
            system.invalid_packets.increment();
        }
    }
    outcome
}

/// `None` when the frame's fields are invalid.
fn on_frame(
    frame: &ControlFrame,
    endpoint: &mut SendEndpoint,
    publications: &mut Publications,
    with: &mut Collaborators<'_>,
) -> Option<()> {
    let (bytes, source) = (&frame.bytes[..frame.length], frame.source);
    *with.news += usize::from(frame.kind != FrameKind::StatusMessage);
    match frame.kind {
        FrameKind::StatusMessage => on_status_message(bytes, source, endpoint, publications, with),
        FrameKind::Nak => on_nak(bytes, source, endpoint, publications, with),
        FrameKind::Rttm => on_rttm(bytes, endpoint, publications, with),
        FrameKind::Error => on_error(bytes, source, endpoint, publications, with),
        FrameKind::ResponseSetup => on_response_setup(bytes, endpoint, publications, with),
        _ => Some(()),
    }
}

fn on_status_message(
    bytes: &[u8],
    source: SocketAddr,
    endpoint: &mut SendEndpoint,
    publications: &mut Publications,
    with: &mut Collaborators<'_>,
) -> Option<()> {
    let sm = StatusMessageView::new(bytes).ok()?;
    let publication = publications.find(endpoint.id(), sm.stream_id(), sm.session_id());
    let term_length = publication
        .as_ref()
        .map_or(TermLength::MAX, |publication| publication.state().geometry.term_length());
    sm.to_frame().validate(term_length).ok()?;
    with.system.status_messages_received.increment();
    // Receivers of several destinations make themselves known before there is a publication, too.
    if let Some(publication) = publication {
        if !update_publication(publication, &sm, source, with) {
            with.system.status_messages_rejected.increment();
            return Some(());
        }
        endpoint.time_of_last_status_message = with.now.nanos;
    }
    if let Learned::TooMany { is_first } = endpoint.learn_from(sm.receiver_id(), source, with.now.nanos) {
        with.system.status_messages_rejected.increment();
        if is_first {
            report_too_many(with.conductor, endpoint, source);
        }
    }
    Some(())
}

/// Whether the status message can be one of the publication's receivers.
fn update_publication(
    publication: &mut SenderPublication,
    sm: &StatusMessageView<'_>,
    source: SocketAddr,
    with: &mut Collaborators<'_>,
) -> bool {
    if sm.flags().contains(StatusMessageFlags::SEND_SETUP) {
        publication.on_setup_elicited(sm, source);
        *with.news += 1;
        return true;
    }
    let had_receivers = publication.state().has_receivers();
    let limit_before = publication.state().sender_limit.get();
    if !publication.on_status_message(sm, source, with.now) {
        return false;
    }
    *with.news += usize::from(publication.state().sender_limit.get() != limit_before);
    if let ResponseRole::Response(Some(image)) = publication.response()
        && !had_receivers
        && publication.state().has_receivers()
    {
        with.conductor.send(ConductorCommand::ResponseConnected(image));
    }
    true
}

#[cold]
fn report_too_many(conductor: &mut Proxy<ConductorCommand>, endpoint: &SendEndpoint, source: SocketAddr) {
    let error = DriverError::generic(format!(
        "receiver {source} is not sent to, for there are {MAX_LEARNED_DESTINATIONS} destinations already: spread \
         receivers over several channels, or use multicast: channel={}",
        endpoint.channel().text()
    ));
    let _ = conductor.try_send(ConductorCommand::Error(Box::new(error)));
}

fn on_nak(
    bytes: &[u8],
    source: SocketAddr,
    endpoint: &mut SendEndpoint,
    publications: &mut Publications,
    with: &mut Collaborators<'_>,
) -> Option<()> {
    let nak = Nak::parse(bytes).ok()?;
    let Some(publication) = publications.find(endpoint.id(), nak.stream_id, nak.session_id) else {
        return Some(());
    };
    nak.validate(publication.state().geometry.term_length()).ok()?;
    with.system.naks_received.increment();
    let (stream, range) = ((nak.session_id, nak.stream_id), Range::from(nak));
    endpoint.events.nak(
        DriverEvent::NakReceived,
        source,
        stream,
        range,
        endpoint.channel().text(),
        with.now.nanos,
    );
    publication.on_nak(&nak, with.now.nanos, endpoint, with.system);
    Some(())
}

fn on_rttm(
    bytes: &[u8],
    endpoint: &mut SendEndpoint,
    publications: &mut Publications,
    with: &mut Collaborators<'_>,
) -> Option<()> {
    let rttm = Rttm::parse(bytes).ok()?;
    if let Some(publication) = publications.find(endpoint.id(), rttm.stream_id, rttm.session_id) {
        publication.on_rttm(&rttm, with.now.nanos, endpoint, with.system);
    }
    Some(())
}

fn on_error(
    bytes: &[u8],
    source: SocketAddr,
    endpoint: &mut SendEndpoint,
    publications: &mut Publications,
    with: &mut Collaborators<'_>,
) -> Option<()> {
    let error = ErrorFrame::parse(bytes).ok()?;
    with.system.error_frames_received.increment();
    let destination_registration_id = endpoint.destination_of(error.receiver_id, source);
    if let Some(publication) = publications.find(endpoint.id(), error.stream_id, error.session_id)
        && publication.on_error(error.receiver_id)
    {
        // Dropped when the conductor is swamped: whoever floods it must not cost us memory.
        let _ =
            with.conductor.try_send(ConductorCommand::PublicationError(Box::new(PublicationErrorReport {
                registration_id: publication.state().registration_id,
                destination_registration_id,
                session_id: error.session_id,
                stream_id: error.stream_id,
                receiver_id: error.receiver_id,
                group_tag: error.group_tag,
                source,
                error_code: ErrorCode::from(error.error_code),
                message: error.text.to_vec(),
            })));
    }
    Some(())
}

/// A receiver of a request tells in which session it is answered. Source: wire spec 2.7.
fn on_response_setup(
    bytes: &[u8],
    endpoint: &mut SendEndpoint,
    publications: &mut Publications,
    with: &mut Collaborators<'_>,
) -> Option<()> {
    let setup = ResponseSetup::parse(bytes).ok()?;
    if let Some(publication) = publications.find(endpoint.id(), setup.stream_id, setup.session_id)
        && let ResponseRole::Request(subscription) = publication.response()
    {
        // Dropped when the conductor is swamped: the frame is repeated until the response is connected.
        let _ = with.conductor.try_send(ConductorCommand::ResponseSetup {
            subscription,
            response_session_id: setup.response_session_id,
        });
    }
    Some(())
}
