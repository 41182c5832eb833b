//! Controls (RFC 4511 §4.1.11). One table says for each control its OID, the operations it goes with, and how
//! its value is read; the root DSE lists the same table.

mod password_policy;
mod search;
mod update;

use super::decode;
use super::encode::{integer_size, put_control, put_entry_body, put_integer};
use super::fields::{self, BOOLEAN, Fields, INTEGER};
use super::frame::Operation;
use super::persistent::{self, PERSISTENT_SEARCH, PersistentControl};
use super::result::Failure;
use super::sync::{self, SYNC_REQUEST};
use super::transaction;
use crate::base::Limits;
use crate::base::ber::{OCTET_STRING, SEQUENCE, element_size, put, put_header};
use crate::directory::{LinkWish, OwnedEntry, RightsWish, SessionRequest, SortKey, SyncRequest};
use crate::model::Filter;
use ldap3_proto::proto::LdapResultCode;
use sha2::{Digest, Sha256};

pub(crate) use password_policy::{put_password_problem, put_password_use, put_usability};
pub(crate) use search::{ViewCode, ViewControl, put_effective_rights, put_linked, put_sort, put_view};

/// Account usability, as Sun's directory has it, and its answer.
pub const ACCOUNT_USABILITY: &str = "1.3.6.1.4.1.42.2.27.9.5.8";
/// Assertion (RFC 4528).
pub const ASSERTION: &str = "1.3.6.1.1.12";
/// Authorization identity (RFC 3829).
pub const AUTHORIZATION_IDENTITY: &str = "2.16.840.1.113730.3.4.16";
/// What an authorization identity is answered with.
pub const AUTHORIZATION_IDENTITY_RESPONSE: &str = "2.16.840.1.113730.3.4.15";
/// Dereference (draft-masarati-ldap-deref), and its answer.
pub const DEREFERENCE: &str = "1.3.6.1.4.1.4203.666.5.16";
/// Get effective rights (draft-ietf-ldapext-acl-model), and its answer.
pub const EFFECTIVE_RIGHTS: &str = "1.3.6.1.4.1.42.2.27.9.5.2";
/// Virtual list view (draft-ietf-ldapext-ldapv3-vlv-09).
pub const LIST_VIEW: &str = "2.16.840.1.113730.3.4.9";
/// What a virtual list view is answered with.
pub const LIST_VIEW_RESPONSE: &str = "2.16.840.1.113730.3.4.10";
/// ManageDsaIT (RFC 3296).
pub const MANAGE_DSA_IT: &str = "2.16.840.1.113730.3.4.2";
/// Matched values (RFC 3876).
pub const MATCHED_VALUES: &str = "1.2.826.0.1.3344810.2.3";
/// Don't use copy (RFC 6171).
pub const NO_COPY: &str = "1.3.6.1.1.22";
/// No-op (draft-zeilenga-ldap-noop).
pub const NO_OPERATION: &str = "1.3.6.1.4.1.4203.666.5.2";
/// Paged results (RFC 2696).
pub const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
/// Password policy (draft-behera-ldap-password-policy-10), and its answer.
pub const PASSWORD_POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
/// Permissive modify, as Active Directory has it.
pub const PERMISSIVE_MODIFY: &str = "1.2.840.113556.1.4.1413";
/// Post-read (RFC 4527).
pub const POST_READ: &str = "1.3.6.1.1.13.2";
/// Pre-read (RFC 4527).
pub const PRE_READ: &str = "1.3.6.1.1.13.1";
/// Proxied authorisation (RFC 4370).
pub const PROXIED_AUTHORIZATION: &str = "2.16.840.1.113730.3.4.18";
/// Relax rules (draft-zeilenga-ldap-relax).
pub const RELAX: &str = "1.3.6.1.4.1.4203.666.5.12";
/// Our session control, on a bind and its answer. The client says who it is, the answer says how full the licence is
/// (rules S2 and S4). The request's criticality may be either; an answer without request is sent with a refusal.
///
/// ```asn1
/// SessionRequestValue ::= SEQUENCE {
///      application  [0] OCTET STRING OPTIONAL,  -- UTF-8, the name of the application
///      client       [1] OCTET STRING OPTIONAL } -- UTF-8, counted in the place of the client's address
///
/// SessionResponseValue ::= SEQUENCE {
///      limit      INTEGER (0 .. maxInt),        -- the session limit of the licence
///      inUse      INTEGER (0 .. maxInt),        -- sessions in use
///      sessionId  OCTET STRING OPTIONAL }       -- absent where the bind was refused
/// ```
pub const SESSION: &str = "2.25.128590336736012936669972887359999261034.3.1";
/// Session tracking (draft-wahl-ldap-session).
pub const SESSION_TRACKING: &str = "1.3.6.1.4.1.21008.108.63.1";
/// Server-side sorting (RFC 2891).
pub const SORT: &str = "1.2.840.113556.1.4.473";
/// What a sort is answered with.
pub const SORT_RESPONSE: &str = "1.2.840.113556.1.4.474";
/// Subentries (RFC 3672).
pub const SUBENTRIES: &str = "1.3.6.1.4.1.4203.1.10.1";
/// Tree delete (draft-armijo-ldap-treedelete).
pub const TREE_DELETE: &str = "1.2.840.113556.1.4.805";

