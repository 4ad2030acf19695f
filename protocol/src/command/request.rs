//! Commands: what clients ask.

use crate::types::{ClientId, CorrelationId, CounterTypeId, Position, RegistrationId, StreamId};

use super::{
    CommandError, Fault, command_id as id,
    fields::{Reader, Writer},
};

/// Shortest record of REJECT_IMAGE that stock drivers accept. Source: shared-memory spec 10.3, 15.
const REJECT_IMAGE_LENGTH: usize = 40;

/// Flag of REMOVE_PUBLICATION.
const REVOKE: u64 = 1;

/// A command: who asks, which answer belongs to it, and what is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Command<'a> {
    /// The client that asks.
    pub client_id: ClientId,
    /// Ties the answer to the command, and names the resource that it creates. 0 in REJECT_IMAGE of stock C clients.
    pub correlation_id: CorrelationId,
    /// What is asked.
    pub request: Request<'a>,
}

/// What a command asks. Source: shared-memory spec 10.3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request<'a> {
    /// Add a concurrent publication, or share one that exists.
    AddPublication {
        /// Stream id.
        stream_id: StreamId,
        /// Channel URI.
        channel: &'a str,
    },
    /// Add an exclusive publication.
    AddExclusivePublication {
        /// Stream id.
        stream_id: StreamId,
        /// Channel URI.
        channel: &'a str,
    },
    /// Remove a publication of either kind.
    RemovePublication {
        /// Registration id of this add, not of the original publication.
        registration_id: RegistrationId,
        /// Give up at once what is not delivered yet.
        revoke: bool,
    },
    /// Add a subscription.
    AddSubscription {
        /// Stream id.
        stream_id: StreamId,
        /// Channel URI.
        channel: &'a str,
    },
    /// Remove a subscription.
    RemoveSubscription {
        /// Its registration id.
        registration_id: RegistrationId,
    },
    /// The client is alive.
    ClientKeepalive,
    /// The client is gone.
    ClientClose,
    /// Add a destination to a publication.
    AddDestination {
        /// Original registration id of the publication.
        registration_id: RegistrationId,
        /// Channel URI of the destination.
        channel: &'a str,
    },
    /// Remove a destination of a publication.
    RemoveDestination {
        /// Original registration id of the publication.
        registration_id: RegistrationId,
        /// Channel URI of the destination.
        channel: &'a str,
    },
    /// Remove a destination of a publication.
    RemoveDestinationById {
        /// Original registration id of the publication.
        registration_id: RegistrationId,
        /// Correlation id of the command that added the destination.
        destination_registration_id: RegistrationId,
    },
    /// Add a destination to a subscription.
    AddReceiveDestination {
        /// Registration id of the subscription.
        registration_id: RegistrationId,
        /// Channel URI of the destination.
        channel: &'a str,
    },
    /// Remove a destination of a subscription.
    RemoveReceiveDestination {
        /// Registration id of the subscription.
        registration_id: RegistrationId,
        /// Channel URI of the destination.
        channel: &'a str,
    },
    /// Add a counter that goes with its client.
    AddCounter {
        /// Kind of the counter.
        type_id: CounterTypeId,
        /// Key, in the layout of the kind.
        key: &'a [u8],
        /// Label, text by convention.
        label: &'a [u8],
    },
    /// Add a counter that stays, or find it.
    AddStaticCounter {
        /// Tells counters of one kind apart.
        registration_id: RegistrationId,
        /// Kind of the counter.
        type_id: CounterTypeId,
        /// Key, in the layout of the kind.
        key: &'a [u8],
        /// Label, text by convention.
        label: &'a [u8],
    },
    /// Remove a counter.
    RemoveCounter {
        /// Its registration id.
        registration_id: RegistrationId,
    },
    /// Terminate the driver.
    TerminateDriver {
        /// What the driver's validator asks for.
        token: &'a [u8],
    },
    /// Reject an image: its publisher is told, and it ends.
    RejectImage {
        /// Correlation id of the image.
        image_id: CorrelationId,
        /// Position of the subscriber.
        position: Position,
        /// Why, for the publisher to read; at most 1023 bytes.
        reason: &'a [u8],
    },
    /// Ask for a session id that is not in use on a stream.
    NextAvailableSessionId {
        /// Stream id.
        stream_id: StreamId,
    },
}

