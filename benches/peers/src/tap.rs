//! A relay between two UDP drivers that records what passes as a classic capture file, without privileges.
//!
//! The publishing driver sends to the tap, the tap on to the subscribing driver, and back. In the capture the two
//! drivers appear to speak to each other directly: Ethernet, IPv4 and UDP headers are made up around each datagram.
//!
//! ```text
//! publisher  <-- front socket | tap | back socket -->  subscriber
//! ```

use std::{
    fs::File,
    io::{self, BufWriter, ErrorKind, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// Largest datagram relayed, bytes.
const MAX_DATAGRAM: usize = 65_536;

/// A relay for one UDP channel, recording into a file.
#[derive(Debug)]
pub struct Tap {
    front: UdpSocket,
    back: UdpSocket,
    subscriber: SocketAddrV4,
    publisher: Option<SocketAddrV4>,
    capture: Capture,
    buffer: Vec<u8>,
}

impl Tap {
    /// Listens on a free port and relays to `subscriber`, recording into `file`.
    ///
    /// # Errors
    /// No socket, or the file cannot be created.
    pub fn new(subscriber_port: u16, file: &Path) -> io::Result<Self> {
        let front = UdpSocket::bind("127.0.0.1:0")?;
        let back = UdpSocket::bind("127.0.0.1:0")?;
        front.set_nonblocking(true)?;
        back.set_nonblocking(true)?;
        Ok(Self {
            front,
            back,
            subscriber: SocketAddrV4::new(Ipv4Addr::LOCALHOST, subscriber_port),
            publisher: None,
            capture: Capture::create(file)?,
            buffer: vec![0; MAX_DATAGRAM],
        })
    }

    /// Port that the publication's endpoint should name.
    ///
    /// # Errors
    /// The socket has lost its address.
    pub fn port(&self) -> io::Result<u16> {
        Ok(self.front.local_addr()?.port())
    }

    /// Relays everything that waits, in both directions; how many datagrams that were.
    ///
    /// # Errors
    /// A socket or the file fails.
    pub fn do_work(&mut self) -> io::Result<usize> {
        let mut relayed = 0;
        while let Some((length, SocketAddr::V4(source))) = receive(&self.front, &mut self.buffer)? {
            self.publisher = Some(source);
            self.capture.record(source, self.subscriber, &self.buffer[..length])?;
            send(&self.back, &self.buffer[..length], self.subscriber)?;
            relayed += 1;
        }
        while let Some((length, _)) = receive(&self.back, &mut self.buffer)? {
            if let Some(publisher) = self.publisher {
                self.capture.record(self.subscriber, publisher, &self.buffer[..length])?;
                send(&self.front, &self.buffer[..length], publisher)?;
                relayed += 1;
            }
        }
        Ok(relayed)
    }

    /// Completes the capture; its path and the number of datagrams in it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self) -> io::Result<(PathBuf, usize)> {
        self.capture.out.flush()?;
        Ok((self.capture.path, self.capture.datagrams))
    }
}

fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Option<(usize, SocketAddr)>> {
    match socket.recv_from(buffer) {
        Ok(datagram) => Ok(Some(datagram)),
        // A peer that has gone answers with an ICMP message, which is no failure of the tap.
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionRefused) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Sends, or loses the datagram as a network would.
fn send(socket: &UdpSocket, datagram: &[u8], to: SocketAddrV4) -> io::Result<()> {
    match socket.send_to(datagram, to) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionRefused) => Ok(()),
        Err(error) => Err(error),
    }
}

/// A classic capture file: microsecond stamps, link type Ethernet.
#[derive(Debug)]
struct Capture {
    out: BufWriter<File>,
    path: PathBuf,
    datagrams: usize,
}

impl Capture {
    fn create(path: &Path) -> io::Result<Self> {
        let mut out = BufWriter::new(File::create(path)?);
        out.write_all(&0xa1b2_c3d4_u32.to_le_bytes())?;
        out.write_all(&2u16.to_le_bytes())?;
        out.write_all(&4u16.to_le_bytes())?;
        // Time zone and accuracy, both unused; longest record; link type 1 is Ethernet.
        for word in [0u32, 0, 262_144, 1] {
            out.write_all(&word.to_le_bytes())?;
        }
        Ok(Self { out, path: path.to_owned(), datagrams: 0 })
    }

    fn record(&mut self, from: SocketAddrV4, to: SocketAddrV4, datagram: &[u8]) -> io::Result<()> {
        let packet = packet(from, to, datagram);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let words = [now.as_secs() as u32, now.subsec_micros(), packet.len() as u32, packet.len() as u32];
        for word in words {
            self.out.write_all(&word.to_le_bytes())?;
        }
        self.out.write_all(&packet)?;
        self.datagrams += 1;
        Ok(())
    }
}

/// Ethernet (no addresses), IPv4 (with checksum) and UDP (checksum absent, which IPv4 allows) around a datagram.
fn packet(from: SocketAddrV4, to: SocketAddrV4, datagram: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(42 + datagram.len());
    packet.extend_from_slice(&[0; 12]);
    packet.extend_from_slice(&0x0800u16.to_be_bytes());

    let mut ip = [0u8; 20];
    ip[0] = 0x45;
    ip[2..4].copy_from_slice(&((28 + datagram.len()) as u16).to_be_bytes());
    ip[8] = 64;
    ip[9] = 17;
    ip[12..16].copy_from_slice(&from.ip().octets());
    ip[16..20].copy_from_slice(&to.ip().octets());
    let checksum = checksum(&ip);
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    packet.extend_from_slice(&ip);

    packet.extend_from_slice(&from.port().to_be_bytes());
    packet.extend_from_slice(&to.port().to_be_bytes());
    packet.extend_from_slice(&((8 + datagram.len()) as u16).to_be_bytes());
    packet.extend_from_slice(&[0, 0]);
    packet.extend_from_slice(datagram);
    packet
}

/// The Internet checksum of a header whose checksum field is zero.
fn checksum(header: &[u8]) -> u16 {
    let words = header.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}
