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
    let commands: [&[&str]; 6] =
        [&["verify"], &["export"], &["sessions", "list"], &["user", "list"], &["compact"], &["backup", backup.to_str().unwrap()]];
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
