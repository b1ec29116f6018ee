//! `minxin demo`: the whole way of one call, shown: a resident rings with real speech, the gateway answers, the case is
//! opened, the transcript is made, the page is there to be looked at, and the resident is rung back and asked.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::sync::mpsc;

use super::ConfigArg;
use super::demo_callback::Resident;
use super::serve::{start_log, stop_signal};
use crate::app::phone::{self, Answer, Phone, Step, Talk};
use crate::app::{Gateway, model_path};
use crate::clock::{monotonic, wall};
use crate::config::Config;
use crate::ids::CallId;
use crate::store::{links, tokens, users};
use crate::web::live::News;

/// Where the demo keeps its database and recordings, below the configured data directory.
const FOLDER: &str = "demo";

/// Who the demo logs in as.
const USER: &str = "demo";

/// What the resident says, with its words.
const REQUEST: &str = "tests/data/calls/request.pension.wav";

/// The number that the resident's telephone shows: of a range that no operator gives out.
const RESIDENT: &str = "13800000001";

/// Longest demo call.
const CALL_LIMIT: Duration = Duration::from_secs(150);

/// How long the resident listens before answering a question.
const THINKS: Duration = Duration::from_millis(1_800);

/// When the resident, not having been understood, presses the window's key.
const GIVES_UP_SPEAKING: Duration = Duration::from_secs(25);

/// Longest wait for the transcript after the call.
const TRANSCRIPT_WAIT: Duration = Duration::from_secs(180);

