//! `minxin demo`: the whole way of one call, shown.

use std::process::ExitCode;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Exit after the checks, with a status, instead of serving on
    #[arg(long, env = "ONCE")]
    once: bool,
}

pub(super) async fn run(_args: Args) -> anyhow::Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
