//! The configuration file as valid types; errors name file, line and key.
//!
//! Read once at start. Every key can come from the environment instead: `sip.udp` as `MINXIN_SIP__UDP`. Nothing below
//! this module checks a value again.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::network::Network;

mod reader;
mod trunks;

use reader::{ENV_PREFIX, Reader, Section};
pub use reader::{Mistake, Place};
pub use trunks::{Dialling, Transport, Trunk};

/// Where `minxin` looks without `--config`.
pub const DEFAULT_PATH: &str = "config/minxin.toml";

/// Everything the gateway is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder with `prompts`, `models`, `seeds` and `config/flows`.
    pub home: PathBuf,
    /// Recordings, spool and the private database live here.
    pub data_dir: PathBuf,
    /// Signalling.
    pub sip: Sip,
    /// The hotlines, at least one.
    pub lines: Vec<Line>,
    /// Audio.
    pub media: Media,
    /// What recordings may take.
    pub recordings: Recordings,
    /// The web view.
    pub web: Web,
    /// A Postgres of the owner's own; `None` for a private cluster below `data_dir`.
    pub database_url: Option<String>,
    /// Recognition.
    pub speech: Speech,
    /// The ways out, in the order in which they are tried.
    pub trunks: Vec<Trunk>,
    /// What may be rung.
    pub dialling: Dialling,
    /// How long a stop waits for calls to end.
    pub drain_limit: Duration,
}

/// What recordings may take of their disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recordings {
    /// Octets that they leave free on it, for spool and database.
    pub keep_free: u64,
    /// Whether the oldest whose words are in the database are deleted when there is less.
    pub delete_oldest: bool,
}

/// Where SIP is spoken and with whom.
#[derive(Clone, Debug)]
pub struct Sip {
    /// UDP socket, where wanted.
    pub udp: Option<SocketAddr>,
    /// TCP socket, where wanted.
    pub tcp: Option<SocketAddr>,
    /// TLS socket, where wanted.
    pub tls: Option<Tls>,
    /// Whether SRTP keys are taken over UDP and TCP as well.
    pub srtp_without_tls: bool,
    /// Networks that get an answer at all.
    pub trusted: Vec<Network>,
    /// Digest credentials that an INVITE must prove, where wanted.
    pub auth: Option<Auth>,
    /// Calls at once; one more is answered 503.
    pub max_calls: usize,
    /// Calls at once from one address; one more is answered 503.
    pub max_calls_per_source: usize,
    /// Calls a second; faster is answered 503.
    pub max_calls_per_second: u32,
    /// Session timer (RFC 4028) that we propose.
    pub session_expires: Duration,
}

/// A TLS socket with its certificate.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Certificate chain, PEM.
    pub certificate: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
    /// Authorities that vouch for hosts we connect to, PEM; `None` for those that browsers trust.
    pub authorities: Option<PathBuf>,
}

/// Digest credentials (RFC 8760).
#[derive(Clone)]
pub struct Auth {
    /// The realm we challenge with.
    pub realm: String,
    /// The trunk's user name.
    pub username: String,
    /// The trunk's password.
    pub password: String,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("realm", &self.realm).field("username", &self.username).finish_non_exhaustive()
    }
}

/// One hotline: the numbers that reach it and the flow that answers (A2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// As people call it: 民心热线.
    pub name: String,
    /// Numbers as the trunk signals them.
    pub numbers: Vec<String>,
    /// The name of its file under `config/flows`.
    pub flow: String,
}

/// Where RTP is sent and received.
#[derive(Clone, Debug)]
pub struct Media {
    /// First and last UDP port; even ones carry RTP, the odd one above each its RTCP.
    pub ports: (u16, u16),
    /// The address written into SDP.
    pub address: IpAddr,
    /// Engine threads.
    pub threads: usize,
    /// Share of the calls whose packets are kept, in percent.
    pub capture_percent: u32,
}

/// Where the web view listens.
#[derive(Clone, Debug)]
pub struct Web {
    /// Address and port; put a TLS proxy before it when it is not a loopback address.
    pub listen: SocketAddr,
    /// Whether browsers come by HTTPS, through such a proxy: then login cookies are refused on anything else.
    pub https: bool,
    /// The relay that operators' browsers are told of.
    pub relay: Option<Relay>,
}

/// A TURN server (RFC 8656).
#[derive(Clone)]
pub struct Relay {
    /// As in `turn:relay.example:3478`.
    pub url: String,
    /// What browsers log in with.
    pub username: String,
    /// With it.
    pub password: String,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("url", &self.url).field("username", &self.username).finish_non_exhaustive()
    }
}

