//! A demo of its own for each test: `headcount demo --json` in a folder that goes when the test ends.

use crate::wire::{Wire, equal};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The program under test.
pub(crate) fn headcount() -> Command {
    Command::new(env!("CARGO_BIN_EXE_headcount"))
}

/// Somebody who can bind.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// The DN.
    pub(crate) dn: String,
    /// The password.
    pub(crate) password: String,
}

/// A running demo.
pub(crate) struct Demo {
    child: Child,
    folder: tempfile::TempDir,
    /// Where LDAP is spoken.
    pub(crate) ldap: SocketAddr,
    /// The operator.
    pub(crate) operator: Person,
    /// The users of type `app`: more than there are seats.
    pub(crate) users: Vec<Person>,
    /// Users of type `service`.
    pub(crate) services: Vec<Person>,
}

impl Demo {
    /// Starts one in a new folder.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (child, line) = launch(folder.path());
        let json: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let person = |value: &serde_json::Value| Person {
            dn: value["dn"].as_str().expect("a dn").to_owned(),
            password: value["password"].as_str().expect("a password").to_owned(),
        };
        let listed = json["users"].as_array().expect("users");
        let of_type = |wanted: &str| listed.iter().filter(|user| user["type"] == wanted).map(person).collect();
        Self {
            child,
            ldap: address(&json),
            operator: person(&json["operator"]),
            users: of_type("app"),
            services: of_type("service"),
            folder,
        }
    }

    /// The folder it keeps everything in.
    pub(crate) fn folder(&self) -> PathBuf {
        data_folder(self.folder.path())
    }

    /// The config it made for itself.
    pub(crate) fn config(&self) -> PathBuf {
        let files = std::fs::read_dir(self.folder()).unwrap().map(|entry| entry.unwrap().path());
        files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "toml")).expect("the demo has a config")
    }

    /// Kills it as `kill -9` does, and starts it again in the same folder.
    pub(crate) fn kill_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.launch_again();
    }

    /// Asks it to stop, waits for it, and starts it again in the same folder.
    pub(crate) fn stop_and_restart(&mut self) {
        self.stop();
        self.launch_again();
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(&mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "a clean stop ends with {status}");
    }

    /// Kills it and leaves it dead.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn launch_again(&mut self) {
        let (child, line) = launch(self.folder.path());
        self.child = child;
        self.ldap = address(&serde_json::from_str(&line).unwrap());
    }

    /// Whether the process still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// The memory of the process that is in use, in octets.
    pub(crate) fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }

    /// A new connection.
    pub(crate) fn connect(&self) -> Wire {
        Wire::connect(self.ldap)
    }

    /// A new connection on which this person has signed in.
    pub(crate) fn signed_in(&self, person: &Person) -> Wire {
        let mut wire = self.connect();
        let answer = wire.bind(&person.dn, &person.password);
        assert_eq!(answer.code(), 0, "{}: {}", person.dn, answer.text());
        wire
    }

    /// A new connection of the operator.
    pub(crate) fn as_operator(&self) -> Wire {
        self.signed_in(&self.operator)
    }

    /// The DN of the organisation: the part of a user's DN that begins with its `o`.
    pub(crate) fn organisation(&self) -> String {
        let dn = &self.users[0].dn;
        let at = dn.find(",o=").map_or_else(|| panic!("{dn} is in no organisation"), |comma| comma + 1);
        dn[at..].to_owned()
    }

    /// The DN of its licence.
    pub(crate) fn licence(&self) -> String {
        let found = self.as_operator().entries(&self.organisation(), &equal("objectClass", b"hcLicence"), &["1.1"]);
        assert_eq!(found.len(), 1, "the demo has one licence");
        found[0].dn()
    }

    /// Changes a setting of the licence.
    pub(crate) fn set_licence(&self, attribute: &str, value: &str) {
        self.as_operator().replace(&self.licence(), attribute, &[value]);
    }

    /// The DNs of the sessions there are now.
    pub(crate) fn sessions(&self) -> Vec<String> {
        let found = self.as_operator().entries(&self.organisation(), &equal("objectClass", b"hcSession"), &["1.1"]);
        found.iter().map(crate::wire::Answer::dn).collect()
    }

    /// Whom the sessions belong to, sorted.
    pub(crate) fn seated(&self) -> Vec<String> {
        let filter = equal("objectClass", b"hcSession");
        let found = self.as_operator().entries(&self.organisation(), &filter, &["hcSessionUser"]);
        let mut users: Vec<String> = found.iter().flat_map(|entry| entry.values("hcSessionUser")).collect();
        users.sort();
        users
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        if std::thread::panicking() {
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the last the daemon said:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        } else {
            assert_no_panic(&log);
        }
    }
}

/// A panic that one connection bore is a failure of the test all the same (hardening HA3).
pub(crate) fn assert_no_panic(log: &str) {
    let told: Vec<&str> = log.lines().filter(|line| line.contains("panic") || line.contains("overflowed its stack")).collect();
    assert!(told.is_empty(), "the daemon's log tells of a panic:\n{}", told.join("\n"));
}

fn data_folder(folder: &Path) -> PathBuf {
    folder.join("demo")
}

fn launch(folder: &Path) -> (Child, String) {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    let mut command = headcount();
    command.arg("demo").arg("--json").arg("--dir").arg(data_folder(folder));
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let stdout = child.stdout.take().unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    match receiver.recv_timeout(Duration::from_secs(60)) {
        Ok(line) => (child, line),
        Err(error) => {
            let _ = child.kill();
            let status = child.wait();
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            panic!("the demo printed nothing ({error}, {status:?}):\n{log}");
        }
    }
}

fn address(json: &serde_json::Value) -> SocketAddr {
    let url = json["ldap_url"].as_str().expect("ldap_url");
    let host = url.trim_start_matches("ldap://").trim_end_matches('/');
    host.parse().unwrap_or_else(|error| panic!("{url}: {error}"))
}

#[test]
#[should_panic(expected = "the daemon's log tells of a panic")]
fn ha3_a_panic_in_the_log_fails_a_test() {
    assert_no_panic("INFO headcount: a line\n2026-11-23T12:00:00Z ERROR headcount::cli::serve: panic place=\"src/a.rs:1:2\"\n");
}

#[test]
fn an_answer_that_cannot_be_written_is_a_failure_and_no_panic() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let run = |stderr: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headcount"));
        let mut child = command.args(["passwd"]).stdin(Stdio::piped()).stdout(full()).stderr(stderr).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"correct horse battery staple\n").unwrap();
        child.wait_with_output().unwrap()
    };
    let told = run(Stdio::piped());
    assert_eq!(told.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&told.stderr).starts_with("headcount: "), "{told:?}");
    assert_eq!(run(full().into()).status.code(), Some(1));
}
