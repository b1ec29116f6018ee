//! An RTP packet: a header that can be read is the same when written and read again.
#![no_main]

use minxin::media::rtp::{HEADER_LEN, Packet};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(packet) = Packet::parse(data) {
        let mut written = [0; HEADER_LEN];
        packet.header.write(&mut written);
        let again = Packet::parse(&written).expect("a header of our own");
        assert_eq!((again.header, again.payload), (packet.header, &[][..]));
    }
});
