//! `minxin db`: the database beside or without a running gateway.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;

use super::ConfigArg;
use crate::clock::wall;
use crate::config::Config;
use crate::store::campaigns::SAMPLE_MAX;
use crate::store::invention::{self, Extent};
use crate::store::{Database, StoreConfig, seed};
use crate::survey::Survey;

/// The questionnaire that invented people answered, below the home folder.
const SURVEY: &str = "config/surveys/callback.toml";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Bring the schema up to date (`serve` does so too)
    Migrate {
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Load the demo district, or a district in the same form from another folder
    Seed {
        #[command(flatten)]
        config: ConfigArg,
        /// The folder [default: seeds]
        #[arg(long, value_name = "FOLDER")]
        from: Option<PathBuf>,
    },
    /// Fill a database without campaigns with an invented survey, to see the evaluators' pages; nobody is rung
    InventSurvey {
        #[command(flatten)]
        config: ConfigArg,
        /// Campaigns, one for each month up to this one
        #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=24))]
        campaigns: u32,
        /// Numbers of each
        #[arg(long, default_value_t = 600)]
        numbers: usize,
        /// Seed of everything that is invented
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Print the database's address, as psql takes it
    Url {
        #[command(flatten)]
        config: ConfigArg,
    },
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Migrate { config } => {
            let database = open(&config.load()?).await?;
            println!("the schema is up to date");
            database.close().await;
        }
        Command::Seed { config, from } => {
            let config = config.load()?;
            let database = open(&config).await?;
            let loaded = seed::seed(&database.pool, &from.unwrap_or_else(|| config.home.join("seeds"))).await?;
            for (file, rows) in loaded.0 {
                println!("{rows:>6}  {file}");
            }
            database.close().await;
        }
        Command::InventSurvey { config, campaigns, numbers, seed } => {
            let config = config.load()?;
            let database = open(&config).await?;
            let path = config.home.join(SURVEY);
            let body = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let survey = Survey::parse(&body).map_err(|p| anyhow::anyhow!("{}: {p:?}", path.display()))?;
            let extent = Extent { campaigns, numbers: numbers.min(SAMPLE_MAX), seed };
            let written = invention::invent(&database.pool, &survey, extent, wall()).await?;
            println!("{} numbers, {} attempts, {} answers", written.numbers, written.attempts, written.answers);
            database.close().await;
        }
        Command::Url { config } => {
            let database = open(&config.load()?).await?;
            println!("{}", database.url);
            database.close().await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The configured database, its schema brought up to date; a private cluster that nobody runs is started for the command.
pub(super) async fn open(config: &Config) -> anyhow::Result<Database> {
    Ok(Database::open(StoreConfig { data_dir: config.data_dir.clone(), url: config.database_url.clone() }).await?)
}
