//! Recognition as the rest of the gateway sees it: give it audio, wait for text. Worker threads of their own do the work, for
//! it takes seconds of computing and must hold up neither packets nor requests.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::guard::Rule;
use super::queue::{Full, Next, Queue};
use super::recogniser::{Engine, RecogniseError, Recogniser};
use super::stats::{Counters, SpeechStats};
use super::talkspurt::{Span, talkspurts};
use super::transcriber::{self, Text};
use super::utterance::{millis, utterances};
use super::whisper::Whisper;
use super::{Expect, numbers};
use crate::clock;

/// How long a finished call waits before it asks again for a place in a full queue.
const PATIENCE: Duration = Duration::from_millis(500);

/// The part of a talkspurt that a caption shows, in samples at 8 kHz: the last ten seconds.
pub const CAPTION: usize = 80_000;

/// How recognition is set up.
#[derive(Clone, Debug)]
pub struct SpeechConfig {
    /// The ggml file of a multilingual Whisper model.
    pub model: PathBuf,
    /// Worker threads; each recognises one utterance at a time. At least one.
    pub threads: usize,
}

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
pub enum SpeechError {
    #[error(transparent)]
    Recognise(#[from] RecogniseError),
    #[error("cannot start a recognition thread")]
    Thread(#[source] std::io::Error),
    /// Too many answers wait: ask for keys, a person or a recording instead.
    #[error("too many answers wait for recognition")]
    Busy,
    /// The text would come after the deadline: as with `Busy`.
    #[error("recognition was not done in time")]
    Late,
    /// Nobody spoke, or nothing that was recognised could be believed: ask again.
    #[error("no speech was recognised")]
    NoSpeech,
    #[error("recognition is shutting down")]
    ShuttingDown,
}

/// What a caller answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// In simplified characters; digits alone where digits were expected.
    pub text: String,
    /// Zero to one, from the probabilities of the tokens alone.
    pub confidence: f32,
    /// From the request to the text.
    pub took: Duration,
}

/// One utterance of a transcript. Times count from the start of the channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    pub start_ms: i64,
    pub end_ms: i64,
    /// In simplified characters.
    pub text: String,
    /// As in [`Heard::confidence`].
    pub confidence: f32,
}

/// The recogniser's threads and their queue.
pub struct Speech {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Most workers that captions and finished calls may have at once: all but one, which is kept for answers. A single
    /// worker does both, and an answer then waits for the utterance in hand.
    most_lent: usize,
    /// Most captions at once; none with a single worker, which answers need.
    most_captions: usize,
    counters: Counters,
}

#[derive(Default)]
struct State {
    queue: Queue<Job>,
    /// Workers that have something else in hand than an answer.
    lent: usize,
    /// Captions that wait or are being recognised.
    captions: usize,
    closing: bool,
}

/// Audio, and who waits for its text.
struct Job {
    pcm_8k: Vec<i16>,
    expect: Expect,
    kind: Kind,
    reply: oneshot::Sender<Result<Option<Text>, SpeechError>>,
}

/// What the text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A caller waits for it until then.
    Answer(Instant),
    /// An operator reads along.
    Caption,
    /// The transcript of a finished call.
    Utterance,
}

impl Speech {
    /// Loads the model and starts the workers. Blocks for as long as the model takes to load.
    ///
    /// # Errors
    /// When the model cannot be loaded or a thread cannot be started.
    pub fn start(config: SpeechConfig) -> Result<Self, SpeechError> {
        let whisper = Whisper::load(&config.model)?;
        Self::with_engine(Arc::new(whisper), config.threads)
    }

