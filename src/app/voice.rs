//! What the gateway can say: prompts with their recordings, and the flows that use them, loaded and checked as a whole.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::flow::{self, Flow, PromptBook, PromptId};
use crate::media::{Clip, stretch, wav};

/// Speed of prompts for callers who asked for slow ones (R3.4).
const SLOW_SPEED: f64 = 0.8;
/// How much louder they are, in decibels (R3.4).
const SLOW_GAIN_DB: f64 = 6.0;

/// Prompts and flows of one installation.
#[derive(Debug)]
pub struct Voice {
    /// The words of every prompt.
    pub book: Arc<PromptBook>,
    flows: BTreeMap<String, Arc<Flow>>,
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
    /// Loads `prompts` and the flows named `flows` below `home`.
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
        if problems.is_empty() { Ok(Self { book: Arc::new(book), flows: loaded, clips }) } else { Err(problems) }
    }

    /// The flow of this name, if it was loaded.
    pub fn flow(&self, name: &str) -> Option<Arc<Flow>> {
        self.flows.get(name).cloned()
    }

    /// The sounds of these prompts, in the slow and loud rendering or the plain one.
    pub fn clips(&self, prompts: &[PromptId], slow: bool) -> Vec<Arc<Clip>> {
        let clip = |id| self.clips.get(id).map(|r: &Recorded| if slow { r.slow() } else { Arc::clone(&r.plain) });
        prompts.iter().filter_map(clip).collect()
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

/// The file of a flow.
fn flow_path(home: &Path, name: &str) -> PathBuf {
    home.join("config/flows").join(format!("{name}.toml"))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}
