//! Changes of the schema at run time: numbers stay, names that are gone can be read, and what would harm is refused.

use super::*;
use crate::base::{EntryId, Timestamp};
use crate::model::entry::Place;
use crate::model::{Draft, DraftAttribute, Entry};
use std::sync::LazyLock;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::load(&[]).unwrap());

const SHELF: &str = "( 1.3.6.1.4.1.55555.1.1 NAME ( 'shelf' 'shelfMark' ) EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )";
const PAGES: &str = "( 1.3.6.1.4.1.55555.1.2 NAME 'pages' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 )";
const BOOK: &str = "( 1.3.6.1.4.1.55555.2.1 NAME 'book' SUP top STRUCTURAL MUST cn MAY ( shelf $ pages ) )";

fn step(removes: bool, text: &str) -> SchemaStep<'_> {
    let kind = if text.contains("SUP top") { DefinitionKind::ObjectClass } else { DefinitionKind::AttributeType };
    SchemaStep { kind, removes, value: text.as_bytes() }
}

fn change(schema: &Schema, gone: &[&str], new: &[&str]) -> Result<Schema, ChangeRefused> {
    let steps: Vec<_> = gone.iter().map(|text| step(true, text)).chain(new.iter().map(|text| step(false, text))).collect();
    schema.changed(&steps, false, Timestamp::from_millis(1))
}

fn entry(schema: &Schema, lines: &[(&str, &str)]) -> Entry {
    let attribute = |(name, value): &(&str, &str)| DraftAttribute {
        description: schema.description(name).unwrap(),
        values: vec![value.as_bytes().to_vec()],
    };
    let draft = Draft { attributes: lines.iter().map(attribute).collect() };
    let rdn_key = schema.rdn_key(&Rdn::parse("cn=x").unwrap());
    let place = Place { id: EntryId(2), parent: Some(EntryId(1)), rdn: "cn=x".into(), rdn_key, revision: 1 };
    schema.seal(&draft, place, &|_| 0, SealOptions::default()).unwrap()
}

const EMMA: [(&str, &str); 4] = [("objectClass", "book"), ("cn", "x"), ("shelf", "A 1"), ("pages", "300")];

#[test]
fn numbers_stay_and_a_reader_keeps_the_version_it_has() {
    let live = LiveSchema::from(SCHEMA.clone());
    let early: &Schema = &live;
    let cn = live.attribute("cn");
    for (gone, new) in [(&[][..], &[SHELF, PAGES][..]), (&[SHELF], &[]), (&[], &[BOOK.replace("shelf $ ", "").as_str()]), (&[], &[SHELF])] {
        live.adopt(change(&live, gone, new).unwrap());
    }
    assert_eq!(live.version(), 4);
    assert_eq!((live.attribute("cn"), live.attribute("shelfmark")), (cn, Some(AttributeId(SCHEMA.attribute_types().len() as u16))));
    let pages = live.attribute("pages").unwrap();
    assert_eq!(live.attribute_type(pages).name(), "pages");
    let unseen = early.attribute_type(pages);
    assert!(early.attribute("pages").is_none() && unseen.secret && unseen.retired, "who reads an older version does not show it");
    assert_eq!(early.subschema(), SCHEMA.subschema());
}

#[test]
fn many_versions_are_kept() {
    let live = LiveSchema::from(SCHEMA.clone());
    let other = change(&live, &[], &[SHELF]).unwrap();
    for version in 1..=40 {
        live.adopt(if version % 2 == 1 { other.clone() } else { SCHEMA.clone() });
        assert_eq!((live.version(), live.attribute("shelf").is_some()), (version, version % 2 == 1));
    }
}

#[test]
fn what_was_written_by_a_type_that_is_gone_can_be_read() {
    let with = change(&SCHEMA, &[], &[SHELF, PAGES, BOOK]).unwrap();
    let emma = entry(&with, &EMMA);
    let place = || Place { id: emma.id, parent: emma.parent, rdn: emma.rdn.clone(), rdn_key: emma.rdn_key.clone(), revision: 1 };
    assert!(SCHEMA.restore(emma.octets(), place()).is_none());
    let without = change(&with, &[SHELF, PAGES, BOOK], &[]).unwrap();
    assert!(without.attribute("shelf").is_none() && without.description("pages").is_none());
    assert_eq!(without.subschema(), SCHEMA.subschema());
    let read = without.restore(emma.octets(), place()).unwrap();
    assert_eq!(read.octets(), emma.octets());
    // Also where another type has the name since.
    let other = change(&without, &[], &[&SHELF.replace("55555.1.1", "55555.1.9")]).unwrap();
    assert_eq!(other.restore(emma.octets(), place()).unwrap().text(other.attribute("shelf").unwrap()), Some("A 1"));
}

