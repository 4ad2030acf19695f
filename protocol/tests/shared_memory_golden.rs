//! Our readers on memory that the Aeron C driver wrote, and our writers against it.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use core::time::Duration;

use epona_protocol::{
    broadcast::{self, CopyReceiver, Transmitter},
    cnc::{Cnc, CncLengths, CncMetadata},
    counters::{
        ChannelKey, CounterDescriptor, CountersManager, CountersReader, HeartbeatKey, LocalSocketAddressKey,
        NewCounter, StreamKey, SystemCounter, SystemCounterKey, bound_channel_label, heartbeat_label,
        heartbeat_label_suffix, local_socket_address_label, stream_label, subscriber_position_label,
    },
    error_log::{self, DistinctErrorLog},
    loss_report::{self, LossReport},
    memory::AtomicView,
    ring_buffer::{self, Consumer, mpsc::Producer},
    types::{ClientId, CounterId, CounterTypeId, EpochMillis, Position, SessionId, StreamId},
};

const MIB: usize = 1 << 20;

/// The parts of a hex dump, one for each comment line, without the offsets.
fn parts(dump: &str) -> Vec<Vec<u8>> {
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for line in dump.lines() {
        if line.starts_with('#') {
            parts.push(Vec::new());
            continue;
        }
        let bytes = line.split_whitespace().skip(1).map(|byte| u8::from_str_radix(byte, 16).unwrap());
        parts.last_mut().unwrap().extend(bytes);
    }
    parts
}

/// The buffer of a dump that has its beginning and its trailer.
fn buffer_with_trailer(dump: &str) -> AtomicView {
    let parts = parts(dump);
    let view = AtomicView::allocate(MIB + parts[1].len());
    view.write(0, &parts[0]);
    view.write(MIB, &parts[1]);
    view
}

fn view_of(bytes: &[u8]) -> AtomicView {
    let view = AtomicView::allocate(bytes.len());
    view.write(0, bytes);
    view
}

#[test]
fn the_cnc_header_of_the_c_driver_is_ours() {
    let golden = &parts(include_str!("golden/shm-cnc-head.hex"))[0];
    let metadata = CncMetadata {
        lengths: CncLengths::default(),
        client_liveness_timeout: Duration::from_secs(10),
        start_timestamp: EpochMillis::new(1_795_234_301_247),
        pid: 22_403,
        file_page_size: 4096,
    };
    let view = AtomicView::allocate(48_238_592);
    Cnc::initialise(view.clone(), &metadata).unwrap().publish();
    assert_eq!(&view.to_vec(0, golden.len()), golden);
}

#[test]
fn commands_of_the_c_client_are_read_and_written_alike() {
    let golden = buffer_with_trailer(include_str!("golden/shm-to-driver-1.hex"));
    let bytes = golden.to_vec(0, golden.len());
    let mut commands = Vec::new();
    Consumer::new(golden).unwrap().read(100, |id, payload| commands.push((id, payload.to_vec())));
    let ids: Vec<_> = commands.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [1, 4, 3, 4, 4, 9, 15, 18, 1]);

    let ours = AtomicView::allocate(MIB + ring_buffer::TRAILER_LENGTH);
    let producer = Producer::new(ours.clone()).unwrap();
    for (id, payload) in &commands {
        producer.write(*id, payload).unwrap();
    }
    while producer.next_correlation_id().get() < 10 {}
    Consumer::new(ours.clone()).unwrap().set_heartbeat(EpochMillis::new(1_795_234_301_247));
    assert_eq!(ours.to_vec(0, ours.len()), bytes);
}

#[test]
fn events_of_the_c_driver_are_read_and_written_alike() {
    for (dump, count) in
        [(include_str!("golden/shm-to-clients-1.hex"), 13), (include_str!("golden/shm-to-clients-3.hex"), 10)]
    {
        let golden = buffer_with_trailer(dump);
        let bytes = golden.to_vec(0, golden.len());
        let latest = golden.get_i64(MIB + 16);
        // A receiver that was there from the beginning.
        golden.put_i64(MIB + 16, 0);
        let mut receiver = CopyReceiver::new(golden.clone()).unwrap();
        golden.put_i64(MIB + 16, latest);
        let ours = AtomicView::allocate(MIB + broadcast::TRAILER_LENGTH);
        let mut transmitter = Transmitter::new(ours.clone()).unwrap();
        let mut received = 0;
        while receiver.receive(|id, payload| transmitter.transmit(id, payload).unwrap()).unwrap() > 0 {
            received += 1;
        }
        assert_eq!(received, count);
        assert_eq!(ours.to_vec(0, ours.len()), bytes);
    }
}

