//! The running gateway: its parts started in order, wired, and stopped in the reverse order.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::desk::Desk;
use super::dialler::Dialler;
use super::levels::Levels;
use super::put_through::PersonLine;
use super::room::Room;
use super::shared::{Drain, Profiles, Shared};
use super::voice::Voice;
use super::{call_task, caretaker, crash, figures, levels, overload, room, transcripts};
use crate::call::DialPolicy;
use crate::clock::wall;
use crate::config::{self, Config};
use crate::media::{Engine, MediaConfig};
use crate::ops::{Counters, Metrics};
use crate::sip::{self, Endpoint, IncomingCall, Reject, SipConfig, Trunks};
use crate::speech::{Speech, SpeechConfig};
use crate::store::{self, Store, StoreConfig};
use crate::web;

/// How long calls may take over their goodbye once [`Config::drain_limit`] is reached.
const GOODBYE: Duration = Duration::from_secs(15);

/// Retry-After while no call can be taken, in seconds.
const NOT_READY_RETRY_S: u32 = 30;

/// Where the system names its name servers.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// A gateway that takes calls.
pub struct Gateway {
    shared: Arc<Shared>,
    endpoint: Arc<Endpoint>,
    trunks: Arc<Trunks>,
    web: SocketAddr,
    /// Ends what runs beside calls.
    stop: CancellationToken,
    beside: TaskTracker,
    calls: TaskTracker,
    drain_limit: Duration,
}

impl Gateway {
    /// Starts every part; when this returns, calls are answered.
    ///
    /// # Errors
    /// The first part that does not start, and why.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let started = wall();
        let flows: BTreeSet<String> = config.lines.iter().map(|line| line.flow.clone()).collect();
        let home = config.home.clone();
        let voice = tokio::task::spawn_blocking(move || Voice::load(&home, &flows))
            .await?
            .map_err(|problems| anyhow::anyhow!("prompts or flows cannot be used:\n{}", problems.join("\n")))?;
        let voice = Arc::new(voice);
        std::fs::create_dir_all(&config.data_dir)
            .with_context(|| format!("cannot make data_dir {}", config.data_dir.display()))?;
        crash::mend_recordings(&config.data_dir).context("cannot mend recordings")?;

        let store_config = StoreConfig { data_dir: config.data_dir.clone(), url: config.database_url.clone() };
        let store = Store::open(store_config).await.context("cannot open the store")?;
        first_directory(&store, &config).await?;
        let speech = start_speech(&config).await?;
        let mut engine = Engine::start(MediaConfig {
            address: config.media.address,
            ports: config.media.ports,
            threads: config.media.threads,
        })
        .context("cannot start the audio engine")?;
        if config.media.capture_percent > 0 {
            let folder = config.data_dir.join("captures");
            engine.capture(folder, config.media.capture_percent).context("cannot capture calls")?;
        }

        let shared = Arc::new(Shared {
            store,
            engine,
            speech,
            voice: Arc::clone(&voice),
            board: web::live::Board::new(),
            counters: Counters::default(),
            data_dir: config.data_dir.clone(),
            drain: watch::Sender::new(Drain::Running),
            profiles: Profiles::default(),
            room: Room::default(),
            person: OnceLock::new(),
            levels: Levels::default(),
            desk: Arc::new(Desk::new().context("cannot open the desk")?),
        });
        shared.engine.keep_free(config.recordings.keep_free);
        for line in &config.lines {
            shared.profiles.of(line, &voice, &shared.store).context("no call can be taken")?;
        }

