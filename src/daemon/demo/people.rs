//! Who is in the demo, made through the directory as its operator.

use super::{ORGANISATION, Person, SUFFIX, State, password};
use crate::directory::{Caller, Directory, Error, Identity, Origin, Write, WriteOptions};
use crate::domain::lens::ORGANISATION_ADMIN;
use std::sync::Arc;

/// Somebody who can sign in.
pub(super) struct Template {
    uid: &'static str,
    given_name: &'static str,
    family_name: &'static str,
    kind: &'static str,
    role: Option<&'static str>,
}

const fn app(uid: &'static str, given_name: &'static str, family_name: &'static str, role: &'static str) -> Template {
    Template { uid, given_name, family_name, kind: "app", role: Some(role) }
}

/// Six users for the seats, one of them the Organisation Admin, and an application.
pub(super) const PEOPLE: [Template; 7] = [
    app("anna", "Anna", "Albers", "Sales"),
    app("ben", "Ben", "Baker", "Sales"),
    app("chloe", "Chloe", "Chen", "Accountant"),
    app("dev", "Dev", "Desai", "Accountant"),
    app("ema", "Ema", "Edwards", "HR Manager"),
    app("olivia", "Olivia", "Okafor", "Organisation Admin"),
    Template { uid: "intranet", given_name: "", family_name: "Intranet", kind: "service", role: None },
];

/// Role entries: name, and the system role or the permissions it grants.
const ROLES: [(&str, Option<&str>, &[&str]); 5] = [
    ("Organisation Admin", Some(ORGANISATION_ADMIN), &[]),
    ("Organisation Manager", Some("organisation-manager"), &[]),
    ("HR Manager", Some("hr-manager"), &[]),
    ("Sales", None, &["people.search", "groups.search-own", "sales.view", "sales.edit"]),
    ("Accountant", None, &["people.search", "groups.search-own", "sales.view", "ledger.view", "ledger.post"]),
];

/// Staff records; the first is linked to a user.
const STAFF: [(&str, &str, &str); 3] = [("Anna", "Albers", "1001"), ("George", "Grant", "1002"), ("Hana", "Hughes", "1003")];

/// Groups: name, description, administrator, full members.
const GROUPS: [(&str, &str, &str, &[&str]); 3] = [
    ("Everybody", "All who work here", "olivia", &["anna", "ben", "chloe", "dev", "ema"]),
    ("Sales team", "Who sells", "anna", &["ben"]),
    ("Ledger", "Who keeps the books", "chloe", &["dev"]),
];

impl Template {
    pub(super) fn person(&self) -> Person {
        Person { dn: user(self.uid), password: password(), kind: Some(self.kind.to_owned()), role: self.role.map(str::to_owned) }
    }
}

fn user(uid: &str) -> String {
    format!("uid={uid},ou=users,{ORGANISATION}")
}

/// Makes suffix, organisation, licence, roles, people and groups, and a token of the organisation. What is there already
/// is left, so that a demo that was killed while it was being made is completed.
pub(super) async fn make(directory: &Arc<Directory>, state: &mut State) -> Result<(), String> {
    let origin = Origin { listener: "demo".to_owned(), ..Origin::system() };
    let caller = Caller { identity: Arc::new(Identity::operator(&state.operator.dn)), origin: Arc::new(origin) };
    for write in entries(state) {
        let options = WriteOptions { no_mail: true, ..WriteOptions::default() };
        // The attributes of a person hold its password: an error tells the name only.
        let dn = if let Write::Add { dn, .. } = &write { dn.clone() } else { String::new() };
        match directory.write(&caller, write, options).await {
            Ok(_) | Err(Error::AlreadyExists(_)) => {}
            Err(error) => return Err(format!("the demo's organisation: {dn}: {error}")),
        }
    }
    // Whoever tries it out is not to wait.
    let settings = [("rate".to_owned(), serde_json::json!(10_000))].into_iter().collect();
    match directory.add_client(&caller, ORGANISATION, "demo", None, &settings).await {
        Ok(_) | Err(Error::AlreadyExists(_)) => {}
        Err(error) => return Err(error.to_string()),
    }
    let token = directory.mint_token(&caller, ORGANISATION, "demo", None).await.map_err(|error| error.to_string())?;
    // People of the demo are not made by it, and it is there to be tried out on them.
    let reach = [("reach".to_owned(), "organisation".into())].into_iter().collect();
    directory.change_client(&caller, Some(ORGANISATION), "demo", reach).await.map_err(|error| error.to_string())?;
    state.scim_token = Some(String::from_utf8_lossy(token.secret.expose()).into_owned());
    Ok(())
}

