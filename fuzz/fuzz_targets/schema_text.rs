//! Any text as a schema file: refused with a place that is in it, or loaded.

#![no_main]

use headcount::schema::{Schema, Source};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = Schema::load(&[Source { name: "fuzz".to_owned(), text: text.to_owned() }]) {
        assert!(!error.to_string().is_empty());
    }
});
