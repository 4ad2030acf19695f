//! One logged event on its way through the ring: made where it happens, read where it is written down.
//!
//! ```text
//!   0          8         12
//!   +----------+---------+---------+---------+----
//!   | time ns  | total   | value 0 | value 1 | ...      the ring's record type is the event's number
//!   +----------+---------+---------+---------+----
//!
//!   value:  0 i64 │ 1 u16 length, text │ 2 IPv4, port │ 3 IPv6, port │ 4 no address │ 5 u16 length, bytes
//! ```
//!
//! Only this process reads what it wrote, so the layout is nobody's contract; it is read with checks all the same.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use arrayvec::ArrayVec;
use epona_protocol::types::Nanos;

use super::{DriverEvent, dissect};
use crate::media::address::Identity;

/// Longest text that is kept, in bytes: that of a channel.
const MAX_TEXT: usize = 4096;

/// Most bytes of a command or datagram that are kept. Source: driver spec 12.1 (DRV-17).
pub(super) const MAX_BYTES: usize = 8192;

/// Room for three texts of full length, or the bytes, and all numbers and addresses that any event has beside them.
const MAX_LENGTH: usize = 3 * MAX_TEXT + 512;

/// A part of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(i64),
    Text(&'a str),
    /// A text that was cut within a character, or was none.
    RawText(&'a [u8]),
    Address(Option<SocketAddr>),
    Bytes(&'a [u8]),
}

/// An event, encoded.
pub(super) struct Record(ArrayVec<u8, MAX_LENGTH>);

impl Record {
    /// Encodes an event; texts and bytes that are too long are cut. `total` is the length of what it tells of; without,
    /// that of its values in full.
    pub(super) fn new(now: Nanos, total: Option<usize>, values: &[Value<'_>]) -> Self {
        let mut record = Self(ArrayVec::new_const());
        let total = total.unwrap_or_else(|| values.iter().map(Value::full_length).sum());
        record.put(&now.get().to_le_bytes());
        record.put(&u32::try_from(total).unwrap_or(u32::MAX).to_le_bytes());
        for value in values {
            record.put_value(value);
        }
        record
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn put(&mut self, bytes: &[u8]) {
        let room = self.0.remaining_capacity().min(bytes.len());
        // What does not fit is cut, which no combination of values that is logged comes to.
        let _ = self.0.try_extend_from_slice(&bytes[..room]);
    }

    fn put_value(&mut self, value: &Value<'_>) {
        match *value {
            Value::Number(number) => {
                self.put(&[0]);
                self.put(&number.to_le_bytes());
            }
            Value::Text(text) => self.put_sized(1, &text.as_bytes()[..text.len().min(MAX_TEXT)]),
            Value::RawText(text) => self.put_sized(1, &text[..text.len().min(MAX_TEXT)]),
            Value::Address(None) => self.put(&[4]),
            Value::Address(Some(address)) => {
                match address.ip() {
                    IpAddr::V4(ip) => {
                        self.put(&[2]);
                        self.put(&ip.octets());
                    }
                    IpAddr::V6(ip) => {
                        self.put(&[3]);
                        self.put(&ip.octets());
                    }
                }
                self.put(&address.port().to_le_bytes());
            }
            Value::Bytes(bytes) => self.put_sized(5, &bytes[..bytes.len().min(MAX_BYTES)]),
        }
    }

    fn put_sized(&mut self, tag: u8, bytes: &[u8]) {
        self.put(&[tag]);
        self.put(&(bytes.len() as u16).to_le_bytes());
        self.put(bytes);
    }
}

impl Value<'_> {
    fn full_length(&self) -> usize {
        match self {
            Self::Number(_) => 8,
            Self::Text(text) => text.len(),
            Self::RawText(text) | Self::Bytes(text) => text.len(),
            Self::Address(None) => 0,
            Self::Address(Some(SocketAddr::V4(_))) => 6,
            Self::Address(Some(SocketAddr::V6(_))) => 18,
        }
    }
}

/// An event read back; shows itself as a line of the log, without the end of line.
#[derive(Clone, Copy)]
pub(super) struct RecordView<'a> {
    pub(super) event: DriverEvent,
    time: Nanos,
    total: u32,
    values: &'a [u8],
}

impl<'a> RecordView<'a> {
    /// Reads a record; `None` when it is none.
    pub(super) fn new(type_id: i32, bytes: &'a [u8]) -> Option<Self> {
        let event = DriverEvent::from_number(type_id.into())?;
        let (time, rest) = bytes.split_first_chunk()?;
        let (total, values) = rest.split_first_chunk()?;
        let time = Nanos::new(i64::from_le_bytes(*time));
        Some(Self { event, time, total: u32::from_le_bytes(*total), values })
    }

    fn values(&self) -> Values<'a> {
        Values(self.values)
    }

    /// Bytes that were kept, of those that the event is about.
    fn captured(&self) -> usize {
        self.values().map(|value| value.full_length()).sum()
    }
}

/// The values of a record, as far as they make sense.
struct Values<'a>(&'a [u8]);

