//! `minxin call`: a test telephone over the same SIP and audio code as the gateway, that tells what it heard and how well.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use crate::app::phone::{self, Answer, Phone, Step};
use crate::call::stream::Codec;

/// Exit code when the far end did not answer.
const NOT_ANSWERED: u8 = 3;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  minxin call sip:12345@127.0.0.1:5060 --play 9.5:request.wav --dtmf \"20:1\" --record heard.wav\n  \
    minxin call \"sip:12345@127.0.0.1:5060;transport=tcp\" --duration 10 --json\n\n\
    Exit code 3: the far end did not answer."
)]
pub(super) struct Args {
    /// Whom to ring: sip:NUMBER@HOST:PORT, with ;transport=tcp for TCP or ;transport=tls for TLS
    uri: String,
    /// Speak this recording, from the answer on or from a number of seconds after it; may be given several times
    #[arg(long, value_name = "[SECONDS:]WAV")]
    play: Vec<Timed<PathBuf>>,
    /// Press keys at seconds after the answer, as in "2.0:1,6.5:#"; several keys at one time follow each other
    #[arg(long, value_name = "SECONDS:KEYS,...", value_delimiter = ',')]
    dtmf: Vec<Timed<Keys>>,
    /// Write what was heard to this file (8 kHz, mono)
    #[arg(long, value_name = "OUT.wav")]
    record: Option<PathBuf>,
    /// Hang up this many seconds after the answer, if the far end has not done so before
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = positive)]
    duration: f64,
    /// The number we show
    #[arg(long, value_name = "NUMBER", default_value = "13800000001")]
    from: String,
    /// Digest credentials, where the far end asks for them
    #[arg(long, value_name = "USER:PASSWORD", env = "MINXIN_CALL_AUTH", hide_env_values = true)]
    auth: Option<String>,
    /// Authorities that vouch for the far end's TLS certificate, PEM; otherwise those that browsers trust
    #[arg(long, value_name = "FILE.pem")]
    tls_authorities: Option<PathBuf>,
    /// Offer these codecs only, best first: pcma, pcmu, g722, opus
    #[arg(long, value_name = "CODEC,...", value_delimiter = ',', value_parser = codec)]
    codec: Vec<Codec>,
    /// Protect the audio by SRTP; the keys go with the INVITE, so ring by transport=tls where others listen
    #[arg(long)]
    srtp: bool,
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// What the test telephone has to tell, in the order in which it is printed.
#[derive(Debug, Serialize)]
struct Report {
    /// The final status of the INVITE; 408 when nobody answered, 503 when nobody could be reached.
    status: u16,
    /// From INVITE to its final answer.
    setup_ms: Option<f64>,
    /// From our ACK to the first packet of audio.
    first_audio_ms: Option<f64>,
    /// From the answer to the end.
    duration_ms: i64,
    /// Who ended it: `us`, `peer`; null where it never began.
    ended_by: Option<&'static str>,
    codec: Option<&'static str>,
    packets_sent: u64,
    packets_received: u64,
    packets_lost: u64,
    jitter_ms: f64,
    /// Keys heard from the far end.
    digits: String,
}

/// Rings, follows the script, reports.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut steps = Vec::new();
    for Timed { at, what } in &args.play {
        let pcm = phone::read_wav(what).with_context(|| format!("cannot play {}", what.display()))?;
        steps.push((*at, Step::Speak(Arc::new(pcm))));
    }
    for Timed { at, what } in &args.dtmf {
        steps.push((*at, Step::Press(what.0.clone())));
    }
    let credentials = args.auth.as_deref().map(|a| a.split_once(':').context("--auth is USER:PASSWORD")).transpose()?;
    let phone = Phone {
        uri: args.uri,
        from: args.from,
        credentials: credentials.map(|(user, password)| (user.to_owned(), password.to_owned())),
        authorities: args.tls_authorities,
        codecs: args.codec,
        srtp: args.srtp,
        steps,
        live: None,
        record: args.record,
        duration: Duration::from_secs_f64(args.duration),
    };
    let report = match phone.ring().await? {
        Answer::Refused { status, after } => Report {
            status,
            setup_ms: Some(after.as_secs_f64() * 1e3),
            first_audio_ms: None,
            duration_ms: 0,
            ended_by: None,
            codec: None,
            packets_sent: 0,
            packets_received: 0,
            packets_lost: 0,
            jitter_ms: 0.0,
            digits: String::new(),
        },
        Answer::Talked(talk) => Report {
            status: 200,
            setup_ms: Some(talk.setup.as_secs_f64() * 1e3),
            first_audio_ms: talk.first_audio.map(|d| d.as_secs_f64() * 1e3),
            duration_ms: crate::units::millis(talk.duration),
            ended_by: Some(if talk.ended_by_peer { "peer" } else { "us" }),
            codec: Some(talk.codec.name()),
            packets_sent: talk.quality.packets_sent,
            packets_received: talk.quality.packets_received,
            packets_lost: talk.quality.lost,
            jitter_ms: f64::from(talk.quality.jitter_ms),
            digits: talk.digits,
        },
    };
    print(&report, args.json)?;
    Ok(if report.status == 200 { ExitCode::SUCCESS } else { ExitCode::from(NOT_ANSWERED) })
}

