"""Clients and tokens: what lets somebody in by SCIM, what it may do, and what ends it (hardening HE9, HE10, HC7)."""

import base64
import json
import subprocess
import time
import urllib.parse

import ldap

from demo import eventually, headcount, program
from provider import Client, Provider

FAILED = 1


class Keeper(Provider):
    """Who has the command line."""

    @classmethod
    def tool(cls, *arguments, expect=0):
        """Runs a subcommand; answers its rows."""
        done = headcount("--config", cls.demo.facts["config"], "--json", *arguments)
        assert done.returncode == expect, f"{arguments}\n{done.stdout}{done.stderr}"
        return [row for row in map(json.loads, done.stdout.splitlines()) if set(row) != {"message"}]

    def mint(self, name, *more):
        """A token of a client of that name: its id, and a client that has it."""
        (made,) = self.tool("token", "mint", "--organisation", self.demo.organisation, name, *more)
        return made["id"], Client(self.demo.scim, made["token"])

    def personal(self, dn, *more):
        """A personal token: its id, and a client that has it."""
        (made,) = self.tool("token", "mint", "--user", dn, "a script", *more)
        return made["id"], Client(self.demo.scim, made["token"])

    def listed_token(self, ident):
        return next((row for row in self.tool("token", "list") if row["id"] == ident), None)

    def person(self):
        """An active user that nothing else uses: its DN, and its resource."""
        name = self.name("person")
        made = self.user(userName=name, password="violet turtles count slowly", emails=[{"value": f"{name}@example.com", "type": "work"}])
        return f"uid={name},ou=users,{self.demo.organisation}", made

    def ldap(self):
        connection = ldap.initialize(self.demo.ldap)
        connection.simple_bind_s(*self.demo.operator)
        return connection


class Tokens(Keeper):
    def test_he9_two_tokens_of_a_client_are_good_side_by_side_and_share_what_it_made(self):
        name = self.name("client")
        (first_id, first), (second_id, second) = self.mint(name), self.mint(name)
        made = self.made(first.ask("POST", "/Users", {"userName": self.name(), "externalId": "the same"}))
        self.assertEqual(second.ask("GET", f"/Users/{made['id']}")["externalId"], "the same")
        self.tool("token", "revoke", first_id)
        self.refused(first.ask("GET", "/Users"), 401)
        self.assertEqual(second.ask("GET", "/Users").status, 200)
        self.assertEqual({row["client"] for row in [self.listed_token(second_id)]}, {name})

    def test_he9_a_revoked_token_is_refused_on_its_open_connection_at_once(self):
        ident, client = self.mint(self.name("client"))
        self.assertEqual(client.ask("GET", "/Users").status, 200)
        connection = client.connection
        self.tool("token", "revoke", ident)
        self.refused(client.ask("GET", "/Users"), 401)
        self.assertIs(client.connection, connection)
        self.assertIsNone(self.listed_token(ident))

    def test_he9_removing_a_client_revokes_its_tokens_and_nobody_elses(self):
        name = self.name("client")
        tokens = [self.mint(name)[1] for _ in range(2)]
        other = self.mint(self.name("client"))[1]
        self.tool("client", "remove", name)
        for token in tokens:
            self.refused(token.ask("GET", "/Users"), 401)
        self.assertEqual(other.ask("GET", "/Users").status, 200)

    def test_he9_a_token_expires_and_is_warned_of_before(self):
        ident, client = self.mint(self.name("client"), "--lifetime", "16s")
        self.assertEqual(client.ask("GET", "/Users").status, 200)
        self.assertEqual(self.listed_token(ident)["state"], "good")
        eventually("it ends soon", lambda: self.listed_token(ident)["state"] == "ends soon")
        told = headcount("--config", self.demo.facts["config"], "--json", "token", "list").stderr
        self.assertIn(ident, told)
        eventually("it is over", lambda: self.listed_token(ident)["state"] == "over")
        self.refused(client.ask("GET", "/Users"), 401)

    def test_he9_the_last_use_is_shown_and_survives_a_restart(self):
        ident, client = self.mint(self.name("client"))
        self.assertIsNone(self.listed_token(ident)["last_used"])
        client.ask("GET", "/Users")
        used = self.listed_token(ident)["last_used"]
        self.assertIsNotNone(used)
        self.demo.process.terminate()
        self.demo.process.wait(30)
        self.demo._launch()
        self.assertEqual(self.listed_token(ident)["last_used"], used)

    def test_he9_the_token_is_nowhere_but_in_the_one_answer(self):
        (made,) = self.tool("token", "mint", "--organisation", self.demo.organisation, self.name("client"))
        secret = made["token"].split("_", 2)[2]
        kept = b"".join(file.read_bytes() for file in self.demo.folder.rglob("*") if file.is_file())
        self.assertNotIn(secret.encode(), kept)
        self.assertIn(made["id"].encode(), kept)


