//! A call's way through its flow, from its stored events: pure.
//!
//! Keys pressed one after the other are joined, so that a telephone number keyed by a caller is masked like any other.

use serde_json::Value;

use super::text::Text;
use super::{mask, show};
use crate::store::read_calls::EventRow;

/// Keys further apart than this belong to different entries.
const KEY_GAP_MS: i64 = 10_000;
/// Longest particulars shown for one step, in characters.
const DETAIL_LIMIT: usize = 300;

/// One step, as shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The event's kind, which gives its mark.
    pub kind: String,
    /// The kind in words.
    pub label: String,
    /// Particulars, masked.
    pub detail: String,
    /// Time since the answer.
    pub clock: String,
    /// Where in the recording it happened, in milliseconds.
    pub seek_ms: i64,
}

/// One event, keys joined and numbers masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Joined {
    /// Since the answer.
    pub at_ms: i64,
    /// The event's kind.
    pub kind: String,
    /// Particulars, masked.
    pub detail: String,
}

/// The events with adjoining keys joined and everything masked.
pub(super) fn joined(events: &[EventRow]) -> Vec<Joined> {
    let mut out = Vec::with_capacity(events.len());
    let mut keys: Option<(i64, i64, String)> = None;
    for event in events {
        if event.kind == "key" {
            let key = first_text(&event.detail, &["key"]);
            match &mut keys {
                Some((_, last, entry)) if event.at_ms - *last <= KEY_GAP_MS => {
                    entry.push_str(&key);
                    *last = event.at_ms;
                }
                other => {
                    flush(other, &mut out);
                    *other = Some((event.at_ms, event.at_ms, key));
                }
            }
            continue;
        }
        // What we say between two keys of one entry does not cut it: a caller keys on meanwhile.
        if !matches!(event.kind.as_str(), "prompt" | "note") {
            flush(&mut keys, &mut out);
        }
        out.push(Joined { at_ms: event.at_ms, kind: event.kind.clone(), detail: detail(&event.kind, &event.detail) });
    }
    flush(&mut keys, &mut out);
    out.sort_by_key(|e| e.at_ms);
    out
}

fn flush(keys: &mut Option<(i64, i64, String)>, out: &mut Vec<Joined>) {
    if let Some((at_ms, _, entry)) = keys.take() {
        out.push(Joined { at_ms, kind: "key".to_owned(), detail: mask::mask(&entry) });
    }
}

/// The way, step by step. `offset_ms` is where the recording begins after the answer.
pub(super) fn steps(events: &[EventRow], t: &Text, offset_ms: i64) -> Vec<Step> {
    joined(events)
        .into_iter()
        .map(|e| Step {
            label: t.event(&e.kind).to_owned(),
            clock: show::span(e.at_ms),
            seek_ms: (e.at_ms - offset_ms).max(0),
            detail: if e.kind == "state" { t.flow_state(&e.detail).to_owned() } else { e.detail },
            kind: e.kind,
        })
        .collect()
}

/// The keys of a call in order, entries apart.
pub(super) fn keys(events: &[EventRow]) -> String {
    let entries: Vec<String> = joined(events).into_iter().filter(|e| e.kind == "key").map(|e| e.detail).collect();
    entries.join("  ")
}

/// How long after the answer the recording began: it starts when the notice has ended and stops with the call.
pub(super) fn recording_offset_ms(talk_ms: Option<i64>, recording_ms: Option<i64>) -> i64 {
    talk_ms.zip(recording_ms).map_or(0, |(talk, recording)| (talk - recording).max(0))
}

/// The particulars of an event in a few words.
fn detail(kind: &str, value: &Value) -> String {
    let known: &[&str] = match kind {
        "state" => &["state"],
        "prompt" => return prompts(value),
        "heard" => &["text", "nothing"],
        "asked" => &["expect"],
        "case" => &["number"],
        "hold" => &["held"],
        _ => &["note", "text", "message"],
    };
    let text = first_text(value, known);
    let text = if text.is_empty() { rest(value) } else { text };
    show::cut(&mask::mask(&text), DETAIL_LIMIT)
}

