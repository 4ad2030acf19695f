//! Bare UDP sockets and the ways to hand the kernel many datagrams at once.
#![expect(unsafe_code, reason = "system calls that the standard library does not know")]

use std::{
    io::{self, ErrorKind},
    net::UdpSocket,
    os::fd::AsRawFd,
};

/// Most datagrams handed to the kernel with one call, as for the drivers.
pub(super) const MAX_BATCH: usize = 64;

/// Room for one datagram of any length, or for a coalesced run.
pub(super) const MAX_DATAGRAM: usize = 65536;

/// How datagrams pass to and from the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Calls {
    /// One call per datagram.
    Single,
    /// `sendmmsg` and `recvmmsg`.
    Mmsg,
    /// `UDP_SEGMENT` and `UDP_GRO`.
    Offload,
}

/// Two connected sockets that do not block, with buffers of `buffer` bytes, or what the system allows of it.
pub(super) fn pair(buffer: usize) -> io::Result<(UdpSocket, UdpSocket)> {
    let (one, other) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    one.connect(other.local_addr()?)?;
    other.connect(one.local_addr()?)?;
    for socket in [&one, &other] {
        socket.set_nonblocking(true)?;
        rustix::net::sockopt::set_socket_recv_buffer_size(socket, buffer)?;
        rustix::net::sockopt::set_socket_send_buffer_size(socket, buffer)?;
    }
    Ok((one, other))
}

/// The longest buffers that the system gives a socket for receiving and sending, bytes.
pub(super) fn longest_buffers() -> usize {
    let limits = ["rmem_max", "wmem_max"].map(|name| {
        let text = std::fs::read_to_string(format!("/proc/sys/net/core/{name}")).unwrap_or_default();
        text.trim().parse().unwrap_or(usize::MAX / 2)
    });
    limits[0].min(limits[1])
}

/// Has the kernel cut what is sent into datagrams of `length` bytes.
pub(super) fn segment(socket: &UdpSocket, length: usize) -> io::Result<()> {
    set_udp_option(socket, libc::UDP_SEGMENT, libc::c_int::try_from(length).map_err(io::Error::other)?)
}

/// Has the kernel hand over runs of datagrams of one length with one call.
pub(super) fn coalesce(socket: &UdpSocket) -> io::Result<()> {
    set_udp_option(socket, libc::UDP_GRO, 1)
}

fn set_udp_option(socket: &UdpSocket, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open as long as the socket is borrowed; the value is read before the call returns.
    let code = unsafe {
        let value = (&raw const value).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_UDP, option, value, length)
    };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `None` instead of the errors that only say "try again".
fn unless_busy<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Receives what is there into `buffer`; the bytes received, nothing if there is nothing.
pub(super) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    unless_busy(socket.recv(buffer))
}

/// Sends the datagram, or the run that the kernel cuts; whether it was taken.
pub(super) fn send(socket: &UdpSocket, bytes: &[u8]) -> io::Result<bool> {
    unless_busy(socket.send(bytes)).map(|sent| sent.is_some())
}

/// Sends datagrams of `length` bytes with one call; how many were taken.
pub(super) fn send_many(socket: &UdpSocket, bytes: &[u8], length: usize) -> io::Result<usize> {
    let mut slices: Vec<libc::iovec> = bytes
        .chunks_exact(length)
        .take(MAX_BATCH)
        .map(|datagram| libc::iovec { iov_base: datagram.as_ptr().cast_mut().cast(), iov_len: length })
        .collect();
    let mut headers = message_headers(&mut slices);
    let count = libc::c_uint::try_from(headers.len()).map_err(io::Error::other)?;
    // SAFETY: headers, slices and bytes live until the call returns; the bytes are only read.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count, 0) };
    counted(sent)
}

/// Receives datagrams of at most `length` bytes with one call, one after the other in `buffer`; how many came.
pub(super) fn receive_many(socket: &UdpSocket, buffer: &mut [u8], length: usize) -> io::Result<usize> {
    let mut slices: Vec<libc::iovec> = buffer
        .chunks_exact_mut(length)
        .take(MAX_BATCH)
        .map(|datagram| libc::iovec { iov_base: datagram.as_mut_ptr().cast(), iov_len: length })
        .collect();
    let mut headers = message_headers(&mut slices);
    let count = libc::c_uint::try_from(headers.len()).map_err(io::Error::other)?;
    // SAFETY: headers, slices and buffer live until the call returns; the slices do not overlap.
    let received = unsafe {
        libc::recvmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr(),
            count,
            libc::MSG_DONTWAIT,
            std::ptr::null_mut(),
        )
    };
    counted(received)
}

fn message_headers(slices: &mut [libc::iovec]) -> Vec<libc::mmsghdr> {
    slices
        .iter_mut()
        .map(|slice| {
            // SAFETY: plain data, for which zero is "none" in every field.
            let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
            header.msg_hdr.msg_iov = slice;
            header.msg_hdr.msg_iovlen = 1;
            header
        })
        .collect()
}

fn counted(count: libc::c_int) -> io::Result<usize> {
    let outcome = usize::try_from(count).map_err(|_| io::Error::last_os_error());
    unless_busy(outcome).map(|count| count.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_datagrams_pass_by_every_kind_of_call() -> io::Result<()> {
        for calls in [Calls::Mmsg, Calls::Offload] {
            let (from, to) = pair(1 << 20)?;
            let bytes: Vec<u8> = (0..10 * 100).map(|at| (at / 100) as u8).collect();
            match calls {
                Calls::Offload => {
                    segment(&from, 100)?;
                    coalesce(&to)?;
                    assert!(send(&from, &bytes)?);
                }
                _ => assert_eq!(send_many(&from, &bytes, 100)?, 10),
            }
            let mut received = Vec::new();
            let mut buffer = vec![0; MAX_DATAGRAM];
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
            while received.len() < bytes.len() && std::time::Instant::now() < deadline {
                let count = match calls {
                    Calls::Offload => receive(&to, &mut buffer)?.unwrap_or(0),
                    _ => receive_many(&to, &mut buffer, 100)? * 100,
                };
                received.extend_from_slice(&buffer[..count]);
            }
            assert_eq!(received, bytes, "{calls:?}");
        }
        Ok(())
    }
}
