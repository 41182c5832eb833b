//! Application passwords: each opens one application of the config (O7) and nothing else, without a one-time code.
//!
//! A value of `hcApplicationPassword` is the name of the application, `$`, and the password: in the clear when it is
//! written, as `{SHA256}` when it is kept. They are random and long, so that a plain digest keeps them (as it keeps
//! tokens), and trying one costs nothing that would tell who has any (HB2).

use crate::base::Secret;
use crate::directory::password_hash::names_a_scheme;
use crate::directory::write::Work;
use crate::directory::{Caller, Directory, Error, Identity, Origin, SessionRequest, Write, WriteOptions};
use crate::model::{AttributeId, Entry, Kind, Rdn};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// What the kept form of a password begins with.
const SCHEME: &str = "{SHA256}";
/// Octets of one at least. They are made at random, as `headcount user application-password` does.
const SHORTEST: usize = 32;
/// Those one user may have.
const LIMIT: usize = 16;
/// What somebody who came in by one does not change.
const CREDENTIALS: [&str; 4] = ["userPassword", "authPassword", "hcOneTimeSecret", "hcApplicationPassword"];

fn kept_form(password: &[u8]) -> String {
    format!("{SCHEME}{}", STANDARD.encode(Sha256::digest(password)))
}

/// The application and the password of a value.
fn parts(value: &[u8]) -> Option<(&str, &[u8])> {
    let at = value.iter().position(|octet| *octet == b'$')?;
    let (name, password) = value.split_at_checked(at)?;
    Some((std::str::from_utf8(name).ok()?, password.get(1..)?))
}

fn is_of(value: &[u8], application: &str) -> bool {
    parts(value).is_some_and(|(name, _)| name.eq_ignore_ascii_case(application))
}

impl Directory {
    /// The form in which a value that is written is kept.
    pub(in crate::directory) fn application_password(&self, caller: &Caller, value: &[u8]) -> Result<Vec<u8>, Error> {
        let refused = |why: &str| Err(Error::Constraint(format!("hcApplicationPassword: {why}")));
        let Some((name, password)) = parts(value) else { return refused("a value is the application, $, and the password") };
        if names_a_scheme(password) {
            let ours = password.strip_prefix(SCHEME.as_bytes()).and_then(|digest| STANDARD.decode(digest).ok());
            return match ours.is_some_and(|digest| digest.len() == 32) && caller.identity.is_operator() {
                true => Ok(value.to_vec()),
                false => refused("hashes are imported by the operator, and are {SHA256}"),
            };
        }
        if !self.settings().applications.iter().any(|application| application.name.eq_ignore_ascii_case(name)) {
            return refused("the config has no such application");
        }
        if password.len() < SHORTEST || password.len() > self.settings().limits.password {
            return refused("the password is random, of 32 octets at least");
        }
        Ok(format!("{name}${}", kept_form(password)).into_bytes())
    }

    /// The kept value that is deleted by the name of its application.
    pub(in crate::directory) fn application_password_named(&self, entry: &Entry, name: Vec<u8>) -> Vec<u8> {
        let values = entry.values(self.schema().known().hc_application_password);
        let named = std::str::from_utf8(&name).ok().and_then(|name| values.into_iter().find(|value| is_of(value, name)));
        named.map_or(name, <[u8]>::to_vec)
    }

    /// The kept value that was given as the password, where the request comes from its application.
    pub(in crate::directory) fn opens(
        &self,
        origin: &Origin,
        request: &SessionRequest,
        entry: &Entry,
        given: &Secret,
    ) -> Option<Arc<[u8]>> {
        let settings = self.settings();
        let application = self.application_of(&settings, origin, request.application.as_deref())?;
        let form = kept_form(given.expose());
        let right = |value: &&[u8]| {
            is_of(value, &application.name) && parts(value).is_some_and(|(_, kept)| bool::from(kept.ct_eq(form.as_bytes())))
        };
        entry.values(self.schema().known().hc_application_password).find(right).map(Arc::from)
    }

