//! Datagrams that no driver would send, to the sockets of a driver that works.

use std::net::{SocketAddr, UdpSocket};

use epona_client::{TermLength, TermOffset};
use epona_protocol::{
    counters::SystemCounter,
    frame::{FrameKind, Nak, Setup, SetupFlags, StatusMessage, StatusMessageFlags, classify, frame_type},
    types::{ReceiverId, SessionId, StreamId, TermId},
};

use crate::{
    process::{DEADLINE, Driver, until, workspace},
    traffic::{exchange, free_port},
};

/// A datagram with a common header, zeros after it.
fn framed(length: usize, frame_length: i32, version: u8, type_id: u16) -> Vec<u8> {
    let mut datagram = vec![0; length.max(8)];
    datagram[..4].copy_from_slice(&frame_length.to_le_bytes());
    datagram[4] = version;
    datagram[6..8].copy_from_slice(&type_id.to_le_bytes());
    datagram.truncate(length);
    datagram
}

/// What no socket of a driver takes, whoever sends it. Source: driver spec 6.2.
fn invalid_for_all() -> Vec<Vec<u8>> {
    let mut datagrams: Vec<_> = (1..8).map(|length| framed(length, 8, 0, frame_type::DATA)).collect();
    for (type_id, shortest) in [
        (frame_type::PAD, 32),
        (frame_type::DATA, 32),
        (frame_type::NAK, 28),
        (frame_type::SM, 36),
        (frame_type::ERR, 40),
        (frame_type::SETUP, 40),
        (frame_type::RTTM, 40),
        (frame_type::ATS_SM, 36),
        (frame_type::RSP_SETUP, 20),
    ] {
        let whole = i32::try_from(shortest).unwrap();
        datagrams.push(framed(8, 8, 0, type_id));
        datagrams.push(framed(shortest - 1, whole, 0, type_id));
        datagrams.push(framed(64, -1, 0, type_id));
        datagrams.push(framed(64, i32::MIN, 0, type_id));
        datagrams.push(framed(64, 64, 1, type_id));
        datagrams.push(framed(64, 64, 0xFF, type_id));
    }
    for type_id in [frame_type::NAK, frame_type::SM, frame_type::ERR, frame_type::RTTM, frame_type::RSP_SETUP]
    {
        datagrams.push(framed(64, 65, 0, type_id));
        datagrams.push(framed(64, i32::MAX, 0, type_id));
    }
    datagrams.push(framed(33, 33, 0, frame_type::DATA));
    for unknown in [0x08, 0x09, 0x0C, 0x7F, 0xFFFF] {
        datagrams.push(framed(64, 64, 0, unknown));
    }
    datagrams
}

fn sample_setup() -> Setup {
    Setup {
        flags: SetupFlags::default(),
        term_offset: TermOffset::ZERO,
        session_id: SessionId::new(7),
        stream_id: StreamId::new(1),
        initial_term_id: TermId::new(3),
        active_term_id: TermId::new(3),
        term_length: 65_536,
        mtu: 1408,
        ttl: 0,
    }
}

fn emitted(length: usize, emit: impl FnOnce(&mut [u8]) -> usize) -> Vec<u8> {
    let mut datagram = vec![0; length];
    assert_eq!(emit(&mut datagram), length);
    datagram
}

/// Sends datagrams, and waits until the driver has counted each.
#[track_caller]
fn send_and_see_counted(driver: &Driver, socket: &UdpSocket, to: SocketAddr, datagrams: &[Vec<u8>]) {
    let before = driver.counter(SystemCounter::InvalidPackets);
    for (number, datagram) in datagrams.iter().enumerate() {
        socket.send_to(datagram, to).unwrap();
        let expected = before + number as i64 + 1;
        let what = format!("counted as invalid: {datagram:x?}");
        until(&what, || (driver.counter(SystemCounter::InvalidPackets) >= expected).then_some(()));
    }
    assert_eq!(driver.counter(SystemCounter::InvalidPackets), before + datagrams.len() as i64);
}

/// Bytes without meaning, most of them under a header that looks right; their session is nobody's.
fn random_datagram(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut datagram: Vec<u8> = (0..random.usize(..300)).map(|_| random.u8(..)).collect();
    if random.u8(..) < 200 && datagram.len() >= 16 {
        let length = i32::try_from(random.usize(..datagram.len() + 8)).unwrap();
        let header = framed(8, length, 0, u16::from(random.u8(..12)));
        datagram[..8].copy_from_slice(&header);
        datagram[12..16].fill(0xEE);
    }
    datagram
}

