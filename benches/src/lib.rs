//! Micro benchmarks of Epona.
