//! A gateway of one's own: the real binary as a child process, with its own folder, ports and private database.

use std::fs::{self, File, Permissions};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use minxin::clock::monotonic;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::browser::Browser;
use super::heard::Heard;

/// Longest start, on a machine that runs other tests beside.
const START_LIMIT: Duration = Duration::from_secs(60);

/// RTP ports for each gateway, so that several run side by side.
const PORTS_EACH: u16 = 200;

/// Gateways that run at once: each costs memory and a share of the machine, and a starved one proves nothing.
const AT_ONCE: usize = 2;

/// What steers the tests themselves.
const TEST_VARIABLES: [&str; 5] =
    ["MINXIN_KILLS", "MINXIN_KILL_CALLS", "MINXIN_OUTAGE_S", "MINXIN_MODEL", "MINXIN_PEOPLE"];

/// Where the audio ports of the first gateway begin.
const FIRST_PORT: u16 = 26_000;

/// A gateway, and what is needed to ring it and to ask it. Dropping it ends the process and removes its folder.
pub struct Gateway {
    dir: TempDir,
    child: Option<Child>,
    /// Where it answers SIP, over UDP and TCP.
    pub sip: SocketAddr,
    /// Where its web view listens.
    pub web: SocketAddr,
    token: Option<String>,
    extra: Vec<(String, String)>,
    _permit: Permit,
}

/// What a telephone reported, and its recording.
pub struct Call {
    /// The JSON object that it printed.
    pub report: Value,
    /// What was heard; `None` where nobody answered.
    pub heard: Option<Heard>,
}

impl Call {
    /// What an answered call heard.
    #[track_caller]
    pub fn heard(&self) -> &Heard {
        self.heard.as_ref().unwrap_or_else(|| panic!("the call was not answered: {}", self.report))
    }
}

impl Gateway {
    /// One that is ready to answer, and led by keys: recognition is off.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// One that listens.
    pub fn start_listening() -> Self {
        Self::start_with(&[("MINXIN_SPEECH__THREADS", "1")])
    }

    /// One with keys of its configuration set as environment variables.
    pub fn start_with(variables: &[(&str, &str)]) -> Self {
        Self::start_so(variables, "")
    }

    /// One with more in its configuration file, in TOML.
    pub fn start_with_more(configuration: &str) -> Self {
        Self::start_so(&[], configuration)
    }

    /// One that listens, with more in its configuration file.
    pub fn start_listening_with_more(configuration: &str) -> Self {
        Self::start_so(&[("MINXIN_SPEECH__THREADS", "1")], configuration)
    }

    fn start_so(variables: &[(&str, &str)], configuration: &str) -> Self {
        let permit = Permit::take();
        let dir = TempDir::with_prefix("minxin-it-").expect("a temporary folder");
        // The database does not run as root, and has to get in.
        fs::set_permissions(dir.path(), Permissions::from_mode(0o711)).expect("permissions");
        let mut gateway = Self {
            dir,
            child: None,
            sip: free_port(),
            web: free_port(),
            token: None,
            _permit: permit,
            extra: variables.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        };
        gateway.write_config(configuration);
        gateway.run();
        gateway
    }

