//! What the targets share: inputs taken apart, and laid out as memory that other processes write.

pub mod driver;

use epona_protocol::{
    logbuffer::{LogBuffers, LogKind, LogParameters},
    memory::AtomicView,
    types::{Mtu, RegistrationId, SessionId, StreamId, TermLength},
};

/// Takes numbers off the front of an input; zeros once it is used up.
#[derive(Debug)]
pub struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// Starts at the front.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next four bytes, little endian.
    pub fn i32(&mut self) -> i32 {
        i32::from_le_bytes(self.take())
    }

    /// The next eight bytes, little endian.
    pub fn i64(&mut self) -> i64 {
        i64::from_le_bytes(self.take())
    }

    /// The next `N` bytes.
    pub fn take<const N: usize>(&mut self) -> [u8; N] {
        let taken = self.rest.len().min(N);
        let (front, rest) = self.rest.split_at(taken);
        self.rest = rest;
        let mut bytes = [0; N];
        bytes[..taken].copy_from_slice(front);
        bytes
    }

    /// The next `length` bytes, or what there is of them.
    pub fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (front, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        front
    }

    /// Everything that was not taken.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// Memory that begins with these bytes and is zero after them, `length` bytes in all.
pub fn memory(bytes: &[u8], length: usize) -> AtomicView {
    let view = AtomicView::allocate(length);
    view.write(0, &bytes[..bytes.len().min(length)]);
    view
}

/// A log with terms of the shortest length; the first begins with these bytes.
pub fn log(first_term: &[u8]) -> LogBuffers {
    let mtu = Mtu::new(1408).expect("a valid MTU");
    let kind = LogKind::ConcurrentPublication;
    let log = LogBuffers::on_heap(&LogParameters {
        session_id: SessionId::new(1),
        stream_id: StreamId::new(1001),
        ..LogParameters::new(kind, RegistrationId::new(7), mtu, TermLength::MIN)
    });
    log.term(0).write(0, &first_term[..first_term.len().min(TermLength::MIN.bytes())]);
    log
}
