//! What passed the network, as a capture file for Wireshark.
//!
//! ```text
//! file header (24) | record header (16) | Ethernet (14) | IPv4 (20) | UDP (8) | datagram | record header | ...
//! ```
//!
//! The headers around the datagrams are made up; the datagrams and their times are those of the world. Source: the
//! classic format of libpcap, nanosecond variant.

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use epona_media_driver::media::simulated::TraceEntry;
use epona_protocol::types::Nanos;

/// Says: little-endian, times in nanoseconds.
const MAGIC: u32 = 0xA1B2_3C4D;
/// Longest packet of a record, in bytes.
const SNAP_LENGTH: u32 = 262_144;
/// Packets start with an Ethernet header.
const LINK_TYPE_ETHERNET: u32 = 1;
const ETHERNET_LENGTH: usize = 14;
const IPV4_LENGTH: usize = 20;
const UDP_LENGTH: usize = 8;
const PROTOCOL_UDP: u8 = 17;

/// Writes datagrams as a capture.
#[derive(Debug)]
pub struct Capture<W> {
    to: W,
    packet: Vec<u8>,
}

impl<W: Write> Capture<W> {
    /// Starts a capture with its header.
    ///
    /// # Errors
    /// What the writer says.
    pub fn new(mut to: W) -> io::Result<Self> {
        to.write_all(&MAGIC.to_le_bytes())?;
        [2_u16, 4].iter().try_for_each(|part| to.write_all(&part.to_le_bytes()))?;
        [0, 0, SNAP_LENGTH, LINK_TYPE_ETHERNET]
            .iter()
            .try_for_each(|part| to.write_all(&part.to_le_bytes()))?;
        Ok(Self { to, packet: Vec::new() })
    }

    /// Adds a datagram as its sender saw it go, lost or not. IPv6 and what fits no packet is left out.
    ///
    /// # Errors
    /// What the writer says.
    pub fn record(&mut self, entry: &TraceEntry) -> io::Result<()> {
        let (IpAddr::V4(source), IpAddr::V4(destination)) = (entry.source.ip(), entry.destination.ip())
        else {
            return Ok(());
        };
        let Ok(udp_length) = u16::try_from(UDP_LENGTH + entry.bytes.len()) else { return Ok(()) };
        let Some(ip_length) = udp_length.checked_add(IPV4_LENGTH as u16) else { return Ok(()) };
        self.packet.clear();
        ethernet(&mut self.packet, destination);
        ipv4(&mut self.packet, source, destination, ip_length);
        udp(&mut self.packet, entry.source, entry.destination, udp_length);
        self.packet.extend_from_slice(&entry.bytes);
        self.write_packet(entry.at)
    }

    fn write_packet(&mut self, at: Nanos) -> io::Result<()> {
        let length = u32::try_from(self.packet.len()).unwrap_or(SNAP_LENGTH);
        let nanos = u64::try_from(at.get()).unwrap_or(0);
        let [seconds, rest] = [nanos / 1_000_000_000, nanos % 1_000_000_000];
        for field in [seconds as u32, rest as u32, length, length] {
            self.to.write_all(&field.to_le_bytes())?;
        }
        self.to.write_all(&self.packet)
    }

    /// Hands on what is still buffered.
    ///
    /// # Errors
    /// What the writer says.
    pub fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn ethernet(packet: &mut Vec<u8>, destination: Ipv4Addr) {
    let [_, b, c, d] = destination.octets();
    let to = if destination.is_multicast() { [1, 0, 0x5E, b & 0x7F, c, d] } else { [2, 0, 0, b, c, d] };
    packet.extend_from_slice(&to);
    packet.extend_from_slice(&[2, 0, 0, 0, 0, 0]);
    packet.extend_from_slice(&0x0800_u16.to_be_bytes());
    debug_assert_eq!(packet.len(), ETHERNET_LENGTH);
}

fn ipv4(packet: &mut Vec<u8>, source: Ipv4Addr, destination: Ipv4Addr, length: u16) {
    let start = packet.len();
    packet.extend_from_slice(&[0x45, 0]);
    packet.extend_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0x40, 0, 64, PROTOCOL_UDP, 0, 0]);
    packet.extend_from_slice(&source.octets());
    packet.extend_from_slice(&destination.octets());
    let checksum = internet_checksum(&packet[start..]);
    packet[start + 10..start + 12].copy_from_slice(&checksum.to_be_bytes());
}

/// The UDP checksum is left at 0, which means that there is none.
fn udp(packet: &mut Vec<u8>, source: SocketAddr, destination: SocketAddr, length: u16) {
    for field in [source.port(), destination.port(), length, 0] {
        packet.extend_from_slice(&field.to_be_bytes());
    }
}

/// Ones' complement of the ones' complement sum of 16-bit words. Source: RFC 1071.
fn internet_checksum(header: &[u8]) -> u16 {
    let words = header.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let mut sum: u32 = words.sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use epona_media_driver::media::simulated::Event;

    use super::*;

    #[test]
    fn a_datagram_is_wrapped_in_headers_whose_checksum_holds() {
        let mut file = Vec::new();
        let mut capture = Capture::new(&mut file).unwrap();
        let entry = TraceEntry {
            at: Nanos::new(3_000_000_007),
            source: "10.0.0.1:5".parse().unwrap(),
            destination: "10.0.0.2:6".parse().unwrap(),
            event: Event::Lost,
            bytes: Box::new([9; 10]),
        };
        capture.record(&entry).unwrap();
        let record = &file[24..];
        assert_eq!(record[..16], [3, 0, 0, 0, 7, 0, 0, 0, 52, 0, 0, 0, 52, 0, 0, 0]);
        let packet = &record[16..];
        assert_eq!(internet_checksum(&packet[ETHERNET_LENGTH..][..IPV4_LENGTH]), 0);
        assert_eq!(packet[ETHERNET_LENGTH + IPV4_LENGTH..][..8], [0, 5, 0, 6, 0, 18, 0, 0]);
        assert_eq!(packet[ETHERNET_LENGTH + IPV4_LENGTH + UDP_LENGTH..], [9; 10]);
    }
}
