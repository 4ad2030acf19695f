//! Behaviour of counters through their public interface.

use core::time::Duration;
use std::collections::{HashMap, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::{
    memory::AtomicView,
    types::{ClientId, CounterId, CounterTypeId, EpochMillis, Position, SessionId, StreamId},
};

const REUSE_TIMEOUT_MS: i64 = 1000;
const START: EpochMillis = EpochMillis::new(1_700_000_000_000);

struct Fixture {
    metadata: AtomicView,
    values: AtomicView,
    manager: CountersManager,
    reader: CountersReader,
}

fn fixture(count: usize) -> Fixture {
    let metadata = AtomicView::allocate(count * METADATA_RECORD_LENGTH);
    let values = AtomicView::allocate(count * VALUE_RECORD_LENGTH);
    let timeout = Duration::from_millis(REUSE_TIMEOUT_MS as u64);
    let manager = CountersManager::new(metadata.clone(), values.clone(), timeout);
    let reader = CountersReader::new(metadata.clone(), values.clone());
    Fixture { metadata, values, manager, reader }
}

fn user_counter(label: &[u8], registration_id: i64) -> NewCounter<'_> {
    NewCounter {
        type_id: CounterTypeId::new(1101),
        key: &[1, 2, 3],
        label,
        registration_id,
        owner_id: 5,
        reference_id: 0,
    }
}

fn after(milliseconds: i64) -> EpochMillis {
    EpochMillis::new(START.get() + milliseconds)
}

#[test]
fn bytes_are_those_of_the_reference() {
    // Shared-memory spec 14.5: a subscriber position.
    let mut f = fixture(2);
    let channel = "aeron:udp?endpoint=localhost:20121";
    let (session_id, stream_id) = (SessionId::new(0xDEAD_BEEF_u32 as i32), StreamId::new(1001));
    let key = StreamKey { registration_id: 9, session_id, stream_id, channel: channel.into() }.encode();
    let label = subscriber_position_label(9, session_id, stream_id, channel, Position::ZERO);
    let new = NewCounter {
        type_id: CounterTypeId::SUBSCRIBER_POSITION,
        key: &key,
        label: label.as_bytes(),
        registration_id: 9,
        owner_id: 5,
        reference_id: 12,
    };
    let counter = f.manager.allocate(START, &new).unwrap();
    counter.set_release(4096);

    let mut metadata = vec![0; 2 * METADATA_RECORD_LENGTH];
    metadata[..16].copy_from_slice(&[1, 0, 0, 0, 4, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 0x7f]);
    metadata[16..36]
        .copy_from_slice(&[9, 0, 0, 0, 0, 0, 0, 0, 0xef, 0xbe, 0xad, 0xde, 0xe9, 3, 0, 0, 34, 0, 0, 0]);
    metadata[36..70].copy_from_slice(channel.as_bytes());
    metadata[128] = 64;
    metadata[132..196].copy_from_slice(b"sub-pos: 9 -559038737 1001 aeron:udp?endpoint=localhost:20121 @0");
    assert_eq!(f.metadata.to_vec(0, f.metadata.len()), metadata);
    let mut values = vec![0; 2 * VALUE_RECORD_LENGTH];
    (values[1], values[8], values[16], values[24]) = (0x10, 9, 5, 12);
    assert_eq!(f.values.to_vec(0, f.values.len()), values);
}

#[test]
fn a_reader_finds_what_the_manager_allocated() {
    let mut f = fixture(4);
    let first = f.manager.allocate(START, &user_counter(b"first", 7)).unwrap();
    let second = f.manager.allocate(START, &user_counter(b"second", 8)).unwrap();
    second.set_release(42);
    assert_eq!((first.id().get(), second.id().get()), (0, 1));
    assert_eq!(f.reader.find(CounterTypeId::new(1101), 8), Some(second.id()));
    assert_eq!(f.reader.find(CounterTypeId::new(1101), 9), None);
    assert_eq!(f.reader.find(CounterTypeId::new(1102), 8), None);
    let labels: Vec<_> = f.reader.iter().map(|counter| counter.label).collect();
    assert_eq!(labels, ["first", "second"]);
    let descriptor = f.reader.descriptor(second.id()).unwrap();
    assert_eq!((descriptor.value, descriptor.registration_id, descriptor.owner_id), (42, 8, 5));
    assert_eq!(descriptor.key[..4], [1, 2, 3, 0]);
    assert_eq!(f.reader.value(second.id()), Some(42));
    assert_eq!(f.reader.readable(second.id()).unwrap().position(), Position::new(42));
    f.reader.writable(second.id()).unwrap().set_release(43);
    assert_eq!(second.get_acquire(), 43);
    for id in [-1, 4, i32::MIN, i32::MAX].map(CounterId::new) {
        assert!(f.reader.state(id).is_none() && f.reader.value(id).is_none() && f.reader.label(id).is_none());
        assert!(f.reader.readable(id).is_none() && f.reader.writable(id).is_none());
        assert!(f.manager.counter(id).is_none() && !f.manager.free(id, START));
    }
}

