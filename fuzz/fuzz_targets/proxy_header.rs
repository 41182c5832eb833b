//! Any octets before a connection as a header of the PROXY protocol: nothing of what follows the header is read, and
//! nobody is taken at their word without one.

#![no_main]

use headcount::base::Network;
use headcount::base::proxy_protocol::client_of;
use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;
use std::sync::LazyLock;
use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));

fuzz_target!(|octets: &[u8]| {
    let peer = IpAddr::from([192, 0, 2, 1]);
    let trusted = [Network::parse("192.0.2.0/24").expect("a network")];
    let (said, left) = RUNTIME.block_on(async {
        let mut stream = octets;
        (client_of(&mut stream, peer, &trusted).await, stream.len())
    });
    if said.is_ok() {
        let header = &octets[..octets.len() - left];
        assert!(header.starts_with(b"PROXY ") || header.starts_with(b"\r\n\r\n\0\r\nQUIT\n"), "{header:x?}");
        let mut alone = header;
        let again = RUNTIME.block_on(client_of(&mut alone, peer, &trusted));
        assert_eq!((again.ok(), alone.len()), (said.ok(), 0));
    }
});
