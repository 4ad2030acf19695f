//! Which of a role's streams get every turn, and which only now and then, so that idle streams cost next to nothing.
//!
//! ```text
//!               something moves, or waits
//!   quiet ──────────────────────────► busy     busy:  visited every turn, starting with another one each time,
//!                                                     or in slices of many, going round
//!         ◄──────────────────────────          quiet: a slice of them visited each turn, going round,
//!          nothing for PATIENCE visits                 unless signals tell of all that may be found
//! ```
//!
//! What another role finds is told by signals, which make a stream busy at once. Nobody tells a role that a client has
//! published something: such a quiet stream is found out by looking at it. How many are looked at depends on time, not on
//! turns, of which a busy role has many: as many per millisecond as the table can afford, so that quiet streams
//! together cost the busy ones a bounded share, however many they are. Looks come in bursts: what they find is far
//! away in memory, and the waits for several overlap. While no stream is busy there is nothing to hold up, and a round
//! takes few turns; where clients wait for the look, more are looked at too once every busy stream was found with
//! nothing going on. After a turn in which nothing moved the thread may have slept: as many busy ones as quiet ones
//! are visited then, where that is more than a slice.

use epona_protocol::{
    signals::{Signal, Signals},
    types::Nanos,
};

/// Turns after which every quiet stream was looked at while none is busy.
const ROUND_TURNS: usize = 16;

/// Quiet streams that are looked at in a turn while none is busy, at least.
const MIN_SLICE: usize = 64;

/// Turns after which an eager set has looked at every quiet stream while no busy one has anything going on.
const EAGER_ROUND_TURNS: usize = 64;

/// Looks that a turn beside busy streams takes at least, if any, where there are as many streams. One at a time, looks
/// cost about three times as much.
const BURST: usize = 32;

/// Nanoseconds in which as many streams are looked at as the pace says.
const PACE_NS: i64 = 1_000_000;

/// Busy streams that are visited in a turn, at most, as long as something moves. A visit costs as much whether or not
/// there is something to do: of more streams than these, most turns would find most without, and other roles of the
/// thread, and the sockets, would wait.
const BUSY_SLICE: usize = 16;

/// Visits with nothing going on after which a stream is quiet.
const PATIENCE: u16 = 256;

/// What a role makes of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Activity {
    /// Something moves.
    Busy,
    /// Nothing moved, but it may do so any moment: it is busy as long as it waits.
    Waiting,
    /// Nothing goes on.
    Quiet,
}

/// Which quiet streams are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Looks {
    /// None: signals tell of all that there is to be found.
    None,
    /// As many as the pace says, and more while no stream is busy.
    Paced,
    /// More also while nothing goes on with the busy ones.
    Eager,
}

/// Streams by their index in a table of the role's.
///
/// Visits depend on nothing but the calls made before: the same history gives the same order.
#[derive(Debug)]
pub struct ActiveSet {
    /// Streams looked at per millisecond: quiet ones, and after a rest busy ones.
    pace: i64,
    /// Which quiet streams are looked at.
    looks: Looks,
    /// What other roles raise when a stream has something to be found.
    signals: Signals,
    /// Indices of busy streams.
    busy: Vec<usize>,
    /// By index, how many visits more a stream is busy; 0 too where the table has none.
    patience: Vec<u16>,
    next_busy: usize,
    next_quiet: usize,
    last_turn: Nanos,
    /// Whether something moved in the last turn, after which the role goes straight on.
    has_moved: bool,
    /// Visits of busy streams since one had something going on.
    fruitless: usize,
    /// Looks that time has earned and no turn has taken, times [`PACE_NS`].
    credit: i64,
}

impl ActiveSet {
    /// A set without streams, `pace` of which are looked at per millisecond when quiet, 1 and up.
    #[must_use]
    pub const fn new(pace: u32) -> Self {
        Self {
            pace: pace as i64,
            looks: Looks::Paced,
            signals: Signals::new(),
            busy: Vec::new(),
            patience: Vec::new(),
            next_busy: 0,
            next_quiet: 0,
            last_turn: Nanos::new(0),
            has_moved: false,
            fruitless: 0,
            credit: 0,
        }
    }

    /// As [`ActiveSet::new`], for streams that somebody waits to be found busy.
    #[must_use]
    pub const fn eager(pace: u32) -> Self {
        let mut set = Self::new(pace);
        set.looks = Looks::Eager;
        set
    }

    /// As [`ActiveSet::new`], for streams that signals alone make busy again: as many busy ones are visited after a rest as
    /// `pace` says.
    #[must_use]
    pub const fn signalled(pace: u32) -> Self {
        let mut set = Self::new(pace);
        set.looks = Looks::None;
        set
    }

    /// What makes the stream at `index` busy when it is raised: also the next one at that index.
    pub fn signal(&mut self, index: usize) -> Signal {
        self.signals.signal(index)
    }

    /// Streams that are busy.
    #[inline]
    #[must_use]
    pub fn busy_count(&self) -> usize {
        self.busy.len()
    }

    /// Nothing moved in the last turn after all.
    #[inline]
    pub fn on_rest(&mut self) {
        self.has_moved = false;
    }

    /// Makes a stream busy, be it new or known.
    #[inline]
    pub fn activate(&mut self, index: usize) {
        match self.patience.get_mut(index) {
            Some(patience) if *patience > 0 => *patience = PATIENCE,
            Some(_) => self.wake(index),
            None => self.add(index),
        }
    }

