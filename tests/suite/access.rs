//! Who may do what, and why: asked of the running daemon as an operator would.

use crate::demo::{Demo, headcount};
use serde_json::Value;
use std::path::Path;

/// The rows a command answers with.
pub(crate) fn rows(config: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = headcount().arg("--json").arg("--config").arg(config).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What decided a right on an attribute, or on the entry.
fn decided<'r>(rows: &'r [Value], right: &str, attribute: Option<&str>) -> (&'r str, &'r str) {
    let about = |row: &&Value| {
        let attributes = row["attributes"].as_array().unwrap();
        row["right"] == right && attribute.map_or(attributes.is_empty(), |name| attributes.iter().any(|held| held == name))
    };
    let found: Vec<&Value> = rows.iter().filter(about).collect();
    assert_eq!(found.len(), 1, "{right} {attribute:?}: {rows:?}");
    (found[0]["given"].as_str().unwrap(), found[0]["because"].as_str().unwrap())
}

#[test]
fn r9_access_explain_says_which_rule_decided() {
    let demo = Demo::start();
    let (user, other, operator) = (&demo.users[0].dn, &demo.users[1].dn, &demo.operator.dn);
    let own = rows(&demo.config(), &["access", "explain", user, user]);
    assert_eq!(decided(&own, "read", Some("cn")), ("yes", "its own entry"));
    assert_eq!(decided(&own, "read", Some("userPassword")), ("no", "secret: nobody reads, searches or compares it"));
    let (given, because) = decided(&own, "delete", None);
    assert_eq!(given, "no");
    assert!(because.starts_with("default: no rule gives it"), "{because}");
    let all = rows(&demo.config(), &["access", "explain", operator, other, "--right", "write"]);
    assert_eq!(decided(&all, "write", Some("userPassword")), ("yes", "the operator"));
    assert!(all.iter().all(|row| row["right"] == "write"));
    let nobody = rows(&demo.config(), &["access", "explain", "anonymous", other, "cn"]);
    assert_eq!(decided(&nobody, "read", Some("cn")).0, "no");
    let permissions = rows(&demo.config(), &["access", "explain", user]);
    for row in &permissions {
        assert_eq!(row["in_effect"] == "yes", row["granted_by"] != "" && row["restricted_by"] == "", "{row}");
    }
    let absent = headcount().arg("--config").arg(demo.config()).args(["access", "explain", "uid=nobody,dc=example", user]).output();
    assert!(!absent.unwrap().status.success());
}
