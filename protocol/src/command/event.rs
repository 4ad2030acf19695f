//! Events: what the driver answers and announces.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::types::{
    ClientId, CorrelationId, CounterId, GroupTag, ReceiverId, RegistrationId, SessionId, StreamId,
};

use super::{
    CommandError, ErrorCode, Fault, event_id as id,
    fields::{Reader, Writer},
};

/// Shortest record of ON_PUBLICATION_ERROR that stock C clients accept. Source: shared-memory spec 10.5, 15.
const PUBLICATION_ERROR_LENGTH: usize = 72;

const ADDRESS_UNKNOWN: u16 = 0;
const ADDRESS_IPV4: u16 = 1;
const ADDRESS_IPV6: u16 = 2;
const ADDRESS_LENGTH: usize = 16;

/// "None" of an id that may be missing.
const NONE: i64 = -1;

/// An event of the driver. Source: shared-memory spec 10.5.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event<'a> {
    /// A command failed.
    Error {
        /// The command; for [`ErrorCode::ChannelEndpointError`] the id of the channel's status counter.
        correlation_id: CorrelationId,
        /// Why, by number.
        error_code: ErrorCode,
        /// Why, in words.
        message: &'a [u8],
    },
    /// A subscription has an image.
    AvailableImage(AvailableImage<'a>),
    /// A subscription lost an image.
    UnavailableImage {
        /// Correlation id of the image.
        image_id: CorrelationId,
        /// The subscription.
        subscription_id: RegistrationId,
        /// Stream id.
        stream_id: StreamId,
        /// Channel URI of the subscription.
        channel: &'a str,
    },
    /// A concurrent publication is ready.
    PublicationReady(PublicationReady<'a>),
    /// An exclusive publication is ready.
    ExclusivePublicationReady(PublicationReady<'a>),
    /// A subscription is ready.
    SubscriptionReady {
        /// The command, and so the subscription.
        correlation_id: CorrelationId,
        /// Counter of the channel's status; [`CounterId::NULL`] for none.
        channel_status_id: CounterId,
    },
    /// A command without a more telling answer is done.
    OperationSuccess {
        /// The command.
        correlation_id: CorrelationId,
    },
    /// A counter is ready, perhaps of another client; a client's heartbeat has the client's id.
    CounterReady {
        /// The command, and so the counter.
        correlation_id: CorrelationId,
        /// The counter.
        counter_id: CounterId,
    },
    /// A counter is gone.
    UnavailableCounter {
        /// Registration id of the counter.
        registration_id: RegistrationId,
        /// The counter.
        counter_id: CounterId,
    },
    /// A static counter is ready.
    StaticCounter {
        /// The command.
        correlation_id: CorrelationId,
        /// The counter.
        counter_id: CounterId,
    },
    /// The driver gave a client up.
    ClientTimeout {
        /// The client.
        client_id: ClientId,
    },
    /// A receiver reported an error on a publication.
    PublicationError(PublicationError<'a>),
    /// A session id that is not in use.
    NextAvailableSessionId {
        /// The command.
        correlation_id: CorrelationId,
        /// The session id.
        session_id: SessionId,
    },
}

/// What a client needs to map a publication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublicationReady<'a> {
    /// The command, and so this registration of the publication.
    pub correlation_id: CorrelationId,
    /// Registration id of the publication that is shared; the same number when it is not.
    pub original_registration_id: RegistrationId,
    /// Session id.
    pub session_id: SessionId,
    /// Stream id.
    pub stream_id: StreamId,
    /// Counter of the position that must not be passed.
    pub limit_id: CounterId,
    /// Counter of the channel's status; [`CounterId::NULL`] for none.
    pub channel_status_id: CounterId,
    /// Path of the log buffer.
    pub log_file_name: &'a str,
}

/// What a client needs to map an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AvailableImage<'a> {
    /// Correlation id of the image.
    pub image_id: CorrelationId,
    /// Session id.
    pub session_id: SessionId,
    /// Stream id.
    pub stream_id: StreamId,
    /// The subscription.
    pub subscription_id: RegistrationId,
    /// Counter of the subscriber's position.
    pub position_id: CounterId,
    /// Path of the log buffer.
    pub log_file_name: &'a str,
    /// Address and port of the sender, or `aeron:ipc`.
    pub source_identity: &'a str,
}

/// What a receiver reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublicationError<'a> {
    /// Original registration id of the publication.
    pub registration_id: RegistrationId,
    /// The destination that the receiver belongs to, if known.
    pub destination_registration_id: Option<RegistrationId>,
    /// Session id.
    pub session_id: SessionId,
    /// Stream id.
    pub stream_id: StreamId,
    /// The receiver, as it names itself; -1 over IPC.
    pub receiver_id: ReceiverId,
    /// Group tag of the receiver, if it has one.
    pub group_tag: Option<GroupTag>,
    /// Where the report came from, if known.
    pub source: Option<SocketAddr>,
    /// What, by number.
    pub error_code: ErrorCode,
    /// What, in words.
    pub message: &'a [u8],
}