    #[cold]
    fn add(&mut self, index: usize) {
        self.patience.resize(index + 1, 0);
        // So that turns do not allocate, however many streams get busy.
        self.busy.reserve(self.patience.len() - self.busy.len());
        self.wake(index);
    }

    fn wake(&mut self, index: usize) {
        self.patience[index] = PATIENCE;
        self.busy.push(index);
    }

    /// Forgets the stream at `index`; its index may be given to another.
    pub fn remove(&mut self, index: usize) {
        if let Some(patience) = self.patience.get_mut(index) {
            *patience = 0;
            self.signals.rest(index);
            self.drop_quiet();
        }
    }

    /// One turn: visits busy streams, all or a slice of them, and a slice of the quiet ones. `visit` is told what the stream
    /// at an index is taken for and says what goes on; it may be called for an index without a stream.
    #[inline]
    pub fn take_turns(&mut self, now: Nanos, mut visit: impl FnMut(usize, Activity) -> Activity) {
        self.take_turns_in(&mut (), now, |(), _| {}, |(), index, activity| visit(index, activity));
    }

    /// [`ActiveSet::take_turns`] in a `table`, where `prefetch` is called for all the quiet ones of the slice before the first
    /// of them is visited.
    #[inline]
    pub fn take_turns_in<T>(
        &mut self,
        table: &mut T,
        now: Nanos,
        prefetch: impl Fn(&T, usize),
        mut visit: impl FnMut(&mut T, usize, Activity) -> Activity,
    ) {
        self.hear_signals();
        let looks = self.earn_looks(now);
        let slice = if self.has_moved { BUSY_SLICE } else { looks.max(BUSY_SLICE) };
        self.next_busy %= self.busy.len().max(1);
        let (head, tail) = self.busy.split_at(self.next_busy);
        self.next_busy += if self.busy.len() > slice { slice } else { 1 };
        self.has_moved = false;
        let mut is_any_quiet = false;
        for &index in tail.iter().chain(head).take(slice) {
            if self.patience[index] == 1 {
                // Before the last look, so that it finds what was signalled until now.
                self.signals.rest(index);
            }
            let activity = visit(table, index, Activity::Busy);
            self.has_moved |= activity == Activity::Busy;
            self.fruitless = if activity == Activity::Quiet { self.fruitless.saturating_add(1) } else { 0 };
            let patience = &mut self.patience[index];
            *patience = if activity == Activity::Quiet { *patience - 1 } else { PATIENCE };
            is_any_quiet |= *patience == 0;
        }
        if is_any_quiet {
            self.drop_quiet();
        }
        self.visit_quiet(self.quiet_slice(looks), table, prefetch, visit);
    }

    #[inline]
    fn hear_signals(&mut self) {
        let Self { signals, patience, busy, .. } = self;
        signals.take(|index| {
            let Some(patience) = patience.get_mut(index) else { return };
            if *patience == 0 {
                busy.push(index);
            }
            *patience = PATIENCE;
        });
    }

    /// Looks that time has earned and no turn has taken, at most one for each stream: none, or a burst.
    #[inline]
    fn earn_looks(&mut self, now: Nanos) -> usize {
        let elapsed = now.get().saturating_sub(self.last_turn.get()).max(0);
        self.last_turn = now;
        let earned = elapsed.saturating_mul(self.pace).saturating_add(self.credit);
        let (streams, looks) = (self.patience.len(), (earned / PACE_NS) as usize);
        if looks < BURST.min(streams) {
            self.credit = earned;
            return 0;
        }
        self.credit = earned % PACE_NS;
        looks.min(streams)
    }

    /// How many quiet streams are to be looked at in this turn.
    #[inline]
    fn quiet_slice(&self, looks: usize) -> usize {
        let streams = self.patience.len();
        if self.busy.is_empty() {
            looks.max(streams.div_ceil(ROUND_TURNS)).max(MIN_SLICE)
        } else if self.looks == Looks::Eager && self.fruitless >= self.busy.len() {
            looks.max(streams.div_ceil(EAGER_ROUND_TURNS))
        } else {
            looks
        }
    }

    #[inline]
    fn visit_quiet<T>(
        &mut self,
        slice: usize,
        table: &mut T,
        prefetch: impl Fn(&T, usize),
        mut visit: impl FnMut(&mut T, usize, Activity) -> Activity,
    ) {
        if self.looks == Looks::None || self.busy.len() == self.patience.len() {
            return;
        }
        let (streams, slice) = (self.patience.len(), self.patience.len().min(slice));
        let next = |index: usize| if index + 1 < streams { index + 1 } else { 0 };
        let mut ahead = self.next_quiet;
        for _ in 0..slice {
            prefetch(table, ahead);
            ahead = next(ahead);
        }
        for _ in 0..slice {
            let index = self.next_quiet;
            self.next_quiet = next(index);
            if self.patience[index] == 0 && visit(table, index, Activity::Quiet) != Activity::Quiet {
                self.wake(index);
            }
        }
    }

    #[cold]
    fn drop_quiet(&mut self) {
        let Self { busy, patience, .. } = self;
        busy.retain(|index| patience[*index] > 0);
    }
}

#[cfg(test)]
mod tests;
