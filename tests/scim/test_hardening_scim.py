"""What must not happen through SCIM (hardening HE1 to HE10), tried from outside."""

import concurrent.futures
import json
import pathlib
import time
import urllib.parse
import uuid

import ldap
import ldap.dn
import ldap.filter
import ldap.modlist
from provider import BULK, ENTERPRISE, GROUP, NOBODY, PATCH, SEARCH, USER, Client, Provider

PASSWORD = "Correct-Horse-7-Battery"


class Hardened(Provider):
    """A client of its own, and LDAP as the operator to look behind it."""

    def operator(self):
        connection = ldap.initialize(self.demo.ldap)
        connection.set_option(ldap.OPT_TIMEOUT, 30)
        connection.simple_bind_s(*self.demo.operator)
        self.addCleanup(connection.unbind_s)
        return connection

    def stored(self, ident):
        """The entry of an id, with everything, and its DN."""
        (dn, entry), = self.operator().search_s(self.demo.organisation, ldap.SCOPE_SUBTREE, f"(entryUUID={ident})", ["*", "+"])
        return dn, entry

    def ident(self, dn):
        """The id of an entry."""
        (_, entry), = self.operator().search_s(dn, ldap.SCOPE_BASE, "(objectClass=*)", ["entryUUID"])
        return entry["entryUUID"][0].decode()

    def dn(self, user):
        return self.stored(user["id"])[0]

    def signed_in(self, dn, password):
        connection = ldap.initialize(self.demo.ldap)
        connection.simple_bind_s(dn, password)
        self.addCleanup(connection.unbind_s)
        return connection

    @property
    def administrator(self):
        """The demo's Organisation Admin: DN and password."""
        return next((user["dn"], user["password"]) for user in self.demo.facts["users"] if user.get("role") == "Organisation Admin")


