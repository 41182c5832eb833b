//! What an audit record says, as it is journalled with its change, and the line of JSON that it becomes.

use crate::base::{Timestamp, line};
use serde::{Deserialize, Serialize};

/// One who-did-what record. That of a change is kept in the same commit as the change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Wall clock, milliseconds since the epoch.
    pub time: u64,
    /// The organisation's entryUUID, where there is one.
    pub organisation: Option<String>,
    /// Who did it: a DN, a token's id, `cn=headcount` for the server itself.
    pub actor: String,
    /// Who asked for it in the actor's name, by proxied authorisation (RFC 4370); empty where nobody did.
    pub through: String,
    /// How the actor, or who asked in its name, has proven who it is.
    pub method: String,
    /// By which door and from where, in words.
    pub origin: String,
    /// The client's address; empty for local ones.
    pub address: String,
    /// The id of the request, as in the log; empty where there was none.
    pub request: String,
    /// add, modify, delete, rename, password, session-start, session-end, …
    pub operation: String,
    /// The entry's DN at the time.
    pub target: String,
    /// The entry's entryUUID.
    pub target_id: String,
    /// What was named or changed: attribute names.
    pub attributes: Vec<String>,
    /// What changed, with values as far as the settings want them; never those of secrets.
    pub changes: Vec<AuditChange>,
    /// In the words of the operation, where there is something to say.
    pub detail: String,
    /// How it ended, where it may end in other ways than well; empty for changes.
    pub result: String,
    /// Where it stands for several of its kind: how many.
    pub count: u64,
}

/// What became of one attribute. Values that stayed are not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditChange {
    /// Its description.
    pub attribute: String,
    /// Whether it is a secret: then there are no values.
    pub secret: bool,
    /// Values that went.
    pub old: Vec<String>,
    /// How many more of them there are.
    pub old_left_out: u64,
    /// Values that came.
    pub new: Vec<String>,
    /// How many more of them there are.
    pub new_left_out: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    sequence: u64,
    part: u64,
    at: String,
    previous: &'a str,
    time: u64,
    organisation: Option<&'a str>,
    actor: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    through: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    method: &'a str,
    origin: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    address: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    request: &'a str,
    operation: &'a str,
    target: &'a str,
    target_id: &'a str,
    attributes: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<LineChange<'a>>,
    detail: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    result: &'a str,
    #[serde(skip_serializing_if = "is_nothing")]
    count: u64,
}

#[derive(Serialize)]
struct LineChange<'a> {
    attribute: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    secret: bool,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    old: &'a [String],
    #[serde(skip_serializing_if = "is_nothing")]
    old_left_out: u64,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    new: &'a [String],
    #[serde(skip_serializing_if = "is_nothing")]
    new_left_out: u64,
}

impl<'a> LineChange<'a> {
    fn of(change: &'a AuditChange) -> Self {
        Self {
            attribute: &change.attribute,
            secret: change.secret,
            old: &change.old,
            old_left_out: change.old_left_out,
            new: &change.new,
            new_left_out: change.new_left_out,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it so")]
const fn is_nothing(count: &u64) -> bool {
    *count == 0
}

impl AuditRecord {
    /// What the server itself does or finds.
    pub(super) fn own(operation: &str, now: Timestamp) -> Self {
        Self { time: now.millis(), actor: "cn=headcount".to_owned(), operation: operation.to_owned(), ..Self::default() }
    }

    /// The line, without its end, of the record at this place of the chain. Whatever a client sent, it is one line (HG1).
    pub(super) fn line(&self, sequence: u64, part: u64, previous: &str) -> Result<String, String> {
        let line = Line {
            sequence,
            part,
            at: Timestamp::from_millis(self.time).rfc3339(),
            previous,
            time: self.time,
            organisation: self.organisation.as_deref(),
            actor: &self.actor,
            through: &self.through,
            method: &self.method,
            origin: &self.origin,
            address: &self.address,
            request: &self.request,
            operation: &self.operation,
            target: &self.target,
            target_id: &self.target_id,
            attributes: &self.attributes,
            changes: self.changes.iter().map(LineChange::of).collect(),
            detail: &self.detail,
            result: &self.result,
            count: self.count,
        };
        serde_json::to_string(&line).map(|text| line::one_line(&text)).map_err(|error| error.to_string())
    }
}
