"""Roles and packages (domain.md R3 to R6; scim.md section 5): what may be given, what a downgrade leaves, and who is left to
administer, tried through every door. The demo has the built-in catalog: Standard has Sales and Accountant, Professional
Payroll and Auditor too."""

import unittest

import ldap
import ldap.modlist

from demo import headcount
from provider import PATCH, USER, Client, Provider

CONSTRAINT, UNWILLING = ldap.CONSTRAINT_VIOLATION, ldap.UNWILLING_TO_PERFORM


class Packages(Provider):
    def setUp(self):
        super().setUp()
        self.giver = self.client("rfc", scope="read,users,roles")
        self.ldap = ldap.initialize(self.demo.ldap)
        self.ldap.simple_bind_s(*self.demo.operator)
        self.addCleanup(self.ldap.unbind_s)
        self.licence = f"cn=Accounting,ou=licences,{self.demo.organisation}"
        self.addCleanup(self.package, "Standard")
        self.package("Standard")
        self.payroll = self.role("Payroll", "people.search", "people.search-any", "ledger.view", "payroll.run")
        self.sales = self.entry(f"cn=Sales,ou=roles,{self.demo.organisation}")

    def package(self, name):
        self.ldap.modify_s(self.licence, [(ldap.MOD_REPLACE, "hcPackage", name.encode())])

    def entry(self, dn, *attributes):
        """DN and UUID of an entry, or the attributes named."""
        (dn, entry), = self.ldap.search_s(dn, ldap.SCOPE_BASE, attrlist=list(attributes) or ["entryUUID"])
        texts = {name.lower(): sorted(value.decode() for value in values) for name, values in entry.items()}
        return [texts.get(name.lower(), []) for name in attributes] if attributes else (dn, texts["entryuuid"][0])

    def role(self, name, *permissions):
        dn = f"cn={name},ou=roles,{self.demo.organisation}"
        attributes = {"objectClass": [b"hcRoleDefinition"], "hcRolePermission": [permission.encode() for permission in permissions]}
        try:
            self.ldap.add_s(dn, ldap.modlist.addModlist(attributes))
        except ldap.ALREADY_EXISTS:
            pass
        return self.entry(dn)

    def person(self, *roles):
        """Someone with these roles: DN and id."""
        body = {"schemas": [USER], "userName": self.name(), "roles": [{"value": ident} for _, ident in roles]}
        made = self.giver.ask("POST", "/Users", body)
        self.assertEqual(made.status, 201, made)
        return f"uid={body['userName']},ou=users,{self.demo.organisation}", made.id

    def give(self, ident, value, operation="add"):
        operations = [{"op": operation, "path": "roles", "value": [{"value": value}]}]
        return self.giver.ask("PATCH", f"/Users/{ident}", {"schemas": [PATCH], "Operations": operations})

    def types(self, ident):
        return {role["display"]: role["type"] for role in self.giver.ask("GET", f"/Users/{ident}").body.get("roles", [])}

    def says(self, text):
        """That a refusal names the package, the role and who has it."""
        for word in ("Standard", "Professional"):
            self.assertIn(word, text)

    def test_r4_a_role_of_another_package_is_refused_by_scim(self):
        dn, ident = self.person(self.sales)
        for value in (self.payroll[1], "Payroll"):
            refused = self.refused(self.give(ident, value), 400, "invalidValue")
            self.says(refused["detail"])
            self.assertIn("Payroll", refused["detail"])
        put = self.giver.ask("GET", f"/Users/{ident}").body
        put["roles"] = [{"value": self.payroll[1]}]
        self.refused(self.giver.ask("PUT", f"/Users/{ident}", put), 400, "invalidValue")
        body = {"schemas": [USER], "userName": self.name(), "roles": [{"value": self.payroll[1]}]}
        self.refused(self.giver.ask("POST", "/Users", body), 400, "invalidValue")
        self.assertEqual(self.entry(dn, "hcRole"), [[self.sales[0]]])
        self.assertEqual(self.types(ident), {"Sales": "current"})

    def test_r4_a_role_of_the_catalog_that_has_no_entry_yet_names_the_packages(self):
        _, ident = self.person(self.sales)
        auditor, = (role for role in self.listed(self.giver.ask("GET", "/Roles")) if role["value"] == "Auditor" or role.get("display") == "Auditor")
        refused = self.refused(self.give(ident, auditor["id"]), 400, "invalidValue")
        self.assertIn("the package Professional has it", refused["detail"])

    def test_u3_a_seat_is_not_bought_for_a_user_that_may_be_taken_back(self):
        extension = "urn:headcount:scim:schemas:extension:1.0:User"
        self.ldap.modify_s(self.licence, [(ldap.MOD_REPLACE, "hcSelfService", b"TRUE")])
        self.addCleanup(self.ldap.modify_s, self.licence, [(ldap.MOD_REPLACE, "hcSelfService", None)])
        limit = lambda: self.entry(self.licence, "hcSessionLimit")
        before, taken, other = limit(), self.name(), self.name()
        self.person(self.sales)
        made = self.giver.ask("POST", "/Users", {"schemas": [USER], "userName": taken})
        self.assertEqual(made.status, 201)
        token, = self.command("token", "mint", "--user", f"uid=olivia,ou=users,{self.demo.organisation}", "a script")
        olivia = Client(self.demo.scim, token["token"])
        manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
        post = lambda bulk_id, name, boss, **more: {"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": {
            "schemas": [USER, manager, extension], "userName": name, manager: {"manager": {"value": f"bulkId:{boss}"}}, **more}}
        operations = [post("b", taken, "a"), post("a", other, "b", **{extension: {"increaseSessionLimit": True}})]
        answer = olivia.ask("POST", "/Bulk", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations})
        self.assertEqual({one["status"] for one in answer.body["Operations"]} & {"201"}, set(), answer)
        self.assertEqual(limit(), before)

    def test_r4_the_same_by_ldap_and_by_the_command_line(self):
        dn, _ = self.person()
        for kind in (ldap.MOD_ADD, ldap.MOD_REPLACE):
            with self.assertRaises(CONSTRAINT) as refused:
                self.ldap.modify_s(dn, [(kind, "hcRole", self.payroll[0].encode())])
            self.says(refused.exception.args[0]["info"])
        done = headcount("--config", self.demo.facts["config"], "role", "assign", dn, "Payroll")
        self.assertNotEqual(done.returncode, 0)
        self.says(done.stderr)
        other = f"uid={self.name()},ou=users,{self.demo.organisation}"
        made = {"objectClass": [b"inetOrgPerson", b"hcUser"], "cn": [b"o"], "sn": [b"o"], "hcRole": [self.payroll[0].encode()]}
        with self.assertRaises(CONSTRAINT):
            self.ldap.add_s(other, ldap.modlist.addModlist(made))
        self.ldap.modify_s(dn, [(ldap.MOD_ADD, "hcRole", self.sales[0].encode())])

    def test_r5_after_a_downgrade_a_role_stays_and_is_not_effective_and_works_again_after_an_upgrade(self):
        self.package("Professional")
        dn, ident = self.person(self.payroll, self.sales)
        payroll, sales = self.payroll[0], self.sales[0]
        shown = lambda: self.entry(dn, "hcRole", "hcEffectiveRole", "memberOf")
        self.assertEqual(shown(), [sorted([payroll, sales])] * 3)
        has = lambda permission: permission in self.entry(dn, "hcPermission")[0]
        holds = lambda: bool(self.ldap.search_s(dn, ldap.SCOPE_BASE, f"(memberOf={payroll})"))
        members = lambda: dn in self.entry(payroll, "member")[0]
        self.assertEqual((has("payroll.run"), holds(), members()), (True, True, True))
        self.package("Standard")
        self.assertEqual(shown(), [sorted([payroll, sales]), [sales], [sales]])
        self.assertEqual((has("payroll.run"), has("sales.edit"), holds(), members()), (False, True, False, False))
        self.assertFalse(self.ldap.search_s(payroll, ldap.SCOPE_BASE, f"(member={dn})"))
        self.assertEqual(self.types(ident), {"Payroll": "otherPackage", "Sales": "current"})
        found = lambda kind: self.found(f'roles.type eq "{kind}"')
        self.assertIn(ident, found("otherPackage"))
        explained = self.command("access", "explain", dn)
        self.assertIn("Professional", str([row for row in explained if row.get("permission") == "payroll.run"]))
        # What is said again of it, and what else changes of the user, takes nothing away.
        whole = self.giver.ask("GET", f"/Users/{ident}").body
        self.assertEqual(self.giver.ask("PUT", f"/Users/{ident}", whole | {"title": "T"}).status, 200)
        self.ldap.modify_s(dn, [(ldap.MOD_REPLACE, "hcRole", [payroll.encode(), sales.encode()])])
        self.assertEqual(shown()[0], sorted([payroll, sales]))
        self.package("Professional")
        self.assertEqual((has("payroll.run"), holds(), members()), (True, True, True))
        self.assertEqual(self.types(ident), {"Payroll": "current", "Sales": "current"})
        self.assertNotIn(ident, found("otherPackage"))
        # Once it is taken away under the smaller package it does not come back.
        self.package("Standard")
        self.ldap.modify_s(dn, [(ldap.MOD_DELETE, "hcRole", payroll.encode())])
        self.assertEqual(shown()[0], [sales])
        with self.assertRaises(CONSTRAINT):
            self.ldap.modify_s(dn, [(ldap.MOD_ADD, "hcRole", payroll.encode())])

    def test_r5_what_was_left_behind_is_exported_and_imported_and_restored(self):
        self.package("Professional")
        dn, ident = self.person(self.payroll)
        made = self.giver.ask("POST", "/Users", {"schemas": [USER], "userName": self.name(), "roles": [{"value": self.payroll[1]}]})
        self.assertEqual(self.giver.ask("DELETE", f"/Users/{made.id}").status, 204)
        self.package("Standard")
        self.command("user", "restore", made.id)
        self.assertEqual((self.types(ident), self.types(made.id)), ({"Payroll": "otherPackage"},) * 2)
        file = self.demo.folder / "left.ldif"
        file.write_text(f"dn: {dn}2\nobjectClass: inetOrgPerson\nobjectClass: hcUser\ncn: l\nsn: l\nhcRole: {self.payroll[0]}\n"
                        .replace(dn + "2", dn.replace("uid=", "uid=left-")))
        done = headcount("--config", self.demo.facts["config"], "import", file)
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(self.entry(dn.replace("uid=", "uid=left-"), "hcRole", "hcEffectiveRole"), [[self.payroll[0]], []])

    def test_r9_what_a_user_may_do_and_which_role_decides_is_asked_by_scim(self):
        self.package("Professional")
        self.ldap.modify_s(self.payroll[0], [(ldap.MOD_REPLACE, "hcRoleRestriction", b"sales.edit")])
        self.addCleanup(self.ldap.modify_s, self.payroll[0], [(ldap.MOD_REPLACE, "hcRoleRestriction", None)])
        dn, ident = self.person(self.payroll, self.sales)
        extension = f"{USER.replace('ietf:params:scim:schemas:core:2.0', 'headcount:scim:schemas:extension:1.0')}"
        asked = f"/Users/{ident}?attributes={extension}:permissions"
        shown = lambda client: {one.pop("value"): one for one in client.ask("GET", asked).body.get(extension, {}).get("permissions", [])}
        self.assertEqual(shown(self.giver)["payroll.run"], {"effective": True, "grantedBy": ["Payroll"]})
        self.assertEqual(shown(self.giver)["sales.edit"], {"effective": False, "grantedBy": ["Sales"], "restrictedBy": ["Payroll"]})
        effective = lambda: sorted(name for name, one in shown(self.giver).items() if one["effective"])
        self.assertEqual(effective(), self.entry(dn, "hcPermission")[0])
        condition = f'{extension}:permissions[grantedBy eq "Payroll" and value eq "payroll.run"]'
        self.assertIn(ident, self.found(condition))
        self.assertNotIn(ident, self.found(condition.replace("Payroll", "Paying")))
        before = self.giver.ask("GET", f"/Users/{ident}").headers["etag"]
        self.package("Standard")
        self.assertEqual(shown(self.giver)["payroll.run"], {"effective": False, "otherPackages": ["Professional"]})
        # Who looks whether anything has changed is told (R5), and the version is good for a change.
        again = self.giver.ask("GET", f"/Users/{ident}", headers={"If-None-Match": before})
        self.assertEqual(again.status, 200)
        self.assertEqual(self.giver.ask("GET", f"/Users/{ident}", headers={"If-None-Match": again.headers["etag"]}).status, 304)
        operations = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "title", "value": "T"}]}
        self.refused(self.giver.ask("PATCH", f"/Users/{ident}", operations, headers={"If-Match": before}), 412)
        self.assertEqual(self.giver.ask("PATCH", f"/Users/{ident}", operations, headers={"If-Match": again.headers["etag"]}).status, 200)
        self.assertEqual(effective(), self.entry(dn, "hcPermission")[0])
        # It is shown where it is asked for, and is nobody's to write.
        self.assertNotIn("permissions", self.giver.ask("GET", f"/Users/{ident}").body.get(extension, {}))
        operations = [{"op": "add", "path": f"{extension}:permissions", "value": [{"value": "payroll.run"}]}]
        self.refused(self.giver.ask("PATCH", f"/Users/{ident}", {"schemas": [PATCH], "Operations": operations}), 400, "mutability")
        # A user asks about itself, and is told nothing about others.
        self.ldap.modify_s(dn, [(ldap.MOD_REPLACE, "userPassword", b"violet turtles count slowly"), (ldap.MOD_REPLACE, "mail", b"me@demo.example")])
        token, = self.command("token", "mint", "--user", dn, "a script")
        own = Client(self.demo.scim, token["token"])
        self.assertEqual(shown(own), shown(self.giver))
        _, other = self.person(self.sales)
        asked = f"/Users/{other}?attributes={extension}:permissions"
        self.assertEqual(shown(own), {})
        self.assertTrue(shown(self.giver))

    def test_r6_an_own_role_is_made_of_what_the_package_includes(self):
        name = self.name("own")
        with self.assertRaises(CONSTRAINT) as refused:
            self.role(name, "sales.view", "payroll.run")
        self.says(refused.exception.args[0]["info"])
        dn, _ = own = self.role(name, "sales.view", "groups.search-any")
        with self.assertRaises(CONSTRAINT):
            self.ldap.modify_s(dn, [(ldap.MOD_ADD, "hcRolePermission", b"payroll.run")])
        with self.assertRaises(CONSTRAINT) as refused:
            self.ldap.modify_s(dn, [(ldap.MOD_ADD, "hcRolePermission", b"rockets.fly")])
        self.assertIn("no package has it", refused.exception.args[0]["info"])
        done = headcount("--config", self.demo.facts["config"], "role", "add", "--organisation", self.demo.organisation,
                         "--grant", "payroll.run", self.name("own"))
        self.assertNotEqual(done.returncode, 0)
        # After an upgrade it may have more, and after a downgrade all of it rests.
        self.package("Professional")
        self.ldap.modify_s(dn, [(ldap.MOD_ADD, "hcRolePermission", b"payroll.run")])
        person, ident = self.person(own)
        self.assertIn("payroll.run", self.entry(person, "hcPermission")[0])
        self.package("Standard")
        self.assertEqual(self.entry(person, "hcPermission"), [[]])
        self.assertEqual(self.types(ident), {name: "otherPackage"})
        self.ldap.modify_s(dn, [(ldap.MOD_DELETE, "hcRolePermission", b"payroll.run")])
        self.assertIn("sales.view", self.entry(person, "hcPermission")[0])

    def test_r6_a_role_for_another_licence_is_governed_by_that_one(self):
        other = f"cn={self.name('licence')},ou=licences,{self.demo.organisation}"
        self.ldap.add_s(other, [("objectClass", [b"hcLicence"]), ("hcSessionLimit", [b"1"]), ("hcPackage", [b"Professional"])])
        self.addCleanup(self.ldap.delete_s, other)
        name = self.name("tills")
        dn = f"cn={name},ou=roles,{self.demo.organisation}"
        self.ldap.add_s(dn, [("objectClass", [b"hcRoleDefinition"]), ("hcLicence", [other.encode()]), ("hcRolePermission", [b"payroll.run"])])
        self.addCleanup(self.ldap.delete_s, dn)
        person, ident = self.person(self.entry(dn))
        self.assertEqual((self.types(ident), self.entry(person, "hcPermission")), ({name: "current"}, [["payroll.run"]]))


