//! The network interfaces of this machine.

use std::{
    ffi::CStr,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ptr,
};

/// One address of one interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetworkInterface {
    /// Name, such as `eth0`.
    pub name: String,
    /// Index of the interface, 1 and up; 0 when it vanished meanwhile.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// Length of the network's prefix, in bits.
    pub prefix_length: u32,
    /// Whether it is a loopback interface.
    pub loopback: bool,
    /// Whether it can do multicast.
    pub multicast: bool,
}

/// Every IPv4 and IPv6 address of every interface that is up, in the system's order.
pub(in crate::media) fn network_interfaces() -> io::Result<Vec<NetworkInterface>> {
    let mut head = ptr::null_mut();
    // SAFETY: the kernel's answer is written to a pointer on this frame (S1).
    if unsafe { libc::getifaddrs(&raw mut head) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut next = head;
    while !next.is_null() {
        // SAFETY: a non-null link of the list that getifaddrs allocated and that is freed below.
        let entry = unsafe { &*next };
        found.extend(interface(entry));
        next = entry.ifa_next;
    }
    // SAFETY: allocated by getifaddrs above, freed once, and `found` holds copies only.
    unsafe { libc::freeifaddrs(head) };
    Ok(found)
}

fn interface(entry: &libc::ifaddrs) -> Option<NetworkInterface> {
    let flag = |flag: libc::c_int| entry.ifa_flags & flag as libc::c_uint != 0;
    if !flag(libc::IFF_UP) {
        return None;
    }
    let address = ip(entry.ifa_addr)?;
    let prefix_length = match ip(entry.ifa_netmask) {
        Some(IpAddr::V4(mask)) => mask.to_bits().count_ones(),
        Some(IpAddr::V6(mask)) => mask.to_bits().count_ones(),
        None => 0,
    };
    // SAFETY: the name is a C string that belongs to the list.
    let name = unsafe { CStr::from_ptr(entry.ifa_name) };
    // SAFETY: as above.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    Some(NetworkInterface {
        name: name.to_string_lossy().into_owned(),
        index,
        address,
        prefix_length,
        loopback: flag(libc::IFF_LOOPBACK),
        multicast: flag(libc::IFF_MULTICAST),
    })
}

fn ip(address: *const libc::sockaddr) -> Option<IpAddr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: not null and from getifaddrs, so at least a family; read unaligned to ask nothing of the allocator.
    match i32::from(unsafe { ptr::read_unaligned(address) }.sa_family) {
        libc::AF_INET => {
            // SAFETY: an address of this family is a sockaddr_in (S2).
            let v4: libc::sockaddr_in = unsafe { ptr::read_unaligned(address.cast()) };
            Some(Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes()).into())
        }
        libc::AF_INET6 => {
            // SAFETY: an address of this family is a sockaddr_in6 (S2).
            let v6: libc::sockaddr_in6 = unsafe { ptr::read_unaligned(address.cast()) };
            Some(Ipv6Addr::from(v6.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}