impl<'a> Event<'a> {
    /// Type id of the record.
    #[must_use]
    pub const fn type_id(&self) -> i32 {
        match self {
            Self::Error { .. } => id::ON_ERROR,
            Self::AvailableImage(_) => id::ON_AVAILABLE_IMAGE,
            Self::UnavailableImage { .. } => id::ON_UNAVAILABLE_IMAGE,
            Self::PublicationReady(_) => id::ON_PUBLICATION_READY,
            Self::ExclusivePublicationReady(_) => id::ON_EXCLUSIVE_PUBLICATION_READY,
            Self::SubscriptionReady { .. } => id::ON_SUBSCRIPTION_READY,
            Self::OperationSuccess { .. } => id::ON_OPERATION_SUCCESS,
            Self::CounterReady { .. } => id::ON_COUNTER_READY,
            Self::UnavailableCounter { .. } => id::ON_UNAVAILABLE_COUNTER,
            Self::StaticCounter { .. } => id::ON_STATIC_COUNTER,
            Self::ClientTimeout { .. } => id::ON_CLIENT_TIMEOUT,
            Self::PublicationError(_) => id::ON_PUBLICATION_ERROR,
            Self::NextAvailableSessionId { .. } => id::ON_NEXT_AVAILABLE_SESSION_ID,
        }
    }

    /// Writes the payload of the record into `out`, replacing what it holds.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        let writer = &mut writer;
        match *self {
            Self::Error { correlation_id, error_code, message } => {
                writer.put(correlation_id).put(error_code.get()).bytes(message)
            }
            Self::AvailableImage(ref image) => image.encode(writer),
            Self::UnavailableImage { image_id, subscription_id, stream_id, channel } => {
                writer.put(image_id).put(subscription_id).put(stream_id).text(channel)
            }
            Self::PublicationReady(ref ready) | Self::ExclusivePublicationReady(ref ready) => {
                ready.encode(writer)
            }
            Self::SubscriptionReady { correlation_id, channel_status_id } => {
                writer.put(correlation_id).put(channel_status_id)
            }
            Self::OperationSuccess { correlation_id } => writer.put(correlation_id),
            Self::CounterReady { correlation_id, counter_id }
            | Self::StaticCounter { correlation_id, counter_id } => {
                writer.put(correlation_id).put(counter_id)
            }
            Self::UnavailableCounter { registration_id, counter_id } => {
                writer.put(registration_id).put(counter_id)
            }
            Self::ClientTimeout { client_id } => writer.put(client_id),
            Self::PublicationError(ref error) => error.encode(writer),
            Self::NextAvailableSessionId { correlation_id, session_id } => {
                writer.put(correlation_id).put(session_id)
            }
        };
    }

    /// Parses the payload of a record.
    ///
    /// # Errors
    /// When the type is unknown (to be ignored, newer drivers may know more), the record is too short, an embedded
    /// length does not fit, or a path or channel is not text.
    pub fn parse(type_id: i32, bytes: &'a [u8]) -> Result<Self, CommandError> {
        Self::parse_fields(type_id, &mut Reader::new(bytes)).map_err(|fault| CommandError {
            type_id,
            client_id: None,
            correlation_id: None,
            fault,
        })
    }

    fn parse_fields(type_id: i32, reader: &mut Reader<'a>) -> Result<Self, Fault> {
        Ok(match type_id {
            id::ON_ERROR => Self::Error {
                correlation_id: reader.get()?,
                error_code: ErrorCode::from(reader.get::<i32>()?),
                message: reader.bytes("message")?,
            },
            id::ON_AVAILABLE_IMAGE => Self::AvailableImage(AvailableImage::parse(reader)?),
            id::ON_UNAVAILABLE_IMAGE => Self::UnavailableImage {
                image_id: reader.get()?,
                subscription_id: reader.get()?,
                stream_id: reader.get()?,
                channel: reader.text("channel")?,
            },
            id::ON_PUBLICATION_READY => Self::PublicationReady(PublicationReady::parse(reader)?),
            id::ON_EXCLUSIVE_PUBLICATION_READY => {
                Self::ExclusivePublicationReady(PublicationReady::parse(reader)?)
            }
            id::ON_SUBSCRIPTION_READY => {
                Self::SubscriptionReady { correlation_id: reader.get()?, channel_status_id: reader.get()? }
            }
            id::ON_OPERATION_SUCCESS => Self::OperationSuccess { correlation_id: reader.get()? },
            id::ON_COUNTER_READY => {
                Self::CounterReady { correlation_id: reader.get()?, counter_id: reader.get()? }
            }
            id::ON_UNAVAILABLE_COUNTER => {
                Self::UnavailableCounter { registration_id: reader.get()?, counter_id: reader.get()? }
            }
            id::ON_STATIC_COUNTER => {
                Self::StaticCounter { correlation_id: reader.get()?, counter_id: reader.get()? }
            }
            id::ON_CLIENT_TIMEOUT => Self::ClientTimeout { client_id: reader.get()? },
            id::ON_PUBLICATION_ERROR => Self::PublicationError(PublicationError::parse(reader)?),
            id::ON_NEXT_AVAILABLE_SESSION_ID => {
                Self::NextAvailableSessionId { correlation_id: reader.get()?, session_id: reader.get()? }
            }
            _ => return Err(Fault::UnknownType),
        })
    }
}

