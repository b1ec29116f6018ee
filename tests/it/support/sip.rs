//! A gateway that answers everything, and a telephone that is no more than a socket.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use minxin::sip::{Dialog, Endpoint, IncomingCall, SipConfig, start};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::tls::Certificate;

/// How long anything is waited for: far beyond what it takes, so that a slow machine fails no test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// How long silence must last to count. Anything that answers does so within a millisecond or two.
pub(crate) const SILENCE: Duration = Duration::from_millis(200);

/// A plain offer of A-law.
pub(crate) const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\n\
     a=rtpmap:101 telephone-event/8000\r\n";

/// The address at which a gateway under test claims to hear RTP.
pub(crate) fn local_rtp() -> SocketAddr {
    ([127, 0, 0, 1], 40000).into()
}

/// Limits that no test reaches by accident, on free ports of both transports.
pub(crate) fn config() -> SipConfig {
    let any = Some(([127, 0, 0, 1], 0).into());
    SipConfig { udp: any, tcp: any, max_calls_per_second: 10_000, ..SipConfig::default() }
}

/// Starts an endpoint.
pub(crate) async fn gateway(config: SipConfig) -> (Endpoint, mpsc::Receiver<IncomingCall>) {
    start(config).await.expect("a gateway on free ports")
}

/// Starts an endpoint that answers every call. The called users and the calls come out.
pub(crate) async fn answering(config: SipConfig) -> (Endpoint, mpsc::Receiver<(String, Dialog)>) {
    let (endpoint, mut calls) = gateway(config).await;
    let (sender, dialogs) = mpsc::channel(1024);
    tokio::spawn(async move {
        while let Some(call) = calls.recv().await {
            let called = call.called.clone();
            if let Ok(dialog) = call.answer(local_rtp()).await {
                drop(sender.send((called, dialog)).await);
            }
        }
    });
    (endpoint, dialogs)
}

/// A connection to a gateway that sends and receives octets.
pub(crate) enum Line {
    Udp(UdpSocket),
    Tcp { stream: TcpStream, buf: Vec<u8> },
    Tls { stream: Box<TlsStream<TcpStream>>, buf: Vec<u8> },
}

impl Line {
    pub(crate) async fn udp(endpoint: &Endpoint) -> Self {
        Self::udp_from(endpoint, [127, 0, 0, 1]).await
    }

    /// From an address of one's own.
    pub(crate) async fn udp_from(endpoint: &Endpoint, source: [u8; 4]) -> Self {
        let socket = UdpSocket::bind(SocketAddr::from((source, 0))).await.expect("a free port");
        socket.connect(endpoint.udp_addr().expect("UDP is on")).await.expect("a loopback address");
        Self::Udp(socket)
    }

    pub(crate) async fn tcp(endpoint: &Endpoint) -> Self {
        let stream = TcpStream::connect(endpoint.tcp_addr().expect("TCP is on")).await.expect("it listens");
        Self::Tcp { stream, buf: Vec::new() }
    }

    pub(crate) async fn tls(endpoint: &Endpoint, certificate: &Certificate) -> Self {
        let stream = TcpStream::connect(endpoint.tls_addr().expect("TLS is on")).await.expect("it listens");
        Self::Tls { stream: Box::new(certificate.handshake(stream).await), buf: Vec::new() }
    }

