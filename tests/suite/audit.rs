//! The audit log: who changed what, and that nobody has changed the log.

use crate::access::rows;
use crate::demo::headcount;
use crate::house::{ACME, House, OTHER, rename_request, user};
use crate::monitor::http;
use crate::server::{PASSWORD, free_port, write_private};
use crate::wire::{delete_request, extended_request, octets, present, sequence, tlv};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

fn run(config: &Path, arguments: &[&str]) -> (bool, String) {
    let output = headcount().arg("--config").arg(config).args(arguments).output().unwrap();
    (output.status.success(), [output.stdout, output.stderr].map(|octets| String::from_utf8(octets).unwrap()).concat())
}

#[test]
fn the_log_says_who_changed_what_and_shows_when_it_was_changed_itself() {
    let outside = tempfile::tempdir().unwrap();
    let key = outside.path().join("key");
    write_private(&key, "0123456789abcdef0123456789abcdef\n");
    let house = House::start(&format!("[audit]\nkey_file = {key:?}\n"));
    let mut ada = house.signed_in("ada", ACME);
    ada.replace(&user("bob", ACME), "description", &["by ada"]);
    assert_eq!(ada.ask(&rename_request(&user("bob", ACME), "uid=robert", None), &[]).code(), 0);
    let config = house.server.config();
    let of_bob = ["audit", "show", "--entry", &user("robert", ACME)];
    let began = Instant::now();
    // Lines are written behind the answer, within a second.
    while rows(&config, &of_bob).last().is_none_or(|row| row["operation"] != "rename") {
        assert!(began.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(100));
    }
    let found = rows(&config, &of_bob);
    assert_eq!(found.iter().map(|row| row["operation"].as_str().unwrap()).next(), Some("add"), "under its former name too: {found:?}");
    assert_eq!(found.last().unwrap()["operation"], "rename");
    let of_ada = rows(&config, &["audit", "show", "--actor", &user("ada", ACME), "--last", "2"]);
    assert_eq!(of_ada.iter().map(|row| row["operation"].as_str().unwrap()).collect::<Vec<_>>(), ["modify", "rename"]);
    let (good, words) = run(&config, &["audit", "verify"]);
    assert!(good && words.contains("signed") && !words.contains("not signed"), "{words}");
    let file = config.parent().unwrap().join("data/audit.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("{SSHA}"), "no secret is in the log");
    // Records at the beginning may be elsewhere, but whoever checks has to know of it.
    let (first, rest) = text.split_once('\n').unwrap();
    std::fs::write(&file, rest).unwrap();
    let (good, words) = run(&config, &["audit", "verify"]);
    assert!(!good && words.contains("the first record is missing"), "{words}");
    let (good, words) = run(&config, &["audit", "verify", "--from-the-middle"]);
    assert!(good && words.contains("not looked at"), "{words}");
    let older = outside.path().join("audit.jsonl.1");
    std::fs::write(&older, format!("{first}\n")).unwrap();
    let (good, words) = run(&config, &["audit", "verify", older.to_str().unwrap()]);
    assert!(good && !words.contains("not looked at"), "{words}");
    std::fs::write(&file, text.replacen("cn=admin", "cn=nobody", 1)).unwrap();
    let (good, words) = run(&config, &["audit", "verify"]);
    assert!(!good && words.contains("line 2: it does not follow"), "{words}");
    let cut = text.trim_end().rsplit_once('\n').unwrap().0;
    std::fs::write(&file, format!("{cut}\n")).unwrap();
    let (good, words) = run(&config, &["audit", "verify"]);
    assert!(!good && words.contains("the end was cut off"), "{words}");
}

/// The records of the audit log, once one is among them that is waited for: they are written behind the answer.
fn records(house: &House, awaited: impl Fn(&Value) -> bool) -> Vec<Value> {
    let file = house.server.config().parent().unwrap().join("data/audit.jsonl");
    let began = Instant::now();
    loop {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let found: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if found.iter().any(&awaited) {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{text}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_record_has_old_and_new_values_cut_and_counted_and_says_how_and_from_where() {
    let more = "[audit]\nvalue_length = 8\nvalues_per_attribute = 2\nhidden_attributes = [\"telephoneNumber\"]\n";
    let house = House::start(more);
    let mut ada = house.server.connect();
    let plain = format!("\0dn:{}\0{PASSWORD}", user("ada", ACME));
    assert_eq!(ada.sasl("PLAIN", Some(plain.as_bytes())).code(), 0);
    let bob = user("bob", ACME);
    ada.replace(&bob, "description", &["one"]);
    ada.replace(&bob, "description", &["two", "three is long", "four", "five"]);
    ada.replace(&bob, "description", &["two", "three is long", "four", "six"]);
    ada.replace(&bob, "manager", &[&user("ann", ACME)]);
    house.server.as_operator().replace(&bob, "telephoneNumber", &["+64 9 999"]);
    let mut operator = house.server.as_operator();
    operator.replace(&bob, "userPassword", &["a canary of a password"]);
    assert_eq!(operator.ask(&delete_request(&user("sam", ACME)), &[]).code(), 0);
    let found = records(&house, |record| record["operation"] == "delete");
    let of_bob: Vec<&Value> =
        found.iter().filter(|record| record["target"] == *bob && record["operation"] == "modify").rev().take(6).collect();
    let [password, telephone, manager, third, second, first] = of_bob.as_slice() else { panic!("{of_bob:?}") };
    assert_eq!(first["changes"], json!([{"attribute": "description", "new": ["one"]}]));
    let cut = json!([{"attribute": "description", "old": ["one"], "new": ["two", "three is… (13 octets)"], "new_left_out": 2}]);
    assert_eq!(second["changes"], cut);
    assert_eq!(third["changes"], json!([{"attribute": "description", "old": ["five"], "new": ["six"]}]), "what stayed is not told");
    assert_eq!(manager["changes"], json!([{"attribute": "manager", "old": [user("gil", ACME)], "new": [user("ann", ACME)]}]));
    let hidden = json!([{"attribute": "telephoneNumber", "secret": true}, {"attribute": "hcPhoneNumber", "secret": true}]);
    assert_eq!(telephone["changes"], hidden, "nor is it told in another form");
    let secret = password["changes"].as_array().unwrap().iter().find(|change| change["attribute"] == "userPassword").unwrap();
    assert_eq!(*secret, json!({"attribute": "userPassword", "secret": true}));
    assert_eq!((&first["method"], &first["address"], &password["method"]), (&json!("SASL PLAIN"), &json!("127.0.0.1"), &json!("simple")));
    assert_eq!(first["actor"], user("ada", ACME));
    let request = |record: &Value| {
        record["request"].as_str().unwrap().strip_prefix("ldap-").unwrap().split('-').map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(request(first)[0], request(second)[0], "the connection is the same");
    assert_ne!(request(first)[1], request(second)[1], "the message is not");
    let gone = found.iter().find(|record| record["operation"] == "delete").unwrap();
    assert!(gone["changes"].as_array().unwrap().contains(&json!({"attribute": "sn", "old": ["sam"]})), "{gone}");
    assert!(!found.iter().any(|record| record.to_string().contains("canary")));
}

#[test]
fn a_record_of_a_changed_schema_names_each_definition_and_has_an_end() {
    let house = House::start("");
    let mut operator = house.server.as_operator();
    let definition = |number: usize, words: usize| {
        format!("( 1.3.6.1.4.1.55555.9.{number} NAME 'audited{number}' DESC '{}' SUP name )", "word ".repeat(words))
    };
    let all: Vec<String> = (0..30).map(|number| definition(number, if number == 0 { 2_000 } else { 600 })).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    assert_eq!(operator.ask(&crate::schema::modify("cn=Subschema", &[(0, "attributeTypes", &all)]), &[]).code(), 0);
    let found = records(&house, |record| record["target"] == "cn=Subschema");
    let record = found.iter().find(|record| record["target"] == "cn=Subschema").unwrap();
    let [change] = record["changes"].as_array().unwrap().as_slice() else { panic!("{record}") };
    let new = change["new"].as_array().unwrap();
    assert!(new[0].as_str().unwrap().ends_with("octets)") && new[1] == all[1], "{record}");
    assert_eq!(new.len() as u64 + change["new_left_out"].as_u64().unwrap(), 30);
    assert!(record.to_string().len() < 80 << 10);
}

#[test]
fn no_values_are_kept_where_the_settings_want_none() {
    let house = House::start("[audit]\nvalues = false\n");
    house.server.as_operator().replace(&user("bob", ACME), "description", &["a canary"]);
    let found = records(&house, |record| record["attributes"] == json!(["description"]));
    assert!(!found.iter().any(|record| record.get("changes").is_some() || record.to_string().contains("a canary")));
}

#[test]
fn records_are_found_by_who_where_what_and_when() {
    let house = House::start("");
    let (mut ada, mut operator) = (house.signed_in("ada", ACME), house.server.as_operator());
    ada.replace(&user("bob", ACME), "description", &["by ada"]);
    operator.replace(&user("eve", OTHER), "description", &["by the operator"]);
    records(&house, |record| record["target"] == user("eve", OTHER) && record["attributes"] == json!(["description"]));
    let config = house.server.config();
    let found = |more: &[&str]| rows(&config, &[&["audit", "show", "--operation", "modify", "--below", ACME], more].concat());
    let by_ada = found(&["--actor", &user("ada", ACME).to_uppercase()]);
    assert_eq!(by_ada.len(), 1, "{by_ada:?}");
    assert_eq!(by_ada[0]["changes"], json!([{"attribute": "description", "new": ["by ada"]}]));
    assert!(found(&[]).iter().all(|row| row["target"].as_str().unwrap().ends_with(ACME)));
    assert!(found(&["--until", "1h"]).is_empty(), "an hour ago there was nothing");
    assert_eq!(found(&["--since", "1h"]).len(), found(&[]).len());
    let (good, words) = run(&config, &["audit", "show", "--last", "1"]);
    assert!(good && words.contains("description: +by the operator"), "{words}");
    let (good, words) = run(&config, &["audit", "show", "--since", "yesterday"]);
    assert!(!good && words.contains("not a time"), "{words}");
}

#[test]
fn s16_a_session_that_ends_says_who_ended_it_and_why_and_so_does_the_log() {
    let house = House::start("");
    let sessions = |wire: &mut crate::wire::Wire| -> Vec<String> {
        let found = wire.entries(&format!("ou=sessions,{ACME}"), &present("hcSessionId"), &["hcSessionUser"]);
        found.iter().filter(|entry| entry.values("hcSessionUser") == [user("ann", ACME)]).map(|entry| entry.dn()).collect()
    };
    let mut operator = house.server.as_operator();
    let told = |wire: &mut crate::wire::Wire| {
        let notice = wire.receive().expect("a notice");
        assert!(notice.is_notice(), "{notice:?}");
        notice.text()
    };
    // By an administrator with words, by one without, by the operator's other change.
    let mut ann = house.signed_in("ann", ACME);
    let session = sessions(&mut operator).remove(0);
    let id = session.split(['=', ',']).nth(1).unwrap().to_owned();
    let request = sequence(&[&octets(&id), &tlv(0x80, "we close at six\r\n{}".as_bytes())]);
    let mut ada = house.signed_in("ada", ACME);
    let end = extended_request("2.25.128590336736012936669972887359999261034.4.1", Some(&request));
    assert_eq!(ada.ask(&end, &[]).code(), 0);
    assert_eq!(told(&mut ann), format!("the session was ended by {}: we close at six\r\n{{}}", user("ada", ACME)));
    let mut ann = house.signed_in("ann", ACME);
    let session = sessions(&mut operator).remove(0);
    assert_eq!(ada.ask(&delete_request(&session), &[]).code(), 0);
    assert_eq!(told(&mut ann), format!("the session was ended by {}", user("ada", ACME)));
    let mut ann = house.signed_in("ann", ACME);
    operator.replace(&user("ann", ACME), "hcActive", &["FALSE"]);
    assert_eq!(told(&mut ann), "the session was ended by cn=admin: account disabled");
    let found = records(&house, |record| record["detail"].as_str().is_some_and(|detail| detail.starts_with("account disabled")));
    let ends: Vec<(&str, &str)> = found
        .iter()
        .filter(|record| record["operation"] == "session-end")
        .map(|record| (record["actor"].as_str().unwrap(), record["detail"].as_str().unwrap()))
        .collect();
    let (by_ada, of_ann) = (user("ada", ACME), user("ann", ACME));
    let wanted = [
        (&*by_ada, format!("ended by request, of {of_ann}: we close at six\r\n{{}}")),
        (&*by_ada, format!("ended by request, of {of_ann}")),
        ("cn=admin", format!("account disabled, of {of_ann}")),
    ];
    assert_eq!(ends, wanted.each_ref().map(|(actor, detail)| (*actor, detail.as_str())));
}

#[test]
fn the_server_finds_by_itself_that_the_log_was_changed_and_tells() {
    let port = free_port();
    let listener = format!("[[listener]]\nkind = \"http\"\naddress = \"127.0.0.1:{port}\"\n");
    let house = House::start(&format!("{listener}[metrics]\nnetworks = [\"127.0.0.1/32\"]\n[audit]\nverify_every = \"1s\"\n"));
    let measured = |name: &str| -> f64 {
        let (_, text) = http(port, "GET", "/metrics", "", "");
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")).map(str::to_owned));
        line.unwrap_or_else(|| panic!("no {name}: {text}")).trim().parse().unwrap()
    };
    let wait = |what: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !what() {
            assert!(began.elapsed() < Duration::from_secs(30), "{}", house.server.said());
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    records(&house, |record| record["operation"] == "add");
    wait(&|| measured("headcount_audit_verified_timestamp_seconds") > 0.0);
    assert_eq!(measured("headcount_audit_broken"), 0.0);
    let file = house.server.config().parent().unwrap().join("data/audit.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("cn=admin", "cn=nadmi", 1)).unwrap();
    wait(&|| measured("headcount_audit_broken") == 1.0);
    assert!(house.server.said().contains("the audit log was changed or cut off"), "{}", house.server.said());
}

#[test]
fn an_end_that_was_cut_off_while_the_server_was_down_is_noted_before_the_chain_goes_on() {
    let mut demo = crate::demo::Demo::start();
    drop(demo.as_operator());
    demo.stop();
    let data = demo.folder().join("data");
    let text = std::fs::read_to_string(data.join("audit.jsonl")).unwrap();
    let cut = text.trim_end().rsplit_once('\n').unwrap().0;
    std::fs::write(data.join("audit.jsonl"), format!("{cut}\n")).unwrap();
    demo.kill_and_restart();
    let began = Instant::now();
    while rows(&demo.config(), &["audit", "show", "--security", "--operation", "audit-broken"]).is_empty() {
        assert!(began.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn sha256(octets: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(octets).iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Appends a line that follows the last one to a log.
fn forge(log: &Path) {
    let text = std::fs::read_to_string(log).unwrap();
    let last = text.lines().last().unwrap();
    let mut line: serde_json::Map<String, Value> = serde_json::from_str(last).unwrap();
    line["part"] = json!(line["part"].as_u64().unwrap() + 1);
    line["previous"] = json!(sha256(last.as_bytes()));
    line["actor"] = json!("cn=innocent");
    std::fs::write(log, format!("{text}{}\n", Value::Object(line))).unwrap();
}

#[test]
fn what_others_wrote_or_deleted_while_the_server_was_down_is_told_and_never_signed() {
    let mut demo = crate::demo::Demo::start();
    let (config, data, key) = (demo.config(), demo.folder().join("data"), demo.folder().join("audit-key"));
    let change = |demo: &crate::demo::Demo, text: &str| {
        demo.as_operator().replace(&demo.organisation(), "description", &[text]);
    };
    let verify = || run(&config, &["audit", "verify"]);
    let broken = || rows(&config, &["audit", "show", "--security", "--operation", "audit-broken"]).len();
    demo.stop();
    // A key for a log that there is: nobody but the operator can say that it was good until now.
    write_private(&key, "0123456789abcdef0123456789abcdef\n");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}\n[audit]\nkey_file = {key:?}\n")).unwrap();
    assert!(verify().1.contains("not signed by the key"), "{:?}", verify());
    let (good, words) = run(&config, &["audit", "renew"]);
    assert!(good && words.contains("former-"), "{words}");
    demo.kill_and_restart();
    let (good, words) = run(&config, &["audit", "renew"]);
    assert!(!good && words.contains("another process"), "{words}");
    change(&demo, "one");
    demo.stop();
    let (good, words) = verify();
    assert!(good && words.contains("signed") && broken() == 0, "{words}");
    forge(&data.join("audit.jsonl"));
    forge(&data.join("security.jsonl"));
    assert!(verify().1.matches("was not written by the server").count() == 2, "{:?}", verify());
    demo.kill_and_restart();
    assert!(demo.is_alive(), "it goes on");
    change(&demo, "two");
    demo.stop();
    assert_eq!((verify().0, verify().1.matches("it does not follow").count(), broken()), (false, 2, 2), "{:?}", verify());
    assert!(run(&config, &["audit", "renew"]).0);
    demo.kill_and_restart();
    change(&demo, "three");
    demo.stop();
    assert!(verify().0, "{:?}", verify());
    // Everything away, as if there had never been a log.
    for name in ["audit.jsonl", "audit.checkpoint", "security.jsonl", "security.checkpoint"] {
        std::fs::remove_file(data.join(name)).unwrap();
    }
    assert_eq!(verify().1.matches("there is no checkpoint").count(), 2, "{:?}", verify());
    demo.kill_and_restart();
    change(&demo, "four");
    demo.stop();
    assert_eq!((verify().1.matches("could not tell what was before").count(), broken()), (2, 2), "{:?}", verify());
}
