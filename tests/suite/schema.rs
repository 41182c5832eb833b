//! The operator changes the schema of a running server (RFC 4512 §4.2): a modify of `cn=Subschema`.

use crate::demo::{Demo, headcount};
use crate::house::{ACME, House};
use crate::server::Server;
use crate::wire::{Answer, Wire, add_request, control, delete_request, equal, number, octets, present, sequence, tlv};
use std::sync::atomic::{AtomicBool, Ordering};

const SUBSCHEMA: &str = "cn=Subschema";
const SHELF: &str = "( 1.3.6.1.4.1.55555.1.1 NAME ( 'shelf' 'shelfMark' ) DESC 'where it stands' EQUALITY caseIgnoreMatch \
                     SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )";
const PAGES: &str = "( 1.3.6.1.4.1.55555.1.2 NAME 'pages' EQUALITY integerMatch ORDERING integerOrderingMatch \
                     SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 )";
const BOOK: &str = "( 1.3.6.1.4.1.55555.2.1 NAME 'book' SUP top STRUCTURAL MUST ( cn $ shelf ) MAY pages )";

const ADD: i64 = 0;
const DELETE: i64 = 1;
const REPLACE: i64 = 2;

/// A modify request of several changes: kind (0 adds, 1 deletes, 2 replaces), attribute and values.
pub(crate) fn modify(dn: &str, changes: &[(i64, &str, &[&str])]) -> Vec<u8> {
    let change = |(kind, attribute, values): &(i64, &str, &[&str])| {
        let values: Vec<u8> = values.iter().flat_map(octets).collect();
        sequence(&[&number(0x0a, *kind), &sequence(&[&octets(attribute), &tlv(0x31, &values)])])
    };
    let changes: Vec<u8> = changes.iter().flat_map(change).collect();
    tlv(0x66, &[octets(dn), tlv(0x30, &changes)].concat())
}

fn change(wire: &mut Wire, changes: &[(i64, &str, &[&str])]) -> Answer {
    wire.ask(&modify(SUBSCHEMA, changes), &[])
}

#[track_caller]
fn changed(wire: &mut Wire, changes: &[(i64, &str, &[&str])]) {
    let answer = change(wire, changes);
    assert_eq!(answer.code(), 0, "{}", answer.text());
}

#[track_caller]
fn refused(wire: &mut Wire, changes: &[(i64, &str, &[&str])], code: u32, says: &str) {
    let answer = change(wire, changes);
    assert_eq!(answer.code(), code, "{}", answer.text());
    assert!(answer.text().contains(says), "{}", answer.text());
}

fn define_books(wire: &mut Wire) {
    changed(wire, &[(ADD, "attributeTypes", &[SHELF, PAGES]), (ADD, "objectClasses", &[BOOK])]);
}

fn book(demo: &Demo, name: &str) -> String {
    format!("cn={name},{}", demo.organisation())
}

fn add_book(wire: &mut Wire, demo: &Demo, name: &str, shelf: &str) -> Answer {
    let attributes: [(&str, &[u8]); 4] =
        [("objectClass", b"book"), ("cn", name.as_bytes()), ("shelf", shelf.as_bytes()), ("pages", b"300")];
    wire.ask(&add_request(&book(demo, name), &attributes), &[])
}

/// The names of the books that a filter finds.
fn books(wire: &mut Wire, demo: &Demo, filter: &[u8]) -> Vec<String> {
    wire.entries(&demo.organisation(), filter, &["*"]).iter().flat_map(|entry| entry.values("cn")).collect()
}

fn definitions(wire: &mut Wire, attribute: &str) -> Vec<String> {
    let found = wire.ask_all(&crate::wire::search_request(SUBSCHEMA, 0, &present("objectClass"), &[attribute]), &[]);
    found[0].values(attribute)
}

fn run(demo: &Demo, arguments: &[&str]) -> (bool, String) {
    let output = headcount().arg("--config").arg(demo.config()).args(arguments).output().unwrap();
    (output.status.success(), [output.stdout, output.stderr].map(|octets| String::from_utf8(octets).unwrap()).concat())
}

