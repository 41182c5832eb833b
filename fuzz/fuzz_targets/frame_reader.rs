//! Octets of a connection: framed, decoded, refused or ended, and never a panic. A message needs its own octets
//! and nothing behind them.

#![no_main]

use headcount::base::Limits;
use headcount::ldap::frame::{self, FrameLimits};
use headcount::ldap::inspect;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let limits = Limits::default();
    let found = inspect(octets, &limits);
    assert!(found.decoded + found.refused <= octets.len());
    if let Ok(Some(frame)) = frame::read(octets, &FrameLimits::anonymous(&limits)) {
        assert!(frame.id >= 0 && frame.length <= octets.len());
        let alone = octets.get(..frame.length).unwrap_or_default();
        let again = frame::read(alone, &FrameLimits::bound(&limits));
        assert!(matches!(again, Ok(Some(again)) if again.length == frame.length && again.id == frame.id));
        // One octet less is not yet a message, and not an error either.
        let short = alone.get(..alone.len() - 1).unwrap_or_default();
        assert!(matches!(frame::read(short, &FrameLimits::anonymous(&limits)), Ok(None)));
    }
});
