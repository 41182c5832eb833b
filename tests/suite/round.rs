//! A full round by the `ldap3` crate, a client nobody here wrote.

use crate::demo::Demo;
use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::controls::{Assertion, ControlType, PostRead, PostReadResp, ReadEntryResp};
use ldap3::exop::{PasswordModify, PasswordModifyResp, WhoAmI, WhoAmIResp};
use ldap3::{LdapConn, LdapConnSettings, Mod, Scope, SearchEntry};
use std::collections::HashSet;

fn connect(demo: &Demo) -> LdapConn {
    LdapConn::new(&format!("ldap://{}", demo.ldap)).unwrap()
}

fn set(values: &[&'static str]) -> HashSet<&'static str> {
    values.iter().copied().collect()
}

/// An entry any tool could add: nothing of ours in it.
fn person(name: &'static str) -> Vec<(&'static str, HashSet<&'static str>)> {
    vec![
        ("objectClass", set(&["top", "person", "organizationalPerson", "inetOrgPerson"])),
        ("cn", set(&[name])),
        ("sn", set(&["Example"])),
        ("description", set(&["one", "two"])),
        ("employeeNumber", set(&["7"])),
    ]
}

fn read(ldap: &mut LdapConn, dn: &str) -> SearchEntry {
    let (found, _) = ldap.search(dn, Scope::Base, "(objectClass=*)", vec!["*"]).unwrap().success().unwrap();
    SearchEntry::construct(found.into_iter().next().unwrap())
}

fn changes_are_made_together_or_not_at_all(ldap: &mut LdapConn, ann: &str) {
    let changes = vec![
        Mod::Add("mail", set(&["ann@example.com", "a@example.com"])),
        Mod::Delete("description", set(&["TWO"])),
        Mod::Replace("sn", set(&["Other"])),
        Mod::Increment("cn", "1"),
    ];
    assert_eq!(ldap.modify(ann, changes).unwrap().rc, 19, "a name cannot be incremented");
    assert_eq!(read(ldap, ann).attrs["sn"], ["Example"], "all or nothing");
    let changes = vec![
        Mod::Add("mail", set(&["ann@example.com", "a@example.com"])),
        Mod::Delete("description", set(&["TWO"])),
        Mod::Replace("sn", set(&["Other"])),
    ];
    ldap.modify(ann, changes).unwrap().success().unwrap();
    let entry = read(ldap, ann);
    assert_eq!((entry.attrs["sn"].as_slice(), entry.attrs["description"].as_slice()), (&["Other".to_owned()][..], &["one".to_owned()][..]));
    assert_eq!(ldap.modify(ann, vec![Mod::Delete("mail", set(&["nobody@example.com"]))]).unwrap().rc, 16);
    assert_eq!(ldap.modify(ann, vec![Mod::Add("sn", set(&["other"]))]).unwrap().rc, 20, "the value is there, in any case");
    assert_eq!(ldap.modify(ann, vec![Mod::Delete("sn", set(&[]))]).unwrap().rc, 65, "sn must be there");
    assert_eq!(ldap.modify(ann, vec![Mod::Add("noSuchType", set(&["x"]))]).unwrap().rc, 17);
}

fn pages_of_any_size_hold_everybody(ldap: &mut LdapConn, folder: &str) {
    for page in 1..=7 {
        let adapters: Vec<Box<dyn Adapter<_, _>>> = vec![Box::new(EntriesOnly::new()), Box::new(PagedResults::new(page))];
        let mut stream = ldap.streaming_search_with(adapters, folder, Scope::Subtree, "(objectClass=person)", vec!["cn"]).unwrap();
        let mut names = Vec::new();
        while let Some(entry) = stream.next().unwrap() {
            names.push(SearchEntry::construct(entry).attrs["cn"][0].clone());
        }
        stream.result().success().unwrap();
        names.sort();
        assert_eq!(names, ["anna", "bob", "cid", "dan", "eve"], "pages of {page}");
    }
}

#[test]
fn the_ldap3_crate_does_a_full_round() {
    let demo = Demo::start();
    let base = demo.organisation();
    let mut ldap = connect(&demo);
    ldap.simple_bind(&demo.operator.dn, &demo.operator.password).unwrap().success().unwrap();

    let folder = format!("ou=round,{base}");
    ldap.add(&folder, vec![("objectClass", set(&["organizationalUnit"])), ("ou", set(&["round"]))]).unwrap().success().unwrap();
    for name in ["ann", "bob", "cid", "dan", "eve"] {
        ldap.add(&format!("cn={name},{folder}"), person(name)).unwrap().success().unwrap();
    }
    assert_eq!(ldap.add(&format!("cn=ANN,{folder}"), person("ann")).unwrap().rc, 68, "the name is taken, in any case");
    assert_eq!(ldap.add(&format!("cn=fay,cn=nobody,{folder}"), person("fay")).unwrap().rc, 32, "no parent");

    let ann = format!("cn=ann,{folder}");
    changes_are_made_together_or_not_at_all(&mut ldap, &ann);
    assert!(ldap.compare(&ann, "mail", "ANN@example.com").unwrap().equal().unwrap());
    assert!(!ldap.compare(&ann, "mail", "bob@example.com").unwrap().equal().unwrap());

    ldap.modifydn(&ann, "cn=anna", true, None).unwrap().success().unwrap();
    let elsewhere = format!("ou=elsewhere,{base}");
    ldap.add(&elsewhere, vec![("objectClass", set(&["organizationalUnit"])), ("ou", set(&["elsewhere"]))]).unwrap().success().unwrap();
    ldap.modifydn(&folder, "ou=moved", true, Some(&elsewhere)).unwrap().success().unwrap();
    let moved = format!("ou=moved,{elsewhere}");
    let anna = format!("cn=anna,{moved}");
    assert_eq!(read(&mut ldap, &anna).attrs["cn"], ["anna"]);
    assert_eq!(ldap.search(&ann, Scope::Base, "(objectClass=*)", vec!["1.1"]).unwrap().1.rc, 32);

    pages_of_any_size_hold_everybody(&mut ldap, &moved);
    assert_eq!(ldap.delete(&moved).unwrap().rc, 66, "there are entries below");
    for name in ["anna", "bob", "cid", "dan", "eve"] {
        ldap.delete(&format!("cn={name},{moved}")).unwrap().success().unwrap();
    }
    ldap.delete(&moved).unwrap().success().unwrap();
    assert_eq!(ldap.delete(&moved).unwrap().rc, 32);
    ldap.unbind().unwrap();
}

#[test]
fn the_ldap3_crate_changes_a_password_over_start_tls() {
    let demo = Demo::start();
    let user = &demo.users[0];
    let settings = LdapConnSettings::new().set_starttls(true).set_no_tls_verify(true);
    let mut ldap = LdapConn::with_settings(settings, &format!("ldap://{}", demo.ldap)).unwrap();
    ldap.simple_bind(&user.dn, &user.password).unwrap().success().unwrap();
    let (exop, _) = ldap.extended(WhoAmI).unwrap().success().unwrap();
    assert_eq!(exop.parse::<WhoAmIResp>().authzid, format!("dn:{}", user.dn));
    let change = |old, new| PasswordModify { user_id: None, old_pass: old, new_pass: new };
    assert_ne!(ldap.extended(change(Some("wrong"), Some("something long enough"))).unwrap().1.rc, 0);
    let fresh = "seven uncommon words of this very test";
    assert_ne!(ldap.extended(change(Some(&user.password), Some("short"))).unwrap().1.rc, 0, "too short for the policy");
    ldap.extended(change(Some(&user.password), Some(fresh))).unwrap().success().unwrap();
    let mut again = connect(&demo);
    assert_eq!(again.simple_bind(&user.dn, &user.password).unwrap().rc, 49);
    assert_eq!(again.simple_bind(&user.dn, fresh).unwrap().rc, 0);

    let mut operator = connect(&demo);
    operator.simple_bind(&demo.operator.dn, &demo.operator.password).unwrap().success().unwrap();
    let made_up = PasswordModify { user_id: Some(&user.dn), old_pass: None, new_pass: None };
    let (exop, _) = operator.extended(made_up).unwrap().success().unwrap();
    let generated = exop.parse::<PasswordModifyResp>().gen_pass;
    assert!(generated.chars().count() >= 15, "a password that was made up keeps to the policy");
    assert_eq!(connect(&demo).simple_bind(&user.dn, &generated).unwrap().rc, 0);
}

#[test]
fn controls_of_a_change_do_what_they_say() {
    let demo = Demo::start();
    let mut ldap = connect(&demo);
    ldap.simple_bind(&demo.operator.dn, &demo.operator.password).unwrap().success().unwrap();
    let dn = format!("cn=controlled,{}", demo.organisation());
    ldap.add(&dn, person("controlled")).unwrap().success().unwrap();
    let retitle = |title: &'static str| vec![Mod::Replace("title", set(&[title]))];
    assert_eq!(ldap.with_controls(Assertion::new("(title=boss)")).modify(&dn, retitle("none")).unwrap().rc, 122);
    let outcome = ldap.with_controls(PostRead::new(vec!["title"])).modify(&dn, retitle("boss")).unwrap().success().unwrap();
    let post = outcome.ctrls.iter().find(|control| matches!(control.0, Some(ControlType::PostReadResp))).expect("a post-read control");
    let entry: ReadEntryResp = post.1.parse::<PostReadResp>();
    assert_eq!(entry.attrs["title"], ["boss"]);
    assert_eq!(ldap.with_controls(Assertion::new("(title=boss)")).modify(&dn, retitle("none")).unwrap().rc, 0);
}

#[test]
fn every_filter_choice_finds_what_it_should() {
    let demo = Demo::start();
    let mut ldap = connect(&demo);
    ldap.simple_bind(&demo.operator.dn, &demo.operator.password).unwrap().success().unwrap();
    let base = format!("ou=filters,{}", demo.organisation());
    ldap.add(&base, vec![("objectClass", set(&["organizationalUnit"])), ("ou", set(&["filters"]))]).unwrap().success().unwrap();
    for name in ["ann", "bob", "cid"] {
        ldap.add(&format!("cn={name},{base}"), person(name)).unwrap().success().unwrap();
    }
    ldap.modify(
        &format!("cn=bob,{base}"),
        vec![Mod::Add(&b"jpegPhoto"[..], HashSet::from([&b"\xff\x01"[..]])), Mod::Add(&b"title"[..], HashSet::from([&b"boss"[..]]))],
    )
    .unwrap()
    .success()
    .unwrap();
    let mut found = |filter: &str| {
        let (entries, _) = ldap.search(&base, Scope::OneLevel, filter, vec!["cn"]).unwrap().success().unwrap();
        let mut names: Vec<String> = entries.into_iter().map(|entry| SearchEntry::construct(entry).attrs["cn"][0].clone()).collect();
        names.sort();
        names.join(" ")
    };
    let expected = [
        ("(objectClass=*)", "ann bob cid"),
        ("(cn=ANN)", "ann"),
        ("(2.5.4.3=ann)", "ann"),
        ("(name=ann)", "ann"),
        ("(cn= a*n )", "ann"),
        ("(cn=*i*)", "cid"),
        ("(cn=b*b)", "bob"),
        // Without an ORDERING rule (RFC 4519) an ordering match is Undefined.
        ("(cn>=bob)", ""),
        ("(!(cn<=bob))", ""),
        ("(createTimestamp>=20200101000000Z)", "ann bob cid"),
        ("(createTimestamp<=20200101000000Z)", ""),
        ("(cn~=ann)", "ann"),
        ("(title=*)", "bob"),
        ("(!(title=*))", "ann cid"),
        ("(!(title=boss))", "ann cid"),
        ("(&(cn=*)(!(cn=ann)))", "bob cid"),
        ("(|(cn=ann)(cn=cid))", "ann cid"),
        ("(noSuchType=x)", ""),
        ("(!(noSuchType=x))", ""),
        ("(|(noSuchType=x)(cn=ann))", "ann"),
        ("(cn:caseExactMatch:=ann)", "ann"),
        ("(cn:caseExactMatch:=ANN)", ""),
        ("(ou:dn:=filters)", "ann bob cid"),
        ("(:caseIgnoreMatch:=Example)", "ann bob cid"),
        ("(objectClass=person)", "ann bob cid"),
        ("(objectClass=2.5.6.6)", "ann bob cid"),
        ("(entryDN=*)", "ann bob cid"),
        ("(&)", "ann bob cid"),
        ("(|)", ""),
    ];
    for (filter, names) in expected {
        assert_eq!(found(filter), names, "{filter}");
    }
}
