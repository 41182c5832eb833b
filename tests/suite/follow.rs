//! Searches that go on: content sync (RFC 4533), persistent search (draft-ietf-ldapext-psearch-03), and how they are
//! cancelled (RFC 3909). slapd as a consumer is tested beside this, in `tests/differential`.

use crate::demo::Demo;
use crate::house::{ACME, House, OTHER, SUFFIX, group, settle, user};
use crate::server::Server;
use crate::wire::{
    Answer, Wire, control, delete_request, elements, equal, extended_request, message, number, octets, present, search_request, sequence,
    tlv,
};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

const SYNC: &str = "1.3.6.1.4.1.4203.1.9.1.1";
const SYNC_STATE: &str = "1.3.6.1.4.1.4203.1.9.1.2";
const SYNC_DONE: &str = "1.3.6.1.4.1.4203.1.9.1.3";
const SYNC_INFO: &str = "1.3.6.1.4.1.4203.1.9.1.4";
const PERSISTENT: &str = "2.16.840.1.113730.3.4.3";
const ENTRY_CHANGE: &str = "2.16.840.1.113730.3.4.7";
const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";
const CANCEL: &str = "1.3.6.1.1.8";
const BASE: &str = "dc=example,dc=com";
const REFRESH_REQUIRED: u32 = 4096;
/// Nobody reads everything.
const OPEN: &str = "[[access]]\nwho = [\"anonymous\"]\nsubtree = \"dc=example,dc=com\"\nrights = [\"read\", \"search\"]\n";

fn server(more: &str) -> Server {
    let server = Server::start(IpAddr::V4(Ipv4Addr::LOCALHOST), more);
    let mut wire = server.as_operator();
    wire.add(BASE, &[("objectClass", "domain"), ("dc", "example")]);
    for unit in ["people", "elsewhere", "groups"] {
        wire.add(&format!("ou={unit},{BASE}"), &[("objectClass", "organizationalUnit"), ("ou", unit)]);
    }
    server
}

fn add_person(wire: &mut Wire, name: &str, unit: &str) -> String {
    let dn = format!("cn={name},ou={unit},{BASE}");
    wire.add(&dn, &[("objectClass", "person"), ("cn", name), ("sn", name)]);
    dn
}

fn rename(wire: &mut Wire, dn: &str, rdn: &str, superior: Option<&str>) {
    let superior = superior.map_or_else(Vec::new, |superior| tlv(0x80, superior.as_bytes()));
    let request = tlv(0x6c, &[octets(dn), octets(rdn), vec![0x01, 0x01, 0xff], superior].concat());
    assert_eq!(wire.ask(&request, &[]).code(), 0, "{dn}");
}

fn delete(wire: &mut Wire, dn: &str) {
    assert_eq!(wire.ask(&delete_request(dn), &[]).code(), 0, "{dn}");
}

fn uuid(wire: &mut Wire, dn: &str) -> Vec<u8> {
    let answers = wire.ask_all(&search_request(dn, 0, &present("objectClass"), &["entryUUID"]), &[]);
    let text: String = answers[0].values("entryUUID")[0].chars().filter(|character| *character != '-').collect();
    (0..16).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

/// The Sync Request control.
fn sync(persist: bool, cookie: Option<&[u8]>, reload: bool) -> Vec<u8> {
    let mode = number(0x0a, if persist { 3 } else { 1 });
    let reload = if reload { vec![0x01, 0x01, 0xff] } else { Vec::new() };
    control(SYNC, true, Some(&sequence(&[&mode, &cookie.map_or_else(Vec::new, octets), &reload])))
}

/// The Persistent Search control.
pub(crate) fn persistent(kinds: i64, changes_only: bool) -> Vec<u8> {
    let boolean = |value: bool| vec![0x01, 0x01, if value { 0xff } else { 0 }];
    control(PERSISTENT, true, Some(&sequence(&[&number(0x02, kinds), &boolean(changes_only), &boolean(true)])))
}

fn value<'a>(answer: &'a Answer, oid: &str) -> &'a [u8] {
    let (_, value) = answer.controls.iter().find(|(name, _)| name == oid).unwrap_or_else(|| panic!("no {oid}: {answer:?}"));
    elements(value)[0].1
}

/// What a consumer is told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Entry { state: u8, dn: String, cookie: Option<Vec<u8>> },
    Set { deleted: bool, uuids: Vec<Vec<u8>> },
    Refreshed { deletes: bool, cookie: Vec<u8> },
    Cookie(Vec<u8>),
    Done { code: u32, deletes: bool, cookie: Option<Vec<u8>> },
}

