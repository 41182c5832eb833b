//! SASL (RFC 4513 §5.2): PLAIN, EXTERNAL, and binds in several steps.

use crate::certificates::{Authority, Issued};
use crate::server::{OPERATOR, PASSWORD, Server};
use crate::wire::{Wire, add_request, bind_request, extended_request, sasl_request};
use proptest::prelude::*;
use rcgen::{DnType, SanType};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PEOPLE: &str = "ou=people,o=University of Michigan,c=US";
const ALICE: &str = "cn=Alice Able,ou=people,o=University of Michigan,c=US";
const SECRET: &str = "apples and pears and plums";

/// A server with LDAP, LDAPS and a local socket, and three people; two of them share a name.
struct Scene {
    server: Server,
    authority: Authority,
    ldaps: SocketAddr,
    folder: tempfile::TempDir,
}

fn person(wire: &mut Wire, name: &str, uid: &str, mail: &str, number: &str) {
    let attributes = [
        ("objectClass", "inetOrgPerson"),
        ("objectClass", "posixAccount"),
        ("sn", "x"),
        ("uid", uid),
        ("mail", mail),
        ("uidNumber", number),
        ("gidNumber", number),
        ("homeDirectory", "/"),
        ("userPassword", SECRET),
    ];
    wire.add(&format!("cn={name},{PEOPLE}"), &attributes);
}

impl Scene {
    /// `tls` and `sasl` are lines of these tables.
    fn start(tls: &str, sasl: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let authority = Authority::of_folder(folder.path());
        let ldaps = TcpListener::bind((LOOPBACK, 0)).unwrap().local_addr().unwrap();
        let path = folder.path().display();
        let more = format!(
            "hashing = {{ memory = \"7MiB\", passes = 1 }}\n\
             [tls]\ncertificate = \"{path}/server.pem\"\nkey = \"{path}/server.key\"\n{tls}\n\
             [sasl]\n{sasl}\n\
             [lockout]\nfailures = 0\n\
             [[listener]]\nkind = \"ldapi\"\naddress = \"{path}/ldapi\"\n\
             [[listener]]\nkind = \"ldaps\"\naddress = \"{ldaps}\"\n"
        );
        let more = more.replace("{clients}", &format!("{path}/clients.pem"));
        let server = Server::start(LOOPBACK, &more);
        let mut wire = server.as_operator();
        wire.add("o=University of Michigan,c=US", &[("objectClass", "organization"), ("o", "University of Michigan")]);
        wire.add(PEOPLE, &[("objectClass", "organizationalUnit"), ("ou", "people")]);
        person(&mut wire, "Alice Able", "alice", "alice@example.com", "70001");
        person(&mut wire, "Bob Baker", "shared", "bob@example.com", "70002");
        person(&mut wire, "Bob Brown", "shared", "brown@example.com", "70003");
        Self { server, authority, ldaps, folder }
    }

    fn local(&self) -> Wire {
        let stream = UnixStream::connect(self.folder.path().join("ldapi")).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        Wire::over(stream)
    }

    /// A certificate whose subject is Alice's name.
    fn alices(&self) -> Issued {
        let subject = [
            (DnType::CountryName, "US"),
            (DnType::OrganizationName, "University of Michigan"),
            (DnType::OrganizationalUnitName, "people"),
            (DnType::CommonName, "Alice Able"),
        ];
        self.authority.issue(&subject, Vec::new())
    }

    /// A certificate that has nothing of Alice but her address.
    fn with_address(&self, address: &str) -> Issued {
        self.authority.issue(&[(DnType::CommonName, "somebody")], vec![SanType::Rfc822Name(address.try_into().unwrap())])
    }
}

const NAMES: &str = "names = [\"o=University of Michigan,c=US\"]";

fn plain(authorization: &str, authentication: &str, password: &str) -> Vec<u8> {
    [authorization, authentication, password].join("\0").into_bytes()
}