#[test]
fn a_type_and_a_class_are_used_at_once_and_are_there_after_a_kill() {
    let mut demo = Demo::start();
    let mut wire = demo.as_operator();
    assert_eq!(add_book(&mut wire, &demo, "early", "A1").code(), 17, "not known yet");
    let before = definitions(&mut wire, "modifyTimestamp");
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    define_books(&mut wire);
    assert_ne!(definitions(&mut wire, "modifyTimestamp"), before, "clients read the schema again");
    assert!(definitions(&mut wire, "objectClasses").iter().any(|text| text.contains("NAME 'book'")));
    // Another connection, which was there before, has it too.
    assert_eq!(add_book(&mut wire, &demo, "Emma", "Shelf 7").code(), 0);
    let answer = wire.ask(&add_request(&book(&demo, "bare"), &[("objectClass", b"book"), ("cn", b"bare")]), &[]);
    assert!(answer.code() == 65 && answer.text().contains("shelf"), "{}", answer.text());
    for _ in 0..2 {
        for filter in
            [equal("shelf", b"SHELF  7"), equal("shelfMark", b"shelf 7"), equal("1.3.6.1.4.1.55555.1.1", b"shelf 7"), present("pages")]
        {
            assert_eq!(books(&mut wire, &demo, &filter), ["Emma"]);
        }
        let entry = &wire.entries(&book(&demo, "Emma"), &equal("objectClass", b"book"), &[])[0];
        assert_eq!(entry.values("shelf"), ["Shelf 7"], "all user attributes are these too");
        demo.kill_and_restart();
        wire = demo.as_operator();
    }
    wire.replace(&book(&demo, "Emma"), "pages", &["301"]);
    demo.stop_and_restart();
    assert_eq!(books(&mut demo.as_operator(), &demo, &equal("pages", b"301")), ["Emma"]);
    demo.stop();
    let (good, words) = run(&demo, &["verify"]);
    assert!(good, "{words}");
}

#[test]
fn what_is_in_use_stays_and_what_is_not_can_go() {
    let mut demo = Demo::start();
    let mut wire = demo.as_operator();
    define_books(&mut wire);
    assert_eq!(add_book(&mut wire, &demo, "Emma", "A1").code(), 0);
    refused(&mut wire, &[(DELETE, "objectClasses", &[BOOK])], 65, "cn=Emma");
    refused(&mut wire, &[(DELETE, "attributeTypes", &[PAGES])], 53, "book");
    // All or nothing: the class could go from here on, and the type could not.
    let without = BOOK.replace(" MAY pages", "");
    refused(&mut wire, &[(DELETE, "objectClasses", &[BOOK]), (ADD, "objectClasses", &[&without])], 65, "cn=Emma");
    let stricter = BOOK.replace("cn $ shelf", "cn $ shelf $ description");
    refused(&mut wire, &[(DELETE, "objectClasses", &[BOOK]), (ADD, "objectClasses", &[&stricter])], 65, "description");
    let otherwise = PAGES.replace("integer", "caseIgnore").replace("115.121.1.27", "115.121.1.15");
    refused(&mut wire, &[(DELETE, "attributeTypes", &[PAGES]), (ADD, "attributeTypes", &[&otherwise])], 65, "pages");
    // What leaves every entry as it is may change under them.
    let wider = BOOK.replace("MAY pages", "MAY ( pages $ description )");
    changed(&mut wire, &[(DELETE, "objectClasses", &[BOOK]), (ADD, "objectClasses", &[&wider])]);
    wire.replace(&book(&demo, "Emma"), "description", &["a novel"]);
    assert_eq!(wire.ask(&delete_request(&book(&demo, "Emma")), &[]).code(), 0);
    // By the OID alone: that is what makes definitions equal.
    changed(&mut wire, &[(DELETE, "objectClasses", &["( 1.3.6.1.4.1.55555.2.1 )"]), (DELETE, "attributeTypes", &[PAGES, SHELF])]);
    let unknown = |wire: &mut Wire| {
        assert_eq!(add_book(wire, &demo, "Emma", "A1").code(), 17);
        assert!(!definitions(wire, "attributeTypes").iter().any(|text| text.contains("'shelf'")));
        assert!(books(wire, &demo, &present("shelf")).is_empty());
    };
    unknown(&mut wire);
    refused(&mut wire, &[(DELETE, "attributeTypes", &[SHELF])], 16, "1.3.6.1.4.1.55555.1.1");
    // The journal still has entries of types that are gone.
    demo.kill_and_restart();
    let mut wire = demo.as_operator();
    assert_eq!(add_book(&mut wire, &demo, "Emma", "A1").code(), 17);
    define_books(&mut wire);
    assert_eq!(add_book(&mut wire, &demo, "Emma", "A1").code(), 0);
    assert_eq!(books(&mut wire, &demo, &equal("shelf", b"a1")), ["Emma"]);
}

