//! The password policy (draft-behera-ldap-password-policy-10) as clients meet it.

use crate::demo::Demo;
use crate::schema::modify;
use crate::server::{OPERATOR, Server};
use crate::wire::{
    Answer, SESSION_CONTROL, Wire, add_request, bind_request, control, equal, extended_request, message, octets, present, replace_request,
    search_request, sequence, tlv,
};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const CONTROL: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
const NETSCAPE_EXPIRED: &str = "2.16.840.1.113730.3.4.4";
const NETSCAPE_EXPIRING: &str = "2.16.840.1.113730.3.4.5";
const PASSWORD_MODIFY: &str = "1.3.6.1.4.1.4203.1.11.1";
const BASE: &str = "dc=example,dc=com";
const POLICY: &str = "cn=policy,dc=example,dc=com";
const ADA: &str = "uid=ada,dc=example,dc=com";
const FIRST: &str = "Twelve boxers, 7 hits";
const SECOND: &str = "Nine umbrellas, 4 storms";
const THIRD: &str = "Six lanterns, 31 moths";
/// `SEQUENCE { }`: nothing to say.
const NOTHING: &[u8] = &[0x30, 0x00];

fn error(number: u8) -> Vec<u8> {
    vec![0x30, 0x03, 0x81, 0x01, number]
}

/// A server with one user and a policy that says this.
fn start(policy: &[(&str, &str)]) -> Server {
    let server = Server::start(IpAddr::V4(Ipv4Addr::LOCALHOST), "");
    let mut wire = server.as_operator();
    wire.add(BASE, &[("objectClass", "domain")]);
    let class = [("objectClass", "applicationProcess"), ("objectClass", "pwdPolicy"), ("cn", "policy"), ("pwdAttribute", "userPassword")];
    wire.add(POLICY, &[&class[..], policy].concat());
    let user = [("objectClass", "inetOrgPerson"), ("cn", "ada"), ("sn", "ada"), ("userPassword", FIRST), ("pwdPolicySubentry", POLICY)];
    wire.add(ADA, &user);
    server
}

fn ask() -> Vec<Vec<u8>> {
    vec![control(CONTROL, false, None)]
}

/// A bind with the control.
fn bind(wire: &mut Wire, password: &str) -> Answer {
    wire.ask(&bind_request(ADA, password.as_bytes()), &ask())
}

fn value<'a>(answer: &'a Answer, oid: &str) -> Option<&'a [u8]> {
    answer.controls.iter().find(|(found, _)| found == oid).map(|(_, value)| value.as_slice())
}

fn policy(answer: &Answer) -> &[u8] {
    value(answer, CONTROL).unwrap_or_else(|| panic!("no control beside {} {}", answer.code(), answer.text()))
}

/// The password modify operation (RFC 3062).
fn change(wire: &mut Wire, old: Option<&str>, new: Option<&str>) -> Answer {
    let part = |tag, text: Option<&str>| text.map_or_else(Vec::new, |text| tlv(tag, text.as_bytes()));
    let value = sequence(&[&part(0x80, Some(ADA)), &part(0x81, old), &part(0x82, new)]);
    wire.ask(&extended_request(PASSWORD_MODIFY, Some(&value)), &ask())
}

fn read(server: &Server, attribute: &str) -> Vec<String> {
    server.as_operator().ask_all(&search_request(ADA, 0, &present("objectClass"), &[attribute]), &[])[0].values(attribute)
}

fn wait(seconds: u64) {
    std::thread::sleep(Duration::from_millis(seconds * 1_000 + 200));
}

#[test]
fn the_root_dse_lists_the_control_and_a_bind_without_anything_to_say_answers_it() {
    let server = start(&[]);
    let mut wire = server.connect();
    let found = wire.ask_all(&search_request("", 0, &equal("supportedControl", CONTROL.as_bytes()), &["1.1"]), &[]);
    assert_eq!(found.len(), 2);
    let answer = bind(&mut wire, FIRST);
    assert_eq!((answer.code(), policy(&answer)), (0, NOTHING));
    let plain = wire.bind(ADA, FIRST);
    assert!(plain.code() == 0 && plain.controls.is_empty(), "who does not ask is not told");
}

