//! A mistake in the config is shown where it is (issue 2 point 9).

use crate::demo::headcount;

/// What `headcount check` says of a config: whether it is good, and its words.
fn check(text: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("headcount.toml");
    crate::server::write_private(&file, text);
    let output = headcount().arg("check").arg("--config").arg(&file).output().unwrap();
    let words = [output.stdout, output.stderr].map(|octets| String::from_utf8(octets).unwrap()).concat();
    (output.status.success(), words)
}

fn example() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/headcount.toml")).unwrap()
}

#[test]
fn the_commented_example_is_good() {
    let (good, words) = check(&example());
    assert!(good, "{words}");
}

#[test]
fn an_unknown_key_is_shown_with_line_caret_and_suggestion() {
    let (good, words) = check("folder = \"/tmp/x\"\n\n[limits]\nlook_trough = 5\n");
    assert!(!good, "an unknown key was taken");
    assert!(words.contains("headcount.toml:4:1"), "{words}");
    assert!(words.contains("look_trough = 5"), "the line itself: {words}");
    assert!(words.contains("^^^^^^^^^^^"), "the caret stands under the key: {words}");
    assert!(words.contains("look_through"), "what was probably meant: {words}");
}

#[test]
fn a_value_of_the_wrong_kind_is_shown_at_its_place() {
    let (good, words) = check("\n\nworkers = \"many\"\n");
    assert!(!good);
    assert!(words.contains("headcount.toml:3:11"), "{words}");
    assert!(words.contains("          ^"), "{words}");
}

#[test]
fn a_name_that_is_none_is_shown_at_its_place() {
    let (good, words) = check("[[suffix]]\ndn = \"dc=example,com\"\n");
    assert!(!good);
    assert!(words.contains("headcount.toml:2:"), "{words}");
    assert!(words.contains('^'), "{words}");
}

#[test]
fn what_is_no_toml_is_shown_at_its_place() {
    let (good, words) = check("folder = \"/tmp/x\"\n[limits\n");
    assert!(!good);
    assert!(words.contains("headcount.toml:2:"), "{words}");
    assert!(words.contains('^'), "{words}");
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let (good, words) = check("[[suffix]]\ndn = \"x\"\n[[suffix]]\ndn = \"y\"\n");
    assert!(!good);
    assert!(words.contains("headcount.toml:2:") && words.contains("headcount.toml:4:"), "{words}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let output = headcount().args(["serve", "--config", "/nowhere/headcount.toml"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere/headcount.toml"));
}

#[test]
fn serve_refuses_a_bad_config_before_it_opens_anything() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    crate::server::write_private(&file, "nonsense = true\n");
    let output = headcount().arg("serve").arg("--config").arg(&file).current_dir(folder.path()).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("bad.toml:1:1"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was made");
}

#[test]
fn a_rule_that_can_never_match_is_shown_at_its_place() {
    let rule =
        |who: &str, subtree: &str| format!("{}\n[[access]]\nwho = [{who}]\nsubtree = \"{subtree}\"\nrights = [\"read\"]\n", example());
    let (good, words) = check(&rule("\"role:Helpdesk\", \"group:cn=a,DC=Example, dc=com\", \"dn:cn=b,dc=example,dc=com\"", "dc=com"));
    assert!(!good && words.contains("`dc=com` is under no suffix"), "{words}");
    for (who, reason) in [
        ("\"role:\"", "names no role"),
        ("\"role:cn=Helpdesk,ou=roles\"", "is under no suffix of the server file"),
        ("\"role:cn=Helpdesk,ou\"", "not a DN"),
        ("\"group:cn=a,dc=elsewhere\"", "is under no suffix of the server file"),
        ("\"users\", \"anonymous\"", "nobody is `anonymous` and"),
        ("\"anonymous\", \"role:Helpdesk\"", "nobody is `anonymous` and"),
    ] {
        let (good, words) = check(&rule(who, "dc=example,dc=com"));
        assert!(!good && words.contains(reason) && words.contains('^'), "{who}: {words}");
    }
    let (good, words) = check(&rule("\"role:Helpdesk\"", "cn=Monitor"));
    assert!(!good && words.contains("belongs to no organisation"), "{words}");
    assert!(check(&rule("\"role:organisation-admin\"", "cn=Monitor")).0);
}

#[test]
fn ha1_depths_have_a_bound() {
    for (key, most) in [("filter_depth", 64), ("ber_depth", 128)] {
        let (good, words) = check(&example().replace(&format!("\n{key} = "), &format!("\n{key} = {most} # ")));
        assert!(good, "{words}");
        let (good, words) = check(&format!("folder = \"/tmp/x\"\n\n[limits]\n{key} = {}\n", most + 1));
        assert!(!good, "a depth that the stack is not made for was taken");
        assert!(words.contains(&format!("headcount.toml:4:{}", key.len() + 4)), "{words}");
        assert!(words.contains(&format!("{most} at most")), "{words}");
    }
}
