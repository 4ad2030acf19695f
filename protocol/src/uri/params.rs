//! Parameters by meaning: text to types, with the limits that a value has by itself.

use core::{fmt, time::Duration};

use super::{
    channel_uri::ChannelUri,
    error::{SyntaxError, UriError, ValueError},
    keys, units,
};
use crate::types::{CorrelationId, GroupTag, Mtu, SessionId, StreamId, TermId, TermLength};

/// How a channel finds its destinations. Source: wire spec 7.1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ControlMode {
    /// One endpoint.
    #[default]
    None,
    /// Destinations come by command.
    Manual,
    /// Destinations come by status message.
    Dynamic,
    /// The one destination is whoever asks for a response.
    Response,
}

impl ControlMode {
    /// The value in a URI; `None` has none.
    #[must_use]
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Manual => Some("manual"),
            Self::Dynamic => Some("dynamic"),
            Self::Response => Some("response"),
        }
    }
}

/// Yes, no, or what the channel suggests. Source: wire spec 11.2, `group`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum InferableBool {
    /// Yes.
    True,
    /// No.
    False,
    /// As the channel suggests.
    Infer,
}

impl InferableBool {
    /// Reads a value as the C driver does: all but `true` and `infer` is no.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "true" => Self::True,
            "infer" => Self::Infer,
            _ => Self::False,
        }
    }
}

impl fmt::Display for InferableBool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::True => "true",
            Self::False => "false",
            Self::Infer => "infer",
        })
    }
}

/// Where a session id comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SessionIdParam {
    /// Given.
    Id(SessionId),
    /// That of the publication with this entity tag.
    Tag(i64),
}

/// What a publication's responses belong to. Source: wire spec 2.7.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ResponseCorrelation {
    /// An image, or a subscription.
    Id(CorrelationId),
    /// A response publication made ahead of any request.
    Prototype,
}

/// Where a timestamp of 8 bytes goes in a frame. Source: wire spec 11.2.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TimestampOffset {
    /// This many bytes into the payload.
    Payload(i32),
    /// Into the reserved value of the header.
    ReservedValue,
}

impl fmt::Display for TimestampOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payload(offset) => fmt::Display::fmt(offset, f),
            Self::ReservedValue => f.write_str("reserved"),
        }
    }
}