/// What a control's value is read with.
type Decode = for<'a> fn(&mut Controls<'a>, &'a [u8], &Limits) -> Result<(), Failure>;

/// One control we know.
struct Known {
    oid: &'static str,
    operations: &'static [Operation],
    decode: Decode,
}

const ENTRIES: &[Operation] =
    &[Operation::Add, Operation::Compare, Operation::Delete, Operation::Modify, Operation::ModifyDn, Operation::Search];
const UPDATES: &[Operation] = &[Operation::Add, Operation::Delete, Operation::Modify, Operation::ModifyDn];

const ALL: &[Operation] = &[
    Operation::Add,
    Operation::Bind,
    Operation::Compare,
    Operation::Delete,
    Operation::Extended,
    Operation::Modify,
    Operation::ModifyDn,
    Operation::Search,
];

/// What may be asked for somebody else (RFC 4370 §3).
const ASSUMABLE: &[Operation] = &[
    Operation::Add,
    Operation::Compare,
    Operation::Delete,
    Operation::Extended,
    Operation::Modify,
    Operation::ModifyDn,
    Operation::Search,
];

/// The table.
const TABLE: &[Known] = &[
    Known { oid: ACCOUNT_USABILITY, operations: &[Operation::Search], decode: password_policy::usability },
    Known { oid: ASSERTION, operations: ENTRIES, decode: assertion },
    Known { oid: AUTHORIZATION_IDENTITY, operations: &[Operation::Bind], decode: update::authorization_identity },
    Known { oid: DEREFERENCE, operations: &[Operation::Search], decode: search::dereference },
    Known { oid: EFFECTIVE_RIGHTS, operations: &[Operation::Search], decode: search::effective_rights },
    Known { oid: LIST_VIEW, operations: &[Operation::Search], decode: search::list_view },
    Known { oid: MANAGE_DSA_IT, operations: ENTRIES, decode: manage_dsa_it },
    Known { oid: MATCHED_VALUES, operations: &[Operation::Search], decode: search::matched_values },
    Known { oid: NO_COPY, operations: &[Operation::Compare, Operation::Search], decode: update::no_copy },
    Known { oid: NO_OPERATION, operations: UPDATES, decode: update::no_operation },
    Known { oid: PAGED_RESULTS, operations: &[Operation::Search], decode: paged_results },
    Known { oid: PASSWORD_POLICY, operations: ALL, decode: password_policy::password_policy },
    Known { oid: PERMISSIVE_MODIFY, operations: &[Operation::Modify], decode: update::permissive },
    Known { oid: PERSISTENT_SEARCH, operations: &[Operation::Search], decode: persistent_search },
    Known { oid: POST_READ, operations: &[Operation::Add, Operation::Modify, Operation::ModifyDn], decode: post_read },
    Known { oid: PRE_READ, operations: &[Operation::Delete, Operation::Modify, Operation::ModifyDn], decode: pre_read },
    Known { oid: PROXIED_AUTHORIZATION, operations: ASSUMABLE, decode: proxied_authorization },
    Known { oid: RELAX, operations: UPDATES, decode: update::relax },
    Known { oid: SESSION, operations: &[Operation::Bind], decode: session },
    Known { oid: SESSION_TRACKING, operations: ALL, decode: update::tracking },
    Known { oid: SORT, operations: &[Operation::Search], decode: search::sort },
    Known { oid: SUBENTRIES, operations: &[Operation::Search], decode: search::subentries },
    Known { oid: TREE_DELETE, operations: &[Operation::Delete], decode: update::tree_delete },
    Known { oid: SYNC_REQUEST, operations: &[Operation::Search], decode: sync_request },
    Known {
        oid: transaction::SPECIFICATION,
        operations: &[Operation::Add, Operation::Delete, Operation::Extended, Operation::Modify, Operation::ModifyDn],
        decode: transaction_specification,
    },
];