/// What recognises speech.
#[derive(Clone, Debug)]
pub struct Speech {
    /// A path to a ggml file, or the name of a model in `models/models.toml`.
    pub model: String,
    /// Worker threads; 0 switches recognition off, and callers are led by keys.
    pub threads: usize,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Every mistake in it, in order.
    #[error("{}", list(.0))]
    Mistakes(Vec<Mistake>),
}

fn list(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Config {
    /// Reads the file at `path`, or [`DEFAULT_PATH`], and the environment.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let path = path.unwrap_or(Path::new(DEFAULT_PATH));
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let ours = |(name, _): &(String, String)| name.starts_with(ENV_PREFIX) && !OTHER_VARIABLES.contains(&&**name);
        Self::parse(path, text, std::env::vars().filter(ours).collect())
    }

    /// The configuration in `text`, overridden by `variables`; `path` is for messages.
    pub fn parse(path: &Path, text: String, variables: BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let reader = Reader::new(path, text, variables).map_err(|mistake| ConfigError::Mistakes(vec![mistake]))?;
        let config = read(&reader.root());
        let mistakes = reader.finish();
        match config {
            Some(config) if mistakes.is_empty() => Ok(config),
            _ => Err(ConfigError::Mistakes(mistakes)),
        }
    }

    /// The line that `called` (a Request-URI's user part) rings, or the first line when none claims it: a wrongly set
    /// up trunk must not lose a call.
    pub fn line_for(&self, called: &str) -> &Line {
        let claims = |line: &&Line| line.numbers.iter().any(|n| n == called);
        self.lines.iter().find(claims).unwrap_or(&self.lines[0])
    }
}

/// Variables with our prefix that are no keys of the file.
const OTHER_VARIABLES: &[&str] = &["MINXIN_LOG", "MINXIN_MODEL"];

/// Reads every key; `None` once something is wrong beyond a default, which [`Reader`] then knows of.
fn read(root: &Section<'_>) -> Option<Config> {
    let home = root.text("home").map_or_else(default_home, PathBuf::from);
    let data_dir = root.text("data_dir").map_or_else(|| PathBuf::from("data"), PathBuf::from);
    let drain_limit = seconds(root, "drain_limit_s", 0..=86_400, 600);
    let sip = read_sip(&root.section("sip"));
    let lines = read_lines(root);
    let media = read_media(&root.section("media"), &sip);
    let recordings = root.section("recordings");
    let keep_free = recordings.integer("keep_free_mb", 0..=10_000_000).unwrap_or(KEEP_FREE_MB) * 1_000_000;
    let delete_oldest = recordings.boolean("delete_oldest").unwrap_or(false);
    recordings.done();
    let web = root.section("web");
    let listen = web.parsed("listen", SOCKET).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080)));
    let https = web.boolean("https").unwrap_or(false);
    let relay = read_relay(&web.section("relay"));
    web.done();
    let database = root.section("database");
    let database_url = database.text("url");
    if database_url.as_deref().is_some_and(|u| !u.starts_with("postgres://") && !u.starts_with("postgresql://")) {
        database.reject("url", "must start with postgres://");
    }
    database.done();
    let speech = root.section("speech");
    let model = speech.text("model").unwrap_or_else(|| "base".into());
    let threads = speech.integer("threads", 0..=64).unwrap_or(2);
    speech.done();
    let trunks = trunks::read(root);
    let dialling = trunks::read_dialling(root);
    root.done();
    Some(Config {
        home,
        data_dir,
        sip,
        lines: lines?,
        media,
        recordings: Recordings { keep_free, delete_oldest },
        web: Web { listen, https, relay },
        database_url,
        speech: Speech { model, threads },
        trunks,
        dialling,
        drain_limit,
    })
}

fn read_relay(section: &Section<'_>) -> Option<Relay> {
    if !section.is_present() {
        return None;
    }
    let url = required(section, "url", "as in turn:relay.example:3478");
    if url.as_deref().is_some_and(|url| !url.starts_with("turn:") && !url.starts_with("turns:")) {
        section.reject("url", "must start with turn: or turns:");
    }
    let username = required(section, "username", "what browsers log in with");
    let password = required(section, "password", "what browsers log in with");
    section.done();
    Some(Relay { url: url?, username: username?, password: password? })
}

/// Room that recordings leave by default, in megabytes: the spool takes 1 GB at most, and seldom a tenth of it.
const KEEP_FREE_MB: u64 = 1_000;

const SOCKET: &str = "an address and port, as in 0.0.0.0:5060";

