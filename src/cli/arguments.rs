//! What may stand on the command line.

use super::client::{ClientAction, TokenAction};
use crate::base::{Clock, SystemClock, Timestamp};
use crate::daemon::config::{DEFAULT_PATH, units::Period};
use crate::daemon::control::MembershipLevel;
use crate::domain::charges::Edge;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

const EXIT_CODES: &str = "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 the config is wrong, \
4 the data folder or the daemon cannot be reached, 5 done in part.";

/// A licensed identity directory: LDAP and SCIM 2.0 over one store.
#[derive(Debug, Parser)]
#[command(name = "headcount", version, after_help = EXIT_CODES)]
pub(super) struct Arguments {
    /// The server file.
    #[arg(long, global = true, default_value = DEFAULT_PATH, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// Answers as JSON, one object a line; LDIF stays LDIF.
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// What to do.
    #[command(subcommand)]
    pub(super) action: Action,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// The audit log: who changed what.
    #[command(subcommand)]
    Audit(AuditAction),
    /// Read the config with everything it names, and say what is wrong.
    Check,
    /// A server to try out, in a folder of its own on loopback, with an organisation, users and a licence of few seats.
    Demo(DemoArguments),
    /// Put a backup into the data folder, which must be empty or absent.
    Restore {
        /// The file that `backup` wrote.
        file: PathBuf,
    },
    /// Serve as the config says, until SIGTERM.
    Serve,
    /// Hash a password for `[operator] password_hash`.
    Passwd(PasswordOptions),
    /// Everything that works on the directory.
    #[command(flatten)]
    Administer(Administration),
}

/// What to do with the audit log.
#[derive(Debug, Subcommand)]
pub(super) enum AuditAction {
    /// Begin both logs anew, signed by the key of the config, while no daemon runs: after a key was set or changed, or when what
    /// was wrong with them has been looked into. The former files stay in the data folder under other names.
    Renew,
    /// Show records, the latest last.
    Show(AuditQuery),
    /// Check that no record was changed, taken out or cut off; the first that is wrong is named.
    Verify {
        /// Older files that were moved away, the oldest first.
        older: Vec<PathBuf>,
        /// The oldest records are elsewhere: a chain without its beginning is good too.
        #[arg(long)]
        from_the_middle: bool,
    },
}

/// Which records of the audit log.
#[derive(Debug, Args)]
pub(super) struct AuditQuery {
    /// Logins, refusals, exports, backups and reloads in the place of changes.
    #[arg(long)]
    pub(super) security: bool,
    /// Only those about this entry, under any name it had.
    #[arg(long, value_name = "DN")]
    pub(super) entry: Option<String>,
    /// Only those about entries that were below this one at the time, or this one.
    #[arg(long, value_name = "DN")]
    pub(super) below: Option<String>,
    /// Only what this one did: a DN, `token:ID`, `command line` …
    #[arg(long, value_name = "NAME")]
    pub(super) actor: Option<String>,
    /// Only this operation: add, modify, delete, rename, password, session-end …
    #[arg(long, value_name = "NAME")]
    pub(super) operation: Option<String>,
    /// Only from then on: 2026-03-01, 2026-03-01T08:00:00Z, or 2h for two hours ago.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(super) since: Option<Timestamp>,
    /// Only until then.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(super) until: Option<Timestamp>,
    /// Only the latest so many.
    #[arg(long, value_name = "COUNT")]
    pub(super) last: Option<usize>,
    /// Older files that were moved away, the oldest first.
    #[arg(long, value_name = "FILE")]
    pub(super) older: Vec<PathBuf>,
}

/// How the demo starts.
#[derive(Debug, Args)]
pub(super) struct DemoArguments {
    /// The folder for everything it keeps; a new one for temporary files where absent.
    #[arg(long)]
    pub(super) dir: Option<PathBuf>,
    /// The port of LDAP; a free one where absent.
    #[arg(long, value_name = "PORT")]
    pub(super) ldap_port: Option<u16>,
    /// The port of HTTP; a free one where absent.
    #[arg(long, value_name = "PORT")]
    pub(super) http_port: Option<u16>,
    /// Seats of the licence when it is made.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) seats: u32,
}

/// Where a password comes from; it is asked for where nothing is said, and never stands on the command line.
#[derive(Debug, Args)]
pub(super) struct PasswordOptions {
    /// A file with the password, its first line; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
}

