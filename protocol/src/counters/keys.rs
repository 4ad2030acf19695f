//! Keys of the driver's counters: what a counter belongs to, for programs.
//!
//! All integers are little endian; bytes that are not used are zero. Never compare whole keys of a C driver, it leaves
//! garbage behind some texts. Source: shared-memory spec 5.6.

use core::ops::Deref;
use std::borrow::Cow;

use super::layout::MAX_KEY_LENGTH;
use crate::types::{ClientId, CounterId, SessionId, StreamId};

/// An encoded key: at most 112 bytes, without allocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    bytes: [u8; MAX_KEY_LENGTH],
    length: usize,
}

impl Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Key {
    /// The key of types that have none.
    pub const EMPTY: Self = Self { bytes: [0; MAX_KEY_LENGTH], length: 0 };

    /// Appends as many bytes as fit.
    fn put(mut self, bytes: &[u8]) -> Self {
        let taken = bytes.len().min(MAX_KEY_LENGTH - self.length);
        self.bytes[self.length..self.length + taken].copy_from_slice(&bytes[..taken]);
        self.length += taken;
        self
    }

    /// Appends a text, cut to what fits, behind its length.
    fn put_text(self, text: &str) -> Self {
        let taken = text.len().min(MAX_KEY_LENGTH - self.length - 4);
        self.put(&(taken as i32).to_le_bytes()).put(&text.as_bytes()[..taken])
    }
}

fn i32_at(key: &[u8], offset: usize) -> Option<i32> {
    Some(i32::from_le_bytes(*key.get(offset..)?.first_chunk()?))
}

fn i64_at(key: &[u8], offset: usize) -> Option<i64> {
    Some(i64::from_le_bytes(*key.get(offset..)?.first_chunk()?))
}

/// The text behind the length at `offset`; cut to the key when the length is too much, none when it is negative.
fn text_at(key: &[u8], offset: usize) -> Option<Cow<'_, str>> {
    let length = usize::try_from(i32_at(key, offset)?).ok()?;
    let text = key.get(offset + 4..)?;
    Some(String::from_utf8_lossy(&text[..length.min(text.len())]))
}

/// Key A, of counters of one stream: positions, limits and statistics of publications, subscriptions and images.
///
/// ```text
/// +0 registration id: i64   +8 session id: i32   +12 stream id: i32   +16 channel length: i32   +20 channel (92)
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamKey<'a> {
    /// Of the publication or subscription, or the correlation id of the image.
    pub registration_id: i64,
    /// Session of the stream.
    pub session_id: SessionId,
    /// Stream id.
    pub stream_id: StreamId,
    /// The channel as the client gave it; its first 92 bytes are stored.
    pub channel: Cow<'a, str>,
}

impl<'a> StreamKey<'a> {
    /// The key as it stands in shared memory.
    #[must_use]
    pub fn encode(&self) -> Key {
        Key::EMPTY
            .put(&self.registration_id.to_le_bytes())
            .put(&self.session_id.get().to_le_bytes())
            .put(&self.stream_id.get().to_le_bytes())
            .put_text(&self.channel)
    }

    /// Reads a key field; `None` when it is too short or its length negative.
    #[must_use]
    pub fn decode(key: &'a [u8]) -> Option<Self> {
        Some(Self {
            registration_id: i64_at(key, 0)?,
            session_id: SessionId::new(i32_at(key, 8)?),
            stream_id: StreamId::new(i32_at(key, 12)?),
            channel: text_at(key, 16)?,
        })
    }
}

/// Key B, of counters of one channel endpoint: `+0 channel length: i32   +4 channel (108)`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelKey<'a> {
    /// The channel; its first 108 bytes are stored.
    pub channel: Cow<'a, str>,
}

impl<'a> ChannelKey<'a> {
    /// The key as it stands in shared memory.
    #[must_use]
    pub fn encode(&self) -> Key {
        Key::EMPTY.put_text(&self.channel)
    }

