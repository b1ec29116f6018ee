//! Whisper, by whisper.cpp, on this machine's processor.
//!
//! Greedy decoding at temperature zero, without context from earlier text and without fallback: the same audio gives the same
//! text, and an error cannot feed on itself. One thread for each utterance, several utterances side by side: that uses the
//! cores better than several threads on one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use whisper_rs::{
    FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperSegment, WhisperState,
};

use super::PROMPT;
use super::guard::Candidate;
use super::recogniser::{Engine, RecogniseError, Recogniser};

/// Encoder positions a second: one for 20 ms.
const POSITIONS_PER_SECOND: usize = 50;

/// Positions of the whole 30 s window.
const ALL_POSITIONS: usize = 1500;

/// Positions of the window for a short utterance, and the margin beyond a longer one. The encoder's cost grows with the
/// window; a narrower one, or a margin of only 64, makes Whisper lose words.
const LEAST_POSITIONS: usize = 512;
const MARGIN_POSITIONS: usize = 128;

/// Beginnings of a text less probable than this, as a natural logarithm, are not followed; nor are those that lie so far
/// below the most probable whole text.
const HOPELESS: f32 = -12.0;
const FAR_BEHIND: f32 = 6.0;

/// Most tokens decoded to compare texts, some milliseconds each; what is left then counts as hopeless.
const MOST_STEPS: usize = 48;

/// Most tokens written for a second of audio, and on top of that: fast speech has half of it. Bounds the time of a loop.
const TOKENS_PER_SECOND: usize = 16;
const SPARE_TOKENS: usize = 16;

const LANGUAGE: &str = "zh";

/// A loaded model; shared by all workers.
pub struct Whisper {
    context: Arc<WhisperContext>,
}

impl Whisper {
    /// Loads a multilingual model in ggml format.
    ///
    /// # Errors
    /// When the file is unreadable, malformed or English-only.
    pub fn load(path: &Path) -> Result<Self, RecogniseError> {
        // Without this, whisper.cpp writes pages of detail to standard error.
        whisper_rs::install_logging_hooks();
        let shown = || path.display().to_string();
        let context = WhisperContext::new_with_params(path, WhisperContextParameters::default())
            .map_err(|source| RecogniseError::Load { path: shown(), source })?;
        if context.is_multilingual() {
            Ok(Self { context: Arc::new(context) })
        } else {
            Err(RecogniseError::EnglishOnly { path: shown() })
        }
    }
}

impl Engine for Whisper {
    fn recogniser(&self) -> Result<Box<dyn Recogniser>, RecogniseError> {
        let state = self.context.create_state().map_err(RecogniseError::State)?;
        let unprompted = params();
        let mut prompted = params();
        prompted.set_initial_prompt(PROMPT);
        Ok(Box::new(Worker { state, context: self.context.clone(), prompted, unprompted }))
    }
}

/// One thread's state, kept for its lifetime: making one takes 34 MB and 20 ms.
struct Worker {
    state: WhisperState,
    context: Arc<WhisperContext>,
    /// Made once, for setting language and prompt leaks their text every time.
    unprompted: FullParams<'static, 'static>,
    /// The same with the prompt; for what it understands nothing of otherwise.
    prompted: FullParams<'static, 'static>,
}

fn params() -> FullParams<'static, 'static> {
    let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
    params.set_language(Some(LANGUAGE));
    params.set_n_threads(1);
    params.set_temperature(0.0);
    params.set_temperature_inc(0.0);
    params.set_no_context(true);
    params.set_suppress_blank(true);
    params.set_suppress_nst(true);
    // Utterances are cut before they come here, and a narrowed window spoils Whisper's own times.
    params.set_no_timestamps(true);
    params.set_single_segment(true);
    // Never drop anything unseen: `guard` decides, and counts.
    params.set_no_speech_thold(1.0);
    params.set_print_special(false);
    params.set_print_progress(false);
    params.set_print_realtime(false);
    params.set_print_timestamps(false);
    params
}