fn golden_counters() -> (AtomicView, AtomicView) {
    (
        view_of(include_bytes!("golden/shm-counters-metadata.bin")),
        view_of(include_bytes!("golden/shm-counters-values.bin")),
    )
}

#[test]
fn counters_of_the_c_driver_are_read_and_written_alike() {
    let (metadata, values) = golden_counters();
    let golden: Vec<_> = CountersReader::new(metadata.clone(), values.clone()).iter().collect();
    assert_eq!(golden.len(), 67);

    let our_metadata = AtomicView::allocate(metadata.len());
    let our_values = AtomicView::allocate(values.len());
    let mut manager = CountersManager::new(our_metadata.clone(), our_values.clone(), Duration::from_secs(1));
    for counter in &golden {
        let new = NewCounter {
            type_id: counter.type_id,
            key: &counter.key,
            label: counter.label.as_bytes(),
            registration_id: counter.registration_id,
            owner_id: counter.owner_id,
            reference_id: counter.reference_id,
        };
        let allocated = manager.allocate(EpochMillis::new(0), &new).unwrap();
        assert_eq!(allocated.id(), counter.id);
        allocated.set_release(counter.value);
    }
    assert_eq!(our_values.to_vec(0, our_values.len()), values.to_vec(0, values.len()));
    assert_eq!(our_metadata.to_vec(0, our_metadata.len()), metadata.to_vec(0, metadata.len()));
}

/// Key and label as our encoders make them from what the golden counter's key says; the whole label for all types.
fn encoded_anew(counter: &CounterDescriptor) -> (Vec<u8>, String) {
    let key = &counter.key;
    let stream = |name: &str, channel: &str| {
        let key = StreamKey::decode(key).unwrap();
        stream_label(name, key.registration_id, key.session_id, key.stream_id, channel)
    };
    // Keys hold the beginning of the channel only; a label holds all of it.
    let channel = counter.label.split(' ').find(|part| part.starts_with("aeron")).unwrap_or_default();
    let bound = counter.label.rsplit(' ').next().unwrap_or_default();
    match counter.type_id {
        CounterTypeId::SYSTEM_COUNTER => {
            let key = SystemCounterKey::decode(key).unwrap();
            let ours = SystemCounter::ALL[key.counter_id.get() as usize];
            assert_eq!(ours.id(), counter.id);
            let suffix = counter.label.strip_prefix(ours.label()).expect("our label begins the reference's");
            assert!(suffix.is_empty() || suffix.starts_with(": "), "{suffix}");
            (key.encode().to_vec(), counter.label.clone())
        }
        CounterTypeId::SEND_CHANNEL_STATUS | CounterTypeId::RECEIVE_CHANNEL_STATUS => {
            let name = counter.type_id.label_name().unwrap();
            let key = ChannelKey::decode(key).unwrap().encode().to_vec();
            (key, bound_channel_label(name, channel, &bound))
        }
        CounterTypeId::LOCAL_SOCKET_ADDRESS => {
            let decoded = LocalSocketAddressKey::decode(key).unwrap();
            let name =
                if counter.label.starts_with("snd") { "snd-local-sockaddr" } else { "rcv-local-sockaddr" };
            let label = local_socket_address_label(name, decoded.channel_status_id, &decoded.address);
            (decoded.encode().to_vec(), label)
        }
        CounterTypeId::CLIENT_HEARTBEAT => {
            let suffix = heartbeat_label_suffix("golden-client", "1.53.0-SNAPSHOT", "63c11a6914");
            let decoded = HeartbeatKey::decode(key).unwrap();
            assert_eq!(decoded.client_id, ClientId::new(1));
            (decoded.encode().to_vec(), heartbeat_label(decoded.client_id) + &suffix)
        }
        CounterTypeId::SUBSCRIBER_POSITION => {
            let k = StreamKey::decode(key).unwrap();
            let label = subscriber_position_label(
                k.registration_id,
                k.session_id,
                k.stream_id,
                channel,
                Position::ZERO,
            );
            (k.encode().to_vec(), label)
        }
        CounterTypeId::PUBLISHER_POSITION => {
            let name = counter.label.split(':').next().unwrap();
            assert!(["pub-pos (concurrent)", "pub-pos (exclusive)"].contains(&name));
            (StreamKey::decode(key).unwrap().encode().to_vec(), stream(name, channel))
        }
        type_id => {
            let name = type_id.label_name().expect("a driver's type");
            (StreamKey::decode(key).unwrap().encode().to_vec(), stream(name, channel))
        }
    }
}