#[test]
fn a_password_that_an_administrator_set_is_changed_before_anything_else() {
    let server = start(&[("pwdMustChange", "TRUE"), ("pwdMinAge", "3600")]);
    assert_eq!(read(&server, "pwdReset"), ["TRUE"]);
    let mut wire = server.connect();
    let answer = bind(&mut wire, FIRST);
    assert_eq!((answer.code(), policy(&answer)), (0, &error(2)[..]));
    assert_eq!(value(&answer, NETSCAPE_EXPIRED), Some(&b"0"[..]));
    let refused = wire.ask(&search_request(ADA, 0, &present("objectClass"), &[]), &ask());
    assert_eq!((refused.code(), policy(&refused)), (50, &error(2)[..]));
    assert_eq!(wire.ask(&replace_request(ADA, "sn", &["other"]), &[]).code(), 50);
    let both =
        |attribute: &str, value: &str| sequence(&[&[0x0a, 0x01, 0x02], &sequence(&[&octets(attribute), &tlv(0x31, &octets(value))])]);
    let hidden = [both("userPassword", SECOND), both("sn", "other")].concat();
    assert_eq!(wire.ask(&tlv(0x66, &[octets(ADA), tlv(0x30, &hidden)].concat()), &[]).code(), 50, "no other change beside it");
    let of_another = sequence(&[&tlv(0x80, b"uid=ben,dc=example,dc=com"), &tlv(0x82, THIRD.as_bytes())]);
    let other = wire.ask(&extended_request(PASSWORD_MODIFY, Some(&of_another)), &ask());
    assert_eq!((other.code(), policy(&other)), (50, &error(2)[..]), "one's own, and nobody else's");
    assert_eq!(change(&mut wire, Some(FIRST), Some(SECOND)).code(), 0);
    assert_eq!(read(&server, "pwdReset"), [""; 0]);
    assert_eq!(wire.ask_all(&search_request(ADA, 0, &present("objectClass"), &[]), &[]).len(), 2, "and all is as usual at once");
    let again = bind(&mut server.connect(), SECOND);
    assert_eq!((again.code(), policy(&again)), (0, NOTHING));
    server.as_operator().replace(ADA, "userPassword", &[THIRD]);
    assert_eq!(policy(&bind(&mut server.connect(), THIRD)), error(2), "set by an administrator once more");
}

#[test]
fn hb1_an_expired_password_warns_works_in_grace_and_then_looks_like_a_wrong_one() {
    let server = start(&[("pwdMaxAge", "3"), ("pwdExpireWarning", "3"), ("pwdGraceAuthNLimit", "1")]);
    let warned = bind(&mut server.connect(), FIRST);
    let before = policy(&warned);
    assert!(warned.code() == 0 && before.len() == 7 && before[..6] == [0x30, 0x05, 0xa0, 0x03, 0x80, 0x01] && before[6] <= 3, "{before:?}");
    assert!(value(&warned, NETSCAPE_EXPIRING).is_some());
    wait(3);
    let stamps = || (read(&server, "modifyTimestamp"), read(&server, "entryCSN"));
    let stamped = stamps();
    let grace = bind(&mut server.connect(), FIRST);
    assert_eq!((grace.code(), policy(&grace)), (0, &[0x30, 0x05, 0xa0, 0x03, 0x81, 0x01, 0x00][..]));
    assert_eq!(read(&server, "pwdGraceUseTime").len(), 1);
    assert_eq!(stamps(), stamped, "nobody changed the entry");
    let expired = bind(&mut server.connect(), FIRST);
    assert_eq!((expired.code(), policy(&expired)), (49, &error(0)[..]));
    let raw = |password: &str, controls: &[Vec<u8>]| {
        let mut wire = server.connect();
        wire.send(&message(5, &bind_request(ADA, password.as_bytes()), controls));
        wire.receive().expect("an answer").octets
    };
    let wrong = raw("wrong", &[]);
    assert_eq!(raw(FIRST, &[]), wrong, "who did not ask learns nothing");
    assert_eq!(raw("wrong", &ask()), wrong, "a wrong password learns nothing");
    server.as_operator().replace(ADA, "userPassword", &[SECOND]);
    assert_eq!(server.connect().bind(ADA, SECOND).code(), 0);
    assert_eq!(read(&server, "pwdGraceUseTime"), [""; 0]);
}