impl<'a> Command<'a> {
    /// Type id of the record.
    #[must_use]
    pub const fn type_id(&self) -> i32 {
        self.request.type_id()
    }

    /// Writes the payload of the record into `out`, replacing what it holds.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.put(self.client_id).put(self.correlation_id);
        self.request.encode(&mut writer);
    }

    /// Parses the payload of a record. Commands of stock 1.53 and 1.54 clients are all accepted.
    ///
    /// # Errors
    /// When the type is unknown, the record is too short, an embedded length does not fit, or a channel is not text.
    pub fn parse(type_id: i32, bytes: &'a [u8]) -> Result<Self, CommandError> {
        let mut reader = Reader::new(bytes);
        let client_id = reader.get().ok();
        let correlation_id = reader.get().ok();
        let (Some(client), Some(correlation)) = (client_id, correlation_id) else {
            let fault = Fault::TooShort { length: bytes.len(), minimum: 16 };
            return Err(CommandError { type_id, client_id, correlation_id, fault });
        };
        match Request::parse(type_id, &mut reader) {
            Ok(request) => Ok(Self { client_id: client, correlation_id: correlation, request }),
            Err(fault) => Err(CommandError { type_id, client_id, correlation_id, fault }),
        }
    }
}

impl<'a> Request<'a> {
    /// Type id of the record.
    #[must_use]
    pub const fn type_id(&self) -> i32 {
        match self {
            Self::AddPublication { .. } => id::ADD_PUBLICATION,
            Self::AddExclusivePublication { .. } => id::ADD_EXCLUSIVE_PUBLICATION,
            Self::RemovePublication { .. } => id::REMOVE_PUBLICATION,
            Self::AddSubscription { .. } => id::ADD_SUBSCRIPTION,
            Self::RemoveSubscription { .. } => id::REMOVE_SUBSCRIPTION,
            Self::ClientKeepalive => id::CLIENT_KEEPALIVE,
            Self::ClientClose => id::CLIENT_CLOSE,
            Self::AddDestination { .. } => id::ADD_DESTINATION,
            Self::RemoveDestination { .. } => id::REMOVE_DESTINATION,
            Self::RemoveDestinationById { .. } => id::REMOVE_DESTINATION_BY_ID,
            Self::AddReceiveDestination { .. } => id::ADD_RCV_DESTINATION,
            Self::RemoveReceiveDestination { .. } => id::REMOVE_RCV_DESTINATION,
            Self::AddCounter { .. } => id::ADD_COUNTER,
            Self::AddStaticCounter { .. } => id::ADD_STATIC_COUNTER,
            Self::RemoveCounter { .. } => id::REMOVE_COUNTER,
            Self::TerminateDriver { .. } => id::TERMINATE_DRIVER,
            Self::RejectImage { .. } => id::REJECT_IMAGE,
            Self::NextAvailableSessionId { .. } => id::GET_NEXT_AVAILABLE_SESSION_ID,
        }
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        match *self {
            Self::AddPublication { stream_id, channel }
            | Self::AddExclusivePublication { stream_id, channel } => writer.put(stream_id).text(channel),
            Self::RemovePublication { registration_id, revoke } => {
                writer.put(registration_id).put(if revoke { REVOKE } else { 0 })
            }
            // The registration correlation id is read by nobody; -1 is what it holds.
            Self::AddSubscription { stream_id, channel } => writer.put(-1_i64).put(stream_id).text(channel),
            Self::RemoveSubscription { registration_id } | Self::RemoveCounter { registration_id } => {
                writer.put(registration_id)
            }
            Self::ClientKeepalive | Self::ClientClose => writer,
            Self::AddDestination { registration_id, channel }
            | Self::RemoveDestination { registration_id, channel }
            | Self::AddReceiveDestination { registration_id, channel }
            | Self::RemoveReceiveDestination { registration_id, channel } => {
                writer.put(registration_id).text(channel)
            }
            Self::RemoveDestinationById { registration_id, destination_registration_id } => {
                writer.put(registration_id).put(destination_registration_id)
            }
            Self::AddCounter { type_id, key, label } => writer.put(type_id).bytes(key).align().bytes(label),
            Self::AddStaticCounter { registration_id, type_id, key, label } => {
                writer.put(registration_id).put(type_id).bytes(key).align().bytes(label)
            }
            Self::TerminateDriver { token } => writer.bytes(token),
            Self::RejectImage { image_id, position, reason } => {
                writer.put(image_id).put(position).bytes(reason).at_least(REJECT_IMAGE_LENGTH)
            }
            Self::NextAvailableSessionId { stream_id } => writer.put(stream_id),
        };
    }

