//! Which publications the conductor looks at when it checks on them: those that move, and some of the others.

use std::{collections::BTreeMap, ops::Bound};

use epona_protocol::types::RegistrationId;

/// Publications at rest that are looked at each time. Each is a page or two that nothing has been at for long, which those
/// that publish on the conductor's thread wait for.
const SLICE: usize = 8;

/// Goes round the publications at rest, in the order of their ids.
#[derive(Debug, Default)]
pub(super) struct Looks {
    /// Those that stood otherwise when they were last looked at than before.
    moving: Vec<RegistrationId>,
    /// Of those at rest, the last that was looked at.
    last: Option<RegistrationId>,
}

impl Looks {
    /// Calls `look`, which says whether a publication stands otherwise than before, for each that moves, and for the next of
    /// the others.
    pub(super) fn take<T>(
        &mut self,
        publications: &BTreeMap<RegistrationId, T>,
        mut look: impl FnMut(&T) -> bool,
    ) {
        self.moving.retain(|id| publications.get(id).is_some_and(&mut look));
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let (tail, head) = (publications.range((after, Bound::Unbounded)), publications.iter());
        for (id, publication) in tail.chain(head).take(SLICE.min(publications.len())) {
            self.last = Some(*id);
            if !self.moving.contains(id) && look(publication) {
                self.moving.push(*id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publications(ids: impl IntoIterator<Item = i64>) -> BTreeMap<RegistrationId, i64> {
        ids.into_iter().map(|id| (RegistrationId::new(id), id)).collect()
    }

    fn looked_at(looks: &mut Looks, at: &BTreeMap<RegistrationId, i64>, moving: &[i64]) -> Vec<i64> {
        let mut looked = Vec::new();
        looks.take(at, |id| {
            looked.push(*id);
            moving.contains(id)
        });
        looked
    }

    #[test]
    fn few_publications_are_all_looked_at_each_time() {
        let (mut looks, few) = (Looks::default(), publications(0..SLICE as i64));
        for moving in [&[][..], &[1, 3], &[3], &[]] {
            let mut looked = looked_at(&mut looks, &few, moving);
            looked.sort_unstable();
            // Twice, when it has just come to rest.
            looked.dedup();
            assert!(looked.iter().eq(few.values()), "{looked:?}");
        }
        assert_eq!(looked_at(&mut looks, &publications([]), &[]), [] as [i64; 0]);
    }

    #[test]
    fn of_many_each_has_its_turn_and_one_that_moves_every_time_until_it_rests() {
        let (mut looks, many) = (Looks::default(), publications(0..100));
        let rounds: Vec<_> = (0..100).map(|_| looked_at(&mut looks, &many, &[50])).collect();
        let times = |of: i64| rounds.iter().flatten().filter(|id| **id == of).count();
        assert!(rounds.iter().skip_while(|round| !round.contains(&50)).all(|round| round.contains(&50)));
        assert!(times(50) > 90);
        assert!((0..100).filter(|id| *id != 50).all(|id| [7, 8, 9].contains(&times(id))));
        looked_at(&mut looks, &many, &[]);
        let round = looked_at(&mut looks, &many, &[]);
        assert_eq!(round.len(), SLICE);
    }

    #[test]
    fn what_was_removed_is_looked_at_no_more() {
        let (mut looks, mut some) = (Looks::default(), publications(0..4));
        looked_at(&mut looks, &some, &[2]);
        some.remove(&RegistrationId::new(2));
        let mut looked = looked_at(&mut looks, &some, &[2]);
        looked.sort_unstable();
        assert_eq!(looked, [0, 1, 3]);
    }
}
