//! Cutting a TCP stream into messages (RFC 3261 §18.3). Pure.

use super::front::content_length;
use super::message::{Message, head_len};

/// Longest message on a stream, head and body each.
pub(super) const MAX_MESSAGE: usize = 64 * 1024;

/// What stands at the front of the received octets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// More must come first.
    Incomplete,
    /// A ping (RFC 5626 §3.5.1), to be answered with CRLF.
    Ping,
    /// A whole message.
    Message(Vec<u8>),
    /// A message whose end cannot be told: to be answered, then the stream is of no use.
    Broken(Vec<u8>),
    /// A message beyond [`MAX_MESSAGE`], with its head where that came: likewise.
    TooLong(Option<Vec<u8>>),
}

/// Takes the next frame off `buf`. Nothing is allocated by a length that the peer named.
pub(super) fn next(buf: &mut Vec<u8>) -> Frame {
    if buf.starts_with(b"\r\n\r\n") {
        buf.drain(..4);
        return Frame::Ping;
    }
    let blank = buf.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    if blank == buf.len() {
        // Half a ping, or a pong: wait, but keep no more of it than a ping has.
        buf.truncate(3);
        return Frame::Incomplete;
    }
    buf.drain(..blank);
    let Some(head) = head_len(buf) else {
        return if buf.len() > MAX_MESSAGE { Frame::TooLong(None) } else { Frame::Incomplete };
    };
    if head > MAX_MESSAGE {
        return Frame::TooLong(None);
    }
    let body = Message::read(&buf[..head]).and_then(|message| {
        let mut lengths = message.all("Content-Length");
        let first = content_length(lengths.next()?)?;
        lengths.next().is_none().then_some(first)
    });
    match body {
        None => Frame::Broken(std::mem::take(buf)),
        Some(body) if body > MAX_MESSAGE => Frame::TooLong(Some(buf[..head].to_vec())),
        Some(body) if buf.len() < head + body => Frame::Incomplete,
        Some(body) => {
            let rest = buf.split_off(head + body);
            Frame::Message(std::mem::replace(buf, rest))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `data` in pieces of every size and expects the same frames from each.
    #[track_caller]
    fn check(data: &[u8], expected: &[Frame]) {
        for size in 1..=data.len() {
            let mut buf = Vec::new();
            let mut frames = Vec::new();
            for piece in data.chunks(size) {
                buf.extend_from_slice(piece);
                loop {
                    let frame = next(&mut buf);
                    if frame == Frame::Incomplete {
                        break;
                    }
                    frames.push(frame);
                    assert!(frames.len() <= expected.len(), "{frames:?}");
                }
            }
            assert_eq!(frames, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn messages_are_cut_wherever_they_are_torn() {
        let one = b"BYE sip:a SIP/2.0\r\nl: 3\r\n\r\nabc".to_vec();
        let two = b"ACK sip:a SIP/2.0\r\nContent-Length : 0\r\n\r\n".to_vec();
        let data = [b"\r\n".as_slice(), &one, &two, b"\r\n\r\n", &one].concat();
        let message = |m: &Vec<u8>| Frame::Message(m.clone());
        let mut buf = data.clone();
        let frames: Vec<Frame> = (0..4).map(|_| next(&mut buf)).collect();
        assert_eq!(frames, [message(&one), message(&two), Frame::Ping, message(&one)]);
        check(&[one.as_slice(), &two].concat(), &[message(&one), message(&two)]);
    }

    #[test]
    fn lengths_that_cannot_be_are_told() {
        let verdict = |head: &str| next(&mut format!("BYE sip:a SIP/2.0\r\n{head}\r\n").into_bytes());
        assert!(matches!(verdict(""), Frame::Broken(_)));
        assert!(matches!(verdict("l: -999\r\n"), Frame::Broken(_)));
        assert!(matches!(verdict("l: 1\r\nl: 1\r\n"), Frame::Broken(_)));
        assert!(matches!(verdict("l: 99999999999999999999999\r\n"), Frame::Broken(_)));
        assert!(matches!(verdict("l: 4294967295\r\n"), Frame::TooLong(Some(_))));
        assert_eq!(verdict("l: 9999\r\n"), Frame::Incomplete);
        assert_eq!(next(&mut vec![b'x'; MAX_MESSAGE + 1]), Frame::TooLong(None));
    }

    #[test]
    fn blank_lines_do_not_pile_up() {
        let mut buf = Vec::new();
        for _ in 0..1000 {
            buf.extend_from_slice(b"\r\n");
            while next(&mut buf) != Frame::Incomplete {}
            assert!(buf.len() <= 4);
        }
    }
}
