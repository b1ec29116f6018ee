//! Where a private cluster lies and who runs it.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::PostgresError;

/// Longest path of a socket's directory that surely fits `sun_path` (108 bytes, unix(7)) with the socket's name.
const SOCKET_DIR_MAX_BYTES: usize = 85;

/// Where root puts a cluster when the account that runs it may not enter the data directory.
const ELSEWHERE: &str = "/var/lib/minxin";

/// An account of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// A cluster's directories, made and owned as they must be.
#[derive(Debug)]
pub struct Place {
    /// The directory of all of it; absolute, without links.
    pub dir: PathBuf,
    /// Where the socket is.
    pub sockets: PathBuf,
    /// Whom to become first; `None` when running as the owner already.
    pub account: Option<Account>,
}

impl Place {
    /// Makes or checks the directories for a cluster in `dir`.
    pub fn prepare(dir: &Path) -> Result<Self, PostgresError> {
        let me = rustix::process::geteuid();
        let account = if me.is_root() { Some(account(dir)?) } else { None };
        make_private(dir, account)?;
        let mut real = fs::canonicalize(dir).map_err(at(dir))?;
        if let Some(account) = account
            && !may_enter(&real, account).map_err(at(&real))?
        {
            real = move_elsewhere(dir, account)?;
        }
        let owner = fs::metadata(&real).map_err(at(&real))?.uid();
        if owner != account.map_or(me.as_raw(), |a| a.uid) {
            return Err(PostgresError::Owner { dir: real, owner });
        }
        let sockets = sockets(&real);
        make_private(&sockets, account)?;
        let found = fs::symlink_metadata(&sockets).map_err(at(&sockets))?;
        if !found.is_dir() || found.uid() != owner || found.mode() & 0o077 != 0 {
            return Err(PostgresError::Socket { dir: sockets });
        }
        Ok(Self { dir: real, sockets, account })
    }

    /// The data directory proper.
    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// What the server says.
    pub fn log(&self) -> PathBuf {
        self.dir.join("postgres.log")
    }
}

/// Turns an I/O error into one that names the file.
pub fn at(path: &Path) -> impl FnOnce(io::Error) -> PostgresError {
    let path = path.to_owned();
    move |source| PostgresError::Io { path, source }
}

/// Root runs an existing cluster as its owner, and a new one as `postgres` or else `nobody`.
fn account(dir: &Path) -> Result<Account, PostgresError> {
    if let Ok(found) = fs::metadata(dir)
        && found.uid() != 0
    {
        return Ok(Account { uid: found.uid(), gid: found.gid() });
    }
    let list = Path::new("/etc/passwd");
    let accounts = fs::read_to_string(list).map_err(at(list))?;
    ["postgres", "nobody"].iter().find_map(|name| find_account(&accounts, name)).ok_or(PostgresError::NoAccount)
}

/// The account `name` in a file as passwd(5) has it.
fn find_account(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account { uid, gid })
    })
}

/// Makes `dir` for its owner alone, where it is missing.
fn make_private(dir: &Path, account: Option<Account>) -> Result<(), PostgresError> {
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).map_err(at(parent))?;
    }
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => account.map_or(Ok(()), |a| chown(dir, Some(a.uid), Some(a.gid))).map_err(at(dir)),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(at(dir)(e)),
    }
}

/// Whether every directory above `dir` lets the account through. Groups are left out: only the primary one is kept.
fn may_enter(dir: &Path, account: Account) -> io::Result<bool> {
    for above in dir.ancestors().skip(1) {
        let found = fs::metadata(above)?;
        let bit = match (found.uid() == account.uid, found.gid() == account.gid) {
            (true, _) => 0o100,
            (false, true) => 0o010,
            (false, false) => 0o001,
        };
        if found.mode() & bit == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Below root's home, say, another account finds nothing. The cluster then lies under [`ELSEWHERE`], under a name of its
/// own, and `dir` is a link to it; deleting the link, with the data directory, begins anew.
fn move_elsewhere(dir: &Path, account: Account) -> Result<PathBuf, PostgresError> {
    let real = Path::new(ELSEWHERE).join(format!("pg-{}", uuid::Uuid::new_v4().simple()));
    tracing::info!(account.uid, dir = %dir.display(), to = %real.display(), "the database's account may not enter the data directory: keeping the cluster elsewhere");
    make_private(&real, Some(account))?;
    fs::set_permissions(ELSEWHERE, fs::Permissions::from_mode(0o755)).map_err(at(Path::new(ELSEWHERE)))?;
    fs::remove_dir(dir).map_err(at(dir))?;
    symlink(&real, dir).map_err(at(dir))?;
    Ok(real)
}

/// `run` beside the data, or, where that is too long for a socket's address, a directory under `/tmp` named after it.
fn sockets(dir: &Path) -> PathBuf {
    let beside = dir.join("run");
    if beside.as_os_str().len() <= SOCKET_DIR_MAX_BYTES {
        return beside;
    }
    let name = hex::encode(&Sha256::digest(dir.as_os_str().as_encoded_bytes())[..8]);
    Path::new("/tmp").join(format!("minxin-{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533::/:\npostgres-old:x:5:6::/:\npostgres:x:101:104:,,,:/var/lib/postgresql:/bin/bash\n";

    #[test]
    fn accounts_are_found_by_whole_name() {
        assert_eq!(find_account(PASSWD, "postgres"), Some(Account { uid: 101, gid: 104 }));
        assert_eq!(find_account(PASSWD, "nobody"), Some(Account { uid: 65_534, gid: 65_533 }));
        assert_eq!(find_account(PASSWD, "somebody"), None);
    }

    #[test]
    fn a_long_path_gets_a_short_socket() {
        assert_eq!(sockets(Path::new("/srv/pg")), Path::new("/srv/pg/run"));
        let long = PathBuf::from(format!("/srv/{}", "x".repeat(90)));
        assert!(sockets(&long).as_os_str().len() <= SOCKET_DIR_MAX_BYTES);
        assert_ne!(sockets(&long), sockets(&long.join("y")));
    }
}
