use std::fs;
use std::path::Path;

use super::*;

fn open(dir: &Path) -> (Spool, Vec<(u64, Vec<u8>)>) {
    let mut seen = Vec::new();
    let spool = Spool::open(dir, |seq, payload| seen.push((seq, payload.to_vec()))).expect("opens");
    (spool, seen)
}

async fn append(spool: &Spool, text: &str) -> u64 {
    spool.append(text.into(), Weight::Ordinary).await.expect("appends")
}

/// Everything after what is applied, in reads of at most `limit`.
fn read(spool: &Spool, limit: usize) -> Vec<(u64, String)> {
    let mut reader = spool.reader();
    let up_to = *spool.durable().borrow();
    let mut out = Vec::new();
    loop {
        let group = reader.read(up_to, limit).expect("reads");
        if group.is_empty() {
            return out;
        }
        assert!(group.len() <= limit);
        out.extend(group.into_iter().map(|(seq, payload)| (seq, String::from_utf8(payload).expect("text"))));
    }
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    segment::list(dir).expect("lists").into_iter().map(|(_, path)| path).collect()
}

#[tokio::test]
async fn what_was_appended_is_there_after_a_crash_and_in_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let (spool, _) = open(dir.path());
    for n in 0..10 {
        assert_eq!(append(&spool, &format!("record {n}")).await, n + 1);
    }
    std::mem::forget(spool); // No orderly end.
    let (spool, seen) = open(dir.path());
    assert_eq!(seen.len(), 10);
    assert_eq!(spool.unsent(), 10);
    append(&spool, "record 10").await;
    let texts: Vec<String> = read(&spool, 3).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, (0..11).map(|n| format!("record {n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn applied_records_are_not_seen_again_and_their_segments_go() {
    let dir = tempfile::tempdir().expect("a directory");
    for n in 0..3 {
        let (spool, _) = open(dir.path());
        append(&spool, &format!("{n}a")).await;
        append(&spool, &format!("{n}b")).await;
        spool.close().await;
    }
    let (spool, seen) = open(dir.path());
    assert_eq!((seen.len(), segments(dir.path()).len()), (6, 4));
    spool.applied(3);
    spool.note().expect("notes");
    assert_eq!(segments(dir.path()).len(), 3, "a segment that holds 3 and 4 stays");
    assert_eq!(read(&spool, 9).iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [4, 5, 6]);
    spool.applied(6);
    spool.note().expect("notes");
    assert_eq!((segments(dir.path()).len(), spool.unsent(), spool.bytes()), (1, 0, 0));
    spool.close().await;
    assert!(open(dir.path()).1.is_empty());
}

#[tokio::test]
async fn a_torn_tail_is_cut_and_the_log_goes_on_behind_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let (spool, _) = open(dir.path());
    append(&spool, "whole").await;
    append(&spool, "torn").await;
    spool.close().await;
    let file = &segments(dir.path())[0];
    let bytes = fs::read(file).expect("reads");
    fs::write(file, &bytes[..bytes.len() - 1]).expect("writes");
    let (spool, seen) = open(dir.path());
    assert_eq!(seen, [(1, b"whole".to_vec())]);
    append(&spool, "next").await;
    assert_eq!(read(&spool, 9), [(1, "whole".to_owned()), (2, "next".to_owned())]);
}

#[tokio::test]
async fn damage_is_set_aside_and_stops_only_its_own_segment() {
    let dir = tempfile::tempdir().expect("a directory");
    for text in ["first", "second"] {
        let (spool, _) = open(dir.path());
        append(&spool, text).await;
        append(&spool, text).await;
        spool.close().await;
    }
    let file = &segments(dir.path())[0];
    let mut bytes = fs::read(file).expect("reads");
    *bytes.last_mut().expect("bytes") ^= 1;
    fs::write(file, bytes).expect("writes");
    let (_, seen) = open(dir.path());
    assert_eq!(seen.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [1, 3, 4]);
    let aside = fs::read(file.with_extension("damaged")).expect("set aside");
    assert_eq!(aside.len(), frame::HEADER_BYTES + "first".len());
}

#[tokio::test]
async fn many_waiters_share_a_sync_and_each_gets_its_own_number() {
    let dir = tempfile::tempdir().expect("a directory");
    let (spool, _) = open(dir.path());
    let spool = Arc::new(spool);
    let tasks: Vec<_> = (0..500)
        .map(|n| {
            let spool = Arc::clone(&spool);
            tokio::spawn(async move { append(&spool, &n.to_string()).await })
        })
        .collect();
    let mut numbers = Vec::new();
    for task in tasks {
        numbers.push(task.await.expect("ends"));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=500).collect::<Vec<u64>>());
    assert_eq!(read(&spool, 64).len(), 500);
}

#[tokio::test]
async fn a_full_segment_gives_way_and_long_records_are_read_whole() {
    let dir = tempfile::tempdir().expect("a directory");
    let (spool, _) = open(dir.path());
    let long = "民".repeat(MAX_PAYLOAD_BYTES / 3);
    for _ in 0..5 {
        append(&spool, &long).await;
    }
    assert!(segments(dir.path()).len() >= 2);
    assert!(read(&spool, 9).iter().all(|(_, text)| *text == long));
    let refused = spool.append(vec![0; MAX_PAYLOAD_BYTES + 1], Weight::Essential).await;
    assert!(matches!(refused, Err(SpoolError::TooLong { .. })));
}

#[tokio::test]
async fn a_full_spool_still_takes_what_somebody_was_promised() {
    let dir = tempfile::tempdir().expect("a directory");
    let (spool, _) = open(dir.path());
    spool.usage.bytes.store(LIMIT_BYTES, Ordering::Release);
    assert!(matches!(spool.append(b"event".to_vec(), Weight::Ordinary).await, Err(SpoolError::Full)));
    assert!(spool.append(b"case".to_vec(), Weight::Essential).await.is_ok());
    spool.usage.bytes.store(LIMIT_BYTES + RESERVE_BYTES, Ordering::Release);
    assert!(matches!(spool.append(b"case".to_vec(), Weight::Essential).await, Err(SpoolError::Full)));
}

#[tokio::test]
async fn closing_writes_what_was_queued_and_takes_nothing_more() {
    let dir = tempfile::tempdir().expect("a directory");
    let (spool, _) = open(dir.path());
    for n in 0..100 {
        spool.append_soon(vec![n], Weight::Ordinary).expect("queued");
    }
    spool.close().await;
    assert!(matches!(spool.append(vec![0], Weight::Essential).await, Err(SpoolError::Closed)));
    assert_eq!(open(dir.path()).1.len(), 100);
}
