//! Golden texts of what a wrong config is told, and the shipped files held against the code.

use super::file::ServerFile;
use super::*;
use crate::base::Limits;
use crate::directory::settings::{Activation, Hashing, PasswordPolicy};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

const SHIPPED: &str = include_str!("../../../config/headcount.toml");
const GOOD: &str =
    "folder = \"data\"\n[[suffix]]\ndn = \"dc=example,dc=com\"\n[[listener]]\nkind = \"ldap\"\naddress = \"127.0.0.1:3890\"\n";

/// What loading `text` says, with the folder taken out of it.
fn told(text: &str, others: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in others.iter().chain([&("headcount.toml", text)]) {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    match Config::load(&folder.path().join("headcount.toml")) {
        Ok(_) => "good".to_owned(),
        Err(problems) => problems.to_string().replace(&format!("{}/", folder.path().display()), ""),
    }
}

#[test]
fn a_good_config_loads() {
    assert_eq!(told(GOOD, &[]), "good");
}

#[test]
fn hg3_an_unknown_key_is_refused_with_what_was_meant() {
    let shown = told("folder = \"x\"\n[[sufix]]\ndn = \"dc=example\"\n", &[]);
    assert_eq!(shown, "headcount.toml:2:3: unknown key `sufix`\n  |\n2 | [[sufix]]\n  |   ^^^^^\n  = did you mean `suffix`?");
}

#[test]
fn a_value_that_is_no_choice_is_refused_with_the_nearest() {
    let shown = told(&format!("{GOOD}[[listener]]\nkind = \"ldapz\"\naddress = \"x\"\n"), &[]);
    assert!(
        shown.starts_with(
            "headcount.toml:8:8: unknown value `ldapz`\n  |\n8 | kind = \"ldapz\"\n  |        ^^^^^^^\n  = did you mean `ldap"
        ),
        "{shown}"
    );
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let text = "folder = \"x\"\n[[suffix]]\ndn = \"dc=example,,dc=com\"\n[[listener]]\nkind = \"ldaps\"\naddress = \":636\"\n[proxy]\ntrusted = [\"10.0.0.1/8\"]\n[hashing]\nmemory = \"1GiB\"\n";
    let shown = told(text, &[]);
    let lines: Vec<&str> = shown.lines().filter(|line| line.starts_with("headcount.toml:")).collect();
    assert_eq!(lines.len(), 5, "{shown}");
    assert!(lines.iter().any(|line| line.starts_with("headcount.toml:3:18: not a DN: ")), "{shown}");
    assert!(shown.contains("headcount.toml:5:8: ldaps needs a certificate: there is no [tls]\n"), "{shown}");
    assert!(shown.contains("`:636` is not an address and port") && shown.contains("\"0.0.0.0:636\""), "{shown}");
    assert!(shown.contains("headcount.toml:8:12: not a network as 10.0.0.0/8"), "{shown}");
    assert!(shown.contains("headcount.toml:10:10: argon2id takes from 7MiB to 128MiB here"), "{shown}");
}

#[test]
fn access_rules_are_checked_by_word() {
    let rule = "[[access]]\nwho = [\"service\"]\nfilter = \"(cn=a\"\nattributes = [\"telephoneNumbr\"]\nrights = [\"read\"]\n";
    let shown = told(&format!("{GOOD}{rule}"), &[]);
    assert!(shown.contains("headcount.toml:8:8: nobody is `service`") && shown.contains("did you mean `services`?"), "{shown}");
    assert!(shown.contains("headcount.toml:9:") && shown.contains("not a filter: "), "{shown}");
    assert!(shown.contains("did you mean `telephoneNumber`?"), "{shown}");
    let shown = told(&format!("{GOOD}[[access]]\nwho = [\"users\"]\nrights = [\"raed\"]\n"), &[]);
    assert!(shown.contains("did you mean `read`?"), "{shown}");
}

#[test]
fn an_access_rule_that_cannot_be_meant_is_named_with_its_place() {
    let good = "[[access]]\nwho = [\"users\"]\nrights = [\"read\"]\n";
    let bad = "[[access]]\nwho = [\"users\"]\nfilter = \"(userPassword=x)\"\nrights = [\"read\"]\n";
    let shown = told(&format!("{GOOD}{good}{bad}"), &[]);
    assert!(shown.starts_with("headcount.toml:12:10: access rule 2: the filter of a rule cannot ask for userPassword"), "{shown}");
    assert!(shown.contains("12 | filter = \"(userPassword=x)\"\n   |          ^^^^"), "{shown}");
    let shown = told(&format!("{GOOD}[[access]]\nwho = [\"users\"]\nrights = [\"read\", \"none\"]\n"), &[]);
    assert!(shown.starts_with("headcount.toml:9:11: access rule 1: `none` stands alone"), "{shown}");
    let shown = told(&format!("{GOOD}[[access]]\nrights = [\"read\"]\n"), &[]);
    assert!(shown.starts_with("headcount.toml:7:") && shown.contains("access rule 1: it does not say who"), "{shown}");
}

#[test]
fn hd6_a_limit_that_cannot_be_meant_is_named_with_its_place() {
    let shown = |limit: &str| told(&format!("{GOOD}[[limit]]\nwho = [\"users\"]\nsize = 7\n[[limit]]\n{limit}\n"), &[]);
    assert_eq!(shown("who = [\"role:reporter\"]\npaged_size = 0\ntime = \"2m\""), "good");
    for (limit, expected) in [
        ("who = [\"service\"]\nsize = 1", "headcount.toml:11:8: nobody is `service`\n"),
        ("who = [\"users\", \"self\"]\nsize = 1", "headcount.toml:11:17: limit 2: `self` is about entries, and a limit is not\n"),
        ("who = [\"anonymous\", \"users\"]\nsize = 1", "headcount.toml:11:21: nobody is `anonymous` and `users`"),
        ("who = [\"dn:cn=a,dc=elsewhere\"]\nsize = 1", "headcount.toml:11:8: `cn=a,dc=elsewhere` is under no suffix"),
        ("who = [\"users\"]", "headcount.toml:10:1: limit 2: it bounds nothing;"),
        ("size = 1", "headcount.toml:10:1: limit 2: it does not say who\n"),
        ("who = [\"users\"]\npending = 0", "headcount.toml:12:11: at least one operation\n"),
        ("who = [\"users\"]\nsize = 0", "headcount.toml:12:8: at least one entry\n"),
        ("who = [\"users\"]\nlook_through = 0", "headcount.toml:12:16: at least one entry\n"),
        ("who = [\"users\"]\ntime = \"0s\"", "headcount.toml:12:8: longer than 0s\n"),
        ("who = [\"users\"]\nsise = 1", "headcount.toml:12:1: unknown key `sise`\n"),
        ("who = [\"users\"]\nsize = -1", "headcount.toml:12:8: "),
    ] {
        let shown = shown(limit);
        assert!(shown.starts_with(expected) && shown.contains('^'), "{shown}");
    }
}

#[test]
fn hg3_bounds_that_would_let_nothing_be_done_are_refused() {
    let shown = |limit: &str| told(&format!("{GOOD}[limits]\n{limit}\n"), &[]);
    assert_eq!(shown("entry = \"64KiB\"\nsize = 1\nlook_through = 1\ntime = \"1s\"\npaged_size = 0"), "good");
    for (limit, expected) in [
        ("entry = 10", "headcount.toml:8:9: at least 64KiB"),
        ("entry = \"63KiB\"", "headcount.toml:8:9: at least 64KiB"),
        ("size = 0", "headcount.toml:8:8: at least one entry\n"),
        ("look_through = 0", "headcount.toml:8:16: at least one entry\n"),
        ("time = \"0s\"", "headcount.toml:8:8: longer than 0s\n"),
        ("pending_anonymous = 0", "headcount.toml:8:21: at least one operation\n"),
        ("pending_bound = 0", "headcount.toml:8:17: at least one operation\n"),
    ] {
        let shown = shown(limit);
        assert!(shown.starts_with(expected) && shown.contains('^'), "{shown}");
    }
}

#[test]
fn o3_a_declared_licence_ends_after_it_starts() {
    let shown = |dates: &str| {
        let organisation = format!("dn = \"o=Acme,dc=example,dc=com\"\n[[licence]]\nname = \"main\"\nsession_limit = 1\n{dates}\n");
        told(&format!("{GOOD}[[organisation]]\nfile = \"acme.toml\"\n"), &[("acme.toml", &organisation)])
    };
    assert_eq!(shown("start = 2026-01-01\nend = 2026-01-02"), "good");
    assert_eq!(shown("end = 2020-01-01"), "good");
    for dates in ["start = 2026-01-01\nend = 2025-12-31", "start = 2026-01-01T00:00:00Z\nend = 2026-01-01"] {
        let shown = shown(dates);
        assert!(shown.starts_with("acme.toml:6:7: a licence ends after it starts\n") && shown.contains('^'), "{shown}");
    }
}

#[test]
fn o3_a_session_limit_of_zero_is_refused_with_the_reason() {
    let organisation = "dn = \"o=Example,dc=example,dc=com\"\n[[licence]]\nname = \"main\"\nsession_limit = 0\n";
    let shown = told(&format!("{GOOD}[[organisation]]\nfile = \"example.toml\"\n"), &[("example.toml", organisation)]);
    assert_eq!(
        shown,
        "example.toml:4:17: a session limit is at least 1: 0 would let nobody in (O3)\n  |\n4 | session_limit = 0\n  |                 ^\n  \
         = to let nobody in, give the licence an `end` in the past"
    );
}

#[test]
fn o4_a_declared_organisation_must_fit_catalog_and_suffixes() {
    let organisation =
        "dn = \"o=Example,dc=exampel,dc=com\"\n[[licence]]\nname = \"main\"\npackage = \"Standart\"\nsession_limit = 1\noverdraft = 1\n";
    let shown = told(&format!("{GOOD}[[organisation]]\nfile = \"example.toml\"\n"), &[("example.toml", organisation)]);
    assert!(shown.contains("example.toml:1:6: `o=Example,dc=exampel,dc=com` is under no suffix of the server file"), "{shown}");
    assert!(shown.contains("the catalog has no package `Standart`") && shown.contains("did you mean `Standard`?"), "{shown}");
    assert!(shown.contains("`overdraft` needs `when_full = \"overdraft\"`"), "{shown}");
}

#[test]
fn o4_two_files_that_declare_the_same_entry_are_both_named() {
    let declared = |dn: &str| format!("dn = \"{dn}\"\n[[licence]]\nname = \"main\"\nsession_limit = 1\n");
    let both = |one: &str, other: &str| {
        let server = format!("{GOOD}[[organisation]]\nfile = \"one.toml\"\n[[organisation]]\nfile = \"two.toml\"\n");
        told(&server, &[("one.toml", &declared(one)), ("two.toml", &declared(other))])
    };
    assert_eq!(both("o=Acme,dc=example,dc=com", "o=Other,dc=example,dc=com"), "good");
    for (other, twice) in [
        ("o=Acme,dc=example,dc=com", "o=Acme,dc=example,dc=com"),
        ("organizationName=acme, DC=example,dc=com", "organizationName=acme, DC=example,dc=com"),
        ("ou=users,o=Acme,dc=example,dc=com", "ou=users,o=Acme,dc=example,dc=com"),
    ] {
        let shown = both("o=Acme,dc=example,dc=com", other);
        assert!(shown.starts_with(&format!("two.toml:1:6: `{twice}` is declared by one.toml too\n")), "{shown}");
        assert!(shown.contains("1 | dn = ") && shown.contains('^'), "{shown}");
    }
}

#[test]
fn r1_a_permission_that_requires_what_is_not_there_is_refused() {
    let catalog = "[[permission]]\nname = \"people.edit\"\nrequires = [\"people.serch\"]\n[[permission]]\nname = \"people.search\"\nrequires = [\"people.search\"]\n\
        [[role]]\nname = \"organisation-admin\"\nsystem = true\n[[package]]\nname = \"P\"\nroles = [\"organisation-admin\", \"Nobody\"]\nfee = \"1.234\"\n";
    let shown = told(&format!("{GOOD}[catalog]\nfile = \"catalog.toml\"\n"), &[("catalog.toml", catalog)]);
    assert!(shown.contains("catalog.toml:3:13: the permission `people.serch` is not defined"), "{shown}");
    assert!(shown.contains("did you mean `people.search`?"), "{shown}");
    assert!(shown.contains("the permission `people.search` requires itself"), "{shown}");
    assert!(shown.contains("`organisation-admin` is a system role and comes with no package"), "{shown}");
    assert!(shown.contains("the role `Nobody` is not defined"), "{shown}");
    assert!(shown.contains("`1.234` is not an amount of money"), "{shown}");
}

#[test]
fn r2_levels_are_of_permissions_that_there_are_and_in_one_order() {
    let catalog = "[[permission]]\nname = \"sales.view\"\nrequires = [\"sales.edit\"]\n[[permission]]\nname = \"sales.edit\"\n\
        [[area]]\nname = \"sales\"\nlevels = [\"sales.view\", \"sales.edit\", \"sales.edti\"]\n\
        [[area]]\nname = \"other\"\nlevels = [\"sales.view\"]\n[[role]]\nname = \"organisation-admin\"\nsystem = true\n";
    let shown = told(&format!("{GOOD}[catalog]\nfile = \"catalog.toml\"\n"), &[("catalog.toml", catalog)]);
    assert!(shown.contains("catalog.toml:8:39: the permission `sales.edti` is not defined"), "{shown}");
    assert!(shown.contains("did you mean `sales.edit`?") && shown.contains('^'), "{shown}");
    assert!(shown.contains("catalog.toml:2:8: the permission `sales.view` requires itself"), "a level requires those below: {shown}");
    assert!(shown.contains("catalog.toml:11:11: the permission `sales.view` is a level of `sales` already"), "{shown}");
    assert!(shown.contains("catalog.toml:10:8: the area `other` orders nothing"), "{shown}");
}

#[test]
fn hg3_a_file_with_a_secret_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("headcount.toml");
    std::fs::write(&path, format!("{GOOD}[operator]\ndn = \"cn=admin\"\npassword_hash = \"{{SSHA}}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0\"\n"))
        .unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let shown = Config::load(&path).unwrap_err().to_string();
    assert!(shown.contains("holds a secret and its mode is 0640") && shown.contains("chmod 600"), "{shown}");
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    Config::load(&path).unwrap();
}