class Ids(Hardened):
    """HE1: ids are ours, whatever a client calls its users."""

    def test_he1_an_external_id_is_no_id(self):
        dn, password = self.administrator
        admin = self.ident(dn)
        made = self.user(externalId=admin, id=admin)
        self.assertNotEqual(made["id"], admin)
        self.signed_in(dn, password).whoami_s()
        for external in ("1", "0", str(uuid.uuid4()), self.demo.operator[0], dn, "../Users/x"):
            user = self.user(externalId=external)
            self.assertNotEqual(user["id"], external)
            self.refused(self.get(f"/Users/{urllib.parse.quote(external, safe='')}"), 404)
            self.refused(self.delete(f"/Users/{urllib.parse.quote(external, safe='')}"), 404)

    def test_he1_an_external_id_is_no_name_to_sign_in_with(self):
        external = self.name("ext")
        self.user(externalId=external, password=PASSWORD)
        for name in (external, f"uid={external},ou=users,{self.demo.organisation}"):
            with self.assertRaises((ldap.INVALID_CREDENTIALS, ldap.INVALID_DN_SYNTAX)):
                self.signed_in(name, PASSWORD)

    def test_he1_an_external_id_is_one_users(self):
        """It is unique to a client; what another client calls so is another user."""
        external = str(uuid.uuid4())
        first = self.user(externalId=external)
        again = self.post("/Users", {"schemas": [USER], "userName": self.name(), "externalId": external})
        self.refused(again, 409, "uniqueness")
        other = self.user()
        self.refused(self.patch(f"/Users/{other['id']}", {"op": "add", "path": "externalId", "value": external}), 409, "uniqueness")
        theirs = self.client("okta").ask("POST", "/Users", {"schemas": [USER], "userName": self.name(), "externalId": external})
        self.assertNotEqual(self.made(theirs)["id"], first["id"])

    def test_he1_a_reference_is_by_id_alone(self):
        """A member is not found by externalId, name or DN, so that nobody gets into a group by a name of the client's."""
        user = self.user(externalId=str(uuid.uuid4()))
        group = self.group()
        for value in (user["userName"], self.dn(user)):
            self.patch(f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": [{"value": value}]})
            self.assertEqual([member for member in self.members(group) if member == user["id"]], [])


class Reach(Hardened):
    """HE2: a client keeps to what is its own."""

    def changes(self, path, resource):
        patch = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "title", "value": "taken"}]}
        disable = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "active", "value": False}]}
        password = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "password", "value": PASSWORD}]}
        mail = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "emails", "value": [{"value": "taken@example.com", "primary": True}]}]}
        return (("PATCH", path, patch), ("PATCH", path, disable), ("PATCH", path, password), ("PATCH", path, mail), ("PUT", path, resource | {"title": "taken"}), ("DELETE", path, None))

    def untouched(self, client, path):
        before = client.ask("GET", path)
        self.assertEqual(before.status, 200, before)
        for method, target, body in self.changes(path, before.body):
            self.refused(client.ask(method, target, body), 403)
        self.assertEqual(client.ask("GET", path).body, before.body)

    def test_he2_a_user_it_did_not_make_is_not_its_to_change(self):
        dn, password = self.demo.users[0]
        self.untouched(self.provider, f"/Users/{self.ident(dn)}")
        self.signed_in(dn, password).whoami_s()

    def test_he2_another_clients_user_is_not_its_to_change(self):
        user = self.user()
        self.untouched(self.client("okta"), f"/Users/{user['id']}")

    def test_he2_another_clients_group_is_not_its_to_change(self):
        user, group = self.user(), self.group()
        other = self.client("okta")
        body = {"schemas": [PATCH], "Operations": [{"op": "add", "path": "members", "value": [{"value": user["id"]}]}]}
        self.refused(other.ask("PATCH", f"/Groups/{group['id']}", body), 403)
        self.refused(other.ask("DELETE", f"/Groups/{group['id']}"), 403)
        self.assertEqual(self.members(group), [])

    def test_he2_an_administrator_is_nobodys_to_change(self):
        """Not even where a client reaches all of the organisation."""
        dn, password = self.administrator
        client = self.client("rfc", reach="organisation")
        self.untouched(client, f"/Users/{self.ident(dn)}")
        self.signed_in(dn, password).whoami_s()

    def test_he2_a_client_that_reaches_the_organisation_changes_its_users(self):
        dn, _ = self.demo.users[0]
        client = self.client("rfc", reach="organisation")
        answer = client.ask("PATCH", f"/Users/{self.ident(dn)}", {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "title", "value": "Chief"}]})
        self.assertEqual((answer.status, answer["title"]), (200, "Chief"))

    def test_he2_an_address_that_is_in_use_takes_nobody_over(self):
        """Neither a name nor an address makes an existing user the client's."""
        dn, password = self.demo.users[0]
        (_, entry), = self.operator().search_s(dn, ldap.SCOPE_BASE, "(objectClass=*)", ["uid", "mail"])
        uid, mail = entry["uid"][0].decode(), entry["mail"][0].decode()
        for body in ({"userName": uid}, {"userName": self.name(), "emails": [{"value": mail, "primary": True}]}, {"userName": mail}):
            answer = self.post("/Users", {"schemas": [USER], "password": PASSWORD, **body})
            self.assertIn(answer.status, (201, 409), answer)
            if answer.status == 201:
                self.assertNotEqual(answer["id"], self.ident(dn))
        self.signed_in(dn, password).whoami_s()
        with self.assertRaises(ldap.INVALID_CREDENTIALS):
            self.signed_in(dn, PASSWORD)


