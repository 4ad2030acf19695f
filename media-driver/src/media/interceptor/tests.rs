use std::net::{IpAddr, SocketAddr};

use epona_protocol::{
    frame::{DataFlags, DataHeader, frame_type},
    memory::SharedBytes,
    types::{SessionId, StreamId, TermId, TermOffset},
};

use super::*;
use crate::media::{
    Affinity, ReceiveBuffers, SendRun, Transport, TransportFactory, TransportSpec, UdpTransportFactory,
    simulated::SimulatedNetwork,
};

const NOW: Nanos = Nanos::new(0);

fn data(session: i32, term_id: i32, term_offset: i32, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let header = DataHeader {
        frame_length: length as i32,
        flags: DataFlags::UNFRAGMENTED,
        is_padding: false,
        term_offset: TermOffset::new(term_offset),
        session_id: SessionId::new(session),
        stream_id: StreamId::new(10),
        term_id: TermId::new(term_id),
        reserved_value: 0,
    };
    header.emit(&mut bytes);
    bytes
}

fn of_type(kind: u16) -> Vec<u8> {
    let mut bytes = vec![0; 40];
    bytes[6..8].copy_from_slice(&kind.to_le_bytes());
    bytes
}

fn config(
    incoming: &str,
    outgoing: &str,
    arguments: &str,
) -> Result<InterceptorConfig, InterceptorConfigError> {
    InterceptorConfig::parse(incoming, outgoing, |_| Some(arguments.to_owned()))
}

/// The only interceptor of a configuration.
fn interceptor(name: &str, arguments: &str) -> Box<dyn Interceptor> {
    config(name, "", arguments).unwrap().build(0).unwrap().0.remove(0)
}

fn drops(interceptor: &mut Box<dyn Interceptor>, datagram: &[u8]) -> bool {
    interceptor.judge(NOW, datagram) == Fate::Drop
}

#[test]
fn loss_takes_all_none_or_a_share_of_the_types_in_its_mask() {
    let data_only = format!("{:x}", 1 << frame_type::DATA);
    let mut all = interceptor("loss", &format!("rate=1.0|recv-msg-mask=0x{data_only}"));
    assert!(drops(&mut all, &of_type(frame_type::DATA)));
    assert!(!drops(&mut all, &of_type(frame_type::SETUP)));
    assert!(!drops(&mut all, &of_type(0xFFFF)) && !drops(&mut all, &[]));
    let mut none = interceptor("loss", &format!("rate=0.0|recv-msg-mask={data_only}"));
    assert!(!drops(&mut none, &of_type(frame_type::DATA)));
    let mut no_mask = interceptor("loss", "rate=1.0");
    assert!(!drops(&mut no_mask, &of_type(frame_type::DATA)));
    let mut clamped = interceptor("loss", "rate=7|recv-msg-mask=F");
    assert!(drops(&mut clamped, &of_type(frame_type::NAK)));
}

#[test]
fn loss_follows_from_its_seed_as_it_does_in_aeron() {
    let pattern = |seed: u64, count| {
        let mut loss = interceptor("loss", &format!("rate=0.5|recv-msg-mask=2|seed={seed}"));
        (0..count).map(|_| drops(&mut loss, &of_type(frame_type::DATA))).collect::<Vec<_>>()
    };
    // Aeron's own test: of ten datagrams at rate 0.5 with this seed, six pass.
    assert_eq!(pattern(23764, 10).iter().filter(|lost| !**lost).count(), 6);
    assert_eq!(pattern(5, 100), pattern(5, 100));
    assert_ne!(pattern(5, 100), pattern(6, 100));
}

#[test]
fn fixed_loss_loses_its_range_once_for_each_session() {
    let mut loss = interceptor("fixed-loss", "term-id=3|term-offset=0|length=128");
    for session in [1, 2] {
        assert!(!drops(&mut loss, &data(session, 4, 0, 64)), "another term");
        assert!(drops(&mut loss, &data(session, 3, 0, 64)));
        assert!(drops(&mut loss, &data(session, 3, 64, 96)), "reaches over the end of the range");
        assert!(!drops(&mut loss, &data(session, 3, 160, 64)));
        assert!(!drops(&mut loss, &data(session, 3, 0, 64)), "retransmitted");
    }
    assert!(!drops(&mut loss, &of_type(frame_type::SM)));
}

