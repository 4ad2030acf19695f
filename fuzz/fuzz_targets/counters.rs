//! Counters of any content: every accessor and every key. The first two bytes of the input are the length of the
//! metadata; metadata and values follow.
#![no_main]

use epona_fuzz::{Input, memory};
use epona_protocol::{
    counters::{
        BootstrapNeighborKey, ChannelKey, CountersReader, HeartbeatKey, LocalSocketAddressKey, NameEntryKey,
        StreamKey, SystemCounterKey,
    },
    types::CounterId,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let split = usize::from(u16::from_le_bytes(input.take())).min(input.rest().len());
    let (metadata, values) = input.rest().split_at(split);
    let reader = CountersReader::new(memory(metadata, metadata.len()), memory(values, values.len()));
    for counter in reader.iter() {
        assert!((counter.id.get() as usize) < reader.capacity());
        decode_keys(&counter.key);
        assert!(reader.find(counter.type_id, counter.registration_id).is_some());
    }
    let ids = (-1..=reader.capacity() as i32).chain([i32::MIN, i32::MAX]).map(CounterId::new);
    for id in ids {
        let _ = (reader.state(id), reader.type_id(id), reader.key(id), reader.label(id), reader.value(id));
        let _ = (reader.registration_id(id), reader.owner_id(id), reader.reference_id(id));
        let _ = (reader.free_for_reuse_deadline(id), reader.descriptor(id), reader.readable(id));
        let _ = (reader.writable(id), reader.append_label(id, b" more"));
        let is_inside = (0..reader.capacity() as i32).contains(&id.get());
        assert_eq!(reader.value(id).is_some(), is_inside);
    }
    decode_keys(metadata);
});

fn decode_keys(key: &[u8]) {
    let _ = StreamKey::decode(key).map(|key| key.encode());
    let _ = ChannelKey::decode(key).map(|key| key.encode());
    let _ = LocalSocketAddressKey::decode(key).map(|key| key.encode());
    let _ = NameEntryKey::decode(key).map(|key| key.encode());
    let _ = HeartbeatKey::decode(key).map(|key| key.encode());
    let _ = SystemCounterKey::decode(key).map(|key| key.encode());
    let _ = BootstrapNeighborKey::decode(key).map(|key| key.encode());
}
