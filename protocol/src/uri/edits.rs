//! Common changes to a channel, as Aeron's `ChannelUri` offers them.

use super::{ChannelUri, Media, UriError, keys};
use crate::types::SessionId;

impl ChannelUri {
    /// Gives the channel a session id in place of its own, if it has one.
    pub fn set_session_id(&mut self, session_id: SessionId) {
        // A number is a value that cannot end early.
        let _ = self.put(keys::SESSION_ID, &session_id.to_string());
    }

    /// Gives the channel an alias, unless it has one.
    ///
    /// # Errors
    /// When the alias is empty or contains `|`.
    pub fn add_alias_if_absent(&mut self, alias: &str) -> Result<(), UriError> {
        if self.contains_key(keys::ALIAS) { Ok(()) } else { self.put(keys::ALIAS, alias) }
    }

    /// Puts port 0, any, in place of the port of the endpoint, if it names one.
    pub fn replace_port_with_wildcard(&mut self) {
        let host = self.endpoint().and_then(|endpoint| endpoint.rsplit_once(':')).map(|(host, _)| host);
        if let Some(endpoint) = host.map(|host| format!("{host}:0")) {
            let _ = self.put(keys::ENDPOINT, &endpoint);
        }
    }

    /// A destination of this channel's media and interface at another endpoint.
    ///
    /// # Errors
    /// When the endpoint is empty or contains `|`.
    pub fn destination(&self, endpoint: &str) -> Result<Self, UriError> {
        let mut destination = Self::new(self.media());
        destination.set_spy(self.is_spy());
        destination.put(keys::ENDPOINT, endpoint)?;
        match self.interface().filter(|_| self.media() == Media::Udp) {
            Some(interface) => destination.put(keys::INTERFACE, interface).map(|()| destination),
            None => Ok(destination),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(text: &str) -> ChannelUri {
        ChannelUri::parse(text).unwrap()
    }

    #[test]
    fn a_session_id_and_an_alias_are_added() {
        let mut uri = channel("aeron:udp?endpoint=host:1|session-id=7");
        uri.set_session_id(SessionId::new(-9));
        uri.add_alias_if_absent("prices").unwrap();
        uri.add_alias_if_absent("other").unwrap();
        assert_eq!(uri.to_string(), "aeron:udp?endpoint=host:1|session-id=-9|alias=prices");
        uri.remove("alias");
        assert!(uri.add_alias_if_absent("a|b").is_err());
    }

    #[test]
    fn the_port_of_an_endpoint_becomes_any() {
        for (text, expected) in [
            ("aeron:udp?endpoint=host:20121|mtu=8k", "aeron:udp?endpoint=host:0|mtu=8k"),
            ("aeron:udp?endpoint=[::1]:20121", "aeron:udp?endpoint=[::1]:0"),
            ("aeron:udp?control=host:1", "aeron:udp?control=host:1"),
        ] {
            let mut uri = channel(text);
            uri.replace_port_with_wildcard();
            assert_eq!(uri.to_string(), expected);
        }
    }

    #[test]
    fn a_destination_keeps_the_interface() {
        let uri = channel("aeron:udp?endpoint=a:1|interface=10.0.0.0/8|mtu=8k");
        assert_eq!(
            uri.destination("b:2").unwrap().to_string(),
            "aeron:udp?endpoint=b:2|interface=10.0.0.0/8"
        );
        assert!(uri.destination("b|2").is_err());
    }
}
