//! A compound RTCP packet.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| drop(minxin::media::rtcp::parse(data, 0x0102_0304)));
