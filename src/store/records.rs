//! What goes through the spool: facts about calls and cases, in the form in which they lie on disk.
//!
//! The form only grows: records written by an older version are read by every later one, so fields are added with
//! `#[serde(default)]` and never renamed. Every record can be applied twice without effect, because its key is its own.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::spool::Weight;
use crate::cases::NewCase;
use crate::ids::{CallId, CaseNumber, PhoneNumber};
use crate::survey::Mode;

/// One fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// An INVITE was admitted.
    CallStarted(CallStarted),
    /// 200 OK went out.
    CallAnswered(CallAnswered),
    /// Steps of the call's way through its flow.
    CallEvents {
        /// The call.
        call: CallId,
        /// The steps, in order.
        events: Vec<CallEvent>,
    },
    /// A case came to be; its number may be spoken once this is on disk.
    CaseOpened(NewCase),
    /// The call is over and its recording, if any, is closed.
    CallEnded(CallEnded),
    /// What was said.
    Transcript {
        /// The call.
        call: CallId,
        /// The segments; an empty list is a transcript too: nobody spoke.
        segments: Vec<Segment>,
    },
    /// A surveyed person answered a question.
    SurveyAnswered(SurveyAnswered),
    /// A person asked not to be rung for surveys.
    DoNotCall(DoNotCall),
    /// An attempt to ring a sampled number is over.
    AttemptEnded(AttemptEnded),
    /// A person who rang took answers back.
    AnswersWithdrawn(AnswersWithdrawn),
    /// A person who rang was interviewed anew, to the end.
    Retaken(Retaken),
    /// A surveyed person wants to speak with one of us, who could not be reached.
    PersonWanted(PersonWanted),
}

/// What is known of a call at its INVITE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallStarted {
    /// The call.
    pub call: CallId,
    /// The dialled line, by its configured name.
    pub line: String,
    /// The signalled number; `None` where withheld.
    pub caller: Option<PhoneNumber>,
    /// The dialled number as signalled.
    pub called: String,
    /// Call-ID of the dialog (RFC 3261 §8.1.1.4).
    pub sip_call_id: String,
    /// When the INVITE came.
    pub started_at: DateTime<Utc>,
}

/// What the answer adds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallAnswered {
    /// The call.
    pub call: CallId,
    /// `name@version` of the flow that speaks.
    pub flow: String,
    /// The negotiated codec's RTP name.
    pub codec: String,
    /// When 200 OK went out.
    pub answered_at: DateTime<Utc>,
}

/// One step of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallEvent {
    /// Its place in the call's order; whoever makes events numbers them, from 0.
    pub seq: i32,
    /// Milliseconds since the answer.
    pub at_ms: i64,
    /// `state`, `prompt`, `key`, `heard`, `asked`, `case`, `hold`, `note` and others.
    pub kind: String,
    /// What belongs to the kind.
    pub detail: serde_json::Value,
}

/// What the end adds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallEnded {
    /// The call.
    pub call: CallId,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// `caller`, `flow`, `cancelled`, `no_rtp`, `max_duration`, `drain`, `error` or `crash`.
    pub reason: String,
    /// The audio engine's figures; `None` where there was no audio.
    pub quality: Option<serde_json::Value>,
    /// The recording; `None` where nothing was recorded.
    pub recording: Option<Recording>,
    /// What the gateway said: the transcript of its own channel.
    #[serde(default)]
    pub spoken: Vec<Segment>,
}

/// An answer to a survey's question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurveyAnswered {
    /// The attempt, which is the call.
    pub attempt: CallId,
    /// Order within the attempt, from 0.
    pub ordinal: i16,
    /// The sampled number.
    pub sample: i64,
    /// The question's name.
    pub question: String,
    /// As [`crate::survey::Value`] prints it.
    pub value: String,
    /// By what it was given.
    pub mode: Mode,
    /// From the question's end to the first key or sound, in milliseconds.
    pub latency_ms: Option<i32>,
    /// When.
    pub at: DateTime<Utc>,
    /// The case that is to be worked on again for it (R7.13); `None`: none.
    pub reopens: Option<CaseNumber>,
    /// The call in which it was given, where that is not the attempt itself: the person rang back to give it anew.
    #[serde(default)]
    pub call: Option<CallId>,
}

/// Answers that a person who rang took back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswersWithdrawn {
    /// The call in which it was said.
    pub call: CallId,
    /// The sampled numbers whose answers they are.
    pub samples: Vec<i64>,
    /// When.
    pub at: DateTime<Utc>,
}

/// An interview given anew by a person who rang.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retaken {
    /// The call in which it was given.
    pub call: CallId,
    /// The sampled number.
    pub sample: i64,
    /// AAPOR code that it comes to.
    pub disposition: String,
}

