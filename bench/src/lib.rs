//! Side-by-side benchmarks, always beside a yardstick in the same run.