class Assignment(Hardened):
    """HE3: nothing is set that was not granted."""

    FORBIDDEN = {
        "hcRole": "x", "userPassword": "{SSHA}x", "objectClass": ["hcAdministrator"], "memberOf": ["x"], "entryUUID": NOBODY, "uidNumber": 0, "isAdmin": True,
        "__proto__": {"admin": True}, "constructor": {"x": 1}, "hcActive": "TRUE", "mail": "x@y.example", "creatorsName": "x", "hcSession": "x",
    }

    def attributes_of(self, ident):
        return {name.lower() for name in self.stored(ident)[1]}

    def test_he3_names_of_the_directory_are_no_attributes(self):
        """What no schema of SCIM knows never reaches the store, by any verb."""
        plain = self.attributes_of(self.user()["id"])
        user = self.user(**self.FORBIDDEN)
        self.put(f"/Users/{user['id']}", user | self.FORBIDDEN)
        for name, value in self.FORBIDDEN.items():
            self.refused(self.patch(f"/Users/{user['id']}", {"op": "add", "path": name, "value": value}), 400, "invalidPath")
        self.assertLessEqual(self.attributes_of(user["id"]), plain | {"modifiersname", "modifytimestamp"})
        self.assertEqual(self.stored(user["id"])[1]["entryUUID"], [user["id"].encode()])

    def test_he3_roles_need_a_grant(self):
        """A client without the scope assigns none."""
        role = self.read("Users", self.ident(self.demo.users[0][0]))["roles"][0]["value"]
        user = self.user()
        for method, body in (
            ("PUT", user | {"roles": [{"value": role}]}),
            ("PATCH", {"schemas": [PATCH], "Operations": [{"op": "add", "path": "roles", "value": [{"value": role}]}]}),
            ("PATCH", {"schemas": [PATCH], "Operations": [{"op": "add", "value": {"roles": [{"value": role}]}}]}),
        ):
            answer = self.ask(method, f"/Users/{user['id']}", body)
            self.assertNotIn(answer.status, range(500, 600), answer)
            self.assertNotIn("roles", self.read("Users", user["id"]), answer)
        made = self.post("/Users", {"schemas": [USER], "userName": self.name(), "roles": [{"value": role}]})
        if made.status == 201:
            self.assertNotIn("roles", self.read("Users", made.id))
            self.assertNotIn("hcrole", self.attributes_of(made.id))

    def test_he3_a_system_role_is_never_a_clients_to_give(self):
        """Not even with the scope of roles: that of licensee roles alone."""
        client = self.client("rfc", scope="read,users,roles")
        role = self.read("Users", self.ident(self.administrator[0]))["roles"][0]["value"]
        made = client.ask("POST", "/Users", {"schemas": [USER], "userName": self.name()})
        answer = client.ask("PATCH", f"/Users/{made.id}", {"schemas": [PATCH], "Operations": [{"op": "add", "path": "roles", "value": [{"value": role}]}]})
        self.assertIn(answer.status, (200, 204, 400, 403), answer)
        self.assertNotIn("hcRole", self.stored(made.id)[1])

    def test_he3_a_scope_is_all_that_a_token_can(self):
        """Reading alone changes nothing; users alone change no groups; without passwords none is set."""
        body = {"schemas": [USER], "userName": self.name()}
        reader = self.client("rfc", scope="read")
        self.assertEqual(reader.ask("GET", "/Users", count=1).status, 200)
        self.refused(reader.ask("POST", "/Users", body), 403)
        self.refused(reader.ask("POST", "/Groups", {"schemas": [GROUP], "displayName": self.name("group")}), 403)
        users = self.client("rfc", scope="read,users")
        made = users.ask("POST", "/Users", body)
        self.made(made)
        self.refused(users.ask("POST", "/Groups", {"schemas": [GROUP], "displayName": self.name("group")}), 403)
        users.ask("PATCH", f"/Users/{made.id}", {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "password", "value": PASSWORD}]})
        self.assertNotIn("userPassword", self.stored(made.id)[1])
        self.refused(users.ask("GET", "/Sessions"), 403)

    def test_he3_an_alias_of_a_read_only_attribute_is_read_only(self):
        user = self.user()
        for path in ("id", "ID", f"{USER}:id", f"{USER.upper()}:ID", "meta.created", "META.Created", "groups", "groups.value", 'groups[value eq "x"]', f"{USER}:groups", f"{ENTERPRISE}:manager.displayName"):
            answer = self.patch(f"/Users/{user['id']}", {"op": "replace", "path": path, "value": "x"})
            self.refused(answer, 400)
        for value in ({"meta.created": "2001-01-01T00:00:00Z"}, {"groups.value": "x"}, {f"{USER}:meta": {"created": "x"}}):
            answer = self.patch(f"/Users/{user['id']}", {"op": "replace", "value": value})
            self.assertIn(answer.status, (200, 204, 400))
            self.assertEqual(self.read("Users", user["id"]), user, value)