#[test]
fn wrong_definitions_are_refused_and_change_nothing() {
    let demo = Demo::start();
    let mut wire = demo.as_operator();
    let all = (definitions(&mut wire, "attributeTypes"), definitions(&mut wire, "objectClasses"));
    refused(&mut wire, &[(ADD, "attributeTypes", &[SHELF, "( 1.2.3.4 NAME 'x' SYNTAXX 1.2 )"])], 21, "character 20");
    refused(&mut wire, &[(ADD, "attributeTypes", &["shelf"])], 21, "character 1");
    refused(&mut wire, &[(ADD, "attributeTypes", &[SHELF, SHELF])], 20, "1.3.6.1.4.1.55555.1.1");
    refused(&mut wire, &[(ADD, "attributeTypes", &["( 2.5.4.3 NAME 'mine' SUP name )"])], 20, "2.5.4.3");
    refused(&mut wire, &[(ADD, "attributeTypes", &["( 1.2.3.4 NAME 'cn' SUP name )"])], 19, "cn");
    refused(&mut wire, &[(ADD, "objectClasses", &[BOOK])], 19, "shelf");
    refused(&mut wire, &[(DELETE, "attributeTypes", &["( 2.5.4.3 NAME 'cn' SUP name )"])], 53, "schema/core.schema");
    refused(&mut wire, &[(REPLACE, "attributeTypes", &[SHELF])], 53, "added and deleted");
    refused(&mut wire, &[(DELETE, "attributeTypes", &[])], 53, "name those to delete");
    refused(&mut wire, &[(ADD, "matchingRules", &["( 1.2.3 NAME 'x' SYNTAX 1.2.3 )"])], 53, "cannot be changed");
    refused(&mut wire, &[(ADD, "noSuchAttribute", &["x"])], 17, "noSuchAttribute");
    for reserved in ["X-SECRET 'TRUE'", "X-DERIVED 'TRUE'", "X-LINK 'member'"] {
        let text = format!("( 1.2.3.4 NAME 'x' SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 {reserved} )");
        refused(&mut wire, &[(ADD, "attributeTypes", &[&text])], 53, reserved.split(' ').next().unwrap());
    }
    refused(&mut wire, &[(ADD, "objectClasses", &["( 1.2.3.4 NAME 'x' SUP top AUXILIARY X-KIND 'user' )"])], 53, "X-KIND");
    refused(&mut wire, &[(ADD, "attributeTypes", &["( 1.2.3.4 NAME 'x' SUP userPassword )"])], 53, "userPassword");
    for unique in ["mail", "uid", "uidNumber"] {
        refused(&mut wire, &[(ADD, "attributeTypes", &[&format!("( 1.2.3.4 NAME 'x' SUP {unique} )")])], 53, unique);
    }
    assert_eq!((definitions(&mut wire, "attributeTypes"), definitions(&mut wire, "objectClasses")), all);
    assert!(!wire.who_am_i().is_empty(), "the connection goes on");
}

