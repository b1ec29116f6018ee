//! From samples to believed text: everything that happens to one utterance, on the thread that owns a recogniser.

use super::choice::{self, Choices, Evidence};
use super::guard::{self, Rule};
use super::recogniser::{RecogniseError, Recogniser};
use super::simplified::simplified;
use super::{Expect, numbers, utterance};

/// Text that passed the guard.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Text {
    pub(super) text: String,
    /// Zero to one: how likely a verdict is right, or the geometric mean of the probabilities of free text's tokens. Never
    /// made from the length.
    pub(super) confidence: f32,
    /// Whether it is one of the answers that were asked for, rather than whatever was said.
    pub(super) verdict: bool,
}

/// Most confidence of free text where an answer was asked for and none was made out: flows ask again below 0.4.
const NO_ANSWER_CONFIDENCE: f32 = 0.39;

/// Recognises one utterance; tells `dropped` of everything kept out.
pub(super) fn transcribe(
    recogniser: &mut dyn Recogniser,
    pcm_8k: &[i16],
    expect: Expect,
    dropped: &mut dyn FnMut(Rule),
) -> Result<Option<Text>, RecogniseError> {
    let (text, evidence) = hear(recogniser, pcm_8k, expect, dropped)?;
    let Some((choices, evidence)) = evidence else { return Ok(text) };
    Ok(match choices.verdict(&evidence) {
        Some(verdict) if verdict.believed => {
            Some(Text { text: verdict.text.to_owned(), confidence: verdict.likely, verdict: true })
        }
        Some(_) | None => text.map(|t| Text { confidence: t.confidence.min(NO_ANSWER_CONFIDENCE), ..t }),
    })
}

/// Among which answers one was sought, and what speaks for the likeliest.
pub(super) type Witness = (&'static Choices, Evidence);

/// What was said in one utterance, and, where only a few answers make sense and it is no longer than one, what speaks for
/// the likeliest of them.
pub(super) fn hear(
    recogniser: &mut dyn Recogniser,
    pcm_8k: &[i16],
    expect: Expect,
    dropped: &mut dyn FnMut(Rule),
) -> Result<(Option<Text>, Option<Witness>), RecogniseError> {
    let audio_ms = utterance::millis(pcm_8k.len());
    let candidates = recogniser.recognise(&utterance::ready(pcm_8k))?;
    let heard: String = candidates.iter().map(|c| simplified(&c.text)).collect();
    let logprob = candidates.iter().map(|c| c.logprob).fold(0.0, f32::min);
    let mut kept: Vec<Text> = Vec::new();
    for mut candidate in candidates {
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
                verdict: false,
            }),
        }
    }
    let text = join(kept);
    let choices = choice::choices(expect).filter(|_| audio_ms <= choice::ANSWER_MS && !choice::number(expect, &heard));
    let Some(choices) = choices else { return Ok((text, None)) };
    let texts = choices.texts();
    let plain = recogniser.score("", &texts)?;
    let prompted = if choices.prompt.is_empty() { plain.clone() } else { recogniser.score(choices.prompt, &texts)? };
    Ok((text, choices.evidence(&plain, &prompted, &heard, logprob).map(|evidence| (choices, evidence))))
}

/// Several texts in a row as one; as sure as its least sure part. Where one of them is an answer that was asked for, what was
/// only heard beside it does not count.
pub(super) fn join(mut texts: Vec<Text>) -> Option<Text> {
    if texts.iter().any(|t| t.verdict) {
        texts.retain(|t| t.verdict);
    }
    texts.into_iter().reduce(|a, b| Text {
        text: a.text + &b.text,
        confidence: a.confidence.min(b.confidence),
        verdict: a.verdict && b.verdict,
    })
}
