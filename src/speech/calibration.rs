//! Measures how answers are understood, and fits when they are believed. By hand: the set takes minutes to recognise, and
//! `make -C prompts/render answers` an hour to make.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::bench::telephone;
use super::choice::{Belief, Evidence, FEATURES};
use super::recogniser::Engine;
use super::talkspurt::talkspurts;
use super::transcriber::{self, Text};
use super::utterance::utterances;
use super::whisper::Whisper;
use super::{Expect, numbers};
use crate::directory::requests;
use crate::flow::{is_phone, satisfaction, yes_or_no};

/// Free text less sure than this is asked again by flows and questionnaires.
const LEAST_CONFIDENCE: f32 = 0.4;

/// Most accepted errors on the half that is fitted, as a share of all utterances: below the goal of one in fifty, since the
/// other half is new.
const MOST_ERRORS: f32 = 0.012;

/// The same for digits, where whole numbers, whose errors no threshold of single digits reaches, are counted too.
const MOST_DIGIT_ERRORS: f32 = 0.03;

/// One recording, and what was made of it.
struct Answer {
    test: bool,
    kind: &'static str,
    condition: String,
    words: String,
    /// What is meant, as it is handed on; `None` for what answers nothing.
    meant: Option<String>,
    /// What is understood where no verdict is believed.
    otherwise: Option<String>,
    free: String,
    /// The likeliest verdict with what speaks for it, for each stretch of speech.
    verdicts: Vec<(&'static str, Evidence)>,
}

fn cache(set: &str) -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    std::env::var_os("MINXIN_SETS").map_or_else(|| home.join(".cache/minxin-prompts"), PathBuf::from).join(set)
}

fn read(path: &Path) -> Vec<i16> {
    let mut wav = hound::WavReader::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let rate_hz = wav.spec().sample_rate;
    let pcm: Vec<f32> = wav.samples::<i16>().map(|s| f32::from(s.unwrap()) / 32_768.0).collect();
    telephone::through_g711(&pcm, rate_hz)
}

/// The kinds that are answered by one of a few choices.
fn kind(name: &str) -> Option<(&'static str, Expect)> {
    [("yes_no", Expect::YesNo), ("rating", Expect::Rating), ("digits", Expect::Digits)]
        .into_iter()
        .find(|k| k.0 == name)
}

fn meant(kind: &str, value: &str) -> Option<String> {
    let text = match (kind, value) {
        (_, "-") => return None,
        ("yes_no", "yes") => "是",
        ("yes_no", _) => "不是",
        ("rating", level) => ["非常不满意", "不满意", "一般", "满意", "非常满意"][level.parse::<usize>().unwrap() - 1],
        (_, digits) => digits,
    };
    Some(text.to_owned())
}

/// What flows and questionnaires make of free text.
fn understood(expect: Expect, text: &Text) -> Option<String> {
    if text.confidence < LEAST_CONFIDENCE {
        return None;
    }
    match expect {
        Expect::YesNo => yes_or_no(&text.text).map(|yes| if yes { "是" } else { "不是" }.to_owned()),
        Expect::Rating => satisfaction(&text.text)
            .map(|level| ["非常不满意", "不满意", "一般", "满意", "非常满意"][usize::from(level) - 1].to_owned()),
        Expect::Digits => numbers::digits(&text.text)
            .filter(|digits| numbers::alone(&text.text) && (digits.len() < 7 || is_phone(digits))),
        Expect::Free => Some(text.text.clone()),
    }
}

/// One recording of a set that is recognised freely: whether it is of the half for figures, what is meant, what was heard.
struct Free {
    test: bool,
    meant: String,
    words: String,
    heard: String,
}

/// A few ratings of the half for figures, with noise, as the product understands them.
#[test]
fn ratings_are_understood_in_noise() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/spoken/rating");
    let list = std::fs::read_to_string(folder.join("labels.tsv")).unwrap();
    let mut recogniser = whisper().recogniser().unwrap();
    let mut lost = Vec::new();
    for row in list.lines().map(|l| l.split('\t').collect::<Vec<_>>()) {
        let pcm = read(&folder.join(row[0]));
        let spans = utterances(&pcm, &talkspurts(&pcm).speech);
        let texts = spans.into_iter().filter_map(|span| {
            transcriber::transcribe(recogniser.as_mut(), &pcm[span], Expect::Rating, &mut |_| ()).unwrap()
        });
        let answer = transcriber::join(texts.collect()).and_then(|text| understood(Expect::Rating, &text));
        if answer != meant("rating", row[3]) {
            lost.push((row[4].to_owned(), row[5].to_owned(), answer));
        }
    }
    assert!(lost.len() <= 1, "{lost:#?}");
}

