//! What is a path of PATCH stays the same path when it is written and read again.

#![no_main]

use headcount::scim::path::Path;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Path::parse(text) {
        Ok(path) => {
            let written = path.to_string();
            if written.len() <= headcount::scim::filter::MAX_OCTETS {
                assert_eq!(Path::parse(&written).as_ref(), Ok(&path), "{written}");
            }
        }
        Err(error) => assert!(error.at <= text.len()),
    }
});
