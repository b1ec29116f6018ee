//! `minxin prompts`: what the gateway can say.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use crate::app::voice::Voice;
use crate::media::wav;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List every prompt with its words and the length of its recording
    List {
        /// The folder that holds prompts/
        #[arg(long, value_name = "FOLDER", default_value = ".")]
        home: PathBuf,
    },
    /// Say which prompts are written and not recorded, or recorded and not readable
    Check {
        /// The folder that holds prompts/
        #[arg(long, value_name = "FOLDER", default_value = ".")]
        home: PathBuf,
    },
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (home, listed) = match args.command {
        Command::List { home } => (home, true),
        Command::Check { home } => (home, false),
    };
    let voice = match Voice::load(&home, &BTreeSet::new()) {
        Ok(voice) => voice,
        Err(problems) => {
            problems.iter().for_each(|problem| eprintln!("{problem}"));
            return Ok(ExitCode::FAILURE);
        }
    };
    if listed {
        for id in voice.book.ids() {
            let path = home.join(format!("prompts/zh-CN/{id}.wav"));
            let seconds = wav::read_mono_8k(&path)?.len() as f64 / f64::from(crate::units::NARROWBAND_HZ);
            let text = voice.book.prompt(id).map_or("", |p| p.text.as_str());
            println!("{id:<28} {seconds:>5.1} s  {text}");
        }
    } else {
        println!("{} prompts, all recorded", voice.book.ids().count());
    }
    Ok(ExitCode::SUCCESS)
}
