//! Reading and writing the fields of records, and what can be wrong with them.

use crate::types::{
    ClientId, CorrelationId, CounterId, CounterTypeId, GroupTag, Position, ReceiverId, RegistrationId,
    SessionId, StreamId,
};

use super::ErrorCode;

/// A record that is no valid command or event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("record of type {type_id:#06x}: {fault}")]
pub struct CommandError {
    /// Type id of the record.
    pub type_id: i32,
    /// The client that sent a command, when the record is long enough to tell.
    pub client_id: Option<ClientId>,
    /// The command's correlation id, when the record is long enough to tell: what an answer refers to.
    pub correlation_id: Option<CorrelationId>,
    /// What is wrong.
    pub fault: Fault,
}

impl CommandError {
    /// How a driver names this error to the client.
    #[must_use]
    pub const fn error_code(&self) -> ErrorCode {
        match self.fault {
            Fault::UnknownType => ErrorCode::UnknownCommandTypeId,
            _ => ErrorCode::MalformedCommand,
        }
    }
}

/// What is wrong with a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// Neither a command nor an event of this release.
    #[error("unknown type id")]
    UnknownType,
    /// The record ends before its fields do.
    #[error("{length} bytes are too short, at least {minimum} are needed")]
    TooShort {
        /// Length of the record, in bytes.
        length: usize,
        /// Bytes needed up to the field that is missing.
        minimum: usize,
    },
    /// An embedded length is negative, or reaches past the record.
    #[error("length {value} of field {field} does not fit the {available} bytes that follow it")]
    FieldLength {
        /// Name of the field.
        field: &'static str,
        /// The embedded length.
        value: i32,
        /// Bytes of the record that follow.
        available: usize,
    },
    /// A text is not UTF-8.
    #[error("field {field} is not text")]
    NotText {
        /// Name of the field.
        field: &'static str,
    },
}

/// Reads fields front to back.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some((array, _)) = rest.split_first_chunk::<N>() else {
            return Err(Fault::TooShort { length: self.bytes.len(), minimum: self.at + N });
        };
        self.at += N;
        Ok(*array)
    }

    pub(super) fn get<T: Field>(&mut self) -> Result<T, Fault> {
        T::read(self)
    }

    /// A length and as many bytes.
    pub(super) fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], Fault> {
        let value: i32 = self.get()?;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let bytes = usize::try_from(value).ok().and_then(|length| rest.get(..length));
        let Some(bytes) = bytes else {
            return Err(Fault::FieldLength { field, value, available: rest.len() });
        };
        self.at += bytes.len();
        Ok(bytes)
    }

    /// A length and as many bytes of text.
    pub(super) fn text(&mut self, field: &'static str) -> Result<&'a str, Fault> {
        core::str::from_utf8(self.bytes(field)?).map_err(|_| Fault::NotText { field })
    }

    /// Skips to the next multiple of four bytes.
    pub(super) fn align(&mut self) {
        self.at = self.at.next_multiple_of(4);
    }
}

/// Writes fields front to back.
pub(super) struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Replaces what `out` holds.
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        out.clear();
        Self { out }
    }

    pub(super) fn put<T: Field>(&mut self, value: T) -> &mut Self {
        value.write(self.out);
        self
    }

    /// A length and the bytes; what no record can hold anyway is cut.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        self.put(length);
        self.out.extend_from_slice(&bytes[..length as usize]);
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// Zeroes up to the next multiple of four bytes.
    pub(super) fn align(&mut self) -> &mut Self {
        self.at_least(self.out.len().next_multiple_of(4))
    }

    /// Zeroes up to `length` bytes.
    pub(super) fn at_least(&mut self, length: usize) -> &mut Self {
        if self.out.len() < length {
            self.out.resize(length, 0);
        }
        self
    }
}

/// A value of fixed size in a record, little endian.
pub(super) trait Field: Sized {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault>;
    fn write(self, out: &mut Vec<u8>);
}

macro_rules! integer_fields {
    ($($integer:ty),+) => {$(
        impl Field for $integer {
            fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
                Ok(Self::from_le_bytes(reader.array()?))
            }

            fn write(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }
    )+};
}

integer_fields!(u16, i32, i64, u64);

macro_rules! wrapped_fields {
    ($($newtype:ty),+) => {$(
        impl Field for $newtype {
            fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
                Ok(Self::new(reader.get()?))
            }

            fn write(self, out: &mut Vec<u8>) {
                self.get().write(out);
            }
        }
    )+};
}

wrapped_fields!(
    ClientId,
    CorrelationId,
    RegistrationId,
    SessionId,
    StreamId,
    CounterId,
    CounterTypeId,
    ReceiverId,
    GroupTag,
    Position
);

impl<const N: usize> Field for [u8; N] {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        reader.array()
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self);
    }
}
