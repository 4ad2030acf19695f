//! Aeron-compatible client.
