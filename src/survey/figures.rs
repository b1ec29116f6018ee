//! Figures with their uncertainty: proportions, means, and who may be ranked (R9.2, R9.3).

/// Quantile of the normal distribution for 95 %, two-sided.
const Z: f64 = 1.959_963_984_540_054;

/// Answers below which a figure is not shown: who answered could be guessed.
pub const SHOWN_MIN: u64 = 5;

/// Answers below which nobody is ranked.
pub const RANKED_MIN: u64 = 30;

/// An interval that holds the true value with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// A share, with those who did not answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proportion {
    /// Answers that count for it.
    pub numerator: u64,
    /// Answers.
    pub denominator: u64,
    /// Asked, or to be asked, and not answered.
    pub missing: u64,
    /// The share, weighted where the sample is; `None` without answers.
    pub value: Option<f64>,
    /// Wilson's interval for it.
    pub interval: Option<Interval>,
}

/// A mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// Answers.
    pub n: u64,
    /// Their mean, weighted where the sample is.
    pub value: f64,
    /// The normal interval for it; `None` for a single answer.
    pub interval: Option<Interval>,
}

impl Proportion {
    /// The share of `true` among answers, each with its design weight.
    pub fn of(answers: impl IntoIterator<Item = (bool, f64)>, missing: u64) -> Self {
        let (mut numerator, mut denominator) = (0, 0);
        let (mut hit, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for (counts, weight) in answers {
            denominator += 1;
            numerator += u64::from(counts);
            sum += weight;
            squares += weight * weight;
            hit += if counts { weight } else { 0.0 };
        }
        let value = (sum > 0.0).then(|| hit / sum);
        // Kish (1965): unequal weights make a sample worth fewer equal ones.
        let interval = value.map(|p| wilson(p, sum * sum / squares));
        Self { numerator, denominator, missing, value, interval }
    }

    /// Whether it may be shown at all.
    pub fn shown(&self) -> bool {
        self.denominator >= SHOWN_MIN
    }
}

/// Wilson's score interval for a share `p` of `n` answers (Wilson, 1927; Brown, Cai, DasGupta, 2001).
pub fn wilson(p: f64, n: f64) -> Interval {
    let z2 = Z * Z;
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    Interval { low: (centre - half).max(0.0), high: (centre + half).min(1.0) }
}

/// The mean of values, each with its design weight; `None` without any.
pub fn mean(values: &[(f64, f64)]) -> Option<Mean> {
    let sum: f64 = values.iter().map(|(_, w)| w).sum();
    if sum <= 0.0 {
        return None;
    }
    let value = values.iter().map(|(v, w)| v * w).sum::<f64>() / sum;
    let squares: f64 = values.iter().map(|(_, w)| w * w).sum();
    let effective = sum * sum / squares;
    let spread = values.iter().map(|(v, w)| w * (v - value).powi(2)).sum::<f64>() / sum;
    let interval = (effective > 1.0).then(|| {
        let error = Z * (spread / (effective - 1.0)).sqrt();
        Interval { low: value - error, high: value + error }
    });
    Some(Mean { n: values.len() as u64, value, interval })
}

/// What may be said of one of several that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Too few answers to show anything.
    Hidden,
    /// Too few answers to rank.
    Unranked,
    /// How many are better beyond doubt, plus one. Those whose intervals overlap share a rank.
    Rank(usize),
}

/// The standing of each share among the others, the greatest first. Nobody comes before another whose interval overlaps.
pub fn standings(shares: &[Proportion]) -> Vec<Standing> {
    let rankable = |p: &&Proportion| p.denominator >= RANKED_MIN;
    let standing = |share: &Proportion| match share.interval {
        _ if !share.shown() => Standing::Hidden,
        Some(own) if share.denominator >= RANKED_MIN => {
            let better = |other: &&Proportion| other.interval.is_some_and(|other| other.low > own.high);
            Standing::Rank(1 + shares.iter().filter(rankable).filter(better).count())
        }
        Some(_) | None => Standing::Unranked,
    };
    shares.iter().map(standing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(hits: u64, n: u64) -> Proportion {
        Proportion::of((0..n).map(|i| (i < hits, 1.0)), 0)
    }

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 5e-5, "{found} is not {expected}");
    }

    #[test]
    fn wilson_as_published() {
        // Newcombe, Two-sided confidence intervals for the single proportion, Stat. Med. 17 (1998), table I, method 3.
        for (hits, n, low, high) in
            [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
        {
            let interval = share(hits, n).interval.expect("an interval");
            near(interval.low, low);
            near(interval.high, high);
        }
    }

    #[test]
    fn weights_count_and_cost_precision() {
        let answers = [(true, 3.0), (false, 1.0), (true, 1.0), (false, 1.0)];
        let weighted = Proportion::of(answers, 2);
        assert_eq!((weighted.numerator, weighted.denominator, weighted.missing), (2, 4, 2));
        near(weighted.value.expect("a share"), 4.0 / 6.0);
        let equal = wilson(4.0 / 6.0, 4.0);
        let interval = weighted.interval.expect("an interval");
        assert!(interval.low < equal.low && interval.high > equal.high);
    }

    #[test]
    fn means_and_their_intervals() {
        let found = mean(&[(4.0, 1.0), (5.0, 1.0), (3.0, 1.0), (4.0, 1.0)]).expect("a mean");
        near(found.value, 4.0);
        // Standard error sqrt(2/3)/2.
        near(found.interval.expect("an interval").high, 4.0 + 1.959_96 * 0.408_248);
        assert_eq!(mean(&[]), None);
        assert_eq!(mean(&[(4.0, 1.0)]).and_then(|m| m.interval), None);
    }

    #[test]
    fn nobody_is_ranked_by_chance() {
        use Standing::{Hidden, Rank, Unranked};
        let check = |shares: &[(u64, u64)], expected: &[Standing]| {
            let shares: Vec<_> = shares.iter().map(|(hits, n)| share(*hits, *n)).collect();
            assert_eq!(standings(&shares), expected);
        };
        check(&[(95, 100), (60, 100)], &[Rank(1), Rank(2)]);
        check(&[(80, 100), (75, 100)], &[Rank(1), Rank(1)]);
        // The middle one overlaps both, who differ beyond doubt.
        check(&[(90, 100), (80, 100), (70, 100)], &[Rank(1), Rank(1), Rank(2)]);
        check(&[(29, 29), (1, 100), (4, 4)], &[Unranked, Rank(1), Hidden]);
        // One that is not ranked pushes nobody down.
        check(&[(29, 29), (5, 5), (10, 100)], &[Unranked, Unranked, Rank(1)]);
    }
}
