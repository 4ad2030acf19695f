//! Aeron's publications, both kinds behind one type.

use super::connection::Connection;
use crate::party::{Offer, Publication};
use rusteron_client::bindings as c;
use std::{ptr, rc::Rc};

#[derive(Clone, Copy, Debug)]
pub(super) enum Raw {
    Concurrent(*mut c::aeron_publication_t),
    Exclusive(*mut c::aeron_exclusive_publication_t),
}

/// A concurrent or exclusive publication.
#[derive(Debug)]
pub struct AeronPublication {
    pub(super) raw: Raw,
    constants: c::aeron_publication_constants_t,
    _client: Rc<Connection>,
}

impl AeronPublication {
    pub(super) fn concurrent(raw: *mut c::aeron_publication_t, client: Rc<Connection>) -> Self {
        let mut constants = c::aeron_publication_constants_t::default();
        // SAFETY: the publication is live (A1); its constants are written through a valid pointer.
        unsafe { c::aeron_publication_constants(raw, &mut constants) };
        Self { raw: Raw::Concurrent(raw), constants, _client: client }
    }

    pub(super) fn exclusive(raw: *mut c::aeron_exclusive_publication_t, client: Rc<Connection>) -> Self {
        let mut constants = c::aeron_publication_constants_t::default();
        // SAFETY: as above.
        unsafe { c::aeron_exclusive_publication_constants(raw, &mut constants) };
        Self { raw: Raw::Exclusive(raw), constants, _client: client }
    }

    fn claim(&mut self, length: usize, claim: &mut c::aeron_buffer_claim_t) -> i64 {
        // SAFETY: the publication is live (A1); the claim is written through a valid pointer.
        unsafe {
            match self.raw {
                Raw::Concurrent(raw) => c::aeron_publication_try_claim(raw, length, claim),
                Raw::Exclusive(raw) => c::aeron_exclusive_publication_try_claim(raw, length, claim),
            }
        }
    }
}

/// Reads the C outcome: a position, or one of the negative codes.
#[inline]
fn outcome(code: i64) -> Offer {
    match code {
        position if position >= 0 => Offer::Sent(position),
        -1 => Offer::NotConnected,
        -2 => Offer::BackPressured,
        -3 => Offer::AdminAction,
        -4 => Offer::Closed,
        -5 => Offer::MaxPositionExceeded,
        _ => Offer::Refused,
    }
}

impl Publication for AeronPublication {
    #[inline]
    fn offer(&mut self, message: &[u8]) -> Offer {
        let (data, length) = (message.as_ptr(), message.len());
        // SAFETY: the publication is live (A1) and copies the message.
        outcome(unsafe {
            match self.raw {
                Raw::Concurrent(raw) => c::aeron_publication_offer(raw, data, length, None, ptr::null_mut()),
                Raw::Exclusive(raw) => {
                    c::aeron_exclusive_publication_offer(raw, data, length, None, ptr::null_mut())
                }
            }
        })
    }

    fn try_claim(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Offer {
        let mut claim = c::aeron_buffer_claim_t::default();
        let outcome = outcome(self.claim(length, &mut claim));
        if let Offer::Sent(_) = outcome {
            // SAFETY: the claimed range is ours alone until the commit below.
            unsafe {
                fill(std::slice::from_raw_parts_mut(claim.data, claim.length));
                c::aeron_buffer_claim_commit(&mut claim);
            }
        }
        outcome
    }

    fn abandon_claim(&mut self, length: usize) -> Offer {
        let mut claim = c::aeron_buffer_claim_t::default();
        outcome(self.claim(length, &mut claim))
    }

    fn is_connected(&self) -> bool {
        // SAFETY: the publication is live (A1).
        unsafe {
            match self.raw {
                Raw::Concurrent(raw) => c::aeron_publication_is_connected(raw),
                Raw::Exclusive(raw) => c::aeron_exclusive_publication_is_connected(raw),
            }
        }
    }

    fn max_message_length(&self) -> usize {
        self.constants.max_message_length
    }

    fn max_payload_length(&self) -> usize {
        self.constants.max_payload_length
    }

    fn term_length(&self) -> usize {
        self.constants.term_buffer_length
    }

    fn session_id(&self) -> i32 {
        self.constants.session_id
    }

    fn original_registration_id(&self) -> i64 {
        self.constants.original_registration_id
    }

    fn revoke(self) {
        if let Raw::Exclusive(raw) = self.raw {
            // SAFETY: the publication is live (A1); dropping closes it.
            unsafe { c::aeron_exclusive_publication_revoke_on_close(raw) };
        }
    }
}

impl Drop for AeronPublication {
    fn drop(&mut self) {
        // SAFETY: live (A1), closed once; its client is still there (A2).
        unsafe {
            match self.raw {
                Raw::Concurrent(raw) => c::aeron_publication_close(raw, None, ptr::null_mut()),
                Raw::Exclusive(raw) => c::aeron_exclusive_publication_close(raw, None, ptr::null_mut()),
            }
        };
    }
}