#[test]
fn the_record_brings_it_back_and_files_come_before_it() {
    let with = change(&change(&SCHEMA, &[], &[SHELF, PAGES, BOOK]).unwrap(), &[PAGES, BOOK], &[]).unwrap();
    let record = with.additions().to_octets();
    let again = SCHEMA.with_record(&record).unwrap().unwrap();
    assert_eq!(again.additions(), with.additions());
    assert_eq!(again.subschema(), with.subschema());
    assert!(again.with_record(&record).unwrap().is_none(), "it is not newer");
    assert!(SCHEMA.with_record(b"\x09rubbish").is_err());
    // A file that came later has another idea of the name.
    let text = "attributetype ( 1.3.6.1.4.1.55555.9.9 NAME 'shelf' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 )";
    let files = Schema::load(&[Source { name: "later.schema".to_owned(), text: text.to_owned() }]).unwrap();
    let both = files.with_record(&record).unwrap().unwrap();
    assert_eq!(both.attribute("shelf"), files.attribute("shelf"));
    assert!(both.attribute("shelfMark").is_none());
    assert_eq!(both.oid("shelf"), Some("1.3.6.1.4.1.55555.9.9"));
}

#[test]
fn a_difference_is_about_what_entries_can_have() {
    let with = change(&SCHEMA, &[], &[SHELF, PAGES, BOOK]).unwrap();
    assert!(SCHEMA.difference(&with).is_empty(), "what is new concerns nobody");
    let emma = entry(&with, &EMMA);
    let objection = |gone: &[&str], new: &[&str]| {
        let next = change(&with, gone, new).unwrap();
        let difference = with.difference(&next);
        assert_eq!(difference.concerns(&with, &emma), !difference.is_empty(), "{gone:?} {new:?}");
        difference.objection(&with, &next, &emma, &|_| 0)
    };
    let described = SHELF.replace(" EQUALITY", " DESC 'where it stands' EQUALITY");
    assert!(with.difference(&change(&with, &[SHELF], &[&described]).unwrap()).is_empty());
    for (definition, from, to) in [
        (BOOK, "MUST cn", "MUST ( cn $ description )"),
        (BOOK, "shelf $ pages", "pages"),
        (BOOK, "NAME 'book'", "NAME 'volume'"),
        (BOOK, "SUP top", "SUP top OBSOLETE AUXILIARY #"),
        (SHELF, "caseIgnoreMatch", "caseExactMatch"),
        (PAGES, "115.121.1.27", "115.121.1.36"),
        (SHELF, "( 'shelf' 'shelfMark' )", "( 'shelfMark' 'shelf' )"),
    ] {
        let changed = definition.replace(from, to).replace("OBSOLETE AUXILIARY # STRUCTURAL", "AUXILIARY");
        assert!(objection(&[definition], &[&changed]).is_some(), "{changed}");
    }
    for (definition, from, to) in
        [(BOOK, "MAY (", "MAY ( description $"), (BOOK, "NAME 'book'", "NAME ( 'book' 'volume' )"), (SHELF, " )", " SINGLE-VALUE )")]
    {
        let at = definition.rfind(from).unwrap();
        let changed = format!("{}{to}{}", &definition[..at], &definition[at + from.len()..]);
        assert_eq!(objection(&[definition], &[&changed]), None, "{changed}");
    }
    assert!(objection(&[BOOK], &[]).is_some());
}

#[test]
fn a_definition_that_others_rest_on_stays() {
    let with = change(&SCHEMA, &[], &[SHELF, BOOK.replace(" $ pages", "").as_str()]).unwrap();
    let below = "( 1.3.6.1.4.1.55555.1.3 NAME 'topShelf' SUP shelf )";
    let with = change(&with, &[], &[below]).unwrap();
    assert!(matches!(change(&with, &[SHELF], &[]), Err(ChangeRefused::Refused(text)) if text.contains("topShelf")));
    let all = change(&with, &[SHELF, below, BOOK], &[]).unwrap();
    assert_eq!(all.subschema(), SCHEMA.subschema());
    assert!(matches!(change(&SCHEMA, &[], &[below]), Err(ChangeRefused::Unfit(text)) if text.contains("shelf")));
}

