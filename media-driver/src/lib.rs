//! Aeron-compatible media driver.

pub mod congestion_control;
pub mod flow_control;
pub mod loss;
pub mod media;
pub mod sender;
