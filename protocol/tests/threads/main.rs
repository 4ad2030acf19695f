//! The structures that threads share without locks, with real threads and random work: sizes and lengths of runs that loom
//! cannot explore, at the pace of this machine.
//!
//! Each round prints its seed. `EPONA_THREADS_ROUNDS=10000` goes on for longer; `EPONA_THREADS_SEED=7` begins there, and
//! repeats what a seed decides: lengths, limits and who does what, but not how the threads take turns.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "a seed is told whatever happens after it")]

mod broadcast;
mod counters;
mod log_buffers;
mod reports;
mod ring_buffers;
mod seq_slot;

use std::{
    env,
    hash::{BuildHasher, RandomState},
};

use fastrand::Rng;

const ROUNDS: u64 = 10;

/// Runs rounds, each from a seed of its own, which is printed before.
fn rounds(name: &str, round: impl Fn(u64)) {
    let setting = |name| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let first = setting("EPONA_THREADS_SEED").unwrap_or_else(|| RandomState::new().hash_one(name) >> 32);
    for seed in (first..).take(setting("EPONA_THREADS_ROUNDS").unwrap_or(ROUNDS) as usize) {
        eprintln!("{name}: seed {seed}");
        round(seed);
    }
}

/// Random numbers of one thread in a round.
fn random(seed: u64, thread: u64) -> Rng {
    Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ thread)
}

/// Up to `longest` random bytes.
fn bytes(random: &mut Rng, longest: usize) -> Vec<u8> {
    let length = random.usize(..=longest);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}