/// The OIDs of all controls that work, for the root DSE.
pub fn supported() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|known| known.oid)
}

/// The controls of one request.
#[derive(Debug, Default)]
pub(crate) struct Controls<'a> {
    /// Those that were sent as critical and are known.
    critical: Vec<&'static str>,
    /// What must be the same for a cookie to be good: all controls but those that carry one or say for whom.
    same: Vec<&'a [u8]>,
    /// The entry must match.
    pub(crate) assertion: Option<Filter<'a>>,
    /// Who one has become is to be said.
    pub(crate) authorization_identity: bool,
    /// Entries that attributes name.
    pub(crate) links: Vec<LinkWish<'a>>,
    /// Referrals are entries.
    pub(crate) manage_dsa_it: bool,
    /// Values that one of these matches only.
    pub(crate) matched_values: Option<Vec<Filter<'a>>>,
    /// Nothing is to be done.
    pub(crate) no_operation: bool,
    /// One page only.
    pub(crate) page: Option<PageControl<'a>>,
    /// What the policy for passwords says is to be told.
    pub(crate) password_policy: bool,
    /// Adding what is there is no error.
    pub(crate) permissive: bool,
    /// The search goes on with changes.
    pub(crate) persistent: Option<PersistentControl>,
    /// The entry after the change, with these attributes.
    pub(crate) post_read: Option<Vec<&'a str>>,
    /// The entry before the change, with these attributes.
    pub(crate) pre_read: Option<Vec<&'a str>>,
    /// Who is to be acted as, as an authorization identity (RFC 4513 §5.2.1.8); empty for anonymous.
    pub(crate) proxied: Option<&'a str>,
    /// Operational attributes are taken as given.
    pub(crate) relax: bool,
    /// Whose rights.
    pub(crate) rights: Option<RightsWish<'a>>,
    /// What the client says about itself.
    pub(crate) session: Option<SessionRequest>,
    /// In this order; empty for any.
    pub(crate) sort: Vec<SortKey<'a>>,
    /// Subentries only, or none.
    pub(crate) subentries: Option<bool>,
    /// On whose behalf the client works.
    pub(crate) tracking: Option<String>,
    /// All that is below goes too.
    pub(crate) tree_delete: bool,
    /// Whether accounts can be used is to be told.
    pub(crate) usability: bool,
    /// A part of the sorted list.
    pub(crate) view: Option<ViewControl<'a>>,
    /// The transaction that the update belongs to.
    pub(crate) transaction: Option<&'a [u8]>,
    /// The search is a content sync.
    pub(crate) sync: Option<SyncRequest<'a>>,
}

impl Controls<'_> {
    /// Refuses critical controls other than these: the search could not do what they ask.
    pub(crate) fn refuse_critical_beside(&self, allowed: &[&str]) -> Result<(), Failure> {
        let text = "a critical control does not go with a search that is followed";
        match self.critical.iter().all(|oid| allowed.contains(oid)) {
            true => Ok(()),
            false => Err(Failure::new(LdapResultCode::UnavailableCriticalExtension, text)),
        }
    }

    /// Whether a control we know was sent as critical.
    pub(crate) fn is_critical(&self, oid: &str) -> bool {
        self.critical.contains(&oid)
    }

    /// What a cookie is bound to besides who asks: the request, and its controls but those that carry the cookie.
    pub(crate) fn query(&self, content: &[u8]) -> [u8; 32] {
        let mut digest = Sha256::new();
        for part in std::iter::once(&content).chain(&self.same) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    }
}

