//! `minxin user`: who may log in, and tokens for programs.

use std::io::Read;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use clap::Subcommand;
use sqlx::PgPool;

use super::{ConfigArg, db};
use crate::clock::wall;
use crate::config::Web;
use crate::directory::{OrgId, PersonId};
use crate::store::audit::{self, Deed};
use crate::store::users::{self, Role};
use crate::store::{links, tokens};

/// How long a one-time login link works.
const LINK_LASTS: Duration = Duration::from_secs(24 * 3_600);

/// Who stands in the audit for what the command line did.
const ACTOR: &str = "command line";

/// Shortest password (NIST SP 800-63B-4 §3.1.1.2 asks for 15 where it is the only factor, 8 otherwise; links and tokens
/// are the other way in).
const PASSWORD_MIN: usize = 12;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Add somebody, and print a link that logs them in once
    Add {
        /// Their name
        name: String,
        /// What they may do
        #[arg(long, value_parser = role)]
        role: Role,
        /// The rated unit that they belong to, by its key, for the role `unit`
        #[arg(long, required_if_eq("role", "unit"))]
        unit: Option<i64>,
        /// Read a password from standard input instead of printing a link
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Print a new token for the JSON interface, with the user's rights
    Token {
        /// Their name
        name: String,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Print a link that logs somebody in once
    Link {
        /// Their name
        name: String,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Say who of the directory somebody is, so that they find the cases of their posts
    Person {
        /// Their name
        name: String,
        /// The person's key in the directory; left out: nobody in it
        person: Option<i64>,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Set a password, read from standard input; ends their login sessions
    Password {
        /// Their name
        name: String,
        #[command(flatten)]
        config: ConfigArg,
    },
}

fn role(text: &str) -> Result<Role, String> {
    let known = || Role::ALL.map(Role::code).join(", ");
    Role::from_code(text).ok_or_else(|| format!("there are: {}", known()))
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = match &args.command {
        Command::Add { config, .. }
        | Command::Token { config, .. }
        | Command::Link { config, .. }
        | Command::Person { config, .. }
        | Command::Password { config, .. } => config.load()?,
    };
    let database = db::open(&config).await?;
    let pool = &database.pool;
    match args.command {
        Command::Add { name, role, unit, password_stdin, .. } => {
            let hash = if password_stdin { Some(read_password()?) } else { None };
            let id = match unit.filter(|_| role == Role::Unit) {
                Some(unit) => users::add_to_unit(pool, &name, OrgId(unit), hash.as_deref(), wall()).await?,
                None => users::add(pool, &name, role, hash.as_deref(), wall()).await?,
            };
            note(pool, "user_add", &name, role.code()).await?;
            if hash.is_none() {
                println!("{}", login_link(pool, id, &config.web).await?);
            }
        }
        Command::Token { name, .. } => {
            let user = named(pool, &name).await?;
            let token = tokens::create(pool, user.id, wall()).await?;
            note(pool, "token", &name, "").await?;
            println!("{token}");
        }
        Command::Link { name, .. } => {
            let user = named(pool, &name).await?;
            note(pool, "link", &name, "").await?;
            println!("{}", login_link(pool, user.id, &config.web).await?);
        }
        Command::Person { name, person, .. } => {
            users::set_person(pool, &name, person.map(PersonId)).await?;
            note(pool, "person", &name, &person.map(|id| id.to_string()).unwrap_or_default()).await?;
        }
        Command::Password { name, .. } => {
            users::set_password(pool, &name, &read_password()?).await?;
            note(pool, "password", &name, "").await?;
        }
    }
    database.close().await;
    Ok(ExitCode::SUCCESS)
}

/// The address that logs a user in once.
async fn login_link(pool: &PgPool, user: i64, web: &Web) -> anyhow::Result<String> {
    let token = links::create(pool, user, LINK_LASTS, wall()).await?;
    let scheme = if web.https { "https" } else { "http" };
    Ok(format!("{scheme}://{}/login/once?token={token}", web.listen))
}

async fn named(pool: &PgPool, name: &str) -> anyhow::Result<users::User> {
    users::by_name(pool, name).await?.with_context(|| format!("there is no user {name:?}"))
}

async fn note(pool: &PgPool, action: &str, name: &str, reason: &str) -> anyhow::Result<()> {
    let object = format!("user/{name}");
    audit::append(pool, Deed { at: wall(), actor: ACTOR, action, object: &object, reason }).await?;
    Ok(())
}

/// The first line of standard input, hashed (argon2id, RFC 9106, in the library's own parameters).
fn read_password() -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin().take(1_024).read_to_string(&mut text)?;
    let password = text.lines().next().unwrap_or_default();
    ensure!(password.chars().count() >= PASSWORD_MIN, "a password needs at least {PASSWORD_MIN} characters");
    let hash = Argon2::default().hash_password(password.as_bytes());
    Ok(hash.map_err(|error| anyhow::anyhow!("cannot hash the password: {error}"))?.to_string())
}
