//! How often each kind of a thing happened.

use std::{collections::BTreeMap, fmt, ops};

/// How often each kind happened; what never did is not in it.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(transparent)]
pub struct Counts<K: Ord>(BTreeMap<K, u64>);

impl<K: Ord> Default for Counts<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Counts<K> {
    /// One more.
    pub fn count(&mut self, kind: K) {
        *self.0.entry(kind).or_default() += 1;
    }

    /// How often a kind happened.
    #[must_use]
    pub fn of(&self, kind: K) -> u64 {
        self.0.get(&kind).copied().unwrap_or(0)
    }
}

impl<K: Ord + Copy> ops::AddAssign<&Self> for Counts<K> {
    fn add_assign(&mut self, other: &Self) {
        for (kind, count) in &other.0 {
            *self.0.entry(*kind).or_default() += count;
        }
    }
}

impl<K: Ord + fmt::Debug> fmt::Display for Counts<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (kind, count)) in self.0.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{count} {kind:?}")?;
        }
        Ok(())
    }
}
