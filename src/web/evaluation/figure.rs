//! Figures as pages show them: the share with its counts, its interval in words and drawn, and what may be said of its rank.

use super::chart::Whisker;
use super::sheet::Cell;
use crate::survey::LEVELS;
use crate::survey::figures::{Interval, Mean, Proportion, SHOWN_MIN, Standing};

/// A share, or that it may not be shown.
pub(super) struct Share {
    /// Answers that count for it.
    pub numerator: u64,
    /// Answers.
    pub denominator: u64,
    /// Reached, and did not answer.
    pub missing: u64,
    /// `87.5%`; `None`: too few answers.
    pub value: Option<String>,
    /// `82.1%–91.3%`.
    pub interval: String,
    /// The same, drawn.
    pub drawn: Option<Whisker>,
}

impl Share {
    pub(super) fn of(share: &Proportion) -> Self {
        let value = share.value.filter(|_| share.shown());
        Self {
            numerator: share.numerator,
            denominator: share.denominator,
            missing: share.missing,
            value: value.map(percent),
            interval: share.interval.filter(|_| share.shown()).map(|i| span(i, percent)).unwrap_or_default(),
            drawn: value.map(|value| Whisker::of_share(value, share.interval)),
        }
    }
}

/// A mean of levels or numbers.
pub(super) struct Average {
    /// Two decimals.
    pub value: String,
    /// `4.02–4.31`.
    pub interval: String,
    /// Drawn on the scale of levels; `None` for numbers, which have none.
    pub drawn: Option<Whisker>,
}

impl Average {
    pub(super) fn of(mean: &Mean, levels: bool) -> Option<Self> {
        (mean.n >= SHOWN_MIN).then(|| Self {
            value: decimal(mean.value),
            interval: mean.interval.map(|i| span(i, decimal)).unwrap_or_default(),
            drawn: levels.then(|| Whisker::on(mean.value, mean.interval, 1.0, f64::from(LEVELS))),
        })
    }
}

/// The cells of a share in a spreadsheet: good, answers, no answer, share, interval. Empty where it may not be shown.
pub(super) fn cells(share: &Proportion) -> [Cell; 6] {
    if !share.shown() {
        return std::array::from_fn(|_| Cell::Empty);
    }
    [
        Cell::Count(share.numerator),
        Cell::Count(share.denominator),
        Cell::Count(share.missing),
        Cell::share(share.value),
        Cell::share(share.interval.map(|i| i.low)),
        Cell::share(share.interval.map(|i| i.high)),
    ]
}

/// The rank; `None` where there is none.
pub(super) fn rank(standing: Standing) -> Option<usize> {
    match standing {
        Standing::Rank(rank) => Some(rank),
        Standing::Hidden | Standing::Unranked => None,
    }
}

/// `87.5%`.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

fn decimal(value: f64) -> String {
    format!("{value:.2}")
}

fn span(interval: Interval, written: fn(f64) -> String) -> String {
    format!("{}–{}", written(interval.low), written(interval.high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_shown_of_a_few() {
        let of = |n: u64| Share::of(&Proportion::of((0..n).map(|i| (i > 0, 1.0)), 3));
        let few = of(4);
        assert!(few.value.is_none() && few.interval.is_empty() && few.drawn.is_none());
        let enough = of(5);
        assert_eq!(enough.value.as_deref(), Some("80.0%"));
        assert_eq!(enough.interval, "37.6%–96.4%");
        assert_eq!(cells(&Proportion::of((0..4).map(|_| (true, 1.0)), 0)), std::array::from_fn(|_| Cell::Empty));
    }

    #[test]
    fn a_mean_needs_as_many() {
        let mean = |n: usize| crate::survey::figures::mean(&vec![(4.0, 1.0); n]).expect("a mean");
        assert!(Average::of(&mean(4), true).is_none());
        assert_eq!(Average::of(&mean(5), true).map(|a| a.value), Some("4.00".to_owned()));
    }
}
