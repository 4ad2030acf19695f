//! The conductor, stepped by hand: commands in, events and counters out, time as the test says, a simulated network.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail loudly")]

mod clients;
mod cnc;
mod counters;
mod endpoints;
mod golden;
mod harness;
mod images;
mod interfaces;
mod ipc_publications;
mod meetings;
mod names;
mod network_publications;
mod offload;
mod receive_destinations;
mod refusals;
mod rejections;
mod resources;
mod response_channels;
mod revocations;
mod send_destinations;
mod sharing;
mod simulated_connections;
mod tags;
mod taken_ports;
