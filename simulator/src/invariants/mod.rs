//! What must hold in a world, whatever happens in it.
//!
//! | what | where |
//! | --- | --- |
//! | messages arrive whole, in order, in their stream; images end for a reason | [`ledger`], with [`content`] |
//! | positions and limits, and what the driver says of itself | [`watch`] |
//! | counters of what was sent agree with what the network saw | [`datagrams`] |
//! | everything is given back | [`resources`] |
//! | what is no violation while a severe fault is felt | `excuses` |

pub mod content;
pub mod datagrams;
pub mod ledger;
pub mod resources;
pub mod watch;

pub(crate) mod excuses;
