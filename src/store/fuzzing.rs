//! Entrances for the fuzz targets, which stand outside the crate.

use super::records::Record;
use super::spool::frame::{self, Parsed};

/// A file of the spool after a crash, and the records in it: a record that is read is the same when written again.
pub fn spool(mut bytes: &[u8]) {
    while let Parsed::Frame { seq, payload, len } = frame::parse(bytes) {
        let mut again = Vec::new();
        frame::write(&mut again, seq, payload);
        assert_eq!(again, bytes[..len]);
        bytes = &bytes[len..];
    }
    if let Ok(record) = Record::decode(bytes) {
        let encoded = record.encode().expect("a record can be written");
        assert!(Record::decode(&encoded).is_ok());
    }
}
