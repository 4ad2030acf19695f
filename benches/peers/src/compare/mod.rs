//! The comparison: [`Case`]s are run with parties interleaved, and told as JSON or as a table.

mod case;
mod statistics;

pub use case::{Case, MetricRuns};
pub use statistics::Spread;