fn told(answer: &Answer) -> Told {
    match answer.tag {
        0x64 => {
            let parts = elements(value(answer, SYNC_STATE));
            Told::Entry { state: parts[0].1[0], dn: answer.dn(), cookie: parts.get(2).map(|(_, cookie)| cookie.to_vec()) }
        }
        0x79 => {
            let parts = elements(&answer.content);
            assert_eq!(parts[0], (0x80, SYNC_INFO.as_bytes()));
            let (tag, content) = elements(parts[1].1)[0];
            let fields = if tag == 0x80 { Vec::new() } else { elements(content) };
            let cookie = || fields.iter().find(|(tag, _)| *tag == 0x04).map(|(_, cookie)| cookie.to_vec());
            match tag {
                0x80 => Told::Cookie(content.to_vec()),
                0xa1 | 0xa2 => Told::Refreshed { deletes: tag == 0xa1, cookie: cookie().unwrap() },
                0xa3 => {
                    let (_, set) = fields.iter().find(|(tag, _)| *tag == 0x31).unwrap();
                    let deleted = fields.iter().any(|(tag, content)| *tag == 0x01 && content[0] != 0);
                    Told::Set { deleted, uuids: elements(set).into_iter().map(|(_, uuid)| uuid.to_vec()).collect() }
                }
                tag => panic!("{tag:#x} is no Sync Info"),
            }
        }
        _ => {
            let code = answer.code();
            if answer.controls.is_empty() {
                return Told::Done { code, deletes: false, cookie: None };
            }
            let fields = elements(value(answer, SYNC_DONE));
            let deletes = fields.iter().any(|(tag, content)| *tag == 0x01 && content[0] != 0);
            let cookie = fields.iter().find(|(tag, _)| *tag == 0x04).map(|(_, cookie)| cookie.to_vec());
            Told::Done { code, deletes, cookie }
        }
    }
}

/// One refresh by polling: what was told, and what the end said.
fn refresh(wire: &mut Wire, filter: &[u8], cookie: Option<&[u8]>, reload: bool) -> (Vec<Told>, Told) {
    let answers = wire.ask_all(&search_request(BASE, 2, filter, &["*", "+"]), &[sync(false, cookie, reload)]);
    let mut all: Vec<Told> = answers.iter().map(told).collect();
    let end = all.pop().unwrap();
    (all, end)
}

fn cookie_of(end: &Told) -> Vec<u8> {
    match end {
        Told::Done { code: 0, cookie: Some(cookie), .. } => cookie.clone(),
        other => panic!("no cookie: {other:?}"),
    }
}

fn names(all: &[Told]) -> Vec<&str> {
    all.iter().filter_map(|told| if let Told::Entry { dn, .. } = told { Some(dn.as_str()) } else { None }).collect()
}

/// A consumer that persists.
struct Consumer {
    wire: Wire,
}

impl Consumer {
    fn begin(server: &Server, base: &str, filter: &[u8], cookie: Option<&[u8]>) -> (Self, Vec<Told>) {
        let mut wire = server.as_operator();
        wire.send(&message(77, &search_request(base, 2, filter, &["*", "entryUUID", "entryCSN"]), &[sync(true, cookie, false)]));
        let mut consumer = Self { wire };
        let mut all = Vec::new();
        while !matches!(all.last(), Some(Told::Refreshed { .. } | Told::Done { .. })) {
            all.push(consumer.next());
        }
        (consumer, all)
    }

    fn next(&mut self) -> Told {
        told(&self.wire.receive().expect("the server goes on"))
    }

    /// What comes up to the cookie that ends a change set.
    fn change(&mut self) -> Vec<Told> {
        let mut all = Vec::new();
        loop {
            all.push(self.next());
            if matches!(all.last(), Some(Told::Cookie(_) | Told::Done { .. } | Told::Entry { cookie: Some(_), .. })) {
                return all;
            }
        }
    }
}

#[test]
fn rfc4533_a_consumer_is_brought_up_to_date_and_kept_so() {
    let server = server("");
    let mut wire = server.as_operator();
    let ada = add_person(&mut wire, "Ada", "people");
    let (mut consumer, first) = Consumer::begin(&server, BASE, &present("objectClass"), None);
    assert_eq!(names(&first), [BASE, &format!("ou=people,{BASE}"), &format!("ou=elsewhere,{BASE}"), &format!("ou=groups,{BASE}"), &ada]);
    assert!(first.iter().all(|told| !matches!(told, Told::Entry { state: 0 | 2 | 3, .. })), "{first:?}");
    assert!(matches!(first.last(), Some(Told::Refreshed { deletes: false, .. })), "{first:?}");

    let grace = add_person(&mut wire, "Grace", "people");
    assert!(matches!(&consumer.change()[..], [Told::Entry { state: 1, dn, cookie: Some(_) }] if *dn == grace));
    wire.replace(&grace, "description", &["changed"]);
    assert!(matches!(&consumer.change()[..], [Told::Entry { state: 2, dn, .. }] if *dn == grace));
    let id = uuid(&mut wire, &grace);
    rename(&mut wire, &grace, "cn=Hopper", Some(&format!("ou=elsewhere,{BASE}")));
    let renamed = format!("cn=Hopper,ou=elsewhere,{BASE}");
    assert_eq!(names(&consumer.change()), [&renamed]);
    delete(&mut wire, &renamed);
    assert!(consumer.change().contains(&Told::Set { deleted: true, uuids: vec![id] }));
}

