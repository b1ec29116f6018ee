//! One call's hold on the engine.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::bridge::{PartyId, Seat};
use super::clip::Clip;
use super::codec::Coder;
use super::error::MediaError;
use super::event::{MediaEvent, PlayId};
use super::meter::Levels;
use super::quality::CallQuality;
use super::receiver::samples;
use super::recorder::{Recording, RecordingSummary, Start, Starts};
use super::shared::{Lane, SessionShared, lock};
use super::tape::{BLOCKS, Block};
use super::worker::Order;
use crate::call::stream::Stream;
use crate::ids::CallId;

/// How long [`MediaSession::utterance`] waits for audio that should be here but is not.
const UTTERANCE_WAIT: Duration = Duration::from_millis(500);
/// How long [`MediaSession::close`] waits for the engine thread.
const CLOSE_WAIT: Duration = Duration::from_secs(5);
/// How long [`MediaSession::close`] waits for the recording to be written and hashed.
const RECORDING_WAIT: Duration = Duration::from_secs(60);

/// What remains of a call's audio.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaSummary {
    /// Figures; `None` when the engine did not answer.
    pub quality: Option<CallQuality>,
    /// The recording, if there was one and its file can be read.
    pub recording: Option<RecordingSummary>,
}

/// One call's audio. Dropping it ends it within 20 ms and gives the ports back.
pub struct MediaSession {
    call: CallId,
    local: SocketAddr,
    slot: u32,
    shared: Arc<SessionShared>,
    lane: Arc<Lane>,
    starts: Option<Starts>,
    events: mpsc::Receiver<MediaEvent>,
    closed: Option<oneshot::Receiver<CallQuality>>,
    recording: Mutex<Option<oneshot::Receiver<RecordingSummary>>>,
}

impl MediaSession {
    #[expect(clippy::too_many_arguments, reason = "called in one place, with all that the parts share")]
    pub(super) fn new(
        call: CallId,
        local: SocketAddr,
        slot: u32,
        shared: Arc<SessionShared>,
        lane: Arc<Lane>,
        starts: Option<Starts>,
        events: mpsc::Receiver<MediaEvent>,
        closed: oneshot::Receiver<CallQuality>,
    ) -> Self {
        let recording = Mutex::new(None);
        Self { call, local, slot, shared, lane, starts, events, closed: Some(closed), recording }
    }

    /// Whose audio this is.
    pub fn call(&self) -> CallId {
        self.call
    }

    /// The session as a party of a [`super::Bridge`].
    pub fn party(&self) -> PartyId {
        PartyId(self.shared.serial)
    }

    /// Where the peer shall send RTP; RTCP goes one port above.
    pub fn local_rtp(&self) -> SocketAddr {
        self.local
    }

    /// Obeys what offer and answer agreed on; again at each later agreement.
    ///
    /// # Errors
    /// When the peer's address is of another family than ours, its codec cannot be set up, or the engine thread takes no
    /// commands.
    pub fn connect(&self, stream: Stream) -> Result<(), MediaError> {
        if stream.remote_rtp.is_ipv4() != self.local.is_ipv4() {
            return Err(MediaError::Family { peer: stream.remote_rtp, local: self.local });
        }
        let coder = Coder::new(&stream)?;
        self.order(Order::Connect(Box::new((stream, coder))))
    }

    /// Plays clips back to back instead of what is being played; [`MediaEvent::PlaybackDone`] tells the end. Waits while
    /// the stream does not let us send.
    ///
    /// # Errors
    /// [`MediaError::Unresponsive`]: then no end will be told.
    pub fn play(&self, id: PlayId, clips: Vec<Arc<Clip>>) -> Result<(), MediaError> {
        self.order(Order::Play(id, clips))
    }

    /// Stops what is being played.
    ///
    /// # Errors
    /// [`MediaError::Unresponsive`].
    pub fn stop(&self) -> Result<(), MediaError> {
        self.order(Order::Stop)
    }

    /// Sends a key (0 to 9, *, #, A to D) held for so long, after those that wait. Ignored and counted where it is no key,
    /// the queue is full, or the peer takes no telephone events.
    ///
    /// # Errors
    /// [`MediaError::Unresponsive`].
    pub fn send_digit(&self, key: char, held: Duration) -> Result<(), MediaError> {
        self.order(Order::Digit(key, held))
    }

