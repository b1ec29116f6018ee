//! What a call's leg took in and gave out, kept in a file, so that the call can be run again without a network.
//!
//! ```text
//! engine thread: CapturedLeg ──ring of items──▶ capture thread ──▶ CALL.pcapng ──▶ replay: another Leg, the same outputs
//! ```
//!
//! A leg is decided by its packets, orders and times alone, so these are all that is kept; what it gave out is kept as well
//! and compared. The engine thread copies items into a ring and does nothing else: where the ring is full, the capture ends
//! there, and says so. Nothing is captured unless it is asked for: a capture holds what the caller said and dialled.

mod entry;
mod pcapng;
pub mod replay;
mod writer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtrb::Producer;

use super::clip::Clip;
use super::codec::Coder;
use super::event::{MediaEvent, PlayId};
use super::junction::Plug;
use super::leg::{Leg, Outlet};
use super::player::Finished;
use super::quality::CallQuality;
use super::tape::{Block, Shelf, TapeItem};
use crate::call::stream::Stream;
use crate::units::FRAME_SAMPLES;

#[cfg(test)]
mod tests;

pub use entry::Identity;
pub use writer::{Captures, MAX_FILE, MAX_FOLDER};

/// Items that may wait for the capture thread: 1.2 s of a call. One more ends the capture.
const RING: usize = 192;
/// Longest datagram kept; the engine takes in no longer ones.
const MAX_DATAGRAM: usize = 2_048;

/// A datagram, in place.
#[derive(Clone, Debug)]
struct Datagram {
    len: usize,
    octets: [u8; MAX_DATAGRAM],
}

impl Datagram {
    fn of(octets: &[u8]) -> Self {
        let len = octets.len().min(MAX_DATAGRAM);
        let mut datagram = Self { len, octets: [0; MAX_DATAGRAM] };
        datagram.octets[..len].copy_from_slice(&octets[..len]);
        datagram
    }

    fn octets(&self) -> &[u8] {
        &self.octets[..self.len]
    }
}

/// One thing that went into a leg or came out of it, datagrams in place: a box would be allocated on the engine thread. Times
/// are spans since its opening.
#[derive(Debug)]
enum Item {
    Received {
        at: Duration,
        from: SocketAddr,
        rtcp: bool,
        datagram: Datagram,
    },
    Tick {
        due: Duration,
        now: Duration,
    },
    Connect {
        at: Duration,
        stream: Stream,
    },
    /// One of the clips of the next [`Item::Play`].
    Clip(Arc<Clip>),
    Play(PlayId),
    Stop,
    Digit(char, Duration),
    /// `origin` may lie before the opening: nanoseconds.
    Record {
        recording: u64,
        origin: i64,
        at: Duration,
    },
    Listen(bool),
    Finish {
        at: Duration,
    },
    Sent {
        to: SocketAddr,
        rtcp: bool,
        datagram: Datagram,
    },
    Event(MediaEvent),
    Finished {
        id: PlayId,
        interrupted: bool,
    },
    /// Nothing more: the ring was full, the call is encrypted, or it met others in a bridge, whose sound is not in here.
    Cut,
}

/// The engine thread's end of a capture.
pub struct Tap {
    ring: Producer<Item>,
    opened: Instant,
    cut: bool,
}

impl Tap {
    fn note(&mut self, item: Item) {
        // The last place is for the word that the capture ends here.
        let room = self.ring.slots() > 1;
        if !self.cut && self.ring.push(if room { item } else { Item::Cut }).is_ok() {
            self.cut = !room;
        }
    }

    fn cut(&mut self) {
        self.note(Item::Cut);
        self.cut = true;
    }

    fn since(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.opened)
    }

    fn signed_since(&self, at: Instant) -> i64 {
        let nanos = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        self.opened.checked_duration_since(at).map_or_else(|| nanos(self.since(at)), |before| -nanos(before))
    }
}

/// A leg that is captured, or not; the engine thread's view of it. See [`Leg`] for what each order does.
pub struct CapturedLeg {
    leg: Leg,
    tap: Option<Tap>,
}

impl CapturedLeg {
    /// A leg, and where its inputs and outputs are noted.
    pub fn new(leg: Leg, tap: Option<Tap>) -> Self {
        Self { leg, tap }
    }

    /// [`Leg::connect`]. A capture ends where packets are encrypted: without the keys they say nothing, and the keys are
    /// not kept.
    pub fn connect(&mut self, stream: Stream, coder: Coder, now: Instant) {
        if let Some(tap) = &mut self.tap {
            if stream.srtp.is_some() {
                tap.cut();
            } else {
                tap.note(Item::Connect { at: tap.since(now), stream: stream.clone() });
            }
        }
        self.leg.connect(stream, coder, now);
    }

    /// [`Leg::settled`].
    pub fn settled(&self) -> Option<SocketAddr> {
        self.leg.settled()
    }

    /// Plays clips instead of what is being played.
    pub fn play(&mut self, id: PlayId, clips: Vec<Arc<Clip>>, outlet: &mut impl Outlet) {
        if let Some(tap) = &mut self.tap {
            clips.iter().for_each(|clip| tap.note(Item::Clip(Arc::clone(clip))));
            tap.note(Item::Play(id));
        }
        let before = self.leg.sender().player.play(id, clips);
        if let Some(before) = before {
            Noting { outlet, tap: self.tap.as_mut() }.finished(before);
        }
    }

