//! What can be logged: events with the numbers and names of Aeron 1.54's C driver, and how settings select them.
//! Source: driver spec 8.5, 12.16 (CFG-08).

/// Which events a legacy mask and `admin` choose together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    CommandIn,
    CommandOut,
    Other,
}

macro_rules! driver_events {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal, $kind:ident;)*) => {
        /// An event that a driver can log.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum DriverEvent {
            $($(#[$doc])* $variant = $number,)*
        }

        impl DriverEvent {
            /// Every event, by number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name in settings and in the log.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            const fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)* }
            }
        }
    };
}

driver_events! {
    /// A datagram arrived.
    FrameIn = 1, "FRAME_IN", Other;
    /// A datagram is sent.
    FrameOut = 2, "FRAME_OUT", Other;
    /// A client adds a publication.
    CmdInAddPublication = 3, "CMD_IN_ADD_PUBLICATION", CommandIn;
    /// A client removes a publication.
    CmdInRemovePublication = 4, "CMD_IN_REMOVE_PUBLICATION", CommandIn;
    /// A client adds a subscription.
    CmdInAddSubscription = 5, "CMD_IN_ADD_SUBSCRIPTION", CommandIn;
    /// A client removes a subscription.
    CmdInRemoveSubscription = 6, "CMD_IN_REMOVE_SUBSCRIPTION", CommandIn;
    /// Clients are told of a publication.
    CmdOutPublicationReady = 7, "CMD_OUT_PUBLICATION_READY", CommandOut;
    /// Clients are told of an image.
    CmdOutAvailableImage = 8, "CMD_OUT_AVAILABLE_IMAGE", CommandOut;
    /// Clients are told that a command is done.
    CmdOutOnOperationSuccess = 12, "CMD_OUT_ON_OPERATION_SUCCESS", CommandOut;
    /// A client says that it lives.
    CmdInKeepaliveClient = 13, "CMD_IN_KEEPALIVE_CLIENT", CommandIn;
    /// A publication goes.
    RemovePublicationCleanup = 14, "REMOVE_PUBLICATION_CLEANUP", Other;
    /// A subscription goes.
    RemoveSubscriptionCleanup = 15, "REMOVE_SUBSCRIPTION_CLEANUP", Other;
    /// An image goes.
    RemoveImageCleanup = 16, "REMOVE_IMAGE_CLEANUP", Other;
    /// Clients are told that an image is gone.
    CmdOutOnUnavailableImage = 17, "CMD_OUT_ON_UNAVAILABLE_IMAGE", CommandOut;
    /// A send endpoint comes.
    SendChannelCreation = 23, "SEND_CHANNEL_CREATION", Other;
    /// A receive endpoint comes.
    ReceiveChannelCreation = 24, "RECEIVE_CHANNEL_CREATION", Other;
    /// A send endpoint goes.
    SendChannelClose = 25, "SEND_CHANNEL_CLOSE", Other;
    /// A receive endpoint goes.
    ReceiveChannelClose = 26, "RECEIVE_CHANNEL_CLOSE", Other;
    /// A client adds a destination to a publication.
    CmdInAddDestination = 30, "CMD_IN_ADD_DESTINATION", CommandIn;
    /// A client removes a destination of a publication.
    CmdInRemoveDestination = 31, "CMD_IN_REMOVE_DESTINATION", CommandIn;
    /// A client adds an exclusive publication.
    CmdInAddExclusivePublication = 32, "CMD_IN_ADD_EXCLUSIVE_PUBLICATION", CommandIn;
    /// Clients are told of an exclusive publication.
    CmdOutExclusivePublicationReady = 33, "CMD_OUT_EXCLUSIVE_PUBLICATION_READY", CommandOut;
    /// Clients are told of an error.
    CmdOutError = 34, "CMD_OUT_ERROR", CommandOut;
    /// A client adds a counter.
    CmdInAddCounter = 35, "CMD_IN_ADD_COUNTER", CommandIn;
    /// A client removes a counter.
    CmdInRemoveCounter = 36, "CMD_IN_REMOVE_COUNTER", CommandIn;
    /// Clients are told of a subscription.
    CmdOutSubscriptionReady = 37, "CMD_OUT_SUBSCRIPTION_READY", CommandOut;
    /// Clients are told of a counter.
    CmdOutCounterReady = 38, "CMD_OUT_COUNTER_READY", CommandOut;
    /// Clients are told that a counter is gone.
    CmdOutOnUnavailableCounter = 39, "CMD_OUT_ON_UNAVAILABLE_COUNTER", CommandOut;
    /// A client says that it ends.
    CmdInClientClose = 40, "CMD_IN_CLIENT_CLOSE", CommandIn;
    /// A client adds a destination to a subscription.
    CmdInAddRcvDestination = 41, "CMD_IN_ADD_RCV_DESTINATION", CommandIn;
    /// A client removes a destination of a subscription.
    CmdInRemoveRcvDestination = 42, "CMD_IN_REMOVE_RCV_DESTINATION", CommandIn;
    /// Clients are told that one of them timed out.
    CmdOutOnClientTimeout = 43, "CMD_OUT_ON_CLIENT_TIMEOUT", CommandOut;
    /// Somebody asks the driver to end.
    CmdInTerminateDriver = 44, "CMD_IN_TERMINATE_DRIVER", CommandIn;
    /// An untethered subscription fell off, rests, or is back.
    UntetheredSubscriptionStateChange = 45, "UNTETHERED_SUBSCRIPTION_STATE_CHANGE", Other;
    /// Another driver was heard of.
    NameResolutionNeighborAdded = 46, "NAME_RESOLUTION_NEIGHBOR_ADDED", Other;
    /// Another driver was not heard of for long.
    NameResolutionNeighborRemoved = 47, "NAME_RESOLUTION_NEIGHBOR_REMOVED", Other;
    /// Flow control follows a receiver.
    FlowControlReceiverAdded = 48, "FLOW_CONTROL_RECEIVER_ADDED", Other;
    /// Flow control follows a receiver no more.
    FlowControlReceiverRemoved = 49, "FLOW_CONTROL_RECEIVER_REMOVED", Other;
    /// A name was resolved to an address, or was not.
    NameResolutionResolve = 50, "NAME_RESOLUTION_RESOLVE", Other;
    /// The driver has something to say.
    GenericMessage = 51, "GENERIC_MESSAGE", Other;
    /// A name was looked up to another.
    NameResolutionLookup = 52, "NAME_RESOLUTION_LOOKUP", Other;
    /// The name of this host was asked for.
    NameResolutionHostName = 53, "NAME_RESOLUTION_HOST_NAME", Other;
    /// An image asks for what it lost.
    NakSent = 54, "NAK_SENT", Other;
    /// A publication sends again.
    Resend = 55, "RESEND", Other;
    /// A client removes a destination by its id.
    CmdInRemoveDestinationById = 56, "CMD_IN_REMOVE_DESTINATION_BY_ID", CommandIn;
    /// A client rejects an image.
    CmdInRejectImage = 57, "CMD_IN_REJECT_IMAGE", CommandIn;
    /// A receiver asks for what it lost.
    NakReceived = 58, "NAK_RECEIVED", Other;
    /// A publication was revoked. In Aeron's tables it is a command.
    PublicationRevoke = 59, "PUBLICATION_REVOKE", CommandIn;
    /// An image was revoked.
    PublicationImageRevoke = 60, "PUBLICATION_IMAGE_REVOKE", Other;
    /// For formatters loaded at run time; never logged here.
    AddDynamicDissector = 61, "ADD_DYNAMIC_DISSECTOR", Other;
    /// For formatters loaded at run time; never logged here.
    DynamicDissectorEvent = 62, "DYNAMIC_DISSECTOR_EVENT", Other;
}

