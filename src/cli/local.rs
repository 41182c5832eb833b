//! What needs no directory: passwords read from the terminal or a file, and hashing one.

use super::Outcome;
use super::arguments::PasswordOptions;
use super::output::{answer, complain};
use crate::base::Secret;
use crate::daemon::config::Config;
use crate::directory::password_hash::PasswordHasher;
use crate::directory::settings::Hashing;
use std::io::{BufRead, IsTerminal};
use std::path::Path;

/// Reads a password from where the options say; asks for it twice on a terminal where they say nothing.
pub(super) fn read_password(options: &PasswordOptions) -> std::io::Result<Option<Secret>> {
    match &options.password_file {
        Some(path) if path == Path::new("-") => first_line(&mut std::io::stdin().lock()).map(Some),
        Some(path) => first_line(&mut std::io::BufReader::new(std::fs::File::open(path)?)).map(Some),
        None => Ok(None),
    }
}

fn first_line(input: &mut dyn BufRead) -> std::io::Result<Secret> {
    let mut line = Vec::new();
    input.read_until(b'\n', &mut line)?;
    while line.last().is_some_and(|octet| matches!(octet, b'\r' | b'\n')) {
        line.pop();
    }
    if line.is_empty() {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "the password is empty"));
    }
    Ok(Secret::new(line))
}

fn ask_twice() -> std::io::Result<Secret> {
    let first = rpassword::prompt_password("Password: ")?;
    let second = rpassword::prompt_password("Again: ")?;
    if first != second {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "the two are not the same"));
    }
    first_line(&mut first.as_bytes())
}

/// The password, from where the options say, or asked for.
pub(super) fn password_of(options: &PasswordOptions) -> std::io::Result<Secret> {
    match read_password(options)? {
        Some(password) => Ok(password),
        None if std::io::stdin().is_terminal() => ask_twice(),
        None => first_line(&mut std::io::stdin().lock()),
    }
}

/// `headcount passwd`: prints the hash, with the cost of the config where there is one.
pub(super) fn passwd(config: &Path, options: &PasswordOptions, json: bool) -> Outcome {
    let password = password_of(options);
    // A file with this hash in it may not be there yet, so a config that does not load is no reason to stop.
    let hashing = Config::load(config).map_or_else(|_| Hashing::default(), |config| config.settings.hashing);
    match password.map_err(|error| error.to_string()).and_then(|password| hash(&password, &hashing)) {
        Ok(hash) => answer(json, "password", hash),
        Err(error) => {
            complain(json, error);
            Outcome::Failed
        }
    }
}

/// The hash as it stands in the config and in `userPassword`.
fn hash(password: &Secret, hashing: &Hashing) -> Result<String, String> {
    let hasher = PasswordHasher::new(hashing).map_err(|error| error.to_string())?;
    hasher.hash(password).map_err(|_| "the machine has no memory for the hash".to_owned())
}