/// What works on the directory: by the running daemon, or here where none runs.
#[derive(Debug, Subcommand)]
pub(super) enum Administration {
    /// Who may do what, and why.
    #[command(subcommand)]
    Access(AccessAction),
    /// Set the operator's password with the token that `bootstrap` made.
    Activate {
        /// The file the token is in; it is removed when the password is set.
        #[arg(default_value = "headcount-bootstrap-token")]
        file: PathBuf,
        /// Where the password comes from.
        #[command(flatten)]
        password: PasswordOptions,
    },
    /// Write a snapshot of everything, while the daemon runs or not.
    Backup {
        /// A file that does not exist yet.
        file: PathBuf,
    },
    /// Make the operator's first credential: a one-time token in a file only you can read.
    Bootstrap {
        /// The user of type admin to make; `uid=operator` under the first suffix where absent.
        #[arg(long)]
        dn: Option<String>,
        /// The file to put the token in.
        #[arg(long, default_value = "headcount-bootstrap-token")]
        file: PathBuf,
    },
    /// Provisioning clients: the identity providers that come by SCIM, and how each is dealt with.
    #[command(subcommand)]
    Client(ClientAction),
    /// Write what is kept beside journal and snapshots anew, in as little room as it takes, with or without a running
    /// daemon; also where it had failed.
    #[command(visible_alias = "rebuild")]
    Compact,
    /// Write entries as LDIF.
    Export {
        /// The file; standard output where absent or `-`.
        file: Option<PathBuf>,
        /// Only this entry and what is under it.
        #[arg(long)]
        base: Option<String>,
        /// What the server notes too (entryUUID, createTimestamp …).
        #[arg(long)]
        operational: bool,
    },
    /// Groups.
    #[command(subcommand)]
    Group(GroupAction),
    /// Add the entries of an LDIF file, or make the changes it lists.
    Import(ImportArguments),
    /// Licences and their seats.
    #[command(subcommand)]
    Licence(LicenceAction),
    /// Organisations.
    #[command(subcommand)]
    Organisation(OrganisationAction),
    /// Roles.
    #[command(subcommand)]
    Role(RoleAction),
    /// Sessions: who is in.
    #[command(subcommand)]
    Sessions(SessionAction),
    /// Tokens of provisioning clients and of users.
    #[command(subcommand)]
    Token(TokenAction),
    /// Users.
    #[command(subcommand)]
    User(UserAction),
    /// Check everything that is kept against everything else.
    Verify,
}

/// What to ask about access.
#[derive(Debug, Subcommand)]
pub(super) enum AccessAction {
    /// Which rule decides what somebody may do with an entry; without an entry, which role decides each of its permissions.
    Explain {
        /// The DN of who it is about, or `anonymous`.
        who: String,
        /// The DN of the entry.
        entry: Option<String>,
        /// Only this attribute.
        #[arg(requires = "entry")]
        attribute: Option<String>,
        /// Only this right.
        #[arg(long, requires = "entry", value_parser = ["read", "search", "compare", "write", "add", "delete", "rename", "proxy"])]
        right: Option<String>,
        /// As if it asked from this address.
        #[arg(long, requires = "entry")]
        address: Option<std::net::IpAddr>,
        /// As if it asked without TLS.
        #[arg(long, requires = "entry")]
        cleartext: bool,
        /// As if it had proved a client certificate.
        #[arg(long, requires = "entry", conflicts_with = "cleartext")]
        certificate: bool,
    },
}

/// How to import.
#[derive(Debug, Args)]
pub(super) struct ImportArguments {
    /// The file; `-` for standard input.
    pub(super) file: PathBuf,
    /// Go on after a record that is refused.
    #[arg(long = "continue")]
    pub(super) keep_going: bool,
    /// Leave out what the schema does not know, and name it at the end.
    #[arg(long)]
    pub(super) skip_unknown: bool,
    /// Keep what the server notes (entryUUID, createTimestamp …) as given.
    #[arg(long, conflicts_with = "skip_operational")]
    pub(super) operational: bool,
    /// Leave out what the server notes.
    #[arg(long)]
    pub(super) skip_operational: bool,
    /// Pass over entries that are there already, as after an import that was interrupted.
    #[arg(long)]
    pub(super) skip_existing: bool,
}

/// Only one organisation.
#[derive(Debug, Args)]
pub(super) struct OrganisationFilter {
    /// The organisation's DN; all where absent.
    #[arg(long, value_name = "DN")]
    pub(super) organisation: Option<String>,
}

/// What to do with groups.
#[derive(Debug, Subcommand)]
pub(super) enum GroupAction {
    /// Add a group.
    Add {
        /// The organisation's DN.
        #[arg(long, value_name = "DN")]
        organisation: String,
        /// Its name.
        name: String,
        /// What it is for.
        #[arg(long)]
        description: Option<String>,
    },
    /// List groups.
    List(OrganisationFilter),
    /// Add a member, change its level, or remove it with `--level none`.
    Member {
        /// The group's DN.
        group: String,
        /// The member's DN.
        member: String,
        /// The level.
        #[arg(long, default_value = "full")]
        level: MembershipLevel,
    },
}

