//! The PROXY protocol in front of LDAP, LDAPS and HTTP listeners.

use crate::certificates::Authority;
use crate::server::{OPERATOR, PASSWORD, Server};
use crate::wire::{Wire, extended_request, message, present, search_request};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The address that the listeners take for their proxy's.
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const FROM_AFAR: &[u8] = b"PROXY TCP4 192.0.2.7 10.0.0.1 5000 389\r\n";

struct Scene {
    server: Server,
    authority: Authority,
    ldap: SocketAddr,
    ldaps: SocketAddr,
    http: SocketAddr,
    _folder: tempfile::TempDir,
}

fn free() -> SocketAddr {
    SocketAddr::from((LOOPBACK, crate::server::free_port()))
}

fn from(source: IpAddr, to: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

impl Scene {
    fn start() -> Self {
        Self::with("")
    }

    /// With more of a config.
    fn with(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("The authority");
        authority.for_localhost().write(folder.path(), "server");
        let (ldap, ldaps, http) = (free(), free(), free());
        let path = folder.path().display();
        let listener = |kind, address| {
            format!("[[listener]]\nname = \"proxied {kind}\"\nkind = \"{kind}\"\naddress = \"{address}\"\nproxy_protocol = [\"{PROXY}\"]\n")
        };
        let more = format!(
            "[tls]\ncertificate = \"{path}/server.pem\"\nkey = \"{path}/server.key\"\n\
             [[access]]\nwho = [\"anonymous\", \"address:192.0.2.0/24\"]\nsubtree = \"dc=example,dc=com\"\nrights = [\"read\"]\n{more}{}{}{}",
            listener("ldap", ldap),
            listener("ldaps", ldaps),
            listener("http", http),
        );
        let server = Server::start(LOOPBACK, &more);
        server.as_operator().add("dc=example,dc=com", &[("objectClass", "domain"), ("dc", "example")]);
        Self { server, authority, ldap, ldaps, http, _folder: folder }
    }

    /// A connection through the proxy, which says this first.
    fn through(&self, header: &[u8]) -> Wire {
        let mut stream = from(PROXY, self.ldap);
        stream.write_all(header).unwrap();
        Wire::over(stream)
    }
}

/// Whether the anonymous peer finds the entry that is open to its network.
fn finds(wire: &mut Wire) -> bool {
    wire.ask_all(&search_request("dc=example,dc=com", 0, &present("objectClass"), &["dc"]), &[]).iter().any(|answer| answer.tag == 0x64)
}

#[test]
fn the_address_that_a_trusted_proxy_names_counts() {
    let scene = Scene::start();
    assert!(finds(&mut scene.through(FROM_AFAR)), "an access rule for its network");
    assert!(!finds(&mut scene.through(b"PROXY TCP4 198.51.100.7 10.0.0.1 5000 389\r\n")));
    assert!(!finds(&mut scene.through(b"PROXY UNKNOWN\r\n")), "the proxy speaks for itself");
    let answer = scene.through(FROM_AFAR).bind(OPERATOR, PASSWORD);
    assert_eq!(answer.code(), 13, "a password in plain did come from afar, whatever is between the proxy and us");
    assert_eq!(scene.through(b"PROXY UNKNOWN\r\n").bind(OPERATOR, PASSWORD).code(), 0);
    let version_2 = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".as_slice(), &[192, 0, 2, 9, 10, 0, 0, 1, 0, 1, 1, 133]].concat();
    assert!(finds(&mut scene.through(&version_2)));
}

#[test]
fn u1_the_networks_of_a_user_are_asked_of_the_address_that_a_trusted_proxy_names() {
    let scene = Scene::start();
    let far = "uid=far,dc=example,dc=com";
    let hash = crate::server::salted_hash(PASSWORD);
    let person = [("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("uid", "far"), ("cn", "far"), ("sn", "far")];
    let account = [("userPassword", &*hash), ("hcAllowedAddress", "192.0.2.0/24")];
    scene.server.as_operator().add(far, &[&person[..], &account].concat());
    let bind = |header: &[u8]| {
        let mut stream = from(PROXY, scene.ldaps);
        stream.write_all(header).unwrap();
        Wire::over(scene.authority.secure(stream, None)).bind(far, PASSWORD).code()
    };
    assert_eq!(bind(FROM_AFAR), 0);
    assert_eq!(bind(b"PROXY TCP4 198.51.100.7 10.0.0.1 5000 636\r\n"), 49);
    assert_eq!(bind(b"PROXY UNKNOWN\r\n"), 49, "the proxy itself is elsewhere");
}

#[test]
fn hb3_a_header_from_others_changes_nothing() {
    let scene = Scene::start();
    let mut direct = scene.server.connect();
    direct.send(FROM_AFAR);
    assert!(direct.receive().is_none_or(|answer| answer.is_notice()), "a listener without proxies takes it for a damaged message");
    for header in [FROM_AFAR, b""] {
        let mut stranger = from(LOOPBACK, scene.ldap);
        let _ = stranger.write_all(header);
        let mut left = Vec::new();
        assert!(matches!(stranger.read_to_end(&mut left), Ok(0) | Err(_)), "{left:?}");
    }
}

#[test]
fn a_trusted_proxy_has_to_say_something_right_and_in_time() {
    let scene = Scene::start();
    let started = Instant::now();
    let mut silent = from(PROXY, scene.ldap);
    let mut slow = from(PROXY, scene.ldaps);
    slow.write_all(b"PROXY TCP4 192.0.").unwrap();
    for damaged in
        [&b"PROXY TCP4 192.0.2.7\r\n"[..], b"\x30\x05\x02\x01\x01\x42\x00\x30\x05\x02\x01\x01\x42\x00", b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0"]
    {
        let mut stream = from(PROXY, scene.ldap);
        stream.write_all(damaged).unwrap();
        let mut left = Vec::new();
        assert!(matches!(stream.read_to_end(&mut left), Ok(0) | Err(_)), "{damaged:?}: {left:?}");
    }
    for stream in [&mut silent, &mut slow] {
        let mut left = Vec::new();
        assert!(matches!(stream.read_to_end(&mut left), Ok(0)), "{left:?}");
    }
    let took = started.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(16)).contains(&took), "{took:?}");
}

/// HD3: a client is an IPv4 address or an IPv6 network of 64 bits, over all doors.
#[test]
fn hd3_a_client_has_so_many_connections() {
    let scene = Scene::with("[limits]\nconnections_per_address = 2\n");
    let ldap = |source: &str| {
        let family = if source.contains(':') { "TCP6" } else { "TCP4" };
        let mut wire = scene.through(
            format!("PROXY {family} {source} {} 5000 389\r\n", if family == "TCP6" { "2001:db8::1" } else { "10.0.0.1" }).as_bytes(),
        );
        wire.send(&message(1, &extended_request("1.3.6.1.4.1.4203.1.11.3", None), &[]));
        wire.receive().map(|_| wire)
    };
    for (one, two, three, other) in
        [("192.0.2.7", "192.0.2.7", "192.0.2.7", "192.0.2.8"), ("2001:db8:5::1", "2001:db8:5::2", "2001:db8:5::ffff:3", "2001:db8:5:1::1")]
    {
        let first = ldap(one).expect("the first");
        let _second = ldap(two).expect("the second");
        assert!(ldap(three).is_none(), "a third of {one}");
        assert!(ldap(other).is_some(), "{other} is another client");
        let web = |source: &str| {
            let family = if source.contains(':') { "TCP6 {} ::1" } else { "TCP4 {} 10.0.0.1" }.replace("{}", source);
            let mut stream = from(PROXY, scene.http);
            let _ = stream
                .write_all(format!("PROXY {family} 5000 80\r\nGET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes());
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            answer.starts_with(b"HTTP/1.1 200")
        };
        assert!(!web(three), "a third of {one} at another door");
        assert!(web(other));
        drop(first);
        let started = Instant::now();
        while !web(three) {
            assert!(started.elapsed() < Duration::from_secs(10), "there is room again");
        }
    }
}

#[test]
fn the_header_comes_before_tls_and_before_http() {
    let scene = Scene::start();
    let mut stream = from(PROXY, scene.ldaps);
    stream.write_all(FROM_AFAR).unwrap();
    let mut wire = Wire::over(scene.authority.secure(stream, None));
    assert!(finds(&mut wire));
    assert_eq!(wire.bind(OPERATOR, PASSWORD).code(), 0, "inside TLS");
    let get = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let ask = |source, header: &[u8]| {
        let mut stream = from(source, scene.http);
        let _ = stream.write_all(&[header, get].concat());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    };
    assert!(ask(PROXY, FROM_AFAR).starts_with("HTTP/1.1 200"));
    assert_eq!(ask(PROXY, b""), "");
    assert_eq!(ask(LOOPBACK, FROM_AFAR), "");
}