#[test]
fn a_freed_id_cools_down_and_starts_anew() {
    let mut f = fixture(4);
    let id = f.manager.allocate(START, &user_counter(b"old label", 7)).unwrap().id();
    f.manager.counter(id).unwrap().set_release(99);
    assert!(f.manager.free(id, START));
    assert!(!f.manager.free(id, START), "a freed counter cannot be freed again");
    assert_eq!(f.reader.state(id), Some(RecordState::Reclaimed));
    assert_eq!(f.reader.free_for_reuse_deadline(id), Some(after(REUSE_TIMEOUT_MS)));
    assert_eq!((f.reader.label(id), f.reader.key(id), f.reader.descriptor(id)), (None, None, None));
    assert_eq!(f.reader.value(id), Some(99), "the value stays in place");
    assert_eq!(f.metadata.to_vec(16, MAX_KEY_LENGTH), [0; MAX_KEY_LENGTH]);

    let early = f.manager.allocate(after(REUSE_TIMEOUT_MS - 1), &user_counter(b"b", 8)).unwrap();
    assert_eq!(early.id(), CounterId::new(1));
    let reused = f.manager.allocate(after(REUSE_TIMEOUT_MS), &user_counter(b"new", 9)).unwrap();
    assert_eq!((reused.id(), reused.get()), (id, 0));
    assert_eq!(f.reader.label(id).as_deref(), Some("new"));
    assert_eq!(f.reader.free_for_reuse_deadline(id), Some(NOT_FREE_TO_REUSE));
    assert_eq!(f.reader.find(CounterTypeId::new(1101), 7), None);
}

#[test]
fn a_freed_id_does_not_rest_for_longer_when_the_clock_goes_back() {
    let mut f = fixture(1);
    let id = f.manager.allocate(START, &user_counter(b"old", 7)).unwrap().id();
    assert!(f.manager.free(id, START));
    f.manager.allocate(after(-1), &user_counter(b"early", 8)).unwrap_err();
    let reused = f.manager.allocate(after(-86_400_000), &user_counter(b"new", 9));
    assert_eq!(reused.unwrap().id(), id);
}

#[test]
fn a_value_can_be_confirmed_without_change_and_a_new_life_begins_unconfirmed() {
    let mut f = fixture(1);
    let counter = f.manager.allocate(START, &user_counter(b"limit", 7)).unwrap();
    let read = |f: &Fixture| f.reader.iter().next().unwrap().confirmation;
    assert_eq!(read(&f), None);
    counter.set_release(64);
    for (at, by) in [
        (after(5), Some("10.1.0.7:40456".parse().unwrap())),
        (after(6), None),
        (after(7), Some("[fe80::1]:65535".parse().unwrap())),
    ] {
        let confirmation = Confirmation { at, by };
        counter.confirm(confirmation);
        assert_eq!((read(&f), counter.confirmation()), (Some(confirmation), Some(confirmation)));
    }
    assert_eq!((counter.get(), f.reader.reference_id(counter.id())), (64, Some(0)));
    assert_eq!(f.values.to_vec(72, VALUE_RECORD_LENGTH - 72), [0; VALUE_RECORD_LENGTH - 72]);
    f.manager.free(counter.id(), START);
    f.manager.allocate(after(REUSE_TIMEOUT_MS), &user_counter(b"limit", 8)).unwrap();
    assert_eq!(read(&f), None);
}

#[test]
fn confirmations_that_make_no_sense_are_none() {
    let mut f = fixture(1);
    let counter = f.manager.allocate(START, &user_counter(b"limit", 7)).unwrap();
    let good = Confirmation { at: after(1), by: Some("10.1.0.7:1".parse().unwrap()) };
    for (offset, value, expected) in [
        (32, 0, None),
        (32, 7, None),
        (32, i64::MIN, Some(good)),
        (40, 0, None),
        (40, i64::MIN, None),
        (48, -1, Some(Confirmation { by: None, ..good })),
        (48, 65_536, Some(Confirmation { by: None, ..good })),
    ] {
        counter.confirm(good);
        f.values.put_i64(offset, value);
        assert_eq!(counter.confirmation(), expected, "{value} at {offset}");
    }
    // Whoever died while it wrote is followed by one that goes on.
    f.values.put_i64(32, 7);
    counter.confirm(good);
    assert_eq!(counter.confirmation(), Some(good));
}

