//! One operator's browser: its wishes, and its way in for sound.

use std::sync::{Arc, Weak};

use tokio::sync::mpsc;
use tokio::time::{Instant as TokioInstant, sleep_until};

use super::{Desk, Leg, code, input};
use crate::app::shared::Shared;
use crate::clock::monotonic;
use crate::desk::protocol::{Command, Message};
use crate::desk::{AgentId, Input};
use crate::ids::CallId;
use crate::media::BesidePort;
use crate::rtc::{self, Offer, Peer};

/// News of one browser's way in that may wait: it is few, and what is lost shows as silence.
const NEWS: usize = 8;

/// Does what a browser wants until it is gone.
pub(super) async fn serve(
    desk: Arc<Desk>,
    shared: Weak<Shared>,
    agent: AgentId,
    entry: u64,
    mut wishes: mpsc::Receiver<Command>,
) {
    while let Some(command) = wishes.recv().await {
        let refused = match input(agent, &command) {
            Some(input) => desk.give(input).err().map(code),
            None => {
                let Command::Answer { call, sdp } = command else { continue };
                let Some(shared) = shared.upgrade() else { break };
                answer(&desk, &shared, agent, call, &sdp).err()
            }
        };
        if let Some(error) = refused {
            desk.tell(agent, Message::Error { error });
        }
    }
    desk.leave(agent, entry);
}

/// Opens the operator's side and joins it with the caller; otherwise what the browser is told.
fn answer(desk: &Arc<Desk>, shared: &Shared, agent: AgentId, call: CallId, sdp: &str) -> Result<(), &'static str> {
    let offer: Offer = sdp.parse().map_err(|error| {
        tracing::warn!(%call, %error, "a browser's offer cannot be answered");
        "bad_offer"
    })?;
    let no_audio = |error: &(dyn std::error::Error + 'static)| {
        tracing::error!(%call, error, "no sound for an operator");
        "no_audio"
    };
    let peer = Peer::new(&desk.identity, &offer, monotonic()).map_err(|error| no_audio(&error))?;
    let (media, port) = shared.engine.open_with_beside(call).map_err(|error| no_audio(&error))?;
    let sdp = rtc::answer(&offer, media.local_rtp(), peer.credentials(), desk.identity.fingerprint());
    desk.give(Input::Answered { agent, call }).map_err(code)?;
    let (sender, news) = mpsc::channel(NEWS);
    tokio::spawn(drive(port, peer, sender));
    if desk.hand_over(call, Leg { media, news }) {
        desk.tell(agent, Message::Answer { call, sdp });
    }
    Ok(())
}

/// Carries a browser's STUN and DTLS between its port and [`Peer`], until the session or the browser is gone.
pub(super) async fn drive(mut port: BesidePort, mut peer: Peer, news: mpsc::Sender<rtc::News>) {
    while let Some(due) = peer.poll_timeout() {
        tokio::select! {
            datagram = port.next() => match datagram {
                Some((from, datagram)) => peer.datagram(&datagram, from, monotonic()),
                None => return,
            },
            () = sleep_until(TokioInstant::from_std(due)) => peer.timeout(monotonic()),
        }
        while let Some((to, datagram)) = peer.poll_transmit() {
            port.send(&datagram, to);
        }
        while let Some(told) = peer.poll_news() {
            if news.send(told).await.is_err() {
                return;
            }
        }
    }
}
