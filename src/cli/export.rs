//! `minxin export`: calls and cases as CSV for a spreadsheet, numbers masked; corrected transcripts as test data; published
//! figures as JSON, and their check.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;

use super::{ConfigArg, corrections, db};
use crate::store::{disclosures, export};
use crate::survey::disclosure::Disclosure;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Every case, oldest first
    Cases(ConfigArg),
    /// Every call, oldest first
    Calls(ConfigArg),
    /// What people corrected in transcripts: the sound of each segment and its true text, for `minxin model bench`
    Corrections(CorrectionsArgs),
    /// Published figures with all they come from, as JSON; or recompute them from such a file
    Disclosure(DisclosureArgs),
}

#[derive(clap::Args, Debug)]
struct CorrectionsArgs {
    /// The folder to write, empty or new
    folder: PathBuf,
    /// Why callers' voices leave the system; stands in the audit trail for each call
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(clap::Args, Debug)]
struct DisclosureArgs {
    /// The disclosure to write
    #[arg(required_unless_present = "verify")]
    id: Option<i64>,
    /// Recompute every figure in this file; needs neither database nor configuration
    #[arg(long, value_name = "FILE", conflicts_with = "id")]
    verify: Option<PathBuf>,
    /// The hash as it was published
    #[arg(long, requires = "verify")]
    sha256: Option<String>,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = match &args.command {
        Command::Disclosure(DisclosureArgs { verify: Some(path), sha256, .. }) => {
            return verify(path, sha256.as_deref());
        }
        Command::Cases(config)
        | Command::Calls(config)
        | Command::Corrections(CorrectionsArgs { config, .. })
        | Command::Disclosure(DisclosureArgs { config, .. }) => config.load()?,
    };
    let database = db::open(&config).await?;
    let print = |row: &[&str]| println!("{}", row.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(","));
    match args.command {
        Command::Cases(_) => {
            mark();
            export::cases(&database.pool, print).await?;
        }
        Command::Calls(_) => {
            mark();
            export::calls(&database.pool, print).await?;
        }
        Command::Corrections(CorrectionsArgs { folder, reason, .. }) => {
            corrections::run(&database, &config.data_dir, &folder, &reason).await?;
        }
        Command::Disclosure(DisclosureArgs { id, .. }) => {
            let id = id.unwrap_or_default();
            let found = disclosures::read(&database.pool, id).await?;
            let (disclosure, hash) = found.with_context(|| format!("there is no disclosure {id}"))?;
            println!("{}", serde_json::to_string_pretty(&disclosure)?);
            eprintln!("SHA-256 {hash}");
        }
    }
    database.close().await;
    Ok(ExitCode::SUCCESS)
}

/// A spreadsheet takes a file for Chinese only when it begins with the byte-order mark.
fn mark() {
    print!("\u{feff}");
}

/// Recomputes a disclosure's figures from its answers; exit code 1 when any does not follow.
fn verify(path: &Path, published: Option<&str>) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    match Disclosure::verify(&text, published) {
        Ok((disclosure, hash)) => {
            println!("{} figures follow from {} interviews", disclosure.figures.len(), disclosure.evidence.len());
            println!("SHA-256 {hash}");
            if published.is_none() {
                println!("compare it with the hash as published, or give that with --sha256");
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(doubts) => {
            doubts.iter().for_each(|doubt| eprintln!("{}: {doubt}", path.display()));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// A field of RFC 4180; what a spreadsheet would take for a formula begins with an apostrophe (CWE-1236).
fn quoted(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if formula { "'" } else { "" };
    if formula || field.contains([',', '"', '\n', '\r']) {
        format!("\"{guard}{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn fields_neither_break_rows_nor_become_formulas() {
        let check = |field: &str, written: &str| assert_eq!(quoted(field), written);
        check("路灯不亮", "路灯不亮");
        check("他说\"好\",走了", "\"他说\"\"好\"\",走了\"");
        check("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\"");
        check("-1", "\"'-1\"");
        check("两\n行", "\"两\n行\"");
    }
}
