//! A test telephone: rings, speaks and presses by a script, records what it hears, and tells how it went.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::mpsc;
use tokio::time::{Instant as TokioInstant, sleep_until};

use crate::call::stream::Codec;
use crate::clock::monotonic;
use crate::ids::CallId;
use crate::media::{CallQuality, Clip, Engine, MediaConfig, MediaEvent, MediaSession, PlayId, Recording, wav};
use crate::sip::{self, Dialog, DialogEvent, Endpoint, IncomingCall, Login, OutgoingCall, SipConfig, SipError};

/// How long it may ring.
const RING_LIMIT: Duration = Duration::from_secs(30);

/// How long a key is held (RFC 4733 has no word on it; telephones hold at least 40 ms, people about 100 ms).
const KEY_HELD: Duration = Duration::from_millis(100);

/// How long it rings before it is answered.
const RINGS: Duration = Duration::from_secs(1);

/// Ports for its one call; several telephones on one machine find their own among them.
const PORTS: (u16, u16) = (40_000, 59_999);

/// What to do in a call.
#[derive(Clone, Debug)]
pub enum Step {
    /// Speak these samples (8 kHz), instead of what is being spoken.
    Speak(Arc<Vec<i16>>),
    /// Press these keys, one after the other.
    Press(String),
}

/// A telephone with a script.
#[derive(Debug)]
pub struct Phone {
    /// Whom to ring.
    pub uri: String,
    /// The number we show.
    pub from: String,
    /// User and password, where the far end asks.
    pub credentials: Option<(String, String)>,
    /// A PEM file with the authorities that vouch for the far end's certificate; `None` for those that browsers trust.
    pub authorities: Option<PathBuf>,
    /// What we offer to speak, best first; empty for all that we can.
    pub codecs: Vec<Codec>,
    /// Whether the audio is protected by SRTP.
    pub srtp: bool,
    /// What to do how long after the answer.
    pub steps: Vec<(Duration, Step)>,
    /// What somebody decides while the call lasts.
    pub live: Option<mpsc::Receiver<Step>>,
    /// Where to write what was heard.
    pub record: Option<PathBuf>,
    /// How long to stay.
    pub duration: Duration,
}

/// What became of the call.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It was refused.
    Refused {
        /// The final status; 408 when nobody answered, 503 when nobody could be reached (RFC 3261 §8.1.3.1).
        status: u16,
        /// When it came, after the INVITE.
        after: Duration,
    },
    /// It was answered.
    Talked(Box<Talk>),
}

/// An answered call, in figures.
#[derive(Clone, Debug)]
pub struct Talk {
    /// From the INVITE to its answer.
    pub setup: Duration,
    /// From the answer to the first packet heard.
    pub first_audio: Option<Duration>,
    /// From the answer to the end.
    pub duration: Duration,
    /// Whether the far end hung up.
    pub ended_by_peer: bool,
    /// The codec agreed on.
    pub codec: Codec,
    /// The engine's figures.
    pub quality: CallQuality,
    /// Keys heard.
    pub digits: String,
}

/// The samples of a sound file at 8 kHz.
///
/// # Errors
/// When it cannot be read; names the file.
pub fn read_wav(path: &Path) -> anyhow::Result<Vec<i16>> {
    Ok(wav::read_mono_8k(path)?)
}

impl Phone {
    /// A telephone that rings `uri` and stays silent for `duration`, offering all that we can speak, in the clear.
    pub fn new(uri: String, from: String, duration: Duration) -> Self {
        Self {
            uri,
            from,
            credentials: None,
            authorities: None,
            codecs: Vec::new(),
            srtp: false,
            steps: Vec::new(),
            live: None,
            record: None,
            duration,
        }
    }