#[test]
fn only_the_operator_changes_the_schema() {
    let house = House::start("");
    let one = modify(SUBSCHEMA, &[(ADD, "attributeTypes", &[SHELF])]);
    let mut admin = house.signed_in("ada", ACME);
    assert_eq!(admin.ask(&one, &[]).code(), 50);
    assert_eq!(house.server.connect().ask(&one, &[]).code(), 50);
    assert_eq!(house.server.as_operator().ask(&one, &[]).code(), 0);
    let found = admin.ask_all(&crate::wire::search_request(SUBSCHEMA, 0, &present("objectClass"), &["attributeTypes"]), &[]);
    assert!(found[0].values("attributeTypes").iter().any(|text| text.contains("'shelf'")), "everybody sees it");
}

#[test]
fn controls_on_a_change_of_the_schema_are_honoured() {
    const NO_OPERATION: &str = "1.3.6.1.4.1.4203.666.5.2";
    const ASSERTION: &str = "1.3.6.1.1.12";
    const POST_READ: &str = "1.3.6.1.1.13.2";
    const PERMISSIVE: &str = "1.2.840.113556.1.4.1413";
    let demo = Demo::start();
    let mut wire = demo.as_operator();
    let one = modify(SUBSCHEMA, &[(ADD, "attributeTypes", &[SHELF])]);
    assert_eq!(wire.ask(&one, &[control(NO_OPERATION, true, None)]).code(), 16_654);
    assert!(books(&mut wire, &demo, &present("shelf")).is_empty());
    let absent = control(ASSERTION, true, Some(&tlv(0xa2, &present("attributeTypes"))));
    assert_eq!(wire.ask(&one, &[absent]).code(), 122);
    let post_read = control(POST_READ, true, Some(&sequence(&[&octets("attributeTypes")])));
    let answer = wire.ask(&one, &[post_read]);
    assert_eq!(answer.code(), 0, "{}", answer.text());
    let shown = answer.octets.windows(b"'shelf'".len()).any(|part| part == b"'shelf'");
    assert!(shown, "the entry after the change");
    assert_eq!(wire.ask(&one, &[]).code(), 20);
    assert_eq!(wire.ask(&one, &[control(PERMISSIVE, true, None)]).code(), 0);
}

#[test]
fn what_changes_nothing_is_no_change() {
    let demo = Demo::start();
    let mut wire = demo.as_operator();
    changed(&mut wire, &[(ADD, "attributeTypes", &[SHELF])]);
    let before = definitions(&mut wire, "modifyTimestamp");
    let again = modify(SUBSCHEMA, &[(ADD, "attributeTypes", &[SHELF]), (DELETE, "attributeTypes", &[PAGES])]);
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    assert_eq!(wire.ask(&again, &[control("1.2.840.113556.1.4.1413", true, None)]).code(), 0);
    assert_eq!(definitions(&mut wire, "modifyTimestamp"), before);
}

#[test]
fn content_rules_come_and_go_and_spare_entries_that_are_there() {
    const RULE: &str = "( 2.5.6.5 NAME 'unitContent' MUST businessCategory )";
    let demo = Demo::start();
    let mut wire = demo.as_operator();
    let unit = |name: &str| format!("ou={name},{}", demo.organisation());
    refused(&mut wire, &[(ADD, "dITContentRules", &[RULE])], 65, "businessCategory");
    let rule = RULE.replace("MUST businessCategory", "NOT telephoneNumber");
    changed(&mut wire, &[(ADD, "dITContentRules", &[&rule])]);
    let attributes: [(&str, &[u8]); 3] = [("objectClass", b"organizationalUnit"), ("ou", b"x"), ("telephoneNumber", b"+1")];
    assert_eq!(wire.ask(&add_request(&unit("x"), &attributes), &[]).code(), 65);
    changed(&mut wire, &[(DELETE, "dITContentRules", &[&rule])]);
    assert_eq!(wire.ask(&add_request(&unit("x"), &attributes), &[]).code(), 0);
}

