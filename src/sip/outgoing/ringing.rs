//! One INVITE from its sending to its final response: provisional responses, PRACK, early media, forks, giving up.

use std::sync::Arc;
use std::time::Duration;

use rsipstack::sip::{Request, Response, SipMessage, StatusCodeKind};
use rsipstack::transaction::transaction::Transaction;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::invite::Caller;
use super::{Early, Owner};
use crate::sip::endpoint::Core;
use crate::sip::sdp::Negotiation;
use crate::sip::state::DialogState;
use crate::sip::{SipError, client, wire};

/// How long a cancelled INVITE may take to end (RFC 3261 §9.1: 64*T1).
const CANCEL_TIME: Duration = Duration::from_secs(32);
/// Most responses that can wait.
const RESPONSES: usize = 32;
/// Most branches of a forked INVITE that are told apart; further ones get no PRACK, and their 2xx its BYE each time.
const MAX_BRANCHES: usize = 8;

/// The final response to an INVITE of ours.
pub(super) struct Answered {
    pub(super) invite: Arc<Request>,
    pub(super) response: Response,
    /// The session description that a reliable provisional response of the same branch held.
    pub(super) early_answer: Option<Vec<u8>>,
}

/// An INVITE under way.
pub(super) struct Ringing {
    core: Arc<Core>,
    caller: Arc<Caller>,
    invite: Arc<Request>,
    negotiation: Negotiation,
    branches: Vec<Branch>,
}

/// What one telephone of a forked call sent so far.
struct Branch {
    tag: String,
    /// RSeq of its last reliable response (RFC 3262 §7.1).
    rseq: u32,
    answer: Option<Vec<u8>>,
}

impl Ringing {
    pub(super) fn new(core: Arc<Core>, caller: Arc<Caller>, invite: Request, negotiation: Negotiation) -> Self {
        Self { core, caller, invite: Arc::new(invite), negotiation, branches: Vec::new() }
    }

    /// Sends the INVITE and waits for the final response. When the owner goes, the time is up or the endpoint closes, it
    /// returns at once and leaves the INVITE to be cancelled behind its back.
    pub(super) async fn answer(
        mut self,
        early: Option<&mpsc::Sender<Early>>,
        deadline: Instant,
        owner: &mut Owner,
    ) -> Result<Answered, SipError> {
        let Caller { connection, peer, .. } = &*self.caller;
        let transaction = client::start(&self.core, (*self.invite).clone(), connection.clone(), *peer).await?;
        let (sender, mut responses) = mpsc::channel(RESPONSES);
        let way = (Arc::clone(&self.core), Arc::clone(&self.caller), Arc::clone(&self.invite));
        tokio::spawn(forward(way, transaction, sender));
        let mut provisional = false;
        let given_up = loop {
            tokio::select! {
                response = responses.recv() => match response {
                    None => return Err(SipError::NoAnswer),
                    Some(response) if !is_final(&response) => {
                        provisional = true;
                        self.provisional(&response, early);
                    }
                    // The library's own verdict on silence looks like this.
                    Some(response) if response.status_code.code() == 408 && !provisional => {
                        return Err(SipError::Unresponsive);
                    }
                    Some(response) => return Ok(self.answered(response)),
                },
                () = tokio::time::sleep_until(deadline) => break SipError::NoAnswer,
                () = owner.closed() => break SipError::Ended,
                () = self.core.closing.cancelled() => break SipError::Ended,
            }
        };
        tokio::spawn(self.withdraw(responses, provisional));
        Err(given_up)
    }

    /// Confirms a reliable provisional response once, in order, and tells what it lets us hear.
    fn provisional(&mut self, response: &Response, early: Option<&mpsc::Sender<Early>>) {
        let tag = wire::to_tag(response).unwrap_or_default();
        let reliable = wire::has_token(response, "Require", "100rel");
        if reliable && let Some(rseq) = wire::field(response, "RSeq").and_then(|value| value.parse().ok()) {
            let known = self.branches.iter().position(|branch| branch.tag == tag);
            let answer = (!response.body.is_empty()).then(|| response.body.clone());
            match known {
                Some(at) => {
                    let branch = &mut self.branches[at];
                    if branch.rseq.checked_add(1) != Some(rseq) {
                        return; // Repeated or out of order.
                    }
                    branch.rseq = rseq;
                    branch.answer = answer.or(branch.answer.take());
                }
                None if self.branches.len() >= MAX_BRANCHES => return,
                None => self.branches.push(Branch { tag, rseq, answer }),
            }
            self.confirm(response, rseq);
        }
        let Some(early) = early else { return };
        // A trial: the answer that counts is that of the branch which answers the call.
        let heard = self.negotiation.clone().accept(&response.body).ok().map(Early::Media);
        let news = heard.or_else(|| (response.status_code.code() == 180).then_some(Early::Ringing));
        if let Some(news) = news {
            // Who listens too slowly learns of the answer all the same.
            let _ = early.try_send(news);
        }
    }