impl<'a> PublicationReady<'a> {
    fn encode<'w, 'v>(&self, writer: &'w mut Writer<'v>) -> &'w mut Writer<'v> {
        writer
            .put(self.correlation_id)
            .put(self.original_registration_id)
            .put(self.session_id)
            .put(self.stream_id)
            .put(self.limit_id)
            .put(self.channel_status_id)
            .text(self.log_file_name)
    }

    fn parse(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        Ok(Self {
            correlation_id: reader.get()?,
            original_registration_id: reader.get()?,
            session_id: reader.get()?,
            stream_id: reader.get()?,
            limit_id: reader.get()?,
            channel_status_id: reader.get()?,
            log_file_name: reader.text("log file name")?,
        })
    }
}

impl<'a> AvailableImage<'a> {
    fn encode<'w, 'v>(&self, writer: &'w mut Writer<'v>) -> &'w mut Writer<'v> {
        writer
            .put(self.image_id)
            .put(self.session_id)
            .put(self.stream_id)
            .put(self.subscription_id)
            .put(self.position_id)
            .text(self.log_file_name)
            .align()
            .text(self.source_identity)
    }

    fn parse(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        Ok(Self {
            image_id: reader.get()?,
            session_id: reader.get()?,
            stream_id: reader.get()?,
            subscription_id: reader.get()?,
            position_id: reader.get()?,
            log_file_name: {
                let name = reader.text("log file name")?;
                reader.align();
                name
            },
            source_identity: reader.text("source identity")?,
        })
    }
}

impl<'a> PublicationError<'a> {
    fn encode<'w, 'v>(&self, writer: &'w mut Writer<'v>) -> &'w mut Writer<'v> {
        let (address_type, port, address) = address_fields(self.source);
        writer
            .put(self.registration_id)
            .put(self.destination_registration_id.map_or(NONE, RegistrationId::get))
            .put(self.session_id)
            .put(self.stream_id)
            .put(self.receiver_id)
            .put(self.group_tag.map_or(NONE, GroupTag::get))
            .put(address_type)
            .put(port)
            .put(address)
            .put(self.error_code.get())
            .bytes(self.message)
            .at_least(PUBLICATION_ERROR_LENGTH)
    }

    fn parse(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let some = |id: i64| (id != NONE).then_some(id);
        Ok(Self {
            registration_id: reader.get()?,
            destination_registration_id: some(reader.get()?).map(RegistrationId::new),
            session_id: reader.get()?,
            stream_id: reader.get()?,
            receiver_id: reader.get()?,
            group_tag: some(reader.get()?).map(GroupTag::new),
            source: address(reader.get()?, reader.get()?, reader.get()?),
            error_code: ErrorCode::from(reader.get::<i32>()?),
            message: reader.bytes("message")?,
        })
    }
}

/// Type, port in host order, and bytes of an address; IPv4 takes the first four, in network order.
fn address_fields(source: Option<SocketAddr>) -> (u16, u16, [u8; ADDRESS_LENGTH]) {
    let mut bytes = [0; ADDRESS_LENGTH];
    match source.map(|source| (source.ip(), source.port())) {
        Some((IpAddr::V4(address), port)) => {
            bytes[..4].copy_from_slice(&address.octets());
            (ADDRESS_IPV4, port, bytes)
        }
        Some((IpAddr::V6(address), port)) => (ADDRESS_IPV6, port, address.octets()),
        None => (ADDRESS_UNKNOWN, 0, bytes),
    }
}

fn address(address_type: u16, port: u16, bytes: [u8; ADDRESS_LENGTH]) -> Option<SocketAddr> {
    let [a, b, c, d, ..] = bytes;
    let ip = match address_type {
        ADDRESS_IPV4 => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        ADDRESS_IPV6 => IpAddr::V6(Ipv6Addr::from(bytes)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}
