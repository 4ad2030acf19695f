//! Whether a channel means an existing one by its tag. Source: driver spec 2.6.

use std::net::SocketAddr;

use super::UdpChannel;
use crate::media::address::same_address;
use epona_protocol::uri::ControlMode;

/// Two channels have one tag but differ.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("matching tag {tag} has mismatched {what}: {channel} <> {existing}")]
pub struct TagMismatch {
    tag: i64,
    what: &'static str,
    channel: String,
    existing: String,
}

impl UdpChannel {
    /// Whether this channel means the existing one by its tag. `local` and `remote` are the existing one's current
    /// addresses, where they differ from those it was opened with (a receiver's control address, a name that was
    /// resolved again).
    ///
    /// # Errors
    /// When tags are equal but control modes, or addresses, are not: a tag must not mean two things. A channel without
    /// a control mode agrees with any, one without any address too.
    pub fn matches_tag(
        &self,
        existing: &Self,
        local: Option<SocketAddr>,
        remote: Option<SocketAddr>,
    ) -> Result<bool, TagMismatch> {
        let Some(tag) = self.tag.filter(|tag| existing.tag == Some(*tag)) else { return Ok(false) };
        let mismatch =
            |what| TagMismatch { tag, what, channel: self.text.clone(), existing: existing.text.clone() };
        if self.control_mode != ControlMode::None && self.control_mode != existing.control_mode {
            return Err(mismatch("control-mode"));
        }
        let same = same_address(self.remote_data, remote.unwrap_or(existing.remote_data))
            && same_address(self.local, local.unwrap_or(existing.local));
        if self.is_wildcard() || same { Ok(true) } else { Err(mismatch("endpoint or control")) }
    }
}
