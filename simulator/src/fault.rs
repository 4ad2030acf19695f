//! What goes wrong in a world: the faults of a scenario, and what has happened by kind.

use std::time::Duration;

use crate::counts::Counts;

/// A fault that lasts no longer than this must go unnoticed but for time: nothing may end or be refused because of it.
pub const MILD: Duration = Duration::from_millis(1500);

/// Something that goes wrong for a while.
#[derive(Clone, PartialEq, Debug)]
pub struct Fault {
    /// When it starts, after the start of the world.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// What it is.
    pub what: Disturbance,
}

/// From one host to another, which may be the same one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Way {
    /// Host that sends.
    pub from: usize,
    /// Host that receives.
    pub to: usize,
}

/// What datagrams are told apart by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FrameType {
    /// Data and padding.
    Data,
    /// Data frames without data.
    Heartbeat,
    /// Setups.
    Setup,
    /// Status messages.
    StatusMessage,
    /// Requests for retransmission.
    Nak,
    /// Measurements of the round trip.
    RoundTrip,
    /// Error frames.
    Error,
    /// Setups of response channels.
    ResponseSetup,
}

/// Where a client is when it dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// Doing nothing in particular.
    Idle,
    /// With a claim in a log that it will never commit.
    Claimed,
    /// Right after committing.
    Committed,
    /// With a claim in the driver's command buffer that it will never commit.
    CommandClaimed,
    /// After sending a command whose answer it will never read.
    CommandSent,
}

/// A role of a driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Data out.
    Sender,
    /// Data in.
    Receiver,
    /// What may block.
    Resources,
    /// Everything else.
    Conductor,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sender, Self::Receiver, Self::Resources, Self::Conductor];
}

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disturbance {
    /// The next datagram is lost.
    LoseOne(Way),
    /// The next so many datagrams are lost.
    LoseBurst(Way, u64),
    /// Every so-manieth datagram of data is lost: one gap after another.
    LoseGaps(Way, u64),
    /// Most datagrams of one type are lost.
    LoseFrames(Way, FrameType),
    /// Headers are damaged in ways that a receiver can see.
    Corrupt(Way),
    /// Datagrams are cut short.
    Truncate(Way),
    /// Frames claim to be of another version of the protocol.
    ForeignVersion(Way),
    /// Nothing passes, one way.
    Cut(Way),
    /// Nothing passes, both ways.
    Partition(usize, usize),
    /// Only datagrams up to a length pass, in bytes.
    LimitLength(Way, usize),
    /// A driver stands still.
    PauseDriver(usize),
    /// One role of a driver stands still.
    PauseRole(usize, Role),
    /// A driver dies, and another starts in its directory.
    RestartDriver(usize),
    /// A client stands still, applications and all.
    PauseClient(usize),
    /// A client dies; another takes its place at once.
    KillClient(usize, Moment),
    /// The wall clock jumps, in milliseconds, for everybody.
    JumpClock(i64),
    /// There is no room for files on a host.
    FillStorage(usize),
    /// A client takes all counters that there are.
    FillCounters(usize),
    /// The error log of a host's driver is filled.
    FillErrorLog(usize),
    /// The command buffer of a host's driver is filled, while its conductor stands still.
    FillCommands(usize),
    /// A subscriber, by stream and place in it, does not poll.
    SlowSubscriber(usize, usize),
    /// The name of a stream's endpoint moves to another host, and its subscriber too.
    MoveName(usize, usize),
    /// The first destination of a stream's publishers is removed, by its id or by its channel, and added again at the end.
    RemoveDestination {
        /// The stream.
        stream: usize,
        /// Whether by id.
        by_id: bool,
    },
    /// The first source of a stream's subscribers is removed, and added again at the end.
    RemoveReceiveDestination(usize),
    /// A client adds and removes publications, subscriptions and counters as quickly as it can.
    Storm(usize),
}

