//! The state of one dialog (RFC 3261 §12): who the two ends are, what the next request is, and where it goes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rsipstack::sip::{HostWithPort, Request, Response, Transport};
use rsipstack::transport::{SipAddr, SipConnection};

use super::SipError;
use super::address::{NameAddr, Uri};
use super::client::Hop;
use super::text::list;
use super::wire::{all, cseq, field};

/// How long a host name of a peer may take to resolve.
const RESOLVE_TIME: Duration = Duration::from_secs(2);

/// One end's view of a dialog. A copy counts on together with its original.
#[derive(Clone)]
pub(super) struct DialogState {
    pub(super) call_id: String,
    /// Our From or To, with the tag.
    local: String,
    /// The peer's.
    remote: String,
    pub(super) local_tag: String,
    pub(super) remote_tag: String,
    local_cseq: Arc<AtomicU32>,
    remote_cseq: Option<u32>,
    route_set: Vec<String>,
    target: String,
    /// Where the peer's messages come from.
    pub(super) source: SocketAddr,
    pub(super) connection: SipConnection,
    /// Where we are reached: Via and Contact.
    pub(super) contact: SocketAddr,
    /// Our Contact is a `sips:` URI, because the peer asked for nothing less (RFC 3261 §12.1).
    secure: bool,
    user_agent: String,
}

/// What both roles bring along.
pub(super) struct Ends {
    pub(super) source: SocketAddr,
    pub(super) connection: SipConnection,
    pub(super) contact: SocketAddr,
    pub(super) user_agent: String,
}

impl DialogState {
    /// As user agent server: from an INVITE and the tag that we give it (RFC 3261 §12.1.1).
    pub(super) fn server(invite: &Request, local_tag: &str, ends: Ends) -> Result<Self, SipError> {
        let (from, to) = (mandatory(invite, "From")?, mandatory(invite, "To")?);
        let from_addr = NameAddr::parse(from).ok_or(SipError::Malformed("From"))?;
        let target = contact_uri(field(invite, "Contact")).unwrap_or_else(|| from_addr.uri.to_owned());
        let route_set: Vec<String> = all(invite, "Record-Route").flat_map(list).map(str::to_owned).collect();
        let top = route_set.first().and_then(|route| NameAddr::parse(route)).map_or(target.as_str(), |top| top.uri);
        let secure = is_sips(&invite.uri.to_string()) || is_sips(top);
        Ok(Self {
            call_id: mandatory(invite, "Call-ID")?.to_owned(),
            local: format!("{to};tag={local_tag}"),
            remote: from.to_owned(),
            local_tag: local_tag.to_owned(),
            remote_tag: from_addr.tag().unwrap_or_default().to_owned(),
            local_cseq: Arc::new(AtomicU32::new(rand::random::<u32>() >> 16)),
            remote_cseq: cseq(invite),
            route_set,
            target,
            secure,
            source: ends.source,
            connection: ends.connection,
            contact: ends.contact,
            user_agent: ends.user_agent,
        })
    }

    /// As user agent client: from our INVITE and a response that makes a dialog (RFC 3261 §12.1.2).
    pub(super) fn client(invite: &Request, response: &Response, ends: Ends) -> Result<Self, SipError> {
        let (from, to) = (mandatory(invite, "From")?, mandatory(response, "To")?);
        let tag = |value: &str| NameAddr::parse(value).and_then(|addr| addr.tag().map(str::to_owned));
        let mut route_set: Vec<String> = all(response, "Record-Route").flat_map(list).map(str::to_owned).collect();
        route_set.reverse();
        Ok(Self {
            call_id: mandatory(invite, "Call-ID")?.to_owned(),
            local: from.to_owned(),
            remote: to.to_owned(),
            local_tag: tag(from).ok_or(SipError::Malformed("From"))?,
            remote_tag: tag(to).unwrap_or_default(),
            local_cseq: Arc::new(AtomicU32::new(cseq(invite).unwrap_or(1))),
            remote_cseq: None,
            route_set,
            target: contact_uri(field(response, "Contact")).ok_or(SipError::Malformed("Contact"))?,
            secure: is_sips(&invite.uri.to_string()),
            source: ends.source,
            connection: ends.connection,
            contact: ends.contact,
            user_agent: ends.user_agent,
        })
    }

    /// Our Contact.
    pub(super) fn contact(&self) -> String {
        contact(self.contact, &self.connection, self.secure)
    }

    /// Takes note of a request's CSeq; `false` for one that comes out of order (RFC 3261 §12.2.2).
    pub(super) fn in_order(&mut self, request: &Request) -> bool {
        let number = cseq(request);
        let later = self.remote_cseq.is_none_or(|last| number.is_some_and(|n| n > last));
        if later {
            self.remote_cseq = number;
        }
        later
    }

    /// Follows the peer to its new Contact: a target refresh (RFC 3261 §12.2.2).
    pub(super) fn refresh_target(&mut self, contact: Option<&str>) {
        if let Some(target) = contact_uri(contact) {
            self.target = target;
        }
    }

    /// The next request within the dialog.
    pub(super) fn request(
        &self,
        method: &str,
        fields: &[(&str, String)],
        body: Option<(&str, &str)>,
    ) -> Result<Request, SipError> {
        let cseq = self.local_cseq.fetch_add(1, Ordering::Relaxed) + 1;
        let mut text = format!("{method} {} SIP/2.0\r\nVia: {}\r\n", self.target, via(self.contact, &self.connection));
        for route in &self.route_set {
            text.push_str(&format!("Route: {route}\r\n"));
        }
        text.push_str(&format!(
            "From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nContact: {}\r\nMax-Forwards: 70\r\nUser-Agent: {}\r\n",
            self.local,
            self.remote,
            self.call_id,
            self.contact(),
            self.user_agent,
        ));
        finish(text, fields, body)
    }

