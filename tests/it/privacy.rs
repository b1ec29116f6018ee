//! A number that was planted appears nowhere but where somebody asked for it, with a reason that is kept (S23).

use std::time::Duration;

use crate::support::gateway::Gateway;
use crate::support::script::MESSAGE;

/// The caller's number, and another one that a caller keys.
const PLANTED: [&str; 2] = ["13987654321", "13712348765"];

#[test]
fn numbers_stay_hidden() {
    let mut gateway = Gateway::start_with(&[("MINXIN_LOG", "info")]);
    let message = gateway.dial("12345", &["--from", PLANTED[0], "--dtmf", MESSAGE, "--duration", "14"]);
    // Nobody's number: the one to ring back is keyed.
    let keyed = format!("6.5:7,13:A,14.5:A,19:{}", PLANTED[1]);
    let keyed = gateway.dial("12345", &["--from", "anonymous", "--dtmf", &keyed, "--duration", "24"]);
    message.hang_up();
    keyed.hang_up();
    let calls = gateway.wait_for("two ended calls", Duration::from_secs(20), |gateway| {
        let calls = gateway.api("calls");
        let items = calls["items"].as_array()?;
        (items.len() == 2 && items.iter().all(|c| c["case_number"].is_i64())).then(|| items.clone())
    });

    let mut paths = vec!["calls".to_owned(), "cases".to_owned(), "lines".to_owned(), "openapi.json".to_owned()];
    for call in &calls {
        let (id, case) = (call["id"].as_str().expect("an id"), &call["case_number"]);
        paths.extend([format!("calls/{id}"), format!("calls/{id}/transcript"), format!("cases/{case}")]);
    }
    let mut shown: Vec<(String, String)> =
        paths.iter().map(|path| (path.clone(), gateway.api(path).to_string())).collect();
    shown.push(("/metrics".to_owned(), gateway.text("/metrics")));
    shown.push(("/readyz".to_owned(), gateway.text("/readyz")));
    let mut browser = gateway.log_in("admin");
    for path in paths
        .iter()
        .filter(|p| !(p.ends_with("transcript") || *p == "lines" || p.ends_with("json")))
        .map(|p| format!("/{p}"))
    {
        shown.push((path.clone(), browser.page(&path)));
    }
    for list in ["calls", "cases"] {
        shown.push((format!("export {list}"), gateway.must(&["export", list])));
    }
    shown.push(("the log".to_owned(), gateway.log()));
    for (place, text) in &shown {
        for number in PLANTED {
            assert!(!text.contains(number), "{number} stands in {place}:\n{text}");
        }
    }
    let masked = "139****4321";
    assert!(shown.iter().any(|(_, text)| text.contains(masked)), "{masked} stands nowhere: nothing is shown");

    // Asked for with a reason, it is there, and so is who asked.
    let id = calls.iter().find(|c| c["caller"] == masked).and_then(|c| c["id"].as_str()).expect("the call").to_owned();
    let whole = gateway.api(&format!("calls/{id}?reveal=test-of-privacy"));
    assert_eq!(whole["caller"], PLANTED[0]);
    gateway.download(&format!("calls/{id}/recording.wav"));
    let audit = gateway.log_in("auditor").page("/audit");
    for row in ["test-of-privacy", &format!("call/{id}")] {
        assert!(audit.contains(row), "{row} is missing in\n{audit}");
    }
}
