//! A session description, as offer and as answer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| minxin::sip::fuzzing::session_description(data));