#[test]
fn rfc4533_a_renamed_subtree_is_told_entry_by_entry_and_to_those_who_refer_to_it() {
    let server = server("");
    let mut wire = server.as_operator();
    let ada = add_person(&mut wire, "Ada", "people");
    let group = format!("cn=all,ou=groups,{BASE}");
    wire.add(&group, &[("objectClass", "groupOfNames"), ("cn", "all"), ("member", &ada)]);
    let (mut consumer, _) = Consumer::begin(&server, BASE, &present("objectClass"), None);
    rename(&mut wire, &format!("ou=people,{BASE}"), "ou=persons", None);
    let told = consumer.change();
    assert_eq!(names(&told), [&format!("ou=persons,{BASE}"), &format!("cn=Ada,ou=persons,{BASE}"), &group]);
    delete(&mut wire, &format!("cn=Ada,ou=persons,{BASE}"));
    assert_eq!(names(&consumer.change()), [&group], "its member is gone");
}

#[test]
fn rfc4533_what_leaves_the_content_is_told_as_deleted_and_what_comes_in_as_added() {
    let server = server("");
    let mut wire = server.as_operator();
    let (ada, grace) = (add_person(&mut wire, "Ada", "people"), add_person(&mut wire, "Grace", "elsewhere"));
    wire.replace(&ada, "description", &["in"]);
    let (mut consumer, first) = Consumer::begin(&server, &format!("ou=people,{BASE}"), &equal("description", b"in"), None);
    assert_eq!(names(&first), [&ada]);
    let id = uuid(&mut wire, &ada);
    wire.replace(&ada, "description", &["out"]);
    assert!(consumer.change().contains(&Told::Set { deleted: true, uuids: vec![id.clone()] }), "by the filter");
    wire.replace(&ada, "description", &["in"]);
    assert!(matches!(&consumer.change()[..], [Told::Entry { state: 1, dn, .. }] if *dn == ada));
    rename(&mut wire, &ada, "cn=Ada", Some(&format!("ou=elsewhere,{BASE}")));
    assert!(consumer.change().contains(&Told::Set { deleted: true, uuids: vec![id] }), "by the scope");
    wire.replace(&grace, "description", &["in"]);
    rename(&mut wire, &grace, "cn=Grace", Some(&format!("ou=people,{BASE}")));
    assert!(matches!(&consumer.change()[..], [Told::Entry { state: 1, dn, .. }] if *dn == format!("cn=Grace,ou=people,{BASE}")));
}

#[test]
fn rfc4533_a_cookie_brings_what_changed_and_what_is_gone_and_nothing_else() {
    let server = server("");
    let mut wire = server.as_operator();
    let all = present("objectClass");
    let (ada, grace) = (add_person(&mut wire, "Ada", "people"), add_person(&mut wire, "Grace", "people"));
    let (_, end) = refresh(&mut wire, &all, None, false);
    let id = uuid(&mut wire, &grace);
    let (nothing, end) = refresh(&mut wire, &all, Some(&cookie_of(&end)), false);
    assert_eq!(nothing, []);
    wire.replace(&ada, "description", &["changed"]);
    delete(&mut wire, &grace);
    let (some, end) = refresh(&mut wire, &all, Some(&cookie_of(&end)), false);
    assert_eq!(names(&some), [&ada]);
    assert!(some.contains(&Told::Set { deleted: true, uuids: vec![id] }), "{some:?}");
    assert!(matches!(end, Told::Done { deletes: true, .. }));
    let (persisting, _) = Consumer::begin(&server, BASE, &all, None);
    drop(persisting);
    assert_eq!(refresh(&mut wire, &all, Some(&cookie_of(&end)), false).0, []);
}

#[test]
fn rfc4533_a_cookie_of_another_content_is_stale() {
    let server = server("");
    let mut wire = server.as_operator();
    add_person(&mut wire, "Ada", "people");
    let cookie = cookie_of(&refresh(&mut wire, &present("objectClass"), None, false).1);
    for foreign in [cookie.as_slice(), b"rid=001,csn=20260102030405.000000Z#000001#000#000001", b"anything"] {
        let (told, end) = refresh(&mut wire, &present("sn"), Some(foreign), false);
        assert_eq!((told, end), (Vec::new(), Told::Done { code: REFRESH_REQUIRED, deletes: false, cookie: None }));
        let (told, end) = refresh(&mut wire, &present("sn"), Some(foreign), true);
        assert_eq!(names(&told).len(), 1, "it is loaded anew");
        assert!(matches!(end, Told::Done { code: 0, deletes: false, cookie: Some(_) }));
    }
}

