"""What identity providers send although the RFCs have it otherwise, or only just allow it: one test for each row of the table
of quirks. Each runs under the profile of its row, else under `rfc`."""

import datetime
import http.client
import json
import random
import socket
import ssl
import uuid

import ldap
import ldap.dn
from demo import Demo
from provider import ENTERPRISE, GROUP, LIST, MEDIA_TYPE, NOBODY, PATCH, USER, Client, Provider

MICROSOFT_GROUP = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"


class Entra(Provider):
    """Rows 1 to 21 and 25: Microsoft Entra ID."""

    PROFILE = "entra"

    def test_quirk_01_entra_asks_for_a_random_user_and_group(self):
        for path, name in (("/Users", "userName"), ("/Groups", "displayName")):
            answer = self.get(path, filter=f'{name} eq "{uuid.uuid4()}"')
            self.assertEqual((self.listed(answer), answer["totalResults"], answer["Resources"]), ([], 0, []))

    def test_quirk_02_entra_disables_with_a_string_and_the_sessions_end(self):
        password = "Correct-Horse-7-Battery"
        user = self.user(password=password, active=True)
        name = ldap.dn.dn2str([[("uid", user["userName"], 1)], *ldap.dn.str2dn(f"ou=users,{self.demo.organisation}")])
        connection = ldap.initialize(self.demo.ldap)
        connection.simple_bind_s(name, password)
        self.done(self.patch(f"/Users/{user['id']}", {"op": "Replace", "path": "active", "value": "False"}))
        self.assertIs(self.read("Users", user["id"])["active"], False)
        with self.assertRaises((ldap.SERVER_DOWN, ldap.STRONG_AUTH_REQUIRED)):
            connection.whoami_s()
        with self.assertRaises(ldap.INVALID_CREDENTIALS):
            ldap.initialize(self.demo.ldap).simple_bind_s(name, password)

    def test_quirk_03_entra_creates_with_active_as_a_string(self):
        self.assertIs(self.user(active="True")["active"], True)
        self.assertIs(self.user(active="False")["active"], False)

    def test_quirk_04_entra_flag_sends_paths_as_keys(self):
        user = self.user(name={"givenName": "A", "familyName": "F"})
        value = {"displayName": "B", "name.givenName": "K", f"{ENTERPRISE}:employeeNumber": "A-1"}
        self.done(self.patch(f"/Users/{user['id']}", {"op": "replace", "value": value}))
        after = self.read("Users", user["id"])
        self.assertEqual(after["displayName"], "B")
        self.assertEqual(after["name"], {"givenName": "K", "familyName": "F"})
        self.assertEqual(after[ENTERPRISE]["employeeNumber"], "A-1")
        self.assertIn(ENTERPRISE, after["schemas"])

    def test_quirk_05_entra_sets_the_value_of_an_element_that_is_not_there(self):
        for action in ("Add", "Replace"):
            user = self.user(emails=[{"value": f"{self.name('h')}@example.com", "type": "home"}])
            work = f"{self.name('w')}@example.com"
            self.done(self.patch(f"/Users/{user['id']}", {"op": action, "path": 'emails[type eq "work"].value', "value": work}))
            after = self.read("Users", user["id"])
            self.assertEqual(self.value(after, "work"), work, action)
            self.assertEqual(len(after["emails"]), 2, "the other one stays")

    def test_quirk_06_entra_builds_one_address_of_several_operations(self):
        user = self.user()
        path = 'addresses[type eq "work"].'
        sent = {"streetAddress": "1 High Street", "locality": "Auckland", "postalCode": "1010", "country": "NZ"}
        self.done(self.patch(f"/Users/{user['id']}", *({"op": "Add", "path": path + name, "value": value} for name, value in sent.items())))
        self.assertEqual(self.read("Users", user["id"])["addresses"], [{"type": "work", **sent}])

    def test_quirk_07_entra_gives_the_manager_as_a_string(self):
        chief, other = self.user(), self.user()
        user = self.user(enterprise={"manager": chief["id"]})
        self.assertEqual(user[ENTERPRISE]["manager"]["value"], chief["id"])
        path, manager = f"/Users/{user['id']}", f"{ENTERPRISE}:manager"
        self.done(self.patch(path, {"op": "Add", "path": manager, "value": other["id"]}))
        self.assertEqual(self.read("Users", user["id"])[ENTERPRISE]["manager"]["value"], other["id"])
        self.done(self.patch(path, {"op": "Replace", "path": manager, "value": ""}))
        self.assertNotIn("manager", self.read("Users", user["id"]).get(ENTERPRISE, {}))

    def test_quirk_08_entra_removes_one_member_by_value(self):
        one, two = self.user(), self.user()
        group = self.group(one, two)
        gone = {"op": "Remove", "path": "members", "value": [{"$ref": None, "value": one["id"]}]}
        self.done(self.patch(f"/Groups/{group['id']}", gone))
        self.assertEqual(self.members(group), [two["id"]])

    def test_quirk_09_entra_flag_removes_a_member_by_filter(self):
        one, two = self.user(), self.user()
        group = self.group(one, two)
        self.done(self.patch(f"/Groups/{group['id']}", {"op": "remove", "path": f'members[value eq "{one["id"]}"]'}))
        self.assertEqual(self.members(group), [two["id"]])

    def test_quirk_10_entra_adds_a_member_with_a_null_reference(self):
        user, group = self.user(), self.group()
        answer = self.patch(f"/Groups/{group['id']}", {"op": "Add", "path": "members", "value": [{"$ref": None, "value": user["id"]}]})
        self.assertEqual((answer.status, answer.text), (204, ""), answer)
        self.assertEqual(self.members(group), [user["id"]])

    def test_quirk_11_entra_reads_groups_without_their_members(self):
        group = self.group(self.user())
        self.assertNotIn("members", self.read("Groups", group["id"], excludedAttributes="members"))
        answer = self.get("/Groups", excludedAttributes="members", filter=f'displayName eq "{group["displayName"]}"')
        found, = self.listed(answer)
        self.assertEqual((found["id"], "members" in found), (group["id"], False))

    def test_quirk_12_entra_asks_whether_a_user_is_a_member(self):
        one, two = self.user(), self.user()
        group = self.group(one)
        for user, expected in ((one, [group["id"]]), (two, [])):
            self.assertEqual(self.found(f'id eq "{group["id"]}" and members eq "{user["id"]}"', "/Groups"), expected)
            asked = self.found(f'id eq "{group["id"]}" and members eq "{user["id"]}"', "/Groups", attributes="id")
            self.assertEqual(asked, expected)

    def test_quirk_13_entra_names_a_schema_of_its_own_for_groups(self):
        group = self.group(schemas=[GROUP, MICROSOFT_GROUP], externalId=str(uuid.uuid4()), meta={"resourceType": "Group"})
        self.assertNotIn(MICROSOFT_GROUP, group["schemas"])

    def test_quirk_14_entra_sends_empty_roles_and_meta(self):
        user = self.user(schemas=[USER, ENTERPRISE], roles=[], meta={"resourceType": "User"})
        self.assertEqual((user["meta"]["resourceType"], user.get("roles", [])), ("User", []))
        self.assertEqual(user["schemas"], [USER], "an extension without attributes is not named")

    def test_quirk_16_entra_leaves_out_the_quotation_marks(self):
        external = f"jyoung{random.randrange(10**9)}"
        user = self.user(userName=f"Oquirk{random.randrange(10**9)}", externalId=external)
        self.assertEqual(self.found(f"externalId eq {external}"), [user["id"]])
        self.assertEqual(self.found(f"userName sw {user['userName'][:12]}"), [user["id"]])

    def test_quirk_17_entra_matches_by_the_work_address(self):
        mail = f"{self.name('u')}@contoso.example"
        user = self.user(emails=[{"value": mail, "type": "work", "primary": True}])
        other = self.user(emails=[{"value": f"x{mail}", "type": "work"}])
        self.assertEqual(self.found(f'emails[type eq "work"].value eq "{mail}"'), [user["id"]])
        self.assertEqual(self.found(f'emails[type eq "home"].value eq "{mail}"'), [])
        self.assertNotEqual(user["id"], other["id"])

    def test_quirk_18_entra_finds_values_as_it_sent_them(self):
        mail, phone = f"MiXed.{self.name('U')}@Example.COM", "+64 (9) 555-0100 x12"
        sent = {"userName": self.name("MiXeD.CaSe"), "emails": [{"value": mail, "type": "work"}], "phoneNumbers": [{"value": phone, "type": "work"}]}
        user = self.user(**sent, displayName="  Two  Blanks ", title="\u00c5ngstr\u00f6m \u00fcber")
        after = self.read("Users", user["id"])
        self.assertEqual((after["userName"], self.value(after, "work"), self.value(after, "work", attribute="phoneNumbers")), (sent["userName"], mail, phone))
        self.assertEqual((after["displayName"], after["title"]), ("  Two  Blanks ", "\u00c5ngstr\u00f6m \u00fcber"))

    def test_quirk_19_entra_needs_unique_groups_and_sees_the_disabled(self):
        group = self.group()
        again = self.post("/Groups", {"schemas": [GROUP], "displayName": group["displayName"]})
        self.refused(again, 409, "uniqueness")
        user = self.user(active=False)
        self.assertIs(self.read("Users", user["id"])["active"], False)
        self.assertEqual(self.found(f'userName eq "{user["userName"]}"'), [user["id"]])

    def test_quirk_20_entra_may_leave_the_version_out_of_the_base(self):
        user = self.user()
        for base in ("/scim/v2", "/scim"):
            self.assertEqual(self.get(f"{base}/Users/{user['id']}")["id"], user["id"])

    def test_quirk_21_entra_asks_for_what_changed_since(self):
        before = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=2)
        user, disabled = self.user(), self.user(active=False)
        since = f'active eq true and (meta.lastModified ge "{before:%Y-%m-%dT%H:%M:%S}.0000000Z" and meta.lastModified le "9999-12-31T23:59:59.9999999Z")'
        found = self.found(since)
        self.assertIn(user["id"], found)
        self.assertNotIn(disabled["id"], found)
        self.assertIn(user["id"], self.found('meta.lastModified ge "0001-01-03T00:00:00.0000000Z"', count=1000))
        ahead = (before + datetime.timedelta(hours=13)).strftime("%Y-%m-%dT%H:%M:%S.0000000+13:00")
        self.assertIn(user["id"], self.found(f'meta.lastModified ge "{ahead}"'), "an instant, whatever its offset")

    def test_quirk_25_entra_sends_a_request_for_each_membership(self):
        users = [self.user() for _ in range(30)]
        group = self.group()
        for user in users:
            value = [{"$ref": None, "value": user["id"]}]
            answer = self.patch(f"/Groups/{group['id']}", {"op": "Add", "path": "members", "value": value})
            self.assertEqual((answer.status, answer.text), (204, ""), "no answer grows with the group")
        self.assertEqual(self.members(group), sorted(user["id"] for user in users))


