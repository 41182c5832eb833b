//! What is a name stays the same name when it is written and read again, and is written the same way twice (HA4).

#![no_main]

use headcount::model::{Dn, Rdn};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = Rdn::parse(text);
    match Dn::parse(text) {
        Ok(dn) => {
            let written = dn.to_string();
            let again = Dn::parse(&written);
            assert_eq!(again.as_ref(), Ok(&dn), "{written}");
            assert_eq!(again.map(|again| again.to_string()).as_ref(), Ok(&written));
        }
        Err(error) => assert!(error.at <= text.len()),
    }
});
