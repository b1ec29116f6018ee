//! What a process of this machine uses, from `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::Context;

/// Ticks a second in `/proc`: USER_HZ, the same on every architecture that we run on, whatever the kernel's own clock.
const TICKS_PER_SECOND: u64 = 100;

/// A process that is watched.
#[derive(Clone, Copy, Debug)]
pub struct Process(u32);

impl Process {
    /// A process by its number.
    ///
    /// # Errors
    /// When there is none.
    pub fn new(pid: u32) -> anyhow::Result<Self> {
        let process = Self(pid);
        process.cpu().with_context(|| format!("process {pid} cannot be watched"))?;
        Ok(process)
    }

    /// Processor time of all its threads since it began, children not included.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn cpu(self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        cpu(&stat).context("unexpected format of /proc/PID/stat")
    }

    /// Memory resident, in kB.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn resident_kb(self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS in /proc/PID/status")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

/// Reads proc(5)'s stat line: fields 14 and 15 are the ticks spent for and by the process.
fn cpu(stat: &str) -> Option<Duration> {
    // The name in field 2 may hold anything, blanks and brackets included.
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Duration::from_millis((field(14)? + field(15)?) * 1_000 / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stat_line_is_read_whatever_the_name() {
        let stat = "7 (a b) c)) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 9 0 100 99999 25 18446744073709551615";
        assert_eq!(cpu(stat), Some(Duration::from_secs(2)));
        assert_eq!(cpu("7 (x) S 1"), None);
    }

    #[test]
    fn our_own_process_is_there() {
        let process = Process::new(std::process::id()).expect("we are");
        assert!(process.resident_kb().is_ok_and(|kb| kb > 1_000));
        assert!(Process::new(u32::MAX).is_err());
    }
}
