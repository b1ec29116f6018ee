//! Simplified characters, whatever the recogniser wrote: Whisper mixes both scripts at random.
//!
//! OpenCC's tables convert phrase by phrase, so that 乾隆 stays and 乾淨 becomes 干净. Afterwards no character is left that has
//! a simplified form of its own.

use std::sync::LazyLock;

use ferrous_opencc::OpenCC;
use ferrous_opencc::config::BuiltinConfig;

static TABLES: LazyLock<OpenCC> = LazyLock::new(|| {
    OpenCC::from_config(BuiltinConfig::T2s).expect("the tables are built into the program, and a test loads them")
});

/// `text` in simplified characters.
pub fn simplified(text: &str) -> String {
    TABLES.convert(text)
}
