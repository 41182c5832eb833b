//! Where an attribute may be searched on some entries only, neither an answer nor a code tells of the values on others
//! (hardening HC1): the indexes know of these, and look at their entries.

use crate::house::{ACME, House, OTHER, begins, page_control, put, user};
use crate::oracles::not;
use crate::wire::{Wire, control, elements, equal, octets, present, search_request, sequence, tlv};

const SORT: &str = "1.2.840.113556.1.4.473";
/// More people than the look-through limit.
const SHUT: usize = 24;
/// A service sees all people, and searches more of a few of them.
const RULES: &str = "[limits]\nlook_through = 10\n[[access]]\nwho = [\"services\"]\nsubtree = \"ou=people,o=Acme,dc=example,dc=com\"\n\
    filter = \"(sn=open)\"\nattributes = [\"mail\", \"manager\", \"title\"]\nrights = [\"search\"]\n\
    [[access]]\nwho = [\"services\"]\nsubtree = \"ou=people,o=Acme,dc=example,dc=com\"\nattributes = [\"cn\", \"sn\", \"objectClass\"]\n\
    rights = [\"read\"]\n";

fn people() -> String {
    format!("ou=people,{ACME}")
}

fn shut(number: usize) -> String {
    format!("cn=shut {number:02},{}", people())
}

/// A house with a few open and many shut people, none with a value that is searched for, and the service.
fn house() -> (House, Wire) {
    let house = House::start(RULES);
    let mut operator = house.server.as_operator();
    put(&mut operator, &people(), &[("objectClass", "organizationalUnit")]);
    let mut add = |dn: &str, sn| put(&mut operator, dn, &[("objectClass", "inetOrgPerson"), ("sn", sn)]);
    (0..3).for_each(|number| add(&format!("cn=open {number},{}", people()), "open"));
    (0..SHUT).for_each(|number| add(&shut(number), "shut"));
    let service = house.signed_in("svc", ACME);
    (house, service)
}

fn any(attribute: &str, part: &str) -> Vec<u8> {
    tlv(0xa4, &[octets(attribute), sequence(&[&tlv(0x81, part.as_bytes())])].concat())
}

fn filters() -> Vec<Vec<u8>> {
    let manager = user("ann", ACME);
    let mut filters: Vec<Vec<u8>> = Vec::new();
    for (attribute, value) in [("mail", "full@example.com"), ("manager", &*manager), ("title", "full of it")] {
        let asserted = equal(attribute, value.as_bytes());
        filters.extend([asserted.clone(), present(attribute), begins(attribute, &value.as_bytes()[..2]), any(attribute, "f")]);
        filters.extend([tlv(0xa5, &asserted[2..]), tlv(0xa6, &asserted[2..]), not(&asserted), equal(&format!("{attribute};x-a"), b"x")]);
        for other in [equal("cn", b"shut 07"), any("cn", "0"), present("description"), not(&equal("cn", b"shut 07"))] {
            filters.extend([0xa0, 0xa1].map(|operator| tlv(operator, &[&*asserted, &*other].concat())));
        }
    }
    filters.push(tlv(0xa9, &[tlv(0x81, b"1.2.840.113556.1.4.1941"), tlv(0x82, b"manager"), tlv(0x83, manager.as_bytes())].concat()));
    filters
}

/// What each search answers, plain, sorted and in pages: the code, how many entries, and whether there is another page.
fn outcomes(service: &mut Wire) -> Vec<(u32, usize, Vec<bool>)> {
    let sorted = control(SORT, false, Some(&tlv(0x30, &sequence(&[&octets("mail")]))));
    let mut all = Vec::new();
    for filter in filters() {
        for controls in [vec![], vec![sorted.clone()], vec![page_control(1)]] {
            let answers = service.ask_all(&search_request(&people(), 1, &filter, &["1.1"]), &controls);
            let done = answers.last().unwrap();
            let more = done.controls.iter().map(|(_, value)| elements(elements(value)[0].1).last().unwrap().1.is_empty());
            all.push((done.code(), answers.len() - 1, more.collect()));
        }
    }
    all
}

#[test]
fn hc1_values_that_may_not_be_searched_change_no_answer_and_no_code() {
    let (house, mut service) = house();
    let mut operator = house.server.as_operator();
    let before = outcomes(&mut service);
    assert!([0, 11].iter().all(|code| before.iter().any(|outcome| outcome.0 == *code)), "the limit is reached by some");
    let long = format!("full{}@example.com", "l".repeat(300));
    for number in 0..SHUT {
        let value = if number == 0 { &*long } else { "full@example.com" };
        operator.replace(&shut(number), "mail", &[value]);
        operator.replace(&shut(number), "manager", &[&user("ann", ACME)]);
        operator.replace(&shut(number), "title", &["full of it"]);
    }
    let after = outcomes(&mut service);
    for (at, (before, after)) in before.iter().zip(&after).enumerate() {
        assert_eq!(before, after, "{}: {}", at % 3, String::from_utf8_lossy(&filters()[at / 3]));
    }
}

#[test]
fn hc1_a_value_too_long_for_the_index_elsewhere_does_not_bring_the_limit_back() {
    let (house, mut service) = house();
    let found = |service: &mut Wire| {
        let answers = service.ask_all(&search_request(&people(), 1, &any("cn", "shut"), &["1.1"]), &[]);
        (answers.last().unwrap().code(), answers.len() - 1)
    };
    assert_eq!(found(&mut service), (0, SHUT), "an index finds them");
    let elsewhere = [("objectClass", "person"), ("cn", &*"long ".repeat(80)), ("sn", "long")];
    put(&mut house.server.as_operator(), &format!("sn=long,ou=users,{OTHER}"), &elsewhere);
    assert_eq!(found(&mut service), (0, SHUT));
}
