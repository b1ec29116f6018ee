//! `minxin model bench`: how well and how fast models recognise a folder of recordings.

use std::path::{Path, PathBuf};

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
    speech_seconds: f64,
    /// Processor time.
    work_seconds: f64,
}

#[derive(Serialize)]
struct Whole<'a> {
    model: &'a str,
    cer: f64,
    /// Seconds of one core for a second of speech.
    seconds_per_second: f64,
    files: Vec<Row<'a>>,
}

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    /// Through a telephone line first.
    pub(super) g711: bool,
    /// Worker threads.
    pub(super) threads: usize,
    /// JSON instead of a table.
    pub(super) json: bool,
}

/// Measures one model and prints every recording.
pub(super) fn one(name: &str, weights: &Path, recordings: &Path, how: How) -> anyhow::Result<()> {
    let report = measure(weights, recordings, how)?;
    let whole = whole(name, &report);
    if how.json {
        println!("{}", serde_json::to_string(&whole)?);
        return Ok(());
    }
    for row in &whole.files {
        println!("{:>6.1} %  {}\n          {}\n          {}", row.cer * 100.0, row.file, row.reference, row.heard);
    }
    println!(
        "{:>6.1} %  of characters wrong, {:.2} s of one core for a second of speech",
        whole.cer * 100.0,
        whole.seconds_per_second
    );
    Ok(())
}

/// Measures each of `models`, name and file, and prints a row for each; as JSON an array of what [`one`] prints.
pub(super) fn all(models: &[(String, PathBuf)], recordings: &Path, how: How) -> anyhow::Result<()> {
    let mut reports = Vec::new();
    if !how.json {
        println!("{:<22} {:>8} {:>26}", "model", "CER", "core seconds a second");
    }
    for (name, weights) in models {
        let report = measure(weights, recordings, how)?;
        if how.json {
            reports.push((name, report));
        } else {
            println!("{name:<22} {:>6.1} % {:>26.2}", report.cer * 100.0, report.seconds_per_second);
        }
    }
    if how.json {
        let all: Vec<Whole<'_>> = reports.iter().map(|(name, report)| whole(name, report)).collect();
        println!("{}", serde_json::to_string(&all)?);
    }
    Ok(())
}

fn measure(weights: &Path, recordings: &Path, how: How) -> anyhow::Result<Report> {
    let speech = Speech::start(SpeechConfig { model: weights.to_owned(), threads: how.threads })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(bench(&speech, recordings, how.g711))?)
}

fn whole<'a>(model: &'a str, report: &'a Report) -> Whole<'a> {
    let files = report
        .rows
        .iter()
        .map(|r| Row {
            file: &r.file,
            reference: &r.reference,
            heard: &r.heard,
            cer: r.errors.rate(),
            audio_seconds: r.audio.as_secs_f64(),
            speech_seconds: r.speech.as_secs_f64(),
            work_seconds: r.work.as_secs_f64(),
        })
        .collect();
    Whole { model, cer: report.cer, seconds_per_second: report.seconds_per_second, files }
}
