//! Trunks on the wire: registration, OPTIONS, fail-over, caps.

use std::sync::Arc;
use std::time::Duration;

use minxin::call::{Barred, DialPolicy, Standing};
use minxin::ids::PhoneNumber;
use minxin::sip::{
    Channel, Endpoint, Failure, Login, SipConfig, TrunkAnswer, TrunkCall, TrunkConfig, TrunkStats, TrunkTransport,
    Trunks,
};

use crate::support::sip::{Line, OFFER, PATIENCE, Received, SILENCE, answer_as, config, gateway, local_rtp};

/// A trunk that is a socket.
struct Far(Line);

impl Far {
    async fn new(endpoint: &Endpoint) -> Self {
        Self(Line::udp(endpoint).await)
    }

    fn config(&self, name: &str) -> TrunkConfig {
        TrunkConfig {
            name: name.into(),
            address: self.0.addr().to_string(),
            transport: TrunkTransport::Udp,
            login: None,
            caller_id: "12345".into(),
            assert_identity: true,
            srtp: false,
            channels: 2,
            calls_per_second: 100.0,
            calls_per_hour: 100,
            calls_per_day: 100,
            register: None,
        }
    }

    /// The next request of this method; OPTIONS meanwhile are answered 200.
    async fn request(&mut self, method: &str) -> Received {
        loop {
            let message = self.0.receive().await;
            if message.method() == Some(method) {
                return message;
            }
            if message.method() == Some("OPTIONS") {
                self.0.send(answer_as(&message, 200, "t", "", None)).await;
            }
        }
    }

    async fn answer(&mut self, request: &Received, status: u16, extra: &str, sdp: Option<&str>) {
        self.0.send(answer_as(request, status, "t", extra, sdp)).await;
    }
}

fn number() -> PhoneNumber {
    PhoneNumber::parse("13900000001").expect("a number")
}

/// A test may run by night.
fn at_any_time() -> DialPolicy {
    DialPolicy { barred: vec!["168".into()], by_night: true }
}

async fn ring(trunks: &Trunks, prefer: Option<&str>) -> Result<TrunkAnswer, Failure> {
    let call = TrunkCall {
        number: &number(),
        standing: Standing::Listed,
        prefer,
        local_rtp: local_rtp(),
        ring_timeout: PATIENCE,
        early: None,
    };
    trunks.call(call).await
}

