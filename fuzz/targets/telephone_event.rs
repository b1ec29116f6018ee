//! A train of telephone-events, each after four octets of timestamp: no press is heard twice in a row.
#![no_main]

use minxin::media::dtmf::{EventPayload, EventReceiver};
use minxin::media::rtp::Timestamp;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut receiver = EventReceiver::new();
    for packet in data.chunks_exact(8) {
        let (timestamp, payload) = packet.split_at(4);
        let timestamp = Timestamp(u32::from_be_bytes(timestamp.try_into().expect("four octets")));
        let event = EventPayload::parse(payload).expect("four octets");
        receiver.packet(timestamp, event);
        assert_eq!(receiver.packet(timestamp, event), None, "the retransmission of a packet is no press");
    }
});