fn read_sip(section: &Section<'_>) -> Sip {
    let udp = section.parsed("udp", SOCKET);
    let tcp = section.parsed("tcp", SOCKET);
    let tls_section = section.section("tls");
    let tls = tls_section.is_present().then(|| read_tls(&tls_section)).flatten();
    let auth_section = section.section("auth");
    let auth = auth_section.is_present().then(|| read_auth(&auth_section)).flatten();
    let trusted = section.list("trusted", "networks, as in 10.0.0.0/8").unwrap_or_default();
    let max_calls = section.integer("max_calls", 1..=100_000).unwrap_or(500);
    // A quarter is left to the others, whatever a single trunk does.
    let per_source = section.integer("max_calls_per_source", 1..=100_000);
    let max_calls_per_source = per_source.unwrap_or_else(|| max_calls - max_calls / 4);
    let max_calls_per_second = section.integer("max_calls_per_second", 1..=100_000).unwrap_or(100);
    // RFC 4028 §4 forbids less than 90 s.
    let session_expires = seconds(section, "session_expires_s", 90..=86_400, 1_800);
    if udp.is_none() && tcp.is_none() && tls.is_none() {
        section.missing("udp", "at least one of udp, tcp and tls must be set");
    }
    if trusted.is_empty() {
        section.missing("trusted", "without a trusted network nobody gets an answer");
    }
    let srtp_without_tls = section.boolean("srtp_without_tls").unwrap_or(false);
    section.done();
    Sip {
        udp,
        tcp,
        tls,
        srtp_without_tls,
        trusted,
        auth,
        max_calls,
        max_calls_per_source,
        max_calls_per_second,
        session_expires,
    }
}

fn read_tls(section: &Section<'_>) -> Option<Tls> {
    let listen = section.parsed("listen", SOCKET);
    let certificate = required(section, "certificate", "the path of a PEM file").map(PathBuf::from);
    let key = required(section, "key", "the path of a PEM file").map(PathBuf::from);
    let authorities = section.text("authorities").map(PathBuf::from);
    if listen.is_none() {
        section.missing("listen", "the address and port of the TLS socket");
    }
    section.done();
    Some(Tls { listen: listen?, certificate: certificate?, key: key?, authorities })
}

fn read_auth(section: &Section<'_>) -> Option<Auth> {
    let realm = section.text("realm").unwrap_or_else(|| "minxin".into());
    let username = required(section, "username", "what the trunk logs in with");
    let password = required(section, "password", "what the trunk logs in with");
    section.done();
    Some(Auth { realm, username: username?, password: password? })
}

fn read_lines(root: &Section<'_>) -> Option<Vec<Line>> {
    let mut lines: Vec<Line> = Vec::new();
    for section in root.sections("lines") {
        let name = required(&section, "name", "as people call the line");
        let flow = required(&section, "flow", "a file under config/flows, without .toml");
        let numbers: Vec<String> = section.list("numbers", "numbers in quotes").unwrap_or_default();
        if numbers.is_empty() {
            section.missing("numbers", "a line needs at least one number");
        }
        if let Some(double) = numbers.iter().find(|n| lines.iter().any(|line| line.numbers.contains(n))) {
            section.reject("numbers", format!("{double} rings another line already"));
        }
        section.done();
        if let (Some(name), Some(flow)) = (name, flow) {
            lines.push(Line { name, numbers, flow });
        }
    }
    if lines.is_empty() {
        root.missing("lines", "at least one [[lines]] with name, numbers and flow");
        return None;
    }
    Some(lines)
}

fn read_media(section: &Section<'_>, sip: &Sip) -> Media {
    let ports = section.pair("ports").unwrap_or((20_000, 29_999));
    if ports.0 < 1_024 || ports.1 <= ports.0 {
        section.reject("ports", "the first must be 1024 or more and below the last");
    }
    // An address that a peer can send to: the one signalling listens on, unless that is every address.
    let listening = [sip.udp, sip.tcp, sip.tls.as_ref().map(|tls| tls.listen)].into_iter().flatten().next();
    let concrete = listening.map(|socket| socket.ip()).filter(|ip| !ip.is_unspecified());
    let address = section.parsed("address", "an IP address").or(concrete);
    let useless = address.map_or(listening.is_some(), |ip: IpAddr| ip.is_unspecified());
    if useless {
        section.missing("address", "SDP needs an address that the trunk can send to");
    }
    let threads = section.integer("threads", 1..=64).unwrap_or(1);
    let capture_percent = section.integer("capture_percent", 0..=100).unwrap_or(0);
    section.done();
    Media { ports, address: address.unwrap_or(IpAddr::from([127, 0, 0, 1])), threads, capture_percent }
}

fn required(section: &Section<'_>, key: &'static str, message: &str) -> Option<String> {
    let text = section.text(key);
    if text.is_none() {
        section.missing(key, message);
    }
    text
}

fn seconds(section: &Section<'_>, key: &'static str, range: std::ops::RangeInclusive<u64>, default: u64) -> Duration {
    Duration::from_secs(section.integer(key, range).unwrap_or(default))
}

