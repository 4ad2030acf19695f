//! Ports that drivers choose.

use std::ops::RangeInclusive;

/// Whether a text is a port of a range.
pub(super) fn is_one_of(ports: &RangeInclusive<u16>, text: &str) -> bool {
    text.parse().is_ok_and(|port| ports.contains(&port))
}
