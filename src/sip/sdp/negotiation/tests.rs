use std::time::Duration;

use super::super::audio::attribute;
use super::*;
use crate::call::stream::OpusWishes;

const DIRECTIONS: [Direction; 4] = [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];

fn negotiation() -> Negotiation {
    Negotiation::new(99, "192.0.2.10:40000".parse().expect("an address"), vec![Codec::Pcma, Codec::Pcmu])
}

fn description(rest: &str) -> Vec<u8> {
    format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{rest}").into_bytes()
}

#[track_caller]
fn answer(rest: &str) -> (String, Stream) {
    negotiation().answer(&description(rest)).expect(rest)
}

#[test]
fn directions_as_answerer() {
    // Offered, wanted, answered (RFC 3264 §6.1).
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    let check = |offered: Direction, wanted: Direction, expected: Direction| {
        let mut ours = negotiation();
        ours.want(wanted);
        let offer = description(&format!("m=audio 4000 RTP/AVP 8\r\na={}\r\n", attribute(offered)));
        let (sdp, stream) = ours.answer(&offer).expect("an answer");
        assert_eq!(stream.direction, expected, "{offered:?} {wanted:?}");
        assert!(sdp.ends_with(&format!("a={}\r\n", attribute(expected))), "{sdp}");
    };
    for (offered, expected) in [(SendRecv, SendRecv), (SendOnly, RecvOnly), (RecvOnly, SendOnly), (Inactive, Inactive)]
    {
        check(offered, SendRecv, expected);
    }
    for (offered, expected) in [(SendRecv, SendOnly), (SendOnly, Inactive), (RecvOnly, SendOnly), (Inactive, Inactive)]
    {
        check(offered, SendOnly, expected);
    }
    for offered in DIRECTIONS {
        check(offered, Inactive, Inactive);
    }
}

#[test]
fn directions_as_offerer() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    let check = |wanted: Direction, answered: Direction, expected: Direction| {
        let mut ours = negotiation();
        ours.want(wanted);
        let offer = ours.offer();
        assert!(offer.ends_with(&format!("a={}\r\n", attribute(wanted))), "{offer}");
        let answer = description(&format!("m=audio 4000 RTP/AVP 8\r\na={}\r\n", attribute(answered)));
        assert_eq!(ours.accept(&answer).map(|s| s.direction), Ok(expected), "{wanted:?} {answered:?}");
    };
    for (answered, expected) in [(SendRecv, SendRecv), (SendOnly, RecvOnly), (RecvOnly, SendOnly), (Inactive, Inactive)]
    {
        check(SendRecv, answered, expected);
    }
    for (answered, expected) in [(SendRecv, SendOnly), (SendOnly, Inactive), (RecvOnly, SendOnly), (Inactive, Inactive)]
    {
        check(SendOnly, answered, expected);
    }
}

#[test]
fn the_null_address_holds() {
    let check = |direction: &str, expected| {
        let offer = format!("m=audio 4000 RTP/AVP 8\r\nc=IN IP4 0.0.0.0\r\n{direction}");
        assert_eq!(answer(&offer).1.direction, expected, "{direction}");
    };
    check("", Direction::RecvOnly);
    check("a=sendonly\r\n", Direction::RecvOnly);
    check("a=recvonly\r\n", Direction::Inactive);
    check("a=inactive\r\n", Direction::Inactive);
}

#[test]
fn payload_types_stay_as_offered() {
    let check = |m: &str, expected: Option<(Codec, u8, Option<u8>)>| {
        let result = negotiation().answer(&description(m));
        let got = result.as_ref().ok().map(|(_, s)| (s.codec, s.send_payload_type, s.send_event_type));
        assert_eq!(got, expected, "{m}");
        if let (Ok((sdp, stream)), Some((_, number, event))) = (result, expected) {
            let formats = event.map_or(format!("{number}"), |event| format!("{number} {event}"));
            assert!(sdp.contains(&format!("m=audio 40000 RTP/AVP {formats}\r\n")), "{sdp}");
            assert_eq!((stream.recv_payload_type, stream.recv_event_type), (number, event));
        }
    };
    check("m=audio 4000 RTP/AVP 0 8\r\n", Some((Codec::Pcmu, 0, None)));
    check("m=audio 4000 RTP/AVP 18 8 0\r\n", Some((Codec::Pcma, 8, None)));
    check("m=audio 4000 RTP/AVP 8 96\r\na=rtpmap:96 telephone-event/8000\r\n", Some((Codec::Pcma, 8, Some(96))));
    check("m=audio 4000 RTP/AVP 98\r\na=rtpmap:98 pcma/8000/1\r\n", Some((Codec::Pcma, 98, None)));
    check("m=audio 4000 RTP/AVP 8 96\r\na=rtpmap:96 telephone-event/48000\r\n", Some((Codec::Pcma, 8, None)));
    check("m=audio 4000 RTP/AVP 98\r\na=rtpmap:98 PCMA/16000\r\n", None);
    check("m=audio 4000 RTP/AVP 8\r\na=rtpmap:8 opus/48000/2\r\n", None);
    check("m=audio 4000 RTP/AVP 9 8\r\n", Some((Codec::Pcma, 8, None)));
    check("m=audio 4000 RTP/SAVP 8\r\n", None);
    check("m=audio 0 RTP/AVP 8\r\n", None);
}