    /// Starts the process and waits until it is ready.
    pub fn run(&mut self) {
        let log = File::options().create(true).append(true).open(self.log_path()).expect("a log file");
        let child = self
            .command(&["serve"])
            .stdout(Stdio::from(log.try_clone().expect("a handle")))
            .stderr(Stdio::from(log))
            .spawn()
            .expect("the gateway starts");
        self.child = Some(child);
        let until = monotonic() + START_LIMIT;
        while self.status("/readyz") != 200 {
            let gone = self.child.as_mut().expect("a child").try_wait().expect("its state");
            assert!(gone.is_none(), "the gateway ended with {gone:?}\n{}", self.log());
            assert!(monotonic() < until, "not ready after {START_LIMIT:?}\n{}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends the process as a power cut would: SIGKILL, nothing is flushed or said.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("a running gateway");
        child.kill().expect("SIGKILL");
        child.wait().expect("its end");
    }

    /// Tells the process to stop (SIGTERM).
    pub fn terminate(&self) {
        signal(self.child.as_ref().expect("a running gateway").id(), Signal::TERM);
    }

    /// Waits for the end of the process, and says its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.take().expect("a running gateway").wait().expect("its end").code()
    }

    /// Rings `number` with the test telephone and these arguments, to the call's end.
    pub fn ring(&self, number: &str, args: &[&str]) -> Call {
        self.dial(number, args).hang_up()
    }

    /// Rings `number` and returns while the call goes on.
    pub fn dial(&self, number: &str, args: &[&str]) -> Telephone {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let recording = self.dir().join(format!("heard-{}.wav", NEXT.fetch_add(1, Ordering::Relaxed)));
        let mut command = self.phone(number, args);
        command.arg("--record").arg(&recording).stdout(Stdio::piped()).stderr(Stdio::piped());
        Telephone { child: command.spawn().expect("the telephone runs"), recording }
    }

    /// The test telephone, ready to ring `number`.
    pub fn phone(&self, number: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_minxin"));
        // What stands before a semicolon is the number, what follows belongs to the URI.
        let (user, parameters) = number.split_once(';').map_or((number, String::new()), |(u, p)| (u, format!(";{p}")));
        command.arg("call").arg(format!("sip:{user}@{}{parameters}", self.sip)).args(args).arg("--json");
        command
    }

    /// Runs a subcommand on this gateway's configuration; panics when it fails.
    pub fn must(&self, args: &[&str]) -> String {
        let output = self.minxin(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Runs a subcommand on this gateway's configuration.
    pub fn minxin(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("minxin runs")
    }

    /// The JSON behind `path` of the interface.
    pub fn api(&mut self, path: &str) -> Value {
        let token = self.token();
        let body = http(&format!("http://{}/api/v1/{path}", self.web), Some(&token)).1;
        serde_json::from_slice(&body).unwrap_or_else(|e| panic!("{path}: {e}: {}", String::from_utf8_lossy(&body)))
    }

    /// The bytes behind `path` of the interface.
    pub fn download(&mut self, path: &str) -> Vec<u8> {
        let token = self.token();
        let (status, body) = http(&format!("http://{}/api/v1/{path}", self.web), Some(&token));
        assert_eq!(status, 200, "{path}");
        body
    }

    /// A browser in which somebody of this role is logged in; once for each role.
    pub fn log_in(&self, role: &str) -> Browser {
        let link = self.must(&["user", "add", role, "--role", role]);
        Browser::log_in(self.web, link.trim())
    }

    /// The status of a page without a login.
    pub fn status(&self, path: &str) -> u16 {
        http(&format!("http://{}{path}", self.web), None).0
    }

    /// The text of a page without a login.
    pub fn text(&self, path: &str) -> String {
        String::from_utf8(http(&format!("http://{}{path}", self.web), None).1).expect("text")
    }

    /// A figure of the metrics; 0 where it is not there.
    pub fn metric(&self, name: &str) -> f64 {
        let metrics = self.text("/metrics");
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or_default()
    }

    /// How many of the answers to surveys were on the disk within which time after their input.
    pub fn kept_within(&self) -> String {
        let metrics = self.text("/metrics");
        let bucket = |line: &str| {
            let (bound, count) = line.strip_prefix("minxin_answer_kept_seconds_bucket{le=\"")?.split_once("\"} ")?;
            Some(format!("{count} within {bound} s"))
        };
        metrics.lines().filter_map(bucket).collect::<Vec<_>>().join(", ")
    }

    /// Processor time that the gateway's process used so far, its database not included (proc(5): fields 14 and 15).
    pub fn processor_time(&self) -> Duration {
        const TICK: Duration = Duration::from_millis(10);
        let pid = self.child.as_ref().expect("a running gateway").id();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("its state");
        let after_name = stat.rsplit(')').next().expect("its fields");
        let ticks: u32 = after_name.split_whitespace().skip(11).take(2).map(|t| t.parse::<u32>().expect("ticks")).sum();
        TICK * ticks
    }

    /// Asks `question` until it has an answer; panics after `limit`.
    pub fn wait_for<T>(&mut self, what: &str, limit: Duration, mut question: impl FnMut(&mut Self) -> Option<T>) -> T {
        let until = monotonic() + limit;
        loop {
            if let Some(answer) = question(self) {
                return answer;
            }
            assert!(monotonic() < until, "no {what} after {limit:?}\n{}", self.log());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Everything it wrote to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The process id of its private database, and those of the database's own processes.
    pub fn database(&self) -> Vec<u32> {
        let file = self.dir().join("data/pg/data/postmaster.pid");
        let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let postmaster: u32 = text.lines().next().and_then(|l| l.parse().ok()).expect("a process id");
        let children = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children")).unwrap_or_default();
        std::iter::once(postmaster).chain(children.split_whitespace().filter_map(|p| p.parse().ok())).collect()
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn token(&mut self) -> String {
        if self.token.is_none() {
            self.must(&["user", "add", "tester", "--role", "admin"]);
            self.token = Some(self.must(&["user", "token", "tester"]).trim().to_owned());
        }
        self.token.clone().expect("a token")
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("gateway.log")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_minxin"));
        command.args(args).arg("--config").arg(self.dir.path().join("minxin.toml"));
        // The gateway takes every variable of its own prefix for a key of its configuration.
        for of_tests in TEST_VARIABLES {
            command.env_remove(of_tests);
        }
        command.envs(self.extra.iter().map(|(k, v)| (k, v)));
        command
    }

    fn write_config(&self, more: &str) {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let first = FIRST_PORT + PORTS_EACH * (NEXT.fetch_add(1, Ordering::Relaxed) % 64);
        let root = env!("CARGO_MANIFEST_DIR");
        let text = format!(
            "home = {root:?}\ndata_dir = {data:?}\n\
             [sip]\nudp = \"{sip}\"\ntcp = \"{sip}\"\ntrusted = [\"127.0.0.0/8\"]\n\
             [[lines]]\nname = \"民心热线\"\nnumbers = [\"12345\"]\nflow = \"hotline\"\n\
             [[lines]]\nname = \"党员服务热线\"\nnumbers = [\"12371\"]\nflow = \"party\"\n\
             [media]\nports = [{first}, {last}]\n[web]\nlisten = \"{web}\"\n[speech]\nmodel = {model:?}\nthreads = 0\n{more}",
            data = self.dir.path().join("data"),
            sip = self.sip,
            web = self.web,
            last = first + PORTS_EACH - 1,
            model = super::model(),
        );
        fs::write(self.dir.path().join("minxin.toml"), text).expect("a configuration");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Let it stop its database; a test that failed must not leave one running.
            signal(child.id(), Signal::TERM);
            let until = monotonic() + Duration::from_secs(10);
            while monotonic() < until && matches!(child.try_wait(), Ok(None)) {
                thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A telephone in a call.
pub struct Telephone {
    child: Child,
    recording: PathBuf,
}

impl Telephone {
    /// Waits for the call's end, as its arguments or the gateway decide.
    pub fn hang_up(self) -> Call {
        let output = self.child.wait_with_output().expect("the telephone's report");
        let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
        Call { report, heard: self.recording.is_file().then(|| Heard::read(&self.recording)) }
    }
}

/// The right to run a gateway.
struct Permit;

static RUNNING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

impl Permit {
    fn take() -> Self {
        let running = RUNNING.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running = RUNNING.1.wait_while(running, |n| *n >= AT_ONCE).unwrap_or_else(PoisonError::into_inner);
        *running += 1;
        Self
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *RUNNING.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        RUNNING.1.notify_one();
    }
}

/// Signals a process; one that is gone is no fault.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// A port of 127.0.0.1 that is free for UDP and TCP.
fn free_port() -> SocketAddr {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = tcp.local_addr().expect("its address");
        if UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}

/// Status and body; status 0 when nobody listens.
fn http(url: &str, token: Option<&str>) -> (u16, Vec<u8>) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(20)))
        .build()
        .into();
    let mut request = agent.get(url);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    match request.call() {
        Ok(mut response) => {
            let status = response.status().as_u16();
            (status, response.body_mut().read_to_vec().unwrap_or_default())
        }
        Err(_) => (0, Vec::new()),
    }
}
