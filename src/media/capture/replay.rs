//! Runs a captured call again: the same inputs into another leg, and its outputs against those that were kept.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::entry::{Entry, Identity};
use super::pcapng::{self, Packet, PcapngError};
use crate::media::clip::Clip;
use crate::media::codec::{CodecError, Coder};
use crate::media::event::{MediaEvent, PlayId};
use crate::media::g711;
use crate::media::junction::Plug;
use crate::media::leg::{Leg, Outlet};
use crate::media::player::Finished;
use crate::media::quality::CallQuality;
use crate::media::rtcp::NtpTime;
use crate::media::tape::{Block, Shelf, TapeItem};
use crate::units::{FRAME_SAMPLES, NARROWBAND_HZ};

/// Differences that are told one by one; further ones are only counted.
const MAX_TOLD: usize = 20;

/// The format of every recording.
const SPEC: hound::WavSpec = hound::WavSpec {
    channels: 2,
    sample_rate: NARROWBAND_HZ,
    bits_per_sample: 16,
    sample_format: hound::SampleFormat::Int,
};

/// A capture that cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The container is broken.
    #[error("the capture cannot be read")]
    Container(#[from] PcapngError),
    /// A note is not one of ours.
    #[error("note {number} cannot be understood")]
    Note { number: usize, source: serde_json::Error },
    /// The first note does not say who the leg is.
    #[error("the capture does not begin with the opening of a call")]
    NoOpening,
    /// A playback names a sound that was not there before, or whose parts do not fit.
    #[error("note {number} names a sound that the capture does not hold")]
    NoClip { number: usize },
    /// The codec cannot be made again.
    #[error("the call's codec cannot be made")]
    Codec(#[from] CodecError),
    /// The recording cannot be written.
    #[error("the recording cannot be written")]
    Recording(#[from] hound::Error),
}

/// What came of running a capture.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// Who the leg was.
    pub identity: Identity,
    /// Its events, each with the time since the opening at which it came out.
    pub events: Vec<(Duration, String)>,
    /// Datagrams that went in, and that came out.
    pub datagrams: (u64, u64),
    /// How the call sounded.
    pub figures: CallQuality,
    /// SHA-256 over all that came out: datagrams, events, recorded audio.
    pub sha256: [u8; 32],
    /// Outputs that differ from those in the capture, the first ones in words.
    pub differences: Vec<String>,
    /// How many differ.
    pub differing: u64,
    /// Whether the capture goes on to the call's end.
    pub complete: bool,
    /// The recording: caller and us.
    recording: (Vec<i16>, Vec<i16>),
}

impl Replayed {
    /// Writes the recording as the engine would have.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_recording(&self, path: &Path) -> Result<(), ReplayError> {
        let mut writer = hound::WavWriter::create(path, SPEC)?;
        for (left, right) in self.recording.0.iter().zip(&self.recording.1) {
            writer.write_sample(*left)?;
            writer.write_sample(*right)?;
        }
        Ok(writer.finalize()?)
    }

    /// Sample pairs of the recording; none where the call was not recorded.
    pub fn recorded(&self) -> usize {
        self.recording.0.len()
    }
}

/// Runs a capture. `origin` stands for the moment of the opening; any will do.
///
/// # Errors
/// See [`ReplayError`].
pub fn run(file: &[u8], origin: Instant) -> Result<Replayed, ReplayError> {
    let packets = pcapng::read(file)?;
    let mut packets = packets.into_iter().enumerate();
    let opening = packets.next().and_then(|(number, packet)| match packet {
        Packet::Note { text, .. } => Some(note(&text, number)),
        Packet::Datagram { .. } => None,
    });
    let Entry::Open { identity, opened } = opening.ok_or(ReplayError::NoOpening)?? else {
        return Err(ReplayError::NoOpening);
    };
    let mut run = Run::new(identity, opened, origin);
    for (number, packet) in packets {
        match packet {
            Packet::Datagram { at, from, to, inbound: true, payload } => run.datagram(at, from, to, &payload),
            Packet::Datagram { to, payload, .. } => run.compare(Output::Sent { to, payload }),
            Packet::Note { text, .. } => {
                if run.note(note(&text, number)?, number)? {
                    break;
                }
            }
        }
    }
    Ok(run.finish())
}

