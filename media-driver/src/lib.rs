//! Aeron-compatible media driver.

pub mod clock;
pub mod config;
pub mod congestion_control;
pub mod duty_cycle;
pub mod flow_control;
pub mod idle;
pub mod loss;
pub mod media;
pub mod receiver;
pub mod sender;
