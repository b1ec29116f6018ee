//! Requests of our own within a call: what the owner commands, the refreshes of the session, and the peer's answers.

use std::sync::Arc;
use std::time::Instant;

use rsipstack::sip::{Response, StatusCodeKind};
use tokio::sync::oneshot;

use super::proving::Query;
use super::{Asked, HangUp, Leg, Next, Outcome};
use crate::clock::monotonic;
use crate::sip::dialog::{Command, DialogEvent, EndReason};
use crate::sip::front::{ALLOW, SUPPORTED};
use crate::sip::session_timer::{Due, SessionTimer};
use crate::sip::{SipError, wire};
use crate::units::millis;

impl Leg {
    pub(super) fn on_command(&mut self, command: Option<Command>) -> Next {
        match command {
            // The handle is gone.
            None => self.hang_up(None, None),
            Some(Command::HangUp { reason, done }) => self.hang_up(reason, Some(done)),
            Some(Command::Direct { direction, done }) => {
                if self.asking || self.unacked.is_some() {
                    drop(done.send(Err(request_pending())));
                    return Next::GoOn;
                }
                let previous = self.negotiation.wanted();
                self.negotiation.want(direction);
                let sdp = self.negotiation.offer();
                let fields = [("Supported", SUPPORTED.to_owned()), ("Allow", ALLOW.to_owned())];
                self.ask("INVITE", &fields, Some(("application/sdp", &sdp)), Asked::Direction { previous, done });
                Next::GoOn
            }
            Some(Command::Digit { key, duration, done }) => {
                let body = format!("Signal={key}\r\nDuration={}\r\n", millis(duration));
                self.ask("INFO", &[], Some(("application/dtmf-relay", &body)), Asked::Digit { done });
                Next::GoOn
            }
        }
    }

    /// A BYE may not overtake the ACK of our 200 (RFC 3261 §15).
    pub(super) fn hang_up(&mut self, reason: Option<&'static str>, done: Option<oneshot::Sender<()>>) -> Next {
        self.hanging_up = Some(HangUp { reason, done });
        match &self.unacked {
            Some(unacked) if unacked.first => Next::GoOn,
            Some(_) | None => Next::Bye(EndReason::WeHungUp, reason),
        }
    }

    pub(super) fn on_timer(&mut self) -> Next {
        let Some(timer) = self.timer else { return Next::GoOn };
        if self.asking || matches!(timer.due(), Due::Expire(_)) {
            tracing::info!(call_id = self.state.call_id, "call ended: its session was not refreshed");
            return Next::Bye(EndReason::Expired, None);
        }
        if self.unacked.is_some() {
            // The peer is at it already; its ACK or its failure comes first.
            self.timer = Some(timer.refreshed_at(monotonic()));
            return Next::GoOn;
        }
        let fields =
            [("Session-Expires", timer.header(true)), ("Supported", SUPPORTED.to_owned()), ("Allow", ALLOW.to_owned())];
        if self.allows_update {
            self.ask("UPDATE", &fields, None, Asked::Refresh { offered: false });
        } else {
            let sdp = self.negotiation.offer();
            self.ask("INVITE", &fields, Some(("application/sdp", &sdp)), Asked::Refresh { offered: true });
        }
        Next::GoOn
    }

    /// When the session timer wants something.
    pub(super) fn due(&self) -> Option<Instant> {
        let timer = self.timer?;
        Some(match timer.due() {
            Due::Refresh(_) if self.asking => timer.expiry(),
            Due::Refresh(at) | Due::Expire(at) => at,
        })
    }

    /// Sends a request within the dialog; its answer comes back as an outcome.
    pub(super) fn ask(
        &mut self,
        method: &'static str,
        fields: &[(&'static str, String)],
        body: Option<(&'static str, &str)>,
        asked: Asked,
    ) {
        if method != "INFO" {
            self.asking = true;
        }
        let body = body.map(|(content_type, body)| (content_type, body.to_owned()));
        let query = Query { method, fields: fields.to_vec(), body };
        let sent = query.send(Arc::clone(&self.core), self.state.clone(), self.credentials.clone());
        let outcomes = self.outcome_sender.clone();
        tokio::spawn(async move {
            let result = sent.await;
            // The call may be over.
            drop(outcomes.send(Box::new(Outcome { asked, result })).await);
        });
    }

    /// The answer to a request of ours.
    pub(super) fn on_outcome(&mut self, Outcome { asked, result }: Outcome) -> Next {
        let status = result.as_ref().map_or(408, |response| response.status_code.code());
        let refused = |response: &Result<Response, SipError>| match response {
            Ok(response) => wire::refused(response),
            Err(_) => SipError::NoAnswer,
        };
        let ok = result.as_ref().ok().filter(|r| r.status_code.kind() == StatusCodeKind::Successful);
        let lost = matches!(status, 408 | 481);
        match asked {
            Asked::Digit { done } => {
                drop(done.send(if ok.is_some() { Ok(()) } else { Err(refused(&result)) }));
            }
            Asked::Direction { previous, done } => {
                self.asking = false;
                match ok.map(|response| self.accept(response)) {
                    Some(Ok(())) => drop(done.send(Ok(()))),
                    Some(Err(error)) => {
                        drop(done.send(Err(error)));
                        return Next::Bye(EndReason::BadAnswer, None);
                    }
                    None => {
                        self.negotiation.want(previous);
                        drop(done.send(Err(refused(&result))));
                    }
                }
            }
            Asked::Refresh { offered } => {
                self.asking = false;
                if let Some(response) = ok.filter(|_| offered)
                    && self.accept(response).is_err()
                {
                    return Next::Bye(EndReason::BadAnswer, None);
                }
                if let Some(timer) = self.timer {
                    // A peer that knows no timers answers something all the same: it is there.
                    let granted = ok.and_then(|response| {
                        SessionTimer::granted(wire::timer_offer(response), self.core.session_limits, monotonic())
                    });
                    self.timer = Some(granted.unwrap_or_else(|| timer.refreshed_at(monotonic())));
                }
            }
        }
        if lost { Next::Bye(EndReason::Lost, None) } else { Next::GoOn }
    }

    /// Takes the answer in a 2xx to our re-INVITE.
    pub(super) fn accept(&mut self, response: &Response) -> Result<(), SipError> {
        self.state.refresh_target(wire::field(response, "Contact"));
        let stream = self.negotiation.accept(&response.body)?;
        self.tell(DialogEvent::Stream(stream));
        Ok(())
    }
}

/// The refusal that a second request of ours would earn while the first is under way (RFC 3261 §14.1).
fn request_pending() -> SipError {
    SipError::Refused { status: 491, reason: "Request Pending".into(), cause: None }
}
