//! The octets of a stream, in pieces: the first octet says how long each is.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some((size, data)) = data.split_first() {
        minxin::sip::fuzzing::stream(data, usize::from(*size).max(1));
    }
});
