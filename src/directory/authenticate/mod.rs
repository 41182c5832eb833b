//! Signing in by other means than a DN and its password (RFC 4513 §5.2): by a bare name, by a client certificate, or as
//! a local user of the machine. Each finds the entry, and from there on it is a bind like any other: account state,
//! seat and answer are those of [`bind`](super::bind), so no mechanism is a way around them (S3, S7, HB1).

mod application_password;
mod certificate;
mod names;
pub(crate) mod one_time_code;
mod proxy;
pub(crate) mod scram;

use super::bind::Proof;
use super::logins::Claimed;
use super::{Bound, Directory, Error, Method, Origin, Protocol, SessionRequest};
use crate::base::{EntryId, Secret};
use crate::domain::password_rules::PasswordUse;
use crate::model::{Dn, Facts};
use std::sync::Arc;

impl Directory {
    /// SASL PLAIN (RFC 4616): `authentication` is `dn:` and a DN, a DN, or a bare name; `authorization` is empty or says
    /// the same in any of these forms. Everything that is wrong costs and answers what a wrong password does.
    pub async fn bind_plain(
        &self,
        origin: &Origin,
        authentication: &str,
        authorization: &str,
        password: &Secret,
        request: SessionRequest,
    ) -> Result<Bound, Error> {
        let named = self.dn_of_identity(authentication, &self.settings().sasl.names);
        let name = named.as_ref().map(Dn::to_string);
        let claimed = name.as_deref().map_or(Claimed::Stranger, Claimed::Name);
        self.sign_in(origin, Method::Plain, claimed, async {
            match (&named, &name) {
                (Some(dn), Some(name)) if self.is_authorized_as(dn, authorization) => {
                    self.bind_named(origin, name, password, request).await
                }
                _ => self.refuse(origin, &named.unwrap_or_else(|| self.taken_for_name(authentication)), password).await,
            }
        })
        .await
    }

    /// Refuses whatever password is given, as a wrong one of that name.
    async fn refuse(&self, origin: &Origin, dn: &Dn, password: &Secret) -> Result<Bound, Error> {
        let account = self.account(dn, self.candidate(dn).entry.as_deref());
        self.prove(origin, account, &[], false, password).await.and(Err(Error::InvalidCredentials))
    }

    /// SASL EXTERNAL (RFC 4422 appendix A) inside TLS: who the client certificate `certificate` (DER, verified against
    /// the config's authorities at the handshake) belongs to by the ways of the config.
    pub async fn bind_certificate(
        &self,
        origin: &Origin,
        certificate: &[u8],
        authorization: &str,
        request: SessionRequest,
    ) -> Result<Bound, Error> {
        let owner = self.certificate_owner(certificate);
        let claimed = owner.map_or(Claimed::Stranger, Claimed::Entry);
        self.sign_in(origin, Method::Certificate, claimed, async {
            self.bind_known(origin, owner.ok_or(Error::InvalidCredentials)?, authorization, request, Proof::Outside).await
        })
        .await
    }

    /// SASL EXTERNAL (RFC 4422 appendix A) on a local socket: the owner of the daemon and root are the operator; any
    /// other user of the machine is the POSIX account with its number, in the places that the config names.
    pub async fn bind_external(
        &self,
        origin: &Origin,
        peer_uid: u32,
        authorization: &str,
        request: SessionRequest,
    ) -> Result<Bound, Error> {
        if origin.protocol != Protocol::Ldapi {
            return Err(Error::InvalidCredentials);
        }
        let own = rustix::process::geteuid().as_raw();
        if peer_uid != 0 && peer_uid != own {
            let owner = self.posix_account(peer_uid);
            let claimed = owner.map_or(Claimed::Stranger, Claimed::Entry);
            let known =
                async { self.bind_known(origin, owner.ok_or(Error::InvalidCredentials)?, authorization, request, Proof::Outside).await };
            return self.sign_in(origin, Method::Local, claimed, known).await;
        }
        let name = match &self.current().settings.operator {
            Some(operator) => operator.dn.clone(),
            None => "cn=operator".to_owned(),
        };
        let dn = super::tree::parse_dn(&name)?;
        let bound = match self.is_authorized_as(&dn, authorization) {
            true => Ok(Bound { identity: Arc::new(self.operator_identity(&name)), seat: None, hold: None, password: PasswordUse::Free }),
            false => Err(Error::InvalidCredentials),
        };
        self.sign_in(origin, Method::Local, Claimed::Name(&name), std::future::ready(bound)).await
    }

    /// Signs in an entry whose proof was given by other means than a bind with its name and password.
    async fn bind_known(
        &self,
        origin: &Origin,
        id: EntryId,
        authorization: &str,
        request: SessionRequest,
        proof: Proof,
    ) -> Result<Bound, Error> {
        let dn = super::tree::parse_dn(&super::tree::dn_of(self.memory(), id))?;
        let candidate = self.seen_from(origin, self.candidate(&dn));
        let authorized = self.is_authorized_as(&dn, authorization);
        match candidate.entry {
            Some(entry) if candidate.usable && authorized => self.admit(origin, &entry, &candidate.hashes, request, proof).await,
            _ => Err(Error::InvalidCredentials),
        }
    }

    /// Whether who signs in as `dn` may act as the authorization identity (RFC 4513 §5.2.1.8): as itself only. To act for
    /// others is for the proxied authorisation control, operation by operation.
    fn is_authorized_as(&self, dn: &Dn, authorization: &str) -> bool {
        let same = |other: &Dn| self.schema().name_key(other) == self.schema().name_key(dn);
        authorization.is_empty() || self.dn_of_identity(authorization, &self.settings().sasl.names).as_ref().is_some_and(same)
    }

    /// The account of a local user, if there is exactly one.
    fn posix_account(&self, uid: u32) -> Option<EntryId> {
        let number = self.schema().known().uid_number;
        let found = self.holders(&self.settings().sasl.local_users, number, uid.to_string().as_bytes());
        let is_account = |id: &EntryId| {
            let classes = self.memory().entry(*id);
            classes.is_some_and(|entry| {
                entry.values(self.schema().known().object_class).any(|class| class.eq_ignore_ascii_case(b"posixAccount"))
            })
        };
        names::only(found.into_iter().filter(is_account))
    }
}
