//! What drivers and clients can do that only few streams or settings show: each is sure to be seen in some worlds.

use crate::counts::Counts;

/// Names the features once, for the type and for the list of all.
macro_rules! features {
    ($($(#[$meta:meta])* $feature:ident,)*) => {
        /// A feature, counted whenever it was seen to do what it is for.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Feature {
            $($(#[$meta])* $feature,)*
        }

        impl Feature {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$feature,)*];
        }
    };
}

features! {
    /// A socket got a port of the range for receivers.
    ReceiverPortRange,
    /// A socket got a port of the range for senders.
    SenderPortRange,
    /// A stream had as many images as it may, while others waited for theirs.
    SessionLimit,
    /// A static counter was found again by another client, with its value.
    StaticCounter,
    /// A name moved because its row in the table says so.
    NameTable,
    /// A driver kept log buffers ready.
    SpareLog,
    /// Several messages went in by one claim.
    Batch,
    /// A message told in its reserved value when it was sent.
    SendTimestamp,
    /// A message told in its reserved value when it was received.
    ReceiveTimestamp,
    /// A message told in its reserved value when it arrived at the socket.
    MediaTimestamp,
    /// A message told times in its payload.
    PayloadTimestamp,
    /// A message came over a group of IPv6.
    Ipv6Multicast,
    /// A source of a subscriber was a group.
    MulticastDestination,
    /// A source of a subscriber was a publication of its own driver to the network.
    SpyDestination,
    /// A source of a subscriber was IPC.
    IpcDestination,
    /// Such a source was taken away and added again, and its streams came back.
    LinkedDestinationReturn,
    /// Images had group semantics because their subscriber said so, not because of its channel, or had none.
    GroupOverride,
    /// Flow control followed those with a tag, all of them and nobody else.
    TaggedGroup,
    /// Flow control let a receiver go that said that it leaves.
    Departure,
    /// It waited for a receiver that had fallen silent no longer than its channel said.
    ReceiverTimeout,
    /// A setup carried the time to live of its channel.
    TimeToLive,
    /// A round trip was measured for CUBIC among several receivers or on several ways.
    CubicGroup,
    /// Who lives with loss missed something among several receivers or on several ways.
    LossyGroup,
    /// A destination of a publisher moved under its name.
    NamedDestination,
    /// A sender of several destinations moved under the name that its receivers call it by.
    NamedControl,
    /// The same, to a source of a subscriber of several.
    NamedSource,
    /// Sessions were not of the range that drivers leave to others.
    ReservedSessions,
    /// A publisher asked its driver for the id of its session.
    NextSession,
    /// A message had the reserved value that its publisher gave it.
    ReservedValue,
    /// A message was read as a part of a block.
    BlockPoll,
    /// A group asked for more at a time than its channel lets the sender send again, which was counted.
    ResendLimit,
}

/// How often each was seen.
pub type FeatureCounts = Counts<Feature>;
