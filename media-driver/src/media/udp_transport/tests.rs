use std::net::UdpSocket;

use epona_protocol::memory::SharedBytes;

use super::*;
use crate::media::transport::{Affinity, MAX_BATCH};

const NOW: Nanos = Nanos::new(0);

fn loopback(ipv6: bool) -> Option<SocketAddr> {
    let address: SocketAddr = if ipv6 { "[::1]:0" } else { "127.0.0.1:0" }.parse().unwrap();
    if UdpSocket::bind(address).is_err() {
        eprintln!("skipped: {address} is not available on this machine");
        return None;
    }
    Some(address)
}

fn open(bind: SocketAddr) -> UdpTransport {
    UdpTransport::open(&TransportSpec::bound(Affinity::Receiver, bind)).unwrap()
}

fn connected(peer: SocketAddr) -> UdpTransport {
    let bind = SocketAddr::new(peer.ip(), 0);
    UdpTransport::open(&TransportSpec { connect: Some(peer), ..TransportSpec::bound(Affinity::Sender, bind) })
        .unwrap()
}

/// Reads until `count` datagrams came; loopback delivers before send returns, so the bound is never near.
fn receive(
    transport: &mut UdpTransport,
    buffers: &mut ReceiveBuffers,
    count: usize,
) -> Vec<(Vec<u8>, SocketAddr)> {
    let mut found = Vec::new();
    for _ in 0..1_000_000 {
        let outcome = transport.recv_batch(NOW, buffers, &mut |received| {
            found.extend(received.datagrams().map(|bytes| (bytes.to_vec(), received.source)));
        });
        assert!(outcome.error.is_none(), "{outcome:?}");
        if found.len() >= count {
            break;
        }
        std::thread::yield_now();
    }
    found
}

