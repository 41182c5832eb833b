//! The schema as a whole: what is built in loads, publishes and reads back, and seals what it should.

use super::*;
use crate::base::EntryId;
use crate::model::entry::Place;
use crate::model::ldif::{LdifBody, LdifReader};
use crate::model::{Draft, DraftAttribute, Entry, EntryBuilder, Rdn};
use proptest::prelude::*;
use std::sync::LazyLock;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::load(&[]).unwrap());

fn key(rule: MatchingRule, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    rule.normalize(&SCHEMA, value, &mut out).unwrap();
    out
}

fn draft(lines: &[(&str, &str)]) -> Draft {
    let mut draft = Draft::default();
    for (name, value) in lines {
        let description = SCHEMA.description(name).unwrap_or_else(|| panic!("{name}"));
        match draft.attributes.iter_mut().find(|held| held.description == description) {
            Some(held) => held.values.push(value.as_bytes().to_vec()),
            None => draft.attributes.push(DraftAttribute { description, values: vec![value.as_bytes().to_vec()] }),
        }
    }
    draft
}

fn place(rdn: &str) -> Place {
    let key = SCHEMA.rdn_key(&Rdn::parse(rdn).unwrap());
    Place { id: EntryId(2), parent: Some(EntryId(1)), rdn: rdn.into(), rdn_key: key, revision: 1 }
}

fn seal(rdn: &str, lines: &[(&str, &str)]) -> Result<Entry, Violation> {
    SCHEMA.seal(&draft(lines), place(rdn), &|_| 0, SealOptions::default())
}

const PERSON: [(&str, &str); 4] = [("objectclass", "TOP"), ("objectClass", "inetOrgPerson"), ("CN", "Anna Blum"), ("surname", "Blum")];

fn person_with(more: &[(&str, &str)]) -> Vec<(&'static str, String)> {
    let all = PERSON.iter().chain(more).map(|(name, value)| (Box::leak((*name).to_owned().into_boxed_str()) as &str, (*value).to_owned()));
    all.collect()
}

fn seal_person(more: &[(&str, &str)]) -> Result<Entry, Violation> {
    let lines = person_with(more);
    let lines: Vec<(&str, &str)> = lines.iter().map(|(name, value)| (*name, value.as_str())).collect();
    seal("cn=anna blum", &lines)
}

#[test]
fn every_built_in_definition_reads_back_from_its_published_text() {
    let subschema = SCHEMA.subschema();
    let lines = |wanted: &str| -> Vec<String> { subschema.iter().find(|(name, _)| *name == wanted).unwrap().1.clone() };
    let mut text = String::new();
    for definition in lines("attributeTypes") {
        text += &format!("attributeTypes: {definition}\n");
    }
    for definition in lines("objectClasses") {
        text += &format!("objectClasses: {definition}\n");
    }
    let source = Source { name: "published.ldif".to_owned(), text };
    let read = parse::parse(&source, &mut std::collections::HashMap::new()).unwrap();
    let attributes: Vec<String> = read.attributes.iter().map(ToString::to_string).collect();
    let classes: Vec<String> = read.classes.iter().map(ToString::to_string).collect();
    assert_eq!(attributes, lines("attributeTypes"));
    assert_eq!(classes, lines("objectClasses"));
    // Loading them all once more on top changes nothing.
    let twice = Schema::load(&[source]).unwrap();
    assert_eq!(twice.attribute_types().len(), SCHEMA.attribute_types().len());
    for (name, values) in &subschema {
        assert!(values.len() > 30 || ["dITContentRules", "nameForms", "dITStructureRules"].contains(name), "{name}");
        assert!(values.iter().all(|value| value.starts_with("( ") && value.ends_with(" )")));
    }
}

#[test]
fn what_is_not_given_is_inherited() {
    let cn = SCHEMA.attribute_type(SCHEMA.attribute("commonName").unwrap());
    assert_eq!(cn.name(), "cn");
    assert_eq!((cn.equality, cn.substring), (Some(MatchingRule::CaseIgnore), Some(MatchingRule::CaseIgnoreSubstrings)));
    assert_eq!(cn.syntax, "1.3.6.1.4.1.1466.115.121.1.15");
    let name = SCHEMA.attribute("NAME").unwrap();
    assert_eq!(SCHEMA.with_subtypes(name)[0], name);
    assert!(SCHEMA.with_subtypes(name).contains(&cn.id));
    assert_eq!(SCHEMA.with_subtypes(cn.id), [cn.id]);
    let class = SCHEMA.object_class(SCHEMA.class("INETORGPERSON").unwrap());
    assert!(class.must.contains(&SCHEMA.known().object_class) && class.must.contains(&cn.id));
    assert!(!class.may.contains(&cn.id));
    assert!(SCHEMA.derives_from(class.id, SCHEMA.class("top").unwrap()));
    assert_eq!(SCHEMA.attribute("2.5.4.3"), Some(cn.id));
}

