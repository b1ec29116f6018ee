//! Hands a caller to a person: rings a second telephone, tells it what the call is about, and joins the two.
//!
//! Decides only who of the two the call ends with: a caller who hangs up ends it for the person too; a person who hangs
//! up, or is not reached, leaves the caller with us, whose owner goes on from there. Whom to ring, how often and what the
//! caller hears meanwhile is the owner's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::monotonic;
use crate::ids::CallId;
use crate::media::{Bridge, Clip, Engine, MediaError, MediaEvent, MediaSession, MediaSummary, PlayId, Recording};
use crate::sip::{Channel, Dialog, DialogEvent, Failure};

/// How long a key that is passed on is held, as telephones hold it.
const KEY_HELD: Duration = Duration::from_millis(100);
/// The playback of the briefing, the only one at the person's session.
const BRIEFING: PlayId = PlayId(1);

/// Somebody who is on the telephone: signalling and audio.
#[derive(Debug)]
pub struct Party {
    /// The signalling.
    pub dialog: Dialog,
    /// The audio.
    pub media: MediaSession,
}

/// The caller's signalling and audio, where somebody else owns them.
#[derive(Debug)]
pub struct Caller<'a> {
    /// The signalling.
    pub dialog: &'a mut Dialog,
    /// The audio.
    pub media: &'a mut MediaSession,
}

/// The person's leg.
#[derive(Debug)]
pub struct PersonLeg {
    /// Names it in the log.
    pub call: CallId,
    /// Its own recording: left the person, right what the person hears. Give it the origin of the caller's recording, and
    /// both files share one time axis.
    pub recording: Option<Recording>,
    /// What the person hears before the caller is there; may be empty.
    pub briefing: Vec<Arc<Clip>>,
}

/// A telephone that was answered.
#[derive(Debug)]
pub struct Answered {
    /// The call.
    pub dialog: Dialog,
    /// Its channel, where it went by a trunk.
    pub channel: Option<Channel>,
}

/// How it went.
#[derive(Debug)]
pub enum Outcome {
    /// The caller hung up while it rang, or during the briefing.
    GivenUp,
    /// Nobody took the call; the caller is still there.
    NotReached(Failure),
    /// They talked.
    Talked(Box<Talk>),
}

/// A conversation that is over.
#[derive(Debug)]
pub struct Talk {
    /// Whether the caller ended it; otherwise the caller is still there.
    pub caller_left: bool,
    /// How long the two were joined.
    pub lasted: Duration,
    /// What remains of the person's audio.
    pub person: MediaSummary,
}

/// What happened to a party.
enum Happened {
    /// It is not there any more.
    Left,
    Key(char),
    Played(PlayId),
    /// Nothing that matters here.
    Nothing,
}

/// Rings by `dial`, which gets the address for its offer, and joins whoever answers with the caller until one of them hangs
/// up. What the caller hears meanwhile goes on until then. Dropping the future hangs up on the person.
///
/// # Errors
/// When there is no port for the second leg, or the audio engine takes no orders; the caller is still there.
pub async fn transfer<D>(caller: &mut Party, engine: &Engine, leg: PersonLeg, dial: D) -> Result<Outcome, MediaError>
where
    D: AsyncFnOnce(SocketAddr) -> Result<Answered, Failure>,
{
    transfer_caller(caller.borrowed(), engine, leg, dial).await
}

/// As [`transfer`], for a caller whose owner keeps signalling and audio apart.
///
/// # Errors
/// As [`transfer`].
pub async fn transfer_caller<D>(
    mut caller: Caller<'_>,
    engine: &Engine,
    leg: PersonLeg,
    dial: D,
) -> Result<Outcome, MediaError>
where
    D: AsyncFnOnce(SocketAddr) -> Result<Answered, Failure>,
{
    let media = engine.open(leg.call)?;
    let answered = {
        let dialling = dial(media.local_rtp());
        tokio::pin!(dialling);
        loop {
            tokio::select! {
                answered = &mut dialling => break answered,
                happened = caller.next() => if matches!(happened, Happened::Left) {
                    return Ok(Outcome::GivenUp);
                },
            }
        }
    };
    let Answered { dialog, channel: _kept } = match answered {
        Ok(answered) => answered,
        Err(failure) => return Ok(Outcome::NotReached(failure)),
    };
    let mut person = Party { dialog, media };
    let talked = converse(&mut caller, &mut person.borrowed(), leg).await;
    person.dialog.hang_up(None).await;
    let summary = person.media.close().await;
    Ok(match talked? {
        Conversation::Briefed { caller_left: true } => Outcome::GivenUp,
        Conversation::Briefed { caller_left: false } => Outcome::NotReached(Failure::Declined),
        Conversation::Joined { caller_left, lasted } => {
            Outcome::Talked(Box::new(Talk { caller_left, lasted, person: summary }))
        }
    })
}

