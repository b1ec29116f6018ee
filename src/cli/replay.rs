//! `minxin replay`: a captured call, run again without a network.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::clock;
use crate::media::capture::replay;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// A capture: a file under data_dir/captures
    file: PathBuf,
    /// Write the recording that comes out
    #[arg(long, value_name = "WAV")]
    recording: Option<PathBuf>,
}

/// Prints the call's events, figures and a hash over all that came out. Fails where the outputs are not those of the capture.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let file = std::fs::read(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    let replayed = replay::run(&file, clock::monotonic())?;
    for (at, event) in &replayed.events {
        println!("{:9.3} s  {event}", at.as_secs_f64());
    }
    let (received, sent) = replayed.datagrams;
    let figures = &replayed.figures;
    println!("datagrams: {received} in, {sent} out; lost {}, late {}", figures.lost, figures.late);
    println!("made up: {} ms; estimated opinion score {:.2}", figures.concealed_ms, figures.mos);
    println!("recorded: {} sample pairs", replayed.recorded());
    println!("sha256 of all that came out: {}", hex::encode(replayed.sha256));
    if let Some(path) = &args.recording {
        replayed.write_recording(path)?;
    }
    if !replayed.complete {
        println!("the capture does not go on to the call's end");
    }
    if replayed.differing == 0 {
        println!("the same came out as in the capture");
        return Ok(ExitCode::SUCCESS);
    }
    println!("{} outputs differ from the capture, among them:", replayed.differing);
    replayed.differences.iter().for_each(|difference| println!("  {difference}"));
    Ok(ExitCode::FAILURE)
}
