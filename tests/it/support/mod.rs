//! What the tests of the whole system share.

pub mod browser;
pub mod campaign;
pub mod gateway;
pub mod heard;
pub mod residents;
pub mod script;
pub(crate) mod sip;
pub(crate) mod tls;
pub mod wire_phone;

use std::path::{Path, PathBuf};

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The speech weights; a test that needs them fails without, it does not skip.
pub fn model() -> PathBuf {
    let path = std::env::var_os("MINXIN_MODEL").map_or_else(|| repository("models/ggml-base.bin"), PathBuf::from);
    assert!(path.is_file(), "{} is missing: run `minxin model fetch base`", path.display());
    path
}

/// The samples of an 8 kHz mono file.
pub fn samples(path: &Path) -> Vec<i16> {
    let mut reader = hound::WavReader::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert_eq!((reader.spec().channels, reader.spec().sample_rate), (1, 8_000), "{}", path.display());
    reader.samples::<i16>().map(|s| s.expect("a sample")).collect()
}
