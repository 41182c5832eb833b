//! Commands that work on the directory: to the running daemon, or here where none runs.

use super::arguments::{
    AccessAction, Administration, GroupAction, LicenceAction, LicencePeriod, OrganisationAction, RoleAction, SessionAction, UserAction,
};
use super::client::{client, token};
use super::output::{Output, complain, warn};
use super::{Outcome, data_folder, load, local};
use crate::base::{Secret, SystemClock};
use crate::daemon::config::Config;
use crate::daemon::config::file::LogFormat;
use crate::daemon::config::units::Period;
use crate::daemon::control::{self, AccessQuestion, ChargesQuestion, Command, ImportOptions, NewUser, Shielded, Within};
use crate::daemon::logging;
use crate::directory::Directory;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A command with what goes in and where what comes out goes.
struct Request {
    command: Command,
    input: Option<PathBuf>,
    output: Option<PathBuf>,
}

impl From<Command> for Request {
    fn from(command: Command) -> Self {
        Self { command, input: None, output: None }
    }
}

/// What goes in. That it cannot be read names it.
struct Input {
    inner: Box<dyn Read + Send>,
    name: String,
}

impl Input {
    /// Opens a file; `-` is standard input.
    fn open(path: &Path) -> Result<Self, String> {
        let name = path.display().to_string();
        if path == Path::new("-") {
            return Ok(Self { inner: Box::new(std::io::stdin()), name });
        }
        let file = File::open(path).map_err(|error| format!("{name}: {error}"))?;
        Ok(Self { inner: Box::new(file), name })
    }
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let named = |error: std::io::Error| std::io::Error::new(error.kind(), format!("{}: {error}", self.name));
        self.inner.read(into).map_err(named)
    }
}

/// Does it, and says how it went.
pub(super) fn run(config: &Path, administration: Administration, json: bool) -> Outcome {
    let config = match load(config, json) {
        Ok(config) => config,
        Err(outcome) => return outcome,
    };
    let spent = match &administration {
        Administration::Activate { file, .. } => Some(file.clone()),
        _ => None,
    };
    let csv = match &administration {
        Administration::Licence(LicenceAction::Charges(period) | LicenceAction::History { period, .. }) => period.csv,
        _ => false,
    };
    let carried = request(administration, &config).and_then(|request| {
        let counts = matches!(request.command, Command::Import(_)) || request.output.is_some();
        let mut output = Output::new(json, request.output.as_deref(), counts).map_err(|error| match &request.output {
            Some(file) => format!("{}: {error}", file.display()),
            None => error.to_string(),
        })?;
        if is_list(&request.command) {
            output = output.of_list();
        }
        if csv {
            output = output.in_csv();
        }
        carry(&config, &request, &mut output)
    });
    let outcome = carried.unwrap_or_else(|message| {
        complain(json, message);
        Outcome::Failed
    });
    if let (Outcome::Done, Some(file)) = (outcome, spent)
        && let Err(error) = std::fs::remove_file(&file)
    {
        warn(json, format!("{}: {error}; the token in it is of no use any more", file.display()));
    }
    outcome
}

/// Whether the command is answered with any number of rows.
const fn is_list(command: &Command) -> bool {
    use Command::{
        AccessExplain, ClientExplain, ClientLog, ClientPending, Clients, Groups, LicenceCharges, LicenceHistory, LicenceShares, Licences,
        Organisations, Roles, Sessions, Tokens, Users, UsersDeleted,
    };
    let lists_people = matches!(command, Groups(_) | Roles(_) | Sessions | Users(_) | UsersDeleted);
    let lists_clients = matches!(command, ClientExplain { .. } | ClientLog { .. } | ClientPending(_) | Clients(_) | Tokens);
    lists_people
        || lists_clients
        || matches!(command, AccessExplain(_) | LicenceCharges(_) | LicenceHistory { .. } | LicenceShares(_) | Licences(_) | Organisations)
}

fn carry(config: &Config, request: &Request, output: &mut Output) -> Result<Outcome, String> {
    let input = request.input.as_deref().map(Input::open).transpose()?;
    let socket = config.settings.folder.join(control::SOCKET);
    match control::socket::connect(&socket) {
        Ok(Some(stream)) => {
            let took = control::socket::ask(stream, &request.command, input.map(|input| Box::new(input) as _), |reply| output.take(reply));
            took.map_err(|error| format!("the daemon at {}: {error}", socket.display()))?;
            Ok(output.outcome())
        }
        Ok(None) => {
            let input: Box<dyn Read> = input.map_or_else(|| Box::new(std::io::empty()) as _, |input| Box::new(input) as _);
            Ok(here(config, &request.command, &mut BufReader::new(input), output))
        }
        Err(error) => {
            complain(output.is_json(), format_args!("{}: {error}", socket.display()));
            Ok(Outcome::Unreachable)
        }
    }
}

