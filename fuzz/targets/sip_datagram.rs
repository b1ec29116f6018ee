//! A datagram from a trusted source, through the front door.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| minxin::sip::fuzzing::datagram(data));
