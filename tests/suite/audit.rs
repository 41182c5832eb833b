//! The audit log: who changed what, and that nobody has changed the log.

use crate::access::rows;
use crate::demo::headcount;
use crate::house::{ACME, House, OTHER, rename_request, user};
use crate::server::{PASSWORD, write_private};
use crate::wire::delete_request;
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
    assert_eq!(telephone["changes"], json!([{"attribute": "telephoneNumber", "secret": true}]));
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