    /// Rings, follows the script, hangs up.
    ///
    /// # Errors
    /// When the telephone itself cannot work: no socket, a bad URI, a file that cannot be written.
    pub async fn ring(mut self) -> anyhow::Result<Answer> {
        let (endpoint, _incoming, engine) = plug_in(self.local_address().await?, self.authorities.clone()).await?;
        let media = engine.open(CallId::fresh())?;
        let began = monotonic();
        let call = OutgoingCall {
            credentials: self.credentials.as_ref().map(|(user, password)| Arc::new(Login::new(None, user, password))),
            codecs: self.codecs.clone(),
            srtp: self.srtp,
            ring_timeout: RING_LIMIT,
            ..OutgoingCall::new(&self.uri, &self.from, media.local_rtp())
        };
        let answer = match endpoint.call(call).await {
            Ok(dialog) => Answer::Talked(Box::new(self.talk(dialog, media, began).await?)),
            Err(SipError::Refused { status, .. }) => Answer::Refused { status, after: began.elapsed() },
            Err(SipError::NoAnswer | SipError::Unresponsive) => Answer::Refused { status: 408, after: began.elapsed() },
            Err(SipError::Connect { .. }) => Answer::Refused { status: 503, after: began.elapsed() },
            Err(other) => return Err(other.into()),
        };
        endpoint.shutdown().await;
        engine.shutdown();
        Ok(answer)
    }

    async fn talk(&mut self, mut dialog: Dialog, mut media: MediaSession, began: Instant) -> anyhow::Result<Talk> {
        let answered = monotonic();
        let stream = dialog.stream().cloned().context("the far end agreed on no audio")?;
        let codec = stream.codec;
        media.connect(stream)?;
        let folder = tempfile_beside(self.record.as_deref());
        if let Some(path) = &folder {
            media.record(Recording { path: path.clone(), origin: answered })?;
        }
        let mut steps = self.steps.clone();
        steps.sort_by_key(|(at, _)| *at);
        let mut steps = steps.into_iter().peekable();
        let (mut first_audio, mut digits, mut ended_by_peer, mut plays) = (None, String::new(), false, 0);
        let ends = answered + self.duration;
        loop {
            let due = steps.peek().map_or(ends, |(at, _)| (answered + *at).min(ends));
            tokio::select! {
                event = dialog.next() => match event {
                    Some(DialogEvent::Stream(stream)) => media.connect(stream)?,
                    Some(DialogEvent::Digit { key, .. }) => digits.push(key),
                    Some(DialogEvent::Confirmed) => {}
                    Some(DialogEvent::Ended(_)) | None => {
                        ended_by_peer = true;
                        break;
                    }
                },
                Some(event) = media.next() => match event {
                    MediaEvent::FirstPacket { .. } => first_audio = Some(answered.elapsed()),
                    MediaEvent::Digit { key, .. } => digits.push(key),
                    MediaEvent::RecordingFailed { fault } => anyhow::bail!("what was heard cannot be written: {fault}"),
                    MediaEvent::SpeechStarted { .. }
                    | MediaEvent::SpeechEnded { .. }
                    | MediaEvent::Tone { .. }
                    | MediaEvent::PlaybackDone { .. }
                    | MediaEvent::Silent { .. } => {}
                },
                Some(step) = next_live(&mut self.live) => {
                    plays += 1;
                    perform(&media, PlayId(plays), &step)?;
                }
                () = sleep_until(TokioInstant::from_std(due)) => {
                    if monotonic() >= ends {
                        break;
                    }
                    if let Some((_, step)) = steps.next() {
                        plays += 1;
                        perform(&media, PlayId(plays), &step)?;
                    }
                }
            }
        }
        let duration = answered.elapsed();
        if !ended_by_peer {
            dialog.hang_up(None).await;
        }
        let summary = media.close().await;
        if let (Some(stereo), Some(out)) = (&folder, &self.record) {
            keep_heard(stereo, out).with_context(|| format!("cannot write {}", out.display()))?;
        }
        Ok(Talk {
            setup: answered.duration_since(began),
            first_audio,
            duration,
            ended_by_peer,
            codec,
            quality: summary.quality.unwrap_or_default(),
            digits,
        })
    }