impl Recogniser for Worker {
    fn recognise(&mut self, pcm_16k: &[f32]) -> Result<Vec<Candidate>, RecogniseError> {
        // Through a telephone the prompt costs more than it gives: after it Whisper at times says nothing at all, and in a
        // word or two it is heard rather than the caller (一 becomes 以下). The script is `simplified`'s to see to.
        let heard = self.run(false, pcm_16k)?;
        if heard.iter().any(|c| c.text.chars().any(char::is_alphanumeric)) {
            return Ok(heard);
        }
        self.run(true, pcm_16k)
    }

    fn score(&mut self, prompt: &str, texts: &[&str]) -> Result<Vec<f32>, RecogniseError> {
        let mut branches = Vec::new();
        for (place, text) in texts.iter().enumerate() {
            branches.push((place, self.tokens(text)?));
        }
        let before = self.start(prompt)?;
        let past = before.len();
        if let Some((last, rest)) = before.split_last() {
            self.state.decode(rest, 0, 1).map_err(RecogniseError::Run)?;
            self.step(*last, past - 1)?;
        }
        let scores = vec![f32::NEG_INFINITY; texts.len()];
        let mut search = Search { ends: self.ends()?, scores, best: f32::NEG_INFINITY, steps_left: MOST_STEPS };
        self.descend(&branches, past, 0.0, &mut search)?;
        Ok(search.scores)
    }
}

/// The comparison of texts, as far as it has come.
struct Search {
    /// What may follow the last token of a text.
    ends: Vec<i32>,
    /// Of each text.
    scores: Vec<f32>,
    /// The greatest of them.
    best: f32,
    steps_left: usize,
}

impl Worker {
    fn run(&mut self, prompt: bool, pcm_16k: &[f32]) -> Result<Vec<Candidate>, RecogniseError> {
        let mut params = if prompt { self.prompted.clone() } else { self.unprompted.clone() };
        params.set_audio_ctx(positions(pcm_16k.len()) as i32);
        params.set_max_tokens((SPARE_TOKENS + TOKENS_PER_SECOND * pcm_16k.len() / 16_000) as i32);
        self.state.full(params, pcm_16k).map_err(RecogniseError::Run)?;
        let length_ms = (pcm_16k.len() / 16) as i64;
        let first_special = self.context.token_eot();
        Ok(self.state.as_iter().map(|segment| candidate(&segment, first_special, length_ms)).collect())
    }

    /// Scores what follows after `past` tokens that have the log-probability `so_far`: each of `branches` is the place of a
    /// text and its tokens still to come. Common beginnings are computed once, and the most probable ones first, so that the
    /// others are seldom followed.
    fn descend(
        &mut self,
        branches: &[(usize, Vec<i32>)],
        past: usize,
        so_far: f32,
        search: &mut Search,
    ) -> Result<(), RecogniseError> {
        let next = log_softmax(self.state.get_logits().map_err(RecogniseError::Run)?);
        let mut groups: BTreeMap<i32, Vec<(usize, Vec<i32>)>> = BTreeMap::new();
        for (place, tokens) in branches {
            match tokens.split_first() {
                Some((&token, rest)) => groups.entry(token).or_default().push((*place, rest.to_vec())),
                None => {
                    let score = so_far + search.ends.iter().map(|&e| at(&next, e).exp()).sum::<f32>().ln();
                    search.scores[*place] = score;
                    search.best = search.best.max(score);
                }
            }
        }
        let mut ranked: Vec<_> =
            groups.into_iter().map(|(token, group)| (so_far + at(&next, token), token, group)).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (with_token, token, group) in ranked {
            if with_token < HOPELESS.max(search.best - FAR_BEHIND) || search.steps_left == 0 {
                break;
            }
            search.steps_left -= 1;
            self.step(token, past)?;
            self.descend(&group, past + 1, with_token, search)?;
        }
        Ok(())
    }