    /// Records from here to the end of the session. One recording a session: a second one is refused.
    ///
    /// # Errors
    /// [`MediaError::AlreadyRecording`], or [`MediaError::Unresponsive`] when the engine or its recorder lags. A file that
    /// cannot be written is told by [`MediaEvent::RecordingFailed`] instead.
    pub fn record(&self, recording: Recording) -> Result<(), MediaError> {
        let mut summary = lock(&self.recording);
        if summary.is_some() {
            return Err(MediaError::AlreadyRecording);
        }
        let starts = self.starts.as_ref().ok_or(MediaError::Unresponsive)?;
        let (done, finishing) = oneshot::channel();
        let events = lock(&self.shared.events).clone();
        let number = self.shared.serial;
        starts
            .try_send(Start { recording: number, path: recording.path, events, done })
            .map_err(|_| MediaError::Unresponsive)?;
        let blocks = std::iter::repeat_with(Block::empty).take(BLOCKS).collect();
        self.order(Order::Record(number, recording.origin, blocks))?;
        *summary = Some(finishing);
        Ok(())
    }

    /// Whether the caller's audio is kept for [`Self::utterance`]. At the beginning the last 500 ms are kept as well; at
    /// most the last 60 s are.
    ///
    /// # Errors
    /// [`MediaError::Unresponsive`].
    pub fn listen(&self, on: bool) -> Result<(), MediaError> {
        self.order(Order::Listen(on))
    }

    /// The caller's audio at 8 kHz between two spans since the opening, as far as it was listened to.
    pub async fn utterance(&self, from: Duration, to: Duration) -> Vec<i16> {
        let complete = async {
            loop {
                let grew = self.shared.ear_grew.notified();
                if lock(&self.shared.ear).end() >= samples(to) {
                    return;
                }
                grew.await;
            }
        };
        // Late audio is cut off rather than waited for: the caller is waiting for an answer.
        let _ = timeout(UTTERANCE_WAIT, complete).await;
        lock(&self.shared.ear).cut(from, to)
    }

    /// How loud both sides are, for whoever watches.
    pub fn loudness(&self) -> Loudness {
        Loudness(Arc::downgrade(&self.shared))
    }

    /// The caller's audio at 8 kHz from a span since the opening up to now, as far as it was listened to.
    pub fn heard_since(&self, from: Duration) -> Vec<i16> {
        lock(&self.shared.ear).cut(from, Duration::MAX)
    }

    /// The next event; `None` once the engine has ended the session.
    pub async fn next(&mut self) -> Option<MediaEvent> {
        self.events.recv().await
    }

    /// Ends the session: says goodbye by RTCP, finishes and hashes the recording, gives the ports back.
    pub async fn close(mut self) -> MediaSummary {
        self.end();
        let quality = match self.closed.take() {
            Some(closed) => timeout(CLOSE_WAIT, closed).await.ok().and_then(Result::ok),
            None => None,
        };
        let recording = lock(&self.recording).take();
        let recording = match recording {
            Some(recording) => timeout(RECORDING_WAIT, recording).await.ok().and_then(Result::ok),
            None => None,
        };
        MediaSummary { quality, recording }
    }

    /// Where the session lives.
    pub(super) fn seat(&self) -> Seat {
        Seat { lane: Arc::clone(&self.lane), slot: self.slot, shared: Arc::clone(&self.shared) }
    }

    fn order(&self, order: Order) -> Result<(), MediaError> {
        self.lane.order(self.slot, self.shared.serial, order)
    }

    fn end(&self) {
        self.shared.closing.store(true, Ordering::Release);
    }
}

impl Drop for MediaSession {
    fn drop(&mut self) {
        self.end();
    }
}

/// How loud both sides of a session are. Keeps no session alive.
#[derive(Clone, Debug)]
pub struct Loudness(Weak<SessionShared>);

impl Loudness {
    /// The loudest since the last look; `None` once the session is over.
    pub fn take(&self) -> Option<Levels> {
        self.0.upgrade().map(|session| session.meter.take())
    }
}

impl std::fmt::Debug for MediaSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaSession").field("call", &self.call).field("local", &self.local).finish_non_exhaustive()
    }
}