fn note(text: &[u8], number: usize) -> Result<Entry, ReplayError> {
    serde_json::from_slice(text).map_err(|source| ReplayError::Note { number, source })
}

/// Something that a leg gave out.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Output {
    Sent { to: SocketAddr, payload: Vec<u8> },
    Event(String),
    Finished { id: u64, interrupted: bool },
}

struct Run {
    leg: Leg,
    opened: Duration,
    origin: Instant,
    /// When the last thing happened, since the opening.
    at: Duration,
    clips: Vec<Arc<Clip>>,
    made: Made,
    replayed: Replayed,
}

impl Run {
    fn new(identity: Identity, opened: Duration, origin: Instant) -> Self {
        let replayed = Replayed {
            identity,
            events: Vec::new(),
            datagrams: (0, 0),
            figures: CallQuality::default(),
            sha256: [0; 32],
            differences: Vec::new(),
            differing: 0,
            complete: false,
            recording: (Vec::new(), Vec::new()),
        };
        let leg = Leg::new(origin, NtpTime(identity.ntp), identity.ssrc, identity.random);
        Self { leg, opened, origin, at: Duration::ZERO, clips: Vec::new(), made: Made::default(), replayed }
    }

    fn datagram(&mut self, at: Duration, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        self.settle();
        self.at = at.saturating_sub(self.opened);
        self.replayed.datagrams.0 += 1;
        let now = self.origin + self.at;
        if to.port() == self.replayed.identity.local.port() {
            self.leg.rtp_datagram(payload, from, now, &mut self.made);
        } else {
            self.leg.rtcp_datagram(payload, from, now);
        }
    }

    /// Obeys or compares a note; true where the capture is cut.
    fn note(&mut self, entry: Entry, number: usize) -> Result<bool, ReplayError> {
        match entry {
            Entry::Event { text } => self.compare(Output::Event(text)),
            Entry::Finished { id, interrupted } => self.compare(Output::Finished { id, interrupted }),
            Entry::Clip { pcma, pcmu, levels } => {
                let clip = Entry::clip(&pcma, &pcmu, &levels).ok_or(ReplayError::NoClip { number })?;
                self.clips.push(Arc::new(clip));
            }
            Entry::Cut => return Ok(true),
            order @ (Entry::Open { .. }
            | Entry::Tick { .. }
            | Entry::Connect { .. }
            | Entry::Play { .. }
            | Entry::Stop
            | Entry::Digit { .. }
            | Entry::Record { .. }
            | Entry::Listen { .. }
            | Entry::Finish { .. }) => {
                self.settle();
                self.obey(order, number)?;
            }
        }
        Ok(false)
    }

    fn obey(&mut self, order: Entry, number: usize) -> Result<(), ReplayError> {
        let Self { leg, origin, made, .. } = self;
        match order {
            Entry::Tick { due, now } => {
                self.at = now;
                leg.tick(*origin + due, *origin + now, made);
            }
            Entry::Connect { at, stream } => {
                let coder = Coder::new(&stream)?;
                leg.connect(stream, coder, *origin + at);
            }
            Entry::Play { id, clips } => {
                let clips = clips.iter().map(|clip| self.clips.get(*clip).cloned()).collect::<Option<Vec<_>>>();
                let clips = clips.ok_or(ReplayError::NoClip { number })?;
                leg.sender().player.play(PlayId(id), clips).into_iter().for_each(|before| made.finished(before));
            }
            Entry::Stop => leg.sender().player.stop().into_iter().for_each(|before| made.finished(before)),
            Entry::Digit { key, held } => {
                leg.sender().digits.send(key, held);
            }
            Entry::Record { recording, origin_ns, at } => {
                let span = Duration::from_nanos(origin_ns.unsigned_abs());
                let begins = if origin_ns < 0 { origin.checked_sub(span) } else { origin.checked_add(span) };
                leg.record(recording, begins.unwrap_or(*origin), *origin + at, made);
            }
            Entry::Listen { on } => leg.listen(on, made),
            Entry::Finish { at } => {
                self.at = at;
                self.replayed.complete |= leg.finish(*origin + at, made);
            }
            // Compared or ended with before it comes here; a second opening changes nothing.
            Entry::Event { .. } | Entry::Finished { .. } | Entry::Clip { .. } | Entry::Cut | Entry::Open { .. } => {}
        }
        Ok(())
    }

