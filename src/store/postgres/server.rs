//! The server's process: made, found again, started, watched, stopped.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use super::PostgresError;
use super::place::{Place, at};

/// The number in the socket's name. Nothing listens on TCP.
pub const PORT: u16 = 5_432;

/// Where Debian keeps its servers, one directory a version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// Longest start, recovery after a crash included.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Longest wait for open transactions to be rolled back; then the server is told to drop everything and recover later.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// How often a file or process is looked at where nothing tells us of its change.
const POLL: Duration = Duration::from_millis(20);

/// Greatest log kept at a start; a longer one becomes `postgres.log.old`.
const LOG_MAX_BYTES: u64 = 4 << 20;

/// Modest on memory, safe on crashes, and silent about data: statements and values never reach the log.
const SETTINGS: &[&str] = &[
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "max_connections=50",
    "shared_buffers=64MB",
    "work_mem=4MB",
    "maintenance_work_mem=32MB",
    "max_wal_size=512MB",
    "fsync=on",
    "full_page_writes=on",
    "jit=off",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_min_messages=warning",
    "log_min_error_statement=panic",
    "log_error_verbosity=terse",
    "idle_in_transaction_session_timeout=60s",
];

/// A cluster's place and the binaries for it.
#[derive(Debug)]
pub struct Server {
    pub place: Place,
    bin: PathBuf,
}

/// The running postmaster.
#[derive(Debug)]
pub enum Process {
    /// Started by us.
    Child(Child),
    /// Left behind by an earlier gateway.
    Adopted(Pid),
}

impl Process {
    /// Returns when the process is gone. Cancel-safe.
    pub async fn ended(&mut self) {
        match self {
            Self::Child(child) => {
                if let Err(e) = child.wait().await {
                    tracing::error!(error = %e, "cannot wait for Postgres");
                }
            }
            Self::Adopted(pid) => {
                while is_postgres(*pid) {
                    tokio::time::sleep(POLL * 5).await;
                }
            }
        }
    }
}

impl Server {
    pub fn new(place: Place) -> Result<Self, PostgresError> {
        // A cluster is bound to the major version that made it.
        let made_by = fs::read_to_string(place.data().join("PG_VERSION")).ok();
        let bin = binaries(Path::new(VERSIONS), made_by.as_deref().map(str::trim))?;
        Ok(Self { place, bin })
    }

    /// Makes the cluster and its database, where there is none yet; whether it did. Made beside and renamed, so that one
    /// cut off leaves nothing half-made.
    pub async fn initialise(&self) -> Result<bool, PostgresError> {
        let data = self.place.data();
        if data.join("PG_VERSION").exists() {
            return Ok(false);
        }
        let fresh = self.place.dir.join("data.new");
        match fs::remove_dir_all(&fresh) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(at(&fresh)(e)),
            Ok(()) | Err(_) => {}
        }
        let options = ["--username=minxin", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"];
        self.run("initdb", |initdb| initdb.args(options).arg("-D").arg(&fresh), "").await?;
        // A server of one process for one statement (postgres(1), single-user mode).
        self.run(
            "postgres",
            |single| single.arg("--single").arg("-D").arg(&fresh).arg("postgres"),
            "CREATE DATABASE minxin\n",
        )
        .await?;
        fs::rename(&fresh, &data).map_err(at(&data))?;
        Ok(true)
    }

