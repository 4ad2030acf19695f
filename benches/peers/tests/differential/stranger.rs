//! A stranger's socket beside one driver: sends it frames, and keeps what it hears.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

/// How long a driver may take to be heard.
const PATIENCE: Duration = Duration::from_secs(30);

/// A socket that both ends of the driver's streams speak to.
#[derive(Debug)]
pub(crate) struct Stranger {
    socket: UdpSocket,
    receiver: SocketAddr,
    /// Where the publication sends from, once heard.
    sender: Option<SocketAddr>,
    /// What is told again and again: the last of each kind.
    last: BTreeMap<String, String>,
    /// What is told when there is reason to: all of it.
    all: BTreeMap<String, ()>,
    /// NAKs since the last step.
    naks: BTreeMap<String, ()>,
    setups: usize,
    echo: i64,
}

impl Stranger {
    pub(crate) fn new(host: &str, port: u16, receiver: SocketAddr) -> Self {
        let socket = UdpSocket::bind((host, port)).expect("a socket");
        socket.set_nonblocking(true).expect("a socket that does not block");
        Self {
            socket,
            receiver,
            sender: None,
            last: BTreeMap::new(),
            all: BTreeMap::new(),
            naks: BTreeMap::new(),
            setups: 0,
            echo: 0,
        }
    }

    pub(crate) fn send_to_receiver(&self, frame: &[u8]) {
        self.send(self.receiver, frame);
    }

    /// Sends to where the publication sends from, once that is known.
    pub(crate) fn send_to_sender(&mut self, frame: &[u8]) {
        self.until("the publication", |this| this.sender.is_some());
        let sender = self.sender.expect("heard");
        self.send(sender, frame);
    }

    fn send(&self, to: SocketAddr, frame: &[u8]) {
        self.socket.send_to(frame, to).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Forgets what is told of one step only.
    pub(crate) fn forget(&mut self) {
        self.listen();
        self.naks.clear();
        self.setups = 0;
    }

    pub(crate) fn await_setup(&mut self) {
        self.until("a setup", |this| this.setups > 0);
    }

    pub(crate) fn await_echo(&mut self, stamp: i64) {
        self.until("an echo", |this| this.echo == stamp);
    }

    fn until(&mut self, what: &str, heard: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !heard(self) {
            assert!(Instant::now() < deadline, "never heard: {what}");
            self.listen();
            std::thread::yield_now();
        }
    }

    /// What was heard, for a picture.
    pub(crate) fn heard(&mut self) -> Vec<String> {
        self.listen();
        let last = self.last.iter().map(|(kind, frame)| format!("last {kind}: {frame}"));
        last.chain(self.all.keys().cloned()).chain(self.naks.keys().cloned()).collect()
    }

    fn listen(&mut self) {
        let mut buffer = [0; 65_536];
        loop {
            match self.socket.recv_from(&mut buffer) {
                Ok((length, source)) => frames(&buffer[..length]).for_each(|frame| self.hear(frame, source)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // The driver's socket may have gone.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn hear(&mut self, frame: &[u8], source: SocketAddr) {
        let i32_at = |at: usize| i32::from_le_bytes(frame[at..at + 4].try_into().expect("four bytes"));
        let (flags, kind) = (frame[5], u16::from_le_bytes([frame[6], frame[7]]));
        let fields = |range: std::ops::Range<usize>| range.step_by(4).map(i32_at).collect::<Vec<_>>();
        let length = i32_at(0);
        if source != self.receiver {
            self.sender = Some(source);
        }
        match kind {
            0 | 1 if length == 0 => {
                let what = format!("{flags:#x} {:?}", fields(8..24));
                self.last.insert("heartbeat".to_owned(), what);
            }
            0 | 1 => {
                let what = format!("data {kind} {flags:#x} {length} of {}: {:?}", frame.len(), fields(8..24));
                self.all.insert(what, ());
            }
            2 => drop(self.naks.insert(format!("nak {flags:#x} {:?}", fields(8..28)), ())),
            3 if flags & 0x80 != 0 => {
                // The receiver has an id of its own choice.
                let what = format!("elicits {flags:#x} {length} of {}: {:?}", frame.len(), fields(8..28));
                self.all.insert(what, ());
            }
            3 => {
                let what = format!("{flags:#x} {length} of {}: {:?}", frame.len(), fields(8..28));
                self.last.insert(format!("status of {}", i32_at(8)), what);
            }
            5 => {
                self.setups += 1;
                let what = format!("{flags:#x} {length} of {}: {:?}", frame.len(), fields(8..40));
                self.last.insert("setup".to_owned(), what);
            }
            6 => {
                self.echo = i64::from_le_bytes(frame[16..24].try_into().expect("eight bytes"));
                let what = format!("echo {flags:#x} {length} of {}: {:?}", frame.len(), fields(8..16));
                self.all.insert(what, ());
            }
            _ => drop(self.all.insert(format!("frame {kind} {flags:#x} {length} of {}", frame.len()), ())),
        }
    }
}

/// The frames of a datagram, padding to their alignment included.
///
/// How many messages share a datagram depends on when the sender looked, so that each is told by itself.
fn frames(mut datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = i32::from_le_bytes(*datagram.first_chunk()?);
        // A heartbeat tells no length.
        let aligned = usize::try_from(length).unwrap_or(0).max(1).next_multiple_of(32);
        let (frame, rest) = datagram.split_at_checked(aligned).unwrap_or((datagram, &[]));
        datagram = rest;
        Some(frame)
    })
}