#[test]
fn a_full_manager_says_so_until_an_id_has_cooled_down() {
    let mut f = fixture(2);
    let new = user_counter(b"x", 1);
    let id = f.manager.allocate(START, &new).unwrap().id();
    f.manager.allocate(START, &new).unwrap();
    let full = Err(CountersError::Full { count: 2 });
    assert_eq!(f.manager.allocate(START, &new).map(|counter| counter.id()), full);
    f.manager.free(id, START);
    assert_eq!(f.manager.allocate(START, &new).map(|counter| counter.id()), full);
    assert_eq!(f.manager.allocate(after(1000), &new).map(|counter| counter.id()), Ok(id));
}

#[test]
fn keys_and_labels_are_cut_to_their_fields() {
    let mut f = fixture(1);
    let (key, label) = ([7; 200], [b'x'; 500]);
    let new = NewCounter { key: &key, ..user_counter(&label, 1) };
    let id = f.manager.allocate(START, &new).unwrap().id();
    assert_eq!(f.reader.key(id).unwrap(), [7; MAX_KEY_LENGTH]);
    assert_eq!(f.reader.label(id).unwrap().len(), MAX_LABEL_LENGTH);
    assert!(f.manager.append_label(id, b"no room"));
    assert_eq!(f.reader.label(id).unwrap(), "x".repeat(MAX_LABEL_LENGTH));
}

#[test]
fn labels_change_and_end_at_a_nul() {
    let mut f = fixture(2);
    let id = f.manager.allocate(START, &user_counter(b"rcv-channel: a", 1)).unwrap().id();
    assert!(f.manager.set_label(id, b"rcv-channel: a 127.0.0.1:1"));
    assert!(f.reader.append_label(id, b" more") && f.manager.append_label(id, b"!"));
    assert_eq!(f.reader.label(id).unwrap(), "rcv-channel: a 127.0.0.1:1 more!");
    f.metadata.put_u8(132 + 11, 0);
    assert_eq!(f.reader.label(id).unwrap(), "rcv-channel");
    let unused = CounterId::new(1);
    assert!(!f.manager.set_label(unused, b"x") && !f.reader.append_label(unused, b"x"));
}

#[test]
fn iteration_skips_freed_counters_and_ends_at_the_first_unused() {
    let mut f = fixture(4);
    for registration_id in 0..3 {
        f.manager.allocate(START, &user_counter(b"x", registration_id)).unwrap();
    }
    f.manager.free(CounterId::new(1), START);
    let ids: Vec<_> = f.reader.iter().map(|counter| counter.id.get()).collect();
    assert_eq!(ids, [0, 2]);
    f.metadata.put_i32(3 * METADATA_RECORD_LENGTH, 1);
    f.metadata.put_i32(2 * METADATA_RECORD_LENGTH, 0);
    assert_eq!(f.reader.iter().count(), 1, "an allocated record behind an unused one is not looked for");
}

#[test]
fn handles_keep_to_their_ordering_verbs() {
    let counter = AtomicCounter::detached();
    counter.increment();
    counter.add(4);
    assert_eq!((counter.get(), counter.get_and_add(5), counter.get_acquire()), (5, 5, 10));
    assert!(counter.propose_max(11) && !counter.propose_max(11) && !counter.propose_max(3));
    counter.set(2);
    assert_eq!((counter.readable().get_acquire(), counter.id()), (2, CounterId::NULL));
}

