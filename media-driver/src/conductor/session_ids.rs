//! Session ids for publications whose channel names none. Source: driver spec 2.9.

use epona_protocol::types::SessionId;

/// Hands out session ids, counting up from a random start and around the reserved range.
#[derive(Debug)]
pub struct SessionIds {
    next: i32,
    reserved_low: i32,
    reserved_high: i32,
}

impl SessionIds {
    /// Counts from `start`, a random number, leaving out `reserved_low..=reserved_high` (nothing when low > high):
    /// `aeron.publication.reserved.session.id.low` and `.high`.
    #[must_use]
    pub const fn new(start: i32, reserved_low: i32, reserved_high: i32) -> Self {
        Self { next: start, reserved_low, reserved_high }
    }

    /// The next id that is neither reserved nor `in_use`, which is asked about live publications with the same stream
    /// (and, for network publications, the same endpoint). Every call consumes an id, so consecutive answers differ.
    ///
    /// `in_use` must refuse fewer ids than there are.
    pub fn allocate(&mut self, in_use: impl Fn(SessionId) -> bool) -> SessionId {
        loop {
            let candidate = self.advance();
            if !in_use(candidate) {
                return candidate;
            }
        }
    }

    const fn advance(&mut self) -> SessionId {
        if self.reserved_low <= self.next && self.next <= self.reserved_high {
            self.next = self.reserved_high.wrapping_add(1);
        }
        let id = SessionId::new(self.next);
        self.next = self.next.wrapping_add(1);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(ids: &mut SessionIds, count: usize) -> Vec<i32> {
        (0..count).map(|_| ids.allocate(|_| false).get()).collect()
    }

    /// PUB-09
    #[test]
    fn ids_count_up_around_the_reserved_range() {
        assert_eq!(take(&mut SessionIds::new(-3, -1, 1000), 4), [-3, -2, 1001, 1002]);
        assert_eq!(take(&mut SessionIds::new(500, -1, 1000), 2), [1001, 1002]);
        assert_eq!(take(&mut SessionIds::new(7, 9, 8), 3), [7, 8, 9]);
    }

    /// PUB-08
    #[test]
    fn ids_wrap_around() {
        assert_eq!(take(&mut SessionIds::new(i32::MAX, -1, 1000), 2), [i32::MAX, i32::MIN]);
        assert_eq!(take(&mut SessionIds::new(i32::MAX - 1, i32::MAX, i32::MAX), 2), [i32::MAX - 1, i32::MIN]);
    }

    /// PUB-08, PUB-09, PUB-17
    #[test]
    fn ids_in_use_are_left_out_even_next_to_the_reserved_range() {
        let mut ids = SessionIds::new(-3, -1, 1000);
        let in_use = [-3, -2, 1001, 1003].map(SessionId::new);
        let taken: Vec<i32> = (0..2).map(|_| ids.allocate(|id| in_use.contains(&id)).get()).collect();
        assert_eq!(taken, [1002, 1004]);
    }
}
