//! What a name server answers.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| minxin::sip::fuzzing::name_server_answer(data));
