use super::*;
use crate::clock;
use crate::speech::{Expect, SpeechConfig};

/// The weights, which `minxin model fetch base` puts there; `MINXIN_MODEL` names another place.
fn model() -> PathBuf {
    let path = std::env::var_os("MINXIN_MODEL")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("models/ggml-base.bin"), PathBuf::from);
    assert!(path.exists(), "{} is missing: get it with `minxin model fetch base`", path.display());
    path
}

/// Share of one-word answers that must be right: 10 of 14 were, Whisper base through A-law. A wrong one is asked again, or
/// keyed; none may be empty.
const LEAST_RIGHT: f64 = 0.64;

/// Ample even on a busy machine: these tests judge the text, not the speed.
const PATIENCE: Duration = Duration::from_secs(120);

fn data(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder)
}

fn speech(threads: usize) -> Speech {
    Speech::start(SpeechConfig { model: model(), threads }).unwrap()
}

/// Real weights on real speech through G.711.
#[tokio::test]
async fn real_speech_is_understood() {
    let report = bench(&speech(1), &data("speech"), true).await.unwrap();
    assert_eq!(report.rows.len(), 2);
    assert!(report.cer <= 0.1, "{report:#?}");
    assert!(report.seconds_per_second > 0.0 && report.rows.iter().all(|r| r.speech <= r.audio));
}

/// Character error rates when they were last measured, and by how much one may rise.
const PROMPTS_CER: f64 = 0.145;
const RECORDINGS_CER: f64 = 0.177;
const RISE: f64 = 0.005;

const GATE: [(&str, &str); 8] = [
    ("case.opened", "您的事情已经登记好了，编号是"),
    ("owner.district.1", "区政务服务中心企业服务窗口"),
    ("owner.district.2", "区政务服务中心社会保障窗口"),
    ("owner.township", "您所在街道、乡的为民服务中心"),
    ("person.none", "现在没有人接听。请您在嘀声后留言，我们会给您回电话。"),
    ("readback.confirm", "对的，请按一，或者说对；不对，请按二，或者说不对。"),
    ("survey.about_service", "想听听您对我们服务的看法。"),
    ("survey.check.ours", "是我们打的，您可以放心。最近一次是"),
];

/// A fixed set that is always here: sentences of our own prompts, each of which is a recording with its text.
#[tokio::test]
async fn no_change_makes_recognition_worse() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let mut list = String::new();
    for (id, text) in GATE {
        let file = format!("{id}.wav");
        std::fs::copy(root.join("prompts/zh-CN").join(&file), folder.path().join(&file)).unwrap();
        list += &format!("{file}\t{text}\n");
    }
    std::fs::write(folder.path().join(TRANSCRIPTS), list).unwrap();
    let report = bench(&speech(1), folder.path(), true).await.unwrap();
    assert_eq!(report.rows.len(), GATE.len());
    assert!(report.cer <= PROMPTS_CER + RISE, "{:.3} {report:#?}", report.cer);
}

/// Real recordings, which lie beside the repository where they may not lie in it.
#[tokio::test]
async fn no_change_makes_real_recordings_worse() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/speech");
    if !folder.join(TRANSCRIPTS).is_file() {
        println!("{} is not here: nothing is measured", folder.display());
        return;
    }
    let report = bench(&speech(1), &folder, true).await.unwrap();
    println!(
        "{:.1} % of characters wrong, {:.3} s of a core for a second of speech",
        report.cer * 100.0,
        report.seconds_per_second
    );
    assert!(report.cer <= RECORDINGS_CER + RISE, "{:.3} {report:#?}", report.cer);
}

