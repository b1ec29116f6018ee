//! An engine thread: sockets, the wheel and the rings around the legs.
//!
//! It sleeps until the next step of the wheel (1 ms), then takes in all packets that came, then ticks the calls that are
//! due. So wake-ups do not grow with the number of calls, and packets are handled in batches; the price is that arrival
//! is known to a millisecond. Without calls it sleeps until a command comes. It never locks, logs, blocks or awaits, and
//! allocates only when a call begins or ends.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rtrb::{Consumer, Producer};
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

use super::beside::{Beside, is_beside};
use super::capture::CapturedLeg;
use super::clip::Clip;
use super::codec::Coder;
use super::event::{MediaEvent, PlayId};
use super::junction::Plug;
use super::leg::Outlet;
use super::player::Finished;
use super::ports::PortPair;
use super::shared::{Lane, SessionShared};
use super::stats::Tally;
use super::tape::{Block, Shelf, TapeItem};
use super::wake::Wake;
use super::wheel::{Place, STEP, Wheel};
use crate::call::stream::Stream;
use crate::clock;
use crate::units::FRAME_SAMPLES;

/// Calls that one thread carries at most; more are refused when they open.
pub const MAX_CALLS: usize = 4_096;
/// Largest datagram taken in; longer ones are cut and then fail as RTP.
const MAX_DATAGRAM: usize = 2_048;
/// Packets taken from one socket in one step; the rest waits for the next.
const RECEIVE_BUDGET: u32 = 16;
/// Steps within which the first prompt of a call begins, and so the call's later turns fall.
const PROMPT_STEPS: usize = 5;
/// Steps over which audio for recorder and pump is gathered before they are woken. A wake-up costs more than what it
/// carries, and neither is in a hurry: a recording has two blocks on their way, a listener 500 ms of patience.
const GATHER_STEPS: u32 = 20;
/// Ready sockets asked for at once.
const READY_BATCH: usize = 512;

/// One call on its way to, in, or back from the engine thread.
pub struct Call {
    /// Where it lives in the thread's table.
    pub slot: u32,
    /// Its sockets.
    pub ports: PortPair,
    /// Its audio.
    pub leg: CapturedLeg,
    /// What its session and the thread share.
    pub shared: Arc<SessionShared>,
    /// Its place on the wheel, once it has one.
    pub place: Option<Place>,
    /// Whether anything was played yet.
    pub played: bool,
}

/// An order to the engine thread.
pub struct Command {
    /// The call's slot.
    pub slot: u32,
    /// The call's number, so that an order for the slot's last call does not reach the next.
    pub serial: u64,
    /// The order.
    pub order: Order,
}

/// See [`Command`].
pub enum Order {
    /// Take up a call.
    Open(Box<Call>),
    /// Obey a negotiated stream, with what its codec needs.
    Connect(Box<(Stream, Coder)>),
    /// Play clips.
    Play(PlayId, Vec<Arc<Clip>>),
    /// Stop playing.
    Stop,
    /// Send a digit.
    Digit(char, Duration),
    /// Record under a number, with the time at which its axis begins; blocks for the pool.
    Record(u64, Instant, Vec<Box<Block>>),
    /// Give the caller's audio to the listener, or stop.
    Listen(bool),
    /// Take up one end of a line of a bridge.
    Plug(Plug),
}

/// A message from the engine thread to its pump.
pub struct Note {
    /// The call's slot.
    pub slot: u32,
    /// The call's number.
    pub serial: u64,
    /// What happened.
    pub news: News,
}

/// See [`Note`].
pub enum News {
    /// An event for the session.
    Event(MediaEvent),
    /// A playback is over.
    Finished(Finished),
    /// The call has left the thread.
    Closed(Box<Call>),
    /// Clips or blocks to be freed elsewhere.
    Rejected(Box<Command>),
    /// A line of a bridge that is over, to be freed elsewhere.
    Unplugged(Plug),
}

/// 20 ms of a caller's audio for its listener.
pub struct Heard {
    /// The call's slot.
    pub slot: u32,
    /// The call's number.
    pub serial: u64,
    /// Position on the session's clock, in samples.
    pub at: i64,
    /// The audio.
    pub frame: [i16; FRAME_SAMPLES],
}

/// The thread's ends of its rings.
pub struct Rings {
    /// Orders.
    pub commands: Consumer<Command>,
    /// News for the pump.
    pub notes: Producer<Note>,
    /// Audio for the pump.
    pub heard: Producer<Heard>,
    /// What is not RTP, for the pump.
    pub beside: Producer<Beside>,
    /// Audio for the recorder.
    pub tape: Producer<TapeItem>,
    /// Blocks that the recorder has written.
    pub written: Consumer<Box<Block>>,
    /// Wakes the pump.
    pub pump: Arc<Wake>,
    /// Wakes the recorder.
    pub recorder: Arc<Wake>,
}

