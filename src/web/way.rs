//! A call's way through its flow, from its stored events: pure.
//!
//! Keys pressed one after the other are joined, so that a telephone number keyed by a caller is masked like any other.

use serde_json::Value;

use super::text::Text;
use super::{mask, show};
use crate::ids::CaseNumber;
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
    /// How sure the recogniser was, or the day that was promised; may be empty.
    pub note: String,
    /// The case that was opened.
    pub case: Option<i64>,
    /// Time since the answer.
    pub clock: String,
    /// The same in milliseconds; the recording has the same time axis.
    pub at_ms: i64,
}

/// One event, keys joined and numbers masked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Joined {
    /// Since the answer.
    pub at_ms: i64,
    /// The event's kind.
    pub kind: String,
    /// Particulars, masked.
    pub detail: String,
    /// The recogniser's confidence, 0 to 1.
    pub confidence: Option<f64>,
    /// The case that was opened.
    pub case: Option<i64>,
    /// The day promised for it.
    pub due_on: Option<String>,
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
        let case = first_text(&event.detail, &["number"]).parse::<CaseNumber>().ok().filter(|_| event.kind == "case");
        out.push(Joined {
            at_ms: event.at_ms,
            kind: event.kind.clone(),
            // A case number is no telephone number: it is shown whole.
            detail: case.map_or_else(|| detail(&event.kind, &event.detail), |number| number.to_string()),
            confidence: event.detail.get("confidence").and_then(Value::as_f64),
            case: case.map(CaseNumber::as_i64),
            due_on: event.detail.get("due_on").and_then(Value::as_str).filter(|_| case.is_some()).map(str::to_owned),
        });
    }
    flush(&mut keys, &mut out);
    out.sort_by_key(|e| e.at_ms);
    out
}

fn flush(keys: &mut Option<(i64, i64, String)>, out: &mut Vec<Joined>) {
    if let Some((at_ms, _, entry)) = keys.take() {
        let detail = mask::mask(&entry);
        out.push(Joined { at_ms, kind: "key".to_owned(), detail, confidence: None, case: None, due_on: None });
    }
}

/// The way, step by step, in the reader's words.
pub(super) fn steps(events: &[EventRow], t: &Text) -> Vec<Step> {
    joined(events)
        .into_iter()
        .map(|e| Step {
            label: t.event(&e.kind).to_owned(),
            clock: show::span(e.at_ms),
            at_ms: e.at_ms,
            detail: match e.kind.as_str() {
                "state" => t.flow_state(&e.detail).to_owned(),
                "heard" => t.nothing(&e.detail).map_or(e.detail, str::to_owned),
                "asked" => t.expected(&e.detail).to_owned(),
                "hold" => if e.detail == "true" { t.hold_on } else { t.hold_off }.to_owned(),
                _ => e.detail,
            },
            note: match (e.confidence, e.due_on) {
                (Some(confidence), _) => format!("{:.0}%", confidence * 100.0),
                (None, Some(day)) => format!("{} {day}", t.due),
                (None, None) => String::new(),
            },
            case: e.case,
            kind: e.kind,
        })
        .collect()
}

/// The keys of a call in order, entries apart.
pub(super) fn keys(events: &[EventRow]) -> String {
    let entries: Vec<String> = joined(events).into_iter().filter(|e| e.kind == "key").map(|e| e.detail).collect();
    entries.join("  ")
}

/// The particulars of an event in a few words.
fn detail(kind: &str, value: &Value) -> String {
    let known: &[&str] = match kind {
        "state" => &["state"],
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
    use crate::web::text::Lang;

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
            event(2_000, "prompt", json!({"prompts": ["a", "b"], "text": "您好。", "slow": false})),
            event(3_000, "unheard-of", json!({"x": 1, "y": true})),
        ];
        let details: Vec<_> = shown(&events).into_iter().map(|(_, _, d)| d).collect();
        assert_eq!(details, ["main", "电话138****1234", "您好。", "x 1 · y true"]);
    }

    #[test]
    fn a_number_that_we_read_out_is_masked() {
        let text = "您的电话是138，1234，1234。对的请按1。";
        let said = shown(&[event(0, "prompt", json!({"prompts": ["readback.phone"], "text": text, "slow": false}))]);
        assert!(said[0].2.contains("138") && !said[0].2.contains("1234，1234"), "{said:?}");
    }

    #[test]
    fn a_reader_sees_words_and_a_link_instead_of_codes() {
        let t = Lang::Zh.text();
        let seen = |kind: &str, detail: Value| {
            let step = steps(&[event(7, kind, detail)], t).remove(0);
            (step.detail, step.note, step.case)
        };
        assert_eq!(seen("state", json!({"state": "main", "window": null})).0, t.fs_main);
        assert_eq!(seen("heard", json!({"text": "对", "confidence": 0.876})).1, "88%");
        assert_eq!(seen("heard", json!({"nothing": "too_late"})).0, t.nothing_too_late);
        assert_eq!(seen("asked", json!({"expect": "yes_no"})).0, t.expect_yes_no);
        let number = CaseNumber::from_serial(CaseNumber::FIRST_SERIAL);
        let case = seen("case", json!({"number": number.to_string(), "due_on": "2026-12-04"}));
        assert_eq!((case.1, case.2), (format!("{} 2026-12-04", t.due), Some(number.as_i64())));
    }
}
