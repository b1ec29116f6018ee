//! `minxin transcribe`: works on the recordings that wait for their transcript, beside the gateway or instead of it.

use std::process::ExitCode;

use anyhow::bail;

use super::{ConfigArg, db, serve};
use crate::app::{model_path, transcripts};
use crate::speech::{Speech, SpeechConfig};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// End when nothing waits any more, instead of waiting for more
    #[arg(long)]
    once: bool,
    /// Worker threads [default: speech.threads of the configuration, at least 1]
    #[arg(long)]
    threads: Option<usize>,
    #[command(flatten)]
    config: ConfigArg,
}

/// Drains the queue until it is empty, or until SIGINT or SIGTERM; what is in hand then waits for its lease to run out.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    serve::start_log("info");
    let model = model_path(&config);
    if !model.is_file() {
        bail!("{} is missing: `minxin model fetch {}` gets it", model.display(), config.speech.model);
    }
    let speech_config = SpeechConfig { model, threads: args.threads.unwrap_or(config.speech.threads).max(1) };
    let speech = tokio::task::spawn_blocking(move || Speech::start(speech_config)).await??;
    let database = db::open(&config).await?;
    let mut count = 0_u64;
    let drained = tokio::select! {
        drained = transcripts::drain(&database.pool, &speech, &config.data_dir, args.once, |call| {
            tracing::info!(%call, "a recording was worked on");
            count += 1;
        }) => drained,
        stopped = serve::stop_signal() => Ok(stopped?),
    };
    database.close().await;
    drained?;
    println!("{count} recordings");
    Ok(ExitCode::SUCCESS)
}
