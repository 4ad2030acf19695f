//! The comparison: [`Case`]s are run with parties interleaved, and told as JSON, as text or as a page with plots.

mod case;
mod environment;
mod plan;
mod plot;
mod report;
mod statistics;
mod watchdog;

pub use case::{Case, MetricRuns};
pub use environment::Environment;
pub use plan::{SPARSE_RATE, all_cases};
pub use report::{document, page, read_document};
pub use statistics::Spread;
pub use watchdog::Watchdog;
