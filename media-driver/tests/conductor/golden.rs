//! The script of the golden capture: what a stock C driver answered, and the counters it made.

use std::time::Duration;

use epona_protocol::{
    command::{ErrorCode, Request},
    counters::SystemCounter,
    types::{CounterId, CounterTypeId, RegistrationId, StreamId},
};

use crate::harness::{Driver, Ready, Told, UDP, exclusive, publication, subscription};

const PUBLISHED: &str = "aeron:udp?endpoint=127.0.0.1:24325|term-length=64k|session-id=1000001|init-term-id=100|\
                         term-id=100|term-offset=0|alias=golden-udp";
const IPC: &str = "aeron:ipc?term-length=64k|alias=golden-ipc";
const SPY: &str = "aeron-spy:aeron:udp?endpoint=127.0.0.1:24325";

fn counter(id: i32) -> CounterId {
    CounterId::new(id)
}

/// The commands of the capture, one at a time, under the ids they had. The reader of the client got id 1.
fn play(driver: &mut Driver) -> Vec<Told> {
    let script = [
        publication(PUBLISHED, 1001),
        subscription(UDP, 1001),
        exclusive(IPC, 1002),
        subscription("aeron:ipc", 1002),
        subscription(SPY, 1001),
        Request::AddCounter {
            type_id: CounterTypeId::new(1101),
            key: &[1, 2, 3, 4, 5, 6],
            label: b"golden counter",
        },
        Request::AddStaticCounter {
            registration_id: RegistrationId::new(424_242),
            type_id: CounterTypeId::new(1102),
            key: &[10, 11, 12, 13],
            label: b"golden static counter",
        },
        Request::NextAvailableSessionId { stream_id: StreamId::new(1003) },
        publication("aeron:udp?endpoint=127.0.0.1:24325|mtu=notanumber", 1004),
    ];
    // The first id is the client's own, as it was in the capture.
    let mut told = Vec::new();
    for request in script {
        driver.send_as(1, request);
        for _ in 0..3 {
            driver.turn_of_control();
        }
        told.extend(driver.told());
    }
    driver.settle();
    driver.wait(Duration::from_millis(500));
    told.extend(driver.told());
    told
}

fn driver_with_client() -> Driver {
    let mut driver = Driver::new();
    // A client draws its own id from the sequence first: this one is refused, and only that.
    let id = driver.send_as(1, Request::RemoveCounter { registration_id: RegistrationId::new(99) });
    assert_eq!(id, 1);
    driver.settle();
    driver.told();
    driver
}