/// Every recording of a set, by free recognition, on two threads.
fn recognise_freely(set: &str) -> Vec<Free> {
    let folder = cache(set);
    let list = std::fs::read_to_string(folder.join("labels.tsv")).unwrap();
    let rows: Vec<Vec<&str>> = list.lines().map(|l| l.split('\t').collect()).collect();
    let whisper = whisper();
    let (next, all) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut recogniser = whisper.recogniser().unwrap();
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let pcm = read(&folder.join(row[0]));
                    let mut heard = String::new();
                    for span in utterances(&pcm, &talkspurts(&pcm).speech) {
                        let (text, _) =
                            transcriber::hear(recogniser.as_mut(), &pcm[span], Expect::Free, &mut |_| ()).unwrap();
                        heard.push_str(&text.map(|t| t.text).unwrap_or_default());
                    }
                    let [meant, words] = [row[3], row[4]].map(str::to_owned);
                    all.lock().unwrap().push(Free { test: row[1] == "t", meant, words, heard });
                }
            });
        }
    });
    all.into_inner().unwrap()
}

#[test]
#[ignore = "needs the set of names in the cache, and minutes"]
fn names_of_the_district_are_found() {
    let all = recognise_freely("names");
    let district = requests::district();
    for test in [false, true] {
        for kind in ["village", "person", "item"] {
            let mut ranks = [0; 4];
            for row in all.iter().filter(|row| row.test == test) {
                let Some(name) = row.meant.strip_prefix(kind).and_then(|rest| rest.strip_prefix(':')) else { continue };
                let nearest: Vec<&str> = match kind {
                    "village" => district.nearest_villages(&row.heard, 3).into_iter().map(|n| n.1).collect(),
                    "person" => district.nearest_persons(&row.heard, 3).into_iter().map(|n| n.1).collect(),
                    _ => district.nearest_items(&row.heard, 3).into_iter().map(|n| n.1).collect(),
                };
                let rank = nearest.iter().position(|n| name.starts_with(n)).unwrap_or(3);
                ranks[rank] += 1;
                if rank > 0 {
                    println!(
                        "{} {}: {} heard {}, near {nearest:?}",
                        if test { "t" } else { "c" },
                        row.words,
                        name,
                        row.heard
                    );
                }
            }
            println!("{}: {kind}: first, second, third, none: {ranks:?}", if test { "other half" } else { "half c" });
        }
    }
}

#[test]
#[ignore = "needs the set of requests in the cache, and minutes"]
fn spoken_requests_find_their_window() {
    let district = requests::district();
    let all = recognise_freely("requests");
    for test in [false, true] {
        let of_half: Vec<_> = all.iter().filter(|row| row.test == test).collect();
        let found = |words: &str| district.match_windows(words).first().map(|c| c.key.to_string());
        let right = of_half.iter().filter(|row| found(&row.heard).as_ref() == Some(&row.meant)).count();
        println!("{}: {right} of {}", if test { "other half" } else { "half c" }, of_half.len());
        for row in of_half.iter().filter(|row| found(&row.heard).as_ref() != Some(&row.meant)) {
            println!("  {} {}: heard {}, found {:?}", row.meant, row.words, row.heard, found(&row.heard));
        }
    }
}

fn whisper() -> Whisper {
    let model = std::env::var_os("MINXIN_MODEL")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("models/ggml-base.bin"), PathBuf::from);
    Whisper::load(&model).unwrap()
}

fn recognise_all() -> Vec<Answer> {
    let folder = cache("answers");
    let list = std::fs::read_to_string(folder.join("labels.tsv")).unwrap();
    let rows: Vec<Vec<&str>> =
        list.lines().map(|l| l.split('\t').collect::<Vec<_>>()).filter(|r| kind(r[2]).is_some()).collect();
    let whisper = whisper();
    let (next, all) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut recogniser = whisper.recogniser().unwrap();
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (kind, expect) = kind(row[2]).unwrap();
                    let pcm = read(&folder.join(row[0]));
                    let mut answer = Answer {
                        test: row[1] == "t",
                        kind,
                        condition: row[5].to_owned(),
                        words: row[4].to_owned(),
                        meant: meant(kind, row[3]),
                        otherwise: None,
                        free: String::new(),
                        verdicts: Vec::new(),
                    };
                    let mut texts = Vec::new();
                    for span in utterances(&pcm, &talkspurts(&pcm).speech) {
                        let (text, evidence) =
                            transcriber::hear(recogniser.as_mut(), &pcm[span], expect, &mut |_| ()).unwrap();
                        let judged = evidence.is_some();
                        answer.verdicts.extend(
                            evidence.and_then(|(choices, e)| choices.verdict(&e).map(|verdict| (verdict.text, e))),
                        );
                        texts.extend(text.filter(|_| !judged));
                    }
                    if let Some(text) = transcriber::join(texts) {
                        answer.free.clone_from(&text.text);
                        answer.otherwise = understood(expect, &text);
                    }
                    all.lock().unwrap().push(answer);
                }
            });
        }
    });
    all.into_inner().unwrap()
}

