//! Medians, extremes and ratios.

/// Median and extremes of the runs of one party.
#[derive(Clone, Copy, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Spread {
    /// The middle value; of an even number of values the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// Of at least one value.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let median = f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Self { median, min, max })
    }

    /// Values that have this spread.
    pub(super) fn values(self) -> Vec<f64> {
        vec![self.min, self.median, self.max]
    }
}

/// Ours divided by theirs, of medians; `None` where one is absent or the quotient is no number.
#[must_use]
pub(super) fn ratio(ours: Option<Spread>, theirs: Option<Spread>) -> Option<f64> {
    let ratio = ours?.median / theirs?.median;
    ratio.is_finite().then_some(ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_does_not_depend_on_the_order_of_values() {
        let odd = Spread::of(&[3.0, 1.0, 2.0]);
        assert_eq!(odd, Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        let even = Spread::of(&[4.0, 1.0, 2.0, 3.0]);
        assert_eq!(even, Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn a_ratio_is_ours_over_theirs_and_absent_with_either() {
        let (ours, theirs) = (Spread::of(&[6.0]), Spread::of(&[3.0]));
        assert_eq!(ratio(ours, theirs), Some(2.0));
        assert_eq!(ratio(ours, None), None);
        assert_eq!(ratio(None, theirs), None);
        assert_eq!(ratio(ours, Spread::of(&[0.0])), None);
    }
}
