"""Roles, packages and licences as resources (scim.md section 5, quirk 37; domain.md O6, R4 to R6). The demo has the built-in catalog
and the package Standard."""

import unittest

import ldap

from provider import NOBODY, PATCH, Provider

OWN = "urn:headcount:scim:schemas:"
ROLE = "urn:ietf:params:scim:schemas:core:2.0:Role"
ROLE_EXTENSION = OWN + "extension:1.0:Role"
KINDS = {"Roles": "Role", "Packages": "Package", "Licences": "Licence", "Licenses": "Entitlement"}


class Licensing(Provider):
    def setUp(self):
        super().setUp()
        self.giver = self.client("rfc", scope="read,users,roles")
        self.ldap = ldap.initialize(self.demo.ldap)
        self.ldap.simple_bind_s(*self.demo.operator)
        self.addCleanup(self.ldap.unbind_s)
        self.licence = f"cn=Accounting,ou=licences,{self.demo.organisation}"

    def named(self, kind, name, client=None, **query):
        """The one resource of that name, as a list shows it."""
        attribute = {"Roles": "display", "Licenses": "displayName"}.get(kind, "name")
        query = {"filter": f'{attribute} eq "{name}"'} | query
        found = self.listed((client or self.provider).ask("GET", f"/{kind}", **query))
        self.assertEqual(len(found), 1, found)
        return found[0]

    def set(self, **changes):
        """Changes the licence, until the end of the test."""
        (_, before), = self.ldap.search_s(self.licence, ldap.SCOPE_BASE, attrlist=list(changes))
        back = {name: before.get(name, []) for name in changes}
        self.addCleanup(self.ldap.modify_s, self.licence, [(ldap.MOD_REPLACE, name, values or None) for name, values in back.items()])
        self.ldap.modify_s(self.licence, [(ldap.MOD_REPLACE, name, value.encode()) for name, value in changes.items()])

    def test_they_are_listed_and_described(self):
        types = {kind["endpoint"]: kind for kind in self.listed(self.get("/ResourceTypes"))}
        for endpoint, name in KINDS.items():
            kind = types["/" + endpoint]
            self.assertEqual((kind["id"], kind["name"]), (name, name))
            for urn in [kind["schema"], *(extension["schema"] for extension in kind["schemaExtensions"])]:
                schema = self.get(f"/Schemas/{urn}")
                self.assertEqual((schema.status, {a["mutability"] for a in schema["attributes"]}), (200, {"readOnly"}), schema)

    def test_each_is_read_by_its_location_and_no_more_is_shown_than_its_schema_has(self):
        types = {kind["endpoint"]: kind for kind in self.listed(self.get("/ResourceTypes"))}
        for endpoint, name in KINDS.items():
            urns = [types["/" + endpoint]["schema"], *(extension["schema"] for extension in types["/" + endpoint]["schemaExtensions"])]
            known = {attribute["name"] for urn in urns for attribute in self.get(f"/Schemas/{urn}")["attributes"]}
            for resource in self.listed(self.get("/" + endpoint)):
                self.assertEqual(resource["meta"]["resourceType"], name)
                single = self.get(resource["meta"]["location"].split("/scim/v2")[1])
                self.assertEqual((single.status, single.body), (200, resource))
                self.assertLessEqual(set(resource) - {"schemas", "id", "meta", *urns}, known)
                self.assertLessEqual(set(resource["schemas"]), set(urns))
            self.refused(self.get(f"/{endpoint}/{NOBODY}"), 404)

    def test_nothing_is_written(self):
        for endpoint in KINDS:
            ident = self.listed(self.get("/" + endpoint))[0]["id"]
            self.refused(self.post("/" + endpoint, {"schemas": []}), 405)
            self.refused(self.put(f"/{endpoint}/{ident}", {}), 405)
            self.refused(self.patch(f"/{endpoint}/{ident}", {"op": "remove", "path": "name"}), 405)
            self.refused(self.delete(f"/{endpoint}/{ident}"), 405)

    def test_filters_sorting_pages_and_projections(self):
        everything = self.listed(self.get("/Roles"))
        self.assertGreater(len(everything), 5)
        pages = [self.listed(self.get("/Roles", startIndex=start, count=2)) for start in range(1, len(everything) + 1, 2)]
        self.assertEqual([role["id"] for page in pages for role in page], [role["id"] for role in everything])
        walked, cursor = [], ""
        while cursor is not None:
            page = self.get("/Roles", count=2, cursor=cursor, sortBy="display")
            walked += [role["display"] for role in self.listed(page)]
            cursor = page.body.get("nextCursor")
        self.assertEqual(walked, sorted((role["display"] for role in everything), key=str.lower))
        current = self.found(f'supported eq true and {ROLE_EXTENSION}:permissions eq "sales.edit"', "/Roles")
        self.assertEqual(current, [self.named("Roles", "Sales")["id"]])
        shown, = self.listed(self.get("/Packages", filter='name sw "prof"', attributes="fee"))
        self.assertEqual((shown["fee"], "name" in shown), ("45.00", False))
        search = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": 'status eq "Enabled"', "attributes": ["name"]}
        self.assertEqual([found["name"] for found in self.listed(self.post("/Licences/.search", search))], ["Accounting"])
        self.refused(self.get("/Licences", filter='seats eq 1'), 400, "invalidFilter")

    def test_r4_roles_say_where_they_come_from_and_which_packages_have_them(self):
        packages = {package["name"]: package for package in self.listed(self.get("/Packages"))}
        self.assertEqual({name: package["current"] for name, package in packages.items()}, {"Standard": True, "Professional": False})
        self.assertEqual([role["display"] for role in packages["Professional"]["roles"]], ["Sales", "Accountant", "Payroll", "Auditor"])
        for name, kind, supported, had_by in (
            ("Organisation Admin", "system", True, []), ("Sales", "package", True, ["Standard", "Professional"]),
            ("Payroll", "package", False, ["Professional"]), ("Auditor", "package", False, ["Professional"]),
        ):
            role = self.named("Roles", name, self.giver)
            extension = role[ROLE_EXTENSION]
            self.assertEqual((role["type"], role["supported"], role["value"]), (kind, supported, role["id"]), role)
            self.assertEqual([package["display"] for package in extension.get("packages", [])], had_by)
            self.assertEqual(extension["assignable"], name == "Sales", role)
            self.assertFalse(self.named("Roles", name)[ROLE_EXTENSION]["assignable"], "this client has not the scope to give roles")
        # Every reference leads to what it is about.
        for reference in [*packages["Professional"]["roles"], *self.named("Roles", "Sales")[ROLE_EXTENSION]["packages"]]:
            found = self.get(reference["$ref"].split("/scim/v2")[1])
            self.assertEqual((found.status, found.id), (200, reference["value"]))

    def test_r4_a_role_of_the_catalog_without_an_entry_gets_its_own_when_there_is_one(self):
        before = self.named("Roles", "Auditor")
        dn = f"cn=Auditor,ou=roles,{self.demo.organisation}"
        self.ldap.add_s(dn, [("objectClass", [b"hcRoleDefinition"]), ("hcRolePermission", [b"ledger.view"])])
        self.addCleanup(self.ldap.delete_s, dn)
        after = self.named("Roles", "Auditor")
        self.assertNotEqual(before["id"], after["id"])
        self.refused(self.get(f"/Roles/{before['id']}"), 404)
        self.set(hcPackage="Professional")
        upgraded = self.named("Roles", "Auditor", self.giver)
        self.assertEqual((upgraded["supported"], upgraded[ROLE_EXTENSION]["assignable"]), (True, True))
        unchanged = self.ask("GET", f"/Roles/{after['id']}", headers={"If-None-Match": after["meta"]["version"]})
        self.assertEqual(unchanged.status, 200, "what is open to the organisation is of the version")

    def test_r6_an_own_role_is_listed_as_one(self):
        dn = f"cn={self.name('own')},ou=roles,{self.demo.organisation}"
        self.ldap.add_s(dn, [("objectClass", [b"hcRoleDefinition"]), ("hcRolePermission", [b"sales.view"]), ("description", [b"D"])])
        self.addCleanup(self.ldap.delete_s, dn)
        role = self.named("Roles", dn.split(",")[0][3:])
        extension = role[ROLE_EXTENSION]
        self.assertEqual((role["type"], role["supported"], extension["permissions"], extension["description"]), ("own", True, ["sales.view"], "D"))

    def test_a_licence_shows_its_terms(self):
        licence = self.named("Licences", "Accounting")
        self.assertEqual((licence["package"]["display"], licence["default"], licence["status"]), ("Standard", True, "Enabled"))
        self.assertIs(type(licence["sessionLimit"]), int)
        self.assertEqual(licence["licensee"], "Demo")
        self.set(hcStartDate="20200101000000Z", hcEndDate="20200201000000Z")
        ended = self.named("Licences", "Accounting")
        self.assertEqual((ended["status"], ended["validTo"]), ("Suspended", "2020-02-01T00:00:00.000Z"))
        self.set(hcEndDate="99991231235959Z")
        self.assertEqual(self.named("Licences", "Accounting")["status"], "Enabled")

    def test_seats_in_use_are_shown_on_request_and_are_of_no_version(self):
        path = "/Licences/" + self.named("Licences", "Accounting")["id"]
        before = self.get(path)
        self.assertNotIn("sessionsInUse", before.body)
        used = lambda: self.get(path, attributes="sessionsInUse")["sessionsInUse"]
        count = used()
        person = ldap.initialize(self.demo.ldap)
        person.simple_bind_s(*self.demo.users[-1])
        self.assertEqual(used(), count + 1)
        self.assertEqual(self.found(f"sessionsInUse gt {count}", "/Licences"), [before.id])
        again = self.ask("GET", path, headers={"If-None-Match": before.headers["etag"]})
        self.assertEqual((again.status, before.headers["etag"]), (304, before["meta"]["version"]))
        self.set(hcSessionLimit="17")
        changed = self.ask("GET", path, headers={"If-None-Match": before.headers["etag"]})
        self.assertEqual((changed.status, changed["sessionLimit"]), (200, 17))

    def test_o6_charges_are_shown_on_request_as_the_command_line_has_them(self):
        licence = self.named("Licences", "Accounting", attributes="charges")
        told = [row for row in self.command("licence", "charges", "--licence", self.licence) if row["charge"] is not None]
        self.assertEqual([(row["from"], row["to"], row["charge"]) for row in told],
                         [tuple(licence["charges"][name] for name in ("from", "to", "total"))])
        self.assertNotIn("charges", self.named("Licences", "Accounting"))

    def test_assignments_are_the_users_that_were_given_the_licence(self):
        used = lambda: self.named("Licences", "Accounting", attributes="totalAssignmentsUsed")["totalAssignmentsUsed"]
        count = used()
        self.ldap.modify_s(self.demo.users[0][0], [(ldap.MOD_ADD, "hcLicence", self.licence.encode())])
        self.addCleanup(self.ldap.modify_s, self.demo.users[0][0], [(ldap.MOD_DELETE, "hcLicence", None)])
        self.assertEqual(used(), count + 1)

    def test_quirk_37_okta_finds_licences_and_roles_by_its_own_schemas(self):
        okta = self.client("okta")
        types = self.listed(okta.ask("GET", "/ResourceTypes"))
        at = {kind["schema"]: kind["endpoint"] for kind in types}
        for kind, endpoint in (("Entitlement", "/Licenses"), ("Role", "/Roles")):
            urn = f"urn:okta:scim:schemas:core:1.0:{kind}"
            self.assertEqual(at[urn], endpoint)
            self.assertEqual(okta.ask("GET", f"/Schemas/{urn}").status, 200)
            listed = self.listed(okta.ask("GET", endpoint))
            self.assertTrue(listed)
            for resource in listed:
                self.assertIn(urn, resource["schemas"])
                self.assertEqual(resource["type"], "License" if kind == "Entitlement" else "Role")
                self.assertTrue(resource["id"] and resource["displayName"])
        ids = {role["displayName"]: role["id"] for role in self.listed(okta.ask("GET", "/Roles"))}
        self.assertEqual(ids["Sales"], self.named("Roles", "Sales")["id"])

    def test_o1_nothing_of_another_organisation(self):
        other = f"o={self.name('Other')},{self.demo.organisation.split(',', 1)[1]}"
        name = other.split(",")[0][2:]
        self.ldap.add_s(other, [("objectClass", [b"organization", b"hcOrganisation"])])
        for unit in ("licences", "roles", "users"):
            self.ldap.add_s(f"ou={unit},{other}", [("objectClass", [b"organizationalUnit"])]) if not self.there(f"ou={unit},{other}") else None
        self.ldap.add_s(f"cn=Theirs,ou=licences,{other}", [
            ("objectClass", [b"hcLicence"]), ("hcSessionLimit", [b"1"]), ("hcPackage", [b"Professional"]), ("hcLicenceDefault", [b"TRUE"])])
        self.ldap.add_s(f"cn=Secret,ou=roles,{other}", [("objectClass", [b"hcRoleDefinition"])])
        self.assertFalse(self.found('name eq "Theirs"', "/Licences") + self.found('display eq "Secret"', "/Roles"))
        self.assertFalse({p["name"]: p["current"] for p in self.listed(self.get("/Packages"))}["Professional"])
        self.command("client", "add", "--organisation", other, name)
        token = self.command("token", "mint", "--organisation", other, name)[0]["token"]
        from provider import Client
        theirs = Client(self.demo.scim, token)
        self.addCleanup(theirs.close)
        self.assertEqual([licence["name"] for licence in self.listed(theirs.ask("GET", "/Licences"))], ["Theirs"])
        roles = {role["display"]: role["supported"] for role in self.listed(theirs.ask("GET", "/Roles"))}
        self.assertEqual(roles, {"Secret": True, "Sales": True, "Accountant": True, "Payroll": True, "Auditor": True})
        self.assertTrue({p["name"]: p["current"] for p in self.listed(theirs.ask("GET", "/Packages"))}["Professional"])

    def there(self, dn):
        try:
            return bool(self.ldap.search_s(dn, ldap.SCOPE_BASE))
        except ldap.NO_SUCH_OBJECT:
            return False

    def test_who_may_see_no_licence_sees_no_package(self):
        user = next(dn for dn, _ in self.demo.users if dn.startswith("uid=anna,"))
        token = self.command("token", "mint", "--user", user, "tried")[0]["token"]
        from provider import Client
        person = Client(self.demo.scim, token)
        self.addCleanup(person.close)
        for kind in ("Packages", "Licences", "Licenses"):
            self.assertEqual(self.listed(person.ask("GET", f"/{kind}")), [], kind)
        roles = [role["display"] for role in self.listed(person.ask("GET", "/Roles"))]
        self.assertNotIn("Organisation Admin", roles)

    def test_he3_the_scope_read_or_roles_is_needed(self):
        for scope, status in (("users", 403), ("roles", 200), ("read", 200)):
            self.assertEqual(self.client("rfc", scope=scope).ask("GET", "/Roles").status, status)
        self.assertEqual(self.client("rfc", scope="roles").ask("GET", "/Licences").status, 403)


if __name__ == "__main__":
    unittest.main()