class LastAdministrator(Provider):
    """R6: the administrator role stays, and so does the last one who holds it."""

    def setUp(self):
        super().setUp()
        self.ldap = ldap.initialize(self.demo.ldap)
        self.ldap.simple_bind_s(*self.demo.operator)
        self.addCleanup(self.ldap.unbind_s)
        self.role = f"cn=Organisation Admin,ou=roles,{self.demo.organisation}"
        holders = self.ldap.search_s(self.demo.organisation, ldap.SCOPE_SUBTREE, f"(hcRole={self.role})", ["entryUUID"])
        self.assertEqual(len(holders), 1, "the demo has one administrator")
        (self.dn, entry), = holders
        self.ident = entry["entryUUID"][0].decode()

    def still_there(self):
        held = self.ldap.search_s(self.dn, ldap.SCOPE_BASE, "(&(hcAccountState=active)(hcPermission=staff.maintain))")
        self.assertTrue(held, "the administrator is as before")

    def test_r6_by_ldap(self):
        organisation = self.demo.organisation
        attempts = {
            "delete the role": lambda: self.ldap.delete_s(self.role),
            "lose the role": lambda: self.ldap.modify_s(self.dn, [(ldap.MOD_DELETE, "hcRole", self.role.encode())]),
            "lose all roles": lambda: self.ldap.modify_s(self.dn, [(ldap.MOD_DELETE, "hcRole", None)]),
            "get another role": lambda: self.ldap.modify_s(
                self.dn, [(ldap.MOD_REPLACE, "hcRole", f"cn=Sales,ou=roles,{organisation}".encode())]),
            "be disabled": lambda: self.ldap.modify_s(self.dn, [(ldap.MOD_REPLACE, "hcActive", b"FALSE")]),
            "lose the password": lambda: self.ldap.modify_s(self.dn, [(ldap.MOD_DELETE, "userPassword", None)]),
            "be deleted": lambda: self.ldap.delete_s(self.dn),
            "be a service": lambda: self.ldap.modify_s(self.dn, [(ldap.MOD_REPLACE, "hcUserType", b"service")]),
            "leave the organisation": lambda: self.ldap.rename_s(self.dn, self.dn.split(",")[0], organisation.split(",", 1)[1]),
        }
        for what, attempt in attempts.items():
            with self.subTest(what):
                self.assertRaises(UNWILLING, attempt)
                self.still_there()
        renamed = self.ldap.rename_s(self.role, "cn=Boss")
        self.ldap.rename_s(f"cn=Boss,ou=roles,{organisation}", "cn=Organisation Admin")
        self.assertTrue(renamed, "the name of the role is the organisation's")
        self.still_there()

    def test_r6_by_the_command_line(self):
        for command in (["role", "unassign", self.dn, "Organisation Admin"], ["user", "disable", self.dn], ["user", "delete", self.dn]):
            with self.subTest(command):
                done = headcount("--config", self.demo.facts["config"], *command)
                self.assertEqual((done.returncode != 0, "R6" in done.stderr), (True, True), done)
                self.still_there()

    def test_r6_by_scim(self):
        client = self.client("rfc", scope="read,users,roles", reach="organisation", deletion="delete")
        path = f"/Users/{self.ident}"
        whole = client.ask("GET", path).body
        (_, sales), = self.ldap.search_s(f"cn=Sales,ou=roles,{self.demo.organisation}", ldap.SCOPE_BASE, attrlist=["entryUUID"])
        other = [{"value": sales["entryUUID"][0].decode()}]
        operations = lambda *held: {"schemas": [PATCH], "Operations": list(held)}
        bulk = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [{"method": "DELETE", "path": path}]}
        attempts = {
            "DELETE": lambda: client.ask("DELETE", path).status,
            "PATCH of active": lambda: client.ask("PATCH", path, operations({"op": "replace", "path": "active", "value": False})).status,
            "PATCH of roles": lambda: client.ask("PATCH", path, operations({"op": "remove", "path": "roles"})).status,
            "PUT of active": lambda: client.ask("PUT", path, whole | {"active": False}).status,
            "PUT of roles": lambda: client.ask("PUT", path, whole | {"roles": other}).status,
            "Bulk": lambda: int(client.ask("POST", "/Bulk", bulk)["Operations"][0]["status"]),
        }
        for what, attempt in attempts.items():
            with self.subTest(what):
                self.assertIn(attempt(), (400, 403))
                self.still_there()


if __name__ == "__main__":
    unittest.main()