fn print(report: &Report, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(report)?);
        return Ok(());
    }
    let millis = |ms: Option<f64>| ms.map_or("-".into(), |ms| format!("{ms:.1} ms"));
    let verdict = match report.status {
        200 => "answered",
        408 => "nobody answered",
        503 => "nobody can take it",
        _ => "refused",
    };
    println!("answer        {} ({verdict}) after {}", report.status, millis(report.setup_ms));
    let Some(ended_by) = report.ended_by else { return Ok(()) };
    println!("first audio   {} after the answer", millis(report.first_audio_ms));
    println!("duration      {:.2} s, ended by {ended_by}", report.duration_ms as f64 / 1e3);
    println!("codec         {}", report.codec.unwrap_or("-"));
    println!(
        "packets       {} sent, {} received, {} lost, jitter {:.2} ms",
        report.packets_sent, report.packets_received, report.packets_lost, report.jitter_ms
    );
    println!("keys heard    {}", if report.digits.is_empty() { "-" } else { &report.digits });
    Ok(())
}

/// Something to do at a time after the answer.
#[derive(Clone, Debug, PartialEq)]
struct Timed<T> {
    at: Duration,
    what: T,
}

/// Keys of a telephone, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Keys(String);

impl FromStr for Keys {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let valid = |c: char| c.is_ascii_digit() || matches!(c, '*' | '#' | 'A'..='D');
        if text.is_empty() || !text.chars().all(valid) {
            return Err(format!("{text:?} are no keys: 0 to 9, * and #, A to D"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Timed<Keys> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (at, keys) = text.split_once(':').ok_or_else(|| format!("{text:?} is not SECONDS:KEYS"))?;
        Ok(Self { at: seconds(at)?, what: keys.parse()? })
    }
}

impl FromStr for Timed<PathBuf> {
    type Err = String;

    /// A file name may hold a colon, so what stands before the first one counts only when it is a number.
    fn from_str(text: &str) -> Result<Self, String> {
        let timed = text.split_once(':').and_then(|(at, path)| Some((seconds(at).ok()?, path)));
        let (at, path) = timed.unwrap_or((Duration::ZERO, text));
        if path.is_empty() {
            return Err("names no file".into());
        }
        Ok(Self { at, what: Path::new(path).to_owned() })
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.trim().parse::<f64>().map_err(|_| format!("{text:?} is no number of seconds"))?;
    Duration::try_from_secs_f64(number).map_err(|_| format!("{text:?} is no time after the answer"))
}

fn codec(text: &str) -> Result<Codec, String> {
    Codec::named(text).ok_or_else(|| format!("{text} is none of pcma, pcmu, g722, opus"))
}

fn positive(text: &str) -> Result<f64, String> {
    seconds(text).map(|d| d.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_read() {
        let check = |text: &str, at: f64, keys: &str| {
            let timed: Timed<Keys> = text.parse().expect("a step");
            assert_eq!(timed, Timed { at: Duration::from_secs_f64(at), what: Keys(keys.into()) });
        };
        check("2.0:1", 2.0, "1");
        check("6.5:#", 6.5, "#");
        check(" 7:10000005#", 7.0, "10000005#");
        for wrong in ["2.0", "x:1", "-1:1", "3:", "3:x", "inf:1"] {
            assert!(wrong.parse::<Timed<Keys>>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn recordings_may_have_a_time() {
        let check = |text: &str, at: u64, path: &str| {
            let timed: Timed<PathBuf> = text.parse().expect("a step");
            assert_eq!(timed, Timed { at: Duration::from_secs(at), what: path.into() });
        };
        check("a.wav", 0, "a.wav");
        check("8:a.wav", 8, "a.wav");
        check("odd:name.wav", 0, "odd:name.wav");
        assert!("8:".parse::<Timed<PathBuf>>().is_err());
    }
}