async fn until(trunks: &Trunks, what: &str, holds: impl Fn(&[TrunkStats]) -> bool) {
    let told = async {
        while !holds(&trunks.stats()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.unwrap_or_else(|_| panic!("{what}: {:?}", trunks.stats()));
}

#[tokio::test]
async fn a_registration_is_made_kept_and_ended() {
    let (endpoint, _calls) = gateway(config()).await;
    let mut far = Far::new(&endpoint).await;
    let login = Arc::new(Login::new(None, "office", "secret"));
    let expires = Some(Duration::from_secs(60));
    let trunks = endpoint.trunks(
        at_any_time(),
        vec![TrunkConfig { login: Some(("office".into(), login)), register: expires, ..far.config("a") }],
    );
    let first = far.request("REGISTER").await;
    assert!(first.0.starts_with(&format!("REGISTER sip:{} SIP/2.0\r\n", far.0.addr())), "{first:?}");
    assert_eq!((first.header("To"), first.header("Expires")), (Some("<sip:office@127.0.0.1>"), Some("60")));
    let contact = format!("<sip:12345@{}>", endpoint.udp_addr().expect("UDP is on"));
    assert_eq!(first.header("Contact"), Some(contact.as_str()));
    let challenge = "WWW-Authenticate: Digest realm=\"t\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256\r\n";
    far.answer(&first, 401, challenge, None).await;
    let proven = far.request("REGISTER").await;
    assert_eq!((proven.header("Call-ID"), proven.header("CSeq")), (first.header("Call-ID"), Some("2 REGISTER")));
    assert!(
        proven.header("Authorization").is_some_and(|a| a.contains("username=\"office\"") && a.contains("nc=00000001"))
    );
    // 423: for longer, at once.
    far.answer(&proven, 423, "Min-Expires: 90\r\n", None).await;
    let longer = far.request("REGISTER").await;
    assert_eq!(longer.header("Expires"), Some("90"));
    // Another telephone's binding is longer; ours counts.
    let bindings = format!("Contact: <sip:x@192.0.2.1>;expires=600, {contact};expires=1\r\n");
    far.answer(&longer, 200, &bindings, None).await;
    until(&trunks, "registered", |stats| stats[0].registered == Some(true)).await;
    // It holds for a second and is renewed no sooner than after five.
    let renewed = tokio::time::timeout(PATIENCE, far.request("REGISTER")).await.expect("a refresh");
    far.answer(&renewed, 200, &format!("Contact: {contact};expires=60\r\n"), None).await;
    until(&trunks, "registered", |stats| stats[0].registered == Some(true)).await;
    let (_, last) = tokio::join!(trunks.close(), async {
        let last = far.request("REGISTER").await;
        far.answer(&last, 200, "", None).await;
        last
    });
    assert_eq!(last.header("Expires"), Some("0"));
}

#[tokio::test]
async fn a_call_goes_by_the_next_trunk_when_one_cannot_carry_it() {
    let (endpoint, _calls) = gateway(config()).await;
    let (mut first, mut second) = (Far::new(&endpoint).await, Far::new(&endpoint).await);
    let trunks = endpoint.trunks(at_any_time(), vec![first.config("first"), second.config("second")]);
    let (answer, ()) = tokio::join!(ring(&trunks, None), async {
        let invite = first.request("INVITE").await;
        first.answer(&invite, 503, "", None).await;
        let invite = second.request("INVITE").await;
        assert!(invite.0.starts_with(&format!("INVITE sip:13900000001@{} SIP/2.0\r\n", second.0.addr())), "{invite:?}");
        assert_eq!(invite.header("P-Asserted-Identity"), Some("<sip:12345@127.0.0.1>"));
        second.answer(&invite, 200, "", Some(OFFER)).await;
    });
    let TrunkAnswer { trunk, channel, dialog } = answer.expect("the second carries it");
    assert_eq!(trunk, "second");
    assert_eq!(format!("{channel:?}"), "Channel(second)");
    let stats = trunks.stats();
    assert_eq!((stats[0].tried, stats[0].failed, stats[0].in_use), (1, 1, 0));
    assert_eq!((stats[1].tried, stats[1].failed, stats[1].in_use), (1, 0, 1));
    drop::<(Channel, _)>((channel, dialog));
    assert_eq!(trunks.stats()[1].in_use, 0);
    // A busy telephone is busy by every trunk.
    let (busy, ()) = tokio::join!(ring(&trunks, Some("second")), async {
        let invite = second.request("INVITE").await;
        second.answer(&invite, 486, "", None).await;
    });
    assert_eq!(busy.err(), Some(Failure::Busy));
    assert_eq!(trunks.stats()[0].tried, 1);
}

#[tokio::test]
async fn a_trunk_that_is_down_gets_no_call() {
    let (endpoint, _calls) = gateway(config()).await;
    let mut far = Far::new(&endpoint).await;
    let trunks = endpoint.trunks(at_any_time(), vec![far.config("a")]);
    let mut faults = 0;
    while trunks.stats()[0].up {
        let (refused, ()) = tokio::join!(ring(&trunks, None), async {
            let invite = far.request("INVITE").await;
            far.answer(&invite, 500, "", None).await;
        });
        assert_eq!(refused.err(), Some(Failure::Trunk));
        faults += 1;
    }
    // The answer to the first OPTIONS may come between two of them, and counts.
    assert!((2..=3).contains(&faults), "down after {faults} faults");
    assert_eq!(trunks.room(), 0);
    assert_eq!(ring(&trunks, None).await.err(), Some(Failure::NoRoom));
    assert!(far.0.receive_within(SILENCE).await.is_none_or(|message| message.method() != Some("INVITE")));
}

#[tokio::test]
async fn no_more_calls_than_channels() {
    let (endpoint, _calls) = gateway(config()).await;
    let mut far = Far::new(&endpoint).await;
    let trunks = Arc::new(endpoint.trunks(at_any_time(), vec![far.config("a")]));
    assert_eq!(trunks.room(), 2);
    let ringing = {
        let trunks = Arc::clone(&trunks);
        tokio::spawn(async move { tokio::join!(ring(&trunks, None), ring(&trunks, None), ring(&trunks, None)) })
    };
    let (one, two) = (far.request("INVITE").await, far.request("INVITE").await);
    assert_eq!(trunks.room(), 0);
    far.answer(&one, 603, "", None).await;
    far.answer(&two, 404, "", None).await;
    let (a, b, c) = ringing.await.expect("the task");
    let mut failures: Vec<_> = [a, b, c].into_iter().filter_map(Result::err).collect();
    failures.sort_by_key(|failure| failure.code());
    assert_eq!(failures, [Failure::Declined, Failure::Gone, Failure::NoRoom]);
    assert_eq!(trunks.room(), 2);
}

#[tokio::test]
async fn nothing_out_of_policy_is_sent() {
    let (endpoint, _calls) = gateway(config()).await;
    let mut far = Far::new(&endpoint).await;
    let options = far.config("a");
    let trunks = endpoint.trunks(at_any_time(), vec![TrunkConfig { calls_per_hour: 1, ..options }]);
    for (number, standing, barred) in [
        ("16800000001", Standing::Listed, Barred::Number),
        ("0012025550100", Standing::Case, Barred::Number),
        ("13900000001", Standing::None, Barred::Stranger),
    ] {
        let number = PhoneNumber::parse(number).expect("a number");
        let call = TrunkCall {
            number: &number,
            standing,
            prefer: None,
            local_rtp: local_rtp(),
            ring_timeout: PATIENCE,
            early: None,
        };
        assert_eq!(trunks.call(call).await.err(), Some(Failure::Barred(barred)));
    }
    let (busy, ()) = tokio::join!(ring(&trunks, None), async {
        let invite = far.request("INVITE").await;
        far.answer(&invite, 486, "", None).await;
    });
    assert_eq!(busy.err(), Some(Failure::Busy));
    assert_eq!(ring(&trunks, None).await.err(), Some(Failure::Barred(Barred::Hour)));
    assert_eq!(trunks.stats()[0].tried, 1);
}

/// A trunk that challenges requests within the call gets its credentials; one that the Contact leads away from gets none.
#[tokio::test]
async fn a_challenge_within_the_call_is_answered_to_the_trunk_alone() {
    let (endpoint, _calls) = gateway(config()).await;
    let mut far = Far::new(&endpoint).await;
    let login = Some(("office".into(), Arc::new(Login::new(Some("t".into()), "office", "secret"))));
    let trunks = endpoint.trunks(at_any_time(), vec![TrunkConfig { login, ..far.config("a") }]);
    let challenge = |realm: &str, nonce: &str| {
        format!("Proxy-Authenticate: Digest realm=\"{realm}\", nonce=\"{nonce}\", qop=\"auth\", algorithm=SHA-256\r\n")
    };
    let proof = |request: &Received| request.header("Proxy-Authorization").map(str::to_owned);
    let answered = async |far: &mut Far| {
        let (answer, ()) = tokio::join!(ring(&trunks, None), async {
            let invite = far.request("INVITE").await;
            far.answer(&invite, 200, "", Some(OFFER)).await;
        });
        answer.expect("a call").dialog
    };

    let mut dialog = answered(&mut far).await;
    let (held, ()) = tokio::join!(dialog.hold(), async {
        let first = far.request("INVITE").await;
        assert_eq!(proof(&first), None);
        far.answer(&first, 407, &challenge("t", "n"), None).await;
        let proven = far.request("INVITE").await;
        assert!(proof(&proven).is_some_and(|p| p.contains("username=\"office\"") && p.contains("nc=00000001")));
        let body = |request: &Received| request.0.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        assert_eq!(body(&proven), body(&first), "the same offer");
        far.answer(&proven, 200, "", Some(OFFER)).await;
    });
    held.expect("a hold");
    let (_, ()) = tokio::join!(dialog.hang_up(None), async {
        let first = far.request("BYE").await;
        far.answer(&first, 407, &challenge("t", "n"), None).await;
        let proven = far.request("BYE").await;
        assert!(proof(&proven).is_some_and(|p| p.contains("nc=00000002")), "{proven:?}");
        // Wrong credentials are not tried again.
        far.answer(&proven, 407, &challenge("t", "m"), None).await;
    });

    let mut dialog = answered(&mut far).await;
    let (_, ()) = tokio::join!(dialog.hang_up(None), async {
        let first = far.request("BYE").await;
        far.answer(&first, 407, &challenge("elsewhere", "n"), None).await;
    });
    let more = far.0.receive_within(SILENCE).await;
    assert!(more.as_ref().is_none_or(|message| message.method() != Some("BYE")), "a foreign realm: {more:?}");
}

/// A trunk named by its domain alone is found by SRV, and its second server carries the call that the first cannot (RFC 3263).
#[tokio::test]
async fn the_servers_of_a_domain_are_tried_in_order() {
    let names = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let name_server = names.local_addr().expect("an address");
    let (endpoint, _calls) = gateway(SipConfig { name_servers: vec![name_server], ..config() }).await;
    let (mut first, mut second) = (Far::new(&endpoint).await, Far::new(&endpoint).await);
    let ports = [first.0.addr().port(), second.0.addr().port()];
    let answering = tokio::spawn(async move {
        let mut buffer = [0; 512];
        loop {
            let (length, from) = names.recv_from(&mut buffer).await.expect("a question");
            names.send_to(&named(&buffer[..length], ports), from).await.expect("sent");
        }
    });
    let trunks =
        endpoint.trunks(at_any_time(), vec![TrunkConfig { address: "trunk.example".into(), ..first.config("a") }]);
    let (answer, ()) = tokio::join!(ring(&trunks, None), async {
        let invite = first.request("INVITE").await;
        assert!(invite.0.starts_with("INVITE sip:13900000001@trunk.example SIP/2.0\r\n"), "{invite:?}");
        first.answer(&invite, 503, "", None).await;
        let invite = second.request("INVITE").await;
        second.answer(&invite, 200, "", Some(OFFER)).await;
    });
    assert_eq!(answer.expect("the second carries it").trunk, "a");
    assert!(trunks.stats()[0].up, "the trunk as a whole is up");
    answering.abort();
}

/// A name server's answer: two servers of different priority, both on this machine.
fn named(question: &[u8], ports: [u16; 2]) -> Vec<u8> {
    let name_end = 12 + question[12..].iter().position(|b| *b == 0).expect("an end") + 1;
    let kind = question[name_end + 1];
    let records: Vec<Vec<u8>> = match (kind, question[13]) {
        (33, _) => [(10, ports[0]), (20, ports[1])]
            .map(|(priority, port)| {
                [&[0, priority, 0, 0], &port.to_be_bytes()[..], b"\x04here\x07example\x00"].concat()
            })
            .into(),
        (1, b'h') => vec![vec![127, 0, 0, 1]],
        _ => Vec::new(),
    };
    let mut out = question[..name_end + 4].to_vec();
    out[2..4].copy_from_slice(&[0x81, 0x80]);
    (out[7], out[11]) = (records.len() as u8, 0);
    for record in records {
        out.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, record.len() as u8]);
        out.extend(record);
    }
    out
}
