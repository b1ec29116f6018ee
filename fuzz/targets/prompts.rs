//! The book of prompts.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| drop(minxin::flow::PromptBook::parse(text)));