#[test]
fn former_passwords_are_not_taken_again_and_never_shown() {
    let server = start(&[("pwdInHistory", "2")]);
    let mut wire = server.connect();
    assert_eq!(bind(&mut wire, FIRST).code(), 0);
    let same = change(&mut wire, Some(FIRST), Some(FIRST));
    assert_eq!((same.code(), policy(&same)), (19, &error(8)[..]));
    assert_eq!(change(&mut wire, Some(FIRST), Some(SECOND)).code(), 0);
    let former = change(&mut wire, Some(SECOND), Some(FIRST));
    assert_eq!((former.code(), policy(&former)), (19, &error(8)[..]));
    assert_eq!(change(&mut wire, Some(SECOND), Some(THIRD)).code(), 0);
    assert_eq!(change(&mut wire, Some(THIRD), Some("Four bakers, 88 loaves")).code(), 0);
    assert_eq!(change(&mut wire, Some("Four bakers, 88 loaves"), Some(FIRST)).code(), 0, "the two last are remembered");
    assert_eq!(read(&server, "pwdHistory"), [""; 0]);
    assert!(server.as_operator().entries(BASE, &present("pwdHistory"), &["1.1"]).is_empty(), "nobody finds out who has one");
}

#[test]
fn hb3_hb7_nobody_guesses_by_the_history_without_being_counted() {
    let server = start(&[("pwdInHistory", "2")]);
    let mut wire = server.connect();
    assert_eq!(bind(&mut wire, FIRST).code(), 0);
    let failures = || read(&server, "pwdFailureTime").len();
    let mut ask = |changes: &[(i64, &str, &[&str])]| wire.ask(&modify(ADA, changes), &ask()).code();
    // A wrong old password says nothing of the new one, in whatever order they come.
    assert_eq!(ask(&[(0, "userPassword", &[FIRST]), (1, "userPassword", &["a guess"])]), 16);
    assert_eq!(failures(), 1);
    assert_eq!(ask(&[(2, "userPassword", &[SECOND])]), 0);
    assert_eq!(failures(), 0, "a change that is made forgets them");
    // Changes that fail for another reason.
    let mut guess = |password: &str| ask(&[(2, "userPassword", &[password]), (0, "objectClass", &["nothing"])]);
    for counted in 1..=5 {
        assert_eq!(guess(&format!("Seven kettles, {counted} otters")), 50);
        assert_eq!(failures(), counted);
    }
    assert_eq!((guess("Seven kettles, 6 otters"), guess(SECOND)), (53, 53), "right and wrong are the same while it has to wait");
    assert_eq!(server.connect().bind(ADA, SECOND).code(), 49, "as it has to for a bind");
}

#[test]
fn a_password_is_long_old_and_changed_by_its_user_as_the_policy_says() {
    let server = start(&[("pwdMinLength", "20"), ("pwdMinAge", "3600"), ("pwdSafeModify", "TRUE")]);
    let mut wire = server.connect();
    assert_eq!(bind(&mut wire, FIRST).code(), 0);
    let without = change(&mut wire, None, Some(SECOND));
    assert_eq!((without.code(), policy(&without)), (50, &error(4)[..]));
    let young = change(&mut wire, Some(FIRST), Some(SECOND));
    assert_eq!((young.code(), policy(&young)), (19, &error(7)[..]));
    let mut operator = server.as_operator();
    operator.replace(POLICY, "pwdMinAge", &["0"]);
    let short = change(&mut wire, Some(FIRST), Some("Six odd llamas, 9"));
    assert_eq!((short.code(), policy(&short)), (19, &error(6)[..]));
    let weak = change(&mut wire, Some(FIRST), Some("aaaaaaaaaaaaaaaaaaaaaaaaaa"));
    assert_eq!((weak.code(), policy(&weak)), (19, &error(5)[..]));
    operator.replace(POLICY, "pwdAllowUserChange", &["FALSE"]);
    let closed = change(&mut wire, Some(FIRST), Some(SECOND));
    assert_eq!((closed.code(), policy(&closed)), (50, &error(3)[..]));
    assert_eq!(server.connect().bind(ADA, FIRST).code(), 0, "nothing was changed");
}

