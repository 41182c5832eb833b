//! The log of the server: JSON that stays a line an event, with the request's id in it.

use crate::house::{ACME, House, user};
use crate::monitor::http;
use crate::server::{PASSWORD, free_port};
use crate::wire::{equal, search_request};
use serde_json::Value;
use std::time::{Duration, Instant};

const JSON: &str = "[log]\nformat = \"json\"\nlevel = \"debug\"\n";

/// The events of the log, each of which must be an object on a line of its own.
fn events(house: &House) -> Vec<Value> {
    let text = house.server.said();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The first event that is the one wanted.
fn awaited(house: &House, is: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        if let Some(found) = events(house).into_iter().find(&is) {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{}", house.server.said());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn hg1_whatever_a_peer_sends_an_event_is_one_json_line() {
    let port = free_port();
    let house = House::start(&format!("[[listener]]\nkind = \"http\"\naddress = \"127.0.0.1:{port}\"\n{JSON}"));
    let nasty = "x\r\n{\"message\":\"fake\"}\u{1b}[2J\u{2028}\u{2029}\u{85}";
    let mut wire = house.server.connect();
    let escaped = nasty.replace('\r', "\\0d").replace('\n', "\\0a").replace('"', "\\22").replace(',', "\\2c");
    assert_eq!(wire.bind(&format!("uid={escaped},{ACME}"), PASSWORD).code(), 49);
    wire.bind(nasty, PASSWORD);
    let mut ann = house.signed_in("ann", ACME);
    ann.ask_all(&search_request(ACME, 2, &equal("description", nasty.as_bytes()), &[nasty]), &[]);
    ann.ask_all(&search_request(nasty, 2, &equal(nasty, b"x"), &[]), &[]);
    let agent = format!("User-Agent: Mo\u{1b}[2J\u{2028}zilla\r\nAuthorization: Bearer {}\r\n", nasty.replace(['\r', '\n'], ""));
    http(port, "GET", "/scim/v2/Users", &agent, "");
    ann.bind(&user("ann", ACME), "wrong");
    awaited(&house, |event| event["message"] == "answered" && event["code"] == "InvalidDNSyntax");
    let text = house.server.said();
    let ends = |character: char| (character.is_control() && character != '\n') || matches!(character, '\u{2028}' | '\u{2029}');
    assert!(!text.contains(ends), "{text}");
    assert!(events(&house).iter().all(|event| event["message"] != "fake"));
}

#[test]
fn every_answer_names_its_request_as_the_audit_log_does() {
    let port = free_port();
    let house = House::start(&format!("[[listener]]\nkind = \"http\"\naddress = \"127.0.0.1:{port}\"\n{JSON}"));
    let mut operator = house.server.as_operator();
    operator.replace(&user("bob", ACME), "description", &["a change to look for"]);
    let file = house.server.config().parent().unwrap().join("data/audit.jsonl");
    let began = Instant::now();
    let record = loop {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        if let Some(line) = text.lines().find(|line| line.contains("a change to look for")) {
            break serde_json::from_str::<Value>(line).unwrap();
        }
        assert!(began.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(100));
    };
    let answered = awaited(&house, |event| event["request"] == record["request"]);
    assert_eq!((&answered["operation"], &answered["code"]), (&"Modify".into(), &"Success".into()), "{answered}");
    let (_, answer) = http(port, "GET", "/livez", "", "");
    let id = answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).expect("an id").trim().to_owned();
    let answered = awaited(&house, |event| event["span"]["request"] == *id);
    assert_eq!(answered["span"]["route"], "/livez");
}

#[test]
fn the_level_changes_while_the_server_runs() {
    let house = House::start("[log]\nformat = \"json\"\n");
    assert!(events(&house).iter().all(|event| event["level"] != "DEBUG"));
    house.server.write_config(JSON);
    house.server.signal("HUP");
    let began = Instant::now();
    while !events(&house).iter().any(|event| event["message"] == "answered") {
        drop(house.server.connect().root_dse("namingContexts"));
        assert!(began.elapsed() < Duration::from_secs(20), "{}", house.server.said());
        std::thread::sleep(Duration::from_millis(100));
    }
}