/// A paged results control as sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageControl<'a> {
    /// Entries of the page, 0 to 2^31-1.
    pub(crate) size: u32,
    /// Empty at the beginning, else what we sent with the last page.
    pub(crate) cookie: &'a [u8],
}

/// Reads the controls block of a request.
pub(crate) fn decode<'a>(operation: Operation, block: &'a [u8], limits: &Limits) -> Result<Controls<'a>, Failure> {
    const DAMAGED: &str = "damaged control";
    let mut controls = Controls::default();
    let mut seen: Vec<&str> = Vec::new();
    let mut list = Fields::new(block);
    while !list.is_empty() {
        let content = list.octets(SEQUENCE, DAMAGED)?;
        let mut control = Fields::new(content);
        let oid = control.text(OCTET_STRING, DAMAGED)?;
        let critical = match control.optional(BOOLEAN, DAMAGED)? {
            Some(octets) => fields::boolean(octets).ok_or_else(|| Failure::protocol(DAMAGED))?,
            None => false,
        };
        let value = control.optional(OCTET_STRING, DAMAGED)?;
        if !control.is_empty() {
            return Err(Failure::protocol(DAMAGED));
        }
        if seen.len() >= limits.controls {
            return Err(Failure::protocol("too many controls"));
        }
        if seen.contains(&oid) {
            return Err(Failure::protocol("a control was sent twice"));
        }
        seen.push(oid);
        if ![PAGED_RESULTS, LIST_VIEW, SESSION_TRACKING].contains(&oid) {
            controls.same.push(content);
        }
        match TABLE.iter().find(|known| known.oid == oid && known.operations.contains(&operation)) {
            // Taken for absent, it would do what nobody asked for (RFC 4370 §3).
            Some(_) if oid == PROXIED_AUTHORIZATION && !critical => {
                return Err(Failure::protocol("proxied authorisation must be critical"));
            }
            Some(known) => {
                if critical {
                    controls.critical.push(known.oid);
                }
                (known.decode)(&mut controls, value.unwrap_or_default(), limits)?;
            }
            None if critical => {
                let text = "a critical control is unknown or does not go with the operation";
                return Err(Failure::new(LdapResultCode::UnavailableCriticalExtension, text));
            }
            None => {}
        }
    }
    Ok(controls)
}

fn assertion<'a>(controls: &mut Controls<'a>, value: &'a [u8], limits: &Limits) -> Result<(), Failure> {
    let mut fields = Fields::new(value);
    controls.assertion = Some(decode::filter(&mut fields, limits)?);
    match fields.is_empty() {
        true => Ok(()),
        false => Err(Failure::protocol("damaged assertion control")),
    }
}

fn manage_dsa_it<'a>(controls: &mut Controls<'a>, value: &'a [u8], _: &Limits) -> Result<(), Failure> {
    controls.manage_dsa_it = true;
    match value.is_empty() {
        true => Ok(()),
        false => Err(Failure::protocol("the ManageDsaIT control has no value")),
    }
}

fn paged_results<'a>(controls: &mut Controls<'a>, value: &'a [u8], _: &Limits) -> Result<(), Failure> {
    const DAMAGED: &str = "damaged paged results control";
    let mut fields = Fields::sequence(value, DAMAGED)?;
    let size = fields.integer(INTEGER, DAMAGED)?;
    let size =
        i32::try_from(size).ok().and_then(|size| u32::try_from(size).ok()).ok_or_else(|| Failure::protocol("page size out of range"))?;
    controls.page = Some(PageControl { size, cookie: fields.octets(OCTET_STRING, DAMAGED)? });
    Ok(())
}