#[test]
fn the_old_password_is_right_also_where_what_is_not_there_may_be_deleted() {
    let server = start(&[("pwdSafeModify", "TRUE")]);
    let mut wire = server.connect();
    assert_eq!(bind(&mut wire, FIRST).code(), 0);
    let mut exchange = |old: &str, controls: &[Vec<u8>]| {
        let answer = wire.ask(&modify(ADA, &[(1, "userPassword", &[old]), (2, "userPassword", &[SECOND])]), controls);
        (answer.code(), answer.text())
    };
    let permissive = || control("1.2.840.113556.1.4.1413", true, None);
    let plain = exchange("wrong", &[]);
    assert_eq!((plain.0, exchange("wrong", &[permissive()])), (16, plain));
    assert_eq!(read(&server, "pwdFailureTime").len(), 2, "both were attempts like any other");
    assert_eq!(exchange(FIRST, &[permissive()]).0, 0);
    assert_eq!(server.connect().bind(ADA, SECOND).code(), 0);
}

#[test]
fn a_made_up_password_is_as_long_as_the_policy_asks() {
    let server = start(&[("pwdMinLength", "64")]);
    let mut wire = server.connect();
    assert_eq!(bind(&mut wire, FIRST).code(), 0);
    let made = change(&mut wire, Some(FIRST), None);
    let value = made.extended().1.expect("a password");
    let password = String::from_utf8(crate::wire::elements(crate::wire::elements(&value)[0].1)[0].1.to_vec()).unwrap();
    assert!(password.len() >= 64, "{password}");
    assert_eq!(bind(&mut server.connect(), &password).code(), 0);
}

#[test]
fn an_added_user_is_noted_and_the_operator_is_free() {
    let server = start(&[("pwdMinLength", "30")]);
    assert_eq!(read(&server, "pwdChangedTime").len(), 1);
    let attributes: [(&str, &[u8]); 5] = [
        ("objectClass", b"inetOrgPerson"),
        ("cn", b"ben"),
        ("sn", b"ben"),
        ("userPassword", b"short"),
        ("pwdPolicySubentry", POLICY.as_bytes()),
    ];
    let answer = server.as_operator().ask(&add_request("uid=ben,dc=example,dc=com", &attributes), &ask());
    assert_eq!(answer.code(), 0, "{OPERATOR} sets what it likes");
}

#[test]
fn administrators_see_whether_accounts_can_be_used() {
    const USABILITY: &str = "1.3.6.1.4.1.42.2.27.9.5.8";
    let server = start(&[("pwdMaxAge", "1000000")]);
    let mut operator = server.as_operator();
    let ask = vec![control(USABILITY, true, None)];
    let mut told = |dn: &str| {
        let found = operator.ask_all(&search_request(dn, 0, &present("objectClass"), &["1.1"]), &ask);
        value(&found[0], USABILITY).map(<[u8]>::to_vec)
    };
    let seconds = told(ADA).expect("an account");
    assert!(seconds[..2] == [0x80, 0x03] && seconds[2] == 0x0f, "about a million: {seconds:?}");
    assert_eq!(told(BASE), None, "no account");
    server.as_operator().replace(POLICY, "pwdMaxAge", &["0"]);
    assert_eq!(told(ADA), Some(vec![0x80, 0x01, 0xff]), "never");
    server.as_operator().replace(POLICY, "pwdMustChange", &["TRUE"]);
    server.as_operator().replace(ADA, "userPassword", &[SECOND]);
    assert_eq!(told(ADA), Some(vec![0xa1, 0x03, 0x81, 0x01, 0xff]), "to be changed first");
    server.as_operator().replace(POLICY, "pwdMustChange", &["FALSE"]);
    let mut ada = server.connect();
    assert_eq!(ada.bind(ADA, SECOND).code(), 0);
    let own = ada.ask_all(&search_request(ADA, 0, &present("objectClass"), &["1.1"]), &ask);
    assert_eq!((own.len(), value(&own[0], USABILITY)), (2, None), "others do not");
}

/// Adds a policy there and answers its name.
fn add_policy(wire: &mut Wire, under: &str, rules: &[(&str, &str)]) -> String {
    let dn = format!("cn=policy,{under}");
    let class = [("objectClass", "applicationProcess"), ("objectClass", "pwdPolicy"), ("cn", "policy"), ("pwdAttribute", "userPassword")];
    wire.add(&dn, &[&class[..], rules].concat());
    dn
}

