//! Executes commands: each is a few calls of the directory, as the operator.

use super::import::replace;
use super::licences::SHARE_COLUMNS;
use super::{Command, Failure, MembershipLevel, NewUser, Reply, Within, explain, export, import};
use crate::base::{Secret, random};
use crate::directory::{
    Caller, Directory, EntrySink, Error, Identity, NewCodeSecret, Origin, OwnedEntry, Progress, Protocol, Scope, SearchRequest, Visible,
    Write, WriteOptions, WriteOutcome,
};
use crate::model::{Ava, Dn, Filter, Modification, ModificationKind, Rdn};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::io::BufRead;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Executes a command and answers with [`Reply`]s, the last one `Done` or `Failed`. It blocks, so it is called outside
/// the runtime's own threads; `reply` answers whether anybody still listens.
pub fn execute(
    directory: &Arc<Directory>,
    handle: &Handle,
    command: &Command,
    input: &mut dyn BufRead,
    reply: &mut dyn FnMut(Reply) -> bool,
) {
    let origin = Origin { protocol: Protocol::CommandLine, listener: "command line".to_owned(), ..Origin::system() };
    let caller = Caller { identity: Arc::new(Identity::operator("command line")), origin: Arc::new(origin) };
    let done = Execution { directory, handle, caller, reply }.run(command, input);
    reply(done.map_or_else(Reply::Failed, Reply::Done));
}

/// A command on its way.
pub(super) struct Execution<'a> {
    pub(super) directory: &'a Arc<Directory>,
    pub(super) handle: &'a Handle,
    pub(super) caller: Caller,
    pub(super) reply: &'a mut dyn FnMut(Reply) -> bool,
}

