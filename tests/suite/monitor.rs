//! How the server is doing: `cn=Monitor` for LDAP tools, `/metrics` for Prometheus, backups by itself.

use crate::house::{ACME, House, SUFFIX};
use crate::server::{Server, free_port, write_private};
use crate::wire::{Wire, equal, message, present, replace_request, search_request, tlv};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

pub(crate) const TOKEN: &str = "a token that only Prometheus has";

/// Asks over HTTP, and answers with status and all of the rest.
pub(crate) fn http(port: u16, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let text = String::from_utf8_lossy(&answer).into_owned();
    (text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no answer: {text}")), text)
}

/// The samples of a scrape.
pub(crate) fn scrape(port: u16) -> BTreeMap<String, f64> {
    let (status, text) = http(port, "GET", "/metrics", &format!("Authorization: Bearer {TOKEN}\r\n"), "");
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("application/openmetrics-text") && text.contains("# EOF"), "{text}");
    let body = text.split_once("\r\n\r\n").unwrap().1;
    let sample = |line: &str| line.rsplit_once(' ').and_then(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
    body.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect()
}

fn base(wire: &mut Wire, dn: &str, attributes: &[&str]) -> crate::wire::Answer {
    wire.ask_all(&search_request(dn, 0, &present("objectClass"), attributes), &[]).remove(0)
}

fn counted(wire: &mut Wire, dn: &str, attribute: &str) -> u64 {
    base(wire, dn, &[attribute]).values(attribute)[0].parse().unwrap()
}

#[test]
fn a_change_that_was_abandoned_while_it_was_made_is_counted_once() {
    let server = Server::start([127, 0, 0, 1].into(), "");
    let mut wire = server.as_operator();
    wire.add(SUFFIX, &[("objectClass", "domain")]);
    let counts = |wire: &mut Wire| {
        let entry = base(wire, "cn=Modify,cn=Operations,cn=Monitor", &["monitorOpInitiated", "monitorOpCompleted"]);
        ["monitorOpInitiated", "monitorOpCompleted"].map(|name| entry.values(name)[0].parse::<u64>().unwrap())
    };
    assert_eq!(counts(&mut wire), [0, 0]);
    let mut other = server.as_operator();
    // Each is behind the change it is about in one piece, so that it comes while that is under way.
    for id in 60..110_u8 {
        let change = message(id.into(), &replace_request(SUFFIX, "description", &[&id.to_string()]), &[]);
        let abandon = message(i64::from(id) + 100, &tlv(0x50, &[id]), &[]);
        other.send(&[change, abandon].concat());
        assert_eq!(other.receive().unwrap().code(), 0, "a change is made, and answered");
    }
    assert_eq!(counts(&mut wire), [50, 50]);
}

#[test]
fn the_monitor_counts_and_is_for_the_operator_and_whom_a_rule_names() {
    let house = House::start("[[access]]\nwho = [\"services\"]\nsubtree = \"cn=monitor\"\nrights = [\"read\"]\n");
    let mut wire = house.server.as_operator();
    assert_eq!(base(&mut wire, "", &["monitorContext"]).values("monitorContext"), ["cn=Monitor"]);
    let all = wire.entries("CN=monitor", &present("objectClass"), &["*", "+"]);
    for name in
        ["cn=Current,cn=Connections", "cn=Search,cn=Operations", "cn=Bytes,cn=Statistics", "cn=Start,cn=Time", "cn=Database 1,cn=Databases"]
    {
        assert!(all.iter().any(|entry| entry.dn() == format!("{name},cn=Monitor")), "{name}");
    }
    let search = "cn=Search,cn=Operations,cn=Monitor";
    let before = counted(&mut wire, search, "monitorOpCompleted");
    for _ in 0..10 {
        base(&mut wire, SUFFIX, &["1.1"]);
    }
    assert_eq!(counted(&mut wire, search, "monitorOpCompleted"), before + 11);
    let initiated = counted(&mut wire, search, "monitorOpInitiated");
    assert_eq!(initiated, counted(&mut wire, search, "monitorOpCompleted"), "each was begun before it was counted as done");
    let under_way = |wire: &mut Wire| counted(wire, search, "monitorOpInitiated") - counted(wire, search, "monitorOpCompleted");
    let mut follower = house.server.as_operator();
    let follow = search_request(SUFFIX, 2, &present("objectClass"), &["1.1"]);
    follower.send(&message(9, &follow, &[crate::follow::persistent(15, true)]));
    follower.who_am_i();
    assert_eq!(under_way(&mut wire), 1);
    drop(follower);
    let began = Instant::now();
    while under_way(&mut wire) > 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "what a broken connection had under way has ended");
        std::thread::sleep(Duration::from_millis(5));
    }
    let open = "cn=Current,cn=Connections,cn=Monitor";
    let now = counted(&mut wire, open, "monitorCounter");
    let others: Vec<Wire> = (0..3).map(|_| house.signed_in("ann", ACME)).collect();
    assert_eq!(counted(&mut wire, open, "monitorCounter"), now + 3);
    drop(others);
    let below = wire.ask_all(&search_request("cn=Licences,cn=Monitor", 1, &present("monitorCounter"), &["*", "+"]), &[]);
    let seats = below.iter().find(|entry| entry.tag == 0x64 && entry.values("seeAlso")[0].contains("o=Acme")).unwrap();
    assert_eq!((seats.values("monitorCounter"), seats.values("monitoredInfo")), (vec!["1".to_owned()], vec!["1 of 50 seats".to_owned()]));
    let found = wire.entries("cn=Monitor", &equal("cn", b"uptime"), &["1.1"]);
    assert_eq!(found.iter().map(crate::wire::Answer::dn).collect::<Vec<_>>(), ["cn=Uptime,cn=Time,cn=Monitor"]);
    assert_eq!(base(&mut wire, "cn=Nothing,cn=Monitor", &[]).code(), 32);
    let mut service = house.signed_in("svc", ACME);
    assert!(!base(&mut service, "cn=Monitor", &[]).dn().is_empty());
    for who in ["", "ann", "ada"] {
        let mut wire = house.signed_in(who, ACME);
        assert_eq!(base(&mut wire, "cn=Monitor", &[]).code(), 32, "{who}");
        assert!(base(&mut wire, "", &["monitorContext"]).values("monitorContext").is_empty(), "{who}");
    }
}