class Personal(Keeper):
    def test_u2_me_is_the_user_itself_at_its_own_place(self):
        dn, made = self.person()
        _, token = self.personal(dn)
        me = token.ask("GET", "/Me")
        self.assertEqual((me.status, me.id, me["meta"]["location"]), (200, made["id"], made["meta"]["location"]))
        self.assertEqual(me.headers["location"], made["meta"]["location"])
        self.assertEqual(me.body, token.ask("GET", f"/Users/{made['id']}").body)
        tagged = token.ask("GET", "/Me", headers={"If-None-Match": me.headers["etag"]})
        self.assertEqual(tagged.status, 304)
        self.assertEqual(set(token.ask("GET", "/Me", attributes="userName").body), {"schemas", "id", "userName"})

    def test_u2_me_changes_what_access_lets_it_change(self):
        dn, made = self.person()
        _, token = self.personal(dn)
        replace = lambda path, value: {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                                       "Operations": [{"op": "replace", "path": path, "value": value}]}
        self.refused(token.ask("PATCH", "/Me", replace("displayName", "Somebody")), 403)
        self.refused(token.ask("PUT", "/Me", made | {"displayName": "Somebody"}), 403)
        self.refused(token.ask("PATCH", "/Me", replace("active", False)), 403)
        self.refused(token.ask("PATCH", "/Me", replace("roles", [])), 403) if made.get("roles") else None
        # A token that was stolen must not become the password.
        self.refused(token.ask("PATCH", "/Me", replace("password", "yellow turtles count quickly")), 403)
        self.refused(token.ask("DELETE", "/Me"), 403)
        self.refused(token.ask("POST", "/Me", made), 501)
        self.assertEqual(self.read("Users", made["id"]), made)

    def test_a_clients_token_is_nobody(self):
        for method, body in (("GET", None), ("PUT", {}), ("PATCH", {}), ("DELETE", None), ("POST", {})):
            self.refused(self.ask(method, "/Me", body), 404)
        self.refused(self.ask("GET", "/Me", headers={"Authorization": None}), 401)

    def test_a_personal_token_sees_what_its_user_may_see_and_takes_no_seat(self):
        dn, made = self.person()
        _, other = self.person()
        _, token = self.personal(dn)
        self.assertEqual([user["id"] for user in self.listed(token.ask("GET", "/Users"))], [made["id"]])
        self.refused(token.ask("GET", f"/Users/{other['id']}"), 404)
        self.refused(token.ask("POST", "/Users", {"userName": self.name()}), 403)
        self.assertEqual(self.listed(token.ask("GET", "/Sessions")), [])
        connection = ldap.initialize(self.demo.ldap)
        connection.simple_bind_s(dn, "violet turtles count slowly")
        self.addCleanup(connection.unbind_s)
        (session,) = self.listed(token.ask("GET", "/Sessions"))
        self.assertEqual(token.ask("DELETE", f"/Sessions/{session['id']}").status, 204)

    def test_he10_a_personal_token_ends_with_what_lets_its_user_in(self):
        def disable(dn):
            self.tool("user", "disable", dn)
            self.tool("user", "enable", dn)

        def another_address(dn):
            self.ldap().modify_s(dn, [(ldap.MOD_REPLACE, "mail", [self.name("new").encode() + b"@example.com"])])

        for end in (disable, another_address, lambda dn: self.tool("user", "delete", dn)):
            dn, _ = self.person()
            (ident, token), (_, same) = self.personal(dn), self.personal(dn)
            self.assertEqual(token.ask("GET", "/Me").status, 200)
            end(dn)
            for held in (token, same):
                self.refused(held.ask("GET", "/Me"), 401)
            self.assertIsNone(self.listed_token(ident))

    def test_a_personal_token_is_for_an_active_person_only(self):
        for dn in (self.demo.services[0][0], self.demo.operator[0], f"uid=nobody,ou=users,{self.demo.organisation}"):
            self.tool("token", "mint", "--user", dn, "x", expect=FAILED)

    def test_the_audit_log_names_the_token_and_the_user(self):
        administrator = next(dn for dn, _ in self.demo.users if "olivia" in dn)
        ident, token = self.personal(administrator)
        made = self.made(token.ask("POST", "/Users", {"userName": self.name()}))
        dn = f"uid={made['userName']},ou=users,{self.demo.organisation}"
        shown = lambda: [row for row in self.tool("audit", "show", "--entry", dn) if row["operation"] == "add"]
        (added,) = eventually("it is in the audit log", shown)
        self.assertEqual((added["actor"].lower(), added["through"]), (administrator.lower(), f"token:{ident}"))





