//! `minxin model bench`: how well and how fast a model recognises a folder of recordings.

use std::path::Path;

use serde::Serialize;

use crate::speech::bench::{Report, bench};
use crate::speech::{Speech, SpeechConfig};

#[derive(Serialize)]
struct Row<'a> {
    file: &'a str,
    reference: &'a str,
    heard: &'a str,
    /// Character error rate of this recording.
    cer: f64,
    audio_seconds: f64,
    work_seconds: f64,
}

#[derive(Serialize)]
struct Whole<'a> {
    cer: f64,
    seconds_per_second: f64,
    files: Vec<Row<'a>>,
}

/// Measures and prints.
pub(super) fn run(weights: &Path, recordings: &Path, g711: bool, threads: usize, json: bool) -> anyhow::Result<()> {
    let speech = Speech::start(SpeechConfig { model: weights.to_owned(), threads })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(bench(&speech, recordings, g711))?;
    let whole = whole(&report);
    if json {
        println!("{}", serde_json::to_string(&whole)?);
        return Ok(());
    }
    for row in &whole.files {
        println!("{:>6.1} %  {}\n          {}\n          {}", row.cer * 100.0, row.file, row.reference, row.heard);
    }
    println!(
        "{:>6.1} %  of characters wrong, {:.2} s of work for a second of audio",
        whole.cer * 100.0,
        whole.seconds_per_second
    );
    Ok(())
}

fn whole(report: &Report) -> Whole<'_> {
    let files = report
        .rows
        .iter()
        .map(|r| Row {
            file: &r.file,
            reference: &r.reference,
            heard: &r.heard,
            cer: r.errors.rate(),
            audio_seconds: r.audio.as_secs_f64(),
            work_seconds: r.took.as_secs_f64(),
        })
        .collect();
    Whole { cer: report.cer, seconds_per_second: report.seconds_per_second, files }
}
