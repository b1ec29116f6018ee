//! `minxin load`: many test calls at once, and how well they were served.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;

use crate::app::load::{Load, Report, Spread};

/// The audio is that of a call in which somebody is always speaking.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  minxin load sip:12345@127.0.0.1:5060 --calls 500 --cps 100 --pid $(pidof minxin)\n  \
    minxin load sip:12345@127.0.0.1:5060 --calls 5000 --cps 500 --setups --json\n\n\
    Raise max_calls, max_calls_per_source and max_calls_per_second of the gateway first: all calls come from one address.\n\
    Exit code 1: a call failed, or a limit was passed."
)]
pub(super) struct Args {
    /// Whom to ring: sip:NUMBER@HOST:PORT, over UDP
    uri: String,
    /// Calls in all
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    calls: u32,
    /// Calls begun each second
    #[arg(long, value_name = "N", default_value_t = 50.0)]
    cps: f64,
    /// How long each call lasts from its answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 12.0)]
    duration: f64,
    /// Signalling only: hang up as soon as the call is answered, without audio
    #[arg(long)]
    setups: bool,
    /// What the callers say, instead of a made-up voice
    #[arg(long, value_name = "WAV")]
    play: Option<PathBuf>,
    /// The key that each caller presses half-way
    #[arg(long, value_name = "KEY", default_value_t = '1')]
    key: char,
    /// The server's process, to tell what it uses
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// First UDP port for audio; a pair for every 128 calls
    #[arg(long, value_name = "PORT", default_value_t = 21_000)]
    first_port: u16,
    /// Fail when the pacing error's p99.9 is above this
    #[arg(long, value_name = "MS")]
    max_pacing_ms: Option<f64>,
    /// Fail when the set-up time's p99 is above this
    #[arg(long, value_name = "MS")]
    max_setup_ms: Option<f64>,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// Audio ports looked through for free ones.
const PORTS: u16 = 1_000;

/// Rings, and reports.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let duration = Duration::try_from_secs_f64(args.duration).context("--duration is no length of time")?;
    let load = Load {
        peer: peer(&args.uri)?,
        uri: args.uri,
        calls: args.calls as usize,
        per_second: args.cps,
        duration: if args.setups { Duration::ZERO } else { duration },
        audio: !args.setups,
        voice: args.play,
        key: Some(args.key),
        pid: args.pid,
        ports: (args.first_port, args.first_port.saturating_add(PORTS)),
    };
    let report = load.run()?;
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    let above = |value: f64, limit: Option<f64>| limit.is_some_and(|limit| value > limit);
    let passed = report.completed == report.calls
        && !above(report.pacing.p999_ms, args.max_pacing_ms)
        && !above(report.setup.p99_ms, args.max_setup_ms);
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn peer(uri: &str) -> anyhow::Result<SocketAddr> {
    let host = uri.strip_prefix("sip:").context("the address must begin with sip:")?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let with_port =
        if host.parse::<SocketAddr>().is_ok() || host.rsplit_once(':').is_some_and(|(h, _)| !h.ends_with(':')) {
            host.to_owned()
        } else {
            format!("{host}:5060")
        };
    let mut found = with_port.to_socket_addrs().with_context(|| format!("{host} is no host that can be found"))?;
    found.next().with_context(|| format!("{host} has no address"))
}

fn print(report: &Report) {
    println!(
        "calls          {} begun, {} completed, {} at once, {:.1} s",
        report.calls, report.completed, report.most_at_once, report.seconds
    );
    for (why, calls) in &report.failed {
        println!("failed         {calls}: {why}");
    }
    println!("repeated       {} requests", report.retransmissions);
    println!("                    p50      p99    p99.9      max  (ms)");
    let row = |name: &str, spread: &Spread| {
        println!(
            "{name:<14} {:>8.2} {:>8.2} {:>8.2} {:>8.2}",
            spread.p50_ms, spread.p99_ms, spread.p999_ms, spread.max_ms
        );
    };
    row("set-up", &report.setup);
    row("BYE", &report.teardown);
    if report.packets_sent > 0 {
        row("first audio", &report.first_audio);
        row("pacing error", &report.pacing);
        row("own lateness", &report.own_lateness);
        println!(
            "packets        {} received, {} lost on the way here, {} sent, {} lost on the way there",
            report.packets_received,
            report.packets_lost(),
            report.packets_sent,
            report.lost_at_peer
        );
    }
    if let Some(server) = &report.server {
        if report.call_seconds > 0.0 && report.packets_sent > 0 {
            println!("server CPU     {:.3} ms per call and second", server.cpu_ms_per_call_second);
        }
        if let Some(steady) = server.steady_ms_per_call_second {
            println!("               {steady:.3} ms per call and second while all were up");
        }
        println!("               {:.2} ms per call", server.cpu_ms_per_call);
        println!(
            "server memory  {} kB idle, {} kB at most: {:.1} kB per call",
            server.idle_kb, server.peak_kb, server.kb_per_call
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_may_be_left_out() {
        let check = |uri: &str, expected: &str| assert_eq!(peer(uri).expect("found").to_string(), expected, "{uri}");
        check("sip:12345@127.0.0.1:5080", "127.0.0.1:5080");
        check("sip:12345@127.0.0.1", "127.0.0.1:5060");
        check("sip:12345@[::1]:5080", "[::1]:5080");
        assert!(peer("tel:12345").is_err());
    }
}
