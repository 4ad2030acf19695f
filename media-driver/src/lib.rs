//! Aeron-compatible media driver.

pub mod clock;
pub mod conductor;
pub mod config;
pub mod congestion_control;
pub mod directory;
pub mod duty_cycle;
pub mod flow_control;
pub mod idle;
pub mod image;
pub mod loss;
pub mod media;
pub mod name_resolution;
pub mod receiver;
pub mod sender;
pub mod signals;
pub mod untethered;