#[test]
fn o1_the_policy_of_the_organisation_holds_for_its_users_and_that_of_another_never() {
    let demo = Demo::start();
    let (organisation, user) = (demo.organisation(), &demo.users[0]);
    let mut operator = demo.as_operator();
    let met = || {
        let answer = demo.connect().ask(&bind_request(&user.dn, user.password.as_bytes()), &ask());
        (answer.code(), policy(&answer).to_vec())
    };
    let suffix = organisation.split_once(',').expect("a suffix").1;
    let other = format!("o=other,{suffix}");
    operator.add(&other, &[("objectClass", "organization"), ("objectClass", "hcOrganisation")]);
    let closed = add_policy(&mut operator, &other, &[("pwdMustChange", "TRUE")]);
    let own = add_policy(&mut operator, &organisation, &[("pwdMustChange", "FALSE")]);
    operator.replace(&user.dn, "pwdReset", &["TRUE"]);
    assert_eq!(met(), (0, NOTHING.to_vec()), "no policy");
    for dn in [&organisation, &user.dn] {
        assert_eq!(operator.ask(&replace_request(dn, "pwdPolicySubentry", &[&closed]), &[]).code(), 19, "{dn}");
    }
    assert_eq!(met(), (0, NOTHING.to_vec()), "another's policy is none");
    operator.replace(&organisation, "pwdPolicySubentry", &[&own]);
    operator.replace(&own, "pwdMustChange", &["TRUE"]);
    assert_eq!(met(), (0, error(2)), "the organisation's");
}

#[test]
fn s6_who_changes_the_own_password_stays_and_the_other_sessions_end() {
    let demo = Demo::start();
    let user = &demo.users[0];
    demo.set_licence("hcCountingMode", "sessions");
    let from = |client: &[u8]| {
        let mut wire = demo.connect();
        let apart = control(SESSION_CONTROL, false, Some(&sequence(&[&tlv(0x81, client)])));
        assert_eq!(wire.ask(&bind_request(&user.dn, user.password.as_bytes()), &[apart]).code(), 0);
        wire
    };
    let (mut here, mut elsewhere) = (from(b"here"), from(b"elsewhere"));
    assert_eq!(demo.sessions().len(), 2);
    let value = sequence(&[&tlv(0x81, user.password.as_bytes()), &tlv(0x82, SECOND.as_bytes())]);
    assert_eq!(here.ask(&extended_request(PASSWORD_MODIFY, Some(&value)), &[]).code(), 0);
    assert_eq!(demo.sessions().len(), 1);
    assert_eq!(here.who_am_i(), format!("dn:{}", user.dn));
    elsewhere.send(&message(9, &search_request(&user.dn, 0, &present("objectClass"), &["1.1"]), &[]));
    assert!(elsewhere.receive().is_none_or(|answer| answer.tag != 0x64), "its connection is over");
    demo.as_operator().replace(&user.dn, "userPassword", &[THIRD]);
    assert!(demo.sessions().is_empty(), "set by somebody else it ends them all");
}

#[test]
fn s3_s4_binds_in_grace_at_one_time_get_seats_for_the_uses_there_are_and_no_others() {
    let demo = Demo::start();
    let (organisation, user) = (demo.organisation(), &demo.users[0]);
    let mut operator = demo.as_operator();
    let rules = [("pwdMaxAge", "1"), ("pwdGraceAuthNLimit", "2")];
    let dn = add_policy(&mut operator, &organisation, &rules);
    operator.replace(&organisation, "pwdPolicySubentry", &[&dn]);
    operator.replace(&user.dn, "userPassword", &[&user.password]);
    demo.set_licence("hcSessionLimit", "20");
    demo.set_licence("hcCountingMode", "sessions");
    wait(2);
    let bind = |client: u8| {
        let apart = control(SESSION_CONTROL, false, Some(&sequence(&[&tlv(0x81, &[b'a' + client])])));
        demo.connect().ask(&bind_request(&user.dn, user.password.as_bytes()), &[apart]).code()
    };
    let mut codes: Vec<u32> = std::thread::scope(|scope| {
        let bind = &bind;
        let binds: Vec<_> = (0..8).map(|client| scope.spawn(move || bind(client))).collect();
        binds.into_iter().map(|bind| bind.join().unwrap()).collect()
    });
    codes.sort_unstable();
    assert_eq!(codes, [0, 0, 49, 49, 49, 49, 49, 49]);
    assert_eq!(demo.sessions().len(), 2, "who is refused keeps no seat");
}
