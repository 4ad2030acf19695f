//! What the tests of all frames share.

mod properties;
mod validity;
mod vectors;

use super::*;
use crate::types::{ReceiverId, SessionId, StreamId};

const SESSION: SessionId = SessionId::new(0x1122_3344);
const STREAM: StreamId = StreamId::new(1001);
const RECEIVER: ReceiverId = ReceiverId::new(0x0102_0304_0506_0708);

fn entry<'a>(name: &'a str, address: &str, port: u16, age_in_ms: i32) -> ResolutionEntry<'a> {
    ResolutionEntry {
        flags: ResolutionFlags::NONE,
        port,
        age_in_ms,
        address: address.parse().unwrap(),
        name: name.as_bytes(),
    }
}
