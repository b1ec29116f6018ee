//! `minxin verify`: whether recordings, the log of cases and the audit trail are still what they were.

use std::path::Path;
use std::process::ExitCode;

use sqlx::PgPool;

use super::{ConfigArg, db};
use crate::media::recorder::sha256;
use crate::store::audit::{self, Head};
use crate::store::case_log;
use crate::store::recordings::{self, Kept};

/// Cases named at most that do not stand where their log says.
const ASTRAY_MAX: usize = 100;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// A head of the log of cases as an earlier run printed it: shows that the end was not cut off
    #[arg(long, value_name = "LINK:HASH", value_parser = head)]
    cases: Option<Head>,
    /// A head of the audit trail, likewise
    #[arg(long, value_name = "ROW:HASH", value_parser = head)]
    audit: Option<Head>,
}

fn head(text: &str) -> Result<Head, String> {
    let parsed = text.split_once(':').and_then(|(seq, hash)| Some(Head { seq: seq.parse().ok()?, hash: hash.into() }));
    parsed.ok_or_else(|| "a number and a hash, with a colon between them".to_owned())
}

/// Compares each recording with the hash that the database has of it, and follows both chains; exit code 1 when a recording
/// is missing or another, a chain is broken, or a case does not stand where its log says.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
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
    println!("{whole} recordings are as they were; {wrong} are not");
    let cases = log_of_cases(&database.pool, args.cases.as_ref()).await?;
    let trail = trail(&database.pool, args.audit.as_ref()).await?;
    database.close().await;
    Ok(if wrong == 0 && cases && trail { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn log_of_cases(pool: &PgPool, known: Option<&Head>) -> anyhow::Result<bool> {
    match case_log::verify(pool, known).await? {
        case_log::Verdict::Intact(head) => {
            println!("log of cases: {} entries as written; head {}:{}", head.seq, head.seq, head.hash)
        }
        case_log::Verdict::Broken { link, case } => {
            let case = case.map(|number| format!(", case {number}")).unwrap_or_default();
            println!("log of cases: broken at entry {link}{case}");
            return Ok(false);
        }
    }
    let astray = case_log::astray(pool, ASTRAY_MAX).await?;
    for number in &astray {
        println!("case {number} does not stand where its log says");
    }
    Ok(astray.is_empty())
}

async fn trail(pool: &PgPool, known: Option<&Head>) -> anyhow::Result<bool> {
    match audit::verify(pool, known).await? {
        audit::Verdict::Intact(head) => {
            println!("audit trail: {} rows as written; head {}:{}", head.seq, head.seq, head.hash);
            Ok(true)
        }
        audit::Verdict::Broken { seq } => {
            println!("audit trail: broken at row {seq}");
            Ok(false)
        }
    }
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
    fn a_head_is_a_number_and_a_hash() {
        assert_eq!(head("12:ab"), Ok(Head { seq: 12, hash: "ab".into() }));
        assert!(head("12").is_err() && head("a:b").is_err());
    }

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
