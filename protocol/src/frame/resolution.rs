//! RES: drivers tell each other names and addresses.
//!
//! ```text
//!    0        8
//!   +--------+---------+---------+----
//!   | header | entry 0 | entry 1 | ...      each entry padded to a multiple of 8 bytes
//!   +--------+---------+---------+----
//!
//!   entry:
//!    0          1       2          4           8         12 or 24      14 or 26
//!   +----------+-------+----------+-----------+---------+-------------+------+-----+
//!   | res_type | flags | udp_port | age_in_ms | address | name_length | name | pad |
//!   +----------+-------+----------+-----------+---------+-------------+------+-----+
//! ```
//!
//! res_type 1 has a 4-byte IPv4 address, 2 a 16-byte IPv6 address, both in network order; the port is little endian.
//! Source: wire spec 1.12.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    fields::{Field, flags},
    header::{self, FrameError, FrameKind, HEADER_LENGTH},
};
use crate::types::align_usize;

mod layout {
    pub(super) const RES_TYPE: usize = 0;
    pub(super) const FLAGS: usize = 1;
    pub(super) const UDP_PORT: usize = 2;
    pub(super) const AGE_IN_MS: usize = 4;
    pub(super) const ADDRESS: usize = 8;
    /// Both kinds of entry have these bytes before the address.
    pub(super) const ENTRY_HEADER_LENGTH: usize = 8;
}

const RES_TYPE_IPV4: u8 = 1;
const RES_TYPE_IPV6: u8 = 2;
const IPV4_LENGTH: usize = 4;
const IPV6_LENGTH: usize = 16;
const NAME_LENGTH_LENGTH: usize = 2;
const ENTRY_ALIGNMENT: usize = 8;

/// Length of the shortest datagram: the header and an IPv4 entry without a name. Source: wire spec 1.3.
pub const MIN_LENGTH: usize = FrameKind::Resolution.min_length();

const _: () = assert!(MIN_LENGTH == HEADER_LENGTH + ResolutionEntry::IPV4_NAME);

flags! {
    /// Flags of an entry. Source: wire spec 1.12.
    ResolutionFlags {
        /// The entry names its sender.
        SELF = 0x80,
    }
}

/// A RES datagram in the bytes it came in. Its frame length is not looked at: entries run to the datagram's end.
#[derive(Clone, Copy, Debug)]
pub struct ResolutionView<'a> {
    entries: &'a [u8],
}

impl<'a> ResolutionView<'a> {
    /// Looks at a datagram that [`classify`](super::classify) found to be a RES.
    ///
    /// # Errors
    /// When it is shorter than the common header.
    pub fn new(datagram: &'a [u8]) -> Result<Self, FrameError> {
        datagram.get(HEADER_LENGTH..).map(|entries| Self { entries }).ok_or(FrameError::TooShort)
    }

    /// Checks and reads a datagram.
    ///
    /// # Errors
    /// When it is no valid datagram or no RES.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, FrameError> {
        header::expect(datagram, FrameKind::Resolution)?;
        Self::new(datagram)
    }

    /// The entries in order; after an entry that makes no sense there are no more.
    #[must_use]
    pub const fn entries(&self) -> Entries<'a> {
        Entries { rest: self.entries }
    }
}

/// Iterates over the entries of a [`ResolutionView`].
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<ResolutionEntry<'a>, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let read = ResolutionEntry::read(self.rest);
        self.rest = match read {
            Ok((_, rest)) => rest,
            Err(_) => &[],
        };
        Some(read.map(|(entry, _)| entry))
    }
}

/// One name with its address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResolutionEntry<'a> {
    /// Whether the entry names its sender.
    pub flags: ResolutionFlags,
    /// Port of the resolver of that name.
    pub port: u16,
    /// Time since the name's owner was heard of, in milliseconds.
    pub age_in_ms: i32,
    /// Address of that name; its family gives the type of the entry.
    pub address: IpAddr,
    /// The name, ASCII by convention, up to 32767 bytes.
    pub name: &'a [u8],
}

impl<'a> ResolutionEntry<'a> {
    /// Offset of the name in an IPv4 entry.
    const IPV4_NAME: usize = layout::ADDRESS + IPV4_LENGTH + NAME_LENGTH_LENGTH;