/// Names the kinds of faults once, for the type and for the list of all.
macro_rules! fault_kinds {
    ($($kind:ident,)*) => {
        /// A kind of fault, as it is counted.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
        #[serde(rename_all = "snake_case")]
        #[expect(missing_docs, reason = "named as in Disturbance, or by what they say")]
        pub enum FaultKind {
            $($kind,)*
        }

        impl FaultKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];
        }
    };
}

fault_kinds! {
    Loss,
    Duplication,
    Reordering,
    SingleLoss,
    BurstLoss,
    MultiGapLoss,
    LostData,
    LostHeartbeat,
    LostSetup,
    LostStatusMessage,
    LostNak,
    LostRoundTrip,
    LostError,
    LostResponseSetup,
    Corruption,
    Truncation,
    ForeignVersion,
    OneWayPartition,
    Partition,
    MtuMismatch,
    DriverPause,
    SenderPause,
    ReceiverPause,
    ResourcesPause,
    ConductorPause,
    DriverRestart,
    ClientPause,
    ClientDeath,
    ClientDeathInClaim,
    ClientDeathAfterCommit,
    ClientDeathInCommand,
    ClientDeathBeforeAnswer,
    ClockJump,
    FullStorage,
    FullCounters,
    FullErrorLog,
    FullCommandBuffer,
    SlowConsumer,
    AddressChange,
    DestinationRemoval,
    ReceiveDestinationRemoval,
    AddRemoveStorm,
    TermIdWrap,
    PositionNearMaximum,
    ImageRejection,
    Revocation,
}

impl FaultKind {
    /// Whether it is what links do all the time.
    #[must_use]
    pub const fn is_of_links(self) -> bool {
        matches!(self, Self::Loss | Self::Duplication | Self::Reordering)
    }
}

impl Disturbance {
    /// How it is counted.
    #[must_use]
    pub const fn kind(self) -> FaultKind {
        match self {
            Self::LoseOne(_) => FaultKind::SingleLoss,
            Self::LoseBurst(..) => FaultKind::BurstLoss,
            Self::LoseGaps(..) => FaultKind::MultiGapLoss,
            Self::LoseFrames(_, frame) => match frame {
                FrameType::Data => FaultKind::LostData,
                FrameType::Heartbeat => FaultKind::LostHeartbeat,
                FrameType::Setup => FaultKind::LostSetup,
                FrameType::StatusMessage => FaultKind::LostStatusMessage,
                FrameType::Nak => FaultKind::LostNak,
                FrameType::RoundTrip => FaultKind::LostRoundTrip,
                FrameType::Error => FaultKind::LostError,
                FrameType::ResponseSetup => FaultKind::LostResponseSetup,
            },
            Self::Corrupt(_) => FaultKind::Corruption,
            Self::Truncate(_) => FaultKind::Truncation,
            Self::ForeignVersion(_) => FaultKind::ForeignVersion,
            Self::Cut(_) => FaultKind::OneWayPartition,
            Self::Partition(..) => FaultKind::Partition,
            Self::LimitLength(..) => FaultKind::MtuMismatch,
            Self::PauseDriver(_) => FaultKind::DriverPause,
            Self::PauseRole(_, Role::Sender) => FaultKind::SenderPause,
            Self::PauseRole(_, Role::Receiver) => FaultKind::ReceiverPause,
            Self::PauseRole(_, Role::Resources) => FaultKind::ResourcesPause,
            Self::PauseRole(_, Role::Conductor) => FaultKind::ConductorPause,
            Self::RestartDriver(_) => FaultKind::DriverRestart,
            Self::PauseClient(_) => FaultKind::ClientPause,
            Self::KillClient(_, Moment::Idle) => FaultKind::ClientDeath,
            Self::KillClient(_, Moment::Claimed) => FaultKind::ClientDeathInClaim,
            Self::KillClient(_, Moment::Committed) => FaultKind::ClientDeathAfterCommit,
            Self::KillClient(_, Moment::CommandClaimed) => FaultKind::ClientDeathInCommand,
            Self::KillClient(_, Moment::CommandSent) => FaultKind::ClientDeathBeforeAnswer,
            Self::JumpClock(_) => FaultKind::ClockJump,
            Self::FillStorage(_) => FaultKind::FullStorage,
            Self::FillCounters(_) => FaultKind::FullCounters,
            Self::FillErrorLog(_) => FaultKind::FullErrorLog,
            Self::FillCommands(_) => FaultKind::FullCommandBuffer,
            Self::SlowSubscriber(..) => FaultKind::SlowConsumer,
            Self::MoveName(..) => FaultKind::AddressChange,
            Self::RemoveDestination { .. } => FaultKind::DestinationRemoval,
            Self::RemoveReceiveDestination(_) => FaultKind::ReceiveDestinationRemoval,
            Self::Storm(_) => FaultKind::AddRemoveStorm,
        }
    }

