//! The subcommands of the `minxin` binary: the only place that writes to a terminal.
//!
//! Exit codes: 0 done; 1 something was found wrong or failed, and was said; 2 the command line was not understood;
//! 3 the far end of a test call did not answer.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line speaks to its terminal")]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::Config;

mod bench;
mod call;
mod campaign;
mod check;
mod corrections;
mod db;
mod demo;
mod demo_callback;
mod export;
mod load;
mod model;
mod prompts;
mod replay;
mod serve;
mod survey;
mod transcribe;
mod user;
mod verify;

/// Says which messages reach the log, in the syntax of `tracing-subscriber`'s `EnvFilter`.
const LOG_VARIABLE: &str = "MINXIN_LOG";

/// A civic hotline: answers the telephone, listens, opens a case and says its number; operators read it in the browser.
#[derive(Parser)]
#[command(name = "minxin", version, max_term_width = 110, arg_required_else_help = true)]
#[command(after_help = "First time here? `minxin demo` shows the whole way of one call on this machine.\n\
    To run a hotline: edit config/minxin.toml, `minxin check`, `minxin user add NAME --role admin`, `minxin serve`.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway until it is told to stop (Ctrl-C or SIGTERM; running calls are let end)
    Serve(ConfigArg),
    /// Show the product: ring the hotline with real speech, print the case and the page's address, keep serving
    Demo(demo::Args),
    /// Say every mistake in the configuration, the flows, the prompts and the models
    Check(ConfigArg),
    /// Ring a number as a test telephone, and tell what was heard and how well
    Call(call::Args),
    /// Ring with many telephones at once, and tell how well they were served and what it cost
    Load(load::Args),
    /// The database: migrate its schema, load the demo district, print its address
    Db(db::Args),
    /// The speech models: list, fetch, verify, measure
    Model(model::Args),
    /// The sentences that the gateway can say: list them, check their recordings
    Prompts(prompts::Args),
    /// People who log in to the web view, and tokens for the JSON interface
    User(user::Args),
    /// Questionnaires: put a version up for approval, approve it
    Survey(survey::Args),
    /// Survey campaigns: make, watch, pause, stop; what was answered
    Campaign(campaign::Args),
    /// Write calls or cases to standard output as CSV, numbers masked; published figures; verify them
    Export(export::Args),
    /// Transcribe the recordings that wait for it, beside the gateway or in its place
    Transcribe(transcribe::Args),
    /// Run a captured call again and tell whether the same comes out
    Replay(replay::Args),
    /// Compare recordings with their hashes, and follow the log of cases and the audit trail; exit code 1 when one was changed
    Verify(verify::Args),
    /// Print completions for a shell
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
}

/// The configuration that a command works with.
#[derive(clap::Args, Clone, Debug)]
struct ConfigArg {
    /// The configuration file [default: config/minxin.toml]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

impl ConfigArg {
    fn load(&self) -> anyhow::Result<Config> {
        Ok(Config::load(self.config.as_deref())?)
    }
}

/// Reads the command line, runs the command, answers with its exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Serve(args) => with_runtime(serve::run(args)),
        Command::Demo(args) => with_runtime(demo::run(args)),
        Command::Check(args) => check::run(&args),
        Command::Call(args) => with_runtime(call::run(args)),
        Command::Load(args) => load::run(args),
        Command::Db(args) => with_runtime(db::run(args)),
        Command::Model(args) => model::run(args),
        Command::Replay(args) => replay::run(&args),
        Command::Transcribe(args) => with_runtime(transcribe::run(args)),
        Command::Prompts(args) => prompts::run(args),
        Command::User(args) => with_runtime(user::run(args)),
        Command::Survey(args) => with_runtime(survey::run(args)),
        Command::Campaign(args) => with_runtime(campaign::run(args)),
        Command::Export(args) => with_runtime(export::run(args)),
        Command::Verify(args) => with_runtime(verify::run(args)),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "minxin", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("minxin: {error:#}");
        ExitCode::FAILURE
    })
}

fn with_runtime(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(work);
    // A worker that is busy with a last transcript must not keep the process.
    runtime.shutdown_background();
    outcome
}
