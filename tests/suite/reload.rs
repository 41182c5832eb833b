//! A server by config file: suffixes, operator, access, and taking a changed file over (issue 2 point 9).

use crate::server::{OPERATOR, PASSWORD, Server, outer_address};
use crate::wire::{Wire, octets, present, search_request, sequence, tlv};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub(crate) const OPEN: &str =
    "access = [{ who = [\"anonymous\"], subtree = \"dc=example,dc=com\", attributes = [\"ou\", \"objectClass\"], rights = [\"read\"] }]";

fn add(wire: &mut Wire, dn: &str, attributes: &[(&str, &str)]) -> u32 {
    let attributes: Vec<Vec<u8>> = attributes.iter().map(|(name, value)| sequence(&[&octets(name), &tlv(0x31, &octets(value))])).collect();
    wire.ask(&tlv(0x68, &[octets(dn), tlv(0x30, &attributes.concat())].concat()), &[]).code()
}

/// A tree without any organisation.
pub(crate) fn add_generic_tree(server: &Server) {
    let mut wire = server.as_operator();
    assert_eq!(add(&mut wire, "dc=example,dc=com", &[("objectClass", "domain"), ("dc", "example")]), 0);
    assert_eq!(add(&mut wire, "ou=lab,dc=example,dc=com", &[("objectClass", "organizationalUnit"), ("ou", "lab")]), 0);
    assert_eq!(add(&mut wire, "o=University of Michigan,c=US", &[("objectClass", "organization"), ("o", "University of Michigan")]), 0);
    let outside = add(&mut wire, "o=elsewhere", &[("objectClass", "organization"), ("o", "elsewhere")]);
    assert!(matches!(outside, 32 | 53), "outside every suffix: {outside}");
}

/// Whether anonymous finds the unit.
pub(crate) fn open_to_all(wire: &mut Wire) -> bool {
    let found = wire.ask_all(&search_request("dc=example,dc=com", 2, &present("ou"), &["*"]), &[]);
    found.iter().any(|answer| answer.tag == 0x64)
}

pub(crate) fn eventually(server: &Server, what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(10), "{what}\n{}", server.said());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn entries_of_any_schema_live_under_any_suffix() {
    let server = Server::start(LOOPBACK, "");
    add_generic_tree(&server);
    let mut wire = server.as_operator();
    assert_eq!(wire.who_am_i(), format!("dn:{OPERATOR}"));
    let root = wire.ask_all(&search_request("", 0, &present("objectClass"), &["namingContexts"]), &[]);
    let contexts = root[0].values("namingContexts");
    assert_eq!(contexts.len(), 2, "{contexts:?}");
    assert_eq!(wire.entries("o=university of michigan, c=us", &present("objectClass"), &["*"]).len(), 1, "names are the same in any case");
}

#[test]
fn the_access_of_the_config_decides_and_is_taken_over_when_it_changes() {
    let server = Server::start(LOOPBACK, "");
    add_generic_tree(&server);
    let mut before = server.connect();
    assert!(!open_to_all(&mut before), "nothing is granted by default");
    server.write_config(OPEN);
    eventually(&server, "a changed file is taken over by itself", || open_to_all(&mut server.connect()));
    assert!(open_to_all(&mut before), "on open connections too, which go on");
    server.write_config("");
    server.signal("HUP");
    eventually(&server, "and on SIGHUP", || !open_to_all(&mut before));
}

#[test]
fn hg3_a_bad_file_leaves_the_old_one_in_force_and_says_so() {
    let server = Server::start(LOOPBACK, OPEN);
    add_generic_tree(&server);
    let mut kept = server.connect();
    server.write_config("acess = []");
    server.signal("HUP");
    eventually(&server, "the log has the place of the mistake", || server.said().contains("headcount.toml:3:1"));
    assert!(open_to_all(&mut kept));
    assert!(open_to_all(&mut server.connect()));
}

#[test]
fn hg3_a_file_with_secrets_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start(LOOPBACK, "");
    let check = || crate::demo::headcount().arg("check").arg("--config").arg(server.config()).output().unwrap();
    assert!(check().status.success(), "{}", String::from_utf8_lossy(&check().stderr));
    std::fs::set_permissions(server.config(), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(!check().status.success(), "the operator's hash is there for all to read");
}

#[test]
fn hb6_a_password_without_tls_from_elsewhere_is_refused_before_anything_is_looked_up() {
    let Some(address) = outer_address() else {
        eprintln!("skipped: this machine has no address beside the loopback one");
        return;
    };
    let server = Server::start(address, "");
    for (name, password) in [(OPERATOR, PASSWORD), (OPERATOR, "wrong"), ("cn=nobody", "x")] {
        let answer = server.connect().bind(name, password);
        assert_eq!(answer.code(), 13, "{name}: {}", answer.text());
    }
    assert_eq!(server.connect().bind("", "").code(), 0, "anonymous gives nothing away");
}

#[test]
fn hb6_the_config_can_allow_a_password_without_tls() {
    let Some(address) = outer_address() else {
        eprintln!("skipped: this machine has no address beside the loopback one");
        return;
    };
    let server = Server::start(address, "passwords = { allow_cleartext = true }");
    assert_eq!(server.connect().bind(OPERATOR, PASSWORD).code(), 0);
}

#[test]
fn a_rule_that_names_no_entry_is_told_at_start_and_at_each_reload() {
    let names = ["uid=nobody,dc=example,dc=com", "cn=none,dc=example,dc=com", "cn=role,dc=example,dc=com", "ou=lab,dc=example,dc=com"];
    let [nobody, group, role, lab] = names;
    let rule = |who: &str, subtree: &str| format!("{{ who = [\"{who}\"], subtree = \"{subtree}\", rights = [\"read\"] }}");
    let rules = [
        rule(&format!("dn:{nobody}"), "cn=Monitor"),
        rule(&format!("group:{group}"), lab),
        rule(&format!("role:{role}"), "cn=Monitor"),
        rule("users", "cn=Monitor"),
    ];
    let access = format!("access = [{}]", rules.join(", "));
    let mut server = Server::start(LOOPBACK, &access);
    let all = |server: &Server| {
        let said = server.said();
        names.map(|name| said.lines().filter(|line| line.contains("WARN") && line.contains(&format!("name=\"{name}\""))).count())
    };
    assert_eq!(all(&server), [0; 4], "where there is no entry yet, all are to come");
    add_generic_tree(&server);
    server.kill_and_restart();
    assert_eq!(all(&server), [1, 1, 1, 0], "{}", server.said());
    assert!(server.said().contains("rule=\"headcount.toml:3\""), "{}", server.said());
    assert!(!server.said().contains("name=\"cn=Monitor\""));
    assert!(!open_to_all(&mut server.connect()));
    assert_eq!(all(&server), [1, 1, 1, 0], "requests say nothing");
    server.signal("HUP");
    eventually(&server, "it is told again", || all(&server) == [2, 2, 2, 0]);
}
