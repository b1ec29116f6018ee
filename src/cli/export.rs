//! `minxin export`: calls and cases as CSV for a spreadsheet, numbers masked.

use std::process::ExitCode;

use clap::Subcommand;

use super::{ConfigArg, db};
use crate::store::export;

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
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = match &args.command {
        Command::Cases(config) | Command::Calls(config) => config.load()?,
    };
    let database = db::open(&config).await?;
    // A spreadsheet takes a file for Chinese only when it begins with the byte-order mark.
    print!("\u{feff}");
    let print = |row: &[&str]| println!("{}", row.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(","));
    match args.command {
        Command::Cases(_) => export::cases(&database.pool, print).await?,
        Command::Calls(_) => export::calls(&database.pool, print).await?,
    }
    database.close().await;
    Ok(ExitCode::SUCCESS)
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