#[test]
fn links_secrets_and_derived_attributes_are_marked() {
    let of = |name: &str| SCHEMA.attribute_type(SCHEMA.attribute(name).unwrap());
    let known = SCHEMA.known();
    assert_eq!(of("uniqueMember").link, Some(LinkView { edge: known.member, level: None, form: LinkForm::Name }));
    assert_eq!(of("hcPastMember").link, Some(LinkView { edge: known.member, level: Some(Level::Past), form: LinkForm::Name }));
    assert_eq!(of("manager").link, Some(LinkView { edge: known.manager, level: None, form: LinkForm::Name }));
    assert_eq!(of("memberUid").link, Some(LinkView { edge: known.member, level: None, form: LinkForm::Uid }));
    let secret: Vec<&str> = SCHEMA.attribute_types().iter().filter(|kind| kind.secret).map(|kind| kind.name()).collect();
    assert_eq!(
        secret,
        ["authPassword", "userPassword", "nisSecretKey", "pwdHistory", "hcTokenHash", "hcOneTimeSecret", "hcApplicationPassword"]
    );
    for name in ["memberOf", "entryDN", "hasSubordinates", "numSubordinates", "subschemaSubentry", "hcAccountState", "hcPermission"] {
        assert!(of(name).derived && of(name).no_user_modification && of(name).usage == Usage::Operational, "{name}");
    }
}

