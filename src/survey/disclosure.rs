//! Published figures, frozen with all they come from, so that anybody can recompute them (R9.7, N8).
//!
//! A disclosure is a JSON document: figures, method, scope, period, and every answer behind the figures, without numbers or
//! names. Its SHA-256 is over its canonical text: keys in order, no spaces. Each names the hash of the one before.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::disposition::Disposition;
use super::figures::{SHOWN_MIN, Standing};
use super::groups::{By, GroupShare, grouped};
use super::model::Survey;
use super::rates::Counts;
use super::results::Respondent;

/// The form in which this is written.
const FORMAT: u32 = 1;

/// How the figures were made; printed with them.
const METHOD: &str = "电话回访，样本随机抽取；量表方向逐次随机。响应率等按 AAPOR 标准定义（第10版，2023）。比例为好评数除以有效回答数，\
                      区间为 Wilson 95% 置信区间，抽样时按设计权重计算。回答不足 5 人不公布，不足 30 人不排名，区间重叠不分先后。\
                      每个数字均可由所附回答重新计算。";

/// What is published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disclosure {
    /// The form in which it is written.
    pub format: u32,
    /// What it is headed with.
    pub title: String,
    /// To whom it is published: the district, a township, a village.
    pub scope: String,
    /// First day for which objections are taken.
    pub objections_from: NaiveDate,
    /// Last day for which objections are taken.
    pub objections_until: NaiveDate,
    /// When it was frozen.
    pub frozen_at: DateTime<Utc>,
    /// The campaign.
    pub campaign: i64,
    /// The questionnaire, whole.
    pub survey: String,
    /// How the figures were made.
    pub method: String,
    /// SHA-256 of the disclosure before; empty for the first.
    pub previous: String,
    /// Interviews whose answers were taken back before this was frozen, and are in no figure (N1). Disclosures frozen before
    /// this was counted do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<u64>,
    /// Numbers by AAPOR code.
    pub dispositions: BTreeMap<String, u64>,
    /// AAPOR's rates.
    pub rates: BTreeMap<String, Option<f64>>,
    /// The figures, unit by unit.
    pub figures: Vec<Figure>,
    /// Every answer behind them.
    pub evidence: Vec<Respondent>,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// What it measures.
    pub measure: String,
    /// The unit's key; empty where it is not known.
    pub unit: String,
    /// Good answers.
    pub numerator: u64,
    /// Answers.
    pub denominator: u64,
    /// Reached, and did not answer.
    pub missing: u64,
    /// The share.
    pub value: Option<f64>,
    /// Lower end of its interval.
    pub low: Option<f64>,
    /// Upper end of its interval.
    pub high: Option<f64>,
    /// Its rank; `None`: not ranked.
    pub rank: Option<usize>,
}

/// What a disclosure is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occasion {
    /// What it is headed with.
    pub title: String,
    /// To whom it is published.
    pub scope: String,
    /// First and last day for objections.
    pub objections: (NaiveDate, NaiveDate),
    /// When it is frozen.
    pub at: DateTime<Utc>,
    /// The campaign.
    pub campaign: i64,
    /// SHA-256 of the disclosure before; empty for the first.
    pub previous: String,
    /// Interviews whose answers were taken back.
    pub withdrawn: u64,
}

/// Why an export is not to be believed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Doubt {
    /// It is no disclosure.
    #[error("this is no disclosure: {0}")]
    Form(String),
    /// It is written in another form.
    #[error("it is written in form {0}, but this program reads {FORMAT}")]
    Format(u32),
    /// Its hash is not the one that was published.
    #[error("its hash is {found}, but {published} was published")]
    Hash {
        /// Of this text.
        found: String,
        /// As published.
        published: String,
    },
    /// The questionnaire in it cannot be read.
    #[error("its questionnaire cannot be read")]
    Survey,
    /// A figure does not follow from the answers.
    #[error("{figure}: the answers give {recomputed}, not {printed}")]
    Figure {
        /// Which.
        figure: String,
        /// What follows.
        recomputed: String,
        /// What stands there.
        printed: String,
    },
}

