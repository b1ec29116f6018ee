//! The command line: what scripts and newcomers rely on.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::repository;

fn minxin(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_minxin")).args(args).output().expect("minxin runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Checks a configuration file with these lines; answers with the exit code and what was said.
fn check(lines: &str) -> (Option<i32>, String) {
    let dir = TempDir::new().expect("a folder");
    let file = dir.path().join("minxin.toml");
    fs::write(&file, format!("home = {:?}\n{lines}", repository(""))).expect("a file");
    let output = minxin(&["check", "--config", file.to_str().expect("UTF-8")]);
    let said = text(&output.stdout) + &text(&output.stderr);
    (output.status.code(), said.replace(dir.path().to_str().expect("UTF-8"), ""))
}

const GOOD: &str = "data_dir = \"/tmp\"\n[sip]\nudp = \"127.0.0.1:5060\"\ntrusted = [\"127.0.0.0/8\"]\n\
    [[lines]]\nname = \"民心热线\"\nnumbers = [\"12345\"]\nflow = \"hotline\"\n\
    [media]\nports = [20000, 29999]\n[web]\nlisten = \"127.0.0.1:8080\"\n[speech]\nthreads = 0\n";

#[test]
fn a_good_configuration_is_said_to_be_one() {
    let (code, said) = check(GOOD);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("no mistakes"), "{said}");
}

#[test]
fn every_mistake_is_named_with_its_place() {
    let bad = GOOD
        .replace("127.0.0.1:5060", "127.0.0.1:99999")
        .replace("[20000, 29999]", "[29999, 20000]")
        .replace("127.0.0.0/8", "everybody")
        .replace("threads = 0", "threads = 0\nthread = 1");
    let (code, said) = check(&bad);
    assert_eq!(code, Some(1), "{said}");
    for (line, key) in [(4, "sip.udp"), (5, "sip.trusted"), (11, "media.ports"), (16, "speech.thread")] {
        let place = format!("minxin.toml:{line}: {key}");
        assert!(said.contains(&place), "{place} is missing in\n{said}");
    }
}

#[test]
fn a_flow_that_nobody_wrote_is_a_mistake() {
    let (code, said) = check(&GOOD.replace("\"hotline\"", "\"nowhere\""));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("nowhere"), "{said}");
}

#[test]
fn a_dead_port_is_exit_code_3() {
    let output = minxin(&["call", "sip:12345@127.0.0.1:9;transport=tcp", "--duration", "1", "--json"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}

#[test]
fn help_and_completions_name_every_command() {
    let help = text(&minxin(&["--help"]).stdout);
    let bash = text(&minxin(&["completions", "bash"]).stdout);
    for command in ["serve", "demo", "check", "call", "db", "model", "prompts", "user", "export"] {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is missing in\n{help}");
        assert!(bash.contains(command), "{command}");
        let own = minxin(&[command, "--help"]);
        assert!(own.status.success() && !own.stdout.is_empty(), "{own:?}");
    }
    assert_eq!(minxin(&["frobnicate"]).status.code(), Some(2));
}