#[test]
fn extra_files_add_and_their_errors_name_file_and_definition() {
    let load = |text: &str| Schema::load(&[Source { name: "extra.schema".to_owned(), text: text.to_owned() }]);
    let schema = load("attributetype ( 1.2.3.1 NAME 'aci' SUP name )\nobjectclass ( 1.2.3.2 NAME 'x' SUP top AUXILIARY MAY aci )").unwrap();
    assert!(schema.attribute("aci").is_some() && schema.class("x").is_some());
    let cases = [
        ("attributetype ( 1.2.3.1 NAME 'cn' SUP name )", "extra.schema:1:15: attribute type cn: another one has that name"),
        (
            "attributetype ( 2.5.4.3 NAME 'cn' SUP description )",
            "extra.schema:1:15: 2.5.4.3 is defined otherwise in schema/core.schema; leave it out here",
        ),
        ("attributetype ( 1.2.3.1 NAME 'a' SUP b )", "extra.schema:1:15: attribute type a: its superior b is not defined"),
        ("attributetype ( 1.2.3.1 NAME 'a' SUP a )", "extra.schema:1:15: attribute type a: it is its own superior"),
        ("attributetype ( 1.2.3.1 NAME 'a' )", "extra.schema:1:15: attribute type a: it has no SYNTAX, and no superior to take it from"),
        ("attributetype ( 1.2.3.1 NAME 'a' SYNTAX 1.2.3 )", "extra.schema:1:15: attribute type a: the syntax 1.2.3 is not known"),
        ("attributetype ( 1.2.3.1 NAME 'a' SUP name EQUALITY x )", "extra.schema:1:15: attribute type a: the matching rule x is not known"),
        ("objectclass ( 1.2.3.1 NAME 'a' MUST b )", "extra.schema:1:13: object class a: the attribute type b is not defined"),
        (
            "objectclass ( 1.2.3.1 NAME 'a' SUP person AUXILIARY )",
            "extra.schema:1:13: object class a: its superior person is of another kind (RFC 4512 §2.4)",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(load(text).err().map(|error| error.to_string()).as_deref(), Some(expected));
    }
}

#[test]
fn descriptions_have_sorted_options_that_are_known() {
    let shown = |text: &str| SCHEMA.description(text).map(|description| SCHEMA.describe(&description));
    assert_eq!(shown("CN;Lang-FR;lang-de").as_deref(), Some("cn;lang-de;lang-fr"));
    assert_eq!(shown("usercertificate;BINARY").as_deref(), Some("userCertificate;binary"));
    assert_eq!(shown("2.5.4.3").as_deref(), Some("cn"));
    for unknown in ["cn;binary", "cn;", "cn;range=0-1", "nosuch", "", "cn;lang-de;"] {
        assert_eq!(shown(unknown), None, "{unknown}");
    }
}

#[test]
fn rules_bring_equal_values_to_one_form() {
    use MatchingRule::*;
    let equal: [(MatchingRule, &str, &str); 14] = [
        (CaseIgnore, "Foo  Bar", "foo bar "),
        (CaseExact, " Foo Bar", "Foo   Bar"),
        (CaseIgnoreIa5, "A@B.example", "a@b.EXAMPLE"),
        (NumericString, "12 34", "1234"),
        (TelephoneNumber, "+1 408 555-1234", "+14085551234"),
        (CaseIgnoreList, "1 Main St$Town \\24", "1 main st $TOWN \\24"),
        (GeneralizedTime, "20260102030405.500Z", "20260102040405,5+0100"),
        (GeneralizedTime, "2026010203Z", "20260102030000Z"),
        (GeneralizedTime, "2026010203.5Z", "202601020330Z"),
        (ObjectIdentifier, "INETORGPERSON", "2.16.840.1.113730.3.2.2"),
        (Uuid, "67C6A9B8-eafa-1039-882d-152569770969", "67c6a9b8-EAFA-1039-882d-152569770969"),
        (DistinguishedName, "CN=Anna Blum , O=X", "commonName=anna  blum,o=x"),
        (DistinguishedName, "ou=a+cn=b,dc=x", "CN=B+OU=A,DC=X"),
        (UniqueMember, "cn=a#'01'B", "CN=A#'01'B"),
    ];
    for (rule, left, right) in equal {
        assert_eq!(key(rule, left.as_bytes()), key(rule, right.as_bytes()), "{rule:?} {left}");
    }
    let different: [(MatchingRule, &str, &str); 7] = [
        (CaseExact, "Foo", "foo"),
        (CaseIgnore, "foo bar", "foobar"),
        (CaseIgnoreList, "a$b", "a b"),
        (DistinguishedName, "cn=a,cn=b", "cn=b,cn=a"),
        (DistinguishedName, "cn=a+cn=b", "cn=a,cn=b"),
        (UniqueMember, "cn=a#'01'B", "cn=a"),
        (OctetString, "a", "A"),
    ];
    for (rule, left, right) in different {
        assert_ne!(key(rule, left.as_bytes()), key(rule, right.as_bytes()), "{rule:?} {left}");
    }
}

#[test]
fn keys_of_long_values_are_told_apart_too() {
    let long = "a".repeat(300);
    let name = |value: &str| SCHEMA.name_key(&Dn::parse(&format!("cn={value},o=x")).unwrap());
    assert_eq!(name(&long), name(&long.to_uppercase()));
    assert_ne!(name(&long), name(&"a".repeat(299)));
    assert_ne!(name(&"a".repeat(252)), name(&"a".repeat(253)));
}

#[test]
fn values_that_are_none_have_no_form() {
    use MatchingRule::*;
    let cases: [(MatchingRule, &[u8]); 14] = [
        (Integer, b"007"),
        (Integer, b"-0"),
        (Integer, b""),
        (Boolean, b"yes"),
        (Boolean, b"true"),
        (GeneralizedTime, b"20261301000000Z"),
        (GeneralizedTime, b"20260101000000"),
        (GeneralizedTime, b"00000101000000+0100"),
        (Uuid, b"67c6a9b8eafa1039882d152569770969"),
        (ObjectIdentifier, b"nosuchname"),
        (ObjectIdentifier, b"1..2"),
        (CaseIgnoreIa5, "ä".as_bytes()),
        (CaseIgnore, b"\xff"),
        (Csn, b"20200224023755Z#000000#000#000000"),
    ];
    for (rule, value) in cases {
        assert!(rule.normalize(&SCHEMA, value, &mut Vec::new()).is_err(), "{rule:?} {value:?}");
    }
}

#[test]
fn extensible_matches_compare_as_their_rule_says() {
    use MatchingRule::*;
    let cases: [(MatchingRule, &str, &str, bool); 16] = [
        (IntegerBitAnd, "514", "2", true),
        (IntegerBitAnd, "512", "2", false),
        (IntegerBitOr, "512", "514", true),
        (IntegerBitOr, "4", "3", false),
        (CaseIgnoreOrdering, "Anna", "bert", true),
        (CaseIgnoreOrdering, "bert", "bert", false),
        (IntegerOrdering, "-10", "9", true),
        (CaseIgnoreSubstrings, "Anna Maria Blum", "an*mar*BLUM", true),
        (CaseIgnoreSubstrings, "Anna Maria Blum", "an*maria *m", true),
        (CaseIgnoreSubstrings, "Anna Maria Blum", "an*blum*mar*", false),
        (CaseIgnoreListSubstrings, "Main St$Town", "*st*town", true),
        (CaseIgnoreListSubstrings, "Main St$Town", "*st town*", false),
        (Word, "Anna Maria Blum", "maria", true),
        (Keyword, "Anna Maria Blum", "mari", false),
        (ObjectIdentifierFirstComponent, "( 2.5.4.3 NAME 'cn' )", "cn", true),
        (DirectoryStringFirstComponent, "( Foo bar )", "foo", true),
    ];
    for (rule, value, assertion, expected) in cases {
        assert_eq!(rule.matches(&SCHEMA, value.as_bytes(), assertion.as_bytes()), Ok(expected), "{rule:?} {value} {assertion}");
    }
}

#[test]
fn a_person_seals_with_names_as_the_schema_spells_them() {
    let entry = seal_person(&[("cn;lang-fr", "Anne"), ("telephonenumber", "+1 408 555"), ("userpassword", "x")]).unwrap();
    let names: Vec<&str> = entry.attributes().map(|held| held.description()).collect();
    assert_eq!(names, ["objectClass", "cn", "sn", "cn;lang-fr", "telephoneNumber", "userPassword", "structuralObjectClass"]);
    assert_eq!(entry.text(SCHEMA.known().structural_object_class), Some("inetOrgPerson"));
    assert_eq!(entry.values(SCHEMA.known().object_class).collect::<Vec<_>>(), [&b"TOP"[..], b"inetOrgPerson"]);
    assert_eq!(entry.kind, Kind::Generic);

    let again = SCHEMA.seal(&SCHEMA.unseal(&entry), place("cn=Anna Blum"), &|_| 0, SealOptions::default()).unwrap();
    assert_eq!(again.octets(), entry.octets());
    let restored = SCHEMA.restore(entry.octets(), place("cn=Anna Blum")).unwrap();
    assert_eq!(restored.octets(), entry.octets());
    assert!(SCHEMA.restore(&entry.octets()[1..], place("cn=x")).is_none());
}

#[test]
fn refusals_name_the_attribute_and_the_rule() {
    use Violation::*;
    let refused = |more: &[(&str, &str)]| seal_person(more).unwrap_err();
    let text = |text: &str| text.to_owned();
    assert_eq!(
        refused(&[("telephoneNumber", "a*b")]),
        InvalidSyntax(text("telephoneNumber: bad value \"a*b\": a telephone number is of letters, digits, space and '()+,-./:=?"))
    );
    assert_eq!(
        refused(&[("employeeNumber", "1"), ("employeeNumber", "2")]),
        SingleValue(text("employeeNumber: only one value is allowed"))
    );
    assert_eq!(refused(&[("mail", "A@b"), ("mail", "a@B")]), DuplicateValue(text("mail: \"a@B\" is there twice")));
    assert_eq!(refused(&[("userPassword", "x"), ("userPassword", "x")]), DuplicateValue(text("userPassword: a value is there twice")));
    assert_eq!(refused(&[("uidNumber", "1")]), ObjectClass(text("uidNumber: no object class of the entry allows it")));
    assert_eq!(refused(&[("objectClass", "posixAccount")]), ObjectClass(text("uid: object class posixAccount requires it")));
    assert_eq!(refused(&[("objectClass", "nosuch")]), ObjectClass(text("objectClass: \"nosuch\" is not a class the schema knows")));
    assert_eq!(
        refused(&[("objectClass", "account"), ("uid", "a")]),
        ObjectClass(text("objectClass: inetOrgPerson and account are both structural, and neither derives from the other"))
    );
    assert_eq!(refused(&[("memberOf", "cn=x")]), ObjectClass(text("memberOf: the server makes its values, none can be stored")));
    assert_eq!(seal("cn=Other", &PERSON).unwrap_err(), Naming(text("cn: the value in the RDN is not a value of the entry")));
    assert_eq!(seal("cn=Anna Blum+uid=x", &PERSON).unwrap_err(), Naming(text("uid: the value in the RDN is not a value of the entry")));
    assert_eq!(seal("foo=x", &PERSON).unwrap_err(), UndefinedType(text("foo: the attribute type of the RDN is not defined")));
    assert_eq!(seal("entryCSN=x", &PERSON).unwrap_err(), Naming(text("entryCSN: an operational attribute cannot name an entry")));
    assert_eq!(seal("cn=x", &[("cn", "x")]).unwrap_err(), ObjectClass(text("objectClass: an entry must have at least one")));
    for classes in [&["top"][..], &["top", "hcUser"]] {
        let lines: Vec<(&str, &str)> = classes.iter().map(|class| ("objectClass", *class)).chain([("cn", "x")]).collect();
        assert_eq!(seal("cn=x", &lines).unwrap_err(), ObjectClass(text("objectClass: an entry must have a structural class")));
    }
}

#[test]
fn extensible_object_posix_group_alone_and_missing_superclasses_are_let_through() {
    let extensible = [("objectClass", "extensibleObject"), ("objectClass", "account"), ("uid", "x"), ("uidNumber", "1"), ("cn", "y")];
    assert!(seal("uid=x", &extensible).is_ok());
    let group = seal("cn=wheel", &[("objectClass", "posixGroup"), ("cn", "wheel"), ("gidNumber", "0")]).unwrap();
    assert_eq!(group.text(SCHEMA.known().structural_object_class), Some("posixGroup"));
    let both = [("objectClass", "posixGroup"), ("objectClass", "namedObject"), ("cn", "wheel"), ("gidNumber", "0")];
    assert_eq!(seal("cn=wheel", &both).unwrap().text(SCHEMA.known().structural_object_class), Some("namedObject"));
    let pilot = [
        ("objectClass", "organization"),
        ("objectClass", "organizationalUnit"),
        ("objectClass", "pilotOrganization"),
        ("o", "x"),
        ("ou", "y"),
    ];
    assert_eq!(seal("o=x", &pilot).unwrap().text(SCHEMA.known().structural_object_class), Some("pilotOrganization"));
}

#[test]
fn rfc4522_3_binary_tells_no_attribute_from_another() {
    let [bare, named] = ["userCertificate", "2.5.4.36;BINARY"].map(|text| SCHEMA.description(text).unwrap());
    assert_eq!((&bare, SCHEMA.describe(&bare)), (&named, "userCertificate;binary".to_owned()));
    assert_eq!(SCHEMA.description("userCertificate;lang-de").unwrap().options, "binary;lang-de");
    assert_eq!(SCHEMA.description("cn").unwrap().options, "");
}

#[test]
fn values_that_were_kept_without_binary_are_under_it() {
    let id = |name: &str| SCHEMA.attribute(name).unwrap();
    let mut builder = EntryBuilder::default();
    builder.push(id("objectClass"), "objectClass", &["inetOrgPerson", "hcStaffRecord"]);
    builder.push(id("userCertificate"), "userCertificate", &["one", "two"]);
    builder.push(id("userCertificate"), "userCertificate;binary", &["two", "three"]);
    builder.push(id("cn"), "cn;lang-de", &["Anna"]);
    let kept = builder.build(place("cn=Anna"), Kind::Generic);
    let entry = SCHEMA.restore(kept.octets(), place("cn=Anna")).unwrap();
    let held: Vec<(&str, Vec<&[u8]>)> = entry.attributes().map(|held| (held.description(), held.values().collect())).collect();
    let certificates: Vec<&[u8]> = vec![b"one", b"two", b"three"];
    let classes: Vec<&[u8]> = vec![b"inetOrgPerson", b"hcStaffRecord"];
    let name: Vec<&[u8]> = vec![b"Anna"];
    assert_eq!(held, [("objectClass", classes), ("cn;lang-de", name), ("userCertificate;binary", certificates)]);
    assert_eq!((entry.kind, &*entry.rdn), (Kind::Staff, "cn=Anna"));
    assert_eq!(SCHEMA.restore(entry.octets(), place("cn=Anna")).unwrap().octets(), entry.octets());
}

#[test]
fn a_group_of_ours_is_one_of_names_and_may_lack_them() {
    let none = |_: AttributeId| 0;
    let names = ["groupOfNames", "groupOfUniqueNames"].map(|name| SCHEMA.class(name).unwrap());
    let ours = SCHEMA.class("hcGroup").unwrap();
    assert!(names.iter().all(|above| SCHEMA.derives_from(ours, *above)));
    let alone = [("objectClass", "hcGroup"), ("cn", "g")];
    let listed = [("objectClass", "groupOfUniqueNames"), ("objectClass", "groupOfNames"), ("objectClass", "hcGroup"), ("cn", "g")];
    for attributes in [&alone[..], &listed] {
        let entry = SCHEMA.seal(&draft(attributes), place("cn=g"), &none, SealOptions::default()).unwrap();
        assert_eq!((entry.kind, entry.text(SCHEMA.known().structural_object_class)), (Kind::Group, Some("hcGroup")));
        assert!(!SCHEMA.lacks_link(&entry, SCHEMA.known().member));
        assert!(SCHEMA.shows_link(&entry, SCHEMA.known().member));
    }
    let unnamed = SCHEMA.seal(&draft(&listed[..3]), place("cn=g"), &none, SealOptions::default()).unwrap_err();
    assert_eq!(unnamed, Violation::ObjectClass("cn: object class groupOfUniqueNames requires it".to_owned()));
}

#[test]
fn edges_count_as_values_that_are_there() {
    let known = SCHEMA.known();
    let group = draft(&[("objectClass", "groupOfUniqueNames"), ("cn", "g")]);
    let edges = |count: usize| move |attribute: AttributeId| if attribute == SCHEMA.known().member { count } else { 0 };
    assert!(SCHEMA.seal(&group, place("cn=g"), &edges(2), SealOptions::default()).is_ok());
    let none = SCHEMA.seal(&group, place("cn=g"), &edges(0), SealOptions::default()).unwrap_err();
    assert_eq!(none, Violation::ObjectClass("uniqueMember: object class groupOfUniqueNames requires it".to_owned()));
    assert!(SCHEMA.seal(&group, place("cn=g"), &edges(0), SealOptions { relax: true }).is_ok());
    let managed = SCHEMA.seal(&group, place("cn=g"), &|_| 1, SealOptions::default()).unwrap_err();
    assert!(matches!(managed, Violation::ObjectClass(text) if text.contains("no object class of the entry allows it")));
    let user = draft(&[("objectClass", "account"), ("objectClass", "hcUser"), ("uid", "u"), ("hcStaff", "cn=a")]);
    let staff = |attribute: AttributeId| usize::from(attribute == known.hc_staff);
    assert_eq!(
        SCHEMA.seal(&user, place("uid=u"), &staff, SealOptions::default()).unwrap_err(),
        Violation::SingleValue("hcStaff: only one value is allowed".to_owned())
    );
}

#[test]
fn relax_passes_over_what_is_derived() {
    let lines =
        draft(&[("objectClass", "account"), ("uid", "u"), ("memberOf", "cn=x"), ("entryUUID", "67c6a9b8-eafa-1039-882d-152569770969")]);
    let entry = SCHEMA.seal(&lines, place("uid=u"), &|_| 0, SealOptions { relax: true }).unwrap();
    assert!(!entry.has(SCHEMA.known().member_of) && entry.has(SCHEMA.known().entry_uuid));
}

#[test]
fn kinds_follow_the_classes() {
    let kind = |rdn: &str, lines: &[(&str, &str)]| seal(rdn, lines).unwrap().kind;
    assert_eq!(kind("uid=u", &[("objectClass", "account"), ("objectClass", "hcUser"), ("uid", "u")]), Kind::User);
    let both = [
        ("objectClass", "account"),
        ("objectClass", "hcStaffRecord"),
        ("objectClass", "hcUser"),
        ("objectClass", "hcPerson"),
        ("uid", "u"),
    ];
    assert_eq!(kind("uid=u", &both), Kind::User);
    assert_eq!(kind("o=x", &[("objectClass", "organization"), ("objectClass", "hcOrganisation"), ("o", "x")]), Kind::Organisation);
    assert_eq!(kind("cn=l", &[("objectClass", "hcLicence"), ("cn", "l"), ("hcSessionLimit", "3")]), Kind::Licence);
    assert_eq!(kind("cn=g", &[("objectClass", "hcGroup"), ("cn", "g")]), Kind::Group);
    assert_eq!(kind("hcSessionId=1", &[("objectClass", "hcSession"), ("hcSessionId", "1")]), Kind::Session);
}

#[test]
fn a_suffix_of_several_rdns_is_named_by_its_first() {
    let place = Place { parent: None, rdn: "dc=example, dc=com".into(), ..place("dc=x") };
    let lines = draft(&[("objectClass", "domain"), ("dc", "example")]);
    assert!(SCHEMA.seal(&lines, place, &|_| 0, SealOptions::default()).is_ok());
}

#[test]
fn syntaxes_take_what_rfc4517_takes() {
    use Syntax::*;
    let good: [(Syntax, &str); 24] = [
        (BitString, "'0101'B"),
        (BitString, "''B"),
        (CountryString, "NZ"),
        (DeliveryMethod, "mhs $ telephone"),
        (EnhancedGuide, "person#(sn$EQ)#oneLevel"),
        (Guide, "(sn$EQ|cn$SUBSTR)&!?false"),
        (FacsimileTelephoneNumber, "+61 3 9896 7801$fineResolution"),
        (GeneralizedTime, "19000229000000Z".replace("0229", "0228").leak()),
        (GeneralizedTime, "20161231235960Z"),
        (Integer, "-123456789012345678901234567890"),
        (NameAndOptionalUid, "o=Test,c=GB#'0101'B"),
        (NisNetgroupTriple, "(host,user,)"),
        (BootParameter, "root=server:/export"),
        (NumericString, "15 079 672 281"),
        (OtherMailbox, "X400$/C=NZ"),
        (PostalAddress, "1234 Main St.$Anytown$$USA"),
        (PrintableString, "This is a PrintableString."),
        (TeletexTerminalIdentifier, "abc$graphic:x"),
        (TelexNumber, "12345$023$ABCDE"),
        (UtcTime, "9412161032Z"),
        (AuthenticationPassword, "SHA1$c2FsdA==$aGFzaA=="),
        (StructuredValue, "{\"value\":\"a@b\",\"primary\":true}"),
        (SubstringAssertion, "a*b\\2A"),
        (ChangeSequenceNumber, "20200224023755.130368Z#000000#000#000000"),
    ];
    for (syntax, value) in good {
        assert_eq!(syntax.check(value.as_bytes()), Ok(()), "{syntax:?} {value}");
    }
    let bad: [(Syntax, &str); 20] = [
        (BitString, "0101"),
        (Boolean, "true"),
        (CountryString, "NZL"),
        (DeliveryMethod, "pigeon"),
        (DirectoryString, ""),
        (DistinguishedName, "not a dn"),
        (EnhancedGuide, "person#(sn$EQ#oneLevel"),
        (Guide, "sn$EQ&"),
        (FacsimileTelephoneNumber, "+61$loud"),
        (GeneralizedTime, "20260230000000Z"),
        (Integer, "1.5"),
        (Ia5String, "ä"),
        (NisNetgroupTriple, "(a,b)"),
        (ObjectIdentifier, "1.02"),
        (PostalAddress, "a\\b"),
        (PrintableString, "a@b"),
        (StructuredValue, "[1]"),
        (SubstringAssertion, "abc"),
        (UtcTime, "9413161032Z"),
        (Uuid, "xyz"),
    ];
    for (syntax, value) in bad {
        assert!(syntax.check(value.as_bytes()).is_err(), "{syntax:?} {value}");
    }
}

proptest! {
    #[test]
    fn keys_of_whole_numbers_are_in_order(left in any::<i128>(), right in any::<i128>(), small in -1000i128..1000) {
        for (left, right) in [(left, right), (left, small), (small, right), (small, -small)] {
            let keys = (key(MatchingRule::Integer, left.to_string().as_bytes()), key(MatchingRule::Integer, right.to_string().as_bytes()));
            prop_assert_eq!(left.cmp(&right), keys.0.cmp(&keys.1), "{} {}", left, right);
        }
    }

    #[test]
    fn keys_of_times_are_in_order(left in 0u64..4_000_000_000_000, right in 0u64..4_000_000_000_000, zone in -14i64..14) {
        let text = |millis: u64, zone: i64| {
            let local = crate::base::Timestamp::from_millis((millis as i64 + 200_000_000 + zone * 3_600_000) as u64);
            format!("{}{zone:+03}00", local.generalized_millis().trim_end_matches('Z'))
        };
        let keys = (key(MatchingRule::GeneralizedTime, text(left, zone).as_bytes()), key(MatchingRule::GeneralizedTime, text(right, 0).as_bytes()));
        prop_assert_eq!(left.cmp(&right), keys.0.cmp(&keys.1));
    }

    #[test]
    fn the_reader_of_definitions_never_panics(text in "(attributetype|objectclasses:) \\( 1\\.2 [ -~\\n]{0,60}") {
        let _ = parse::parse(&Source { name: "x".to_owned(), text }, &mut std::collections::HashMap::new());
    }

    #[test]
    fn keys_of_names_are_equal_for_equal_names_only(left in "[a-c]{1,3}", right in "[a-c]{1,3}", order in any::<bool>()) {
        let name = |first: &str, second: &str| key(MatchingRule::DistinguishedName, format!("cn={first}+sn={second},o=x").as_bytes());
        let turned = key(MatchingRule::DistinguishedName, format!("O=X,cn={left}").as_bytes());
        let other = key(MatchingRule::DistinguishedName, format!("sn={right}+cn={left},o=x").as_bytes());
        prop_assert_eq!(name(&left, &right), if order { other } else { name(&left.to_uppercase(), &right) });
        prop_assert_ne!(name(&left, &right), turned);
        prop_assert_eq!(left == right, name(&left, &right) == name(&right, &left));
    }
}

/// Real directories: what our schema does not know is named, everything else seals.
#[test]
fn entries_of_real_directories_seal() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if !folder.is_dir() {
        eprintln!("skipped: {} is absent", folder.display());
        return;
    }
    for (file, entries, refusals) in REAL {
        let text = std::fs::read(folder.join(file)).unwrap();
        let (mut sealed, mut refused) = (0, Vec::new());
        for record in LdifReader::new(text.as_slice()) {
            let record = record.unwrap();
            let LdifBody::Content(attributes) = record.body else { panic!("{} is no entry", record.dn) };
            let mut draft = Draft::default();
            for (name, values) in attributes {
                match SCHEMA.description(&name) {
                    Some(description) => draft.set(description, values),
                    None => refused.push(format!("{name} of {}", record.dn)),
                }
            }
            let dn = Dn::parse(&record.dn).unwrap();
            match SCHEMA.seal(&draft, place(&dn.rdn().unwrap().to_string()), &|_| 0, SealOptions { relax: true }) {
                Ok(entry) => {
                    sealed += 1;
                    assert_eq!(SCHEMA.restore(entry.octets(), place("cn=x")).unwrap().octets(), entry.octets());
                }
                Err(violation) => refused.push(format!("{}: {violation}", record.dn)),
            }
        }
        assert_eq!((sealed, refused.len()), (*entries, *refusals), "{file}: {refused:#?}");
    }
}

