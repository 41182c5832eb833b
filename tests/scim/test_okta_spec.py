"""Okta's published test of SCIM 2.0 servers, step for step, and what its second one (create, read, update, deactivate) makes Okta
send. Each test stands for itself, so a step that needs what an earlier one made makes it."""

from provider import ERROR, LIST, MEDIA_TYPE, USER, Provider

ASKS = {"Content-Type": "application/scim+json; charset=utf-8", "Accept": MEDIA_TYPE, "Accept-Charset": "utf-8", "User-Agent": "OKTA SCIM Integration"}
WRITES = {"Content-Type": "application/json", "Accept": "application/scim+json; charset=utf-8"}


class Steps(Provider):
    """How Okta asks."""

    PROFILE = "okta"

    def asked(self, path, **query):
        return self.ask("GET", path, headers=ASKS, **query)

    def body(self, name=None, mail=None):
        name = name or f"{self.name('okta')}@example.com"
        return {
            "schemas": [USER], "userName": name, "name": {"givenName": "Given", "familyName": "Family"},
            "emails": [{"primary": True, "value": mail or name, "type": "work"}], "displayName": "Given Family", "active": True,
        }

    def okta_user(self, **more):
        answer = self.ask("POST", "/Users", self.body(**more), WRITES)
        return self.made(answer)

    def complete(self, user):
        self.assertTrue(user["id"] and user["userName"] and user["name"]["familyName"] and user["name"]["givenName"], user)
        self.assertTrue(user["emails"][0]["value"], user)
        self.assertIn("active", user)


class Specification(Steps):
    """The required steps, and the optional one of groups, in their order."""

    def test_step_01_users_endpoint(self):
        answer = self.asked("/Users", count=1, startIndex=1)
        first, = self.listed(answer)
        self.complete(first)
        for name in ("itemsPerPage", "startIndex", "totalResults"):
            self.assertIs(type(answer[name]), int)

    def test_step_02_get_by_id(self):
        first, = self.listed(self.asked("/Users", count=1, startIndex=1))
        user = self.asked(f"/Users/{first['id']}")
        self.assertEqual((user.status, user["id"]), (200, first["id"]))
        self.complete(user.body)

    def test_step_03_invalid_user_by_name(self):
        answer = self.asked("/Users", filter='userName eq "abcdefgh@atko.com"')
        self.assertEqual((self.listed(answer), answer["totalResults"]), ([], 0))

    def test_step_04_invalid_user_by_id(self):
        answer = self.asked("/Users/010101001010101011001010101011")
        self.refused(answer, 404)

    def test_step_05_the_random_user_does_not_exist(self):
        answer = self.asked("/Users", filter=f'userName eq "{self.name("runscope")}@atko.com"')
        self.assertEqual((answer["schemas"], answer["totalResults"]), ([LIST], 0))

    def test_step_06_create_with_realistic_values(self):
        sent = self.body()
        answer = self.ask("POST", "/Users", sent, WRITES)
        made = self.made(answer)
        self.assertIs(made["active"], True)
        self.assertEqual((made["name"], made["userName"]), (sent["name"], sent["userName"]))
        self.assertIn(USER, made["schemas"])
        self.assertTrue(made["id"])

    def test_step_07_the_user_was_created(self):
        made = self.okta_user()
        read = self.asked(f"/Users/{made['id']}")
        self.assertEqual((read.status, read["userName"], read["name"]), (200, made["userName"], made["name"]))

    def test_step_08_creating_it_again_fails(self):
        made = self.okta_user(mail=f"{self.name('first')}@example.com")
        self.refused(self.ask("POST", "/Users", self.body(made["userName"], made["userName"]), WRITES), 409)

    def test_step_09_the_case_of_a_name(self):
        made = self.okta_user()
        self.assertEqual([user["id"] for user in self.listed(self.asked("/Users", filter=f'userName eq "{made["userName"].upper()}"'))], [made["id"]])

    def test_step_10_groups_endpoint(self):
        group = self.group(self.okta_user())
        answer = self.asked("/Groups", startIndex=1, count=100)
        self.assertIn(group["id"], [found["id"] for found in self.listed(answer)])

    def test_step_11_status_401(self):
        answer = self.ask("GET", "/Users", headers=ASKS | {"Authorization": "non-token"}, filter='userName eq "x"')
        self.assertEqual((answer.status, answer["status"], answer["schemas"]), (401, "401", [ERROR]))
        self.assertTrue(answer["detail"])

    def test_step_12_status_404(self):
        answer = self.asked("/Users/00919288221112222")
        self.assertEqual((answer.status, answer["status"], answer["schemas"]), (404, "404", [ERROR]))
        self.assertTrue(answer["detail"])


class SpecificationUnderRfc(Specification):
    """The same steps with a client of profile `rfc`."""

    PROFILE = "rfc"


class Life(Steps):
    """What Okta sends while its own test creates a user, assigns it, updates it, deactivates it and assigns it again."""

    def test_the_life_of_an_assignment(self):
        sent = self.body() | {"externalId": self.name("00u"), "locale": "en-US", "groups": [], "password": "x7Gq2mLp"}
        self.assertEqual(self.listed(self.asked("/Users", filter=f'userName eq "{sent["userName"]}"', startIndex=1, count=100)), [])
        made = self.made(self.ask("POST", "/Users", sent, WRITES))
        path = f"/Users/{made['id']}"
        changed = self.asked(path).body
        changed["name"]["givenName"] = "Updated"
        answer = self.ask("PUT", path, changed, WRITES)
        self.assertEqual((answer.status, answer["name"]["givenName"], answer["emails"]), (200, "Updated", made["emails"]))
        for active in (False, True, False):
            self.done(self.patch(path, {"op": "replace", "value": {"active": active}}))
            self.assertIs(self.asked(path)["active"], active)
        self.assertEqual([user["id"] for user in self.listed(self.asked("/Users", filter=f'userName eq "{sent["userName"]}"'))], [made["id"]])

    def test_import_walks_all_users_and_groups(self):
        made = [self.okta_user() for _ in range(5)]
        group = self.group(*made)
        for path, wanted in (("/Users", {user["id"] for user in made}), ("/Groups", {group["id"]})):
            found, start = set(), 1
            while True:
                page = self.listed(self.asked(path, startIndex=start, count=2))
                found |= {resource["id"] for resource in page}
                start += len(page)
                if not page:
                    break
            self.assertLessEqual(wanted, found)

    def test_pushed_group(self):
        one, two = self.okta_user(), self.okta_user()
        name = self.name("pushed")
        self.assertEqual(self.listed(self.asked("/Groups", filter=f'displayName eq "{name}"', startIndex=1, count=100)), [])
        members = [{"value": one["id"], "display": one["userName"]}]
        group = self.made(self.ask("POST", "/Groups", {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name, "members": members}, WRITES))
        path = f"/Groups/{group['id']}"
        self.done(self.patch(path, {"op": "replace", "value": {"id": group["id"], "displayName": f"{name}-2"}}))
        self.done(self.patch(path, {"op": "add", "path": "members", "value": [{"value": two["id"], "display": two["userName"]}]}))
        self.assertEqual(self.members(group), sorted([one["id"], two["id"]]))
        self.done(self.patch(path, {"op": "remove", "path": f'members[value eq "{one["id"]}"]'}))
        self.assertEqual((self.asked(path)["displayName"], self.members(group)), (f"{name}-2", [two["id"]]))
        self.assertEqual(self.ask("DELETE", path, headers=ASKS).status, 204)
