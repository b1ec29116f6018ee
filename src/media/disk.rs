//! The disk that recordings are written to, and the room on it that they leave to others.
//!
//! Spool and database lie on the same disk more often than not: recordings stop before it is full, so that calls and
//! cases are still kept when there is no room for audio any more.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::monotonic;

/// Makes files; tests make ones that fail.
pub trait Disk: Send {
    /// Creates a file, and its folder where missing; replaces one of that name.
    ///
    /// # Errors
    /// The system's, or [`io::ErrorKind::StorageFull`] without room.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
}

/// A file that is written at any place.
pub trait DiskFile: Send {
    /// Writes all of `bytes` at `offset`; what lies between it and the end so far reads as zeros.
    ///
    /// # Errors
    /// The system's. What then lies in that place is unknown; writing it again is allowed.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes the file so long; what is new reads as zeros.
    ///
    /// # Errors
    /// The system's.
    fn set_len(&mut self, len: u64) -> io::Result<()>;
    /// Succeeds while there is room for more.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] without room, or the system's.
    fn check_room(&mut self) -> io::Result<()>;
}

/// How long the disk's room is taken to be as it was seen: within that time a thousand calls write 8 MB.
const ROOM_SEEN: Duration = Duration::from_millis(250);

/// A disk of this machine.
#[derive(Clone, Debug, Default)]
pub struct LocalDisk {
    room: Arc<Room>,
}

/// What is left on the disk of all recordings, asked for once for all of them.
#[derive(Debug, Default)]
struct Room {
    keep_free: AtomicU64,
    /// What was free, and when.
    seen: Mutex<Option<(Instant, u64)>>,
}

struct LocalFile {
    file: File,
    room: Arc<Room>,
}

impl Room {
    fn check(&self, file: &File) -> io::Result<()> {
        let keep = self.keep_free.load(Ordering::Relaxed);
        if keep == 0 {
            return Ok(());
        }
        // A panic while this was held left a whole value.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = monotonic();
        let fresh = seen.filter(|(at, _)| now.saturating_duration_since(*at) < ROOM_SEEN);
        let (_, free) = match fresh {
            Some(fresh) => fresh,
            None => *seen.insert((now, free(&rustix::fs::fstatvfs(file)?))),
        };
        if free < keep { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl LocalDisk {
    /// Octets that recordings leave free on their disk from now on. Zero at first.
    pub fn keep_free(&self, bytes: u64) {
        self.room.keep_free.store(bytes, Ordering::Relaxed);
    }
}

impl Disk for LocalDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = match File::create(path) {
            // The folder of a day is missing once.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                path.parent().map_or(Ok(()), fs::create_dir_all)?;
                File::create(path)?
            }
            created => created?,
        };
        let mut file = LocalFile { file, room: Arc::clone(&self.room) };
        file.check_room()?;
        Ok(Box::new(file))
    }
}

impl DiskFile for LocalFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn check_room(&mut self) -> io::Result<()> {
        self.room.check(&self.file)
    }
}

/// Octets that are free on the disk on which `path` lies.
///
/// # Errors
/// When there is no such path.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    Ok(free(&rustix::fs::statvfs(path)?))
}

/// What others than root may still use.
fn free(disk: &rustix::fs::StatVfs) -> u64 {
    disk.f_bavail.saturating_mul(disk.f_frsize)
}

/// A disk with faults that a test switches on.
#[cfg(test)]
pub(super) mod faulty {
    use std::sync::atomic::{AtomicBool, AtomicU64};
    use std::time::Duration;

    use super::*;

    /// See the module's documentation; clones share their faults.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct FaultyDisk {
        /// Nothing new can be written.
        pub(crate) full: Arc<AtomicBool>,
        /// Everything fails with EIO.
        pub(crate) broken: Arc<AtomicBool>,
        /// How long each write takes, in milliseconds.
        pub(crate) slow_ms: Arc<AtomicU64>,
    }

    struct FaultyFile(FaultyDisk, Box<dyn DiskFile>);

    impl FaultyDisk {
        fn fault(&self) -> io::Result<()> {
            std::thread::sleep(Duration::from_millis(self.slow_ms.load(Ordering::Relaxed)));
            if self.broken.load(Ordering::Relaxed) {
                return Err(io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error()));
            }
            if self.full.load(Ordering::Relaxed) {
                return Err(io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error()));
            }
            Ok(())
        }
    }

    impl Disk for FaultyDisk {
        fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
            self.fault()?;
            Ok(Box::new(FaultyFile(self.clone(), LocalDisk::default().create(path)?)))
        }
    }

    impl DiskFile for FaultyFile {
        fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
            self.0.fault()?;
            self.1.write_at(bytes, offset)
        }

        fn set_len(&mut self, len: u64) -> io::Result<()> {
            self.1.set_len(len)
        }

        fn check_room(&mut self) -> io::Result<()> {
            self.1.check_room()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_leave_room_to_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = LocalDisk::default();
        let mut file = disk.create(&folder.path().join("a/b.wav")).expect("created");
        file.write_at(b"later", 10).expect("written");
        file.write_at(b"first", 0).expect("written");
        assert_eq!(fs::read(folder.path().join("a/b.wav")).expect("read"), b"first\0\0\0\0\0later");
        assert!(free_bytes(folder.path()).expect("a disk") > 0);
        disk.keep_free(u64::MAX);
        assert_eq!(file.check_room().expect_err("no room").kind(), io::ErrorKind::StorageFull);
        let refused = disk.create(&folder.path().join("c.wav")).err().expect("no room");
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        disk.keep_free(1);
        file.check_room().expect("room again");
    }
}
