//! Why a channel URI is refused, in words for the person who wrote it.

use super::units::UnitError;
use crate::types::{MtuError, TermLengthError};

/// A channel URI that cannot be used.
///
/// Clients are answered with INVALID_CHANNEL for a syntax error, with GENERIC_ERROR for a bad value.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UriError {
    /// It is not a channel URI.
    #[error("invalid channel '{uri}': {reason}")]
    Syntax {
        /// The URI, cut to a length that can be read.
        uri: String,
        /// What is wrong with it.
        reason: SyntaxError,
    },
    /// It is one, but a parameter has no usable value.
    #[error("invalid channel parameter {key}={value}: {reason}")]
    Value {
        /// Name of the parameter.
        key: String,
        /// What was given.
        value: String,
        /// What is wrong with it.
        reason: ValueError,
    },
}

impl UriError {
    /// Whether the whole is at fault and not the value of one parameter.
    #[must_use]
    pub const fn is_syntax(&self) -> bool {
        matches!(self, Self::Syntax { .. })
    }

    pub(super) fn syntax(uri: &str, reason: SyntaxError) -> Self {
        const SHOWN: usize = 256;
        let uri = match uri.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}...", &uri[..end]),
            None => uri.to_owned(),
        };
        Self::Syntax { uri, reason }
    }

    pub(super) fn value(key: &str, value: &str, reason: impl Into<ValueError>) -> Self {
        Self::Value { key: key.to_owned(), value: value.to_owned(), reason: reason.into() }
    }
}

/// What makes a string no channel URI. Source: wire spec 11.1, 15.5.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SyntaxError {
    /// Longer than any channel may be.
    #[error("{length} bytes exceed the limit of {max}")]
    TooLong {
        /// Length in bytes.
        length: usize,
        /// Most allowed, in bytes.
        max: usize,
    },
    /// Not UTF-8.
    #[error("not valid UTF-8")]
    NotText,
    /// Starts with neither `aeron:udp?` nor `aeron:ipc`, with or without `aeron-spy:`.
    #[error("must start with 'aeron:udp?' or 'aeron:ipc', optionally after 'aeron-spy:'")]
    SchemeOrMedia,
    /// A parameter without a name.
    #[error("a parameter has no name before its '='")]
    EmptyKey,
    /// A `|` where the name of a parameter is.
    #[error("'|' within a parameter's name: each parameter must be name=value")]
    EndOfKey,
    /// A parameter without a value.
    #[error("parameter '{key}' has no value after its '='")]
    EmptyValue {
        /// Name of the parameter.
        key: String,
    },
    /// A name that would be read back differently.
    #[error("parameter name '{key}' is empty or contains '=', '|' or '?'")]
    UnusableKey {
        /// The name.
        key: String,
    },
    /// A value that would be read back differently.
    #[error("value '{value}' of parameter '{key}' is empty or contains '|'")]
    UnusableValue {
        /// Name of the parameter.
        key: String,
        /// The value.
        value: String,
    },
    /// The channel tag is not a number, or -1.
    #[error("channel tag '{tag}' must be a number other than -1")]
    ChannelTag {
        /// What was given.
        tag: String,
    },
}

/// What is wrong with the value of a parameter.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ValueError {
    /// Not a size, duration or integer.
    #[error(transparent)]
    Unit(#[from] UnitError),
    /// Neither `true` nor `false`.
    #[error("must be 'true' or 'false'")]
    NotABool,
    /// A number outside its limits.
    #[error("must be between {min} and {max}")]
    OutOfRange {
        /// Least allowed.
        min: i64,
        /// Most allowed.
        max: i64,
    },
    /// Not a term length.
    #[error(transparent)]
    TermLength(#[from] TermLengthError),
    /// Not an MTU.
    #[error(transparent)]
    Mtu(#[from] MtuError),
    /// A position at which no frame can start.
    #[error("must be a non-negative multiple of 32")]
    NotAFrameStart,
    /// Neither an offset nor `reserved`.
    #[error("must be an offset into the payload in bytes, or 'reserved'")]
    NotATimestampOffset,
    /// Neither a correlation id nor `prototype`.
    #[error("invalid response-correlation-id, must be a number greater than or equal to -1, or 'prototype'")]
    NotAResponseCorrelation,
    /// Neither a session id nor `tag:` and a number.
    #[error("must be a 32-bit number, or 'tag:' and the entity tag of a publication")]
    NotASessionId,
}
