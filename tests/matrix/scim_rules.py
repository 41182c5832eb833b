"""What rules.py says, for SCIM: people with a personal token may what they may by LDAP, clients what docs/scim.md says."""

from dataclasses import dataclass, field

from rules import GROUPS, NO, NOTHING, YES, Target, answer, belongs, sees

#: What /ResourceTypes may list: kind of what is served there, and the methods that are answered.
ROUTES = {
    "/Users": ("user", "GET POST PUT PATCH DELETE"), "/Groups": ("group", "GET POST PUT PATCH DELETE"), "/Staff": ("staff", "GET POST PUT PATCH DELETE"),
    "/Notes": ("content", "GET POST PUT PATCH DELETE"), "/Todos": ("content", "GET POST PUT PATCH DELETE"),
    "/Communications": ("content", "GET POST PUT PATCH DELETE"), "/Memberships": ("membership", "GET POST PUT PATCH DELETE"),
    "/Sessions": ("session", "GET DELETE"), "/Roles": ("role", "GET"), "/Licences": ("licence", "GET"), "/Packages": ("package", "GET"),
    "/Licenses": ("licence", "GET"),
}


@dataclass
class Provisioner:
    """A provisioning client."""

    name: str
    of: str
    scopes: set = field(default_factory=set)
    reach: str = "organisation"


#: Whose reading goes with a scope: what it changes, and whom that is about.
READS = {
    "users": {"user", "staff"}, "groups": {"group", "user"}, "roles": {"role", "user"}, "passwords": {"user"}, "sessions": {"session"},
    "content": {"content"}, "read": {"user", "group", "staff", "role", "licence", "package", "membership"}}
#: The scope that opens changing what is of a kind.
SCOPE = {"user": "users", "staff": "users", "group": "groups", "session": "sessions", "content": "content", "role": "roles"}


def scim(subject, target, operation):
    """`read` by id, `search` by a filter, `write` (PATCH of the name it is shown by), `add` and `delete`."""
    if subject.of is None:
        return NO  # 401 whatever it asks for
    if isinstance(subject, Provisioner):
        return provisions(subject, target, operation)
    if operation in ("read", "search"):
        return NOTHING if sees(subject, target) is None else YES
    if operation == "add" and target.kind == "content" and sees(subject, target.about) is None:
        return NOTHING  # there is nobody for it to be about
    if operation == "write":
        return answer(subject, target, "displayName", "write")
    return answer(subject, target, None, operation)


def provisions(client, target, operation):
    scope = SCOPE.get(target.kind)
    if operation in ("read", "search"):
        # A request beyond the scopes is 403, whatever it is about; of content none is found.
        if not any(target.kind in READS[held] for held in client.scopes):
            return NOTHING if target.kind == "content" else NO
        return YES if shows(client, target) else NOTHING
    if scope not in client.scopes:
        # What takes part of a user is asked of those whom it sees.
        partly = target.kind == "user" and operation != "add" and client.scopes & {"roles", "passwords"}
        return NOTHING if partly and not shows(client, target) else NO
    if operation == "add":
        return YES if target.kind != "content" or sees_people(client, target.about) else NOTHING
    if not shows(client, target):
        return NOTHING
    if target.kind in ("session", "content"):
        return YES  # the scopes say so
    if client.reach == "own" or target.administrator or GROUPS.get(target.name, {}).get("locked"):
        return NO  # what others made, administrators (HE2), locked groups (G3)
    return NO if operation == "delete" and target.referred else YES  # T2


def shows(client, target):
    """What it sees of a kind that its scopes open: with `read` all of the organisation, else what it may change."""
    if target.of != client.of:
        return False
    if target.kind == "content":
        # C4, C5: what anyone may read, about people whom it sees.
        return target.visibility == "anyone" and sees_people(client, target.about)
    return "read" in client.scopes or target.kind == "session" or not target.administrator


def sees_people(client, person):
    return any("user" in READS[held] for held in client.scopes) and shows(client, person)


# Attributes -------------------------------------------------------------------------------------------------------------

#: What of LDAP each published attribute shows, by type: it is there for whoever reads any of these. A new one is to be put here.
SHOWN = {
    "User": {
        "userName": "uid", "name": "sn givenName hcFormattedName", "displayName": "displayName", "nickName": "hcNickname", "profileUrl": "hcProfileUrl",
        "title": "title", "userType": "employeeType", "preferredLanguage": "preferredLanguage", "locale": "hcLocale", "timezone": "hcPreferredTimeZone",
        "active": "hcActive", "emails": "hcEmail", "phoneNumbers": "hcPhoneNumber", "ims": "hcInstantMessaging", "photos": "hcPhoto",
        "addresses": "hcPostalAddress", "groups": "memberOf", "entitlements": "hcEntitlement", "roles": "hcRole", "x509Certificates": "hcCertificate",
        "password": "userPassword", "employeeNumber": "employeeNumber", "costCenter": "hcCostCenter", "organization": "o", "division": "hcDivision",
        "department": "departmentNumber", "manager": "manager", "staff": "hcStaff", "increaseSessionLimit": "hcIncreaseSessionLimit",
        "permissions": "hcPermission"},
    "Group": {"displayName": "cn", "members": "member", "memberships": "member", "parent": "hcParentGroup", "adminOnly": "hcAdminOnly"},
    "Staff": {
        "displayName": "displayName", "name": "sn givenName hcFormattedName", "emails": "hcEmail", "phoneNumbers": "hcPhoneNumber",
        "employeeNumber": "employeeNumber", "title": "title", "department": "departmentNumber", "manager": "manager", "startDate": "hcStartDate",
        "endDate": "hcEndDate", "active": "hcActive", "user": "hcStaff", "hasLogin": "objectClass"},
}


def shown(subject, target, name):
    """Whether the attribute is there. What refers to other resources needs those to be there for one, too."""
    if name == "groups":
        return any(belongs(target.name, group) and sees(subject, Target("group", "", name=group)) for group in GROUPS)
    if name == "parent" and sees(subject, Target("group", "", name=GROUPS[target.name]["parent"])) is None:
        return False
    return any(answer(subject, target, ldap, "read") == YES for ldap in SHOWN[target.kind.title()][name].split())
