//! `minxin check`: every mistake in configuration, flows, questionnaires, prompts and models, before a caller finds it.

use std::collections::BTreeSet;
use std::process::ExitCode;

use super::ConfigArg;
use crate::app::{model_path, voice::Voice};
use crate::config::{Config, ConfigError};
use crate::speech::model;

/// Says what is wrong, one line each; exit code 1 when anything is.
pub(super) fn run(args: &ConfigArg) -> anyhow::Result<ExitCode> {
    let config = match Config::load(args.config.as_deref()) {
        Ok(config) => config,
        Err(ConfigError::Mistakes(mistakes)) => return Ok(report(mistakes.iter().map(ToString::to_string))),
        Err(unreadable) => return Err(unreadable.into()),
    };
    let flows: BTreeSet<String> = config.lines.iter().map(|line| line.flow.clone()).collect();
    let (surveys, mut problems) = match Voice::load(&config.home, &flows) {
        Ok(voice) => (voice.surveys.len(), Vec::new()),
        Err(problems) => (0, problems),
    };
    problems.extend(model_problem(&config));
    if problems.is_empty() {
        println!(
            "no mistakes: {} lines, {} flows, {surveys} surveys, model {}",
            config.lines.len(),
            flows.len(),
            if config.speech.threads == 0 { "off" } else { &config.speech.model }
        );
    }
    Ok(report(problems.into_iter()))
}

fn report(problems: impl Iterator<Item = String>) -> ExitCode {
    let count = problems.inspect(|problem| eprintln!("{problem}")).count();
    if count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What is wrong with the weights: a listed model is held against its checksum, any other file must be there.
fn model_problem(config: &Config) -> Option<String> {
    if config.speech.threads == 0 {
        return None;
    }
    let path = model_path(config);
    match model::find(&config.speech.model) {
        Ok(listed) => model::verify(&listed.name, &config.home.join("models")).err().map(|e| e.to_string()),
        Err(unknown) if !path.is_file() => Some(format!("speech.model: {} is no file, and {unknown}", path.display())),
        Err(_) => None,
    }
}
