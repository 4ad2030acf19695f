//! Datagrams and commands as text. What makes no sense is shown as far as it does: these come from other processes and
//! hosts, and a log is read most when something is wrong. Source: driver spec 8.5.

use std::fmt;

use epona_protocol::{
    command::{Command, Event, PublicationReady, Request},
    frame::{self, data::DataView},
    types::align_usize,
};

/// Where commands begin, in bytes: behind their type id.
pub(super) const COMMAND_OFFSET: usize = 4;

/// Events have type ids from here on. Source: shared-memory spec 10.4.
const FIRST_EVENT_ID: i32 = 0x0F00;

/// The first frame of a datagram.
pub(super) fn frame(f: &mut fmt::Formatter<'_>, datagram: &[u8]) -> fmt::Result {
    let Some(header) = datagram.first_chunk::<8>() else { return write!(f, "{} bytes", datagram.len()) };
    let length = i32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    let (version, flags, type_id) = (header[4], header[5], u16::from_le_bytes([header[6], header[7]]));
    let name = frame_type_name(type_id);
    if name.is_empty() {
        return write!(
            f,
            "type=unknown frame type ({type_id:#x}) version={version:#x} flags={flags:08b} frameLength={length}"
        );
    }
    write!(f, "type={name} flags={flags:08b} frameLength={length}")?;
    // A datagram that was cut, or is wrong, ends here.
    body(f, type_id, datagram).unwrap_or(Ok(()))
}

const fn frame_type_name(type_id: u16) -> &'static str {
    use frame::frame_type as t;
    match type_id {
        t::PAD => "PAD",
        t::DATA => "DATA",
        t::NAK => "NAK",
        t::SM => "SM",
        t::ERR => "ERR",
        t::SETUP => "SETUP",
        t::RTTM => "RTT",
        t::RES => "RES",
        t::RSP_SETUP => "RSP_SETUP",
        _ => "",
    }
}

fn body(f: &mut fmt::Formatter<'_>, type_id: u16, bytes: &[u8]) -> Option<fmt::Result> {
    use frame::frame_type as t;
    Some(match type_id {
        t::PAD | t::DATA => {
            let data = DataView::new(bytes).ok()?;
            write!(
                f,
                " sessionId={} streamId={} termId={} termOffset={}",
                data.session_id(),
                data.stream_id(),
                data.term_id(),
                data.term_offset()
            )
        }
        t::NAK => {
            let nak = frame::NakView::new(bytes).ok()?.to_frame();
            write!(
                f,
                " sessionId={} streamId={} termId={} termOffset={} length={}",
                nak.session_id, nak.stream_id, nak.term_id, nak.term_offset, nak.length
            )
        }
        t::SM => {
            let sm = frame::StatusMessageView::new(bytes).ok()?.to_frame();
            write!(
                f,
                " sessionId={} streamId={} termId={} termOffset={} receiverWindowLength={} receiverId={}",
                sm.session_id,
                sm.stream_id,
                sm.consumption_term_id,
                sm.consumption_term_offset,
                sm.receiver_window,
                sm.receiver_id
            )
        }
        t::ERR => {
            let error = frame::ErrorView::new(bytes).ok()?.to_frame().ok()?;
            write!(
                f,
                " sessionId={} streamId={} receiverId={} groupTag={} errorCode={} errorMessage=\"{}\"",
                error.session_id,
                error.stream_id,
                error.receiver_id,
                error.group_tag.map_or(0, |tag| tag.get()),
                error.error_code,
                error.text.escape_ascii()
            )
        }
        t::SETUP => {
            let setup = frame::SetupView::new(bytes).ok()?.to_frame();
            write!(
                f,
                " sessionId={} streamId={} activeTermId={} initialTermId={} termOffset={} termLength={} mtu={} \
                 ttl={}",
                setup.session_id,
                setup.stream_id,
                setup.active_term_id,
                setup.initial_term_id,
                setup.term_offset,
                setup.term_length,
                setup.mtu,
                setup.ttl
            )
        }
        t::RTTM => {
            let rttm = frame::RttmView::new(bytes).ok()?.to_frame();
            write!(
                f,
                " sessionId={} streamId={} echoTimestampNs={} receptionDelta={} receiverId={}",
                rttm.session_id, rttm.stream_id, rttm.echo_timestamp, rttm.reception_delta, rttm.receiver_id
            )
        }
        t::RSP_SETUP => {
            let setup = frame::ResponseSetupView::new(bytes).ok()?.to_frame();
            write!(
                f,
                " sessionId={} streamId={} responseSessionId={}",
                setup.session_id, setup.stream_id, setup.response_session_id
            )
        }
        _ => resolution(f, bytes)?,
    })
}