/// File, entries that seal, attributes and entries that do not.
const REAL: &[(&str, usize, usize)] = &[("Example.ldif", 160, 14), ("European.ldif", 611, 4), ("example_com.slapcat.ldif", 14, 0)];

#[test]
fn rfc4512_4_1_6_content_rules_are_published_and_enforced() {
    let rule = "ditcontentrule ( 2.5.6.6 NAME 'personRule' AUX ( posixAccount $ uidObject ) MUST description MAY title NOT seeAlso )";
    let schema = Schema::load(&[Source { name: "own.schema".to_owned(), text: rule.to_owned() }]).unwrap();
    let shown = schema.subschema().into_iter().find(|(name, _)| *name == "dITContentRules").unwrap().1;
    assert_eq!(shown, ["( 2.5.6.6 NAME 'personRule' AUX ( posixAccount $ uidObject ) MUST description MAY title NOT seeAlso )"]);
    let seal = |attributes: &[(&str, &str)]| {
        let mut draft = Draft::default();
        for (name, value) in [("cn", "x"), ("sn", "x")].iter().chain(attributes) {
            let description = Description::plain(schema.attribute(name).unwrap());
            let mut values = draft.get(&description).unwrap_or_default().to_vec();
            values.push(value.as_bytes().to_vec());
            draft.set(description, values);
        }
        let rdn = Rdn::parse("cn=x").unwrap();
        let place = Place { id: EntryId(1), parent: Some(EntryId(0)), rdn: "cn=x".into(), rdn_key: schema.rdn_key(&rdn), revision: 1 };
        schema.seal(&draft, place, &|_| 0, SealOptions::default()).map(drop).map_err(|error| error.to_string())
    };
    let person = ("objectClass", "person");
    assert_eq!(seal(&[person, ("description", "d"), ("title", "boss")]), Ok(()));
    assert!(seal(&[person]).unwrap_err().contains("description: it must be there"));
    assert!(seal(&[person, ("description", "d"), ("seeAlso", "cn=y")]).unwrap_err().contains("seeAlso: it must not be there"));
    assert_eq!(seal(&[person, ("objectClass", "uidObject"), ("uid", "x"), ("description", "d")]), Ok(()));
    assert!(seal(&[person, ("objectClass", "pkiUser"), ("description", "d")]).unwrap_err().contains("pkiUser cannot be added"));
    let refused = |text: &str| Schema::load(&[Source { name: "own.schema".to_owned(), text: text.to_owned() }]).unwrap_err().to_string();
    assert!(refused("ditcontentrule ( 2.5.6.0 AUX uidObject )").contains("not a structural class"));
    assert!(refused("ditcontentrule ( 2.5.6.6 AUX person )").contains("not an auxiliary class"));
    assert!(refused("ditcontentrule ( 2.5.6.6 MUST nothing )").contains("own.schema:1:16"));
}
