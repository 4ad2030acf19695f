use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use epona_protocol::{
    counters::{
        CounterDescriptor, CountersManager, CountersReader, METADATA_RECORD_LENGTH, NewCounter,
        VALUE_RECORD_LENGTH,
    },
    memory::AtomicView,
    types::{CounterId, CounterTypeId, EpochMillis},
};

use super::{random, rounds};

const COUNTERS: usize = 64;
const LIVES: i64 = 5_000;
const REUSE: Duration = Duration::from_millis(20);

fn type_of(life: i64) -> CounterTypeId {
    CounterTypeId::new(1000 + (life % 100) as i32)
}

/// As long as the life is uneven, so that no two neighbours fit each other.
fn label_of(life: i64) -> String {
    format!("{life}.").repeat(1 + life as usize % 40)
}

/// All that a reader may see of a counter belongs to one life of it; which one.
fn check(counter: &CounterDescriptor) -> i64 {
    let life = counter.registration_id;
    assert_eq!(counter.type_id, type_of(life));
    assert_eq!(counter.label, label_of(life));
    assert_eq!(counter.key[..8], life.to_le_bytes());
    assert!([0, life].contains(&counter.value) && [0, -life].contains(&counter.owner_id), "{counter:?}");
    life
}

#[test]
fn readers_never_mix_two_lives_of_a_counter() {
    rounds("counters", |seed| {
        let metadata = AtomicView::allocate(COUNTERS * METADATA_RECORD_LENGTH);
        let values = AtomicView::allocate(COUNTERS * VALUE_RECORD_LENGTH);
        let reader = CountersReader::new(metadata.clone(), values.clone());
        let mut manager = CountersManager::new(metadata, values, REUSE);
        let has_ended = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut lives = [0; COUNTERS];
                    while !has_ended.load(Ordering::Acquire) {
                        // An id that is not registered yet has no life to tell it by.
                        for counter in reader.iter().filter(|counter| counter.registration_id != 0) {
                            let (life, last) = (check(&counter), &mut lives[counter.id.get() as usize]);
                            assert!(life >= *last, "{life} after {last}");
                            *last = life;
                        }
                    }
                });
            }
            live(&mut manager, seed);
            has_ended.store(true, Ordering::Release);
        });
        reader.iter().for_each(|counter| assert!(check(&counter) > 0));
    });
}

/// Allocates and frees as chance will have it.
fn live(manager: &mut CountersManager, seed: u64) {
    let mut chance = random(seed, 0);
    let mut allocated: Vec<CounterId> = Vec::new();
    for life in 1..=LIVES {
        let now = EpochMillis::new(life);
        let label = label_of(life);
        let new = NewCounter {
            type_id: type_of(life),
            key: &life.to_le_bytes(),
            label: label.as_bytes(),
            registration_id: life,
            owner_id: -life,
            reference_id: 0,
        };
        if let Ok(counter) = manager.allocate(now, &new) {
            counter.set_release(life);
            allocated.push(counter.id());
        }
        while allocated.len() > chance.usize(1..COUNTERS) {
            let id = allocated.swap_remove(chance.usize(..allocated.len()));
            assert!(manager.free(id, now));
        }
    }
}
