//! Reading several datagrams with one system call.

use std::{
    fmt, io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
};

use super::{address::RawAddress, is_nothing_now};
use crate::media::transport::{MAX_BATCH, Received, RecvOutcome};

/// Room for the control messages of one datagram: a timestamp and a segment size with their headers.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 64]);

/// What the kernel is asked to tell about datagrams.
#[derive(Clone, Copy, Default, Debug)]
pub(in crate::media) struct ControlMessages {
    /// When they arrived.
    pub(in crate::media) timestamps: bool,
    /// How long each is of several that arrived as one.
    pub(in crate::media) coalescing: bool,
}

impl ControlMessages {
    const fn any(self) -> bool {
        self.timestamps || self.coalescing
    }
}

/// Room for a number of datagrams per read, shared by all transports of one role.
pub struct ReceiveBuffers {
    bytes: Box<[u8]>,
    count: usize,
    buffer_length: usize,
}

impl ReceiveBuffers {
    /// Room for `count` datagrams (clamped to 1..=[`MAX_BATCH`]) of up to `buffer_length` bytes (at least 1) each;
    /// longer ones are truncated.
    #[must_use]
    pub fn new(count: usize, buffer_length: usize) -> Self {
        let (count, buffer_length) = (count.clamp(1, MAX_BATCH), buffer_length.max(1));
        Self { bytes: vec![0; count * buffer_length].into_boxed_slice(), count, buffer_length }
    }

    /// Datagrams per read.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Longest datagram that is not truncated, in bytes.
    #[must_use]
    pub fn buffer_length(&self) -> usize {
        self.buffer_length
    }

    /// Reads once from a socket, up to `most` datagrams, and lends what came. No allocation.
    pub(in crate::media) fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        most: usize,
        control: ControlMessages,
        handler: &mut dyn FnMut(Received<'_>),
    ) -> RecvOutcome {
        let count = most.clamp(1, self.count);
        let mut headers = Headers::new();
        headers.prepare(&mut self.bytes, self.buffer_length, count, control.any());
        let received = match headers.receive(socket, count) {
            Ok(received) => received,
            Err(error) => {
                let drained = error.raw_os_error() == Some(libc::EAGAIN);
                let error = (!is_nothing_now(&error)).then_some(error);
                return RecvOutcome { bytes: 0, messages: 0, more: !drained, error };
            }
        };
        let mut outcome = RecvOutcome { bytes: 0, messages: received, more: received == count, error: None };
        for (index, buffer) in self.bytes.chunks_exact(self.buffer_length).take(received).enumerate() {
            let message = headers.message(index);
            let bytes = &buffer[..message.length.min(buffer.len())];
            outcome.bytes += bytes.len();
            if let Some(source) = message.source.get() {
                let told = message.told;
                let segment_size = told.segment_size.unwrap_or(bytes.len()).max(1);
                handler(Received { bytes, segment_size, source, timestamp_ns: told.timestamp_ns });
            }
        }
        outcome
    }
}

impl fmt::Debug for ReceiveBuffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiveBuffers({} of {} bytes)", self.count, self.buffer_length)
    }
}

/// What the kernel says of one datagram.
struct Message {
    length: usize,
    source: RawAddress,
    told: Told,
}

/// What the control messages of a datagram say.
#[derive(Clone, Copy, Default)]
struct Told {
    timestamp_ns: Option<i64>,
    segment_size: Option<usize>,
}

/// Message headers for one read, on the stack; only the first `count` of each array are initialised.
struct Headers {
    messages: [MaybeUninit<libc::mmsghdr>; MAX_BATCH],
    vectors: [MaybeUninit<libc::iovec>; MAX_BATCH],
    addresses: [MaybeUninit<RawAddress>; MAX_BATCH],
    controls: [MaybeUninit<Control>; MAX_BATCH],
    prepared: usize,
}

impl Headers {
    fn new() -> Self {
        Self {
            messages: [const { MaybeUninit::uninit() }; MAX_BATCH],
            vectors: [const { MaybeUninit::uninit() }; MAX_BATCH],
            addresses: [const { MaybeUninit::uninit() }; MAX_BATCH],
            controls: [const { MaybeUninit::uninit() }; MAX_BATCH],
            prepared: 0,
        }
    }