/// Logistic regression by gradient descent, with a little weight decay. Rows of features, and whether each is right.
fn fit(rows: &[([f32; FEATURES], bool)]) -> [f32; FEATURES] {
    let mut weights = [0.0_f32; FEATURES];
    for _ in 0..20_000 {
        let mut slope = [0.0_f32; FEATURES];
        for (x, right) in rows {
            let error = likely(x, &weights) - f32::from(u8::from(*right));
            slope.iter_mut().zip(x).for_each(|(s, x)| *s += error * x / rows.len() as f32);
        }
        weights.iter_mut().zip(slope).for_each(|(w, s)| *w -= 0.5 * (s + 0.002 * *w));
    }
    weights
}

fn likely(x: &[f32; FEATURES], weights: &[f32; FEATURES]) -> f32 {
    1.0 / (1.0 + (-x.iter().zip(weights).map(|(x, w)| x * w).sum::<f32>()).exp())
}

impl Answer {
    /// What is understood with this belief: the verdicts believed where they agree, else what free text says.
    fn understood(&self, belief: &Belief) -> Option<String> {
        let believed: Vec<_> =
            self.verdicts.iter().filter(|(_, e)| likely(&e.features(), &belief.weights) >= belief.from).collect();
        match believed.split_first() {
            Some((first, rest)) => rest.iter().all(|v| v.0 == first.0).then(|| first.0.to_owned()),
            None => self.otherwise.clone(),
        }
    }
}

/// Shares of `answers`: right, accepted though wrong, number.
fn figures<'a>(answers: impl Iterator<Item = &'a Answer>, belief: &Belief) -> (f32, f32, usize) {
    let (mut right, mut wrong, mut count) = (0.0, 0.0, 0);
    for answer in answers {
        let understood = answer.understood(belief);
        count += 1;
        right += if understood == answer.meant { 1.0 } else { 0.0 };
        wrong += if understood.is_some() && understood != answer.meant { 1.0 } else { 0.0 };
    }
    (right / count as f32, wrong / count as f32, count)
}

#[test]
#[ignore = "needs the set of answers in the cache, and minutes"]
fn answers_are_calibrated() {
    let all = recognise_all();
    for kind in ["yes_no", "rating", "digits"] {
        let of = |test: bool| all.iter().filter(move |a| a.test == test && a.kind == kind);
        let rows: Vec<_> = of(false)
            .flat_map(|a| a.verdicts.iter().map(|(text, e)| (e.features(), a.meant.as_deref() == Some(*text))))
            .collect();
        let weights = fit(&rows);
        let belief = (50..100)
            .map(|percent| Belief { weights, from: percent as f32 / 100.0 })
            .find(|belief| {
                figures(of(false), belief).1 <= if kind == "digits" { MOST_DIGIT_ERRORS } else { MOST_ERRORS }
            })
            .unwrap_or(Belief { weights, from: 0.99 });
        println!("{kind}: {belief:?}");
        for percent in (40..100).step_by(5) {
            let belief = Belief { weights, from: percent as f32 / 100.0 };
            println!("  from {percent} %: {:?}", figures(of(false), &belief));
        }
        println!("  fitted half {:?}", figures(of(false), &belief));
        println!("  other half  {:?}", figures(of(true), &belief));
        for condition in ["clean40", "car20", "car10", "babble20", "babble10", "sound"] {
            println!("    {condition}: {:?}", figures(of(true).filter(|a| a.condition == condition), &belief));
        }
        println!("    answers: {:?}", figures(of(true).filter(|a| a.meant.is_some()), &belief));
        println!("    no answers: {:?}", figures(of(true).filter(|a| a.meant.is_none()), &belief));
        for answer in of(true) {
            let understood = answer.understood(&belief);
            if understood != answer.meant {
                println!(
                    "    {} {}: {understood:?} {:?} {}",
                    answer.words, answer.condition, answer.verdicts, answer.free
                );
            }
        }
    }
}
