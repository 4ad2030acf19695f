//! Sending many datagrams with few system calls.

use std::{
    io,
    mem::MaybeUninit,
    net::SocketAddr,
    os::fd::{AsRawFd, BorrowedFd, RawFd},
    ptr,
};

use super::{address::RawAddress, is_nothing_now};
use crate::media::transport::{MAX_BATCH, SendOutcome, SendRun};
use epona_protocol::memory::SharedBytes;

/// Sends the datagrams of all runs in order, until one is not accepted. No allocation.
///
/// One datagram costs `send` or `sendto`, more cost one `sendmmsg` per [`MAX_BATCH`].
pub(in crate::media) fn send_runs(socket: BorrowedFd<'_>, runs: &[SendRun<'_>]) -> SendOutcome {
    if let [run] = runs
        && run.bytes.len() <= run.segment_size
    {
        return send_one(socket.as_raw_fd(), run);
    }
    let mut batch = Batch::new();
    let mut outcome = SendOutcome::default();
    for run in runs {
        for segment in run.segments() {
            if batch.length == MAX_BATCH && !batch.flush(socket.as_raw_fd(), &mut outcome) {
                return outcome;
            }
            batch.push(segment, run.destination);
        }
    }
    batch.flush(socket.as_raw_fd(), &mut outcome);
    outcome
}

fn send_one(fd: RawFd, run: &SendRun<'_>) -> SendOutcome {
    if run.bytes.is_empty() {
        return SendOutcome::default();
    }
    let (bytes, length) = (run.bytes.as_ptr().cast(), run.bytes.len());
    let sent = match run.destination {
        // SAFETY: the bytes are mapped for as long as the run exists (S1, S3).
        None => unsafe { libc::send(fd, bytes, length, 0) },
        Some(destination) => {
            let (address, address_length) = RawAddress::new(destination);
            // SAFETY: as above, and the address lives on this stack frame (S1).
            unsafe { libc::sendto(fd, bytes, length, 0, ptr::from_ref(&address).cast(), address_length) }
        }
    };
    if sent < 0 {
        return SendOutcome { datagrams: 0, error: last_error() };
    }
    SendOutcome { datagrams: 1, error: None }
}

fn last_error() -> Option<io::Error> {
    let error = io::Error::last_os_error();
    (!is_nothing_now(&error)).then_some(error)
}

/// Message headers for one `sendmmsg`, on the stack; only the first `length` of each array are initialised.
struct Batch {
    messages: [MaybeUninit<libc::mmsghdr>; MAX_BATCH],
    vectors: [MaybeUninit<libc::iovec>; MAX_BATCH],
    addresses: [MaybeUninit<RawAddress>; MAX_BATCH],
    /// For each message, which address it uses and how long that is; (_, 0) for none.
    address_of: [(u8, u8); MAX_BATCH],
    length: usize,
    address_count: usize,
    previous: Option<(SocketAddr, (u8, u8))>,
}

impl Batch {
    fn new() -> Self {
        Self {
            messages: [const { MaybeUninit::uninit() }; MAX_BATCH],
            vectors: [const { MaybeUninit::uninit() }; MAX_BATCH],
            addresses: [const { MaybeUninit::uninit() }; MAX_BATCH],
            address_of: [(0, 0); MAX_BATCH],
            length: 0,
            address_count: 0,
            previous: None,
        }
    }

    /// Adds a datagram; there is room for it.
    fn push(&mut self, segment: SharedBytes<'_>, destination: Option<SocketAddr>) {
        let index = self.length;
        self.vectors[index]
            .write(libc::iovec { iov_base: segment.as_ptr().cast_mut().cast(), iov_len: segment.len() });
        self.address_of[index] = destination.map_or((0, 0), |address| self.address_index(address));
        self.length = index + 1;
    }

    /// Where the address stands; converted once for a row of equal ones.
    fn address_index(&mut self, address: SocketAddr) -> (u8, u8) {
        if let Some((previous, index)) = self.previous
            && previous == address
        {
            return index;
        }
        let (raw, length) = RawAddress::new(address);
        self.addresses[self.address_count].write(raw);
        let index = (self.address_count as u8, length as u8);
        self.address_count += 1;
        self.previous = Some((address, index));
        index
    }

    /// Sends what was added and starts anew; whether all of it was accepted.
    fn flush(&mut self, fd: RawFd, outcome: &mut SendOutcome) -> bool {
        let length = self.length;
        if length == 0 {
            return true;
        }
        for index in 0..length {
            // SAFETY: a message header is plain integers and pointers, for which zero is a value (S2).
            let mut message: libc::mmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };
            message.msg_hdr.msg_iov = self.vectors[index].as_mut_ptr();
            message.msg_hdr.msg_iovlen = 1;
            let (address, address_length) = self.address_of[index];
            if address_length > 0 {
                message.msg_hdr.msg_name = self.addresses[usize::from(address)].as_mut_ptr().cast();
                message.msg_hdr.msg_namelen = address_length.into();
            }
            self.messages[index].write(message);
        }
        // SAFETY: the first `length` headers and vectors are initialised above and in `push`, and point to addresses
        // in this value and to bytes that the runs keep mapped (S1, S3).
        let sent =
            unsafe { libc::sendmmsg(fd, self.messages.as_mut_ptr().cast(), length as libc::c_uint, 0) };
        (self.length, self.address_count, self.previous) = (0, 0, None);
        match usize::try_from(sent) {
            Ok(sent) => {
                outcome.datagrams += sent;
                sent == length
            }
            Err(_) => {
                outcome.error = last_error();
                false
            }
        }
    }
}
