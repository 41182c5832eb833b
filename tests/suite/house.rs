//! Two organisations beside each other, with somebody in every role, for tests of who sees what.

use crate::follow::persistent;
use crate::server::{PASSWORD, Server, salted_hash};
use crate::wire::{Wire, message, number, octets, present, search_request, sequence, tlv};

/// The suffix of both organisations.
pub(crate) const SUFFIX: &str = "dc=example,dc=com";
/// The organisation most tests look from.
pub(crate) const ACME: &str = "o=Acme,dc=example,dc=com";
/// The other one.
pub(crate) const OTHER: &str = "o=Other,dc=example,dc=com";

/// An AddRequest.
pub(crate) fn add_request(dn: &str, attributes: &[(&str, &str)]) -> Vec<u8> {
    let mut names: Vec<&str> = attributes.iter().map(|(name, _)| *name).collect();
    names.dedup();
    let one = |name: &&str| {
        let values: Vec<Vec<u8>> = attributes.iter().filter(|(held, _)| held == name).map(|(_, value)| octets(value)).collect();
        sequence(&[&octets(name), &tlv(0x31, &values.concat())])
    };
    let list: Vec<Vec<u8>> = names.iter().map(one).collect();
    tlv(0x68, &[octets(dn), tlv(0x30, &list.concat())].concat())
}

/// A CompareRequest.
pub(crate) fn compare_request(dn: &str, attribute: &str, value: &[u8]) -> Vec<u8> {
    tlv(0x6e, &[octets(dn), sequence(&[&octets(attribute), &octets(value)])].concat())
}

/// A ModifyDNRequest that takes the old name away.
pub(crate) fn rename_request(dn: &str, rdn: &str, superior: Option<&str>) -> Vec<u8> {
    let superior = superior.map_or_else(Vec::new, |dn| tlv(0x80, dn.as_bytes()));
    tlv(0x6c, &[octets(dn), octets(rdn), vec![0x01, 0x01, 0xff], superior].concat())
}

/// A filter `(attribute=first*)`.
pub(crate) fn begins(attribute: &str, first: &[u8]) -> Vec<u8> {
    tlv(0xa4, &[octets(attribute), sequence(&[&tlv(0x80, first)])].concat())
}

/// A password modify request (RFC 3062).
pub(crate) fn passmod_request(dn: &str, new: &str) -> Vec<u8> {
    let value = sequence(&[&tlv(0x80, dn.as_bytes()), &tlv(0x82, new.as_bytes())]);
    crate::wire::extended_request("1.3.6.1.4.1.4203.1.11.1", Some(&value))
}

/// A paged results control (RFC 2696) that asks for the first page.
pub(crate) fn page_control(size: i64) -> Vec<u8> {
    crate::wire::control("1.2.840.113556.1.4.319", false, Some(&sequence(&[&number(0x02, size), &octets("")])))
}

/// The DN of a user.
pub(crate) fn user(uid: &str, organisation: &str) -> String {
    format!("uid={uid},ou=users,{organisation}")
}

/// The DN of a group.
pub(crate) fn group(name: &str, organisation: &str) -> String {
    format!("cn={name},ou=groups,{organisation}")
}

/// A running server with both organisations in it.
pub(crate) struct House {
    /// The server.
    pub(crate) server: Server,
}