    /// Points `count` headers at the buffers. The headers must not move before [`Headers::receive`].
    fn prepare(&mut self, bytes: &mut [u8], buffer_length: usize, count: usize, with_control: bool) {
        for (index, buffer) in bytes.chunks_exact_mut(buffer_length).take(count).enumerate() {
            self.vectors[index]
                .write(libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() });
            // SAFETY: a message header is plain integers and pointers, for which zero is a value (S2).
            let mut message: libc::mmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };
            message.msg_hdr.msg_name =
                ptr::from_mut(self.addresses[index].write(RawAddress::unspecified())).cast();
            message.msg_hdr.msg_namelen = RawAddress::CAPACITY;
            message.msg_hdr.msg_iov = self.vectors[index].as_mut_ptr();
            message.msg_hdr.msg_iovlen = 1;
            if with_control {
                message.msg_hdr.msg_control =
                    ptr::from_mut(self.controls[index].write(Control([0; 64]))).cast();
                message.msg_hdr.msg_controllen = size_of::<Control>() as _;
            }
            self.messages[index].write(message);
            self.prepared = index + 1;
        }
    }

    /// Reads up to `count` datagrams; how many came.
    fn receive(&mut self, socket: BorrowedFd<'_>, count: usize) -> io::Result<usize> {
        let fd = socket.as_raw_fd();
        let count = count.min(self.prepared);
        if count == 1 {
            // SAFETY: initialised by `prepare`.
            let message = unsafe { self.messages[0].assume_init_mut() };
            let header = &mut message.msg_hdr;
            let length = if header.msg_control.is_null() {
                // SAFETY: `prepare` initialised the vector.
                let buffer = unsafe { self.vectors[0].assume_init_ref() };
                let (address, address_length) = (header.msg_name.cast(), &raw mut header.msg_namelen);
                // The cheaper call. SAFETY: as for `recvmsg` below.
                unsafe { libc::recvfrom(fd, buffer.iov_base, buffer.iov_len, 0, address, address_length) }
            } else {
                // SAFETY: the header points to a vector, an address, a control buffer and bytes that live in the
                // caller's frame (S1); the exclusive borrow of the bytes in `ReceiveBuffers::receive` has no other user
                // meanwhile.
                unsafe { libc::recvmsg(fd, &raw mut *header, 0) }
            };
            message.msg_len = u32::try_from(length).map_err(|_| io::Error::last_os_error())?;
            return Ok(1);
        }
        // SAFETY: as above for the first `count` headers; a null timeout is allowed and the socket does not block.
        let received = unsafe {
            libc::recvmmsg(
                fd,
                self.messages.as_mut_ptr().cast(),
                count as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        usize::try_from(received).map_err(|_| io::Error::last_os_error())
    }

    /// What was read into a header that [`Headers::receive`] counted.
    fn message(&self, index: usize) -> Message {
        assert!(index < self.prepared, "only prepared headers are read");
        // SAFETY: `prepare` initialised the first `prepared` headers and addresses, the kernel at most wrote to them.
        let (message, source) =
            unsafe { (self.messages[index].assume_init_ref(), *self.addresses[index].assume_init_ref()) };
        Message { length: message.msg_len as usize, source, told: told(&message.msg_hdr) }
    }
}

/// Reads the control messages of a datagram.
#[inline]
fn told(header: &libc::msghdr) -> Told {
    let mut told = Told::default();
    if header.msg_controllen == 0 {
        return told;
    }
    // SAFETY: the header's control buffer is as long as it says and the kernel wrote well-formed messages into it
    // (S1, S2); the macros stay within that length.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !next.is_null() {
        // SAFETY: not null, and inside the control buffer, as above.
        let control = unsafe { &*next };
        match (control.cmsg_level, control.cmsg_type) {
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                // SAFETY: a message of this type holds a timespec, perhaps unaligned (S2).
                let time: libc::timespec = unsafe { ptr::read_unaligned(libc::CMSG_DATA(next).cast()) };
                let seconds = time.tv_sec.checked_mul(1_000_000_000);
                told.timestamp_ns = seconds.and_then(|seconds| seconds.checked_add(time.tv_nsec));
            }
            (libc::SOL_UDP, libc::UDP_GRO) => {
                // SAFETY: a message of this type holds an int, perhaps unaligned (S2).
                let size: libc::c_int = unsafe { ptr::read_unaligned(libc::CMSG_DATA(next).cast()) };
                told.segment_size = usize::try_from(size).ok().filter(|&size| size > 0);
            }
            _ => {}
        }
        // SAFETY: as for the first.
        next = unsafe { libc::CMSG_NXTHDR(header, next) };
    }
    told
}