    /// Holds a kept output against the next one that was made.
    fn compare(&mut self, kept: Output) {
        match self.made.outputs.pop_front() {
            Some(made) => {
                if made != kept {
                    self.differ(format!("{made:?} instead of {kept:?}"));
                }
                self.count(made);
            }
            None => self.differ(format!("nothing instead of {kept:?}")),
        }
    }

    /// Before the next input: what was made and not kept.
    fn settle(&mut self) {
        while let Some(made) = self.made.outputs.pop_front() {
            self.differ(format!("{made:?} instead of nothing"));
            self.count(made);
        }
    }

    fn differ(&mut self, difference: String) {
        self.replayed.differing += 1;
        if self.replayed.differences.len() < MAX_TOLD {
            self.replayed.differences.push(format!("at {:.3} s: {difference}", self.at.as_secs_f64()));
        }
    }

    fn count(&mut self, made: Output) {
        match made {
            Output::Sent { to, payload } => {
                self.replayed.datagrams.1 += 1;
                self.made.hash.update(to.to_string());
                self.made.hash.update(payload);
            }
            Output::Event(text) => {
                self.made.hash.update(&text);
                self.replayed.events.push((self.at, text));
            }
            Output::Finished { id, interrupted } => {
                let text = format!("PlaybackDone {{ id: {id}, interrupted: {interrupted} }}");
                self.made.hash.update(&text);
                self.replayed.events.push((self.at, text));
            }
        }
    }

    fn finish(mut self) -> Replayed {
        if self.replayed.complete {
            self.settle();
        }
        let Made { hash, left, right, .. } = self.made;
        self.replayed.figures = self.leg.figures();
        self.replayed.sha256 = hash.finalize().into();
        self.replayed.recording = (left, right);
        self.replayed
    }
}

/// What the leg has given out since the last comparison, and its recording.
#[derive(Default)]
struct Made {
    outputs: VecDeque<Output>,
    hash: Sha256,
    left: Vec<i16>,
    right: Vec<i16>,
}

impl Made {
    fn fill(&mut self, until: u64) {
        let until = usize::try_from(until).unwrap_or(usize::MAX).max(self.left.len());
        self.left.resize(until, 0);
        self.right.resize(until, 0);
    }
}

impl Shelf for Made {
    fn take(&mut self) -> Option<Box<Block>> {
        Some(Block::empty())
    }

    fn give(&mut self, item: TapeItem) -> bool {
        match item {
            TapeItem::Block(block) => {
                self.fill(block.start);
                let (mut left, mut right) = (vec![0; block.len], vec![0; block.len]);
                g711::decode(block.law, &block.left[..block.len], &mut left);
                g711::decode(block.law, &block.right[..block.len], &mut right);
                self.hash.update(&block.left[..block.len]);
                self.hash.update(&block.right[..block.len]);
                self.left.extend(left);
                self.right.extend(right);
            }
            TapeItem::End { samples, .. } => self.fill(samples),
        }
        true
    }
}

impl Outlet for Made {
    fn rtp(&mut self, datagram: &[u8], to: SocketAddr) -> bool {
        self.outputs.push_back(Output::Sent { to, payload: datagram.to_vec() });
        true
    }

    fn rtcp(&mut self, datagram: &[u8], to: SocketAddr) {
        self.outputs.push_back(Output::Sent { to, payload: datagram.to_vec() });
    }

    fn event(&mut self, event: MediaEvent) {
        self.outputs.push_back(Output::Event(format!("{event:?}")));
    }

    fn finished(&mut self, finished: Finished) {
        self.outputs.push_back(Output::Finished { id: finished.id.0, interrupted: finished.interrupted });
    }

    fn unplugged(&mut self, _: Plug) {}

    fn heard(&mut self, _: i64, _: &[i16; FRAME_SAMPLES]) -> bool {
        true
    }
}
