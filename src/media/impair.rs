//! A bad line, for tests and load runs: loss, jitter, duplicates and clock drift from a seed.
//!
//! The same seed and conditions give the same line. Reordering needs no setting of its own: where the delay varies by more
//! than a packet time, packets overtake each other, except on lines that queue ([`Jitter::Bursts`], [`Jitter::Spikes`]).

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// How packets get lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// Not at all.
    None,
    /// Each with this probability, whatever happened to the others.
    Bernoulli(f64),
    /// In bursts (E. N. Gilbert, Bell System Technical Journal 39, 1960): in the bad state each is lost. `share` of all
    /// packets are, in bursts of `burst` packets on average.
    Gilbert { share: f64, burst: f64 },
}

/// How the delay varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// Not at all.
    None,
    /// Evenly between nothing and this.
    Uniform(Duration),
    /// Gamma distributed, shape 2, with this mean: the queues of several routers.
    Gamma(Duration),
    /// About every two seconds the line stands still for up to this long, then delivers all at once.
    Bursts(Duration),
    /// 5 ms evenly; about every five seconds the delay leaps to this and falls back over as long, as on a shared radio
    /// channel. In order.
    Spikes(Duration),
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// Loss.
    pub loss: Loss,
    /// Jitter.
    pub jitter: Jitter,
    /// Probability that a packet comes a second time.
    pub duplicate: f64,
    /// By how much the sender's clock is slow, in parts per million; its packets come further and further apart.
    pub drift_ppm: f64,
}

impl Conditions {
    /// A line without fault.
    pub const GOOD: Self = Self { loss: Loss::None, jitter: Jitter::None, duplicate: 0.0, drift_ppm: 0.0 };
}

/// Probability that a packet meets the beginning of a stand-still: every 2 s at 50 packets a second.
const STAND_STILL: f64 = 0.01;
/// Probability that a packet meets a leap of delay: every 5 s.
const LEAP: f64 = 0.004;
/// The jitter between leaps.
const RADIO_JITTER: Duration = Duration::from_millis(5);
/// How long after itself a duplicate comes, at most.
const DUPLICATE_AFTER: Duration = Duration::from_millis(30);

/// See the module's documentation.
#[derive(Debug)]
pub struct Line {
    conditions: Conditions,
    rng: StdRng,
    /// In the bad state of [`Loss::Gilbert`].
    bad: bool,
    /// A leap or stand-still: when it began or ends, and how large it is.
    event: Option<(Duration, Duration)>,
    /// When the last packet arrived, on a line that queues.
    last: Duration,
}

impl Line {
    /// A line; the seed belongs into a failing test's message.
    pub fn new(seed: u64, conditions: Conditions) -> Self {
        Self { conditions, rng: StdRng::seed_from_u64(seed), bad: false, event: None, last: Duration::ZERO }
    }

    /// When a packet arrives that is sent at `sent` by the sender's clock; a second time where it is duplicated. Packets
    /// must be asked for in the order in which they are sent.
    pub fn arrivals(&mut self, sent: Duration) -> [Option<Duration>; 2] {
        let lost = self.is_lost();
        let duplicated = self.rng.random_bool(self.conditions.duplicate);
        let sent = sent.mul_f64(1.0 + self.conditions.drift_ppm / 1e6);
        let arrival = self.delayed(sent);
        if lost {
            return [None; 2];
        }
        let again = duplicated.then(|| arrival + DUPLICATE_AFTER.mul_f64(self.rng.random()));
        [Some(arrival), again]
    }

    fn is_lost(&mut self) -> bool {
        match self.conditions.loss {
            Loss::None => false,
            Loss::Bernoulli(share) => self.rng.random_bool(share),
            Loss::Gilbert { share, burst } => {
                let leave = 1.0 / burst.max(1.0);
                let enter = (leave * share / (1.0 - share)).min(1.0);
                self.bad = self.rng.random_bool(if self.bad { 1.0 - leave } else { enter });
                self.bad
            }
        }
    }