    /// Sends PRACK (RFC 3262 §4), within the early dialog.
    fn confirm(&self, response: &Response, rseq: u32) {
        let invite_cseq = wire::cseq(&*self.invite).unwrap_or(1);
        let prack = DialogState::client(&self.invite, response, self.caller.ends(&self.core)).and_then(|state| {
            state.count_from(self.caller.next_cseq() - 1);
            let fields = [("RAck", format!("{rseq} {invite_cseq} INVITE"))];
            Ok((state.hop(), state.request("PRACK", &fields, None)?))
        });
        let core = Arc::clone(&self.core);
        tokio::spawn(async move {
            let sent = match prack {
                Ok((hop, request)) => client::request(&core, hop, request).await.map(drop),
                Err(error) => Err(error),
            };
            if let Err(error) = sent {
                tracing::debug!(%error, "PRACK not answered");
            }
        });
    }

    fn answered(self, response: Response) -> Answered {
        let tag = wire::to_tag(&response).unwrap_or_default();
        let early_answer = self.branches.into_iter().find(|branch| branch.tag == tag).and_then(|branch| branch.answer);
        Answered { invite: self.invite, response, early_answer }
    }

    /// Cancels the INVITE, which may be done only after a provisional response (RFC 3261 §9.1), and hangs up a call
    /// whose answer crossed the CANCEL: the library has confirmed it.
    async fn withdraw(self, mut responses: mpsc::Receiver<Response>, mut provisional: bool) {
        let mut cancelled = false;
        let deadline = Instant::now() + CANCEL_TIME;
        loop {
            if provisional && !cancelled {
                cancelled = true;
                self.caller.cancel(&self.core, &self.invite);
            }
            match timeout_at(deadline, responses.recv()).await {
                Ok(Some(response)) if is_success(&response) => {
                    return self.caller.hang_up(&self.core, &self.invite, &response).await;
                }
                Ok(Some(response)) if !is_final(&response) => provisional = true,
                Ok(Some(_) | None) | Err(_) => return,
            }
        }
    }
}

/// Drives the client transaction, which must not be cancelled half-way, and passes its responses on up to the final one.
/// After a 2xx it stays for 64*T1 and hangs up every other telephone that a forked INVITE made answer (RFC 3261
/// §13.2.2.4); the library confirms each.
async fn forward(
    (core, caller, invite): (Arc<Core>, Arc<Caller>, Arc<Request>),
    mut transaction: Transaction,
    responses: mpsc::Sender<Response>,
) {
    let mut settled: Vec<Option<String>> = Vec::new();
    loop {
        let message = tokio::select! {
            message = transaction.receive() => message,
            () = core.cancel.cancelled() => return,
        };
        let Some(message) = message else { return };
        let SipMessage::Response(response) = message else { continue };
        if !is_success(&response) {
            let last = is_final(&response);
            if settled.is_empty() && (responses.send(response).await.is_err() || last) {
                return;
            }
            continue;
        }
        let tag = wire::to_tag(&response);
        if settled.contains(&tag) {
            continue;
        }
        let first = settled.is_empty();
        if settled.len() < MAX_BRANCHES {
            settled.push(tag);
        }
        let unwanted = if first { responses.send(response).await.err().map(|unsent| unsent.0) } else { Some(response) };
        if let Some(response) = unwanted {
            let (core, caller, invite) = (Arc::clone(&core), Arc::clone(&caller), Arc::clone(&invite));
            tokio::spawn(async move { caller.hang_up(&core, &invite, &response).await });
        }
    }
}

fn is_final(response: &Response) -> bool {
    response.status_code.kind() != StatusCodeKind::Provisional
}

fn is_success(response: &Response) -> bool {
    response.status_code.kind() == StatusCodeKind::Successful
}
