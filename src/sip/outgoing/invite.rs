//! Who we are to one peer, and the requests that we make of it before there is a dialog.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rsipstack::sip::{Request, Response, Transport};
use rsipstack::transport::SipConnection;

use super::OutgoingCall;
use crate::sip::address::{NameAddr, Uri};
use crate::sip::client::{self, Hop};
use crate::sip::door::Expected;
use crate::sip::endpoint::Core;
use crate::sip::front::{ACCEPT, ALLOW, SUPPORTED};
use crate::sip::state::{DialogState, Ends, address_towards, contact, finish, is_sips, via};
use crate::sip::{SipError, wire};

/// One call's identity, fixed for all attempts.
pub(super) struct Caller {
    pub(super) target: String,
    from: String,
    to: String,
    pub(super) local_tag: String,
    pub(super) call_id: String,
    contact: SocketAddr,
    pub(super) connection: SipConnection,
    pub(super) peer: SocketAddr,
    cseq: AtomicU32,
    _expected: Expected,
}

impl Caller {
    /// Finds the peer and a way to it: `flow` where that is a live stream to the peer, else a new connection.
    pub(super) async fn reach(
        core: &Arc<Core>,
        call: &OutgoingCall,
        transport: Transport,
        flow: Option<SipConnection>,
    ) -> Result<Self, SipError> {
        let peer = core.names.find(&call.to).await.ok_or_else(|| SipError::Uri { uri: call.to.clone() })?;
        let expected = Expected::new(Arc::clone(&core.door), peer.ip());
        let connection = client::reach(core, transport, &call.to, peer, flow).await?;
        let contact = contact_of(core, &connection, peer);
        let from_uri = if call.from.contains(':') { call.from.clone() } else { format!("sip:{}@{contact}", call.from) };
        for uri in [Some(&from_uri), call.asserted.as_ref()].into_iter().flatten() {
            if Uri::parse(uri).is_err() || NameAddr::parse(&format!("<{uri}>")).is_none() {
                return Err(SipError::Uri { uri: uri.clone() });
            }
        }
        let local_tag = format!("{:016x}", rand::random::<u64>());
        Ok(Self {
            from: format!("<{from_uri}>;tag={local_tag}"),
            to: format!("<{}>", call.to),
            target: call.to.clone(),
            call_id: format!("{:032x}", rand::random::<u128>()),
            local_tag,
            contact,
            connection,
            peer,
            cseq: AtomicU32::new(0),
            _expected: expected,
        })
    }

    /// The number for the next request that is neither ACK nor CANCEL.
    pub(super) fn next_cseq(&self) -> u32 {
        self.cseq.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The number used last.
    pub(super) fn last_cseq(&self) -> u32 {
        self.cseq.load(Ordering::Relaxed)
    }

    /// The next INVITE.
    pub(super) fn invite(
        &self,
        core: &Arc<Core>,
        asserted: Option<&str>,
        authorization: Option<(&'static str, String)>,
        sdp: &str,
    ) -> Result<Request, SipError> {
        let text = format!(
            "INVITE {} SIP/2.0\r\nVia: {}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} INVITE\r\nContact: {}\r\n\
             Max-Forwards: 70\r\nUser-Agent: {}\r\nAllow: {ALLOW}\r\nAccept: {ACCEPT}\r\nSupported: {SUPPORTED}\r\n\
             Session-Expires: {}\r\n",
            self.target,
            via(self.contact, &self.connection),
            self.from,
            self.to,
            self.call_id,
            self.next_cseq(),
            contact(self.contact, &self.connection, is_sips(&self.target)),
            core.user_agent,
            core.session_limits.wanted.as_secs(),
        );
        let asserted = asserted.map(|uri| ("P-Asserted-Identity", format!("<{uri}>")));
        let fields: Vec<(&str, String)> = asserted.into_iter().chain(authorization).collect();
        finish(text, &fields, Some(("application/sdp", sdp)))
    }

    /// Sends CANCEL for `invite`: the same branch, the same CSeq number (RFC 3261 §9.1).
    pub(super) fn cancel(&self, core: &Arc<Core>, invite: &Request) {
        let via = wire::field(invite, "Via").unwrap_or_default();
        let cseq = wire::cseq(invite).unwrap_or(1);
        let text = format!(
            "CANCEL {} SIP/2.0\r\nVia: {via}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} CANCEL\r\nMax-Forwards: 70\r\n",
            self.target, self.from, self.to, self.call_id,
        );
        let hop = Hop { uri: self.target.clone(), fallback: self.peer, connection: self.connection.clone() };
        let core = Arc::clone(core);
        tokio::spawn(async move {
            let sent = match finish(text, &[], None) {
                Ok(request) => client::request(&core, hop, request).await,
                Err(error) => Err(error),
            };
            if let Err(error) = sent {
                tracing::debug!(%error, "CANCEL not answered");
            }
        });
    }

    /// Sends BYE within the dialog that `response` to `invite` made.
    pub(super) async fn hang_up(&self, core: &Arc<Core>, invite: &Request, response: &Response) {
        let bye = DialogState::client(invite, response, self.ends(core)).and_then(|state| {
            state.count_from(self.last_cseq());
            Ok((state.hop(), state.request("BYE", &[], None)?))
        });
        let sent = match bye {
            Ok((hop, request)) => client::request(core, hop, request).await,
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "BYE not answered");
        }
    }

    /// What a dialog of ours is made with.
    pub(super) fn ends(&self, core: &Core) -> Ends {
        Ends {
            source: self.peer,
            connection: self.connection.clone(),
            contact: self.contact,
            user_agent: core.user_agent.clone(),
        }
    }
}

/// Where `peer` reaches us, by the transport of `connection`.
fn contact_of(core: &Core, connection: &SipConnection, peer: SocketAddr) -> SocketAddr {
    let local = connection.get_addr().get_socketaddr().unwrap_or(peer);
    address_towards(core.bound(connection).unwrap_or(local), peer)
}
