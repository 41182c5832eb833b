"""One store, two doors: what either of SCIM and LDAP writes of a user, the other reads at once, for every attribute of the schemas."""

import base64
import json
import unittest

import ldap

from demo import Demo
from provider import Provider

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

# SCIM's path and LDAP's attribute, of what is one text in both.
TEXTS = {
    "name.formatted": "hcFormattedName",
    "name.familyName": "sn",
    "name.givenName": "givenName",
    "name.middleName": "hcMiddleName",
    "name.honorificPrefix": "hcHonorificPrefix",
    "name.honorificSuffix": "hcHonorificSuffix",
    "displayName": "displayName",
    "nickName": "hcNickname",
    "profileUrl": "hcProfileUrl",
    "title": "title",
    "userType": "employeeType",
    "preferredLanguage": "preferredLanguage",
    "locale": "hcLocale",
    "timezone": "hcPreferredTimeZone",
    f"{ENTERPRISE}:employeeNumber": "employeeNumber",
    f"{ENTERPRISE}:costCenter": "hcCostCenter",
    f"{ENTERPRISE}:organization": "o",
    f"{ENTERPRISE}:division": "hcDivision",
    f"{ENTERPRISE}:department": "departmentNumber",
}


def der(number):
    return bytes((0x30, 3, 2, 1, number))


def text(octets):
    return base64.b64encode(octets).decode()


def element(value, kind, **more):
    return {"value": value, "type": kind, **more}


# What is many values with parts: values by SCIM, how LDAP shows them, what LDAP writes then, and the values after that.
VALUES = {
    "emails": (
        [element("One@x.example", "home", display="First", primary=True), element("two@x.example", "work", display="Second")],
        {"mail": [b"One@x.example", b"two@x.example"]},
        {"mail": [b"ONE@x.example", b"three@x.example"]},
        [element("ONE@x.example", "home", display="First", primary=True), element("three@x.example", "work")],
    ),
    "phoneNumbers": (
        [element("+64 4 1", "work", display="Desk", primary=True), element("+64 21 2", "mobile"), element("tel:+1;ext=3", "work")],
        {"telephoneNumber": [b"+64 4 1"], "mobile": [b"+64 21 2"]},
        {"mobile": [b"+64 21 9"], "homePhone": [b"+64 3 3"]},
        [element("+64 4 1", "work", display="Desk", primary=True), element("tel:+1;ext=3", "work"), element("+64 21 9", "mobile"), element("+64 3 3", "home")],
    ),
    "ims": (
        [element("me", "xmpp", display="Me", primary=True)],
        {"hcInstantMessaging": [b'{"display":"Me","primary":true,"type":"xmpp","value":"me"}']},
        {"hcInstantMessaging": [b'{"value":"you","type":"aim"}']},
        [element("you", "aim")],
    ),
    "photos": (
        [element("https://p.example/1", "photo", display="Face", primary=True)],
        {"hcPhoto": [b'{"display":"Face","primary":true,"type":"photo","value":"https://p.example/1"}']},
        {"hcPhoto": [b'{"value":"https://p.example/2","type":"thumbnail"}']},
        [element("https://p.example/2", "thumbnail")],
    ),
    "entitlements": (
        [element("news", "letter", display="News", primary=True)],
        {"hcEntitlement": [b'{"display":"News","primary":true,"type":"letter","value":"news"}']},
        {"hcEntitlement": [b'{"value":"news","type":"letter"}', b'{"value":"door","type":"key"}']},
        [element("news", "letter"), element("door", "key")],
    ),
    "x509Certificates": (
        [element(text(der(1)), "card", display="Card", primary=True), {"value": text(der(2))}, {"value": text(b"no certificate")}],
        {"userCertificate;binary": [der(1), der(2)]},
        {"userCertificate;binary": [der(3), der(1)]},
        [element(text(der(1)), "card", display="Card", primary=True), {"value": text(b"no certificate")}, {"value": text(der(3))}],
    ),
    "addresses": (
        [
            {"type": "home", "streetAddress": "2 Lane", "locality": "Village"},
            {"type": "work", "formatted": "1 Road\nTown", "streetAddress": "1 Road", "locality": "Town", "region": "R", "postalCode": "11", "country": "NZ", "primary": True},
        ],
        {"street": [b"1 Road"], "l": [b"Town"], "st": [b"R"], "postalCode": [b"11"]},
        {"l": [b"City"], "st": []},
        [
            {"type": "home", "streetAddress": "2 Lane", "locality": "Village"},
            {"type": "work", "streetAddress": "1 Road", "locality": "City", "postalCode": "11", "country": "NZ", "primary": True},
        ],
    ),
}

