"""Notes, to-dos and communications by SCIM (C1 to C8), with the personal tokens of people who may write and read them."""

import json

import ldap
from demo import headcount
from provider import Client, Provider

URN = "urn:headcount:scim:schemas:core:1.0:"


class Content(Provider):
    """sam, lea and tom may read and write content; nel may do neither. All but nel see everybody."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.directory = ldap.initialize(cls.demo.ldap)
        cls.directory.simple_bind_s(*cls.demo.operator)
        cls.addClassCleanup(cls.directory.unbind_s)
        cls.stem = cls.__name__.lower()
        permissions = (b"people.search", b"people.search-any", b"content.read", b"content.write", b"groups.search-own")
        cls.role = f"cn={cls.stem},ou=roles,{cls.demo.organisation}"
        cls.directory.add_s(cls.role, [("objectClass", [b"hcRoleDefinition"]), ("hcRolePermission", list(permissions))])
        cls.people = {name: cls.person(name) for name in ("sam", "lea", "tom", "nel")}

    @classmethod
    def person(cls, name):
        """A user, with a personal token."""
        uid = f"{name}-{cls.stem}"
        dn = f"uid={uid},ou=users,{cls.demo.organisation}"
        attributes = [("objectClass", [b"inetOrgPerson", b"hcUser"]), ("cn", [name.encode()]), ("sn", [name.encode()])]
        attributes += [("mail", [f"{uid}@example.com".encode()]), ("userPassword", [b"a long password of somebody"])]
        if name != "nel":
            attributes.append(("hcRole", [cls.role.encode()]))
        cls.directory.add_s(dn, attributes)
        minted = headcount("--config", cls.demo.facts["config"], "--json", "token", "mint", "--user", dn, "content")
        assert minted.returncode == 0, minted.stderr
        client = Client(cls.demo.scim, json.loads(minted.stdout.splitlines()[0])["token"])
        cls.addClassCleanup(client.close)
        client.dn, client.id = dn, cls.directory.search_s(dn, ldap.SCOPE_BASE, attrlist=["entryUUID"])[0][1]["entryUUID"][0].decode()
        return client

    def setUp(self):
        super().setUp()
        self.sam, self.lea, self.tom, self.nel = self.people.values()

    def note(self, writer, about, kind="Note", **more):
        return writer.ask("POST", f"/{kind}s", {"schemas": [URN + kind], "subjects": [{"value": about.id}], "body": "seen"} | more)

    def sees(self, who, item, kind="Notes"):
        """Whether it is there to read, the same by each way of asking."""
        answers = [
            who.ask("GET", f"/{kind}/{item.id}").status,
            who.ask("PATCH", f"/{kind}/{item.id}", {"Operations": [{"op": "replace", "path": "title", "value": "x"}]}).status,
            who.ask("DELETE", f"/{kind}/{item.id}").status,
        ]
        listed = [one["id"] for one in self.listed(who.ask("GET", f"/{kind}", count=1000))]
        if item.id in listed:
            self.assertEqual(answers, [200, 403, 403])
            return True
        self.assertEqual(answers, [404, 404, 404])
        return False

    def test_c2_a_note_is_for_its_author_unless_it_says_otherwise(self):
        answer = self.note(self.sam, self.tom, title="About Tom", externalId="n-1")
        made = self.made(answer)
        self.assertEqual(made["visibility"], {"scope": "justMe"})
        self.assertEqual((made["author"]["value"], made["subjects"][0]["value"]), (self.sam.id, self.tom.id))
        self.assertNotIn("body", made, "returned: request")
        read = self.sam.ask("GET", f"/Notes/{answer.id}", attributes="body")
        self.assertEqual(read["body"], "seen")
        for other in (self.lea, self.tom, self.nel, self.provider):
            if other is not self.provider:
                self.assertFalse(self.sees(other, answer))
            self.assertEqual(self.listed(other.ask("GET", "/Notes", filter='externalId eq "n-1"')), [])

    def test_c4_anyone_shows_to_who_reads_content(self):
        answer = self.note(self.sam, self.tom, visibility={"scope": "anyone"})
        self.made(answer)
        self.assertTrue(self.sees(self.lea, answer))
        self.assertFalse(self.sees(self.nel, answer))
        found = self.listed(self.lea.ask("GET", "/Notes", filter=f'subjects.value eq "{self.tom.id}" and author.value eq "{self.sam.id}"'))
        self.assertIn(answer.id, [one["id"] for one in found])

    def test_c3_a_group_is_named_by_its_uri_or_id(self):
        group = self.group()
        members = [{"op": "add", "path": "members", "value": [{"value": self.lea.id}]}]
        self.done(self.ask("PATCH", f"/Groups/{group['id']}", {"Operations": members}))
        self.directory.modify_s(self.role, [(ldap.MOD_ADD, "hcRolePermission", [b"groups.search-any"])])
        self.addCleanup(self.directory.modify_s, self.role, [(ldap.MOD_DELETE, "hcRolePermission", [b"groups.search-any"])])
        uri = group["meta"]["location"]
        for named in (uri, group["id"]):
            answer = self.note(self.sam, self.tom, visibility={"scope": "group", "group": named})
            self.assertEqual(self.made(answer)["visibility"], {"scope": "group", "group": uri})
            self.assertTrue(self.sees(self.lea, answer))
            self.assertFalse(self.sees(self.tom, answer))
        self.refused(self.note(self.sam, self.tom, visibility={"scope": "group"}), 400, "invalidValue")
        self.refused(self.note(self.sam, self.tom, visibility={"scope": "anyone", "group": uri}), 400, "invalidValue")
        self.refused(self.note(self.sam, self.tom, visibility={"scope": "everybody"}), 400, "invalidValue")

    def test_c6_a_to_do_and_its_completion_note_say_whom_they_show_to(self):
        self.refused(self.note(self.sam, self.tom, "Todo"), 400, "invalidValue")
        answer = self.note(self.sam, self.tom, "Todo", visibility={"scope": "anyone"}, dueDate="2027-01-01T12:00:00+13:00")
        self.assertEqual(self.made(answer)["dueDate"], "2026-12-31T23:00:00.000Z")
        path = f"/Todos/{answer.id}"
        done = {"completed": "2026-12-24T10:00:00Z", "completionNote": "he was out"}
        self.refused(self.sam.ask("PATCH", path, {"Operations": [{"op": "add", "value": done}]}), 400, "invalidValue")
        done["completionVisibility"] = {"scope": "justMe"}
        self.done(self.sam.ask("PATCH", path, {"Operations": [{"op": "add", "value": done}]}))
        self.assertEqual(self.sam.ask("GET", path)["completionNote"], "he was out")
        self.assertNotIn("completionNote", self.lea.ask("GET", path).body)
        self.assertEqual(self.listed(self.lea.ask("GET", "/Todos", filter='completionNote pr')), [])

    def test_c6_one_writes_in_ones_own_name_and_the_author_stays(self):
        self.refused(self.note(self.sam, self.tom, author={"value": self.lea.id}), 403)
        answer = self.note(self.sam, self.tom, author={"value": self.sam.id})
        self.made(answer)
        path = f"/Notes/{answer.id}"
        change = [{"op": "replace", "path": "author", "value": {"value": self.lea.id}}]
        self.refused(self.sam.ask("PATCH", path, {"Operations": change}), 400, "mutability")
        body = {"schemas": [URN + "Note"], "subjects": [{"value": self.tom.id}], "title": "new", "body": "other", "visibility": {"scope": "anyone"}}
        replaced = self.sam.ask("PUT", path, body, attributes="title,body,author")
        self.assertEqual((replaced.status, replaced["title"], replaced["body"]), (200, "new", "other"), replaced)
        self.assertEqual(replaced["author"]["value"], self.sam.id)

    def test_c7_content_is_in_no_query_of_the_base_and_of_no_client(self):
        answer = self.note(self.sam, self.tom, title="a title of its own", visibility={"scope": "anyone"})
        self.made(answer)
        for who in (self.sam, self.provider):
            self.assertEqual(self.found_at(who, "/", f'id eq "{answer.id}"'), [])
        self.assertEqual(self.found_at(self.provider, "/Notes", f'id eq "{answer.id}"'), [])
        self.assertEqual(self.found_at(self.sam, "/Todos", f'id eq "{answer.id}"'), [])
        self.assertEqual(self.sam.ask("GET", f"/Todos/{answer.id}").status, 404)

    def found_at(self, who, path, text):
        return [one["id"] for one in self.listed(who.ask("GET", path, filter=text))]

    def test_c4_a_client_with_the_scope_reads_and_writes_what_anyone_may_read(self):
        command = ("--config", self.demo.facts["config"], "--json")
        organisation = ("--organisation", self.demo.organisation)
        added = headcount(*command, "client", "add", *organisation, "workflow", "--scope", "read", "--scope", "content")
        self.assertEqual(added.returncode, 0, added.stderr)
        minted = headcount(*command, "token", "mint", *organisation, "workflow")
        workflow = Client(self.demo.scim, json.loads(minted.stdout.splitlines()[0])["token"])
        self.addCleanup(workflow.close)
        made = self.note(workflow, self.tom, visibility={"scope": "anyone"})
        self.assertNotIn("author", self.made(made))
        self.assertEqual(self.lea.ask("GET", f"/Notes/{made.id}").status, 200)
        self.done(workflow.ask("PATCH", f"/Notes/{made.id}", {"Operations": [{"op": "add", "path": "title", "value": "x"}]}))
        for scope in ("justMe", "group"):
            refused = self.note(workflow, self.tom, visibility={"scope": scope})
            self.assertIn(refused.status, (400, 403), refused)
        alone = self.note(self.sam, self.tom)
        self.made(alone)
        self.assertEqual(workflow.ask("GET", f"/Notes/{alone.id}").status, 404)
        self.assertEqual(workflow.ask("DELETE", f"/Notes/{made.id}").status, 204)

    def test_c8_what_an_author_left_is_taken_over_by_an_administrator(self):
        leaver = self.person("leaver")
        answer = self.note(leaver, self.tom)
        self.made(answer)
        path = f"/Notes/{answer.id}"
        self.directory.delete_s(leaver.dn)
        self.assertEqual(self.sam.ask("GET", path).status, 404)
        admin = self.person("chief")
        system = f"cn={self.stem} chief,ou=roles,{self.demo.organisation}"
        self.directory.add_s(system, [("objectClass", [b"hcRoleDefinition"]), ("hcRoleSystem", [b"organisation-admin"])])
        self.directory.modify_s(admin.dn, [(ldap.MOD_ADD, "hcRole", [system.encode()])])
        self.assertNotIn("subjects", admin.ask("GET", path).body)
        take = [{"op": "add", "path": "author", "value": {"value": admin.id}}]
        self.done(admin.ask("PATCH", path, {"Operations": take}))
        self.assertEqual(admin.ask("GET", path, attributes="body")["body"], "seen")

    def test_ldap_shows_the_same(self):
        answer = self.note(self.sam, self.tom, "Communication", channel="email", direction="outgoing", title="Re: lunch")
        self.made(answer)
        found = self.directory.search_s(self.demo.organisation, ldap.SCOPE_SUBTREE, f"(entryUUID={answer.id})")[0][1]
        kept = {name: found[name][0].decode() for name in ("hcContentType", "hcVisibility", "hcAuthor", "hcChannel", "hcDirection", "displayName")}
        expected = {"hcContentType": "communication", "hcVisibility": "just-me", "hcAuthor": self.sam.dn}
        self.assertEqual(kept, expected | {"hcChannel": "email", "hcDirection": "outgoing", "displayName": "Re: lunch"})
