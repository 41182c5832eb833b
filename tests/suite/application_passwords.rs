//! Passwords that open one application and nothing else.

use crate::demo::{Demo, headcount};
use crate::house::{add_request, rename_request};
use crate::transactions::together;
use crate::wire::{SESSION_CONTROL, Wire, bind_request, control, equal, octets, present, replace_request, search_request, sequence, tlv};
use std::io::Write;
use std::time::{Duration, Instant};

const INVALID_CREDENTIALS: u32 = 49;
const INSUFFICIENT_ACCESS: u32 = 50;
const CONSTRAINT_VIOLATION: u32 = 19;

/// A demo with two applications, recognised by the name that they send.
fn start() -> Demo {
    let demo = Demo::start();
    let mut config = std::fs::OpenOptions::new().append(true).open(demo.config()).unwrap();
    config.write_all(b"\n[[application]]\nname = \"mail\"\n\n[[application]]\nname = \"wiki\"\n\n[[application]]\nname = \"console\"\nadministrative = true\n").unwrap();
    drop(config);
    let begun = Instant::now();
    // The config is taken over while it runs.
    while write(&demo, &format!("wiki${}", "x".repeat(40))) != 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "the config is not taken over");
        std::thread::sleep(Duration::from_millis(200));
    }
    demo
}

fn write(demo: &Demo, value: &str) -> u32 {
    demo.as_operator().ask(&replace_request(&demo.users[0].dn, "hcApplicationPassword", &[value]), &[]).code()
}