#[test]
fn multi_gap_loss_loses_the_gaps_that_aeron_loses() {
    // Aeron's own cases, scaled by 32 so that headers fit.
    let mut loss = interceptor("multi-gap-loss", "term-id=0|gap-radix=512|gap-length=256|total-gaps=4");
    let cases = [
        (0, 8, false),
        (8, 8, false),
        (16, 8, true),
        (24, 8, false),
        (32, 8, true),
        (40, 8, false),
        (48, 4, true),
        (52, 8, true),
        (60, 2, false),
        (62, 10, true),
    ];
    for (offset, length, lost) in cases {
        let datagram = data(1, 0, offset * 32, length * 32);
        assert_eq!(drops(&mut loss, &datagram), lost, "{length} units at {offset}");
    }
    assert!(!drops(&mut loss, &data(1, 0, 16 * 32, 256)), "retransmitted");
    assert!(drops(&mut loss, &data(2, 0, 16 * 32, 256)), "another session has its own gaps");
    assert!(!drops(&mut loss, &data(3, 0, 80 * 32, 256)), "after the last gap");
    assert!(!drops(&mut loss, &data(3, 1, 16 * 32, 256)), "another term");
}

#[test]
fn multi_gap_loss_rounds_its_radix_up_and_survives_no_arguments() {
    let mut rounded = interceptor("multi-gap-loss", "gap-radix=500|gap-length=32|total-gaps=1");
    assert!(!drops(&mut rounded, &data(1, 0, 448, 64)));
    assert!(drops(&mut rounded, &data(1, 0, 512, 64)));
    let mut bare = interceptor("multi-gap-loss", "");
    for offset in [0, 32, i32::MAX - 31, -64] {
        bare.judge(NOW, &data(1, 0, offset, 64));
    }
    let mut huge =
        interceptor("multi-gap-loss", "gap-radix=4294967295|gap-length=4294967295|total-gaps=4294967295");
    huge.judge(NOW, &data(1, 0, i32::MAX - 31, 64));
}

#[test]
fn bad_configuration_is_refused_with_the_setting_to_change() {
    for (names, arguments, text) in [
        ("loss,nothing", "", "unknown interceptor 'nothing'"),
        ("loss", "rate=abc", "rate from 'abc'"),
        ("loss", "rate=NaN", "rate from 'NaN'"),
        ("loss", "seed=abc", "AERON_UDP_CHANNEL_TRANSPORT_BINDINGS_LOSS_ARGS"),
        ("loss", "recv-msg-mask=zzz", "a hexadecimal number"),
        ("loss", "rate", "'rate' is not key=value"),
        ("loss", "rate=|seed=1", "'rate=' is not key=value"),
        ("fixed-loss", "", "AERON_UDP_CHANNEL_TRANSPORT_BINDINGS_FIXED_LOSS_ARGS"),
        ("delay", "delay=10minutes", "EPONA_INTERCEPTOR_DELAY"),
    ] {
        let error = config(names, "", arguments).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
        assert_eq!(config("", names, arguments).unwrap_err().to_string(), error);
    }
    assert!(config("loss", "", "rate=0.1|whatever=1").is_ok(), "unknown arguments are ignored");
    assert!(config(" ", "", "").unwrap().is_empty());
}

/// Two transports of one simulated host, the second with interceptors.
fn pair(config: InterceptorConfig) -> (Box<dyn Transport>, Box<dyn Transport>) {
    let host = SimulatedNetwork::new(0).host(IpAddr::from([10, 0, 0, 1]));
    let mut plain = host.clone();
    let mut intercepting = InterceptingFactory::new(Box::new(host), config);
    let spec = TransportSpec::bound(Affinity::Receiver, "10.0.0.1:0".parse().unwrap());
    (plain.open(&spec).unwrap(), intercepting.open(&spec).unwrap())
}

fn send(from: &mut Box<dyn Transport>, to: SocketAddr, now: Nanos, bytes: &[u8]) {
    let run = SendRun { bytes: SharedBytes::from_slice(bytes), segment_size: 1, destination: Some(to) };
    let outcome = from.send_batch(now, &[run]);
    assert!(outcome.datagrams == bytes.len() && outcome.error.is_none(), "{outcome:?}");
}

fn receive(transport: &mut Box<dyn Transport>, now: Nanos) -> Vec<u8> {
    let mut found = Vec::new();
    let mut buffers = ReceiveBuffers::new(64, 64);
    let _ = transport.recv_batch(now, &mut buffers, &mut |received| found.extend_from_slice(received.bytes));
    found
}

const fn millis(value: i64) -> Nanos {
    Nanos::new(value * 1_000_000)
}

