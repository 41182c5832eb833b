"""What becomes of users that a client disables, deletes and makes again, by the command line too (hardening HE2, HE10, quirks 31, 38, 41)."""

import ldap

from test_clients import Keeper

PASSWORD = "violet turtles count slowly"


class Lifecycle(Keeper):
    def provisioner(self, *settings):
        """A client of its own with these settings: its name, and what speaks for it."""
        name = self.name("client")
        self.tool("client", "add", "--organisation", self.demo.organisation, name, *settings)
        return name, self.mint(name)[1]

    def made_by(self, client, name, **more):
        answer = client.ask("POST", "/Users", {"userName": name, "emails": [{"value": f"{name}@example.com", "type": "work"}], **more})
        self.assertEqual(answer.status, 201, answer)
        return answer["id"]

    def binds(self, name):
        try:
            ldap.initialize(self.demo.ldap).simple_bind_s(f"uid={name},ou=users,{self.demo.organisation}", PASSWORD)
        except ldap.INVALID_CREDENTIALS:
            return False
        return True

    def found(self, filter_):
        return self.ldap().search_s(self.demo.organisation, ldap.SCOPE_SUBTREE, filter_, ["1.1"])

    def test_he10_a_deleted_user_is_nowhere_and_is_restored_by_the_command_line(self):
        name, (_, client) = self.name("gone"), self.provisioner()
        ident = self.made_by(client, name, password=PASSWORD)
        group = client.ask("POST", "/Groups", {"displayName": self.name("group"), "members": [{"value": ident}]})["id"]
        self.assertTrue(self.binds(name))
        self.assertEqual(client.ask("DELETE", f"/Users/{ident}").status, 204)
        self.refused(client.ask("GET", f"/Users/{ident}"), 404)
        self.assertFalse(self.binds(name))
        self.assertEqual(self.found(f"(|(uid={name})(entryUUID={ident}))"), [])
        (kept,) = [row for row in self.tool("user", "deleted") if row["id"] == ident]
        self.assertTrue(kept["dn"].startswith(f"uid={name},") and kept["by"].startswith("token:"), kept)
        # Its name is free, and while another has it nobody comes back.
        other = self.made_by(client, name)
        self.assertNotEqual(other, ident)
        self.tool("user", "restore", ident, expect=1)
        self.tool("user", "delete", f"uid={name},ou=users,{self.demo.organisation}")
        self.tool("user", "restore", ident)
        self.assertEqual(client.ask("GET", f"/Users/{ident}")["userName"], name)
        self.assertEqual([member["value"] for member in client.ask("GET", f"/Groups/{group}")["members"]], [ident])
        self.assertTrue(self.binds(name))
        self.tool("user", "restore", ident, expect=1)

    def test_quirk_41_delete_suspend_and_delete_for_good(self):
        for deletion, listed, there in (("keep", 1, 0), ("delete", 0, 0), ("deactivate", 0, 1)):
            with self.subTest(deletion):
                name, (_, client) = self.name(deletion), self.provisioner("--deletion", deletion)
                ident = self.made_by(client, name, password=PASSWORD)
                self.assertEqual(client.ask("DELETE", f"/Users/{ident}").status, 204)
                self.refused(client.ask("GET", f"/Users/{ident}"), 404)
                self.assertFalse(self.binds(name))
                self.assertEqual(len([row for row in self.tool("user", "deleted") if row["id"] == ident]), listed)
                self.assertEqual(len(self.found(f"(uid={name})")), there)
                self.assertEqual(client.ask("POST", "/Users", {"userName": name})["id"] == ident, deletion == "deactivate")

    def test_quirk_31_a_rehire_is_a_conflict_or_comes_back_as_the_client_is_set(self):
        (setting, client), name = self.provisioner(), self.name("rehired")
        ident = self.made_by(client, name, externalId=f"x-{name}")
        client.ask("PATCH", f"/Users/{ident}", {"Operations": [{"op": "replace", "value": {"active": False}}]})
        body = {"userName": name, "externalId": f"x-{name}", "title": "Back"}
        refused = client.ask("POST", "/Users", body)
        self.refused(refused, 409, "uniqueness")
        self.assertIn(ident, refused["detail"])
        self.tool("client", "change", setting, "--restore-on-create", "on")
        back = client.ask("POST", "/Users", body)
        self.assertEqual((back.status, back["id"], back["active"], back["title"]), (201, ident, True, "Back"))

    def test_he2_a_client_is_given_what_it_did_not_make(self):
        (setting, client), (dn, person) = self.provisioner(), self.person()
        change = {"Operations": [{"op": "replace", "value": {"title": "VP"}}]}
        self.refused(client.ask("PATCH", f"/Users/{person['id']}", change), 403)
        self.tool("client", "give", setting, dn)
        self.assertEqual(client.ask("PATCH", f"/Users/{person['id']}", change)["title"], "VP")

    def test_a_paused_client_is_resumed_by_the_command_line(self):
        setting, client = self.provisioner("--deactivation-ceiling", "1", "--window", "1h")
        first, second = (self.made_by(client, self.name()) for _ in range(2))
        self.assertEqual(client.ask("DELETE", f"/Users/{first}").status, 204)
        self.refused(client.ask("DELETE", f"/Users/{second}"), 403)
        self.refused(client.ask("POST", "/Users", {"userName": self.name()}), 403)
        self.assertIsNotNone(self.tool("client", "show", setting)[0]["paused"])
        self.assertEqual(client.ask("GET", f"/Users/{second}").status, 200)
        self.tool("client", "resume", setting)
        self.assertEqual(client.ask("DELETE", f"/Users/{second}").status, 204)

    def test_a_client_on_trial_is_told_so(self):
        setting, client = self.provisioner("--dry-run", "on")
        name = self.name()
        made = client.ask("POST", "/Users", {"userName": name})
        self.assertEqual((made.status, made.headers["headcount-dry-run"]), (201, "true"))
        self.assertEqual([row["dry_run"] for row in self.tool("client", "log", setting)], [True])
        self.assertEqual(self.found(f"(uid={name})"), [])
