//! A telephone of two sockets that sends each packet of its audio itself, for what no honest telephone does.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use minxin::call::stream::{MasterKey, Srtp, SrtpSuite};
use minxin::clock::monotonic;
use minxin::media::g711::{self, Law};
use minxin::media::rtp::{HEADER_LEN, Header, Packet, SeqNo, Timestamp};
use minxin::media::srtp;
use tokio::net::UdpSocket;

use super::sip::{Call, Line};

/// One packet's time, and its samples.
pub const STEP: Duration = Duration::from_millis(20);
const STEP_SAMPLES: usize = 160;

/// The longest call, in samples.
const HEARD_MAX: usize = 8_000 * 120;

/// Room behind a packet for what protects it.
const DATAGRAM: usize = HEADER_LEN + STEP_SAMPLES + srtp::MAX_GROWTH;

/// An answered call, and what was heard in it.
pub struct WirePhone {
    line: Line,
    call: Call,
    /// Where our audio comes from.
    pub audio: UdpSocket,
    /// Where the gateway hears us.
    pub gateway: SocketAddr,
    keys: Option<(Srtp, srtp::Session)>,
    next: Header,
    /// What was heard, each packet by its timestamp.
    heard: Vec<i16>,
    first: Option<Timestamp>,
    /// Packets heard.
    pub packets: usize,
}

impl WirePhone {
    /// Rings the hotline at `sip` in A-law, with the audio protected where `suite` says how.
    pub async fn ring(sip: SocketAddr, suite: Option<SrtpSuite>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        socket.connect(sip).await.expect("a loopback address");
        let mut line = Line::Udp(socket);
        let audio = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let port = audio.local_addr().expect("it is bound").port();
        let ours = suite.map(|suite| (suite, fresh_key(suite)));
        let mut offer = String::from("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n");
        let proto = if ours.is_some() { "RTP/SAVP" } else { "RTP/AVP" };
        let _ = write!(offer, "m=audio {port} {proto} 8 101\r\na=rtpmap:101 telephone-event/8000\r\n");
        if let Some((suite, key)) = &ours {
            let _ = write!(offer, "a=crypto:1 {} inline:{}\r\n", suite.name(), base64(key.octets()));
        }
        let mut call = Call::new(&line);
        line.send(call.request("INVITE", "", Some(&offer))).await;
        let answer = line.receive_final().await;
        assert_eq!(answer.status(), Some(200), "{answer:?}");
        call.to_tag = answer.to_tag();
        line.send(call.ack(None)).await;
        let media = answer.body().lines().find_map(|l| l.strip_prefix("m=audio ")).expect("audio").to_owned();
        assert!(media.contains(proto), "{media}");
        let gateway = ([127, 0, 0, 1], media.split(' ').next().and_then(|p| p.parse().ok()).expect("a port")).into();
        let keys = ours.map(|(suite, ours)| {
            let inline = answer.body().split("inline:").nth(1).expect("a key").lines().next().unwrap_or_default();
            let octets = unbase64(inline.split('|').next().expect("octets"));
            let keys = Srtp { suite, ours, theirs: MasterKey::new(suite, &octets).expect("a key") };
            (keys.clone(), srtp::Session::new(&keys))
        });
        let next = Header {
            marker: true,
            payload_type: 8,
            seq: SeqNo(7_000),
            timestamp: Timestamp(90_000),
            ssrc: 0x0C0F_FEE0,
        };
        Self { line, call, audio, gateway, keys, next, heard: Vec::new(), first: None, packets: 0 }
    }

    /// For so long, sends the next samples of `speech` and then silence, a packet each 20 ms, and hears; before each packet
    /// `beside` does what it likes, told of the packet that is due.
    pub async fn talk(&mut self, speech: &[i16], time: Duration, mut beside: impl FnMut(&Header)) {
        let steps = u32::try_from(time.as_millis() / STEP.as_millis()).expect("a short call");
        let began = monotonic();
        for n in 0..steps {
            beside(&self.next);
            let from = (n as usize * STEP_SAMPLES).min(speech.len());
            let mut samples = [0; STEP_SAMPLES];
            let said = &speech[from..(from + STEP_SAMPLES).min(speech.len())];
            samples[..said.len()].copy_from_slice(said);
            self.say(&samples).await;
            self.hear();
            tokio::time::sleep((STEP * (n + 1)).saturating_sub(began.elapsed())).await;
        }
    }