/// Opens the directory in this process: no daemon runs.
fn here(config: &Config, command: &Command, input: &mut dyn BufRead, output: &mut Output) -> Outcome {
    // What the store has to say about its files is for whoever sits here.
    let json = output.is_json();
    drop(logging::begin(if json { LogFormat::Json } else { LogFormat::Text }, "warn", 0));
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(json, error);
            return Outcome::Failed;
        }
    };
    let _entered = runtime.enter();
    let folder = &config.settings.folder;
    let begins = matches!(command, Command::Bootstrap { .. } | Command::Import(_));
    if !begins && let Err(reason) = data_folder(folder) {
        complain(json, reason);
        return Outcome::Unreachable;
    }
    let directory = match Directory::open(config.settings.clone(), Arc::new(SystemClock::default())) {
        Ok(directory) => directory,
        Err(error) => {
            complain(json, format_args!("{}: {error}", folder.display()));
            return Outcome::Unreachable;
        }
    };
    let mut broken = None;
    control::execute(&directory, runtime.handle(), command, input, &mut |reply| match output.take(reply) {
        Ok(_) => true,
        Err(error) => {
            broken = Some(error);
            false
        }
    });
    directory.close();
    match broken {
        Some(error) => {
            complain(json, error);
            Outcome::Failed
        }
        None => output.outcome(),
    }
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn request(administration: Administration, config: &Config) -> Result<Request, String> {
    Ok(match administration {
        Administration::Access(AccessAction::Explain { who, entry, attribute, right, address, cleartext, certificate }) => {
            Command::AccessExplain(AccessQuestion { who, entry, attribute, right, address, cleartext, certificate }).into()
        }
        Administration::Activate { file, password } => {
            let token = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            let password = local::password_of(&password).map_err(|error| error.to_string())?;
            Command::Activate { token: Shielded(Secret::new(token.trim())), password: text(password)? }.into()
        }
        Administration::Backup { file } => Command::Backup { file: absolute(&file)? }.into(),
        Administration::Bootstrap { dn, file } => {
            let suffix = config.settings.suffixes.first().cloned().unwrap_or_default();
            let dn = dn.unwrap_or_else(|| format!("uid=operator,{suffix}"));
            Request { command: Command::Bootstrap { dn }, input: None, output: Some(file) }
        }
        Administration::Client(action) => {
            let input = action.input();
            Request { command: client(action)?, input, output: None }
        }
        Administration::Compact => Command::Compact.into(),
        Administration::Export { file, base, operational } => {
            Request { command: Command::Export { base, operational }, input: None, output: file }
        }
        Administration::Group(action) => group(action).into(),
        Administration::Import(arguments) => {
            let options = ImportOptions {
                keep_going: arguments.keep_going,
                skip_unknown: arguments.skip_unknown,
                operational: arguments.operational,
                skip_operational: arguments.skip_operational,
                skip_existing: arguments.skip_existing,
            };
            Request { command: Command::Import(options), input: Some(arguments.file), output: None }
        }
        Administration::Licence(action) => licence(action)?.into(),
        Administration::Organisation(OrganisationAction::Add { organisation, description }) => {
            Command::OrganisationAdd { organisation, description }.into()
        }
        Administration::Organisation(OrganisationAction::List) => Command::Organisations.into(),
        Administration::Role(action) => role(action).into(),
        Administration::Sessions(SessionAction::List) => Command::Sessions.into(),
        Administration::Sessions(SessionAction::End { id, message }) => Command::SessionEnd { id, message }.into(),
        Administration::Token(action) => token(action).into(),
        Administration::User(action) => user(action)?.into(),
        Administration::Verify => Command::Verify.into(),
    })
}

fn group(action: GroupAction) -> Command {
    match action {
        GroupAction::Add { organisation, name, description } => Command::GroupAdd { organisation, name, description },
        GroupAction::List(filter) => Command::Groups(Within { organisation: filter.organisation }),
        GroupAction::Member { group, member, level } => Command::GroupMember { group, member, level },
    }
}

fn asked(LicencePeriod { organisation, licence, from, to, .. }: LicencePeriod) -> ChargesQuestion {
    ChargesQuestion { organisation, licence, from, to }
}