#[tokio::test]
async fn the_same_audio_gives_the_same_text() {
    let speech = speech(1);
    // The last word alone, 知道吗: shorter than the second that Whisper needs.
    let (pcm, rate_hz) = read(&data("speech/wenetspeech_net.wav")).unwrap();
    let pcm_8k = telephone::through_g711(&pcm, rate_hz);
    let word = pcm_8k[pcm_8k.len() - 5600..].to_vec();
    let deadline = clock::monotonic() + PATIENCE;
    let first = speech.answer(word.clone(), Expect::Free, deadline).await.unwrap();
    let second = speech.answer(word, Expect::Free, deadline).await.unwrap();
    assert!(!first.text.is_empty() && first.confidence > 0.0, "{first:?}");
    assert_eq!((first.text, first.confidence), (second.text, second.confidence));
}

/// An answer as it was understood.
#[derive(Debug)]
struct Answer {
    said: String,
    heard: Option<String>,
}

impl Answer {
    fn right(&self) -> bool {
        self.heard.as_ref().is_some_and(|heard| understood(&self.said, heard))
    }
}

/// How a recording is changed before the line.
#[derive(Clone, Copy, Debug)]
struct Variant {
    gain_db: f32,
    /// Faster above one, by plain resampling, which moves the pitch too.
    speed: f32,
    /// White noise so far below the word's own level; infinite for none.
    snr_db: f32,
}

const PLAIN: Variant = Variant { gain_db: 0.0, speed: 1.0, snr_db: f32::INFINITY };

fn vary(pcm: &[f32], variant: Variant, seed: u64) -> Vec<f32> {
    let length = (pcm.len() as f32 / variant.speed) as usize;
    let gain = 10_f32.powf(variant.gain_db / 20.0);
    let power = pcm.iter().map(|s| s * s).sum::<f32>() / pcm.len() as f32;
    // Uniform noise has a third of its peak's power.
    let peak = (3.0 * power / 10_f32.powf(variant.snr_db / 10.0)).sqrt();
    let mut random = seed | 1;
    (0..length)
        .map(|n| {
            let place = n as f32 * variant.speed;
            let (at, part) = (place as usize, place.fract());
            let sample = pcm[at] * (1.0 - part) + pcm[(at + 1).min(pcm.len() - 1)] * part;
            // Xorshift, Marsaglia 2003.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let noise = (random >> 40) as f32 / (1 << 23) as f32 - 1.0;
            gain * (sample + peak * noise)
        })
        .collect()
}

/// What a question that this answers expects, and whether `heard` answers it so.
fn understood(said: &str, heard: &str) -> bool {
    match expected(said) {
        Expect::YesNo => crate::flow::yes_or_no(heard) == crate::flow::yes_or_no(said),
        Expect::Digits => Some(heard) == crate::speech::numbers::digits(said).as_deref(),
        Expect::Rating => crate::flow::satisfaction(heard) == crate::flow::satisfaction(said),
        Expect::Free => heard.trim_matches(|c: char| !c.is_alphanumeric()) == said,
    }
}

fn expected(said: &str) -> Expect {
    match said {
        "是" | "不是" | "对" | "不对" => Expect::YesNo,
        "满意" | "不满意" => Expect::Rating,
        _ => Expect::Digits,
    }
}

/// Every `every`th of the recorded answers in each of `variants`.
async fn answers(every: usize, variants: &[Variant]) -> Vec<Answer> {
    let speech = speech(2);
    let folder = data("answers");
    let list = std::fs::read_to_string(folder.join(TRANSCRIPTS)).unwrap();
    let mut all = Vec::new();
    for (seed, line) in list.lines().enumerate().step_by(every) {
        let (file, said) = line.split_once('\t').unwrap();
        let (pcm, rate_hz) = read(&folder.join(file)).unwrap();
        for &variant in variants {
            let pcm_8k = telephone::through_g711(&vary(&pcm, variant, seed as u64 + 1), rate_hz);
            let heard = match speech.answer(pcm_8k, expected(said), clock::monotonic() + PATIENCE).await {
                Ok(heard) => Some(heard.text),
                Err(SpeechError::NoSpeech) => None,
                Err(error) => panic!("{file}: {error}"),
            };
            all.push(Answer { said: said.to_owned(), heard });
        }
    }
    all
}

