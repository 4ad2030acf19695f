//! Storage for a log ahead of who writes it.
//!
//! A log is made of pages that the system finds, clears and maps when somebody first writes there, who waits for it: of
//! messages of 64 bytes one in sixty-four, some microseconds longer. Whoever has the time goes ahead here.
//!
//! ```text
//!   │ 4K 4K 4K ... the first 2 MiB │   2 MiB   │   2 MiB   │ ...
//!   └ as far as it was written     └ a huge page at a time, once the log is written to this far
//! ```
//!
//! A stream that fills huge pages fast will fill others, and spends a quarter of its time and more on the translation of
//! addresses where pages are small. Drivers make huge pages, as there the thread that waits for the system is the
//! conductor's; clients find them made. A slow stream gains nothing from one, and would wait for it where its driver has a
//! single thread: making one takes milliseconds.

use std::{
    io,
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    time::Duration,
};

use crate::{
    memory::HUGE_PAGE,
    types::{Nanos, Position},
};

use super::{LogBuffers, descriptor::PARTITION_COUNT};

/// Furthest ahead of the position, bytes.
const AHEAD: i64 = 256 << 10;

/// What is touched begins and ends at multiples of this, bytes: a page of most machines, and a part of every term.
const PIECE: i64 = 4 << 10;

/// Length of a huge page, bytes.
const HUGE_PIECE: i64 = HUGE_PAGE as i64;

/// Furthest ahead of a writer who was faster that a huge page begins, bytes.
const HUGE_AHEAD: i64 = HUGE_PIECE;

/// Rounds of a log in which huge pages are made: a fast writer leaves some behind in the first.
const HUGE_ROUNDS: i64 = 3;

/// Bytes whose time tells how fast a stream is.
const PACE_LENGTH: i64 = HUGE_PIECE / 2;

/// Longest time of so many bytes that is fast, 100 MB/s: on a slow machine making huge pages then takes a quarter of it.
const FAST: Duration = Duration::from_millis(10);

/// Goes ahead of a position through all terms of a log, once: as far as the position has come itself, so that a log that
/// is hardly written to keeps to hardly any storage.
///
/// Threading: `Sync`; to be used by one thread at a time. Others may write to the log meanwhile.
#[derive(Debug)]
pub struct PreTouch {
    touched: AtomicI64,
    start: Position,
    most: i64,
    /// Until the system has refused one.
    makes_huge_pages: AtomicBool,
    pace: Pace,
}

/// Whether a stream is fast, by the last [`PACE_LENGTH`] bytes or more of it.
#[derive(Debug)]
struct Pace {
    /// Position from which the bytes count.
    since: AtomicI64,
    /// When it was reached, ns.
    begun: AtomicI64,
    is_fast: AtomicBool,
}

impl Pace {
    /// Of a stream that begins at `start`, and whose first look is the first of its time.
    const fn new(start: Position) -> Self {
        Self {
            since: AtomicI64::new(start.get()),
            begun: AtomicI64::new(i64::MIN),
            is_fast: AtomicBool::new(false),
        }
    }

    fn look(&self, position: i64, now: Nanos) {
        let begun = self.begun.load(Ordering::Relaxed);
        let bytes = position - self.since.load(Ordering::Relaxed);
        if bytes < PACE_LENGTH && begun != i64::MIN {
            return;
        }
        let took = now.since(Nanos::new(begun)).as_nanos() * PACE_LENGTH as u128;
        let allowed = FAST.as_nanos() * u128::try_from(bytes).unwrap_or(0);
        self.is_fast.store(took <= allowed, Ordering::Relaxed);
        self.since.store(position, Ordering::Relaxed);
        self.begun.store(now.get(), Ordering::Relaxed);
    }

    fn is_fast(&self) -> bool {
        self.is_fast.load(Ordering::Relaxed)
    }
}