/// The working directory when it holds our prompts, else the folder above the executable that does: so that the binary
/// runs from anywhere inside an installation.
fn default_home() -> PathBuf {
    let holds = |dir: &Path| dir.join("prompts/prompts.toml").is_file();
    let working = PathBuf::from(".");
    if holds(&working) {
        return working;
    }
    let exe = std::env::current_exe().unwrap_or_default();
    exe.ancestors().find(|dir| holds(dir)).map_or(working, Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
data_dir = "/var/lib/minxin"

[sip]
udp = "127.0.0.1:5060"
trusted = ["127.0.0.0/8"]

[[lines]]
name = "民心热线"
numbers = ["12345", "2012345"]
flow = "hotline"

[[lines]]
name = "党员服务热线"
numbers = ["12371"]
flow = "party"

[media]
ports = [20000, 20099]
"#;

    fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        let variables = variables.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        Config::parse(Path::new("minxin.toml"), text.into(), variables).map_err(|e| e.to_string())
    }

    #[track_caller]
    fn check_mistakes(text: &str, variables: &[(&str, &str)], expected: &[&str]) {
        let found = parse(text, variables).expect_err("mistakes");
        for line in expected {
            assert!(found.contains(line), "{line:?} is not among\n{found}");
        }
        assert_eq!(found.lines().count(), expected.len(), "{found}");
    }

    #[test]
    fn a_good_file_is_read() {
        let config = parse(GOOD, &[]).expect("good");
        assert_eq!(config.data_dir, Path::new("/var/lib/minxin"));
        assert_eq!(config.media.address, IpAddr::from([127, 0, 0, 1]));
        assert_eq!(config.line_for("12371").flow, "party");
        assert_eq!(config.line_for("2012345").name, "民心热线");
        assert_eq!(config.line_for("999").flow, "hotline");
    }

    #[test]
    fn the_environment_goes_first() {
        let variables = [
            ("MINXIN_SIP__UDP", "127.0.0.1:5999"),
            ("MINXIN_SIP__TRUSTED", "10.0.0.0/8, 127.0.0.1"),
            ("MINXIN_MEDIA__PORTS", "[30000, 30009]"),
            ("MINXIN_SPEECH__THREADS", "1"),
            ("MINXIN_RECORDINGS__KEEP_FREE_MB", "5"),
            ("MINXIN_WEB__LISTEN", "127.0.0.1:9090"),
            ("MINXIN_DATABASE__URL", "postgres://minxin@localhost/minxin"),
        ];
        let config = parse(GOOD, &variables).expect("good");
        assert_eq!(config.sip.udp, "127.0.0.1:5999".parse().ok());
        assert_eq!(config.sip.trusted.len(), 2);
        assert_eq!(config.media.ports, (30_000, 30_009));
        assert_eq!(config.speech.threads, 1);
        assert_eq!(config.recordings, Recordings { keep_free: 5_000_000, delete_oldest: false });
        assert_eq!(config.web.listen.port(), 9_090);
        assert!(config.database_url.is_some());
    }

    #[test]
    fn every_mistake_names_its_line_and_key() {
        check_mistakes(
            "[sip]\nudp = \"everywhere\"\ntrusted = [\"10.0.0.0/99\"]\nudq = 1\n\n[[lines]]\nname = 7\nflow = \"hotline\"\nnumbers = []\n[media]\nports = [5, 4]\n",
            &[],
            &[
                "minxin.toml:2: sip.udp: must be an address and port",
                "minxin.toml:3: sip.trusted: must be a list of networks",
                "minxin.toml:4: sip.udq: is no key here; there are: auth, max_calls",
                "minxin.toml:7: lines[0].name: must be text in quotes",
                "minxin.toml:11: media.ports: the first must be 1024 or more",
                "minxin.toml:9: lines[0].numbers: must be a list of numbers in quotes, at least one",
            ],
        );
    }

    #[test]
    fn a_broken_file_names_its_line() {
        check_mistakes("data_dir = \"x\"\n[sip\n", &[], &["minxin.toml:2: not TOML"]);
    }

    #[test]
    fn a_misspelt_variable_is_told() {
        check_mistakes(GOOD, &[("MINXIN_SIP_UDP", "127.0.0.1:1")], &["environment MINXIN_SIP_UDP: names no key"]);
        check_mistakes(GOOD, &[("MINXIN_SIP__UDP", "nowhere")], &["environment MINXIN_SIP__UDP: sip.udp: must be"]);
    }

    #[test]
    fn a_number_rings_one_line() {
        let text = GOOD.replace("12371", "12345");
        check_mistakes(&text, &[], &["minxin.toml:15: lines[1].numbers: 12345 rings another line already"]);
    }
}
