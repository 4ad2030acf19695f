//! Every situation that a directory can be in when a driver starts.

use std::cell::Cell;

use epona_protocol::{
    cnc::{CncLengths, CncMetadata},
    error_log::DistinctErrorLog,
    memory::Allocation,
    ring_buffer,
    types::{Nanos, Now},
};

use super::*;

const TIMEOUT: Duration = Duration::from_secs(10);
const EPOCH: i64 = 1_700_000_000_000;

/// A clock that only moves when someone pauses.
#[derive(Default, Debug)]
struct HandClock {
    elapsed: Cell<Duration>,
}

impl HandClock {
    fn advance(&self, by: Duration) {
        self.elapsed.set(self.elapsed.get() + by);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Now {
        let elapsed = self.elapsed.get();
        Now { nanos: Nanos::new(0) + elapsed, epoch: EpochMillis::new(EPOCH) + elapsed }
    }
}

struct World {
    _parent: tempfile::TempDir,
    settings: config::Directory,
    clock: HandClock,
}

impl World {
    fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("deep").join("aeron");
        let settings = config::Directory { path, driver_timeout: TIMEOUT, ..config::Directory::default() };
        Self { _parent: parent, settings, clock: HandClock::default() }
    }

    fn with_directory() -> Self {
        let world = Self::new();
        fs::create_dir_all(&world.settings.path).unwrap();
        world
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.settings.path.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn take_over(&self) -> Result<DriverDirectory, DirectoryError> {
        DriverDirectory::take_over(&self.settings, &self.clock, |period| self.clock.advance(period))
    }

    /// What a driver leaves: `cnc.dat` with this heartbeat.
    fn cnc(&self, heartbeat: i64) -> Cnc {
        let cnc = self.unpublished_cnc();
        ring_buffer::Consumer::new(cnc.to_driver()).unwrap().set_heartbeat(EpochMillis::new(heartbeat));
        cnc.publish();
        cnc
    }

    fn unpublished_cnc(&self) -> Cnc {
        let metadata = CncMetadata {
            lengths: CncLengths {
                to_driver: 4096 + 768,
                to_clients: 4096 + 128,
                counters_metadata: 16_384,
                counters_values: 4096,
                error_log: 4096,
            },
            client_liveness_timeout: TIMEOUT,
            start_timestamp: EpochMillis::new(EPOCH),
            pid: 1,
            file_page_size: 4096,
        };
        Cnc::create(&self.settings.path, &metadata, Allocation::Sparse).unwrap()
    }

    fn entries(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.settings.path).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn assert_fresh(&self) {
        assert_eq!(self.entries(), [IMAGES, PUBLICATIONS]);
    }
}

#[test]
fn a_missing_directory_is_created_with_its_parents() {
    let world = World::new();
    let directory = world.take_over().unwrap();
    world.assert_fresh();
    assert!(directory.notices().is_empty());
    let log = publication_log(directory.path(), RegistrationId::new(7));
    assert_eq!(log, world.settings.path.join("publications/7.logbuffer"));
    let log = image_log(directory.path(), CorrelationId::new(-8));
    assert_eq!(log, world.settings.path.join("images/-8.logbuffer"));
}

/// DRV-02.
#[test]
fn a_directory_without_cnc_is_made_anew() {
    let world = World::with_directory();
    world.take_over().unwrap();
    world.file(LOSS_REPORT_FILE, b"old");
    world.file("images/1.logbuffer", b"old");
    world.take_over().unwrap();
    world.assert_fresh();
    assert_eq!(fs::read_dir(world.settings.path.join(IMAGES)).unwrap().count(), 0);
}

/// DRV-08.
#[test]
fn a_directory_with_an_active_driver_is_refused_and_left_alone() {
    let world = World::with_directory();
    let _cnc = world.cnc(EPOCH - 10_000);
    let error = world.take_over().unwrap_err();
    assert!(matches!(error, DirectoryError::ActiveDriver { age_ms: 10_000, .. }), "{error}");
    assert!(error.to_string().starts_with("Active media driver detected"), "{error}");
    assert_eq!(world.entries(), [CNC_FILE]);
}

/// DRV-20.
#[test]
fn a_driver_stopped_or_silent_is_replaced_and_its_errors_saved() {
    for heartbeat in [-1, EPOCH - 10_001, 0] {
        let world = World::with_directory();
        let cnc = world.cnc(heartbeat);
        let mut log = DistinctErrorLog::new(cnc.error_log());
        for _ in 0..2 {
            let _ = log.record(11, "something broke", EpochMillis::new(EPOCH));
        }
        let _ = log.record(12, "so did this", EpochMillis::new(EPOCH));
        let directory = world.take_over().unwrap();
        world.assert_fresh();
        let [notice] = directory.notices() else { panic!("{:?}", directory.notices()) };
        let saved = world.settings.path.with_file_name("aeron-2023-11-14 22-13-20.000+0000-error.log");
        assert!(notice.contains(saved.to_str().unwrap()), "{notice}");
        let text = fs::read_to_string(saved).unwrap();
        assert!(text.contains("2 observations from 2023-11-14 22:13:20.000+0000 to"), "{text}");
        assert!(
            text.contains("something broke") && text.ends_with("\n2 distinct errors observed.\n"),
            "{text}"
        );
    }
}

/// DRV-22.
#[test]
fn errors_that_cannot_be_saved_are_told_and_the_directory_is_taken_over() {
    let world = World::with_directory();
    let mut log = DistinctErrorLog::new(world.cnc(-1).error_log());
    let _ = log.record(11, "something broke", EpochMillis::new(EPOCH));
    // A directory has the name of the file.
    let taken = world.settings.path.with_file_name("aeron-2023-11-14 22-13-20.000+0000-error.log");
    fs::create_dir(&taken).unwrap();
    let directory = world.take_over().unwrap();
    world.assert_fresh();
    let [warning, errors] = directory.notices() else { panic!("{:?}", directory.notices()) };
    assert!(
        warning.contains("could not save existing errors to") && warning.contains(taken.to_str().unwrap())
    );
    assert!(errors.contains("something broke") && errors.contains("1 distinct errors observed"), "{errors}");
}

#[test]
fn a_driver_without_errors_leaves_nothing_behind() {
    let world = World::with_directory();
    world.cnc(-1);
    assert!(world.take_over().unwrap().notices().is_empty());
    assert_eq!(fs::read_dir(world.settings.path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_cnc_that_never_got_its_version_is_replaced_after_the_driver_timeout() {
    let world = World::with_directory();
    world.unpublished_cnc();
    world.take_over().unwrap();
    world.assert_fresh();
    assert!(world.clock.elapsed.get() >= TIMEOUT);
}

#[test]
fn a_cnc_that_gets_ready_while_looked_at_counts_as_active() {
    let world = World::with_directory();
    let cnc = world.unpublished_cnc();
    let consumer = ring_buffer::Consumer::new(cnc.to_driver()).unwrap();
    let result = DriverDirectory::take_over(&world.settings, &world.clock, |period| {
        world.clock.advance(period);
        consumer.set_heartbeat(world.clock.now().epoch);
        cnc.publish();
    });
    assert!(matches!(result, Err(DirectoryError::ActiveDriver { .. })));
}

#[test]
fn a_cnc_of_another_major_version_is_refused_and_left_alone() {
    let world = World::with_directory();
    let mut bytes = vec![0; 8192];
    bytes[..4].copy_from_slice(&0x0001_0000_i32.to_le_bytes());
    world.file(CNC_FILE, &bytes);
    let error = world.take_over().unwrap_err();
    assert!(matches!(error, DirectoryError::OtherVersion { .. }), "{error}");
    assert!(error.to_string().contains("1.0.0") && error.to_string().contains("0.2.0"), "{error}");
    assert_eq!(world.entries(), [CNC_FILE]);
}

#[test]
fn an_empty_cnc_is_refused() {
    let world = World::with_directory();
    world.file(CNC_FILE, b"");
    let error = world.take_over().unwrap_err();
    assert!(matches!(error, DirectoryError::UnreadableCnc { .. }), "{error}");
}

#[test]
fn a_directory_that_is_not_ours_is_refused_and_left_alone() {
    for delete_on_start in [false, true] {
        let mut world = World::with_directory();
        world.settings.delete_on_start = delete_on_start;
        let precious = world.file("thesis.tex", b"years of work");
        let error = world.take_over().unwrap_err();
        assert!(matches!(&error, DirectoryError::Foreign { found, .. } if found == "thesis.tex"), "{error}");
        assert!(precious.exists());
    }
}

#[test]
fn a_file_in_place_of_the_directory_is_refused() {
    let mut world = World::with_directory();
    world.settings.path = world.file("file", b"");
    assert!(matches!(world.take_over(), Err(DirectoryError::NotADirectory { .. })));
}

#[test]
fn a_parent_that_is_a_file_is_an_error_that_names_the_path() {
    let mut world = World::with_directory();
    world.settings.path = world.file("file", b"").join("aeron");
    let error = world.take_over().unwrap_err();
    assert!(error.to_string().contains("file/aeron"), "{error}");
}

#[test]
fn delete_on_start_does_not_ask_whether_a_driver_is_active() {
    let mut world = World::with_directory();
    world.settings.delete_on_start = true;
    world.cnc(EPOCH);
    world.take_over().unwrap();
    world.assert_fresh();
}

#[test]
fn warnings_are_given_when_asked_for() {
    let mut world = World::with_directory();
    world.settings.warn_if_exists = true;
    world.cnc(EPOCH - 60_000);
    let directory = world.take_over().unwrap();
    let notices = directory.notices().join("\n");
    assert!(notices.starts_with("WARNING: ") && notices.contains("heartbeat is 60000 ms old"), "{notices}");
}

#[test]
fn deleting_removes_everything_and_may_be_done_when_nothing_is_there() {
    let world = World::new();
    let directory = world.take_over().unwrap();
    world.file("cnc.dat", b"x");
    directory.delete().unwrap();
    assert!(!world.settings.path.exists());
    delete(&world.settings.path).unwrap();
}

#[test]
fn a_linked_directory_is_emptied_and_stays_linked() {
    let mut world = World::with_directory();
    world.cnc(-1);
    let link = world.settings.path.with_file_name("link");
    std::os::unix::fs::symlink(&world.settings.path, &link).unwrap();
    world.settings.path = link.clone();
    world.take_over().unwrap();
    world.assert_fresh();
    assert!(fs::symlink_metadata(link).unwrap().is_symlink());
}