class EntraUnderRfc(Entra):
    """What Entra ID sends is understood by a client of profile `rfc` too, but for unquoted strings and the 204."""

    PROFILE = "rfc"

    def test_quirk_10_entra_adds_a_member_with_a_null_reference(self):
        user, group = self.user(), self.group()
        self.done(self.patch(f"/Groups/{group['id']}", {"op": "Add", "path": "members", "value": [{"$ref": None, "value": user["id"]}]}))
        self.assertEqual(self.members(group), [user["id"]])

    def test_quirk_16_entra_leaves_out_the_quotation_marks(self):
        for text in ("externalId eq jyoung", "userName sw O"):
            self.refused(self.get("/Users", filter=text), 400, "invalidFilter")

    def test_quirk_25_entra_sends_a_request_for_each_membership(self):
        users = [self.user() for _ in range(5)]
        group = self.group()
        for user in users:
            self.done(self.patch(f"/Groups/{group['id']}", {"op": "Add", "path": "members", "value": [{"$ref": None, "value": user["id"]}]}))
        self.assertEqual(self.members(group), sorted(user["id"] for user in users))


class Strict(Provider):
    """What the profile `strict` refuses of it."""

    PROFILE = "strict"

    def test_quirk_16_strict_refuses_unquoted_strings(self):
        for text in ("externalId eq jyoung", "userName sw O"):
            self.refused(self.get("/Users", filter=text), 400, "invalidFilter")

    def test_quirk_23_strict_refuses_a_bare_string_as_a_member(self):
        user, group = self.user(), self.group()
        self.refused(self.patch(f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": user["id"]}), 400)
        self.assertEqual(self.members(group), [])

    def test_quirk_24_strict_refuses_a_filter_in_attributes(self):
        self.user()
        self.refused(self.get("/Users", attributes='emails[type eq "work"]'), 400)

    def test_quirk_48_strict_refuses_references_to_nobody(self):
        manager = {"schemas": [USER, ENTERPRISE], "userName": self.name(), ENTERPRISE: {"manager": {"value": NOBODY}}}
        self.refused(self.post("/Users", manager), 400, "invalidValue")
        self.refused(self.post("/Groups", {"schemas": [GROUP], "displayName": self.name("group"), "members": [{"value": NOBODY}]}), 400, "invalidValue")


class Waiting(Provider):
    """Row 48: managers and members that come before those whom they name."""

    def setUp(self):
        self.whose = self.name("waiting")
        self.command("client", "add", "--organisation", self.demo.organisation, "--profile", self.PROFILE, self.whose)
        token = self.command("token", "mint", "--organisation", self.demo.organisation, self.whose)[0]["token"]
        self.provider = Client(self.demo.scim, token)
        self.addCleanup(lambda: self.provider.close())

    def waiting(self):
        """What waits, as the command line tells it: whom it names."""
        rows = [row for row in self.command("client", "pending", "--organisation", self.demo.organisation, self.whose) if "names" in row]
        shown = self.command("client", "show", "--organisation", self.demo.organisation, self.whose)
        self.assertEqual(shown[0]["pending"], len(rows))
        return {row["names"] for row in rows}


class Pending(Waiting):
    """Row 48 under `rfc`."""

    def manager(self, user):
        return self.read("Users", user["id"]).get(ENTERPRISE, {}).get("manager", {}).get("value")

    def test_quirk_48_a_manager_comes_after_its_people(self):
        name, external = self.name("boss"), self.name("external")
        one, two = self.user(enterprise={"manager": {"value": external}}), self.user(enterprise={"manager": name})
        self.assertEqual((self.manager(one), self.manager(two)), (None, None))
        self.assertEqual(self.waiting(), {external, name})
        boss = self.user(userName=name, externalId=external)
        self.assertEqual((self.manager(one), self.manager(two), self.waiting()), (boss["id"], boss["id"], set()))

    def test_quirk_48_members_come_after_their_group(self):
        there, external = self.user(), self.name("external")
        group = self.group({"id": NOBODY}, there)
        path = f"/Groups/{group['id']}"
        self.done(self.patch(path, {"op": "add", "path": "members", "value": [{"value": external}, {"value": "fake-member-id"}]}))
        self.assertEqual(self.members(group), [there["id"]])
        self.assertEqual(self.waiting(), {NOBODY, external, "fake-member-id"})
        for _ in range(2):
            self.done(self.patch(path, {"op": "remove", "path": 'members[value eq "fake-member-id"]'}))
            self.done(self.patch(path, {"op": "remove", "path": "members", "value": [{"value": NOBODY}]}))
        late = self.user(externalId=external)
        self.assertEqual((self.members(group), self.waiting()), (sorted((there["id"], late["id"])), set()))

    def test_quirk_48_what_waits_goes_with_its_group(self):
        gone = self.group({"id": "nobody"})
        self.assertEqual(self.waiting(), {"nobody"})
        self.assertEqual(self.delete(f"/Groups/{gone['id']}").status, 204)
        self.assertEqual(self.waiting(), set())


class PendingOfEntra(Pending):
    """The same as Entra ID is answered."""

    PROFILE = "entra"


class PendingOverARestart(Waiting):
    """Row 48 on a server that is killed, and by LDAP."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.demo = Demo()
        cls.addClassCleanup(cls.demo.stop)

    def test_quirk_48_what_waits_is_no_member_by_ldap_and_survives_kill_9(self):
        external = self.name("external")
        group = self.group({"id": external})
        self.demo.kill_and_restart()
        token = self.command("token", "mint", "--organisation", self.demo.organisation, self.whose)[0]["token"]
        self.provider = Client(self.demo.scim, token)
        directory = ldap.initialize(self.demo.ldap)
        self.addCleanup(directory.unbind_s)
        directory.simple_bind_s(*self.demo.operator)
        (_, held), = directory.search_s(f"cn={group['displayName']},ou=groups,{self.demo.organisation}", ldap.SCOPE_BASE, attrlist=["*", "+"])
        self.assertFalse([name for name, values in held.items() if external.encode() in b" ".join(values)], held)
        self.assertEqual(self.waiting(), {external})
        late = self.user(externalId=external)
        self.assertEqual((self.members(group), self.waiting()), ([late["id"]], set()))


class Encrypted(Provider):
    """Row 20: the provisioning service speaks TLS 1.2 and verifies the certificate."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.own = Demo()
        cls.addClassCleanup(cls.own.stop)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            cls.port = probe.getsockname()[1]
        with open(cls.own.facts["config"], "a") as config:
            config.write(f'\n[[listener]]\nkind = "https"\naddress = "127.0.0.1:{cls.port}"\n')
        cls.own.kill_and_restart()

    def test_quirk_20_entra_speaks_tls_1_2(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.create_default_context(cafile=self.own.facts["ca"])
            context.minimum_version = context.maximum_version = version
            connection = http.client.HTTPSConnection("localhost", self.port, timeout=30, context=context)
            for base in ("/scim/v2", "/scim"):
                connection.request("GET", f"{base}/Users?count=1", headers={"Authorization": f"Bearer {self.own.token}"})
                answer = connection.getresponse()
                self.assertEqual((answer.status, json.loads(answer.read())["schemas"]), (200, [LIST]))
            connection.close()

    def test_quirk_20_older_versions_are_refused(self):
        context = ssl._create_unverified_context()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with self.assertRaises(OSError), socket.create_connection(("127.0.0.1", self.port), 30) as plain:
            context.wrap_socket(plain, server_hostname="localhost")


class Postman(Provider):
    """Rows 22 to 24: Microsoft's Postman collection."""

    def test_quirk_22_postman_sends_more_and_less_than_a_patch_needs(self):
        user, group = self.user(), self.group()
        operation = {"name": "addMember", "op": "add", "path": "members", "value": [{"displayName": "new User", "value": user["id"]}]}
        self.done(self.patch(f"/Groups/{group['id']}", operation))
        self.assertEqual(self.members(group), [user["id"]])
        without = {"id": group["id"], "Operations": [{"op": "replace", "path": "displayName", "value": self.name("renamed")}]}
        self.done(self.ask("PATCH", f"/Groups/{group['id']}", without))
        made = self.made(self.post("/Users", {"userName": self.name()}))
        self.assertEqual(made["schemas"], [USER])

    def test_quirk_23_postman_gives_a_member_as_a_bare_string(self):
        user, group = self.user(), self.group()
        self.done(self.patch(f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": user["id"]}))
        self.assertEqual(self.members(group), [user["id"]])

    def test_quirk_24_postman_asks_for_attributes_by_filter(self):
        mail = f"{self.name('w')}@example.com"
        emails = [{"value": mail, "type": "work", "primary": True}, {"value": f"h{mail}", "type": "home"}]
        user = self.user(emails=emails, title="T")
        for text in ('emails[type eq "work"]', f'emails[value eq "{mail}"]'):
            found = self.read("Users", user["id"], attributes=text)
            self.assertEqual([email["value"] for email in found["emails"]], [mail], text)
            self.assertNotIn("title", found)
        listed = [each for each in self.listed(self.get("/Users", attributes='emails[type eq "work"]', count=1000)) if each["id"] == user["id"]]
        self.assertEqual([email["value"] for email in listed[0]["emails"]], [mail])


class Okta(Provider):
    """Rows 26 to 37: Okta."""

    PROFILE = "okta"
    # It sends one of its own making even where passwords are not provisioned, and no rule of ours was asked.
    PASSWORD = "1mz050nq"

    def test_quirk_26_okta_walks_in_pages(self):
        made = {self.user()["id"] for _ in range(7)}
        total = self.get("/Users", startIndex=1, count=1)["totalResults"]
        for size in (1, 2, 100):
            walked = []
            for start in range(1, total + 1, size):
                answer = self.get("/Users", startIndex=start, count=size)
                page = self.listed(answer)
                self.assertEqual((answer["totalResults"], answer["startIndex"], answer["itemsPerPage"]), (total, start, len(page)))
                for name in ("totalResults", "startIndex", "itemsPerPage"):
                    self.assertIs(type(answer[name]), int)
                walked += [user["id"] for user in page]
            self.assertEqual((len(walked), len(set(walked))), (total, total), "nobody twice and nobody missing")
            self.assertLessEqual(made, set(walked))

    def test_quirk_27_okta_looks_a_user_up_by_name_with_a_page(self):
        user = self.user(userName=f"{self.name('a')}@b.example")
        self.assertEqual(self.found(f'userName eq "{user["userName"]}"', startIndex=1, count=100), [user["id"]])

    def test_quirk_28_okta_creates_with_a_password_and_plain_json(self):
        name = f"{self.name('okta')}@example.com"
        body = {
            "schemas": [USER], "userName": name, "name": {"givenName": "Test", "familyName": "User"},
            "emails": [{"primary": True, "value": name, "type": "work"}], "displayName": "Test User", "locale": "en-US",
            "externalId": str(uuid.uuid4()), "groups": [], "password": self.PASSWORD, "active": True,
        }
        headers = {"Content-Type": "application/json", "Accept": "application/scim+json; charset=utf-8"}
        answer = self.ask("POST", "/Users", body, headers)
        made = self.made(answer)
        self.assertTrue(answer.headers["content-type"].startswith(MEDIA_TYPE))
        self.assertNotIn("password", made)
        for attribute in ("userName", "name", "emails", "displayName", "locale", "externalId", "active"):
            self.assertEqual(made[attribute], body[attribute], attribute)

    def test_quirk_29_okta_puts_back_all_that_it_read(self):
        user = self.user(
            name={"givenName": "A", "familyName": "B", "middleName": "M"}, displayName="A B",
            emails=[{"value": f"{self.name('m')}@example.com", "type": "work", "primary": True, "display": "work"}],
        )
        group = self.group(user)
        read = self.read("Users", user["id"])
        self.assertEqual([held["value"] for held in read["groups"]], [group["id"]])
        read["name"]["middleName"] = ""
        read["name"]["givenName"] = "Other"
        read["meta"]["created"] = "2001-01-01T00:00:00Z"
        read["groups"] = []
        answer = self.put(f"/Users/{user['id']}", read)
        self.assertEqual(answer.status, 200, answer)
        after = self.read("Users", user["id"])
        self.assertEqual(after["name"], {"givenName": "Other", "familyName": "B"})
        self.assertEqual(after["meta"]["created"], user["meta"]["created"], "what is read-only is ignored")
        self.assertEqual([held["value"] for held in after["groups"]], [group["id"]])
        self.assertEqual(after["emails"][0]["value"], user["emails"][0]["value"])

    def test_quirk_30_okta_deactivates_without_a_path(self):
        user = self.user()
        self.done(self.patch(f"/Users/{user['id']}", {"op": "replace", "value": {"active": False}}))
        self.assertIs(self.read("Users", user["id"])["active"], False)
        self.assertEqual(self.found(f'userName eq "{user["userName"]}"'), [user["id"]], "it is still listed")

    def test_quirk_31_okta_creates_the_user_that_it_had_deactivated(self):
        external = str(uuid.uuid4())
        user = self.user(externalId=external)
        self.done(self.patch(f"/Users/{user['id']}", {"op": "replace", "value": {"active": False}}))
        again = self.post("/Users", {"schemas": [USER], "userName": user["userName"], "externalId": external, "active": True})
        self.refused(again, 409, "uniqueness")
        self.assertIn(user["id"], again["detail"], "who looks finds which user it is")

    def test_quirk_32_okta_sends_the_id_with_the_name_of_a_group(self):
        group, name = self.group(self.user()), self.name("renamed")
        members = self.members(group)
        self.done(self.patch(f"/Groups/{group['id']}", {"op": "replace", "value": {"id": group["id"], "displayName": name}}))
        self.assertEqual((self.read("Groups", group["id"])["displayName"], self.members(group)), (name, members))
        self.refused(self.patch(f"/Groups/{group['id']}", {"op": "replace", "value": {"id": NOBODY, "displayName": name}}), 400, "mutability")

    def test_quirk_33_okta_replaces_members(self):
        one, two, three = self.user(), self.user(), self.user()
        group = self.group(one)
        path = f"/Groups/{group['id']}"
        listed = [{"value": user["id"], "display": user["userName"]} for user in (two, three)]
        self.done(self.patch(path, {"op": "replace", "path": "members", "value": listed}))
        self.assertEqual(self.members(group), sorted([two["id"], three["id"]]))
        for member in self.read("Groups", group["id"])["members"]:
            self.assertEqual(member.get("type"), "User")
        gone = {"op": "remove", "path": f'members[value eq "{two["id"]}"]'}
        self.done(self.patch(path, gone, {"op": "add", "path": "members", "value": [{"value": one["id"], "display": one["userName"]}]}))
        self.assertEqual(self.members(group), sorted([one["id"], three["id"]]))
        self.done(self.patch(path, {"op": "replace", "path": "members", "value": []}))
        self.assertEqual(self.members(group), [])

    def test_quirk_34_okta_removes_who_is_no_member(self):
        one, two = self.user(), self.user()
        group = self.group(one)
        for operation in ({"path": f'members[value eq "{two["id"]}"]'}, {"path": "members", "value": [{"value": two["id"]}]}):
            self.done(self.patch(f"/Groups/{group['id']}", {"op": "remove", **operation}))
        self.assertEqual(self.members(group), [one["id"]])

    def test_quirk_35_okta_expects_a_refusal_in_form(self):
        answer = self.ask("GET", "/Users", headers={"Authorization": "non-token"})
        self.refused(answer, 401)
        self.assertIn("www-authenticate", answer.headers)

    def test_quirk_36_okta_sends_the_token_without_its_scheme(self):
        token = self.provider.authorization.removeprefix("Bearer ")
        self.assertEqual(self.ask("GET", "/Users", headers={"Authorization": token}, count=1).status, 200)
        self.refused(self.ask("GET", "/Users", headers={"Authorization": token[:-1]}), 401)


class OktaUnderRfc(Okta):
    """What Okta sends is understood by a client of profile `rfc` too, where the password is one."""

    PROFILE = "rfc"
    PASSWORD = "1mz050nq-Xk99-rrr3-0aaL"


class Others(Provider):
    """Rows 38 to 48."""

    def test_quirk_38_jumpcloud_tries_everything_when_it_connects(self):
        user, group = self.user(active=True), self.group()
        read = self.read("Users", user["id"])
        self.assertEqual(self.put(f"/Users/{user['id']}", read | {"displayName": "JC"}).status, 200)
        self.done(self.patch(f"/Users/{user['id']}", {"op": "replace", "value": {"active": False}}))
        self.done(self.patch(f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": [{"value": user["id"]}]}))
        self.assertEqual(self.put(f"/Groups/{group['id']}", self.read("Groups", group["id"])).status, 200)
        for path in (f"/Groups/{group['id']}", f"/Users/{user['id']}"):
            self.assertEqual(self.delete(path).status, 204)
            self.refused(self.get(path), 404)

    def test_quirk_39_jumpcloud_repeats_itself(self):
        user, group = self.user(), self.group()
        for _ in range(3):
            self.done(self.patch(f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": [{"value": user["id"]}]}))
            self.assertEqual(self.members(group), [user["id"]])
        for _ in range(3):
            self.done(self.patch(f"/Groups/{group['id']}", {"op": "remove", "path": "members", "value": [{"value": user["id"]}]}))
            self.assertEqual(self.members(group), [])

    def test_quirk_40_onelogin_names_the_schema_of_another_version(self):
        self.assertEqual(self.user(schemas=["urn:scim:schemas:core:1.0"])["schemas"], [USER])

    def test_quirk_41_onelogin_deletes_or_suspends(self):
        suspended, deleted = self.user(), self.user()
        group = self.group(suspended, deleted)
        self.done(self.patch(f"/Users/{suspended['id']}", {"op": "replace", "path": "active", "value": False}))
        self.assertEqual(self.members(group), sorted([suspended["id"], deleted["id"]]), "who is suspended stays a member")
        self.assertEqual(self.delete(f"/Users/{deleted['id']}").status, 204)
        self.assertEqual(self.members(group), [suspended["id"]])

    def test_quirk_42_ping_provisions_the_disabled(self):
        user = self.user(active=False)
        self.assertIs(user["active"], False)
        self.assertEqual(self.found(f'userName eq "{user["userName"]}"'), [user["id"]])
        self.assertEqual(self.listed(self.get("/Sessions", filter=f'user.value eq "{user["id"]}"')), [], "it holds no seat")

    def test_quirk_43_keycloak_disables_with_a_string_in_an_object(self):
        user = self.user()
        self.done(self.patch(f"/Users/{user['id']}", {"op": "replace", "value": {"active": "false"}}))
        self.assertIs(self.read("Users", user["id"])["active"], False)

    def test_quirk_44_rauthy_looks_up_by_three_names(self):
        user, group = self.user(externalId=str(uuid.uuid4())), self.group(externalId=str(uuid.uuid4()))
        for kind, held in (("Users", user), ("Groups", group)):
            naming = "userName" if kind == "Users" else "displayName"
            for attribute in ("externalId", naming):
                self.assertEqual(self.found(f'{attribute} eq "{held[attribute]}"', f"/{kind}"), [held["id"]], attribute)
        self.assertEqual(self.put(f"/Users/{user['id']}", user | {"displayName": "R"})["displayName"], "R")
        self.done(self.patch(f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": [{"value": user["id"]}]}))
        self.assertEqual(self.members(group), [user["id"]])

    def test_quirk_45_authentik_puts_groups_with_all_members(self):
        one, two, three = self.user(), self.user(), self.user()
        group = self.group(one)
        for members in ((one, two), (two, three), ()):
            body = {"schemas": [GROUP], "displayName": group["displayName"], "members": [{"value": user["id"]} for user in members]}
            self.assertEqual(self.put(f"/Groups/{group['id']}", body).status, 200)
            self.assertEqual(self.members(group), sorted(user["id"] for user in members))

    def test_quirk_46_google_is_a_plain_client(self):
        user = self.user(name={"givenName": "G", "familyName": "W"}, emails=[{"value": f"{self.name('g')}@example.com", "type": "work", "primary": True}])
        self.assertEqual(self.put(f"/Users/{user['id']}", user | {"title": "T"})["title"], "T")
        self.assertEqual(self.delete(f"/Users/{user['id']}").status, 204)

    def test_quirk_47_any_client_writes_operations_in_lower_case(self):
        user, group = self.user(), self.group()
        body = {"schemas": [PATCH], "operations": [{"op": "add", "path": "members", "value": {"value": user["id"]}}]}
        self.done(self.ask("PATCH", f"/Groups/{group['id']}", body))
        self.assertEqual(self.members(group), [user["id"]])
