//! Which payload types our offers name.

use std::ops::RangeInclusive;

use super::choice::Choice;
use crate::call::stream::Codec;
use crate::units::NARROWBAND_HZ;

/// Dynamic payload types (RFC 3551 §6).
const DYNAMIC: RangeInclusive<u8> = 96..=127;

/// The dynamic payload types of our offers: ours until a peer has named others, which then stay (RFC 3264 §8.3.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    pub(super) opus: u8,
    /// Telephone events by a clock of 8 kHz.
    pub(super) event: u8,
    /// Telephone events by the clock of Opus.
    pub(super) opus_event: u8,
}

impl Default for Numbers {
    fn default() -> Self {
        Self { opus: Codec::Opus.payload_type(), event: 101, opus_event: 110 }
    }
}

impl Numbers {
    pub(super) fn of(&self, codec: Codec) -> u8 {
        match codec {
            Codec::Opus => self.opus,
            Codec::Pcma | Codec::Pcmu | Codec::G722 => codec.payload_type(),
        }
    }

    pub(super) fn of_event(&self, hz: u32) -> u8 {
        if hz == NARROWBAND_HZ { self.event } else { self.opus_event }
    }

    /// Takes over what the peer named; a number of ours that it gave to something else moves on.
    pub(super) fn learn(&mut self, choice: &Choice) {
        let mut named = [choice.payload_type, choice.event.map_or(choice.payload_type, |event| event.number)].to_vec();
        let mut settle = |number: &mut u8, by_peer: Option<u8>| match by_peer {
            Some(by_peer) => *number = by_peer,
            None => {
                if named.contains(number) {
                    *number = DYNAMIC.clone().find(|free| !named.contains(free)).unwrap_or(*number);
                }
                named.push(*number);
            }
        };
        let event_by = |hz| choice.event.filter(|event| event.hz == hz).map(|event| event.number);
        settle(&mut self.opus, (choice.codec == Codec::Opus).then_some(choice.payload_type));
        settle(&mut self.event, event_by(NARROWBAND_HZ));
        settle(&mut self.opus_event, event_by(Codec::Opus.clock_hz()));
    }
}
