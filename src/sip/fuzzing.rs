//! Entrances for the fuzz targets, which stand outside the crate: the same code that a socket feeds, without the socket.

use std::net::{IpAddr, SocketAddr};

use super::framing::{self, Frame};
use super::front::{Framing, Gate, Verdict, judge};
use super::message::Message;
use super::reply::Reply;
use super::sdp::Negotiation;
use super::{body, dns, endpoint, wire};

/// Lets everything in.
struct Open;

impl Gate for Open {
    fn admit(&self, _: &Message, _: IpAddr) -> Option<Reply> {
        None
    }

    fn knows(&self, _: &str) -> bool {
        true
    }

    fn readable(&self, message: &[u8]) -> bool {
        wire::readable(message)
    }

    fn draining(&self) -> Option<Reply> {
        None
    }
}

/// A datagram at the front door: what passes is judged the same when it comes again, and an answer is a response.
pub fn datagram(data: &[u8]) {
    check(data, Framing::Datagram);
}

/// A stream that arrives in pieces of `size` octets: never more is kept than was sent.
pub fn stream(data: &[u8], size: usize) {
    let mut buf = Vec::new();
    for piece in data.chunks(size) {
        buf.extend_from_slice(piece);
        loop {
            let before = buf.len();
            match framing::next(&mut buf) {
                Frame::Incomplete => break,
                Frame::Ping => {}
                Frame::Message(message) => {
                    assert!(message.len() <= before);
                    check(&message, Framing::Stream);
                }
                Frame::Broken(_) | Frame::TooLong(_) => return,
            }
            assert!(buf.len() < before, "a frame takes something off");
        }
    }
}

fn check(data: &[u8], framing: Framing) {
    let source = SocketAddr::from(([192, 0, 2, 1], 5060));
    match judge(data, source, framing, &Open) {
        Verdict::Pass(plain) => {
            let message = Message::read(&plain).expect("what passes can be read");
            let bodies = body::session_description(
                message.field("Content-Type"),
                message.field("Content-Disposition"),
                &message.body,
            );
            if let body::Body::Sdp(sdp) = bodies {
                session_description(sdp);
            }
            assert_eq!(judge(&plain, source, framing, &Open), Verdict::Pass(plain.clone()), "judged twice");
        }
        Verdict::Answer { response, .. } => assert!(response.starts_with(b"SIP/2.0 ")),
        Verdict::Drop(_) => {}
    }
}

/// A session description, as an offer to us and as the answer to ours.
pub fn session_description(data: &[u8]) {
    let negotiation = || Negotiation::new(1, ([192, 0, 2, 1], 4000).into(), endpoint::default_codecs());
    if let Ok((answer, _)) = negotiation().answer(data) {
        // What we answer must be an answer that we would take.
        assert!(answer.starts_with("v=0\r\n"));
    }
    let mut offered = negotiation();
    offered.offer();
    drop(offered.accept(data));
}

/// An answer to the question that its first two octets number.
pub fn name_server_answer(data: &[u8]) {
    dns::read_any(data);
}
