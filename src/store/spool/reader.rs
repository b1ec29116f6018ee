//! Reads records back, in order, while the writer goes on appending.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::frame::{self, Parsed};
use super::segment;

/// Bytes asked of the file system at a time; grown where a frame is longer.
const CHUNK: usize = 256 << 10;

/// A place in the log.
#[derive(Clone, Debug)]
pub struct Reader {
    dir: PathBuf,
    /// The last record given out.
    at_seq: u64,
    /// The segment being read, by its first sequence number, and the offset after `at_seq`'s frame.
    segment: Option<(u64, u64)>,
}

impl Reader {
    /// A reader whose first record is the one after `seq`.
    pub(super) fn after(dir: &Path, seq: u64) -> Self {
        Self { dir: dir.to_owned(), at_seq: seq, segment: None }
    }

    /// Up to about [`CHUNK`] bytes of records, and at most `limit` of them, none beyond `up_to`, the last durable one.
    /// Empty when all are read. Blocks on the file system.
    pub fn read(&mut self, up_to: u64, limit: usize) -> io::Result<Vec<(u64, Vec<u8>)>> {
        let mut records = Vec::new();
        while records.is_empty() && self.at_seq < up_to {
            let Some((first, offset)) = self.segment.map_or_else(|| self.segment_of_next(), |s| Ok(Some(s)))? else {
                break;
            };
            let ended = self.read_segment(first, offset, up_to, limit, &mut records)?;
            if ended && records.is_empty() {
                let Some(next) = segment::list(&self.dir)?.into_iter().map(|(seq, _)| seq).find(|seq| *seq > first)
                else {
                    break;
                };
                self.segment = Some((next, 0));
            }
        }
        Ok(records)
    }

    /// The last segment that begins at or before the next record, or else the first there is.
    fn segment_of_next(&self) -> io::Result<Option<(u64, u64)>> {
        let all = segment::list(&self.dir)?;
        let before = all.iter().rev().find(|(first, _)| *first <= self.at_seq + 1);
        Ok(before.or(all.first()).map(|(first, _)| (*first, 0)))
    }

    /// Whether the segment has nothing more at present.
    fn read_segment(
        &mut self,
        first: u64,
        mut offset: u64,
        up_to: u64,
        limit: usize,
        records: &mut Vec<(u64, Vec<u8>)>,
    ) -> io::Result<bool> {
        let mut file = fs::File::open(segment::path(&self.dir, first))?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        let mut want = CHUNK;
        loop {
            let got = file.by_ref().take(want as u64).read_to_end(&mut bytes)?;
            let mut at = 0;
            let ended = loop {
                match frame::parse(&bytes[at..]) {
                    Parsed::Frame { seq, .. } if seq > up_to || records.len() == limit => break false,
                    Parsed::Frame { seq, payload, len } => {
                        at += len;
                        if seq > self.at_seq {
                            records.push((seq, payload.to_vec()));
                            self.at_seq = seq;
                        }
                    }
                    // Beyond the good part of an abandoned segment nothing is durable.
                    Parsed::End | Parsed::Torn | Parsed::Damaged => break true,
                }
            };
            offset += at as u64;
            self.segment = Some((first, offset));
            if !ended || !records.is_empty() || got < want {
                return Ok(ended);
            }
            bytes.drain(..at);
            want = want.saturating_mul(2).min(frame::MAX_PAYLOAD_BYTES + frame::HEADER_BYTES);
        }
    }
}