    /// Starts `threads` workers (at least one) on another engine.
    ///
    /// # Errors
    /// As [`Speech::start`].
    pub fn with_engine(engine: Arc<dyn Engine>, threads: usize) -> Result<Self, SpeechError> {
        let threads = threads.max(1);
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            most_lent: (threads - 1).max(1),
            most_captions: threads - 1,
            counters: Counters::default(),
        });
        // From here on a failure drops `speech`, which ends the workers already started.
        let mut speech = Self { shared, workers: Vec::new() };
        for i in 0..threads {
            let (engine, shared) = (engine.clone(), speech.shared.clone());
            let (started, ready) = std::sync::mpsc::sync_channel(1);
            let worker = thread::Builder::new().name(format!("speech-{i}")).spawn(move || match engine.recogniser() {
                Ok(mut recogniser) => {
                    let _ = started.send(Ok(()));
                    shared.work(recogniser.as_mut());
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                }
            });
            speech.workers.push(worker.map_err(SpeechError::Thread)?);
            // A worker that is gone without a word panicked, which is reported where it happened.
            ready.recv().map_err(|_| SpeechError::ShuttingDown)??;
        }
        Ok(speech)
    }

    /// The text of a caller's answer, from one channel at 8 kHz. Goes before everything of finished calls.
    ///
    /// # Errors
    /// [`SpeechError::Busy`] at once, [`SpeechError::Late`] at `deadline`, [`SpeechError::NoSpeech`] when nothing was said.
    pub async fn answer(&self, pcm_8k: Vec<i16>, expect: Expect, deadline: Instant) -> Result<Heard, SpeechError> {
        let asked = clock::monotonic();
        let found = talkspurts(&pcm_8k);
        self.shared.counters.dropped(Rule::NoVoice, found.rejected as u64);
        let mut texts = Vec::new();
        for span in utterances(&pcm_8k, &found.speech) {
            let answer = self.submit(pcm_8k[span].to_vec(), expect, Kind::Answer(deadline))?;
            let text = match tokio::time::timeout_at(deadline.into(), answer).await {
                Ok(text) => text.map_err(|_| SpeechError::ShuttingDown)??,
                Err(_) => {
                    self.shared.counters.update(|s| s.late += 1);
                    return Err(SpeechError::Late);
                }
            };
            texts.extend(text);
        }
        let Text { text, confidence, .. } = transcriber::join(texts).ok_or(SpeechError::NoSpeech)?;
        self.shared.counters.update(|s| s.answered += 1);
        let text = match expect {
            Expect::Free | Expect::YesNo | Expect::Rating => text,
            Expect::Digits => numbers::digits(&text).unwrap_or(text),
        };
        Ok(Heard { text, confidence, took: clock::monotonic() - asked })
    }

    /// The text so far of what somebody is saying, from one channel at 8 kHz; `None` where nothing is understood yet. Goes
    /// after every answer. What is older than [`CAPTION`] is left out.
    ///
    /// # Errors
    /// [`SpeechError::Busy`] at once where no worker can be spared: try again with more of it.
    pub async fn caption(&self, pcm_8k: &[i16]) -> Result<Option<Heard>, SpeechError> {
        let asked = clock::monotonic();
        let recent = &pcm_8k[pcm_8k.len().saturating_sub(CAPTION)..];
        let found = talkspurts(recent);
        let (Some(first), Some(last)) = (found.speech.first(), found.speech.last()) else { return Ok(None) };
        let reply = self.submit(recent[first.start..last.end].to_vec(), Expect::Free, Kind::Caption)?;
        let text = reply.await.map_err(|_| SpeechError::ShuttingDown)??;
        let took = clock::monotonic() - asked;
        Ok(text.map(|Text { text, confidence, .. }| Heard { text, confidence, took }))
    }

    /// The transcript of one whole channel of a finished call, at 8 kHz. Yields to answers between any two utterances, and
    /// waits where the queue is full.
    ///
    /// # Errors
    /// When the engine fails, or recognition shuts down meanwhile.
    pub async fn transcribe(&self, channel_pcm_8k: Vec<i16>) -> Result<Vec<Segment>, SpeechError> {
        let pcm: Arc<[i16]> = channel_pcm_8k.into();
        let searched = pcm.clone();
        // An hour of audio takes seconds to search: not on a thread that serves requests.
        let spans = tokio::task::spawn_blocking(move || {
            let found = talkspurts(&searched);
            (utterances(&searched, &found.speech), found.rejected)
        });
        let (spans, rejected) = spans.await.map_err(|_| SpeechError::ShuttingDown)?;
        self.shared.counters.dropped(Rule::NoVoice, rejected as u64);
        let mut segments = Vec::new();
        for span in spans {
            if let Some(text) = self.utterance(&pcm, span.clone()).await? {
                let Text { text, confidence, .. } = text;
                segments.push(Segment { start_ms: millis(span.start), end_ms: millis(span.end), text, confidence });
            }
        }
        Ok(segments)
    }

    /// What has been done so far.
    pub fn stats(&self) -> SpeechStats {
        let waiting = self.shared.lock().queue.depth();
        self.shared.counters.snapshot(waiting)
    }

    /// Takes nothing more in, and tells everything that waits [`ShuttingDown`](SpeechError::ShuttingDown). What a worker has in
    /// hand it finishes; dropping the last owner waits for that, a few seconds at most.
    pub fn shutdown(&self) {
        let mut state = self.shared.lock();
        state.closing = true;
        // Dropping a job drops its reply, which is how the one who waits learns of it.
        state.queue = Queue::default();
        drop(state);
        self.shared.changed.notify_all();
    }

    async fn utterance(&self, pcm: &[i16], span: Span) -> Result<Option<Text>, SpeechError> {
        loop {
            match self.submit(pcm[span.clone()].to_vec(), Expect::Free, Kind::Utterance) {
                Ok(reply) => return reply.await.map_err(|_| SpeechError::ShuttingDown)?,
                Err(SpeechError::Busy) => tokio::time::sleep(PATIENCE).await,
                Err(error) => return Err(error),
            }
        }
    }

    fn submit(
        &self,
        pcm_8k: Vec<i16>,
        expect: Expect,
        kind: Kind,
    ) -> Result<oneshot::Receiver<Result<Option<Text>, SpeechError>>, SpeechError> {
        let (reply, answer) = oneshot::channel();
        let job = Job { pcm_8k, expect, kind, reply };
        let mut state = self.shared.lock();
        if state.closing {
            return Err(SpeechError::ShuttingDown);
        }
        let pushed = match kind {
            Kind::Answer(deadline) => state.queue.push_answer(job, deadline),
            Kind::Caption if state.captions >= self.shared.most_captions => Err(Full(job)),
            Kind::Caption => {
                state.captions += 1;
                state.queue.push_caption(job);
                Ok(())
            }
            Kind::Utterance => state.queue.push_utterance(job),
        };
        drop(state);
        match pushed {
            Ok(()) => {
                self.shared.changed.notify_one();
                Ok(answer)
            }
            Err(Full(job)) => {
                match job.kind {
                    Kind::Answer(_) => self.shared.counters.update(|s| s.busy += 1),
                    Kind::Caption => self.shared.counters.update(|s| s.captions_skipped += 1),
                    // It comes again.
                    Kind::Utterance => {}
                }
                Err(SpeechError::Busy)
            }
        }
    }
}

