//! Event logging: what a driver does, a line each, for those who look for a fault. Chosen by `aeron.event.log`.
//!
//! ```text
//!   conductor ─┐                                                       ┌─ standard output
//!   sender    ─┼─ EventLog ──► ring, 8 MiB ──► EventLogger, its own ──┤
//!   receiver  ─┤  (encodes,    never blocks    thread: formats,        └─ file, which rolls over
//!   agent     ─┘   copies)     counts losses   writes, flushes
//! ```
//!
//! An event that is not enabled costs one test of a bit that is nearly always 0; datagrams cost nothing at all then,
//! because only transports that log are wrapped. An enabled event is encoded on the stack and copied into the ring:
//! nothing is formatted or allocated where it happens. When the ring is full events are lost, and the log says how many.
//! Source: driver spec 8.5; names, numbers and the form of lines are those of Aeron 1.54's C driver.

mod dissect;
mod driver_event;
mod record;
mod transport;
mod writer;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arrayvec::ArrayVec;
use epona_protocol::{
    command::{command_id, event_id},
    frame::Nak,
    memory::AtomicView,
    ring_buffer::{Consumer, TRAILER_LENGTH, mpsc::Producer},
    types::{
        CorrelationId, Nanos, Position, ReceiverId, RegistrationId, SessionId, StreamId, TermId, TermOffset,
    },
};

pub use driver_event::{DriverEvent, EventSet};
pub use transport::LoggingFactory;
pub use writer::{EventLogger, Output};

use self::record::{MAX_BYTES, Record, Value};
use crate::{media::udp_channel::UdpChannel, name_resolution::NameQuery, untethered::TetherState};

/// Room for events that wait to be written. Source: driver spec 8.5 (Aeron's is as large).
const RING_CAPACITY: usize = 8 * 1024 * 1024;

/// Where roles tell what they do. Cheap to clone, and to ask whether an event is enabled.
#[derive(Clone, Default)]
pub struct EventLog {
    enabled: EventSet,
    sink: Option<Arc<Sink>>,
}

/// The ring's producing end.
struct Sink {
    ring: Producer,
    lost: AtomicU64,
}

impl fmt::Debug for EventLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventLog({:?})", self.enabled)
    }
}

/// A range of a term that was lost or is sent again.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// Term id.
    pub term_id: TermId,
    /// Where it starts in the term.
    pub term_offset: TermOffset,
    /// Its length, in bytes.
    pub length: i32,
}

impl EventLog {
    /// A log of some events, with the ring's reading end for an [`EventLogger`].
    #[must_use]
    pub fn new(enabled: EventSet) -> (Self, EventSource) {
        Self::with_capacity(enabled, RING_CAPACITY)
    }

    #[expect(clippy::expect_used, reason = "capacities are constants that fit; a test makes both")]
    fn with_capacity(enabled: EventSet, capacity: usize) -> (Self, EventSource) {
        let memory = AtomicView::allocate(capacity + TRAILER_LENGTH);
        let ring = Producer::new(memory.clone()).expect("a power of two");
        let sink = Arc::new(Sink { ring, lost: AtomicU64::new(0) });
        let ring = Consumer::new(memory).expect("a power of two");
        let source = EventSource { ring, sink: Arc::clone(&sink), reported: 0 };
        (Self { enabled, sink: Some(sink) }, source)
    }

    /// A log of nothing.
    #[must_use]
    pub fn off() -> Self {
        Self::default()
    }

    /// Whether an event is to be logged.
    #[inline]
    #[must_use]
    pub const fn is_on(&self, event: DriverEvent) -> bool {
        self.enabled.contains(event)
    }