/// See the module's documentation.
pub struct Worker {
    lane: Arc<Lane>,
    /// Wake-ups: commands and steps.
    waking: OwnedFd,
    /// Sockets.
    sockets: OwnedFd,
    timer: OwnedFd,
    datagram: [u8; MAX_DATAGRAM],
    calls: Vec<Option<Box<Call>>>,
    carried: usize,
    wheel: Wheel,
    post: Post,
}

/// What goes out of the thread, apart from packets.
struct Post {
    rings: Rings,
    pool: Vec<Box<Block>>,
    tally: Tally,
    /// Something that the pump shall hear of at once.
    pump_due: bool,
    /// Something that may wait until enough has gathered.
    audio_waits: bool,
    blocks_wait: bool,
    /// Steps since what waits was last handed on.
    gathered: u32,
}

impl Worker {
    /// Sets a thread up.
    ///
    /// # Errors
    /// When the system has no descriptors left.
    pub fn new(lane: Arc<Lane>, rings: Rings) -> io::Result<Self> {
        let waking = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let sockets = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let timer =
            rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        let edge = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&waking, &lane.wake, epoll::EventData::new_u64(0), edge)?;
        epoll::add(&waking, &timer, epoll::EventData::new_u64(1), edge)?;
        Ok(Self {
            lane,
            waking,
            sockets,
            timer,
            datagram: [0; MAX_DATAGRAM],
            calls: std::iter::repeat_with(|| None).take(MAX_CALLS).collect(),
            carried: 0,
            wheel: Wheel::new(clock::monotonic(), MAX_CALLS),
            post: Post {
                rings,
                pool: Vec::new(),
                tally: Tally::default(),
                pump_due: false,
                audio_waits: false,
                blocks_wait: false,
                gathered: 0,
            },
        })
    }

    /// Runs until the lane is told to stop; then ends all calls.
    pub fn run(mut self) {
        let mut woken = Vec::with_capacity(2);
        let mut ready = Vec::with_capacity(READY_BATCH);
        while !self.lane.stopping.load(Ordering::Acquire) {
            woken.clear();
            // An interrupted wait is a step for nothing, which does no harm.
            let _ = epoll::wait(&self.waking, spare_capacity(&mut woken), None);
            // The kernel starts the next interval only once the last one is read.
            let _ = rustix::io::read(&self.timer, &mut [0; 8]);
            self.step(&mut ready);
        }
        self.wind_up();
    }

    fn step(&mut self, ready: &mut Vec<epoll::Event>) {
        self.obey();
        self.receive(ready);
        while let Some(due) = self.wheel.due(clock::monotonic()) {
            let mut n = 0;
            while let Some(slot) = self.wheel.calls(due.phase).get(n).copied() {
                // A call that ends leaves its place to another.
                n += usize::from(self.tick(slot, due.at));
            }
        }
        // Without calls there are no further steps to wait for.
        self.post.deliver(&self.lane, self.carried == 0);
    }

    fn obey(&mut self) {
        while let Ok(command) = self.post.rings.commands.pop() {
            if let Order::Open(call) = command.order {
                self.open(call);
                continue;
            }
            let slot = command.slot as usize;
            let Some(call) = self.calls.get_mut(slot).and_then(Option::as_mut).filter(|call| call.is(&command)) else {
                self.post.note(command.slot, command.serial, News::Rejected(Box::new(command)));
                continue;
            };
            let now = clock::monotonic();
            let Call { ports, leg, shared, place, played, .. } = call.as_mut();
            if let Order::Connect(agreed) = command.order {
                let (stream, coder) = *agreed;
                leg.connect(stream, coder, now);
                ports.settle(leg.settled());
                continue;
            }
            let mut outlet = Outbox { ports, slot: command.slot, serial: shared.serial, post: &mut self.post };
            match command.order {
                Order::Open(_) | Order::Connect(_) => {} // Obeyed above.
                Order::Play(id, clips) => {
                    if !std::mem::replace(played, true)
                        && let Some(place) = place
                    {
                        self.wheel.remove(*place, command.slot);
                        *place = self.wheel.insert_soon(command.slot, PROMPT_STEPS);
                    }
                    leg.play(id, clips, &mut outlet);
                }
                Order::Stop => leg.stop(&mut outlet),
                Order::Digit(key, held) => outlet.post.tally.refused_digits += u64::from(!leg.digit(key, held)),
                Order::Record(recording, origin, blocks) => {
                    outlet.post.pool.extend(blocks);
                    leg.record(recording, origin, now, &mut outlet);
                }
                Order::Listen(on) => leg.listen(on, &mut outlet),
                Order::Plug(plug) => leg.plug(plug, &mut outlet),
            }
        }
    }

    fn open(&mut self, mut call: Box<Call>) {
        let tag = u64::from(call.slot) << 1;
        let added = epoll::add(&self.sockets, &call.ports.rtp, epoll::EventData::new_u64(tag), epoll::EventFlags::IN)
            .and_then(|()| {
                let rtcp = epoll::EventData::new_u64(tag | 1);
                epoll::add(&self.sockets, &call.ports.rtcp, rtcp, epoll::EventFlags::IN)
            });
        // Without the sockets in the set the call would be deaf: better gone, which its owner sees at once.
        if added.is_err() {
            call.shared.closing.store(true, Ordering::Release);
        }
        if self.carried == 0 {
            self.arm(STEP);
        }
        self.carried += 1;
        call.place = Some(self.wheel.insert(call.slot));
        let slot = call.slot as usize;
        self.calls[slot] = Some(call);
    }

    fn receive(&mut self, ready: &mut Vec<epoll::Event>) {
        for _ in 0..RECEIVE_BUDGET {
            ready.clear();
            let found = epoll::wait(&self.sockets, spare_capacity(ready), Some(&Timespec::default()));
            if found.is_err() || ready.is_empty() {
                return;
            }
            let now = clock::monotonic();
            for event in &*ready {
                let tag = event.data.u64();
                self.datagram(tag >> 1, tag & 1 == 1, now);
            }
        }
    }

    fn datagram(&mut self, slot: u64, rtcp: bool, now: Instant) {
        let Some(call) = self.calls.get_mut(slot as usize).and_then(Option::as_mut) else { return };
        let Call { ports, leg, shared, slot, .. } = call.as_mut();
        // An error is an ICMP answer to something we sent: reading it has cleared it, and the watchdog sees the rest.
        let received = if rtcp { ports.rtcp.recv_from(&mut self.datagram) } else { ports.recv(&mut self.datagram) };
        let Ok((len, from)) = received else { return };
        self.post.tally.received += 1;
        let datagram = &self.datagram[..len];
        if rtcp {
            leg.rtcp_datagram(datagram, from, now);
        } else if shared.beside.is_some() && is_beside(datagram) {
            self.post.beside(*slot, shared.serial, datagram, from);
        } else {
            let mut outlet = Outbox { ports, slot: *slot, serial: shared.serial, post: &mut self.post };
            leg.rtp_datagram(datagram, from, now, &mut outlet);
            ports.settle(leg.settled());
        }
    }

    /// Ticks a call; false when it has left.
    fn tick(&mut self, slot: u32, due: Instant) -> bool {
        let Some(call) = self.calls.get_mut(slot as usize).and_then(Option::as_mut) else { return true };
        if call.shared.closing.load(Ordering::Acquire) {
            return !self.close(slot);
        }
        let now = clock::monotonic();
        self.post.tally.ticked(now.saturating_duration_since(due));
        let Call { ports, leg, shared, .. } = call.as_mut();
        let mut outlet = Outbox { ports, slot, serial: shared.serial, post: &mut self.post };
        leg.tick(due, now, &mut outlet);
        let (received, sent) = leg.levels();
        shared.meter.note(received, sent);
        true
    }

    /// Lets a call go; false when the rings have no room for its end yet.
    fn close(&mut self, slot: u32) -> bool {
        let Some(entry) = self.calls.get_mut(slot as usize) else { return false };
        let Some(call) = entry.as_mut() else { return false };
        let Call { ports, leg, shared, .. } = call.as_mut();
        let mut outlet = Outbox { ports, slot, serial: shared.serial, post: &mut self.post };
        if !leg.finish(clock::monotonic(), &mut outlet) || self.post.rings.notes.is_full() {
            return false;
        }
        let Some(call) = entry.take() else { return false };
        // Closing the descriptors would do the same, but later: on the pump.
        let _ = epoll::delete(&self.sockets, &call.ports.rtp);
        let _ = epoll::delete(&self.sockets, &call.ports.rtcp);
        if let Some(place) = call.place {
            self.wheel.remove(place, slot);
        }
        self.carried -= 1;
        if self.carried == 0 {
            self.arm(Duration::ZERO);
        }
        let serial = call.shared.serial;
        self.post.note(slot, serial, News::Closed(call));
        true
    }

    /// Ends all calls, waiting a bounded time for the rings.
    fn wind_up(&mut self) {
        const TRIES: u32 = 200;
        self.obey();
        for _ in 0..TRIES {
            for slot in 0..MAX_CALLS as u32 {
                self.close(slot);
            }
            self.post.pump_due = true;
            self.post.blocks_wait = true;
            self.post.deliver(&self.lane, true);
            if self.carried == 0 {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts the steps, or stops them with zero.
    fn arm(&self, every: Duration) {
        let every = Timespec { tv_sec: 0, tv_nsec: i64::from(every.subsec_nanos()) };
        let spec = Itimerspec { it_interval: every, it_value: every };
        // The descriptor is ours and the times are valid: this cannot fail.
        let _ = rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec);
    }
}

impl Call {
    fn is(&self, command: &Command) -> bool {
        self.shared.serial == command.serial
    }
}

impl Post {
    fn note(&mut self, slot: u32, serial: u64, news: News) -> bool {
        self.pump_due = true;
        let sent = self.rings.notes.push(Note { slot, serial, news }).is_ok();
        self.tally.events_dropped += u64::from(!sent);
        sent
    }

    /// Hands on what is not RTP; dropped where the ring is full, as the network might.
    fn beside(&mut self, slot: u32, serial: u64, datagram: &[u8], from: SocketAddr) {
        self.pump_due = true;
        if let Some(beside) = Beside::of(slot, serial, datagram, from) {
            let sent = self.rings.beside.push(beside).is_ok();
            self.tally.events_dropped += u64::from(!sent);
        }
    }

    /// Wakes whoever got something, and publishes the counters. What waits is handed on with `all`, or when its time has
    /// come.
    fn deliver(&mut self, lane: &Lane, all: bool) {
        while let Ok(block) = self.rings.written.pop() {
            self.pool.push(block);
        }
        self.gathered += 1;
        let all = all || self.gathered >= GATHER_STEPS;
        if all {
            self.gathered = 0;
            self.pump_due |= std::mem::take(&mut self.audio_waits);
            if std::mem::take(&mut self.blocks_wait) {
                self.rings.recorder.wake();
            }
        }
        if std::mem::take(&mut self.pump_due) {
            self.rings.pump.wake();
        }
        lane.stats.publish(&self.tally);
    }
}

/// One call's way out.
struct Outbox<'a> {
    ports: &'a PortPair,
    slot: u32,
    serial: u64,
    post: &'a mut Post,
}