fn all_codecs() -> Negotiation {
    Negotiation::new(99, "192.0.2.10:40000".parse().expect("an address"), Codec::ALL.to_vec())
}

#[test]
fn wideband_codecs_are_named_as_their_rfcs_say() {
    let check = |m: &str, codec: Codec, event: Option<(u8, u32)>, lines: &[&str]| {
        let (sdp, stream) = all_codecs().answer(&description(m)).expect(m);
        assert_eq!((stream.codec, stream.send_event_type.map(|e| (e, stream.event_hz))), (codec, event), "{m}");
        for line in lines {
            assert!(sdp.contains(line), "{line} in {sdp}");
        }
    };
    check("m=audio 4000 RTP/AVP 9\r\n", Codec::G722, None, &["RTP/AVP 9\r\n", "a=rtpmap:9 G722/8000\r\n"]);
    // 16000 is what it samples at, not its RTP clock (RFC 3551 §4.5.2).
    check("m=audio 4000 RTP/AVP 97 8\r\na=rtpmap:97 g722/16000\r\n", Codec::Pcma, None, &[]);
    let opus = "m=audio 4000 RTP/AVP 96 8 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n";
    let lines = ["RTP/AVP 96 101\r\n", "a=rtpmap:96 opus/48000/2\r\n", "a=fmtp:96 ", "useinbandfec=1"];
    check(opus, Codec::Opus, Some((101, 8_000)), &lines);
    let wide = format!("{opus}a=rtpmap:98 telephone-event/48000\r\n").replace("8 101", "8 101 98");
    check(&wide, Codec::Opus, Some((98, 48_000)), &["RTP/AVP 96 98\r\n", "a=rtpmap:98 telephone-event/48000\r\n"]);
    check(&wide.replace("96 8 ", "8 96 "), Codec::Pcma, Some((101, 8_000)), &["RTP/AVP 8 101\r\n"]);
    check("m=audio 4000 RTP/AVP 96 8\r\na=rtpmap:96 opus/48000\r\n", Codec::Pcma, None, &[]);
}

#[test]
fn what_the_peer_wants_of_opus() {
    let check = |parameters: &str, expected: OpusWishes| {
        let m = format!("m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n{parameters}");
        assert_eq!(all_codecs().answer(&description(&m)).expect("an answer").1.opus, expected, "{parameters}");
    };
    check("", OpusWishes::default());
    check(
        "a=fmtp:96 minptime=10; useinbandfec=1;UseDTX = 1;maxaveragebitrate=16000\r\n",
        OpusWishes { fec: true, dtx: true, max_bitrate: Some(16_000) },
    );
    check("a=fmtp:96 useinbandfec=0;maxaveragebitrate=lots\r\na=fmtp:8 usedtx=1\r\n", OpusWishes::default());
}

#[test]
fn packet_times() {
    let check = |lines: &str, ptime_ms| {
        let (sdp, stream) = answer(&format!("m=audio 4000 RTP/AVP 8\r\n{lines}"));
        assert_eq!(stream.ptime, Duration::from_millis(ptime_ms), "{lines}");
        assert!(sdp.contains(&format!("a=ptime:{ptime_ms}\r\n")), "{sdp}");
    };
    check("", 20);
    for ms in [10, 30, 40, 50, 60] {
        check(&format!("a=ptime:{ms}\r\n"), ms);
    }
    check("a=ptime:25\r\n", 20);
    check("a=ptime:5\r\n", 20);
    check("a=ptime:200\r\n", 20);
    check("a=maxptime:15\r\n", 10);
    check("a=ptime:60\r\na=maxptime:40\r\n", 40);
    check("a=ptime:30\r\na=maxptime:150\r\n", 30);
    check("a=maxptime:0\r\n", 10);
}

