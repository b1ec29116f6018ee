//! Who stops a prompt: the caller, not our echo.
//!
//! Prompts come back by an echo path after 20 to 200 ms, through a telephone's filters and A-law, on a line with noise at
//! -60 dBov. Each is the first of its call, so that the echo path is not known before.

use rand::RngExt;

use super::*;
use crate::media::jitter::CELL;
use crate::media::vad::{Activity, SILENT, Vad, level};

/// Cells for which speech goes on, after its report, until it stops a prompt: `call::BARGE_IN` less the detector's 60 ms.
const SUSTAINED: usize = 19;

/// Cells in which speech was reported, and in which it would have stopped the prompt; where the caller begins.
struct Heard {
    reports: Vec<usize>,
    stops: Vec<usize>,
    onset: Option<usize>,
}

/// Plays a prompt against its echo, and against a caller: his voice, active level in dBov and first cell.
fn play(case: usize, seed: u64, prompt: &[i16], echo_db: f32, caller: Option<(&[i16], f32, usize)>) -> Heard {
    let mut rng = seeded(seed, case);
    let delay = rng.random_range(160..=1_600);
    let gain = 10f32.powf(echo_db / 20.0);
    let sent: Vec<f32> = prompt.iter().map(|sample| f32::from(*sample) * gain).collect();
    let echo = telephone(&delayed(&sent, delay));
    let hiss = noise(Noise::White, -60.0, sent.len() + 8_000, &[], &mut rng);
    let said =
        caller.map_or(Vec::new(), |(voice, dbov, from)| telephone(&delayed(&levelled(voice, dbov), from * CELL)));
    let onset =
        labels(&said, 15.0).windows(5).position(|cells| cells[0] && cells.iter().filter(|on| **on).count() >= 4);
    let heard = line(&[&echo, &hiss, &said]);
    let levels: Vec<f32> = prompt.chunks(160).map(level).collect();
    let mut vad = Vad::default();
    let (mut reports, mut stops, mut since) = (Vec::new(), Vec::new(), None);
    for (n, cell) in heard.as_chunks::<CELL>().0.iter().enumerate() {
        vad.sent(levels.get(n / 2).copied().unwrap_or(SILENT));
        match vad.heard(cell) {
            Some(Activity::Started { .. }) => {
                reports.push(n);
                since = Some(n);
            }
            Some(Activity::Ended { .. }) => since = None,
            None => {}
        }
        if since.is_some_and(|since| n == since + SUSTAINED) {
            stops.push(n);
        }
    }
    Heard { reports, stops, onset: onset.filter(|_| caller.is_some()) }
}

/// Prompts that were stopped by their own echo, of how many.
fn echo_alone(echo_db: f32, times: usize) -> (usize, usize) {
    let prompts = prompts();
    let cases = (0..times).flat_map(|_| &prompts).enumerate();
    let stopped = cases.filter(|(case, prompt)| !play(*case, 15, prompt, echo_db, None).stops.is_empty()).count();
    println!("| {echo_db} dB | {} | {stopped} |", times * prompts.len());
    (stopped, times * prompts.len())
}

/// Report of a caller p95 and stop p95, both in ms from his first sound, and callers not heard in per cent.
fn caller(echo_db: f32, dbov: f32, times: usize) -> (f32, f32, f32) {
    let (prompts, voices) = (prompts(), people());
    let (mut reports, mut stops, mut missed, mut cases) = (Vec::new(), Vec::new(), 0, 0);
    for (case, prompt) in (0..times).flat_map(|_| &prompts).enumerate() {
        let (_, voice) = &voices[case % voices.len()];
        let heard = play(case, 77, prompt, echo_db, Some((voice, dbov, 60 + case * 7 % 60)));
        // The prompt must last until it could be stopped.
        let Some(onset) = heard.onset.filter(|onset| prompt.len() / CELL >= onset + 40) else { continue };
        cases += 1;
        // A loud caller on a quiet line is heard before his label begins.
        let first = |cells: &[usize]| cells.iter().copied().find(|n| n + 20 >= onset);
        let after = |cells| first(cells).map(|n| (n + 1).saturating_sub(onset) as f32 * 10.0);
        missed += usize::from(after(&heard.reports).is_none());
        reports.extend(after(&heard.reports));
        stops.extend(after(&heard.stops));
    }
    let missed = 100.0 * missed as f32 / cases as f32;
    let (p50, p95) = (quantile(&mut reports, 0.5), quantile(&mut reports, 0.95));
    let (stop50, stop95) = (quantile(&mut stops, 0.5), quantile(&mut stops, 0.95));
    println!(
        "| {echo_db} dB | {dbov} dBov | {cases} | {p50:.0} / {p95:.0} ms | {stop50:.0} / {stop95:.0} ms | {missed:.1} % |"
    );
    (p95, stop95, missed)
}

#[test]
fn our_echo_does_not_stop_a_prompt_and_a_caller_does() {
    println!("| echo | prompts | stopped by their echo |\n|---|---|---|");
    assert_eq!(echo_alone(-15.0, 1).0, 0);
    println!("| echo | caller | cases | report p50 / p95 | stop p50 / p95 | not heard |\n|---|---|---|---|---|---|");
    let (report, stop, missed) = caller(-15.0, -20.0, 1);
    assert!(report <= 90.0 && stop <= 300.0 && missed == 0.0, "{report} ms, {stop} ms, {missed} %");
}

#[test]
#[ignore = "half a minute: every prompt many times over"]
fn our_echo_does_not_stop_a_prompt_and_a_caller_does_at_length() {
    println!("| echo | prompts | stopped by their echo |\n|---|---|---|");
    for echo_db in [-10.0, -15.0, -20.0, -30.0] {
        let (stopped, prompts) = echo_alone(echo_db, 5);
        assert!(stopped * 100 <= prompts, "{echo_db} dB: {stopped} of {prompts}");
    }
    println!("| echo | caller | cases | report p50 / p95 | stop p50 / p95 | not heard |\n|---|---|---|---|---|---|");
    for echo_db in [-15.0, -30.0] {
        for dbov in [-16.0, -20.0, -25.0, -30.0] {
            let (_, _, missed) = caller(echo_db, dbov, 3);
            assert!(missed < 1.0 || dbov <= -25.0 && echo_db > -20.0, "{echo_db} dB, {dbov} dBov: {missed} %");
        }
    }
}
