//! A configuration file.
#![no_main]

use std::collections::BTreeMap;
use std::path::Path;

libfuzzer_sys::fuzz_target!(|text: &str| {
    drop(minxin::config::Config::parse(Path::new("minxin.toml"), text.to_owned(), BTreeMap::new()));
});
