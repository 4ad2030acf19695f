//! Socket options that `socket2` lacks.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
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

/// Lets the kernel hand over datagrams of equal size from one source in a row as one. Source: Linux, `UDP_GRO`.
pub(in crate::media) fn enable_coalescing(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SOL_UDP, libc::UDP_GRO, 1)
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