#[test]
fn each_side_has_its_own_payload_types() {
    let mut ours = all_codecs();
    let offer = ours.offer();
    assert!(offer.contains("m=audio 40000 RTP/AVP 8 0 9 111 101 110\r\n"), "{offer}");
    let answer = "m=audio 4000 RTP/AVP 96 97\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 telephone-event/48000\r\n";
    let stream = ours.accept(&description(answer)).expect("a stream");
    assert_eq!((stream.codec, stream.send_payload_type, stream.recv_payload_type), (Codec::Opus, 96, 111));
    assert_eq!((stream.send_event_type, stream.recv_event_type), (Some(97), Some(110)));
}

#[test]
fn numbers_that_the_peer_gave_stay_and_ours_make_way() {
    let mut ours = all_codecs();
    // What we would call Opus and its events, the peer calls events of 8 kHz and Opus.
    let offer = "m=audio 4000 RTP/AVP 110 111\r\na=rtpmap:110 opus/48000/2\r\na=rtpmap:111 telephone-event/8000\r\n";
    ours.answer(&description(offer)).expect("an answer");
    let again = ours.offer();
    assert!(again.contains("m=audio 40000 RTP/AVP 8 0 9 110 111 96\r\n"), "{again}");
    assert!(again.contains("a=rtpmap:110 opus/48000/2\r\n"), "{again}");
    assert!(again.contains("a=rtpmap:111 telephone-event/8000\r\n"), "{again}");
}

const KEY: &str = "a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj\r\n";

#[test]
fn protected_audio_is_taken_where_keys_are_safe() {
    let check = |protection, rest: &str, expected: Result<bool, SdpError>| {
        let answered = negotiation().protected(protection).answer(&description(rest));
        assert_eq!(answered.map(|(_, stream)| stream.srtp.is_some()), expected, "{protection:?} {rest}");
    };
    let (clear, protected) = ("m=audio 4000 RTP/AVP 8\r\n", format!("m=audio 4000 RTP/SAVP 8\r\n{KEY}"));
    let unusable = "m=audio 4000 RTP/SAVP 8\r\na=crypto:1 F8_128_HMAC_SHA1_80 inline:AAAA\r\n";
    check(Protection::Never, clear, Ok(false));
    check(Protection::Never, &protected, Err(SdpError::NoAudio));
    check(Protection::Allowed, clear, Ok(false));
    check(Protection::Allowed, &protected, Ok(true));
    check(Protection::Allowed, unusable, Err(SdpError::NoKey));
    check(Protection::Allowed, &format!("{unusable}{clear}"), Ok(false));
    check(Protection::Required, clear, Err(SdpError::NoAudio));
    check(Protection::Required, &protected, Ok(true));
}

#[test]
fn each_side_protects_by_its_own_key_and_keeps_it() {
    let mut ours = all_codecs().protected(Protection::Required);
    let mut theirs = all_codecs().protected(Protection::Allowed);
    let mut keys = Vec::new();
    for _ in 0..2 {
        let offer = ours.offer();
        assert!(offer.contains("m=audio 40000 RTP/SAVP 8 0 "), "{offer}");
        let (answer, far) = theirs.answer(offer.as_bytes()).expect("an answer");
        assert_eq!(answer.matches("a=crypto:1 AEAD_AES_256_GCM ").count(), 1, "{answer}");
        let near = ours.accept(answer.as_bytes()).expect("a stream");
        let (near, far) = (near.srtp.expect("keys"), far.srtp.expect("keys"));
        assert_eq!((&near.ours, &near.theirs), (&far.theirs, &far.ours));
        assert_ne!(near.ours, near.theirs);
        keys.push(near);
    }
    assert_eq!(keys[0], keys[1], "a later offer changes no key");
    // The side that answered may offer next.
    let answer = ours.answer(theirs.offer().as_bytes()).expect("an answer").0;
    let near = theirs.accept(answer.as_bytes()).expect("a stream").srtp.expect("keys");
    assert_eq!((&near.ours, &near.theirs), (&keys[0].theirs, &keys[0].ours));
}