fn entries(state: &State) -> Vec<Write> {
    let seats = state.seats.to_string();
    let mut writes = vec![
        add(SUFFIX, &[("objectClass", &["domain"]), ("dc", &["demo"])]),
        add(ORGANISATION, &[("objectClass", &["organization", "hcOrganisation"]), ("o", &["Demo"])]),
        add(
            &format!("cn=Accounting,ou=licences,{ORGANISATION}"),
            &[
                ("objectClass", &["hcLicence"]),
                ("cn", &["Accounting"]),
                ("hcSessionLimit", &[&seats]),
                ("hcPackage", &["Standard"]),
                ("hcLicenceDefault", &["TRUE"]),
            ],
        ),
    ];
    for (name, system, grants) in ROLES {
        let system: Vec<&str> = system.into_iter().collect();
        let attributes: [(&str, &[&str]); 4] =
            [("objectClass", &["hcRoleDefinition"]), ("cn", &[name]), ("hcRoleSystem", &system), ("hcRolePermission", grants)];
        writes.push(add(&role(name), &attributes));
    }
    for (given_name, family_name, number) in STAFF {
        let name = format!("{given_name} {family_name}");
        let attributes: [(&str, &[&str]); 5] = [
            ("objectClass", &["inetOrgPerson", "hcStaffRecord"]),
            ("cn", &[&name]),
            ("givenName", &[given_name]),
            ("sn", &[family_name]),
            ("employeeNumber", &[number]),
        ];
        writes.push(add(&format!("employeeNumber={number},ou=staff,{ORGANISATION}"), &attributes));
    }
    writes.extend(PEOPLE.iter().zip(&state.users).map(|(template, person)| person_entry(template, person)));
    for (name, description, administrator, members) in GROUPS {
        let members: Vec<String> = members.iter().map(|uid| user(uid)).collect();
        let members: Vec<&str> = members.iter().map(String::as_str).collect();
        let administrator = user(administrator);
        let attributes: [(&str, &[&str]); 5] = [
            ("objectClass", &["groupOfNames", "groupOfUniqueNames", "hcGroup"]),
            ("cn", &[name]),
            ("description", &[description]),
            ("hcAdministrator", &[&administrator]),
            ("member", &members),
        ];
        writes.push(add(&format!("cn={name},ou=groups,{ORGANISATION}"), &attributes));
    }
    writes
}

fn person_entry(template: &Template, person: &Person) -> Write {
    let class: &[&str] = match template.kind {
        "service" => &["applicationProcess", "simpleSecurityObject", "uidObject", "hcUser"],
        _ => &["inetOrgPerson", "hcUser"],
    };
    let display_name = format!("{} {}", template.given_name, template.family_name);
    let display_name = display_name.trim();
    let mail = format!("{}@demo.example", template.uid);
    let given: Vec<&str> = Some(template.given_name).filter(|name| !name.is_empty()).into_iter().collect();
    let mail: Vec<&str> = Some(mail.as_str()).filter(|_| template.kind == "app").into_iter().collect();
    let role: Vec<String> = template.role.map(role).into_iter().collect();
    let role: Vec<&str> = role.iter().map(String::as_str).collect();
    let staff = format!("employeeNumber=1001,ou=staff,{ORGANISATION}");
    let staff: Vec<&str> = Some(staff.as_str()).filter(|_| template.uid == "anna").into_iter().collect();
    add(
        &person.dn,
        &[
            ("objectClass", class),
            ("uid", &[template.uid]),
            ("cn", &[display_name]),
            ("sn", &[template.family_name]),
            ("givenName", &given),
            ("mail", &mail),
            ("hcUserType", &[template.kind]),
            ("hcRole", &role),
            ("hcStaff", &staff),
            ("userPassword", &[&person.password]),
        ],
    )
}

fn role(name: &str) -> String {
    format!("cn={name},ou=roles,{ORGANISATION}")
}

/// Adds an entry; attributes without a value are left out.
fn add(dn: &str, attributes: &[(&str, &[&str])]) -> Write {
    let attributes = attributes
        .iter()
        .filter(|(_, values)| !values.is_empty())
        .map(|(name, values)| ((*name).to_owned(), values.iter().map(|value| value.as_bytes().to_vec()).collect()))
        .collect();
    Write::Add { dn: dn.to_owned(), attributes }
}