    /// Makes packets under another key than that agreed on.
    pub fn forge(&self) -> impl Fn(&Header, &[u8]) -> Vec<u8> + use<> {
        let (keys, _) = self.keys.as_ref().expect("a protected call");
        let wrong = Srtp { ours: fresh_key(keys.suite), ..keys.clone() };
        move |header, payload| protected(&mut srtp::Session::new(&wrong), header, payload)
    }

    /// Hangs up.
    pub async fn hang_up(mut self) -> Vec<i16> {
        self.call.hang_up(&mut self.line).await;
        self.heard
    }

    /// Waits until the gateway hangs up, or so long.
    pub async fn hung_up_within(mut self, time: Duration) -> bool {
        let Some(bye) = self.line.receive_within(time).await else { return false };
        let bye_came = bye.method() == Some("BYE");
        self.line.send(bye.ok("")).await;
        bye_came
    }

    async fn say(&mut self, samples: &[i16; STEP_SAMPLES]) {
        let mut codes = [0; STEP_SAMPLES];
        g711::encode(Law::A, samples, &mut codes);
        let packet = match &mut self.keys {
            Some((_, session)) => protected(session, &self.next, &codes),
            None => plain(&self.next, &codes),
        };
        self.audio.send_to(&packet, self.gateway).await.expect("sent");
        let Header { seq, timestamp, .. } = self.next;
        self.next =
            Header { marker: false, seq: seq.next(), timestamp: timestamp.plus(STEP_SAMPLES as i32), ..self.next };
    }

    fn hear(&mut self) {
        let mut datagram = [0; 2_048];
        while let Ok((len, from)) = self.audio.try_recv_from(&mut datagram) {
            assert_eq!(from, self.gateway, "who else knows this port?");
            let len = match &mut self.keys {
                Some((_, session)) => session.open(&mut datagram[..len]).expect("protected by the gateway's key"),
                None => len,
            };
            let packet = Packet::parse(&datagram[..len]).expect("RTP");
            self.packets += 1;
            let first = *self.first.get_or_insert(packet.header.timestamp);
            let Ok(at) = usize::try_from(packet.header.timestamp.since(first)) else { continue };
            let end = (at + packet.payload.len()).min(HEARD_MAX);
            self.heard.resize(self.heard.len().max(end), 0);
            if packet.header.payload_type == 8 && at < end {
                g711::decode(Law::A, packet.payload, &mut self.heard[at..end]);
            }
        }
    }
}

/// A packet in the clear.
pub fn plain(header: &Header, payload: &[u8]) -> Vec<u8> {
    let mut head = [0; HEADER_LEN];
    header.write(&mut head);
    [&head[..], payload].concat()
}

fn protected(session: &mut srtp::Session, header: &Header, payload: &[u8]) -> Vec<u8> {
    let mut packet = plain(header, payload);
    let len = packet.len();
    packet.resize(DATAGRAM.max(len + srtp::MAX_GROWTH), 0);
    let len = session.protect(&mut packet, len).expect("there is room");
    packet.truncate(len);
    packet
}

fn fresh_key(suite: SrtpSuite) -> MasterKey {
    let octets: [u8; 64] = rand::random();
    MasterKey::new(suite, &octets[..suite.key_len() + suite.salt_len()]).expect("a key")
}

fn base64(octets: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(octets)
}

fn unbase64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}

/// Writes samples where a witness can read them.
pub fn write(samples: &[i16], path: &Path) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).expect("a file");
    samples.iter().for_each(|sample| writer.write_sample(*sample).expect("written"));
    writer.finalize().expect("a whole file");
}
