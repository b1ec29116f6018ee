//! `minxin db`: the database beside or without a running gateway.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::ConfigArg;
use crate::config::Config;
use crate::store::{Database, StoreConfig, seed};

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