#[test]
fn keys_and_labels_of_the_c_driver_are_ours() {
    let (metadata, values) = golden_counters();
    let mut checked = 0;
    for counter in CountersReader::new(metadata, values).iter().filter(|counter| counter.type_id.get() < 1000)
    {
        let (key, label) = encoded_anew(&counter);
        assert_eq!(label, counter.label);
        assert_eq!(key, counter.key[..key.len()], "{label}");
        checked += 1;
    }
    assert_eq!(checked, 65);
}

#[test]
fn counters_are_found_by_type_and_registration() {
    let (metadata, values) = golden_counters();
    let reader = CountersReader::new(metadata, values);
    assert_eq!(reader.find(CounterTypeId::CLIENT_HEARTBEAT, 1), Some(CounterId::new(54)));
    assert_eq!(reader.find(CounterTypeId::SUBSCRIBER_POSITION, 3), Some(CounterId::new(66)));
    assert_eq!(reader.find(CounterTypeId::new(1102), 424_242), Some(CounterId::new(62)));
    assert_eq!(reader.find(CounterTypeId::SUBSCRIBER_POSITION, 4), None);
}

#[test]
fn errors_of_the_c_driver_are_read_and_written_alike() {
    let golden = &parts(include_str!("golden/shm-error-log.hex"))[0];
    let entries: Vec<_> = error_log::entries(view_of(golden)).collect();
    assert_eq!(entries.len(), 1);
    assert!(entries[0].text.starts_with("(22) Invalid argument\n[aeron_uri_get_mtu_length_param"));
    assert_eq!(entries[0].first_observation, EpochMillis::new(1_795_234_302_231));
    let ours = AtomicView::allocate(golden.len());
    let _ = DistinctErrorLog::new(ours.clone()).record(22, &entries[0].text, entries[0].first_observation);
    assert_eq!(&ours.to_vec(0, ours.len()), golden);
}

#[test]
fn losses_of_the_c_driver_are_read_and_written_alike() {
    for (dump, count, bytes, source) in [
        (include_str!("golden/loss.loss-report.hex"), 9, 2720, "127.0.0.1:40418"),
        (include_str!("golden/loss-gap.loss-report.hex"), 4, 2048, "127.0.0.1:49526"),
    ] {
        let golden = &parts(dump)[0];
        let entries: Vec<_> = loss_report::entries(view_of(golden)).collect();
        assert_eq!(entries.len(), 1);
        let entry = &entries[0];
        assert_eq!((entry.observation_count, entry.total_bytes_lost), (count, bytes));
        assert_eq!((entry.session_id, entry.stream_id), (SessionId::new(100_003), StreamId::new(1001)));
        assert_eq!(
            (entry.channel.as_str(), entry.source.as_str()),
            ("aeron:udp?endpoint=127.0.0.1:24325", source)
        );
        let ours = AtomicView::allocate(golden.len());
        let mut report = LossReport::new(ours.clone());
        let first = entry.first_observation;
        let handle = report
            .create_entry(bytes, first, entry.session_id, entry.stream_id, &entry.channel, &entry.source)
            .unwrap();
        for _ in 1..count {
            handle.observe(0, entry.last_observation);
        }
        assert_eq!(&ours.to_vec(0, ours.len()), golden);
    }
}