/// Runs the command for the first user.
fn command(demo: &Demo, arguments: &[&str]) -> (bool, String) {
    let mut command = headcount();
    command.arg("--config").arg(demo.config()).args(["--json", "user", "application-password", &demo.users[0].dn]);
    let output = command.args(arguments).output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

fn made(demo: &Demo, application: &str) -> String {
    let (done, said) = command(demo, &[application]);
    assert!(done, "{said}");
    let row: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    row["password"].as_str().unwrap().to_owned()
}

/// Signs the first user in from an application.
fn from(demo: &Demo, application: Option<&str>, password: &str) -> (u32, Wire) {
    let mut wire = demo.connect();
    let value = application.map(|application| sequence(&[&tlv(0x80, application.as_bytes())]));
    let controls: Vec<Vec<u8>> = value.iter().map(|value| control(SESSION_CONTROL, false, Some(value))).collect();
    let code = wire.ask(&bind_request(&demo.users[0].dn, password.as_bytes()), &controls).code();
    (code, wire)
}

#[test]
fn o7_one_opens_its_application_only_without_a_code_and_with_a_seat() {
    let demo = start();
    let password = made(&demo, "mail");
    demo.as_operator().replace(&demo.users[0].dn, "hcOneTimeSecret", &["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"]);
    for application in [None, Some("wiki"), Some("other")] {
        assert_eq!(from(&demo, application, &password).0, INVALID_CREDENTIALS, "{application:?}");
    }
    assert!(demo.sessions().is_empty());
    assert_eq!(from(&demo, Some("mail"), &password).0, 0);
    assert_eq!(demo.seated(), [demo.users[0].dn.clone()]);
    assert_eq!(from(&demo, Some("mail"), &demo.users[0].password).0, INVALID_CREDENTIALS, "the password wants its code there too");
    demo.as_operator().replace(&demo.users[0].dn, "hcOneTimeSecret", &[]);
    assert_eq!(from(&demo, Some("mail"), &demo.users[0].password).0, 0);
    assert_eq!(from(&demo, None, &demo.users[0].password).0, 0);
}

#[test]
fn a_revoked_one_ends_its_sessions_and_opens_nothing() {
    let demo = start();
    let password = made(&demo, "mail");
    let (code, mut wire) = from(&demo, Some("mail"), &password);
    assert_eq!(code, 0);
    assert!(!command(&demo, &["mail"]).0, "one for each application");
    assert!(command(&demo, &["MAIL", "--remove"]).0);
    assert!(demo.sessions().is_empty());
    assert_eq!(from(&demo, Some("mail"), &password).0, INVALID_CREDENTIALS);
    wire.send(&crate::wire::message(9, &search_request(&demo.users[0].dn, 0, &present("objectClass"), &["1.1"]), &[]));
    assert!(wire.receive().is_none_or(|answer| answer.tag != 0x64), "its connection is over");
    assert!(!command(&demo, &["mail", "--remove"]).0, "it is gone");
}

#[test]
fn hb3_one_forgets_no_failures_of_the_password() {
    let demo = start();
    let (user, password) = (&demo.users[0], made(&demo, "mail"));
    for _ in 0..4 {
        assert_eq!(from(&demo, None, "a guess").0, INVALID_CREDENTIALS);
    }
    assert_eq!(from(&demo, Some("mail"), &password).0, 0);
    let failures = demo.as_operator().ask_all(&search_request(&user.dn, 0, &present("objectClass"), &["pwdFailureTime"]), &[]);
    assert_eq!(failures[0].values("pwdFailureTime").len(), 4);
    assert_eq!(from(&demo, None, "a guess").0, INVALID_CREDENTIALS);
    assert_eq!(from(&demo, None, &user.password).0, INVALID_CREDENTIALS, "it has to wait");
}

#[test]
fn who_came_in_by_one_changes_no_credentials() {
    let demo = start();
    let password = made(&demo, "mail");
    let (_, mut wire) = from(&demo, Some("mail"), &password);
    let new = sequence(&[&tlv(0x82, b"a new one that is long enough")]);
    let answer = wire.ask(&crate::wire::extended_request("1.3.6.1.4.1.4203.1.11.1", Some(&new)), &[]);
    assert_eq!(answer.code(), INSUFFICIENT_ACCESS);
    assert_eq!(from(&demo, None, &demo.users[0].password).0, 0, "the password is what it was");
}

/// The first user, made an administrator, come in by an application password.
fn administrator(demo: &Demo, application: &str) -> Wire {
    let password = made(demo, application);
    let role = format!("cn=application-administrator,ou=roles,{}", demo.organisation());
    let mut operator = demo.as_operator();
    let class = ("objectClass", "hcRoleDefinition");
    let attributes = [class, ("cn", "application-administrator"), ("hcRoleSystem", "organisation-admin")];
    assert!(matches!(operator.ask(&add_request(&role, &attributes), &[]).code(), 0 | 68));
    operator.replace(&demo.users[0].dn, "hcRole", &[&role]);
    from(demo, Some(application), &password).1
}

#[test]
fn u5_an_administrator_who_came_in_by_one_does_not_move_its_own_address() {
    let demo = start();
    for application in ["mail", "console"] {
        let mut wire = administrator(&demo, application);
        let mut mail = |dn: &str| wire.ask(&replace_request(dn, "mail", &["elsewhere@example.com"]), &[]).code();
        assert_eq!(mail(&demo.users[0].dn), INSUFFICIENT_ACCESS);
        let hidden = sequence(&[
            &[0x0a, 0x01, 0x02],
            &sequence(&[&octets("hcEmail"), &tlv(0x31, &octets("{\"value\":\"elsewhere@example.com\"}"))]),
        ]);
        assert_eq!(wire.ask(&tlv(0x66, &[octets(&demo.users[0].dn), tlv(0x30, &hidden)].concat()), &[]).code(), INSUFFICIENT_ACCESS);
        let (organisation, uid) = (demo.organisation(), demo.users[0].dn.split(',').next().unwrap().to_owned());
        let other = format!("uid=another,ou=users,{organisation}");
        let updates = [
            rename_request(&demo.users[0].dn, "uid=another", None),
            replace_request(&other, "mail", &["elsewhere2@example.com"]),
            rename_request(&other, &uid, None),
        ];
        assert_eq!(together(&mut wire, &updates), INSUFFICIENT_ACCESS, "by another name neither");
    }
    let own = demo.signed_in(&demo.users[0]).ask(&replace_request(&demo.users[0].dn, "mail", &["moved@example.com"]), &[]);
    assert_eq!(own.code(), 0, "and with the password of the account it may");
}

#[test]
fn u5_who_came_in_by_one_gives_nobody_an_address_or_a_role_but_to_administer() {
    let demo = start();
    let organisation = demo.organisation();
    let role = format!("cn=application-administrator,ou=roles,{organisation}");
    let new = |uid: &str, more: &[(&str, &str)]| {
        let given = [("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("uid", uid), ("cn", uid), ("sn", uid)];
        add_request(&format!("uid={uid},ou=users,{organisation}"), &[&given, more].concat())
    };
    let other = &demo.users[1].dn;
    let tried = |wire: &mut Wire| {
        let one = new("one", &[("mail", "one@example.com")]);
        let role_of_new = new("two", &[("hcRole", &role)]);
        let added =
            sequence(&[&[0x0a, 0x01, 0x00], &sequence(&[&octets("hcEmail"), &tlv(0x31, &octets("{\"value\":\"x@example.com\"}"))])]);
        let hidden = tlv(0x66, &[octets(other), tlv(0x30, &added)].concat());
        let later = replace_request(other, "hcRole", &[&format!("cn=to-come,ou=roles,{organisation}")]);
        [replace_request(other, "mail", &["elsewhere@example.com"]), hidden, replace_request(other, "hcRole", &[&role]), one, role_of_new]
            .into_iter()
            .chain([later])
            .map(|request| wire.ask(&request, &[]).code())
            .collect::<Vec<u32>>()
    };
    let mut wire = administrator(&demo, "mail");
    let refused = tried(&mut wire);
    assert!(refused.iter().all(|code| *code == INSUFFICIENT_ACCESS), "{refused:?}");
    assert_eq!(wire.ask(&replace_request(other, "description", &["seen"]), &[]).code(), 0, "the rest is its work");
    assert_eq!(wire.ask(&new("bare", &[]), &[]).code(), 0);
    let taken = tried(&mut administrator(&demo, "console"));
    assert!(taken.iter().all(|code| *code == 0), "{taken:?}");
}

#[test]
fn hc1_they_are_long_known_to_the_config_and_never_seen() {
    let demo = start();
    let user = &demo.users[0].dn;
    for refused in ["mail", "mail$short", "till$0123456789012345678901234567890123456789"] {
        assert_eq!(write(&demo, refused), CONSTRAINT_VIOLATION, "{refused}");
    }
    let clear = "0123456789012345678901234567890123456789";
    assert_eq!(write(&demo, &format!("mail${clear}")), 0);
    assert_eq!(from(&demo, Some("mail"), clear).0, 0);
    let mut operator = demo.as_operator();
    assert!(operator.entries(user, &present("hcApplicationPassword"), &["1.1"]).is_empty());
    assert!(operator.entries(user, &equal("hcApplicationPassword", b"mail"), &["1.1"]).is_empty());
    let exported = headcount().arg("--config").arg(demo.config()).args(["export", "--base", user]).output().unwrap();
    let exported = String::from_utf8(exported.stdout).unwrap();
    assert!(exported.contains("hcApplicationPassword: mail${SHA256}") && !exported.contains(clear), "{exported}");
    let mut own = demo.signed_in(&demo.users[0]);
    let add =
        sequence(&[&[0x0a, 0x01, 0x00], &sequence(&[&octets("hcApplicationPassword"), &tlv(0x31, &octets(format!("wiki${clear}")))])]);
    assert_ne!(own.ask(&tlv(0x66, &[octets(user), tlv(0x30, &add)].concat()), &[]).code(), 0, "administrators give them");
}
