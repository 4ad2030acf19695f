//! Subscriptions with several destinations through whole drivers, threads and sockets and all. Acceptance lines MDS-01,
//! MDS-04 to MDS-06, MDS-10, MDS-11, MDS-14, MDS-15, DAT-20, CLI-05.

use std::collections::HashMap;

use epona_client::{Aeron, ClientError, ExclusivePublication, OfferError, SessionId, Subscription};
use epona_protocol::command::ErrorCode;

use crate::harness::{connect, free_port, launch, unicast, until};

const STREAM: i32 = 1001;
const MANUAL: &str = "aeron:udp?control-mode=manual";
const GROUP: &str = "interface=127.0.0.1";

/// A subscription that notes the numbers that it is sent, by session.
struct Reader {
    subscription: Subscription,
    read: HashMap<SessionId, Vec<u32>>,
}

impl Reader {
    fn new(aeron: &Aeron, destinations: &[&str]) -> Self {
        let subscription = aeron.add_subscription(MANUAL, STREAM).unwrap();
        for destination in destinations {
            subscription.add_destination(destination).unwrap().wait().unwrap();
        }
        Self { subscription, read: HashMap::new() }
    }

    fn poll(&mut self) {
        let read = &mut self.read;
        self.subscription.poll(
            |bytes, header| {
                let number = u32::from_le_bytes(bytes[..4].try_into().unwrap());
                read.entry(header.session_id()).or_default().push(number);
            },
            16,
        );
    }

    /// Waits until a session's numbers up to this one have come, each once and in order.
    fn read_up_to(&mut self, session: SessionId, end: u32) {
        until(&format!("{end} numbers of {session}"), || {
            self.poll();
            self.read.get(&session).is_some_and(|read| read.len() >= end as usize)
        });
        assert!(self.read[&session].iter().copied().eq(0..end), "{session}: {:?}", self.read[&session]);
    }
}

fn publish(aeron: &Aeron, channel: &str) -> ExclusivePublication {
    aeron.add_exclusive_publication(channel, STREAM).unwrap()
}

/// Offers numbers in messages of 100 bytes, while `turn` reads them.
fn offer(publication: &mut ExclusivePublication, numbers: std::ops::Range<u32>, mut turn: impl FnMut()) {
    for number in numbers {
        let mut message = [0; 100];
        message[..4].copy_from_slice(&number.to_le_bytes());
        until("a message is taken", || {
            turn();
            match publication.offer(&message) {
                Ok(_) => true,
                Err(OfferError::NotConnected | OfferError::BackPressured | OfferError::AdminAction) => false,
                Err(error) => panic!("{error}"),
            }
        });
    }
}

#[test]
fn streams_come_by_unicast_multicast_dynamic_spy_and_ipc_destinations() {
    let (driver, remote) = (launch(), launch());
    let (aeron, far) = (connect(&driver), connect(&remote));
    let group = format!("aeron:udp?endpoint=224.20.30.45:{}|{GROUP}", free_port());
    let dynamic = format!("aeron:udp?control=127.0.0.1:{}|control-mode=dynamic", free_port());
    let (near, spied) = (unicast(), unicast());
    let heard = dynamic.replace("aeron:udp?", "aeron:udp?endpoint=127.0.0.1:0|");
    let spy = format!("aeron-spy:{spied}");
    let mut reader = Reader::new(&aeron, &[&near, &group, &heard, &spy, "aeron:ipc"]);
    let mut publications = [
        publish(&far, &near),
        publish(&far, &group),
        publish(&far, &dynamic),
        publish(&aeron, &format!("{spied}|ssc=true")),
        publish(&aeron, "aeron:ipc"),
    ];
    for publication in &mut publications {
        offer(publication, 0..50, || reader.poll());
        reader.read_up_to(publication.session_id(), 50);
    }
    assert_eq!(reader.subscription.image_count(), 5);
    drop(publications);
    until("every stream ends", || {
        reader.poll();
        reader.subscription.image_count() == 0
    });
}

#[test]
fn two_paths_of_one_stream_are_read_once_and_end_together() {
    let (driver, one, other) = (launch(), launch(), launch());
    let (aeron, first, second) = (connect(&driver), connect(&one), connect(&other));
    let paths = [unicast(), unicast()];
    let mut reader = Reader::new(&aeron, &[&paths[0], &paths[1]]);
    let same = "session-id=7|init-term-id=3|term-id=3|term-offset=0|term-length=64k|linger=0s";
    let mut publications =
        [publish(&first, &format!("{}|{same}", paths[0])), publish(&second, &format!("{}|{same}", paths[1]))];
    for number in 0..200 {
        for publication in &mut publications {
            offer(publication, number..number + 1, || reader.poll());
        }
    }
    reader.read_up_to(SessionId::new(7), 200);
    assert_eq!(reader.subscription.image_count(), 1);
    until("both are counted", || {
        reader.poll();
        reader.subscription.images()[0].active_transport_count() == 2
    });
    let [first, mut second] = publications;
    drop(first);
    offer(&mut second, 200..300, || reader.poll());
    reader.read_up_to(SessionId::new(7), 300);
    assert!(!reader.subscription.images()[0].is_end_of_stream(), "one path is still there");
    drop(second);
    until("the stream ends", || {
        reader.poll();
        reader.subscription.image_count() == 0
    });
}

