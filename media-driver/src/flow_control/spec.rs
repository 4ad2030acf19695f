//! Which flow control a channel gets: the `fc=` parameter and the configured suppliers.
//!
//! ```text
//! fc=max[,rrwm:n]
//! fc=min[,g:/n][,t:duration][,rrwm:n]
//! fc=tagged[,g:tag[/n]][,g:/n][,t:duration][,rrwm:n]
//! ```
//! Source: wire spec 5.5, driver spec 7.1.

use core::{str::FromStr, time::Duration};

use epona_protocol::{types::GroupTag, uri::units::parse_duration};

use super::FlowControl;

/// Why a flow control is not usable; worded for the error response to the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// `fc=` without a strategy name.
    #[error("no flow control strategy name in fc={0}: expected max, min or tagged")]
    NoStrategy(String),
    /// A strategy that does not exist.
    #[error("invalid flow control strategy name '{name}' in fc={spec}: expected max, min or tagged")]
    UnknownStrategy {
        /// The name given.
        name: String,
        /// The whole parameter.
        spec: String,
    },
    /// An option that the strategy does not have.
    #[error("unrecognised flow control option '{option}' in fc={spec}: expected {expected}")]
    UnknownOption {
        /// The option given.
        option: String,
        /// The whole parameter.
        spec: String,
        /// The options that exist.
        expected: &'static str,
    },
    /// An option whose value is out of range or not a number.
    #[error("invalid value of flow control option '{option}' in fc={spec}: expected {expected}")]
    InvalidValue {
        /// The option given.
        option: String,
        /// The whole parameter.
        spec: String,
        /// What the option takes.
        expected: &'static str,
    },
    /// A configured supplier that does not exist.
    #[error(
        "unknown flow control supplier '{0}': expected unicast_max, multicast_max, multicast_min or multicast_tagged"
    )]
    UnknownSupplier(String),
}

/// A strategy as the driver's configuration names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supplier {
    /// The fastest receiver sets the pace; `fc=` is not looked at.
    UnicastMax,
    /// The fastest receiver sets the pace.
    MulticastMax,
    /// The slowest receiver sets the pace.
    MulticastMin,
    /// The slowest receiver with the group tag sets the pace.
    MulticastTagged,
}

impl FromStr for Supplier {
    type Err = SpecError;

    /// Reads the short name, or the name of the function behind it in the Aeron C driver.
    fn from_str(name: &str) -> Result<Self, SpecError> {
        Ok(match name {
            "unicast_max" | "aeron_unicast_flow_control_strategy_supplier" => Self::UnicastMax,
            "multicast_max" | "aeron_max_multicast_flow_control_strategy_supplier" => Self::MulticastMax,
            "multicast_min" | "aeron_min_flow_control_strategy_supplier" => Self::MulticastMin,
            "multicast_tagged" | "aeron_tagged_flow_control_strategy_supplier" => Self::MulticastTagged,
            _ => return Err(SpecError::UnknownSupplier(name.to_owned())),
        })
    }
}

/// What strategies that track receivers need to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupOptions {
    /// Silence after which a receiver leaves the group.
    pub receiver_timeout: Duration,
    /// Receivers needed for the publication to count as connected, 0 and up.
    pub group_min_size: u32,
    /// Retransmit receiver window multiple, 1 and up.
    pub rrwm: i64,
}

/// The driver's configuration of flow control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowControlConfig {
    /// Strategy of channels that are neither multicast nor multi-destination.
    pub unicast: Supplier,
    /// Strategy of the others, when they do not say `fc=`.
    pub multicast: Supplier,
    /// `rrwm` of unicast channels.
    pub unicast_rrwm: i64,
    /// `rrwm` of the others, when they do not say.
    pub multicast_rrwm: i64,
    /// Group tag of `tagged`, when a channel does not say.
    pub group_tag: GroupTag,
    /// `g:/n`, when a channel does not say.
    pub group_min_size: u32,
    /// `t:`, when a channel does not say.
    pub receiver_timeout: Duration,
}

impl Default for FlowControlConfig {
    fn default() -> Self {
        Self {
            unicast: Supplier::UnicastMax,
            multicast: Supplier::MulticastMax,
            unicast_rrwm: 16,
            multicast_rrwm: 4,
            group_tag: GroupTag::new(-1),
            group_min_size: 0,
            receiver_timeout: Duration::from_secs(5),
        }
    }
}

