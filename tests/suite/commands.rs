//! The command line where something is not as it must be: what it says, where, and with which exit code.

use crate::demo::headcount;
use crate::reload::LOOPBACK;
use crate::server::{OPERATOR, free_port, salted_hash, write_private};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Output;

/// A config whose server does not run and never did.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let place = Self { folder };
        place.write("");
        place
    }

    fn write(&self, more: &str) {
        let text = format!(
            "folder = \"data\"\nsuffix = [{{ dn = \"dc=example,dc=com\" }}]\n{more}\n\
             [operator]\ndn = \"{OPERATOR}\"\npassword_hash = \"{}\"\n\
             [[listener]]\nkind = \"ldap\"\naddress = \"{LOOPBACK}:{}\"\n",
            salted_hash("secret"),
            free_port()
        );
        write_private(&self.file("headcount.toml"), &text);
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        headcount().arg("--config").arg(self.file("headcount.toml")).args(arguments).output().unwrap()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_command_makes_no_data_folder() {
    let place = Place::new();
    let backup = place.file("all.backup");
    let commands = [
        &["verify"][..],
        &["export"],
        &["sessions", "list"],
        &["user", "list"],
        &["compact"],
        &["backup", backup.to_str().unwrap()],
        &["audit", "verify"],
        &["audit", "show"],
        &["audit", "renew"],
    ];
    let data = place.file("data");
    for is_there in [false, true] {
        for arguments in commands {
            let output = place.run(arguments);
            let said = said(&output);
            assert_eq!(output.status.code(), Some(4), "{arguments:?}: {said}");
            assert!(said.contains(data.to_str().unwrap()) && said.contains("no directory is here"), "{said}");
            assert!(output.stdout.is_empty() && !backup.exists(), "{output:?}");
            assert_eq!(std::fs::read_dir(&data).map_or(0, Iterator::count), 0, "{arguments:?}");
            assert_eq!(data.exists(), is_there, "{arguments:?}");
        }
        std::fs::create_dir_all(&data).unwrap();
    }
    // An import begins one, and then there is something to look at.
    let ldif = place.file("one.ldif");
    std::fs::write(&ldif, "dn: dc=example,dc=com\nobjectClass: domain\ndc: example\n").unwrap();
    assert!(place.run(&["import", ldif.to_str().unwrap()]).status.success());
    assert!(place.run(&["verify"]).status.success());
}

#[test]
fn what_goes_wrong_here_is_json_too_where_that_is_asked_for() {
    let place = Place::new();
    let (absent, empty) = (place.file("absent"), place.file("empty"));
    std::fs::write(&empty, "").unwrap();
    let (absent, empty) = (absent.to_str().unwrap(), empty.to_str().unwrap());
    let error = |arguments: &[&str]| {
        let output = place.run(&[&["--json"], arguments].concat());
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}: {output:?}");
        let said = said(&output);
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
        let told: serde_json::Value = serde_json::from_str(&said).unwrap();
        (told["error"].as_str().unwrap().to_owned(), output.status.code())
    };
    for (arguments, expected, code) in [
        (&["restore", absent][..], "absent", 1),
        (&["passwd", "--password-file", empty], "the password is empty", 1),
        (&["import", absent], "absent: ", 1),
        (&["import", "/tmp"], "/tmp: ", 1),
    ] {
        let (error, found) = error(arguments);
        assert!(error.contains(expected) && !error.starts_with("headcount: "), "{error}");
        assert_eq!(found, Some(code), "{error}");
    }
    place.write("no_such_key = 1");
    for command in [&["check"][..], &["serve"], &["verify"], &["audit", "verify"], &["restore", absent]] {
        let (error, code) = error(command);
        assert!(error.contains("unknown key `no_such_key`") && error.contains("1 problem found"), "{error}");
        assert_eq!(code, Some(3));
    }
}
