//! Organisations and licences declared by file (O4): taken over whole or not at all, at a reload as at a start.

use crate::reload::{LOOPBACK, OPEN, add_generic_tree, eventually, open_to_all};
use crate::server::{Server, write_private};
use crate::wire::{equal, present, replace_request, search_request};

const LICENCES: &str = "ou=licences,o=Declared,dc=example,dc=com";

/// Has a file declare an organisation, with `more` in the server file.
fn declare(server: &Server, organisation: &str, more: &str) {
    write_private(&server.config().with_file_name("organisation.toml"), organisation);
    server.write_config(&format!("{more}\n[[organisation]]\nfile = \"organisation.toml\"\n"));
    server.signal("HUP");
}

fn licences(tables: &[(&str, &str)]) -> String {
    let table = |(name, more): &(&str, &str)| format!("[[licence]]\nname = \"{name}\"\nsession_limit = 3\n{more}\n");
    format!("dn = \"o=Declared,dc=example,dc=com\"\n{}", tables.iter().map(table).collect::<String>())
}

/// The names of the licences that match; of none where there are no licences yet.
fn names(server: &Server, filter: &[u8]) -> Vec<String> {
    let found = server.as_operator().ask_all(&search_request(LICENCES, 1, filter, &["cn"]), &[]);
    found.iter().filter(|answer| answer.tag == 0x64).flat_map(|entry| entry.values("cn")).collect()
}

fn defaults(server: &Server) -> Vec<String> {
    names(server, &equal("hcLicenceDefault", b"TRUE"))
}

#[test]
fn hg3_where_a_declaration_is_refused_nothing_of_the_new_config_is_in_force() {
    let server = Server::start(LOOPBACK, "");
    add_generic_tree(&server);
    declare(&server, "dn = \"o=New,ou=missing,dc=example,dc=com\"\n[[licence]]\nname = \"main\"\nsession_limit = 3\n", OPEN);
    eventually(&server, "it is refused", || server.said().contains("the old one stays in force"));
    let said = server.said();
    assert!(
        said.contains("organisation.toml: ") && said.contains("o=New,ou=missing,dc=example,dc=com") && said.contains("to put it under")
    );
    assert!(!open_to_all(&mut server.connect()), "the new access rule is not in force either");
}

#[test]
fn o2_the_default_licence_is_the_one_the_file_says() {
    let mut server = Server::start(LOOPBACK, "");
    add_generic_tree(&server);
    declare(&server, &licences(&[("extra", ""), ("main", "default = true")]), "");
    eventually(&server, "as declared", || defaults(&server) == ["main"]);
    declare(&server, &licences(&[("extra", "default = true"), ("main", "")]), "");
    eventually(&server, "the mark moves", || defaults(&server) == ["extra"]);
    declare(&server, &licences(&[("extra", ""), ("main", "default = true")]), "");
    eventually(&server, "and back", || defaults(&server) == ["main"]);
    declare(&server, &licences(&[("only", "")]), "");
    eventually(&server, "also from one that the file no longer names", || defaults(&server) == ["only"]);
    write_private(&server.config().with_file_name("organisation.toml"), &licences(&[("extra", "default = true"), ("only", "")]));
    server.kill_and_restart();
    assert_eq!(defaults(&server), ["extra"], "at a start too");
}

#[test]
fn o4_what_the_file_says_no_longer_is_gone() {
    let server = Server::start(LOOPBACK, "");
    add_generic_tree(&server);
    let main = format!("cn=main,{LICENCES}");
    declare(&server, &licences(&[("main", "end = 2026-01-01\npartner = \"Ann\"")]), "");
    eventually(&server, "it has an end", || names(&server, &present("hcEndDate")) == ["main"]);
    declare(&server, &licences(&[("main", "partner = \"Ann\"")]), "");
    eventually(&server, "it has none", || names(&server, &present("hcEndDate")).is_empty());
    let kept = server.as_operator().entries(&main, &present("objectClass"), &["hcPartner", "hcLicenceDefault"]);
    assert_eq!((kept[0].values("hcPartner"), kept[0].values("hcLicenceDefault")), (vec!["Ann".to_owned()], vec!["TRUE".to_owned()]));
    let answer = server.as_operator().ask(&replace_request(&main, "hcPartner", &["Bob"]), &[]);
    assert_eq!(answer.code(), 53, "the file owns it");
    assert!(answer.text().contains("organisation.toml"), "{}", answer.text());
}

