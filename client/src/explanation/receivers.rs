//! Who receives a channel over the network, as far as the sending driver knows.

use std::{fmt, net::SocketAddr};

use epona_protocol::uri::{
    ChannelUri, ControlMode,
    address::{Host, HostPort},
};

/// The receivers of a channel, and the one among them that sets the pace.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receivers {
    /// Where they are.
    pub place: ReceiverPlace,
    /// How many flow control tracks, where it does (`min` and `tagged`).
    pub tracked: Option<i64>,
    /// Where the status messages come from that set the limit: the slowest of a group, else the last to move it. `None`
    /// before the first, and with a driver that does not tell, as Aeron's.
    pub pacemaker: Option<SocketAddr>,
}

/// Where a channel sends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiverPlace {
    /// One endpoint, as the channel has it.
    Endpoint(String),
    /// A multicast group, as the channel has it.
    Group(String),
    /// The destinations of a publication that has many (`control-mode=manual` or `dynamic`).
    Destinations,
    /// Whoever asked for a response, or a channel that does not say.
    Unknown,
}

impl Receivers {
    /// Those of a channel; of one that does not parse the place is not known.
    #[must_use]
    pub fn of(channel: &str, tracked: Option<i64>, pacemaker: Option<SocketAddr>) -> Self {
        let uri = ChannelUri::parse(channel).ok();
        Self { place: uri.map_or(ReceiverPlace::Unknown, |uri| ReceiverPlace::of(&uri)), tracked, pacemaker }
    }
}

impl ReceiverPlace {
    fn of(uri: &ChannelUri) -> Self {
        let is_group = |endpoint| {
            let host = HostPort::parse(endpoint).map(|endpoint| endpoint.host);
            matches!(host, Ok(Host::Address(address)) if address.is_multicast())
        };
        match (uri.control_mode(), uri.endpoint()) {
            (ControlMode::Manual | ControlMode::Dynamic, _) => Self::Destinations,
            (ControlMode::None, None) if uri.control().is_some() => Self::Destinations,
            (_, Some(endpoint)) if is_group(endpoint) => Self::Group(endpoint.to_owned()),
            (_, Some(endpoint)) => Self::Endpoint(endpoint.to_owned()),
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Receivers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.tracked, &self.place) {
            (Some(0), _) => return f.write_str("a receiver: there is none"),
            (Some(count), _) => write!(f, "the slowest of {count} receivers")?,
            (None, ReceiverPlace::Group(_) | ReceiverPlace::Destinations) => f.write_str("a receiver")?,
            (None, _) => f.write_str("the receiver")?,
        }
        match &self.place {
            ReceiverPlace::Endpoint(endpoint) => write!(f, " at {endpoint}")?,
            ReceiverPlace::Group(group) => write!(f, " in the group {group}")?,
            ReceiverPlace::Destinations => f.write_str(" at the channel's destinations")?,
            ReceiverPlace::Unknown => {}
        }
        match (self.pacemaker, &self.place) {
            (Some(address), ReceiverPlace::Endpoint(endpoint)) if address.to_string() == *endpoint => Ok(()),
            (Some(address), _) => write!(f, ", {address}"),
            (None, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_are_named_as_far_as_the_channel_and_flow_control_know_them() {
        for (channel, tracked, words) in [
            ("aeron:udp?endpoint=host:1", None, "the receiver at host:1"),
            ("aeron:udp?endpoint=224.0.1.1:5", None, "a receiver in the group 224.0.1.1:5"),
            (
                "aeron:udp?endpoint=[ff02::1]:5",
                Some(3),
                "the slowest of 3 receivers in the group [ff02::1]:5",
            ),
            ("aeron:udp?endpoint=224.0.1.1:5", Some(0), "a receiver: there is none"),
            ("aeron:udp?control-mode=manual", None, "a receiver at the channel's destinations"),
            (
                "aeron:udp?control=host:1|control-mode=dynamic",
                Some(2),
                "the slowest of 2 receivers at the channel's destinations",
            ),
            ("aeron:udp?control=host:1", None, "a receiver at the channel's destinations"),
            ("aeron:udp?control=host:1|control-mode=response", None, "the receiver"),
            ("aeron:udp?endpoint=", None, "the receiver"),
        ] {
            assert_eq!(Receivers::of(channel, tracked, None).to_string(), words, "{channel}");
        }
    }

    #[test]
    fn the_one_that_sets_the_pace_is_named_unless_the_channel_names_it_already() {
        let pacemaker = Some("10.1.0.7:40456".parse().unwrap());
        for (channel, tracked, words) in [
            ("aeron:udp?endpoint=10.1.0.7:40456", None, "the receiver at 10.1.0.7:40456"),
            ("aeron:udp?endpoint=host:40456", None, "the receiver at host:40456, 10.1.0.7:40456"),
            (
                "aeron:udp?endpoint=224.0.1.1:5",
                Some(3),
                "the slowest of 3 receivers in the group 224.0.1.1:5, 10.1.0.7:40456",
            ),
            ("aeron:udp?control=host:1|control-mode=response", None, "the receiver, 10.1.0.7:40456"),
        ] {
            assert_eq!(Receivers::of(channel, tracked, pacemaker).to_string(), words, "{channel}");
        }
    }
}
