//! What is a filter stays the same filter when it is written and read again.

#![no_main]

use headcount::model::Filter;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Filter::parse(text) {
        Ok(filter) => {
            let written = filter.to_string();
            assert_eq!(Filter::parse(&written).as_ref(), Ok(&filter), "{written}");
            assert_eq!(filter.clone().into_owned(), filter);
        }
        Err(error) => assert!(error.at <= text.len()),
    }
});