#[test]
fn delay_holds_datagrams_in_both_directions_and_keeps_their_order() {
    let settings = config("delay", "delay", "delay=10ms|jitter=5ms|seed=3").unwrap();
    let (mut plain, mut delayed) = pair(settings);
    assert_eq!(delayed.descriptor(), None);
    let sequence: Vec<u8> = (0..50).collect();

    send(&mut plain, delayed.local_address(), NOW, &sequence);
    assert_eq!(receive(&mut delayed, millis(9)), []);
    let mut found = Vec::new();
    for step in 10..=31 {
        found.extend(receive(&mut delayed, millis(step)));
    }
    assert_eq!(found, sequence);

    let now = millis(100);
    send(&mut delayed, plain.local_address(), now, &sequence);
    assert_eq!(receive(&mut plain, millis(200)), []);
    receive(&mut delayed, millis(200));
    assert_eq!(receive(&mut plain, millis(200)), sequence);
}

#[test]
fn reorder_lets_others_overtake_and_loses_none() {
    let (mut plain, mut reordered) = pair(config("reorder", "", "rate=0.3|seed=9|delay=2ms").unwrap());
    let sequence: Vec<u8> = (0..50).collect();
    send(&mut plain, reordered.local_address(), NOW, &sequence);
    let mut found = receive(&mut reordered, NOW);
    assert!(found.len() < 50 && found.len() > 20, "{found:?}");
    found.extend(receive(&mut reordered, millis(2)));
    assert!(!found.is_sorted());
    found.sort_unstable();
    assert_eq!(found, sequence);
}

#[test]
fn duplicate_repeats_at_once_or_later() {
    let (mut plain, mut twice) = pair(config("duplicate", "duplicate", "rate=1.0").unwrap());
    send(&mut plain, twice.local_address(), NOW, &[1, 2]);
    assert_eq!(receive(&mut twice, NOW), [1, 1, 2, 2]);
    send(&mut twice, plain.local_address(), NOW, &[3]);
    assert_eq!(receive(&mut plain, NOW), [3, 3]);

    let (mut plain, mut later) = pair(config("duplicate", "", "rate=1.0|delay=1ms").unwrap());
    send(&mut plain, later.local_address(), NOW, &[1, 2]);
    assert_eq!(receive(&mut later, NOW), [1, 2]);
    assert_eq!(receive(&mut later, millis(1)), [1, 2]);
}

#[test]
fn interceptors_combine_and_the_last_listed_judges_first() {
    let arguments = |kind| match kind {
        InterceptorKind::Loss => Some("rate=1.0|recv-msg-mask=2".into()),
        InterceptorKind::Duplicate => Some("rate=1.0".into()),
        _ => None,
    };
    let settings = InterceptorConfig::parse("loss,duplicate", "", arguments).unwrap();
    let (mut plain, mut both) = pair(settings);
    let destination = Some(both.local_address());
    for kind in [frame_type::DATA, frame_type::SM] {
        let bytes = of_type(kind);
        let run = SendRun::datagram(SharedBytes::from_slice(&bytes), destination);
        assert_eq!(plain.send_batch(NOW, &[run]).datagrams, 1);
    }
    assert_eq!(receive(&mut both, NOW), [of_type(frame_type::SM), of_type(frame_type::SM)].concat());
}

#[test]
fn transports_of_one_driver_lose_differently() {
    let host = SimulatedNetwork::new(0).host(IpAddr::from([10, 0, 0, 1]));
    let settings = config("loss", "", "rate=0.5|recv-msg-mask=2|seed=1").unwrap();
    let mut factory = InterceptingFactory::new(Box::new(host.clone()), settings);
    let spec = TransportSpec::bound(Affinity::Receiver, "10.0.0.1:0".parse().unwrap());
    let mut sender = host.clone().open(&spec).unwrap();
    let patterns = [(); 2].map(|()| {
        let mut receiver = factory.open(&spec).unwrap();
        let destination = Some(receiver.local_address());
        let mut pattern = Vec::new();
        for _ in 0..100 {
            let bytes = of_type(frame_type::DATA);
            let run = SendRun::datagram(SharedBytes::from_slice(&bytes), destination);
            let _ = sender.send_batch(NOW, &[run]);
            pattern.push(receive(&mut receiver, NOW).is_empty());
        }
        pattern
    });
    assert_ne!(patterns[0], patterns[1]);
}

#[test]
fn without_interceptors_transports_are_left_as_they_are() {
    let mut factory = InterceptingFactory::new(Box::new(UdpTransportFactory), InterceptorConfig::default());
    let spec = TransportSpec::bound(Affinity::Receiver, "127.0.0.1:0".parse().unwrap());
    assert!(factory.open(&spec).unwrap().descriptor().is_some());
    let lossy = config("loss", "", "rate=0.1").unwrap();
    let mut factory = InterceptingFactory::new(Box::new(UdpTransportFactory), lossy);
    assert!(factory.open(&spec).unwrap().descriptor().is_some(), "nothing is held back");
}