    fn name_offset(&self) -> usize {
        layout::ADDRESS + if self.address.is_ipv4() { IPV4_LENGTH } else { IPV6_LENGTH } + NAME_LENGTH_LENGTH
    }

    /// Length of the entry on the wire, padding included, in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        align_usize(self.name_offset() + self.name.len(), ENTRY_ALIGNMENT)
    }

    /// Reads one entry and returns it with the bytes after it.
    fn read(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), FrameError> {
        let (head, body) = bytes
            .split_first_chunk::<{ layout::ENTRY_HEADER_LENGTH }>()
            .ok_or(FrameError::ResolutionEntry)?;
        let (address, body) = match head[layout::RES_TYPE] {
            RES_TYPE_IPV4 => body
                .split_first_chunk::<IPV4_LENGTH>()
                .map(|(octets, body)| (IpAddr::V4(Ipv4Addr::from(*octets)), body)),
            RES_TYPE_IPV6 => body
                .split_first_chunk::<IPV6_LENGTH>()
                .map(|(octets, body)| (IpAddr::V6(Ipv6Addr::from(*octets)), body)),
            _ => return Err(FrameError::ResolutionType),
        }
        .ok_or(FrameError::ResolutionEntry)?;
        let (name_length, body) =
            body.split_first_chunk::<NAME_LENGTH_LENGTH>().ok_or(FrameError::ResolutionEntry)?;
        let name_length =
            usize::try_from(i16::from_le_bytes(*name_length)).map_err(|_| FrameError::ResolutionEntry)?;
        let entry = Self {
            flags: Field::read(head, layout::FLAGS),
            port: Field::read(head, layout::UDP_PORT),
            age_in_ms: Field::read(head, layout::AGE_IN_MS),
            address,
            name: body.get(..name_length).ok_or(FrameError::ResolutionEntry)?,
        };
        let rest = bytes.get(entry.length()..).ok_or(FrameError::ResolutionEntry)?;
        Ok((entry, rest))
    }

    /// Writes the entry into bytes of exactly its length.
    fn write(&self, name_length: i16, bytes: &mut [u8]) {
        let name_offset = self.name_offset();
        self.flags.write(bytes, layout::FLAGS);
        self.port.write(bytes, layout::UDP_PORT);
        self.age_in_ms.write(bytes, layout::AGE_IN_MS);
        match self.address {
            IpAddr::V4(address) => {
                RES_TYPE_IPV4.write(bytes, layout::RES_TYPE);
                bytes[layout::ADDRESS..][..IPV4_LENGTH].copy_from_slice(&address.octets());
            }
            IpAddr::V6(address) => {
                RES_TYPE_IPV6.write(bytes, layout::RES_TYPE);
                bytes[layout::ADDRESS..][..IPV6_LENGTH].copy_from_slice(&address.octets());
            }
        }
        name_length.write(bytes, name_offset - NAME_LENGTH_LENGTH);
        let (name, padding) = bytes[name_offset..].split_at_mut(self.name.len());
        name.copy_from_slice(self.name);
        padding.fill(0);
    }
}

/// Packs entries into one datagram, which is well formed after every entry.
#[derive(Debug)]
pub struct ResolutionWriter<'b> {
    buffer: &'b mut [u8],
    length: usize,
}

impl<'b> ResolutionWriter<'b> {
    /// Starts a datagram of at most the buffer's length.
    ///
    /// # Panics
    /// When the buffer is shorter than the common header.
    pub fn new(buffer: &'b mut [u8]) -> Self {
        header::emit(buffer, HEADER_LENGTH, 0, FrameKind::Resolution);
        Self { buffer, length: HEADER_LENGTH }
    }

    /// Appends an entry. False, with nothing written, when it does not fit or its name exceeds 32767 bytes.
    pub fn push(&mut self, entry: &ResolutionEntry<'_>) -> bool {
        let end = self.length + entry.length();
        let Ok(name_length) = i16::try_from(entry.name.len()) else { return false };
        let Some(bytes) = self.buffer.get_mut(self.length..end) else { return false };
        entry.write(name_length, bytes);
        self.length = end;
        header::emit(self.buffer, end, 0, FrameKind::Resolution);
        true
    }

    /// Whether no entry has been written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == HEADER_LENGTH
    }

    /// Length of the datagram so far, in bytes.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.length
    }
}