/// The address that the publication's socket got. The simulated network, unlike the system, does not name the address
/// of a socket that was bound to any.
fn bound_to(driver: &Driver) -> String {
    let label = driver.counter(CounterTypeId::SEND_CHANNEL_STATUS).label;
    label.rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn the_golden_script_is_answered_as_a_stock_driver_answers_it() {
    let mut driver = driver_with_client();
    let told = play(&mut driver);
    let log = |name: &str| driver.path().join(name).to_string_lossy().into_owned();
    let Told::NextSession(9, next) = told[10] else { panic!("{told:?}") };
    let ipc_session = next - 1;
    let bound = bound_to(&driver);
    let source = bound.replace("0.0.0.0", "127.0.0.1");
    let expected = [
        Told::Counter(1, counter(54)),
        Told::Publication(Ready {
            id: 2,
            original: 2,
            session: 1_000_001,
            stream: 1001,
            limit: counter(49),
            status: counter(46),
            log: log("publications/2.logbuffer"),
        }),
        Told::Subscription { id: 3, status: counter(55) },
        Told::Exclusive(Ready {
            id: 4,
            original: 4,
            session: ipc_session,
            stream: 1002,
            limit: counter(58),
            status: CounterId::NULL,
            log: log("publications/4.logbuffer"),
        }),
        Told::Subscription { id: 5, status: CounterId::NULL },
        Told::Available {
            image: 4,
            session: ipc_session,
            subscription: 5,
            position: counter(59),
            log: log("publications/4.logbuffer"),
            source: "aeron:ipc".into(),
        },
        Told::Subscription { id: 6, status: CounterId::NULL },
        Told::Available {
            image: 2,
            session: 1_000_001,
            subscription: 6,
            position: counter(60),
            log: log("publications/2.logbuffer"),
            source: "aeron:ipc".into(),
        },
        Told::Counter(7, counter(61)),
        Told::StaticCounter(8, counter(62)),
        Told::NextSession(9, ipc_session + 1),
    ];
    assert_eq!(told[..11], expected);
    assert!(
        matches!(&told[11], Told::Error { id: 10, code: ErrorCode::GenericError, text }
        if text.contains("mtu=notanumber")),
        "{:?}",
        told[11]
    );
    assert_eq!(
        told[12..],
        [Told::Available {
            image: 11,
            session: 1_000_001,
            subscription: 3,
            position: counter(66),
            log: log("images/11.logbuffer"),
            source,
        }]
    );
    assert_eq!(driver.system(SystemCounter::Errors), 2, "the refused removal and the refused publication");
}

#[test]
fn the_golden_script_makes_the_counters_of_a_stock_driver() {
    let mut driver = driver_with_client();
    let told = play(&mut driver);
    let Told::NextSession(9, next) = told[10] else { panic!("{told:?}") };
    let ipc = next - 1;
    let bound = bound_to(&driver);
    let stream = |name: &str| format!("{name}: 2 1000001 1001 {PUBLISHED}");
    let image = |name: &str| format!("{name}: 11 1000001 1001 {UDP}");
    // Id, type, label, registration id, owner, reference: as dumped from the stock driver.
    let expected = [
        (46, 6, format!("snd-channel: {PUBLISHED} {bound}"), 2, 0, 0),
        (47, 14, format!("snd-local-sockaddr: 46 {bound}"), 2, 0, 0),
        (48, 12, stream("pub-pos (concurrent)"), 2, 1, 0),
        (49, 1, stream("pub-lmt"), 2, 1, 0),
        (50, 2, stream("snd-pos"), 2, 1, 0),
        (51, 9, stream("snd-lmt"), 2, 1, 0),
        (52, 13, stream("snd-bpe"), 2, 1, 0),
        (53, 19, stream("snd-naks-received"), 2, 1, 0),
        (54, 11, "client-heartbeat: id=1".to_owned(), 1, 1, 0),
        (55, 7, format!("rcv-channel: {UDP} 127.0.0.1:24325"), 3, 0, 0),
        (56, 14, "rcv-local-sockaddr: 55 127.0.0.1:24325".to_owned(), 3, 0, 0),
        (57, 12, format!("pub-pos (exclusive): 4 {ipc} 1002 {IPC}"), 4, 1, 0),
        (58, 1, format!("pub-lmt: 4 {ipc} 1002 {IPC}"), 4, 1, 0),
        (59, 4, format!("sub-pos: 5 {ipc} 1002 aeron:ipc @0"), 5, 1, 4),
        (60, 4, format!("sub-pos: 6 1000001 1001 {SPY} @0"), 6, 1, 2),
        (61, 1101, "golden counter".to_owned(), 7, 1, 0),
        (62, 1102, "golden static counter".to_owned(), 424_242, -1, 0),
        (63, 3, image("rcv-hwm"), 11, 1, 0),
        (64, 5, image("rcv-pos"), 11, 1, 0),
        (65, 20, image("rcv-naks-sent"), 11, 1, 0),
        (66, 4, format!("sub-pos: 3 1000001 1001 {UDP} @0"), 3, 1, 11),
    ];
    let found: Vec<_> = driver
        .counters()
        .into_iter()
        .map(|c| (c.id.get(), c.type_id.get(), c.label, c.registration_id, c.owner_id, c.reference_id))
        .collect();
    assert_eq!(found, expected);
    for id in [46, 47, 55, 56] {
        assert_eq!(driver.reader().value(counter(id)), Some(1), "counter {id} shows an active channel");
    }
}