#[test]
fn a_password_in_the_place_of_a_hash_is_refused_and_not_shown() {
    let shown = told(&format!("{GOOD}[operator]\ndn = \"cn=admin\"\npassword_hash = \"hunter2\"\n"), &[]);
    assert!(shown.contains("not a password hash") && shown.contains("headcount passwd") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn the_shipped_file_shows_the_defaults_of_the_code() {
    let file: ServerFile = toml::from_str(SHIPPED).unwrap();
    assert_eq!(file.limits.limits(), Limits::default());
    assert_eq!(file.reserve.0, DEFAULT_RESERVE);
    let empty: ServerFile = toml::from_str("folder = \"/var/lib/headcount\"").unwrap();
    assert_eq!(format!("{:?}", file.schema), format!("{:?}", empty.schema));
    assert_eq!(file.workers, empty.workers);
    let (hashing, default) = (&file.hashing, Hashing::default());
    assert_eq!((hashing.memory.get_ref().0 >> 10, *hashing.passes.get_ref()), (u64::from(default.memory), default.passes));
    assert_eq!((hashing.at_once, hashing.queue, hashing.deadline.0), (default.at_once, default.queue, default.deadline));
    let policy = PasswordPolicy::default();
    assert_eq!((*file.passwords.minimum_length.get_ref(), &file.passwords.blocked), (policy.minimum_length, &policy.blocked));
    assert_eq!(file.passwords.allow_cleartext, empty.passwords.allow_cleartext);
    let activation = Activation::default();
    assert_eq!(
        (file.activation.link_lifetime.get_ref().0, file.activation.mail_scim_users),
        (activation.link_lifetime, activation.mail_scim_users)
    );
    assert_eq!((file.log.format, file.log.level.get_ref()), (empty.log.format, empty.log.level.get_ref()));
    assert_eq!((file.proxy.trusted.len(), file.index.attributes.len()), (0, 0));
    assert_eq!((&file.sasl.certificates, file.sasl.scram), (&empty.sasl.certificates, empty.sasl.scram));
    assert_eq!((file.sasl.names.len(), file.sasl.local_users.len()), (0, 0));
}

/// Serde lists the keys it expects when it meets one it does not know; each must be named in the shipped file.
#[test]
fn the_shipped_file_names_every_key() {
    let tables = [
        "",
        "[operator]",
        "[schema]",
        "[[access]]",
        "[limits]",
        "[[limit]]",
        "[index]",
        "[tls]",
        "[sasl]",
        "[proxy]",
        "[hashing]",
        "[lockout]",
        "[passwords]",
        "[mail]",
        "[activation]",
        "[alerts]",
        "[provisioning]",
        "[[event_receiver]]",
        "[catalog]",
        "[metrics]",
        "[audit]",
        "[backup]",
        "[[organisation]]",
        "[[application]]",
        "[log]",
        "[[suffix]]",
        "[[listener]]",
    ];
    let headings = [
        "suffix",
        "operator",
        "schema",
        "access",
        "limits",
        "limit",
        "index",
        "metrics",
        "audit",
        "backup",
        "listener",
        "tls",
        "sasl",
        "proxy",
        "hashing",
        "lockout",
        "passwords",
        "mail",
        "activation",
        "alerts",
        "provisioning",
        "event_receiver",
        "catalog",
        "organisation",
        "application",
        "log",
    ];
    for table in tables {
        let error = toml::from_str::<ServerFile>(&format!("{table}\nno_such_key = 1\n")).unwrap_err().message().to_owned();
        let keys: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
        assert!(!keys.is_empty(), "{table}: {error}");
        for key in keys {
            let named = SHIPPED.lines().map(|line| line.trim_start_matches("# ")).any(|line| line.starts_with(&format!("{key} = ")));
            let heading = headings.contains(&key) && SHIPPED.contains(&format!("[{key}]"));
            assert!(named || heading, "{table} {key} is not in config/headcount.toml");
        }
    }
}

/// The examples of the shipped file are good too: with the marks taken off, the file set loads.
#[test]
fn the_shipped_examples_load_when_their_marks_are_taken_off() {
    let mut text = String::new();
    for line in SHIPPED.lines() {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        let is_example = bare.starts_with('[')
            || bare.split_once(" = ").is_some_and(|(key, _)| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
        if is_example && !bare.starts_with("drop_folder") {
            text.push_str(bare);
            text.push('\n');
        }
    }
    let text = text
        .replace("{ARGON2}$argon2id$v=19$m=19456,t=2,p=1$…", "{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0")
        .replace("\"/etc/headcount/tls/", "\"")
        .replace("\"/etc/headcount/smtp-password\"", "\"smtp-password\"")
        .replace("\"/etc/headcount/audit-key\"", "\"audit-key\"")
        .replace("\"/etc/headcount/metrics-token\"", "\"metrics-token\"")
        .replace("\"/etc/headcount/hr-token\"", "\"metrics-token\"")
        .replace("\"/etc/headcount/webhook-token\"", "\"metrics-token\"")
        .replace("organisations/example.toml", "example.toml");
    let shown = told(
        &text,
        &[
            ("fullchain.pem", ""),
            ("key.pem", ""),
            ("clients.pem", ""),
            ("smtp-password", "x\n"),
            ("audit-key", "0123456789abcdef0123456789abcdef\n"),
            ("metrics-token", "0123456789abcdef\n"),
            ("catalog.toml", catalog::BUILT_IN),
            ("example.toml", include_str!("../../../config/organisations/example.toml")),
        ],
    );
    assert_eq!(shown, "good");
}

#[test]
fn o4_what_the_directory_would_refuse_of_a_declared_organisation_is_told_by_the_check() {
    let shown = |dn: &str, head: &str, licence: &str| {
        let file = format!("dn = \"{dn}\"\n{head}\n[[licence]]\nname = \"main\"\nsession_limit = 1\n{licence}\n");
        told(&format!("{GOOD}[[organisation]]\nfile = \"acme.toml\"\n"), &[("acme.toml", &file)])
    };
    let good = "o=Acme,dc=example,dc=com";
    assert_eq!(shown(good, "self_service = [\"title\"]", "per_user_limit = 1"), "good");
    for (dn, head, licence, line, said) in [
        (good, "", "per_user_limit = 0", 4, "hcPerUserLimit must be a whole number, at least 1 (rule O3)"),
        (good, "", "maximum_age = \"0s\"", 4, "hcMaximumAge must be a whole number, at least 1 (rule O3)"),
        (good, "", "idle_timeout = \"60000d\"", 4, "hcIdleTimeout must be a whole number"),
        (good, "", "partner = \"\"", 4, "hcPartner"),
        (good, "description = \"\"", "", 1, "description"),
        (good, "self_service = [\"title\", \"title\"]", "", 1, "hcSelfServiceAttribute"),
        ("cn=Acme,dc=example,dc=com", "", "", 1, "cn"),
    ] {
        let problem = shown(dn, head, licence);
        assert!(problem.starts_with(&format!("acme.toml:{line}:")) && problem.contains(said), "{licence}{head}{dn}: {problem}");
    }
}
