//! Tables of publications and images, of which the busy ones get every turn.

use std::ops::{Deref, DerefMut};

use epona_protocol::{signals::Signal, types::Nanos};

use crate::{
    active_set::{ActiveSet, Activity},
    image::publication_image::PublicationImage,
    publication::{ipc::IpcPublication, network::NetworkPublication},
};

/// Busy streams of a table visited per millisecond after a rest, and quiet IPC publications looked at: each costs some
/// cache lines, up to 0.4 us, and a late look delays nothing but the next window.
const PACE: u32 = 100;

/// Streams of a table that are checked in a turn, at least, while the check of a timer interval goes on. Each costs some pages
/// that nothing has been at for long, and others wait.
const MIN_CHECKS: usize = 16;

/// Turns after which all streams of a table are checked.
const CHECK_TURNS: usize = 64;

/// A stream that the conductor looks after.
pub(super) trait Stream {
    /// Whether sender or receiver raise the stream's signal when there is something to do. Otherwise it is looked at.
    const IS_SIGNALLED: bool;

    /// Whether the last turn left nothing to be done as long as nothing is signalled: everybody has what there is.
    fn is_settled(&self) -> bool;
}

impl Stream for PublicationImage {
    const IS_SIGNALLED: bool = true;

    fn is_settled(&self) -> bool {
        Self::is_settled(self)
    }
}

impl Stream for NetworkPublication {
    const IS_SIGNALLED: bool = true;

    fn is_settled(&self) -> bool {
        Self::is_settled(self)
    }
}

impl Stream for IpcPublication {
    const IS_SIGNALLED: bool = false;

    fn is_settled(&self) -> bool {
        Self::is_settled(self)
    }
}

/// Streams of one kind, in no particular order. Each has a slot, which is its own as long as it is here.
#[derive(Debug)]
pub(super) struct Streams<T> {
    list: Vec<T>,
    /// By place in the list, the slot.
    slots: Vec<usize>,
    /// By slot, the place in the list; beyond it where no stream has the slot.
    places: Vec<usize>,
    /// Slots without a stream.
    free: Vec<usize>,
    active: ActiveSet,
    /// Streams at the front of the list that the check of this timer interval has not come to.
    unchecked: usize,
}

impl<T: Stream> Default for Streams<T> {
    fn default() -> Self {
        let active = if T::IS_SIGNALLED { ActiveSet::signalled(PACE) } else { ActiveSet::new(PACE) };
        Self {
            list: Vec::new(),
            slots: Vec::new(),
            places: Vec::new(),
            free: Vec::new(),
            active,
            unchecked: 0,
        }
    }
}

impl<T: Stream> Streams<T> {
    /// The signal of the stream that is pushed next: before any other is pushed or taken out.
    pub(super) fn next_signal(&mut self) -> Signal {
        self.active.signal(self.next_slot())
    }

    fn next_slot(&self) -> usize {
        self.free.last().copied().unwrap_or(self.places.len())
    }

    /// Adds a stream at the end.
    pub(super) fn push(&mut self, stream: T) {
        let slot = self.next_slot();
        if self.free.pop().is_none() {
            self.places.push(0);
        }
        self.places[slot] = self.list.len();
        self.slots.push(slot);
        self.list.push(stream);
        self.active.activate(slot);
    }

    /// Takes out the stream at an index, which the last one takes.
    pub(super) fn swap_remove(&mut self, at: usize) -> T {
        let slot = self.slots.swap_remove(at);
        if let Some(moved) = self.slots.get(at) {
            self.places[*moved] = at;
        }
        self.places[slot] = usize::MAX;
        self.free.push(slot);
        self.active.remove(slot);
        self.list.swap_remove(at)
    }

    /// Begins to check all that are here now.
    pub(super) fn begin_checks(&mut self) {
        self.unchecked = self.list.len();
    }

    /// How many are to be checked in a turn.
    pub(super) fn checks_per_turn(&self) -> usize {
        self.list.len().div_ceil(CHECK_TURNS).max(MIN_CHECKS)
    }