class Scopes(Keeper):
    def scoped(self, scopes, *more):
        """A client that may do this and no more."""
        name = self.name("client")
        self.tool("client", "add", "--organisation", self.demo.organisation, name, "--scope", scopes, *more)
        return self.mint(name)[1]

    def lacks(self, answer, scope):
        self.refused(answer, 403)
        self.assertRegex(answer["detail"], rf"scope .*\b{scope}\b", answer)

    def test_he3_a_request_beyond_the_scopes_is_refused_and_the_scope_named(self):
        user, group = self.user(), self.group()
        rename = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                  "Operations": [{"op": "replace", "path": "displayName", "value": "Another"}]}
        reader = self.scoped("read")
        self.assertEqual(reader.ask("GET", f"/Users/{user['id']}").status, 200)
        self.assertEqual(reader.ask("GET", "/Groups").status, 200)
        for kind, scope, ident in (("Users", "users", user["id"]), ("Groups", "groups", group["id"])):
            self.lacks(reader.ask("POST", f"/{kind}", {"userName": self.name(), "displayName": self.name()}), scope)
            self.lacks(reader.ask("PUT", f"/{kind}/{ident}", user), scope)
            self.lacks(reader.ask("PATCH", f"/{kind}/{ident}", rename), scope)
            self.lacks(reader.ask("DELETE", f"/{kind}/{ident}"), scope)
        self.lacks(reader.ask("GET", "/Sessions"), "sessions")
        people = self.scoped("users")
        made = self.made(people.ask("POST", "/Users", {"userName": self.name()}))
        self.lacks(people.ask("GET", "/Groups"), "groups")
        self.lacks(people.ask("GET", "/"), "read")
        self.lacks(people.ask("POST", "/.search", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]}), "read")
        self.lacks(people.ask("POST", "/Groups", {"displayName": self.name()}), "groups")
        groups = self.scoped("groups")
        self.made(groups.ask("POST", "/Groups", {"displayName": self.name(), "members": [{"value": made["id"]}]}))
        self.lacks(groups.ask("PATCH", f"/Users/{made['id']}", rename), "users")

    def test_he3_passwords_have_a_scope_of_their_own(self):
        users, roles = self.scoped("read,users"), self.scoped("read,roles")
        self.lacks(roles.ask("POST", "/Users", {"userName": self.name()}), "users")
        made = self.made(users.ask("POST", "/Users", {"userName": self.name(), "password": "violet turtles count slowly"}))
        self.assertFalse(self.ldap().search_s(f"uid={made['userName']},ou=users,{self.demo.organisation}", ldap.SCOPE_BASE, "(userPassword=*)"))
        strict = self.scoped("read,users", "--profile", "strict")
        self.lacks(strict.ask("POST", "/Users", {"userName": self.name(), "password": "violet turtles count slowly"}), "passwords")

    def test_a_change_of_scopes_counts_from_the_next_request_on(self):
        name = self.name("client")
        _, client = self.mint(name)
        self.made(client.ask("POST", "/Users", {"userName": self.name()}))
        self.tool("client", "change", name, "--scope", "read")
        self.lacks(client.ask("POST", "/Users", {"userName": self.name()}), "users")
        self.tool("client", "change", name, "--scope", "read,users")
        self.made(client.ask("POST", "/Users", {"userName": self.name()}))


