//! Tells a thread which of its streams another thread has news of, so that it need not look at each of them.
//!
//! ```text
//!   Signal::raise, after the news ──► a bit for each stream ──► Signals::take: these streams are heard
//!                                                               Signals::rest: one is not heard any more,
//!                                                                              and is looked at once more
//! ```
//! A stream that is heard is looked at anyway, and raising its signal again costs one load and a fence. News that come
//! before a stream rests are found by the look that follows, later ones raise the signal anew: none is missed.

use std::sync::Arc;

use crate::sync::{AtomicU64, Ordering, fence};

/// Streams that share a word: those of one word should be heard by the same thread.
const WORD_BITS: usize = u64::BITS as usize;

/// One stream's signal, for the thread that has news.
///
/// Threading: any thread may raise it.
#[derive(Clone, Debug)]
pub struct Signal {
    word: Arc<Word>,
    mask: u64,
}

/// A line of its own: what lies beside it is written by others.
#[derive(Debug)]
#[repr(align(128))]
struct Word(AtomicU64);

/// The signals of the streams of one thread, by their index in its table.
///
/// Threading: used by the thread that listens, alone.
#[derive(Debug, Default)]
pub struct Signals {
    words: Vec<Listened>,
}

#[derive(Debug)]
struct Listened {
    word: Arc<Word>,
    /// Streams that are heard: what others raise here is known.
    heard: u64,
}

impl Signal {
    /// Says that there is news, which was stored before. Sequentially consistent with [`Signals::rest`].
    #[inline]
    pub fn raise(&self) {
        // Either the listener's next look sees the news, or this load sees that it rests.
        fence(Ordering::SeqCst);
        if self.word.0.load(Ordering::Relaxed) & self.mask == 0 {
            self.word.0.fetch_or(self.mask, Ordering::Release);
        }
    }
}

impl Signals {
    /// No streams yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { words: Vec::new() }
    }

    /// The signal of the stream at `index`, the same for whoever is at that index later.
    pub fn signal(&mut self, index: usize) -> Signal {
        let (at, mask) = place(index);
        while self.words.len() <= at {
            let word = Arc::new(Word(AtomicU64::new(0)));
            self.words.push(Listened { word, heard: 0 });
        }
        Signal { word: Arc::clone(&self.words[at].word), mask }
    }

    /// Calls `hear` with the index of each stream whose signal was raised and that was not heard before. What was stored
    /// before the raise that set it is seen; news of later ones is found by the last look at the latest.
    #[inline]
    pub fn take(&mut self, mut hear: impl FnMut(usize)) {
        for (at, Listened { word, heard }) in self.words.iter_mut().enumerate() {
            let mut raised = word.0.load(Ordering::Relaxed) & !*heard;
            if raised == 0 {
                continue;
            }
            fence(Ordering::Acquire);
            *heard |= raised;
            while raised != 0 {
                hear(at * WORD_BITS + raised.trailing_zeros() as usize);
                raised &= raised - 1;
            }
        }
    }

    /// The stream at `index` is not heard any more, so that its signal can be raised again. The caller looks for news
    /// after this call, once.
    pub fn rest(&mut self, index: usize) {
        let (at, mask) = place(index);
        let Some(Listened { word, heard }) = self.words.get_mut(at) else { return };
        *heard &= !mask;
        word.0.fetch_and(!mask, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }
}

const fn place(index: usize) -> (usize, u64) {
    (index / WORD_BITS, 1 << (index % WORD_BITS))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn taken(signals: &mut Signals) -> Vec<usize> {
        let mut heard = Vec::new();
        signals.take(|index| heard.push(index));
        heard
    }

    #[test]
    fn each_raised_signal_is_heard_once_until_its_stream_rests() {
        let mut signals = Signals::default();
        let [first, far] = [3, 200].map(|index| signals.signal(index));
        assert_eq!(taken(&mut signals), []);
        far.raise();
        first.raise();
        first.raise();
        assert_eq!(taken(&mut signals), [3, 200]);
        far.raise();
        assert_eq!(taken(&mut signals), []);
        signals.rest(200);
        assert_eq!(taken(&mut signals), []);
        far.raise();
        first.raise();
        assert_eq!(taken(&mut signals), [200]);
    }

    #[test]
    fn a_signal_raised_before_its_stream_rests_unheard_is_forgotten() {
        let mut signals = Signals::default();
        let signal = signals.signal(64);
        signal.raise();
        signals.rest(64);
        assert_eq!(taken(&mut signals), []);
        signal.raise();
        assert_eq!(taken(&mut signals), [64]);
    }

    #[test]
    fn streams_without_a_signal_may_rest() {
        let mut signals = Signals::default();
        signals.rest(1000);
        assert_eq!(taken(&mut signals), []);
    }

    #[test]
    fn an_index_keeps_its_signal() {
        let mut signals = Signals::default();
        let before = signals.signal(5);
        let _ = signals.signal(500);
        signals.signal(5).raise();
        assert_eq!(taken(&mut signals), [5]);
        signals.rest(5);
        before.raise();
        assert_eq!(taken(&mut signals), [5]);
    }
}