    /// The index of the next one to check, from the last to the first, so that it may be taken out.
    pub(super) fn next_unchecked(&mut self) -> Option<usize> {
        self.unchecked = self.unchecked.min(self.list.len()).checked_sub(1)?;
        Some(self.unchecked)
    }

    /// Takes out all of them.
    pub(super) fn take_all(&mut self) -> Vec<T> {
        std::mem::take(self).list
    }

    /// One turn for each busy stream and for some of the others that are looked at; the sum of what `turn` answers.
    #[inline]
    pub(super) fn take_turns(&mut self, now: Nanos, mut turn: impl FnMut(&mut T) -> usize) -> usize {
        let Self { list, places, active, .. } = self;
        let mut work = 0;
        active.take_turns(now, |slot, _| {
            let stream = places.get(slot).and_then(|place| list.get_mut(*place));
            let Some(stream) = stream else { return Activity::Quiet };
            let done = turn(stream);
            work += done;
            match done {
                0 if stream.is_settled() => Activity::Quiet,
                0 => Activity::Waiting,
                _ => Activity::Busy,
            }
        });
        work
    }
}

impl<T> Deref for Streams<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.list
    }
}

impl<T> DerefMut for Streams<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.list
    }
}

impl<'a, T> IntoIterator for &'a mut Streams<T> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settled, and known by a number.
    #[derive(Debug)]
    struct Numbered(usize);

    impl Stream for Numbered {
        const IS_SIGNALLED: bool = true;

        fn is_settled(&self) -> bool {
            true
        }
    }

    fn visited(streams: &mut Streams<Numbered>) -> Vec<usize> {
        let mut visits = Vec::new();
        streams.take_turns(Nanos::new(0), |stream| {
            visits.push(stream.0);
            0
        });
        visits.sort_unstable();
        visits
    }

    /// Streams that have come to rest, each with its signal.
    fn at_rest(count: usize) -> (Streams<Numbered>, Vec<Signal>) {
        let mut streams = Streams::default();
        let signals = (0..count).map(|number| push(&mut streams, number)).collect();
        while !visited(&mut streams).is_empty() {}
        (streams, signals)
    }

    fn push(streams: &mut Streams<Numbered>, number: usize) -> Signal {
        let signal = streams.next_signal();
        streams.push(Numbered(number));
        signal
    }

    #[test]
    fn a_signal_is_of_its_stream_wherever_in_the_list_that_has_moved() {
        let (mut streams, signals) = at_rest(4);
        assert_eq!(streams.swap_remove(1).0, 1);
        for (number, is_there) in [(1, false), (3, true), (0, true), (2, true)] {
            signals[number].raise();
            assert!(visited(&mut streams).contains(&number) == is_there, "{number}");
        }
    }

    #[test]
    fn a_new_stream_takes_the_slot_of_one_that_went_and_hears_its_own_signal() {
        let (mut streams, _signals) = at_rest(3);
        for gone in [2, 0] {
            streams.swap_remove(gone);
        }
        let signals = [7, 8, 9].map(|number| push(&mut streams, number));
        assert_eq!(visited(&mut streams), [7, 8, 9], "what is new has its turns");
        while !visited(&mut streams).is_empty() {}
        signals[1].raise();
        assert_eq!(visited(&mut streams), [8]);
    }

    #[test]
    fn a_check_comes_to_every_stream_once_few_in_a_turn_also_when_some_are_taken_out() {
        for count in [0, 5, 16, 17, 1000, 10_000] {
            let (mut streams, _signals) = at_rest(count);
            streams.begin_checks();
            let (mut checked, mut turns) = (Vec::new(), 0);
            while checked.len() < count {
                turns += 1;
                let before = checked.len();
                for _ in 0..streams.checks_per_turn() {
                    let Some(at) = streams.next_unchecked() else { break };
                    checked.push(streams[at].0);
                    if at % 3 == 0 {
                        streams.swap_remove(at);
                    }
                }
                assert!(checked.len() - before <= count.div_ceil(CHECK_TURNS).max(MIN_CHECKS));
            }
            assert!(turns <= 2 * CHECK_TURNS, "{count}: {turns}");
            checked.sort_unstable();
            assert!(checked.iter().copied().eq(0..count));
        }
    }
}
