//! A whole driver: datagrams to its sockets, commands, what other processes write into logs and counters, and time, in any
//! order. It neither fails nor falls silent.
#![no_main]

use epona_fuzz::{Input, driver::World};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let mut world = World::new();
    while !input.rest().is_empty() {
        world.happen(&mut input);
    }
    world.end();
});