/// Which licences, when, and in what form.
#[derive(Debug, Args)]
pub(super) struct LicencePeriod {
    /// Only the licences of this organisation, one that is gone too.
    #[arg(long, value_name = "DN")]
    pub(super) organisation: Option<String>,
    /// Only this licence.
    #[arg(long, value_name = "DN")]
    pub(super) licence: Option<String>,
    /// From then on: 2026-03-01 in the licence's time zone, or 2026-03-01T08:00:00Z; the beginning of this month where absent.
    #[arg(long, value_name = "TIME", value_parser = edge)]
    pub(super) from: Option<String>,
    /// Until then, not included; the end of the month it begins in where absent.
    #[arg(long, value_name = "TIME", value_parser = edge)]
    pub(super) to: Option<String>,
    /// As CSV for a spreadsheet.
    #[arg(long, conflicts_with = "json")]
    pub(super) csv: bool,
}

/// What to do with organisations.
#[derive(Debug, Subcommand)]
pub(super) enum OrganisationAction {
    /// Add an organisation.
    Add {
        /// Its DN: `o=Acme,dc=example,dc=com`.
        organisation: String,
        /// What it is.
        #[arg(long)]
        description: Option<String>,
    },
    /// List organisations.
    List,
}

/// What to do with licences.
#[derive(Debug, Subcommand)]
pub(super) enum LicenceAction {
    /// Add a licence.
    Add {
        /// The organisation's DN.
        #[arg(long, value_name = "DN")]
        organisation: String,
        /// Its name.
        name: String,
        /// How many users may be in at one time; at least 1.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        session_limit: u32,
        /// The package.
        #[arg(long)]
        package: Option<String>,
        /// It is the one of who asks for no other.
        #[arg(long)]
        default: bool,
    },
    /// What licences cost in a period: each stretch in which nothing changed, and the sum of each licence.
    Charges(LicencePeriod),
    /// How much licences were used: the most seats at one time, the average, and how often somebody was refused, by days.
    History {
        /// Which, and when.
        #[command(flatten)]
        period: LicencePeriod,
        /// By hours.
        #[arg(long)]
        hours: bool,
    },
    /// List licences with their seats.
    List(OrganisationFilter),
    /// Change a licence.
    Set {
        /// The licence's DN.
        licence: String,
        /// How many users may be in at one time; at least 1.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        session_limit: Option<u32>,
        /// The package.
        #[arg(long)]
        package: Option<String>,
        /// A session lasts until it was idle for so long: `30m`.
        #[arg(long, value_parser = period)]
        idle_timeout: Option<Period>,
        /// `users` or `sessions`.
        #[arg(long, value_parser = ["users", "sessions"])]
        counting: Option<String>,
        /// `idle` or `disconnect`.
        #[arg(long, value_parser = ["idle", "disconnect"])]
        release: Option<String>,
        /// `deny`, `end-oldest-idle` or `overdraft`.
        #[arg(long, value_parser = ["deny", "end-oldest-idle", "overdraft"])]
        when_full: Option<String>,
        /// How many more, with `--when-full overdraft`.
        #[arg(long)]
        overdraft: Option<u32>,
        /// With `--when-full end-oldest-idle`: how long one must have been idle to give way.
        #[arg(long, value_parser = period)]
        minimum_idle: Option<Period>,
        /// How many sessions one user may have.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        per_user_limit: Option<u32>,
        /// A session ends at this age, idle or not: `24h`.
        #[arg(long, value_parser = period)]
        maximum_age: Option<Period>,
        /// Administrators are told when so many seats are in use.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        soft_limit: Option<u32>,
        /// Count and report, but refuse nobody.
        #[arg(long)]
        report_only: Option<bool>,
        /// End the sessions idle longest that are more than the session limit; without it a lower limit ends nobody.
        #[arg(long)]
        enforce: bool,
    },
    /// Keep seats of a licence for a group or role, or let it have so many at most.
    Share {
        /// The licence's DN.
        licence: String,
        /// The name of the share.
        name: String,
        /// The DN of the group or role.
        #[arg(long, value_name = "DN", required_unless_present = "remove")]
        with: Option<String>,
        /// Seats that nobody else takes.
        #[arg(long)]
        reserved: Option<u32>,
        /// Seats that it takes at most.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        most: Option<u32>,
        /// Share nothing under that name any more.
        #[arg(long, conflicts_with_all = ["with", "reserved", "most"])]
        remove: bool,
    },
    /// List how seats are shared out.
    Shares(OrganisationFilter),
}

