//! HD3: floods of connections at all doors, in a process of few descriptors.

use crate::demo::headcount;
use crate::monitor::http;
use crate::server::{OPERATOR, Server, free_port};
use crate::wire::{Wire, control, equal, extended_request, message, number, octets, present, replace_request, search_request, tlv};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const DESCRIPTORS: usize = 200;
const NAME: &str = "cn=large,dc=example,dc=com";

/// The segments of the journal.
fn segments(server: &Server) -> BTreeSet<String> {
    let names = std::fs::read_dir(server.config().with_file_name("data")).unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).filter(|name| name.starts_with("journal-")).collect()
}

fn until(what: &str, at_most: Duration, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < at_most, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn hd3_a_flood_at_all_doors_takes_no_descriptor_from_the_store_and_the_operator() {
    let port = free_port();
    let more = |rest: &str| {
        format!(
            "{rest}\n[metrics]\nnetworks = [\"127.0.0.0/8\"]\n[[listener]]\nkind = \"http\"\naddress = \"127.0.0.1:{port}\"\n\
             [[listener]]\nkind = \"ldapi\"\naddress = \"ldapi\"\n"
        )
    };
    let server = Server::start_within(DESCRIPTORS, LOOPBACK, &more(""));
    let mut good = server.as_operator();
    good.add("dc=example,dc=com", &[("objectClass", "domain"), ("dc", "example")]);
    good.add(NAME, &[("objectClass", "inetOrgPerson"), ("cn", "large"), ("sn", "large")]);
    let mut seen = segments(&server);
    let web = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut flood = Vec::new();
    for _ in 0..300 {
        flood.extend([server.address(), web].map(|address| TcpStream::connect(address).unwrap()));
    }
    let flooded = Instant::now();
    let mut local = Wire::over(UnixStream::connect(server.config().with_file_name("ldapi")).unwrap());
    assert_eq!(local.who_am_i(), "", "the local socket has a part of the budget to itself");
    for at in 0..56 {
        let text = format!("{at:04}").repeat(256 << 10);
        good.replace(NAME, "audio", &[&text]);
        seen.extend(segments(&server));
    }
    assert!(seen.len() >= 4, "the journal went on in new segments: {seen:?}");
    let folder = server.config();
    let tool = |arguments: &[&str]| {
        let output = headcount().args(arguments).arg("--config").arg(&folder).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let backup = folder.with_file_name("backup.snapshot");
    tool(&["backup", backup.to_str().unwrap()]);
    tool(&["compact"]);
    server.write_config(&more("[limits]\nsize = 7"));
    until("the changed config is in force", Duration::from_secs(20), || server.said().contains("the changed config is in force"));
    assert!(server.descriptors() <= DESCRIPTORS, "{} descriptors", server.descriptors());
    let failed = server.said().matches("accept").count();
    assert!(failed <= 10 + flooded.elapsed().as_secs() as usize, "it spins: {failed} failures to accept");
    drop(flood);
    until("a new client is served", Duration::from_secs(10), || {
        let Some(stream) = TcpStream::connect(server.address()).ok() else { return false };
        let mut wire = Wire::over(stream);
        wire.send(&message(1, &extended_request("1.3.6.1.4.1.4203.1.11.3", None), &[]));
        wire.receive().is_some()
    });
    server.as_operator().replace(NAME, "audio", &["after"]);
    until("HTTP answers", Duration::from_secs(15), || http(port, "GET", "/readyz", "", "").0 == 200);
    let said = server.said();
    assert!(!said.contains("read-only") && !said.contains("Too many open files"), "nothing wanted for a descriptor:\n{said}");
}

/// HD3: where there is no descriptor at all, not even of the reserve, what needs one fails and nothing else does, no listener spins,
/// and all of it works again by itself.
#[test]
fn hd3_without_any_descriptor_nothing_is_lost_and_everything_recovers_alone() {
    let port = free_port();
    let more = format!("[metrics]\nnetworks = [\"127.0.0.0/8\"]\n[[listener]]\nkind = \"http\"\naddress = \"127.0.0.1:{port}\"\n");
    let server = Server::start(LOOPBACK, &more);
    let mut good = server.as_operator();
    good.add("dc=example,dc=com", &[("objectClass", "domain"), ("dc", "example")]);
    good.add(NAME, &[("objectClass", "inetOrgPerson"), ("cn", "large"), ("sn", "large")]);
    server.limit_descriptors(server.descriptors());
    let web = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let peers: Vec<TcpStream> = (0..40).flat_map(|_| [server.address(), web]).map(|address| TcpStream::connect(address).unwrap()).collect();
    let began = Instant::now();
    let (mut busy, mut last) = (0, String::new());
    while began.elapsed() < Duration::from_secs(6) || busy == 0 {
        let text = format!("{busy}-{:?}", began.elapsed()).repeat(64 << 10);
        let answer = good.ask(&replace_request(NAME, "audio", &[&text]), &[]);
        match answer.code() {
            0 => last = text,
            51 => {
                busy += 1;
                std::thread::sleep(Duration::from_millis(100));
            }
            code => panic!("{code}: {}", answer.text()),
        }
        assert!(began.elapsed() < Duration::from_secs(60), "no change wanted for a descriptor");
    }
    let without = began.elapsed().as_secs();
    server.limit_descriptors(1_024);
    until("a new client is served", Duration::from_secs(5), || {
        let mut wire = server.connect();
        wire.send(&message(1, &extended_request("1.3.6.1.4.1.4203.1.11.3", None), &[]));
        wire.receive().is_some()
    });
    assert_eq!(good.entries(NAME, &present("audio"), &["audio"])[0].values("audio"), [last], "what was acknowledged");
    server.as_operator().replace(NAME, "audio", &["after"]);
    let (_, text) = http(port, "GET", "/metrics", "", "");
    let failed = text.lines().find_map(|line| line.strip_prefix("headcount_accepts_failed_total ")).unwrap().parse::<u64>().unwrap();
    assert!((1..=2 * (without + 10)).contains(&failed), "{failed} times in {without} s: each of two listeners waits up to a second");
    assert_eq!(http(port, "GET", "/readyz", "", "").0, 200);
    drop(peers);
    let config = server.config();
    let backup = config.with_file_name("backup.snapshot");
    for arguments in [&["backup", backup.to_str().unwrap()][..], &["compact"], &["verify"], &["audit", "verify"]] {
        let output = headcount().args(arguments).arg("--config").arg(&config).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
    }
}

/// HA1: the deepest filters that a config may allow, in threads with half the stack that they have otherwise.
#[test]
fn ha1_the_deepest_filter_fits_half_a_stack() {
    let mut command = headcount();
    command.env("RUST_MIN_STACK", (1 << 20).to_string());
    let server = Server::start_as(command, LOOPBACK, "[limits]\nfilter_depth = 64\nber_depth = 128\n");
    let mut operator = server.as_operator();
    operator.add("dc=example,dc=com", &[("objectClass", "domain"), ("dc", "example")]);
    for at in 0..20 {
        operator.add(&format!("cn={at},dc=example,dc=com"), &[("objectClass", "device"), ("cn", &at.to_string())]);
    }
    let deep = |tags: &[u8], inner: Vec<u8>| tags.iter().cycle().take(64).fold(inner, |inner, tag| tlv(*tag, &inner));
    let part = [(0x80, "1"), (0x81, "2")].map(|(tag, text)| tlv(tag, text.as_bytes())).concat();
    let inside = [present("cn"), equal("cn", b"7"), tlv(0xa4, &[octets("cn"), tlv(0x30, &part)].concat())];
    for tags in [&[0xa0][..], &[0xa1], &[0xa2], &[0xa2, 0xa0, 0xa1]] {
        for inner in &inside {
            let filter = deep(tags, inner.clone());
            for wire in [&mut server.connect(), &mut operator] {
                let search = search_request("dc=example,dc=com", 2, &filter, &["cn"]);
                let answer = wire.ask_all(&search, &[control("1.2.826.0.1.3344810.2.3", false, Some(&tlv(0x30, inner)))]).pop().unwrap();
                assert!([0, 32].contains(&answer.code()), "{}", answer.text());
                let asserted = [control("1.3.6.1.1.12", true, Some(&filter))];
                let answer = wire.ask(&search_request("dc=example,dc=com", 0, &present("cn"), &["cn"]), &asserted);
                assert!([0, 32, 122].contains(&answer.code()), "{}", answer.text());
            }
            // It goes on, so it is kept.
            let mut following = server.as_operator();
            let persistent = tlv(0x30, &[number(2, 15), tlv(1, &[0]), tlv(1, &[0xff])].concat());
            let search = search_request("dc=example,dc=com", 2, &filter, &["cn"]);
            following.send(&message(77, &search, &[control("2.16.840.1.113730.3.4.3", true, Some(&persistent))]));
            operator.replace("cn=7,dc=example,dc=com", "description", &["x"]);
            following.send(&message(78, &extended_request("1.3.6.1.4.1.4203.1.11.3", None), &[]));
            let answer = std::iter::from_fn(|| following.receive()).find(|answer| answer.id == 78).unwrap();
            assert_eq!(answer.extended().1, Some(format!("dn:{OPERATOR}").into_bytes()));
        }
    }
    let one_more = tlv(0xa2, &deep(&[0xa2], present("cn")));
    assert_eq!(server.connect().ask(&search_request("", 0, &one_more, &["1.1"]), &[]).code(), 11);
}
