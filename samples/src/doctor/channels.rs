//! Sockets: buffers, offload, and the channels that are to be used, opened as the driver would.

use std::{
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use epona_client::ChannelUri;
use epona_media_driver::{
    Context,
    clock::{Clock, SystemClock},
    idle::IdleStrategy,
    media::{
        Affinity, ChannelPurpose, ChannelResolver, ReceiveBuffers, SendRun, Transport, TransportSpec,
        UdpChannel, UdpTransport,
        interface::{describe, local_interfaces},
        probe_socket_buffers,
    },
    name_resolution::DefaultNameResolver,
};
use epona_protocol::{
    frame::{DataFlags, DataHeader},
    memory::SharedBytes,
    types::{DATA_HEADER_LENGTH, SessionId, StreamId, TermId, TermOffset},
    uri::{Media, units::format_size},
};

use super::finding::Finding;

const BUFFERS: &str = "socket buffers";
const OFFLOAD: &str = "offload";
const CHANNEL: &str = "channel";
const MULTICAST: &str = "multicast";

/// A receive buffer that takes what a fast sender sends while the receiver is descheduled, in bytes.
const GOOD_RECEIVE_BUFFER: usize = 2 << 20;

/// How long a datagram may take to come back from the group.
const LOOP_PATIENCE: Duration = Duration::from_secs(1);

/// Datagrams sent before giving up, evenly over that time.
const LOOP_ATTEMPTS: u32 = 4;

/// Longest datagram that is read.
const DATAGRAM: usize = 65_536;

/// A group of Aeron's documentation.
const TEST_GROUP: &str = "224.20.30.39";

/// All that concerns sockets.
pub(super) fn check(context: &Context, channels: &[ChannelUri], interface: Option<&str>) -> Vec<Finding> {
    let mut findings = vec![check_buffers(context), check_offload(context)];
    for channel in channels {
        if channel.media() == Media::Udp {
            findings.push(check_channel(context, &channel.to_string()));
        }
    }
    let asks_for_multicast = channels.iter().any(is_multicast);
    if interface.is_some() || !asks_for_multicast {
        findings.push(check_interface(context, interface));
    }
    findings
}

fn resolve(channel: &str) -> Result<UdpChannel, Finding> {
    let mut resolver = ChannelResolver::new(Box::new(DefaultNameResolver));
    resolver.resolve(channel, ChannelPurpose::Endpoint).map_err(|error| {
        Finding::fail(CHANNEL, error.to_string(), "the driver will refuse it: change the channel")
    })
}

fn is_multicast(channel: &ChannelUri) -> bool {
    channel.media() == Media::Udp && resolve(&channel.to_string()).is_ok_and(|channel| channel.is_multicast())
}

/// What the driver would ask the kernel for, and whether more could be had.
fn check_buffers(context: &Context) -> Finding {
    let network = &context.network;
    let granted = match probe_socket_buffers(network.socket_send_buffer, network.socket_receive_buffer) {
        Ok(granted) => granted,
        Err(error) => {
            let advice = "lower aeron.socket.so_rcvbuf and so_sndbuf, or raise the limit of open files";
            return Finding::fail(BUFFERS, format!("cannot make a socket as configured: {error}"), advice);
        }
    };
    if let Err(error) = context.validate_socket_buffers(granted) {
        return Finding::fail(BUFFERS, error.to_string(), "the driver will not start");
    }
    let size = |bytes: usize| format_size(bytes as u64);
    let found = format!("send {}, receive {} as configured", size(granted.send), size(granted.receive));
    match probe_socket_buffers(GOOD_RECEIVE_BUFFER, GOOD_RECEIVE_BUFFER) {
        Ok(most) if most.receive < GOOD_RECEIVE_BUFFER || most.send < GOOD_RECEIVE_BUFFER => Finding::warn(
            BUFFERS,
            format!("{found}; at most send {}, receive {}", size(most.send), size(most.receive)),
            format!(
                "bursts will be lost: sysctl -w net.core.rmem_max={GOOD_RECEIVE_BUFFER} net.core.wmem_max={GOOD_RECEIVE_BUFFER}"
            ),
        ),
        _ => Finding::ok(BUFFERS, found),
    }
}

fn check_offload(context: &Context) -> Finding {
    if !context.network.offload {
        return Finding::warn(
            OFFLOAD,
            "switched off",
            "leave out epona.udp.offload=false for several times the throughput",
        );
    }
    let spec =
        TransportSpec { offload: true, ..TransportSpec::bound(Affinity::Sender, ([127, 0, 0, 1], 0).into()) };
    match UdpTransport::open(&spec) {
        Ok(transport) if transport.offload().is_on() => {
            Finding::ok(OFFLOAD, "the kernel cuts up runs of datagrams (UDP_SEGMENT)")
        }
        Ok(_) => Finding::warn(
            OFFLOAD,
            "the kernel does not cut up runs of datagrams (UDP_SEGMENT)",
            "a kernel from Linux 4.18 on does: throughput is several times lower without",
        ),
        Err(error) => Finding::fail(OFFLOAD, error.to_string(), "no UDP socket can be made on 127.0.0.1"),
    }
}

/// Opens the sockets of a channel as the driver would.
fn check_channel(context: &Context, text: &str) -> Finding {
    let channel = match resolve(text) {
        Ok(channel) => channel,
        Err(finding) => return finding,
    };
    let network = &context.network;
    let buffer = channel.effective_receive_buffer(network);
    let window = channel.effective_receiver_window(network);
    match probe_socket_buffers(channel.effective_send_buffer(network), buffer) {
        Ok(granted) if granted.receive < window => {
            let (window, granted) = (format_size(window as u64), format_size(granted.receive as u64));
            return Finding::fail(
                CHANNEL,
                format!("{text}: receiver window {window} is greater than SO_RCVBUF {granted}"),
                "the driver will refuse it: lower rcv-wnd, raise so-rcvbuf, or raise net.core.rmem_max",
            );
        }
        Ok(granted) if granted.receive < buffer => {
            let (buffer, granted) = (format_size(buffer as u64), format_size(granted.receive as u64));
            return Finding::warn(
                CHANNEL,
                format!("{text}: asks for SO_RCVBUF {buffer} and gets {granted}"),
                format!("bursts will be lost: raise net.core.rmem_max to {buffer}"),
            );
        }
        Ok(_) => {}
        Err(error) => {
            return Finding::fail(
                CHANNEL,
                format!("{text}: cannot make its socket: {error}"),
                "change so-rcvbuf or so-sndbuf",
            );
        }
    }
    if channel.is_multicast() {
        check_loop(context, text, &channel)
    } else {
        check_endpoint(context, text, &channel)
    }
}

/// Whether something can be sent to an endpoint, or received on it where it is on this host.
fn check_endpoint(context: &Context, text: &str, channel: &UdpChannel) -> Finding {
    let network = &context.network;
    if let Err(error) = UdpTransport::open(&channel.send_spec(network, channel.send_bind())) {
        // A control address that somebody uses is theirs to keep.
        if error.source.kind() != std::io::ErrorKind::AddrInUse {
            return Finding::fail(
                CHANNEL,
                format!("{text}: {error}"),
                "publications will be refused: change the channel",
            );
        }
    }
    match UdpTransport::open(&channel.receive_spec(channel, network, channel.receive_bind())) {
        Ok(_) => Finding::ok(CHANNEL, format!("{text}: its sockets can be opened")),
        Err(error) if error.source.kind() == std::io::ErrorKind::AddrInUse => Finding::warn(
            CHANNEL,
            format!("{text}: {error}"),
            "subscriptions of another driver will be refused: fine if it is the running driver's, or end what listens there",
        ),
        Err(error) if error.source.kind() == std::io::ErrorKind::AddrNotAvailable => {
            Finding::ok(CHANNEL, format!("{text}: on another host; publications only"))
        }
        Err(error) => Finding::fail(
            CHANNEL,
            format!("{text}: {error}"),
            "subscriptions will be refused: change the channel",
        ),
    }
}

/// Joins a group and sends a datagram there and back.
fn check_loop(context: &Context, text: &str, channel: &UdpChannel) -> Finding {
    let network = &context.network;
    let receive = UdpTransport::open(&channel.receive_spec(channel, network, channel.receive_bind()));
    let send = UdpTransport::open(&channel.send_spec(network, channel.send_bind()));
    let (mut receive, mut send) = match (receive, send) {
        (Ok(receive), Ok(send)) => (receive, send),
        (Err(error), _) | (_, Err(error)) => {
            let interfaces = local_interfaces().map(|found| describe(&found)).unwrap_or_default();
            let advice = format!("the channel will be refused; interfaces that are up: {interfaces}");
            return Finding::fail(MULTICAST, format!("{text}: {error}"), advice);
        }
    };
    let interface = channel.local().ip();
    match loop_back(&mut send, &mut receive, channel.remote_data()) {
        Ok(true) => {
            Finding::ok(MULTICAST, format!("{text}: joined on {interface}, a datagram went there and back"))
        }
        Ok(false) => Finding::fail(
            MULTICAST,
            format!("{text}: joined on {interface}, but no datagram came back within {LOOP_PATIENCE:?}"),
            "a firewall drops multicast, or the interface has no route for it: ip route add 224.0.0.0/4 dev INTERFACE",
        ),
        Err(error) => Finding::fail(
            MULTICAST,
            format!("{text}: cannot send on {interface}: {error}"),
            "nothing will arrive: ip route add 224.0.0.0/4 dev INTERFACE, or another interface= in the channel",
        ),
    }
}

/// Whether a heartbeat of a stream that nobody has comes back from a group.
fn loop_back(
    send: &mut UdpTransport,
    receive: &mut UdpTransport,
    group: SocketAddr,
) -> Result<bool, std::io::Error> {
    let heartbeat = heartbeat();
    let clock = SystemClock::new();
    let mut buffers = ReceiveBuffers::new(1, DATAGRAM);
    let mut idle = IdleStrategy::default();
    let start = clock.now().nanos;
    let (mut sent, mut is_back, mut refusal) = (0, false, None);
    while !is_back {
        let now = clock.now().nanos;
        if now.since(start) >= LOOP_PATIENCE {
            return refusal.map_or(Ok(false), Err);
        }
        if now.since(start) >= LOOP_PATIENCE / LOOP_ATTEMPTS * sent {
            let run = SendRun::datagram(SharedBytes::from_slice(&heartbeat), Some(group));
            refusal = send.send_batch(now, &[run]).error;
            sent += 1;
        }
        let _ = receive.recv_batch(now, &mut buffers, &mut |received| {
            is_back |= received.datagrams().any(|datagram| datagram == heartbeat);
        });
        idle.idle(0);
    }
    Ok(true)
}

/// A frame that receivers of the group's own streams leave alone.
fn heartbeat() -> Vec<u8> {
    let id = std::process::id().cast_signed();
    let header = DataHeader::heartbeat(
        SessionId::new(id.wrapping_mul(0x9E37_79B1_u32.cast_signed())),
        StreamId::new(0x65_70_6F_6E ^ id),
        TermId::new(0),
        TermOffset::ZERO,
        DataFlags::UNFRAGMENTED,
    );
    let mut bytes = vec![0; DATA_HEADER_LENGTH as usize];
    header.emit(&mut bytes);
    bytes
}

/// Multicast on an interface, or where none is named on the first that can do it: then nobody has asked for it yet.
fn check_interface(context: &Context, interface: Option<&str>) -> Finding {
    let name = match interface {
        // The grammar tells names from hosts by braces.
        Some(name) if is_interface_name(name) => format!("{{{name}}}"),
        Some(name) => name.to_owned(),
        None => match first_multicast_interface() {
            Some(name) => name,
            None => return Finding::ok(MULTICAST, "no interface can do it, and none was asked for"),
        },
    };
    // Any port that is free now.
    let port = UdpSocket::bind((std::net::Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| socket.local_addr());
    let port = match port {
        Ok(address) => address.port(),
        Err(error) => {
            return Finding::fail(
                MULTICAST,
                format!("cannot make a socket: {error}"),
                "no UDP socket can be made",
            );
        }
    };
    let text = format!("aeron:udp?endpoint={TEST_GROUP}:{port}|interface={name}");
    let finding = match resolve(&text) {
        Ok(channel) => check_loop(context, &text, &channel),
        Err(finding) => finding,
    };
    if interface.is_none() { finding.unasked() } else { finding }
}

fn is_interface_name(name: &str) -> bool {
    local_interfaces().is_ok_and(|interfaces| interfaces.iter().any(|found| found.name == name))
}

fn first_multicast_interface() -> Option<String> {
    let interfaces = local_interfaces().ok()?;
    let found =
        interfaces.iter().find(|found| found.multicast && !found.loopback && found.address.is_ipv4())?;
    Some(found.address.to_string())
}