# Tests of their own, below.
OTHERS = {"externalId", "roles", "userName", "active", "password", f"{ENTERPRISE}:manager"}


class BothDoors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.demo = Demo()
        cls.addClassCleanup(cls.demo.stop)
        cls.ldap = ldap.initialize(cls.demo.ldap)
        cls.ldap.simple_bind_s(*cls.demo.operator)
        cls.made = 0

    def scim(self, method, path, body=None, expect=200):
        status, _, answer = self.demo.curl(method, path, body)
        self.assertEqual(status, expect, answer)
        return answer

    def user(self, **more):
        """A user by SCIM: its path, and its name in LDAP."""
        type(self).made += 1
        name = f"user{self.made}"
        made = self.scim("POST", "/Users", {"schemas": [USER], "userName": name, **more}, 201)
        (dn, _), = self.entry(made["id"])
        return f"/Users/{made['id']}", dn

    def entry(self, uuid):
        return self.ldap.search_s(self.demo.organisation, ldap.SCOPE_SUBTREE, f"(entryUUID={uuid})", ["*", "+"])

    def held(self, path):
        (_, entry), = self.entry(path.rsplit("/", 1)[1])
        return entry

    def patch(self, path, op, target, value=None):
        operation = {"op": op, "path": target} | ({} if value is None else {"value": value})
        return self.scim("PATCH", path, {"schemas": [PATCH], "Operations": [operation]})

    def write(self, dn, changes):
        self.ldap.modify_s(dn, [(ldap.MOD_REPLACE, name, values or None) for name, values in changes.items()])

    def shown(self, path, name):
        found = self.scim("GET", path)
        if name.startswith("urn:"):
            urn, name = name.rsplit(":", 1)
            found = found.get(urn, {})
        for part in name.split("."):
            found = found.get(part, {})
        return found or None

    def test_every_attribute_of_the_schemas_has_a_case(self):
        known = set(TEXTS) | set(VALUES) | OTHERS
        for urn, prefix in ((USER, ""), (ENTERPRISE, ENTERPRISE + ":")):
            for attribute in self.scim("GET", f"/Schemas/{urn}")["attributes"]:
                name = prefix + attribute["name"]
                if attribute["mutability"] == "readOnly" or name in OTHERS:
                    continue
                if attribute["multiValued"]:
                    self.assertIn(name, VALUES)
                    parts = {part for value in VALUES[name][0] for part in value}
                    self.assertEqual(parts, {sub["name"] for sub in attribute["subAttributes"]}, name)
                elif attribute["type"] == "complex" and name not in OTHERS:
                    self.assertLessEqual({f"{name}.{sub['name']}" for sub in attribute["subAttributes"]}, known)
                else:
                    self.assertIn(name, known)

    def test_text_goes_both_ways(self):
        for name, attribute in TEXTS.items():
            with self.subTest(name):
                path, dn = self.user()
                # Quirk 18: octets are kept as they are.
                for given in ("Ärger  zWEI", "b"):
                    self.patch(path, "add", name, given)
                    self.assertEqual(self.held(path)[attribute], [given.encode()])
                    self.assertEqual(self.shown(path, name), given)
                self.write(dn, {attribute: ["Drei".encode()]})
                self.assertEqual(self.shown(path, name), "Drei")
                self.patch(path, "remove", name)
                self.assertIsNone(self.shown(path, name))
                # LDAP requires a surname, so there is always one.
                self.assertEqual(self.held(path).get(attribute), [b"user%d" % self.made] if attribute == "sn" else None)

    def test_he1_an_external_id_is_the_clients_own(self):
        path, dn = self.user()
        self.write(dn, {"hcExternalId": ["nobody's".encode()]})
        self.assertEqual(self.shown(path, "externalId"), "nobody's")
        self.patch(path, "add", "externalId", "Ärger  zWEI")
        (own,) = (name for name in self.held(path) if name.startswith("hcExternalId;x-client-"))
        self.assertEqual(self.held(path)[own], ["Ärger  zWEI".encode()])
        self.assertEqual(self.shown(path, "externalId"), "Ärger  zWEI")
        self.write(dn, {own: [b"Drei"], "hcExternalId": None})
        self.assertEqual(self.shown(path, "externalId"), "Drei")
        self.write(dn, {"hcExternalId;x-client-another": [b"Vier"]})
        self.assertEqual(self.shown(path, "externalId"), "Drei")
        found = self.scim("GET", "/Users?filter=externalId%20eq%20%22Vier%22")
        self.assertEqual(found["totalResults"], 0)
        self.patch(path, "remove", "externalId")
        self.assertIsNone(self.shown(path, "externalId"))
        self.assertNotIn(own, self.held(path))

    def test_what_ldap_has_more_of_stays(self):
        path, dn = self.user(title="One")
        self.write(dn, {"title": [b"One", b"Two"], "cn": [b"user%d" % self.made, b"Other"], "description": [b"x"]})
        self.patch(path, "replace", "title", "Three")
        self.patch(path, "replace", "displayName", "Shown")
        entry = self.held(path)
        self.assertEqual((entry["title"], entry["cn"], entry["description"]), ([b"Three", b"Two"], [b"Shown", b"Other"], [b"x"]))
        self.assertEqual(self.shown(path, "title"), "Three")
        self.patch(path, "remove", "title")
        self.assertNotIn("title", self.held(path))

    def test_values_with_parts_go_both_ways(self):
        for name, (given, shown, written, after) in VALUES.items():
            with self.subTest(name):
                path, dn = self.user(**{name: given})
                self.assertEqual(self.shown(path, name), given)
                entry = self.held(path)
                self.assertEqual({attribute: entry[attribute] for attribute in shown}, shown)
                self.write(dn, written)
                self.assertEqual(self.shown(path, name), after)
                entry = self.held(path)
                for attribute, values in written.items():
                    self.assertCountEqual(entry.get(attribute, []), values)
                self.patch(path, "remove", name)
                self.assertIsNone(self.shown(path, name))
                entry = self.held(path)
                self.assertEqual([attribute for attribute in {**shown, **written} if attribute in entry], [])

    def test_a_structured_value_is_json_for_ldap_and_nothing_else(self):
        path, dn = self.user()
        for attribute in ("hcEmail", "hcPhoneNumber", "hcCertificate"):
            with self.assertRaises(ldap.LDAPError, msg=attribute):
                self.write(dn, {attribute: [b"text"]})
        with self.assertRaises(ldap.INVALID_SYNTAX):
            self.write(dn, {"userCertificate;binary": [b"text"]})
        self.write(dn, {"hcEmail": [json.dumps(element("e@x.example", "home")).encode()]})
        self.assertEqual((self.shown(path, "emails"), self.held(path)["mail"]), ([element("e@x.example", "home")], [b"e@x.example"]))

    def test_user_name(self):
        path, dn = self.user()
        self.patch(path, "replace", "userName", "Renamed, Ünice")
        entry = self.held(path)
        self.assertEqual(entry["uid"], ["Renamed, Ünice".encode()])
        (dn, _), = self.entry(path.rsplit("/", 1)[1])
        self.ldap.rename_s(dn, "uid=byldap")
        self.assertEqual(self.shown(path, "userName"), "byldap")

    def test_active(self):
        path, dn = self.user(active=False)
        self.assertEqual((self.held(path)["hcActive"], self.scim("GET", path)["active"]), ([b"FALSE"], False))
        self.write(dn, {"hcActive": [b"TRUE"]})
        self.assertIs(self.scim("GET", path)["active"], True)

    def test_password(self):
        """RFC 7644 §5: a password is the same in every normal form, whatever door it came by (RFC 8265)."""
        composed, decomposed = "Grün wächst das Gras 19", "Gru\u0308n wa\u0308chst das Gras 19"
        path, dn = self.user(password=decomposed, emails=[element("p@x.example", "work")])
        self.assertNotIn("password", self.scim("GET", path + "?attributes=userName"))
        ldap.initialize(self.demo.ldap).simple_bind_s(dn, composed)
        ldap.initialize(self.demo.ldap).simple_bind_s(dn, decomposed)
        self.write(dn, {"userPassword": [b"another good one 20"]})
        self.assertNotIn("password", self.scim("GET", path))
        ldap.initialize(self.demo.ldap).simple_bind_s(dn, "another good one 20")

    def test_manager(self):
        boss, boss_dn = self.user(displayName="The Boss")
        other, other_dn = self.user()
        path, dn = self.user(**{ENTERPRISE: {"manager": {"value": boss.rsplit("/", 1)[1], "displayName": "ignored"}}})
        self.assertEqual(self.held(path)["manager"], [boss_dn.encode()])
        self.assertEqual(self.shown(path, f"{ENTERPRISE}:manager")["$ref"], self.demo.scim + boss)
        self.write(dn, {"manager": [other_dn.encode()]})
        self.assertEqual(self.shown(path, f"{ENTERPRISE}:manager.value"), other.rsplit("/", 1)[1])
        self.patch(path, "remove", f"{ENTERPRISE}:manager")
        self.assertNotIn("manager", self.held(path))

    def test_references_are_to_what_the_schema_says(self):
        """RFC 7643 §4.2, §4.3: members are people and groups, a manager is somebody. What LDAP made otherwise stays, and goes."""
        ident = lambda dn: self.ldap.search_s(dn, ldap.SCOPE_BASE, attrlist=["entryUUID"])[0][1]["entryUUID"][0].decode()
        unit = f"ou=users,{self.demo.organisation}"
        group = self.scim("POST", "/Groups", {"displayName": "of people", "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"]}, 201)
        path, dn = self.user()
        for wrong in (ident(unit), ident(self.demo.organisation)):
            for where, target, value in ((f"/Groups/{group['id']}", "members", [{"value": wrong}]), (path, f"{ENTERPRISE}:manager", {"value": wrong})):
                operation = {"op": "add", "path": target, "value": value}
                answer = self.scim("PATCH", where, {"schemas": [PATCH], "Operations": [operation]}, 400)
                self.assertEqual(answer["scimType"], "invalidValue", answer)
            self.scim("POST", "/Memberships", {"group": {"value": group["id"]}, "member": {"value": wrong}, "level": "full"}, 400)
        operation = {"op": "add", "path": f"{ENTERPRISE}:manager", "value": {"value": group["id"]}}
        self.scim("PATCH", path, {"schemas": [PATCH], "Operations": [operation]}, 400)
        team = f"cn=of people,ou=groups,{self.demo.organisation}"
        self.write(team, {"member": [unit.encode()]})
        self.write(dn, {"manager": [unit.encode()]})
        self.patch(f"/Groups/{group['id']}", "add", "members", [{"value": ident(dn)}])
        self.patch(path, "replace", "title", "T")
        self.assertEqual(self.held(path)["manager"], [unit.encode()])
        self.patch(f"/Groups/{group['id']}", "remove", f'members[value eq "{ident(unit)}"]')
        self.assertEqual(self.ldap.search_s(team, ldap.SCOPE_BASE)[0][1]["member"], [dn.encode()])