impl DriverEvent {
    /// Its number, 1..=62.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The event with this number.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.iter().copied().find(|event| i64::from(event.number()) == number)
    }

    /// By name, number, or the name of an earlier version.
    fn parse(text: &str) -> Option<Self> {
        let text = if text == "SEND_NAK_MESSAGE" { "NAK_SENT" } else { text };
        let named = Self::ALL.iter().copied().find(|event| event.name() == text);
        named.or_else(|| Self::from_number(crate::config::values::parse_integer(text)?))
    }

    /// Whether `admin` leaves it out: there may be millions of these a second.
    const fn is_frequent(self) -> bool {
        matches!(
            self,
            Self::FrameIn | Self::FrameOut | Self::AddDynamicDissector | Self::DynamicDissectorEvent
        )
    }
}

/// A set of events, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventSet(u64);

impl EventSet {
    /// Whether an event is in it.
    #[inline]
    #[must_use]
    pub const fn contains(self, event: DriverEvent) -> bool {
        self.0 & (1 << event.number()) != 0
    }

    /// Whether nothing is in it.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in `self` and not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The events of a list as in settings: names, numbers, `all`, `admin` or a mask, separated by commas; and what
    /// in it is no event.
    #[must_use]
    pub fn parse(list: &str) -> (Self, Vec<String>) {
        let (mut set, mut unknown) = (Self::default(), Vec::new());
        for item in list.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            match item {
                "all" => set.add(|_| true),
                "admin" => set.add(|event| !event.is_frequent()),
                _ => match (mask_of(item), DriverEvent::parse(item)) {
                    (Some(mask), _) => set.add(|event| is_masked(event, mask)),
                    (None, Some(event)) => set.add(|other| other == event),
                    (None, None) => unknown.push(item.to_owned()),
                },
            }
        }
        (set, unknown)
    }

    fn add(&mut self, is_wanted: impl Fn(DriverEvent) -> bool) {
        let wanted = DriverEvent::ALL.iter().filter(|event| is_wanted(**event));
        self.0 |= wanted.map(|event| 1_u64 << event.number()).sum::<u64>();
    }
}

