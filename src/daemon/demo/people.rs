//! Who is in the demo, made through the directory as its operator.

use super::{ORGANISATION, Person, SUFFIX, State, password};
use crate::directory::{Caller, Directory, Error, Identity, Origin, Write, WriteOptions};
use crate::domain::lens::ORGANISATION_ADMIN;
use crate::model::{Modification, ModificationKind};
use std::sync::Arc;

/// Somebody who can sign in.
pub(super) struct Template {
    uid: &'static str,
    given_name: &'static str,
    family_name: &'static str,
    kind: &'static str,
    role: Option<&'static str>,
    other_role: Option<&'static str>,
}

const fn app(uid: &'static str, given_name: &'static str, family_name: &'static str, role: &'static str) -> Template {
    Template { uid, given_name, family_name, kind: "app", role: Some(role), other_role: None }
}

/// Six users for the seats, one of them the Organisation Admin, and an application. Dev has a role of another package too.
pub(super) const PEOPLE: [Template; 7] = [
    app("anna", "Anna", "Albers", "Sales"),
    app("ben", "Ben", "Baker", "Sales"),
    app("chloe", "Chloe", "Chen", "Accountant"),
    Template { other_role: Some("Payroll"), ..app("dev", "Dev", "Desai", "Accountant") },
    app("ema", "Ema", "Edwards", "HR Manager"),
    app("olivia", "Olivia", "Okafor", "Organisation Admin"),
    Template { uid: "intranet", given_name: "", family_name: "Intranet", kind: "service", role: None, other_role: None },
];

/// Role entries: name, and the system role or the permissions it grants. The licence has a package without the last one.
const ROLES: [(&str, Option<&str>, &[&str]); 6] = [
    ("Organisation Admin", Some(ORGANISATION_ADMIN), &[]),
    ("Organisation Manager", Some("organisation-manager"), &[]),
    ("HR Manager", Some("hr-manager"), &[]),
    ("Sales", None, &["people.search", "groups.search-own", "content.read", "content.write", "sales.view", "sales.edit"]),
    ("Accountant", None, &["people.search", "groups.search-own", "content.read", "sales.view", "ledger.view", "ledger.post"]),
    ("Payroll", None, &["people.search", "people.search-any", "ledger.view", "payroll.run"]),
];

/// Staff records; the first is linked to a user.
const STAFF: [(&str, &str, &str); 3] = [("Anna", "Albers", "1001"), ("George", "Grant", "1002"), ("Hana", "Hughes", "1003")];

/// A group with its members by level.
struct Group {
    name: &'static str,
    description: &'static str,
    parent: Option<&'static str>,
    /// Whether only its own administrators change it.
    admin_only: bool,
    administrator: &'static str,
    members: &'static [&'static str],
    view_only: &'static [&'static str],
    past: &'static [&'static str],
}