fn persistent_search<'a>(controls: &mut Controls<'a>, value: &'a [u8], _: &Limits) -> Result<(), Failure> {
    controls.persistent = Some(persistent::request(value)?);
    Ok(())
}

fn sync_request<'a>(controls: &mut Controls<'a>, value: &'a [u8], _: &Limits) -> Result<(), Failure> {
    controls.sync = Some(sync::request(value)?);
    Ok(())
}

fn transaction_specification<'a>(controls: &mut Controls<'a>, value: &'a [u8], _: &Limits) -> Result<(), Failure> {
    controls.transaction = Some(value);
    Ok(())
}

fn post_read<'a>(controls: &mut Controls<'a>, value: &'a [u8], _: &Limits) -> Result<(), Failure> {
    controls.post_read = Some(decode::strings(Fields::sequence(value, "damaged post-read control")?)?);
    Ok(())
}

fn pre_read<'a>(controls: &mut Controls<'a>, value: &'a [u8], _: &Limits) -> Result<(), Failure> {
    controls.pre_read = Some(decode::strings(Fields::sequence(value, "damaged pre-read control")?)?);
    Ok(())
}

fn proxied_authorization<'a>(controls: &mut Controls<'a>, value: &'a [u8], _: &Limits) -> Result<(), Failure> {
    controls.proxied = Some(fields::text(value, "the authorization identity is not UTF-8")?);
    Ok(())
}

fn session<'a>(controls: &mut Controls<'a>, value: &'a [u8], _: &Limits) -> Result<(), Failure> {
    const DAMAGED: &str = "damaged session control";
    let mut request = SessionRequest::default();
    if !value.is_empty() {
        let mut fields = Fields::sequence(value, DAMAGED)?;
        let mut part = |tag| match fields.optional(tag, DAMAGED)? {
            Some(octets) => fields::text(octets, DAMAGED).map(|text| Some(text.to_owned())),
            None => Ok(None),
        };
        request = SessionRequest { application: part(0x80)?, client: part(0x81)? };
    }
    controls.session = Some(request);
    Ok(())
}

/// Appends the session control of a bind's answer.
pub(crate) fn put_session(out: &mut Vec<u8>, limit: u32, in_use: u32, session_id: Option<&str>) {
    let id = session_id.map_or(0, |id| element_size(id.len()));
    let mut value = Vec::new();
    put_header(&mut value, SEQUENCE, integer_size(i64::from(limit)) + integer_size(i64::from(in_use)) + id);
    put_integer(&mut value, INTEGER, i64::from(limit));
    put_integer(&mut value, INTEGER, i64::from(in_use));
    if let Some(id) = session_id {
        put(&mut value, OCTET_STRING, id.as_bytes());
    }
    put_control(out, SESSION, &value);
}

/// Appends the paged results control of a search's answer: an estimate of the whole, 0 for unknown, and the cookie
/// for the next page, empty where there is none.
pub(crate) fn put_page(out: &mut Vec<u8>, estimate: usize, cookie: &[u8]) {
    let estimate = i64::from(i32::try_from(estimate).unwrap_or(i32::MAX));
    let mut value = Vec::new();
    put_header(&mut value, SEQUENCE, integer_size(estimate) + element_size(cookie.len()));
    put_integer(&mut value, INTEGER, estimate);
    put(&mut value, OCTET_STRING, cookie);
    put_control(out, PAGED_RESULTS, &value);
}

/// Appends who a bind made of the peer (RFC 3829 §4); empty for anonymous.
pub(crate) fn put_authorization_identity(out: &mut Vec<u8>, identity: &str) {
    put_control(out, AUTHORIZATION_IDENTITY_RESPONSE, identity.as_bytes());
}

/// Appends a pre-read or post-read control with the entry.
pub(crate) fn put_read(out: &mut Vec<u8>, oid: &str, entry: &OwnedEntry) {
    let size = entry.attributes.iter().map(Vec::len).sum();
    let mut value = Vec::new();
    put_entry_body(&mut value, &entry.dn, size, entry.attributes.iter().map(Vec::as_slice));
    put_control(out, oid, &value);
}
