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
//! turns, of which a busy role has many: as many per millisecond as the table can afford, so that quiet streams together cost the busy ones a bounded share, however many they are. Looks come in bursts:
//! what they find is far away in memory, and the waits for several overlap. While no stream is busy there is nothing to
//! hold up, and a round takes few turns; where clients wait for the look, more are looked at too once every busy stream
//! was found with nothing going on. After a turn in which nothing moved the thread may have slept: as many busy ones as
//! quiet ones are visited then, where that is more than a slice.

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
mod tests {
    use super::*;

    /// Four in a microsecond.
    const PACE: u32 = 4000;

    /// The visits of one turn at a time, in which each stream is what `activity` says.
    fn turn_at(set: &mut ActiveSet, now: i64, activity: impl Fn(usize) -> Activity) -> Vec<usize> {
        let mut visits = Vec::new();
        set.take_turns(Nanos::new(now), |index, _| {
            visits.push(index);
            activity(index)
        });
        visits
    }

    /// A turn after a microsecond.
    fn turn(set: &mut ActiveSet, activity: impl Fn(usize) -> Activity) -> Vec<usize> {
        let now = set.last_turn.get() + 1000;
        turn_at(set, now, activity)
    }

    fn busy(_: usize) -> Activity {
        Activity::Busy
    }

    fn only(busy: usize) -> impl Fn(usize) -> Activity {
        move |index| if index == busy { Activity::Busy } else { Activity::Quiet }
    }

    fn filled(count: usize) -> ActiveSet {
        let mut set = ActiveSet::new(PACE);
        (0..count).for_each(|index| set.activate(index));
        set
    }

    /// Gives turns until only what `activity` says is busy.
    fn settle(set: &mut ActiveSet, activity: impl Fn(usize) -> Activity) {
        for _ in 0..usize::from(PATIENCE) * (1 + set.busy.len().div_ceil(BUSY_SLICE)) {
            turn(set, &activity);
        }
    }

    #[test]
    fn many_busy_streams_are_visited_in_slices_each_as_often_as_the_others() {
        let streams = 2 * BUSY_SLICE + 10;
        let mut set = filled(streams);
        let visits: Vec<_> = (0..streams).map(|_| turn(&mut set, busy)).collect();
        assert!(visits.iter().all(|visits| visits.len() == BUSY_SLICE));
        let mut counts = vec![0; streams];
        visits.into_iter().flatten().for_each(|index| counts[index] += 1);
        assert_eq!(counts, vec![BUSY_SLICE; streams]);
    }

    #[test]
    fn busy_streams_are_never_visited_less_often_than_quiet_ones_of_a_thread_that_rests() {
        const COUNT: usize = 1000;
        for found in [Activity::Quiet, Activity::Waiting] {
            let mut set = filled(COUNT);
            let mut is_visited = vec![false; COUNT];
            for at in 1..=3 {
                turn_at(&mut set, at * 1_000_000, |_| found).into_iter().for_each(|at| is_visited[at] = true);
            }
            assert!(is_visited.iter().all(|is_visited| *is_visited), "{found:?}");
        }
    }

    #[test]
    fn slices_are_no_longer_after_long_turns_in_which_something_moved() {
        let mut set = filled(1000);
        turn_at(&mut set, 0, busy);
        for at in 1..=3 {
            assert_eq!(turn_at(&mut set, at * 1_000_000, busy).len(), BUSY_SLICE);
        }
    }

