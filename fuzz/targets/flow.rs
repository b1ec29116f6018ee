//! A flow file.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| drop(minxin::flow::Flow::parse(text)));
