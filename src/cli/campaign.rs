//! `minxin campaign`: surveys by telephone from the command line, beside or without a running gateway.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use chrono::{DateTime, NaiveDate, Utc};
use clap::Subcommand;
use sqlx::PgPool;

use super::{ConfigArg, db};
use crate::app::voice::Voice;
use crate::clock::wall;
use crate::config::Config;
use crate::ids::PhoneNumber;
use crate::store::campaigns::{self, CampaignState, NewCampaign, Progress, Sampled};
use crate::store::disclosures::{self, Publication};
use crate::store::{consent, population, results, sample_file};
use crate::survey::figures::{Interval, Standing};
use crate::survey::groups::{By, grouped};
use crate::survey::rates::Counts;
use crate::survey::sampling::Quota;
use crate::survey::simulation::{Assumptions, forecast};
use crate::survey::{ATTEMPTS_MAX, Survey, Windows, coaching};

/// Who stands in the audit for what the command line did.
const ACTOR: &str = "command line";

/// Campaigns listed.
const LISTED: i64 = 50;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Make a campaign and print its number; a running gateway begins to ring at once, in the hours in which it may
    Create(Create),
    /// List the newest campaigns
    List,
    /// How far a campaign is: dispositions by AAPOR code, rates
    Show {
        /// The campaign
        id: i64,
    },
    /// What was answered, question by question
    Results {
        /// The campaign
        id: i64,
        /// Also group by group: unit, window, age, mode or hour
        #[arg(long, value_parser = by)]
        by: Option<By>,
    },
    /// Ring nobody until resumed
    Pause {
        /// The campaign
        id: i64,
    },
    /// Go on after a pause
    Resume {
        /// The campaign
        id: i64,
    },
    /// End a campaign for good
    Stop {
        /// The campaign
        id: i64,
    },
    /// Ring a campaign in thought: attempts, end, dispositions to expect
    Forecast {
        /// Numbers to ring
        numbers: usize,
        /// Calls at once
        #[arg(long, default_value_t = 10)]
        channels: usize,
        /// Share of attempts that a person answers, 0 to 1
        #[arg(long, default_value_t = Assumptions::default().person)]
        person: f64,
        /// Seed of the simulation
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Take back what a number answered within the last 24 hours, as its owner asks
    Withdraw {
        /// The number
        number: String,
        /// In the resident's words
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Never ring a number again for surveys, as its owner asks
    Refuse {
        /// The number
        number: String,
    },
    /// Freeze a campaign's figures for publication; prints the disclosure's number and hash
    Disclose {
        /// The campaign
        id: i64,
        /// What it is headed with
        #[arg(long)]
        title: String,
        /// To whom it is published: the district, a township, a village
        #[arg(long)]
        scope: String,
        /// First day for objections
        #[arg(long)]
        objections_from: NaiveDate,
        /// Last day for objections
        #[arg(long)]
        objections_until: NaiveDate,
    },
}

#[derive(clap::Args, Debug)]
struct Create {
    /// The questionnaire, below config/surveys
    #[arg(long, default_value = "callback")]
    survey: String,
    /// The trunk that is tried first [default: any]
    #[arg(long, default_value = "")]
    trunk: String,
    /// Attempts to reach one number
    #[arg(long, default_value_t = ATTEMPTS_MAX, value_parser = clap::value_parser!(u16).range(1..=5))]
    attempts: u16,
    /// Seed of what is drawn by lot [default: drawn itself, and printed]
    #[arg(long)]
    seed: Option<u64>,
    /// The numbers, as CSV with the columns number, case, unit, window, age_band, weight; all but number may be left out
    #[arg(long, value_name = "FILE", conflicts_with_all = ["closed_from", "closed_until", "each", "total", "standing"])]
    sample: Option<PathBuf>,
    /// Draw among the cases closed from this day on
    #[arg(long, requires = "closed_until")]
    closed_from: Option<NaiveDate>,
    /// Draw among the cases closed up to this day
    #[arg(long, requires = "closed_from")]
    closed_until: Option<NaiveDate>,
    /// So many of each village and window
    #[arg(long, conflicts_with = "total")]
    each: Option<usize>,
    /// So many in all
    #[arg(long)]
    total: Option<usize>,
    /// Ask after every case that is closed from now on
    #[arg(long, conflicts_with_all = ["closed_from", "closed_until"])]
    standing: bool,
}

fn by(text: &str) -> Result<By, String> {
    By::from_code(text).ok_or_else(|| "there are: unit, window, age, mode, hour".to_owned())
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let now = wall();
    if let Command::Forecast { numbers, channels, person, seed } = args.command {
        print_forecast(numbers, channels, person, seed, now);
        return Ok(ExitCode::SUCCESS);
    }
    let database = db::open(&config).await?;
    let pool = &database.pool;
    match args.command {
        Command::Create(create) => {
            let new = new_campaign(&config, pool, create, now).await?;
            let id = campaigns::create(pool, &new, now).await?;
            println!("{id}");
            eprintln!("{} numbers, seed {}", new.sample.len(), new.seed);
        }
        Command::List => {
            for progress in campaigns::recent(pool, None, LISTED).await? {
                print_line(&progress);
            }
        }
        Command::Show { id } => print_progress(&campaigns::progress(pool, id).await?),
        Command::Results { id, by } => print_results(pool, id, by).await?,
        Command::Pause { id } => campaigns::set_state(pool, id, CampaignState::Paused, ACTOR, now).await?,
        Command::Resume { id } => campaigns::set_state(pool, id, CampaignState::Running, ACTOR, now).await?,
        Command::Stop { id } => campaigns::set_state(pool, id, CampaignState::Stopped, ACTOR, now).await?,
        Command::Withdraw { number: text, reason } => {
            let taken = consent::withdraw(pool, &number(&text)?, ACTOR, &reason, now).await?;
            println!("{taken} interviews taken back");
        }
        Command::Refuse { number: text } => consent::refuse(pool, &number(&text)?, ACTOR, now).await?,
        Command::Disclose { id, title, scope, objections_from, objections_until } => {
            let what = Publication {
                campaign: id,
                title,
                scope,
                objections: (objections_from, objections_until),
                actor: ACTOR.to_owned(),
            };
            let (disclosure, hash) = disclosures::freeze(pool, &what, now).await?;
            println!("{disclosure} {hash}");
        }
        Command::Forecast { .. } => {}
    }
    database.close().await;
    Ok(ExitCode::SUCCESS)
}

fn number(text: &str) -> anyhow::Result<PhoneNumber> {
    PhoneNumber::parse(text).with_context(|| format!("{text:?} is no telephone number"))
}

async fn new_campaign(
    config: &Config,
    pool: &PgPool,
    create: Create,
    now: DateTime<Utc>,
) -> anyhow::Result<NewCampaign> {
    let survey = survey(config, &create.survey)?;
    if !create.trunk.is_empty() && !config.trunks.iter().any(|trunk| trunk.name == create.trunk) {
        bail!("there is no trunk {:?} in the configuration", create.trunk);
    }
    let seed = create.seed.unwrap_or_else(rand::random);
    let sample = match (&create.sample, create.closed_from, create.closed_until) {
        (Some(path), ..) => read_sample(path, now)?,
        (None, Some(from), Some(until)) => {
            let population = population::closed_cases(pool, from, until, now).await?;
            let quota = match (create.each, create.total) {
                (Some(n), _) => Quota::Each(n),
                (None, Some(n)) => Quota::Total(n),
                (None, None) => bail!("say how many to draw: --each N or --total N"),
            };
            population::drawn(&population, quota, seed)
        }
        _ if create.standing => Vec::new(),
        _ => bail!("say whom to ring: --sample FILE, --closed-from DAY --closed-until DAY, or --standing"),
    };
    Ok(NewCampaign {
        survey: survey.name.clone(),
        hash: survey.hash.clone(),
        body: survey.body.clone(),
        trunk: create.trunk,
        seed,
        attempts_max: create.attempts,
        standing: create.standing,
        created_by: ACTOR.to_owned(),
        sample,
    })
}

/// The questionnaire of this name, sound and with every prompt recorded.
fn survey(config: &Config, name: &str) -> anyhow::Result<Arc<Survey>> {
    let voice = Voice::load(&config.home, &BTreeSet::new());
    let voice = voice.map_err(|problems| anyhow::anyhow!("questionnaires cannot be used:\n{}", problems.join("\n")))?;
    voice.surveys.get(name).cloned().with_context(|| format!("there is no questionnaire {name:?} below config/surveys"))
}

fn read_sample(path: &Path, now: DateTime<Utc>) -> anyhow::Result<Vec<Sampled>> {
    let file = std::fs::read(path).with_context(|| path.display().to_string())?;
    let lines = sample_file::read(&file, now).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(|fault| format!("{}: {fault}", path.display())).collect();
        anyhow::anyhow!("{}", faults.join("\n"))
    })?;
    Ok(lines.into_iter().map(|(_, sampled)| sampled).collect())
}

