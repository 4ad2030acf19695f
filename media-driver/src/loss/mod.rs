//! What is missing from a stream: found, reported after a delay that suits the channel, and accounted for.
//!
//! The conductor scans each image once per duty cycle; what it reports becomes a NAK, or padding when the stream is
//! unreliable.

mod detector;
mod feedback_delay;
mod loss_report;
mod multi_gap;
mod retry;
mod single_gap;
mod terms;

pub use detector::Detector;
pub use feedback_delay::{FeedbackDelay, OptimalMulticastDelay};
pub use loss_report::LossRecorder;
pub use multi_gap::MultiGap;
pub use retry::{AnswerTime, Retry};
pub use single_gap::SingleGap;
pub use terms::{Gap, ImageTerms, Scan, Terms};
