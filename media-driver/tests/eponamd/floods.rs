//! Strangers who know the formats, and the ids of a stream, at a driver that works: what they send is counted and bounded,
//! and the stream beside it goes on.

use std::{
    fs,
    net::{SocketAddr, UdpSocket},
};

use epona_client::{Aeron, Publication, SessionId, Subscription, TermId, TermOffset};
use epona_protocol::{
    counters::SystemCounter,
    frame::{
        DataFlags, DataHeader, ErrorFrame, Nak, ResolutionEntry, ResolutionFlags, ResolutionWriter, Setup,
        SetupFlags, StatusMessage, StatusMessageFlags,
    },
    types::{ReceiverId, StreamId},
};

use crate::{
    process::{Driver, until, workspace},
    traffic::{exchange, free_port},
};

pub(crate) const STREAM: i32 = 1;

/// A stream that works, from a driver to itself, and a stranger with a socket.
pub(crate) struct Scene {
    pub(crate) driver: Driver,
    pub(crate) aeron: Aeron,
    pub(crate) target: SocketAddr,
    publication: Publication,
    pub(crate) subscription: Subscription,
    stranger: UdpSocket,
    /// The last to go.
    _workspace: tempfile::TempDir,
}

impl Scene {
    pub(crate) fn new(settings: &[&str]) -> Self {
        let workspace = workspace();
        let driver = Driver::start(&workspace, &[&["--threading-mode", "DEDICATED"], settings].concat());
        Self::of(workspace, driver)
    }

    /// With a driver that was started already.
    pub(crate) fn of(workspace: tempfile::TempDir, driver: Driver) -> Self {
        let aeron = driver.connect();
        let target = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let channel = format!("aeron:udp?endpoint={target}");
        let subscription = aeron.add_subscription(&channel, STREAM).unwrap();
        let publication = aeron.add_publication(&channel, STREAM).unwrap();
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut scene =
            Self { _workspace: workspace, driver, aeron, target, publication, subscription, stranger };
        scene.exchange();
        scene
    }

    /// The stream beside it all.
    #[track_caller]
    pub(crate) fn exchange(&mut self) {
        exchange(&self.publication, &mut self.subscription, 20);
    }

    /// The term that the publisher writes.
    fn term_id(&self) -> TermId {
        let position = self.publication.position().unwrap().get();
        let terms = position / i64::from(self.publication.term_length().get());
        self.publication.initial_term_id().wrapping_add(i32::try_from(terms).unwrap())
    }

    pub(crate) fn send(&self, to: SocketAddr, length: usize, emit: impl FnOnce(&mut [u8]) -> usize) {
        let mut datagram = vec![0; length];
        emit(&mut datagram);
        self.stranger.send_to(&datagram, to).unwrap();
    }

    /// Sends one datagram and waits until one of the counters has moved.
    #[track_caller]
    fn send_and_see_counted(&self, what: &str, to: SocketAddr, datagram: &[u8], counters: &[SystemCounter]) {
        let count = || counters.iter().map(|&counter| self.driver.counter(counter)).sum::<i64>();
        let before = count();
        self.stranger.send_to(datagram, to).unwrap();
        until(what, || (count() > before).then_some(()));
    }

    /// Resident memory of the driver, in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.driver.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn setup(&self) -> Setup {
        Setup {
            flags: SetupFlags::default(),
            term_offset: TermOffset::ZERO,
            session_id: SessionId::new(0),
            stream_id: StreamId::new(STREAM),
            initial_term_id: TermId::new(3),
            active_term_id: TermId::new(3),
            term_length: 65_536,
            mtu: 1408,
            ttl: 0,
        }
    }

    fn data(&self, session_id: SessionId, term_id: TermId) -> DataHeader {
        DataHeader {
            frame_length: 64,
            flags: DataFlags::UNFRAGMENTED,
            is_padding: false,
            term_offset: TermOffset::ZERO,
            session_id,
            stream_id: StreamId::new(STREAM),
            term_id,
            reserved_value: 0,
        }
    }
}

#[test]
fn data_and_setups_of_made_up_sessions_and_streams_cost_a_bounded_amount_of_memory() {
    let mut scene = Scene::new(&[]);
    let term_id = TermId::new(3);
    let flood = |scene: &mut Scene, first: i32| {
        for number in first..first + 1000 {
            let session_id = SessionId::new(number);
            let data = scene.data(session_id, term_id);
            scene.send(scene.target, 64, |buffer| data.emit(buffer));
            let nobody = Setup { session_id, stream_id: StreamId::new(number), ..scene.setup() };
            scene.send(scene.target, 40, |buffer| nobody.emit(buffer));
        }
        scene.exchange();
    };
    for round in 0..10 {
        flood(&mut scene, 1_000_000 + round * 1000);
    }
    let before = scene.memory();
    for round in 0..40 {
        flood(&mut scene, 2_000_000 + round * 1000);
    }
    let grown = scene.memory().saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more");
    assert_eq!(scene.subscription.image_count(), 1, "nobody has made a stream out of nothing");
    scene.aeron.close();
}