    /// The address of ours from which the far end is reached.
    async fn local_address(&self) -> anyhow::Result<IpAddr> {
        let peer = sip::resolve(&self.uri)
            .await
            .with_context(|| format!("{} is no SIP address that can be called", self.uri))?;
        let probe = UdpSocket::bind(if peer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
        probe.connect(peer)?;
        Ok(probe.local_addr()?.ip())
    }
}

/// A telephone on the hook.
pub struct OnHook {
    endpoint: Endpoint,
    incoming: mpsc::Receiver<IncomingCall>,
    engine: Engine,
}

impl OnHook {
    /// Plugs it in at this address, where it waits to be rung.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn new(ours: IpAddr) -> anyhow::Result<Self> {
        let (endpoint, incoming, engine) = plug_in(ours, None).await?;
        Ok(Self { endpoint, incoming, engine })
    }

    /// Where it is rung.
    ///
    /// # Errors
    /// When it has no UDP port.
    pub fn addr(&self) -> anyhow::Result<SocketAddr> {
        self.endpoint.udp_addr().context("the telephone has no UDP port")
    }

    /// Answers the next call after some rings, and follows what `live` decides until either side hangs up.
    ///
    /// # Errors
    /// When nobody rings within `patience`, the caller gives up, or the telephone itself cannot work.
    pub async fn answer(
        &mut self,
        live: mpsc::Receiver<Step>,
        patience: Duration,
        longest: Duration,
    ) -> anyhow::Result<Talk> {
        let rung = tokio::time::timeout(patience, self.incoming.recv()).await.ok().flatten();
        let mut call = rung.with_context(|| format!("nobody rang within {patience:?}"))?;
        call.ring().await;
        tokio::time::sleep(RINGS).await;
        let media = self.engine.open(CallId::fresh())?;
        let began = monotonic();
        let dialog = call.answer(media.local_rtp()).await?;
        let mut phone = Phone { live: Some(live), ..Phone::new(String::new(), String::new(), longest) };
        phone.talk(dialog, media, began).await
    }

    /// Unplugs it.
    pub async fn unplug(self) {
        self.endpoint.shutdown().await;
        self.engine.shutdown();
    }
}

/// A telephone's sockets, on free ports of `ours`. Whom it talks with, its owner decides: it answers everybody.
async fn plug_in(
    ours: IpAddr,
    authorities: Option<PathBuf>,
) -> anyhow::Result<(Endpoint, mpsc::Receiver<IncomingCall>, Engine)> {
    let any_port = SocketAddr::new(ours, 0);
    let config = SipConfig {
        udp: Some(any_port),
        tcp: Some(any_port),
        tls_authorities: authorities,
        trusted: vec!["0.0.0.0/0".parse()?, "::/0".parse()?],
        user_agent: concat!("minxin-call/", env!("CARGO_PKG_VERSION")).into(),
        ..SipConfig::default()
    };
    let (endpoint, incoming) = sip::start(config).await?;
    let engine = Engine::start(MediaConfig { address: ours, ports: PORTS, threads: 1 })?;
    Ok((endpoint, incoming, engine))
}

/// The next step that somebody decided on; never, where nobody does.
async fn next_live(live: &mut Option<mpsc::Receiver<Step>>) -> Option<Step> {
    match live {
        Some(steps) => steps.recv().await,
        None => std::future::pending().await,
    }
}

fn perform(media: &MediaSession, id: PlayId, step: &Step) -> anyhow::Result<()> {
    match step {
        Step::Speak(pcm) => media.play(id, vec![Arc::new(Clip::from_pcm(pcm))])?,
        Step::Press(keys) => {
            for key in keys.chars() {
                media.send_digit(key, KEY_HELD)?;
            }
        }
    }
    Ok(())
}

/// Where the engine's own recording goes, beside the file that was asked for.
fn tempfile_beside(record: Option<&Path>) -> Option<PathBuf> {
    record.map(|path| path.with_extension(format!("{}.part", std::process::id())))
}

/// The far end's channel of the engine's recording alone.
fn keep_heard(stereo: &Path, out: &Path) -> anyhow::Result<()> {
    let mut reader = hound::WavReader::open(stereo)?;
    let spec = hound::WavSpec { channels: 1, ..reader.spec() };
    let mut writer = hound::WavWriter::create(out, spec)?;
    for sample in reader.samples::<i16>().step_by(2) {
        writer.write_sample(sample?)?;
    }
    writer.finalize()?;
    Ok(std::fs::remove_file(stereo)?)
}
