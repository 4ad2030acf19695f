//! A publication of either kind.

use epona_client::{Batch, ClientError, ExclusivePublication, OfferError, Pending, Publication};
use epona_protocol::types::{Position, RegistrationId, SessionId};

use crate::{
    Violation, applications::destinations::HasDestinations, ensure, invariants::content::Limits, violation,
};

pub(super) enum Handle {
    Shared(Publication),
    Exclusive(ExclusivePublication),
}

impl Handle {
    pub(super) fn session(&self) -> SessionId {
        match self {
            Self::Shared(publication) => publication.session_id(),
            Self::Exclusive(publication) => publication.session_id(),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Shared(publication) => publication.is_closed(),
            Self::Exclusive(publication) => publication.is_closed(),
        }
    }

    pub(super) fn limits(&self) -> Limits {
        let (max_payload, max_message) = match self {
            Self::Shared(publication) => (publication.max_payload_length(), publication.max_message_length()),
            Self::Exclusive(publication) => {
                (publication.max_payload_length(), publication.max_message_length())
            }
        };
        Limits { max_payload, max_message }
    }

    /// Ports that its sockets have, as text.
    pub(super) fn ports(&self) -> Vec<String> {
        let addresses = match self {
            Self::Shared(publication) => publication.local_socket_addresses(),
            Self::Exclusive(publication) => publication.local_socket_addresses(),
        };
        addresses.iter().filter_map(|address| Some(address.rsplit_once(':')?.1.to_owned())).collect()
    }

    pub(super) fn position(&self) -> Result<Position, Violation> {
        match self {
            Self::Shared(publication) => publication.position(),
            Self::Exclusive(publication) => publication.position(),
        }
        .map_err(closed)
    }

    pub(super) fn limit(&self) -> Result<Position, Violation> {
        match self {
            Self::Shared(publication) => publication.position_limit(),
            Self::Exclusive(publication) => publication.position_limit(),
        }
        .map_err(closed)
    }

    pub(super) fn offer(&mut self, message: &[u8], reserved: i64) -> Result<Position, OfferError> {
        match self {
            Self::Shared(publication) if reserved == 0 => publication.offer(message),
            Self::Exclusive(publication) if reserved == 0 => publication.offer(message),
            Self::Shared(publication) => publication.offer_with_reserved_value(message, |_| reserved),
            Self::Exclusive(publication) => publication.offer_with_reserved_value(message, |_| reserved),
        }
    }

    pub(super) fn offer_batch(&mut self, messages: &[&[u8]]) -> Result<Batch, OfferError> {
        match self {
            Self::Shared(publication) => publication.offer_batch(messages),
            Self::Exclusive(publication) => publication.offer_batch(messages),
        }
    }

    pub(super) fn claim(&mut self, message: &[u8], reserved: i64) -> Result<Position, OfferError> {
        let mut claim = match self {
            Self::Shared(publication) => publication.try_claim(message.len()),
            Self::Exclusive(publication) => publication.try_claim(message.len()),
        }?;
        claim.copy_from_slice(message);
        claim.set_reserved_value(reserved);
        Ok(claim.commit())
    }

    /// Claims and gives up: padding for everybody else.
    pub(super) fn claim_in_vain(&mut self, length: usize) -> Result<(), Violation> {
        let claim = match self {
            Self::Shared(publication) => publication.try_claim(length),
            Self::Exclusive(publication) => publication.try_claim(length),
        };
        match claim {
            Ok(claim) => claim.abort(),
            Err(refused) => ensure!(
                refused.is_temporary() || refused == OfferError::MaxPositionExceeded,
                "claim refused: {refused}"
            ),
        }
        Ok(())
    }

    /// Claims, if there is room, and never commits.
    pub(super) fn claim_for_ever(&mut self, length: usize) {
        let claim = match self {
            Self::Shared(publication) => publication.try_claim(length),
            Self::Exclusive(publication) => publication.try_claim(length),
        };
        let _ = claim.map(std::mem::forget);
    }
}

impl HasDestinations for Handle {
    fn add(&self, channel: &str) -> Result<Pending<RegistrationId>, ClientError> {
        match self {
            Self::Shared(publication) => publication.add_destination(channel),
            Self::Exclusive(publication) => publication.add_destination(channel),
        }
    }

    fn remove(&self, channel: &str) -> Result<Pending<()>, ClientError> {
        match self {
            Self::Shared(publication) => publication.remove_destination(channel),
            Self::Exclusive(publication) => publication.remove_destination(channel),
        }
    }

    fn remove_by_id(&self, id: RegistrationId) -> Result<Pending<()>, ClientError> {
        match self {
            Self::Shared(publication) => publication.remove_destination_by_id(id),
            Self::Exclusive(publication) => publication.remove_destination_by_id(id),
        }
    }
}

fn closed(error: OfferError) -> Violation {
    violation!("a publication that nobody closed is closed: {error}")
}
