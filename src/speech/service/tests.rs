use std::sync::mpsc::{self, Receiver, Sender};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;
use crate::speech::guard::Candidate;
use crate::speech::queue::MOST_ANSWERS;
use crate::speech::signals::Signal;

/// An engine that says its lines one after the other, and the last one for ever.
struct Script {
    lines: &'static [&'static str],
    /// Told of each request before it is answered.
    entered: UnboundedSender<()>,
    /// Where there is one, each answer waits for leave; a dropped sender gives leave for ever.
    gate: Option<Arc<Mutex<Receiver<()>>>>,
}

struct Speaker {
    lines: std::slice::Iter<'static, &'static str>,
    last: &'static str,
    entered: UnboundedSender<()>,
    gate: Option<Arc<Mutex<Receiver<()>>>>,
}

impl Engine for Script {
    fn recogniser(&self) -> Result<Box<dyn Recogniser>, RecogniseError> {
        let (entered, gate) = (self.entered.clone(), self.gate.clone());
        Ok(Box::new(Speaker { lines: self.lines.iter(), last: "", entered, gate }))
    }
}

impl Recogniser for Speaker {
    fn recognise(&mut self, pcm_16k: &[f32]) -> Result<Vec<Candidate>, RecogniseError> {
        let _ = self.entered.send(());
        if let Some(gate) = &self.gate {
            let _ = gate.lock().unwrap().recv();
        }
        self.last = self.lines.next().unwrap_or(&self.last);
        let end_ms = (pcm_16k.len() / 16) as i64;
        Ok(vec![Candidate { text: self.last.to_owned(), start_ms: 0, end_ms, logprob: -0.5 }])
    }

    /// Takes 队 for 对, and everything else for what it is.
    fn score(&mut self, _prompt: &str, texts: &[&str]) -> Result<Vec<f32>, RecogniseError> {
        let heard = if self.last == "队" { "对" } else { self.last.trim_end_matches('。') };
        Ok(texts.iter().map(|t| if *t == heard { -0.3 } else { f32::NEG_INFINITY }).collect())
    }
}

/// One worker with these lines, and word of each request.
fn script(lines: &'static [&'static str]) -> (Arc<Speech>, UnboundedReceiver<()>) {
    let (entered, requests) = unbounded_channel();
    (Arc::new(Speech::with_engine(Arc::new(Script { lines, entered, gate: None }), 1).unwrap()), requests)
}

/// The same, and each answer waits until something is sent.
fn gated(lines: &'static [&'static str]) -> (Arc<Speech>, UnboundedReceiver<()>, Sender<()>) {
    let (entered, requests) = unbounded_channel();
    let (leave, gate) = mpsc::channel();
    let gate = Some(Arc::new(Mutex::new(gate)));
    (Arc::new(Speech::with_engine(Arc::new(Script { lines, entered, gate }), 1).unwrap()), requests, leave)
}