        let (endpoint, incoming) = sip::start(sip_config(&config)).await?;
        let trunks = Arc::new(endpoint.trunks(policy(&config), config.trunks.iter().map(trunk_config).collect()));
        if let Some(number) = config.dialling.person.clone() {
            let line = PersonLine { trunks: Arc::downgrade(&trunks), number, ring: config.dialling.person_ring };
            shared.person.get_or_init(|| line);
        }
        let endpoint = Arc::new(endpoint);
        let stop = CancellationToken::new();
        let (beside, calls) = (TaskTracker::new(), TaskTracker::new());
        beside.spawn(crash::end_calls(shared.store.clone(), config.data_dir.clone(), started));
        beside.spawn(transcripts::work(Arc::clone(&shared), stop.clone()));
        beside.spawn(overload::watch(Arc::clone(&shared), stop.clone()));
        beside.spawn(room::watch(Arc::clone(&shared), config.recordings.clone(), stop.clone()));
        beside.spawn(caretaker::look_after(Arc::clone(&shared), stop.clone()));
        beside.spawn(levels::show(Arc::clone(&shared), stop.clone()));
        beside.spawn(Arc::clone(&shared.desk).run(stop.clone()));
        beside.spawn(pass_changes(Arc::clone(&shared), stop.clone()));
        beside.spawn(take_calls(Arc::clone(&shared), config.clone(), incoming, calls.clone()));
        let dialler = Dialler::new(Arc::clone(&shared), Arc::clone(&trunks), config.dialling.clone(), calls.clone());
        beside.spawn(dialler.run(stop.clone()));
        let web = serve_web(&config, &shared, &endpoint, &trunks, &beside, stop.clone()).await?;
        tracing::info!(udp = ?endpoint.udp_addr(), tcp = ?endpoint.tcp_addr(), tls = ?endpoint.tls_addr(), %web, "calls are answered");
        Ok(Self { shared, endpoint, trunks, web, stop, beside, calls, drain_limit: config.drain_limit })
    }

    /// Where the web view listens.
    pub fn web(&self) -> SocketAddr {
        self.web
    }

    /// Where SIP over UDP is heard.
    pub fn sip_udp(&self) -> Option<SocketAddr> {
        self.endpoint.udp_addr()
    }

    /// The live board.
    pub fn board(&self) -> &web::live::Board {
        &self.shared.board
    }

    /// The store, for commands that run beside the gateway in one process.
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// Stops in order: no new calls, running ones until the drain limit, a goodbye to the rest, then every part.
    pub async fn stop(self) {
        self.endpoint.drain();
        self.shared.drain.send_replace(Drain::Ending);
        tracing::info!(calls = self.calls.len(), limit = ?self.drain_limit, "stopping: no new calls");
        // The web view goes on meanwhile: /readyz says 503, and operators see the last calls end.
        self.calls.close();
        if tokio::time::timeout(self.drain_limit, self.calls.wait()).await.is_err() {
            tracing::warn!(calls = self.calls.len(), "the drain limit is reached: saying goodbye");
            self.shared.drain.send_replace(Drain::Goodbye);
            if tokio::time::timeout(GOODBYE, self.calls.wait()).await.is_err() {
                tracing::error!(calls = self.calls.len(), "calls are cut");
            }
        }
        self.stop.cancel();
        self.trunks.close().await;
        // They keep the endpoint's other end, for whose going calls are taken in.
        drop(self.trunks);
        match Arc::try_unwrap(self.endpoint) {
            Ok(endpoint) => endpoint.shutdown().await,
            Err(shared) => shared.drain(),
        }
        self.beside.close();
        if tokio::time::timeout(GOODBYE, self.beside.wait()).await.is_err() {
            tracing::warn!("something beside the calls is still running");
        }
        self.shared.store.shutdown().await;
        tracing::info!("stopped");
    }
}

/// An empty directory means a new installation: the demo district is loaded, so that the first call finds somebody.
async fn first_directory(store: &Store, config: &Config) -> anyhow::Result<()> {
    if !store.directory().posts.is_empty() {
        return Ok(());
    }
    let seeds = config.home.join("seeds");
    tracing::warn!(from = %seeds.display(), "the directory is empty: loading the demo district");
    store::seed::seed(store.pool(), &seeds).await.context("cannot load the demo district")?;
    Ok(store.reload_directory().await?)
}

async fn start_speech(config: &Config) -> anyhow::Result<Option<Speech>> {
    if config.speech.threads == 0 {
        tracing::warn!("recognition is switched off: callers are led by keys");
        return Ok(None);
    }
    let model = super::model_path(config);
    if !model.is_file() {
        bail!("{} is missing: `minxin model fetch {}` gets it", model.display(), config.speech.model);
    }
    let speech_config = SpeechConfig { model, threads: config.speech.threads };
    let speech = tokio::task::spawn_blocking(move || Speech::start(speech_config)).await??;
    Ok(Some(speech))
}

fn sip_config(config: &Config) -> SipConfig {
    let sip = &config.sip;
    SipConfig {
        udp: sip.udp,
        tcp: sip.tcp,
        tls: sip.tls.as_ref().map(|tls| sip::TlsConfig {
            listen: tls.listen,
            certificate: tls.certificate.clone(),
            key: tls.key.clone(),
        }),
        srtp_without_tls: sip.srtp_without_tls,
        tls_authorities: sip.tls.as_ref().and_then(|tls| tls.authorities.clone()),
        trusted: sip.trusted.clone(),
        auth: sip.auth.as_ref().map(|auth| sip::DigestCredentials {
            realm: auth.realm.clone(),
            username: auth.username.clone(),
            password: auth.password.clone(),
        }),
        max_calls: sip.max_calls,
        max_calls_per_source: sip.max_calls_per_source,
        max_calls_per_second: sip.max_calls_per_second,
        session_expires: sip.session_expires,
        // Without such a file hosts are taken by the addresses that the system finds.
        name_servers: sip::name_servers(&std::fs::read_to_string(RESOLV_CONF).unwrap_or_default()),
        ..SipConfig::default()
    }
}

