//! The log of logins and refusals: who came in, who did not and why, without what people type by mistake and without filling
//! the disk.

use crate::access::rows;
use crate::house::{ACME, House, add_request, user};
use crate::server::{PASSWORD, write_private};
use crate::wire::{control, elements, message, number, octets, present, replace_request, search_request, sequence, tlv};
use serde_json::Value;
use std::time::{Duration, Instant};

/// What `audit show --security` shows, once that many rows are wanted ones: they are written within a second or so.
pub(crate) fn noted(house: &House, more: &[&str], count: usize) -> Vec<Value> {
    let config = house.server.config();
    let arguments = [&["audit", "show", "--security"], more].concat();
    let began = Instant::now();
    loop {
        let found = rows(&config, &arguments);
        if found.len() >= count {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{found:?}\n{}", house.server.said());
        std::thread::sleep(Duration::from_millis(200));
    }
}

pub(crate) fn results(found: &[Value]) -> Vec<(&str, &str)> {
    found.iter().map(|row| (row["actor"].as_str().unwrap(), row["result"].as_str().unwrap())).collect()
}

#[test]
fn every_login_is_noted_with_its_reason_and_names_that_are_none_are_not() {
    let house = House::start("");
    let bind = |name: &str, password: &str| house.server.connect().bind(name, password).code();
    let (ada, bob, off) = (user("ada", ACME), user("bob", ACME), user("off", ACME));
    assert_eq!(bind(&ada, PASSWORD), 0);
    assert_eq!(bind(&bob, "wrong"), 49);
    assert_eq!(bind(&off, PASSWORD), 49);
    assert_eq!(bind("uid=hunter2-canary,ou=users,o=Acme,dc=example,dc=com", "x"), 49);
    let plain = house.server.connect().sasl("PLAIN", Some(b"\0my-canary-password\0my-canary-password"));
    assert_eq!(plain.code(), 49);
    let found = noted(&house, &["--operation", "login", "--since", "1h"], 6);
    let told = results(&found);
    for wanted in [(&*ada, "success"), (&*bob, "wrong password"), (&*off, "account disabled"), ("an unknown name", "unknown name")] {
        assert!(told.contains(&wanted), "{wanted:?}: {told:?}");
    }
    let of_bob = found.iter().find(|row| row["actor"] == *bob).unwrap();
    assert_eq!((of_bob["method"].as_str(), of_bob["address"].as_str()), (Some("simple"), Some("127.0.0.1")));
    assert!(of_bob["request"].as_str().unwrap().starts_with("ldap-"), "{of_bob}");
    assert!(found.iter().any(|row| row["actor"] == "an unknown name" && row["method"] == "SASL PLAIN"));
    let file = house.server.config().parent().unwrap().join("data/security.jsonl");
    let text = std::fs::read_to_string(file).unwrap();
    assert!(!text.contains("canary") && !house.server.said().contains("canary"), "{text}");
}

#[test]
fn repeats_are_counted_so_that_a_flood_of_wrong_passwords_has_few_lines() {
    let house = House::start("[lockout]\nfailures = 0\n");
    let bob = user("bob", ACME);
    let mut wire = house.server.connect();
    for number in 0..300 {
        let name = if number % 3 == 0 { bob.clone() } else { format!("uid=nobody{number},ou=users,{ACME}") };
        assert_eq!(wire.bind(&name, "wrong").code(), 49);
    }
    house.server.signal("TERM");
    let began = Instant::now();
    let file = house.server.config().parent().unwrap().join("data/security.jsonl");
    let lines = || -> Vec<Value> {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        all.filter(|line| line["operation"] == "login" && line["result"] != "success").collect()
    };
    let counted = |lines: &[Value]| lines.iter().map(|line| line["count"].as_u64().unwrap_or(1)).sum::<u64>();
    while counted(&lines()) < 300 {
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", lines());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(counted(&lines()), 300, "each is counted once");
    assert!(lines().len() <= 12, "a few lines a minute: {}", lines().len());
}

#[test]
fn refused_changes_session_limits_lockouts_tokens_and_backups_are_noted() {
    let house = House::start("[lockout]\nfailures = 2\n");
    let config = house.server.config();
    let (ann, sam) = (user("ann", ACME), user("sam", ACME));
    assert_eq!(house.signed_in("ann", ACME).ask(&replace_request(&ann, "description", &["x"]), &[]).code(), 50);
    let mut operator = house.server.as_operator();
    operator.replace(&format!("cn=main,ou=licences,{ACME}"), "hcSessionLimit", &["1"]);
    assert_eq!(house.server.connect().bind(&sam, PASSWORD).code(), 11);
    (0..4).for_each(|_| assert_eq!(house.server.connect().bind(&user("gil", ACME), "wrong").code(), 49));
    let run = |arguments: &[&str]| {
        let output = crate::demo::headcount().arg("--config").arg(&config).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let backup = config.parent().unwrap().join("backup");
    run(&["backup", backup.to_str().unwrap()]);
    run(&["export", "--base", ACME]);
    let minted = run(&["token", "mint", "--organisation", ACME, "entra"]);
    assert_eq!(results(&noted(&house, &["--operation", "modify"], 1)), [(&*ann, "insufficient access")]);
    assert_eq!(noted(&house, &["--operation", "modify"], 1)[0]["target"], *ann);
    let full = noted(&house, &["--actor", &sam], 1);
    assert_eq!(results(&full), [(&*sam, "session limit")]);
    assert!(full[0]["detail"].as_str().unwrap().contains("1 of 1"), "{full:?}");
    assert_eq!(noted(&house, &["--operation", "lockout"], 1)[0]["actor"], user("gil", ACME));
    assert_eq!(noted(&house, &["--operation", "backup"], 1)[0]["result"], "success");
    assert_eq!(noted(&house, &["--operation", "export"], 1)[0]["target"], ACME);
    let began = Instant::now();
    while rows(&config, &["audit", "show", "--operation", "token-mint"]).is_empty() {
        assert!(began.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(200));
    }
    let told = rows(&config, &["audit", "show", "--operation", "token-mint"]);
    let told = told[0]["detail"].as_str().unwrap();
    assert!(told.starts_with("token:") && told.ends_with(" entra"), "{told}");
    let secret = minted.split_whitespace().find(|word| word.starts_with("hc_")).unwrap().trim_matches(['"', ',']);
    assert!(!told.contains(secret));
    // What is put back says so, and its chain is good.
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(&config).unwrap();
    let data = config.parent().unwrap().join("data");
    let elsewhere = folder.path().join("headcount.toml");
    write_private(&elsewhere, &text.replace(data.to_str().unwrap(), folder.path().join("data").to_str().unwrap()));
    let output = crate::demo::headcount().arg("--config").arg(&elsewhere).args(["restore", backup.to_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(rows(&elsewhere, &["audit", "show", "--security"])[0]["operation"], "restore");
}

#[test]
fn who_reads_much_or_follows_changes_is_noted_once() {
    let house = House::start("[audit]\nlarge_read = 5\n");
    let mut operator = house.server.as_operator();
    let page = |cookie: &[u8]| control("1.2.840.113556.1.4.319", true, Some(&sequence(&[&number(2, 2), &octets(cookie)])));
    let mut cookie = Vec::new();
    for _ in 0..4 {
        let answers = operator.ask_all(&search_request(ACME, 2, &present("objectClass"), &["1.1"]), &[page(&cookie)]);
        let value = &answers.last().unwrap().controls[0].1;
        cookie = elements(elements(value)[0].1)[1].1.to_vec();
    }
    assert_eq!(operator.entries(&user("bob", ACME), &present("objectClass"), &["cn"]).len(), 1, "little is not noted");
    let found = noted(&house, &["--operation", "read"], 1);
    assert_eq!(
        (results(&found), &found[0]["target"], &found[0]["detail"]),
        (vec![("cn=admin", "success")], &ACME.into(), &"6 entries".into())
    );
    // changeTypes of all kinds, changes only, without the notification control (draft-ietf-ldapext-psearch).
    let persistent = sequence(&[&number(2, 15), &tlv(0x01, &[0xff]), &tlv(0x01, &[0])]);
    let search = search_request(ACME, 2, &present("objectClass"), &["1.1"]);
    operator.send(&message(77, &search, &[control("2.16.840.1.113730.3.4.3", true, Some(&persistent))]));
    let found = noted(&house, &["--operation", "follow"], 1);
    assert_eq!((&found[0]["target"], &found[0]["detail"]), (&ACME.into(), &"persistent search".into()));
}

#[test]
fn a_config_that_is_read_anew_is_noted_with_what_became_of_it() {
    let house = House::start("");
    house.server.write_config("[limits]\nsize = 77\n");
    assert_eq!(results(&noted(&house, &["--operation", "reload"], 1)), [("cn=headcount", "success")]);
    house.server.write_config("[limits]\nsize = \"a canary\"\n");
    let began = Instant::now();
    while !house.server.said().contains("the old one stays in force") {
        assert!(began.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(100));
    }
    // The command line reads it too.
    house.server.write_config("");
    let found = noted(&house, &["--operation", "reload"], 2);
    assert_eq!(results(&found[..2]), [("cn=headcount", "success"), ("cn=headcount", "refused")]);
    assert!(!found[1].to_string().contains("canary"), "what the file says is no matter of the log: {found:?}");
}

#[test]
fn the_log_of_logins_is_a_chain_too() {
    let outside = tempfile::tempdir().unwrap();
    let key = outside.path().join("key");
    write_private(&key, "0123456789abcdef0123456789abcdef\n");
    let house = House::start(&format!("[audit]\nkey_file = {key:?}\n"));
    drop(house.signed_in("ada", ACME));
    assert_eq!(house.server.connect().bind(&user("bob", ACME), "wrong").code(), 49);
    noted(&house, &["--actor", &user("bob", ACME)], 1);
    let config = house.server.config();
    let verify = || {
        let output = crate::demo::headcount().arg("--config").arg(&config).args(["audit", "verify"]).output().unwrap();
        (output.status.success(), [output.stdout, output.stderr].map(|octets| String::from_utf8(octets).unwrap()).concat())
    };
    let (good, words) = verify();
    assert!(good && words.contains("logins and refusals: "), "{words}");
    let file = config.parent().unwrap().join("data/security.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("wrong password", "success")).unwrap();
    let (good, words) = verify();
    assert!(!good && words.contains("security.jsonl"), "{words}");
    std::fs::write(&file, text.lines().next().unwrap().to_owned() + "\n").unwrap();
    let (good, words) = verify();
    assert!(!good && words.contains("cut off"), "{words}");
    std::fs::write(&file, text.split_once('\n').unwrap().1).unwrap();
    assert!(!verify().0, "without its beginning");
}

#[test]
fn hg1_whatever_a_peer_sends_a_record_is_one_line() {
    let house = House::start("");
    let mut operator = house.server.as_operator();
    let nasty = "a\r\nb\u{1b}[2J\u{2028}\u{2029}\u{85}\u{202e}c";
    let dn = format!("cn={nasty},{ACME}");
    let escaped = dn.replace('\r', "\\0d").replace('\n', "\\0a");
    let added = operator.ask(&add_request(&escaped, &[("objectClass", "device"), ("cn", nasty), ("description", nasty)]), &[]);
    assert_eq!(added.code(), 0, "{}", added.text());
    assert_eq!(house.signed_in("ann", ACME).ask(&replace_request(&escaped, "description", &["x"]), &[]).code(), 32);
    assert_eq!(
        house
            .signed_in("ann", ACME)
            .ask(&add_request(&format!("cn=x\\0ax,{ACME}"), &[("objectClass", "device"), ("cn", "x\nx")]), &[])
            .code(),
        50
    );
    noted(&house, &["--operation", "add"], 1);
    let folder = house.server.config().parent().unwrap().join("data");
    let began = Instant::now();
    while !std::fs::read_to_string(folder.join("audit.jsonl")).unwrap_or_default().contains("[2J") {
        assert!(began.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(200));
    }
    for file in ["audit.jsonl", "security.jsonl"] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let ends =
            |character: char| (character.is_control() && character != '\n') || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202e}');
        assert!(!text.contains(ends), "{file}");
        for line in text.lines() {
            assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
        }
    }
}