/// A person of ours who is to ring back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonWanted {
    /// The call in which it was said.
    pub call: CallId,
    /// The attempt that it goes back to.
    pub attempt: CallId,
    /// When.
    pub at: DateTime<Utc>,
}

/// A number that is not to be rung any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoNotCall {
    /// The call in which it was said.
    pub call: CallId,
    /// The number.
    pub number: PhoneNumber,
    /// When.
    pub at: DateTime<Utc>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptEnded {
    /// The attempt, which is the call.
    pub attempt: CallId,
    /// The sampled number.
    pub sample: i64,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// [`Outcome::code`](crate::survey::Outcome::code).
    pub outcome: String,
    /// Questions answered and questions that applied, where a person was reached.
    pub reached: Option<(u16, u16)>,
    /// AAPOR code of the attempt.
    pub disposition: String,
    /// AAPOR code of the number, all its attempts considered.
    pub standing: String,
    /// When it is rung again; `None`: never.
    pub again_at: Option<DateTime<Utc>>,
}

/// A closed recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// Where it lies, below `data_dir`.
    pub path: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Its length in milliseconds.
    pub duration_ms: i64,
}

/// One stretch of speech on one channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// 0 for the caller, 1 for the gateway.
    pub channel: i16,
    /// Milliseconds since the recording began.
    pub start_ms: i64,
    /// As `start_ms`.
    pub end_ms: i64,
    /// As recognised.
    pub text: String,
    /// From token probabilities, 0 to 1; `None` for our own prompt, whose text is known.
    pub confidence: Option<f32>,
}

impl Record {
    /// Whether a full spool still takes it: what a person was told, and the call it was told in.
    pub fn weight(&self) -> Weight {
        match self {
            Self::CallStarted(_)
            | Self::CallAnswered(_)
            | Self::CaseOpened(_)
            | Self::CallEnded(_)
            | Self::SurveyAnswered(_)
            | Self::DoNotCall(_)
            | Self::AttemptEnded(_)
            | Self::AnswersWithdrawn(_)
            | Self::Retaken(_)
            | Self::PersonWanted(_) => Weight::Essential,
            Self::CallEvents { .. } | Self::Transcript { .. } => Weight::Ordinary,
        }
    }

    /// The call that it is about.
    pub fn call(&self) -> CallId {
        match self {
            Self::CallStarted(started) => started.call,
            Self::CallAnswered(answered) => answered.call,
            Self::CallEvents { call, .. } | Self::Transcript { call, .. } => *call,
            Self::CaseOpened(case) => case.draft.call,
            Self::CallEnded(ended) => ended.call,
            Self::SurveyAnswered(answered) => answered.call.unwrap_or(answered.attempt),
            Self::DoNotCall(wish) => wish.call,
            Self::AttemptEnded(ended) => ended.attempt,
            Self::AnswersWithdrawn(withdrawn) => withdrawn.call,
            Self::Retaken(retaken) => retaken.call,
            Self::PersonWanted(wanted) => wanted.call,
        }
    }

    /// As it lies on disk.
    ///
    /// # Errors
    /// Never for values that Rust can make of these types, save a JSON map with keys that are no strings.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let bytes = serde_json::to_vec(self)?;
        if !contains(&bytes, br"\u0000") {
            return Ok(bytes);
        }
        // Postgres has no U+0000 in text or jsonb, and a peer may put one into any header that we keep.
        let mut value = serde_json::to_value(self)?;
        strip_nul(&mut value);
        serde_json::to_vec(&value)
    }

    /// The reverse of [`Self::encode`].
    ///
    /// # Errors
    /// When the bytes were written by a later version that knows other records.
    pub fn decode(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|w| w == part)
}

fn strip_nul(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::String(text) => text.retain(|c| c != '\0'),
        Value::Array(items) => items.iter_mut().for_each(strip_nul),
        Value::Object(fields) => {
            let clean = std::mem::take(fields).into_iter().map(|(name, mut inner)| {
                strip_nul(&mut inner);
                (name.replace('\0', ""), inner)
            });
            *fields = clean.collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(detail: serde_json::Value) -> Record {
        let event = CallEvent { seq: 0, at_ms: 1, kind: "key".into(), detail };
        Record::CallEvents { call: CallId::fresh(), events: vec![event] }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let record = event(serde_json::json!({"digit": "5", "path": r"C:\u0000"}));
        assert_eq!(Record::decode(&record.encode().expect("encodes")).expect("decodes"), record);
    }

    #[test]
    fn nul_never_reaches_the_database() {
        let record = event(serde_json::json!({"a\0b": ["x\0y", r"\u0000"]}));
        let Record::CallEvents { events, .. } = Record::decode(&record.encode().expect("encodes")).expect("decodes")
        else {
            panic!("another record");
        };
        assert_eq!(events[0].detail, serde_json::json!({"ab": ["xy", r"\u0000"]}));
    }
}
