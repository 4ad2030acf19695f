//! Strangers who send setups of made-up sessions of a stream that is subscribed to, beside one that is genuine: each may
//! become an image, with a log and counters, until one of three limits.

use std::{fs, ops::Range};

use epona_client::{CounterTypeId, ErrorCode, SessionId};
use epona_protocol::{counters::SystemCounter, frame::Setup};

use crate::{
    floods::{STREAM, Scene},
    process::{Driver, refused, until, workspace},
    skip::skipped,
    small_disk::{mount_point, show, with_small_file_system},
    traffic::{exchange, free_port},
};

/// Three terms, as long as the setups say, and the metadata. Source: shared-memory spec, log buffers.
const LOG_LENGTH: i64 = 3 * 65_536 + 4096;

/// Made-up sessions go soon; the genuine one stays although its driver may be kept from the processor for seconds.
const IMPATIENT: &str = "-Daeron.image.liveness.timeout=6s";

/// What images take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Resources {
    images: usize,
    logs: usize,
    mapped: i64,
    counters: usize,
}

impl Resources {
    fn of(scene: &Scene) -> Self {
        Self {
            images: scene.subscription.image_count(),
            logs: fs::read_dir(scene.driver.directory().join("images")).unwrap().count(),
            mapped: scene.driver.counter(SystemCounter::BytesCurrentlyMapped),
            counters: scene.aeron.counters_reader().iter().count(),
        }
    }
}

impl Scene {
    /// Sends setups of these sessions, in portions, with the genuine stream between them.
    #[track_caller]
    fn flood(&mut self, sessions: Range<i32>) {
        for number in sessions {
            let session_id = SessionId::new(500_000 + number);
            self.send(self.target, 40, |buffer| Setup { session_id, ..self.setup() }.emit(buffer));
            if number % 25 == 0 {
                self.exchange();
            }
        }
    }

    /// Waits until nothing is left of a flood, while the genuine stream goes on.
    #[track_caller]
    fn await_again(&mut self, before: Resources) {
        until("the made-up sessions are forgotten", || {
            self.exchange();
            (Resources::of(self) == before).then_some(())
        });
    }

    /// Floods until the driver has refused something with these words; the number of the next session.
    #[track_caller]
    fn flood_until_refused(&mut self, words: &str) -> i32 {
        let mut next = 0;
        until("the driver refuses to make more images", || {
            self.flood(next..next + 100);
            next += 100;
            self.driver.errors().iter().any(|error| error.contains(words)).then_some(next)
        })
    }
}

#[test]
fn a_session_limit_is_one() {
    let mut scene = Scene::new(&[IMPATIENT, "-Daeron.driver.stream.session.limit=8"]);
    let before = Resources::of(&scene);
    let mut most = 0;
    for round in 0..10 {
        scene.flood(round * 250..(round + 1) * 250);
        most = most.max(scene.subscription.image_count());
    }
    assert!((2..=8).contains(&most), "{most} images at a time");
    let errors = scene.driver.errors();
    assert!(errors.iter().any(|error| error.contains("session limit")), "{errors:?}");
    scene.await_again(before);
    scene.aeron.close();
}

#[test]
fn without_a_session_limit_each_made_up_session_costs_a_log_until_it_times_out() {
    const SESSIONS: i32 = 300;
    let mut scene = Scene::new(&[IMPATIENT]);
    let (before, memory) = (Resources::of(&scene), scene.memory());
    let (most, memory_then) =
        until("many setups have become images, and nothing more of them for now", || {
            scene.flood(0..SESSIONS);
            // What the driver made, which the client may yet have to hear of; twice, so that this is what the memory is for.
            let (now, memory) = (Resources::of(&scene), scene.memory());
            (now.images > 100 && now == Resources::of(&scene)).then_some((now, memory))
        });
    let made = most.logs - before.logs;
    assert!(most.images - before.images <= SESSIONS as usize, "{most:?}");
    assert!(most.mapped <= before.mapped + LOG_LENGTH * i64::from(SESSIONS), "{most:?}");
    assert!(most.counters <= before.counters + 4 * SESSIONS as usize, "{most:?}");
    // What is touched of a sparse log, of its counters and of what the driver itself keeps.
    let grown = memory_then.saturating_sub(memory) / made as u64;
    assert!(grown < 64, "{grown} KiB for each image");
    scene.await_again(before);
    scene.aeron.close();
    scene.driver.end_healthy();
}

#[test]
fn made_up_sessions_that_fill_the_storage_are_refused_and_leave_the_genuine_stream_its_own() {
    let workspace = workspace();
    let mount = mount_point(&workspace);
    let Some(command) = with_small_file_system(&mount, "32m") else {
        skipped("this user may not mount file systems");
        return;
    };
    let driver = Driver::spawn(
        command,
        &workspace,
        &mount.join("aeron"),
        &["--threading-mode", "DEDICATED", IMPATIENT],
    );
    show(&driver);
    let mut scene = Scene::of(workspace, driver);
    let before = Resources::of(&scene);
    let mut next = scene.flood_until_refused("insufficient storage");
    // The logs of the genuine stream are sparse: several terms of it have yet to be stored.
    for _ in 0..20 {
        scene.exchange();
    }
    let channel = format!("aeron:udp?endpoint=127.0.0.1:{}", free_port());
    // What came first of the flood may have gone by now.
    let refusal = until("a publication is refused", || {
        scene.flood(next..next + 100);
        next += 100;
        scene.aeron.add_publication(&channel, STREAM).err()
    });
    let (code, text) = refused::<()>(Err(refusal));
    assert_eq!(code, ErrorCode::StorageSpace, "{text}");
    scene.await_again(before);
    let mut subscription = scene.aeron.add_subscription(&channel, STREAM).unwrap();
    let publication = scene.aeron.add_publication(&channel, STREAM).unwrap();
    exchange(&publication, &mut subscription, 20);
    scene.aeron.close();
}

#[test]
fn made_up_sessions_that_take_all_counters_are_refused_and_the_genuine_stream_goes_on() {
    let mut scene = Scene::new(&[IMPATIENT, "-Daeron.counters.buffer.length=1m"]);
    // Most of the 8192 there are.
    let add = |_| scene.aeron.add_counter_async(CounterTypeId::new(1000), b"key", "hoard").unwrap();
    let mut hoard = Vec::new();
    for _ in 0..40 {
        let asked: Vec<_> = (0..200).map(add).collect();
        hoard.extend(asked.into_iter().map(|counter| counter.wait().unwrap()));
    }
    let before = Resources::of(&scene);
    scene.flood_until_refused("aeron.counters.buffer.length");
    scene.exchange();
    scene.await_again(before);
    drop(hoard);
    scene.aeron.close();
}
