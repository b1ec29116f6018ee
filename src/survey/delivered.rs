//! The questionnaires that this program is delivered with, by version.

use sha2::{Digest, Sha256};

use super::model::SurveyHash;

/// Their files, as they were when this program was built.
const FILES: [&str; 1] = [include_str!("../../config/surveys/callback.toml")];

/// Whether a version is one of those, to the letter: whoever installs the program agrees to it.
pub fn is_delivered(version: &SurveyHash) -> bool {
    FILES.iter().any(|file| hex::encode(Sha256::digest(file.as_bytes())) == version.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::Survey;
    use crate::survey::example::{CALLBACK, callback};

    #[test]
    fn a_change_makes_it_another() {
        assert!(is_delivered(&callback().hash));
        let changed = Survey::parse(&CALLBACK.replacen("办结回访", "回访", 1)).unwrap_or_else(|p| panic!("{p:?}"));
        assert!(!is_delivered(&changed.hash));
    }
}