const fn group(name: &'static str, description: &'static str, administrator: &'static str, members: &'static [&'static str]) -> Group {
    Group { name, description, parent: None, admin_only: false, administrator, members, view_only: &[], past: &[] }
}

/// Field sales is a part of the sales team, whose levels flow down to it.
const GROUPS: [Group; 5] = [
    group("Everybody", "All who work here", "olivia", &["anna", "ben", "chloe", "dev", "ema"]),
    group("Sales team", "Who sells", "anna", &["ben"]),
    Group { parent: Some("Sales team"), ..group("Field sales", "Who sells on the road", "chloe", &["dev"]) },
    Group { view_only: &["anna"], past: &["ben"], ..group("Ledger", "Who keeps the books", "chloe", &["dev"]) },
    Group { admin_only: true, ..group("Pay round", "Who settles the salaries", "ema", &["chloe"]) },
];

/// Something written about Ben.
struct Item {
    content_type: &'static str,
    name: &'static str,
    author: &'static str,
    visibility: &'static str,
    shown_to: Option<&'static str>,
    body: &'static str,
}

const fn item(content_type: &'static str, name: &'static str, author: &'static str, visibility: &'static str, body: &'static str) -> Item {
    Item { content_type, name, author, visibility, shown_to: None, body }
}

const CONTENT: [Item; 4] = [
    item("note", "Birthday", "anna", "just-me", "Likes chocolate."),
    Item { shown_to: Some("Sales team"), ..item("note", "Numbers", "anna", "group", "Sold twice as much as last year.") },
    item("communication", "Welcome", "olivia", "anyone", "Welcome to the sales team!"),
    item("to-do", "Laptop", "olivia", "anyone", "Order a new one."),
];

impl Template {
    pub(super) fn person(&self) -> Person {
        Person { dn: user(self.uid), password: password(), kind: Some(self.kind.to_owned()), role: self.role.map(str::to_owned) }
    }
}

fn user(uid: &str) -> String {
    format!("uid={uid},ou=users,{ORGANISATION}")
}

/// Makes suffix, organisation, licence, roles, people, groups and content, and a token of the organisation. What is there already
/// is left, so that a demo that was killed while it was being made is completed.
pub(super) async fn make(directory: &Arc<Directory>, state: &mut State) -> Result<(), String> {
    let origin = Origin { listener: "demo".to_owned(), ..Origin::system() };
    let caller = Caller { identity: Arc::new(Identity::operator(&state.operator.dn)), origin: Arc::new(origin) };
    for write in entries(state) {
        let options = WriteOptions { no_mail: true, ..WriteOptions::default() };
        // The attributes of a person hold its password: an error tells the name only.
        let dn = if let Write::Add { dn, .. } | Write::Modify { dn, .. } = &write { dn.clone() } else { String::new() };
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
            &licence(),
            &[
                ("objectClass", &["hcLicence"]),
                ("cn", &["Accounting"]),
                ("hcSessionLimit", &[&seats]),
                ("hcPackage", &["Professional"]),
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
    writes.extend(GROUPS.iter().map(group_entry));
    writes.extend(CONTENT.iter().map(item_entry));
    // The organisation once had the larger package: roles of it that were given stay (R5).
    let package = Modification { kind: ModificationKind::Replace, attribute: "hcPackage".to_owned(), values: vec![b"Standard".to_vec()] };
    writes.push(Write::Modify { dn: licence(), modifications: vec![package] });
    writes
}

fn group_entry(group: &Group) -> Write {
    let users = |uids: &[&str]| uids.iter().map(|uid| user(uid)).collect::<Vec<_>>();
    let (members, view_only, past) = (users(group.members), users(group.view_only), users(group.past));
    let parent: Vec<String> = group.parent.map(group_name).into_iter().collect();
    let admin_only: &[&str] = if group.admin_only { &["TRUE"] } else { &[] };
    let [parent, members, view_only, past] =
        [&parent, &members, &view_only, &past].map(|names| names.iter().map(String::as_str).collect::<Vec<_>>());
    add(
        &group_name(group.name),
        &[
            ("objectClass", &["groupOfNames", "groupOfUniqueNames", "hcGroup"]),
            ("cn", &[group.name]),
            ("description", &[group.description]),
            ("hcParentGroup", &parent),
            ("hcAdminOnly", admin_only),
            ("hcAdministrator", &[&user(group.administrator)]),
            ("member", &members),
            ("hcViewOnlyMember", &view_only),
            ("hcPastMember", &past),
        ],
    )
}

fn item_entry(item: &Item) -> Write {
    let shown_to: Vec<String> = item.shown_to.map(group_name).into_iter().collect();
    let shown_to: Vec<&str> = shown_to.iter().map(String::as_str).collect();
    add(
        &format!("cn={},ou=content,{ORGANISATION}", item.name),
        &[
            ("objectClass", &["hcContent"]),
            ("cn", &[item.name]),
            ("hcContentType", &[item.content_type]),
            ("hcAuthor", &[&user(item.author)]),
            ("hcSubject", &[&user("ben")]),
            ("hcVisibility", &[item.visibility]),
            ("hcVisibleTo", &shown_to),
            ("hcBody", &[item.body]),
        ],
    )
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
    let role: Vec<String> = template.role.into_iter().chain(template.other_role).map(role).collect();
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

fn licence() -> String {
    format!("cn=Accounting,ou=licences,{ORGANISATION}")
}

fn group_name(name: &str) -> String {
    format!("cn={name},ou=groups,{ORGANISATION}")
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