    pub(crate) fn transport(&self) -> &'static str {
        match self {
            Self::Udp(_) => "UDP",
            Self::Tcp { .. } => "TCP",
            Self::Tls { .. } => "TLS",
        }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        match self {
            Self::Udp(socket) => socket.local_addr(),
            Self::Tcp { stream, .. } => stream.local_addr(),
            Self::Tls { stream, .. } => stream.get_ref().0.local_addr(),
        }
        .expect("it is bound")
    }

    pub(crate) async fn send(&mut self, data: impl AsRef<[u8]>) {
        match self {
            Self::Udp(socket) => drop(socket.send(data.as_ref()).await.expect("sent")),
            Self::Tcp { stream, .. } => stream.write_all(data.as_ref()).await.expect("sent"),
            Self::Tls { stream, .. } => stream.write_all(data.as_ref()).await.expect("sent"),
        }
    }

    /// The next message; `None` when none comes in time, or the connection is closed.
    pub(crate) async fn receive_within(&mut self, time: Duration) -> Option<Received> {
        timeout(time, self.receive_raw()).await.ok().flatten().map(Received)
    }

    /// The next message.
    #[track_caller]
    pub(crate) fn receive(&mut self) -> impl Future<Output = Received> {
        let caller = std::panic::Location::caller();
        async move {
            match self.receive_within(PATIENCE).await {
                Some(message) => message,
                None => panic!("nothing came, awaited at {caller}"),
            }
        }
    }

    /// The next message that is no provisional response.
    #[track_caller]
    pub(crate) fn receive_final(&mut self) -> impl Future<Output = Received> {
        self.receive_final_of("a call")
    }

    /// The same, naming what it is about when it fails.
    #[track_caller]
    pub(crate) fn receive_final_of(&mut self, subject: &str) -> impl Future<Output = Received> {
        let caller = std::panic::Location::caller();
        async move {
            loop {
                match self.receive_within(PATIENCE).await {
                    Some(message) if message.status().is_some_and(|status| status < 200) => {}
                    Some(message) => return message,
                    None => panic!("{subject}: nothing came, awaited at {caller}"),
                }
            }
        }
    }

    async fn receive_raw(&mut self) -> Option<String> {
        match self {
            Self::Udp(socket) => {
                let mut buf = vec![0; 65_536];
                let len = socket.recv(&mut buf).await.ok()?;
                Some(String::from_utf8_lossy(&buf[..len]).into_owned())
            }
            Self::Tcp { stream, buf } => receive_framed(stream, buf).await,
            Self::Tls { stream, buf } => receive_framed(stream, buf).await,
        }
    }
}

async fn receive_framed(stream: &mut (impl AsyncRead + Unpin), buf: &mut Vec<u8>) -> Option<String> {
    loop {
        let text = String::from_utf8_lossy(buf).into_owned();
        if let Some(head) = text.find("\r\n\r\n") {
            let len = text[..head]
                .lines()
                .find_map(|line| line.strip_prefix("Content-Length: "))
                .and_then(|len| len.parse::<usize>().ok())
                .expect("every message on a stream has a length");
            if buf.len() >= head + 4 + len {
                let rest = buf.split_off(head + 4 + len);
                let message = std::mem::replace(buf, rest);
                return Some(String::from_utf8_lossy(&message).into_owned());
            }
        }
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        buf.extend_from_slice(&chunk[..read]);
    }
}

/// A message that came back.
#[derive(Clone, Debug)]
pub(crate) struct Received(pub(crate) String);

