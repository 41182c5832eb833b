//! What the command line asks of the directory. A running daemon takes commands on a local socket in its data folder
//! (`control.sock`, mode 0600, so only its own user and root reach it); where no daemon runs, the command line opens the
//! directory itself and executes the very same command in its own process.
//!
//! On the socket a command is one line of JSON, then, for an import, the LDIF in parts with a mark for its end
//! (`control::parts`), then the end of that direction. The answer is lines of JSON, the last one `done` or `failed`:
//!
//! ```text
//! → {"command":"sessions"}
//! ← {"row":{"id":"…","user":"uid=anna,ou=users,o=Demo","licence":"…"}}
//! ← {"done":"1 session"}
//! ```

mod clients;
mod execute;
mod explain;
mod export;
mod import;
mod licences;
mod parts;
mod shielded;
pub mod socket;

pub use execute::execute;
pub use shielded::Shielded;

use crate::directory::Provisioned;
use crate::directory::client::SettingsChange;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The socket's name in the data folder.
pub const SOCKET: &str = "control.sock";

/// A command.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// What somebody may do with an entry, and which rule decided; without an entry, the permissions its roles speak of (R9).
    AccessExplain(AccessQuestion),
    /// Set the operator's password with the one-time token of `bootstrap`.
    Activate {
        /// The token.
        token: Shielded,
        /// The password.
        password: Shielded,
    },
    /// Write a snapshot to a file that does not exist.
    Backup {
        /// The file, an absolute path.
        file: PathBuf,
    },
    /// Make the operator's first credential: a one-time token.
    Bootstrap {
        /// The DN of the user of type `admin` that it is for.
        dn: String,
    },
    /// Make a provisioning client.
    ClientAdd {
        /// The organisation's DN.
        organisation: String,
        /// Its name.
        name: String,
        /// The id that it had elsewhere.
        id: Option<String>,
        /// How it is dealt with, as far as that differs from what all begin with.
        settings: SettingsChange,
    },
    /// Change how a client is dealt with.
    ClientChange {
        /// Which one.
        client: WhichClient,
        /// The settings that change.
        settings: SettingsChange,
    },
    /// What a request of a client would come to; what it sends follows the command.
    ClientExplain {
        /// Which one.
        client: WhichClient,
        /// The method of HTTP.
        method: String,
        /// The path under the base of SCIM.
        path: String,
    },
    /// Give users and groups to a client.
    ClientGive {
        /// Which one.
        client: WhichClient,
        /// Their DNs.
        entries: Vec<String>,
    },
    /// Let a paused client go on.
    ClientResume(WhichClient),
    /// What a client asked lately.
    ClientLog {
        /// Which one.
        client: WhichClient,
        /// Whether to go on with what it asks from now on.
        follow: bool,
    },
    /// The references of a client that wait for whom they name.
    ClientPending(WhichClient),
    /// Remove a client with its tokens.
    ClientRemove {
        /// Which one.
        client: WhichClient,
        /// What becomes of what it made or was given.
        provisioned: Provisioned,
        /// How many users, staff records and groups that must be.
        expect: Option<usize>,
    },
    /// Make a secret by which a client is given access tokens.
    ClientSecret {
        /// Which one.
        client: WhichClient,
        /// Seconds it is good for; for ever where absent.
        lifetime: Option<u64>,
    },
    /// A client with its settings.
    ClientShow(WhichClient),
    /// The clients.
    Clients(Within),
    /// Write what is kept beside journal and snapshots anew, in as little room as it takes.
    Compact,
    /// Write entries as LDIF.
    Export {
        /// The subtree; all suffixes where absent.
        base: Option<String>,
        /// Operational attributes too.
        operational: bool,
    },
    /// Add a group.
    GroupAdd {
        /// The organisation's DN.
        organisation: String,
        /// Its name.
        name: String,
        /// What it is for.
        description: Option<String>,
    },
    /// Add a member to a group, at a level.
    GroupMember {
        /// The group's DN.
        group: String,
        /// The member's DN.
        member: String,
        /// `administrator`, `full`, `view-only`, `past`, or `none` to remove.
        level: MembershipLevel,
    },
    /// The groups.
    Groups(Within),
    /// Add the entries of an LDIF file, or make its changes.
    Import(ImportOptions),
    /// Add a licence.
    LicenceAdd {
        /// The organisation's DN.
        organisation: String,
        /// Its name.
        name: String,
        /// How many users may be in at one time.
        session_limit: u32,
        /// The package.
        package: Option<String>,
        /// Whether it is the one of who asks for no other.
        default: bool,
    },
    /// What licences cost in a period (O6).
    LicenceCharges(ChargesQuestion),
    /// How much licences were used (S12).
    LicenceHistory {
        /// Of which, and when.
        question: ChargesQuestion,
        /// By hours instead of days.
        by_hour: bool,
    },
    /// The licences, with seats in use.
    Licences(Within),
    /// Change a licence.
    LicenceSet {
        /// Its DN.
        licence: String,
        /// Attribute and value; no value removes the attribute.
        changes: Vec<(String, Option<String>)>,
        /// Whether sessions beyond the session limit end (S9).
        enforce: bool,
    },
    /// Share seats of a licence out.
    LicenceShare {
        /// The licence's DN.
        licence: String,
        /// The name of the share.
        name: String,
        /// With this group or role, by its DN; with nobody any more where absent.
        with: Option<String>,
        /// Seats that nobody else takes.
        reserved: Option<u32>,
        /// Seats that it takes at most.
        most: Option<u32>,
    },
    /// How seats are shared out.
    LicenceShares(Within),
    /// Add an organisation.
    OrganisationAdd {
        /// Its DN.
        organisation: String,
        /// What it is.
        description: Option<String>,
    },
    /// The organisations.
    Organisations,
    /// Give a role to a user, or take it away.
    RoleAssign {
        /// The user's DN.
        user: String,
        /// The role's DN or name.
        role: String,
        /// Whether it is taken away.
        remove: bool,
    },
    /// Add a role of the organisation's own.
    RoleAdd {
        /// The organisation's DN.
        organisation: String,
        /// Its name.
        name: String,
        /// Permissions it grants.
        grants: Vec<String>,
        /// Permissions it restricts.
        restricts: Vec<String>,
    },
    /// The roles.
    Roles(Within),
    /// End a session.
    SessionEnd {
        /// Its id.
        id: String,
        /// What its user is told.
        message: Option<String>,
    },
    /// The sessions.
    Sessions,
    /// Make a token.
    TokenMint(NewToken),
    /// Revoke a token.
    TokenRevoke {
        /// Its id.
        id: String,
    },
    /// The tokens.
    Tokens,
    /// Add a user.
    UserAdd(NewUser),
    /// The users that clients deleted and that are kept.
    UsersDeleted,
    /// Bring back a user that a client deleted.
    UserRestore {
        /// Its id.
        id: String,
    },
    /// Delete a user.
    UserDelete {
        /// The user's DN.
        user: String,
    },
    /// Make a password for a user that opens one application, or take it away.
    UserApplicationPassword {
        /// The user's DN.
        user: String,
        /// The application of the config.
        application: String,
        /// Whether it is taken away.
        remove: bool,
    },
    /// Make a secret of one-time codes for a user, or take it away.
    UserOneTimeCode {
        /// The user's DN.
        user: String,
        /// Whether it is taken away.
        remove: bool,
    },
    /// Set a user's password; one is made up and shown where none is given.
    UserPassword {
        /// The user's DN.
        user: String,
        /// The password.
        password: Option<Shielded>,
    },
    /// Let a user in, or keep it out.
    UserState {
        /// The user's DN.
        user: String,
        /// Whether it may log in.
        active: bool,
    },
    /// Lets an account be tried again at once after failed attempts to sign in.
    UserUnlock {
        /// The DN.
        user: String,
    },
    /// The users.
    Users(Within),
    /// Check everything that is kept against everything else.
    Verify,
}