impl FlowControlConfig {
    /// The flow control of a publication: `is_group` for multicast and multi-destination channels, `spec` the value of
    /// the channel's `fc` parameter.
    ///
    /// # Errors
    /// When `spec` matters and names no strategy, or an option is unknown or has an invalid value.
    pub fn flow_control(&self, is_group: bool, spec: Option<&str>) -> Result<FlowControl, SpecError> {
        let supplier = match spec {
            Some(spec) if is_group => strategy_of(spec)?,
            _ if is_group => self.multicast,
            _ => self.unicast,
        };
        let options = |takes| Options::parse(spec.unwrap_or_default(), takes, self);
        Ok(match supplier {
            Supplier::UnicastMax => FlowControl::max(self.unicast_rrwm),
            Supplier::MulticastMax => FlowControl::max(options(Takes::RetransmitOnly)?.group.rrwm),
            Supplier::MulticastMin => FlowControl::min(&options(Takes::All)?.group),
            Supplier::MulticastTagged => {
                let Options { group_tag, group } = options(Takes::All)?;
                FlowControl::tagged(group_tag, &group)
            }
        })
    }
}

fn strategy_of(spec: &str) -> Result<Supplier, SpecError> {
    match spec.split(',').next().unwrap_or_default() {
        "max" => Ok(Supplier::MulticastMax),
        "min" => Ok(Supplier::MulticastMin),
        "tagged" => Ok(Supplier::MulticastTagged),
        "" => Err(SpecError::NoStrategy(spec.to_owned())),
        name => Err(SpecError::UnknownStrategy { name: name.to_owned(), spec: spec.to_owned() }),
    }
}

/// Which options a strategy takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    RetransmitOnly,
    All,
}

impl Takes {
    const fn names(self) -> &'static str {
        match self {
            Self::RetransmitOnly => "rrwm:n",
            Self::All => "g:tag, g:tag/n, g:/n, t:duration or rrwm:n",
        }
    }
}

struct Options {
    group_tag: GroupTag,
    group: GroupOptions,
}

impl Options {
    /// Reads what follows the strategy name; later options win over earlier ones, all over the configuration.
    fn parse(spec: &str, takes: Takes, config: &FlowControlConfig) -> Result<Self, SpecError> {
        let mut options = Self {
            group_tag: config.group_tag,
            group: GroupOptions {
                receiver_timeout: config.receiver_timeout,
                group_min_size: config.group_min_size,
                rrwm: config.multicast_rrwm,
            },
        };
        for option in spec.split(',').skip(1) {
            let invalid = |expected| SpecError::InvalidValue {
                option: option.to_owned(),
                spec: spec.to_owned(),
                expected,
            };
            match option.split_once(':') {
                Some(("rrwm", value)) => {
                    let rrwm = value.parse().ok().filter(|&rrwm| rrwm > 0);
                    options.group.rrwm = rrwm.ok_or_else(|| invalid("a number above 0"))?;
                }
                Some(("t", value)) if takes == Takes::All => {
                    let timeout = parse_duration(value).ok();
                    options.group.receiver_timeout =
                        timeout.ok_or_else(|| invalid("a duration such as 500ms or 10s"))?;
                }
                Some(("g", value)) if takes == Takes::All => {
                    options
                        .on_group(value)
                        .ok_or_else(|| invalid("tag, tag/n or /n with n up to 2147483647"))?;
                }
                _ => {
                    let (option, spec) = (option.to_owned(), spec.to_owned());
                    return Err(SpecError::UnknownOption { option, spec, expected: takes.names() });
                }
            }
        }
        Ok(options)
    }

    /// `tag`, `tag/n` or `/n`; `None` when it is none of them.
    fn on_group(&mut self, value: &str) -> Option<()> {
        let (tag, min_size) = value.split_once('/').map_or((value, None), |(tag, size)| (tag, Some(size)));
        if !(tag.is_empty() && min_size.is_some()) {
            self.group_tag = GroupTag::new(tag.parse().ok()?);
        }
        if let Some(size) = min_size {
            self.group.group_min_size = size.parse().ok().filter(|&size| size <= i32::MAX as u32)?;
        }
        Some(())
    }
}