/// Waits until so many answers and utterances wait.
async fn until_waiting(speech: &Speech, waiting: (usize, usize)) {
    for _ in 0..10_000 {
        if speech.stats().waiting == waiting {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("{:?} wait, not {waiting:?}", speech.stats().waiting);
}

fn ask(speech: &Arc<Speech>) -> tokio::task::JoinHandle<Result<Heard, SpeechError>> {
    let speech = speech.clone();
    tokio::spawn(async move { speech.answer(spoken(), Expect::Free, later()).await })
}

fn finish(speech: &Arc<Speech>) -> tokio::task::JoinHandle<Result<Vec<Segment>, SpeechError>> {
    let speech = speech.clone();
    tokio::spawn(async move { speech.transcribe(spoken()).await })
}

/// A voice between two stretches of comfort noise; half a second each.
fn spoken() -> Vec<i16> {
    let mut phase = 0.0_f32;
    let voice = (0..4000).map(move |n| {
        phase += (120.0 + 0.02 * n as f32) / 8000.0;
        let wave: f32 = (1..=12).map(|h| (std::f32::consts::TAU * phase * h as f32).sin() / h as f32).sum();
        (6000.0 * wave) as i16
    });
    let noise = Signal::ComfortNoise.make(1, 7);
    noise[..4000].iter().copied().chain(voice).chain(noise[4000..].iter().copied()).collect()
}

fn later() -> Instant {
    clock::monotonic() + Duration::from_secs(60)
}

#[tokio::test]
async fn an_answer_comes_with_its_confidence() {
    let (speech, _) = script(&["滿意。"]);
    let heard = speech.answer(spoken(), Expect::Free, later()).await.unwrap();
    assert_eq!(heard.text, "满意。");
    assert!((heard.confidence - (-0.5_f32).exp()).abs() < 1e-6);
    assert_eq!(speech.stats().answered, 1);
}

#[tokio::test]
async fn digits_where_digits_are_expected() {
    let (speech, _) = script(&["幺三八,零零零。"]);
    assert_eq!(speech.answer(spoken(), Expect::Digits, later()).await.unwrap().text, "138000");
    assert_eq!(speech.answer(spoken(), Expect::Free, later()).await.unwrap().text, "138,000。");
}

#[tokio::test]
async fn one_word_is_compared_with_the_answers_that_make_sense() {
    let (speech, _) = script(&["队"]);
    assert_eq!(speech.answer(spoken(), Expect::YesNo, later()).await.unwrap().text, "是");
    assert_eq!(speech.answer(spoken(), Expect::Free, later()).await.unwrap().text, "队");
    let (speech, _) = script(&["不对。"]);
    assert_eq!(speech.answer(spoken(), Expect::YesNo, later()).await.unwrap().text, "不是");
    let (speech, _) = script(&["路灯坏了。"]);
    let heard = speech.answer(spoken(), Expect::YesNo, later()).await.unwrap();
    assert_eq!(heard.text, "路灯坏了。");
    assert!(heard.confidence < 0.4, "asked again: {heard:?}");
}

#[tokio::test]
async fn silence_and_tones_never_reach_the_engine() {
    let (speech, mut requests) = script(&["字"]);
    for signal in [Signal::ComfortNoise, Signal::RingBack, Signal::Hum] {
        assert!(matches!(speech.answer(signal.make(6, 1), Expect::Free, later()).await, Err(SpeechError::NoSpeech)));
        assert_eq!(speech.transcribe(signal.make(6, 1)).await.unwrap(), []);
    }
    assert!(requests.try_recv().is_err(), "the engine was asked");
    assert!(speech.stats().drops[&Rule::NoVoice] >= 4);
}

#[tokio::test]
async fn what_nobody_said_is_dropped_and_counted() {
    let (speech, _) = script(&["字幕由 Amara.org 社群提供"]);
    let answer = speech.answer(spoken(), Expect::Free, later()).await;
    assert!(matches!(answer, Err(SpeechError::NoSpeech)));
    assert_eq!(speech.stats().drops[&Rule::Boilerplate], 1);
}

#[tokio::test]
async fn a_transcript_has_the_times_of_the_channel() {
    let (speech, _) = script(&["甲", "乙"]);
    let channel = [Signal::ComfortNoise.make(3, 1), spoken(), Signal::ComfortNoise.make(3, 2), spoken()].concat();
    let segments = speech.transcribe(channel).await.unwrap();
    let texts: Vec<_> = segments.iter().map(|s| s.text.as_str()).collect();
    assert_eq!(texts, ["甲", "乙"]);
    // The voices begin at 3.5 s and 8 s; each span starts 0.2 s before.
    for (segment, start_ms) in segments.iter().zip([3_300, 7_800]) {
        assert!((segment.start_ms - start_ms).abs() < 60, "{segment:?}");
        assert!((segment.end_ms - segment.start_ms - 1_000).abs() < 90, "{segment:?}");
    }
    assert_eq!(speech.stats().utterances, 2);
}

#[tokio::test]
async fn an_answer_passes_a_finished_call() {
    let (speech, mut requests, leave) = gated(&["第一通", "回答", "第二通"]);
    let first = finish(&speech);
    requests.recv().await.unwrap();
    let second = finish(&speech);
    until_waiting(&speech, (0, 1)).await;
    let answer = ask(&speech);
    until_waiting(&speech, (1, 1)).await;
    drop(leave);
    assert_eq!(first.await.unwrap().unwrap()[0].text, "第一通");
    assert_eq!(answer.await.unwrap().unwrap().text, "回答");
    assert_eq!(second.await.unwrap().unwrap()[0].text, "第二通");
}

#[tokio::test]
async fn a_deadline_ends_the_wait() {
    let (speech, _requests, _leave) = gated(&["迟"]);
    let soon = clock::monotonic() + Duration::from_millis(50);
    assert!(matches!(speech.answer(spoken(), Expect::Free, soon).await, Err(SpeechError::Late)));
    assert_eq!(speech.stats().late, 1);
}

#[tokio::test]
async fn a_full_queue_says_so_at_once_and_takes_again_later() {
    let (speech, mut requests, leave) = gated(&["字"]);
    let first = ask(&speech);
    requests.recv().await.unwrap();
    let waiting: Vec<_> = (0..MOST_ANSWERS).map(|_| ask(&speech)).collect();
    until_waiting(&speech, (MOST_ANSWERS, 0)).await;
    assert!(matches!(speech.answer(spoken(), Expect::Free, later()).await, Err(SpeechError::Busy)));
    assert_eq!(speech.stats().busy, 1);
    drop(leave);
    for answer in waiting.into_iter().chain([first]) {
        assert_eq!(answer.await.unwrap().unwrap().text, "字");
    }
    assert_eq!(ask(&speech).await.unwrap().unwrap().text, "字");
}

#[tokio::test]
async fn shutting_down_tells_those_who_wait() {
    let (speech, mut requests, leave) = gated(&["字"]);
    let in_hand = ask(&speech);
    requests.recv().await.unwrap();
    let waits = ask(&speech);
    until_waiting(&speech, (1, 0)).await;
    speech.shutdown();
    assert!(matches!(waits.await.unwrap(), Err(SpeechError::ShuttingDown)));
    assert!(matches!(speech.answer(spoken(), Expect::Free, later()).await, Err(SpeechError::ShuttingDown)));
    drop(leave);
    assert_eq!(in_hand.await.unwrap().unwrap().text, "字");
}
