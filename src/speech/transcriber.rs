//! From samples to believed text: everything that happens to one utterance, on the thread that owns a recogniser.

use super::guard::{self, Rule};
use super::recogniser::{RecogniseError, Recogniser};
use super::simplified::simplified;
use super::{numbers, utterance};

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
    Ok(join(kept))
}

/// Several texts in a row as one; as sure as its least sure part.
pub(super) fn join(texts: Vec<Text>) -> Option<Text> {
    texts.into_iter().reduce(|a, b| Text { text: a.text + &b.text, confidence: a.confidence.min(b.confidence) })
}