    #[cold]
    fn put(&self, event: DriverEvent, now: Nanos, total: Option<usize>, values: &[Value<'_>]) {
        let Some(sink) = &self.sink else { return };
        let record = Record::new(now, total, values);
        if sink.ring.write(event.number().into(), record.bytes()).is_err() {
            sink.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A datagram came in or goes out; `start` is its beginning, `length` that of all of it.
    #[cold]
    pub fn frame(
        &self,
        event: DriverEvent,
        address: Option<SocketAddr>,
        start: &[u8],
        length: usize,
        now: Nanos,
    ) {
        if self.is_on(event) {
            self.put(event, now, Some(length), &[Value::Address(address), Value::Bytes(start)]);
        }
    }

    /// A command of a client was read.
    #[inline]
    pub fn command_in(&self, type_id: i32, record: &[u8], now: Nanos) {
        if let Some(event) = command_event(type_id).filter(|event| self.is_on(*event)) {
            self.command(event, type_id, record, now);
        }
    }

    /// Clients are told of something.
    #[inline]
    pub fn command_out(&self, type_id: i32, record: &[u8], now: Nanos) {
        if let Some(event) = told_event(type_id).filter(|event| self.is_on(*event)) {
            self.command(event, type_id, record, now);
        }
    }

    #[cold]
    fn command(&self, event: DriverEvent, type_id: i32, record: &[u8], now: Nanos) {
        let mut bytes = ArrayVec::<u8, MAX_BYTES>::new_const();
        let kept = record.len().min(MAX_BYTES - dissect::COMMAND_OFFSET);
        // Both fit by construction.
        let _ = bytes.try_extend_from_slice(&type_id.to_le_bytes());
        let _ = bytes.try_extend_from_slice(&record[..kept]);
        let total = dissect::COMMAND_OFFSET + record.len();
        self.put(event, now, Some(total), &[Value::Bytes(&bytes)]);
    }

    /// The last client of a publication let it go.
    #[inline]
    pub fn publication_removed(&self, session: SessionId, stream: StreamId, channel: &str, now: Nanos) {
        let event = DriverEvent::RemovePublicationCleanup;
        if self.is_on(event) {
            self.put(event, now, None, &[number(session.get()), number(stream.get()), Value::Text(channel)]);
        }
    }

    /// A subscription was removed.
    #[inline]
    pub fn subscription_removed(&self, id: RegistrationId, stream: StreamId, channel: &str, now: Nanos) {
        let event = DriverEvent::RemoveSubscriptionCleanup;
        if self.is_on(event) {
            self.put(
                event,
                now,
                None,
                &[number(stream.get()), Value::Number(id.get()), Value::Text(channel)],
            );
        }
    }

    /// An image is over.
    #[inline]
    pub fn image_removed(
        &self,
        id: CorrelationId,
        session: SessionId,
        stream: StreamId,
        channel: &str,
        now: Nanos,
    ) {
        let event = DriverEvent::RemoveImageCleanup;
        if self.is_on(event) {
            let values =
                [number(session.get()), number(stream.get()), Value::Number(id.get()), Value::Text(channel)];
            self.put(event, now, None, &values);
        }
    }

    /// An endpoint comes or goes.
    #[inline]
    pub fn endpoint(&self, event: DriverEvent, channel: &UdpChannel, now: Nanos) {
        if self.is_on(event) {
            let (local, remote) = (channel.local(), channel.remote_data());
            let ttl = number(channel.ttl().into());
            self.put(event, now, None, &[Value::Address(Some(local)), Value::Address(Some(remote)), ttl]);
        }
    }

    /// An untethered subscription changed its state.
    #[inline]
    pub fn tether(
        &self,
        subscription: RegistrationId,
        stream: StreamId,
        session: SessionId,
        (from, to): (TetherState, TetherState),
        now: Nanos,
    ) {
        let event = DriverEvent::UntetheredSubscriptionStateChange;
        if self.is_on(event) {
            let values = [
                Value::Number(subscription.get()),
                number(stream.get()),
                number(session.get()),
                Value::Text(tether_name(from)),
                Value::Text(tether_name(to)),
            ];
            self.put(event, now, None, &values);
        }
    }

    /// A NAK was sent to, or came from, an address.
    #[inline]
    pub fn nak(
        &self,
        event: DriverEvent,
        address: SocketAddr,
        stream: (SessionId, StreamId),
        range: Range,
        channel: &str,
        now: Nanos,
    ) {
        if self.is_on(event) {
            let [term_id, term_offset, length] = range.values();
            let values = [
                Value::Address(Some(address)),
                number(stream.0.get()),
                number(stream.1.get()),
                term_id,
                term_offset,
                length,
                Value::Text(channel),
            ];
            self.put(event, now, None, &values);
        }
    }

    /// A range is sent again.
    #[inline]
    pub fn resend(&self, stream: (SessionId, StreamId), range: Range, channel: &str, now: Nanos) {
        let event = DriverEvent::Resend;
        if self.is_on(event) {
            let [term_id, term_offset, length] = range.values();
            let values = [
                number(stream.0.get()),
                number(stream.1.get()),
                term_id,
                term_offset,
                length,
                Value::Text(channel),
            ];
            self.put(event, now, None, &values);
        }
    }

    /// A publication or an image ends at once, at this position.
    #[inline]
    pub fn revoked(
        &self,
        event: DriverEvent,
        position: Position,
        stream: (SessionId, StreamId),
        channel: &str,
        now: Nanos,
    ) {
        if self.is_on(event) {
            let values = [
                Value::Number(position.get()),
                number(stream.0.get()),
                number(stream.1.get()),
                Value::Text(channel),
            ];
            self.put(event, now, None, &values);
        }
    }

    /// Flow control has one receiver more, or less.
    #[inline]
    pub fn receiver(
        &self,
        event: DriverEvent,
        id: ReceiverId,
        count: usize,
        stream: (SessionId, StreamId),
        channel: &str,
        now: Nanos,
    ) {
        if self.is_on(event) {
            let values = [
                Value::Number(count as i64),
                Value::Number(id.get()),
                number(stream.0.get()),
                number(stream.1.get()),
                Value::Text(channel),
            ];
            self.put(event, now, None, &values);
        }
    }

    /// Another driver was heard of for the first time, or not for long.
    #[inline]
    pub fn neighbor(&self, event: DriverEvent, address: SocketAddr, now: Nanos) {
        if self.is_on(event) {
            self.put(event, now, None, &[Value::Address(Some(address))]);
        }
    }

    /// A name was resolved to an address, or was not.
    #[inline]
    pub fn resolved(
        &self,
        resolver: &str,
        query: NameQuery<'_>,
        took: Nanos,
        address: Option<IpAddr>,
        now: Nanos,
    ) {
        let event = DriverEvent::NameResolutionResolve;
        if self.is_on(event) {
            let address = address.map(|ip| SocketAddr::new(ip, 0));
            self.put(event, now, None, &name_values(resolver, &query, took, Value::Address(address)));
        }
    }

    /// A name was looked up to another; empty when there is none.
    #[inline]
    pub fn looked_up(&self, resolver: &str, query: NameQuery<'_>, took: Nanos, found: &str, now: Nanos) {
        let event = DriverEvent::NameResolutionLookup;
        if self.is_on(event) {
            self.put(event, now, None, &name_values(resolver, &query, took, Value::Text(found)));
        }
    }
}

fn name_values<'a>(
    resolver: &'a str,
    query: &NameQuery<'a>,
    took: Nanos,
    answer: Value<'a>,
) -> [Value<'a>; 5] {
    let again = if query.is_re_resolution { "true" } else { "false" };
    [Value::Text(resolver), Value::Number(took.get()), Value::Text(query.name), Value::Text(again), answer]
}

impl From<Nak> for Range {
    fn from(nak: Nak) -> Self {
        Self { term_id: nak.term_id, term_offset: nak.term_offset, length: nak.length }
    }
}

impl Range {
    fn values(self) -> [Value<'static>; 3] {
        [number(self.term_id.get()), number(self.term_offset.get()), number(self.length)]
    }
}

const fn number(value: i32) -> Value<'static> {
    Value::Number(value as i64)
}

const fn tether_name(state: TetherState) -> &'static str {
    match state {
        TetherState::Active => "ACTIVE",
        TetherState::Linger => "LINGER",
        TetherState::Resting => "RESTING",
        TetherState::Closed => "CLOSED",
    }
}

