//! Aeron-compatible media driver.

pub mod media;
