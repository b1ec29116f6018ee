//! Who answered a call that we placed: a person, a machine, the network, a tone (P17, R7.5).
//!
//! Never holds the greeting: it only listens beside it. People greet in a word or two and wait; a machine speaks on, and
//! then it beeps. A key, or an answer to a question, is a person whatever was heard before. Each verdict has a weight,
//! and only a heavier one replaces it, so that nothing a machine cannot do is ever taken back.
//!
//! Before the answer only tones and words count: where China's callers hear music instead of ring-back, early media that
//! sounds like speech says nothing.

mod words;

use std::fmt;
use std::time::Duration;

use super::tone::Tone;
use words::party_of;

/// The greeting: how it sounds counts for so long after the answer.
pub const GREETING: Duration = Duration::from_secs(10);
/// A shorter pause is one within a greeting, not its end.
const PAUSE_WITHIN: Duration = Duration::from_millis(700);
/// Silence after a short greeting that makes it a person's: they wait for an answer.
const WAITS: Duration = Duration::from_millis(1_000);
/// Who speaks this long, pauses included, does not wait for an answer.
const LONG_GREETING: Duration = Duration::from_millis(3_200);
/// Shorter sounds are clicks of the line, not a greeting.
const SHORTEST_WORD: Duration = Duration::from_millis(120);
/// Nothing at all heard for so long after the answer.
const SILENCE: Duration = Duration::from_secs(5);
/// A beep counts as a machine's when somebody spoke for so long before it.
const BEFORE_BEEP: Duration = Duration::from_millis(1_000);

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// A person. The only one whose answers count.
    Person,
    /// An answering machine, a mailbox, or a phone's assistant: the attempt ends, and is made again later.
    Machine,
    /// The network tells why nobody can be reached.
    Announcement(Notice),
    /// A tone of the network, or a fax machine.
    Tone(Tone),
    /// Nobody said enough.
    Unknown,
}

/// What an announcement of the network says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// 已关机: the phone is switched off.
    SwitchedOff,
    /// 正在通话中: engaged.
    Busy,
    /// 暂时无法接通, 不在服务区: out of reach for now.
    Unreachable,
    /// 是空号: no such number.
    NoSuchNumber,
    /// 已停机, 暂停服务: out of service.
    OutOfService,
    /// 暂时无人接听: it rang and nobody answered.
    NoAnswer,
    /// Another one.
    Other,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A key was pressed.
    Key,
    /// A question was answered.
    Answer,
    /// What was said.
    Words,
    /// A tone.
    Tone,
    /// A beep after a greeting.
    Beep,
    /// Somebody spoke on and on.
    LongGreeting,
    /// A word or two, then silence.
    ShortGreeting,
    /// Nothing was heard.
    Silence,
    /// [`GREETING`] passed and nothing was clear.
    Unclear,
}

/// Who answered, and why we think so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Who.
    pub party: Party,
    /// Why.
    pub reason: Reason,
}

/// Something that was heard. Times are media times: spans since the media session opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign<'a> {
    /// The call was answered.
    Answered,
    /// A talkspurt began at `at`.
    SpeechStarted { at: Duration },
    /// A talkspurt ended at `at`.
    SpeechEnded { at: Duration },
    /// A tone.
    Tone(Tone),
    /// A key, by whichever way it came.
    Key,
    /// What the recogniser made of an utterance.
    Words(&'a str),
    /// A question was answered in a way that the questionnaire understood.
    Answer,
    /// [`WhoAnswered::poll_timeout`] has come.
    Timeout,
}

/// See the module's documentation.
#[derive(Clone, Debug, Default)]
pub struct WhoAnswered {
    verdict: Option<Verdict>,
    answered: Option<Duration>,
    /// The present or last stretch of speech with nothing but short pauses in it.
    talk: Option<Talk>,
    /// Speech up to the last pause, stretches added up.
    spoken: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Talk {
    from: Duration,
    /// Where the last talkspurt ended; `None` while it lasts.
    to: Option<Duration>,
    /// Beginning of the present talkspurt.
    spurt: Duration,
}

impl WhoAnswered {
    /// Takes in what was heard; the verdict, where it changes by this. `now` is a media time.
    pub fn handle(&mut self, sign: Sign<'_>, now: Duration) -> Option<Verdict> {
        let before = self.verdict;
        match sign {
            Sign::Answered => {
                self.answered.get_or_insert(now);
            }
            Sign::SpeechStarted { at } => self.speech_started(at),
            Sign::SpeechEnded { at } => self.speech_ended(at),
            Sign::Tone(tone) => self.tone(tone),
            Sign::Key => self.settle(Party::Person, Reason::Key),
            Sign::Answer => self.settle(Party::Person, Reason::Answer),
            Sign::Words(words) => {
                if let Some(party) = party_of(words) {
                    self.settle(party, Reason::Words);
                }
            }
            Sign::Timeout => {}
        }
        self.weigh_cadence(now);
        self.verdict.filter(|verdict| before != Some(*verdict))
    }

