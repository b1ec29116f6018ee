//! What stands between the rules of this module and an engine that turns sound into text. Whisper is one; others fit.

use super::guard::Candidate;

/// An engine with its model loaded; each worker thread asks it for a recogniser of its own.
pub trait Engine: Send + Sync {
    /// A recogniser for the calling thread.
    ///
    /// # Errors
    /// When there is no memory for another one.
    fn recogniser(&self) -> Result<Box<dyn Recogniser>, RecogniseError>;
}

/// Recognises one utterance at a time. The same audio gives the same text.
pub trait Recogniser {
    /// The text of `pcm_16k`, which is at full scale at one, at least [`SHORTEST`](super::utterance::SHORTEST_16K) and at most
    /// [`LONGEST`](super::utterance::LONGEST) long. What comes back has not been judged yet.
    ///
    /// # Errors
    /// When the engine fails.
    fn recognise(&mut self, pcm_16k: &[f32]) -> Result<Vec<Candidate>, RecogniseError>;

    /// The natural logarithm of the probability that each of `texts`, up to punctuation, is all that was said in the audio last
    /// recognised, after `prompt`; minus infinity where it is hopeless, or far below the most probable one. Cheap beside
    /// [`recognise`](Self::recognise), whose work it uses.
    ///
    /// # Errors
    /// When the engine fails.
    fn score(&mut self, prompt: &str, texts: &[&str]) -> Result<Vec<f32>, RecogniseError>;
}

/// Why an engine failed.
#[derive(Debug, thiserror::Error)]
pub enum RecogniseError {
    #[error("cannot load the speech model {path}")]
    Load { path: String, source: whisper_rs::WhisperError },
    #[error("{path} is an English-only model")]
    EnglishOnly { path: String },
    #[error("no memory for another recogniser")]
    State(#[source] whisper_rs::WhisperError),
    #[error("the speech model does not know the language")]
    Language,
    #[error("recognition failed")]
    Run(#[source] whisper_rs::WhisperError),
}