#[test]
fn plain_signs_in_by_dn_and_by_name() {
    let scene = Scene::start("", NAMES);
    let mut wire = scene.server.connect();
    let dn = format!("dn:{ALICE}");
    for name in [ALICE, &dn, "DN:cn=alice able,ou=People,o=university of michigan,c=us", "alice", "ALICE", "u:alice", "alice@example.com"] {
        for authorization in ["", "alice", &dn, name] {
            let answer = wire.sasl("PLAIN", Some(&plain(authorization, name, SECRET)));
            assert_eq!(answer.code(), 0, "{name} as {authorization}: {}", answer.text());
            assert_eq!(wire.who_am_i(), dn);
        }
    }
    assert_eq!(wire.sasl("PLAIN", Some(&plain("", OPERATOR, PASSWORD))).code(), 0);
    assert_eq!(wire.who_am_i(), format!("dn:{OPERATOR}"));
}

#[test]
fn hb1_whatever_is_wrong_with_plain_looks_the_same() {
    let scene = Scene::start("", NAMES);
    let mut wire = scene.server.connect();
    let mut answers = Vec::new();
    for (authorization, name, password) in [
        ("", ALICE, "wrong"),
        ("", "alice", "wrong"),
        ("", "nobody", SECRET),
        ("", "u:", SECRET),
        ("", "dn:", SECRET),
        ("", "dn:not a name", SECRET),
        ("", "cn=nobody,o=University of Michigan,c=US", SECRET),
        ("", "shared", SECRET),
        ("bob@example.com", "alice", SECRET),
        ("nobody", "alice", SECRET),
        ("dn:cn=admin", "alice", SECRET),
        ("", "*", SECRET),
        ("", "", SECRET),
    ] {
        let answer = wire.sasl("PLAIN", Some(&plain(authorization, name, password)));
        assert_eq!(answer.code(), 49, "{authorization} {name} {password}");
        assert_eq!(wire.who_am_i(), "");
        answers.push(answer.content);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
}

#[test]
fn names_are_looked_for_only_where_the_config_says() {
    let scene = Scene::start("", "");
    let mut wire = scene.server.connect();
    assert_eq!(wire.sasl("PLAIN", Some(&plain("", "alice", SECRET))).code(), 49);
    assert_eq!(wire.sasl("PLAIN", Some(&plain("", ALICE, SECRET))).code(), 0);
}

#[test]
fn rfc4513_5_2_1_a_bind_in_two_steps_and_what_ends_it() {
    let scene = Scene::start("", NAMES);
    let mut wire = scene.server.connect();
    let message = plain("", "alice", SECRET);
    let begin = |wire: &mut Wire| {
        let answer = wire.sasl("PLAIN", None);
        assert_eq!(answer.code(), 14);
        assert!(crate::wire::elements(&answer.content).contains(&(0x87, &[])), "an empty challenge: {answer:?}");
    };
    begin(&mut wire);
    assert_eq!(wire.sasl("PLAIN", Some(&message)).code(), 0);
    assert_eq!(wire.who_am_i(), format!("dn:{ALICE}"));
    begin(&mut wire);
    assert_eq!(wire.who_am_i(), "", "a bind that has begun is anonymous");
    // The exchange was over with that, so an absent message asks for another.
    begin(&mut wire);
    assert_eq!(wire.sasl("PLAIN", None).code(), 49, "an empty message within the exchange is no message");
    begin(&mut wire);
    assert_eq!(wire.sasl("", None).code(), 7, "an empty mechanism aborts");
    begin(&mut wire);
    assert_eq!(wire.sasl("EXTERNAL", Some(b"")).code(), 7);
    begin(&mut wire);
    assert_eq!(wire.bind(ALICE, SECRET).code(), 0);
    assert_eq!(wire.who_am_i(), format!("dn:{ALICE}"));
}

#[test]
fn the_mechanisms_listed_are_those_of_the_connection() {
    let scene = Scene::start("client_ca = \"{clients}\"", NAMES);
    let listed = |wire: &mut Wire| wire.root_dse("supportedSASLMechanisms");
    assert_eq!(listed(&mut scene.server.connect()), ["PLAIN"]);
    assert_eq!(listed(&mut scene.local()), ["EXTERNAL", "PLAIN"]);
    assert_eq!(listed(&mut scene.authority.connect(scene.ldaps, None)), ["PLAIN"]);
    assert_eq!(listed(&mut scene.authority.connect(scene.ldaps, Some(&scene.alices()))), ["EXTERNAL", "PLAIN"]);
}

#[test]
fn external_takes_the_subject_of_a_certificate_over_ldaps_and_start_tls() {
    let scene = Scene::start("client_ca = \"{clients}\"", "");
    let alices = scene.alices();
    for mut wire in [scene.authority.connect(scene.ldaps, Some(&alices)), scene.authority.start_tls(scene.server.address(), Some(&alices))]
    {
        assert_eq!(wire.who_am_i(), "", "a certificate alone signs nobody in");
        for (authorization, code) in [(None, 0), (Some(ALICE), 0), (Some("dn:cn=admin"), 49), (Some(""), 0)] {
            assert_eq!(wire.sasl("EXTERNAL", authorization.map(str::as_bytes)).code(), code, "{authorization:?}");
            assert_eq!(wire.who_am_i().is_empty(), code != 0);
        }
    }
    // U1: a certificate opens from the networks of the user only.
    let mut operator = scene.server.as_operator();
    operator.replace(ALICE, "objectClass", &["inetOrgPerson", "posixAccount", "hcUser"]);
    for (network, code) in [("10.9.9.9/32", 49), ("127.0.0.1/32", 0)] {
        operator.replace(ALICE, "hcAllowedAddress", &[network]);
        let mut wire = scene.authority.connect(scene.ldaps, Some(&scene.alices()));
        assert_eq!(wire.sasl("EXTERNAL", None).code(), code, "{network}");
    }
    let mut stranger = scene.authority.connect(scene.ldaps, Some(&scene.with_address("alice@example.com")));
    assert_eq!(stranger.sasl("EXTERNAL", None).code(), 49, "an address counts only where the config says so");
    assert_eq!(scene.authority.connect(scene.ldaps, None).sasl("EXTERNAL", None).code(), 7);
}

#[test]
fn external_takes_an_address_or_the_certificate_itself() {
    let ways = "certificates = [\"certificate\", \"mail\"]";
    let scene = Scene::start("client_ca = \"{clients}\"", &format!("{NAMES}\n{ways}"));
    let external = |issued: &Issued| {
        let mut wire = scene.authority.connect(scene.ldaps, Some(issued));
        (wire.sasl("EXTERNAL", None).code(), wire.who_am_i())
    };
    assert_eq!(external(&scene.with_address("Alice@example.com")), (0, format!("dn:{ALICE}")));
    assert_eq!(external(&scene.with_address("nobody@example.com")).0, 49);
    let alices = scene.alices();
    assert_eq!(external(&alices).0, 49, "the subject does not count here");
    let mut operator = scene.server.as_operator();
    let change = {
        use crate::wire::{number, octets, sequence, tlv};
        let value = sequence(&[&octets("userCertificate;binary"), &tlv(0x31, &octets(&alices.certificate))]);
        tlv(0x66, &[octets(ALICE), tlv(0x30, &sequence(&[&number(0x0a, 0), &value]))].concat())
    };
    let answer = operator.ask(&change, &[]);
    assert_eq!(answer.code(), 0, "{}", answer.text());
    assert_eq!(external(&alices), (0, format!("dn:{ALICE}")));
    assert_eq!(external(&scene.alices()).0, 49, "another certificate of the same name");
}

#[test]
fn a_certificate_is_demanded_and_must_come_from_the_authority() {
    let scene = Scene::start("client_ca = \"{clients}\"\nverify = \"demand\"", "");
    let other = Authority::new("Another authority").issue(&[(DnType::CommonName, "x")], Vec::new());
    for shown in [None, Some(&other)] {
        let mut wire = scene.authority.connect(scene.ldaps, shown);
        wire.send(&crate::wire::message(1, &extended_request("1.3.6.1.4.1.4203.1.11.3", None), &[]));
        assert!(wire.receive().is_none(), "TLS begins without a good certificate");
    }
    assert_eq!(scene.authority.connect(scene.ldaps, Some(&scene.alices())).sasl("EXTERNAL", None).code(), 0);
}

#[test]
fn external_on_a_local_socket_is_the_posix_account() {
    let scene = Scene::start("", "local_users = [\"o=University of Michigan,c=US\"]");
    assert_eq!(scene.local().sasl("EXTERNAL", None).code(), 0, "the owner of the daemon is the operator");
    let url = format!("ldapi://{}", scene.folder.path().join("ldapi").display().to_string().replace('/', "%2F"));
    let whoami = |user: u32| {
        let output =
            Command::new("ldapwhoami").args(["-Q", "-Y", "EXTERNAL", "-H", &url]).uid(user).gid(user).current_dir(Path::new("/")).output();
        output.map(|output| (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned()))
    };
    match whoami(70_001) {
        // Only root can become somebody else.
        Err(error) => eprintln!("skipped: {error}"),
        Ok(found) => {
            assert_eq!(found, (true, format!("dn:{ALICE}")));
            assert!(!whoami(70_009).unwrap().0, "a number without an account");
        }
    }
}

/// One step of a client that does not care what it gets.
#[derive(Clone, Debug)]
enum Step {
    Anonymous,
    Damaged,
    Other,
    PlainEmpty,
    Plain(bool),
    Simple(bool),
    NoPassword,
    Unknown,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Anonymous),
        Just(Step::Damaged),
        Just(Step::Other),
        Just(Step::PlainEmpty),
        any::<bool>().prop_map(Step::Plain),
        any::<bool>().prop_map(Step::Simple),
        Just(Step::NoPassword),
        Just(Step::Unknown),
    ]
}

