//! Home of the criterion benches in `benches/`: what they share, which is how long they measure. What is
//! measured lives in the crates that ship.

use std::time::Duration;

use criterion::Criterion;

/// Short, so that all targets together take less than three minutes; plots would take longer than measuring.
pub fn quick() -> Criterion {
    let criterion = Criterion::default().without_plots().nresamples(20_000);
    criterion.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1))
}
