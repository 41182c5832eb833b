//! The import command as a user meets it: a pipe, an input that cannot be read, a command line that dies.

use crate::demo::headcount;
use crate::reload::{LOOPBACK, add_generic_tree};
use crate::server::Server;
use crate::wire::{present, search_request};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::{Output, Stdio};

const X: &str = "cn=x,ou=lab,dc=example,dc=com";

fn import(server: &Server, file: &str, piped: &str) -> Output {
    let mut command = headcount();
    command.arg("--config").arg(server.config()).args(["import", file]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(piped.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// What the daemon answers to a command line that sends so much and is gone, its end of the socket closed by the system.
fn cut_off(server: &Server, ldif: &str) -> String {
    let mut stream = UnixStream::connect(server.config().with_file_name("data").join("control.sock")).unwrap();
    let options = ["keep_going", "skip_unknown", "operational", "skip_operational", "skip_existing"];
    let options: String = options.iter().map(|option| format!(",\"{option}\":false")).collect();
    stream.write_all(format!("{{\"command\":\"import\"{options}}}\n").as_bytes()).unwrap();
    stream.write_all(&(ldif.len() as u32).to_be_bytes()).unwrap();
    stream.write_all(ldif.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn with_x() -> Server {
    let server = Server::start(LOOPBACK, "");
    add_generic_tree(&server);
    let made = import(&server, "-", &format!("dn: {X}\nobjectClass: device\ncn: x\ndescription: one\ndescription: two\n"));
    assert!(made.status.success(), "{made:?}");
    server
}

fn values(server: &Server, dn: &str, attribute: &str) -> Vec<String> {
    let found = server.as_operator().ask_all(&search_request(dn, 0, &present("objectClass"), &[attribute]), &[]);
    let mut values: Vec<String> = found.iter().filter(|answer| answer.tag == 0x64).flat_map(|entry| entry.values(attribute)).collect();
    values.sort();
    values
}

#[test]
fn a_command_line_that_dies_leaves_nothing_half_done() {
    let server = with_x();
    let half = format!("dn: {X}\nchangetype: modify\nreplace: description\n");
    for ldif in
        [half.clone(), format!("{half}description: on"), format!("{half}description: one\n-\n"), format!("dn: {X}\nchangetype: delete\n")]
    {
        let answer = cut_off(&server, &ldif);
        assert!(answer.contains("went away before the end of the input; 0 records written"), "{answer}");
        assert_eq!(values(&server, X, "description"), ["one", "two"], "{ldif}");
    }
    let second = "cn=y,ou=lab,dc=example,dc=com";
    let whole = format!("dn: {second}\nobjectClass: device\ncn: y\n\ndn: {X}\nobjectClass: dev");
    let answer = cut_off(&server, &whole);
    assert!(answer.contains("1 records written"), "what came before is told: {answer}");
    assert_eq!(values(&server, second, "cn"), ["y"], "and stays");
}

#[test]
fn a_pipe_that_was_cut_off_before_a_value_removes_nothing() {
    let server = with_x();
    let cut = import(&server, "-", &format!("dn: {X}\nchangetype: modify\nreplace: description\n"));
    assert_eq!(cut.status.code(), Some(1), "{cut:?}");
    assert_eq!(values(&server, X, "description"), ["one", "two"]);
    let open = import(&server, "-", &format!("dn: {X}\nchangetype: modify\nreplace: description\ndescription: three\n"));
    assert!(open.status.success(), "the last - may be missing where a value stands: {open:?}");
    assert_eq!(values(&server, X, "description"), ["three"]);
}

#[test]
fn an_input_that_cannot_be_read_is_named() {
    let server = with_x();
    let folder = import(&server, "/tmp", "");
    let said = String::from_utf8_lossy(&folder.stderr).into_owned();
    assert!(folder.status.code() == Some(1) && said.contains("/tmp: ") && said.contains("directory"), "{said}");
    assert!(!said.contains("control.sock"), "{said}");
}
