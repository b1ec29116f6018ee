//! The result of a measurement. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How a quantity is distributed, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Half of all are at most this.
    pub p50_ms: f64,
    /// All but one in a hundred.
    pub p99_ms: f64,
    /// All but one in a thousand.
    pub p999_ms: f64,
    /// The largest.
    pub max_ms: f64,
}

impl Spread {
    /// Of values in microseconds; zeros where there are none.
    pub fn of(mut values_us: Vec<u32>) -> Self {
        values_us.sort_unstable();
        // The nearest rank: the smallest value that this share of all does not exceed.
        let quantile = |share: f64| {
            let rank = (share * values_us.len() as f64).ceil() as usize;
            values_us.get(rank.saturating_sub(1)).map_or(0.0, |us| f64::from(*us) / 1e3)
        };
        Self { p50_ms: quantile(0.5), p99_ms: quantile(0.99), p999_ms: quantile(0.999), max_ms: quantile(1.0) }
    }
}

/// Everything measured in one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Calls begun.
    pub calls: usize,
    /// Calls answered and ended by us.
    pub completed: usize,
    /// Calls by what went wrong: a SIP status, or `no answer`, `no audio`, `hung up`, `no answer to BYE`.
    pub failed: BTreeMap<String, usize>,
    /// Most calls up at one time.
    pub most_at_once: usize,
    /// From the first INVITE to the last BYE's answer.
    pub seconds: f64,
    /// Time between answer and end, over all calls.
    pub call_seconds: f64,
    /// INVITE and BYE sent again.
    pub retransmissions: usize,
    /// From the INVITE to its 200.
    pub setup: Spread,
    /// From the BYE to its 200.
    pub teardown: Spread,
    /// From the ACK to the first packet that begins a prompt.
    pub first_audio: Spread,
    /// Each received packet's lateness against the grid of its stream's timestamps through the earliest packet.
    pub pacing: Spread,
    /// Packets that the far end numbered.
    pub packets_expected: u64,
    /// Packets of them that came.
    pub packets_received: u64,
    /// Packets that we sent.
    pub packets_sent: u64,
    /// Packets of ours that the far end missed, by its last reports.
    pub lost_at_peer: i64,
    /// How late the telephones themselves were with what they sent.
    pub own_lateness: Spread,
    /// The watched process.
    pub server: Option<Server>,
}

/// What the watched process used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Processor time for each call and second of it, over the whole run, set-up and end included; milliseconds.
    pub cpu_ms_per_call_second: f64,
    /// The same while all calls were up and none began or ended; `None` where there was no such second.
    pub steady_ms_per_call_second: Option<f64>,
    /// Processor time for each call; milliseconds.
    pub cpu_ms_per_call: f64,
    /// Memory before the first call; kB.
    pub idle_kb: u64,
    /// The most that was seen while calls were up; kB.
    pub peak_kb: u64,
    /// What was added, for each call that was up at once; kB.
    pub kb_per_call: f64,
}

impl Report {
    /// Packets that the far end numbered and that did not come.
    pub fn packets_lost(&self) -> u64 {
        self.packets_expected.saturating_sub(self.packets_received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_ranks() {
        let spread = Spread::of((1..=1_000).rev().map(|n| n * 1_000).collect());
        assert_eq!(spread, Spread { p50_ms: 500.0, p99_ms: 990.0, p999_ms: 999.0, max_ms: 1_000.0 });
        assert_eq!(Spread::of(vec![5_000]), Spread { p50_ms: 5.0, p99_ms: 5.0, p999_ms: 5.0, max_ms: 5.0 });
        assert_eq!(Spread::of(Vec::new()), Spread::default());
    }
}
