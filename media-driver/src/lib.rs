//! Aeron-compatible media driver.