/// How far an answered call got.
enum Conversation {
    /// Somebody left during the briefing.
    Briefed { caller_left: bool },
    /// The two were joined.
    Joined { caller_left: bool, lasted: Duration },
}

async fn converse(
    caller: &mut Caller<'_>,
    person: &mut Caller<'_>,
    leg: PersonLeg,
) -> Result<Conversation, MediaError> {
    person.connect();
    if let Some(recording) = leg.recording {
        person.media.record(recording)?;
    }
    if !leg.briefing.is_empty() {
        person.media.play(BRIEFING, leg.briefing)?;
        loop {
            tokio::select! {
                happened = caller.next() => if matches!(happened, Happened::Left) {
                    return Ok(Conversation::Briefed { caller_left: true });
                },
                happened = person.next() => match happened {
                    Happened::Left => return Ok(Conversation::Briefed { caller_left: false }),
                    // Who presses a key has heard enough.
                    Happened::Key(_) | Happened::Played(BRIEFING) => break,
                    Happened::Played(_) | Happened::Nothing => {}
                },
            }
        }
        person.media.stop()?;
    }
    caller.media.stop()?;
    let bridge = Bridge::between(&[&*caller.media, &*person.media])?;
    let began = monotonic();
    let caller_left = loop {
        let (happened, by_caller) = tokio::select! {
            happened = caller.next() => (happened, true),
            happened = person.next() => (happened, false),
        };
        let other = if by_caller { &*person.media } else { &*caller.media };
        match happened {
            Happened::Left => break by_caller,
            Happened::Key(key) => other.send_digit(key, KEY_HELD)?,
            Happened::Played(_) | Happened::Nothing => {}
        }
    };
    drop(bridge);
    Ok(Conversation::Joined { caller_left, lasted: began.elapsed() })
}

impl Party {
    fn borrowed(&mut self) -> Caller<'_> {
        Caller { dialog: &mut self.dialog, media: &mut self.media }
    }
}

impl Caller<'_> {
    /// The next thing that happens to the party. Safe to cancel.
    async fn next(&mut self) -> Happened {
        tokio::select! {
            event = self.dialog.next() => match event {
                Some(DialogEvent::Stream(_) | DialogEvent::Confirmed) => {
                    self.connect();
                    Happened::Nothing
                }
                Some(DialogEvent::Digit { key, duration: _ }) => Happened::Key(key),
                Some(DialogEvent::Ended(_)) | None => Happened::Left,
            },
            Some(event) = self.media.next() => match event {
                MediaEvent::Digit { key, .. } => Happened::Key(key),
                MediaEvent::PlaybackDone { id, .. } => Happened::Played(id),
                // A telephone that sent nothing for so long is gone, whatever its signalling says.
                MediaEvent::Silent { .. } => Happened::Left,
                MediaEvent::FirstPacket { .. }
                | MediaEvent::SpeechStarted { .. }
                | MediaEvent::SpeechEnded { .. }
                | MediaEvent::Tone { .. }
                | MediaEvent::RecordingFailed { .. } => Happened::Nothing,
            },
        }
    }

    /// Tells the engine what signalling agreed on.
    fn connect(&self) {
        let Some(stream) = self.dialog.stream().cloned() else { return };
        if let Err(error) = self.media.connect(stream) {
            tracing::error!(call = %self.media.call(), %error, "the agreed audio cannot be used");
        }
    }
}