impl PreTouch {
    /// Nothing is touched yet of a log that is written to from `start` on. Goes the whole way at a time, in small pages; for
    /// clients.
    #[must_use]
    pub const fn new(start: Position) -> Self {
        let touched = AtomicI64::new(start.get());
        Self { touched, start, most: AHEAD, makes_huge_pages: AtomicBool::new(false), pace: Pace::new(start) }
    }

    /// [`PreTouch::new`] that goes a page at a time, small or huge, as there is other work waiting; for drivers.
    #[must_use]
    pub const fn in_steps(start: Position) -> Self {
        Self { most: PIECE, makes_huge_pages: AtomicBool::new(true), ..Self::new(start) }
    }

    /// The log is being written to at `position`, `now`: goes ahead of it, unless that has been done. What there is no storage
    /// for is passed over; whoever is to write there will know.
    #[inline]
    pub fn reach(&self, log: &LogBuffers, position: Position, now: Nanos) {
        let ahead = (position - self.start).min(AHEAD);
        let touched = self.touched.load(Ordering::Relaxed);
        let to = position.get().saturating_add(ahead);
        if ahead > 0 && to > touched {
            self.pace.look(position.get(), now);
            self.touch(log, touched, position.get(), to);
        }
    }

    #[cold]
    fn touch(&self, log: &LogBuffers, touched: i64, position: i64, to: i64) {
        let log_length = PARTITION_COUNT as i64 * i64::from(log.geometry().term_length().get());
        let from = touched.max(position);
        let (round, is_overtaken) = ((from - self.start.get()) / log_length, position > touched);
        let touched = match self.make_huge_page(log, from, is_overtaken || round > 0) {
            Some(end) if round < HUGE_ROUNDS => end,
            None if round == 0 => self.touch_piece(log, from & !(PIECE - 1), to),
            // The stream may become faster.
            None if round < HUGE_ROUNDS && self.may_make_huge_pages(log) => (from | (HUGE_PIECE - 1)) + 1,
            _ => i64::MAX,
        };
        self.touched.store(touched, Ordering::Relaxed);
    }

    fn touch_piece(&self, log: &LogBuffers, from: i64, to: i64) -> i64 {
        let most = i64::from(log.geometry().term_length().get()).min(HUGE_PIECE);
        let left = most - (from & (most - 1));
        let length = (((to - from).min(self.most) + PIECE - 1) & !(PIECE - 1)).min(left);
        let start = Position::new(from);
        let offset = log.geometry().term_offset(start).index();
        let _ = log.term_at(start).fault_in(offset, length as usize);
        from + length
    }

    fn may_make_huge_pages(&self, log: &LogBuffers) -> bool {
        self.makes_huge_pages.load(Ordering::Relaxed)
            && log.may_have_huge_pages()
            && log.geometry().term_length().get() as usize >= HUGE_PAGE
    }

    /// Where a huge page ends that begins at `from`, or soon after if that may be, once it is made.
    fn make_huge_page(&self, log: &LogBuffers, from: i64, may_skip: bool) -> Option<i64> {
        let at = from.saturating_add(HUGE_PIECE - 1) & !(HUGE_PIECE - 1);
        let is_wanted = self.may_make_huge_pages(log)
            && self.pace.is_fast()
            && from - self.start.get() >= HUGE_PIECE
            && (at == from || may_skip && at - from <= HUGE_AHEAD);
        if !is_wanted {
            return None;
        }
        let start = Position::new(at);
        let (term, offset) = (log.term_at(start), log.geometry().term_offset(start).index());
        // Where no page is there yet, the system makes no huge one.
        let made = term.fault_in(offset, PIECE as usize).and_then(|()| term.fault_in_huge(offset, HUGE_PAGE));
        if made.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock) {
            self.makes_huge_pages.store(false, Ordering::Relaxed);
        }
        made.ok().map(|()| at.saturating_add(HUGE_PIECE))
    }
}
