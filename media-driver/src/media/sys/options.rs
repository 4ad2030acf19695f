//! Socket options that `socket2` lacks.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
    time::Duration,
};

/// Keeps datagrams of groups that other sockets of this machine joined away from this one; a kernel that does not
/// know the option is let be. Source: wire spec 8.3.
pub(in crate::media) fn disable_multicast_all(socket: BorrowedFd<'_>, ipv6: bool) -> io::Result<()> {
    let result = if ipv6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_ALL, 0)
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, 0)
    };
    match result {
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok(()),
        other => other,
    }
}

/// Asks for arrival times, from the network card where it can. Source: wire spec 8.3.
pub(in crate::media) fn enable_receive_timestamps(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
    set_option(
        socket,
        libc::SOL_SOCKET,
        libc::SO_TIMESTAMPING,
        libc::SOF_TIMESTAMPING_RX_HARDWARE as libc::c_int,
    )
}

/// Whether the kernel hands over datagrams of equal size from one source in a row as one; those that have arrived already
/// stay as they are. Source: Linux, `UDP_GRO`.
pub(in crate::media) fn set_coalescing(socket: BorrowedFd<'_>, is_on: bool) -> io::Result<()> {
    set_option(socket, libc::SOL_UDP, libc::UDP_GRO, is_on.into())
}

/// Lets a read that finds nothing look for datagrams at the network card. Source: Linux, `SO_BUSY_POLL`.
pub(in crate::media) fn set_busy_poll(socket: BorrowedFd<'_>, time: Duration) -> io::Result<()> {
    let micros = time.as_nanos().div_ceil(1000).try_into().unwrap_or(libc::c_int::MAX);
    set_option(socket, libc::SOL_SOCKET, libc::SO_BUSY_POLL, micros)
}

/// Whether the kernel knows how to cut one message into datagrams. Source: Linux, `UDP_SEGMENT`.
pub(super) fn has_segmentation(socket: BorrowedFd<'_>) -> bool {
    // What is sent without a control message stays whole.
    set_option(socket, libc::SOL_UDP, libc::UDP_SEGMENT, 0).is_ok()
}

pub(super) fn set_option(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let length = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the value is an integer on this frame and the length is its own (S1).
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, ptr::from_ref(&value).cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    fn busy_poll(socket: &UdpSocket) -> libc::c_int {
        let (mut value, mut length) = (0, size_of::<libc::c_int>() as libc::socklen_t);
        // SAFETY: the value is an integer on this frame and the length is its own (S1).
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_BUSY_POLL,
                ptr::from_mut(&mut value).cast(),
                &raw mut length,
            )
        };
        assert_eq!(result, 0);
        value
    }

    #[test]
    fn busy_polling_is_set_in_microseconds_rounded_up() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        if let Err(error) = set_busy_poll(socket.as_fd(), Duration::from_micros(1)) {
            eprintln!("skipped: this process may not set SO_BUSY_POLL: {error}");
            return;
        }
        for (time, micros) in [
            (Duration::from_nanos(1), 1),
            (Duration::from_nanos(50_001), 51),
            (Duration::MAX, libc::c_int::MAX),
            (Duration::ZERO, 0),
        ] {
            set_busy_poll(socket.as_fd(), time).unwrap();
            assert_eq!(busy_poll(&socket), micros, "{time:?}");
        }
    }
}