#[test]
fn rfc4533_damaged_requests_and_what_cannot_be_followed_are_refused() {
    let server = server("");
    let mut wire = server.as_operator();
    let search = search_request(BASE, 2, &present("objectClass"), &[]);
    for value in [None, Some(sequence(&[])), Some(sequence(&[&number(0x0a, 2)])), Some(sequence(&[&number(0x0a, 1), &octets("x")]))] {
        let answer = wire.ask(&search, &[control(SYNC, true, value.as_deref())]);
        assert_eq!(answer.code(), if value.as_ref().is_some_and(|value| value.len() > 6) { REFRESH_REQUIRED } else { 2 }, "{value:?}");
    }
    assert_eq!(wire.ask(&search, &[sync(false, None, false), persistent(15, true)]).code(), 2);
    assert_eq!(wire.ask(&search_request("", 0, &present("objectClass"), &[]), &[sync(true, None, false)]).code(), 53);
    assert_eq!(
        wire.ask(&search_request("cn=nobody,dc=example,dc=com", 0, &present("objectClass"), &[]), &[sync(true, None, false)]).code(),
        32
    );
    assert!(wire.root_dse("supportedControl").contains(&SYNC.to_owned()));
}

#[test]
fn rfc4533_a_base_that_is_renamed_ends_the_sync() {
    let server = server("");
    let mut wire = server.as_operator();
    let (mut consumer, _) = Consumer::begin(&server, &format!("ou=people,{BASE}"), &present("objectClass"), None);
    rename(&mut wire, &format!("ou=people,{BASE}"), "ou=persons", None);
    assert_eq!(consumer.change(), [Told::Done { code: REFRESH_REQUIRED, deletes: false, cookie: None }]);
}

/// A change that a persistent search tells: kind, DN, DN before.
fn change(wire: &mut Wire) -> (u8, String, Option<String>) {
    let answer = wire.receive().expect("the server goes on");
    let parts: Vec<(u8, Vec<u8>)> = elements(value(&answer, ENTRY_CHANGE)).into_iter().map(|(tag, part)| (tag, part.to_vec())).collect();
    let previous = parts.iter().find(|(tag, _)| *tag == 0x04).map(|(_, dn)| String::from_utf8(dn.clone()).unwrap());
    (parts[0].1[0], answer.dn(), previous)
}

fn follow(wire: &mut Wire, id: i64, base: &str, filter: &[u8], kinds: i64, changes_only: bool) {
    wire.send(&message(id, &search_request(base, 2, filter, &["cn"]), &[persistent(kinds, changes_only)]));
}

#[test]
fn psearch_tells_every_kind_of_change_to_entries_that_match() {
    let server = server("");
    let mut wire = server.as_operator();
    let mut listener = server.as_operator();
    let ada = add_person(&mut wire, "Ada", "people");
    follow(&mut listener, 9, BASE, &present("sn"), 15, false);
    let first = listener.receive().unwrap();
    assert_eq!((first.dn(), first.controls.len()), (ada.clone(), 0), "what is there says nothing about a change");
    let grace = add_person(&mut wire, "Grace", "people");
    wire.add(&format!("ou=no person,{BASE}"), &[("objectClass", "organizationalUnit"), ("ou", "no person")]);
    wire.replace(&ada, "description", &["changed"]);
    rename(&mut wire, &grace, "cn=Hopper", None);
    delete(&mut wire, &format!("cn=Hopper,ou=people,{BASE}"));
    let hopper = format!("cn=Hopper,ou=people,{BASE}");
    assert_eq!(change(&mut listener), (1, grace.clone(), None));
    assert_eq!(change(&mut listener), (4, ada, None));
    assert_eq!(change(&mut listener), (8, hopper.clone(), Some(grace)));
    assert_eq!(change(&mut listener), (2, hopper, None));
}

#[test]
fn psearch_tells_only_the_kinds_asked_for_and_leaves_out_what_is_there() {
    let server = server("");
    let mut wire = server.as_operator();
    let mut listener = server.as_operator();
    let ada = add_person(&mut wire, "Ada", "people");
    follow(&mut listener, 9, BASE, &present("sn"), 2 | 4, true);
    assert_eq!(listener.ask(&extended_request(WHO_AM_I, None), &[]).code(), 0);
    let grace = add_person(&mut wire, "Grace", "people");
    rename(&mut wire, &grace, "cn=Hopper", None);
    wire.replace(&ada, "description", &["changed"]);
    assert_eq!(change(&mut listener), (4, ada.clone(), None));
    delete(&mut wire, &ada);
    assert_eq!(change(&mut listener), (2, ada, None));
    for kinds in [0, 16, -1] {
        let search = search_request(BASE, 2, &present("sn"), &[]);
        assert_eq!(wire.ask(&search, &[persistent(kinds, true)]).code(), 2);
    }
}

