//! Benchmarks of jobq
