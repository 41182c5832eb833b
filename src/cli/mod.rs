//! The command line. `serve` and `demo` run the daemon; the other commands are handed to a running daemon, or executed
//! here where none runs (`daemon::control`).
//!
//! Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 the config is wrong, 4 the data folder or the daemon cannot
//! be reached, 5 done in part.

mod administer;
mod arguments;
mod audit;
mod client;
mod local;
mod output;
mod serve;

use crate::daemon::config::Config;
use crate::directory::Directory;
use arguments::{Action, Arguments};
use clap::Parser;
use output::{answer, complain, tell};
use std::path::Path;
use std::process::ExitCode;

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// Done.
    Done = 0,
    /// Refused, or it failed; it was told why.
    Failed = 1,
    /// The config is wrong.
    BadConfig = 3,
    /// The data folder or the daemon cannot be reached.
    Unreachable = 4,
    /// Some of it was done.
    Partly = 5,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome as u8)
    }
}

/// Reads the arguments and does what they say.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    // What this program writes is for its user alone (HG3).
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    match arguments.action {
        Action::Audit(action) => audit::run(&arguments.config, action, arguments.json).into(),
        Action::Check => check(&arguments.config, arguments.json).into(),
        Action::Demo(options) => serve::demo(options, arguments.json).into(),
        Action::Restore { file } => restore(&arguments.config, &file, arguments.json).into(),
        Action::Serve => serve::serve(&arguments.config, arguments.json).into(),
        Action::Passwd(options) => local::passwd(&arguments.config, &options, arguments.json).into(),
        Action::Administer(command) => administer::run(&arguments.config, command, arguments.json).into(),
    }
}

/// Reads the config, or says what is wrong with it.
fn load(path: &Path, json: bool) -> Result<Config, Outcome> {
    Config::load(path).map_err(|problems| {
        let count = problems.0.len();
        let summary = format!("{}: {count} {} found", path.display(), if count == 1 { "problem" } else { "problems" });
        match json {
            true => complain(true, format_args!("{problems}\n\n{summary}")),
            false => tell(format_args!("{problems}\n\n{summary}")),
        }
        Outcome::BadConfig
    })
}

/// A folder that was named wrongly, or that is on a disk that is not mounted, must not pass for a directory without entries.
fn data_folder(folder: &Path) -> Result<(), String> {
    match Directory::is_there(folder) {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("{}: no directory is here; `serve`, `import`, `bootstrap` and `restore` begin one", folder.display())),
        Err(error) => Err(format!("{}: {error}", folder.display())),
    }
}

fn restore(path: &Path, file: &Path, json: bool) -> Outcome {
    let config = match load(path, json) {
        Ok(config) => config,
        Err(outcome) => return outcome,
    };
    let folder = &config.settings.folder;
    match Directory::restore(file, folder, config.settings.audit_key.as_ref()) {
        Ok(()) => answer(json, "message", format_args!("{} is in {}", file.display(), folder.display())),
        Err(error) => {
            complain(json, format_args!("{}: {error}", folder.display()));
            Outcome::Failed
        }
    }
}

fn check(path: &Path, json: bool) -> Outcome {
    match load(path, json) {
        Ok(config) => {
            let settings = &config.settings;
            let line = format!(
                "{}: good ({} suffixes, {} listeners, {} access rules, {} roles, {} declared entries)",
                path.display(),
                settings.suffixes.len(),
                config.listeners.len(),
                settings.access.len(),
                settings.catalog.roles.len(),
                settings.organisations.len()
            );
            answer(json, "message", line)
        }
        Err(outcome) => outcome,
    }
}