/// What `access explain` asks.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct AccessQuestion {
    /// The DN of who it is about, or `anonymous`.
    pub who: String,
    /// The DN of the entry.
    pub entry: Option<String>,
    /// Only this attribute.
    pub attribute: Option<String>,
    /// Only this right, by its word.
    pub right: Option<String>,
    /// From where it asks.
    pub address: Option<std::net::IpAddr>,
    /// Whether it asks without TLS.
    pub cleartext: bool,
    /// Whether it has proved a client certificate.
    pub certificate: bool,
}

/// Only what belongs to one organisation.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Within {
    /// Its DN; everything where absent.
    pub organisation: Option<String>,
}

/// Which licences, and when: of charges and of history.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ChargesQuestion {
    /// The organisation's DN; all where absent.
    pub organisation: Option<String>,
    /// The licence's DN; all where absent.
    pub licence: Option<String>,
    /// The beginning of the period, a day or a moment; that of the present month where absent.
    pub from: Option<String>,
    /// The end, not in it; that of the month it begins in where absent.
    pub to: Option<String>,
}

/// One client.
#[derive(Debug, Serialize, Deserialize)]
pub struct WhichClient {
    /// Its name or its id.
    pub name: String,
    /// The organisation's DN, where several have a client of that name.
    pub organisation: Option<String>,
}

