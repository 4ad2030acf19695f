//! Which interceptors a driver has, from its configuration.

use std::str::FromStr;

use super::{
    Interceptor,
    arguments::{ArgumentError, Arguments},
    delay::Delay,
    duplicate::Duplicate,
    fixed_loss::FixedLoss,
    loss::Loss,
    multi_gap_loss::MultiGapLoss,
    reorder::Reorder,
};
use crate::config::Interceptors;

/// The interceptors that there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InterceptorKind {
    /// `loss`.
    Loss,
    /// `fixed-loss`.
    FixedLoss,
    /// `multi-gap-loss`.
    MultiGapLoss,
    /// `delay`.
    Delay,
    /// `reorder`.
    Reorder,
    /// `duplicate`.
    Duplicate,
}

impl InterceptorKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Loss, Self::FixedLoss, Self::MultiGapLoss, Self::Delay, Self::Reorder, Self::Duplicate];

    /// The name in a list of interceptors.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::FixedLoss => "fixed-loss",
            Self::MultiGapLoss => "multi-gap-loss",
            Self::Delay => "delay",
            Self::Reorder => "reorder",
            Self::Duplicate => "duplicate",
        }
    }

    /// The property that holds its arguments.
    #[must_use]
    pub const fn argument_property(self) -> &'static str {
        match self {
            Self::Loss => "aeron.udp.channel.transport.bindings.loss.args",
            Self::FixedLoss => "aeron.udp.channel.transport.bindings.fixed.loss.args",
            Self::MultiGapLoss => "aeron.udp.channel.transport.bindings.multi.gap.loss.args",
            Self::Delay => "epona.interceptor.delay",
            Self::Reorder => "epona.interceptor.reorder",
            Self::Duplicate => "epona.interceptor.duplicate",
        }
    }

    /// The environment variable that holds its arguments.
    #[must_use]
    pub const fn argument_variable(self) -> &'static str {
        match self {
            Self::Loss => "AERON_UDP_CHANNEL_TRANSPORT_BINDINGS_LOSS_ARGS",
            Self::FixedLoss => "AERON_UDP_CHANNEL_TRANSPORT_BINDINGS_FIXED_LOSS_ARGS",
            Self::MultiGapLoss => "AERON_UDP_CHANNEL_TRANSPORT_BINDINGS_MULTI_GAP_LOSS_ARGS",
            Self::Delay => "EPONA_INTERCEPTOR_DELAY",
            Self::Reorder => "EPONA_INTERCEPTOR_REORDER",
            Self::Duplicate => "EPONA_INTERCEPTOR_DUPLICATE",
        }
    }

    /// Builds one; `salt` sets the sequences of a driver's transports apart, 0 is the seed as given.
    fn build(self, arguments: &str, salt: u64) -> Result<Box<dyn Interceptor>, ArgumentError> {
        let arguments = Arguments::parse(arguments)?;
        Ok(match self {
            Self::Loss => Box::new(Loss::parse(&arguments, salt)?),
            Self::FixedLoss => Box::new(FixedLoss::parse(&arguments)?),
            Self::MultiGapLoss => Box::new(MultiGapLoss::parse(&arguments)?),
            Self::Delay => Box::new(Delay::parse(&arguments, salt)?),
            Self::Reorder => Box::new(Reorder::parse(&arguments, salt)?),
            Self::Duplicate => Box::new(Duplicate::parse(&arguments, salt)?),
        })
    }
}

impl FromStr for InterceptorKind {
    type Err = InterceptorConfigError;

    fn from_str(name: &str) -> Result<Self, InterceptorConfigError> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| InterceptorConfigError::Unknown(name.into()))
    }
}

/// What is wrong with the configuration of interceptors.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InterceptorConfigError {
    /// There is no interceptor of that name.
    #[error(
        "unknown interceptor '{0}'; there are loss, fixed-loss, multi-gap-loss, delay, reorder and duplicate"
    )]
    Unknown(String),
    /// Its arguments cannot be read.
    #[error("interceptor {}: {source}; see {}", kind.name(), kind.argument_variable())]
    Arguments {
        /// The interceptor.
        kind: InterceptorKind,
        /// What is wrong.
        source: ArgumentError,
    },
    /// Aeron's driver does not start with `fixed-loss` and without its arguments.
    #[error("interceptor fixed-loss needs arguments; set {}", InterceptorKind::FixedLoss.argument_variable())]
    Missing,
}

/// The interceptors of both directions, validated, in the order in which they are listed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct InterceptorConfig {
    incoming: Vec<(InterceptorKind, String)>,
    outgoing: Vec<(InterceptorKind, String)>,
}

/// Interceptors in the order in which they judge.
pub(super) type Chain = Vec<Box<dyn Interceptor>>;

impl InterceptorConfig {
    /// From the two lists of names, joined by commas and maybe empty, and the arguments of each kind.
    ///
    /// # Errors
    /// A name that is unknown, or arguments that cannot be read.
    pub fn parse(
        incoming: &str,
        outgoing: &str,
        arguments: impl Fn(InterceptorKind) -> Option<String>,
    ) -> Result<Self, InterceptorConfigError> {
        let list = |names: &str| {
            let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
            names.map(|name| parse_one(name, &arguments)).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self { incoming: list(incoming)?, outgoing: list(outgoing)? })
    }

    /// From the driver's settings.
    ///
    /// # Errors
    /// As [`InterceptorConfig::parse`].
    pub fn from_settings(settings: &Interceptors) -> Result<Self, InterceptorConfigError> {
        let arguments = |kind| match kind {
            InterceptorKind::Loss => settings.loss_args.clone(),
            InterceptorKind::FixedLoss => settings.fixed_loss_args.clone(),
            InterceptorKind::MultiGapLoss => settings.multi_gap_loss_args.clone(),
            InterceptorKind::Delay => settings.delay_args.clone(),
            InterceptorKind::Reorder => settings.reorder_args.clone(),
            InterceptorKind::Duplicate => settings.duplicate_args.clone(),
        };
        let names = |list: &Option<String>| list.clone().unwrap_or_default();
        Self::parse(&names(&settings.incoming), &names(&settings.outgoing), arguments)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.incoming.is_empty() && self.outgoing.is_empty()
    }

    /// The interceptors of a new transport, incoming and outgoing; `salt` as in [`InterceptorKind::build`].
    pub(super) fn build(&self, salt: u64) -> Result<(Chain, Chain), InterceptorConfigError> {
        Ok((build_chain(&self.incoming, salt)?, build_chain(&self.outgoing, salt)?))
    }
}

fn parse_one(
    name: &str,
    arguments: &impl Fn(InterceptorKind) -> Option<String>,
) -> Result<(InterceptorKind, String), InterceptorConfigError> {
    let kind: InterceptorKind = name.parse()?;
    let text = arguments(kind).unwrap_or_default();
    if kind == InterceptorKind::FixedLoss && text.is_empty() {
        return Err(InterceptorConfigError::Missing);
    }
    kind.build(&text, 0).map_err(|source| InterceptorConfigError::Arguments { kind, source })?;
    Ok((kind, text))
}

/// The last listed judges first, as in Aeron.
fn build_chain(listed: &[(InterceptorKind, String)], salt: u64) -> Result<Chain, InterceptorConfigError> {
    let build = |(kind, arguments): &(InterceptorKind, String)| {
        kind.build(arguments, salt)
            .map_err(|source| InterceptorConfigError::Arguments { kind: *kind, source })
    };
    listed.iter().rev().map(build).collect()
}
