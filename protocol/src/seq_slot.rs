//! The latest of a sequence of reports from one thread to another: overwritten, never queued.

use crate::sync::{AtomicI64, Ordering, fence};

/// Two integers that one thread writes and another reads whole, guarded by change numbers.
///
/// The writer raises `begin`, stores the values, then raises `end` to match; a reader that finds the two equal around
/// its loads has seen one report, not a mixture. Only the latest report matters: older ones are lost by design.
#[derive(Debug, Default)]
pub struct SeqSlot {
    begin: AtomicI64,
    first: AtomicI64,
    second: AtomicI64,
    end: AtomicI64,
}

/// Number of a report, rising by one with each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ChangeNumber(i64);

impl SeqSlot {
    /// Publishes a report. One writer at a time.
    pub fn write(&self, first: i64, second: i64) {
        let change = self.begin.load(Ordering::Relaxed) + 1;
        self.begin.store(change, Ordering::Relaxed);
        fence(Ordering::Release);
        self.first.store(first, Ordering::Relaxed);
        self.second.store(second, Ordering::Relaxed);
        self.end.store(change, Ordering::Release);
    }

    /// Whether there is a report newer than `seen`.
    #[inline]
    #[must_use]
    pub fn is_newer(&self, seen: ChangeNumber) -> bool {
        self.end.load(Ordering::Relaxed) != seen.0
    }

    /// The latest report when it is newer than `seen`, which it then updates. None as well while one is being
    /// written: ask again next turn.
    #[inline]
    pub fn read_newer(&self, seen: &mut ChangeNumber) -> Option<(i64, i64)> {
        let change = self.end.load(Ordering::Acquire);
        if change == seen.0 {
            return None;
        }
        let values = (self.first.load(Ordering::Relaxed), self.second.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        if self.begin.load(Ordering::Relaxed) != change {
            return None;
        }
        seen.0 = change;
        Some(values)
    }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_report_is_read_once_and_only_the_latest() {
        let (slot, mut seen) = (SeqSlot::default(), ChangeNumber::default());
        assert_eq!(slot.read_newer(&mut seen), None);
        slot.write(1, 2);
        slot.write(3, 4);
        assert!(slot.is_newer(seen));
        assert_eq!(slot.read_newer(&mut seen), Some((3, 4)));
        assert_eq!(slot.read_newer(&mut seen), None);
        assert!(!slot.is_newer(seen));
    }
}
