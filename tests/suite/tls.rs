//! StartTLS (RFC 4511 §4.14; hardening HA10), handshakes (HD9), and certificates that change while the server serves.

use crate::certificates::{Authority, Issued};
use crate::demo::Demo;
use crate::server::{OPERATOR, PASSWORD, Server, free_port};
use crate::wire::{Wire, bind_request, extended_request, message, present, search_request};
use ldap3::exop::Exop;
use ldap3::{LdapConn, LdapConnSettings};
use rcgen::DnType;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const START_TLS: &str = "1.3.6.1.4.1.1466.20037";

fn over_tls(demo: &Demo) -> LdapConn {
    let settings = LdapConnSettings::new().set_starttls(true).set_no_tls_verify(true);
    LdapConn::with_settings(settings, &format!("ldap://{}", demo.ldap)).expect("StartTLS")
}

#[test]
fn ha10_what_was_sent_in_plain_after_start_tls_is_never_done() {
    let mut demo = Demo::start();
    let mut wire = demo.connect();
    let start = message(1, &extended_request(START_TLS, None), &[]);
    let bind = message(2, &bind_request(&demo.operator.dn, demo.operator.password.as_bytes()), &[]);
    wire.send(&[start, bind].concat());
    let answers = wire.receive_all();
    assert!(answers.iter().all(|answer| answer.id != 2), "the bind in plain was answered: {answers:?}");
    assert!(answers.len() <= 2, "{answers:?}");
    assert!(demo.is_alive());
}

#[test]
fn ha10_start_tls_twice_is_an_operations_error() {
    let demo = Demo::start();
    let mut connection = over_tls(&demo);
    let again = connection.extended(Exop { name: Some(START_TLS.to_owned()), val: None }).unwrap();
    assert_eq!(again.1.rc, 1, "{}", again.1.text);
    assert_eq!(connection.simple_bind(&demo.operator.dn, &demo.operator.password).unwrap().rc, 0, "the connection goes on");
}

#[test]
fn ha10_the_identity_from_before_tls_is_gone() {
    let scene = Scene::start("");
    let stream = TcpStream::connect(scene.server.address()).unwrap();
    let mut plain = Wire::over(stream.try_clone().unwrap());
    assert_eq!(plain.bind(OPERATOR, PASSWORD).code(), 0);
    assert_eq!(plain.who_am_i(), format!("dn:{OPERATOR}"));
    assert_eq!(plain.ask(&extended_request(START_TLS, None), &[]).code(), 0);
    let mut secured = Wire::over(scene.authority.secure(stream, None));
    assert_eq!(secured.who_am_i(), "", "nobody has signed in inside TLS");
}

#[test]
fn ha10_start_tls_with_a_search_outstanding_is_an_operations_error() {
    let scene = Scene::start("");
    let mut wire = scene.server.as_operator();
    wire.add("dc=example,dc=com", &[("objectClass", "domain"), ("dc", "example")]);
    let follow = search_request("dc=example,dc=com", 2, &present("objectClass"), &["1.1"]);
    wire.send(&message(50, &follow, &[crate::follow::persistent(15, true)]));
    assert_eq!(wire.ask(&extended_request(START_TLS, None), &[]).code(), 1);
    assert_eq!(wire.who_am_i(), format!("dn:{OPERATOR}"), "and the connection goes on in plain");
}

#[test]
fn ha10_one_octet_behind_start_tls_is_no_part_of_what_is_said_inside() {
    let scene = Scene::start("");
    let mut wire = scene.server.connect();
    wire.send(&[message(1, &extended_request(START_TLS, None), &[]), vec![0x30]].concat());
    let answers = wire.receive_all();
    assert!(answers.iter().all(|answer| answer.id != 1 || answer.code() != 0), "TLS begins behind the octet: {answers:?}");
}