class Rates(Keeper):
    def test_over_its_rate_a_client_is_told_when_to_come_again_and_others_go_on(self):
        name = self.name("client")
        self.tool("client", "add", "--organisation", self.demo.organisation, name, "--rate", "25")
        _, greedy = self.mint(name)
        _, other = self.mint(self.name("client"))
        answers = [greedy._once("GET", "/scim/v2/Users?count=0", None, {"Authorization": greedy.authorization}) for _ in range(300)]
        late = [answer for answer in answers if answer.status == 429]
        self.assertTrue(late)
        self.assertGreaterEqual(len(answers) - len(late), 25)
        self.refused(late[0], 429)
        self.assertEqual(late[0].headers["retry-after"], "1")
        answer = other._once("GET", "/scim/v2/Users?count=0", None, {"Authorization": other.authorization})
        self.assertEqual(answer.status, 200)
        time.sleep(1)
        answer = greedy._once("GET", "/scim/v2/Users?count=0", None, {"Authorization": greedy.authorization})
        self.assertEqual(answer.status, 200)

    def test_a_bulk_request_is_one_request(self):
        name = self.name("client")
        self.tool("client", "add", "--organisation", self.demo.organisation, name, "--rate", "25")
        _, client = self.mint(name)
        operations = [{"method": "POST", "path": "/Users", "bulkId": str(n), "data": {"userName": self.name()}} for n in range(60)]
        answer = client.ask("POST", "/Bulk", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations})
        self.assertEqual({operation["status"] for operation in answer["Operations"]}, {"201"}, answer)


class Log(Keeper):
    def log(self, name, *more):
        return self.tool("client", "log", name, *more)

    def test_a_client_has_a_log_of_what_it_asked_and_why_it_was_refused(self):
        name = self.name("client")
        ident, client = self.mint(name)
        made = self.made(client.ask("POST", "/Users", {"userName": self.name(), "shoeSize": 46, "groups": [], "password": "violet turtles count slowly"}))
        answer = client.ask("POST", "/Users", {"userName": made["userName"]})
        client.ask("GET", "/Users", filter=f'userName eq "{made["userName"]}"', count=1)
        first, second, third = self.log(name)
        self.assertEqual((first["method"], first["path"], first["status"], first["token"]), ("POST", "/scim/v2/Users", 201, f"token:{ident}"))
        self.assertEqual(first["ignored"], ["groups", "shoeSize"])
        self.assertGreater(first["received"], 10)
        self.assertEqual((second["status"], second["scim_type"], second["detail"]), (409, "uniqueness", answer["detail"]))
        self.assertEqual(second["request"], answer.headers["x-request-id"])
        self.assertIn("filter=userName eq …&count=1", third["path"])
        self.assertNotIn("violet", json.dumps(self.log(name)))
        self.demo.process.terminate()
        self.demo.process.wait(30)
        self.demo._launch()
        self.assertEqual(self.log(name), [first, second, third], "it survives a restart")

    def test_he3_a_password_without_the_scope_is_ignored_and_the_log_says_so(self):
        name = self.name("client")
        self.tool("client", "add", "--organisation", self.demo.organisation, name, "--scope", "read,users", "--profile", "okta")
        _, client = self.mint(name)
        self.made(client.ask("POST", "/Users", {"userName": self.name(), "password": "violet turtles count slowly"}))
        self.assertEqual(self.log(name)[0]["ignored"], ["password"])

    def test_a_log_can_be_followed(self):
        name = self.name("client")
        _, client = self.mint(name)
        command = [program(), "--config", self.demo.facts["config"], "--json", "client", "log", name, "--follow"]
        follower = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.addCleanup(follower.wait)
        self.addCleanup(follower.kill)
        for path in ("/Users", "/Groups"):
            client.ask("GET", path)
            self.assertEqual(json.loads(follower.stdout.readline())["path"], "/scim/v2" + path)
        follower.stdout.close()