    /// Whether the application password that somebody came in by is still there.
    pub(in crate::directory) fn still_opens(&self, entry: &Entry, identity: &Identity) -> bool {
        let held = |value: &Arc<[u8]>| entry.values(self.schema().known().hc_application_password).any(|held| *held == **value);
        identity.application_password.as_ref().is_none_or(held)
    }

    /// Who came in by an application password changes no credentials: it opens one application, and not the account.
    pub(in crate::directory) fn check_credentials_change(
        &self,
        caller: &Caller,
        write: &Write,
        options: &WriteOptions,
    ) -> Result<(), Error> {
        if caller.identity.application_password.is_none() {
            return Ok(());
        }
        let is_credential = |name: &str| {
            let found = self.schema().description(name).map(|description| description.attribute);
            found.is_some() && CREDENTIALS.iter().any(|credential| self.schema().attribute(credential) == found)
        };
        let touches = match write {
            Write::Add { attributes, .. } => attributes.iter().any(|(name, _)| is_credential(name)),
            Write::Modify { modifications, .. } => modifications.iter().any(|change| is_credential(&change.attribute)),
            Write::Password { .. } => true,
            Write::Rename { new_rdn, .. } => {
                let named = Rdn::parse(new_rdn).is_ok_and(|rdn| rdn.0.iter().any(|part| is_credential(&part.attribute)));
                named || options.modifications.iter().any(|change| is_credential(&change.attribute))
            }
            Write::Delete { .. } => false,
        };
        match touches {
            true => Err(no_credentials()),
            false => Ok(()),
        }
    }
}

fn no_credentials() -> Error {
    Error::InsufficientAccess("an application password does not change credentials".to_owned())
}

impl Work<'_, '_> {
    /// A link to set a password goes to the address of an account (U5), and a role is what an account may do: who came in by an
    /// application password gives neither to anybody, unless its application is there to administer. Its own address it never
    /// moves, by whatever name the account has at that moment.
    pub(in crate::directory) fn keep_accounts(&self, before: Option<&Entry>, after: &Entry) -> Result<(), Error> {
        let (identity, known) = (&self.caller.identity, self.core.schema.known());
        let Some(value) = &identity.application_password else { return Ok(()) };
        let was_user = before.is_some_and(|before| before.kind == Kind::User);
        let same = |attribute: AttributeId| match before.filter(|_| was_user) {
            Some(before) => before.values(attribute).eq(after.values(attribute)),
            None => !after.has(attribute),
        };
        let moves_address = after.kind == Kind::User && !(same(known.mail) && same(known.hc_email));
        if moves_address && identity.entry == Some(after.id) {
            return Err(no_credentials());
        }
        let gives_role = self.has_changed_links(known.hc_role);
        let names_role = !before.map(|before| before.values(known.hc_role)).into_iter().flatten().eq(after.values(known.hc_role));
        match moves_address || gives_role || names_role {
            true if !self.administers(value) => {
                let text =
                    "an application password changes no address that links go to and no role, but that of an administrative application";
                Err(Error::InsufficientAccess(text.to_owned()))
            }
            true | false => Ok(()),
        }
    }

    /// Whether the application of this value is there to administer.
    fn administers(&self, value: &[u8]) -> bool {
        self.current.settings.applications.iter().any(|application| application.administrative && is_of(value, &application.name))
    }

    /// One for each application, and not too many; who loses one loses the sessions.
    pub(in crate::directory) fn settle_application_passwords(&mut self, before: Option<&Entry>, after: &Entry) -> Result<(), Error> {
        let attribute = self.core.schema.known().hc_application_password;
        let mut names: Vec<String> = after.values(attribute).filter_map(|value| Some(parts(value)?.0.to_ascii_lowercase())).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        if names.len() < count || count > LIMIT {
            return Err(Error::Constraint(format!("hcApplicationPassword: one for each application, and {LIMIT} at most")));
        }
        let lost = before.is_some_and(|before| before.values(attribute).any(|value| !after.values(attribute).any(|held| held == value)));
        if lost {
            self.end_sessions_of(after.id, "application password revoked");
        }
        Ok(())
    }
}
