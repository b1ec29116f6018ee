//! A frame of the spool, and the record in it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| minxin::store::fuzzing::spool(data));