#[test]
fn o4_a_server_without_entries_starts_with_an_organisation_that_is_declared() {
    let mut server = Server::start(LOOPBACK, "");
    write_private(&server.config().with_file_name("organisation.toml"), &licences(&[("main", "")]));
    server.write_config("[[organisation]]\nfile = \"organisation.toml\"\n");
    server.kill_and_restart();
    assert_eq!(defaults(&server), ["main"]);
}

#[test]
fn o4_a_file_that_was_refused_is_taken_over_when_it_is_mended() {
    let server = Server::start(LOOPBACK, "");
    add_generic_tree(&server);
    declare(&server, &licences(&[("main", "per_user_limit = 0")]), "");
    eventually(&server, "it is refused", || server.said().contains("hcPerUserLimit must be a whole number, at least 1"));
    write_private(&server.config().with_file_name("organisation.toml"), &licences(&[("main", "per_user_limit = 2")]));
    eventually(&server, "nobody has to say so", || defaults(&server) == ["main"]);
}

#[test]
fn o1_o4_a_tree_that_is_there_is_adopted_by_a_file_as_it_is() {
    let server = Server::start(LOOPBACK, "");
    add_generic_tree(&server);
    let mut operator = server.as_operator();
    let base = "o=Declared,dc=example,dc=com";
    let classes = ["top", "organization", "dcObject", "labeledURIObject"].map(|class| ("objectClass", class.as_bytes()));
    let values = [("o", b"Declared".as_slice()), ("o", b"Second"), ("dc", b"declared"), ("labeledURI", b"https://example.com")];
    operator.add(
        base,
        &[&classes[..], &values].concat().iter().map(|(name, value)| (*name, std::str::from_utf8(value).unwrap())).collect::<Vec<_>>(),
    );
    declare(&server, &licences(&[("main", "")]), "");
    eventually(&server, "it is declared", || defaults(&server) == ["main"]);
    let found = &operator.entries(base, &present("objectClass"), &["*"])[0];
    let held = |name: &str| {
        let mut values = found.values(name);
        values.sort();
        values
    };
    assert_eq!(held("objectClass"), ["dcObject", "hcOrganisation", "labeledURIObject", "organization", "top"]);
    assert_eq!((held("o"), held("dc")), (vec!["Declared".to_owned(), "Second".to_owned()], vec!["declared".to_owned()]));
}

#[test]
fn o4_a_licence_that_the_file_names_no_longer_goes_unless_something_refers_to_it() {
    let mut server = Server::start(LOOPBACK, "");
    add_generic_tree(&server);
    declare(&server, &licences(&[("main", "default = true"), ("till", ""), ("bar", ""), ("door", "")]), "");
    eventually(&server, "as declared", || names(&server, &present("cn")).len() == 4);
    let share = format!("cn=share,{LICENCES}");
    let mut operator = server.as_operator();
    let role = "cn=clerk,ou=roles,o=Declared,dc=example,dc=com";
    operator.add(role, &[("objectClass", "hcRoleDefinition"), ("cn", "clerk")]);
    let of_share = [("hcSharedLicence", &*format!("cn=till,{LICENCES}")), ("hcSharedWith", role), ("hcReservedSeats", "1")];
    operator.add(&share, &[&[("objectClass", "hcSeatShare"), ("cn", "share")][..], &of_share].concat());
    operator.add(&format!("cn=own,{LICENCES}"), &[("objectClass", "hcLicence"), ("cn", "own"), ("hcSessionLimit", "1")]);
    let held = |server: &Server| {
        let mut held = names(server, &present("hcSessionLimit"));
        held.sort();
        held
    };
    declare(&server, &licences(&[("main", "default = true"), ("door", "")]), "");
    eventually(&server, "one is gone", || held(&server) == ["door", "main", "own", "till"]);
    let said = server.said();
    assert!(said.contains("the file names the licence no longer") && said.contains("cn=till") && !said.contains("cn=own"), "{said}");
    assert_eq!(operator.ask(&replace_request(&format!("cn=till,{LICENCES}"), "hcSessionLimit", &["2"]), &[]).code(), 0, "at run time");
    write_private(&server.config().with_file_name("organisation.toml"), &licences(&[("main", "default = true")]));
    server.kill_and_restart();
    assert_eq!(held(&server), ["main", "own", "till"], "at a start too");
}
