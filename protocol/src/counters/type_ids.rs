//! Registered counter types. Source: shared-memory spec 5.7.

use crate::types::CounterTypeId;

impl CounterTypeId {
    /// Counters about the driver itself.
    pub const SYSTEM_COUNTER: Self = Self::new(0);
    /// How far a publication may write; the client reads it.
    pub const PUBLISHER_LIMIT: Self = Self::new(1);
    /// How far a publication has been sent.
    pub const SENDER_POSITION: Self = Self::new(2);
    /// Highest position received on an image, gaps or not.
    pub const RECEIVER_HWM: Self = Self::new(3);
    /// How far a subscriber has read; the client writes it.
    pub const SUBSCRIBER_POSITION: Self = Self::new(4);
    /// How far an image is complete.
    pub const RECEIVER_POSITION: Self = Self::new(5);
    /// Status of a send channel endpoint.
    pub const SEND_CHANNEL_STATUS: Self = Self::new(6);
    /// Status of a receive channel endpoint.
    pub const RECEIVE_CHANNEL_STATUS: Self = Self::new(7);
    /// How far flow control lets a publication be sent.
    pub const SENDER_LIMIT: Self = Self::new(9);
    /// Congestion control indicators of an image.
    pub const PER_IMAGE: Self = Self::new(10);
    /// Epoch milliseconds of a client's last keepalive.
    pub const CLIENT_HEARTBEAT: Self = Self::new(11);
    /// How far a publication has been written, sampled by the conductor.
    pub const PUBLISHER_POSITION: Self = Self::new(12);
    /// How often a sender was held up by flow control.
    pub const SENDER_BPE: Self = Self::new(13);
    /// Status of an address that a channel endpoint is bound to.
    pub const LOCAL_SOCKET_ADDRESS: Self = Self::new(14);
    /// How many neighbors the name resolver has.
    pub const NAME_RESOLVER_NEIGHBORS: Self = Self::new(15);
    /// How many entries the name resolver's cache has.
    pub const NAME_RESOLVER_CACHE_ENTRIES: Self = Self::new(16);
    /// How many receivers flow control tracks.
    pub const FLOW_CONTROL_RECEIVERS: Self = Self::new(17);
    /// How many destinations a multi-destination publication has.
    pub const MDC_DESTINATIONS: Self = Self::new(18);
    /// How many NAKs a publication has received.
    pub const SENDER_NAKS_RECEIVED: Self = Self::new(19);
    /// How many NAKs an image has sent.
    pub const RECEIVER_NAKS_SENT: Self = Self::new(20);
    /// A bootstrap neighbor of the name resolver.
    pub const BOOTSTRAP_NEIGHBOR: Self = Self::new(21);
    /// Which host an entry of the CSV name table answers with.
    pub const NAME_TABLE_ENTRY: Self = Self::new(2001);

    /// Sockets for which the kernel would not cut up runs of datagrams. Epona's own, far from Aeron's and most users'.
    pub const OFFLOAD_REFUSALS: Self = Self::new(0x4550_0001);

    /// What the labels of counters of this type begin with, where it is always the same.
    #[must_use]
    pub const fn label_name(self) -> Option<&'static str> {
        Some(match self.get() {
            1 => "pub-lmt",
            2 => "snd-pos",
            3 => "rcv-hwm",
            4 => "sub-pos",
            5 => "rcv-pos",
            6 => "snd-channel",
            7 => "rcv-channel",
            9 => "snd-lmt",
            11 => "client-heartbeat",
            13 => "snd-bpe",
            15 => "Resolver neighbors",
            16 => "Resolver cache entries",
            17 => "fc-receivers",
            18 => "mdc-num-dest",
            19 => "snd-naks-received",
            20 => "rcv-naks-sent",
            21 => "Bootstrap neighbor",
            _ => return None,
        })
    }

    /// Which program a type belongs to, for listings.
    #[must_use]
    pub const fn family(self) -> &'static str {
        match self.get() {
            0 => "system",
            1..=7 | 9..=14 | 17..=20 => "stream",
            15 | 16 | 21 | 2001 => "name resolution",
            50..=60 => "ef_vi",
            61..=63 => "VMA",
            65..=74 => "transport security",
            75..=79 | 82..=95 => "DPDK",
            100..=113 => "archive",
            114..=117 => "persistent subscription",
            200..=241 => "cluster",
            300..=303 => "selector",
            500..=570 => "sequencer",
            1000.. => "user",
            _ => "unknown",
        }
    }
}
