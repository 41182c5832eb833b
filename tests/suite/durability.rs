//! What was acknowledged is there after a kill, and nothing is there by half (hardening §1 promises 1 and 2).

use crate::demo::{Demo, headcount};
use crate::wire::{equal, octets, present, sequence, tlv};
use std::process::Output;

fn add(demo: &Demo, wire: &mut crate::wire::Wire, name: &str) {
    let attribute = |name: &str, value: &str| sequence(&[&octets(name), &tlv(0x31, &octets(value))]);
    let attributes = [attribute("objectClass", "inetOrgPerson"), attribute("cn", name), attribute("sn", name)].concat();
    let dn = format!("cn={name},{}", demo.organisation());
    let answer = wire.ask(&tlv(0x68, &[octets(dn), tlv(0x30, &attributes)].concat()), &[]);
    assert_eq!(answer.code(), 0, "{name}: {}", answer.text());
}

fn verify(demo: &Demo) -> Output {
    headcount().arg("verify").arg("--config").arg(demo.config()).output().unwrap()
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
