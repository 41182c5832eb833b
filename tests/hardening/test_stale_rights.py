"""Who loses a right has lost it at the next operation, on whatever is open, and its seat is free (hardening HC7)."""

import base64
import http.client
import json
import time
import unittest

import target
from target import SUFFIX, WHO_AM_I, Client, Target, bind, control, equal, extended, message, number, present, replace, search, sequence, text
from test_strangers import FOLLOWED

ACME = f"o=Acme,{SUFFIX}"
USERS, ROLES, GROUPS, LICENCES = (f"ou={name},{ACME}" for name in ("users", "roles", "groups", "licences"))
PASSWORD = "what everybody here signs in with"
SUCCESS, STRONGER, NO_SUCH_OBJECT, INVALID_CREDENTIALS, INSUFFICIENT, UNWILLING = 0, 8, 32, 49, 50, 53
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
PASSWORD_MODIFY = "1.3.6.1.4.1.4203.1.11.1"


def user(uid):
    return f"uid={uid},{USERS}"


def delete(dn):
    return text(dn, 0x4A)


class StaleRights(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Target()
        cls.addClassCleanup(cls.server.end)
        operator = cls.operator = Client(cls.server, patience=60).sign_in(cls.server)
        add = lambda dn, **attributes: cls.done(operator.add(dn, **attributes), dn)
        add(SUFFIX, objectClass=["domain"], dc=["example"])
        add(ACME, objectClass=["organization", "hcOrganisation"], o=["Acme"])
        add(f"cn=Desk,{LICENCES}", objectClass=["hcLicence"], cn=["Desk"], hcSessionLimit=["50"], hcPackage=["Standard"],
            hcLicenceDefault=["TRUE"])
        permissions = ["people.search", "people.search-any", "groups.search-own", "groups.search-any"]
        for name in ("searcher", "reader", "doomed"):
            add(f"cn={name},{ROLES}", objectClass=["hcRoleDefinition"], cn=[name], hcRolePermission=permissions)
        add(f"cn=chief,{ROLES}", objectClass=["hcRoleDefinition"], cn=["chief"], hcRoleSystem=["organisation-admin"])
        for uid in ("bob", "chief"):
            cls.person(uid)
        cls.give("chief", "chief")
        minted = json.loads(cls.server.run("token", "mint", "--json", "--organisation", ACME, "provider").stdout.splitlines()[0])
        cls.done(cls.server.run("client", "change", "--organisation", ACME, "--reach", "organisation", "provider").returncode, "reach")
        cls.token, cls.token_id = minted["token"], minted["id"]

    @staticmethod
    def done(code, what):
        assert code == SUCCESS, (code, what)

    @classmethod
    def person(cls, uid, role=None):
        code = cls.operator.add(user(uid), objectClass=["inetOrgPerson", "hcUser"], uid=[uid], cn=[uid], sn=[uid],
                                mail=[f"{uid}@example.com"], userPassword=[PASSWORD])
        cls.done(code, uid)
        if role:
            cls.give(uid, role)

    @classmethod
    def give(cls, uid, *roles):
        cls.done(cls.operator.ask(replace(user(uid), "hcRole", *(f"cn={role},{ROLES}" for role in roles)))[0], uid)

    def change(self, operation):
        self.assertEqual(self.operator.ask(operation)[0], SUCCESS)

    def tool(self, *arguments):
        done = self.server.run(*arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def signed_in(self, uid):
        client = Client(self.server, patience=60)
        self.addCleanup(client.close)
        self.assertEqual(client.ask(bind(user(uid), PASSWORD))[0], SUCCESS)
        return client

    def seats(self, uid):
        return self.operator.ask(search(f"ou=sessions,{ACME}", 1, equal("hcSessionUser", user(uid)), "1.1"))

    def sees(self, client, dn):
        return client.ask(search(dn, 0, present("objectClass"), "cn"))

    def scim(self, method, path, body=None, token=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http_port, timeout=30)
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/scim+json"}
        connection.request(method, f"/scim/v2{path}", json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        octets = answer.read()
        connection.close()
        return answer.status, json.loads(octets) if octets else None

    def id_of(self, uid):
        status, found = self.scim("GET", f"/Users?filter=userName%20eq%20%22{uid}%22")
        self.assertEqual((status, found["totalResults"]), (200, 1))
        return found["Resources"][0]["id"]

    def thrown_out(self, uid, how):
        """Two connections of the user, the change, and one operation on each: none is done, and the seat is free."""
        connections = [self.signed_in(uid), self.signed_in(uid)]
        for client in connections:
            self.assertEqual(client.ask(WHO_AM_I)[0], SUCCESS)
        self.assertEqual(self.seats(uid), (SUCCESS, 1), "one seat, however many connections")
        how()
        self.assertEqual(self.seats(uid), (SUCCESS, 0), "the seat is free when the change is answered")
        for client, operation in zip(connections, (WHO_AM_I, search(user(uid), 0, present("objectClass"), "cn"))):
            self.assertEqual(client.ask(operation), (STRONGER, 0), "the first operation after the change")
            with self.assertRaises(target.Closed):
                client.ask(WHO_AM_I)

    def is_kept_out(self, uid):
        with Client(self.server) as client:
            self.assertEqual(client.ask(bind(user(uid), PASSWORD))[0], INVALID_CREDENTIALS)

    # Accounts ---------------------------------------------------------------------------------------------------------

    def test_hc7_disabled_by_ldap(self):
        self.person("disabled")
        self.thrown_out("disabled", lambda: self.change(replace(user("disabled"), "hcActive", "FALSE")))
        self.is_kept_out("disabled")

    def test_hc7_disabled_by_scim(self):
        self.person("inactive")
        body = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "active", "value": False}]}
        path = f"/Users/{self.id_of('inactive')}"
        self.thrown_out("inactive", lambda: self.assertIn(self.scim("PATCH", path, body)[0], (200, 204)))
        self.is_kept_out("inactive")

    def test_hc7_disabled_on_the_command_line(self):
        self.person("locked")
        self.thrown_out("locked", lambda: self.tool("user", "disable", user("locked")))
        self.is_kept_out("locked")
        self.tool("user", "enable", user("locked"))
        self.signed_in("locked")

    def test_hc7_deleted_by_ldap(self):
        self.person("deleted")
        self.thrown_out("deleted", lambda: self.change(delete(user("deleted"))))
        self.is_kept_out("deleted")

    def test_hc7_deleted_by_scim(self):
        self.person("removed")
        path = f"/Users/{self.id_of('removed')}"
        self.thrown_out("removed", lambda: self.assertEqual(self.scim("DELETE", path)[0], 204))
        self.is_kept_out("removed")

    def test_hc7_password_set_by_somebody_else(self):
        self.person("reset")
        new = sequence(text(user("reset"), 0x80), text("a new one that somebody else chose", 0x82))
        self.thrown_out("reset", lambda: self.change(extended(PASSWORD_MODIFY, new)))
        self.is_kept_out("reset")

    def test_hc7_session_ended_by_scim(self):
        self.person("ended")
        whose = self.id_of("ended")

        def end():
            _, listed = self.scim("GET", "/Sessions")
            (session,) = [session for session in listed["Resources"] if whose in json.dumps(session)]
            self.assertEqual(self.scim("DELETE", f"/Sessions/{session['id']}")[0], 204)

        self.thrown_out("ended", end)
        self.signed_in("ended")

    # Rights -----------------------------------------------------------------------------------------------------------

    def loses_sight(self, uid, how):
        """A connection that sees another user, the change, and the next search."""
        client = self.signed_in(uid)
        self.assertEqual(self.sees(client, user("bob")), (SUCCESS, 1))
        how()
        self.assertEqual(self.sees(client, user("bob")), (NO_SUCH_OBJECT, 0), "the first search after the change")
        self.assertEqual(self.sees(client, user(uid)), (SUCCESS, 1), "it is still who it was")

    def test_hc7_a_role_taken_away(self):
        self.person("roleless", "searcher")
        self.loses_sight("roleless", lambda: self.give("roleless"))

    def test_hc7_a_role_taken_away_on_the_command_line(self):
        self.person("unassigned", "searcher")
        self.loses_sight("unassigned", lambda: self.tool("role", "unassign", user("unassigned"), "searcher"))

    def test_hc7_a_permission_taken_from_a_role(self):
        self.person("narrowed", "reader")
        self.loses_sight("narrowed", lambda: self.change(replace(f"cn=reader,{ROLES}", "hcRolePermission", "groups.search-own")))

    def test_hc7_a_role_deleted(self):
        self.person("orphan", "doomed")
        self.loses_sight("orphan", lambda: self.change(delete(f"cn=doomed,{ROLES}")))

    def test_hc7_an_administrator_of_an_organisation_made_a_user(self):
        self.person("former")
        self.give("former", "chief")
        client = self.signed_in("former")
        self.assertEqual(client.ask(replace(user("bob"), "title", "set while in charge"))[0], SUCCESS)
        self.give("former")
        self.assertIn(client.ask(replace(user("bob"), "title", "set afterwards"))[0], (NO_SUCH_OBJECT, INSUFFICIENT))
        code = client.add(user("made-afterwards"), objectClass=["inetOrgPerson", "hcUser"], cn=["x"], sn=["x"])
        self.assertIn(code, (NO_SUCH_OBJECT, INSUFFICIENT))

    def test_hc7_an_administrator_of_a_group_made_a_member(self):
        self.person("leader")
        crew = f"cn=crew,{GROUPS}"
        code = self.operator.add(crew, objectClass=["hcGroup"], cn=["crew"], hcAdministrator=[user("leader"), user("chief")])
        self.assertEqual(code, SUCCESS)
        client = self.signed_in("leader")
        self.assertEqual(client.ask(replace(crew, "member", user("bob")))[0], SUCCESS)
        self.change(replace(crew, "hcAdministrator", user("chief")))
        self.assertIn(client.ask(replace(crew, "member", user("chief")))[0], (NO_SUCH_OBJECT, INSUFFICIENT))

    def test_hc7_a_member_of_a_group_made_a_past_member(self):
        self.person("comrade")
        band = f"cn=band,{GROUPS}"
        self.assertEqual(self.operator.add(f"cn=own,{ROLES}", objectClass=["hcRoleDefinition"], cn=["own"],
                                           hcRolePermission=["people.search", "groups.search-own"]), SUCCESS)
        self.give("comrade", "own")
        self.assertEqual(self.operator.add(band, objectClass=["hcGroup"], cn=["band"], member=[user("comrade"), user("bob")]), SUCCESS)
        client = self.signed_in("comrade")
        self.assertEqual((self.sees(client, band), self.sees(client, user("bob"))), ((SUCCESS, 1), (SUCCESS, 1)))
        self.tool("group", "member", band, user("comrade"), "--level", "past")
        self.assertEqual((self.sees(client, band), self.sees(client, user("bob"))), ((NO_SUCH_OBJECT, 0), (NO_SUCH_OBJECT, 0)))

    def test_hc7_a_rule_of_the_config_taken_away(self):
        self.assertEqual(self.operator.add(user("svc"), objectClass=["applicationProcess", "simpleSecurityObject", "uidObject", "hcUser"],
                                           uid=["svc"], cn=["svc"], hcUserType=["service"], userPassword=[PASSWORD]), SUCCESS)
        config = self.server.folder / "headcount.toml"
        before = config.read_text()
        self.addCleanup(config.write_text, before)
        client = self.signed_in("svc")
        config.write_text(before + f'[[access]]\nwho = ["services"]\nsubtree = "{ACME}"\nattributes = ["*"]\nrights = ["read"]\n')

        def turns(code):
            deadline = time.monotonic() + 20
            while self.sees(client, user("bob"))[0] != code and time.monotonic() < deadline:
                time.sleep(0.05)
            self.assertEqual(self.sees(client, user("bob"))[0], code)

        turns(SUCCESS)
        config.write_text(before)
        turns(NO_SUCH_OBJECT)

    # Licences and tokens ----------------------------------------------------------------------------------------------

    def test_hc7_a_licence_that_has_ended(self):
        desk, branch = f"cn=Desk,ou=licences,o=Ended,{SUFFIX}", f"uid=eve,ou=users,o=Ended,{SUFFIX}"
        add = lambda dn, **attributes: self.assertEqual(self.operator.add(dn, **attributes), SUCCESS)
        add(f"o=Ended,{SUFFIX}", objectClass=["organization", "hcOrganisation"], o=["Ended"])
        add(desk, objectClass=["hcLicence"], cn=["Desk"], hcSessionLimit=["5"], hcPackage=["Standard"], hcLicenceDefault=["TRUE"])
        for uid in ("eve", "new"):
            add(f"uid={uid},ou=users,o=Ended,{SUFFIX}", objectClass=["inetOrgPerson", "hcUser"], uid=[uid], cn=[uid], sn=[uid],
                mail=[f"{uid}@example.com"], userPassword=[PASSWORD])
        seated = Client(self.server)
        self.addCleanup(seated.close)
        self.assertEqual(seated.ask(bind(branch, PASSWORD))[0], SUCCESS)
        self.change(replace(desk, "hcEndDate", "20200101000000Z"))
        for dn in (branch.replace("eve", "new"), branch):
            with Client(self.server) as client:
                self.assertEqual(client.ask(bind(dn, PASSWORD))[0], UNWILLING, dn)
                self.assertEqual(client.ask(bind(dn, "not the password"))[0], INVALID_CREDENTIALS, "told to who knows the password only")
        self.assertEqual(seated.ask(bind(branch, PASSWORD))[0], UNWILLING, "on the connection that is open, too")
        self.change(replace(desk, "hcEndDate"))
        with Client(self.server) as client:
            self.assertEqual(client.ask(bind(branch, PASSWORD))[0], SUCCESS, "administration goes on, and it can begin again")

    def test_hc7_a_token_revoked(self):
        minted = json.loads(self.server.run("token", "mint", "--json", "--organisation", ACME, "short-lived").stdout.splitlines()[0])
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http_port, timeout=30)
        self.addCleanup(connection.close)

        def ask():
            connection.request("GET", "/scim/v2/Users", headers={"Authorization": f"Bearer {minted['token']}"})
            answer = connection.getresponse()
            answer.read()
            return answer.status

        self.assertEqual(ask(), 200)
        self.tool("token", "revoke", minted["id"])
        self.assertEqual(ask(), 401, "the first request after it, on the connection that was open")

    def test_hc7_a_token_of_an_organisation_that_is_gone(self):
        gone = f"o=Gone,{SUFFIX}"
        self.assertEqual(self.operator.add(gone, objectClass=["organization", "hcOrganisation"], o=["Gone"]), SUCCESS)
        minted = json.loads(self.server.run("token", "mint", "--json", "--organisation", gone, "x").stdout.splitlines()[0])
        self.assertEqual(self.scim("GET", "/Users", token=minted["token"])[0], 200)
        self.change(delete(gone))
        self.assertEqual(self.scim("GET", "/Users", token=minted["token"])[0], 401)

    def test_hc7_a_token_that_is_too_old(self):
        minted = json.loads(self.server.run("token", "mint", "--json", "--organisation", ACME, "--lifetime", "3s", "x").stdout.splitlines()[0])
        self.assertEqual(self.scim("GET", "/Users", token=minted["token"])[0], 200)
        time.sleep(3.1)
        self.assertEqual(self.scim("GET", "/Users", token=minted["token"])[0], 401)


