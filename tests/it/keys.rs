//! A caller who presses keys only, with recognition switched off: every way leads to a case or an answer.

use std::net::UdpSocket;
use std::time::Duration;

use serde_json::Value;

use crate::support::gateway::{Call, Gateway};
use crate::support::repository;
use crate::support::script::{MESSAGE, MESSAGE_TOLD_S, caller, masked};

/// What callers of one test share, in the order in which they ring.
const MESSAGE_CALLER: usize = 1;
const WINDOW_CALLER: usize = 2;
const SLOW_CALLER: usize = 3;
const WRONG_CALLER: usize = 4;
const SHORT_CALLER: usize = 5;
const GONE_CALLER: usize = 6;

#[test]
fn keys_lead_everywhere() {
    let mut gateway = Gateway::start();
    let speech = |name: &str| repository(&format!("tests/data/calls/{name}.wav")).display().to_string();
    let request = format!("13:{}", speech("request.job"));
    let place = format!("27:{}", speech("yes"));
    let dial = |caller_index: usize, args: &[&str]| {
        gateway.dial("12345", &[&["--from", &caller(caller_index)], args].concat())
    };
    let message = dial(MESSAGE_CALLER, &["--dtmf", MESSAGE, "--duration", MESSAGE_TOLD_S]);
    let window =
        dial(WINDOW_CALLER, &["--dtmf", "6.5:7,36:1,39:1", "--play", &request, "--play", &place, "--duration", "56"]);
    let slow = dial(SLOW_CALLER, &["--dtmf", "6.5:9", "--duration", "12"]);
    let wrong = dial(WRONG_CALLER, &["--dtmf", "6.5:A,8:B,9.5:C,18:#", "--duration", "34"]);
    let short = dial(SHORT_CALLER, &["--duration", "7"]);
    let gone = dial(GONE_CALLER, &["--duration", "3"]);
    cancel(&gateway);

    gone.hang_up();
    let short = short.hang_up();
    short.heard().must_have(&["notice", "welcome"]);
    let abandoned = case_of(&mut gateway, SHORT_CALLER);
    assert_eq!(abandoned["origin"], "abandoned", "{abandoned}");

    slow.hang_up();
    let told = call_of(&mut gateway, SLOW_CALLER).to_string();
    assert!(told.contains("我说慢一点"), "{told}");

    let message = message.hang_up();
    let number = check_told(&mut gateway, MESSAGE_CALLER, &message, "person");
    let heard = message.heard();
    assert!(heard.has("person.none") || heard.has("person.afterhours"));
    heard.must_have(&["notice", "beep", "record.done", "case.opened", "case.repeat", "case.owner", "case.due"]);
    let ask = progress(&gateway, number, "progress.is");
    let wrong_check = number + if number % 10 == 9 { -1 } else { 1 };
    let mistyped = progress(&gateway, wrong_check, "progress.wrong_check");

    let wrong = wrong.hang_up();
    wrong.heard().must_have(&["wrong_key", "record.begin", "beep", "record.done"]);
    check_told(&mut gateway, WRONG_CALLER, &wrong, "recording");

    let window = window.hang_up();
    window.heard().must_have(&["welcome", "say_request", "dictate_place", "readback.phone", "case.opened"]);
    check_told(&mut gateway, WINDOW_CALLER, &window, "dialogue");
    let case = case_of(&mut gateway, WINDOW_CALLER);
    assert_eq!(case["window_code"], 7, "{case}");

    for (call, prompt) in [ask, mistyped] {
        call.hang_up().heard().must_have(&["survey.check.none", "progress.ask", prompt]);
    }
    let callers = gateway.api("calls?limit=200")["items"].to_string();
    for (index, leaves_case) in [(GONE_CALLER, false), (SHORT_CALLER, true)] {
        assert!(callers.contains(&masked(index)), "{callers}");
        assert_eq!(call_of(&mut gateway, index)["case_number"].is_i64(), leaves_case, "{index}");
    }
    let cancelled = call_of(&mut gateway, 0);
    assert!(cancelled["case_number"].is_null(), "{cancelled}");
}

/// Asks for the progress of a case; what is to be heard goes along.
fn progress<'a>(gateway: &Gateway, number: i64, prompt: &'a str) -> (crate::support::gateway::Telephone, &'a str) {
    // First it is said whether we rang; then the number is asked for.
    let keys = format!("6.5:#,16:{number}");
    (gateway.dial("12345", &["--dtmf", &keys, "--duration", "33"]), prompt)
}

/// The number that the telephone heard is the one in the database.
fn check_told(gateway: &mut Gateway, index: usize, call: &Call, origin: &str) -> i64 {
    let heard = call.heard().case_numbers();
    let case = case_of(gateway, index);
    let number = case["number"].as_i64().expect("a number");
    assert!(!heard.is_empty(), "no number was heard by {index}, {number} was given");
    assert!(heard.iter().all(|n| n.to_string() == number.to_string()), "{heard:?} heard, {number} given");
    assert_eq!(case["origin"], origin, "{case}");
    number
}

/// The call of this caller.
fn call_of(gateway: &mut Gateway, index: usize) -> Value {
    let id = gateway.wait_for("call", Duration::from_secs(10), |gateway| {
        let calls = gateway.api("calls?limit=200");
        let call = calls["items"].as_array()?.iter().find(|c| c["caller"] == masked(index))?;
        call["ended_at"].is_string().then(|| call["id"].as_str().map(str::to_owned))?
    });
    gateway.api(&format!("calls/{id}"))
}

/// The case that this caller's call opened.
fn case_of(gateway: &mut Gateway, index: usize) -> Value {
    let number =
        gateway.wait_for("case", Duration::from_secs(10), |gateway| call_of(gateway, index)["case_number"].as_i64());
    gateway.api(&format!("cases/{number}"))
}

/// A call that is given up while it rings: INVITE and CANCEL in one breath.
fn cancel(gateway: &Gateway) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let ours = socket.local_addr().expect("an address");
    let common = format!(
        "Via: SIP/2.0/UDP {ours};branch=z9hG4bKcancelled\r\nMax-Forwards: 70\r\nFrom: <sip:{}@127.0.0.1>;tag=1\r\n\
         To: <sip:12345@{}>\r\nCall-ID: cancelled@127.0.0.1\r\nContact: <sip:{ours}>\r\n",
        caller(0),
        gateway.sip
    );
    let offer = crate::support::sip::OFFER;
    let send = |method: &str, end: String| {
        let request = format!("{method} sip:12345@{} SIP/2.0\r\n{common}CSeq: 1 {method}\r\n{end}", gateway.sip);
        socket.send_to(request.as_bytes(), gateway.sip).expect("sent");
    };
    send("INVITE", format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}", offer.len()));
    send("CANCEL", "Content-Length: 0\r\n\r\n".to_owned());
}