/// A token that is to be made.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewToken {
    /// Who is let in by it.
    pub bearer: Bearer,
    /// The name of the client, which is made where there is none; of a personal token, what it is for.
    pub name: String,
    /// Seconds it is good for; for ever where absent.
    pub lifetime: Option<u64>,
}

/// Who is let in by a token.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bearer {
    /// A client of an organisation.
    Client {
        /// The organisation's DN.
        organisation: String,
        /// The profile of the client.
        profile: Option<String>,
    },
    /// Who acts as the user of this DN.
    User(String),
}

/// The level of a membership (G1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum MembershipLevel {
    /// Runs the group.
    Administrator,
    /// A full member.
    Full,
    /// No member at all.
    None,
    /// Was a member.
    Past,
    /// May only be seen as a member.
    ViewOnly,
}

/// A new user.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewUser {
    /// The organisation's DN.
    pub organisation: String,
    /// The login name.
    pub uid: String,
    /// The given name.
    pub given_name: Option<String>,
    /// The family name.
    pub family_name: String,
    /// The address.
    pub email: Option<String>,
    /// `app`, `service` or `admin`.
    pub kind: String,
    /// The password; a user without one is sent a welcome mail.
    pub password: Option<Shielded>,
    /// Roles by name.
    pub roles: Vec<String>,
    /// Whether the licence gets one more seat in the same step (U3).
    pub increase_session_limit: bool,
}

/// How an import goes.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct ImportOptions {
    /// Go on after a record that is refused.
    pub keep_going: bool,
    /// Leave out what the schema does not know, and name it.
    pub skip_unknown: bool,
    /// Keep operational attributes as given.
    pub operational: bool,
    /// Leave operational attributes out.
    pub skip_operational: bool,
    /// Pass over entries that are there already.
    pub skip_existing: bool,
}

/// A line of an answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// The command is done; what it did, in a sentence.
    Done(String),
    /// The command failed; why.
    Failed(Failure),
    /// A piece of LDIF.
    Ldif(String),
    /// How far it is: records done.
    Progress(u64),
    /// One thing of a list, or what a command made.
    Row(serde_json::Map<String, serde_json::Value>),
    /// Something to know that stops nothing.
    Warning(String),
}

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// In words.
    pub message: String,
    /// Whether some of it was done.
    pub partly: bool,
}

impl Failure {
    /// Nothing was done.
    pub fn nothing(message: impl Into<String>) -> Self {
        Self { message: message.into(), partly: false }
    }
}

impl From<crate::directory::Error> for Failure {
    fn from(error: crate::directory::Error) -> Self {
        Self::nothing(error.to_string())
    }
}
