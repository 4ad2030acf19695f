//! Newtypes as numbers in JSON.

use epona_protocol::types::{
    ClientId, CounterId, CounterTypeId, EpochMillis, Position, RegistrationId, SessionId, StreamId,
};
use serde::Serializer;

/// A newtype over an integer.
pub(crate) trait Number {
    fn number(&self) -> i64;
}

macro_rules! numbers {
    ($($name:ident)*) => {
        $(impl Number for $name {
            fn number(&self) -> i64 {
                i64::from(self.get())
            }
        })*
    };
}

numbers! { ClientId CounterId CounterTypeId EpochMillis Position RegistrationId SessionId StreamId }

/// For `serialize_with`: null for none.
///
/// # Errors
/// Those of the serializer.
pub(crate) fn optional<S: Serializer>(value: &Option<impl Number>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => number(value, serializer),
        None => serializer.serialize_none(),
    }
}

/// For `serialize_with`.
///
/// # Errors
/// Those of the serializer.
pub(crate) fn number<S: Serializer>(value: &impl Number, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(value.number())
}