fn licence(action: LicenceAction) -> Result<Command, String> {
    let seconds = |period: Option<Period>| period.map(|period| period.0.as_secs().to_string());
    let (licence, enforce, settings) = match action {
        LicenceAction::Add { organisation, name, session_limit, package, default } => {
            return Ok(Command::LicenceAdd { organisation, name, session_limit, package, default });
        }
        LicenceAction::Charges(period) => return Ok(Command::LicenceCharges(asked(period))),
        LicenceAction::History { period, hours } => return Ok(Command::LicenceHistory { question: asked(period), by_hour: hours }),
        LicenceAction::Share { licence, name, with, reserved, most, .. } => {
            return Ok(Command::LicenceShare { licence, name, with, reserved, most });
        }
        LicenceAction::Shares(filter) => return Ok(Command::LicenceShares(Within { organisation: filter.organisation })),
        LicenceAction::List(filter) => return Ok(Command::Licences(Within { organisation: filter.organisation })),
        LicenceAction::Set {
            licence,
            session_limit,
            package,
            idle_timeout,
            counting,
            release,
            when_full,
            overdraft,
            minimum_idle,
            per_user_limit,
            maximum_age,
            soft_limit,
            report_only,
            enforce,
        } => (
            licence,
            enforce,
            [
                ("hcSessionLimit", session_limit.map(|limit| limit.to_string())),
                ("hcPackage", package),
                ("hcIdleTimeout", seconds(idle_timeout)),
                ("hcCountingMode", counting),
                ("hcReleaseMode", release),
                ("hcWhenFull", when_full),
                ("hcOverdraft", overdraft.map(|overdraft| overdraft.to_string())),
                ("hcMinimumIdle", seconds(minimum_idle)),
                ("hcPerUserLimit", per_user_limit.map(|limit| limit.to_string())),
                ("hcMaximumAge", seconds(maximum_age)),
                ("hcSoftLimit", soft_limit.map(|limit| limit.to_string())),
                ("hcReportOnly", report_only.map(|report| if report { "TRUE" } else { "FALSE" }.to_owned())),
            ],
        ),
    };
    let changes: Vec<_> = settings.into_iter().filter(|(_, value)| value.is_some()).map(|(name, value)| (name.to_owned(), value)).collect();
    if changes.is_empty() && !enforce {
        return Err("nothing to set: name at least one option".to_owned());
    }
    Ok(Command::LicenceSet { licence, changes, enforce })
}

fn role(action: RoleAction) -> Command {
    match action {
        RoleAction::Add { organisation, name, grant, restrict } => {
            Command::RoleAdd { organisation, name, grants: grant, restricts: restrict }
        }
        RoleAction::Assign { user, role } => Command::RoleAssign { user, role, remove: false },
        RoleAction::List(filter) => Command::Roles(Within { organisation: filter.organisation }),
        RoleAction::Unassign { user, role } => Command::RoleAssign { user, role, remove: true },
    }
}

fn text(password: Secret) -> Result<Shielded, String> {
    match std::str::from_utf8(password.expose()) {
        Ok(_) => Ok(Shielded(password)),
        Err(_) => Err("the password is not UTF-8".to_owned()),
    }
}

fn user(action: UserAction) -> Result<Command, String> {
    let password = |options: &_| {
        let read = local::read_password(options).map_err(|error| error.to_string())?;
        read.map(text).transpose()
    };
    Ok(match action {
        UserAction::Add { organisation, uid, given_name, family_name, email, kind, role, increase_session_limit, password: options } => {
            let password = password(&options)?;
            let roles = role;
            Command::UserAdd(NewUser { organisation, uid, given_name, family_name, email, kind, password, roles, increase_session_limit })
        }
        UserAction::Delete { user } => Command::UserDelete { user },
        UserAction::Deleted => Command::UsersDeleted,
        UserAction::Restore { id } => Command::UserRestore { id },
        UserAction::Disable { user } => Command::UserState { user, active: false },
        UserAction::Enable { user } => Command::UserState { user, active: true },
        UserAction::Unlock { user } => Command::UserUnlock { user },
        UserAction::List(filter) => Command::Users(Within { organisation: filter.organisation }),
        UserAction::ApplicationPassword { user, application, remove } => Command::UserApplicationPassword { user, application, remove },
        UserAction::OneTimeCode { user, remove } => Command::UserOneTimeCode { user, remove },
        UserAction::Password { user, password: options } => Command::UserPassword { user, password: password(&options)? },
    })
}
