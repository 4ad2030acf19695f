//! Durations as the numbers that a report holds.

macro_rules! unit {
    ($(#[$meta:meta])* $name:ident, $per_second:expr) => {
        $(#[$meta])*
        pub(super) mod $name {
            use serde::{Deserialize, Deserializer, Serializer, de::Error};
            use std::{result::Result, time::Duration};

            pub(in super::super) fn serialize<S: Serializer>(
                duration: &Duration,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                serializer.serialize_f64(duration.as_secs_f64() * $per_second)
            }

            pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Duration, D::Error> {
                let number = f64::deserialize(deserializer)?;
                Duration::try_from_secs_f64(number / $per_second).map_err(D::Error::custom)
            }
        }
    };
}

unit!(
    /// In seconds.
    seconds,
    1.0
);
unit!(
    /// In milliseconds.
    milliseconds,
    1e3
);