/// The event for a command of a client; Aeron has none for some.
const fn command_event(type_id: i32) -> Option<DriverEvent> {
    Some(match type_id {
        command_id::ADD_PUBLICATION => DriverEvent::CmdInAddPublication,
        command_id::REMOVE_PUBLICATION => DriverEvent::CmdInRemovePublication,
        command_id::ADD_EXCLUSIVE_PUBLICATION => DriverEvent::CmdInAddExclusivePublication,
        command_id::ADD_SUBSCRIPTION => DriverEvent::CmdInAddSubscription,
        command_id::REMOVE_SUBSCRIPTION => DriverEvent::CmdInRemoveSubscription,
        command_id::CLIENT_KEEPALIVE => DriverEvent::CmdInKeepaliveClient,
        command_id::ADD_DESTINATION => DriverEvent::CmdInAddDestination,
        command_id::REMOVE_DESTINATION => DriverEvent::CmdInRemoveDestination,
        command_id::ADD_COUNTER => DriverEvent::CmdInAddCounter,
        command_id::REMOVE_COUNTER => DriverEvent::CmdInRemoveCounter,
        command_id::CLIENT_CLOSE => DriverEvent::CmdInClientClose,
        command_id::ADD_RCV_DESTINATION => DriverEvent::CmdInAddRcvDestination,
        command_id::REMOVE_RCV_DESTINATION => DriverEvent::CmdInRemoveRcvDestination,
        command_id::TERMINATE_DRIVER => DriverEvent::CmdInTerminateDriver,
        command_id::REJECT_IMAGE => DriverEvent::CmdInRejectImage,
        command_id::REMOVE_DESTINATION_BY_ID => DriverEvent::CmdInRemoveDestinationById,
        _ => return None,
    })
}

