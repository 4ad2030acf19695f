//! How many lost bytes each reported gap adds to the loss report. Source: driver spec 5.4.

use super::Gap;

/// Counts the lost bytes of one image once, although its gaps are reported again and again.
#[derive(Debug, Default)]
pub struct LossAccount {
    counted: Option<Gap>,
}

impl LossAccount {
    /// Bytes that a reported gap adds: all of it, only what extends the gap counted last, or 0 when it is known.
    #[must_use = "the bytes belong in the loss report"]
    pub fn on_gap(&mut self, gap: Gap) -> i64 {
        let end_of = |gap: &Gap| i64::from(gap.offset.get()) + i64::from(gap.length);
        let lost = match &self.counted {
            Some(counted)
                if counted.term_id == gap.term_id && i64::from(gap.offset.get()) < end_of(counted) =>
            {
                end_of(&gap) - end_of(counted)
            }
            _ => i64::from(gap.length),
        };
        if lost > 0 {
            self.counted = Some(gap);
        }
        lost.max(0)
    }
}

#[cfg(test)]
mod tests {
    use epona_protocol::types::{TermId, TermOffset};

    use super::*;

    fn gap(term: i32, offset: i32, length: i32) -> Gap {
        Gap { term_id: TermId::new(term), offset: TermOffset::new(offset), length }
    }

    /// Acceptance line DAT-15.
    #[test]
    fn unique_loss_counts_once_and_an_extension_counts_what_it_adds() {
        let mut account = LossAccount::default();
        for (step, (gap, lost)) in [
            (gap(1, 0, 320), 320),   // the first gap
            (gap(1, 0, 320), 0),     // reported again
            (gap(1, 0, 640), 320),   // grown by a heartbeat
            (gap(1, 64, 128), 0),    // partly filled
            (gap(1, 320, 640), 320), // partly filled and grown
            (gap(1, 960, 64), 64),   // the next gap, right behind
            (gap(2, 960, 64), 64),   // the same place in another term
            (gap(2, 0, 64), 0),      // below what was counted: as Aeron, not counted
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(account.on_gap(gap), lost, "step {step}");
        }
    }
}