/// The bits of a mask of the early days, `0x...`.
fn mask_of(item: &str) -> Option<u64> {
    u64::from_str_radix(item.strip_prefix("0x")?, 16).ok()
}

fn is_masked(event: DriverEvent, mask: u64) -> bool {
    let bits = match event {
        DriverEvent::FrameIn => 0x4,
        DriverEvent::FrameOut => 0x8 | 0x10,
        DriverEvent::UntetheredSubscriptionStateChange => 0x80,
        DriverEvent::DynamicDissectorEvent => 0x100,
        _ => match event.kind() {
            Kind::CommandIn => 0x1,
            Kind::CommandOut => 0x2,
            Kind::Other => 0,
        },
    };
    mask >= 0xFFFF || mask & bits != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Vec<&'static str> {
        let (set, unknown) = EventSet::parse(list);
        assert_eq!(unknown, Vec::<String>::new(), "{list}");
        DriverEvent::ALL.iter().filter(|event| set.contains(**event)).map(|event| event.name()).collect()
    }

    #[test]
    fn numbers_and_names_are_those_of_the_reference_driver() {
        for (number, name) in [
            (1, "FRAME_IN"),
            (8, "CMD_OUT_AVAILABLE_IMAGE"),
            (12, "CMD_OUT_ON_OPERATION_SUCCESS"),
            (17, "CMD_OUT_ON_UNAVAILABLE_IMAGE"),
            (23, "SEND_CHANNEL_CREATION"),
            (30, "CMD_IN_ADD_DESTINATION"),
            (45, "UNTETHERED_SUBSCRIPTION_STATE_CHANGE"),
            (51, "GENERIC_MESSAGE"),
            (54, "NAK_SENT"),
            (60, "PUBLICATION_IMAGE_REVOKE"),
            (62, "DYNAMIC_DISSECTOR_EVENT"),
        ] {
            assert_eq!(DriverEvent::from_number(number).unwrap().name(), name);
        }
        for unused in [-1, 0, 9, 10, 11, 18, 22, 27, 29, 63, 256 + 1] {
            assert_eq!(DriverEvent::from_number(unused), None, "{unused}");
        }
        assert_eq!(DriverEvent::ALL.len(), 51);
        assert!(DriverEvent::ALL.is_sorted_by_key(|event| event.number()));
    }

    #[test]
    fn events_are_selected_by_name_and_number() {
        assert_eq!(names("FRAME_IN"), ["FRAME_IN"]);
        assert_eq!(names("54, 2,CMD_OUT_ERROR"), ["FRAME_OUT", "CMD_OUT_ERROR", "NAK_SENT"]);
        assert_eq!(names("SEND_NAK_MESSAGE"), ["NAK_SENT"], "its name in earlier versions");
        assert_eq!(names(""), Vec::<&str>::new());
    }

    #[test]
    fn all_are_all_and_admin_all_but_the_frequent_ones() {
        assert_eq!(names("all").len(), 51);
        let admin = names("admin");
        assert_eq!(admin.len(), 47);
        for frequent in ["FRAME_IN", "FRAME_OUT", "ADD_DYNAMIC_DISSECTOR", "DYNAMIC_DISSECTOR_EVENT"] {
            assert!(!admin.contains(&frequent));
        }
        assert_eq!(names("admin,FRAME_IN").len(), 48);
    }

    #[test]
    fn masks_of_the_early_days_select_groups() {
        assert_eq!(names("0x4"), ["FRAME_IN"]);
        assert_eq!(names("0x8"), ["FRAME_OUT"]);
        assert_eq!(names("0x14"), ["FRAME_IN", "FRAME_OUT"]);
        assert_eq!(names("0x80"), ["UNTETHERED_SUBSCRIPTION_STATE_CHANGE"]);
        let (commands_in, commands_out) = (names("0x1"), names("0x2"));
        assert!(commands_in.iter().all(|name| name.starts_with("CMD_IN_") || *name == "PUBLICATION_REVOKE"));
        assert!(commands_out.iter().all(|name| name.starts_with("CMD_OUT_")));
        assert_eq!((commands_in.len(), commands_out.len()), (17, 10));
        assert_eq!(names("0xffff").len(), 51);
        assert_eq!(names("0x0"), Vec::<&str>::new());
    }

    #[test]
    fn what_is_no_event_is_told_and_the_rest_counts() {
        let (set, unknown) = EventSet::parse("FRAME_IN,frame_out,99,ALL,0xZZ,unknown,0");
        assert_eq!(unknown, ["frame_out", "99", "ALL", "0xZZ", "unknown", "0"]);
        assert_eq!(set, EventSet::parse("1").0);
    }

    #[test]
    fn disabled_events_are_taken_out() {
        let set = EventSet::parse("all").0.without(EventSet::parse("admin").0);
        let left: Vec<_> = DriverEvent::ALL.iter().filter(|event| set.contains(**event)).collect();
        assert_eq!(left.len(), 4);
        assert!(EventSet::parse("admin").0.without(EventSet::parse("all").0).is_empty());
    }
}
