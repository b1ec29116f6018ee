//! Reading of form and query fields, which arrive as text and may be blank.

use chrono::NaiveDate;
use serde::Deserialize;

use super::error::WebError;

/// Longest text of one line that a form may send, in characters.
pub(super) const LINE_LIMIT: usize = 200;
/// Longest text of several lines, in characters.
pub(super) const TEXT_LIMIT: usize = 4_000;

/// A form that asks for the whole number.
#[derive(Deserialize)]
pub(super) struct Reveal {
    pub(super) reason: String,
}

/// The field's text, `None` where it is blank.
pub(super) fn text(field: Option<&str>) -> Option<&str> {
    field.map(str::trim).filter(|t| !t.is_empty())
}

/// The field's text, which must be there and no longer than `limit` characters.
pub(super) fn needed(field: &'static str, value: &str, limit: usize) -> Result<String, WebError> {
    let value = value.trim();
    if value.is_empty() || value.chars().count() > limit {
        return Err(WebError::BadRequest { field });
    }
    Ok(value.to_owned())
}

/// The field as a number, `None` where it is blank.
pub(super) fn number<N: std::str::FromStr>(field: &'static str, value: Option<&str>) -> Result<Option<N>, WebError> {
    text(value).map(|t| t.parse().map_err(|_| WebError::BadRequest { field })).transpose()
}

/// The field as a day, `None` where it is blank.
pub(super) fn day(field: &'static str, value: Option<&str>) -> Result<Option<NaiveDate>, WebError> {
    number(field, value)
}

/// The field as the last two to four digits of a telephone number: no more than every masked number shows, so that
/// neither the address line nor a guess tells more.
pub(super) fn suffix(value: Option<&str>) -> Result<Option<String>, WebError> {
    let Some(digits) = text(value) else { return Ok(None) };
    let shaped = (2..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if shaped { Ok(Some(digits.to_owned())) } else { Err(WebError::BadRequest { field: "number" }) }
}

/// A query string of the fields that are not blank, to ask for the next part of a list in the same way.
pub(super) fn query<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        out.push(if out.is_empty() { '?' } else { '&' });
        out.push_str(name);
        out.push('=');
        out.push_str(&super::page::percent(value));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_shows_no_more_than_the_mask() {
        let ok = |value| suffix(Some(value)).expect("a suffix");
        assert_eq!(ok("1234"), Some("1234".to_owned()));
        assert_eq!(ok(" "), None);
        for bad in ["1", "12345", "12a4", "13812341234", "%%"] {
            assert!(suffix(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn blank_fields_are_left_out_of_a_query() {
        assert_eq!(query([("line", ""), ("q", "路 灯"), ("before", "7")]), "?q=%E8%B7%AF%20%E7%81%AF&before=7");
        assert_eq!(query([("line", "")]), "");
    }

    #[test]
    fn needed_text_has_a_length() {
        assert!(needed("reason", "  ", 10).is_err());
        assert!(needed("reason", "一二三四五六七八九十一", 10).is_err());
        assert_eq!(needed("reason", " 已联系 ", 10).expect("text"), "已联系");
    }
}
