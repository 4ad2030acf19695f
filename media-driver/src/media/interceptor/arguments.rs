//! The arguments of an interceptor: `key=value|key=value`.

use std::{str::FromStr, time::Duration};

use epona_protocol::uri::units;

/// What is wrong with an interceptor's arguments.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ArgumentError {
    /// A part is not `key=value`, or one of both is empty.
    #[error("argument '{0}' is not key=value")]
    Malformed(String),
    /// A value cannot be read.
    #[error("could not parse {key} from '{value}': expected {expected}")]
    Value {
        /// The argument's key.
        key: &'static str,
        /// The value given.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
}

/// Parsed arguments; the last of equal keys counts.
#[derive(Debug)]
pub(super) struct Arguments<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Arguments<'a> {
    /// Splits the text; an empty one has no arguments.
    pub(super) fn parse(text: &'a str) -> Result<Self, ArgumentError> {
        let parts = text.split('|').filter(|_| !text.is_empty());
        let pairs = parts.map(|part| match part.split_once('=') {
            Some((key, value)) if !key.is_empty() && !value.is_empty() => Ok((key, value)),
            _ => Err(ArgumentError::Malformed(part.into())),
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// The value of a key, or the default when it is not given.
    pub(super) fn number<T: FromStr>(
        &self,
        key: &'static str,
        default: T,
        expected: &'static str,
    ) -> Result<T, ArgumentError> {
        self.read(key, default, expected, |value| value.parse().ok())
    }

    /// A share, 0.0..=1.0; others are clamped. Default 0.
    pub(super) fn rate(&self) -> Result<f64, ArgumentError> {
        let expected = "a number from 0.0 to 1.0";
        let rate: f64 = self.read("rate", 0.0, expected, |value| value.parse().ok())?;
        if rate.is_nan() {
            return Err(ArgumentError::Value { key: "rate", value: "NaN".into(), expected });
        }
        Ok(rate.clamp(0.0, 1.0))
    }

    /// Start of the random sequence. Default 0.
    pub(super) fn seed(&self) -> Result<u64, ArgumentError> {
        self.number("seed", 0, "an unsigned number")
    }

    /// A hexadecimal mask, with or without `0x`. Default 0.
    pub(super) fn mask(&self, key: &'static str) -> Result<u64, ArgumentError> {
        self.read(key, 0, "a hexadecimal number", |value| {
            let digits = value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")).unwrap_or(value);
            u64::from_str_radix(digits, 16).ok()
        })
    }

    /// A duration: a number with `ns`, `us`, `ms` or `s`; nanoseconds without.
    pub(super) fn duration(&self, key: &'static str, default: Duration) -> Result<Duration, ArgumentError> {
        self.read(key, default, "a duration such as 500us or 10ms", |value| units::parse_duration(value).ok())
    }

    fn read<T>(
        &self,
        key: &'static str,
        default: T,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ArgumentError> {
        let Some((_, value)) = self.0.iter().rev().find(|(found, _)| *found == key) else {
            return Ok(default);
        };
        parse(value).ok_or_else(|| ArgumentError::Value { key, value: (*value).into(), expected })
    }
}
