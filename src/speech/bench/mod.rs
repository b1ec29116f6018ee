//! Measures recognition on a folder of recordings, so that an owner can choose a model and a change can be judged.

pub mod cer;
pub mod telephone;

use std::path::{Path, PathBuf};
use std::time::Duration;

use self::cer::Errors;
use super::{Speech, SpeechError};

/// The list in a folder: file, tab, reference text.
const TRANSCRIPTS: &str = "transcripts.tsv";

/// Why a folder cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("cannot read {}", path.display())]
    List { path: PathBuf, source: std::io::Error },
    #[error("{}:{line}: not `file`, tab, `text`", path.display())]
    Line { path: PathBuf, line: usize },
    #[error("cannot read {}", path.display())]
    Wav { path: PathBuf, source: hound::Error },
    #[error("{} has {channels} channels; one is needed", path.display())]
    Channels { path: PathBuf, channels: u16 },
    #[error("cannot recognise {}", path.display())]
    Speech { path: PathBuf, source: SpeechError },
}

/// One recording.
#[derive(Clone, Debug)]
pub struct Row {
    pub file: String,
    pub reference: String,
    pub heard: String,
    pub errors: Errors,
    pub audio: Duration,
    /// Of it, what was found to be speech and given to the recogniser.
    pub speech: Duration,
    /// Processor time of the recogniser.
    pub work: Duration,
}

/// A folder.
#[derive(Clone, Debug)]
pub struct Report {
    pub rows: Vec<Row>,
    /// Character errors over the whole folder; see [`Errors::between`] for what counts.
    pub cer: f64,
    /// Seconds of one core for a second of speech; silence costs nothing.
    pub seconds_per_second: f64,
}

/// Recognises every recording of `folder`, one after the other, as the channel of a finished call; through A-law at 8 kHz
/// first where `g711` says so, and at 8 kHz in any case.
///
/// # Errors
/// When the list or a recording cannot be read, or recognition fails.
pub async fn bench(speech: &Speech, folder: &Path, g711: bool) -> Result<Report, BenchError> {
    let path = folder.join(TRANSCRIPTS);
    let list = std::fs::read_to_string(&path).map_err(|source| BenchError::List { path: path.clone(), source })?;
    let mut rows = Vec::new();
    for (i, line) in list.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (file, reference) =
            line.split_once('\t').ok_or_else(|| BenchError::Line { path: path.clone(), line: i + 1 })?;
        rows.push(row(speech, folder, file.trim(), reference.trim(), g711).await?);
    }
    let sum = |of: fn(&Row) -> Duration| rows.iter().map(of).sum::<Duration>().as_secs_f64();
    let seconds_per_second = sum(|r| r.work) / sum(|r| r.speech).max(f64::EPSILON);
    let cer = rows.iter().map(|r| r.errors).sum::<Errors>().rate();
    Ok(Report { rows, cer, seconds_per_second })
}

async fn row(speech: &Speech, folder: &Path, file: &str, reference: &str, g711: bool) -> Result<Row, BenchError> {
    let path = folder.join(file);
    let (pcm, rate_hz) = read(&path)?;
    let pcm_8k = if g711 { telephone::through_g711(&pcm, rate_hz) } else { telephone::narrowband(&pcm, rate_hz) };
    let audio = Duration::from_secs_f64(pcm.len() as f64 / f64::from(rate_hz));
    let before = speech.stats();
    let segments = speech.transcribe(pcm_8k).await.map_err(|source| BenchError::Speech { path, source })?;
    let after = speech.stats();
    let (spoken, work) = (after.audio - before.audio, after.work - before.work);
    let heard: String = segments.into_iter().map(|s| s.text).collect();
    let errors = Errors::between(reference, &heard);
    Ok(Row { file: file.to_owned(), reference: reference.to_owned(), heard, errors, audio, speech: spoken, work })
}

/// The samples of a WAV file with one channel, full scale at one, and their rate.
fn read(path: &Path) -> Result<(Vec<f32>, u32), BenchError> {
    let at = |source| BenchError::Wav { path: path.to_owned(), source };
    let mut wav = hound::WavReader::open(path).map_err(at)?;
    let spec = wav.spec();
    if spec.channels != 1 {
        return Err(BenchError::Channels { path: path.to_owned(), channels: spec.channels });
    }
    let pcm = match spec.sample_format {
        hound::SampleFormat::Float => wav.samples::<f32>().collect::<Result<_, _>>(),
        hound::SampleFormat::Int => {
            let full_scale = (1_i64 << (spec.bits_per_sample - 1)) as f32;
            wav.samples::<i32>().map(|s| s.map(|s| s as f32 / full_scale)).collect()
        }
    };
    Ok((pcm.map_err(at)?, spec.sample_rate))
}

#[cfg(test)]
mod tests;
