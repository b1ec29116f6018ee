//! One SIP message as octets: a lenient reader that keeps what it does not understand, and a printer that writes what
//! every parser understands (RFC 3261 §7, §25).
//!
//! It stands in front of the SIP library, which drops a message silently where an answer is due. It mends what has one
//! meaning only (folded lines, compact names, octets that are no UTF-8, a missing Content-Length) and judges nothing.

use super::text::compact;

/// Most header fields looked at; a message with more is malformed. The longest of RFC 4475 has 40.
const MAX_FIELDS: usize = 256;

/// A message taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Request-Line or Status-Line.
    pub(super) start_line: String,
    /// Header fields in order, with full names.
    pub(super) fields: Vec<(String, String)>,
    /// What followed the empty line.
    pub(super) body: Vec<u8>,
    /// Whether the head had lines that are no header field, no end, or too many of them.
    pub(super) damaged: bool,
}

impl Message {
    /// Reads one message; `None` where there is nothing but line ends (a keep-alive, RFC 5626 §3.5.1).
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let start = data.iter().position(|b| !matches!(b, b'\r' | b'\n'))?;
        let data = &data[start..];
        let (head, body, mut damaged) = match head_len(data) {
            Some(len) => (&data[..len], &data[len..], false),
            None => (data, &[][..], true),
        };
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        let start_line = lines.next().unwrap_or_default().to_owned();
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in lines.filter(|line| !line.is_empty()) {
            if line.starts_with([' ', '\t']) {
                match fields.last_mut() {
                    Some((_, value)) => {
                        if !value.is_empty() {
                            value.push(' ');
                        }
                        value.push_str(line.trim());
                    }
                    None => damaged = true,
                }
                continue;
            }
            match line.split_once(':') {
                Some((name, value)) if is_token(name.trim_end()) && fields.len() < MAX_FIELDS => {
                    fields.push((full_name(name.trim_end()), value.trim().to_owned()));
                }
                _ => damaged = true,
            }
        }
        Some(Self { start_line, fields, body: body.to_vec(), damaged })
    }

    /// The first value of a header field by its full name.
    pub(super) fn field(&self, name: &'static str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a header field, in order.
    pub(super) fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The message in its plainest form: one line a field, no needless white space, Content-Length as it is.
    pub(super) fn print(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024 + self.body.len());
        out.extend_from_slice(self.start_line.as_bytes());
        out.extend_from_slice(b"\r\n");
        for (name, value) in &self.fields {
            if name == "Content-Length" {
                continue;
            }
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            if matches!(name.as_str(), "Via" | "From" | "To" | "Contact" | "Route" | "Record-Route") {
                out.extend_from_slice(compact(value).as_bytes());
            } else {
                out.extend_from_slice(value.as_bytes());
            }
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", self.body.len()).as_bytes());
        out.extend_from_slice(&self.body);
        out
    }
}

/// Octets up to and including the empty line that ends the head, or `None` while it has not come.
///
/// A bare LF counts as a line end: RFC 3261 wants CRLF, but no valid message has an empty line of another kind.
pub(super) fn head_len(data: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(lf) = data[from..].iter().position(|b| *b == b'\n').map(|at| from + at) {
        let rest = &data[lf + 1..];
        if rest.starts_with(b"\r\n") {
            return Some(lf + 3);
        }
        if rest.starts_with(b"\n") {
            return Some(lf + 2);
        }
        from = lf + 1;
    }
    None
}

/// Whether `text` is a token (RFC 3261 §25.1), as methods and header names are.
pub(super) fn is_token(text: &str) -> bool {
    let mark = |b: u8| matches!(b, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || mark(b))
}

/// The full name behind a compact one (RFC 3261 §7.3.3 and the IANA register), in the usual capitals for every field
/// that this module or the stack reads; other names as they are.
fn full_name(name: &str) -> String {
    const NAMES: &[(&str, &str)] = &[
        ("", "Accept"),
        ("", "Authorization"),
        ("", "CSeq"),
        ("", "Max-Forwards"),
        ("", "Min-SE"),
        ("", "P-Asserted-Identity"),
        ("", "Proxy-Authorization"),
        ("", "RAck"),
        ("", "RSeq"),
        ("", "Record-Route"),
        ("", "Require"),
        ("", "Route"),
        ("", "Allow"),
        ("", "Content-Disposition"),
        ("a", "Accept-Contact"),
        ("b", "Referred-By"),
        ("c", "Content-Type"),
        ("d", "Request-Disposition"),
        ("e", "Content-Encoding"),
        ("f", "From"),
        ("i", "Call-ID"),
        ("j", "Reject-Contact"),
        ("k", "Supported"),
        ("l", "Content-Length"),
        ("m", "Contact"),
        ("n", "Identity-Info"),
        ("o", "Event"),
        ("r", "Refer-To"),
        ("s", "Subject"),
        ("t", "To"),
        ("u", "Allow-Events"),
        ("v", "Via"),
        ("x", "Session-Expires"),
        ("y", "Identity"),
    ];
    NAMES
        .iter()
        .find(|(short, full)| {
            name.eq_ignore_ascii_case(full) || (!short.is_empty() && name.eq_ignore_ascii_case(short))
        })
        .map_or_else(|| name.to_owned(), |(_, full)| (*full).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_compact_names_and_odd_capitals_are_undone() {
        let message = Message::read(
            b"\r\n\r\nOPTIONS sip:a@b SIP/2.0\r\nTO :\r\n sip:a@b ;   tag    = 1\r\nv: SIP  / 2.0\r\n\t/UDP h ; branch=x\r\n\
              l: 9\r\nX-Odd:  a  b\r\n\r\nhello",
        )
        .expect("a message");
        assert!(!message.damaged);
        assert_eq!(message.field("to"), Some("sip:a@b ;   tag    = 1"));
        let text = String::from_utf8(message.print()).expect("text");
        assert_eq!(
            text,
            "OPTIONS sip:a@b SIP/2.0\r\nTo: sip:a@b;tag=1\r\nVia: SIP/2.0/UDP h;branch=x\r\nX-Odd: a  b\r\n\
             Content-Length: 5\r\n\r\nhello"
        );
        assert_eq!(Message::read(text.as_bytes()).map(|m| m.print()), Some(text.into_bytes()));
    }

    #[test]
    fn damage_is_noted_not_dropped() {
        let check = |data: &[u8]| assert!(Message::read(data).expect("a message").damaged, "{data:?}");
        check(b"BYE sip:a SIP/2.0\r\nTo: x");
        check(b"BYE sip:a SIP/2.0\r\nno colon\r\n\r\n");
        check(b"BYE sip:a SIP/2.0\r\nbad name: x\r\n\r\n");
        check(b"BYE sip:a SIP/2.0\r\n folded first\r\n\r\n");
        check(format!("BYE sip:a SIP/2.0\r\n{}\r\n", "A: b\r\n".repeat(MAX_FIELDS + 1)).as_bytes());
        assert_eq!(Message::read(b"\r\n\r\n"), None);
        assert_eq!(Message::read(b""), None);
    }

    #[test]
    fn octets_that_are_no_text_cost_only_themselves() {
        let message = Message::read(b"BYE sip:a SIP/2.0\r\nSubject: \xff\r\nTo: b\r\n\r\n\xfe").expect("a message");
        assert_eq!(message.field("To"), Some("b"));
        assert_eq!(message.body, b"\xfe");
    }
}