#[tokio::test]
async fn one_word_is_understood() {
    let all = answers(3, &[PLAIN]).await;
    let right = all.iter().filter(|a| a.right()).count();
    assert!(all.iter().all(|a| a.heard.is_some()), "{all:#?}");
    assert!(right as f64 >= LEAST_RIGHT * all.len() as f64, "{right} of {}: {all:#?}", all.len());
}

#[tokio::test]
#[ignore = "takes minutes; run it after a change to the talkspurt detector or the choices"]
async fn two_hundred_words_and_none_is_empty() {
    let variants = [
        PLAIN,
        Variant { gain_db: -18.0, ..PLAIN },
        Variant { speed: 1.15, ..PLAIN },
        Variant { speed: 0.9, ..PLAIN },
        Variant { snr_db: 20.0, ..PLAIN },
    ];
    let all = answers(1, &variants).await;
    assert_eq!(all.len(), 200);
    let empty: Vec<_> = all.iter().filter(|a| a.heard.is_none()).collect();
    let wrong: Vec<_> = all.iter().filter(|a| !a.right()).collect();
    assert!(empty.is_empty(), "{} empty, {} not right: {wrong:#?}", empty.len(), wrong.len());
}

#[test]
fn reads_wav_of_any_depth() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.wav");
    for (bits_per_sample, sample_format) in
        [(16, hound::SampleFormat::Int), (24, hound::SampleFormat::Int), (32, hound::SampleFormat::Float)]
    {
        let spec = hound::WavSpec { channels: 1, sample_rate: 8000, bits_per_sample, sample_format };
        let mut wav = hound::WavWriter::create(&path, spec).unwrap();
        match sample_format {
            hound::SampleFormat::Int => wav.write_sample(-(1_i32 << (bits_per_sample - 2))).unwrap(),
            hound::SampleFormat::Float => wav.write_sample(-0.5_f32).unwrap(),
        }
        wav.finalize().unwrap();
        assert_eq!(read(&path).unwrap(), (vec![-0.5], 8000));
    }
}

/// From one caption to the next, as calls in progress ask for them.
const CAPTION_EVERY: Duration = Duration::from_millis(600);

/// Speaks `pcm` in real time, asks for captions as a call does, and tells how far behind each tenth of a second of speech its
/// text came.
async fn caption_lags(speech: &Speech, pcm: &[i16]) -> Vec<Duration> {
    let began = clock::monotonic();
    let length = Duration::from_millis(pcm.len() as u64 / 8);
    let (mut shown, mut lags) = (Duration::ZERO, Vec::new());
    while shown < length {
        tokio::time::sleep(CAPTION_EVERY).await;
        let said = (clock::monotonic() - began).min(length);
        match speech.caption(&pcm[..said.as_millis() as usize * 8]).await {
            Ok(_) => {
                let now = clock::monotonic() - began;
                while shown < said {
                    lags.push(now - shown);
                    shown += Duration::from_millis(100);
                }
            }
            Err(SpeechError::Busy) => {}
            Err(error) => panic!("{error}"),
        }
    }
    lags
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures: run it alone, with `cargo test --lib captions_follow -- --ignored --nocapture`"]
async fn captions_follow_speech() {
    let speech = std::sync::Arc::new(speech(2));
    let (pcm, rate_hz) = read(&data("calls").join("request.streetlight.wav")).unwrap();
    let said = std::sync::Arc::new(telephone::through_g711(&pcm, rate_hz));
    for calls in [1, 2, 4] {
        let mut lags = Vec::new();
        for _ in 0..3 {
            let mut all = tokio::task::JoinSet::new();
            for _ in 0..calls {
                let (speech, said) = (speech.clone(), said.clone());
                all.spawn(async move { caption_lags(&speech, &said).await });
            }
            lags.extend(all.join_all().await.into_iter().flatten());
        }
        lags.sort_unstable();
        let at = |share: usize| lags[(lags.len() - 1) * share / 100];
        println!("{calls} calls: p50 {:?}, p95 {:?}, most {:?}", at(50), at(95), at(100));
    }
}
