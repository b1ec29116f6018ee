//! `minxin verify`: whether every recording is still what it was when its call ended.

use std::path::Path;
use std::process::ExitCode;

use super::{ConfigArg, db};
use crate::media::recorder::sha256;
use crate::store::recordings::{self, Kept};

/// Compares each file with the hash that the database has of it; exit code 1 when one is missing or another.
pub(super) async fn run(args: ConfigArg) -> anyhow::Result<ExitCode> {
    let config = args.load()?;
    let database = db::open(&config).await?;
    let (mut whole, mut wrong) = (0, 0);
    recordings::kept(&database.pool, |kept| match fault(&config.data_dir, &kept) {
        None => whole += 1,
        Some(fault) => {
            wrong += 1;
            println!("{}  {}", kept.path, fault);
        }
    })
    .await?;
    database.close().await;
    println!("{whole} recordings are as they were; {wrong} are not");
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is wrong with a recording.
fn fault(data_dir: &Path, kept: &Kept) -> Option<String> {
    match sha256(&data_dir.join(&kept.path)) {
        Ok((found, _)) if hex::encode(found).eq_ignore_ascii_case(&kept.sha256) => None,
        Ok((found, _)) => Some(format!("changed: its hash is {}, was {}", hex::encode(found), kept.sha256)),
        Err(error) => Some(format!("cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::CallId;

    #[test]
    fn one_changed_bit_and_a_missing_file_are_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("call.wav");
        let check = |content: &[u8], expected: Option<&str>| {
            std::fs::write(&path, content).expect("written");
            let kept = Kept {
                call: CallId::fresh(),
                path: "call.wav".into(),
                // Of "abc", printed in FIPS 180-4's examples.
                sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".into(),
            };
            let fault = fault(folder.path(), &kept);
            assert_eq!(fault.as_deref().map(|text| text.split(':').next().expect("a part")), expected);
        };
        check(b"abc", None);
        check(b"abb", Some("changed"));
        std::fs::remove_file(&path).expect("removed");
        assert!(sha256(&path).is_err());
    }
}