    #[test]
    fn busy_streams_are_visited_every_turn_starting_with_another_one_each_time() {
        let mut set = filled(3);
        let turns: Vec<_> = (0..4).map(|_| turn(&mut set, busy)).collect();
        assert_eq!(turns, [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);
    }

    #[test]
    fn a_stream_is_quiet_after_many_visits_with_nothing_going_on() {
        let mut set = filled(BUSY_SLICE);
        for _ in 1..PATIENCE {
            turn(&mut set, only(7));
        }
        assert_eq!(set.busy.len(), BUSY_SLICE);
        turn(&mut set, only(7));
        assert_eq!(set.busy, [7]);
    }

    #[test]
    fn quiet_streams_are_visited_in_bursts_and_busy_ones_among_them_still_every_turn() {
        const COUNT: usize = 32 * BURST;
        let mut set = filled(COUNT);
        settle(&mut set, only(7));
        let mut visits = vec![0; COUNT];
        let turns = COUNT * 1000 / PACE as usize;
        for _ in 0..turns {
            let visited = turn(&mut set, only(7));
            assert!(visited.len() == 1 || visited.len().abs_diff(BURST) <= 1);
            visited.into_iter().for_each(|index| visits[index] += 1);
        }
        assert_eq!(visits[7], turns);
        assert!(visits.iter().enumerate().all(|(at, visits)| at == 7 || *visits == 1));
    }

    #[test]
    fn quiet_streams_cost_the_busy_ones_the_same_share_of_time_however_long_turns_are() {
        const COUNT: usize = 10_000;
        for turn_length in [1, 100, 333, 20_000, 500_000] {
            let mut set = filled(COUNT);
            settle(&mut set, only(7));
            let (start, length) = (set.last_turn.get(), 1_000_000);
            let turns = length / turn_length;
            let looks: usize =
                (1..=turns).map(|at| turn_at(&mut set, start + at * turn_length, only(7)).len() - 1).sum();
            let expected = (turns * turn_length) as usize * PACE as usize / 1_000_000;
            assert!(
                expected.abs_diff(looks) <= BURST + expected / 1000,
                "{turn_length}: {looks} of {expected}"
            );
        }
    }

    #[test]
    fn a_round_takes_few_turns_while_no_stream_is_busy_and_one_after_a_long_rest() {
        const COUNT: usize = 10_000;
        let mut set = filled(COUNT);
        settle(&mut set, only(COUNT));
        let visits: usize = (0..ROUND_TURNS).map(|_| turn(&mut set, only(COUNT)).len()).sum();
        assert_eq!(visits, COUNT);
        set.activate(7);
        let rested = set.last_turn.get() + 10_000_000;
        assert_eq!(turn_at(&mut set, rested, only(7)).len(), COUNT);
    }

    #[test]
    fn an_eager_set_looks_at_more_while_busy_streams_rest() {
        const COUNT: usize = 1024;
        let mut set = filled(COUNT);
        settle(&mut set, only(7));
        set.looks = Looks::Eager;
        // No time passes, so that none are earned.
        let looks = |set: &mut ActiveSet, busy| {
            let now = set.last_turn.get();
            turn_at(set, now, only(busy)).iter().filter(|at| **at != 7).count()
        };
        for (busy, expected) in [(7, 0), (COUNT, COUNT / EAGER_ROUND_TURNS), (7, 0)] {
            assert!(looks(&mut set, busy).abs_diff(expected) <= 1);
        }
    }

    #[test]
    fn an_eager_set_looks_at_no_more_before_every_one_of_many_busy_streams_was_found_at_rest() {
        const BUSY: usize = 3 * BUSY_SLICE;
        let mut set = filled(2 * BUSY);
        settle(&mut set, |index| if index < BUSY { Activity::Busy } else { Activity::Quiet });
        (set.looks, set.next_quiet) = (Looks::Eager, BUSY);
        let now = set.last_turn.get();
        let turns = [1, 2, 3].map(|_| turn_at(&mut set, now, |_| Activity::Quiet));
        assert_eq!(turns.map(|visited| visited.iter().any(|at| *at >= BUSY)), [false, false, true]);
    }

    #[test]
    fn few_streams_are_looked_at_as_soon_as_time_has_earned_it_for_each() {
        let mut set = filled(3);
        settle(&mut set, only(0));
        assert_eq!(turn_at(&mut set, 10_000_000_000, only(0)).len(), 3);
        assert_eq!(turn_at(&mut set, 10_000_000_740, only(0)).len(), 1);
        assert_eq!(turn_at(&mut set, 10_000_000_760, only(0)).len(), 3);
    }

    #[test]
    fn a_clock_that_stands_still_or_jumps_does_no_harm() {
        let mut set = filled(100);
        settle(&mut set, only(7));
        for now in [i64::MIN, i64::MAX, i64::MIN, 0, 0, -1] {
            assert!((1..=101).contains(&turn_at(&mut set, now, only(7)).len()));
        }
    }

    #[test]
    fn a_quiet_stream_that_wakes_by_itself_or_is_activated_is_visited_every_turn() {
        let mut set = filled(200);
        settle(&mut set, only(7));
        set.activate(9);
        while !turn(&mut set, only(150)).contains(&150) {}
        for _ in 0..10 {
            let visited = turn(&mut set, only(150));
            assert!([9, 150].iter().all(|index| visited.contains(index)));
        }
        settle(&mut set, only(150));
        assert_eq!(set.busy, [150]);
    }

    #[test]
    fn what_is_removed_is_not_busy_and_its_index_can_be_used_again() {
        let mut set = filled(3);
        set.remove(1);
        assert_eq!(set.busy, [0, 2]);
        set.activate(1);
        assert_eq!(set.busy, [0, 2, 1]);
    }

    #[test]
    fn a_signal_makes_a_quiet_stream_busy_at_once_and_again_whenever_it_has_come_to_rest() {
        const COUNT: usize = 1000;
        let mut set = ActiveSet::signalled(PACE);
        (0..COUNT).for_each(|index| set.activate(index));
        let signal = set.signal(900);
        settle(&mut set, only(7));
        for _ in 0..2 {
            assert_eq!(turn_at(&mut set, 10_000_000_000, only(7)), [7], "nothing else is looked at");
            signal.raise();
            for _ in 1..PATIENCE {
                assert_eq!(turn(&mut set, only(7)).len(), 2);
            }
            signal.raise();
            settle(&mut set, only(7));
        }
        settle(&mut set, only(COUNT));
        assert_eq!(turn_at(&mut set, 20_000_000_000, only(COUNT)), []);
    }

    #[test]
    fn what_is_signalled_before_the_last_look_is_found_by_it_and_what_comes_later_wakes_the_stream() {
        let mut set = ActiveSet::signalled(PACE);
        set.activate(0);
        let signal = set.signal(0);
        for _ in 1..PATIENCE {
            turn(&mut set, |_| Activity::Quiet);
        }
        let visits = turn(&mut set, |_| {
            signal.raise();
            Activity::Quiet
        });
        assert_eq!((visits, &set.busy[..]), (vec![0], &[][..]));
        assert_eq!(turn(&mut set, |_| Activity::Quiet), [0]);
    }

    #[test]
    fn a_signal_of_a_stream_that_went_wakes_who_has_its_index_and_does_no_harm_without() {
        let mut set = ActiveSet::signalled(PACE);
        let signal = set.signal(1);
        signal.raise();
        assert_eq!(turn(&mut set, |_| Activity::Quiet), []);
        (0..2).for_each(|index| set.activate(index));
        set.remove(1);
        signal.raise();
        let mut visits = turn(&mut set, |_| Activity::Quiet);
        visits.sort_unstable();
        assert_eq!(visits, [0, 1]);
    }
}