impl House {
    /// Starts it; `more` goes into its config.
    pub(crate) fn start(more: &str) -> Self {
        let house = Self { server: Server::start([127, 0, 0, 1].into(), more) };
        let mut wire = house.server.as_operator();
        put(&mut wire, SUFFIX, &[("objectClass", "domain")]);
        for organisation in [ACME, OTHER] {
            build(&mut wire, organisation);
        }
        for (uid, more) in [
            ("ann", &[][..]),
            ("bob", &[("telephoneNumber", "+64 3 123"), ("hcExternalId", "x-1"), ("employeeNumber", "7")]),
            ("sam", &[]),
            ("gil", &[]),
            ("ada", &[]),
            ("off", &[("hcActive", "FALSE")]),
            ("svc", &[("hcUserType", "service")]),
        ] {
            person(&mut wire, uid, ACME, more);
        }
        person(&mut wire, "eve", OTHER, &[("telephoneNumber", "+64 3 123"), ("hcExternalId", "x-1"), ("employeeNumber", "7")]);
        for (uid, role) in [("sam", "searcher"), ("bob", "clerk"), ("ada", "chief")] {
            wire.replace(&user(uid, ACME), "hcRole", &[&format!("cn={role},ou=roles,{ACME}")]);
        }
        wire.replace(&user("eve", OTHER), "hcRole", &[&format!("cn=clerk,ou=roles,{OTHER}")]);
        for (organisation, boss, member) in [(ACME, "gil", "bob"), (OTHER, "eve", "eve")] {
            wire.replace(&user(member, organisation), "manager", &[&user(boss, organisation)]);
            let (boss, member) = (user(boss, organisation), user(member, organisation));
            let mut attributes = vec![("objectClass", "hcGroup"), ("cn", "team"), ("description", "a team"), ("hcAdministrator", &*boss)];
            if boss != member {
                attributes.push(("member", &member));
            }
            put(&mut wire, &group("team", organisation), &attributes);
        }
        house
    }

    /// A connection on which that user of the organisation has signed in; nobody for an empty name.
    pub(crate) fn signed_in(&self, uid: &str, organisation: &str) -> Wire {
        match uid {
            "" => self.server.connect(),
            "operator" => self.server.as_operator(),
            uid => {
                let mut wire = self.server.connect();
                let answer = wire.bind(&user(uid, organisation), PASSWORD);
                assert_eq!(answer.code(), 0, "{uid}: {}", answer.text());
                wire
            }
        }
    }
}

/// Lets a user sign in for the first time and waits until the password is hashed anew by that, which is a change to its entry.
pub(crate) fn settle(house: &House, uid: &str, organisation: &str) {
    let mut watching = house.server.as_operator();
    let search = search_request(&user(uid, organisation), 0, &present("objectClass"), &["1.1"]);
    watching.send(&message(77, &search, &[persistent(15, true)]));
    watching.who_am_i_after(78);
    house.signed_in(uid, organisation);
    assert_eq!(watching.receive().map(|answer| (answer.id, answer.tag)), Some((77, 0x64)));
}

/// Adds an entry, and fails unless that works.
pub(crate) fn put(wire: &mut Wire, dn: &str, attributes: &[(&str, &str)]) {
    let answer = wire.ask(&add_request(dn, attributes), &[]);
    assert_eq!(answer.code(), 0, "{dn}: {}", answer.text());
}

/// Adds a user who can sign in with [`PASSWORD`].
pub(crate) fn person(wire: &mut Wire, uid: &str, organisation: &str, more: &[(&str, &str)]) {
    let (mail, hash) = (format!("{uid}@example.com"), salted_hash(PASSWORD));
    let mut attributes = vec![("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("uid", uid), ("cn", uid), ("sn", uid)];
    attributes.extend([("mail", &*mail), ("userPassword", &hash)]);
    attributes.extend(more);
    put(wire, &user(uid, organisation), &attributes);
}

fn build(wire: &mut Wire, organisation: &str) {
    put(wire, organisation, &[("objectClass", "organization"), ("objectClass", "hcOrganisation")]);
    let licence = [("objectClass", "hcLicence"), ("cn", "main"), ("hcSessionLimit", "50"), ("hcLicenceDefault", "TRUE")];
    put(wire, &format!("cn=main,ou=licences,{organisation}"), &licence);
    let class = ("objectClass", "hcRoleDefinition");
    let roles: [(&str, &[(&str, &str)]); 3] = [
        ("clerk", &[class]),
        (
            "searcher",
            &[
                class,
                ("hcRolePermission", "people.search"),
                ("hcRolePermission", "people.search-any"),
                ("hcRolePermission", "groups.search-own"),
                ("hcRolePermission", "groups.search-any"),
            ],
        ),
        ("chief", &[class, ("hcRoleSystem", "organisation-admin")]),
    ];
    for (name, attributes) in roles {
        put(wire, &format!("cn={name},ou=roles,{organisation}"), attributes);
    }
}
