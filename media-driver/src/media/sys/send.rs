//! Sending many datagrams with few system calls.

use std::{
    io,
    mem::MaybeUninit,
    net::SocketAddr,
    os::fd::{AsRawFd, BorrowedFd, RawFd},
    ptr,
};

use super::{
    address::RawAddress,
    is_nothing_now,
    segmentation::{self, Message, SegmentSize, Segmentation},
};
use crate::media::transport::{MAX_BATCH, SendOutcome, SendRun};

/// Sends the datagrams of all runs in order, until one is not accepted. No allocation.
///
/// One datagram costs `send` or `sendto`; more cost one `sendmmsg` per [`MAX_BATCH`] messages, each of which is a datagram
/// or, with segmentation offload, up to [`MAX_SEGMENTS`](crate::media::MAX_SEGMENTS) of them, of one run or of several that
/// follow each other. Where the kernel refuses to cut a message up, the rest goes datagram by datagram, from then on.
#[inline]
pub(in crate::media) fn send_runs(
    socket: BorrowedFd<'_>,
    runs: &[SendRun<'_>],
    segmentation: &mut Segmentation,
) -> SendOutcome {
    if let [run] = runs
        && run.bytes.len() <= run.segment_size
    {
        return send_one(socket.as_raw_fd(), run);
    }
    let mut outcome = SendOutcome::default();
    while let Flushed::Refused(code) = send_messages(socket.as_raw_fd(), runs, segmentation, &mut outcome) {
        outcome.error = None;
        segmentation.give_up(code);
    }
    outcome
}

/// Sends what of the runs was not accepted yet.
fn send_messages(
    fd: RawFd,
    runs: &[SendRun<'_>],
    segmentation: &mut Segmentation,
    outcome: &mut SendOutcome,
) -> Flushed {
    let mut batch = Batch::new();
    let mut skipped = outcome.datagrams;
    for run in runs {
        let datagrams = if skipped > 0 { run.datagrams() } else { 0 };
        for message in segmentation::messages(run, skipped, *segmentation) {
            if batch.is_full() {
                let flushed = batch.flush(fd, segmentation, outcome);
                if flushed != Flushed::All {
                    return flushed;
                }
            }
            batch.push(message, run, *segmentation);
        }
        skipped = skipped.saturating_sub(datagrams);
    }
    batch.flush(fd, segmentation, outcome)
}

/// What became of the messages of a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flushed {
    /// All were accepted.
    All,
    /// One was not, and nor were those after it.
    Short,
    /// One was not, because the kernel would not cut it up: the error code.
    Refused(i32),
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

/// Message headers for one `sendmmsg`, on the stack; only as much of each array as is counted is initialised.
struct Batch {
    messages: [MaybeUninit<libc::mmsghdr>; MAX_BATCH],
    vectors: [MaybeUninit<libc::iovec>; MAX_BATCH],
    addresses: [MaybeUninit<RawAddress>; MAX_BATCH],
    /// Initialised for messages of more than one datagram.
    segment_sizes: [MaybeUninit<SegmentSize>; MAX_BATCH],
    /// For each message, which address it uses and how long that is; (_, 0) for none.
    address_of: [(u8, u8); MAX_BATCH],
    /// For each message, how many datagrams it is.
    datagrams: [u8; MAX_BATCH],
    /// For each message, behind which vector it ends.
    vector_ends: [u8; MAX_BATCH],
    length: usize,
    vector_count: usize,
    address_count: usize,
    previous: Option<(SocketAddr, (u8, u8))>,
    /// Length of the datagrams of the last message, as long as it may go on.
    open: Option<usize>,
}

impl Batch {
    fn new() -> Self {
        Self {
            messages: [const { MaybeUninit::uninit() }; MAX_BATCH],
            vectors: [const { MaybeUninit::uninit() }; MAX_BATCH],
            addresses: [const { MaybeUninit::uninit() }; MAX_BATCH],
            segment_sizes: [const { MaybeUninit::uninit() }; MAX_BATCH],
            address_of: [(0, 0); MAX_BATCH],
            datagrams: [0; MAX_BATCH],
            vector_ends: [0; MAX_BATCH],
            length: 0,
            vector_count: 0,
            address_count: 0,
            previous: None,
            open: None,
        }
    }

    fn is_full(&self) -> bool {
        // No more messages than vectors.
        self.vector_count == MAX_BATCH
    }

    /// Adds a message of a run, for which there is room; to the last message where they can be one.
    fn push(
        &mut self,
        Message { bytes, datagrams }: Message<'_>,
        run: &SendRun<'_>,
        segmentation: Segmentation,
    ) {
        self.vectors[self.vector_count]
            .write(libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() });
        self.vector_count += 1;
        let address = run.destination.map_or((0, 0), |address| self.address_index(address));
        let length = if datagrams > 1 { run.segment_size } else { bytes.len() };
        let joined = self.open.filter(|size| {
            let last = self.length - 1;
            let together = usize::from(self.datagrams[last]) + datagrams;
            (length == *size || (length < *size && datagrams == 1))
                && together <= segmentation.datagrams_per_message(*size)
                && address == self.address_of[last]
        });
        let size = joined.unwrap_or(length);
        if joined.is_none() {
            self.datagrams[self.length] = 0;
            self.address_of[self.length] = address;
            self.length += 1;
        }
        let index = self.length - 1;
        self.datagrams[index] += datagrams as u8;
        self.vector_ends[index] = self.vector_count as u8;
        if self.datagrams[index] > 1 {
            // Two datagrams of a message add up to what u16 holds, so one of them does.
            self.segment_sizes[index].write(SegmentSize::new(size as u16));
        }
        // Only the last datagram of a message may be shorter.
        self.open = (bytes.len() == datagrams * size).then_some(size);
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

    /// Sends what was added and starts anew.
    fn flush(&mut self, fd: RawFd, segmentation: &mut Segmentation, outcome: &mut SendOutcome) -> Flushed {
        let length = self.length;
        for index in 0..length {
            self.prepare(index);
        }
        (self.length, self.vector_count, self.address_count) = (0, 0, 0);
        (self.previous, self.open) = (None, None);
        let mut done = 0;
        while done < length {
            match self.send(fd, done, length) {
                Ok(sent) => {
                    let datagrams = self.datagrams[done..done + sent].iter().map(|&count| usize::from(count));
                    let datagrams = datagrams.sum::<usize>();
                    if datagrams > sent {
                        segmentation.on_cut();
                    }
                    outcome.datagrams += datagrams;
                    done += sent;
                    // A call that got somewhere does not say why it got no further; what was to be cut up must be asked about.
                    if done < length && (sent == 0 || self.datagrams[done] == 1) {
                        return Flushed::Short;
                    }
                }
                Err(error) => {
                    if self.datagrams[done] > 1
                        && let Some(code) = Segmentation::refusal(&error)
                    {
                        return Flushed::Refused(code);
                    }
                    outcome.error = (!is_nothing_now(&error)).then_some(error);
                    return Flushed::Short;
                }
            }
        }
        Flushed::All
    }

    fn prepare(&mut self, index: usize) {
        // SAFETY: a message header is plain integers and pointers, for which zero is a value (S2).
        let mut message: libc::mmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };
        let first = index.checked_sub(1).map_or(0, |before| usize::from(self.vector_ends[before]));
        message.msg_hdr.msg_iov = self.vectors[first].as_mut_ptr();
        message.msg_hdr.msg_iovlen = usize::from(self.vector_ends[index]) - first;
        let (address, address_length) = self.address_of[index];
        if address_length > 0 {
            message.msg_hdr.msg_name = self.addresses[usize::from(address)].as_mut_ptr().cast();
            message.msg_hdr.msg_namelen = address_length.into();
        }
        if self.datagrams[index] > 1 {
            message.msg_hdr.msg_control = self.segment_sizes[index].as_mut_ptr().cast();
            message.msg_hdr.msg_controllen = size_of::<SegmentSize>() as _;
        }
        self.messages[index].write(message);
    }

    /// Hands messages `from..to`, which are prepared, to the kernel; how many it accepted.
    fn send(&mut self, fd: RawFd, from: usize, to: usize) -> io::Result<usize> {
        let messages = self.messages[from..to].as_mut_ptr().cast();
        // SAFETY: `prepare` initialised the headers of the range, which point to vectors, addresses and control messages in
        // this value, initialised in `push`, and to bytes that the runs keep mapped (S1, S3).
        let sent = unsafe { libc::sendmmsg(fd, messages, (to - from) as libc::c_uint, 0) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, os::fd::AsFd};

    use epona_protocol::memory::SharedBytes;

    use super::*;
    use crate::media::{
        sys::options::set_option,
        transport::{Offload, OffloadRefusal},
    };

    /// A receiver, and a sender for which the kernel cuts up runs, if it can.
    fn offloaded() -> Option<(UdpSocket, UdpSocket, Segmentation)> {
        let socket = || UdpSocket::bind("127.0.0.1:0").unwrap();
        let (receiver, sender) = (socket(), socket());
        let segmentation = Segmentation::probe(sender.as_fd());
        if !segmentation.offload().is_on() {
            eprintln!("skipped: this kernel has no UDP_SEGMENT");
            return None;
        }
        Some((receiver, sender, segmentation))
    }

    #[test]
    fn what_the_kernel_refuses_to_cut_up_goes_datagram_by_datagram_from_then_on() {
        let Some((receiver, sender, mut segmentation)) = offloaded() else { return };
        refuse_segmentation(&sender);
        let bytes: Vec<u8> = (0..=250).cycle().take(10 * 96 + 32).collect();
        let destination = Some(receiver.local_addr().unwrap());
        let first = SendRun::datagram(SharedBytes::from_slice(&bytes[..64]), destination);
        let run = SendRun { bytes: SharedBytes::from_slice(&bytes), segment_size: 96, destination };
        let outcome = send_runs(sender.as_fd(), &[first, run, first], &mut segmentation);
        assert!(outcome.datagrams == 13 && outcome.error.is_none(), "{outcome:?}");
        assert!(matches!(
            segmentation.offload(),
            Offload::Refused(OffloadRefusal { code: 1.., has_worked: false })
        ));
        let mut buffer = [0; 2048];
        let expected = std::iter::once(&bytes[..64]).chain(bytes.chunks(96)).chain([&bytes[..64]]);
        for expected in expected {
            let length = receiver.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], expected);
        }
    }

    #[test]
    fn a_refusal_tells_whether_the_kernel_has_cut_up_runs_before() {
        let Some((receiver, sender, mut segmentation)) = offloaded() else { return };
        let destination = Some(receiver.local_addr().unwrap());
        let run = SendRun { bytes: SharedBytes::from_slice(&[7; 300]), segment_size: 100, destination };
        assert_eq!(send_runs(sender.as_fd(), &[run], &mut segmentation).datagrams, 3);
        assert!(segmentation.offload().is_on());
        refuse_segmentation(&sender);
        assert_eq!(send_runs(sender.as_fd(), &[run], &mut segmentation).datagrams, 3);
        assert!(matches!(segmentation.offload(), Offload::Refused(OffloadRefusal { has_worked: true, .. })));
    }

    /// Without checksums there is nothing that the kernel could finish per segment.
    fn refuse_segmentation(socket: &UdpSocket) {
        set_option(socket.as_fd(), libc::SOL_SOCKET, libc::SO_NO_CHECK, 1).unwrap();
    }
}