class Paths(Hardened):
    """HE4: what a path may be."""

    def test_he4_what_is_no_path_changes_nothing(self):
        user = self.user(emails=[{"value": f"{self.name('m')}@example.com", "type": "work"}])
        for path in (
            "__proto__", "__proto__.x", "constructor.prototype", "emails[0]", "emails[0].value", "emails[*]", "/emails/0", "$.emails", "emails[type eq \"work\"][value pr]", "emails[type eq \"work\"].value.value",
            "emails[", "emails]", "emails[]", "[type eq \"work\"]", "title[value eq \"x\"]", "title.value", " title", "title ", "", ".", ":", "urn:", f"{USER}:", f"{USER}.title", "schemas.value", "name[givenName eq \"x\"]",
            "emails[type eq \"" + "w" * 5000 + "\"].value", "a" * 5000, "emails[" + "(" * 200 + "type pr" + ")" * 200 + "]", "\u0000", "title\u0000", "emails[password eq \"x\"]",
        ):
            answer = self.patch(f"/Users/{user['id']}", {"op": "replace", "path": path, "value": "x"})
            self.refused(answer, 400)
        self.assertEqual(self.read("Users", user["id"]), user)

    def test_he4_one_bad_operation_undoes_all(self):
        user, group = self.user(), self.group()
        for bad in ({"op": "remove"}, {"op": "replace", "path": "id", "value": "x"}, {"op": "add", "path": "nothing", "value": 1}, {"op": "jump", "path": "title"}):
            answer = self.patch(f"/Users/{user['id']}", {"op": "add", "path": "title", "value": "T"}, {"op": "add", "path": "nickName", "value": "N"}, bad)
            self.refused(answer, 400)
            self.assertEqual(self.read("Users", user["id"]), user)
            answer = self.patch(f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": [{"value": user["id"]}]}, bad)
            self.refused(answer, 400)
            self.assertEqual(self.members(group), [])

    def test_he4_many_operations_have_a_bound_or_an_end(self):
        """A thousand operations are done or refused as a whole, in time."""
        user = self.user()
        operations = [{"op": "add", "path": f'emails[type eq "t{at}"].value', "value": f"{at}.{user['userName']}@example.com"} for at in range(1000)]
        answer = self.patch(f"/Users/{user['id']}", *operations)
        held = len(self.read("Users", user["id"]).get("emails", []))
        self.assertEqual(held, 1000 if answer.status < 300 else 0, answer.status)


class Filters(Hardened):
    """HE5: what a filter may be."""

    def test_he5_length_and_depth_have_bounds(self):
        for text in (
            'userName eq "' + "a" * 5000 + '"', "(" * 17 + "title pr" + ")" * 17, "(" * 5000, "not (" * 200 + "title pr" + ")" * 200,
            " and ".join(["title pr"] * 2000), "emails[" * 50, 'title co "' + "\\u0000" * 900 + '"',
        ):
            self.refused(self.post("/Users/.search", {"schemas": [SEARCH], "filter": text}), 400)
        self.assertEqual(self.post("/Users/.search", {"schemas": [SEARCH], "filter": "(" * 10 + "title pr" + ")" * 10}).status, 200)

    def test_he5_secrets_are_nowhere_to_ask_for(self):
        user = self.user(password=PASSWORD)
        for name in ("password", "PASSWORD", f"{USER}:password", "userPassword", "hcScramKey"):
            for query in ({"filter": f'{name} eq "{PASSWORD}"'}, {"filter": f"{name} pr"}, {"filter": f'userName eq "x" or {name} sw "C"'}, {"sortBy": name}):
                self.refused(self.get("/Users", **query), 400)
        answer = self.get(f"/Users/{user['id']}", attributes="password")
        self.assertNotIn("argon", answer.text)
        self.assertNotIn(PASSWORD, answer.text)
        for path in (f'emails[password eq "{PASSWORD}"].value', f'members[password eq "x"]'):
            self.refused(self.patch(f"/Users/{user['id']}", {"op": "replace", "path": path, "value": "x"}), 400)

    def test_he5_octets_of_no_text_are_refused(self):
        for text in ("%FF%FE", "userName%20eq%20%22%C0%80%22", "userName%20eq%20%22%ED%A0%80%22", "%00", "userName%20eq%20%22%00%22", "userName%20eq%20%22%5Cud800%22"):
            answer = self.get(f"/Users?filter={text}")
            self.assertIn(answer.status, (200, 400), answer)
            if answer.status == 200:
                self.assertEqual(answer["totalResults"], 0)


class NoText(Hardened):
    def test_a_path_that_is_no_text_is_answered_in_our_form(self):
        for method, path in (("GET", "/Users/%FF"), ("POST", "/SecurityEvents/%FF")):
            answer = self.ask(method, path, {} if method == "POST" else None)
            self.assertEqual((answer.status, answer.body.get("schemas")), (404, ["urn:ietf:params:scim:api:messages:2.0:Error"]), path)


class Large(Hardened):
    def test_hd1_a_query_keeps_a_few_entries_at_one_time(self):
        """Users of 500 KB each: what a query that reads them all takes on top is not all of them."""
        status = pathlib.Path(f"/proc/{self.demo.process.pid}/status")
        octets = lambda name: int(next(line for line in status.read_text().splitlines() if line.startswith(name)).split()[1]) << 10
        for _ in range(200):
            self.user(title="x" * 500_000)
        before = octets("VmRSS:")
        pathlib.Path(f"/proc/{self.demo.process.pid}/clear_refs").write_text("5")
        self.assertEqual(self.found('title ew "z"'), [])
        self.assertLess(octets("VmHWM:") - before, 60 << 20)


class Bombs(Hardened):
    """HE6: Bulk."""

    def test_he6_each_operation_is_allowed_by_itself(self):
        client = self.client("rfc", scope="read,users")
        name = self.name("group")
        operations = [
            {"method": "POST", "path": "/Users", "bulkId": "u", "data": {"schemas": [USER], "userName": self.name()}},
            {"method": "POST", "path": "/Groups", "bulkId": "g", "data": {"schemas": [GROUP], "displayName": name, "members": [{"value": "bulkId:u"}]}},
            {"method": "DELETE", "path": f"/Users/{self.ident(self.administrator[0])}"},
            {"method": "DELETE", "path": f"/Users/{self.user()['id']}"},
        ]
        answer = client.ask("POST", "/Bulk", {"schemas": [BULK], "Operations": operations})
        self.assertEqual(sorted(result["status"] for result in answer["Operations"]), ["201", "403", "403", "403"], answer)
        self.assertEqual(self.found(f'displayName eq "{name}"', "/Groups"), [])

    def test_he6_paths_lead_to_resources_alone(self):
        for path in ("/Bulk", "/Schemas", "/ServiceProviderConfig", "/../../metrics", "http://elsewhere.example/Users", "//elsewhere.example/Users", "/Users/../Groups", "/Users?x=1", "", "/scim/v2/Users", "/Me"):
            operation = {"method": "POST", "path": path, "bulkId": "x", "data": {"schemas": [USER], "userName": self.name()}}
            answer = self.post("/Bulk", {"schemas": [BULK], "Operations": [operation]})
            status = int(answer["Operations"][0]["status"]) if answer.status == 200 else answer.status
            self.assertIn(status, range(400, 500), answer)

    def test_he6_a_chain_of_references_has_an_end(self):
        """All that is allowed in a request, each one the manager of the next and the last of the first."""
        count = self.get("/ServiceProviderConfig")["bulk"]["maxOperations"]
        stem = self.name("chain")
        operations = [
            {"method": "POST", "path": "/Users", "bulkId": f"b{at}", "data": {"schemas": [USER, ENTERPRISE], "userName": f"{stem}-{at}", ENTERPRISE: {"manager": {"value": f"bulkId:b{(at + 1) % count}"}}}}
            for at in range(count)
        ]
        answer = self.post("/Bulk", {"schemas": [BULK], "Operations": operations})
        self.assertEqual({result["status"] for result in answer["Operations"]}, {"201"})
        found = self.listed(self.get("/Users", filter=f'userName sw "{stem}-"', count=count))
        held = {user["id"]: user[ENTERPRISE]["manager"]["value"] for user in found}
        self.assertEqual(set(held), set(held.values()))

    def test_he6_a_failed_operation_tells_nothing_of_others(self):
        """An id of another client's or of nobody is one answer."""
        answers = [self.post("/Bulk", {"schemas": [BULK], "Operations": [{"method": "DELETE", "path": f"/Users/{ident}"}]}) for ident in (NOBODY, "x", "1")]
        told = [{name: value for name, value in answer["Operations"][0]["response"].items()} for answer in answers]
        self.assertEqual([told[0]] * 3, told)


class Races(Hardened):
    """HE7: many at one time."""

    def test_he7_of_many_conditional_changes_one_wins_each_round(self):
        """Each change rests on the version it read: as many changes as successes, and the others were told 412."""
        user = self.user(title="0")
        path, writers, each = f"/Users/{user['id']}", 8, 25
        token = self.provider.authorization.removeprefix("Bearer ")

        def work(kind):
            client, won, lost = Client(self.demo.scim, token), 0, 0
            for _ in range(each):
                read = client.ask("GET", path)
                following = str(int(read["title"]) + 1)
                body = read.body | {"title": following} if kind == "PUT" else {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "title", "value": following}]}
                status = client.ask(kind, path, body, {"If-Match": read.headers["etag"]}).status
                won += status in (200, 204)
                lost += status == 412
            client.close()
            return won, lost

        with concurrent.futures.ThreadPoolExecutor(writers) as pool:
            results = list(pool.map(work, ["PUT", "PATCH"] * (writers // 2)))
        won = sum(won for won, _ in results)
        self.assertEqual(won + sum(lost for _, lost in results), writers * each, "every answer was one of the two")
        self.assertEqual(self.read("Users", user["id"])["title"], str(won))

    def test_he7_many_members_at_one_time_are_all_there(self):
        group, users = self.group(), [self.user() for _ in range(24)]
        token = self.provider.authorization.removeprefix("Bearer ")

        def work(user):
            client = Client(self.demo.scim, token)
            body = {"schemas": [PATCH], "Operations": [{"op": "add", "path": "members", "value": [{"value": user["id"]}]}]}
            status = client.ask("PATCH", f"/Groups/{group['id']}", body).status
            client.close()
            return status

        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            self.assertLessEqual(set(pool.map(work, users)), {200, 204})
        self.assertEqual(self.members(group), sorted(user["id"] for user in users))

    def test_he7_of_many_with_one_name_one_is_made(self):
        body = {"schemas": [USER], "userName": self.name("race")}
        token = self.provider.authorization.removeprefix("Bearer ")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            statuses = sorted(pool.map(lambda _: Client(self.demo.scim, token).ask("POST", "/Users", body).status, range(8)))
        self.assertEqual(statuses, [201] + [409] * 7)


class Tenants(Hardened):
    """HE8, HC5: another organisation is not there."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        name = cls.demo.organisation.split(",", 1)[1]
        cls.other = f"o=Other{next(cls._numbers)},{name}"
        connection = ldap.initialize(cls.demo.ldap)
        connection.simple_bind_s(*cls.demo.operator)
        connection.add_s(cls.other, [("objectClass", [b"organization", b"hcOrganisation"]), ("o", [cls.other.split(",")[0][2:].encode()])])
        for unit in ("users", "groups"):
            try:
                connection.add_s(f"ou={unit},{cls.other}", [("objectClass", [b"organizationalUnit"]), ("ou", [unit.encode()])])
            except ldap.ALREADY_EXISTS:
                pass
        connection.unbind_s()
        cls.foreign = Client(cls.demo.scim, cls.command("token", "mint", "--organisation", cls.other, "foreign")[0]["token"])

    def theirs(self, **more):
        return self.made(self.foreign.ask("POST", "/Users", {"schemas": [USER], "userName": self.name("foreign")} | more))

    def test_he8_numbers_of_pages_are_bounded(self):
        for query in ({"startIndex": 2**63}, {"startIndex": 2**31}, {"startIndex": -(2**63)}, {"count": 2**63 - 1}, {"count": -(2**63)}, {"startIndex": 2**62, "count": 2**62}):
            answer = self.get("/Users", **query)
            self.assertIn(answer.status, (200, 400), answer)
            if answer.status == 200:
                self.assertLessEqual(len(self.listed(answer)), 1000)
        for number in (2**63, 2**64, 10**30, "1.5", "1e3", "0x10", "+1", " 1", ""):
            for name in ("startIndex", "count"):
                self.assertIn(self.get("/Users", **{name: number}).status, (200, 400))

    def test_he8_totals_are_of_ones_own(self):
        before = self.get("/Users", count=0)["totalResults"], self.get("/", count=0)["totalResults"]
        made = [self.theirs() for _ in range(3)]
        self.made(self.foreign.ask("POST", "/Groups", {"schemas": [GROUP], "displayName": self.name("theirs")}))
        self.assertEqual((self.get("/Users", count=0)["totalResults"], self.get("/", count=0)["totalResults"]), before)
        held = {user["id"] for user in self.listed(self.foreign.ask("GET", "/Users", count=1000))}
        self.assertLessEqual({user["id"] for user in made}, held)
        self.assertFalse(held & {user["id"] for user in self.listed(self.get("/Users", count=1000))})

    def test_he8_what_is_theirs_is_not_there(self):
        """Read, change, filter, member, manager: the answers are those for an id that nobody has."""
        user = self.theirs(externalId=self.name("e"))
        mine = self.user()
        group = self.group()
        patch = {"schemas": [PATCH], "Operations": [{"op": "add", "path": "title", "value": "x"}]}

        def answers(ident):
            member = {"schemas": [PATCH], "Operations": [{"op": "add", "path": "members", "value": [{"value": ident}]}]}
            manager = {"schemas": [PATCH], "Operations": [{"op": "add", "path": f"{ENTERPRISE}:manager", "value": ident}]}
            asked = (
                ("GET", f"/Users/{ident}", None), ("PATCH", f"/Users/{ident}", patch), ("PUT", f"/Users/{ident}", {"schemas": [USER], "userName": mine["userName"] + "x"}), ("DELETE", f"/Users/{ident}", None),
                ("PATCH", f"/Groups/{group['id']}", member), ("PATCH", f"/Users/{mine['id']}", manager),
            )
            told = []
            for method, path, body in asked:
                answer = self.ask(method, path, body)
                told.append((answer.status, {name: value for name, value in (answer.body or {}).items() if name in ("scimType", "status")}, (answer.body or {}).get("detail", "").replace(ident, "ID")))
            self.patch(f"/Groups/{group['id']}", {"op": "remove", "path": "members"})
            self.patch(f"/Users/{mine['id']}", {"op": "remove", "path": f"{ENTERPRISE}:manager"})
            return told

        self.assertEqual(answers(user["id"]), answers(str(uuid.uuid4())))
        for text in (f'id eq "{user["id"]}"', f'userName eq "{user["userName"]}"', f'externalId eq "{user["externalId"]}"'):
            self.assertEqual(self.found(text), [])
        self.assertEqual(self.made(self.post("/Users", {"schemas": [USER], "userName": user["userName"]}))["userName"], user["userName"], "a name in use elsewhere is free here")


class Tokens(Hardened):
    """HE9: tokens."""

    def mint(self, name, *more):
        return self.command("token", "mint", "--organisation", self.demo.organisation, *more, name)[0]

    def test_he9_a_token_is_shown_once_and_is_nowhere(self):
        minted = self.mint(self.name("once"))
        secret = minted["token"].split("_", 2)[2]
        self.assertGreaterEqual(len(secret), 43, "256 bits")
        self.assertEqual(Client(self.demo.scim, minted["token"]).ask("GET", "/Users", count=1).status, 200)
        self.assertNotIn(secret, json.dumps(self.command("token", "list")))
        for file in self.demo.folder.rglob("*"):
            if file.is_file() and not file.is_socket():
                self.assertNotIn(secret.encode(), file.read_bytes(), file)

    def test_he9_a_revoked_token_is_nothing_within_a_second(self):
        minted = self.mint(self.name("revoked"))
        client = Client(self.demo.scim, minted["token"])
        self.assertEqual(client.ask("GET", "/Users", count=1).status, 200)
        self.command("token", "revoke", minted["id"])
        time.sleep(1)
        self.refused(client.ask("GET", "/Users", count=1), 401)

    def test_he9_two_tokens_of_a_client_live_at_once(self):
        name = self.name("two")
        first, second = self.mint(name), self.mint(name)
        user = self.made(Client(self.demo.scim, first["token"]).ask("POST", "/Users", {"schemas": [USER], "userName": self.name()}))
        other = Client(self.demo.scim, second["token"])
        self.assertEqual(other.ask("DELETE", f"/Users/{user['id']}").status, 204, "what one made is the other's too")
        self.command("token", "revoke", first["id"])
        self.assertEqual(other.ask("GET", "/Users", count=1).status, 200)

    def test_he9_a_token_ends(self):
        minted = self.mint(self.name("short"), "--lifetime", "1s")
        client = Client(self.demo.scim, minted["token"])
        client.ask("GET", "/Users", count=1)
        time.sleep(2)
        self.refused(client.ask("GET", "/Users", count=1), 401)

    def test_he9_what_was_used_last_is_told(self):
        minted = self.mint(self.name("used"))
        Client(self.demo.scim, minted["token"]).ask("GET", "/Users", count=1)
        told, = (token for token in self.command("token", "list") if token["id"] == minted["id"])
        self.assertTrue(any("last" in name and value for name, value in told.items()), told)

    def test_he9_a_part_of_a_token_is_no_token(self):
        token = self.mint(self.name("part"))["token"]
        for other in (token[:-1], token + "x", token.upper(), token.split("_")[1], " ".join(token), "_".join(token.split("_")[:2]), "hc_", ""):
            answer = self.ask("GET", "/Users", headers={"Authorization": f"Bearer {other}"})
            self.refused(answer, 401)


class Ends(Hardened):
    """HE10: who is deprovisioned is out."""

    def gone(self, act):
        user = self.user(password=PASSWORD, active=True)
        dn = self.dn(user)
        connection = self.signed_in(dn, PASSWORD)
        self.assertTrue(self.listed(self.get("/Sessions", count=1000)))
        act(user)
        with self.assertRaises((ldap.SERVER_DOWN, ldap.STRONG_AUTH_REQUIRED, ldap.UNAVAILABLE, ldap.INSUFFICIENT_ACCESS)):
            connection.whoami_s()
        with self.assertRaises(ldap.INVALID_CREDENTIALS):
            ldap.initialize(self.demo.ldap).simple_bind_s(dn, PASSWORD)
        sessions = [session for session in self.listed(self.get("/Sessions", count=1000)) if session.get("user", {}).get("value") == user["id"]]
        self.assertEqual(sessions, [], "the seat is free")
        return user

    def test_he10_a_disabled_user_is_out(self):
        self.gone(lambda user: self.done(self.patch(f"/Users/{user['id']}", {"op": "replace", "path": "active", "value": False})))

    def test_he10_a_user_disabled_by_put_is_out(self):
        self.gone(lambda user: self.assertEqual(self.put(f"/Users/{user['id']}", user | {"active": False}).status, 200))

    def test_he10_a_deleted_user_is_out_and_its_id_is_gone(self):
        user = self.gone(lambda user: self.assertEqual(self.delete(f"/Users/{user['id']}").status, 204))
        again = self.user(userName=user["userName"])
        self.assertNotEqual(again["id"], user["id"])
        self.refused(self.get(f"/Users/{user['id']}"), 404)
        with self.assertRaises(ldap.INVALID_CREDENTIALS):
            self.signed_in(self.dn(again), PASSWORD)

    def test_he10_who_is_deleted_is_in_no_group(self):
        user = self.user()
        group = self.group(user)
        self.delete(f"/Users/{user['id']}")
        self.assertEqual(self.members(group), [])
        again = self.user(userName=user["userName"])
        self.assertEqual(self.members(group), [])
        self.assertNotIn("groups", again)