#[test]
fn name_forms_and_structure_rules_come_and_go_and_spare_entries_that_are_there() {
    let mut demo = Demo::start();
    let mut wire = demo.as_operator();
    define_books(&mut wire);
    assert_eq!(add_book(&mut wire, &demo, "Emma", "A1").code(), 0);
    let form = "( 1.3.6.1.4.1.55555.3.1 NAME 'bookForm' OC book MUST cn )";
    refused(&mut wire, &[(ADD, "nameForms", &[&form.replace("MUST cn", "MUST shelf")])], 65, "cn=Emma");
    changed(&mut wire, &[(ADD, "nameForms", &[form])]);
    refused(&mut wire, &[(ADD, "nameForms", &[form])], 20, "1.3.6.1.4.1.55555.3.1");
    let second = |wire: &mut Wire, demo: &Demo| {
        let attributes: [(&str, &[u8]); 3] = [("objectClass", b"book"), ("cn", b"Persuasion"), ("shelf", b"B2")];
        wire.ask(&add_request(&format!("shelf=B2,{}", demo.organisation()), &attributes), &[])
    };
    let answer = second(&mut wire, &demo);
    assert!(answer.code() == 64 && answer.text().contains("bookForm"), "{}", answer.text());
    // A rule that lets books stand below books only: Emma stands elsewhere.
    refused(&mut wire, &[(ADD, "dITStructureRules", &["( 7 FORM bookForm SUP 7 )"])], 65, "cn=Emma");
    changed(&mut wire, &[(ADD, "dITStructureRules", &["( 7 FORM bookForm )"])]);
    refused(&mut wire, &[(DELETE, "nameForms", &[form])], 53, "structure rule 7");
    demo.kill_and_restart();
    let mut wire = demo.as_operator();
    assert_eq!(second(&mut wire, &demo).code(), 64);
    changed(&mut wire, &[(DELETE, "dITStructureRules", &["( 7 FORM bookForm )"]), (DELETE, "nameForms", &[form])]);
    assert_eq!(second(&mut wire, &demo).code(), 0);
}

#[test]
fn writers_and_searches_go_on_while_the_schema_changes() {
    let demo = Demo::start();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let (demo, stop) = (&demo, &stop);
            scope.spawn(move || {
                let mut wire = demo.as_operator();
                let mut at = 0;
                while !stop.load(Ordering::Relaxed) {
                    let name = format!("c{writer}-{at}");
                    let code = add_book(&mut wire, demo, &name, "A1").code();
                    // Wholly by the schema before, or wholly by the one after.
                    assert!(matches!(code, 0 | 17), "{code}");
                    if code == 0 {
                        assert_eq!(wire.ask(&delete_request(&book(demo, &name)), &[]).code(), 0);
                    }
                    books(&mut wire, demo, &present("shelf"));
                    at += 1;
                }
            });
        }
        let mut wire = demo.as_operator();
        let mut done = 0;
        while done < 5 {
            define_books(&mut wire);
            loop {
                let gone = change(&mut wire, &[(DELETE, "objectClasses", &[BOOK]), (DELETE, "attributeTypes", &[SHELF, PAGES])]);
                match gone.code() {
                    0 => break,
                    // Somebody has a book just now.
                    65 => {}
                    code => panic!("{code}: {}", gone.text()),
                }
            }
            done += 1;
        }
        stop.store(true, Ordering::Relaxed);
    });
    let mut demo = demo;
    demo.kill();
    let (good, words) = run(&demo, &["verify"]);
    assert!(good, "{words}");
}