impl Drop for Speech {
    fn drop(&mut self) {
        self.shutdown();
        for worker in self.workers.drain(..) {
            if worker.join().is_err() {
                tracing::error!("a recognition thread panicked");
            }
        }
    }
}

impl Shared {
    /// Does jobs until the end.
    fn work(&self, recogniser: &mut dyn Recogniser) {
        while let Some(job) = self.next() {
            if job.reply.is_closed() {
                // Whoever asked has gone: the caller hung up, or the deadline passed.
                self.give_back(job.kind);
                continue;
            }
            let started = clock::thread_time();
            let mut dropped = |rule| self.counters.dropped(rule, 1);
            let result = transcriber::transcribe(recogniser, &job.pcm_8k, job.expect, &mut dropped);
            let work = clock::thread_time().saturating_sub(started);
            self.counters.update(|s| {
                s.work += work;
                s.audio += Duration::from_millis(millis(job.pcm_8k.len()).unsigned_abs());
                s.captions += u64::from(job.kind == Kind::Caption);
                s.utterances += u64::from(job.kind == Kind::Utterance);
            });
            self.give_back(job.kind);
            // Nobody may be waiting any more.
            let _ = job.reply.send(result.map_err(SpeechError::from));
        }
    }

    /// The next job, when there is one; `None` at the end.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        while !state.closing {
            let spare = state.lent < self.most_lent;
            match state.queue.next(clock::monotonic(), spare) {
                Next::Do(job) => {
                    state.lent += usize::from(!matches!(job.kind, Kind::Answer(_)));
                    return Some(job);
                }
                Next::Late(job) => {
                    // Where nobody waits any more, the one who gave up has counted it.
                    if job.reply.send(Err(SpeechError::Late)).is_ok() {
                        self.counters.update(|s| s.late += 1);
                    }
                }
                Next::Nothing => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
        None
    }

    /// A worker is through with a job of this kind: another may be lent.
    fn give_back(&self, kind: Kind) {
        if matches!(kind, Kind::Answer(_)) {
            return;
        }
        let mut state = self.lock();
        state.lent -= 1;
        state.captions -= usize::from(kind == Kind::Caption);
        drop(state);
        self.changed.notify_one();
    }

    /// The queue stays whole after a panic elsewhere: no change to it can stop half-way.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