impl Outlet for Outbox<'_> {
    fn rtp(&mut self, datagram: &[u8], to: SocketAddr) -> bool {
        let sent = self.ports.send(datagram, to).is_ok();
        self.post.tally.sent += u64::from(sent);
        self.post.tally.send_errors += u64::from(!sent);
        sent
    }

    fn rtcp(&mut self, datagram: &[u8], to: SocketAddr) {
        self.post.tally.send_errors += u64::from(self.ports.rtcp.send_to(datagram, to).is_err());
    }

    fn event(&mut self, event: MediaEvent) {
        self.post.note(self.slot, self.serial, News::Event(event));
    }

    fn finished(&mut self, finished: Finished) {
        self.post.note(self.slot, self.serial, News::Finished(finished));
    }

    fn unplugged(&mut self, plug: Plug) {
        self.post.note(self.slot, self.serial, News::Unplugged(plug));
    }

    fn heard(&mut self, at: i64, frame: &[i16; FRAME_SAMPLES]) -> bool {
        self.post.audio_waits = true;
        let heard = Heard { slot: self.slot, serial: self.serial, at, frame: *frame };
        let sent = self.post.rings.heard.push(heard).is_ok();
        self.post.tally.taps_dropped += u64::from(!sent);
        sent
    }
}

impl Shelf for Outbox<'_> {
    fn take(&mut self) -> Option<Box<Block>> {
        let block = self.post.pool.pop();
        self.post.tally.taps_dropped += u64::from(block.is_none());
        block
    }

    fn give(&mut self, item: TapeItem) -> bool {
        self.post.blocks_wait = true;
        match self.post.rings.tape.push(item) {
            Ok(()) => true,
            Err(rtrb::PushError::Full(TapeItem::Block(block))) => {
                self.post.pool.push(block);
                self.post.tally.taps_dropped += 1;
                false
            }
            Err(rtrb::PushError::Full(TapeItem::End { .. })) => false,
        }
    }
}