impl<'a> Values<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn take_sized(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_le_bytes(self.take_array()?);
        self.take(length.into())
    }

    fn take_address(&mut self, ip: IpAddr) -> Option<Value<'a>> {
        let port = u16::from_le_bytes(self.take_array()?);
        Some(Value::Address(Some(SocketAddr::new(ip, port))))
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        match self.take(1)?[0] {
            0 => Some(Value::Number(i64::from_le_bytes(self.take_array()?))),
            1 => {
                let bytes = self.take_sized()?;
                Some(std::str::from_utf8(bytes).map_or(Value::RawText(bytes), Value::Text))
            }
            2 => {
                let ip: [u8; 4] = self.take_array()?;
                self.take_address(ip.into())
            }
            3 => {
                let ip: [u8; 16] = self.take_array()?;
                self.take_address(ip.into())
            }
            4 => Some(Value::Address(None)),
            5 => Some(Value::Bytes(self.take_sized()?)),
            _ => None,
        }
    }
}

/// `seconds.nanoseconds`, as times are written in the log.
pub(super) struct Timestamp(pub(super) Nanos);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.get();
        write!(f, "[{}.{:09}]", nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000))
    }
}

impl fmt::Display for RecordView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { event, time, total, .. } = self;
        let captured = match self.values().last() {
            Some(Value::Bytes(bytes)) => bytes.len(),
            _ => self.captured(),
        };
        write!(f, "{} DRIVER: {} [{captured}/{total}]: ", Timestamp(*time), event.name())?;
        let mut labels = labels(*event).iter();
        for value in self.values() {
            write!(f, "{}", labels.next().copied().unwrap_or(" "))?;
            match value {
                Value::Bytes(bytes) if matches!(event, DriverEvent::FrameIn | DriverEvent::FrameOut) => {
                    dissect::frame(f, bytes)?;
                }
                Value::Bytes(bytes) => dissect::command(f, bytes)?,
                Value::Number(number) => write!(f, "{number}")?,
                Value::Text(text) => write!(f, "{text}")?,
                Value::RawText(text) => write!(f, "{}", text.escape_ascii())?,
                Value::Address(None) => write!(f, "unknown-address")?,
                // A host has no port.
                Value::Address(Some(address)) if *event == DriverEvent::NameResolutionResolve => {
                    match address.ip() {
                        IpAddr::V4(ip) => write!(f, "{ip}")?,
                        IpAddr::V6(ip) => write!(f, "[{ip}]")?,
                    }
                }
                Value::Address(Some(address)) => write!(f, "{}", Identity(address))?,
            }
        }
        Ok(())
    }
}

/// What stands before each value of an event.
fn labels(event: DriverEvent) -> &'static [&'static str] {
    use DriverEvent as E;
    match event {
        E::FrameIn | E::FrameOut => &["address=", " "],
        E::RemovePublicationCleanup => &["sessionId=", " streamId=", " channel="],
        E::RemoveSubscriptionCleanup => &["streamId=", " id=", " channel="],
        E::RemoveImageCleanup => &["sessionId=", " streamId=", " id=", " channel="],
        E::SendChannelCreation | E::ReceiveChannelCreation | E::SendChannelClose | E::ReceiveChannelClose => {
            &["localData: ", ", remoteData: ", ", ttl: "]
        }
        E::UntetheredSubscriptionStateChange => {
            &["subscriptionId=", " streamId=", " sessionId=", " ", " -> "]
        }
        E::FlowControlReceiverAdded | E::FlowControlReceiverRemoved => {
            &["receiverCount=", " receiverId=", " sessionId=", " streamId=", " channel="]
        }
        E::NakSent | E::NakReceived => {
            &["address=", " sessionId=", " streamId=", " termId=", " termOffset=", " length=", " channel="]
        }
        E::Resend => &["sessionId=", " streamId=", " termId=", " termOffset=", " length=", " channel="],
        E::PublicationRevoke | E::PublicationImageRevoke => {
            &["revokedPos=", " sessionId=", " streamId=", " channel="]
        }
        E::NameResolutionResolve => &["resolver=", " durationNs=", " name=", " isReResolution=", " address="],
        E::NameResolutionLookup => &["resolver=", " durationNs=", " name=", " isReLookup=", " resolvedName="],
        E::NameResolutionHostName => &["durationNs=", " hostName="],
        _ => &["", " "],
    }
}