#[test]
fn ha9_after_any_sequence_of_binds_the_connection_is_who_last_signed_in_or_nobody() {
    let scene = Scene::start("", NAMES);
    // A cheap hash, so that there can be many.
    let cheap = "{SSHA}fzsQeI/YZtS3cECxPLKwFS9BvqxzYWx0c2FsdA==";
    scene.server.as_operator().replace(ALICE, "userPassword", &[cheap]);
    let right = "the operator says so";
    let wire = std::cell::RefCell::new(scene.server.connect());
    let mut runner =
        proptest::test_runner::TestRunner::new(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() });
    let sequences = proptest::collection::vec(step(), 1..8);
    let result = runner.run(&sequences, |steps| {
        let wire = &mut *wire.borrow_mut();
        wire.bind("", "");
        let mut begun = false;
        for step in steps {
            let password = |good: bool| if good { right } else { "wrong" };
            let (answer, expected, is_alice) = match step {
                Step::Anonymous => (wire.bind("", ""), 0, false),
                Step::Damaged => (wire.ask(&[0x60, 0x03, 0x02, 0x01, 0x03], &[]), 2, false),
                Step::Other => (wire.ask(&add_request("o=x", &[("o", b"x")]), &[]), u32::MAX, false),
                Step::PlainEmpty => (wire.ask(&sasl_request("PLAIN", None), &[]), if begun { 49 } else { 14 }, false),
                Step::Plain(good) => (wire.sasl("PLAIN", Some(&plain("", "alice", password(good)))), if good { 0 } else { 49 }, good),
                Step::Simple(good) => (wire.ask(&bind_request(ALICE, password(good).as_bytes()), &[]), if good { 0 } else { 49 }, good),
                Step::NoPassword => (wire.bind(ALICE, ""), 53, false),
                Step::Unknown => (wire.sasl("NO-SUCH", Some(b"x")), 7, false),
            };
            prop_assert!(expected == u32::MAX || answer.code() == expected, "{:?}: {} {}", step, answer.code(), answer.text());
            begun = matches!(step, Step::PlainEmpty) && answer.code() == 14;
            if matches!(step, Step::Other) {
                continue;
            }
            // Asking who one is would end what has begun, so a step of several is left alone half of the time.
            if !begun || answer.id % 2 == 0 {
                let expected = if is_alice { format!("dn:{ALICE}") } else { String::new() };
                prop_assert_eq!(wire.who_am_i(), expected, "after {:?}", step);
                begun = false;
            }
        }
        Ok(())
    });
    result.unwrap();
}