#[test]
fn ha12_a_connection_and_an_organisation_follow_so_many_searches_and_no_more() {
    let house = House::start("[limits]\nfollowers_per_connection = 2\nfollowers_per_organisation = 3\n");
    let search = search_request(ACME, 2, &present("sn"), &[]);
    let mut first = house.signed_in("ada", ACME);
    for id in [50, 51] {
        first.send(&message(id, &search, &[persistent(15, true)]));
    }
    assert_eq!(first.ask(&search, &[persistent(15, true)]).code(), 11);
    assert_eq!(first.ask(&search, &[sync(true, None, false)]).code(), 11);
    let mut second = house.signed_in("ada", ACME);
    second.send(&message(50, &search, &[persistent(15, true)]));
    assert_eq!(second.ask(&search, &[persistent(15, true)]).code(), 11, "three follow already");
    // One that ends makes room for another.
    first.send(&message(60, &tlv(0x50, &[50]), &[]));
    assert_eq!(first.ask(&extended_request(WHO_AM_I, None), &[]).code(), 0);
    second.send(&message(51, &search, &[persistent(15, true)]));
    assert_eq!(cancel(&mut second, 51), (118, 0));
}

#[test]
fn ha12_who_is_not_bound_takes_places_from_nobody_and_the_operator_needs_none() {
    let server = server(&format!("{OPEN}[limits]\nfollowers_per_organisation = 1\nfollowers_anonymous = 2\n"));
    let search = search_request(BASE, 2, &present("ou"), &[]);
    let mut nobody = server.connect();
    for id in [50, 51] {
        nobody.send(&message(id, &search, &[persistent(15, true)]));
    }
    assert_eq!(nobody.ask(&search, &[persistent(15, true)]).code(), 11);
    assert_eq!(server.connect().ask(&search, &[sync(false, None, false)]).code(), 11, "all who are nobody share");
    let mut operator = server.as_operator();
    for id in [50, 51, 52] {
        operator.send(&message(id, &search, &[persistent(15, true)]));
    }
    assert_eq!(operator.ask(&search, &[sync(false, None, false)]).code(), 0);
    assert_eq!(cancel(&mut operator, 52), (118, 0));
}

#[test]
fn ha5_chains_of_links_are_not_followed() {
    let server = server("");
    let mut wire = server.as_operator();
    let ann = add_person(&mut wire, "ann", "people");
    wire.add(&format!("cn=g,ou=groups,{BASE}"), &[("objectClass", "groupOfNames"), ("cn", "g"), ("member", &ann)]);
    let parts = [tlv(0x81, b"1.2.840.113556.1.4.1941"), tlv(0x82, b"member"), tlv(0x83, ann.as_bytes())];
    let chain = tlv(0xa9, &parts.concat());
    let inside = tlv(0xa0, &[present("objectClass"), tlv(0xa2, &chain)].concat());
    assert_eq!(wire.ask_all(&search_request(BASE, 2, &chain, &["1.1"]), &[]).len(), 2, "a search finds the group");
    for filter in [chain, inside] {
        let search = search_request(BASE, 2, &filter, &["1.1"]);
        for kind in [sync(false, None, false), sync(true, None, false), persistent(15, true)] {
            let answer = wire.ask(&search, &[kind]);
            assert_eq!((answer.code(), answer.text().contains("in-chain")), (53, true));
        }
    }
}

#[test]
fn hc5_memberships_of_another_organisation_end_no_sync() {
    let house = House::start("");
    let mut operator = house.server.as_operator();
    let people = present("sn");
    settle(&house, "ada", ACME);
    let mut consumer = Consumer { wire: house.signed_in("ada", ACME) };
    consumer.wire.send(&message(77, &search_request(SUFFIX, 2, &people, &["cn"]), &[sync(true, None, false)]));
    while !matches!(consumer.next(), Told::Refreshed { .. }) {}
    let role = |organisation: &str| format!("cn=clerk,ou=roles,{organisation}");
    let (ours, theirs) = (user("bob", ACME), group("team", OTHER));
    // A role that changes, a group in a group, an organisation that comes, changes and goes, and a group that goes.
    operator.replace(&role(OTHER), "hcRolePermission", &["people.search"]);
    operator.add(&group("crew", OTHER), &[("objectClass", "hcGroup"), ("cn", "crew"), ("member", &theirs)]);
    operator.add("o=Third,dc=example,dc=com", &[("objectClass", "organization"), ("objectClass", "hcOrganisation"), ("o", "Third")]);
    operator.replace("o=Third,dc=example,dc=com", "description", &["changed"]);
    delete(&mut operator, &theirs);
    operator.replace(&ours, "title", &["changed"]);
    assert_eq!(names(&consumer.change()), [&ours], "nothing else is told, and it goes on");
    operator.replace(&role(ACME), "hcRolePermission", &["people.search"]);
    assert_eq!(consumer.change(), [Told::Done { code: REFRESH_REQUIRED, deletes: false, cookie: None }], "what is its own ends it");
}