/// The prompts that were played. A number that we read out is a row of one prompt for each digit: it is joined and masked.
fn prompts(value: &Value) -> String {
    let ids: Vec<&str> =
        value.get("prompts").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let digits: String = ids.iter().filter_map(|id| spoken_digit(id)).collect();
    let mut words = Vec::new();
    let mut read_out = false;
    for id in ids {
        if spoken_digit(id).is_none() {
            words.push(id.to_owned());
        } else if !read_out {
            words.push(mask::mask(&digits));
            read_out = true;
        }
    }
    show::cut(&words.join(" "), DETAIL_LIMIT)
}

/// The digit that a prompt says: `d.3`, `d.yao.end`.
fn spoken_digit(id: &str) -> Option<char> {
    let digit = id.strip_prefix("d.")?;
    match digit.strip_suffix(".end").unwrap_or(digit) {
        "yao" => Some('1'),
        one => one.chars().next().filter(|c| c.is_ascii_digit()),
    }
}

fn first_text(value: &Value, keys: &[&str]) -> String {
    keys.iter().find_map(|k| value.get(k)).map(plain).unwrap_or_default()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(s) => s.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
        Value::Object(_) => rest(value),
    }
}

fn rest(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(k, v)| format!("{k} {}", plain(v))).collect::<Vec<_>>().join(" · ")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => plain(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(at_ms: i64, kind: &str, detail: Value) -> EventRow {
        EventRow { at_ms, kind: kind.to_owned(), detail }
    }

    fn shown(events: &[EventRow]) -> Vec<(i64, String, String)> {
        joined(events).into_iter().map(|e| (e.at_ms, e.kind, e.detail)).collect()
    }

    #[test]
    fn a_keyed_number_is_masked_as_a_whole() {
        let mut events: Vec<_> =
            "13812341234".chars().zip(1..).map(|(k, n)| event(n * 500, "key", json!({"key": k}))).collect();
        events.insert(5, event(2_600, "prompt", json!({"prompts": ["nudge.key"]})));
        events.push(event(60_000, "key", json!({"key": "1"})));
        assert_eq!(keys(&events), "138****1234  1");
        let all = format!("{:?}", shown(&events));
        assert!(!all.contains("13812341234"), "{all}");
    }

    #[test]
    fn steps_say_what_happened() {
        let events = [
            event(0, "state", json!({"state": "main", "window": null})),
            event(1_000, "heard", json!({"text": "电话13812341234", "confidence": 0.9})),
            event(2_000, "prompt", json!({"prompts": ["a", "b"]})),
            event(3_000, "unheard-of", json!({"x": 1, "y": true})),
        ];
        let details: Vec<_> = shown(&events).into_iter().map(|(_, _, d)| d).collect();
        assert_eq!(details, ["main", "电话138****1234", "a b", "x 1 · y true"]);
    }

    #[test]
    fn a_number_that_we_read_out_is_masked() {
        let mut ids = vec!["readback.phone".to_owned()];
        for (n, digit) in "13812341234".chars().enumerate() {
            if n == 3 || n == 7 {
                ids.push("pause".to_owned());
            }
            ids.push(if digit == '1' { "d.yao".to_owned() } else { format!("d.{digit}") });
        }
        ids.push("readback.confirm".to_owned());
        let shown = shown(&[event(0, "prompt", json!({"prompts": ids, "slow": false}))]);
        assert_eq!(shown[0].2, "readback.phone 138****1234 pause pause readback.confirm");
    }

    #[test]
    fn the_recording_begins_when_the_notice_ended() {
        assert_eq!(recording_offset_ms(Some(60_000), Some(54_000)), 6_000);
        assert_eq!(recording_offset_ms(Some(60_000), Some(60_020)), 0);
        assert_eq!(recording_offset_ms(None, Some(1)), 0);
    }
}
