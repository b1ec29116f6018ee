//! From samples to believed text: everything that happens to one utterance, on the thread that owns a recogniser.

use super::choice;
use super::guard::{self, Rule};
use super::recogniser::{RecogniseError, Recogniser};
use super::simplified::simplified;
use super::{Expect, numbers, utterance};

/// Text that passed the guard.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Text {
    pub(super) text: String,
    /// Zero to one: the geometric mean of the probabilities of its tokens. Never made from the length.
    pub(super) confidence: f32,
}

/// Recognises one utterance; tells `dropped` of everything kept out.
pub(super) fn transcribe(
    recogniser: &mut dyn Recogniser,
    pcm_8k: &[i16],
    expect: Expect,
    dropped: &mut dyn FnMut(Rule),
) -> Result<Option<Text>, RecogniseError> {
    let audio_ms = utterance::millis(pcm_8k.len());
    let mut kept: Vec<Text> = Vec::new();
    for mut candidate in recogniser.recognise(&utterance::ready(pcm_8k))? {
        candidate.text = simplified(&candidate.text);
        match guard::judge(&candidate, audio_ms) {
            Some(rule) => {
                // The words stay out of the log: they may be a caller's.
                tracing::debug!(rule = rule.name(), logprob = candidate.logprob, audio_ms, "recognised text dropped");
                dropped(rule);
            }
            None => kept.push(Text {
                text: numbers::normalised(&candidate.text),
                confidence: candidate.logprob.exp().clamp(0.0, 1.0),
            }),
        }
    }
    let text = join(kept);
    if audio_ms > choice::ONE_WORD_MS || text.as_ref().is_some_and(|t| choice::fits(expect, &t.text)) {
        return Ok(text);
    }
    Ok(one_word(recogniser, expect)?.or(text))
}

/// The one of the expected answers that was said.
fn one_word(recogniser: &mut dyn Recogniser, expect: Expect) -> Result<Option<Text>, RecogniseError> {
    let choices = choice::choices(expect);
    if choices.is_empty() {
        return Ok(None);
    }
    let scores = recogniser.score(&choice::wordings(choices))?;
    Ok(choice::pick(choices, &scores).map(|(text, confidence)| Text { text: text.to_owned(), confidence }))
}

/// Several texts in a row as one; as sure as its least sure part.
pub(super) fn join(texts: Vec<Text>) -> Option<Text> {
    texts.into_iter().reduce(|a, b| Text { text: a.text + &b.text, confidence: a.confidence.min(b.confidence) })
}
