//! Downloads one large file over HTTPS, going on where an interrupted download stopped.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Progress;

/// How long a name or a connection may take. Short: on a closed network every blocked source costs this much.
const CONNECT: Duration = Duration::from_secs(6);

/// How long a started answer may stand still.
const STALL: Duration = Duration::from_secs(30);

/// Bytes between two words of progress.
const BLOCK: usize = 256 * 1024;

/// Why a download failed. What arrived stays, and the next attempt goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    #[error("cannot ask for it")]
    Request(#[source] Box<ureq::Error>),
    #[error("connection lost after {done} bytes")]
    Lost { done: u64, source: io::Error },
    #[error("ended after {done} of {expected} bytes")]
    Length { done: u64, expected: u64 },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} is being written by another process", path.display())]
    Busy { path: PathBuf },
}

/// Gets `url` into `part`, which holds exactly `size_bytes` afterwards.
///
/// # Errors
/// When the server cannot be reached, the connection breaks, or the length is another one.
pub(super) fn download(
    url: &str,
    part: &Path,
    size_bytes: u64,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), DownloadError> {
    let write = |source| DownloadError::Write { path: part.to_owned(), source };
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(part).map_err(write)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(DownloadError::Busy { path: part.to_owned() }),
        Err(TryLockError::Error(source)) => return Err(write(source)),
    }
    let mut done = file.seek(SeekFrom::End(0)).map_err(write)?;
    if done == size_bytes {
        return Ok(());
    }

    let mut answer = request(url, done).map_err(|error| {
        if done == 0 {
            // Nothing to go on from; left behind, the empty file would only puzzle.
            let _ = fs::remove_file(part);
        }
        DownloadError::Request(Box::new(error))
    })?;
    if done > 0 && answer.status() != ureq::http::StatusCode::PARTIAL_CONTENT {
        // The server sends the whole again.
        file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).map_err(write)?;
        done = 0;
    }
    let mut body = answer.body_mut().with_config().limit(size_bytes.saturating_add(1)).reader();
    let mut block = vec![0; BLOCK];
    loop {
        let n = body.read(&mut block).map_err(|source| DownloadError::Lost { done, source })?;
        if n == 0 {
            break;
        }
        file.write_all(&block[..n]).map_err(write)?;
        done += n as u64;
        progress(Progress::Downloaded { done, total: size_bytes });
    }
    file.sync_all().map_err(write)?;
    if done == size_bytes { Ok(()) } else { Err(DownloadError::Length { done, expected: size_bytes }) }
}

fn request(url: &str, from: u64) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
    let config = ureq::Agent::config_builder()
        .timeout_resolve(Some(CONNECT))
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(STALL))
        .timeout_per_read(Some(STALL))
        .build();
    let request = config.new_agent().get(url);
    let request = if from > 0 { request.header("Range", format!("bytes={from}-")) } else { request };
    request.call()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Serves `answers` one after the other, and gives the `Range` that each request asked for.
    fn serve(answers: Vec<String>) -> (String, thread::JoinHandle<Vec<Option<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/model", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let mut ranges = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let head: Vec<_> = lines.map(Result::unwrap).take_while(|l| !l.is_empty()).collect();
                ranges.push(head.iter().find_map(|l| l.to_lowercase().strip_prefix("range: ").map(str::to_owned)));
                stream.write_all(answer.as_bytes()).unwrap();
            }
            ranges
        });
        (url, server)
    }

    fn check(already: &str, answers: &[&str], ranges: &[Option<&str>], result: &str) {
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("m.part");
        std::fs::write(&part, already).unwrap();
        let (url, server) = serve(answers.iter().map(|&a| a.to_owned()).collect());
        let mut outcome = Ok(());
        for _ in answers {
            outcome = download(&url, &part, 6, &mut |_| {});
        }
        assert_eq!(server.join().unwrap(), ranges.iter().map(|r| r.map(str::to_owned)).collect::<Vec<_>>());
        assert!(outcome.is_ok(), "{outcome:?}");
        assert_eq!(std::fs::read_to_string(&part).unwrap(), result);
    }

    const WHOLE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nabcdef";
    const REST: &str = "HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\nConnection: close\r\n\r\ndef";
    const CUT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nabc";

    #[test]
    fn gets_a_whole_file() {
        check("", &[WHOLE], &[None], "abcdef");
    }

    #[test]
    fn goes_on_where_it_stopped() {
        check("", &[CUT, REST], &[None, Some("bytes=3-")], "abcdef");
    }

    #[test]
    fn starts_again_where_the_server_cannot_go_on() {
        check("xyz", &[WHOLE], &[Some("bytes=3-")], "abcdef");
    }

    #[test]
    fn tells_a_wrong_length_and_a_missing_file() {
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("m.part");
        let (url, server) =
            serve(vec![WHOLE.to_owned(), "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned()]);
        assert!(matches!(download(&url, &part, 9, &mut |_| {}), Err(DownloadError::Length { done: 6, expected: 9 })));
        assert!(matches!(download(&url, &part, 9, &mut |_| {}), Err(DownloadError::Request(_))));
        server.join().unwrap();
    }

    #[test]
    fn two_processes_do_not_write_one_part() {
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("m.part");
        let other = File::create(&part).unwrap();
        other.lock().unwrap();
        assert!(matches!(download("http://127.0.0.1:9/", &part, 1, &mut |_| {}), Err(DownloadError::Busy { .. })));
    }
}