#[test]
fn o1_a_service_account_learns_that_a_subtree_became_an_organisation_or_ceased_to_be_one() {
    let rule = format!("[[access]]\nwho = [\"services\"]\nsubtree = \"{SUFFIX}\"\nattributes = [\"*\"]\nrights = [\"read\", \"search\"]\n");
    let house = House::start(&rule);
    let mut operator = house.server.as_operator();
    let (site, device) = (format!("ou=site,{SUFFIX}"), format!("cn=device,ou=site,{SUFFIX}"));
    operator.add(&site, &[("objectClass", "organizationalUnit"), ("ou", "site")]);
    operator.add(&device, &[("objectClass", "device"), ("cn", "device")]);
    settle(&house, "svc", ACME);
    let devices = equal("objectClass", b"device");
    let began = |wire: Wire| {
        let mut consumer = Consumer { wire };
        consumer.wire.send(&message(77, &search_request(SUFFIX, 2, &devices, &["*"]), &[sync(true, None, false)]));
        let mut all = vec![consumer.next()];
        while !matches!(all.last(), Some(Told::Refreshed { .. })) {
            all.push(consumer.next());
        }
        (consumer, all)
    };
    let ended = [Told::Done { code: REFRESH_REQUIRED, deletes: false, cookie: None }];
    let (mut service, first) = began(house.signed_in("svc", ACME));
    assert_eq!(names(&first), [&device]);
    let (mut all, _) = began(house.server.as_operator());
    operator.replace(&site, "objectClass", &["organizationalUnit", "hcOrganisation"]);
    assert_eq!(service.change(), ended, "what is in another organisation is not for it");

    let mut wire = house.signed_in("svc", ACME);
    let (told, end) = refresh(&mut wire, &devices, None, false);
    assert!(names(&told).is_empty(), "{told:?}");
    let (mut service, first) = began(house.signed_in("svc", ACME));
    assert!(names(&first).is_empty(), "{first:?}");
    operator.replace(&site, "objectClass", &["organizationalUnit"]);
    assert_eq!(service.change(), ended, "and what ceased to be may be for it again");
    let (told, _) = refresh(&mut wire, &devices, Some(&cookie_of(&end)), false);
    assert_eq!(names(&told), [&device], "with a cookie it is sent too");
    operator.replace(&device, "description", &["changed"]);
    assert_eq!(names(&all.change()), [&device], "the operator's goes on: nothing became hidden from it");
}

#[test]
fn hc5_dynamic_groups_of_another_organisation_stop_nobody_from_following() {
    let house = House::start("");
    let (mut ada, mut operator) = (house.signed_in("ada", ACME), house.server.as_operator());
    let filter = equal("memberOf", group("team", ACME).as_bytes());
    let follow = |wire: &mut Wire, base: &str| wire.ask(&search_request(base, 2, &filter, &["1.1"]), &[sync(false, None, false)]).code();
    let mut add = |organisation: &str| {
        let url = format!("ldap:///{organisation}??sub?(uid=eve)");
        operator.add(&group("dynamic", organisation), &[("objectClass", "groupOfURLs"), ("cn", "dynamic"), ("memberURL", &url)]);
    };
    add(OTHER);
    assert_eq!(follow(&mut ada, ACME), 0);
    assert_eq!(follow(&mut ada, SUFFIX), 0, "ada knows of no other organisation");
    assert_eq!(follow(&mut house.server.as_operator(), SUFFIX), 53, "members of it are in this content");
    assert_eq!(follow(&mut house.server.as_operator(), ACME), 0);
    add(ACME);
    assert_eq!(follow(&mut ada, ACME), 53);
}

#[test]
fn ha12_who_does_not_read_is_cut_off_and_costs_nothing() {
    let demo_server = server("[limits]\nwrite_stall = \"1s\"\n");
    let mut wire = demo_server.as_operator();
    let ada = add_person(&mut wire, "Ada", "people");
    let mut idle = demo_server.as_operator();
    idle.send(&message(9, &search_request(BASE, 2, &present("sn"), &["*"]), &[persistent(15, true)]));
    let (mut reader, _) = Consumer::begin(&demo_server, BASE, &present("sn"), None);
    let large = "x".repeat(60_000);
    for round in 0..400 {
        wire.replace(&ada, "description", &[&format!("{round}{large}")]);
        assert_eq!(names(&reader.change()), [&ada], "one who reads is not held up");
    }
    std::thread::sleep(Duration::from_secs(5));
    let got = idle.receive_all().len();
    assert!(got < 400, "{got} of 400 were waiting for it");
}

