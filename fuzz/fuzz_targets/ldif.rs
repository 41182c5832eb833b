//! Any octets end in records and errors, with lines that never go back; and what was read is written and read again.

#![no_main]

use headcount::model::ldif::{LdifReader, LdifRecord, LdifWriter};
use libfuzzer_sys::fuzz_target;
use std::io::BufReader;

fuzz_target!(|octets: &[u8]| {
    let mut records = Vec::new();
    let mut line = 0;
    for read in LdifReader::with_limits(octets, 512, 2_048) {
        let at = match &read {
            Ok(record) => record.line,
            Err(error) => error.line,
        };
        assert!(at >= line);
        line = at;
        records.extend(read.ok());
    }
    // Where the buffer ends makes no difference.
    let again: Vec<_> = LdifReader::with_limits(BufReader::with_capacity(2, octets), 512, 2_048).filter_map(Result::ok).collect();
    assert_eq!(again, records);
    let mut writer = LdifWriter::new(Vec::new());
    for record in &records {
        writer.record(record).expect("memory takes what is written");
    }
    let written = writer.into_inner().expect("memory takes what is written");
    let bare = |record: LdifRecord| LdifRecord { line: 0, ..record };
    let again: Vec<_> = LdifReader::new(written.as_slice()).map(|read| bare(read.expect("what was written is LDIF"))).collect();
    assert_eq!(again, records.into_iter().map(bare).collect::<Vec<_>>());
});
