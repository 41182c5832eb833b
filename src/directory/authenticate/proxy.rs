//! Proxied authorisation (RFC 4370): an application asks one operation for a person (HB7).

use crate::directory::tree::{self, Resolved};
use crate::directory::{Caller, Directory, Error, Identity};
use crate::model::Facts;
use std::sync::Arc;

impl Directory {
    /// Who the caller is for one operation that it asks for `authorization`, in one of the forms of RFC 4513 §5.2.1.8: `dn:`
    /// and a DN, or `u:` and a name of its own organisation. Empty is anonymous, which is nobody's secret. Anybody else only by a rule of the config; whoever
    /// that is keeps the access rules it has, and takes no seat. A refusal is the same whether there is such a person or not.
    pub fn assume(&self, caller: &Caller, authorization: &str) -> Result<Arc<Identity>, Error> {
        let assumed = self.assumed(caller, authorization);
        assumed.inspect_err(|error| self.note_refused_write(caller, "proxy", authorization, error))
    }

    fn assumed(&self, caller: &Caller, authorization: &str) -> Result<Arc<Identity>, Error> {
        let (through, method) = (Some(Arc::from(caller.identity.name.as_str())), caller.identity.method);
        if authorization.is_empty() {
            return Ok(Arc::new(Identity { through, method, ..Identity::anonymous() }));
        }
        let has_form = |form: &str| authorization.get(..form.len()).is_some_and(|head| head.eq_ignore_ascii_case(form));
        if !has_form("dn:") && !has_form("u:") {
            return Err(Error::AuthorizationDenied);
        }
        let memory = self.memory();
        let places = match caller.identity.organisation {
            Some(organisation) => vec![tree::dn_of(memory, organisation)],
            None => self.settings().sasl.names.clone(),
        };
        let dn = self.dn_of_identity(authorization, &places).ok_or(Error::AuthorizationDenied)?;
        let current = self.current();
        let Resolved::Found(id) = tree::resolve(self.schema(), &current.suffixes, memory, &dn) else {
            return Err(Error::AuthorizationDenied);
        };
        let entry = memory.entry(id).ok_or(Error::AuthorizationDenied)?;
        if !self.grants(caller).may_proxy_as(memory, &entry) {
            return Err(Error::AuthorizationDenied);
        }
        let identity = self.core().identity(memory, id).ok_or(Error::AuthorizationDenied)?;
        // What an application password does not open, it does not open by a detour.
        let application_password = caller.identity.application_password.clone();
        Ok(Arc::new(Identity { through, method, application_password, ..identity }))
    }
}