#[test]
fn metrics_are_for_who_has_the_token_and_agree_with_what_happened() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    write_private(&token, TOKEN);
    let port = free_port();
    let listener = format!("[[listener]]\nkind = \"http\"\naddress = \"127.0.0.1:{port}\"\n");
    let house = House::start(&format!("{listener}[metrics]\ntoken_file = {token:?}\nlicences = 1\n"));
    for headers in ["", "Authorization: Bearer wrong\r\n", "Authorization: Basic YTpi\r\n"] {
        assert_eq!(http(port, "GET", "/metrics", headers, "").0, 401, "{headers}");
    }
    let before = scrape(port);
    let mut wire = house.signed_in("ann", ACME);
    for _ in 0..5 {
        base(&mut wire, ACME, &["1.1"]);
    }
    assert_eq!(house.server.connect().bind("uid=ann,ou=users,o=Acme,dc=example,dc=com", "wrong").code(), 49);
    let after = scrape(port);
    let grew = |name: &str| after[name] - before.get(name).copied().unwrap_or_default();
    assert_eq!(grew("headcount_ldap_operations_completed_total{operation=\"Search\"}"), 5.0);
    assert_eq!(grew("headcount_ldap_operation_seconds_count{operation=\"Search\"}"), 5.0);
    assert_eq!(grew("headcount_binds_total{result=\"success\"}"), 1.0);
    assert_eq!(grew("headcount_binds_total{result=\"invalid_credentials\"}"), 1.0);
    assert_eq!(after["headcount_ldap_connections{state=\"bound\"}"], before["headcount_ldap_connections{state=\"bound\"}"] + 1.0);
    assert_eq!(grew("headcount_ldap_entries_sent_total"), 5.0);
    assert!(grew("headcount_ldap_bytes_total{direction=\"out\"}") > 100.0 && grew("headcount_store_flush_seconds_count") >= 1.0);
    let seats: Vec<&String> = after.keys().filter(|name| name.starts_with("headcount_seats_in_use")).collect();
    assert_eq!(seats.len(), 1, "labels are capped: {seats:?}");
    assert!(after.keys().all(|name| !name.contains("uid=")), "no label names a user");
    assert_eq!(after["headcount_panics_total"], 0.0);
    assert_eq!(after["headcount_config_generation"], 1.0);
    for path in ["/livez", "/readyz"] {
        let (status, text) = http(port, "GET", path, "", "");
        assert_eq!(status, 200, "{text}");
        assert!(!text.to_lowercase().contains("headcount"), "no version or name: {text}");
    }
}

#[test]
fn there_are_no_metrics_unless_the_config_says_so() {
    let port = free_port();
    let _house = House::start(&format!("[[listener]]\nkind = \"http\"\naddress = \"127.0.0.1:{port}\"\n"));
    assert_eq!(http(port, "GET", "/metrics", &format!("Authorization: Bearer {TOKEN}\r\n"), "").0, 404);
}

#[test]
fn a_backup_is_made_by_itself_and_can_be_restored() {
    let folder = tempfile::tempdir().unwrap();
    let backups = folder.path().join("backups");
    std::fs::create_dir(&backups).unwrap();
    for number in 1..=3 {
        std::fs::write(backups.join(format!("headcount-2020010{number}000000Z.snapshot")), "old").unwrap();
    }
    let server = Server::start(Ipv4Addr::LOCALHOST.into(), &format!("[backup]\nfolder = {backups:?}\nkeep = 2\n"));
    let names = || {
        let mut names: Vec<String> =
            std::fs::read_dir(&backups).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let began = Instant::now();
    while names().len() != 2 || names()[1].starts_with("headcount-2020") {
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}\n{}", names(), server.said());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(names()[0], "headcount-20200103000000Z.snapshot", "the oldest are gone");
    let restored = folder.path().join("restored");
    let config = folder.path().join("headcount.toml");
    let text = format!(
        "folder = {restored:?}\nsuffix = [{{ dn = \"dc=example,dc=com\" }}]\n[[listener]]\nkind = \"ldap\"\naddress = \"127.0.0.1:3890\"\n"
    );
    write_private(&config, &text);
    let run = |arguments: &[&str]| crate::demo::headcount().arg("--config").arg(&config).args(arguments).output().unwrap();
    let output = run(&["restore", backups.join(&names()[1]).to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(run(&["verify"]).status.success());
}
