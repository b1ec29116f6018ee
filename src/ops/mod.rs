//! Metrics in the OpenMetrics text format. Labels take few, known values; none holds a number or anybody's words.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// What the calls themselves count. Cheap to clone; every clone counts into the same.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    started: Family<Line, Counter>,
    ended: Family<Reason, Counter>,
    /// Calls turned away for want of a port.
    pub refused: Counter,
    /// Cases opened.
    pub cases: Counter,
    /// Recordings that stopped before their call.
    pub recordings_failed: Counter,
    /// From a key or words that answer a survey's question to the answer's being on the disk, in seconds.
    pub answer_kept: AnswerKept,
    /// Calls that are up.
    live: Arc<AtomicU64>,
}

/// How long answers take to the disk.
#[derive(Clone, Debug)]
pub struct AnswerKept(Histogram);

impl Default for AnswerKept {
    fn default() -> Self {
        /// Bounds in seconds; an answer is to be durable within a tenth of one (R7.11).
        const BOUNDS: [f64; 9] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
        Self(Histogram::new(BOUNDS))
    }
}

impl AnswerKept {
    /// An answer is on the disk, so long after its input.
    pub fn after(&self, span: Duration) {
        self.0.observe(span.as_secs_f64());
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Line {
    line: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: String,
}

impl Counters {
    /// A call rings on a line.
    pub fn started(&self, line: &str) {
        self.started.get_or_create(&Line { line: line.to_owned() }).inc();
        self.live.fetch_add(1, Ordering::Relaxed);
    }

    /// A call that rang has ended.
    pub fn ended(&self, reason: &str) {
        self.ended.get_or_create(&Reason { reason: reason.to_owned() }).inc();
        self.live.fetch_sub(1, Ordering::Relaxed);
    }

    /// Calls between [`Self::started`] and [`Self::ended`].
    pub fn live(&self) -> u64 {
        self.live.load(Ordering::Relaxed)
    }
}

/// One figure that a part of the gateway keeps itself, read when it is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Its name without the prefix and without `_total`.
    pub name: &'static str,
    /// What it says, as a sentence without its full stop.
    pub help: &'static str,
    /// What it is now.
    pub value: Value,
}

impl Sample {
    /// One that only grows.
    pub fn total(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, value: Value::Total(value) }
    }

    /// One that goes up and down.
    pub fn now(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, value: Value::Now(value) }
    }
}

/// A figure's kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Only grows.
    Total(u64),
    /// Goes up and down.
    Now(f64),
}

/// Everything that `/metrics` tells.
#[derive(Debug)]
pub struct Metrics(Registry);

impl Metrics {
    /// The calls' counters, and whatever `samples` reads at each request.
    pub fn new(counters: &Counters, samples: impl Fn() -> Vec<Sample> + Send + Sync + 'static) -> Self {
        let mut registry = Registry::with_prefix("minxin");
        registry.register("calls_started", "Calls that rang, by line", counters.started.clone());
        registry.register("calls_ended", "Calls that ended, by reason", counters.ended.clone());
        registry.register("calls_without_port", "Calls turned away for want of a port", counters.refused.clone());
        registry.register("cases_opened", "Cases opened by calls", counters.cases.clone());
        let failed = counters.recordings_failed.clone();
        registry.register("recordings_failed", "Recordings that stopped before their call", failed);
        let kept = counters.answer_kept.0.clone();
        registry.register("answer_kept_seconds", "From the input of a survey's answer to its being on the disk", kept);
        registry.register_collector(Box::new(Sampler(Box::new(samples))));
        Self(registry)
    }

    /// The text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.0).expect("writing to a string does not fail");
        text
    }
}

struct Sampler(Box<dyn Fn() -> Vec<Sample> + Send + Sync>);

impl std::fmt::Debug for Sampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sampler")
    }
}

impl Collector for Sampler {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for Sample { name, help, value } in (self.0)() {
            match value {
                Value::Total(total) => {
                    let metric = ConstCounter::new(total);
                    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)?;
                }
                Value::Now(now) => {
                    let metric = ConstGauge::new(now);
                    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_and_sampled_figures_are_told() {
        let counters = Counters::default();
        counters.started("民心热线");
        counters.started("民心热线");
        counters.ended("flow");
        counters.answer_kept.after(Duration::from_millis(30));
        let metrics = Metrics::new(&counters, || {
            vec![
                Sample { name: "rtp_packets", help: "RTP packets received", value: Value::Total(7) },
                Sample { name: "calls", help: "Calls that are up", value: Value::Now(1.0) },
            ]
        });
        let text = metrics.text();
        for line in [
            "minxin_calls_started_total{line=\"民心热线\"} 2",
            "minxin_calls_ended_total{reason=\"flow\"} 1",
            "minxin_answer_kept_seconds_bucket{le=\"0.02\"} 0",
            "minxin_answer_kept_seconds_bucket{le=\"0.05\"} 1",
            "minxin_rtp_packets_total 7",
            "minxin_calls 1.0",
            "# EOF",
        ] {
            assert!(text.lines().any(|l| l == line), "{line:?} is not in\n{text}");
        }
        assert_eq!(counters.live(), 1);
    }
}