#[test]
fn invalid_datagrams_to_a_receiver_are_counted_and_its_streams_go_on() {
    let workspace = workspace();
    let driver = Driver::start(&workspace, &["--threading-mode", "DEDICATED"]);
    let aeron = driver.connect();
    let target = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let channel = format!("aeron:udp?endpoint={target}");
    let mut subscription = aeron.add_subscription(&channel, 1).unwrap();
    let publication = aeron.add_publication(&channel, 1).unwrap();
    exchange(&publication, &mut subscription, 20);

    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut datagrams = invalid_for_all();
    let setup = sample_setup();
    let past_the_term = TermOffset::new(65_536);
    for wrong in [
        Setup { term_length: 65_537, ..setup },
        Setup { term_length: 32_768, ..setup },
        Setup { term_length: -65_536, ..setup },
        Setup { term_length: i32::MIN, ..setup },
        Setup { mtu: 0, ..setup },
        Setup { mtu: 1400, ..setup },
        Setup { mtu: 65_536, ..setup },
        Setup { term_offset: past_the_term, ..setup },
        Setup { term_offset: TermOffset::new(33), ..setup },
        Setup { term_offset: TermOffset::new(-32), ..setup },
    ] {
        datagrams.push(emitted(40, |buffer| wrong.emit(buffer)));
    }
    send_and_see_counted(&driver, &socket, target, &datagrams);
    exchange(&publication, &mut subscription, 20);

    let mut random = fastrand::Rng::with_seed(1408);
    for _ in 0..20 {
        for _ in 0..100 {
            socket.send_to(&random_datagram(&mut random), target).unwrap();
        }
        exchange(&publication, &mut subscription, 20);
    }
    assert_eq!(subscription.image_count(), 1, "nobody has made a stream out of nothing");
    aeron.close();
    driver.end_healthy();
}

#[test]
fn invalid_datagrams_to_a_sender_are_counted_and_its_streams_go_on() {
    let workspace = workspace();
    let driver = Driver::start(&workspace, &["--threading-mode", "DEDICATED"]);
    let aeron = driver.connect();
    // The receiver of this publication is the test itself: a sender listens to nobody else.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let channel = format!("aeron:udp?endpoint={}", socket.local_addr().unwrap());
    let publication = aeron.add_publication(&channel, 1).unwrap();
    let (setup, sender) = await_setup(&socket);

    let status = StatusMessage {
        flags: StatusMessageFlags::default(),
        session_id: setup.session_id,
        stream_id: setup.stream_id,
        consumption_term_id: setup.active_term_id,
        consumption_term_offset: setup.term_offset,
        receiver_window: setup.term_length / 4,
        receiver_id: ReceiverId::new(1),
        group_tag: None,
    };
    let nak = Nak {
        session_id: setup.session_id,
        stream_id: setup.stream_id,
        term_id: setup.active_term_id,
        term_offset: TermOffset::ZERO,
        length: 32,
    };
    let mut datagrams = invalid_for_all();
    let past_the_term = TermOffset::new(setup.term_length);
    for wrong in [
        StatusMessage { consumption_term_offset: past_the_term, ..status },
        StatusMessage { consumption_term_offset: TermOffset::new(-32), ..status },
        StatusMessage { consumption_term_offset: TermOffset::new(1), ..status },
        StatusMessage { receiver_window: -1, ..status },
        StatusMessage { receiver_window: setup.term_length, ..status },
    ] {
        datagrams.push(emitted(36, |buffer| wrong.emit(buffer)));
    }
    for wrong in [
        Nak { term_offset: past_the_term, ..nak },
        Nak { term_offset: TermOffset::new(-32), ..nak },
        Nak { term_offset: TermOffset::new(16), ..nak },
        Nak { length: -1, ..nak },
        Nak { length: i32::MAX, ..nak },
        Nak { term_offset: TermOffset::new(setup.term_length - 32), length: 64, ..nak },
    ] {
        datagrams.push(emitted(28, |buffer| wrong.emit(buffer)));
    }
    send_and_see_counted(&driver, &socket, sender, &datagrams);
    assert!(!publication.is_connected(), "none of them says that there is a receiver");

    let mut random = fastrand::Rng::with_seed(2809);
    for _ in 0..2000 {
        socket.send_to(&random_datagram(&mut random), sender).unwrap();
    }
    // As receivers do, again and again: the sender's socket may have no room left.
    until("connected", || {
        socket.send_to(&emitted(36, |buffer| status.emit(buffer)), sender).unwrap();
        publication.is_connected().then_some(())
    });
    until("sent", || publication.offer(b"still here").ok());
    let payload = await_data(&socket);
    assert_eq!(payload, b"still here");
    drop(publication);
    aeron.close();
    driver.end_healthy();
}

/// The first SETUP that comes, and from where.
fn await_setup(socket: &UdpSocket) -> (Setup, SocketAddr) {
    let mut buffer = [0; 2048];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        if classify(&buffer[..length]) == Ok(FrameKind::Setup) {
            let setup = Setup::parse(&buffer[..length]).unwrap();
            assert_eq!(setup.term_length, TermLength::MIN.get());
            return (setup, from);
        }
    }
}

/// The payload of the first DATA frame that has one.
fn await_data(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 2048];
    loop {
        let (length, _) = socket.recv_from(&mut buffer).unwrap();
        let datagram = &buffer[..length];
        if classify(datagram) == Ok(FrameKind::Data) {
            let frame_length = i32::from_le_bytes(datagram[..4].try_into().unwrap());
            if frame_length > 32 {
                return datagram[32..usize::try_from(frame_length).unwrap()].to_vec();
            }
        }
    }
}
