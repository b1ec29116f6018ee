//! The dependency rule of `src/lib.rs`, read off the sources: an arrow that points up fails here, not in a review.

use std::fs;
use std::path::{Path, PathBuf};

/// The layers, lowest first. Modules of one layer do not import each other.
const LAYERS: &[&[&str]] = &[
    &["clock", "ids", "network", "units"],
    &["directory"],
    &["cases"],
    &["flow"],
    &["survey"],
    &["call", "desk"],
    &["config", "store"],
    &["media", "ops", "rtc", "sip", "speech", "web"],
    &["app"],
    &["cli"],
];

/// Of the shells only the web view reads through the store, and none reads the configuration: `app` hands it down.
const APART: &[(&[&str], &[&str])] =
    &[(&["media", "ops", "rtc", "sip", "speech"], &["store", "config"]), (&["web"], &["config"])];

/// What no pure module may name.
const IMPURE: &[&str] = &[
    "tokio",
    "sqlx",
    "axum",
    "std::fs",
    "std::net::UdpSocket",
    "std::net::Tcp",
    "std::thread",
    "clock::wall",
    "clock::monotonic",
];
const PURE: &[&str] = &["call", "cases", "desk", "directory", "flow", "ids", "network", "rtc", "survey", "units"];

#[test]
fn imports_point_down() {
    let mut wrong = Vec::new();
    for (file, module, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            for target in targets(line) {
                if !allowed(&module, &target) {
                    wrong.push(format!("{}:{}: {module} must not import {target}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_modules_stay_pure() {
    let mut wrong = Vec::new();
    for (file, module, text) in sources() {
        // Tests of a pure module may take their origin of time from the clock.
        let test = file.components().any(|part| part.as_os_str() == "tests");
        if !PURE.contains(&module.as_str()) || test {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            let line = line.split("//").next().unwrap_or_default();
            if let Some(name) = IMPURE.iter().find(|name| line.contains(*name)) {
                wrong.push(format!("{}:{}: {name} in a pure module", file.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_has_its_layer() {
    for (file, module, _) in sources() {
        let known = module == "lib" || module == "main" || layer(&module).is_some();
        assert!(known, "{}: no layer for {module}", file.display());
    }
}

/// The modules named by `crate::x` in a line of code; a doc link is no import.
fn targets(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    let name = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    code.split("crate::").skip(1).map(name).filter(|name| layer(name).is_some()).collect()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

fn allowed(from: &str, to: &str) -> bool {
    if from == to || from == "lib" || from == "main" {
        return true;
    }
    if APART.iter().any(|(froms, tos)| froms.contains(&from) && tos.contains(&to)) {
        return false;
    }
    matches!((layer(from), layer(to)), (Some(from), Some(to)) if to < from)
}

fn sources() -> Vec<(PathBuf, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("src is readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let first = path.strip_prefix(&root).expect("below src").components().next().expect("a name");
                let module = first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
                let text = fs::read_to_string(&path).expect("a source file");
                found.push((path, module, text));
            }
        }
    }
    assert!(found.len() > 10, "no sources found below {}", root.display());
    found
}
