//! Log buffer files: made by one process, mapped by another, which trusts nothing in them.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use epona_protocol::{
    logbuffer::{
        LogBuffers, LogBuffersError, LogKind, LogParameters, PageSize, PreTouch,
        appender::{ConcurrentAppender, ExclusiveAppender},
    },
    memory::{Allocation, HUGE_PAGE},
    types::{Nanos, Position, TermLength},
};
use tempfile::TempDir;

use crate::support::{FAR, TERM, messages, parameters};

const TERM_LENGTH_FIELD: usize = 276;
const PAGE_SIZE_FIELD: usize = 280;
const MTU_FIELD: usize = 272;

fn directory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("7.logbuffer");
    (directory, path)
}

/// Opens a file whose metadata has one changed field.
fn open_with_field(field: usize, value: i32, length: usize) -> Result<LogBuffers, LogBuffersError> {
    let (_directory, path) = directory();
    LogBuffers::create(&path, &parameters(LogKind::ConcurrentPublication), Allocation::Sparse).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() - 4096 + field;
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    fs::write(&path, &bytes[bytes.len() - length..]).unwrap();
    LogBuffers::open(&path)
}

#[test]
fn what_a_publisher_writes_a_subscriber_reads_from_the_file() {
    for allocation in [Allocation::Sparse, Allocation::Full] {
        let (_directory, path) = directory();
        let created =
            LogBuffers::create(&path, &parameters(LogKind::ConcurrentPublication), allocation).unwrap();
        let publisher = LogBuffers::open(&path).unwrap();
        let subscriber = LogBuffers::open_to_read(&path).unwrap();
        ConcurrentAppender::new(publisher).unwrap().offer(b"hello", FAR).unwrap();
        assert_eq!(messages(subscriber.term(0), 0), [b"hello"]);
        assert_eq!(created.producer_position().get(), 64);
        assert_eq!(
            (subscriber.session_id(), subscriber.stream_id()),
            (created.session_id(), created.stream_id())
        );
        assert_eq!(subscriber.geometry(), created.geometry());
    }
}

#[test]
fn metadata_lies_at_the_end_of_large_pages() {
    let (_directory, path) = directory();
    let parameters = LogParameters {
        page_size: PageSize::new(2 * 1024 * 1024).unwrap(),
        ..parameters(LogKind::ExclusivePublication)
    };
    LogBuffers::create(&path, &parameters, Allocation::Sparse).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), 2 * 1024 * 1024);
    let opened = LogBuffers::open(&path).unwrap();
    assert_eq!(opened.metadata().page_size(), Ok(parameters.page_size));
    assert_eq!(opened.metadata().kind(), Some(LogKind::ExclusivePublication));
}

#[test]
fn a_file_that_is_cut_short_is_refused() {
    let whole = 3 * TERM as usize + 4096;
    assert!(open_with_field(TERM_LENGTH_FIELD, TERM, whole).is_ok());
    for length in [whole - 4096, whole - 8, 4096, 100] {
        let error = open_with_field(TERM_LENGTH_FIELD, TERM, length).unwrap_err();
        assert!(
            matches!(error, LogBuffersError::TooShort { actual, minimum } if actual == length && minimum == whole)
        );
    }
    let error = open_with_field(TERM_LENGTH_FIELD, 2 * TERM, whole).unwrap_err();
    assert!(error.to_string().contains("397312"), "{error}");
}

#[test]
fn metadata_that_makes_no_sense_is_refused() {
    let whole = 3 * TERM as usize + 4096;
    for value in [0, -1, i32::MIN, TERM - 1, TERM / 2, i32::MAX] {
        let error = open_with_field(TERM_LENGTH_FIELD, value, whole).unwrap_err();
        assert!(matches!(error, LogBuffersError::TermLength(_)), "{error}");
        let error = open_with_field(PAGE_SIZE_FIELD, value | 1, whole).unwrap_err();
        assert!(matches!(error, LogBuffersError::PageSize(_)), "{error}");
    }
}

#[test]
fn an_invalid_mtu_matters_only_to_publishers() {
    let log = open_with_field(MTU_FIELD, 32, 3 * TERM as usize + 4096).unwrap();
    assert!(ConcurrentAppender::new(log.clone()).is_err());
    assert!(ExclusiveAppender::new(log).is_err());
}

#[test]
fn a_missing_file_is_an_io_error() {
    let (_directory, path) = directory();
    assert!(matches!(LogBuffers::open(&path), Err(LogBuffersError::Io(_))));
}

/// A file's place where storage is pages of memory, as drivers have it.
fn directory_in_memory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = directory.path().join("7.logbuffer");
    (directory, path)
}

