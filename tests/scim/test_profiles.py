"""What each profile does where identity providers and the RFCs want different things: the table of docs/scim.md, cell by cell."""

import functools

from provider import ENTERPRISE, GROUP, PATCH, USER, Provider

TOLERANT = ("rfc", "entra", "okta")
PROFILES = (*TOLERANT, "strict")


def under(*profiles):
    """A test that is made as each of these clients, one after the other."""

    def tried(test):
        @functools.wraps(test)
        def each(self):
            for profile in profiles:
                with self.subTest(profile):
                    self.provider = self.client(profile)
                    test(self, profile)

        return each

    return tried


class Table(Provider):
    @under(*PROFILES)
    def test_a_patch_of_a_user_is_answered_with_it(self, _):
        user = self.user()
        answer = self.patch(f"/Users/{user['id']}", {"op": "replace", "path": "title", "value": "T"})
        self.assertEqual((answer.status, answer["title"]), (200, "T"))

    @under(*PROFILES)
    def test_a_patch_of_a_group_is_answered_without_a_body_to_entra(self, profile):
        group = self.group()
        answer = self.patch(f"/Groups/{group['id']}", {"op": "replace", "path": "displayName", "value": self.name("renamed")})
        self.assertEqual((answer.status, bool(answer.text)), (204, False) if profile == "entra" else (200, True))
        self.assertEqual(answer.headers["etag"], self.read("Groups", group["id"])["meta"]["version"])

    def test_a_patch_of_a_large_group_is_answered_without_a_body(self):
        users = [self.user() for _ in range(51)]
        group = self.group(*users[:-1])
        path = f"/Groups/{group['id']}"
        self.assertEqual(self.patch(path, {"op": "replace", "path": "displayName", "value": self.name("renamed")}).status, 200, "fifty are shown")
        answer = self.patch(path, {"op": "add", "path": "members", "value": [{"value": users[-1]["id"]}]})
        self.assertEqual((answer.status, answer.text), (204, ""))
        self.assertEqual(len(self.members(group)), 51)

    @under(*PROFILES)
    def test_a_patch_that_names_attributes_is_answered_with_them(self, _):
        """RFC 7644 §3.5.2: 200 where attributes are asked for, whatever the profile and the preference."""
        group = self.group()
        answer = self.ask("PATCH", f"/Groups/{group['id']}?attributes=displayName", {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "displayName", "value": group["displayName"] + "x"}]})
        self.assertEqual((answer.status, answer["displayName"]), (200, group["displayName"] + "x"))

    @under(*PROFILES)
    def test_a_patch_that_prefers_no_answer_gets_none(self, _):
        user = self.user()
        body = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "title", "value": "T"}]}
        answer = self.ask("PATCH", f"/Users/{user['id']}", body, {"Prefer": "return=minimal"})
        self.assertEqual((answer.status, answer.text), (204, ""))

    @under(*PROFILES)
    def test_a_patch_without_a_path(self, profile):
        user = self.user()
        answer = self.patch(f"/Users/{user['id']}", {"op": "replace", "value": {"title": "T"}})
        if profile == "strict":
            self.refused(answer, 400, "invalidSyntax")
        else:
            self.assertEqual((self.done(answer).status, self.read("Users", user["id"])["title"]), (200, "T"))

    @under(*PROFILES)
    def test_unknown_attributes(self, profile):
        body = {"schemas": [USER], "userName": self.name(), "nothingOfThatName": "x", "name": {"givenName": "G", "nothing": "x"}}
        answer = self.post("/Users", body)
        if profile == "strict":
            self.refused(answer, 400, "invalidSyntax")
        else:
            self.assertEqual(self.made(answer)["name"], {"givenName": "G"})
            self.assertNotIn("nothingOfThatName", answer.body)

    @under(*PROFILES)
    def test_unknown_schemas(self, profile):
        answer = self.post("/Users", {"schemas": [USER, "urn:example:unknown"], "userName": self.name(), "urn:example:unknown": {"x": 1}})
        if profile == "strict":
            self.refused(answer, 400)
        else:
            self.assertEqual(self.made(answer)["schemas"], [USER])

    @under(*PROFILES)
    def test_replace_of_a_complex_attribute(self, profile):
        user = self.user(name={"givenName": "G", "familyName": "F"})
        self.done(self.patch(f"/Users/{user['id']}", {"op": "replace", "path": "name", "value": {"givenName": "H"}}))
        expected = {"givenName": "H"} if profile == "strict" else {"givenName": "H", "familyName": "F"}
        self.assertEqual(self.read("Users", user["id"])["name"], expected)

    @under(*PROFILES)
    def test_replace_of_what_a_filter_does_not_find(self, profile):
        """An element is made only of terms with eq and a sub-attribute; all else is no target."""
        user = self.user()
        path, mail = f"/Users/{user['id']}", f"{self.name('m')}@example.com"
        made = self.patch(path, {"op": "replace", "path": 'emails[type eq "work"].value', "value": mail})
        if profile == "strict":
            self.refused(made, 400, "noTarget")
        else:
            self.assertEqual(self.value(self.read("Users", self.done(made) and user["id"]), "work"), mail)
        for text in ('emails[type ne "home" and value co "nobody"].value', 'emails[type eq "other"]', 'emails[not (type eq "home") and value sw "zz"].display'):
            answer = self.patch(path, {"op": "replace", "path": text, "value": {"value": mail} if text.endswith("]") else mail})
            self.refused(answer, 400, "noTarget")

    @under(*PROFILES)
    def test_removing_who_is_no_member(self, _):
        user, group = self.user(), self.group()
        self.done(self.patch(f"/Groups/{group['id']}", {"op": "remove", "path": f'members[value eq "{user["id"]}"]'}))

    @under(*PROFILES)
    def test_a_password_that_the_policy_refuses(self, profile):
        """Okta sends one of its own making with every user; others are told."""
        answer = self.post("/Users", {"schemas": [USER], "userName": self.name(), "password": "1mz050nq"})
        if profile == "okta":
            self.assertNotIn("password", self.made(answer))
        else:
            self.refused(answer, 400, "invalidValue")

    @under(*PROFILES)
    def test_bare_words_in_a_filter(self, profile):
        user = self.user(title="Boss")
        answer = self.get("/Users", filter=f"title eq boss and userName eq {user['userName']}")
        if profile == "entra":
            self.assertEqual([found["id"] for found in self.listed(answer)], [user["id"]])
        else:
            self.refused(answer, 400, "invalidFilter")

    @under(*PROFILES)
    def test_deleted_is_gone_and_the_name_is_free(self, _):
        user = self.user()
        self.assertEqual(self.delete(f"/Users/{user['id']}").status, 204)
        self.refused(self.get(f"/Users/{user['id']}"), 404)
        self.assertNotEqual(self.user(userName=user["userName"])["id"], user["id"])

    @under(*PROFILES)
    def test_booleans_as_strings(self, profile):
        answer = self.post("/Users", {"schemas": [USER], "userName": self.name(), "active": "False"})
        if profile == "strict":
            self.refused(answer, 400)
        else:
            self.assertIs(self.made(answer)["active"], False)