    /// Goes on counting from `cseq`: requests within an early dialog count as well (RFC 3261 §12.2.1.1).
    pub(super) fn count_from(&self, cseq: u32) {
        self.local_cseq.fetch_max(cseq, Ordering::Relaxed);
    }

    /// The Request-URI of our requests: the peer's Contact.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// Where the next request goes.
    pub(super) fn hop(&self) -> Hop {
        let route = self.route_set.first().and_then(|route| NameAddr::parse(route)).map(|route| route.uri);
        Hop {
            uri: route.unwrap_or(&self.target).to_owned(),
            fallback: self.source,
            connection: self.connection.clone(),
        }
    }
}

/// Ends a request: extra fields, body, length; read by the library into its own form.
pub(super) fn finish(
    mut text: String,
    fields: &[(&str, String)],
    body: Option<(&str, &str)>,
) -> Result<Request, SipError> {
    for (name, value) in fields {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let (content_type, body) = body.unwrap_or_default();
    if !body.is_empty() {
        text.push_str(&format!("Content-Type: {content_type}\r\n"));
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    Request::try_from(text.as_str()).map_err(|_| SipError::Malformed("request"))
}

/// A Via with a fresh branch (RFC 3261 §8.1.1.7, RFC 3581).
pub(super) fn via(sent_by: SocketAddr, connection: &SipConnection) -> String {
    let transport = connection.transport();
    format!("SIP/2.0/{transport} {sent_by};branch=z9hG4bK{:032x};rport", rand::random::<u128>())
}

/// A Contact that reaches us over the same transport; `secure` for a dialog of `sips:` URIs.
pub(super) fn contact(addr: SocketAddr, connection: &SipConnection, secure: bool) -> String {
    if secure {
        return format!("<sips:{addr}>");
    }
    match connection.transport() {
        // RFC 3261 §26.2.2 deprecates this parameter, but nothing else says that `sip:` shall go by TLS.
        Transport::Tls => format!("<sip:{addr};transport=tls>"),
        Transport::Tcp => format!("<sip:{addr};transport=tcp>"),
        Transport::Udp | Transport::TlsSctp | Transport::Sctp | Transport::Ws | Transport::Wss => {
            format!("<sip:{addr}>")
        }
    }
}

/// The transport that a SIP URI asks for (RFC 3263 §4.1, without DNS); `None` for one that we do not speak.
pub(super) fn transport(uri: &Uri<'_>) -> Option<Transport> {
    let named = uri.param("transport").map(str::to_ascii_lowercase);
    match (uri.scheme.as_str(), named.as_deref()) {
        // Within `sips:` the parameter names what TLS runs over.
        ("sips", None | Some("tcp" | "tls")) | ("sip", Some("tls")) => Some(Transport::Tls),
        ("sip", Some("tcp")) => Some(Transport::Tcp),
        ("sip", None | Some("udp")) => Some(Transport::Udp),
        _ => None,
    }
}

/// Whether a URI demands TLS all the way.
pub(super) fn is_sips(uri: &str) -> bool {
    uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sips:"))
}

/// The address in the library's form.
pub(super) fn sip_addr(addr: SocketAddr, connection: &SipConnection) -> SipAddr {
    SipAddr { r#type: Some(connection.transport()), addr: HostWithPort::from(addr) }
}

/// Host and port of a SIP URI, a name resolved by the system.
pub async fn resolve(uri: &str) -> Option<SocketAddr> {
    let uri = Uri::parse(uri).ok()?;
    let host_port = HostWithPort::try_from(uri.hostport).ok()?;
    let default = if transport(&uri) == Some(Transport::Tls) { 5061 } else { 5060 };
    let port = host_port.port.map_or(default, u16::from);
    let host = uri.host();
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, port));
    }
    tokio::time::timeout(RESOLVE_TIME, tokio::net::lookup_host((host, port))).await.ok()?.ok()?.next()
}

/// Our address as `peer` sees it: the one of the interface that leads there.
pub(super) fn address_towards(bound: SocketAddr, peer: SocketAddr) -> SocketAddr {
    if !bound.ip().is_unspecified() {
        return bound;
    }
    let any: IpAddr = if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // Connecting a datagram socket sends nothing; it only asks the routing table.
    let ip = UdpSocket::bind((any, 0)).and_then(|probe| {
        probe.connect(peer)?;
        probe.local_addr()
    });
    SocketAddr::new(ip.map_or(bound.ip(), |addr| addr.ip()), bound.port())
}

fn contact_uri(contact: Option<&str>) -> Option<String> {
    let first = list(contact?).next()?;
    let uri = NameAddr::parse(first)?.uri;
    // Header fields in a Contact URI are for a redirect, not for a target.
    let uri = uri.split('?').next().unwrap_or(uri);
    Uri::parse(uri).is_ok().then(|| uri.to_owned())
}

fn mandatory<'a>(message: &'a impl rsipstack::sip::HasHeaders, name: &'static str) -> Result<&'a str, SipError> {
    field(message, name).ok_or(SipError::Malformed(name))
}
