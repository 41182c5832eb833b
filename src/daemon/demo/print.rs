//! What the demo prints: lines to paste, or one line of JSON for scripts. Its purpose is to show credentials made for it.

use super::{Demo, ORGANISATION, Person, State, path};
use serde_json::json;

impl Demo {
    /// One line for scripts.
    pub(super) fn json_line(&self) -> Result<String, String> {
        let State { ldap_port, ldaps_port, http_port, operator, users, scim_token, .. } = &self.state;
        let line = json!({
            "ldap_url": format!("ldap://127.0.0.1:{ldap_port}"),
            "ldaps_url": format!("ldaps://127.0.0.1:{ldaps_port}"),
            "ldapi_url": format!("ldapi://{}", path(&self.folder, "ldapi").replace('/', "%2F")),
            "scim_url": format!("http://127.0.0.1:{http_port}/scim/v2"),
            "console_url": format!("http://127.0.0.1:{http_port}/"),
            "scim_token": scim_token,
            "organisation": ORGANISATION,
            "operator": operator,
            "users": users,
            "mail_folder": path(&self.folder, "mail"),
            "dir": self.folder,
            "config": self.config_file(),
            "ca": path(&self.folder, "ca.pem"),
        });
        serde_json::to_string(&line).map_err(|error| error.to_string())
    }

    /// For a shell: what the walk-through and the guide (docs/) type. `as anna ldapwhoami` is `ldapwhoami` signed in as her.
    pub(super) fn environment(&self) -> String {
        let State { ldap_port, ldaps_port, http_port, operator, users, scim_token, .. } = &self.state;
        let who = |(name, person): (&str, &Person)| format!("        {name}) set -- {} \"$@\" ;;", sign_in(person));
        let uid = |person: &Person| person.dn.trim_start_matches("uid=").split(',').next().unwrap_or_default().to_owned();
        let people: Vec<(String, &Person)> = users.iter().map(|person| (uid(person), person)).collect();
        let people = people.iter().map(|(name, person)| (name.as_str(), *person));
        let cases: Vec<String> = std::iter::once(("operator", operator)).chain(people).map(who).collect();
        format!(
            "# Of the demo, for a shell: `. {folder}/environment`, and then `as anna ldapwhoami` or `headcount sessions list`.\n\
             export LDAPURI='ldap://127.0.0.1:{ldap_port}' LDAPBASE='{ORGANISATION}' LDAPTLS_CACERT='{folder}/ca.pem'\n\
             DEMO='{folder}' LDAPS='ldaps://127.0.0.1:{ldaps_port}' \
             SCIM='http://127.0.0.1:{http_port}/scim/v2' TOKEN='{token}'\n\
             headcount() {{ '{program}' --config \"$DEMO/headcount.toml\" \"$@\"; }}\n\
             as() {{\n    who=$1 tool=$2; shift 2\n    case $who in\n{cases}\n        \
             *) echo \"there is no $who in the demo\" >&2; return 2 ;;\n    esac\n    \
             \"$tool\" -x -o ldif-wrap=no \"$@\"\n}}\n",
            folder = self.folder.display(),
            token = scim_token.as_deref().unwrap_or_default(),
            program = program(),
            cases = cases.join("\n"),
        )
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let State { ldap_port, ldaps_port, http_port, operator, users, scim_token, seats, .. } = &self.state;
        let (ldap, http) = (format!("ldap://127.0.0.1:{ldap_port}"), format!("http://127.0.0.1:{http_port}"));
        let (token, operator) = (scim_token.as_deref().unwrap_or_default(), sign_in(operator));
        let (config, ca) = (self.config_file().display().to_string(), path(&self.folder, "ca.pem"));
        let apps: Vec<&Person> = users.iter().filter(|user| user.kind.as_deref() == Some("app")).collect();
        let service = users.iter().find(|user| user.kind.as_deref() == Some("service")).map(sign_in).unwrap_or_default();
        let binds: Vec<String> = apps.iter().take(4).map(|user| format!("  ldapwhoami -x -H {ldap} {}", sign_in(user))).collect();
        let program = program();
        let listed: Vec<String> = users
            .iter()
            .map(|user| {
                let kind = user.kind.as_deref().unwrap_or_default();
                format!("  {:7} {:18} {}  {}", kind, user.role.as_deref().unwrap_or_default(), user.password, user.dn)
            })
            .collect();
        format!(
            "Headcount demo: {ORGANISATION}, {seats} seats, {count} users of type app.\n\
             \n\
             LDAP     {ldap}   (StartTLS; ldaps://127.0.0.1:{ldaps_port})\n\
             SCIM     {http}/scim/v2\n\
             Console  {http}/\n\
             Mail     {mail}\n\
             Folder   {folder}   (a second start with --dir goes on with it)\n\
             Shell    . {folder}/environment   (for the commands of the README and of docs/)\n\
             \n\
             Who can sign in (type, role, password, DN):\n{listed}\n\
             \n\
             Fill the seats; the fourth is refused with code 11 and says why:\n{binds}\n\
             \n\
             Who is in, and ending a session, which frees its seat:\n  \
             {program} --config {config} sessions list\n  \
             {program} --config {config} sessions end ID\n\
             The same over LDAP, as the operator:\n  \
             ldapsearch -x -LLL -H {ldap} {operator} -b 'ou=sessions,{ORGANISATION}' '(objectClass=hcSession)' hcSessionUser\n  \
             ldapdelete -x -H {ldap} {operator} 'hcSessionId=ID,ou=sessions,{ORGANISATION}'\n\
             \n\
             Search as an application; StartTLS:\n  \
             ldapsearch -x -LLL -H {ldap} {service} -b '{ORGANISATION}' '(uid=anna)' cn mail memberOf\n  \
             LDAPTLS_CACERT={ca} ldapwhoami -x -ZZ -H {ldap} {operator}\n\
             \n\
             Provision a user by SCIM; the mail with the link to create a password is put in the mail folder:\n  \
             curl -s -H 'Authorization: Bearer {token}' -H 'Content-Type: application/scim+json' {http}/scim/v2/Users -d \
             '{{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"],\"userName\":\"nina\",\"name\":{{\"givenName\":\"Nina\",\
             \"familyName\":\"Nowak\"}},\"emails\":[{{\"value\":\"nina@demo.example\",\"primary\":true}}]}}'\n  \
             curl -s -H 'Authorization: Bearer {token}' '{http}/scim/v2/Users?filter=userName%20eq%20%22nina%22'\n\
             \n\
             It serves until Ctrl-C.",
            count = apps.len(),
            mail = path(&self.folder, "mail"),
            folder = self.folder.display(),
            listed = listed.join("\n"),
            binds = binds.join("\n"),
        )
    }
}

/// What is running.
fn program() -> String {
    std::env::current_exe().map_or_else(|_| "headcount".to_owned(), |path| path.display().to_string())
}

/// The options of the OpenLDAP tools.
fn sign_in(person: &Person) -> String {
    format!("-D '{}' -w '{}'", person.dn, person.password)
}