/// Reading values by type. Absent parameters are `Ok(None)`; errors are [`UriError::Value`] unless said otherwise.
impl ChannelUri {
    fn read<T, E: Into<ValueError>>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, UriError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        parse(value).map(Some).map_err(|reason| UriError::value(key, value, reason))
    }

    /// A size in bytes.
    ///
    /// # Errors
    /// As [`units::parse_size`].
    pub fn size(&self, key: &str) -> Result<Option<u64>, UriError> {
        self.read(key, units::parse_size)
    }

    /// A duration.
    ///
    /// # Errors
    /// As [`units::parse_duration`].
    pub fn duration(&self, key: &str) -> Result<Option<Duration>, UriError> {
        self.read(key, units::parse_duration)
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn bool(&self, key: &str) -> Result<Option<bool>, UriError> {
        self.read(key, |value| value.parse().map_err(|_| ValueError::NotABool))
    }

    /// A 32-bit integer.
    ///
    /// # Errors
    /// When it is no integer or does not fit.
    pub fn i32(&self, key: &str) -> Result<Option<i32>, UriError> {
        self.read(key, parse_i32)
    }

    /// A 64-bit integer.
    ///
    /// # Errors
    /// When it is no integer or does not fit.
    pub fn i64(&self, key: &str) -> Result<Option<i64>, UriError> {
        self.read(key, units::parse_integer)
    }

    /// An integer within limits.
    ///
    /// # Errors
    /// When it is no integer or outside `min..=max`.
    pub fn integer_within(&self, key: &str, min: i64, max: i64) -> Result<Option<i64>, UriError> {
        self.read(key, |value| parse_within(value, min, max))
    }

    /// Where data goes to, or is received.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.get(keys::ENDPOINT)
    }

    /// Local address to use.
    #[must_use]
    pub fn interface(&self) -> Option<&str> {
        self.get(keys::INTERFACE)
    }

    /// Local control address of a publication, the publication's of a subscription.
    #[must_use]
    pub fn control(&self) -> Option<&str> {
        self.get(keys::CONTROL)
    }

    /// How destinations are found; an unknown value is none, as in the C driver.
    #[must_use]
    pub fn control_mode(&self) -> ControlMode {
        match self.get(keys::CONTROL_MODE) {
            Some("manual") => ControlMode::Manual,
            Some("dynamic") => ControlMode::Dynamic,
            Some("response") => ControlMode::Response,
            _ => ControlMode::None,
        }
    }

    /// Time to live of multicast datagrams; more than 255 is 255.
    ///
    /// # Errors
    /// When it is no integer or negative.
    pub fn ttl(&self) -> Result<Option<u8>, UriError> {
        let ttl = self.read(keys::TTL, |value| parse_within(value, 0, i64::MAX))?;
        Ok(ttl.map(|ttl| u8::try_from(ttl).unwrap_or(u8::MAX)))
    }

    /// Tag by which other channels refer to this one.
    ///
    /// # Errors
    /// [`UriError::Syntax`] when it is no integer or -1, which the C driver answers with INVALID_CHANNEL.
    pub fn channel_tag(&self) -> Result<Option<i64>, UriError> {
        let Some(tag) = self.tag(0) else { return Ok(None) };
        match tag.parse() {
            Ok(-1) | Err(_) => {
                Err(UriError::syntax(&self.to_string(), SyntaxError::ChannelTag { tag: tag.to_owned() }))
            }
            Ok(number) => Ok(Some(number)),
        }
    }

    /// Tag by which others refer to this publication or subscription.
    ///
    /// # Errors
    /// When it is no integer.
    pub fn entity_tag(&self) -> Result<Option<i64>, UriError> {
        let Some(tag) = self.tag(1) else { return Ok(None) };
        match tag.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(UriError::value(keys::TAGS, tag, units::UnitError::NotAnInteger)),
        }
    }

    fn tag(&self, index: usize) -> Option<&str> {
        self.get(keys::TAGS)?.splitn(2, ',').nth(index).filter(|tag| !tag.is_empty())
    }

    /// Session to use, or the only one to receive.
    ///
    /// # Errors
    /// When it is neither a 32-bit integer nor `tag:` and an integer.
    pub fn session_id(&self) -> Result<Option<SessionIdParam>, UriError> {
        self.read(keys::SESSION_ID, |value| {
            let parsed = match value.strip_prefix("tag:") {
                Some(tag) => units::parse_integer(tag).ok().map(SessionIdParam::Tag),
                None => parse_i32(value).ok().map(|id| SessionIdParam::Id(SessionId::new(id))),
            };
            parsed.ok_or(ValueError::NotASessionId)
        })
    }

    /// Stream, for those who derive a command from the URI.
    ///
    /// # Errors
    /// When it is no 32-bit integer.
    pub fn stream_id(&self) -> Result<Option<StreamId>, UriError> {
        Ok(self.i32(keys::STREAM_ID)?.map(StreamId::new))
    }

    /// Longest frame of a publication.
    ///
    /// # Errors
    /// When it is no size or not a multiple of 32 above 32 and up to 65504.
    pub fn mtu(&self) -> Result<Option<Mtu>, UriError> {
        self.read(keys::MTU, |value| Ok::<_, ValueError>(Mtu::new(parse_size_i64(value)?)?))
    }

    /// Length of a publication's terms.
    ///
    /// # Errors
    /// When it is no size or not a power of two between 64 KiB and 1 GiB.
    pub fn term_length(&self) -> Result<Option<TermLength>, UriError> {
        self.read(keys::TERM_LENGTH, |value| Ok::<_, ValueError>(TermLength::new(parse_size_i64(value)?)?))
    }

    /// First term of a publication's stream.
    ///
    /// # Errors
    /// When it is no 32-bit integer.
    pub fn initial_term_id(&self) -> Result<Option<TermId>, UriError> {
        Ok(self.i32(keys::INITIAL_TERM_ID)?.map(TermId::new))
    }

    /// Term at which a publication starts.
    ///
    /// # Errors
    /// When it is no 32-bit integer.
    pub fn term_id(&self) -> Result<Option<TermId>, UriError> {
        Ok(self.i32(keys::TERM_ID)?.map(TermId::new))
    }

    /// Offset at which a publication starts, in bytes: a multiple of 32 up to 1 GiB, the term length to be checked.
    ///
    /// # Errors
    /// When it is no integer, negative, too large for any term, or not a multiple of 32.
    pub fn term_offset(&self) -> Result<Option<i32>, UriError> {
        self.read(keys::TERM_OFFSET, |value| {
            let offset = parse_within(value, 0, i64::from(TermLength::MAX.get()))?;
            // Within the limits of a term, so within i32.
            if offset & 31 == 0 { Ok(offset as i32) } else { Err(ValueError::NotAFrameStart) }
        })
    }

    /// Concurrent retransmissions of a publication, 1..=256.
    ///
    /// # Errors
    /// When it is no size or outside these limits.
    pub fn max_resend(&self) -> Result<Option<u16>, UriError> {
        self.read(keys::MAX_RESEND, |value| match units::parse_size(value)? {
            count @ 1..=256 => Ok(count as u16),
            _ => Err(ValueError::OutOfRange { min: 1, max: 256 }),
        })
    }

    /// What responses belong to; -1 stands for nothing.
    ///
    /// # Errors
    /// When it is neither `prototype` nor an integer of at least -1.
    pub fn response_correlation_id(&self) -> Result<Option<ResponseCorrelation>, UriError> {
        let value = self.read(keys::RESPONSE_CORRELATION_ID, |value| {
            if value == "prototype" {
                return Ok(Some(ResponseCorrelation::Prototype));
            }
            match units::parse_integer(value) {
                Ok(-1) => Ok(None),
                Ok(id) if id >= 0 => Ok(Some(ResponseCorrelation::Id(CorrelationId::new(id)))),
                _ => Err(ValueError::NotAResponseCorrelation),
            }
        })?;
        Ok(value.flatten())
    }

    /// Whether a subscription behaves as one of many receivers.
    #[must_use]
    pub fn group(&self) -> Option<InferableBool> {
        self.get(keys::GROUP).map(InferableBool::parse)
    }

    /// Tag by which flow control groups receivers.
    ///
    /// # Errors
    /// When it is no integer.
    pub fn group_tag(&self) -> Result<Option<GroupTag>, UriError> {
        Ok(self.i64(keys::GROUP_TAG)?.map(GroupTag::new))
    }

    /// Type of service of what is sent. Source: wire spec 15.2.
    ///
    /// # Errors
    /// When it is no integer in 0..=255.
    pub fn socket_tos(&self) -> Result<Option<u8>, UriError> {
        // Within the limits, so within u8.
        Ok(self.integer_within(keys::SOCKET_TOS, 0, 255)?.map(|tos| tos as u8))
    }

    /// Where a timestamp goes, for one of the three `*-ts-offset` keys.
    ///
    /// # Errors
    /// When it is neither `reserved` nor a 32-bit integer.
    pub fn timestamp_offset(&self, key: &str) -> Result<Option<TimestampOffset>, UriError> {
        self.read(key, |value| match value {
            "reserved" => Ok(TimestampOffset::ReservedValue),
            _ => parse_i32(value).map(TimestampOffset::Payload).map_err(|_| ValueError::NotATimestampOffset),
        })
    }
}

fn parse_within(value: &str, min: i64, max: i64) -> Result<i64, ValueError> {
    let number = units::parse_integer(value)?;
    if (min..=max).contains(&number) { Ok(number) } else { Err(ValueError::OutOfRange { min, max }) }
}

fn parse_i32(value: &str) -> Result<i32, ValueError> {
    // Within the limits, so within i32.
    Ok(parse_within(value, i64::from(i32::MIN), i64::from(i32::MAX))? as i32)
}

fn parse_size_i64(value: &str) -> Result<i64, ValueError> {
    // parse_size stays within i64.
    Ok(units::parse_size(value)? as i64)
}