fn resolution(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> Option<fmt::Result> {
    for entry in frame::ResolutionView::new(bytes).ok()?.entries().map_while(Result::ok) {
        let is_v6 = entry.address.is_ipv6();
        let shown = write!(
            f,
            " [resType={} flags={:08b} port={} ageInMs={} address={} name={}]",
            if is_v6 { 2 } else { 1 },
            entry.flags.get(),
            entry.port,
            entry.age_in_ms,
            entry.address,
            entry.name.escape_ascii()
        );
        if shown.is_err() {
            return Some(shown);
        }
    }
    Some(Ok(()))
}

/// A command or an event between client and driver, behind its type id.
pub(super) fn command(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let Some((type_id, payload)) = bytes.split_first_chunk::<COMMAND_OFFSET>() else { return Ok(()) };
    let type_id = i32::from_le_bytes(*type_id);
    if type_id >= FIRST_EVENT_ID {
        return match Event::parse(type_id, payload) {
            Ok(event) => command_out(f, &event),
            Err(error) => write!(f, "{error}"),
        };
    }
    match Command::parse(type_id, payload) {
        Ok(command) => command_in(f, &command),
        Err(error) => write!(f, "{error}"),
    }
}

fn command_in(f: &mut fmt::Formatter<'_>, command: &Command<'_>) -> fmt::Result {
    let ids = Ids(command);
    match command.request {
        Request::AddPublication { stream_id, channel }
        | Request::AddExclusivePublication { stream_id, channel } => {
            write!(f, "streamId={stream_id} {ids} channel={channel}")
        }
        Request::AddSubscription { stream_id, channel } => {
            write!(f, "streamId={stream_id} registrationCorrelationId=-1 {ids} channel={channel}")
        }
        Request::RemovePublication { registration_id, revoke } => {
            write!(f, "registrationId={registration_id} {ids} revoke={revoke}")
        }
        Request::RemoveSubscription { registration_id } | Request::RemoveCounter { registration_id } => {
            write!(f, "registrationId={registration_id} {ids}")
        }
        Request::AddDestination { registration_id, channel }
        | Request::RemoveDestination { registration_id, channel }
        | Request::AddReceiveDestination { registration_id, channel }
        | Request::RemoveReceiveDestination { registration_id, channel } => {
            write!(f, "registrationCorrelationId={registration_id} {ids} channel={channel}")
        }
        Request::RemoveDestinationById { registration_id, destination_registration_id } => write!(
            f,
            "resourceRegistrationId={registration_id} destinationRegistrationId={destination_registration_id}"
        ),
        Request::AddCounter { type_id, key, label } => {
            let key_offset = 24;
            let label_offset = key_offset + align_usize(key.len(), 4) + 4;
            write!(
                f,
                "typeId={type_id} keyBufferOffset={key_offset} keyBufferLength={} \
                 labelBufferOffset={label_offset} labelBufferLength={} {ids}",
                key.len(),
                label.len()
            )
        }
        Request::TerminateDriver { token } => {
            write!(f, "clientId={} tokenBufferLength={}", command.client_id, token.len())
        }
        Request::RejectImage { image_id, position, reason } => write!(
            f,
            "{ids} imageCorrelationId={image_id} position={position} reason={}",
            reason.escape_ascii()
        ),
        _ => write!(f, "{ids}"),
    }
}

/// Who asked, and under which id.
struct Ids<'a>(&'a Command<'a>);

impl fmt::Display for Ids<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "clientId={} correlationId={}", self.0.client_id, self.0.correlation_id)
    }
}

fn command_out(f: &mut fmt::Formatter<'_>, event: &Event<'_>) -> fmt::Result {
    match event {
        Event::Error { correlation_id, error_code, message } => write!(
            f,
            "offendingCommandCorrelationId={correlation_id} errorCode={error_code:?} message={}",
            message.escape_ascii()
        ),
        Event::AvailableImage(image) => write!(
            f,
            "sessionId={} streamId={} subscriberPositionId={} subscriptionRegistrationId={} correlationId={} \
             sourceIdentity={} logFileName={}",
            image.session_id,
            image.stream_id,
            image.position_id,
            image.subscription_id,
            image.image_id,
            image.source_identity,
            image.log_file_name
        ),
        Event::UnavailableImage { image_id, subscription_id, stream_id, channel } => write!(
            f,
            "streamId={stream_id} correlationId={image_id} subscriptionRegistrationId={subscription_id} \
             channel={channel}"
        ),
        Event::PublicationReady(ready) | Event::ExclusivePublicationReady(ready) => {
            publication_ready(f, ready)
        }
        Event::SubscriptionReady { correlation_id, channel_status_id } => {
            write!(f, "correlationId={correlation_id} channelStatusCounterId={channel_status_id}")
        }
        Event::OperationSuccess { correlation_id } => write!(f, "correlationId={correlation_id}"),
        Event::CounterReady { correlation_id, counter_id } => {
            write!(f, "correlationId={correlation_id} counterId={counter_id}")
        }
        Event::UnavailableCounter { registration_id, counter_id } => {
            write!(f, "registrationId={registration_id} counterId={counter_id}")
        }
        Event::ClientTimeout { client_id } => write!(f, "clientId={client_id}"),
        other => write!(f, "{other:?}"),
    }
}

fn publication_ready(f: &mut fmt::Formatter<'_>, ready: &PublicationReady<'_>) -> fmt::Result {
    write!(
        f,
        "sessionId={} streamId={} publicationLimitCounterId={} channelStatusCounterId={} correlationId={} \
         registrationId={} logFileName={}",
        ready.session_id,
        ready.stream_id,
        ready.limit_id,
        ready.channel_status_id,
        ready.correlation_id,
        ready.original_registration_id,
        ready.log_file_name
    )
}
