//! What stands between the driver and its sockets, for tests.

use super::{
    kinds::Text,
    setting::{Setting, effective, field},
};
use crate::media::interceptor::{InterceptorConfig, InterceptorConfigError, InterceptorKind};

/// Interceptors by name, and their arguments, as configured: the transport parses them when it is made.
/// Source: driver spec 7.4, 9.2.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Interceptors {
    /// Names for what is sent, comma separated, the outermost first.
    pub outgoing: Option<String>,
    /// Names for what is received, comma separated, the outermost first.
    pub incoming: Option<String>,
    /// Arguments of `loss`: `rate=0.05|seed=...|recv-msg-mask=0x...|...`.
    pub loss_args: Option<String>,
    /// Arguments of `fixed-loss`.
    pub fixed_loss_args: Option<String>,
    /// Arguments of `multi-gap-loss`.
    pub multi_gap_loss_args: Option<String>,
    /// Arguments of our `delay`.
    pub delay_args: Option<String>,
    /// Arguments of our `reorder`.
    pub reorder_args: Option<String>,
    /// Arguments of our `duplicate`.
    pub duplicate_args: Option<String>,
}

impl Interceptors {
    /// The interceptors themselves, checked.
    ///
    /// # Errors
    /// When a name is unknown or its arguments cannot be read.
    pub fn parse(&self) -> Result<InterceptorConfig, InterceptorConfigError> {
        let names = |list: &Option<String>| list.clone().unwrap_or_default();
        InterceptorConfig::parse(&names(&self.incoming), &names(&self.outgoing), |kind| self.arguments(kind))
    }

    fn arguments(&self, kind: InterceptorKind) -> Option<String> {
        match kind {
            InterceptorKind::Loss => &self.loss_args,
            InterceptorKind::FixedLoss => &self.fixed_loss_args,
            InterceptorKind::MultiGapLoss => &self.multi_gap_loss_args,
            InterceptorKind::Delay => &self.delay_args,
            InterceptorKind::Reorder => &self.reorder_args,
            InterceptorKind::Duplicate => &self.duplicate_args,
        }
        .clone()
    }
}

/// Settings of [`super::Context::interceptors`].
pub(super) static SETTINGS: &[Setting] = &[
    effective(
        "aeron.udp.channel.outgoing.interceptors",
        &Text(field!(interceptors.outgoing)),
        "what stands before sockets that send, comma separated",
    ),
    effective(
        "aeron.udp.channel.incoming.interceptors",
        &Text(field!(interceptors.incoming)),
        "what stands behind sockets that receive, comma separated",
    ),
    effective(
        "aeron.udp.channel.transport.bindings.loss.args",
        &Text(field!(interceptors.loss_args)),
        "arguments of the interceptor `loss`",
    ),
    effective(
        "aeron.udp.channel.transport.bindings.fixed.loss.args",
        &Text(field!(interceptors.fixed_loss_args)),
        "arguments of the interceptor `fixed-loss`",
    ),
    effective(
        "aeron.udp.channel.transport.bindings.multi.gap.loss.args",
        &Text(field!(interceptors.multi_gap_loss_args)),
        "arguments of the interceptor `multi-gap-loss`",
    ),
    effective(
        "epona.interceptor.delay",
        &Text(field!(interceptors.delay_args)),
        "arguments of the interceptor `delay`",
    ),
    effective(
        "epona.interceptor.reorder",
        &Text(field!(interceptors.reorder_args)),
        "arguments of the interceptor `reorder`",
    ),
    effective(
        "epona.interceptor.duplicate",
        &Text(field!(interceptors.duplicate_args)),
        "arguments of the interceptor `duplicate`",
    ),
];