fn numbered(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

#[test]
fn runs_arrive_as_one_datagram_per_segment_over_ipv4_and_ipv6() {
    for bind in [loopback(false), loopback(true)].into_iter().flatten() {
        let mut receiver = open(bind);
        let mut sender = connected(receiver.local_address());
        let bytes = numbered(10 * 96 + 32);
        let run = SendRun { bytes: SharedBytes::from_slice(&bytes), segment_size: 96, destination: None };
        let outcome = sender.send_batch(NOW, &[run]);
        assert!(outcome.datagrams == 11 && outcome.error.is_none(), "{outcome:?}");

        let found = receive(&mut receiver, &mut ReceiveBuffers::new(4, 2048), 11);
        assert!(found.iter().map(|(bytes, _)| bytes.as_slice()).eq(bytes.chunks(96)));
        assert!(found.iter().all(|(_, source)| *source == sender.local_address()));
    }
}

#[test]
fn one_batch_may_go_to_several_destinations_and_exceed_what_one_call_takes() {
    let bind = loopback(false).unwrap();
    let (mut sender, mut first, mut second) = (open(bind), open(bind), open(bind));
    let bytes = numbered(100 * 32);
    let to = |transport: &UdpTransport| SendRun {
        bytes: SharedBytes::from_slice(&bytes),
        segment_size: 32,
        destination: Some(transport.local_address()),
    };
    let outcome = sender.send_batch(NOW, &[to(&first), to(&second), to(&first)]);
    assert_eq!(outcome.datagrams, 300, "{outcome:?}");
    let mut buffers = ReceiveBuffers::new(MAX_BATCH, 64);
    assert_eq!(receive(&mut first, &mut buffers, 200).len(), 200);
    assert_eq!(receive(&mut second, &mut buffers, 100).len(), 100);
}

#[test]
fn a_datagram_longer_than_the_buffer_is_truncated_and_an_empty_one_is_reported() {
    for count in [1, 4] {
        let mut receiver = open(loopback(false).unwrap());
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.send_to(&numbered(100), receiver.local_address()).unwrap();
        peer.send_to(&[], receiver.local_address()).unwrap();
        peer.send_to(&[9], receiver.local_address()).unwrap();
        let found = receive(&mut receiver, &mut ReceiveBuffers::new(count, 64), 3);
        let found: Vec<_> = found.into_iter().map(|(bytes, _)| bytes).collect();
        assert_eq!(found, [numbered(64), vec![], vec![9]]);
    }
}

#[test]
fn nothing_to_read_is_neither_a_message_nor_an_error() {
    for count in [1, 4] {
        let mut receiver = open(loopback(false).unwrap());
        let outcome =
            receiver.recv_batch(NOW, &mut ReceiveBuffers::new(count, 64), &mut |_| panic!("nothing sent"));
        assert!(outcome.messages == 0 && !outcome.more && outcome.error.is_none(), "{outcome:?}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_is_sent_in_runs_arrives_in_order(
        runs in proptest::collection::vec((1..40_usize, 1..400_usize), 1..8),
        vector in 1..8_usize,
        is_offloaded in proptest::prelude::any::<bool>(),
    ) {
        let bind = loopback(false).unwrap();
        let (mut sender, mut receiver) = match offloaded(bind).filter(|_| is_offloaded) {
            Some(ends) => ends,
            None => {
                let receiver = open(bind);
                (connected(receiver.local_address()), receiver)
            }
        };
        let bytes = numbered(400);
        let run = |&(segment_size, length)| SendRun {
            bytes: SharedBytes::from_slice(&bytes[..length]),
            segment_size,
            destination: None,
        };
        let batch: Vec<_> = runs.iter().map(run).collect();
        let expected: Vec<_> = batch.iter().flat_map(SendRun::segments).map(|segment| segment.to_vec()).collect();
        let fits = expected.len() <= 100; // in the smallest receive buffer
        proptest::prop_assume!(fits);
        proptest::prop_assert_eq!(sender.send_batch(NOW, &batch).datagrams, expected.len());
        let found = receive(&mut receiver, &mut ReceiveBuffers::new(vector, 4096), expected.len());
        proptest::prop_assert!(found.into_iter().map(|(bytes, _)| bytes).eq(expected));
    }
}

#[test]
fn one_datagram_is_asked_for_until_more_come_and_a_full_vector_says_that_there_may_be_more() {
    let mut receiver = open(loopback(false).unwrap());
    let mut sender = connected(receiver.local_address());
    let bytes = numbered(6 * 8);
    let run = SendRun { bytes: SharedBytes::from_slice(&bytes), segment_size: 8, destination: None };
    assert_eq!(sender.send_batch(NOW, &[run]).datagrams, 6);
    let mut buffers = ReceiveBuffers::new(4, 64);
    let more: Vec<_> = (0..4)
        .map(|_| {
            let outcome = receiver.recv_batch(NOW, &mut buffers, &mut |_| {});
            (outcome.messages, outcome.bytes, outcome.more)
        })
        .collect();
    assert_eq!(more, [(1, 8, false), (4, 32, true), (1, 8, false), (0, 0, false)]);
}

#[test]
fn a_refused_connection_is_a_short_send_without_an_error() {
    // A socket that is connected elsewhere hears no one else, and keeps its port from being given to another test.
    let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
    deaf.connect("127.0.0.1:9").unwrap();
    let mut sender = connected(deaf.local_addr().unwrap());
    let bytes = numbered(64);
    let run = SendRun { bytes: SharedBytes::from_slice(&bytes), segment_size: 16, destination: None };
    let mut shortest = usize::MAX;
    for _ in 0..100 {
        let outcome = sender.send_batch(NOW, &[run]);
        assert!(outcome.error.is_none(), "{outcome:?}");
        shortest = shortest.min(outcome.datagrams);
    }
    assert!(shortest < 4, "a refused connection stops the batch");
    let outcome = sender.recv_batch(NOW, &mut ReceiveBuffers::new(1, 64), &mut |_| {});
    assert!(outcome.error.is_none(), "{outcome:?}");
}

#[test]
fn a_datagram_over_the_limit_is_an_error_after_those_before_it() {
    let mut receiver = open(loopback(false).unwrap());
    let mut sender = connected(receiver.local_address());
    let (good, bad) = (numbered(8), vec![0; 70_000]);
    let run = |bytes| SendRun::datagram(SharedBytes::from_slice(bytes), None);
    let outcome = sender.send_batch(NOW, &[run(&good), run(&bad)]);
    assert!(outcome.datagrams == 1 && outcome.error.is_none(), "{outcome:?}");
    let outcome = sender.send_batch(NOW, &[run(&bad)]);
    assert!(outcome.datagrams == 0 && outcome.error.is_some(), "{outcome:?}");
    assert_eq!(receive(&mut receiver, &mut ReceiveBuffers::new(2, 64), 1)[0].0, good);
}

#[test]
fn a_connected_transport_hears_its_peer_only_until_reconnected() {
    let mut stranger = open(loopback(false).unwrap());
    let mut peer = open(loopback(false).unwrap());
    let mut sender = connected(peer.local_address());
    let destination = Some(sender.local_address());
    let say = |from: &mut UdpTransport, byte: u8| {
        let bytes = [byte; 8];
        assert_eq!(
            from.send_batch(NOW, &[SendRun::datagram(SharedBytes::from_slice(&bytes), destination)])
                .datagrams,
            1
        );
    };
    say(&mut stranger, 1);
    say(&mut peer, 2);
    let mut buffers = ReceiveBuffers::new(4, 64);
    assert_eq!(receive(&mut sender, &mut buffers, 1), [(vec![2; 8], peer.local_address())]);
    sender.reconnect(stranger.local_address()).unwrap();
    say(&mut peer, 3);
    say(&mut stranger, 4);
    assert_eq!(receive(&mut sender, &mut buffers, 1), [(vec![4; 8], stranger.local_address())]);
}

#[test]
fn a_port_in_use_is_an_error_that_names_the_address() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = UdpTransport::open(&TransportSpec::bound(Affinity::Receiver, address)).unwrap_err();
    assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[test]
fn buffers_traffic_class_and_timestamps_take_effect() {
    let spec = TransportSpec {
        receive_buffer: 65_536,
        send_buffer: 65_536,
        traffic_class: Some(0x2e << 2),
        media_timestamps: true,
        ..TransportSpec::bound(Affinity::Receiver, loopback(false).unwrap())
    };
    let mut transport = UdpTransport::open(&spec).unwrap();
    assert!(transport.receive_buffer_length().unwrap() >= 65_536);
    assert!(transport.send.send_buffer_size().unwrap() >= 65_536);
    assert_eq!(transport.send.tos_v4().unwrap(), 0x2e << 2);

    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.send_to(&[1], transport.local_address()).unwrap();
    let mut stamp = None;
    for count in [1, 4] {
        peer.send_to(&[count], transport.local_address()).unwrap();
        let mut buffers = ReceiveBuffers::new(count.into(), 64);
        let _ = transport.recv_batch(NOW, &mut buffers, &mut |received| stamp = received.timestamp_ns);
        assert!(stamp.take().is_some_and(|nanos| nanos > 1_600_000_000_000_000_000));
    }
}

#[test]
fn probing_reports_what_the_system_grants() {
    let asked = probe_socket_buffers(65_536, 131_072).unwrap();
    assert!(asked.send >= 65_536 && asked.receive >= 131_072, "{asked:?}");
    let default = probe_socket_buffers(0, 0).unwrap();
    assert!(default.send > 0 && default.receive > 0);
}

fn multicast(
    group: &str,
    interface: SocketAddr,
    index: u32,
    connect: Option<SocketAddr>,
) -> Result<UdpTransport, OpenError> {
    let group: SocketAddr = group.parse().unwrap();
    let multicast = Multicast { group, interface, interface_index: index, ttl: 1 };
    let affinity = if connect.is_some() { Affinity::Sender } else { Affinity::Receiver };
    UdpTransport::open(&TransportSpec {
        connect,
        multicast: Some(multicast),
        ..TransportSpec::bound(affinity, group)
    })
}

/// Opens transports on a port that was free a moment ago, again when another test was faster.
fn on_free_port<T>(open: impl Fn(u16) -> Result<T, OpenError>) -> T {
    for _ in 0..100 {
        let port = UdpSocket::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
        match open(port) {
            Err(error) if error.source.kind() == io::ErrorKind::AddrInUse => {}
            opened => return opened.unwrap(),
        }
    }
    panic!("no free port in 100 attempts");
}

#[test]
fn a_connected_multicast_sender_reaches_the_group_and_hears_the_control_group() {
    let interface = "127.0.0.1:0".parse().unwrap();
    let (mut receiver, mut sender) = on_free_port(|port| {
        let data = format!("224.20.30.39:{port}");
        let receiver = multicast(&data, interface, 0, None)?;
        let control = format!("224.20.30.40:{port}");
        Ok((receiver, multicast(&control, interface, 0, Some(data.parse().unwrap()))?))
    });
    let bytes = numbered(32);
    let run = SendRun::datagram(SharedBytes::from_slice(&bytes), None);
    assert_eq!(sender.send_batch(NOW, &[run]).datagrams, 1);
    let mut buffers = ReceiveBuffers::new(4, 64);
    assert_eq!(receive(&mut receiver, &mut buffers, 1)[0].0, bytes);

    let control = SocketAddr::new([224, 20, 30, 40].into(), sender.local_address().port());
    let run = SendRun { destination: Some(control), ..run };
    assert_eq!(receiver.send_batch(NOW, &[run]).datagrams, 1);
    assert_eq!(receive(&mut sender, &mut buffers, 1)[0].0, bytes);
}

#[test]
fn ipv6_groups_work_through_the_index_of_an_interface() {
    let interfaces = crate::media::interface::local_interfaces().unwrap();
    let Some(found) = interfaces.iter().find(|found| found.multicast && found.address.is_ipv6()) else {
        return eprintln!("skipped: no interface of this machine has IPv6 and multicast");
    };
    let interface = SocketAddr::new(found.address, 0);
    let opened = on_free_port(|port| {
        let data = format!("[ff01::fd]:{port}");
        let receiver = multicast(&data, interface, found.index, None)?;
        let control = format!("[ff01::fe]:{port}");
        match multicast(&control, interface, found.index, Some(data.parse().unwrap())) {
            Err(error) if error.source.kind() == io::ErrorKind::NetworkUnreachable => Ok(None),
            sender => Ok(Some((receiver, sender?))),
        }
    });
    let Some((mut receiver, mut sender)) = opened else {
        return eprintln!("skipped: {} has no route for IPv6 multicast", found.name);
    };
    let run = SendRun::datagram(SharedBytes::from_slice(&[5; 32]), None);
    let outcome = sender.send_batch(NOW, &[run]);
    assert!(outcome.datagrams == 1, "{outcome:?}");
    assert_eq!(receive(&mut receiver, &mut ReceiveBuffers::new(4, 64), 1)[0].0, [5; 32]);
}

#[test]
fn groups_on_one_port_do_not_hear_each_other() {
    let interface = "127.0.0.1:0".parse().unwrap();
    let group = |port, last| SocketAddr::new([224, 20, 30, last].into(), port);
    let mut receivers = on_free_port(|port| {
        let open = |last| multicast(&group(port, last).to_string(), interface, 0, None);
        Ok([open(41)?, open(43)?])
    });
    let port = receivers[0].local_address().port();
    for (index, last) in [41, 43].into_iter().enumerate() {
        let bytes = [index as u8; 8];
        let run = SendRun::datagram(SharedBytes::from_slice(&bytes), Some(group(port, last)));
        assert_eq!(receivers[0].send_batch(NOW, &[run]).datagrams, 1);
    }
    let mut buffers = ReceiveBuffers::new(4, 64);
    for (index, receiver) in receivers.iter_mut().enumerate() {
        let found = receive(receiver, &mut buffers, 1);
        assert_eq!(found.iter().map(|(bytes, _)| bytes[0]).collect::<Vec<_>>(), [index as u8]);
    }
}

/// Both ends of a connection with offload, where this kernel has it.
fn offloaded(bind: SocketAddr) -> Option<(UdpTransport, UdpTransport)> {
    let spec = |affinity, bind| TransportSpec { offload: true, ..TransportSpec::bound(affinity, bind) };
    let receiver = UdpTransport::open(&spec(Affinity::Receiver, bind)).unwrap();
    let peer = Some(receiver.local_address());
    let sender = spec(Affinity::Sender, SocketAddr::new(bind.ip(), 0));
    let sender = UdpTransport::open(&TransportSpec { connect: peer, ..sender }).unwrap();
    if !sender.offload().is_on() {
        eprintln!("skipped: this kernel has no UDP_SEGMENT");
        return None;
    }
    Some((sender, receiver))
}

#[test]
fn the_kernel_cuts_up_runs_and_puts_them_together_again() {
    for bind in [loopback(false), loopback(true)].into_iter().flatten() {
        let Some((mut sender, mut receiver)) = offloaded(bind) else { return };
        let bytes = numbered(60 * 1408 + 32);
        let run = SendRun { bytes: SharedBytes::from_slice(&bytes), segment_size: 1408, destination: None };
        let short = SendRun::datagram(SharedBytes::from_slice(&bytes[..64]), None);
        let outcome = sender.send_batch(NOW, &[short, run, short]);
        assert!(outcome.datagrams == 63 && outcome.error.is_none(), "{outcome:?}");
        assert!(sender.offload().is_on());

        let (mut found, mut longest) = (Vec::new(), 0);
        let mut buffers = ReceiveBuffers::new(4, 1 << 16);
        while found.len() < 63 {
            let outcome = receiver.recv_batch(NOW, &mut buffers, &mut |received| {
                longest = longest.max(received.datagrams().count());
                found.extend(received.datagrams().map(<[u8]>::to_vec));
            });
            assert!(
                outcome.error.is_none() && outcome.messages > 0,
                "loopback delivers at once: {outcome:?}"
            );
        }
        let expected = std::iter::once(&bytes[..64]).chain(bytes.chunks(1408)).chain([&bytes[..64]]);
        assert!(found.iter().map(Vec::as_slice).eq(expected));
        assert!(longest > 1, "nothing was put together");
    }
}

#[test]
fn runs_that_follow_each_other_are_one_message_as_long_as_only_its_last_datagram_is_shorter() {
    let Some((mut sender, mut receiver)) = offloaded(loopback(false).unwrap()) else { return };
    let bytes = numbered(300);
    let run = |length| SendRun {
        segment_size: 100,
        ..SendRun::datagram(SharedBytes::from_slice(&bytes[..length]), None)
    };
    let single = |length| SendRun::datagram(SharedBytes::from_slice(&bytes[..length]), None);
    let runs = [run(200), run(300), single(60), single(60), single(60), single(100), run(220), run(200)];
    assert_eq!(sender.send_batch(NOW, &runs).datagrams, 14);
    let mut found = Vec::new();
    while found.iter().map(Vec::len).sum::<usize>() < 14 {
        let outcome = receiver.recv_batch(NOW, &mut ReceiveBuffers::new(8, 1 << 16), &mut |received| {
            found.push(received.datagrams().map(<[u8]>::len).collect::<Vec<_>>());
        });
        assert!(outcome.error.is_none() && outcome.messages > 0, "loopback delivers at once: {outcome:?}");
    }
    let expected = [vec![100, 100, 100, 100, 100, 60], vec![60, 60], vec![100, 100, 100, 20], vec![100, 100]];
    assert_eq!(found, expected);
}

#[test]
fn with_offload_single_datagrams_long_ones_and_empty_ones_arrive_as_they_are() {
    let Some((mut sender, mut receiver)) = offloaded(loopback(false).unwrap()) else { return };
    let long = numbered(65_507);
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut buffers = ReceiveBuffers::new(1, 1 << 16);
    for length in [1, 65_507, 32] {
        let run = SendRun::datagram(SharedBytes::from_slice(&long[..length]), None);
        assert_eq!(sender.send_batch(NOW, &[run]).datagrams, 1);
    }
    peer.send_to(&[], receiver.local_address()).unwrap();
    let found = receive(&mut receiver, &mut buffers, 4);
    assert!(found.iter().map(|(bytes, _)| bytes.len()).eq([1, 65_507, 32, 0]));
}

#[test]
fn only_receivers_have_datagrams_put_together_as_the_buffers_of_others_are_too_small_for_that() {
    let Some((mut sender, _)) = offloaded(loopback(false).unwrap()) else { return };
    for affinity in [Affinity::Sender, Affinity::Conductor] {
        let spec = TransportSpec::bound(affinity, loopback(false).unwrap());
        let mut other = UdpTransport::open(&TransportSpec { offload: true, ..spec }).unwrap();
        sender.reconnect(other.local_address()).unwrap();
        let bytes = numbered(10 * 1408);
        let run = SendRun { bytes: SharedBytes::from_slice(&bytes), segment_size: 1408, destination: None };
        assert_eq!(sender.send_batch(NOW, &[run]).datagrams, 10);
        let found = receive(&mut other, &mut ReceiveBuffers::new(1, 1408), 10);
        assert!(found.iter().map(|(bytes, _)| bytes.as_slice()).eq(bytes.chunks(1408)));
    }
}

#[test]
fn datagrams_are_put_together_while_they_come_in_runs_whatever_came_before() {
    let Some((mut sender, mut receiver)) = offloaded(loopback(false).unwrap()) else { return };
    let bytes = numbered(10 * 1408);
    let run = || SendRun { bytes: SharedBytes::from_slice(&bytes), segment_size: 1408, destination: None };
    let single = || SendRun::datagram(SharedBytes::from_slice(&bytes[..64]), None);
    let mut buffers = ReceiveBuffers::new(4, 1 << 16);
    let mut take = |receiver: &mut UdpTransport, expected: usize| {
        let (mut found, mut longest) = (0, 0);
        // A read that finds nothing comes between.
        while found < expected || receiver.recv_batch(NOW, &mut buffers, &mut |_| ()).messages > 0 {
            let outcome = receiver.recv_batch(NOW, &mut buffers, &mut |received| {
                longest = longest.max(received.datagrams().count());
                for datagram in received.datagrams() {
                    assert!(datagram == &bytes[..64] || bytes.chunks(1408).any(|part| part == datagram));
                    found += 1;
                }
            });
            assert!(outcome.error.is_none(), "{outcome:?}");
        }
        assert_eq!(found, expected);
        longest
    };
    for _ in 0..3 {
        for _ in 0..200 {
            assert_eq!(sender.send_batch(NOW, &[single()]).datagrams, 1);
            assert_eq!(take(&mut receiver, 1), 1);
        }
        assert!(!receiver.coalescing.is_on(), "single datagrams need no control messages");
        assert_eq!(sender.send_batch(NOW, &[run()]).datagrams, 10);
        assert_eq!(take(&mut receiver, 10), 1, "cut up again by the kernel");
        assert!(receiver.coalescing.is_on());
        assert_eq!(sender.send_batch(NOW, &[run()]).datagrams, 10);
        assert_eq!(take(&mut receiver, 10), 10);
    }
}

#[test]
fn a_run_that_arrives_while_coalescing_ends_is_not_taken_for_one_datagram() {
    let Some((mut sender, mut receiver)) = offloaded(loopback(false).unwrap()) else { return };
    let bytes = numbered(10 * 64);
    let run = SendRun { bytes: SharedBytes::from_slice(&bytes), segment_size: 64, destination: None };
    let UdpTransport { send: socket, coalescing, .. } = &mut receiver;
    coalescing.on_single(socket, 1000);
    // The next read finds nothing, and a moment later there is something.
    assert_eq!(sender.send_batch(NOW, &[run]).datagrams, 10);
    coalescing.on_single(socket, 0);
    assert!(coalescing.is_on());
    let found = receive(&mut receiver, &mut ReceiveBuffers::new(1, 1 << 16), 10);
    assert!(found.iter().map(|(bytes, _)| bytes.as_slice()).eq(bytes.chunks(64)));
}
