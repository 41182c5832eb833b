//! StartTLS (RFC 4511 §4.14; hardening HA10).

use crate::demo::Demo;
use crate::wire::{bind_request, extended_request, message};
use ldap3::exop::Exop;
use ldap3::{LdapConn, LdapConnSettings};

const START_TLS: &str = "1.3.6.1.4.1.1466.20037";

fn over_tls(demo: &Demo) -> LdapConn {
    let settings = LdapConnSettings::new().set_starttls(true).set_no_tls_verify(true);
    LdapConn::with_settings(settings, &format!("ldap://{}", demo.ldap)).expect("StartTLS")
}

#[test]
fn ha10_what_was_sent_in_plain_after_start_tls_is_never_done() {
    let mut demo = Demo::start();
    let mut wire = demo.connect();
    let start = message(1, &extended_request(START_TLS, None), &[]);
    let bind = message(2, &bind_request(&demo.operator.dn, demo.operator.password.as_bytes()), &[]);
    wire.send(&[start, bind].concat());
    let answers = wire.receive_all();
    assert!(answers.iter().all(|answer| answer.id != 2), "the bind in plain was answered: {answers:?}");
    assert!(answers.len() <= 2, "{answers:?}");
    assert!(demo.is_alive());
}

#[test]
fn ha10_start_tls_twice_is_an_operations_error() {
    let demo = Demo::start();
    let mut connection = over_tls(&demo);
    let again = connection.extended(Exop { name: Some(START_TLS.to_owned()), val: None }).unwrap();
    assert_eq!(again.1.rc, 1, "{}", again.1.text);
    assert_eq!(connection.simple_bind(&demo.operator.dn, &demo.operator.password).unwrap().rc, 0, "the connection goes on");
}

#[test]
fn ha10_the_identity_from_before_tls_is_gone() {
    let demo = Demo::start();
    let mut connection = over_tls(&demo);
    let (exop, _) = connection.extended(ldap3::exop::WhoAmI).unwrap().success().unwrap();
    assert!(exop.val.unwrap_or_default().is_empty(), "nobody has signed in inside TLS");
}

#[test]
fn ha10_start_tls_with_a_value_is_refused() {
    let demo = Demo::start();
    let mut wire = demo.connect();
    assert_eq!(wire.ask(&extended_request(START_TLS, Some(b"x")), &[]).code(), 2);
    assert_eq!(wire.ask(&extended_request("1.2.3.4", None), &[]).code(), 2, "an extended operation nobody knows");
}
