//! A whole connection, with a directory behind it: any octets are answered by whole messages, and it ends when the peer has
//! said all. The first octet says whether the peer signs in before, as the operator.

#![no_main]

use headcount::base::SystemClock;
use headcount::base::connections::{Bounds, Connections};
use headcount::directory::settings::Hashing;
use headcount::directory::{Directory, Settings};
use headcount::ldap::{Door, Endpoint, features};
use libfuzzer_sys::fuzz_target;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::runtime::{Builder, Runtime};

/// SASL EXTERNAL, message id 1; who runs the server is its operator.
const EXTERNAL: &[u8] = b"\x30\x16\x02\x01\x01\x60\x11\x02\x01\x03\x04\x00\xa3\x0a\x04\x08EXTERNAL";

struct Server {
    path: PathBuf,
    /// Dropped with it: the server and its data.
    _kept: (Runtime, tempfile::TempDir),
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
    let settings = Settings {
        reserve: 0,
        hashing: Hashing { memory: 64, passes: 1, ..Hashing::default() },
        protocol_features: features(),
        ..Settings::new(folder.path().join("data"), &["dc=example,dc=com"])
    };
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let path = folder.path().join("ldapi");
    let _inside = runtime.enter();
    let directory = Directory::open(settings, Arc::new(SystemClock::default())).expect("a directory");
    let listener = UnixListener::bind(&path).expect("a socket");
    runtime.spawn(Door::new(directory, None, Connections::new(Bounds { all: 64, per_network: 64 })).serve("ldapi".to_owned(), Endpoint::Local(listener), Vec::new()));
    drop(_inside);
    Server { path, _kept: (runtime, folder) }
});

fuzz_target!(|octets: &[u8]| {
    let Some((first, octets)) = octets.split_first() else { return };
    let mut stream = UnixStream::connect(&SERVER.path).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
    if first & 1 == 1 {
        stream.write_all(EXTERNAL).expect("signing in");
    }
    // The server may have ended it before all is sent.
    let _ = stream.write_all(octets);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answers = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answers) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "no end");
        return;
    }
    let mut rest = answers.as_slice();
    while let Some((tag, after)) = rest.split_first() {
        assert_eq!(*tag, 0x30, "no message: {rest:x?}");
        let (length, header) = match after {
            [short @ 0..=0x7f, ..] => (usize::from(*short), 1),
            [long, octets @ ..] => {
                let count = usize::from(long & 0x7f);
                (octets[..count].iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)), 1 + count)
            }
            [] => panic!("half a message"),
        };
        rest = &after[header + length..];
    }
});
