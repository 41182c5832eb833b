//! The shape of the house, held by a test: imports point down only, foreign crates stay where they belong, files stay
//! short, and the clock, randomness and the environment are asked for in one place each (ARCHITECTURE.md).

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use std::fs;
use std::path::{Path, PathBuf};

/// For each layer, the layers it may import. The order is that of the house, from the ground up.
const LAYERS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("model", &["base"]),
    ("schema", &["base", "model"]),
    ("store", &["base", "model", "schema"]),
    ("domain", &["base", "model", "schema"]),
    ("access", &["base", "model", "schema", "domain"]),
    ("directory", &["base", "model", "schema", "store", "domain", "access"]),
    ("ldap", &["base", "model", "schema", "domain", "access", "directory"]),
    ("scim", &["base", "model", "schema", "domain", "access", "directory"]),
    ("console", &["base", "model", "schema", "domain", "access", "directory"]),
    ("mail", &["base", "model", "schema", "domain", "access", "directory"]),
    ("daemon", &["base", "model", "schema", "domain", "access", "directory", "ldap", "scim", "console", "mail"]),
    ("cli", &["base", "model", "schema", "domain", "access", "directory", "daemon"]),
];

/// Crates and calls that only some places may name.
const CONFINED: &[(&str, &[&str])] = &[
    ("sled::", &["src/store/kv_sled.rs"]),
    ("ldap3_proto", &["src/ldap/"]),
    ("axum::", &["src/scim/", "src/console/", "src/daemon/"]),
    ("lettre::", &["src/mail/"]),
    ("clap::", &["src/cli/", "src/daemon/control/"]),
    ("SystemTime::now", &["src/base/clock.rs"]),
    ("Instant::now", &["src/base/clock.rs"]),
    ("rand::", &["src/base/random.rs"]),
    ("std::env", &["src/daemon/", "src/cli/", "src/main.rs"]),
    ("unsafe ", &[]),
];

const LONGEST_FILE: usize = 800;

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    walk(&root.join("src"), &mut found);
    found.into_iter().map(|(path, text)| (path.strip_prefix(root).unwrap().to_path_buf(), text)).collect()
}

/// The text without comments and without the unit tests at the end of a file: those may reach across.
fn code(path: &Path, text: &str) -> String {
    let name = path.file_name().unwrap().to_string_lossy();
    if name.ends_with("tests.rs") {
        return String::new();
    }
    let before_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let uncommented = before_tests.lines().map(|line| if line.trim_start().starts_with("//") { "" } else { line });
    uncommented.collect::<Vec<_>>().join("\n")
}

fn layer_of(path: &Path) -> Option<&'static (&'static str, &'static [&'static str])> {
    let name = path.iter().nth(1)?.to_string_lossy().trim_end_matches(".rs").to_owned();
    LAYERS.iter().find(|(layer, _)| *layer == name)
}

#[test]
fn imports_point_down_only() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some((layer, below)) = layer_of(&path) else { continue };
        let code = code(&path, &text);
        for (other, _) in LAYERS.iter().filter(|(other, _)| other != layer && !below.contains(other)) {
            if code.contains(&format!("crate::{other}::")) || code.contains(&format!("crate::{other};")) {
                wrong.push(format!("{}: {layer} must not know {other}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_source_belongs_to_a_layer() {
    for (path, _) in sources() {
        let at_the_top = path == Path::new("src/main.rs") || path == Path::new("src/lib.rs");
        assert!(at_the_top || layer_of(&path).is_some(), "{} belongs to no layer", path.display());
    }
}

#[test]
fn foreign_crates_and_the_clock_stay_where_they_belong() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let code = code(&path, &text);
        for (name, places) in CONFINED {
            let shown = path.display().to_string();
            let whole_word = |line: &str| {
                line.match_indices(name)
                    .any(|(at, _)| !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == '-'))
            };
            if !places.iter().any(|place| shown.starts_with(place))
                && let Some(line) = code.lines().find(|line| whole_word(line))
            {
                wrong.push(format!("{shown}: {}", line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_stay_short() {
    let long: Vec<String> = sources()
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(path, lines)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "over {LONGEST_FILE} lines:\n{}", long.join("\n"));
}

#[test]
fn ha3_arithmetic_that_overflows_ends_an_operation_in_release_builds_too() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let profile = manifest.split("[profile.release]").nth(1).unwrap().split("\n[").next().unwrap();
    assert!(profile.lines().any(|line| line == "overflow-checks = true"), "{profile}");
    assert!(!profile.contains("panic"), "a panic ends one connection, not the process: {profile}");
}
