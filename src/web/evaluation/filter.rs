//! Which answers a page is about: read from the address, told in words, and written into every link again.

use serde::Deserialize;

use super::super::calls::{Choice, window_choices};
use super::super::error::WebError;
use super::super::text::Lang;
use super::super::{WebState, form, show, trail};
use super::units::{self, Branch};
use crate::directory::{Directory, Level};
use crate::store::read_office::{self, WindowRow};
use crate::store::results::{self, ResultsError, Scope, Version};
use crate::survey::{Measure, Respondent, Survey};
use crate::web::access::Visitor;

/// Digits of a version's hash that people see.
const HASH_DIGITS: usize = 8;

/// What a reader may ask for.
#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::web) struct Asked {
    survey: Option<String>,
    campaign: Option<String>,
    unit: Option<String>,
    window: Option<String>,
    from: Option<String>,
    until: Option<String>,
    level: Option<String>,
    measure: Option<String>,
}

/// The same, understood.
pub(super) struct Filter {
    /// The fields as they were given, by name, without those left out.
    fields: Vec<(&'static str, String)>,
    scope: Scope,
    unit: Option<i64>,
    /// At which level units stand beside each other.
    pub level: Level,
    /// The figure that units are compared by.
    pub measure: Option<Measure>,
}

/// Answers with all it takes to show them.
pub(super) struct View {
    /// What was asked for.
    pub filter: Filter,
    /// The versions there are.
    pub versions: Vec<Version>,
    /// The questionnaire.
    pub survey: Survey,
    /// Who answered, their units summed up at the filter's level.
    pub respondents: Vec<Respondent>,
    /// The district.
    pub directory: std::sync::Arc<Directory>,
    /// The windows.
    pub windows: Vec<WindowRow>,
}

/// The form above the results.
pub(super) struct Fields {
    pub surveys: Vec<Choice>,
    pub branches: Vec<Branch>,
    pub windows: Vec<Choice>,
    pub measures: Vec<Choice>,
    pub campaign: String,
    pub from: String,
    pub until: String,
    pub villages: bool,
    pub filtered: bool,
}

impl View {
    /// Reads what was asked for; looked at by name, so it is in the audit trail as `deed`. `None`: nothing was asked yet.
    pub(super) async fn open(
        state: &WebState,
        visitor: &Visitor,
        asked: &Asked,
        deed: &str,
    ) -> Result<Option<Self>, WebError> {
        let versions = results::versions(&state.pool).await?;
        let directory = (state.directory)();
        let Some(filter) = Filter::read(asked, &versions, &directory, visitor)? else { return Ok(None) };
        let body = results::version_body(&state.pool, &filter.scope.survey).await?.ok_or(WebError::NotFound)?;
        let survey = Survey::parse(&body).map_err(|problems| WebError::Survey(format!("{problems:?}")))?;
        trail::append(state, visitor, deed, &format!("survey/{}", survey.label()), &filter.query(&[])).await?;
        let mut respondents = results::respondents_in(&state.pool, &filter.scope).await?;
        for respondent in &mut respondents {
            respondent.unit = respondent.unit.map(|unit| units::at_level(&directory, unit, filter.level));
        }
        let windows = read_office::windows(&state.pool).await?;
        Ok(Some(Self { filter, versions, survey, respondents, directory, windows }))
    }

    /// The form as it was sent.
    pub(super) fn fields(&self, lang: Lang) -> Fields {
        let words = lang.survey();
        let filter = &self.filter;
        let version = |v: &Version| Choice {
            value: v.hash.clone(),
            label: format!("{}@{}", v.name, v.hash.chars().take(HASH_DIGITS).collect::<String>()),
            chosen: v.hash == filter.scope.survey,
        };
        let measure = |m: Measure| Choice {
            value: m.code().to_owned(),
            label: words.measure(m).to_owned(),
            chosen: filter.measure == Some(m),
        };
        Fields {
            surveys: self.versions.iter().map(version).collect(),
            branches: units::branches(&self.directory, filter.unit),
            windows: window_choices(&self.windows, lang, filter.field("window")),
            measures: shared(&self.survey).map(measure).collect(),
            campaign: filter.field("campaign").to_owned(),
            from: filter.field("from").to_owned(),
            until: filter.field("until").to_owned(),
            villages: filter.level == Level::Village,
            filtered: filter.fields.iter().any(|(name, _)| *name != "survey"),
        }
    }

