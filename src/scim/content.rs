//! Notes, to-dos and communications as resources (C1 to C8): three types of one object class, told apart by what
//! `hcContentType` says. Names are of no account and would tell of each other, so each entry has one that nobody could guess.

use super::mapping::{Codec, EXTERNAL_ID, Finds, Link, Mapping, Naming, Row, Searchable, row};

/// To whom something shows, as LDAP and SCIM call it.
const SCOPE: Codec = Codec::Words(&[("just-me", "justMe"), ("group", "group"), ("anyone", "anyone")]);

const NOTE_ROWS: &[Row] = &[
    row(&[], "externalId", "hcExternalId", Codec::Text),
    row(&[], "title", "displayName", Codec::Text),
    row(&[], "body", "hcBody", Codec::Text),
    row(&["visibility"], "scope", "hcVisibility", SCOPE),
];

const TODO_ROWS: &[Row] = &[
    row(&[], "externalId", "hcExternalId", Codec::Text),
    row(&[], "title", "displayName", Codec::Text),
    row(&[], "body", "hcBody", Codec::Text),
    row(&["visibility"], "scope", "hcVisibility", SCOPE),
    row(&[], "dueDate", "hcDue", Codec::Time),
    row(&[], "completed", "hcCompleted", Codec::Time),
    row(&[], "completionNote", "hcCompletionNote", Codec::Text),
    row(&["completionVisibility"], "scope", "hcCompletionVisibility", SCOPE),
];

const COMMUNICATION_ROWS: &[Row] = &[
    row(&[], "externalId", "hcExternalId", Codec::Text),
    row(&[], "title", "displayName", Codec::Text),
    row(&[], "body", "hcBody", Codec::Text),
    row(&["visibility"], "scope", "hcVisibility", SCOPE),
    row(&[], "channel", "hcChannel", Codec::Text),
    row(&[], "direction", "hcDirection", Codec::Text),
];

const AUTHOR: Link = Link { holder: &[], name: "author", ldap: "hcAuthor", display: "display" };
const SUBJECTS: Link = Link { holder: &[], name: "subjects", ldap: "hcSubject", display: "display" };
const GROUP: Link = Link { holder: &["visibility"], name: "group", ldap: "hcVisibleTo", display: "" };
const COMPLETION_GROUP: Link = Link { holder: &["completionVisibility"], name: "group", ldap: "hcCompletionVisibleTo", display: "" };

const SEARCHABLE: &[Searchable] = &[
    EXTERNAL_ID,
    Searchable { extension: None, name: "author", sub: Some("value"), ldap: &["hcAuthor"], finds: Finds::Link, by_prefix: false },
    Searchable { extension: None, name: "subjects", sub: Some("value"), ldap: &["hcSubject"], finds: Finds::Link, by_prefix: false },
];

const fn content(rows: &'static [Row], links: &'static [Link], fixed: &'static [(&'static str, &'static str)]) -> Mapping {
    Mapping {
        rows,
        links,
        follows: &[],
        also_read: &[],
        stands_in: &[],
        object_class: "hcContent",
        object_classes: &["hcContent"],
        fixed,
        naming: Naming { name: "id", ldap: "cn", container: "ou=content", is_unique: true },
        true_by_default: &[],
        computed: &[],
        searchable: SEARCHABLE,
    }
}

/// Notes.
pub static NOTES: Mapping = content(NOTE_ROWS, &[AUTHOR, SUBJECTS, GROUP], &[("hcContentType", "note")]);

/// To-dos.
pub static TODOS: Mapping = content(TODO_ROWS, &[AUTHOR, SUBJECTS, GROUP, COMPLETION_GROUP], &[("hcContentType", "to-do")]);

/// Communications.
pub static COMMUNICATIONS: Mapping = content(COMMUNICATION_ROWS, &[AUTHOR, SUBJECTS, GROUP], &[("hcContentType", "communication")]);