    fn delayed(&mut self, sent: Duration) -> Duration {
        match self.conditions.jitter {
            Jitter::None => sent,
            Jitter::Uniform(most) => sent + most.mul_f64(self.rng.random()),
            Jitter::Gamma(mean) => {
                let mut exponential = || -(1.0 - self.rng.random::<f64>()).ln();
                sent + mean.mul_f64((exponential() + exponential()) / 2.0)
            }
            Jitter::Bursts(most) => {
                if self.event.is_none_or(|(until, _)| until < sent) && self.rng.random_bool(STAND_STILL) {
                    self.event = Some((sent + most.mul_f64(self.rng.random()), most));
                }
                self.queued(self.event.map_or(sent, |(until, _)| sent.max(until)))
            }
            Jitter::Spikes(leap) => {
                if self.event.is_none_or(|(began, leap)| began + leap < sent) && self.rng.random_bool(LEAP) {
                    self.event = Some((sent, leap));
                }
                let jitter = RADIO_JITTER.mul_f64(self.rng.random());
                let left = self.event.map_or(Duration::ZERO, |(began, leap)| leap.saturating_sub(sent - began));
                self.queued(sent + jitter + left)
            }
        }
    }

    fn queued(&mut self, arrival: Duration) -> Duration {
        self.last = self.last.max(arrival);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKETS: u32 = 50_000;

    /// Delays in milliseconds of the packets that arrive.
    fn delays(conditions: Conditions) -> Vec<f64> {
        let mut line = Line::new(1, conditions);
        let sent = |n| Duration::from_millis(20) * n;
        let arrivals = (0..PACKETS).filter_map(|n| line.arrivals(sent(n))[0].map(|at| (at, sent(n))));
        arrivals.map(|(at, sent)| (at.as_secs_f64() - sent.as_secs_f64()) * 1_000.0).collect()
    }

    #[track_caller]
    fn check_loss(loss: Loss, share: f64) {
        let lost = 1.0 - delays(Conditions { loss, ..Conditions::GOOD }).len() as f64 / f64::from(PACKETS);
        assert!((lost - share).abs() < 0.006, "{loss:?}: {lost}");
    }

    #[test]
    fn the_share_lost_is_the_one_asked_for() {
        check_loss(Loss::None, 0.0);
        check_loss(Loss::Bernoulli(0.05), 0.05);
        check_loss(Loss::Gilbert { share: 0.05, burst: 3.0 }, 0.05);
    }

    #[track_caller]
    fn check_jitter(jitter: Jitter, mean_ms: std::ops::Range<f64>, most_ms: std::ops::Range<f64>) {
        let delays = delays(Conditions { jitter, ..Conditions::GOOD });
        let mean = delays.iter().sum::<f64>() / delays.len() as f64;
        let most = delays.iter().copied().fold(0.0, f64::max);
        assert!(mean_ms.contains(&mean) && most_ms.contains(&most), "{jitter:?}: mean {mean}, most {most}");
    }

    #[test]
    fn delays_are_distributed_as_asked_for() {
        let ms = Duration::from_millis;
        check_jitter(Jitter::Uniform(ms(40)), 19.5..20.5, 39.9..40.0);
        check_jitter(Jitter::Gamma(ms(15)), 14.5..15.5, 80.0..200.0);
        check_jitter(Jitter::Bursts(ms(80)), 0.5..2.0, 78.0..80.0);
        check_jitter(Jitter::Spikes(ms(100)), 2.5..8.0, 99.0..105.0);
    }

    #[test]
    fn a_slow_clock_falls_behind() {
        let delays = delays(Conditions { drift_ppm: 200.0, ..Conditions::GOOD });
        assert!((delays[delays.len() - 1] - 200.0).abs() < 0.1, "1000 s at 200 ppm");
    }

    #[test]
    fn a_duplicate_comes_after_its_original() {
        let mut line = Line::new(1, Conditions { duplicate: 0.1, ..Conditions::GOOD });
        let again: Vec<_> = (0..1_000).filter_map(|_| line.arrivals(Duration::from_secs(1))[1]).collect();
        assert!((60..140).contains(&again.len()), "{}", again.len());
        assert!(again.iter().all(|at| (1.0..1.031).contains(&at.as_secs_f64())));
    }
}