    /// The client that it happens to, by its number.
    pub(crate) const fn client_mut(&mut self) -> Option<&mut usize> {
        match self {
            Self::PauseClient(client)
            | Self::KillClient(client, _)
            | Self::FillCounters(client)
            | Self::Storm(client) => Some(client),
            _ => None,
        }
    }

    /// Hosts that it names.
    pub(crate) fn hosts(self) -> Vec<usize> {
        match self {
            Self::PauseDriver(host)
            | Self::PauseRole(host, _)
            | Self::RestartDriver(host)
            | Self::FillStorage(host)
            | Self::FillErrorLog(host)
            | Self::FillCommands(host)
            | Self::MoveName(_, host) => vec![host],
            _ => self.way().map_or_else(Vec::new, |way| vec![way.from, way.to]),
        }
    }

    /// The way of datagrams that it meddles with, or both ways between two hosts.
    #[must_use]
    pub const fn way(self) -> Option<Way> {
        match self {
            Self::LoseOne(way)
            | Self::LoseBurst(way, _)
            | Self::LoseGaps(way, _)
            | Self::LoseFrames(way, _)
            | Self::Corrupt(way)
            | Self::Truncate(way)
            | Self::ForeignVersion(way)
            | Self::Cut(way)
            | Self::LimitLength(way, _) => Some(way),
            Self::Partition(from, to) => Some(Way { from, to }),
            _ => None,
        }
    }
}

impl Fault {
    /// When it is over, after the start of the world.
    #[must_use]
    pub fn end(&self) -> Duration {
        self.at + self.lasts
    }

    /// Whether streams may end, and requests be refused, because of it.
    #[must_use]
    pub fn is_severe(&self) -> bool {
        match self.what {
            Disturbance::LoseOne(_)
            | Disturbance::LoseBurst(..)
            | Disturbance::SlowSubscriber(..)
            | Disturbance::FillErrorLog(_)
            | Disturbance::Storm(_) => false,
            Disturbance::RestartDriver(_)
            | Disturbance::FillStorage(_)
            | Disturbance::FillCounters(_)
            | Disturbance::MoveName(..)
            | Disturbance::KillClient(_, Moment::CommandClaimed) => true,
            Disturbance::KillClient(..) => false,
            // Clients and drivers take each other for dead when they are silent for longer; ahead only.
            Disturbance::JumpClock(millis) => millis > 5000,
            _ => self.lasts > MILD,
        }
    }

    /// Whether clients or a driver may die of it, by themselves or because others take them for dead.
    #[must_use]
    pub fn is_deadly(&self) -> bool {
        match self.what {
            Disturbance::KillClient(..) | Disturbance::RestartDriver(_) => true,
            Disturbance::PauseClient(_)
            | Disturbance::PauseDriver(_)
            | Disturbance::PauseRole(_, Role::Conductor)
            | Disturbance::JumpClock(_) => self.is_severe(),
            _ => false,
        }
    }
}

/// How often each kind happened: datagrams for what happens to datagrams, occasions for the rest.
pub type FaultCounts = Counts<FaultKind>;
