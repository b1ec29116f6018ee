//! `minxin survey`: versions of questionnaires, put up by one person and approved by another.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use sqlx::PgPool;

use super::{ConfigArg, db};
use crate::app::voice::Voice;
use crate::clock::wall;
use crate::store::approvals;
use crate::store::users::{self, Role};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List the versions that wait or are approved, the newest first
    List,
    /// Put the questionnaire as it stands below config/surveys up for approval; prints its hash
    Submit {
        /// The questionnaire's name
        name: String,
        /// Who wrote it: an evaluator or administrator
        #[arg(long, value_name = "USER")]
        author: String,
    },
    /// Approve a version: campaigns may ask it from then on
    Approve {
        /// Its hash, as `list` prints it
        hash: String,
        /// Who approves it: an evaluator or administrator, not its author
        #[arg(long, value_name = "USER")]
        approver: String,
    },
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let database = db::open(&config).await?;
    let pool = &database.pool;
    match args.command {
        Command::List => {
            for version in approvals::versions(pool).await? {
                let author = version.author.as_deref().unwrap_or("–");
                let approved = version.approved_by.map_or_else(|| "waits".to_owned(), |by| format!("approved by {by}"));
                println!("{}\t{}\tby {author}\t{approved}", version.hash, version.name);
            }
        }
        Command::Submit { name, author } => {
            person(pool, &author).await?;
            let voice = Voice::load(&config.home, &BTreeSet::new());
            let voice =
                voice.map_err(|problems| anyhow::anyhow!("questionnaires cannot be used:\n{}", problems.join("\n")))?;
            let survey = voice.surveys.get(&name);
            let survey = survey.with_context(|| format!("there is no questionnaire {name:?} below config/surveys"))?;
            approvals::submit(pool, survey, &author, wall()).await?;
            println!("{}", survey.hash);
        }
        Command::Approve { hash, approver } => {
            person(pool, &approver).await?;
            approvals::approve(pool, &hash, &approver, wall()).await?;
        }
    }
    database.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Signatures are of people who may run campaigns, and still work here.
async fn person(pool: &PgPool, name: &str) -> anyhow::Result<()> {
    match users::by_name(pool, name).await? {
        Some(user) if user.disabled => bail!("{name} is disabled"),
        Some(user) if matches!(user.role, Role::Evaluator | Role::Admin) => Ok(()),
        Some(_) => bail!("{name} is neither evaluator nor administrator"),
        None => bail!("there is no user {name}"),
    }
}