impl Execution<'_> {
    fn run(&mut self, command: &Command, input: &mut dyn BufRead) -> Result<String, Failure> {
        let directory = Arc::clone(self.directory);
        match command {
            Command::AccessExplain(question) => explain::explain(&directory, &self.caller, question, self.reply),
            Command::Activate { token, password } => {
                let dn = self.handle.block_on(directory.redeem_bootstrap(&self.caller, &token.0, password.0.clone()))?;
                Ok(format!("{dn} can sign in"))
            }
            Command::Backup { file } => {
                self.handle.block_on(directory.backup(&self.caller, file))?;
                Ok(format!("everything is in {}", file.display()))
            }
            Command::Bootstrap { dn } => self.bootstrap(dn),
            Command::ClientAdd { organisation, name, id, settings } => self.add_client(organisation, name, id.as_deref(), settings),
            Command::ClientChange { client, settings } => self.change_client(client, settings),
            Command::ClientExplain { client, method, path } => self.explain_request(client, method, path, input),
            Command::ClientGive { client, entries } => self.give_to_client(client, entries),
            Command::ClientResume(client) => self.resume_client(client),
            Command::ClientLog { client, follow } => self.client_log(client, *follow),
            Command::ClientPending(client) => self.pending_references(client),
            Command::ClientRemove { client, provisioned, expect } => self.remove_client(client, *provisioned, *expect),
            Command::ClientSecret { client, lifetime } => self.mint_secret(client, *lifetime),
            Command::ClientShow(client) => self.show_client(client),
            Command::Clients(within) => self.clients(within),
            Command::Compact => {
                let compacted = self.handle.block_on(directory.compact(&self.caller))?;
                self.row(json!({"octets_before": compacted.before, "octets_after": compacted.after}))?;
                Ok("written anew".to_owned())
            }
            Command::Export { base, operational } => export::export(&directory, &self.caller, base.as_deref(), *operational, self.reply),
            Command::GroupAdd { organisation, name, description } => self.add_group(organisation, name, description.as_deref()),
            Command::GroupMember { group, member, level } => self.set_member(group, member, *level),
            Command::Groups(within) => self.list(within, "hcGroup", &[("dn", ""), ("description", "description")]),
            Command::Import(options) => import::import(&directory, self.handle, &self.caller, *options, input, self.reply),
            Command::LicenceAdd { organisation, name, session_limit, package, default } => {
                self.add_licence(organisation, name, *session_limit, package.as_deref(), *default)
            }
            Command::OrganisationAdd { organisation, description } => self.add_organisation(organisation, description.as_deref()),
            Command::Organisations => self.list(&Within::default(), "hcOrganisation", &[("dn", ""), ("description", "description")]),
            Command::LicenceCharges(question) => self.charges(question),
            Command::LicenceHistory { question, by_hour } => self.history(question, *by_hour),
            Command::Licences(within) => self.licences(within),
            Command::LicenceShare { licence, name, with, reserved, most } => self.share(licence, name, with.as_deref(), *reserved, *most),
            Command::LicenceShares(within) => self.list(within, "hcSeatShare", SHARE_COLUMNS),
            Command::LicenceSet { licence, changes, enforce } => self.set_licence(licence, changes, *enforce),
            Command::RoleAdd { organisation, name, grants, restricts } => self.add_role(organisation, name, grants, restricts),
            Command::RoleAssign { user, role, remove } => self.assign_role(user, role, *remove),
            Command::Roles(within) => self.roles(within),
            Command::SessionEnd { id, message } => {
                self.handle.block_on(directory.end_session(&self.caller, id, message.clone()))?;
                Ok(format!("session {id} has ended"))
            }
            Command::Sessions => self.sessions(),
            Command::TokenMint(new) => self.mint(new),
            Command::TokenRevoke { id } => {
                self.handle.block_on(directory.revoke_token(&self.caller, id))?;
                Ok(format!("token {id} is revoked"))
            }
            Command::Tokens => self.tokens(),
            Command::UserAdd(user) => self.add_user(user),
            Command::UsersDeleted => self.deleted_users(),
            Command::UserRestore { id } => {
                let dn = self.handle.block_on(directory.restore_user(&self.caller, id))?;
                Ok(format!("{dn} is back"))
            }
            Command::UserDelete { user } => self.write(Write::Delete { dn: user.clone() }).map(|_| format!("{user} is deleted")),
            Command::UserApplicationPassword { user, application, remove } => self.set_application_password(user, application, *remove),
            Command::UserOneTimeCode { user, remove } => self.set_one_time_code(user, *remove),
            Command::UserPassword { user, password } => self.set_password(user, password.as_ref().map(|password| password.0.clone())),
            Command::UserState { user, active } => {
                self.modify(user, vec![replace("hcActive", Some(if *active { "TRUE" } else { "FALSE" }))])
            }
            Command::UserUnlock { user } => {
                self.modify(user, vec![replace("pwdAccountLockedTime", None)])?;
                Ok(format!("{user} can be signed in to again"))
            }
            Command::Users(within) => {
                self.list(within, "hcUser", &[("dn", ""), ("type", "hcUserType"), ("state", "hcAccountState"), ("mail", "mail")])
            }
            Command::Verify => self.verify(),
        }
    }

    /// Makes a change. An entry that is not there is named.
    pub(super) fn write(&self, write: Write) -> Result<WriteOutcome, Failure> {
        self.write_with(write, WriteOptions::default())
    }

    fn write_with(&self, write: Write, options: WriteOptions) -> Result<WriteOutcome, Failure> {
        let missing = match &write {
            Write::Add { dn, .. } => format!("there is no entry to put {dn} under"),
            Write::Delete { .. } | Write::Modify { .. } | Write::Password { .. } | Write::Rename { .. } => {
                format!("there is no entry {}", write.target())
            }
        };
        self.handle.block_on(self.directory.write(&self.caller, write, options)).map_err(|error| match error {
            Error::NoSuchObject { .. } => Failure::nothing(missing),
            error => error.into(),
        })
    }

    pub(super) fn modify(&self, dn: &str, modifications: Vec<Modification>) -> Result<String, Failure> {
        self.write(Write::Modify { dn: dn.to_owned(), modifications })?;
        Ok(format!("{dn} is changed"))
    }

    /// Adds a reference to an entry that must be there, and be of the same organisation (O1).
    fn refer(&self, dn: &str, attribute: &str, target: &str) -> Result<String, Failure> {
        let (kind, values) = (ModificationKind::Add, vec![target.as_bytes().to_vec()]);
        let modifications = vec![Modification { kind, attribute: attribute.to_owned(), values }];
        let options = WriteOptions { strict_references: true, ..WriteOptions::default() };
        self.write_with(Write::Modify { dn: dn.to_owned(), modifications }, options)?;
        Ok(format!("{dn} is changed"))
    }

    pub(super) fn add(&self, dn: &str, attributes: &[(&str, &[&str])]) -> Result<String, Failure> {
        let attributes = attributes
            .iter()
            .filter(|(_, values)| !values.is_empty())
            .map(|(name, values)| ((*name).to_owned(), values.iter().map(|value| value.as_bytes().to_vec()).collect()))
            .collect();
        self.write(Write::Add { dn: dn.to_owned(), attributes })?;
        Ok(format!("{dn} is added"))
    }

    pub(super) fn row(&mut self, row: Value) -> Result<(), Failure> {
        let Value::Object(row) = row else { return Ok(()) };
        match (self.reply)(Reply::Row(row)) {
            true => Ok(()),
            false => Err(Failure::nothing("nobody is listening")),
        }
    }

    /// A row with a secret in it, the one answer whose purpose is to show it. Who sends a row wipes it.
    pub(super) fn show_once(&mut self, mut row: Value, name: &str, secret: &Secret) -> Result<(), Failure> {
        if let Value::Object(row) = &mut row {
            row.insert(name.to_owned(), Value::String(text_of(secret).into_owned()));
        }
        self.row(row)
    }

    /// Entries of an object class, all of them or those of one organisation.
    pub(super) fn find(&self, within: &Within, class: &str, attributes: &[&str]) -> Result<Vec<OwnedEntry>, Failure> {
        let bases = match &within.organisation {
            Some(organisation) => vec![organisation.clone()],
            None => self.directory.settings().suffixes.clone(),
        };
        let mut sink = Collected(Vec::new());
        for base in &bases {
            let request = SearchRequest::new(
                base,
                Scope::Subtree,
                Filter::Equality("objectClass".into(), class.as_bytes().into()),
                attributes.to_vec(),
            );
            let mut search = match self.directory.search(&self.caller, &request) {
                Ok(search) => search,
                // A suffix may have no entry yet.
                Err(Error::NoSuchObject { .. }) if within.organisation.is_none() => continue,
                Err(Error::NoSuchObject { .. }) => return Err(Failure::nothing(format!("there is no entry {base}"))),
                Err(error) => return Err(error.into()),
            };
            while search.step(&mut sink)? == Progress::More {}
        }
        Ok(sink.0)
    }

    fn list(&mut self, within: &Within, class: &str, columns: &[(&str, &str)]) -> Result<String, Failure> {
        let attributes: Vec<&str> = columns.iter().map(|(_, attribute)| *attribute).filter(|attribute| !attribute.is_empty()).collect();
        let entries = self.find(within, class, &attributes)?;
        for entry in &entries {
            let cell = |attribute: &str| match attribute {
                "" => entry.dn.clone(),
                attribute => entry.values(attribute).map(String::from_utf8_lossy).collect::<Vec<_>>().join(", "),
            };
            let row: Map<String, Value> = columns.iter().map(|(name, attribute)| ((*name).to_owned(), cell(attribute).into())).collect();
            self.row(Value::Object(row))?;
        }
        Ok(count(entries.len(), "entry", "entries"))
    }

    /// Roles, each with how it is offered (R4).
    fn roles(&mut self, within: &Within) -> Result<String, Failure> {
        let roles = self.find(within, "hcRoleDefinition", &["hcRolePermission", "hcRoleRestriction", "hcRoleSystem"])?;
        for role in &roles {
            let cell = |attribute: &str| role.values(attribute).map(String::from_utf8_lossy).collect::<Vec<_>>().join(", ");
            let offer = self.directory.role_offer(role.id);
            let offered = match &offer {
                _ if role.values("hcRoleSystem").next().is_some() => "system",
                Some(offer) if !offer.is_current => "other packages",
                Some(_) | None => "current package",
            };
            let packages = offer.map(|offer| offer.packages.join(", ")).unwrap_or_default();
            self.row(json!({
                "dn": role.dn, "offered": offered, "packages": packages, "grants": cell("hcRolePermission"), "restricts": cell("hcRoleRestriction"),
            }))?;
        }
        Ok(count(roles.len(), "role", "roles"))
    }

    fn sessions(&mut self) -> Result<String, Failure> {
        let sessions = self.directory.sessions(&self.caller);
        for session in &sessions {
            self.row(json!({
                "id": session.id, "user": session.user, "licence": session.licence, "application": session.application,
                "client": session.client, "started": session.started.rfc3339(), "last_activity": session.last_activity.rfc3339(),
                "expires": session.expires.rfc3339(),
            }))?;
        }
        Ok(count(sessions.len(), "session", "sessions"))
    }

    fn bootstrap(&mut self, dn: &str) -> Result<String, Failure> {
        let token = self.handle.block_on(self.directory.bootstrap(&self.caller, dn))?;
        match (self.reply)(Reply::Ldif([&*text_of(&token), "\n"].concat())) {
            true => Ok(format!("{dn} can sign in once `headcount activate` has set its password with the token, within 24 hours")),
            false => Err(Failure { message: "nobody took the token".to_owned(), partly: true }),
        }
    }

    fn add_group(&self, organisation: &str, name: &str, description: Option<&str>) -> Result<String, Failure> {
        let description: Vec<&str> = description.into_iter().collect();
        let attributes: [(&str, &[&str]); 3] =
            [("objectClass", &["groupOfNames", "groupOfUniqueNames", "hcGroup"]), ("cn", &[name]), ("description", &description)];
        self.add(&under("cn", name, &format!("ou=groups,{organisation}")), &attributes)
    }

    fn set_member(&self, group: &str, member: &str, level: MembershipLevel) -> Result<String, Failure> {
        // Putting an edge at another level moves it, so only a removal names where it was.
        let attribute = match level {
            MembershipLevel::Administrator => "hcAdministrator",
            MembershipLevel::Full | MembershipLevel::None => "member",
            MembershipLevel::Past => "hcPastMember",
            MembershipLevel::ViewOnly => "hcViewOnlyMember",
        };
        if level != MembershipLevel::None {
            return self.refer(group, attribute, member);
        }
        let without = |attribute: &str| {
            let (kind, values) = (ModificationKind::Delete, vec![member.as_bytes().to_vec()]);
            vec![Modification { kind, attribute: attribute.to_owned(), values }]
        };
        for attribute in ["hcAdministrator", "hcViewOnlyMember", "hcPastMember"] {
            if self.modify(group, without(attribute)).is_ok() {
                return Ok(format!("{group} is changed"));
            }
        }
        self.modify(group, without("member"))
    }

    fn add_role(&self, organisation: &str, name: &str, grants: &[String], restricts: &[String]) -> Result<String, Failure> {
        fn text(values: &[String]) -> Vec<&str> {
            values.iter().map(String::as_str).collect()
        }
        let (grants, restricts) = (text(grants), text(restricts));
        let attributes: [(&str, &[&str]); 4] =
            [("objectClass", &["hcRoleDefinition"]), ("cn", &[name]), ("hcRolePermission", &grants), ("hcRoleRestriction", &restricts)];
        self.add(&under("cn", name, &format!("ou=roles,{organisation}")), &attributes)
    }

    fn assign_role(&self, user: &str, role: &str, remove: bool) -> Result<String, Failure> {
        // A name that is nobody's can be taken away too.
        let role = if remove && role.contains('=') { role.to_owned() } else { self.role_named(user, role)? };
        if !remove {
            return self.refer(user, "hcRole", &role);
        }
        let (kind, values) = (ModificationKind::Delete, vec![role.into_bytes()]);
        self.modify(user, vec![Modification { kind, attribute: "hcRole".to_owned(), values }])
    }

    /// The role of that name or DN in the organisation of the user: the one whose container is nearest above it.
    fn role_named(&self, user: &str, name: &str) -> Result<String, Failure> {
        let roles = self.find(&Within::default(), "hcRoleDefinition", &["cn"])?;
        let above = |role: &OwnedEntry| role.dn.split_once(",ou=roles,").is_some_and(|(_, organisation)| ends_with(user, organisation));
        let dn = Some(name).filter(|name| name.contains('=')).and_then(|name| Dn::parse(name).ok()).map(|dn| dn.to_string());
        let is_it = |role: &OwnedEntry| match &dn {
            Some(dn) => role.dn.eq_ignore_ascii_case(dn),
            None => role.text("cn").is_some_and(|cn| cn.eq_ignore_ascii_case(name)),
        };
        let named = roles.iter().filter(|role| is_it(role) && above(role));
        let nearest = named.max_by_key(|role| role.dn.len());
        nearest.map(|role| role.dn.clone()).ok_or_else(|| Failure::nothing(format!("the organisation has no role {name}")))
    }

    fn add_user(&self, user: &NewUser) -> Result<String, Failure> {
        if user.kind == "app" && user.email.is_none() && user.password.is_none() {
            let text = "a user chooses a password by a link that is mailed: --email says where to, or --password-file gives one (rule U3)";
            return Err(Failure::nothing(text));
        }
        let full_name = user.given_name.as_ref().map_or_else(|| user.family_name.clone(), |given| format!("{given} {}", user.family_name));
        let octets = |text: &str| text.as_bytes().to_vec();
        let one = |value: &Option<String>| value.iter().map(|text| octets(text)).collect::<Vec<_>>();
        let mut roles = Vec::new();
        let dn = under("uid", &user.uid, &format!("ou=users,{}", user.organisation));
        for role in &user.roles {
            roles.push(self.role_named(&dn, role)?.into_bytes());
        }
        let attributes = [
            ("objectClass", vec![octets("inetOrgPerson"), octets("hcUser")]),
            ("uid", vec![octets(&user.uid)]),
            ("cn", vec![full_name.into_bytes()]),
            ("sn", vec![octets(&user.family_name)]),
            ("givenName", one(&user.given_name)),
            ("mail", one(&user.email)),
            ("hcUserType", vec![octets(&user.kind)]),
            ("hcRole", roles),
            ("hcIncreaseSessionLimit", if user.increase_session_limit { vec![octets("TRUE")] } else { Vec::new() }),
            ("userPassword", user.password.iter().map(|password| password.0.expose().to_vec()).collect()),
        ];
        let attributes = attributes.into_iter().filter(|(_, values)| !values.is_empty());
        let attributes = attributes.map(|(name, values)| (name.to_owned(), values)).collect();
        self.write(Write::Add { dn: dn.to_owned(), attributes })?;
        Ok(format!("{dn} is added"))
    }

    fn set_password(&mut self, user: &str, new: Option<Secret>) -> Result<String, Failure> {
        let outcome = self.write(Write::Password { dn: Some(user.to_owned()), old: None, new })?;
        if let Some(generated) = &outcome.generated_password {
            self.show_once(json!({"dn": user}), "password", generated)?;
        }
        Ok(format!("the password of {user} is set"))
    }

    fn set_application_password(&mut self, user: &str, application: &str, remove: bool) -> Result<String, Failure> {
        let made = Secret::new(random::token().as_bytes());
        let (kind, value) = match remove {
            true => (ModificationKind::Delete, application.as_bytes().to_vec()),
            false => (ModificationKind::Add, [application.as_bytes(), b"$", made.expose()].concat()),
        };
        self.modify(user, vec![Modification { kind, attribute: "hcApplicationPassword".to_owned(), values: vec![value] }])?;
        if remove {
            return Ok(format!("the password of {user} for {application} is revoked"));
        }
        self.show_once(json!({"dn": user, "application": application}), "password", &made)?;
        Ok(format!("the password opens {application} as {user}, and nothing else"))
    }

    fn set_one_time_code(&mut self, user: &str, remove: bool) -> Result<String, Failure> {
        let modification = |values| Modification { kind: ModificationKind::Replace, attribute: "hcOneTimeSecret".to_owned(), values };
        if remove {
            self.modify(user, vec![modification(Vec::new())])?;
            return Ok(format!("{user} signs in without one-time codes"));
        }
        let dn = Dn::parse(user).map_err(|_| Failure::nothing(format!("{user} is not a DN")))?;
        let name = dn.rdn().and_then(|rdn| rdn.0.first()).map(|ava| String::from_utf8_lossy(&ava.value).into_owned());
        let made = NewCodeSecret::make(&name.unwrap_or_default());
        self.modify(user, vec![modification(vec![made.value.expose().to_vec()])])?;
        self.show_once(json!({"dn": user}), "uri", &made.uri)?;
        Ok(format!("{user} signs in with the password and a one-time code behind it"))
    }

    fn verify(&mut self) -> Result<String, Failure> {
        let report = self.handle.block_on(self.directory.verify(&self.caller))?;
        for problem in &report.problems {
            (self.reply)(Reply::Warning(problem.clone()));
        }
        match report.count {
            0 => Ok(format!("{} entries, clean", report.entries)),
            found => Err(Failure::nothing(format!("{} entries, {}", report.entries, count(found, "problem", "problems")))),
        }
    }
}

struct Collected(Vec<OwnedEntry>);

impl EntrySink for Collected {
    fn entry(&mut self, entry: &Visible<'_>) {
        self.0.push(entry.to_owned());
    }

    fn reference(&mut self, _urls: &[String]) {}
}

fn text_of(secret: &Secret) -> Cow<'_, str> {
    String::from_utf8_lossy(secret.expose())
}

pub(super) fn under(attribute: &str, value: &str, parent: &str) -> String {
    let rdn = Rdn(vec![Ava { attribute: attribute.to_owned(), value: value.as_bytes().to_vec() }]);
    format!("{rdn},{parent}")
}

fn ends_with(name: &str, suffix: &str) -> bool {
    name.len() >= suffix.len() && name.get(name.len() - suffix.len()..).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

/// A number of things in words.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