    /// Runs one of the programs to its end, with `input`.
    async fn run(
        &self,
        program: &'static str,
        arguments: impl FnOnce(&mut Command) -> &mut Command,
        input: &'static str,
    ) -> Result<(), PostgresError> {
        let path = self.bin.join(program);
        let mut command = self.command(&path);
        arguments(&mut command).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(at(&path))?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).await.map_err(at(&path))?;
        }
        let output = child.wait_with_output().await.map_err(at(&path))?;
        let said = String::from_utf8_lossy(&output.stderr);
        // Single-user mode tells of a failed statement only in words.
        if output.status.success() && !said.contains("ERROR:") {
            return Ok(());
        }
        Err(PostgresError::Init { program, output: said.into_owned() })
    }

    /// The running postmaster, or a new one; and whether it ran already. Returns once it takes connections.
    pub async fn adopt_or_start(&self) -> Result<(Process, bool), PostgresError> {
        if let Some(pid) = self.running() {
            let mut process = Process::Adopted(pid);
            self.ready(&mut process, pid).await?;
            return Ok((process, true));
        }
        self.clear_stale_lock()?;
        let log = self.open_log()?;
        let postgres = self.bin.join("postgres");
        let mut command = self.command(&postgres);
        command.arg("-D").arg(self.place.data()).arg("-k").arg(&self.place.sockets);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        let errors = log.try_clone().map_err(at(&self.place.log()))?;
        // Its own group: Ctrl-C in a terminal is for the gateway, which then stops it in order.
        let child = command.stdout(log).stderr(errors).process_group(0).spawn().map_err(at(&postgres))?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let mut process = Process::Child(child);
        match pid {
            Some(pid) => self.ready(&mut process, pid).await.map(|()| (process, false)),
            None => Err(self.did_not_start("it ended at once")),
        }
    }

    /// The postmaster's process, if one runs on this cluster.
    pub fn running(&self) -> Option<Pid> {
        self.lock_file()
            .and_then(|lines| lines.first()?.parse().ok())
            .and_then(Pid::from_raw)
            .filter(|pid| is_postgres(*pid))
    }

    /// Asks the postmaster to end fast, rolling transactions back (postgres(1): SIGINT).
    pub fn interrupt(&self) {
        if let Some(pid) = self.running()
            && let Err(e) = kill_process(pid, Signal::INT)
        {
            tracing::error!(error = %e, "cannot signal Postgres");
        }
    }

    /// Stops the process and waits for it.
    pub async fn shut_down(&self, mut process: Process) {
        self.interrupt();
        if tokio::time::timeout(STOP_WITHIN, process.ended()).await.is_ok() {
            return;
        }
        tracing::warn!("Postgres does not stop: forcing it, it will recover at the next start");
        if let Some(pid) = self.running()
            && let Err(e) = kill_process(pid, Signal::QUIT)
        {
            tracing::error!(error = %e, "cannot signal Postgres");
        }
        if tokio::time::timeout(STOP_WITHIN, process.ended()).await.is_err() {
            tracing::error!("Postgres is still running");
        }
    }

    /// Waits until the lock file of `pid` says `ready` (its eighth line, as pg_ctl reads it).
    async fn ready(&self, process: &mut Process, pid: Pid) -> Result<(), PostgresError> {
        let says_ready = async {
            loop {
                if let Some(lines) = self.lock_file()
                    && lines.first().and_then(|l| l.parse().ok()) == Some(pid.as_raw_nonzero().get())
                    && lines.get(7).is_some_and(|l| l.trim() == "ready")
                {
                    return;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::select! {
            () = says_ready => Ok(()),
            () = process.ended() => Err(self.did_not_start("it ended")),
            () = tokio::time::sleep(READY_WITHIN) => Err(self.did_not_start("it took too long")),
        }
    }

    fn did_not_start(&self, why: &'static str) -> PostgresError {
        let log = self.place.log();
        let text = fs::read(&log).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        let tail = lines.into_iter().rev().collect::<Vec<_>>().join("\n");
        PostgresError::Start { why, log, tail }
    }

    fn lock_file(&self) -> Option<Vec<String>> {
        let text = fs::read_to_string(self.place.data().join("postmaster.pid")).ok()?;
        Some(text.lines().map(str::to_owned).collect())
    }

    /// Postgres itself clears the lock file of a dead postmaster, but takes a process of another program, or one that
    /// nobody reaped (a container without init), for a living one. Cleared only when no process works in the cluster:
    /// a backend that outlived its postmaster still writes.
    fn clear_stale_lock(&self) -> Result<(), PostgresError> {
        let data = self.place.data();
        let lock = data.join("postmaster.pid");
        if !lock.exists() || in_use(&data) {
            return Ok(());
        }
        fs::remove_file(&lock).map_err(at(&lock))
    }

    fn open_log(&self) -> Result<File, PostgresError> {
        let log = self.place.log();
        if fs::metadata(&log).is_ok_and(|m| m.len() > LOG_MAX_BYTES) {
            fs::rename(&log, log.with_extension("log.old")).map_err(at(&log))?;
        }
        File::options().create(true).append(true).open(&log).map_err(at(&log))
    }

    /// A command run by the cluster's owner, away from our working directory and settings.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C.UTF-8").current_dir("/").stdin(Stdio::null());
        if let Some(account) = self.place.account {
            command.uid(account.uid).gid(account.gid);
        }
        command
    }
}

/// The binaries of version `wanted`, or of the newest.
fn binaries(versions: &Path, wanted: Option<&str>) -> Result<PathBuf, PostgresError> {
    let missing = || PostgresError::Missing { searched: wanted.map_or(versions.to_owned(), |v| versions.join(v)) };
    let entries = fs::read_dir(versions).map_err(|_| missing())?;
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str()?;
            let version = name.parse().ok()?;
            let bin = path.join("bin");
            (wanted.is_none_or(|w| w == name) && bin.join("initdb").exists()).then_some((version, bin))
        })
        .collect();
    found.sort();
    found.pop().map(|(_, bin)| bin).ok_or_else(missing)
}

/// Whether the process lives and is a Postgres: a number may have gone to another program, and a process that nobody
/// reaped still has its number (proc_pid_stat(5): name in parentheses, then state).
fn is_postgres(pid: Pid) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())) else { return false };
    let Some((name, rest)) = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(") ")) else { return false };
    name.starts_with("postgres") && !rest.starts_with(['Z', 'X'])
}

/// Whether any process has the cluster as its working directory, as every Postgres process does.
fn in_use(data: &Path) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else { return true };
    processes.flatten().any(|p| fs::read_link(p.path().join("cwd")).is_ok_and(|cwd| cwd == data))
}
