//! Response, cooperation, refusal and contact rates (AAPOR, Standard Definitions, 10th edition, 2023).

use super::disposition::{Disposition, Group};

/// How many numbers fell into each group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// I: complete interviews.
    pub complete: u64,
    /// P: partial interviews.
    pub partial: u64,
    /// R: refusals and break-offs.
    pub refusal: u64,
    /// NC: eligible, not contacted.
    pub non_contact: u64,
    /// O: eligible, another reason.
    pub other: u64,
    /// UH: unknown whether there is a household.
    pub unknown_household: u64,
    /// UR and UO: unknown for another reason.
    pub unknown_other: u64,
    /// NE: not eligible; in no rate, but tells how many of the unknown may be eligible.
    pub not_eligible: u64,
}

/// One rate: its name, and its value where it is defined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// `RR1` to `RR6`, `COOP1` to `COOP4`, `REF1` to `REF3`, `CON1` to `CON3`.
    pub name: &'static str,
    /// From 0 to 1; `None` where nothing can be divided by.
    pub value: Option<f64>,
}

impl Counts {
    /// The counts of these dispositions.
    pub fn of(dispositions: impl IntoIterator<Item = (Disposition, u64)>) -> Self {
        let mut counts = Self::default();
        for (disposition, n) in dispositions {
            *match disposition.group() {
                Group::Complete => &mut counts.complete,
                Group::Partial => &mut counts.partial,
                Group::Refusal => &mut counts.refusal,
                Group::NonContact => &mut counts.non_contact,
                Group::Other => &mut counts.other,
                Group::UnknownHousehold => &mut counts.unknown_household,
                Group::UnknownOther => &mut counts.unknown_other,
                Group::NotEligible => &mut counts.not_eligible,
            } += n;
        }
        counts
    }

    /// e: the share of the unknown that is taken to be eligible, namely the share among those of which it is known
    /// (proportional allocation, CASRO). `None` where nothing is known.
    pub fn eligibility(self) -> Option<f64> {
        let known = self.eligible() + self.not_eligible;
        (known > 0).then(|| self.eligible() as f64 / known as f64)
    }

    /// All rates, in AAPOR's order. Without an [eligibility](Self::eligibility) all of the unknown count as eligible.
    pub fn rates(self) -> [Rate; 16] {
        let (i, p, r, o) = (self.complete as f64, self.partial as f64, self.refusal as f64, self.other as f64);
        let eligible = self.eligible() as f64;
        let unknown = (self.unknown_household + self.unknown_other) as f64;
        let e = self.eligibility().unwrap_or(1.0);
        let (all, likely) = (eligible + unknown, eligible + e * unknown);
        let (contacted, asked) = (i + p + r + o, i + p + r);
        let rate = |name, above: f64, below: f64| Rate { name, value: (below > 0.0).then_some(above / below) };
        [
            rate("RR1", i, all),
            rate("RR2", i + p, all),
            rate("RR3", i, likely),
            rate("RR4", i + p, likely),
            rate("RR5", i, eligible),
            rate("RR6", i + p, eligible),
            rate("COOP1", i, contacted),
            rate("COOP2", i + p, contacted),
            rate("COOP3", i, asked),
            rate("COOP4", i + p, asked),
            rate("REF1", r, all),
            rate("REF2", r, likely),
            rate("REF3", r, eligible),
            rate("CON1", contacted, all),
            rate("CON2", contacted, likely),
            rate("CON3", contacted, eligible),
        ]
    }

    fn eligible(self) -> u64 {
        self.complete + self.partial + self.refusal + self.non_contact + self.other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of R's `outcomerate` 1.1.0 (vignette "Introduction to outcomerate", docs.ropensci.org/outcomerate), with
    /// `e` by its `eligibility_rate`; `UH = 40, UR = 60, UO = 73` in the original.
    const EXAMPLE: Counts = Counts {
        complete: 760,
        partial: 339,
        refusal: 59,
        non_contact: 288,
        other: 1,
        unknown_household: 40,
        unknown_other: 133,
        not_eligible: 71,
    };

    #[test]
    fn equal_to_outcomerate() {
        // As printed there, to its eight digits.
        let printed = [
            ("RR1", 0.469_135_80),
            ("RR2", 0.678_395_06),
            ("RR3", 0.471_490_80),
            ("RR4", 0.681_800_52),
            ("RR5", 0.525_224_60),
            ("RR6", 0.759_502_42),
            ("COOP1", 0.655_737_70),
            ("COOP2", 0.948_231_23),
            ("COOP3", 0.656_303_97),
            ("COOP4", 0.949_050_09),
            ("REF1", 0.036_419_75),
            ("REF2", 0.036_602_58),
            ("REF3", 0.040_774_02),
            ("CON1", 0.715_432_10),
            ("CON2", 0.719_023_47),
            ("CON3", 0.800_967_52),
        ];
        for (rate, (name, value)) in EXAMPLE.rates().into_iter().zip(printed) {
            assert_eq!(rate.name, name);
            let found = rate.value.expect("a rate");
            assert!((found - value).abs() < 5e-9, "{name}: {found} is not {value}");
        }
    }

    #[test]
    fn dispositions_count_in_their_groups() {
        let counts = Counts::of(Disposition::ALL.map(|d| (d, 1)));
        let expected = Counts {
            complete: 1,
            partial: 1,
            refusal: 2,
            non_contact: 0,
            other: 1,
            unknown_household: 5,
            unknown_other: 0,
            not_eligible: 3,
        };
        assert_eq!(counts, expected);
    }

    #[test]
    fn nothing_is_divided_by_nothing() {
        assert!(Counts::default().rates().iter().all(|rate| rate.value.is_none()));
        // Only unanswered bells: no response, and nobody to cooperate.
        let rates = Counts { unknown_household: 4, ..Counts::default() }.rates();
        assert_eq!((rates[0].value, rates[2].value, rates[6].value), (Some(0.0), Some(0.0), None));
    }
}