/// What to do with roles.
#[derive(Debug, Subcommand)]
pub(super) enum RoleAction {
    /// Add a role of the organisation's own.
    Add {
        /// The organisation's DN.
        #[arg(long, value_name = "DN")]
        organisation: String,
        /// Its name.
        name: String,
        /// A permission it grants.
        #[arg(long)]
        grant: Vec<String>,
        /// A permission it restricts.
        #[arg(long)]
        restrict: Vec<String>,
    },
    /// Give a role to a user.
    Assign {
        /// The user's DN.
        user: String,
        /// The role's name or DN.
        role: String,
    },
    /// List roles.
    List(OrganisationFilter),
    /// Take a role away from a user.
    Unassign {
        /// The user's DN.
        user: String,
        /// The role's name or DN.
        role: String,
    },
}

/// What to do with sessions.
#[derive(Debug, Subcommand)]
pub(super) enum SessionAction {
    /// End a session: its seat is free at once.
    End {
        /// Its id.
        id: String,
        /// What its user is told.
        #[arg(long)]
        message: Option<String>,
    },
    /// List sessions.
    List,
}

/// What to do with users.
#[derive(Debug, Subcommand)]
pub(super) enum UserAction {
    /// Add a user; one without a password is sent a welcome mail.
    Add {
        /// The organisation's DN.
        #[arg(long, value_name = "DN")]
        organisation: String,
        /// The login name.
        uid: String,
        /// The given name.
        #[arg(long)]
        given_name: Option<String>,
        /// The family name.
        #[arg(long)]
        family_name: String,
        /// The mail address.
        #[arg(long)]
        email: Option<String>,
        /// `app` takes a seat, `service` is an application, `admin` is the operator of the whole server.
        #[arg(long = "type", default_value = "app", value_parser = ["app", "service", "admin"])]
        kind: String,
        /// A role by name.
        #[arg(long)]
        role: Vec<String>,
        /// Give the licence one more seat in the same step.
        #[arg(long)]
        increase_session_limit: bool,
        /// Where the password comes from.
        #[command(flatten)]
        password: PasswordOptions,
    },
    /// Delete a user.
    Delete {
        /// The user's DN.
        user: String,
    },
    /// List users that provisioning clients deleted and that can be brought back.
    Deleted,
    /// Bring back a user that a provisioning client deleted, with its id, groups and roles.
    Restore {
        /// Its id, as `user deleted` shows it.
        id: String,
    },
    /// Keep a user out; its sessions end at once.
    Disable {
        /// The user's DN.
        user: String,
    },
    /// Let a user in again.
    Enable {
        /// The user's DN.
        user: String,
    },
    /// Let it be tried again at once after failed attempts to sign in.
    Unlock {
        /// Its DN.
        user: String,
    },
    /// List users.
    List(OrganisationFilter),
    /// Make a password that opens one application of the config only, without a one-time code; it is shown this once.
    ApplicationPassword {
        /// The user's DN.
        user: String,
        /// The name of the application.
        application: String,
        /// Revoke it.
        #[arg(long)]
        remove: bool,
    },
    /// Ask for one-time codes (RFC 6238) behind the password: makes a secret, and shows its otpauth URI this once.
    OneTimeCode {
        /// The user's DN.
        user: String,
        /// Ask for none any more.
        #[arg(long)]
        remove: bool,
    },
    /// Set a password; one is made up and shown where none is given.
    Password {
        /// The user's DN.
        user: String,
        /// Where the password comes from.
        #[command(flatten)]
        password: PasswordOptions,
    },
}

fn moment(text: &str) -> Result<Timestamp, String> {
    if let Some(ago) = Period::parse(text) {
        return Ok(SystemClock::default().now().minus(ago.0));
    }
    let whole = Timestamp::parse_rfc3339(text).or_else(|| Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")));
    whole.ok_or_else(|| "not a time as 2026-03-01, 2026-03-01T08:00:00Z, or 2h for two hours ago".to_owned())
}

/// An end of a period, as it was given.
fn edge(text: &str) -> Result<String, String> {
    let given = Edge::parse(text).map(|_| text.to_owned());
    given.ok_or_else(|| "not a day as 2026-03-01, nor a time with offset as 2026-03-01T08:00:00Z".to_owned())
}

/// A length of time.
pub(super) fn period(text: &str) -> Result<Period, String> {
    Period::parse(text).ok_or_else(|| "not a length of time as 30s, 15m, 24h or 90d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn o3_a_session_limit_of_zero_is_wrong_usage() {
        assert!(Arguments::try_parse_from(["headcount", "licence", "set", "cn=x", "--session-limit", "0"]).is_err());
        assert!(Arguments::try_parse_from(["headcount", "licence", "set", "cn=x", "--session-limit", "1"]).is_ok());
    }
}