#[test]
fn rebuild_backup_and_restore_have_it() {
    let mut demo = Demo::start();
    let mut wire = demo.as_operator();
    define_books(&mut wire);
    assert_eq!(add_book(&mut wire, &demo, "Emma", "A1").code(), 0);
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("backup");
    let (good, words) = run(&demo, &["backup", file.to_str().unwrap()]);
    assert!(good, "{words}");
    let (good, words) = run(&demo, &["rebuild"]);
    assert!(good, "{words}");
    demo.kill_and_restart();
    assert_eq!(books(&mut demo.as_operator(), &demo, &equal("shelf", b"a1")), ["Emma"]);
    let elsewhere = outside.path().join("headcount.toml");
    let config = "folder = \"data\"\nsuffix = [{ dn = \"SUFFIX\" }]\n[[listener]]\nkind = \"ldap\"\naddress = \"127.0.0.1:1\"\n";
    let organisation = demo.organisation();
    let (_, suffix) = organisation.split_once(',').unwrap();
    crate::server::write_private(&elsewhere, &config.replace("SUFFIX", suffix));
    let offline = |arguments: &[&str]| {
        let output = headcount().arg("--config").arg(&elsewhere).args(arguments).output().unwrap();
        let words = [output.stdout, output.stderr].map(|octets| String::from_utf8(octets).unwrap()).concat();
        assert!(output.status.success(), "{arguments:?}: {words}");
        words
    };
    offline(&["restore", file.to_str().unwrap()]);
    offline(&["verify"]);
    assert!(offline(&["export"]).contains("shelf: A1"));
}

#[test]
fn an_export_brings_the_definitions_along() {
    let demo = Demo::start();
    let mut wire = demo.as_operator();
    define_books(&mut wire);
    assert_eq!(add_book(&mut wire, &demo, "Emma", "A1").code(), 0);
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("all.ldif");
    let (good, words) = run(&demo, &["export", file.to_str().unwrap()]);
    assert!(good, "{words}");
    let other = Demo::start();
    // The record of the whole subschema comes first; what follows is read by what it defines, whatever else is there.
    let text = std::fs::read_to_string(&file).unwrap();
    let records: Vec<&str> = text.split("\n\n").filter(|record| record.contains("cn=Subschema") || record.contains("cn: Emma")).collect();
    assert_eq!(records.len(), 2, "{text}");
    let ldif = records.join("\n\n").replace(&demo.organisation(), &other.organisation());
    let part = outside.path().join("part.ldif");
    std::fs::write(&part, format!("{ldif}\n")).unwrap();
    let (good, words) = run(&other, &["import", part.to_str().unwrap(), "--skip-unknown"]);
    assert!(good && words.contains("2 records"), "{words}");
    assert_eq!(books(&mut other.as_operator(), &other, &equal("shelf", b"a1")), ["Emma"]);
    // Once more: what is there is no news.
    let (good, words) = run(&other, &["import", part.to_str().unwrap(), "--skip-existing"]);
    assert!(good, "{words}");
    // And as a change record.
    let more = outside.path().join("more.ldif");
    std::fs::write(
        &more,
        format!(
            "dn: {SUBSCHEMA}\nchangetype: modify\nadd: attributeTypes\nattributeTypes: {}\n",
            SHELF.replace("55555.1.1", "55555.1.9").replace("'shelf' 'shelfMark'", "'row'")
        ),
    )
    .unwrap();
    let (good, words) = run(&other, &["import", more.to_str().unwrap()]);
    assert!(good, "{words}");
    assert!(definitions(&mut other.as_operator(), "attributeTypes").iter().any(|text| text.contains("'row'")));
}

#[test]
fn an_index_may_be_of_a_type_that_is_defined_later() {
    let server = Server::start([127, 0, 0, 1].into(), "[index]\nattributes = [\"1.3.6.1.4.1.55555.1.1\"]");
    let mut wire = server.as_operator();
    define_books(&mut wire);
    wire.add("dc=example,dc=com", &[("objectClass", "domain"), ("dc", "example")]);
    wire.add("cn=Emma,dc=example,dc=com", &[("objectClass", "book"), ("cn", "Emma"), ("shelf", "A1")]);
    assert_eq!(wire.entries("dc=example,dc=com", &equal("shelf", b"a1"), &["cn"]).len(), 1);
}

