//! `minxin export corrections`: what people corrected in transcripts, in the form that `minxin model bench` measures.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, ensure};

use crate::clock::wall;
use crate::store::Database;
use crate::store::corrections::{self, Corrected};
use crate::units::NARROWBAND_HZ;
use crate::web::mask::mask;

/// Who stands in the audit trail: whoever may read the data directory.
const ACTOR: &str = "console";

/// Writes a WAV file for each corrected segment, and `transcripts.tsv`. What holds a telephone number or another number of a
/// person stays out, masked or not: masked it would be no true text, and whole it must not leave.
///
/// # Errors
/// When the folder holds something already, or cannot be written.
pub(super) async fn run(database: &Database, data_dir: &Path, folder: &Path, reason: &str) -> anyhow::Result<()> {
    ensure!(!reason.trim().is_empty(), "say why callers' voices leave the system: --reason");
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let holds = fs::read_dir(folder).with_context(|| folder.display().to_string())?.next().is_some();
    ensure!(!holds, "{} is not empty", folder.display());
    let all = corrections::all(&database.pool).await?;
    let (kept, left): (Vec<_>, Vec<_>) = all.into_iter().partition(|c| mask(&c.text) == c.text);
    for call in kept.iter().map(|c| c.call).collect::<BTreeSet<_>>() {
        corrections::leaving(&database.pool, call, ACTOR, reason, wall()).await?;
    }
    let path = folder.join("transcripts.tsv");
    let mut list = fs::File::create_new(&path).with_context(|| path.display().to_string())?;
    let mut gone = 0;
    for corrected in &kept {
        let file = format!("{}-{}.wav", corrected.call, corrected.segment);
        if let Err(error) = cut(data_dir, corrected, &folder.join(&file)) {
            eprintln!("{file}: {error:#}");
            gone += 1;
            continue;
        }
        // Neither a tab nor a line's end is ever part of what somebody said.
        writeln!(list, "{file}\t{}", corrected.text.split_whitespace().collect::<Vec<_>>().join(" "))?;
    }
    list.sync_all()?;
    println!(
        "{} segments in {}; {} left out for a number in them, {gone} without their recording",
        kept.len() - gone,
        folder.display(),
        left.len()
    );
    Ok(())
}

/// The caller's channel of one segment.
fn cut(data_dir: &Path, corrected: &Corrected, to: &Path) -> anyhow::Result<()> {
    let path = data_dir.join(&corrected.recording_path);
    let mut recording = hound::WavReader::open(&path).with_context(|| path.display().to_string())?;
    let spec = recording.spec();
    ensure!(spec.sample_rate == NARROWBAND_HZ, "{} is not at 8 kHz", path.display());
    let frame = |ms: i64| u32::try_from(ms.max(0) * i64::from(NARROWBAND_HZ) / 1_000).unwrap_or(u32::MAX);
    let (from, until) = (frame(corrected.start_ms).min(recording.duration()), frame(corrected.end_ms));
    recording.seek(from)?;
    let mut out = hound::WavWriter::create(to, hound::WavSpec { channels: 1, ..spec })?;
    let wanted = (until - from.min(until)) as usize;
    for sample in recording.samples::<i16>().step_by(usize::from(spec.channels.max(1))).take(wanted) {
        out.write_sample(sample?)?;
    }
    Ok(out.finalize()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::CallId;

    #[test]
    fn a_segment_is_cut_from_the_callers_channel() {
        let folder = tempfile::tempdir().expect("a folder");
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: NARROWBAND_HZ,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut wav = hound::WavWriter::create(folder.path().join("call.wav"), spec).expect("made");
        for n in 0..80_i16 {
            wav.write_sample(n).expect("left");
            wav.write_sample(-1_i16).expect("right");
        }
        wav.finalize().expect("closed");
        let corrected = Corrected {
            call: CallId::fresh(),
            segment: 1,
            start_ms: 2,
            end_ms: 4,
            text: "路灯".into(),
            recording_path: "call.wav".into(),
        };
        let to = folder.path().join("cut.wav");
        cut(folder.path(), &corrected, &to).expect("cuts");
        let samples: Vec<i16> = hound::WavReader::open(&to).expect("opens").samples().map(Result::unwrap).collect();
        assert_eq!(samples, (16..32).collect::<Vec<i16>>());
        // A segment that ends after the recording is as long as there is sound.
        cut(folder.path(), &Corrected { start_ms: 9, end_ms: 99, ..corrected }, &to).expect("cuts");
        assert_eq!(hound::WavReader::open(&to).expect("opens").duration(), 8);
    }
}