    /// Decodes one token after `past` others, which stay as they were. One at a time: whisper-rs shows the logits of the first
    /// token of a batch, and whisper.cpp computes those of the last.
    fn step(&mut self, token: i32, past: usize) -> Result<(), RecogniseError> {
        self.state.decode(&[token], past, 1).map_err(RecogniseError::Run)
    }

    /// What precedes the text in the decoder, as in [`params`]: a prompt, if there is one, and what is to be done.
    fn start(&self, prompt: &str) -> Result<Vec<i32>, RecogniseError> {
        let chinese = whisper_rs::get_lang_id(LANGUAGE).ok_or(RecogniseError::Language)?;
        let context = &self.context;
        let mut tokens = Vec::new();
        if !prompt.is_empty() {
            tokens.push(context.token_prev());
            tokens.extend(self.tokens(prompt)?);
        }
        tokens.extend([
            context.token_sot(),
            context.token_lang(chinese),
            context.token_transcribe(),
            context.token_not(),
        ]);
        Ok(tokens)
    }

    /// What may stand after the last word: the end, or punctuation before it.
    fn ends(&self) -> Result<Vec<i32>, RecogniseError> {
        let mut ends = vec![self.context.token_eot()];
        for mark in ["。", "，", "！", "？", ",", ".", "!", "?"] {
            ends.extend(self.tokens(mark)?.first());
        }
        Ok(ends)
    }

    fn tokens(&self, text: &str) -> Result<Vec<i32>, RecogniseError> {
        // No token is shorter than a byte.
        self.context.tokenize(text, text.len()).map_err(RecogniseError::Run)
    }
}

fn at(logs: &[f32], token: i32) -> f32 {
    usize::try_from(token).ok().and_then(|t| logs.get(t)).copied().unwrap_or(f32::NEG_INFINITY)
}

/// Logarithms of the probabilities that `logits` stand for.
fn log_softmax(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum = most + logits.iter().map(|l| (l - most).exp()).sum::<f32>().ln();
    logits.iter().map(|l| l - sum).collect()
}

/// The width of the encoder's window for so many samples at 16 kHz.
fn positions(samples: usize) -> usize {
    let speech = samples.div_ceil(16_000 / POSITIONS_PER_SECOND);
    (speech + MARGIN_POSITIONS).clamp(LEAST_POSITIONS, ALL_POSITIONS)
}

fn candidate(segment: &WhisperSegment<'_>, first_special: i32, length_ms: i64) -> Candidate {
    let tokens = (0..segment.n_tokens()).filter_map(|i| segment.get_token(i));
    let logs: Vec<f32> =
        tokens.filter(|t| t.token_id() < first_special).map(|t| t.token_probability().max(1e-6).ln()).collect();
    Candidate {
        text: segment.to_str_lossy().map(|t| t.trim().to_owned()).unwrap_or_default(),
        // Without timestamp tokens, whisper.cpp's own times mean nothing: the text is that of the whole utterance.
        start_ms: 0,
        end_ms: length_ms,
        logprob: logs.iter().sum::<f32>() / logs.len().max(1) as f32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_follows_the_utterance() {
        for (seconds, positions_) in [(1, 512), (5, 512), (8, 528), (20, 1128), (28, 1500), (30, 1500)] {
            assert_eq!(positions(seconds * 16_000), positions_, "{seconds} s");
        }
    }

    #[test]
    fn probabilities_add_up_to_one() {
        let logs = log_softmax(&[8.0, 7.0, -5.0]);
        assert!((logs.iter().map(|l| l.exp()).sum::<f32>() - 1.0).abs() < 1e-5);
        assert!((logs[0] - logs[1] - 1.0).abs() < 1e-5);
        assert_eq!((at(&logs, -1), at(&logs, 3)), (f32::NEG_INFINITY, f32::NEG_INFINITY));
    }

    #[test]
    fn a_file_that_is_no_model_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.bin");
        std::fs::write(&path, b"not a model").unwrap();
        assert!(matches!(Whisper::load(&path), Err(RecogniseError::Load { .. })));
        assert!(matches!(Whisper::load(&dir.path().join("none")), Err(RecogniseError::Load { .. })));
    }
}