class OAuth(Keeper):
    """RFC 6749 §4.4, RFC 8414."""

    def secret(self, name, *more):
        (made,) = self.tool("client", "secret", name, *more)
        return made

    def grant(self, form, basic=None):
        octets = urllib.parse.urlencode(form).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if basic:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(basic).encode()).decode()
        return Client(self.demo.http, "")._once("POST", "/oauth/token", octets, headers)

    def setUp(self):
        super().setUp()
        self.name_of_client = self.name("client")
        self.tool("client", "add", "--organisation", self.demo.organisation, self.name_of_client)
        made = self.secret(self.name_of_client)
        self.pair, self.ident = (made["client_id"], made["client_secret"]), made["id"]

    def bearer(self, answer):
        self.assertEqual((answer.status, answer["token_type"], answer["expires_in"]), (200, "Bearer", 3600), answer)
        self.assertEqual(answer.headers["cache-control"], "no-store")
        return Client(self.demo.scim, answer["access_token"])

    def test_an_access_token_is_given_for_a_secret_by_both_ways(self):
        grant = {"grant_type": "client_credentials"}
        for answer in (self.grant(grant, self.pair), self.grant(grant | dict(zip(("client_id", "client_secret"), self.pair)))):
            client = self.bearer(answer)
            self.made(client.ask("POST", "/Users", {"userName": self.name()}))
        self.refused(Client(self.demo.scim, self.pair[1]).ask("GET", "/Users"), 401)
        forged = answer["access_token"][:-4] + "AAAA"
        self.refused(Client(self.demo.scim, forged).ask("GET", "/Users"), 401)

    def test_a_scope_is_a_part_of_what_the_client_may_do(self):
        grant = {"grant_type": "client_credentials", "scope": "read groups"}
        answer = self.grant(grant, self.pair)
        self.assertEqual(answer["scope"], "read groups")
        client = self.bearer(answer)
        self.assertEqual(client.ask("GET", "/Users").status, 200)
        self.refused(client.ask("POST", "/Users", {"userName": self.name()}), 403)
        wider = answer["access_token"].split("_")
        wider[3] = "127"
        self.refused(Client(self.demo.scim, "_".join(wider)).ask("GET", "/Users"), 401)
        self.bearer(self.grant(grant | {"scope": "scim"}, self.pair))
        for scope in ("read roles", "everything"):
            answer = self.grant(grant | {"scope": scope}, self.pair)
            self.assertEqual((answer.status, answer["error"]), (400, "invalid_scope"))

    def test_errors_are_those_of_the_rfc(self):
        grant = {"grant_type": "client_credentials"}
        for form, basic, status, error in (
            ({}, self.pair, 400, "invalid_request"),
            ({"grant_type": "password"}, self.pair, 400, "unsupported_grant_type"),
            (grant, None, 401, "invalid_client"),
            (grant, (self.pair[0], "hc_0000000000000000_x"), 401, "invalid_client"),
            (grant, ("0000000000000000", self.pair[1]), 401, "invalid_client"),
            (grant | {"client_id": self.pair[0], "client_secret": self.pair[1]}, self.pair, 400, "invalid_request"),
            (list(grant.items()) * 2, self.pair, 400, "invalid_request"),
        ):
            answer = self.grant(form, basic)
            self.assertEqual((answer.status, answer["error"]), (status, error), answer)
            self.assertEqual(answer.headers["cache-control"], "no-store")
            self.assertEqual("www-authenticate" in answer.headers, status == 401)

    def test_access_ends_with_the_secret_and_two_secrets_live(self):
        grant = {"grant_type": "client_credentials"}
        first = self.bearer(self.grant(grant, self.pair))
        other = self.secret(self.name_of_client)
        second = self.bearer(self.grant(grant, (other["client_id"], other["client_secret"])))
        self.tool("client", "secret", self.name_of_client, expect=FAILED)
        self.tool("token", "revoke", self.ident)
        self.refused(first.ask("GET", "/Users"), 401)
        self.assertEqual(second.ask("GET", "/Users").status, 200)
        self.tool("client", "remove", self.name_of_client)
        self.refused(second.ask("GET", "/Users"), 401)
        self.assertEqual(self.grant(grant, self.pair).status, 401)

    def test_the_metadata_says_where_and_how(self):
        answer = Client(self.demo.http, "")._once("GET", "/.well-known/oauth-authorization-server", None, {})
        self.assertEqual(answer["token_endpoint"], answer["issuer"] + "/oauth/token")
        self.assertEqual(answer["grant_types_supported"], ["client_credentials"])
        schemes = {scheme["type"] for scheme in self.get("/ServiceProviderConfig")["authenticationSchemes"]}
        self.assertEqual(schemes, {"oauthbearertoken", "oauth2"})