#[test]
fn ha10_start_tls_with_a_value_is_refused() {
    let demo = Demo::start();
    let mut wire = demo.connect();
    assert_eq!(wire.ask(&extended_request(START_TLS, Some(b"x")), &[]).code(), 2);
    assert_eq!(wire.ask(&extended_request("1.2.3.4", None), &[]).code(), 2, "an extended operation nobody knows");
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";

/// A server with LDAPS whose certificate the test holds.
struct Scene {
    server: Server,
    authority: Authority,
    ldaps: SocketAddr,
    folder: tempfile::TempDir,
}

impl Scene {
    fn start(tls: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::of_folder(folder.path());
        let ldaps = SocketAddr::from((LOOPBACK, free_port()));
        let path = folder.path().display();
        let more = format!(
            "[tls]\ncertificate = \"{path}/server.pem\"\nkey = \"{path}/server.key\"\n{tls}\n\
             [[listener]]\nkind = \"ldaps\"\naddress = \"{ldaps}\"\n"
        );
        let server = Server::start(LOOPBACK, &more.replace("{clients}", &format!("{path}/clients.pem")));
        Self { server, authority, ldaps, folder }
    }

    /// Whether a client that trusts this authority alone, and shows this, is served.
    fn serves(&self, authority: &Authority, shown: Option<&Issued>) -> bool {
        let mut wire = authority.connect(self.ldaps, shown);
        wire.send(&message(1, &extended_request(WHO_AM_I, None), &[]));
        wire.receive().is_some()
    }

    fn eventually(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let started = Instant::now();
        while !holds() {
            assert!(started.elapsed() < Duration::from_secs(15), "{what}\n{}", self.server.said());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn is_served(wire: &mut Wire) -> bool {
    wire.ask(&extended_request(WHO_AM_I, None), &[]).code() == 0
}

#[test]
fn a_new_certificate_is_taken_over_and_no_connection_ends() {
    let scene = Scene::start("");
    let mut old = scene.authority.connect(scene.ldaps, None);
    assert!(is_served(&mut old));
    let other = Authority::new("The next authority");
    other.for_localhost().write(scene.folder.path(), "server");
    scene.eventually("new connections get the new certificate", || scene.serves(&other, None));
    assert!(!scene.serves(&scene.authority, None), "and not the old one");
    assert!(is_served(&mut old), "the old connection goes on");
    let mut plain = other.start_tls(scene.server.address(), None);
    assert!(is_served(&mut plain), "StartTLS has it too");
}

#[test]
fn a_broken_pair_of_certificate_and_key_leaves_the_old_one_in_force_and_says_so() {
    let scene = Scene::start("");
    let other = Authority::new("Another authority").for_localhost();
    let (certificate, _) = other.write(scene.folder.path(), "other");
    std::fs::copy(certificate, scene.folder.path().join("server.pem")).unwrap();
    scene.eventually("it says so", || scene.server.said().contains("the old one stays in force"));
    assert!(scene.server.said().contains("server.key"), "it names the file: {}", scene.server.said());
    assert!(scene.serves(&scene.authority, None));
}

#[test]
fn the_authorities_of_clients_are_taken_over_too() {
    let scene = Scene::start("client_ca = \"{clients}\"\nverify = \"demand\"");
    let next = Authority::new("The next authority of clients");
    let shown = [(DnType::CommonName, "x")];
    let (before, after) = (scene.authority.issue(&shown, Vec::new()), next.issue(&shown, Vec::new()));
    let mut old = scene.authority.connect(scene.ldaps, Some(&before));
    assert!(is_served(&mut old) && !scene.serves(&scene.authority, Some(&after)));
    next.write(&scene.folder.path().join("clients.pem"));
    scene.eventually("the new authority counts", || scene.serves(&scene.authority, Some(&after)));
    assert!(!scene.serves(&scene.authority, Some(&before)), "the old one does not");
    assert!(is_served(&mut old), "the old connection goes on");
    std::fs::write(scene.folder.path().join("clients.pem"), "nothing").unwrap();
    scene.eventually("it says so", || scene.server.said().contains("clients.pem"));
    assert!(scene.serves(&scene.authority, Some(&after)), "what is broken changes nothing");
}

#[test]
fn hd9_a_handshake_has_ten_seconds_and_holds_nobody_up() {
    let scene = Scene::start("");
    let started = Instant::now();
    let mut silent = TcpStream::connect(scene.ldaps).unwrap();
    let mut slow = TcpStream::connect(scene.ldaps).unwrap();
    slow.write_all(&[0x16, 0x03, 0x01]).unwrap();
    let mut upgraded = TcpStream::connect(scene.server.address()).unwrap();
    upgraded.write_all(&message(1, &extended_request(START_TLS, None), &[])).unwrap();
    assert!(scene.serves(&scene.authority, None) && started.elapsed() < Duration::from_secs(8));
    for stream in [&mut silent, &mut slow, &mut upgraded] {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut left = Vec::new();
        assert!(stream.read_to_end(&mut left).is_ok(), "it ends");
    }
    let took = started.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(16)).contains(&took), "{took:?}");
}

#[test]
fn hd9_only_tls_1_2_and_1_3_are_spoken() {
    let scene = Scene::start("");
    for (minor, accepted) in [(0, false), (1, false), (2, false), (3, true)] {
        let suites = [0xc0, 0x2b, 0xc0, 0x2f, 0x00, 0x2f];
        // supported_groups with x25519, and signature_algorithms with ecdsa_secp256r1_sha256.
        let extensions = [0, 10, 0, 4, 0, 2, 0, 29, 0, 13, 0, 4, 0, 2, 4, 3];
        let mut hello = vec![3, minor];
        hello.extend([7; 32]);
        hello.extend([0, 0, 6]);
        hello.extend(suites);
        hello.extend([1, 0, 0, 16]);
        hello.extend(extensions);
        let length = u8::try_from(hello.len()).unwrap();
        let mut stream = TcpStream::connect(scene.ldaps).unwrap();
        stream.write_all(&[&[0x16, 3, 1, 0, length + 4, 1, 0, 0, length][..], &hello].concat()).unwrap();
        let mut kind = [0];
        stream.read_exact(&mut kind).unwrap();
        assert_eq!(kind[0], if accepted { 0x16 } else { 0x15 }, "version 3.{minor}: a handshake, or an alert");
    }
}

#[test]
fn hd9_a_renegotiation_ends_the_connection() {
    let scene = Scene::start("");
    let mut command = Command::new("openssl");
    command.args(["s_client", "-tls1_2", "-connect", &scene.ldaps.to_string()]);
    let Ok(mut client) = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() else {
        eprintln!("skipped: there is no openssl");
        return;
    };
    let mut input = client.stdin.take().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    input.write_all(b"R\n").unwrap();
    let started = Instant::now();
    while client.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < Duration::from_secs(10), "the connection goes on after a renegotiation");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(input);
    let output = client.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("RENEGOTIATING") && said.contains("renegotiation"), "{said}");
    assert!(scene.serves(&scene.authority, None), "others are served");
}
