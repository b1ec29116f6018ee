//! `minxin serve`: the gateway until it is told to stop.

use std::io::IsTerminal;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::{ConfigArg, LOG_VARIABLE};
use crate::app::Gateway;
use crate::sip::LOG_DIRECTIVE;

/// Exit code of a stop that was hurried by a second signal.
const HURRIED: u8 = 1;

/// Serves until SIGINT or SIGTERM; a second one ends the process at once.
pub(super) async fn run(args: ConfigArg) -> anyhow::Result<ExitCode> {
    let config = args.load()?;
    start_log("info");
    let gateway = Gateway::start(config).await?;
    stop_signal().await?;
    tokio::select! {
        () = gateway.stop() => Ok(ExitCode::SUCCESS),
        stopped = stop_signal() => {
            stopped?;
            Ok(ExitCode::from(HURRIED))
        }
    }
}

/// Resolves when the process is told to stop.
pub(super) async fn stop_signal() -> std::io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Messages go to standard error, `default` and above unless [`LOG_VARIABLE`] says otherwise. Whatever it says, the SIP
/// library's own messages stay out below `warn`: they hold telephone numbers.
pub(super) fn start_log(default: &str) {
    let wanted = std::env::var(LOG_VARIABLE).unwrap_or_else(|_| default.to_owned());
    let filter = EnvFilter::try_new(&wanted).unwrap_or_else(|error| {
        eprintln!("minxin: {LOG_VARIABLE}: {error}; using {default}");
        EnvFilter::new(default)
    });
    let filter = filter.add_directive(LOG_DIRECTIVE.parse().expect("the directive is a constant"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