/// Bytes of storage that a file has.
fn stored(path: &Path) -> u64 {
    fs::metadata(path).unwrap().blocks() * 512
}

#[test]
fn storage_is_found_ahead_of_a_publisher_as_far_as_it_has_come() {
    const PIECE: i64 = 4 << 10;
    const TERM: i64 = 512 << 10;
    let (_directory, path) = directory_in_memory();
    let parameters = LogParameters {
        term_length: TermLength::new(TERM).unwrap(),
        ..parameters(LogKind::ConcurrentPublication)
    };
    let log = LogBuffers::create(&path, &parameters, Allocation::Sparse).unwrap();
    let at_first = stored(&path);
    let pre_touch = PreTouch::new(Position::ZERO);
    let stored_at = |position| {
        pre_touch.reach(&log, Position::new(position), NOW);
        (stored(&path) - at_first) as i64 / PIECE
    };
    assert_eq!(stored_at(0), 0, "nothing was written");
    assert_eq!(stored_at(64), 1);
    assert_eq!(stored_at(PIECE / 2), 1);
    assert_eq!(stored_at(PIECE), 2);
    assert_eq!(stored_at(10 * PIECE), 12, "it found most of its first ten by itself");
    assert_eq!(stored_at(TERM - PIECE), 13, "to the end of the term");
    assert_eq!(stored_at(TERM - PIECE), 76, "and on in the next");
    assert_eq!(stored_at(3 * TERM), 76, "that is all of it");
}

#[test]
fn storage_is_found_in_steps_for_who_has_other_work() {
    const PIECE: i64 = 4 << 10;
    let (_directory, path) = directory_in_memory();
    let log = LogBuffers::create(&path, &parameters(LogKind::Image), Allocation::Sparse).unwrap();
    let at_first = stored(&path);
    let pre_touch = PreTouch::in_steps(Position::ZERO);
    let stored_after = |looks: usize| {
        (0..looks).for_each(|_| pre_touch.reach(&log, Position::new(4 * PIECE), NOW));
        (stored(&path) - at_first) as i64 / PIECE
    };
    assert_eq!([1, 1, 1, 1].map(stored_after), [1, 2, 3, 4]);
    assert_eq!(stored_after(5), 4, "no further than it has come");
}

const HUGE: i64 = HUGE_PAGE as i64;

/// When nothing says how time goes by, it stands still: streams are fast.
const NOW: Nanos = Nanos::new(1);

/// A log with terms of two huge pages that is written to from `start` on, and its storage.
struct HugeWorld {
    _directory: TempDir,
    path: PathBuf,
    log: LogBuffers,
    pre_touch: PreTouch,
    seen: u64,
    now: Nanos,
}

impl HugeWorld {
    fn new(start: i64) -> Self {
        let (directory, path) = directory_in_memory();
        let parameters = LogParameters {
            term_length: TermLength::new(2 * HUGE).unwrap(),
            ..parameters(LogKind::ConcurrentPublication)
        };
        let log = LogBuffers::create(&path, &parameters, Allocation::Sparse).unwrap();
        let pre_touch = PreTouch::in_steps(Position::new(start));
        pre_touch.reach(&log, Position::new(start + 32), NOW);
        Self { seen: stored(&path), _directory: directory, path, log, pre_touch, now: NOW }
    }

    /// Bytes of storage that were found for a writer at `position`.
    fn grown_by(&mut self, position: i64) -> i64 {
        (0..100).for_each(|_| self.pre_touch.reach(&self.log, Position::new(position), self.now));
        let grown = stored(&self.path) - self.seen;
        self.seen += grown;
        grown as i64
    }

    /// Whether the system refuses a huge page, now that none was made.
    fn is_refused(&self, position: i64) -> bool {
        let at = Position::new(position);
        let (term, offset) = (self.log.term_at(at), self.log.geometry().term_offset(at).index());
        let made = term.fault_in(offset, 4096).and_then(|()| term.fault_in_huge(offset, HUGE_PAGE));
        if let Err(error) = &made {
            // Not by `eprintln`, which cargo keeps to itself when a test passes.
            let _ = writeln!(io::stderr(), "SKIPPED huge pages: the system makes none ({error})");
        }
        made.is_err()
    }
}

