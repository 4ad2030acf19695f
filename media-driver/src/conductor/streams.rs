//! Tables of publications and images, of which the busy ones get every turn.

use std::ops::{Deref, DerefMut};

use epona_protocol::types::Nanos;

use crate::{
    active_set::{ActiveSet, Activity},
    image::publication_image::PublicationImage,
    publication::{ipc::IpcPublication, network::NetworkPublication},
};

/// Quiet streams of a table looked at per millisecond: each costs some cache lines, up to 0.4 us, and a late look delays
/// nothing but the next window and what is to be asked for again.
const PACE: u32 = 100;

/// A stream that the conductor looks after.
pub(super) trait Stream {
    /// Whether a turn might find something to do, of a stream that has settled.
    #[inline]
    fn may_have_moved(&self) -> bool {
        true
    }

    /// Whether the last turn left nothing to be done as long as no data comes: everybody has what there is.
    fn is_settled(&self) -> bool;
}

impl Stream for PublicationImage {
    #[inline]
    fn may_have_moved(&self) -> bool {
        Self::may_have_moved(self)
    }

    fn is_settled(&self) -> bool {
        Self::is_settled(self)
    }
}

impl Stream for NetworkPublication {
    #[inline]
    fn may_have_moved(&self) -> bool {
        Self::may_have_moved(self)
    }

    fn is_settled(&self) -> bool {
        Self::is_settled(self)
    }
}

impl Stream for IpcPublication {
    fn is_settled(&self) -> bool {
        Self::is_settled(self)
    }
}

/// Streams of one kind, in no particular order.
#[derive(Debug)]
pub(super) struct Streams<T> {
    list: Vec<T>,
    active: ActiveSet,
}

impl<T> Default for Streams<T> {
    fn default() -> Self {
        Self { list: Vec::new(), active: ActiveSet::new(PACE) }
    }
}

impl<T: Stream> Streams<T> {
    /// Adds a stream at the end.
    pub(super) fn push(&mut self, stream: T) {
        self.active.activate(self.list.len());
        self.list.push(stream);
    }

    /// Takes out the stream at an index, which the last one takes.
    pub(super) fn swap_remove(&mut self, at: usize) -> T {
        let stream = self.list.swap_remove(at);
        self.active.swap_remove(at, self.list.len());
        stream
    }

    /// Takes out all of them.
    pub(super) fn take_all(&mut self) -> Vec<T> {
        std::mem::take(self).list
    }

    /// One turn for each busy stream and for some of the others; the sum of what `turn` answers.
    #[inline]
    pub(super) fn take_turns(&mut self, now: Nanos, mut turn: impl FnMut(&mut T) -> usize) -> usize {
        let Self { list, active } = self;
        let mut work = 0;
        active.take_turns(now, |at, activity| {
            let Some(stream) = list.get_mut(at) else { return Activity::Quiet };
            if activity == Activity::Quiet && !stream.may_have_moved() {
                return Activity::Quiet;
            }
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