#[test]
fn status_messages_and_naks_of_impossible_positions_are_counted_and_change_nothing() {
    // A connected socket would not hear the stranger at all.
    let mut scene = Scene::new(&["-Daeron.driver.connect=false"]);
    let addresses = until("the sender's address is known", || {
        let addresses = scene.publication.local_socket_addresses();
        (!addresses.is_empty()).then_some(addresses)
    });
    let port = addresses[0].parse::<SocketAddr>().unwrap().port();
    let sender = SocketAddr::from(([127, 0, 0, 1], port));
    let (session_id, stream_id) = (scene.publication.session_id(), StreamId::new(STREAM));
    for distance in [-1_000_000, -100, -3, 3, 4, 100, 1_000_000, i32::MAX, i32::MIN] {
        let status = StatusMessage {
            flags: StatusMessageFlags::default(),
            session_id,
            stream_id,
            consumption_term_id: scene.term_id().wrapping_add(distance),
            consumption_term_offset: TermOffset::ZERO,
            receiver_window: 65_536 / 2,
            receiver_id: ReceiverId::new(77),
            group_tag: None,
        };
        let mut datagram = [0; 36];
        status.emit(&mut datagram);
        let what = format!("a status message {distance} terms off");
        scene.send_and_see_counted(&what, sender, &datagram, &[SystemCounter::StatusMessagesRejected]);

        let term_id = scene.term_id().wrapping_add(distance);
        let nak = Nak { session_id, stream_id, term_id, term_offset: TermOffset::ZERO, length: 65_536 };
        let mut datagram = [0; 28];
        nak.emit(&mut datagram);
        let resent = scene.driver.counter(SystemCounter::RetransmitsSent);
        let what = format!("a NAK {distance} terms off");
        scene.send_and_see_counted(&what, sender, &datagram, &[SystemCounter::NaksReceived]);
        // The stream stands still, so nobody else has asked for anything; what is asked for is sent in the same turn.
        assert_eq!(scene.driver.counter(SystemCounter::RetransmitsSent), resent, "{what}");
        scene.exchange();
    }
    // Receivers that do not exist reject the stream.
    for receiver in 0..100 {
        let error = ErrorFrame {
            session_id,
            stream_id,
            receiver_id: ReceiverId::new(receiver),
            group_tag: None,
            error_code: 13,
            text: b"go away",
        };
        scene.send(sender, 48, |buffer| error.emit(buffer));
    }
    until("they are heard", || {
        (scene.driver.counter(SystemCounter::ErrorFramesReceived) == 100).then_some(())
    });
    scene.exchange();
    assert!(scene.publication.is_connected());
    scene.aeron.close();
    scene.driver.end_healthy();
}

#[test]
fn a_connected_sender_does_not_hear_strangers() {
    let mut scene = Scene::new(&[]);
    let addresses =
        until("the sender's address is known", || scene.publication.local_socket_addresses().pop());
    let sender: SocketAddr = addresses.parse().unwrap();
    for receiver in 0..100 {
        let error = ErrorFrame {
            session_id: scene.publication.session_id(),
            stream_id: StreamId::new(STREAM),
            receiver_id: ReceiverId::new(receiver),
            group_tag: None,
            error_code: 13,
            text: b"go away",
        };
        scene.send(sender, 48, |buffer| error.emit(buffer));
        scene.exchange();
    }
    assert_eq!(scene.driver.counter(SystemCounter::ErrorFramesReceived), 0);
    scene.aeron.close();
    scene.driver.end_healthy();
}

#[test]
fn what_a_stranger_asks_to_be_sent_again_goes_to_the_receiver_of_the_stream_and_not_to_him() {
    let mut scene = Scene::new(&["-Daeron.driver.connect=false"]);
    let addresses =
        until("the sender's address is known", || scene.publication.local_socket_addresses().pop());
    let sender: SocketAddr = addresses.parse().unwrap();
    let nak = Nak {
        session_id: scene.publication.session_id(),
        stream_id: StreamId::new(STREAM),
        term_id: scene.publication.initial_term_id(),
        term_offset: TermOffset::ZERO,
        length: 1408,
    };
    let mut datagram = [0; 28];
    nak.emit(&mut datagram);
    scene.send_and_see_counted("a NAK", sender, &datagram, &[SystemCounter::RetransmitsSent]);
    scene.stranger.set_nonblocking(true).unwrap();
    let heard = scene.stranger.recv(&mut [0; 2048]).unwrap_err();
    assert_eq!(heard.kind(), std::io::ErrorKind::WouldBlock);
    scene.exchange();
    scene.aeron.close();
}

