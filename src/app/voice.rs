//! What the gateway can say: prompts with their recordings, and the flows and questionnaires that use them, loaded and
//! checked as a whole.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::flow::{self, Flow, PromptBook, PromptId};
use crate::media::{Clip, stretch, wav};
use crate::survey::{self, Survey};

/// Speed of prompts for callers who asked for slow ones (R3.4).
const SLOW_SPEED: f64 = 0.8;
/// How much louder they are, in decibels (R3.4).
const SLOW_GAIN_DB: f64 = 6.0;

/// Prompts, flows and questionnaires of one installation.
#[derive(Debug)]
pub struct Voice {
    /// The words of every prompt.
    pub book: Arc<PromptBook>,
    flows: BTreeMap<String, Arc<Flow>>,
    /// Every questionnaire below `config/surveys`, by name.
    pub surveys: BTreeMap<String, Arc<Survey>>,
    clips: HashMap<PromptId, Recorded>,
}

/// One prompt's sound.
#[derive(Debug)]
struct Recorded {
    pcm: Vec<i16>,
    plain: Arc<Clip>,
    /// Made when first asked for, in some milliseconds.
    slow: OnceLock<Arc<Clip>>,
}

impl Voice {
    /// Loads `prompts`, the flows named `flows` and every questionnaire below `home`.
    ///
    /// # Errors
    /// Everything that is wrong, each with file and line where it has one.
    pub fn load(home: &Path, flows: &BTreeSet<String>) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let book = load_book(home, &mut problems);
        let clips = load_clips(&home.join("prompts/zh-CN"), &book, &mut problems);
        let mut loaded = BTreeMap::new();
        for name in flows {
            if let Some(flow) = load_flow(home, name, &book, &mut problems) {
                loaded.insert(name.clone(), Arc::new(flow));
            }
        }
        let surveys = load_surveys(&home.join("config/surveys"), &book, &mut problems);
        if problems.is_empty() {
            Ok(Self { book: Arc::new(book), flows: loaded, surveys, clips })
        } else {
            Err(problems)
        }
    }

    /// The flow of this name, if it was loaded.
    pub fn flow(&self, name: &str) -> Option<Arc<Flow>> {
        self.flows.get(name).cloned()
    }

    /// The sound and the words of each of these prompts, in the slow and loud rendering or the plain one. A prompt that
    /// nobody recorded is left out.
    pub fn sounds(&self, prompts: &[PromptId], slow: bool) -> Vec<(Arc<Clip>, &str)> {
        let sound = |id| {
            let recorded: &Recorded = self.clips.get(id)?;
            let clip = if slow { recorded.slow() } else { Arc::clone(&recorded.plain) };
            Some((clip, self.book.prompt(id).map_or("", |prompt| prompt.text.as_str())))
        };
        prompts.iter().filter_map(sound).collect()
    }
}

impl Recorded {
    fn slow(&self) -> Arc<Clip> {
        let make = || Arc::new(Clip::from_pcm(&stretch::louder(&stretch::slower(&self.pcm, SLOW_SPEED), SLOW_GAIN_DB)));
        Arc::clone(self.slow.get_or_init(make))
    }
}

fn load_book(home: &Path, problems: &mut Vec<String>) -> PromptBook {
    let path = home.join("prompts/prompts.toml");
    let parsed = read(&path).and_then(|text| PromptBook::parse(&text).map_err(|e| format!("{}: {e}", path.display())));
    parsed.unwrap_or_else(|problem| {
        problems.push(problem);
        PromptBook::default()
    })
}

/// The recordings of every prompt: `<id>.wav`, at any rate; a person's recording simply replaces the rendered file.
fn load_clips(folder: &Path, book: &PromptBook, problems: &mut Vec<String>) -> HashMap<PromptId, Recorded> {
    let mut clips = HashMap::new();
    for id in book.ids() {
        let path = folder.join(format!("{id}.wav"));
        if !path.is_file() {
            problems.push(format!("{}: prompt {id} is written but not recorded", path.display()));
            continue;
        }
        match wav::read_mono_8k(&path) {
            Ok(pcm) => {
                let plain = Arc::new(Clip::from_pcm(&pcm));
                clips.insert(id.clone(), Recorded { pcm, plain, slow: OnceLock::new() });
            }
            Err(error) => problems.push(error.to_string()),
        }
    }
    clips
}

fn load_flow(home: &Path, name: &str, book: &PromptBook, problems: &mut Vec<String>) -> Option<Flow> {
    let path = flow_path(home, name);
    let mut tell = |problem: &flow::Problem| problems.push(format!("{}:{problem}", path.display()));
    let text = match read(&path) {
        Ok(text) => text,
        Err(problem) => {
            problems.push(problem);
            return None;
        }
    };
    match Flow::parse(&text) {
        Ok(flow) => {
            flow::check(&flow, book).iter().for_each(&mut tell);
            Some(flow)
        }
        Err(found) => {
            found.iter().for_each(&mut tell);
            None
        }
    }
}

/// The questionnaires of a folder; an installation that asks nobody need not have one.
fn load_surveys(folder: &Path, book: &PromptBook, problems: &mut Vec<String>) -> BTreeMap<String, Arc<Survey>> {
    let mut surveys = BTreeMap::new();
    let entries = fs::read_dir(folder).map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()));
    let files: BTreeSet<PathBuf> = entries.into_iter().flatten().collect();
    for path in files.into_iter().filter(|path| path.extension().is_some_and(|e| e == "toml")) {
        let mut tell = |problem: &flow::Problem| problems.push(format!("{}:{problem}", path.display()));
        match read(&path).map(|text| Survey::parse(&text)) {
            Err(problem) => problems.push(problem),
            Ok(Err(found)) => found.iter().for_each(&mut tell),
            Ok(Ok(survey)) => {
                survey::check(&survey, book).iter().for_each(&mut tell);
                if path.file_stem().is_some_and(|stem| *stem != *survey.name) {
                    problems.push(format!("{}: name is `{}`, but the file's is another", path.display(), survey.name));
                }
                surveys.insert(survey.name.clone(), Arc::new(survey));
            }
        }
    }
    surveys
}

/// The file of a flow.
fn flow_path(home: &Path, name: &str) -> PathBuf {
    home.join("config/flows").join(format!("{name}.toml"))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}