#[test]
fn what_a_missing_file_leaves_out_comes_back_with_it() {
    let mut demo = Demo::start();
    let plain = std::fs::read_to_string(demo.config()).unwrap();
    let file = demo.folder().join("extra.schema");
    std::fs::write(&file, "attributetype ( 1.3.6.1.4.1.55555.9.1 NAME 'place' SUP name )\n").unwrap();
    let with_file = format!("{plain}\n[schema]\nfiles = [\"{}\"]\n", file.display());
    std::fs::write(demo.config(), &with_file).unwrap();
    demo.stop_and_restart();
    let mut wire = demo.as_operator();
    let row = "( 1.3.6.1.4.1.55555.1.4 NAME 'row' SUP place )";
    let rows = "( 1.3.6.1.4.1.55555.2.2 NAME 'rows' SUP top AUXILIARY MUST row )";
    changed(&mut wire, &[(ADD, "attributeTypes", &[row]), (ADD, "objectClasses", &[rows])]);
    let attributes: [(&str, &[u8]); 4] = [("objectClass", b"device"), ("objectClass", b"rows"), ("cn", b"Emma"), ("row", b"7")];
    assert_eq!(wire.ask(&add_request(&book(&demo, "Emma"), &attributes), &[]).code(), 0);
    std::fs::write(demo.config(), &plain).unwrap();
    demo.stop_and_restart();
    let mut wire = demo.as_operator();
    assert!(books(&mut wire, &demo, &equal("objectClass", b"rows")).is_empty());
    // Nothing that is done meanwhile loses it, and its name is not free for others.
    changed(&mut wire, &[(ADD, "attributeTypes", &[SHELF])]);
    changed(&mut wire, &[(ADD, "attributeTypes", &["( 1.3.6.1.4.1.55555.1.5 NAME 'rows' SUP name )"])]);
    refused(&mut wire, &[(ADD, "objectClasses", &[rows])], 53, "left out");
    refused(&mut wire, &[(DELETE, "objectClasses", &[rows])], 65, "cn=Emma");
    refused(&mut wire, &[(DELETE, "attributeTypes", &[row])], 65, "cn=Emma");
    let answer = wire.ask(&modify(&book(&demo, "Emma"), &[(DELETE, "objectClass", &["rows"])]), &[]);
    assert!(answer.code() == 65 && answer.text().contains("row:"), "{}", answer.text());
    let (good, words) = run(&demo, &["verify"]);
    assert!(good, "{words}");
    std::fs::write(demo.config(), &with_file).unwrap();
    demo.kill_and_restart();
    let mut wire = demo.as_operator();
    for filter in [equal("objectClass", b"rows"), equal("row", b"7"), equal("place", b"7")] {
        assert_eq!(books(&mut wire, &demo, &filter), ["Emma"]);
    }
    wire.replace(&book(&demo, "Emma"), "row", &["8"]);
    let (good, words) = run(&demo, &["verify"]);
    assert!(good, "{words}");
}

#[test]
fn searches_miss_nothing_while_a_name_in_it_comes_and_goes() {
    const GROUPS: usize = 300;
    let server = Server::start([127, 0, 0, 1].into(), "");
    let mut wire = server.as_operator();
    wire.add("dc=example,dc=com", &[("objectClass", "domain"), ("dc", "example")]);
    let elsewhere = "1.3.6.1.4.1.55555.1.1=x,dc=nowhere";
    for number in 0..GROUPS {
        let name = format!("group {number}");
        wire.add(&format!("cn={name},dc=example,dc=com"), &[("objectClass", "groupOfNames"), ("cn", &name), ("member", elsewhere)]);
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let look = || {
            let mut wire = server.as_operator();
            let mut counts = std::collections::BTreeSet::new();
            while !done.load(Ordering::Relaxed) {
                counts.insert(wire.entries("dc=example,dc=com", &equal("member", elsewhere.as_bytes()), &["1.1"]).len());
            }
            counts
        };
        let readers = [scope.spawn(look), scope.spawn(look)];
        for _ in 0..5 {
            changed(&mut wire, &[(ADD, "attributeTypes", &[SHELF])]);
            changed(&mut wire, &[(DELETE, "attributeTypes", &[SHELF])]);
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            assert_eq!(reader.join().unwrap().into_iter().collect::<Vec<_>>(), [GROUPS]);
        }
    });
}