fn print_line(progress: &Progress) {
    let Progress { id, survey, state, total, remaining, .. } = progress;
    println!("{id}\t{survey}\t{}\t{remaining} of {total} left", state.code());
}

fn print_progress(progress: &Progress) {
    print_line(progress);
    println!("calling {}, attempts {}", progress.calling, progress.attempts);
    for (disposition, n) in &progress.dispositions {
        println!("{disposition}\t{n}");
    }
    for rate in Counts::of(progress.dispositions.iter().map(|(d, n)| (*d, *n))).rates() {
        println!("{}\t{}", rate.name, rate.value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}")));
    }
}

async fn print_results(pool: &PgPool, id: i64, by: Option<By>) -> anyhow::Result<()> {
    let body = results::survey_body(pool, id).await?;
    let survey = Survey::parse(&body).map_err(|problems| anyhow::anyhow!("the questionnaire: {problems:?}"))?;
    let respondents = results::respondents(pool, id).await?;
    for result in crate::survey::results(&survey, &respondents) {
        println!("{} ({}): n {}", result.title, result.id, result.n);
        for (value, n) in &result.counts {
            println!("  {value}\t{n}");
        }
        if let Some(mean) = result.mean {
            println!("  mean {:.2}{}", mean.value, interval(mean.interval));
        }
        if let Some(share) = result.share {
            let value = share.value.map_or_else(|| "–".to_owned(), |v| format!("{v:.3}"));
            println!("  good {}/{} = {value}{}", share.numerator, share.denominator, interval(share.interval));
        }
    }
    let Some(by) = by else { return Ok(()) };
    for group in grouped(&survey, &respondents, by) {
        let name = if group.group.is_empty() { "–" } else { &group.group };
        let share = group.share;
        match group.standing {
            Standing::Hidden => println!("{}\t{name}\ttoo few answers to show", group.measure.code()),
            Standing::Unranked | Standing::Rank(_) => {
                let value = share.value.map_or_else(|| "–".to_owned(), |v| format!("{v:.3}"));
                let rank = match group.standing {
                    Standing::Rank(rank) => format!("\trank {rank}"),
                    Standing::Hidden | Standing::Unranked => String::new(),
                };
                let counts = format!("{}/{} = {value}", share.numerator, share.denominator);
                println!("{}\t{name}\t{counts}{}{rank}", group.measure.code(), interval(share.interval));
            }
        }
    }
    for (unit, signs) in coaching::signs_by_unit(&survey, &respondents).iter().filter(|(_, s)| coaching::flagged(s)) {
        for sign in signs {
            println!(
                "look at unit {unit}: {} {:.2}, usual {:.2}, p {:.4}",
                sign.kind.code(),
                sign.seen,
                sign.usual,
                sign.p
            );
        }
    }
    Ok(())
}

fn interval(interval: Option<Interval>) -> String {
    interval.map_or_else(String::new, |i| format!(" (95 %: {:.3} to {:.3})", i.low, i.high))
}

fn print_forecast(numbers: usize, channels: usize, person: f64, seed: u64, now: DateTime<Utc>) {
    let windows = Windows::standard(&crate::directory::Calendar::default(), []);
    let assumed = Assumptions { person: person.clamp(0.0, 1.0), ..Assumptions::default() };
    let found = forecast(numbers, channels, ATTEMPTS_MAX, &windows, &assumed, now, seed);
    let ends = found.ends_at.with_timezone(&crate::clock::china()).format("%Y-%m-%d %H:%M");
    println!(
        "attempts {}, at most {} at once, ends {ends} (holidays left out of account)",
        found.attempts, found.busiest
    );
    for (disposition, n) in found.dispositions {
        println!("{disposition}\t{n}");
    }
}
