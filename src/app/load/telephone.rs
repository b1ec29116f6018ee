//! One test call: where it stands, what it says and what it hears. Does no input or output. Pure.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::meter::Meter;
use super::signalling::Method;
use crate::call::stream::{Codec, Stream};
use crate::media::rtp::Packet;
use crate::media::sender::Sender;
use crate::media::{Clip, PlayId};
use crate::units::{FRAME_SAMPLES, PTIME};

/// First wait for an answer before a request is sent again; doubles each time (RFC 3261 §17.1.1.2: T1).
const T1: Duration = Duration::from_millis(500);
/// When an answer is given up (64*T1).
const GIVE_UP: Duration = Duration::from_secs(32);
/// How long a key is held.
const KEY_HELD: Duration = Duration::from_millis(100);

/// See the module's documentation.
pub struct Telephone {
    /// Where it stands.
    pub state: State,
    /// A request that waits for its final answer.
    pub asked: Option<Asked>,
    /// When the INVITE was sent.
    pub begun: Instant,
    /// The source that it is to the far end, once it spoke.
    pub ssrc: Option<u32>,
    /// What it says; while the call is up.
    pub voice: Option<Voice>,
    /// What it hears.
    pub meter: Meter,
    /// From the ACK to the first prompt.
    pub first_audio: Option<Duration>,
    /// Packets of ours that the far end reported lost.
    pub lost_at_peer: i32,
}

/// Where a call stands.
#[derive(Clone, Debug)]
pub enum State {
    /// The INVITE is out.
    Inviting,
    /// Answered.
    Up(Up),
    /// The BYE is out.
    Leaving,
    /// Over.
    Over,
}

/// An answered call.
#[derive(Clone, Debug)]
pub struct Up {
    /// When the ACK was sent.
    pub since: Instant,
    /// The far end's To field.
    pub to: String,
    /// The far end's Contact.
    pub contact: String,
}

/// A request on its way.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Which.
    pub method: Method,
    /// Its octets.
    pub request: String,
    sent: Instant,
    again: Instant,
    interval: Duration,
}

/// What is due of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Wait,
    /// Send it again.
    Again,
    /// Nobody answered.
    GiveUp,
}

impl Asked {
    /// A request that was sent at `now`.
    pub fn new(method: Method, request: String, now: Instant) -> Self {
        Self { method, request, sent: now, again: now + T1, interval: T1 }
    }

    /// How long ago it was sent first.
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.sent)
    }

    /// What is due at `now`.
    pub fn due(&mut self, now: Instant) -> Due {
        if self.age(now) >= GIVE_UP {
            return Due::GiveUp;
        }
        if now < self.again {
            return Due::Wait;
        }
        self.interval *= 2;
        self.again = now + self.interval;
        Due::Again
    }
}

/// A call's own stream.
pub struct Voice {
    sender: Sender,
    stream: Stream,
    begun: Instant,
    key: Option<(Instant, char)>,
}

impl Voice {
    /// Speaks `clip` over and over to `remote` from `now` on, and presses a key.
    pub fn new(clip: &Arc<Clip>, remote: SocketAddr, length: Duration, key: Option<char>, now: Instant) -> Self {
        let mut sender = Sender::new(rand::random(), rand::random());
        let rounds = length.as_nanos() / clip.duration().max(PTIME).as_nanos() + 1;
        sender.player.play(PlayId(0), vec![Arc::clone(clip); usize::try_from(rounds).unwrap_or(1)]);
        let stream =
            Stream { send_event_type: Some(101), recv_event_type: Some(101), ..Stream::new(remote, Codec::Pcma) };
        Self { sender, stream, begun: now, key: key.map(|key| (now + length / 2, key)) }
    }

    /// The 20 ms due at `due`.
    pub fn tick(&mut self, due: Instant, mut send: impl FnMut(&[u8], SocketAddr)) {
        if let Some((_, key)) = self.key.take_if(|(at, _)| *at <= due) {
            self.sender.digits.send(key, KEY_HELD);
        }
        let elapsed = due.saturating_duration_since(self.begun).as_micros() as i64 * FRAME_SAMPLES as i64 / 20_000;
        let to = self.stream.remote_rtp;
        self.sender.tick(&self.stream, elapsed, |datagram| send(datagram, to));
    }

    /// The source that we are to the far end.
    pub fn ssrc(&self) -> u32 {
        self.sender.ssrc
    }

    /// Packets sent.
    pub fn sent(&self) -> u64 {
        u64::from(self.sender.counts().0)
    }
}

impl Telephone {
    /// A call whose INVITE goes out at `now` and that will hear about so many packets.
    pub fn new(invite: String, packets: usize, now: Instant) -> Self {
        Self {
            state: State::Inviting,
            asked: Some(Asked::new(Method::Invite, invite, now)),
            begun: now,
            ssrc: None,
            voice: None,
            meter: Meter::with_room(packets),
            first_audio: None,
            lost_at_peer: 0,
        }
    }

    /// Takes in a packet that arrived at `now`, `at_us` since any origin.
    pub fn hear(&mut self, packet: &Packet<'_>, now: Instant, at_us: i64) {
        if packet.header.payload_type != 8 {
            return;
        }
        let first = self.meter.is_empty();
        self.meter.packet(&packet.header, at_us);
        // A prompt begins a talkspurt (RFC 3551 §4.1); a stream may begin with silence, which is no prompt.
        let begins = (packet.header.marker && !first) || packet.payload.iter().any(|code| *code != packet.payload[0]);
        if let State::Up(up) = &self.state
            && begins
            && self.first_audio.is_none()
        {
            self.first_audio = Some(now.saturating_duration_since(up.since));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic;

    #[test]
    fn a_request_is_sent_again_ever_more_slowly_and_given_up() {
        let now = monotonic(); // Only an origin: nothing below sleeps.
        let mut asked = Asked::new(Method::Invite, String::new(), now);
        let due: Vec<(u64, Due)> = (0..400)
            .map(|n| (n * 100, asked.due(now + Duration::from_millis(n * 100))))
            .filter(|(_, due)| *due != Due::Wait)
            .take(7)
            .collect();
        let again: Vec<u64> = due.iter().filter(|(_, due)| *due == Due::Again).map(|(at, _)| *at).collect();
        assert_eq!(again, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
        assert_eq!(due[6], (32_000, Due::GiveUp));
    }

    #[test]
    fn it_speaks_and_presses_its_key_half_way() {
        let now = monotonic(); // Only an origin: nothing below sleeps.
        let clip = Arc::new(Clip::from_pcm(&[4_000; 1_600]));
        let remote = "127.0.0.1:4000".parse().expect("an address");
        let mut voice = Voice::new(&clip, remote, Duration::from_secs(2), Some('5'), now);
        let mut kinds = Vec::new();
        for n in 0..100 {
            voice.tick(now + PTIME * n, |datagram, to| {
                assert_eq!(to, remote);
                kinds.push(Packet::parse(datagram).expect("valid").header.payload_type);
            });
        }
        assert_eq!((kinds.len(), voice.sent()), (100, 100));
        assert_eq!(kinds.iter().position(|kind| *kind == 101), Some(50));
        assert!(kinds.iter().filter(|kind| **kind == 101).count() < 12);
    }
}
