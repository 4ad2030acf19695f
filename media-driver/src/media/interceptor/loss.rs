//! `loss`: each datagram of chosen types is lost with a probability.

use epona_protocol::types::Nanos;

use super::{
    Fate, Interceptor,
    arguments::{ArgumentError, Arguments},
    frame_type,
    random::Erand48,
};

#[derive(Clone, Debug)]
pub(super) struct Loss {
    rate: f64,
    /// Bit n stands for frame type n.
    types: u64,
    random: Erand48,
}

impl Loss {
    pub(super) fn parse(arguments: &Arguments<'_>, salt: u64) -> Result<Self, ArgumentError> {
        Ok(Self {
            rate: arguments.rate()?,
            types: arguments.mask("recv-msg-mask")?,
            random: Erand48::new(arguments.seed()?.wrapping_add(salt)),
        })
    }
}

impl Interceptor for Loss {
    fn judge(&mut self, _now: Nanos, datagram: &[u8]) -> Fate {
        let bit = frame_type(datagram).and_then(|kind| 1_u64.checked_shl(kind.into())).unwrap_or(0);
        if bit & self.types != 0 && self.random.happens(self.rate) { Fate::Drop } else { Fate::Pass }
    }
}