/// How far the recording's length may be off the call's.
const LENGTH_TOLERANCE_MS: i64 = 500;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Exit after the checks, with a status, instead of serving on
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    start_log("warn");
    let mut config = args.config.load()?;
    config.data_dir = config.data_dir.join(FOLDER);
    free_ports(&mut config);
    if config.speech.threads > 0 && !model_path(&config).is_file() {
        step("fetching the speech model (once, 148 MB)");
        let (name, folder) = (config.speech.model.clone(), config.home.join("models"));
        tokio::task::spawn_blocking(move || super::model::fetch(&name, &folder)).await??;
    }
    let request = config.home.join(REQUEST);
    let number = config.lines[0].numbers[0].clone();
    let resident = Resident::new(&mut config).await?;
    step("starting database, recogniser, audio engine, SIP and web view");
    let gateway = Gateway::start(config.clone()).await?;
    let shown = async {
        let case = show(&gateway, &request, &number).await?;
        step("the resident is rung back and asked about the case");
        resident.be_asked(&gateway, &config, RESIDENT, case).await
    };
    let shown = shown.await;
    if let Err(error) = &shown {
        eprintln!("minxin demo: {error:#}");
    }
    if !args.once {
        println!(
            "\nServing until Ctrl-C. Ring {number} at {} yourself, with any SIP telephone on this machine.",
            sip(&gateway)
        );
        stop_signal().await?;
    }
    gateway.stop().await;
    Ok(if shown.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Rings, checks what came of it, prints it; the case's number.
async fn show(gateway: &Gateway, request: &Path, number: &str) -> anyhow::Result<i64> {
    let pool = gateway.store().pool();
    let user = match users::by_name(pool, USER).await? {
        Some(user) => user.id,
        None => users::add(pool, USER, users::Role::Admin, None, wall()).await?,
    };
    let api = Api { web: gateway.web(), token: tokens::create(pool, user, wall()).await? };

    step(&format!("a resident rings {number} and says what is on the recording {}", request.display()));
    let talk = ring(gateway, request, number).await?;
    println!(
        "      answered after {:.0} ms, first sound {:.0} ms later; {:.1} s long; {} packets heard, {} lost",
        talk.setup.as_secs_f64() * 1e3,
        talk.first_audio.unwrap_or_default().as_secs_f64() * 1e3,
        talk.duration.as_secs_f64(),
        talk.quality.packets_received,
        talk.quality.lost
    );
    step("waiting for the transcript of the whole call");
    let call = api.finished_call().await?;
    let id = call["id"].as_str().context("the call has no id")?.to_owned();
    let transcript = api.get(&format!("calls/{id}/transcript")).await?;
    let mut caller_spoke = false;
    for segment in transcript["segments"].as_array().context("the transcript has no segments")? {
        let who = if segment["channel"] == 0 { "resident" } else { "gateway " };
        caller_spoke |= segment["channel"] == 0;
        let seconds = segment["start_ms"].as_f64().unwrap_or_default() / 1e3;
        println!("      {seconds:>6.1} s  {who}  {}", segment["text"].as_str().unwrap_or_default());
    }
    ensure!(caller_spoke, "nothing of what the resident said was recognised");
    let off = call["recording_ms"].as_i64().context("the call has no recording")? - crate::units::millis(talk.duration);
    ensure!(off.abs() <= LENGTH_TOLERANCE_MS, "the recording is {off} ms longer than the call");

    let case_number = call["case_number"].as_i64().context("the call opened no case")?;
    let case = api.get(&format!("cases/{case_number}")).await?;
    println!("\n      case     {case_number}");
    for (label, field) in [("window", "window"), ("request", "summary"), ("owner", "owner"), ("due", "due_on")] {
        println!("      {label:<8} {}", case[field].as_str().unwrap_or("-"));
    }
    let token = links::create(pool, user, Duration::from_secs(24 * 3_600), wall()).await?;
    println!("\n      the call: http://{}/calls/{id}", api.web);
    println!("      log in once, within a day: http://{}/login/once?token={token}", api.web);
    Ok(case_number)
}

/// The resident: speaks when the gateway asks, confirms when it reads back.
async fn ring(gateway: &Gateway, request: &Path, number: &str) -> anyhow::Result<Talk> {
    let words = Arc::new(phone::read_wav(request)?);
    let (does, live) = mpsc::channel(4);
    let uri = format!("sip:{number}@{}", sip(gateway));
    let phone = Phone { live: Some(live), ..Phone::new(uri, RESIDENT.into(), CALL_LIMIT) };
    let resident = tokio::spawn(answer_questions(gateway.board().follow(None).1, words, does));
    let answer = phone.ring().await?;
    resident.abort();
    match answer {
        Answer::Talked(talk) => Ok(*talk),
        Answer::Refused { status, .. } => anyhow::bail!("the call was refused with {status}"),
    }
}

/// Follows the live board as an operator does, and answers by the state that the flow is in.
async fn answer_questions(
    mut board: tokio::sync::broadcast::Receiver<Arc<crate::web::live::Event>>,
    words: Arc<Vec<i16>>,
    does: mpsc::Sender<Step>,
) {
    let (mut ours, mut state, mut caption): (Option<CallId>, _, _) = (None, String::new(), String::new());
    let mut spoke_at = None;
    loop {
        let patience = spoke_at
            .map_or(CALL_LIMIT, |at| GIVES_UP_SPEAKING.saturating_sub(monotonic().saturating_duration_since(at)));
        let event = match tokio::time::timeout(patience, board.recv()).await {
            Ok(Ok(event)) => event,
            Ok(Err(_)) => return,
            Err(_) => {
                spoke_at = None;
                if does.send(Step::Press("7".into())).await.is_err() {
                    return;
                }
                continue;
            }
        };
        let News::Call(call) = &event.news else { continue };
        if *ours.get_or_insert(call.id) != call.id {
            continue;
        }
        if call.caption != caption {
            caption.clone_from(&call.caption);
            println!("      understood: {caption}");
        }
        if call.state == state {
            continue;
        }
        state.clone_from(&call.state);
        let step = match state.as_str() {
            "main" | "request" | "place" => {
                spoke_at = (state == "main").then(monotonic);
                Step::Speak(Arc::clone(&words))
            }
            confirms if confirms.starts_with("confirm") => Step::Press("1".into()),
            _ => {
                spoke_at = None;
                continue;
            }
        };
        if state != "main" {
            spoke_at = None;
        }
        tokio::time::sleep(THINKS).await;
        if does.send(step).await.is_err() {
            return;
        }
    }
}

/// The JSON interface, asked as a script would.
struct Api {
    web: SocketAddr,
    token: String,
}

impl Api {
    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let url = format!("http://{}/api/v1/{path}", self.web);
        let bearer = format!("Bearer {}", self.token);
        tokio::task::spawn_blocking(move || {
            let mut response = ureq::get(&url).header("authorization", bearer).call().with_context(|| url.clone())?;
            Ok(serde_json::from_str(&response.body_mut().read_to_string()?)?)
        })
        .await?
    }

    /// The newest call, once its transcript is done.
    async fn finished_call(&self) -> anyhow::Result<Value> {
        let until = monotonic() + TRANSCRIPT_WAIT;
        loop {
            let calls = self.get("calls?limit=1").await?;
            let call = calls["items"][0].clone();
            match call["transcript_state"].as_str() {
                Some("done") => return Ok(call),
                Some("failed") => anyhow::bail!("the recording could not be transcribed"),
                _ => ensure!(monotonic() < until, "no transcript after {TRANSCRIPT_WAIT:?}"),
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
}

fn sip(gateway: &Gateway) -> String {
    gateway.sip_udp().map_or_else(|| "-".into(), |address| address.to_string())
}

/// Ports that another program has are replaced by free ones: a demo must not fail on a machine where something runs.
fn free_ports(config: &mut Config) {
    let taken = |address: SocketAddr| UdpSocket::bind(address).is_err() || TcpListener::bind(address).is_err();
    let addresses = [config.sip.udp.as_mut(), config.sip.tcp.as_mut(), Some(&mut config.web.listen)];
    for address in addresses.into_iter().flatten() {
        if taken(*address) {
            println!("      port {} is taken: using another one", address.port());
            address.set_port(0);
        }
    }
}

fn step(what: &str) {
    println!("==>   {what}");
}