class Unseated(Target):
    """A service account, an administrator by entry, one by role through the application for that, and an account of no
    organisation."""

    def write_config(self):
        super().write_config()
        with open(self.folder / "headcount.toml", "a") as config:
            config.write(f'[[access]]\nwho = ["users"]\nsubtree = "{SUFFIX}"\nattributes = ["*", "+"]\nrights = ["read"]\n'
                         '[[application]]\nname = "administration"\nnetwork = "127.0.0.0/8"\nadministrative = true\n')


class WithoutASeat(unittest.TestCase):
    """Accounts that take no seat have no session that ends; their connections end all the same."""

    TOOL = f"cn=tool,{SUFFIX}"
    ACCOUNTS = {"a service": user("svc"), "an administrator": user("root"), "an administrator of the organisation": user("chief"),
                "of no organisation": TOOL}

    @classmethod
    def setUpClass(cls):
        cls.server = Unseated()
        cls.addClassCleanup(cls.server.end)
        operator = cls.operator = Client(cls.server, patience=60).sign_in(cls.server)
        add = lambda dn, **attributes: StaleRights.done(operator.add(dn, **attributes), dn)
        add(SUFFIX, objectClass=["domain"], dc=["example"])
        add(ACME, objectClass=["organization", "hcOrganisation"], o=["Acme"])
        add(f"cn=chief,{ROLES}", objectClass=["hcRoleDefinition"], cn=["chief"], hcRoleSystem=["organisation-admin"])
        # The last one could not be deleted.
        add(user("deputy"), objectClass=["inetOrgPerson", "hcUser"], uid=["deputy"], cn=["deputy"], sn=["x"], mail=["deputy@example.com"],
            hcRole=[f"cn=chief,{ROLES}"], userPassword=[PASSWORD])

    def setUp(self):
        """The accounts anew: each test changes them."""
        for dn in self.ACCOUNTS.values():
            self.operator.ask(delete(dn))
        account = {"objectClass": ["applicationProcess", "simpleSecurityObject", "uidObject", "hcUser"], "userPassword": [PASSWORD]}
        add = lambda dn, **attributes: StaleRights.done(self.operator.add(dn, **attributes), dn)
        add(user("svc"), uid=["svc"], cn=["svc"], hcUserType=["service"], **account)
        person = {"objectClass": ["inetOrgPerson", "hcUser"], "sn": ["x"], "userPassword": [PASSWORD]}
        add(user("root"), uid=["root"], cn=["root"], hcUserType=["admin"], mail=["root@example.com"], **person)
        add(user("chief"), uid=["chief"], cn=["chief"], mail=["chief@example.com"], hcRole=[f"cn=chief,{ROLES}"], **person)
        add(self.TOOL, objectClass=["applicationProcess", "simpleSecurityObject"], cn=["tool"], userPassword=[PASSWORD])

    def change(self, operation, client=None):
        self.assertEqual((client or self.operator).ask(operation)[0], SUCCESS)

    def signed_in(self, dn, password=PASSWORD):
        client = Client(self.server, patience=60)
        self.addCleanup(client.close)
        self.assertEqual(client.ask(bind(dn, password))[0], SUCCESS, dn)
        return client

    def following(self, dn):
        """Connections that follow a search, each in its way; all there is was told."""
        for followed in FOLLOWED.values():
            client = self.signed_in(dn)
            client.send(message(50, search(SUFFIX, 2, equal("objectClass", "domain"), "1.1"), followed))
            while True:
                ident, tag, _ = client.receive()
                self.assertEqual(ident, 50)
                if tag in (0x64, 0x79):
                    break
            yield client

    def has_ended(self, client):
        """It is told within a second, though it asks for nothing."""
        client.socket.settimeout(1)
        while (answer := client.receive())[0] == 50:
            self.assertIn(answer[1], (0x64, 0x79))
        self.assertEqual((answer[:2], target.first(answer[2])[0]), ((0, 0x78), bytes([STRONGER])))
        with self.assertRaises(target.Closed):
            client.receive()

    def goes_on(self, client):
        self.assertEqual(client.ask(WHO_AM_I)[0], SUCCESS)

    def is_thrown_out(self, client):
        self.assertEqual(client.ask(search(SUFFIX, 0, present("objectClass"), "1.1")), (STRONGER, 0), "the first operation after the change")
        with self.assertRaises(target.Closed):
            client.ask(WHO_AM_I)

    def thrown_out_by(self, what, dn, how):
        """Connections at rest and others that follow, and the change."""
        with self.subTest(what):
            ready, following = self.signed_in(dn), list(self.following(dn))
            self.goes_on(ready)
            how(dn)
            for client in following:
                self.has_ended(client)
            self.is_thrown_out(ready)

    def test_hc7_password_of_an_account_without_a_seat_set_by_somebody_else(self):
        new = lambda dn: extended(PASSWORD_MODIFY, sequence(text(dn, 0x80), text("a new one that somebody else chose", 0x82)))
        for what, dn in self.ACCOUNTS.items():
            self.thrown_out_by(f"password modify of {what}", dn, lambda dn: self.change(new(dn)))
        self.setUp()
        for what, dn in self.ACCOUNTS.items():
            hashed = target.servers.ssha("a new one that somebody else chose")
            self.thrown_out_by(f"modify of {what}", dn, lambda dn: self.change(replace(dn, "userPassword", hashed)))
            self.goes_on(self.signed_in(dn, "a new one that somebody else chose"))

    def test_hc7_an_account_without_a_seat_changed_so_that_a_session_would_end(self):
        for dn, attribute, value in ((user("svc"), "hcActive", "FALSE"), (user("root"), "mail", "another@example.com")):
            self.thrown_out_by(f"{attribute} of {dn}", dn, lambda dn: self.change(replace(dn, attribute, value)))
        self.setUp()
        for what, dn in self.ACCOUNTS.items():
            self.thrown_out_by(f"{what} deleted", dn, lambda dn: self.change(delete(dn)))

    def test_hc7_a_password_of_its_own_ends_the_other_connections_without_a_seat(self):
        for what, dn in self.ACCOUNTS.items():
            with self.subTest(what):
                own, other, following = self.signed_in(dn), self.signed_in(dn), list(self.following(dn))
                bystander = self.signed_in(user("svc") if dn == self.TOOL else self.TOOL)
                for password in ("the next one it has chosen itself", "and one more that it has chosen"):
                    self.change(extended(PASSWORD_MODIFY, sequence(text(password, 0x82))), own)
                    self.goes_on(own)
                self.is_thrown_out(other)
                for client in following:
                    self.has_ended(client)
                self.goes_on(bystander)
                # What somebody else does ends this one too.
                self.change(replace(dn, "userPassword", target.servers.ssha(PASSWORD)))
                self.is_thrown_out(own)

    def test_hc7_a_password_hashed_anew_ends_nobody(self):
        self.change(replace(self.TOOL, "userPassword", target.servers.ssha(PASSWORD)))
        client = self.signed_in(self.TOOL)
        stored = lambda: [entry for entry in self.server.run("export").stdout.split("\n\n") if entry.startswith(f"dn: {self.TOOL}")][0]
        hashed = base64.b64encode(b"{ARGON2}").decode()[:8]
        target.servers.demo.eventually("it is hashed anew", lambda: "{ARGON2}" in stored() or f"userPassword:: {hashed}" in stored())
        self.change(replace(self.TOOL, "description", "changed by somebody else"))
        self.change(replace(f"cn=chief,{ROLES}", "description", "so that rights are looked at anew"))
        self.goes_on(client)


