//! Sockets, datagrams, and how often they are looked at.

use std::time::Duration;

use epona_protocol::types::{GroupTag, Mtu};

use super::{
    kinds::{CheckedSize, Flag, Integer, OptionalInteger, OptionalTag, Ports, Size, Text, Time},
    limits::{self, IO_VECTOR_CAPACITY_MAX},
    setting::{MAX_I32, Setting, effective, field, ignored},
};
use crate::media::port_manager::PortRange;

/// Settings of the transport. Source: driver spec 9.2, 14.3, 14.5.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Longest frame of network publications. Default 1408.
    pub mtu: Mtu,
    /// Longest frame of IPC publications. Default 1408.
    pub ipc_mtu: Mtu,
    /// Window that receivers offer at first, in bytes, at least 256. Default 128 KiB.
    pub initial_window: usize,
    /// Receive buffer asked of the kernel, in bytes; 0 leaves it alone. Default 128 KiB.
    pub socket_receive_buffer: usize,
    /// Send buffer asked of the kernel, in bytes; 0 leaves it alone, which is the default.
    pub socket_send_buffer: usize,
    /// Hops a multicast datagram may take; 0, the default, leaves it to the kernel.
    pub multicast_ttl: u8,
    /// Traffic class, 0..=255; none, the default, leaves it to the kernel.
    pub traffic_class: Option<u8>,
    /// Let the kernel cut up runs of datagrams that are sent and put together what arrives, where it can. Default true.
    pub offload: bool,
    /// How long the kernel may look for datagrams at the network card itself when one of our receive sockets is empty
    /// (`SO_BUSY_POLL`), in microseconds, rounded up; zero, the default, leaves that to the system.
    pub socket_busy_poll: Duration,
    /// Connect the sockets of publications to a single destination. Default true.
    pub connect_sockets: bool,
    /// Ports for control endpoints with port 0; the kernel's choice by default.
    pub sender_port_range: PortRange,
    /// Ports for endpoints with port 0; the kernel's choice by default.
    pub receiver_port_range: PortRange,
    /// Tag that our receivers put into status messages.
    pub receiver_group_tag: Option<GroupTag>,
    /// Datagrams received by one system call, 1..=64. Default 4.
    pub receiver_vector_capacity: usize,
    /// Datagrams sent by one system call, 1..=64. Default 4.
    pub sender_vector_capacity: usize,
    /// Datagrams of one publication per turn, 1..=64, at most the sender's vector. Default 4.
    pub messages_per_send: usize,
    /// Send turns between two looks at the control sockets, at least 1. Default 6.
    pub send_to_status_poll_ratio: u32,
    /// Receive turns between two rounds of slow work, at least 1. Default 10.
    pub receiver_poll_to_slow_work_ratio: u32,
    /// Sockets up to which each is read without asking which are ready. Default 5.
    pub poller_iteration_threshold: usize,
    /// Full vectors read from one socket in a row, 1..=16. Default 4.
    pub socket_poll_limit: u32,
    /// How often names in channels may be resolved again; zero: never. Default 1 s.
    pub re_resolution_check_interval: Duration,
    /// Images of one stream on one endpoint, at least 1. Default 2^31 - 1.
    pub stream_session_limit: i32,
    /// Name of the transport for data; only `default` exists.
    pub media_bindings: Option<String>,
    /// Name of the transport that the conductor makes; only `default` exists.
    pub conductor_media_bindings: Option<String>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            mtu: limits::MTU_DEFAULT,
            ipc_mtu: limits::MTU_DEFAULT,
            initial_window: 128 << 10,
            socket_receive_buffer: 128 << 10,
            socket_send_buffer: 0,
            multicast_ttl: 0,
            traffic_class: None,
            offload: true,
            socket_busy_poll: Duration::ZERO,
            connect_sockets: true,
            sender_port_range: PortRange::SYSTEM,
            receiver_port_range: PortRange::SYSTEM,
            receiver_group_tag: None,
            receiver_vector_capacity: 4,
            sender_vector_capacity: 4,
            messages_per_send: 4,
            send_to_status_poll_ratio: 6,
            receiver_poll_to_slow_work_ratio: 10,
            poller_iteration_threshold: 5,
            socket_poll_limit: 4,
            re_resolution_check_interval: Duration::from_secs(1),
            stream_session_limit: i32::MAX,
            media_bindings: None,
            conductor_media_bindings: None,
        }
    }
}