impl Received {
    pub(crate) fn status(&self) -> Option<u16> {
        self.0.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    pub(crate) fn method(&self) -> Option<&str> {
        self.0.split(' ').next().filter(|_| self.status().is_none())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    pub(crate) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.lines().take_while(|line| !line.is_empty()).filter_map(move |line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    pub(crate) fn to_tag(&self) -> String {
        let to = self.header("To").expect("every message has a To");
        to.split_once(";tag=").expect("a tag").1.to_owned()
    }

    /// A 200 to this request.
    pub(crate) fn ok(&self, sdp: &str) -> String {
        let mut text = String::from("SIP/2.0 200 OK\r\n");
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            for value in self.headers(name) {
                let _ = write!(text, "{name}: {value}\r\n");
            }
        }
        // The request went to our own Contact.
        let _ = write!(text, "Contact: <{}>\r\n", self.0.split(' ').nth(1).expect("a Request-URI"));
        finish(text, if sdp.is_empty() { None } else { Some(sdp) })
    }
}

/// A response to `request` as one of perhaps several telephones behind a trunk gives it: `tag` names which. `extra` are
/// header lines, each ended by CRLF; a Contact among them replaces the usual one.
pub(crate) fn answer_as(request: &Received, status: u16, tag: &str, extra: &str, sdp: Option<&str>) -> String {
    let mut text = format!("SIP/2.0 {status} Whatever\r\n");
    for name in ["Via", "From", "Call-ID", "CSeq"] {
        for value in request.headers(name) {
            let _ = write!(text, "{name}: {value}\r\n");
        }
    }
    let to = request.header("To").expect("every message has a To");
    let to = if to.contains(";tag=") { to.to_owned() } else { format!("{to};tag={tag}") };
    let target = request.0.split(' ').nth(1).expect("a Request-URI");
    let contact = if extra.contains("Contact: ") { String::new() } else { format!("Contact: <{target}>\r\n") };
    let _ = write!(text, "To: {to}\r\n{contact}{extra}");
    finish(text, sdp)
}

fn finish(mut text: String, sdp: Option<&str>) -> String {
    if sdp.is_some() {
        text.push_str("Content-Type: application/sdp\r\n");
    }
    let body = sdp.unwrap_or_default();
    let _ = write!(text, "Content-Length: {}\r\n\r\n{body}", body.len());
    text
}

/// One call of the telephone: makes its requests.
pub(crate) struct Call {
    transport: &'static str,
    addr: SocketAddr,
    pub(crate) id: String,
    pub(crate) cseq: u32,
    pub(crate) to_tag: String,
    pub(crate) branch: u32,
}

static NEXT: AtomicU32 = AtomicU32::new(1);

impl Call {
    pub(crate) fn new(line: &Line) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            transport: line.transport(),
            addr: line.addr(),
            id: format!("call-{number}-{}", line.addr().port()),
            cseq: 0,
            to_tag: String::new(),
            branch: 0,
        }
    }

    /// The next request, with extra header lines, each ended by CRLF.
    pub(crate) fn request(&mut self, method: &str, extra: &str, sdp: Option<&str>) -> String {
        self.cseq += 1;
        self.branch += 1;
        self.repeat(method, extra, sdp)
    }

    /// A request with the branch and number of the last one: ACK to a refusal, CANCEL, a retransmission.
    pub(crate) fn repeat(&self, method: &str, extra: &str, sdp: Option<&str>) -> String {
        let Self { transport, addr, id, cseq, to_tag, branch } = self;
        let tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
        let parameter = match *transport {
            "UDP" => String::new(),
            stream => format!(";transport={}", stream.to_lowercase()),
        };
        let text = format!(
            "{method} sip:12345@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} {addr};branch=z9hG4bK{id}{branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:13812341234@127.0.0.1>;tag=phone\r\nTo: <sip:12345@127.0.0.1>{tag}\r\n\
             Call-ID: {id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:13812341234@{addr}{parameter}>\r\n{extra}"
        );
        finish(text, sdp)
    }

    /// The ACK of a 2xx: a new branch, the same number.
    pub(crate) fn ack(&mut self, sdp: Option<&str>) -> String {
        self.branch += 1;
        self.repeat("ACK", "", sdp)
    }

    /// Sends INVITE and ACK; the 200.
    pub(crate) async fn establish(&mut self, line: &mut Line, extra: &str) -> Received {
        line.send(self.request("INVITE", extra, Some(OFFER))).await;
        let answer = line.receive_final().await;
        assert_eq!(answer.status(), Some(200), "{answer:?}");
        self.to_tag = answer.to_tag();
        line.send(self.ack(None)).await;
        answer
    }

    /// Sends BYE and waits for its 200.
    pub(crate) async fn hang_up(&mut self, line: &mut Line) {
        line.send(self.request("BYE", "", None)).await;
        let answer = line.receive_final().await;
        assert_eq!(answer.status(), Some(200), "{answer:?}");
    }
}
