//! The delivered questionnaire, a prompt book for it, and a small calendar, for tests.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};

use super::{Survey, Windows};
use crate::directory::Calendar;
use crate::flow::PromptBook;

pub(crate) const CALLBACK: &str = include_str!("../../config/surveys/callback.toml");

/// The prompts as they are delivered.
pub(crate) fn book() -> PromptBook {
    PromptBook::parse(include_str!("../../prompts/prompts.toml")).unwrap_or_else(|e| panic!("{e}"))
}

pub(crate) fn callback() -> Arc<Survey> {
    Arc::new(Survey::parse(CALLBACK).unwrap_or_else(|p| panic!("{p:?}")))
}

/// `2026-09-28T09:00` in China Standard Time.
#[track_caller]
pub(crate) fn at(text: &str) -> DateTime<Utc> {
    format!("{text}:00+08:00").parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// The usual windows; 1 to 7 October are holidays, the 8th is a market day.
pub(crate) fn windows() -> Windows {
    let day = |day| NaiveDate::from_ymd_opt(2026, 10, day).unwrap_or_default();
    let exceptions = (1..=7).map(|d| (day(d), false)).chain([(day(10), true)]).collect();
    Windows::standard(&Calendar { exceptions, hours: vec![] }, [day(8)])
}
