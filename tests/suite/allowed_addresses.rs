//! The networks that a user may sign in from (U1), in each door, and what is told of it.

use crate::house::{ACME, House, user};
use crate::monitor::http;
use crate::security_log::{noted, results};
use crate::server::{PASSWORD, free_port};
use crate::wire::{Wire, equal, replace_request};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net::UnixStream;

const INVALID_CREDENTIALS: u32 = 49;
const NEAR: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

fn from_near(house: &House) -> Wire {
    Wire::connect_from(NEAR, house.server.address())
}

fn plain(uid: &str) -> Vec<u8> {
    format!("\0{}\0{PASSWORD}", user(uid, ACME)).into_bytes()
}

#[test]
fn u1_a_user_and_a_service_account_sign_in_from_their_networks_only_by_any_mechanism() {
    let house = House::start("[sasl]\nscram = true\n[lockout]\nfailures = 0\n");
    let mut operator = house.server.as_operator();
    operator.replace(ACME, "hcScram", &["TRUE"]);
    house.signed_in("bob", ACME);
    for uid in ["bob", "svc"] {
        operator.replace(&user(uid, ACME), "hcAllowedAddress", &["10.9.9.9", "127.0.0.2/31"]);
        let (far, mut near) = (house.server.connect().bind(&user(uid, ACME), PASSWORD), from_near(&house));
        let wrong = house.server.connect().bind(&user(uid, ACME), "wrong");
        assert_eq!((far.code(), &far.content), (INVALID_CREDENTIALS, &wrong.content), "{uid}");
        assert_eq!(near.bind(&user(uid, ACME), PASSWORD).code(), 0, "{uid}");
        assert_eq!(house.server.connect().sasl("PLAIN", Some(&plain(uid))).code(), INVALID_CREDENTIALS, "{uid}");
        assert_eq!(from_near(&house).sasl("PLAIN", Some(&plain(uid))).code(), 0, "{uid}");
    }
    // What keys SCRAM takes is kept after a sign-in has been answered.
    let name = format!("dn:{}", user("bob", ACME).replace('=', "=3D").replace(',', "=2C"));
    let began = std::time::Instant::now();
    while crate::scram::sign_in(&mut from_near(&house), &name, PASSWORD).code() != 0 {
        assert!(began.elapsed().as_secs() < 20, "no keys");
    }
    assert_eq!(crate::scram::sign_in(&mut house.server.connect(), &name, PASSWORD).code(), INVALID_CREDENTIALS);
    let told = noted(&house, &["--operation", "login", "--actor", &user("bob", ACME)], 5);
    assert!(results(&told).contains(&(&*user("bob", ACME), "address not allowed")), "{told:?}");
}

#[test]
fn u1_a_local_socket_counts_as_the_machine_itself() {
    let house = House::start("[[listener]]\nkind = \"ldapi\"\naddress = \"ldapi\"\n");
    let mut operator = house.server.as_operator();
    let local = || {
        let stream = UnixStream::connect(house.server.config().with_file_name("ldapi")).unwrap();
        Wire::over(stream).bind(&user("bob", ACME), PASSWORD).code()
    };
    for (network, code) in [("10.0.0.0/8", INVALID_CREDENTIALS), ("127.0.0.1", 0), ("::1", 0), ("127.0.0.2", INVALID_CREDENTIALS)] {
        operator.replace(&user("bob", ACME), "hcAllowedAddress", &[network]);
        assert_eq!(local(), code, "{network}");
    }
}

#[test]
fn u1_a_personal_token_counts_from_the_networks_of_its_user_only() {
    let port = free_port();
    let house =
        House::start(&format!("[[listener]]\nkind = \"http\"\naddress = \"127.0.0.1:{port}\"\n[proxy]\ntrusted = [\"127.0.0.1\"]\n"));
    let (mut operator, ann) = (house.server.as_operator(), user("ann", ACME));
    let minted =
        crate::demo::headcount().arg("--config").arg(house.server.config()).args(["token", "mint", "--user", &ann, "mine"]).output();
    let minted = String::from_utf8(minted.unwrap().stdout).unwrap();
    let token = minted.split_whitespace().find(|word| word.starts_with("hc_")).unwrap().trim_matches(['"', ',']).to_owned();
    let me = |forwarded: &str| {
        let headers = format!("Authorization: Bearer {token}\r\nX-Forwarded-For: {forwarded}\r\nX-Forwarded-Proto: https\r\n");
        http(port, "GET", "/scim/v2/Me", &headers, "").0
    };
    assert_eq!([me("192.0.2.7"), me("198.51.100.7")], [200, 200]);
    operator.replace(&ann, "hcAllowedAddress", &["192.0.2.0/24"]);
    assert_eq!([me("192.0.2.7"), me("198.51.100.7")], [200, 401]);
    let told = noted(&house, &["--operation", "login", "--since", "1h"], 3);
    assert!(results(&told).iter().any(|(_, result)| *result == "address not allowed"), "{told:?}");
}

#[test]
fn u1_sessions_end_where_the_networks_change() {
    let house = House::start("");
    let mut operator = house.server.as_operator();
    let mut bob = house.signed_in("bob", ACME);
    operator.replace(&user("bob", ACME), "hcAllowedAddress", &["127.0.0.2"]);
    assert!(bob.receive().is_none_or(|answer| answer.is_notice()), "the session has ended");
}

#[test]
fn u1_what_is_no_network_is_refused_when_it_is_written() {
    let house = House::start("");
    let mut ada = house.signed_in("ada", ACME);
    for value in ["ten", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.", "localhost", "fd00::/129"] {
        let refused = ada.ask(&replace_request(&user("bob", ACME), "hcAllowedAddress", &["10.0.0.1", value]), &[]);
        assert!(refused.code() == 19 && refused.text().contains("hcAllowedAddress") && refused.text().contains("U1"), "{}", refused.text());
    }
    ada.replace(&user("bob", ACME), "hcAllowedAddress", &["10.0.0.0/8", "fd00::/8", "192.0.2.7"]);
    assert_eq!(ada.entries(ACME, &equal("hcAllowedAddress", b"192.0.2.7"), &["uid"]).len(), 1);
}