#[test]
fn ha12_what_may_be_seen_is_looked_at_for_each_entry() {
    let demo = Demo::start();
    let (user, other) = (&demo.users[0], &demo.users[1]);
    let mut listener = demo.signed_in(user);
    let mut operator = demo.as_operator();
    listener.send(&message(9, &search_request(&demo.organisation(), 2, &present("objectClass"), &["cn"]), &[persistent(15, true)]));
    assert_eq!(listener.ask(&extended_request(WHO_AM_I, None), &[]).code(), 0);
    // The operator's own tree is none of the user's business, and neither is the password of another.
    operator.replace(&other.dn, "description", &["told to nobody who may not see it"]);
    operator.replace(&user.dn, "description", &["told"]);
    let mut told = Vec::new();
    loop {
        let answer = listener.receive().unwrap();
        told.push(answer.dn());
        if answer.dn() == user.dn {
            break;
        }
    }
    let seen = demo.signed_in(user).entries(&demo.organisation(), &present("objectClass"), &["1.1"]);
    let seen: Vec<String> = seen.iter().map(Answer::dn).collect();
    assert!(told.iter().all(|dn| seen.contains(dn)), "{told:?} of {seen:?}");
}

#[test]
fn s6_a_persistent_search_ends_with_the_session_of_its_connection() {
    let demo = Demo::start();
    let user = &demo.users[0];
    let mut listener = demo.signed_in(user);
    listener.send(&message(9, &search_request(&user.dn, 2, &present("objectClass"), &["cn"]), &[persistent(15, true)]));
    assert_eq!(listener.ask(&extended_request(WHO_AM_I, None), &[]).code(), 0);
    let mut operator = demo.as_operator();
    operator.replace(&user.dn, "hcActive", &["FALSE"]);
    let started = Instant::now();
    let notice = loop {
        match listener.receive() {
            Some(answer) if answer.is_notice() => break true,
            Some(_) => {}
            None => break false,
        }
    };
    assert!(notice && started.elapsed() < Duration::from_secs(1), "HC7: {:?}", started.elapsed());
}

/// Cancels another operation: the codes of that and of the cancel.
fn cancel(wire: &mut Wire, other: i64) -> (u32, u32) {
    wire.send(&message(99, &extended_request(CANCEL, Some(&sequence(&[&number(0x02, other)]))), &[]));
    let mut cancelled = 0;
    loop {
        let answer = wire.receive().unwrap();
        match (answer.id, answer.tag) {
            (99, _) => return (cancelled, answer.code()),
            (_, 0x65) => cancelled = answer.code(),
            _ => {}
        }
    }
}

#[test]
fn rfc3909_a_followed_search_is_cancelled_and_both_are_answered() {
    let server = server("");
    let mut wire = server.as_operator();
    follow(&mut wire, 20, BASE, &present("sn"), 15, true);
    assert_eq!(cancel(&mut wire, 20), (118, 0));
    assert_eq!(cancel(&mut wire, 20), (0, 119), "it is over");
    wire.send(&message(21, &search_request(BASE, 2, &present("sn"), &[]), &[sync(true, None, false)]));
    assert_eq!(cancel(&mut wire, 21), (118, 0));
    assert_eq!(cancel(&mut wire, 4711), (0, 119));
    assert_eq!(cancel(&mut wire, 99), (0, 119), "itself");
    for damaged in [None, Some(octets("x")), Some(sequence(&[]))] {
        assert_eq!(wire.ask(&extended_request(CANCEL, damaged.as_deref()), &[]).code(), 2);
    }
    let listed = wire.root_dse("supportedExtension");
    assert!(listed.contains(&CANCEL.to_owned()), "{listed:?}");
}

#[test]
fn rfc3909_a_change_that_was_begun_cannot_be_cancelled() {
    let server = server("");
    let mut wire = server.as_operator();
    let ada = add_person(&mut wire, "Ada", "people");
    let change = crate::wire::replace_request(&ada, "description", &["x"]);
    let cancel = extended_request(CANCEL, Some(&sequence(&[&number(0x02, 30)])));
    wire.send(&[message(30, &change, &[]), message(31, &cancel, &[])].concat());
    let mut codes = [(wire.receive().unwrap()), (wire.receive().unwrap())].map(|answer| (answer.id, answer.code()));
    codes.sort_unstable();
    assert!(matches!(codes, [(30, 0), (31, 119 | 120)]), "{codes:?}");
}

#[test]
fn a_bind_ends_what_the_connection_follows() {
    let server = server("");
    let mut wire = server.as_operator();
    let mut listener = server.as_operator();
    follow(&mut listener, 9, BASE, &present("sn"), 15, true);
    assert_eq!(listener.bind("", "").code(), 0);
    add_person(&mut wire, "Ada", "people");
    assert_eq!(cancel(&mut listener, 9), (0, 119));
}

