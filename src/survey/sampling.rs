//! Random samples that anybody can draw again from the same list and seed (R7.9).

use std::collections::BTreeMap;

use super::random::Random;

/// What a population is divided by: the rated unit, the window, the age band.
pub type Stratum = (Option<i64>, Option<i16>, Option<String>);

/// How many are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// So many of each stratum, or all where there are fewer: small units can be judged too, and weights set it right.
    Each(usize),
    /// So many in all, shared out by the strata's sizes (largest remainder).
    Total(usize),
}

/// Somebody who was drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// The place in the population.
    pub index: usize,
    /// The design weight: how many of the stratum this one stands for.
    pub weight: f64,
}

/// Draws without replacement, each of a stratum as likely as the others. The same population in the same order and the same
/// seed give the same sample, whatever is drawn from other strata. In the order of the population.
pub fn draw(population: &[Stratum], quota: Quota, seed: u64) -> Vec<Drawn> {
    let mut strata: BTreeMap<&Stratum, Vec<usize>> = BTreeMap::new();
    for (index, stratum) in population.iter().enumerate() {
        strata.entry(stratum).or_default().push(index);
    }
    let sizes: Vec<usize> = strata.values().map(Vec::len).collect();
    let wanted = match quota {
        Quota::Each(n) => sizes.iter().map(|size| n.min(*size)).collect(),
        Quota::Total(n) => shares(&sizes, n),
    };
    let mut drawn = Vec::new();
    for (stream, (mut members, n)) in (0_u64..).zip(strata.into_values().zip(wanted)) {
        let weight = members.len() as f64 / n as f64;
        Random::stream(seed, stream).shuffle(&mut members);
        drawn.extend(members.into_iter().take(n).map(|index| Drawn { index, weight }));
    }
    drawn.sort_by_key(|d| d.index);
    drawn
}

/// `total` shared out in proportion to `sizes`, none getting more than its size.
fn shares(sizes: &[usize], total: usize) -> Vec<usize> {
    let all: usize = sizes.iter().sum();
    let total = total.min(all);
    if all == 0 {
        return Vec::new();
    }
    let mut shares: Vec<usize> = sizes.iter().map(|size| size * total / all).collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|at| (std::cmp::Reverse(sizes[*at] * total % all), *at));
    let left = total - shares.iter().sum::<usize>();
    for at in order.into_iter().take(left) {
        shares[at] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn population() -> Vec<Stratum> {
        let of = |unit, n| std::iter::repeat_n((Some(unit), Some(7), None), n);
        of(1, 100).chain(of(2, 50)).chain(of(3, 4)).collect()
    }

    #[test]
    fn quotas_are_kept_and_weights_make_the_population_whole() {
        let check = |quota, sizes: [usize; 3]| {
            let drawn = draw(&population(), quota, 9);
            let found = [1, 2, 3].map(|unit| drawn.iter().filter(|d| population()[d.index].0 == Some(unit)).count());
            assert_eq!(found, sizes, "{quota:?}");
            let whole: f64 = drawn.iter().map(|d| d.weight).sum();
            assert!((whole - 154.0).abs() < 1e-9, "{quota:?}: {whole}");
        };
        check(Quota::Each(10), [10, 10, 4]);
        check(Quota::Total(77), [50, 25, 2]);
        check(Quota::Total(10_000), [100, 50, 4]);
    }

    #[test]
    fn a_seed_draws_the_same_sample_again() {
        let indices =
            |seed| draw(&population(), Quota::Each(10), seed).into_iter().map(|d| d.index).collect::<Vec<_>>();
        assert_eq!(indices(9), indices(9));
        assert_ne!(indices(9), indices(10));
        // What is drawn from one stratum does not hang on how many are drawn from another.
        let larger = draw(&population(), Quota::Each(20), 9);
        assert!(indices(9).iter().all(|index| larger.iter().any(|d| d.index == *index)));
    }

    #[test]
    fn everybody_is_as_likely() {
        let mut times = [0_u32; 50];
        for seed in 0..4_000 {
            for drawn in draw(&population(), Quota::Each(10), seed) {
                if (100..150).contains(&drawn.index) {
                    times[drawn.index - 100] += 1;
                }
            }
        }
        // 800 expected; five standard deviations are 126.
        assert!(times.iter().all(|n| (674..=926).contains(n)), "{times:?}");
    }

    #[test]
    fn nobody_is_drawn_from_nothing() {
        assert_eq!(draw(&[], Quota::Total(5), 1), []);
        assert_eq!(draw(&population(), Quota::Each(0), 1), []);
    }
}
