//! A request within a call, to a peer that may challenge it (RFC 3261 §22.2, §22.3).
//!
//! Credentials go to a peer whom we called, to a realm that was known when the call was placed, and to the host that was
//! called: a Contact that leads elsewhere gets none, whatever realm it names (S7).

use std::sync::Arc;

use rsipstack::sip::{Request, Response};

use crate::sip::endpoint::Core;
use crate::sip::login::{Login, is_stale};
use crate::sip::state::DialogState;
use crate::sip::{SipError, client, wire};

/// Requests for one answer: the first, one with credentials, one more where the nonce was too old.
const TRIES: usize = 3;

/// What a request within a call says.
pub(super) struct Query {
    pub(super) method: &'static str,
    pub(super) fields: Vec<(&'static str, String)>,
    /// Content type and body.
    pub(super) body: Option<(&'static str, String)>,
}

impl Query {
    /// Sends it and waits for the final response; again with credentials where the peer asks for them. The request is numbered
    /// when this is called, so that requests keep their order.
    pub(super) fn send(
        self,
        core: Arc<Core>,
        state: DialogState,
        credentials: Option<Arc<Login>>,
    ) -> impl Future<Output = Result<Response, SipError>> + Send {
        let first = self.request(&state, None);
        async move {
            let mut request = first?;
            for tries in 1.. {
                let response = client::request(&core, state.hop(), request).await?;
                let login = credentials.as_deref().filter(|_| tries < TRIES);
                let Some(login) = login else { return Ok(response) };
                let Some(proof) = self.proof(&core, login, &state, &response, tries).await else { return Ok(response) };
                request = self.request(&state, Some(proof))?;
            }
            Err(SipError::NoAnswer)
        }
    }

    fn request(&self, state: &DialogState, proof: Option<(&'static str, String)>) -> Result<Request, SipError> {
        let fields: Vec<(&str, String)> = self.fields.iter().cloned().chain(proof).collect();
        let body = self.body.as_ref().map(|(content_type, body)| (*content_type, body.as_str()));
        state.request(self.method, &fields, body)
    }

    /// The header field that answers a challenge; `None` where there is none for us.
    async fn proof(
        &self,
        core: &Core,
        login: &Login,
        state: &DialogState,
        response: &Response,
        tries: usize,
    ) -> Option<(&'static str, String)> {
        let (ask, tell) = match response.status_code.code() {
            401 => ("WWW-Authenticate", "Authorization"),
            407 => ("Proxy-Authenticate", "Proxy-Authorization"),
            _ => return None,
        };
        let challenges: Vec<&str> = wire::all(response, ask).collect();
        // Asked a second time, the credentials are wrong, unless the peer says that only the nonce was too old.
        if tries > 1 && !challenges.iter().any(|challenge| is_stale(challenge)) {
            return None;
        }
        let hop = state.hop();
        let peer = core.names.find(&hop.uri).await.unwrap_or(hop.fallback);
        if peer.ip() != state.source.ip() {
            return None;
        }
        Some((tell, login.answer_known(&challenges, self.method, state.target())?))
    }
}
