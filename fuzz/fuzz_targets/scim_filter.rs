//! What is a SCIM filter stays the same filter when it is written and read again.

#![no_main]

use headcount::scim::filter::Filter;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Filter::parse(text) {
        Ok(filter) => {
            let written = filter.to_string();
            if written.len() <= headcount::scim::filter::MAX_OCTETS {
                assert_eq!(Filter::parse(&written).as_ref(), Ok(&filter), "{written}");
            }
        }
        Err(error) => assert!(error.at <= text.len()),
    }
});