#[test]
fn frames_with_the_ids_of_a_stream_and_absurd_lengths_are_counted_and_change_nothing() {
    let mut scene = Scene::new(&[]);
    let session_id = scene.publication.session_id();
    let counted = [
        SystemCounter::InvalidPackets,
        SystemCounter::FlowControlOverRuns,
        SystemCounter::FlowControlUnderRuns,
    ];
    let terms = [0, 1, -1, 2, 100, i32::MAX, i32::MIN];
    let lengths = [64, 1, 31, 33, 96, 65_536, 65_537, 1 << 30, i32::MAX, -1, -64, i32::MIN];
    let offsets = [0, 32, 65_472, 65_504, 65_536, 1, -32, i32::MAX, i32::MIN];
    let mut forged = 0;
    for distance in terms {
        let term_id = scene.term_id().wrapping_add(distance);
        for frame_length in lengths {
            for offset in offsets {
                let is_whole = (33..=64).contains(&frame_length);
                let is_frame_start = (0..65_536).contains(&offset) && offset % 32 == 0 && offset <= 65_472;
                // A frame with nothing wrong that the window has room for is as good as the publisher's.
                if is_whole && is_frame_start && matches!(distance, -1..=1) {
                    continue;
                }
                let header = DataHeader {
                    frame_length,
                    term_offset: TermOffset::new(offset),
                    ..scene.data(session_id, term_id)
                };
                let mut datagram = [0xEE; 64];
                header.emit(&mut datagram);
                let what = format!("length {frame_length} at {offset}, {distance} terms off");
                // A term before the first is not counted, as in Aeron.
                if term_id.terms_since(scene.publication.initial_term_id()) < 0 {
                    scene.stranger.send_to(&datagram, scene.target).unwrap();
                } else {
                    scene.send_and_see_counted(&what, scene.target, &datagram, &counted);
                }
                forged += 1;
            }
        }
        scene.exchange();
    }
    assert!(forged > 500, "only {forged}");
    scene.exchange();
    scene.aeron.close();
    scene.driver.end_healthy();
}

/// Gossip with these entries.
fn gossip(entries: &[ResolutionEntry<'_>]) -> Vec<u8> {
    let mut bytes = vec![0; 60_000];
    let mut writer = ResolutionWriter::new(&mut bytes);
    assert!(entries.iter().all(|entry| writer.push(entry)));
    let length = writer.length();
    bytes.truncate(length);
    bytes
}

/// What somebody says of himself.
fn forged<'a>(name: &'a [u8], address: &str, port: u16, age_in_ms: i32) -> ResolutionEntry<'a> {
    let address = address.parse().unwrap();
    ResolutionEntry { flags: ResolutionFlags::SELF, port, age_in_ms, address, name }
}

#[test]
fn forged_gossip_is_counted_and_bounded_and_streams_by_name_go_on() {
    let port = free_port();
    let interface = format!("-Daeron.driver.resolver.interface=127.0.0.1:{port}");
    let mut scene = Scene::new(&[
        "-Daeron.name.resolver.supplier=driver",
        "-Daeron.driver.resolver.name=ours",
        &interface,
    ]);
    let resolver = SocketAddr::from(([127, 0, 0, 1], port));
    let invalid = [SystemCounter::InvalidPackets];
    for (what, entry) in [
        ("no name", forged(b"", "127.0.0.1", 1, 0)),
        ("a group", forged(b"a", "224.0.0.1", 1, 0)),
        ("everybody", forged(b"a", "255.255.255.255", 1, 0)),
        ("no port", forged(b"a", "127.0.0.1", 0, 0)),
        ("of the future", forged(b"a", "127.0.0.1", 1, -1)),
    ] {
        scene.send_and_see_counted(what, resolver, &gossip(&[entry]), &invalid);
    }
    let whole = gossip(&[forged(b"a name", "127.0.0.1", 1, 0)]);
    scene.send_and_see_counted("cut short", resolver, &whole[..whole.len() - 8], &invalid);

    // Nobody else is where our name points.
    let impostor = gossip(&[forged(b"ours", "127.0.0.99", port, 0)]);
    scene.stranger.send_to(&impostor, resolver).unwrap();
    let before = scene.memory();
    for round in 0..20 {
        let names: Vec<_> = (0..500).map(|name| format!("made-up-{}", round * 500 + name)).collect();
        let entries: Vec<_> = names.iter().map(|name| forged(name.as_bytes(), "127.0.0.1", 9, 0)).collect();
        for chunk in entries.chunks(100) {
            scene.stranger.send_to(&gossip(chunk), resolver).unwrap();
        }
        scene.exchange();
    }
    until("the flood is reported", || {
        let errors = scene.driver.errors();
        errors.iter().any(|error| error.contains("more than 1024 names")).then_some(())
    });
    let names = |scene: &Scene| {
        let counters = scene.aeron.counters_reader();
        counters.iter().find(|counter| counter.label.starts_with("Resolver cache entries")).unwrap().value
    };
    assert!(names(&scene) <= 1024, "{}", names(&scene));
    assert!(scene.memory().saturating_sub(before) < 16 * 1024, "{} KiB, then {}", before, scene.memory());
    let channel = format!("aeron:udp?endpoint=ours:{}", free_port());
    let mut subscription = scene.aeron.add_subscription(&channel, STREAM).unwrap();
    let publication = scene.aeron.add_publication(&channel, STREAM).unwrap();
    exchange(&publication, &mut subscription, 20);
    scene.exchange();
    scene.aeron.close();
}