#[test]
fn a_log_that_is_written_to_far_has_huge_pages() {
    const PIECE: i64 = 4 << 10;
    let mut world = HugeWorld::new(0);
    // Somebody is ahead.
    let other = LogBuffers::open(&world.path).unwrap();
    other.term(1).write(4096, b"stays");
    assert_eq!(world.grown_by(HUGE / 2), 65 * PIECE, "a huge page is earned by filling as much");
    let steps = [
        (HUGE - PIECE, HUGE, PIECE + HUGE, "the last small one, and the first that is huge"),
        (HUGE + PIECE, HUGE, 0, "it lies there already"),
        (2 * HUGE - PIECE, 2 * HUGE, HUGE - PIECE, "one in which a page was there"),
        (3 * HUGE + HUGE / 2, 4 * HUGE, HUGE, "the writer was faster: the one that begins next"),
        (6 * HUGE, 6 * HUGE, HUGE - 66 * PIECE, "once round, the first one too"),
        (9 * HUGE - PIECE, 9 * HUGE, HUGE, "one that was left out in the first round"),
    ];
    for (position, huge_page, expected, why) in steps {
        let grown = world.grown_by(position);
        if grown != expected && world.is_refused(huge_page) {
            return;
        }
        assert_eq!(grown, expected, "{why}");
    }
    let mut bytes = [0; 5];
    world.log.term(1).read(4096, &mut bytes);
    assert_eq!(&bytes, b"stays");
    assert_eq!(world.log.term(1).get_i64(HUGE_PAGE - 8), 0);
}

#[test]
fn no_storage_is_left_out_before_a_huge_page() {
    const STEP: i64 = 64 << 10;
    let mut world = HugeWorld::new(96);
    let mut found = 0;
    for position in (STEP..3 * HUGE).step_by(STEP as usize) {
        found += world.grown_by(position);
        assert!(found >= position, "{found} at {position}");
    }
}

#[test]
fn a_stream_has_huge_pages_once_it_is_fast() {
    const STEP: i64 = 256 << 10;
    let mut world = HugeWorld::new(0);
    let steps = |from: i64, to: i64| (from..to).step_by(STEP as usize);
    for position in steps(STEP, 3 * HUGE) {
        world.now = world.now + Duration::from_millis(3);
        let grown = world.grown_by(position);
        assert!(grown <= STEP, "{grown} at {position}: a stream of 87 MB/s");
    }
    let found: i64 = steps(3 * HUGE, 4 * HUGE + STEP)
        .map(|position| {
            world.now = world.now + Duration::from_millis(2);
            world.grown_by(position)
        })
        .max()
        .unwrap_or(0);
    assert!(found >= HUGE || world.is_refused(5 * HUGE), "{found}: a stream of 131 MB/s");
}

#[test]
fn a_stream_is_as_fast_as_it_is_however_seldom_somebody_looks() {
    const STEP: i64 = 15 << 17;
    let mut world = HugeWorld::new(0);
    let found = (STEP..5 * HUGE).step_by(STEP as usize).map(|position| {
        world.now = world.now + Duration::from_millis(15);
        world.grown_by(position)
    });
    let most = found.max().unwrap_or(0);
    assert!(most >= HUGE || world.is_refused(5 * HUGE), "{most}: a stream of 131 MB/s");
}

#[test]
fn a_stream_that_was_slow_for_a_round_has_huge_pages_in_the_next() {
    const ROUND: i64 = 6 * HUGE;
    let mut world = HugeWorld::new(0);
    for position in [5 * HUGE + HUGE / 2, ROUND + HUGE] {
        world.now = world.now + Duration::from_secs(1);
        let grown = world.grown_by(position);
        assert!(grown <= 256 << 10, "{grown} at {position}");
    }
    world.now = world.now + Duration::from_millis(1);
    let grown = world.grown_by(ROUND + 2 * HUGE - 4096);
    assert!(grown == HUGE || world.is_refused(2 * HUGE), "{grown}");
}

#[test]
fn a_log_without_huge_pages_gets_small_ones() {
    let mut world = HugeWorld::new(0);
    world.log = world.log.clone().without_huge_pages();
    world.grown_by(HUGE - 4096);
    assert!(world.grown_by(HUGE + HUGE / 2) <= 256 << 10);
}

#[test]
fn positions_that_make_no_sense_find_no_storage() {
    let (_directory, path) = directory_in_memory();
    let log = LogBuffers::create(&path, &parameters(LogKind::Image), Allocation::Sparse).unwrap();
    let at_first = stored(&path);
    for position in [i64::MIN, -1, i64::MAX, i64::MAX - 31] {
        PreTouch::new(Position::ZERO).reach(&log, Position::new(position), NOW);
        assert_eq!(stored(&path), at_first, "{position}");
    }
}

#[test]
fn positions_that_make_no_sense_stop_no_driver() {
    for first in [32, HUGE] {
        for position in [i64::MIN, -1, i64::MAX, i64::MAX - 31, i64::MAX - HUGE, i64::MAX - 2 * HUGE] {
            let world = HugeWorld::new(0);
            for position in [first, position, position.saturating_add(HUGE)] {
                world.pre_touch.reach(&world.log, Position::new(position), NOW);
            }
        }
    }
}