    /// The question that makes a figure.
    pub(super) fn question_of(&self, measure: Measure) -> Option<&crate::survey::Question> {
        self.survey.questions.iter().find(|q| q.measure == Some(measure))
    }
}

/// The figures of a questionnaire that are shares.
pub(super) fn shared(survey: &Survey) -> impl Iterator<Item = Measure> {
    use crate::survey::Kind::{Rating, YesNo};
    survey.questions.iter().filter(|q| matches!(q.kind, Rating { .. } | YesNo)).filter_map(|q| q.measure)
}

impl Filter {
    fn read(
        asked: &Asked,
        versions: &[Version],
        directory: &Directory,
        visitor: &Visitor,
    ) -> Result<Option<Self>, WebError> {
        let text = |field: &Option<String>| form::text(field.as_deref()).map(str::to_owned);
        let Some(survey) = text(&asked.survey).or_else(|| versions.first().map(|v| v.hash.clone())) else {
            return Ok(None);
        };
        if !versions.iter().any(|v| v.hash == survey) {
            return Err(WebError::NotFound);
        }
        let unit: Option<i64> = form::number("unit", asked.unit.as_deref())?;
        let (from, until) = (form::day("from", asked.from.as_deref())?, form::day("until", asked.until.as_deref())?);
        let measure =
            text(&asked.measure).map(|code| Measure::from_code(&code).ok_or(WebError::BadRequest { field: "measure" }));
        let level = match text(&asked.level).as_deref() {
            None | Some("village") => Level::Village,
            Some("township") => Level::Township,
            Some(_) => return Err(WebError::BadRequest { field: "level" }),
        };
        let own = visitor.unit;
        let within = unit.map(|unit| (unit, units::below(directory, unit)));
        let units = match (own.and_then(|own| units::below(directory, own)), within) {
            (None, None) => None,
            (Some(own), None) => Some(own),
            (None, Some((_, below))) => below,
            // A unit asks for others in vain.
            (Some(own), Some((_, below))) => {
                let below = below.unwrap_or_else(|| own.clone());
                Some(own.into_iter().filter(|u| below.contains(u)).collect())
            }
        };
        let scope = Scope {
            survey: survey.clone(),
            campaign: form::number("campaign", asked.campaign.as_deref())?,
            units,
            window: form::number("window", asked.window.as_deref())?,
            from: from.and_then(show::midnight),
            until: until.and_then(|d| d.succ_opt()).and_then(show::midnight),
            closed: own.is_some(),
        };
        let given = [
            ("survey", Some(survey)),
            ("campaign", text(&asked.campaign)),
            ("unit", text(&asked.unit)),
            ("window", text(&asked.window)),
            ("from", text(&asked.from)),
            ("until", text(&asked.until)),
            ("level", text(&asked.level)),
            ("measure", text(&asked.measure)),
        ];
        let fields = given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        Ok(Some(Self { fields, scope, unit, level, measure: measure.transpose()? }))
    }

    fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value)
    }

    /// The query string that asks the same again, with these fields more.
    pub(super) fn query(&self, more: &[(&str, &str)]) -> String {
        form::query(self.fields.iter().map(|(name, value)| (*name, &**value)).chain(more.iter().copied()))
    }

    /// The questionnaire's version.
    pub(super) fn survey(&self) -> &str {
        &self.scope.survey
    }

    /// First and last day as they were asked for.
    pub(super) fn period(&self) -> (Option<chrono::NaiveDate>, Option<chrono::NaiveDate>) {
        (self.field("from").parse().ok(), self.field("until").parse().ok())
    }
}

impl From<ResultsError> for WebError {
    fn from(error: ResultsError) -> Self {
        match error {
            ResultsError::TooMany => Self::Refused(error.to_string()),
            ResultsError::Database(source) => Self::Database(source),
        }
    }
}