#[test]
fn an_answer_cannot_lower_the_protection() {
    let mut ours = negotiation().protected(Protection::Required);
    ours.offer();
    let check = |rest: &str, expected| {
        let accepted = ours.clone().accept(&description(rest)).map(|stream| stream.srtp.is_some());
        assert_eq!(accepted, expected, "{rest}");
    };
    let usual = KEY.replace("crypto:4", "crypto:3");
    check(&format!("m=audio 4000 RTP/SAVP 8\r\n{usual}"), Ok(true));
    check("m=audio 4000 RTP/AVP 8\r\n", Err(SdpError::Mismatch));
    check("m=audio 4000 RTP/SAVP 8\r\n", Err(SdpError::NoKey));
    check(&format!("m=audio 4000 RTP/SAVP 8\r\n{KEY}"), Err(SdpError::NoKey)); // A tag that we did not offer.
    let mut clear = negotiation();
    clear.offer();
    let answer = description(&format!("m=audio 4000 RTP/SAVP 8\r\n{usual}"));
    assert_eq!(clear.accept(&answer), Err(SdpError::Mismatch));
}

#[test]
fn every_media_line_is_answered_in_order() {
    let (sdp, stream) = answer(
        "m=video 3000 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 18\r\nm=audio 4002 RTP/AVP 8\r\nm=application 9 udp wb\r\n",
    );
    let lines: Vec<&str> = sdp.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        lines,
        ["m=video 0 RTP/AVP 31", "m=audio 0 RTP/AVP 18", "m=audio 40000 RTP/AVP 8", "m=application 0 udp wb"]
    );
    assert_eq!(stream.remote_rtp, "192.0.2.1:4002".parse::<SocketAddr>().expect("an address"));
}

#[test]
fn rtcp_is_next_door_or_where_it_says() {
    let check = |rest: &str, rtcp: &str| {
        let stream = answer(&format!("m=audio {rest}")).1;
        assert_eq!(stream.remote_rtcp, rtcp.parse::<SocketAddr>().expect("an address"), "{rest}");
    };
    check("4000 RTP/AVP 8\r\n", "192.0.2.1:4001");
    check("4000 RTP/AVP 8\r\na=rtcp:5005\r\n", "192.0.2.1:5005");
    check("4000 RTP/AVP 8\r\na=rtcp:5005 IN IP6 2001:db8::1\r\n", "[2001:db8::1]:5005");
    check("65535 RTP/AVP 8\r\n", "192.0.2.1:65535");
}

#[test]
fn the_version_grows_with_changes_only() {
    let version = |sdp: &str| {
        let origin = sdp.lines().find(|line| line.starts_with("o=")).expect("an origin").to_owned();
        origin.split(' ').nth(2).and_then(|v| v.parse::<u64>().ok()).expect("a version")
    };
    let mut ours = negotiation();
    let offer = description("m=audio 4000 RTP/AVP 8\r\n");
    let held = description("m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n");
    let mut versions = Vec::new();
    for offer in [&offer, &offer, &held, &held, &offer] {
        versions.push(version(&ours.answer(offer).expect("an answer").0));
    }
    assert_eq!(versions, [1, 1, 2, 2, 3]);
}

#[test]
fn an_offer_keeps_the_lines_agreed_on() {
    let mut ours = negotiation();
    let offer =
        description("m=audio 4000 RTP/AVP 8 96\r\na=rtpmap:96 telephone-event/8000\r\nm=video 3000 RTP/AVP 31\r\n");
    ours.answer(&offer).expect("an answer");
    let offer = ours.offer();
    assert!(offer.contains("m=audio 40000 RTP/AVP 8 0 96\r\n"), "{offer}");
    assert!(offer.ends_with("m=video 0 RTP/AVP 31\r\n"), "{offer}");
    let check = |rest: &str, expected: Result<u8, SdpError>| {
        let result = ours.clone().accept(&description(rest));
        assert_eq!(result.map(|s| s.send_payload_type), expected, "{rest}");
    };
    check("m=audio 4000 RTP/AVP 0\r\nm=video 0 RTP/AVP 31\r\n", Ok(0));
    check("m=audio 4000 RTP/AVP 0\r\n", Err(SdpError::Mismatch));
    check("m=audio 0 RTP/AVP 0\r\nm=video 0 RTP/AVP 31\r\n", Err(SdpError::NoAudio));
    check("m=video 4000 RTP/AVP 0\r\nm=video 0 RTP/AVP 31\r\n", Err(SdpError::Mismatch));
}

#[test]
fn what_we_print_we_can_read() {
    let mut ours = Negotiation::new(7, "[2001:db8::9]:40000".parse().expect("an address"), Vec::new());
    let offer = ours.offer();
    let (answer, stream) = negotiation().answer(offer.as_bytes()).expect("an answer");
    assert_eq!(stream.remote_rtp, "[2001:db8::9]:40000".parse::<SocketAddr>().expect("an address"));
    assert_eq!(ours.accept(answer.as_bytes()).map(|s| s.codec), Ok(Codec::Pcma));
}
