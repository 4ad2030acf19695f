//! Micro benchmarks of Epona, in `benches/`: `cargo bench -p epona-benches`.
