//! What was acknowledged is there after a kill, and nothing is there by half (hardening §1 promises 1 and 2).

use crate::demo::{Demo, headcount};
use crate::server::Server;
use crate::wire::{equal, octets, present, sequence, tlv};
use std::net::{IpAddr, Ipv4Addr};
use std::process::Output;

fn add(demo: &Demo, wire: &mut crate::wire::Wire, name: &str) {
    let attribute = |name: &str, value: &str| sequence(&[&octets(name), &tlv(0x31, &octets(value))]);
    let attributes = [attribute("objectClass", "inetOrgPerson"), attribute("cn", name), attribute("sn", name)].concat();
    let dn = format!("cn={name},{}", demo.organisation());
    let answer = wire.ask(&tlv(0x68, &[octets(dn), tlv(0x30, &attributes)].concat()), &[]);
    assert_eq!(answer.code(), 0, "{name}: {}", answer.text());
}

fn tool(demo: &Demo, command: &str) -> Output {
    headcount().arg(command).arg("--config").arg(demo.config()).output().unwrap()
}

fn verify(demo: &Demo) -> Output {
    tool(demo, "verify")
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let mut demo = Demo::start();
    let mut wire = demo.as_operator();
    for round in 0..3 {
        for at in 0..50 {
            add(&demo, &mut wire, &format!("kept-{round}-{at}"));
        }
        demo.kill_and_restart();
        wire = demo.as_operator();
        let found = wire.entries(&demo.organisation(), &equal("objectClass", b"inetOrgPerson"), &["cn"]);
        for at in 0..50 {
            let name = format!("kept-{round}-{at}");
            assert!(found.iter().any(|entry| entry.values("cn") == [name.clone()]), "{name} is lost");
        }
    }
    demo.kill();
    let output = verify(&demo);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_destroyed_sled_folder_is_rebuilt_at_start() {
    let mut demo = Demo::start();
    let mut wire = demo.as_operator();
    for at in 0..20 {
        add(&demo, &mut wire, &format!("rebuilt-{at}"));
    }
    let count = |demo: &Demo| demo.as_operator().entries(&demo.organisation(), &present("objectClass"), &["1.1"]).len();
    let before = count(&demo);
    demo.kill();
    let mut destroyed = 0;
    for file in files_below(&demo.folder()) {
        if file.components().any(|part| part.as_os_str().to_string_lossy().contains("sled")) {
            let length = std::fs::metadata(&file).unwrap().len();
            std::fs::write(&file, vec![0xa5; usize::try_from(length).unwrap()]).unwrap();
            destroyed += 1;
        }
    }
    assert!(destroyed > 0, "there is a sled folder: {:?}", files_below(&demo.folder()));
    demo.kill_and_restart();
    assert_eq!(count(&demo), before);
}

fn files_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}

#[test]
fn a_write_is_visible_to_every_read_that_starts_after_it() {
    let demo = Demo::start();
    let (mut writer, mut reader) = (demo.as_operator(), demo.as_operator());
    for at in 0..200 {
        let name = format!("seen-{at}");
        add(&demo, &mut writer, &name);
        assert_eq!(reader.entries(&demo.organisation(), &equal("cn", name.as_bytes()), &["1.1"]).len(), 1, "{name}");
    }
}

#[test]
fn hg6_compaction_beside_changes_with_and_without_a_daemon() {
    let mut demo = Demo::start();
    let mut wire = demo.as_operator();
    let compact = |demo: &Demo| {
        let output = tool(demo, "compact");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("octets_before") && said.contains("octets_after"), "{said}");
    };
    std::thread::scope(|scope| {
        let compacting = scope.spawn(|| (0..4).for_each(|_| compact(&demo)));
        let mut at = 0;
        while !compacting.is_finished() || at < 50 {
            add(&demo, &mut wire, &format!("beside-{at}"));
            at += 1;
        }
    });
    assert!(verify(&demo).status.success(), "with a daemon");
    let count = |demo: &Demo| demo.as_operator().entries(&demo.organisation(), &present("objectClass"), &["1.1"]).len();
    let before = count(&demo);
    demo.kill();
    compact(&demo);
    let output = verify(&demo);
    assert!(output.status.success(), "without one: {}", String::from_utf8_lossy(&output.stderr));
    demo.kill_and_restart();
    assert_eq!(count(&demo), before);
    assert!(!files_below(&demo.folder()).iter().any(|file| file.to_string_lossy().contains("sled.")), "nothing is left of the old one");
}

#[test]
fn hg6_a_kill_at_any_moment_of_a_compaction_loses_nothing() {
    let mut demo = Demo::start();
    let mut wire = demo.as_operator();
    for at in 0..100 {
        add(&demo, &mut wire, &format!("kept-{at}"));
    }
    let found = |demo: &Demo| demo.as_operator().entries(&demo.organisation(), &present("objectClass"), &["*", "+"]).len();
    let mut expected = found(&demo);
    // From the start of the command to after its end, wherever that is on this machine.
    for pause in [0, 10, 20, 30, 40, 60, 80, 120, 200] {
        let mut compacting = headcount().arg("compact").arg("--config").arg(demo.config()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(pause));
        add(&demo, &mut wire, &format!("during-{pause}"));
        expected += 1;
        demo.kill();
        // It fails, or has ended; where it has not begun it finds no daemon and compacts by itself.
        compacting.wait().unwrap();
        demo.kill_and_restart();
        wire = demo.as_operator();
        assert_eq!(found(&demo), expected, "killed after {pause} ms");
    }
    let output = verify(&demo);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn who_can_connect_can_reach_it_by_the_command_line() {
    for _ in 0..5 {
        let server = Server::start(IpAddr::V4(Ipv4Addr::LOCALHOST), "");
        let socket = server.config().with_file_name("data").join("control.sock");
        assert!(std::os::unix::net::UnixStream::connect(&socket).is_ok(), "a client was let in before {}", socket.display());
    }
}

#[test]
fn whoever_sees_that_it_serves_may_end_it_cleanly() {
    for _ in 0..8 {
        // The stop asserts how the server ended.
        Demo::start().stop();
    }
}