#[test]
fn keys_come_back_as_they_went_in() {
    let long = "c".repeat(200);
    let (session_id, stream_id) = (SessionId::new(-3), StreamId::new(10));
    let stream = StreamKey { registration_id: -1, session_id, stream_id, channel: long.as_str().into() };
    let key = stream.encode();
    assert_eq!(key.len(), MAX_KEY_LENGTH);
    let decoded = StreamKey::decode(&key).unwrap();
    assert_eq!(decoded, StreamKey { channel: long[..92].into(), ..stream });
    let channel = ChannelKey { channel: long.as_str().into() }.encode();
    assert_eq!(ChannelKey::decode(&channel).unwrap().channel, long[..108]);
    let channel_status_id = CounterId::new(46);
    let address = LocalSocketAddressKey { channel_status_id, address: long.as_str().into() }.encode();
    let expected = LocalSocketAddressKey { channel_status_id, address: long[..103].into() };
    assert_eq!(LocalSocketAddressKey::decode(&address).unwrap(), expected);
    let heartbeat = HeartbeatKey { client_id: ClientId::new(i64::MIN) };
    assert_eq!(HeartbeatKey::decode(&heartbeat.encode()), Some(heartbeat));
    let system = SystemCounterKey { counter_id: CounterId::new(45) };
    assert_eq!((SystemCounterKey::decode(&system.encode()), system.encode().len()), (Some(system), 4));
    let neighbor = BootstrapNeighborKey { index: 2 };
    assert_eq!(BootstrapNeighborKey::decode(&neighbor.encode()), Some(neighbor));
    let name = NameEntryKey { name: long.as_str().into() }.encode();
    assert_eq!(name[..4], 200_i32.to_le_bytes());
    assert_eq!(NameEntryKey::decode(&name).unwrap().name, long[..108]);
    assert!(Key::EMPTY.is_empty());
}

#[test]
fn labels_are_those_of_the_reference() {
    let (session_id, stream_id, ipc) = (SessionId::new(-5), StreamId::new(1001), "aeron:ipc");
    assert_eq!(stream_label("pub-lmt", 4, session_id, stream_id, ipc), "pub-lmt: 4 -5 1001 aeron:ipc");
    let joined = subscriber_position_label(4, session_id, stream_id, ipc, Position::new(64));
    assert_eq!(joined, "sub-pos: 4 -5 1001 aeron:ipc @64");
    assert_eq!(channel_label("mdc-num-dest", "aeron:udp?a=b"), "mdc-num-dest: aeron:udp?a=b");
    assert_eq!(bound_channel_label("snd-channel", "aeron:udp?a=b", &"h:1"), "snd-channel: aeron:udp?a=b h:1");
    let address = local_socket_address_label("rcv-local-sockaddr", CounterId::new(55), &"127.0.0.1:1");
    assert_eq!(address, "rcv-local-sockaddr: 55 127.0.0.1:1");
    assert_eq!(heartbeat_label(ClientId::new(9)), "client-heartbeat: id=9");
    assert_eq!(heartbeat_label_suffix("n", "1.0", "abc"), " name=n version=1.0 commit=abc");
    assert_eq!(resolver_neighbors_label(&"h:1"), "Resolver neighbors: bound h:1");
    assert_eq!(resolver_cache_label("A"), "Resolver cache entries: name=A");
    assert_eq!(bootstrap_neighbor_label("n", &"h:1"), "Bootstrap neighbor: name=n resolved=h:1");
    let entry = name_entry_label("n", "a", "b");
    assert_eq!(entry, "NameEntry{name='n', initialResolutionHost='a', reResolutionHost='b'}");
}

#[test]
fn channel_statuses_have_their_values() {
    for (value, status) in [
        (-1, ChannelStatus::Errored),
        (0, ChannelStatus::Initializing),
        (1, ChannelStatus::Active),
        (2, ChannelStatus::Closing),
    ] {
        assert_eq!((status.value(), ChannelStatus::from_value(value)), (value, Some(status)));
    }
    assert_eq!(ChannelStatus::from_value(3), None);
}