/// A type that only a file has.
const NUMBER: &str = "attributetype ( 1.3.6.1.4.1.55555.9.1 NAME 'number' SUP name )";
const ROW: &str = "( 1.3.6.1.4.1.55555.1.4 NAME ( 'row' 'line' ) SUP number )";
const ROWS: &str = "( 1.3.6.1.4.1.55555.2.2 NAME 'rows' SUP top STRUCTURAL MUST cn MAY row )";

fn with_file() -> Schema {
    Schema::load(&[Source { name: "number.schema".to_owned(), text: NUMBER.to_owned() }]).unwrap()
}

#[test]
fn what_a_missing_file_leaves_out_stays_in_the_record() {
    let all = change(&with_file(), &[], &[ROW, ROWS, SHELF]).unwrap();
    let without = SCHEMA.with_record(&all.additions().to_octets()).unwrap().unwrap();
    assert!(without.attribute("row").is_none() && without.class("rows").is_none() && without.attribute("shelf").is_some());
    assert_eq!(without.additions().in_force().count(), 1);
    let later = change(&without, &[], &[PAGES]).unwrap();
    let record = later.additions().to_octets();
    let adopted = without.with_record(&record).unwrap().unwrap();
    assert!(adopted.attribute("row").is_none() && adopted.attribute("pages").is_some());
    let again = with_file().with_record(&record).unwrap().unwrap();
    assert_eq!(again.attribute("row"), all.attribute("row"));
    assert!(again.class("rows").is_some() && again.attribute("pages").is_some());
}

#[test]
fn what_is_left_out_keeps_its_names_until_it_is_taken_out() {
    let all = change(&with_file(), &[], &[ROW, ROWS]).unwrap();
    let held = entry(&all, &[("objectClass", "rows"), ("cn", "x"), ("row", "7")]);
    let without = SCHEMA.with_record(&all.additions().to_octets()).unwrap().unwrap();
    // What would make it fit does not bring it back before the next start: nothing that was indexed is to be made anew.
    let number = NUMBER.trim_start_matches("attributetype ");
    let with_number = without.with_record(&change(&without, &[], &[number]).unwrap().additions().to_octets()).unwrap().unwrap();
    assert!(with_number.attribute("number").is_some() && with_number.attribute("row").is_none());
    let other = "( 1.3.6.1.4.1.55555.1.5 NAME 'LINE' SUP name )";
    for (gone, new) in [(&[][..], &[ROW][..]), (&[ROW], &[ROW]), (&[], &[other]), (&[], &[ROWS])] {
        let refused = change(&without, gone, new);
        assert!(matches!(&refused, Err(ChangeRefused::Refused(text)) if text.contains("left out")), "{new:?} {refused:?}");
    }
    let place = Place { id: held.id, parent: held.parent, rdn: held.rdn.clone(), rdn_key: held.rdn_key.clone(), revision: 1 };
    let held = without.restore(held.octets(), place).unwrap();
    for (gone, says) in [(ROW, "row"), (ROWS, "rows")] {
        let next = change(&without, &[gone], &[]).unwrap();
        let difference = without.difference(&next);
        assert!(difference.concerns(&without, &held) && !difference.is_empty());
        assert!(difference.objection(&without, &next, &held, &|_| 0).is_some_and(|why| why.contains(says)), "{gone}");
        let adopted = without.with_record(&next.additions().to_octets()).unwrap().unwrap();
        let free = change(&adopted, &[], &[if gone == ROW { other } else { "( 1.3.6.1.4.1.55555.2.2 NAME 'rows' SUP top )" }]);
        assert!(free.is_ok(), "{free:?}");
    }
}

fn chain(count: usize) -> Vec<String> {
    let above = |at: usize| if at == 0 { "name".to_owned() } else { format!("link{}", at - 1) };
    (0..count).map(|at| format!("( 1.3.6.1.4.1.55555.3.{at} NAME 'link{at}' SUP {} )", above(at))).collect()
}