#[test]
fn ha8_followers_that_end_in_any_way_leave_nothing_behind() {
    let server = server(&format!("{OPEN}[limits]\nfollowers_anonymous = 8\n"));
    let mut wire = server.as_operator();
    let search = search_request(BASE, 2, &present("sn"), &[]);
    for round in 0..120 {
        let mut peer = server.connect();
        let first = if round % 2 == 0 { sync(true, None, false) } else { persistent(15, round % 4 == 1) };
        let begun = [message(40, &search, &[first]), message(41, &search, &[persistent(15, true)])].concat();
        match round % 6 {
            0 => peer.send(&begun[..begun.len() - round / 6 - 1]),
            1 => peer.send(&[begun, message(42, &tlv(0x42, &[]), &[])].concat()),
            2 => peer.send(&[begun, message(42, &tlv(0x50, &[40]), &[]), message(43, &tlv(0x50, &[41]), &[])].concat()),
            3 => {
                peer.send(&begun);
                assert_eq!(cancel(&mut peer, 41), (118, 0));
            }
            4 => peer.send(&[begun, b"\x30\x80garbage".to_vec()].concat()),
            _ => peer.send(&begun),
        }
        if round % 5 == 0 {
            add_person(&mut wire, &format!("p{round}"), "people");
        }
    }
    let started = Instant::now();
    let mut last = server.connect();
    loop {
        (0..8).for_each(|id| last.send(&message(60 + id, &search, &[persistent(15, true)])));
        if (0..8).all(|id| cancel(&mut last, 60 + id) == (118, 0)) {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "places of followers were lost");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Defines a type and a class that may have it.
fn define_zebra(wire: &mut Wire) {
    let change = |attribute: &str, value: &str| sequence(&[&number(0x0a, 0), &sequence(&[&octets(attribute), &tlv(0x31, &octets(value))])]);
    let changes = [
        change("attributeTypes", "( 1.3.6.1.4.1.55555.1.1 NAME 'zebra' SUP name )"),
        change("objectClasses", "( 1.3.6.1.4.1.55555.2.1 NAME 'striped' SUP top AUXILIARY MAY zebra )"),
    ];
    let request = tlv(0x66, &[octets("cn=Subschema"), tlv(0x30, &changes.concat())].concat());
    assert_eq!(wire.ask(&request, &[]).code(), 0);
}

fn add_zebra(wire: &mut Wire) -> String {
    let dn = format!("cn=Marty,ou=people,{BASE}");
    wire.add(&dn, &[("objectClass", "person"), ("objectClass", "striped"), ("cn", "Marty"), ("sn", "Marty"), ("zebra", "yes")]);
    dn
}

#[test]
fn who_follows_learns_what_is_defined_meanwhile() {
    let server = server(OPEN);
    let mut wire = server.as_operator();
    let filters = [equal("zebra", b"yes"), equal("zebra", b"yes"), equal("cn", b"Marty")];
    let mut listeners = [server.as_operator(), server.connect(), server.connect()];
    for (listener, filter) in listeners.iter_mut().zip(&filters) {
        listener.send(&message(9, &search_request(BASE, 2, filter, &["zebra"]), &[persistent(15, true)]));
    }
    let mut all = server.as_operator();
    all.send(&message(9, &search_request(BASE, 2, &equal("sn", b"Marty"), &["*"]), &[persistent(15, true)]));
    let (mut consumer, _) = Consumer::begin(&server, BASE, &present("objectClass"), None);
    // They have begun when they hear of something else.
    add_person(&mut wire, "Marty", "elsewhere");
    assert_eq!(all.receive().unwrap().values("cn"), ["Marty"]);
    consumer.change();
    assert_eq!(listeners[2].receive().unwrap().dn(), format!("cn=Marty,ou=elsewhere,{BASE}"));
    define_zebra(&mut wire);
    let zebra = add_zebra(&mut wire);
    for listener in listeners.iter_mut().chain([&mut all]) {
        let told = listener.receive().unwrap();
        assert_eq!((told.dn(), told.values("zebra")), (zebra.clone(), vec!["yes".to_owned()]));
    }
    let told = loop {
        let answer = consumer.wire.receive().unwrap();
        if answer.tag == 0x64 {
            break answer;
        }
    };
    assert_eq!((told.dn(), told.values("zebra")), (zebra, vec!["yes".to_owned()]));
}

#[test]
fn a_definition_by_which_a_filter_means_something_else_ends_the_sync_and_its_cookies() {
    let server = server("");
    let mut wire = server.as_operator();
    add_person(&mut wire, "Ada", "people");
    // Undefined as long as nobody knows the type, and so is its opposite.
    let none = tlv(0xa2, &present("zebra"));
    let (nothing, end) = refresh(&mut wire, &none, None, false);
    assert_eq!(nothing, []);
    let (mut consumer, _) = Consumer::begin(&server, BASE, &none, None);
    define_zebra(&mut wire);
    assert_eq!(consumer.change(), [Told::Done { code: REFRESH_REQUIRED, deletes: false, cookie: None }]);
    let (told, end) = refresh(&mut wire, &none, Some(&cookie_of(&end)), true);
    assert_eq!(names(&told).len(), 5, "{told:?}");
    assert_eq!(refresh(&mut wire, &none, Some(&cookie_of(&end)), false).0, [], "another cookie is good");
}
