//! How fast calls may come in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Most sources whose rate is kept; a further one takes the place of the one that was silent longest.
const MAX_SOURCES: usize = 1024;

/// Calls a second from each source: token buckets that hold one second's worth, so that a legal burst is served, and
/// one source's flood takes nothing from another (P25).
#[derive(Debug)]
pub(super) struct CallRate {
    per_second: f64,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl CallRate {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second: f64::from(per_second), buckets: Mutex::new(HashMap::new()) }
    }

    /// Takes a token of `source` if there is one.
    pub(super) fn admit(&self, source: IpAddr, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_SOURCES && !buckets.contains_key(&source) {
            let silent = buckets.iter().min_by_key(|(_, bucket)| bucket.filled).map(|(source, _)| *source);
            if let Some(silent) = silent {
                buckets.remove(&silent);
            }
        }
        let bucket = buckets.entry(source).or_insert(Bucket { tokens: self.per_second, filled: now });
        let elapsed = now.saturating_duration_since(bucket.filled);
        bucket.filled = now;
        bucket.tokens = (bucket.tokens + elapsed.as_secs_f64() * self.per_second).min(self.per_second);
        let admitted = bucket.tokens >= 1.0;
        if admitted {
            bucket.tokens -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::monotonic;

    #[test]
    fn the_rate_allows_a_second_at_once_and_then_its_pace() {
        let now = monotonic(); // Only an origin: nothing below sleeps.
        let rate = CallRate::new(10);
        let admitted = |source: u8, at: Duration, tries: usize| {
            (0..tries).filter(|_| rate.admit([192, 0, 2, source].into(), now + at)).count()
        };
        assert_eq!(admitted(1, Duration::ZERO, 30), 10);
        assert_eq!(admitted(2, Duration::ZERO, 30), 10, "another source has its own");
        assert_eq!(admitted(1, Duration::from_millis(500), 30), 5);
        assert_eq!(admitted(1, Duration::from_secs(60), 30), 10);
    }

    #[test]
    fn sources_are_forgotten_in_number() {
        let now = monotonic(); // Only an origin: nothing below sleeps.
        let rate = CallRate::new(1);
        for i in 0..MAX_SOURCES as u32 + 10 {
            rate.admit(std::net::Ipv4Addr::from_bits(i).into(), now + Duration::from_micros(u64::from(i)));
        }
        let buckets = rate.buckets.lock().expect("no panic");
        assert_eq!(buckets.len(), MAX_SOURCES);
        assert!(!buckets.contains_key(&std::net::Ipv4Addr::from_bits(9).into()));
    }
}