fn refused(new: &[String]) -> ChangeRefused {
    let new: Vec<&str> = new.iter().map(String::as_str).collect();
    change(&SCHEMA, &[], &new).unwrap_err()
}

#[test]
fn definitions_have_bounds() {
    let within: Vec<String> = chain(31);
    let texts: Vec<&str> = within.iter().map(String::as_str).collect();
    let deep = change(&SCHEMA, &[], &texts).unwrap();
    let (name, link0) = (deep.attribute("name").unwrap(), deep.attribute("link0").unwrap());
    assert_eq!(deep.with_subtypes(name).len(), SCHEMA.with_subtypes(name).len() + 31);
    assert_eq!((deep.with_subtypes(link0).len(), deep.with_subtypes(link0).first()), (31, Some(&link0)));
    assert!(matches!(refused(&chain(40)), ChangeRefused::Unfit(text) if text.contains("more than 32")));
    let class = |at: usize| {
        let above = if at == 0 { "top".to_owned() } else { format!("( top $ class{} )", at - 1) };
        format!("( 1.3.6.1.4.1.55555.4.{at} NAME 'class{at}' SUP {above} ABSTRACT )")
    };
    let step = |text: &String| (DefinitionKind::ObjectClass, text.clone());
    let classes: Vec<_> = (0..40).map(|at| step(&class(at))).collect();
    let steps: Vec<_> = classes.iter().map(|(kind, text)| SchemaStep { kind: *kind, removes: false, value: text.as_bytes() }).collect();
    let refusal = SCHEMA.changed(&steps, false, Timestamp::default()).unwrap_err();
    assert!(matches!(&refusal, ChangeRefused::Unfit(text) if text.contains("more than 32")), "{refusal:?}");
    let long = |at: usize, length: usize| format!("( 1.3.6.1.4.1.55555.5.{at} NAME 'long{at}' DESC '{}' SUP name )", "x".repeat(length));
    assert!(matches!(refused(&[long(1, 17_000)]), ChangeRefused::Refused(text) if text.contains("16384")));
    let much: Vec<String> = (0..70).map(|at| long(at, 16_000)).collect();
    assert!(matches!(refused(&much), ChangeRefused::Refused(text) if text.contains("1048576")));
    let many: Vec<String> = (0..4_097).map(|at| format!("( 1.3.6.1.4.1.55555.6.{at} NAME 'm{at}' SUP name )")).collect();
    assert!(matches!(refused(&many), ChangeRefused::Refused(text) if text.contains("4096")));
}

#[test]
fn what_changes_nothing_is_no_version() {
    let with = change(&SCHEMA, &[], &[SHELF]).unwrap();
    let again = with.changed(&[step(false, SHELF), step(true, PAGES)], true, Timestamp::from_millis(2)).unwrap();
    assert_eq!(again.additions(), with.additions());
}

#[test]
fn what_the_server_reads_has_no_subtypes() {
    for above in ["objectClass", "structuralObjectClass", "uid", "mail", "hcUserType", "entryUUID", "userPassword", "memberOf", "member"] {
        let refusal = refused(&[format!("( 1.3.6.1.4.1.55555.7.1 NAME 'below' SUP {above} )")]);
        assert!(matches!(&refusal, ChangeRefused::Refused(text) if text.contains(above)), "{above} {refusal:?}");
    }
    for above in ["name", "cn", "sn", "ou", "telephoneNumber", "description"] {
        change(&SCHEMA, &[], &[&format!("( 1.3.6.1.4.1.55555.7.1 NAME 'below' SUP {above} )")]).unwrap();
    }
}

#[test]
fn many_that_rest_on_a_missing_file_are_left_out_at_once() {
    let of = |number: usize| format!("( 1.3.6.1.4.1.55555.8.{number} NAME 'n{number}' SUP number )");
    let types: Vec<String> = (0..500).map(of).chain([SHELF.to_owned()]).collect();
    let texts: Vec<&str> = types.iter().map(String::as_str).collect();
    let all = change(&with_file(), &[], &texts).unwrap();
    let without = SCHEMA.with_record(&all.additions().to_octets()).unwrap().unwrap();
    assert_eq!(without.additions().left_out().count(), 500);
    assert_eq!(without.additions().in_force().count(), 1);
}