class Parting(Keeper):
    """What becomes of users and groups when SCIM is turned off."""

    def setUp(self):
        self.whose = self.name("leaving")
        _, self.provider = self.mint(self.whose)
        self.addCleanup(self.provider.close)
        self.people = [self.user(externalId=self.name("x")) for _ in range(3)]
        self.team = self.group(*self.people)

    def dn(self, user):
        return f"uid={user['userName']},ou=users,{self.demo.organisation}"

    def marks(self, user):
        """The marks of clients on the entry; None where there is no entry."""
        directory = self.ldap()
        self.addCleanup(directory.unbind_s)
        try:
            (_, held), = directory.search_s(self.dn(user), ldap.SCOPE_BASE, attrlist=["hcProvisionedBy", "hcExternalId"])
        except ldap.NO_SUCH_OBJECT:
            return None
        return len(held)

    def test_they_stay_as_they_are(self):
        self.tool("client", "remove", self.whose)
        self.refused(self.get("/Users"), 401)
        self.assertEqual([self.marks(user) for user in self.people], [2, 2, 2])

    def test_they_become_the_organisations_own(self):
        self.tool("client", "remove", self.whose, "--provisioned", "convert")
        self.assertEqual([self.marks(user) for user in self.people], [0, 0, 0])

    def test_they_go_if_their_number_is_known(self):
        self.tool("client", "remove", self.whose, "--provisioned", "remove", expect=2)
        self.tool("client", "remove", self.whose, "--provisioned", "remove", "--expect", "3", expect=FAILED)
        self.assertEqual(self.get("/Users").status, 200)
        self.tool("client", "remove", self.whose, "--provisioned", "remove", "--expect", "4")
        self.assertEqual([self.marks(user) for user in self.people], [None] * 3)
        kept = {row["id"] for row in self.tool("user", "deleted")}
        self.assertLessEqual({user["id"] for user in self.people}, kept)


class Explained(Keeper):
    """What a request of a client would come to."""

    def explain(self, whose, method, path, body=None):
        done = headcount("--config", self.demo.facts["config"], "--json", "client", "explain", whose, "--method", method, "--path", path, "-",
                         input=json.dumps(body) if body else "")
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_a_request_is_explained_and_not_made(self):
        whose = self.name("explained")
        _, self.provider = self.mint(whose)
        self.addCleanup(self.provider.close)
        user = self.user()
        path = f"/Users/{user['id']}"
        body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "replace", "path": "active", "value": "False"}]}
        (row,) = self.explain(whose, "PATCH", path, body)
        self.assertEqual((row["status"], row["shown_as"], row["before"], row["after"]), (200, "active", ["TRUE"], ["FALSE"]))
        self.assertEqual(self.read("Users", user["id"]), user)
        body["Operations"][0]["path"] = "nothing["
        (row,) = self.explain(whose, "PATCH", path, body)
        self.assertEqual((row["status"], row["scim_type"]), (400, "invalidPath"))
        self.assertFalse([row for row in self.tool("client", "log", whose) if row["method"] == "PATCH"])
