//! The audit log: who changed what, and that nobody has changed the log.

use crate::access::rows;
use crate::demo::headcount;
use crate::house::{ACME, House, rename_request, user};
use crate::server::write_private;
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