#[test]
fn a_reader_catches_up_on_one_destination_and_goes_on_live_on_another() {
    let (driver, archive, source) = (launch(), launch(), launch());
    let (aeron, replayer, live) = (connect(&driver), connect(&archive), connect(&source));
    let past = unicast();
    let mut reader = Reader::new(&aeron, &[&past]);
    let session = SessionId::new(9);
    let start = "session-id=9|init-term-id=5|term-length=64k";
    let mut replay = publish(&replayer, &format!("{past}|{start}|term-id=5|term-offset=0"));
    offer(&mut replay, 0..100, || reader.poll());
    reader.read_up_to(session, 100);

    // The live stream goes on where the replay has come to.
    let offset = replay.position().unwrap().get();
    let control = format!("127.0.0.1:{}", free_port());
    let now = format!("aeron:udp?control={control}|control-mode=dynamic");
    let mut current = publish(&live, &format!("{now}|{start}|term-id=5|term-offset={offset}"));
    let joined = format!("aeron:udp?endpoint=127.0.0.1:0|control={control}|control-mode=dynamic");
    reader.subscription.add_destination(&joined).unwrap().wait().unwrap();
    until("the live stream is part of the image", || {
        reader.poll();
        reader.subscription.images()[0].active_transport_count() == 2
    });
    reader.subscription.remove_destination(&past).unwrap().wait().unwrap();
    until("the replay is no longer part of it", || {
        reader.poll();
        reader.subscription.images()[0].active_transport_count() == 1
    });
    drop(replay);
    offer(&mut current, 100..1500, || reader.poll());
    reader.read_up_to(session, 1500);
    assert_eq!(reader.subscription.image_count(), 1, "the same image from beginning to end");
}

#[test]
fn subscriptions_on_one_group_and_groups_on_one_port_do_not_disturb_each_other() {
    let (driver, remote) = (launch(), launch());
    let (aeron, far) = (connect(&driver), connect(&remote));
    let port = free_port();
    let groups = [47, 49].map(|host| format!("aeron:udp?endpoint=224.20.30.{host}:{port}|{GROUP}"));
    let mut readers = [
        Reader::new(&aeron, &[&groups[0]]),
        Reader::new(&aeron, &[&groups[0]]),
        Reader::new(&aeron, &[&groups[1]]),
    ];
    let mut publications = [publish(&far, &groups[0]), publish(&far, &groups[1])];
    for publication in &mut publications {
        offer(publication, 0..100, || readers.iter_mut().for_each(Reader::poll));
    }
    let sessions = publications.each_ref().map(ExclusivePublication::session_id);
    for (reader, session) in readers.iter_mut().zip([sessions[0], sessions[0], sessions[1]]) {
        reader.read_up_to(session, 100);
        assert_eq!(reader.read.len(), 1, "nothing of the other group: {:?}", reader.read.keys());
    }
    readers[0].subscription.remove_destination(&groups[0]).unwrap().wait().unwrap();
    offer(&mut publications[0], 100..200, || readers.iter_mut().for_each(Reader::poll));
    readers[1].read_up_to(sessions[0], 200);
}

#[test]
fn the_client_sees_the_addresses_of_destinations_and_why_one_is_refused() {
    let driver = launch();
    let aeron = connect(&driver);
    let subscription = aeron.add_subscription(MANUAL, STREAM).unwrap();
    assert_eq!(subscription.local_socket_addresses(), Vec::<String>::new());
    let port = free_port();
    let fixed = format!("aeron:udp?endpoint=127.0.0.1:{port}");
    for channel in [&*fixed, "aeron:udp?endpoint=127.0.0.1:0"] {
        subscription.add_destination(channel).unwrap().wait().unwrap();
    }
    let addresses = subscription.local_socket_addresses();
    assert_eq!(addresses.len(), 2);
    assert!(addresses.contains(&format!("127.0.0.1:{port}")), "{addresses:?}");
    assert!(
        addresses.iter().all(|address| !address.ends_with(":0")),
        "wildcards are filled in: {addresses:?}"
    );
    subscription.remove_destination(&fixed).unwrap().wait().unwrap();
    until("its socket is closed", || subscription.local_socket_addresses().len() == 1);

    let plain = aeron.add_subscription(&unicast(), STREAM).unwrap();
    for (subscription, channel, code) in [
        (&plain, &*fixed, ErrorCode::InvalidChannel),
        (&subscription, "aeron:udp?endpoint=127.0.0.1:1|mtu=1408", ErrorCode::InvalidChannel),
        (&subscription, "nonsense", ErrorCode::InvalidChannel),
    ] {
        let refused = subscription.add_destination(channel).unwrap().wait().unwrap_err();
        assert!(
            matches!(&refused, ClientError::Registration { code: found, .. } if *found == code),
            "{refused}"
        );
    }
}

#[test]
fn every_destination_stamps_messages_with_the_time_that_its_socket_tells() {
    const HOUR: i64 = 3_600_000_000_000;
    let (driver, remote) = (launch(), launch());
    let (aeron, far) = (connect(&driver), connect(&remote));
    let begun = epona_media_driver::clock::epoch_nanos();
    let stamped = format!("{MANUAL}|media-rcv-ts-offset=reserved");
    let mut subscription = aeron.add_subscription(&stamped, STREAM).unwrap();
    for _ in 0..2 {
        let channel = unicast();
        subscription.add_destination(&channel).unwrap().wait().unwrap();
        let mut publication = publish(&far, &channel);
        let mut stamps = Vec::new();
        let mut read = || {
            subscription.poll(|_, header| stamps.push(header.reserved_value()), 16);
            stamps.len()
        };
        offer(&mut publication, 0..20, || {
            read();
        });
        until("all are read", || read() == 20);
        let is_now = |stamp: &i64| (begun - HOUR..begun + HOUR).contains(stamp);
        assert!(stamps.iter().all(is_now), "{stamps:?}, begun at {begun}");
    }
}