impl Disclosure {
    /// Freezes what a campaign was answered.
    pub fn freeze(
        survey: &Survey,
        occasion: Occasion,
        dispositions: &BTreeMap<Disposition, u64>,
        mut evidence: Vec<Respondent>,
    ) -> Self {
        let mut sizes: BTreeMap<Option<i64>, u64> = BTreeMap::new();
        for respondent in &evidence {
            *sizes.entry(respondent.unit).or_default() += 1;
        }
        for respondent in &mut evidence {
            // Who answered for a unit of a few could be guessed.
            respondent.unit = respondent.unit.filter(|_| sizes[&respondent.unit] >= SHOWN_MIN);
            respondent.weight = rounded(respondent.weight);
        }
        Self {
            format: FORMAT,
            title: occasion.title,
            scope: occasion.scope,
            objections_from: occasion.objections.0,
            objections_until: occasion.objections.1,
            frozen_at: occasion.at,
            campaign: occasion.campaign,
            survey: survey.body.clone(),
            method: METHOD.to_owned(),
            previous: occasion.previous,
            withdrawn: Some(occasion.withdrawn),
            dispositions: dispositions.iter().map(|(d, n)| (d.code().to_owned(), *n)).collect(),
            rates: rates(dispositions.iter().map(|(d, n)| (*d, *n))),
            figures: figures(survey, &evidence),
            evidence,
        }
    }

    /// The canonical text, which the hash is over.
    ///
    /// # Errors
    /// Never for what [`Self::freeze`] made.
    pub fn canonical(&self) -> Result<String, serde_json::Error> {
        // A `Value` holds its keys in order.
        serde_json::to_value(self).map(|value| value.to_string())
    }

    /// Reads an export and recomputes everything in it; the disclosure and its hash when all holds.
    ///
    /// # Errors
    /// Every doubt. `published` is the hash as published, where it is known.
    pub fn verify(text: &str, published: Option<&str>) -> Result<(Self, String), Vec<Doubt>> {
        let disclosure: Self = serde_json::from_str(text).map_err(|e| vec![Doubt::Form(e.to_string())])?;
        if disclosure.format != FORMAT {
            return Err(vec![Doubt::Format(disclosure.format)]);
        }
        let canonical = disclosure.canonical().map_err(|e| vec![Doubt::Form(e.to_string())])?;
        let found = hash(&canonical);
        let mut doubts = Vec::new();
        if let Some(published) = published.filter(|hash| !hash.eq_ignore_ascii_case(&found)) {
            doubts.push(Doubt::Hash { found: found.clone(), published: published.to_owned() });
        }
        match Survey::parse(&disclosure.survey) {
            Err(_) => doubts.push(Doubt::Survey),
            Ok(survey) => doubts.extend(disclosure.recomputed(&survey)),
        }
        if doubts.is_empty() { Ok((disclosure, found)) } else { Err(doubts) }
    }

    fn recomputed(&self, survey: &Survey) -> Vec<Doubt> {
        let mut doubts = Vec::new();
        let figures = figures(survey, &self.evidence);
        let count = figures.len().max(self.figures.len());
        for at in 0..count {
            let (printed, recomputed) = (self.figures.get(at), figures.get(at));
            if printed != recomputed {
                let named = printed.or(recomputed).map(|f| format!("{} of unit {}", f.measure, f.unit));
                doubts.push(Doubt::Figure {
                    figure: named.unwrap_or_default(),
                    recomputed: recomputed.map_or_else(|| "nothing".to_owned(), Figure::short),
                    printed: printed.map_or_else(|| "nothing".to_owned(), Figure::short),
                });
            }
        }
        let known = self.dispositions.iter().filter_map(|(code, n)| Some((Disposition::from_code(code)?, *n)));
        for (name, recomputed) in rates(known) {
            let printed = self.rates.get(&name).copied().flatten();
            if printed != recomputed {
                let shown = |rate: Option<f64>| rate.map_or_else(|| "none".to_owned(), |r| r.to_string());
                let (recomputed, printed) = (shown(recomputed), shown(printed));
                doubts.push(Doubt::Figure { figure: name, recomputed, printed });
            }
        }
        doubts
    }
}

/// SHA-256 of a text, in hexadecimal.
pub fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

fn rates(dispositions: impl Iterator<Item = (Disposition, u64)>) -> BTreeMap<String, Option<f64>> {
    let rates = Counts::of(dispositions).rates();
    rates.into_iter().map(|rate| (rate.name.to_owned(), rate.value.map(rounded))).collect()
}

/// To six decimals: a number that every program reads from its text as it was written.
fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

/// The figures that may be shown.
fn figures(survey: &Survey, evidence: &[Respondent]) -> Vec<Figure> {
    let figure = |share: GroupShare| {
        let rank = match share.standing {
            Standing::Hidden => return None,
            Standing::Unranked => None,
            Standing::Rank(rank) => Some(rank),
        };
        Some(Figure {
            measure: share.measure.code().to_owned(),
            unit: share.group,
            numerator: share.share.numerator,
            denominator: share.share.denominator,
            missing: share.share.missing,
            value: share.share.value.map(rounded),
            low: share.share.interval.map(|i| rounded(i.low)),
            high: share.share.interval.map(|i| rounded(i.high)),
            rank,
        })
    };
    grouped(survey, evidence, By::Unit).into_iter().filter_map(figure).collect()
}