class Roles(Provider):
    """Roles are links to entries in LDAP and ids in SCIM; giving them is a scope of the client (HE3)."""

    def setUp(self):
        super().setUp()
        self.giver = self.client("rfc", scope="read,users,roles")
        self.ldap = ldap.initialize(self.demo.ldap)
        self.ldap.simple_bind_s(*self.demo.operator)
        self.roles = {}
        for name in ("clerk", "buyer"):
            dn = f"cn={self.name(name)},ou=roles,{self.demo.organisation}"
            self.ldap.add_s(dn, [("objectClass", [b"hcRoleDefinition"])])
            (_, entry), = self.ldap.search_s(dn, ldap.SCOPE_BASE, attrlist=["entryUUID", "cn"])
            self.roles[name] = (dn.encode(), entry["entryUUID"][0].decode(), entry["cn"][0].decode())

    def held(self, ident):
        (dn, entry), = self.ldap.search_s(self.demo.organisation, ldap.SCOPE_SUBTREE, f"(entryUUID={ident})")
        return dn, sorted(entry.get("hcRole", [])), entry.get("hcPrimaryRole", [])

    def given(self, *operations, client=None, path):
        return (client or self.giver).ask("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})

    def test_roles_go_both_ways(self):
        (clerk, clerk_id, clerk_name), (buyer, buyer_id, _) = self.roles["clerk"], self.roles["buyer"]
        made = self.giver.ask("POST", "/Users", {"schemas": [USER], "userName": self.name(), "roles": [{"value": clerk_id, "primary": True}]})
        self.assertEqual((made.status, made["roles"]), (201, [{"value": clerk_id, "display": clerk_name, "type": "current", "primary": True}]), made)
        path = f"/Users/{made.id}"
        dn, roles, primary = self.held(made.id)
        self.assertEqual((roles, primary), ([clerk], [clerk]))
        self.ldap.modify_s(dn, [(ldap.MOD_REPLACE, "hcRole", [clerk, buyer])])
        self.assertEqual({role["value"]: role.get("primary") for role in self.read("Users", made.id)["roles"]}, {clerk_id: True, buyer_id: None})
        answer = self.given({"op": "replace", "path": f'roles[value eq "{buyer_id}"].primary', "value": True}, path=path)
        self.assertEqual((answer.status, self.held(made.id)[1:]), (200, (sorted([clerk, buyer]), [buyer])), answer)
        # A PUT that is silent on them takes none.
        silent = {name: value for name, value in self.read("Users", made.id).items() if name != "roles"}
        self.assertEqual(self.giver.ask("PUT", path, silent).status, 200)
        self.assertEqual(self.held(made.id)[1], sorted([clerk, buyer]))
        self.given({"op": "remove", "path": f'roles[value eq "{buyer_id}"]'}, path=path)
        self.assertEqual(self.held(made.id)[1:], ([clerk], []))
        self.given({"op": "remove", "path": "roles"}, path=path)
        self.assertEqual(self.held(made.id)[1], [])
        nobody = self.given({"op": "add", "path": "roles", "value": [{"value": made.id}]}, path=path)
        self.assertEqual((nobody.status, nobody["scimType"]), (400, "invalidValue"), "a user is no role")

    def test_quirk_15_a_role_by_its_name_and_text_for_a_boolean(self):
        entra = self.client("entra", scope="read,users,roles")
        made = entra.ask("POST", "/Users", {"schemas": [USER], "userName": self.name(), "roles": []})
        for name in ("clerk", "buyer"):
            role, _, called = self.roles[name]
            answer = self.given({"op": "Add", "path": 'roles[primary eq "True"].value', "value": called}, client=entra, path=f"/Users/{made.id}")
            self.assertIn(answer.status, (200, 204), answer)
            self.assertEqual(self.held(made.id)[1:], ([role], [role]))

    def test_he3_for_a_client_without_the_scope_roles_are_read_only(self):
        _, clerk_id, _ = self.roles["clerk"]
        user = self.user(roles=[{"value": clerk_id}])
        self.assertNotIn("roles", user)
        answer = self.patch(f"/Users/{user['id']}", {"op": "add", "path": "roles", "value": [{"value": clerk_id}]})
        self.assertEqual((answer.status, answer["scimType"]), (400, "mutability"))
        mutability = lambda client: {a["name"]: a["mutability"] for a in client.ask("GET", f"/Schemas/{USER}")["attributes"]}["roles"]
        self.assertEqual((mutability(self.provider), mutability(self.giver)), ("readOnly", "readWrite"))

    def test_he3_a_client_gives_no_system_role(self):
        dn = f"cn={self.name('chief')},ou=roles,{self.demo.organisation}"
        self.ldap.add_s(dn, [("objectClass", [b"hcRoleDefinition"]), ("hcRoleSystem", [b"hr-manager"])])
        (_, entry), = self.ldap.search_s(dn, ldap.SCOPE_BASE, attrlist=["entryUUID"])
        made = self.giver.ask("POST", "/Users", {"schemas": [USER], "userName": self.name()})
        refused = self.given({"op": "add", "path": "roles", "value": [{"value": entry["entryUUID"][0].decode()}]}, path=f"/Users/{made.id}")
        self.assertEqual(refused.status, 403, refused)
        self.assertEqual(self.held(made.id)[1], [])


if __name__ == "__main__":
    unittest.main()