    /// Stops what is being played.
    pub fn stop(&mut self, outlet: &mut impl Outlet) {
        if let Some(tap) = &mut self.tap {
            tap.note(Item::Stop);
        }
        let before = self.leg.sender().player.stop();
        if let Some(before) = before {
            Noting { outlet, tap: self.tap.as_mut() }.finished(before);
        }
    }

    /// Sends a digit; false where it is refused.
    pub fn digit(&mut self, key: char, held: Duration) -> bool {
        if let Some(tap) = &mut self.tap {
            tap.note(Item::Digit(key, held));
        }
        self.leg.sender().digits.send(key, held)
    }

    /// [`Leg::record`].
    pub fn record(&mut self, recording: u64, origin: Instant, now: Instant, outlet: &mut impl Outlet) {
        if let Some(tap) = &mut self.tap {
            tap.note(Item::Record { recording, origin: tap.signed_since(origin), at: tap.since(now) });
        }
        self.leg.record(recording, origin, now, outlet);
    }

    /// [`Leg::listen`].
    pub fn listen(&mut self, on: bool, outlet: &mut impl Outlet) {
        if let Some(tap) = &mut self.tap {
            tap.note(Item::Listen(on));
        }
        self.leg.listen(on, outlet);
    }

    /// [`Leg::plug`]; ends the capture.
    pub fn plug(&mut self, plug: Plug, outlet: &mut impl Outlet) {
        if let Some(tap) = &mut self.tap {
            tap.cut();
        }
        self.leg.plug(plug, outlet);
    }

    /// [`Leg::rtp_datagram`].
    pub fn rtp_datagram(&mut self, datagram: &[u8], from: SocketAddr, now: Instant, outlet: &mut impl Outlet) {
        self.received(datagram, from, false, now);
        self.leg.rtp_datagram(datagram, from, now, &mut Noting { outlet, tap: self.tap.as_mut() });
    }

    /// [`Leg::rtcp_datagram`].
    pub fn rtcp_datagram(&mut self, datagram: &[u8], from: SocketAddr, now: Instant) {
        self.received(datagram, from, true, now);
        self.leg.rtcp_datagram(datagram, from, now);
    }

    /// [`Leg::tick`].
    pub fn tick(&mut self, due: Instant, now: Instant, outlet: &mut impl Outlet) {
        if let Some(tap) = &mut self.tap {
            tap.note(Item::Tick { due: tap.since(due), now: tap.since(now) });
        }
        self.leg.tick(due, now, &mut Noting { outlet, tap: self.tap.as_mut() });
    }

    /// [`Leg::finish`].
    pub fn finish(&mut self, now: Instant, outlet: &mut impl Outlet) -> bool {
        if let Some(tap) = &mut self.tap {
            tap.note(Item::Finish { at: tap.since(now) });
        }
        self.leg.finish(now, &mut Noting { outlet, tap: self.tap.as_mut() })
    }

    /// [`Leg::levels`].
    pub fn levels(&self) -> (f32, f32) {
        self.leg.levels()
    }

    /// [`Leg::figures`].
    pub fn figures(&mut self) -> CallQuality {
        self.leg.figures()
    }

    fn received(&mut self, datagram: &[u8], from: SocketAddr, rtcp: bool, now: Instant) {
        if let Some(tap) = &mut self.tap {
            let at = tap.since(now);
            tap.note(Item::Received { at, from, rtcp, datagram: Datagram::of(datagram) });
        }
    }
}

/// An outlet that notes what goes through it.
struct Noting<'a, O> {
    outlet: &'a mut O,
    tap: Option<&'a mut Tap>,
}

impl<O> Noting<'_, O> {
    fn note(&mut self, item: impl FnOnce() -> Item) {
        if let Some(tap) = &mut self.tap {
            tap.note(item());
        }
    }
}

impl<O: Outlet> Outlet for Noting<'_, O> {
    fn rtp(&mut self, datagram: &[u8], to: SocketAddr) -> bool {
        self.note(|| Item::Sent { to, rtcp: false, datagram: Datagram::of(datagram) });
        self.outlet.rtp(datagram, to)
    }

    fn rtcp(&mut self, datagram: &[u8], to: SocketAddr) {
        self.note(|| Item::Sent { to, rtcp: true, datagram: Datagram::of(datagram) });
        self.outlet.rtcp(datagram, to);
    }

    fn event(&mut self, event: MediaEvent) {
        self.note(|| Item::Event(event));
        self.outlet.event(event);
    }

    fn finished(&mut self, finished: Finished) {
        self.note(|| Item::Finished { id: finished.id, interrupted: finished.interrupted });
        self.outlet.finished(finished);
    }

    fn unplugged(&mut self, plug: Plug) {
        self.outlet.unplugged(plug);
    }

    fn heard(&mut self, at: i64, frame: &[i16; FRAME_SAMPLES]) -> bool {
        self.outlet.heard(at, frame)
    }
}

impl<O: Outlet> Shelf for Noting<'_, O> {
    fn take(&mut self) -> Option<Box<Block>> {
        self.outlet.take()
    }

    fn give(&mut self, item: TapeItem) -> bool {
        self.outlet.give(item)
    }
}