/// Settings of [`super::Context::network`].
pub(super) static SETTINGS: &[Setting] = &[
    effective(
        "aeron.mtu.length",
        &CheckedSize { field: field!(network.mtu), min: 32, max: 65_504, new: Mtu::new, bytes: Mtu::get },
        "longest frame of network publications, a multiple of 32",
    ),
    effective(
        "aeron.ipc.mtu.length",
        &CheckedSize { field: field!(network.ipc_mtu), min: 32, max: 65_504, new: Mtu::new, bytes: Mtu::get },
        "longest frame of IPC publications, a multiple of 32",
    ),
    effective(
        "aeron.rcv.initial.window.length",
        &Size { field: field!(network.initial_window), min: 256, max: MAX_I32 },
        "window that receivers offer at first",
    ),
    effective(
        "aeron.socket.so_rcvbuf",
        &Size { field: field!(network.socket_receive_buffer), min: 0, max: MAX_I32 },
        "SO_RCVBUF of sockets; 0: the system's",
    ),
    effective(
        "aeron.socket.so_sndbuf",
        &Size { field: field!(network.socket_send_buffer), min: 0, max: MAX_I32 },
        "SO_SNDBUF of sockets; 0: the system's",
    ),
    effective(
        "aeron.socket.multicast.ttl",
        &Integer { field: field!(network.multicast_ttl), min: 0, max: 255 },
        "hops of multicast datagrams; 0: the system's",
    ),
    effective(
        "aeron.socket.tos",
        &OptionalInteger { field: field!(network.traffic_class), max: 255 },
        "traffic class of sent datagrams; -1: the system's",
    ),
    effective(
        "epona.udp.offload",
        &Flag(field!(network.offload)),
        "segmentation offload and receive coalescing, where the kernel has them; epona-offload=false in a channel switches it off there",
    ),
    effective(
        "epona.socket.busy.poll",
        &Time { field: field!(network.socket_busy_poll), min: Duration::ZERO },
        "SO_BUSY_POLL of sockets that receive data, for receivers that spin: a read that finds nothing asks the network card; 0: the system's",
    ),
    effective(
        "aeron.driver.connect",
        &Flag(field!(network.connect_sockets)),
        "connect the sockets of publications to one destination",
    ),
    effective(
        "aeron.sender.wildcard.port.range",
        &Ports(field!(network.sender_port_range)),
        "ports for control endpoints with port 0",
    ),
    effective(
        "aeron.receiver.wildcard.port.range",
        &Ports(field!(network.receiver_port_range)),
        "ports for endpoints with port 0",
    ),
    effective(
        "aeron.receiver.group.tag",
        &OptionalTag(field!(network.receiver_group_tag)),
        "tag that receivers put into status messages",
    ),
    effective(
        "aeron.receiver.io.vector.capacity",
        &Integer {
            field: field!(network.receiver_vector_capacity),
            min: 1,
            max: IO_VECTOR_CAPACITY_MAX as i64,
        },
        "datagrams received by one system call",
    ),
    effective(
        "aeron.sender.io.vector.capacity",
        &Integer {
            field: field!(network.sender_vector_capacity),
            min: 1,
            max: IO_VECTOR_CAPACITY_MAX as i64,
        },
        "datagrams sent by one system call",
    ),
    effective(
        "aeron.network.publication.max.messages.per.send",
        &Integer { field: field!(network.messages_per_send), min: 1, max: IO_VECTOR_CAPACITY_MAX as i64 },
        "datagrams of one publication per turn of the sender",
    ),
    effective(
        "aeron.send.to.status.poll.ratio",
        &Integer { field: field!(network.send_to_status_poll_ratio), min: 1, max: MAX_I32 },
        "send turns between two looks at the control sockets",
    ),
    effective(
        "aeron.receiver.poll.to.slow.work.ratio",
        &Integer { field: field!(network.receiver_poll_to_slow_work_ratio), min: 1, max: MAX_I32 },
        "receive turns between two rounds of slow work",
    ),
    effective(
        "aeron.udp.channel.transport.poller.iteration.threshold",
        &Integer { field: field!(network.poller_iteration_threshold), min: 0, max: MAX_I32 },
        "sockets up to which each is read without asking which are ready",
    ),
    effective(
        "aeron.udp.channel.transport.poller.socket.poll.limit",
        &Integer { field: field!(network.socket_poll_limit), min: 1, max: 16 },
        "full vectors read from one socket in a row",
    ),
    effective(
        "aeron.driver.reresolution.check.interval",
        &Time { field: field!(network.re_resolution_check_interval), min: Duration::ZERO },
        "how often names may be resolved again; 0: never",
    ),
    effective(
        "aeron.driver.stream.session.limit",
        &Integer { field: field!(network.stream_session_limit), min: 1, max: MAX_I32 },
        "images of one stream on one endpoint",
    ),
    ignored(
        "aeron.udp.channel.transport.bindings.media",
        &Text(field!(network.media_bindings)),
        "transport of data; only `default` exists",
        "this driver has one transport",
    ),
    ignored(
        "aeron.conductor.udp.channel.transport.bindings.media",
        &Text(field!(network.conductor_media_bindings)),
        "transport that the conductor makes; only `default` exists",
        "this driver has one transport",
    ),
];