class TheOperatorOfTheConfig(unittest.TestCase):
    """Whoever signed in as the operator of a config is that as long as the config says so."""

    PERSISTENT = "2.16.840.1.113730.3.4.3"
    OTHER = "cn=other,dc=example,dc=com"

    def setUp(self):
        self.server = Target()
        self.addCleanup(self.server.end)
        self.config = self.server.folder / "headcount.toml"
        self.former = self.config.read_text()
        with Client(self.server, patience=60).sign_in(self.server) as operator:
            self.assertEqual(operator.add(SUFFIX, objectClass=["domain"], dc=["example"]), SUCCESS)

    def put_in_force(self, config):
        """Waits until it is in force: the log says so."""
        in_force = lambda: self.server.log().count("the changed config is in force")
        before, deadline = in_force(), time.monotonic() + 30
        self.config.write_text(config)
        while in_force() == before and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(in_force(), before + 1)

    def thrown_out_by(self, config):
        """Two connections of the operator, one that follows a search, and the new config."""
        ready, following = Client(self.server, patience=60), Client(self.server, patience=60)
        for client in (ready, following):
            self.addCleanup(client.close)
            client.sign_in(self.server)
        persistent = control(self.PERSISTENT, True, sequence(number(15), b"\x01\x01\xff", b"\x01\x01\x00"))
        following.send(message(7, search(SUFFIX, 2, present("objectClass"), "1.1"), persistent))
        self.put_in_force(config)
        self.assertEqual(ready.ask(replace(SUFFIX, "description", "by nobody")), (STRONGER, 0), "the first operation after the change")
        with self.assertRaises(target.Closed):
            ready.ask(WHO_AM_I)
        ident, tag, content = following.receive()
        self.assertEqual((ident, tag, target.first(content)[0]), (0, 0x78, bytes([STRONGER])), "what it follows ends, though nothing happens")
        with self.assertRaises(target.Closed):
            following.receive()

    def code_of(self, name, password=target.servers.PASSWORD):
        with Client(self.server, patience=60) as client:
            return client.ask(bind(name, password))[0]

    def test_hc7_another_password_of_the_operator(self):
        first, rest = self.former.split('password_hash = "', 1)
        self.thrown_out_by(f'{first}password_hash = "{target.servers.ssha("another")}"{rest.partition(chr(34))[2]}')
        self.assertEqual((self.code_of(self.server.operator, "another"), self.code_of(self.server.operator)), (SUCCESS, INVALID_CREDENTIALS))

    def test_hc7_another_name_of_the_operator(self):
        self.thrown_out_by(self.former.replace(f'dn = "{self.server.operator}"', f'dn = "{self.OTHER}"', 1))
        self.assertEqual((self.code_of(self.OTHER), self.code_of(self.server.operator)), (SUCCESS, INVALID_CREDENTIALS))

    def test_hc7_no_operator_any_more(self):
        before, _, after = self.former.partition("[operator]")
        self.thrown_out_by(f"{before}[[listener]]{after.partition('[[listener]]')[2]}")
        self.assertEqual(self.code_of(self.server.operator), INVALID_CREDENTIALS)

    def test_hc7_the_operator_stays_where_something_else_changes(self):
        with Client(self.server, patience=60).sign_in(self.server) as client:
            same = self.former.replace(f'dn = "{self.server.operator}"', f'dn = "{self.server.operator.replace("cn=", "CN = ")}"', 1)
            self.put_in_force(same.replace("[limits]", "[limits]\nsize = 77"))
            self.assertEqual(client.ask(replace(SUFFIX, "description", "by the operator"))[0], SUCCESS)
