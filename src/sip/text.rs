//! The small grammar that SIP header fields share: quotes, escapes, lists.

/// The pieces of `text` between occurrences of `separator` that stand outside quoted strings and angle brackets.
pub(super) fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let whole = rest?;
        let (mut quoted, mut escaped, mut angle) = (false, false, false);
        for (at, c) in whole.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                '<' if !quoted => angle = true,
                '>' if !quoted => angle = false,
                _ if c == separator && !quoted && !angle => {
                    rest = Some(&whole[at + c.len_utf8()..]);
                    return Some(&whole[..at]);
                }
                _ => {}
            }
        }
        rest = None;
        Some(whole)
    })
}

/// The items of a comma-separated list, trimmed, empty ones left out.
pub(super) fn list(text: &str) -> impl Iterator<Item = &str> {
    split_outside_quotes(text, ',').map(str::trim).filter(|item| !item.is_empty())
}

/// `text` without white space around `/ ; = , :` and with single spaces elsewhere; quoted strings, angle brackets and
/// their contents stay as they are.
///
/// RFC 3261 §7.3.1 allows white space nearly everywhere in Via, From and To; the SIP library expects it nowhere.
pub(super) fn compact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut quoted, mut escaped, mut angle, mut space) = (false, false, false, false);
    for c in text.trim().chars() {
        if quoted || angle {
            match c {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' if !angle => quoted = false,
                '>' if !quoted => angle = false,
                _ => {}
            }
            out.push(c);
            continue;
        }
        match c {
            ' ' | '\t' | '\r' | '\n' => space = true,
            '/' | ';' | '=' | ',' | ':' => {
                space = false;
                out.push(c);
            }
            _ => {
                if space && !out.ends_with(['/', ';', '=', ',', ':']) {
                    out.push(' ');
                }
                space = false;
                quoted = c == '"';
                angle = c == '<';
                out.push(c);
            }
        }
    }
    out
}

/// `text` with each `%HH` replaced by its octet, once (RFC 3986 §2.4); octets that are no UTF-8 become U+FFFD.
pub(super) fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .filter(|hex| hex.iter().all(u8::is_ascii_hexdigit))
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match escaped {
            Some(octet) => {
                out.push(octet);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Splits `name=value` items of a challenge or a credential, commas within quotes kept, quotes taken off
/// (RFC 9110 §11.2).
pub(super) fn auth_params(text: &str) -> impl Iterator<Item = (&str, &str)> {
    list(text).filter_map(|item| {
        let (name, value) = item.split_once('=')?;
        let value = value.trim();
        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
        Some((name.trim(), value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_respect_quotes_and_brackets() {
        let check = |text: &str, items: &[&str]| assert_eq!(list(text).collect::<Vec<_>>(), items, "{text}");
        check(r#""a,b" <sip:x,y@h>, c ,,d"#, &[r#""a,b" <sip:x,y@h>"#, "c", "d"]);
        check(r#""a\",b",c"#, &[r#""a\",b""#, "c"]);
        check("", &[]);
    }

    #[test]
    fn white_space_goes_where_it_means_nothing() {
        let check = |text: &str, out: &str| assert_eq!(compact(text), out);
        check(
            "SIP  / 2.0\r\n  / TCP     spindle.example.com   ;\t branch  =   z9hG4bK9ikj8",
            "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8",
        );
        check(r#""J  R \\\""       <sip:j@example.com>  ;  tag = 98"#, r#""J  R \\\"" <sip:j@example.com>;tag=98"#);
    }

    #[test]
    fn escapes_resolve_once() {
        let check = |text: &str, out: &str| assert_eq!(percent_decode(text), out);
        check("v%61lue%25%34%31", "value%41");
        check("%", "%");
        check("%4", "%4");
        check("%zz", "%zz");
        check("%E6%B0%91", "民");
    }
}