    /// Who answered, as far as is known.
    pub fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    /// When [`Sign::Timeout`] is due next, as media time; `None` while only something heard can change the verdict.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let answered = self.answered?;
        let ends = answered + GREETING;
        let weight = self.verdict.map(|verdict| verdict.weight());
        let cadence = match self.talk.filter(|talk| talk.from < ends) {
            None => weight.is_none().then_some(answered + SILENCE),
            Some(Talk { from, to: None, .. }) => {
                (weight < Some(Reason::LongGreeting.weight())).then_some(from.max(answered) + LONG_GREETING)
            }
            Some(Talk { to: Some(to), .. }) => (weight < Some(Reason::ShortGreeting.weight())).then_some(to + WAITS),
        };
        cadence.into_iter().chain(weight.is_none().then_some(ends)).min()
    }

    fn speech_started(&mut self, at: Duration) {
        match &mut self.talk {
            Some(talk) if talk.to.is_none_or(|to| at.saturating_sub(to) < PAUSE_WITHIN) => {
                talk.to = None;
                talk.spurt = at;
            }
            Some(_) | None => self.talk = Some(Talk { from: at, to: None, spurt: at }),
        }
    }

    fn speech_ended(&mut self, at: Duration) {
        if let Some(talk) = &mut self.talk
            && talk.to.is_none()
        {
            talk.to = Some(at);
            self.spoken += at.saturating_sub(talk.spurt);
            if at.saturating_sub(talk.from) < SHORTEST_WORD {
                self.talk = None;
            }
        }
    }

    fn tone(&mut self, tone: Tone) {
        match tone {
            // It rings on behind an exchange that answered: nobody is there yet.
            Tone::RingBack => self.talk = None,
            Tone::Beep if self.answered.is_some() && self.spoken >= BEFORE_BEEP => {
                self.settle(Party::Machine, Reason::Beep);
            }
            Tone::Beep => {}
            Tone::Dial | Tone::Busy | Tone::Congestion | Tone::SpecialInformation | Tone::Fax => {
                self.settle(Party::Tone(tone), Reason::Tone);
            }
        }
    }

    /// What the lengths of speech and silence tell by `now`.
    fn weigh_cadence(&mut self, now: Duration) {
        let Some(answered) = self.answered else { return };
        let ends = answered + GREETING;
        match self.talk {
            // Who spoke before the answer was the network.
            Some(talk) if talk.from < answered && talk.to.is_some_and(|to| to <= answered) => self.talk = None,
            Some(Talk { from, to, .. }) if from < ends => {
                let from = from.max(answered);
                let until = to.unwrap_or(now);
                if until.saturating_sub(from) >= LONG_GREETING {
                    self.settle(Party::Machine, Reason::LongGreeting);
                } else if to.is_some_and(|to| now.saturating_sub(to) >= WAITS) {
                    self.settle(Party::Person, Reason::ShortGreeting);
                }
            }
            Some(_) => {}
            None if now >= answered + SILENCE => self.settle(Party::Unknown, Reason::Silence),
            None => {}
        }
        if now >= ends && self.verdict.is_none() {
            self.settle(Party::Unknown, Reason::Unclear);
        }
    }

    fn settle(&mut self, party: Party, reason: Reason) {
        let verdict = Verdict { party, reason };
        if self.verdict.is_none_or(|before| before.outweighed_by(verdict)) {
            self.verdict = Some(verdict);
        }
    }
}

impl Verdict {
    /// Whether it rests on more than the lengths of speech and silence. Only such a verdict is a reason to hang up on
    /// somebody who may be a person: a cautious caller puts its first question before it believes another.
    pub fn is_sure(&self) -> bool {
        self.weight() >= Reason::Beep.weight()
    }

    fn outweighed_by(&self, other: Verdict) -> bool {
        other.weight() > self.weight()
    }

    fn weight(&self) -> u8 {
        match (self.reason, self.party) {
            // A person says 你好, and so do machines: what only they say counts more.
            (Reason::Words, Party::Person) => Reason::Words.weight() - 2,
            _ => self.reason.weight(),
        }
    }
}

impl Reason {
    const fn weight(self) -> u8 {
        match self {
            Self::Silence | Self::Unclear => 0,
            Self::ShortGreeting => 1,
            Self::LongGreeting => 2,
            Self::Beep => 4,
            Self::Words | Self::Tone => 5,
            Self::Answer | Self::Key => 6,
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Person => "person",
            Self::Machine => "machine",
            Self::Announcement(_) => "announcement",
            Self::Tone(_) => "tone",
            Self::Unknown => "unknown",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::Answer => "answer",
            Self::Words => "words",
            Self::Tone => "tone",
            Self::Beep => "beep",
            Self::LongGreeting => "long_greeting",
            Self::ShortGreeting => "short_greeting",
            Self::Silence => "silence",
            Self::Unclear => "unclear",
        })
    }
}

#[cfg(test)]
mod tests;
