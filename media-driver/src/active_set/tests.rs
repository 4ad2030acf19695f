//! Which streams are visited, turn by turn.

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
        assert!(expected.abs_diff(looks) <= BURST + expected / 1000, "{turn_length}: {looks} of {expected}");
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
