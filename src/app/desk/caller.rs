//! A caller's place at the desk: what the desk and the operator's side say, as the call's state machine takes it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::{Desk, Leg, ToCaller};
use crate::call::Input;
use crate::call::stream::Stream;
use crate::desk::{self, CallerNews};
use crate::ids::CallId;
use crate::media::{Bridge, MediaError, MediaEvent, MediaSession};
use crate::rtc::News;

/// How long a key that is passed on is held, as telephones hold it.
const KEY_HELD: Duration = Duration::from_millis(100);

/// See the module's documentation. Dropping it gives the place up, and parts the two.
pub(in crate::app) struct CallerSeat {
    desk: Arc<Desk>,
    call: CallId,
    news: mpsc::Receiver<ToCaller>,
    leg: Option<Leg>,
    bridge: Option<Bridge>,
    /// The operator lets the caller wait.
    held: bool,
    /// The operator's sound has come.
    reached: bool,
}

/// Something that happened at the desk or at the operator's side.
pub(in crate::app) enum DeskEvent {
    Told(ToCaller),
    Stream(Stream),
    Media(MediaEvent),
    /// The operator's sound is gone.
    Lost,
    /// The desk is gone.
    Closed,
}

/// The next thing that happens at a caller's place; never, where there is none. Safe to cancel.
pub(in crate::app) async fn next(seat: &mut Option<CallerSeat>) -> DeskEvent {
    match seat {
        Some(seat) => seat.next().await,
        None => std::future::pending().await,
    }
}

impl CallerSeat {
    pub(super) fn new(desk: Arc<Desk>, call: CallId, news: mpsc::Receiver<ToCaller>) -> Self {
        Self { desk, call, news, leg: None, bridge: None, held: false, reached: false }
    }

    async fn next(&mut self) -> DeskEvent {
        let Some(leg) = &mut self.leg else {
            return self.news.recv().await.map_or(DeskEvent::Closed, DeskEvent::Told);
        };
        tokio::select! {
            told = self.news.recv() => told.map_or(DeskEvent::Closed, DeskEvent::Told),
            news = leg.news.recv() => match news {
                Some(News::Stream(stream)) => DeskEvent::Stream(stream),
                Some(News::Lost(why)) => {
                    tracing::info!(call = %self.call, ?why, "an operator's sound is lost");
                    DeskEvent::Lost
                }
                None => DeskEvent::Lost,
            },
            event = leg.media.next() => event.map_or(DeskEvent::Lost, DeskEvent::Media),
        }
    }

    /// What an event means for the call, whose sound is `caller`.
    pub(in crate::app) fn take_in(&mut self, event: DeskEvent, caller: &MediaSession) -> Option<Input> {
        match event {
            DeskEvent::Told(ToCaller::Person(leg)) => {
                self.part();
                (self.leg, self.held) = (Some(leg), false);
                None
            }
            DeskEvent::Told(ToCaller::News(news)) => self.told(news, caller),
            DeskEvent::Stream(stream) => {
                let leg = self.leg.as_ref()?;
                if let Err(error) = leg.media.connect(stream) {
                    return self.fault(error);
                }
                self.reached = true;
                self.join(caller)
            }
            DeskEvent::Media(MediaEvent::Digit { key, .. }) => {
                caller.send_digit(key, KEY_HELD).map_or_else(|error| self.fault(error), |()| None)
            }
            DeskEvent::Media(MediaEvent::Silent { .. }) | DeskEvent::Lost => {
                self.part();
                self.desk.lost(self.call);
                None
            }
            DeskEvent::Media(
                MediaEvent::FirstPacket { .. }
                | MediaEvent::SpeechStarted { .. }
                | MediaEvent::SpeechEnded { .. }
                | MediaEvent::Tone { .. }
                | MediaEvent::PlaybackDone { .. }
                | MediaEvent::RecordingFailed { .. },
            ) => None,
            DeskEvent::Closed => Some(Input::NobodyReady),
        }
    }

    fn told(&mut self, news: CallerNews, caller: &MediaSession) -> Option<Input> {
        match news {
            CallerNews::Place { ahead, wait, offer } => Some(Input::Queued { ahead, wait, offer }),
            CallerNews::Nobody => Some(Input::NobodyReady),
            CallerNews::Held(true) => {
                (self.bridge, self.held) = (None, true);
                Some(Input::PersonAway { held: true })
            }
            CallerNews::Held(false) => {
                self.held = false;
                self.join(caller)
            }
            CallerNews::Parked => {
                self.part();
                Some(Input::PersonAway { held: false })
            }
            CallerNews::Ended => {
                self.part();
                Some(Input::PersonLeft)
            }
        }
    }

    /// Joins the two once the operator's sound has come and the operator does not hold.
    fn join(&mut self, caller: &MediaSession) -> Option<Input> {
        let leg = self.leg.as_ref().filter(|_| self.reached && !self.held && self.bridge.is_none())?;
        match Bridge::between(&[caller, &leg.media]) {
            Ok(bridge) => {
                self.bridge = Some(bridge);
                Some(Input::PersonAnswered)
            }
            Err(error) => self.fault(error),
        }
    }

    /// The operator's side is over; its session ends by itself.
    fn part(&mut self) {
        (self.bridge, self.leg, self.reached) = (None, None, false);
    }

    /// The audio engine took no orders: as a lost operator, who may try again.
    fn fault(&mut self, error: MediaError) -> Option<Input> {
        tracing::error!(call = %self.call, %error, "an operator cannot be joined with a caller");
        self.part();
        self.desk.lost(self.call);
        None
    }
}

impl Drop for CallerSeat {
    fn drop(&mut self) {
        self.desk.left(self.call);
    }
}

impl Desk {
    /// The operator's sound is gone from this call.
    fn lost(&self, call: CallId) {
        let _ = self.give(desk::Input::Lost { call });
    }

    /// The caller is gone, or waits for nobody any more.
    fn left(&self, call: CallId) {
        self.lock().callers.remove(&call);
        let _ = self.give(desk::Input::Left { call });
    }
}