    /// Reads a key field; `None` when it is too short or its length negative.
    #[must_use]
    pub fn decode(key: &'a [u8]) -> Option<Self> {
        Some(Self { channel: text_at(key, 0)? })
    }
}

/// Key C, of the address that a channel endpoint is bound to:
/// `+0 channel status counter id: i32   +4 address length: i32   +8 address (104)`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalSocketAddressKey<'a> {
    /// Status counter of the endpoint.
    pub channel_status_id: CounterId,
    /// `address:port`; its first 103 bytes are stored.
    pub address: Cow<'a, str>,
}

impl<'a> LocalSocketAddressKey<'a> {
    /// Longest address, in bytes: the C driver keeps one byte for a NUL.
    const MAX_ADDRESS_LENGTH: usize = 103;

    /// The key as it stands in shared memory.
    #[must_use]
    pub fn encode(&self) -> Key {
        let taken = self.address.len().min(Self::MAX_ADDRESS_LENGTH);
        Key::EMPTY
            .put(&self.channel_status_id.get().to_le_bytes())
            .put(&(taken as i32).to_le_bytes())
            .put(&self.address.as_bytes()[..taken])
    }

    /// Reads a key field; `None` when it is too short or its length negative.
    #[must_use]
    pub fn decode(key: &'a [u8]) -> Option<Self> {
        Some(Self { channel_status_id: CounterId::new(i32_at(key, 0)?), address: text_at(key, 4)? })
    }
}

/// Key D, of a client's heartbeat: `+0 client id: i64`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeartbeatKey {
    /// The client.
    pub client_id: ClientId,
}

impl HeartbeatKey {
    /// The key as it stands in shared memory.
    #[must_use]
    pub fn encode(&self) -> Key {
        Key::EMPTY.put(&self.client_id.get().to_le_bytes())
    }

    /// Reads a key field; `None` when it is too short.
    #[must_use]
    pub fn decode(key: &[u8]) -> Option<Self> {
        Some(Self { client_id: ClientId::new(i64_at(key, 0)?) })
    }
}

/// Key E, of a system counter: `+0 counter id: i32`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SystemCounterKey {
    /// The counter's own id.
    pub counter_id: CounterId,
}

impl SystemCounterKey {
    /// The key as it stands in shared memory.
    #[must_use]
    pub fn encode(&self) -> Key {
        Key::EMPTY.put(&self.counter_id.get().to_le_bytes())
    }

    /// Reads a key field; `None` when it is too short.
    #[must_use]
    pub fn decode(key: &[u8]) -> Option<Self> {
        Some(Self { counter_id: CounterId::new(i32_at(key, 0)?) })
    }
}

/// Key F, of a bootstrap neighbor of the name resolver: `+0 index: i32`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BootstrapNeighborKey {
    /// Place in the configured list.
    pub index: i32,
}

impl BootstrapNeighborKey {
    /// The key as it stands in shared memory.
    #[must_use]
    pub fn encode(&self) -> Key {
        Key::EMPTY.put(&self.index.to_le_bytes())
    }

    /// Reads a key field; `None` when it is too short.
    #[must_use]
    pub fn decode(key: &[u8]) -> Option<Self> {
        Some(Self { index: i32_at(key, 0)? })
    }
}

/// Key G, of an entry of the CSV name table: `+0 name length: i32   +4 name (108)`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameEntryKey<'a> {
    /// The name that is looked up.
    pub name: Cow<'a, str>,
}

impl<'a> NameEntryKey<'a> {
    /// The key as it stands in shared memory: the length is the name's own even if the name is cut.
    #[must_use]
    pub fn encode(&self) -> Key {
        Key::EMPTY.put(&(self.name.len() as i32).to_le_bytes()).put(self.name.as_bytes())
    }

    /// Reads a key field; `None` when it is too short or its length negative.
    #[must_use]
    pub fn decode(key: &'a [u8]) -> Option<Self> {
        Some(Self { name: text_at(key, 0)? })
    }
}
