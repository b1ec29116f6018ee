//! The only place that reads a clock. Pure modules take `now`; shells ask here.

use std::time::{Duration, Instant};

use chrono::{DateTime, FixedOffset, Utc};

/// Wall-clock time: for what is stored and shown. May jump.
#[expect(clippy::disallowed_methods, reason = "this module is the one that may")]
pub fn wall() -> DateTime<Utc> {
    Utc::now()
}

/// Monotonic time: for every timer and every measured span.
#[expect(clippy::disallowed_methods, reason = "this module is the one that may")]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// Processor time that the calling thread has used since it began: what work costs, whatever else the machine does.
pub fn thread_time() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let nanos = used.tv_nsec.clamp(0, 999_999_999) as u32;
    Duration::new(used.tv_sec.unsigned_abs(), nanos)
}

/// China Standard Time, UTC+8 the whole year (GB/T 7408.1): the zone in which promises, hours and dates are reckoned.
pub fn china() -> FixedOffset {
    FixedOffset::east_opt(8 * 3600).expect("eight hours are within a day")
}
