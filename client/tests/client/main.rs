//! The client against a driver played by hand: commands answered one by one, time held in hand.

#![expect(clippy::unwrap_used, reason = "in a test a failure is a panic")]

mod closing;
mod cnc_reader;
mod connecting;
mod counters;
mod explanations;
mod fake_driver;
mod fragments;
mod hostile_driver;
mod liveness;
mod offers;
mod polls;
mod publications;
mod subscriptions;
mod threads;
mod waiting;
