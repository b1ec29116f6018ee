//! Which hotline answers, over which transport, and what happens when there is no room.

use crate::support::gateway::Gateway;
use crate::support::sip::OFFER;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

#[test]
fn the_number_chooses_the_line() {
    let mut gateway = Gateway::start_with(&[("MINXIN_SIP__MAX_CALLS", "2")]);
    let people = gateway.dial("12345", &["--duration", "8"]);
    let party = gateway.dial("12371;transport=tcp", &["--duration", "8"]);
    gateway.wait_for("two calls", Duration::from_secs(5), |gateway| {
        gateway.text("/metrics").lines().any(|line| line.starts_with("minxin_calls 2")).then_some(())
    });
    let refused = full(&gateway);
    assert!(refused.starts_with("SIP/2.0 503 "), "{refused}");
    assert!(refused.to_lowercase().contains("\r\nretry-after:"), "{refused}");

    people.hang_up().heard().must_have(&["notice", "welcome"]);
    let party = party.hang_up();
    party.heard().must_have(&["notice", "party.welcome"]);
    assert_eq!(party.report["codec"], "PCMA");

    // The seats are free again, and the lines stand apart in what is kept.
    gateway.ring("12371", &["--duration", "1"]);
    let calls = gateway.wait_for("three calls", Duration::from_secs(10), |gateway| {
        let calls = gateway.api("calls");
        (calls["items"].as_array()?.len() == 3).then_some(calls)
    });
    let mut lines: Vec<_> = calls["items"].as_array().expect("a list").iter().map(|c| c["line"].to_string()).collect();
    lines.sort();
    assert_eq!(lines, ["\"党员服务热线\"", "\"党员服务热线\"", "\"民心热线\""]);
}

/// The final answer to one more INVITE.
fn full(gateway: &Gateway) -> String {
    let mut stream = TcpStream::connect(gateway.sip).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let ours = stream.local_addr().expect("an address");
    let request = format!(
        "INVITE sip:12345@{} SIP/2.0\r\nVia: SIP/2.0/TCP {ours};branch=z9hG4bKfull\r\nMax-Forwards: 70\r\n\
         From: <sip:1@127.0.0.1>;tag=1\r\nTo: <sip:12345@127.0.0.1>\r\nCall-ID: full@127.0.0.1\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:{ours};transport=tcp>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{OFFER}",
        gateway.sip,
        OFFER.len()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    let mut buffer = [0; 4_096];
    loop {
        let got = stream.read(&mut buffer).expect("an answer");
        assert!(got > 0, "closed after {answer}");
        answer.push_str(&String::from_utf8_lossy(&buffer[..got]));
        // A provisional response comes first, or not.
        if let Some(at) =
            answer.find("SIP/2.0 5").or_else(|| answer.find("SIP/2.0 2")).filter(|_| answer.ends_with("\r\n\r\n"))
        {
            return answer.split_off(at);
        }
    }
}