/// The event for what clients are told; Aeron has none for some.
const fn told_event(type_id: i32) -> Option<DriverEvent> {
    Some(match type_id {
        event_id::ON_ERROR => DriverEvent::CmdOutError,
        event_id::ON_AVAILABLE_IMAGE => DriverEvent::CmdOutAvailableImage,
        event_id::ON_PUBLICATION_READY => DriverEvent::CmdOutPublicationReady,
        event_id::ON_OPERATION_SUCCESS => DriverEvent::CmdOutOnOperationSuccess,
        event_id::ON_UNAVAILABLE_IMAGE => DriverEvent::CmdOutOnUnavailableImage,
        event_id::ON_EXCLUSIVE_PUBLICATION_READY => DriverEvent::CmdOutExclusivePublicationReady,
        event_id::ON_SUBSCRIPTION_READY => DriverEvent::CmdOutSubscriptionReady,
        event_id::ON_COUNTER_READY => DriverEvent::CmdOutCounterReady,
        event_id::ON_UNAVAILABLE_COUNTER => DriverEvent::CmdOutOnUnavailableCounter,
        event_id::ON_CLIENT_TIMEOUT => DriverEvent::CmdOutOnClientTimeout,
        _ => return None,
    })
}

/// Events that wait to be written.
pub struct EventSource {
    ring: Consumer,
    sink: Arc<Sink>,
    reported: u64,
}

impl fmt::Debug for EventSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventSource({} bytes)", self.ring.size())
    }
}

impl EventSource {
    /// Hands over up to `limit` events; how many.
    fn read(&mut self, limit: usize, handler: impl FnMut(i32, &[u8])) -> usize {
        self.ring.read(limit, handler)
    }

    /// Events that were lost since the last call.
    fn take_lost(&mut self) -> u64 {
        let lost = self.sink.lost.load(Ordering::Relaxed);
        let new = lost - self.reported;
        self.reported = lost;
        new
    }
}

#[cfg(test)]
mod tests;
