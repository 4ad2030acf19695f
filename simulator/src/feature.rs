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
}

/// How often each was seen.
pub type FeatureCounts = Counts<Feature>;
