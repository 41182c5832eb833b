//! How applications are recognised, and which licence they draw on (O7).

use crate::certificates::Authority;
use crate::house::{ACME, House, person, put, user};
use crate::server::PASSWORD;
use crate::wire::{SESSION_CONTROL, Wire, bind_request, control, equal, sequence, tlv};
use rcgen::DnType;
use std::net::{IpAddr, Ipv4Addr};

/// Acme with a second licence, `tills`, and these applications.
fn house(applications: &str) -> House {
    let house = House::start(applications);
    let licence = [("objectClass", "hcLicence"), ("cn", "tills"), ("hcSessionLimit", "5")];
    put(&mut house.server.as_operator(), &format!("cn=tills,ou=licences,{ACME}"), &licence);
    house
}

fn bind(wire: &mut Wire, uid: &str) {
    let answer = wire.bind(&user(uid, ACME), PASSWORD);
    assert_eq!(answer.code(), 0, "{uid}: {}", answer.text());
}

/// The application of the only session, and the licence it draws on; it is ended.
fn session(house: &House) -> (String, String) {
    let mut operator = house.server.as_operator();
    let found = operator.entries(ACME, &equal("objectClass", b"hcSession"), &["hcSessionApplication", "hcSessionLicence"]);
    assert_eq!(found.len(), 1);
    assert_eq!(operator.ask(&crate::wire::delete_request(&found[0].dn()), &[]).code(), 0);
    let value = |name: &str| found[0].values(name).first().cloned().unwrap_or_default();
    let licence = value("hcSessionLicence");
    (value("hcSessionApplication"), licence.split(',').next().unwrap().trim_start_matches("cn=").to_owned())
}

fn told(application: &str, licence: &str) -> (String, String) {
    (application.to_owned(), licence.to_owned())
}

#[test]
fn o7_the_service_account_that_holds_the_connection_says_which_application_it_is() {
    let service = format!("[[application]]\nname = \"desk\"\nservice = \"{}\"\nlicence = \"tills\"\n", user("svc", ACME));
    let house = house(&service);
    let mut wire = house.server.connect();
    bind(&mut wire, "svc");
    bind(&mut wire, "ann");
    assert_eq!(session(&house), told("desk", "tills"));
    let mut wire = house.server.connect();
    bind(&mut wire, "ann");
    assert_eq!(session(&house), told("", "main"), "a connection that it does not hold");
    person(&mut house.server.as_operator(), "other", ACME, &[("hcUserType", "service")]);
    let mut wire = house.server.connect();
    bind(&mut wire, "svc");
    bind(&mut wire, "other");
    bind(&mut wire, "ann");
    assert_eq!(session(&house), told("", "main"), "the last one that signed in holds it");
    let mut wire = house.server.connect();
    bind(&mut wire, "svc");
    house.server.as_operator().replace(&user("svc", ACME), "hcActive", &["FALSE"]);
    bind(&mut wire, "ann");
    assert_eq!(session(&house), told("", "main"), "a service account that was disabled holds nothing");
}

#[test]
fn o7_the_first_application_of_which_all_holds_counts() {
    let house = house(&format!(
        "[[application]]\nname = \"abroad\"\nnetwork = \"192.0.2.0/24\"\nservice = \"{0}\"\n\
         [[application]]\nname = \"here\"\nnetwork = \"127.0.0.2/32\"\nlicence = \"tills\"\n\
         [[application]]\nname = \"all\"\nlistener = \"ldap\"\n\
         [[application]]\nname = \"never\"\nservice = \"{0}\"\n",
        user("svc", ACME)
    ));
    let from = |last: u8| Wire::connect_from(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), house.server.address());
    let mut wire = from(2);
    bind(&mut wire, "svc");
    bind(&mut wire, "ann");
    assert_eq!(session(&house), told("here", "tills"), "by its network");
    let mut wire = from(3);
    bind(&mut wire, "svc");
    bind(&mut wire, "ann");
    assert_eq!(session(&house), told("all", "main"), "by its listener");
}

#[test]
fn o7_an_application_is_known_by_the_name_it_sends() {
    let house = house("[[application]]\nname = \"Till\"\nlicence = \"tills\"\n");
    let request = bind_request(&user("ann", ACME), PASSWORD.as_bytes());
    let value = sequence(&[&tlv(0x80, b"till")]);
    assert_eq!(house.server.connect().ask(&request, &[control(SESSION_CONTROL, false, Some(&value))]).code(), 0);
    assert_eq!(session(&house), told("Till", "tills"));
}

#[test]
fn o7_an_application_is_known_by_its_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::of_folder(folder.path());
    let path = folder.path().display();
    let house = house(&format!(
        "[tls]\ncertificate = \"{path}/server.pem\"\nkey = \"{path}/server.key\"\nclient_ca = \"{path}/clients.pem\"\n\
         [[application]]\nname = \"till\"\ncertificate = \"CN=Till 7,O=Acme\"\nlicence = \"tills\"\n"
    ));
    let shown = authority.issue(&[(DnType::OrganizationName, "Acme"), (DnType::CommonName, "till 7")], Vec::new());
    let mut wire = authority.start_tls(house.server.address(), Some(&shown));
    bind(&mut wire, "ann");
    assert_eq!(session(&house), told("till", "tills"));
    let other = authority.issue(&[(DnType::CommonName, "till 7")], Vec::new());
    for shown in [Some(&other), None] {
        let mut wire = authority.start_tls(house.server.address(), shown);
        bind(&mut wire, "ann");
        assert_eq!(session(&house), told("", "main"));
    }
}
