//! What an operator's browser and the gateway say to each other: one JSON object a message, told apart by `type`.

use serde::{Deserialize, Serialize};

use crate::ids::CallId;

/// Longest message taken, in octets: an offer and its frame.
pub const MAX_MESSAGE: usize = 32 * 1024;

/// What an operator sees of a call. Numbers stand masked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The line that was dialled.
    pub line: String,
    /// The caller's number, masked; `None` where withheld.
    pub caller: Option<String>,
}

/// What a browser wants.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Take calls.
    Ready,
    /// Take none.
    Busy,
    /// Take this one.
    Answer {
        /// Which.
        call: CallId,
        /// The browser's offer (RFC 8829 §4.1.8).
        sdp: String,
    },
    /// Leave this one to the next.
    Decline {
        /// Which.
        call: CallId,
    },
    /// Let the caller wait, or go on.
    Hold {
        /// Which it is.
        on: bool,
    },
    /// End the call.
    HangUp,
    /// Give the caller to a colleague.
    Transfer {
        /// The colleague's name.
        to: String,
    },
}

/// What a browser is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    /// Where the operator stands.
    State(View),
    /// The answer to the offer.
    Answer {
        /// Of this call.
        call: CallId,
        /// The gateway's description.
        sdp: String,
    },
    /// Something could not be done.
    Error {
        /// Why, in a word: `bad_message`, `not_now`, `not_ready`, `full`, `bad_offer`, `no_audio`.
        error: &'static str,
    },
    /// Another window of the same operator has taken over; nothing follows.
    Replaced,
}

/// An operator's state, as shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct View {
    /// [`super::State::code`].
    pub state: &'static str,
    /// The call that rings, is up, or is parked.
    pub call: Option<CallId>,
    /// What is known of it, or of the last one.
    pub shown: Option<Shown>,
    /// Seconds in this state.
    pub for_s: u64,
    /// Seconds until it ends by itself.
    pub left_s: Option<u64>,
    /// Callers who wait.
    pub waiting: usize,
    /// To whom a caller could be given.
    pub ready_colleagues: Vec<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn commands_are_read_and_others_refused() {
        let id = "0190a0b0-0000-7000-8000-000000000001";
        let call: CallId = serde_json::from_value(json!(id)).expect("a call");
        let check = |text: serde_json::Value, expected: Option<Command>| {
            assert_eq!(serde_json::from_value::<Command>(text.clone()).ok(), expected, "{text}");
        };
        check(json!({ "type": "ready" }), Some(Command::Ready));
        check(json!({ "type": "hang_up" }), Some(Command::HangUp));
        check(json!({ "type": "hold", "on": true }), Some(Command::Hold { on: true }));
        check(json!({ "type": "answer", "call": id, "sdp": "v=0" }), Some(Command::Answer { call, sdp: "v=0".into() }));
        check(json!({ "type": "transfer", "to": "李坐席" }), Some(Command::Transfer { to: "李坐席".into() }));
        check(json!({ "type": "answer", "call": id }), None);
        check(json!({ "type": "shout" }), None);
        check(json!({ "type": "hold", "on": true, "more": 1 }), None);
        check(json!("ready"), None);
    }

    #[test]
    fn a_message_says_its_type() {
        let view = View {
            state: "ready",
            call: None,
            shown: None,
            for_s: 3,
            left_s: None,
            waiting: 2,
            ready_colleagues: vec![],
        };
        let told = serde_json::to_value(Message::State(view)).expect("plain data");
        assert_eq!((told["type"].as_str(), told["state"].as_str()), (Some("state"), Some("ready")));
        assert_eq!(serde_json::to_value(Message::Replaced).expect("plain data"), json!({ "type": "replaced" }));
    }
}