fn policy(config: &Config) -> DialPolicy {
    DialPolicy { barred: config.dialling.barred.clone(), by_night: config.dialling.always_open }
}

fn trunk_config(trunk: &config::Trunk) -> sip::TrunkConfig {
    let login = trunk.login.as_ref().map(|(username, password)| {
        (username.clone(), Arc::new(sip::Login::new(trunk.realm.clone(), username, password)))
    });
    sip::TrunkConfig {
        name: trunk.name.clone(),
        address: trunk.address.clone(),
        transport: match trunk.transport {
            config::Transport::Udp => sip::TrunkTransport::Udp,
            config::Transport::Tcp => sip::TrunkTransport::Tcp,
            config::Transport::Tls => sip::TrunkTransport::Tls,
        },
        login,
        caller_id: trunk.caller_id.clone(),
        assert_identity: trunk.assert_identity,
        srtp: trunk.srtp,
        channels: trunk.channels,
        calls_per_second: f64::from(trunk.cps),
        calls_per_hour: trunk.calls_per_hour,
        calls_per_day: trunk.calls_per_day,
        register: trunk.register,
    }
}

/// Takes calls until the endpoint is gone.
async fn take_calls(
    shared: Arc<Shared>,
    config: Config,
    mut incoming: mpsc::Receiver<IncomingCall>,
    calls: TaskTracker,
) {
    while let Some(call) = incoming.recv().await {
        let line = config.line_for(&call.called);
        match shared.profiles.of(line, &shared.voice, &shared.store) {
            Ok(profile) => {
                calls.spawn(call_task::run(Arc::clone(&shared), call, profile, line.name.clone()));
            }
            Err(error) => {
                tracing::error!(line = line.name, %error, "a call cannot be taken");
                calls.spawn(call.reject(Reject::Unavailable { retry_after_s: NOT_READY_RETRY_S }));
            }
        }
    }
}

/// Tells the web view what the store wrote.
async fn pass_changes(shared: Arc<Shared>, stop: CancellationToken) {
    use tokio::sync::broadcast::error::RecvError;
    let mut changes = shared.store.changes();
    loop {
        let change = tokio::select! {
            change = changes.recv() => change,
            () = stop.cancelled() => return,
        };
        match change {
            Ok(change) => shared.board.changed(change),
            // Pages read anew at the next change.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

async fn serve_web(
    config: &Config,
    shared: &Arc<Shared>,
    endpoint: &Arc<Endpoint>,
    trunks: &Arc<Trunks>,
    beside: &TaskTracker,
    stop: CancellationToken,
) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(config.web.listen)
        .await
        .with_context(|| format!("the web view cannot listen on {}", config.web.listen))?;
    let address = listener.local_addr()?;
    let metrics = {
        let (shared, endpoint, trunks) = (Arc::clone(shared), Arc::downgrade(endpoint), Arc::clone(trunks));
        Metrics::new(&Arc::clone(&shared).counters, move || {
            let sip = endpoint.upgrade().map(|e| e.stats()).unwrap_or_default();
            figures::samples(&shared, sip, &trunks.stats())
        })
    };
    let health = {
        let (shared, endpoint, trunks) = (Arc::clone(shared), Arc::downgrade(endpoint), Arc::clone(trunks));
        move || figures::checks(&shared, endpoint.upgrade().is_none_or(|e| e.is_draining()), &trunks.stats())
    };
    let router = web::router(web::WebConfig {
        pool: shared.store.pool().clone(),
        recordings: config.data_dir.clone(),
        live: shared.board.clone(),
        lines: config
            .lines
            .iter()
            .map(|line| web::LineInfo { name: line.name.clone(), numbers: line.numbers.clone() })
            .collect(),
        surveys: shared.voice.surveys.clone(),
        book: Arc::clone(&shared.voice.book),
        prompts: config.home.join("prompts/zh-CN"),
        trunks: config.trunks.iter().map(|trunk| trunk.name.clone()).collect(),
        desk: web::desk::Desk {
            enter: Arc::new({
                let (desk, shared) = (Arc::clone(&shared.desk), Arc::downgrade(shared));
                move |agent, name| desk.enter(&shared, agent, name)
            }),
            relay: config.web.relay.as_ref().map(|relay| web::desk::Relay {
                url: relay.url.clone(),
                username: relay.username.clone(),
                password: relay.password.clone(),
            }),
        },
        directory: Arc::new({
            let store = shared.store.clone();
            move || store.directory()
        }),
        health: Arc::new(health),
        metrics: Arc::new(move || metrics.text()),
        secure: config.web.https,
    });
    let serve = axum::serve(listener, router);
    beside.spawn(async move {
        tokio::select! {
            served = serve => if let Err(error) = served {
                tracing::error!(%error, "the web view ended");
            },
            () = stop.cancelled() => {}
        }
    });
    Ok(address)
}