#[derive(Clone, Debug)]
enum Step {
    Allocate,
    Free(usize),
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Allocate),
        2 => (0..16_usize).prop_map(Step::Free),
        1 => (0..1500_i64).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn ids_are_given_out_as_a_simple_model_says(steps in prop::collection::vec(step(), 1..120)) {
        const COUNT: usize = 6;
        let mut f = fixture(COUNT);
        let (mut live, mut free, mut never_used) = (HashMap::new(), VecDeque::<(i32, i64)>::new(), 0);
        let mut now = 0;
        for (registration_id, step) in (0..).zip(steps) {
            match step {
                Step::Wait(milliseconds) => now += milliseconds,
                Step::Free(index) => {
                    let id = index as i32 % COUNT as i32;
                    let was_live = live.remove(&id).is_some();
                    prop_assert_eq!(f.manager.free(CounterId::new(id), after(now)), was_live);
                    if was_live {
                        free.push_back((id, now + REUSE_TIMEOUT_MS));
                    }
                }
                Step::Allocate => {
                    let expected = if free.front().is_some_and(|(_, deadline)| now >= *deadline) {
                        free.pop_front().map(|(id, _)| id)
                    } else if never_used < COUNT as i32 {
                        never_used += 1;
                        Some(never_used - 1)
                    } else {
                        None
                    };
                    let label = format!("counter {registration_id}");
                    let got = f.manager.allocate(after(now), &user_counter(label.as_bytes(), registration_id));
                    prop_assert_eq!(got.as_ref().ok().map(|counter| counter.id().get()), expected);
                    if let Ok(counter) = got {
                        counter.set_release(registration_id * 10);
                        live.insert(counter.id().get(), registration_id);
                    }
                }
            }
        }
        let seen: HashMap<_, _> = f.reader.iter().map(|counter| {
            assert_eq!(counter.label, format!("counter {}", counter.registration_id));
            assert_eq!(counter.value, counter.registration_id * 10);
            (counter.id.get(), counter.registration_id)
        }).collect();
        prop_assert_eq!(seen, live);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(
        metadata in prop::collection::vec(prop_oneof![Just(1_u8), Just(0), Just(0xff), any::<u8>()], 2 * METADATA_RECORD_LENGTH + 100),
        values in prop::collection::vec(any::<u8>(), 2 * VALUE_RECORD_LENGTH + 10),
        states in prop::array::uniform2(-1..2_i32),
        length in any::<i32>(),
    ) {
        let (metadata_view, values_view) = (AtomicView::allocate(metadata.len()), AtomicView::allocate(values.len()));
        metadata_view.write(0, &metadata);
        values_view.write(0, &values);
        for (index, state) in states.into_iter().enumerate() {
            metadata_view.put_i32(index * METADATA_RECORD_LENGTH, state);
            metadata_view.put_i32(index * METADATA_RECORD_LENGTH + 128, length);
        }
        let reader = CountersReader::new(metadata_view, values_view);
        prop_assert_eq!(reader.capacity(), 2);
        for counter in reader.iter() {
            prop_assert!(counter.label.chars().count() <= MAX_LABEL_LENGTH);
            let _ = StreamKey::decode(&counter.key);
            let _ = ChannelKey::decode(&counter.key);
            let _ = LocalSocketAddressKey::decode(&counter.key);
            let _ = NameEntryKey::decode(&counter.key);
        }
        let _ = reader.find(CounterTypeId::new(1), 1);
        reader.append_label(CounterId::new(0), b"text");
    }

    #[test]
    fn short_keys_are_refused_without_panic(key in prop::collection::vec(any::<u8>(), 0..24)) {
        let _ = (StreamKey::decode(&key), ChannelKey::decode(&key), LocalSocketAddressKey::decode(&key));
        let _ = (HeartbeatKey::decode(&key), SystemCounterKey::decode(&key), BootstrapNeighborKey::decode(&key));
        prop_assert_eq!(HeartbeatKey::decode(&key).is_some(), key.len() >= 8);
    }
}

#[test]
fn the_name_of_a_client_is_read_off_the_label_of_its_heartbeat() {
    let label = |name: &str| format!("client-heartbeat: id=7{}", heartbeat_label_suffix(name, "0.1", "abc"));
    assert_eq!(heartbeat_client_name(&label("risk engine")), Some("risk engine"));
    assert_eq!(heartbeat_client_name(&label("")), None);
    assert_eq!(heartbeat_client_name("client-heartbeat: id=7 name=cut off"), Some("cut off"));
    assert_eq!(heartbeat_client_name("client-heartbeat: id=7"), None);
}

#[test]
fn storage_is_set_aside_ahead_of_the_counters_in_use_and_its_end_is_an_error() {
    let reserved = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = std::sync::Arc::clone(&reserved);
    let storage = CounterStorage::new(
        4,
        Box::new(move |ids| {
            told.lock().unwrap().push(ids.clone());
            ids.end <= 8
        }),
    );
    let buffers = |record: usize| AtomicView::allocate(100 * record);
    let mut manager = CountersManager::new(buffers(512), buffers(128), Duration::ZERO).with_storage(storage);
    let new = NewCounter {
        type_id: CounterTypeId::new(1),
        key: &[],
        label: b"",
        registration_id: 0,
        owner_id: 0,
        reference_id: 0,
    };
    let mut allocate = || manager.allocate(EpochMillis::new(0), &new).map(|counter| counter.id().get());
    let allocated: Vec<_> = (0..8).map(|_| allocate()).collect();
    let ids: Vec<_> = (0..7).map(Ok).collect();
    assert_eq!(allocated[..7], ids);
    assert_eq!(allocated[7], Err(CountersError::Storage { reserved: 8 }), "the one after it would have none");
    assert_eq!(*reserved.lock().unwrap(), [0..4, 4..8, 8..12]);
}