    fn parse(type_id: i32, reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let request = match type_id {
            id::ADD_PUBLICATION => {
                Self::AddPublication { stream_id: reader.get()?, channel: reader.text("channel")? }
            }
            id::ADD_EXCLUSIVE_PUBLICATION => {
                Self::AddExclusivePublication { stream_id: reader.get()?, channel: reader.text("channel")? }
            }
            id::REMOVE_PUBLICATION => {
                let registration_id = reader.get()?;
                // Clients from before revoking send no flags.
                let flags: u64 = if reader.is_at_end() { 0 } else { reader.get()? };
                Self::RemovePublication { registration_id, revoke: flags & REVOKE != 0 }
            }
            id::ADD_SUBSCRIPTION => {
                let _unused: i64 = reader.get()?;
                Self::AddSubscription { stream_id: reader.get()?, channel: reader.text("channel")? }
            }
            id::REMOVE_SUBSCRIPTION => Self::RemoveSubscription { registration_id: reader.get()? },
            id::CLIENT_KEEPALIVE => Self::ClientKeepalive,
            id::CLIENT_CLOSE => Self::ClientClose,
            id::ADD_DESTINATION => {
                Self::AddDestination { registration_id: reader.get()?, channel: reader.text("channel")? }
            }
            id::REMOVE_DESTINATION => {
                Self::RemoveDestination { registration_id: reader.get()?, channel: reader.text("channel")? }
            }
            id::REMOVE_DESTINATION_BY_ID => Self::RemoveDestinationById {
                registration_id: reader.get()?,
                destination_registration_id: reader.get()?,
            },
            id::ADD_RCV_DESTINATION => Self::AddReceiveDestination {
                registration_id: reader.get()?,
                channel: reader.text("channel")?,
            },
            id::REMOVE_RCV_DESTINATION => Self::RemoveReceiveDestination {
                registration_id: reader.get()?,
                channel: reader.text("channel")?,
            },
            _ => return Self::parse_counter_or_other(type_id, reader),
        };
        Ok(request)
    }

    fn parse_counter_or_other(type_id: i32, reader: &mut Reader<'a>) -> Result<Self, Fault> {
        Ok(match type_id {
            id::ADD_COUNTER => {
                let (type_id, key, label) = counter(reader)?;
                Self::AddCounter { type_id, key, label }
            }
            id::ADD_STATIC_COUNTER => {
                let registration_id = reader.get()?;
                let (type_id, key, label) = counter(reader)?;
                Self::AddStaticCounter { registration_id, type_id, key, label }
            }
            id::REMOVE_COUNTER => Self::RemoveCounter { registration_id: reader.get()? },
            id::TERMINATE_DRIVER => Self::TerminateDriver { token: reader.bytes("token")? },
            id::REJECT_IMAGE => Self::RejectImage {
                image_id: reader.get()?,
                position: reader.get()?,
                reason: reader.bytes("reason")?,
            },
            id::GET_NEXT_AVAILABLE_SESSION_ID => Self::NextAvailableSessionId { stream_id: reader.get()? },
            _ => return Err(Fault::UnknownType),
        })
    }
}

fn counter<'a>(reader: &mut Reader<'a>) -> Result<(CounterTypeId, &'a [u8], &'a [u8]), Fault> {
    let type_id = reader.get()?;
    let key = reader.bytes("key")?;
    reader.align();
    Ok((type_id, key, reader.bytes("label")?))
}