impl Figure {
    fn short(&self) -> String {
        format!("{}/{} ({:?})", self.numerator, self.denominator, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::example::{at, callback};
    use crate::survey::{Draw, Given, Mode};

    fn disclosure() -> Disclosure {
        let respondent = |sample: i64| Respondent {
            sample,
            unit: Some(100 + sample % 2),
            window: Some(7),
            age_band: None,
            weight: 1.0,
            draw: Draw(sample.unsigned_abs()),
            given: vec![Given {
                attempt: uuid::Uuid::nil(),
                question: "overall".into(),
                value: (1 + sample % 5).to_string(),
                mode: Mode::Key,
                latency_ms: Some(1_500),
                at: at("2026-09-28T10:00"),
            }],
        };
        let occasion = Occasion {
            title: "九月回访".into(),
            scope: "红塔区".into(),
            objections: ("2026-10-10".parse().expect("a day"), "2026-10-20".parse().expect("a day")),
            at: at("2026-10-09T09:00"),
            campaign: 4,
            previous: String::new(),
            withdrawn: 0,
        };
        let dispositions = [(Disposition::Complete, 80), (Disposition::NoAnswer, 20)].into();
        Disclosure::freeze(&callback(), occasion, &dispositions, (0..80).map(respondent).collect())
    }

    #[test]
    fn an_export_is_recomputed_from_its_own_answers() {
        let text = disclosure().canonical().expect("a text");
        let (read, found) = Disclosure::verify(&text, Some(&hash(&text))).unwrap_or_else(|d| panic!("{d:?}"));
        assert_eq!((read, found), (disclosure(), hash(&text)));
        // However the file was laid out, it is the same document.
        let pretty = serde_json::to_string_pretty(&disclosure()).expect("a text");
        assert_eq!(Disclosure::verify(&pretty, None).map(|(_, found)| found), Ok(hash(&text)));
        assert_eq!(disclosure().figures.iter().map(|f| f.denominator).collect::<Vec<_>>(), [40, 40]);
    }

    #[test]
    fn a_unit_of_a_few_is_not_named() {
        let mut few = disclosure().evidence;
        for respondent in few.iter_mut().take(4) {
            respondent.unit = Some(7);
        }
        let published = disclosure();
        let occasion = Occasion {
            title: published.title,
            scope: published.scope,
            objections: (published.objections_from, published.objections_until),
            at: published.frozen_at,
            campaign: 4,
            previous: String::new(),
            withdrawn: 0,
        };
        let frozen = Disclosure::freeze(&callback(), occasion, &BTreeMap::new(), few);
        assert!(frozen.evidence.iter().all(|r| r.unit != Some(7)));
        assert_eq!(
            frozen.figures.iter().map(|f| f.unit.as_str()).collect::<Vec<_>>(),
            ["100", "101"],
            "four are hidden"
        );
    }

    #[track_caller]
    fn doubted(change: impl Fn(&mut Disclosure), expected: &str) {
        let published = hash(&disclosure().canonical().expect("a text"));
        let mut changed = disclosure();
        change(&mut changed);
        let doubts = Disclosure::verify(&changed.canonical().expect("a text"), None).expect_err("a doubt");
        assert!(doubts.iter().any(|d| d.to_string().contains(expected)), "{doubts:?}");
        let doubts = Disclosure::verify(&changed.canonical().expect("a text"), Some(&published)).expect_err("a doubt");
        assert!(matches!(doubts[0], Doubt::Hash { .. }), "{doubts:?}");
    }

    #[test]
    fn whoever_changes_a_figure_or_an_answer_is_found_out() {
        doubted(|d| d.figures[0].numerator += 1, "satisfied of unit 100: the answers give 16/40");
        doubted(|d| d.figures.truncate(1), "not nothing");
        doubted(|d| d.evidence[3].given[0].value = "1".into(), "satisfied of unit 101");
        doubted(|d| _ = d.dispositions.insert("3.13".into(), 2), "RR1");
        doubted(|d| _ = d.rates.insert("RR1".into(), Some(1.0)), "RR1: the answers give 0.8, not 1");
        doubted(|d| d.survey = "format = 1".into(), "questionnaire");
        assert!(matches!(Disclosure::verify("{}", None).expect_err("a doubt")[0], Doubt::Form(_)));
    }
}
