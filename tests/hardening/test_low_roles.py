"""What administers is done by administrators: every such operation by every lower role (hardening HC8).

The rows for extended operations and controls are held against the root DSE: one that is new has no row, and fails.
"""

import http.client
import json
import os
import socket
import subprocess
import unittest

from target import ROOT, SUFFIX, WHO_AM_I, Client, Target, bind, control, equal, extended, number, present, replace, search, sequence, text

ACME, OTHER = (f"o={name},{SUFFIX}" for name in ("Acme", "Other"))
PASSWORD = "what everybody here signs in with"
SUCCESS, UNWILLING = 0, 53
OURS = "2.25.128590336736012936669972887359999261034"
START_TLS, PASSWORD_MODIFY, CANCEL = "1.3.6.1.4.1.1466.20037", "1.3.6.1.4.1.4203.1.11.1", "1.3.6.1.1.8"
START_TRANSACTION, END_TRANSACTION, END_SESSION, RENEW_SESSION = "1.3.6.1.1.21.1", "1.3.6.1.1.21.3", f"{OURS}.4.1", f"{OURS}.4.2"
RELAX, TREE_DELETE, PROXIED, RIGHTS = (
    "1.3.6.1.4.1.4203.666.5.12", "1.2.840.113556.1.4.805", "2.16.840.1.113730.3.4.18", "1.3.6.1.4.1.42.2.27.9.5.2")
SYNC, PERSISTENT, USABILITY = "1.3.6.1.4.1.4203.1.9.1.1", "2.16.840.1.113730.3.4.3", "1.3.6.1.4.1.42.2.27.9.5.8"
#: What these do for somebody, the operation they come with has to allow: they have rows in tests/rfc and tests/clients.
WITHOUT_PRIVILEGE = {
    "1.3.6.1.1.12", "2.16.840.1.113730.3.4.16", "1.3.6.1.4.1.4203.666.5.16", "2.16.840.1.113730.3.4.9", "2.16.840.1.113730.3.4.2",
    "1.2.826.0.1.3344810.2.3", "1.3.6.1.1.22", "1.3.6.1.4.1.4203.666.5.2", "1.2.840.113556.1.4.319", "1.3.6.1.4.1.42.2.27.8.5.1",
    "1.2.840.113556.1.4.1413", "1.3.6.1.1.13.2", "1.3.6.1.1.13.1", f"{OURS}.3.1", "1.3.6.1.4.1.21008.108.63.1", "1.2.840.113556.1.4.473",
    "1.3.6.1.4.1.4203.1.10.1", "1.3.6.1.1.21.2",
}


def user(uid, organisation=ACME):
    return f"uid={uid},ou=users,{organisation}"


def add(dn, **attributes):
    values = (sequence(text(name), sequence(*map(text, given), tag=0x31)) for name, given in attributes.items())
    return sequence(text(dn), sequence(*values), tag=0x68)


def person(uid, organisation=ACME, **more):
    values = {"objectClass": ["inetOrgPerson", "hcUser"], "uid": [uid], "cn": [uid], "sn": [uid], "mail": [f"{uid}@example.com"]}
    return add(user(uid, organisation), **(values | more))


def delete(dn):
    return text(dn, 0x4A)


def rename(dn, rdn, superior=None):
    return sequence(text(dn), text(rdn), b"\x01\x01\xff", *([text(superior, 0x80)] if superior else []), tag=0x6C)


def passmod(dn):
    return extended(PASSWORD_MODIFY, sequence(text(dn, 0x80), text("another one, chosen by somebody else", 0x82)))


#: Changes after which an account would be there and open to nobody.
LOCKED_OUT = {
    "with a hash of no password": ("userPassword", "{CRYPT}*"), "with a password elsewhere": ("userPassword", "{SASL}x@y"),
    "with a hash in the clear": ("userPassword", "{CLEARTEXT}xyz"),
    "with a hash that costs too much": ("userPassword", "{ARGON2}$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
    "with a password of the past": ("pwdEndTime", "20000101000000Z"), "with a password that ends": ("pwdEndTime", "20990101000000Z"),
    "with a password of the future": ("pwdStartTime", "20990101000000Z"),
}
#: Who: anonymous, a user, one who sees everybody, one who keeps groups, a service that reads, an administrator elsewhere.
LOW = ("", "ann", "sam", "gil", "svc", "eve")


class House(Target):
    """Two organisations, with somebody in each role."""

    def __init__(self):
        super().__init__()
        operator = self.by_operator = Client(self, patience=60).sign_in(self)
        done = lambda code, what: None if code == SUCCESS else self.fail(code, what)
        put = lambda operation, what: done(operator.ask(operation)[0], what)
        put(add(SUFFIX, objectClass=["domain"], dc=["example"]), SUFFIX)
        permissions = ["people.search", "people.search-any", "groups.search-own", "groups.search-any"]
        for organisation, people in ((ACME, ("ann", "bob", "sam", "gil", "ada")), (OTHER, ("eve", "bea"))):
            put(add(organisation, objectClass=["organization", "hcOrganisation"]), organisation)
            licence = {"hcSessionLimit": ["50"], "hcPackage": ["Standard"], "hcLicenceDefault": ["TRUE"]}
            put(add(f"cn=Desk,ou=licences,{organisation}", objectClass=["hcLicence"], cn=["Desk"], **licence), organisation)
            for name, more in (("chief", {"hcRoleSystem": ["organisation-admin"]}), ("searcher", {"hcRolePermission": permissions}),
                               ("keeper", {"hcRolePermission": [*permissions, "groups.maintain-all"]})):
                put(add(f"cn={name},ou=roles,{organisation}", objectClass=["hcRoleDefinition"], cn=[name], **more), name)
            for uid in people:
                put(person(uid, organisation, userPassword=[PASSWORD]), uid)
        put(add(user("svc"), objectClass=["applicationProcess", "simpleSecurityObject", "uidObject", "hcUser"], uid=["svc"], cn=["svc"],
                hcUserType=["service"], userPassword=[PASSWORD]), "svc")
        put(person("root", hcUserType=["admin"], userPassword=[PASSWORD]), "root")
        for uid, role, organisation in (("sam", "searcher", ACME), ("gil", "keeper", ACME), ("ada", "chief", ACME), ("eve", "chief", OTHER)):
            put(replace(user(uid, organisation), "hcRole", f"cn={role},ou=roles,{organisation}"), uid)

    def write_config(self):
        super().write_config()
        with open(self.folder / "headcount.toml", "a") as config:
            config.write(f'[[access]]\nwho = ["services"]\nsubtree = "{ACME}"\nattributes = ["*", "+"]\nrights = ["read"]\n')

    @staticmethod
    def fail(code, what):
        raise AssertionError((code, what))

    def signed_in(self, who):
        client = Client(self, patience=60)
        if who == "operator":
            client.sign_in(self)
        elif who:
            code, _ = client.ask(bind(user(who, OTHER if who == "eve" else ACME), PASSWORD))
            assert code == SUCCESS, (who, code)
        return client

    def contents(self):
        """Everything but sessions."""
        text = self.run("export").stdout
        return [entry for entry in text.split("\n\n") if "objectClass: hcSession\n" not in entry]

    def sessions_of(self, uid):
        done = self.run("sessions", "list", "--json")
        rows = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
        return [row["id"] for row in rows if row.get("user") == user(uid)]


class LowRoles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = House()
        cls.addClassCleanup(cls.server.end)

    def refused(self, rows, roles=LOW):
        """Each operation by each role on a connection of its own: none is done, and all is as it was."""
        connections = {who: self.server.signed_in(who) for who in roles}
        before = self.server.contents()
        for what, (operation, *controls) in rows.items():
            for who, client in connections.items():
                code, entries = client.ask(operation, *controls)
                # Refused, and not for being wrong: no operationsError, protocolError or other.
                self.assertNotIn(code, (SUCCESS, 1, 2, 80), f"{who or 'anonymous'}: {what}")
                self.assertEqual(entries, 0, f"{who or 'anonymous'}: {what}")
        self.assertEqual(self.server.contents(), before)
        for client in connections.values():
            client.close()

    def root_dse(self, attribute):
        url = ["ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H", self.server.url, "-s", "base", "-b", "", attribute]
        found = subprocess.run(url, capture_output=True, text=True, check=True).stdout
        return {line.split(": ")[1] for line in found.splitlines() if line.startswith(f"{attribute}: ")}

    def test_hc8_accounts_are_kept_by_administrators(self):
        chief = f"cn=chief,ou=roles,{ACME}"
        self.refused({
            "add a user": (person("new"),),
            "add one of type admin": (person("new", hcUserType=["admin"]),),
            "add one of type service": (person("new", hcUserType=["service"], userPassword=[PASSWORD]),),
            "delete": (delete(user("bob")),),
            "delete an administrator": (delete(user("ada")),),
            "delete the operator's user": (delete(user("root")),),
            "rename": (rename(user("bob"), "uid=robert"),),
            "move": (rename(user("bob"), "uid=bob", f"ou=users,{OTHER}"),),
            "disable": (replace(user("bob"), "hcActive", "FALSE"),),
            "unlock": (replace(user("bob"), "pwdAccountLockedTime"),),
            "another address": (replace(user("bob"), "mail", "evil@example.com"),),
            "another address of an administrator": (replace(user("ada"), "mail", "evil@example.com"),),
            "make it of type admin": (replace(user("bob"), "hcUserType", "admin"),),
            "give a role": (replace(user("bob"), "hcRole", chief),),
            "take a role": (replace(user("ada"), "hcRole"),),
            "a secret of one-time codes": (replace(user("bob"), "hcOneTimeSecret", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"),),
            "an application password": (replace(user("bob"), "hcApplicationPassword", "till$" + "x" * 40),),
            "a password by modify": (replace(user("bob"), "userPassword", "another one, chosen by somebody else"),),
            "a password of an administrator": (replace(user("ada"), "userPassword", "another one, chosen by somebody else"),),
            "SCRAM keys": (replace(user("bob"), "authPassword", "SCRAM-SHA-256$4096:c2FsdA==$a:b"),),
            "another policy": (replace(user("bob"), "pwdPolicySubentry", f"cn=none,{ACME}"),),
        })

    def test_hc8_nobody_raises_itself(self):
        for who in ("ann", "sam", "gil", "svc"):
            rows = {
                "a role of its own": (replace(user(who), "hcRole", f"cn=chief,ou=roles,{ACME}"),),
                "the type": (replace(user(who), "hcUserType", "admin"),),
                "an entitlement": (replace(user(who), "hcEntitlement", "everything"),),
                "the type, relaxed": (replace(user(who), "hcUserType", "admin"), control(RELAX, True)),
                "the role, relaxed": (replace(user(who), "hcRole", f"cn=chief,ou=roles,{ACME}"), control(RELAX, True)),
                "into an organisation": (rename(user(who), f"uid={who}", f"ou=users,{OTHER}"),),
            }
            self.refused(rows, [who])

    def test_hc8_an_administrator_of_an_organisation_is_not_the_operator(self):
        root = user("root")
        self.refused({
            "an organisation": (add(f"o=Third,{SUFFIX}", objectClass=["organization", "hcOrganisation"]),),
            "a licence": (add(f"cn=More,ou=licences,{ACME}", objectClass=["hcLicence"], cn=["More"], hcSessionLimit=["9"]),),
            "more seats": (replace(f"cn=Desk,ou=licences,{ACME}", "hcSessionLimit", "5000"),),
            "another package": (replace(f"cn=Desk,ou=licences,{ACME}", "hcPackage", "Premium"),),
            "no end": (replace(f"cn=Desk,ou=licences,{ACME}", "hcEndDate", "20990101000000Z"),),
            "its licence goes": (delete(f"cn=Desk,ou=licences,{ACME}"),),
            "its organisation goes": (delete(ACME), control(TREE_DELETE, True)),
            "another organisation goes": (delete(OTHER), control(TREE_DELETE, True)),
            "a role of the system": (add(f"cn=more,ou=roles,{ACME}", objectClass=["hcRoleDefinition"], hcRoleSystem=["organisation-admin"]),),
            "a role made one of the system": (replace(f"cn=searcher,ou=roles,{ACME}", "hcRoleSystem", "organisation-admin"),),
            "a user of type admin": (person("new", hcUserType=["admin"]),),
            "a user made one of type admin": (replace(user("bob"), "hcUserType", "admin"),),
            "the operator's user disabled": (replace(root, "hcActive", "FALSE"),),
            "the operator's user's password": (passmod(root),),
            "the operator's user's password by modify": (replace(root, "userPassword", "another one, chosen by somebody else"),),
            "the operator's user's address": (replace(root, "mail", "evil@example.com"),),
            "the operator's user goes": (delete(root),),
            "the operator's user is renamed": (rename(root, "uid=boot"),),
            "the operator's password": (passmod(self.server.operator),),
            "a session of one's own making": (add(f"hcSessionId=x,ou=sessions,{ACME}", objectClass=["hcSession"], hcSessionId=["x"]),),
            "the schema": (replace("cn=Subschema", "attributeTypes", "( 1.2.3.4 NAME 'mine' )"),),
            "the root DSE": (replace("", "namingContexts", "dc=mine"),),
            "the monitor": (replace("cn=Uptime,cn=Time,cn=Monitor", "monitorCounter", "0"),),
            "read the monitor": (search("cn=Monitor", 2, present("objectClass"), "*", "+"),),
            "an entry's own id": (replace(user("bob"), "entryUUID", "01a2079a-c1b1-7479-bf59-fe5dc61ad3a2"), control(RELAX, True)),
            "who made it": (replace(user("bob"), "creatorsName", "cn=nobody"), control(RELAX, True)),
        }, roles=("ada", *LOW))
        elsewhere = {"a user elsewhere": (replace(user("bea", OTHER), "hcActive", "FALSE"),), "its password": (passmod(user("bea", OTHER)),)}
        self.refused(elsewhere, roles=("ada", *(who for who in LOW if who != "eve")))

    def test_hc8_every_extended_operation_has_its_row(self):
        everybody = ("operator", "ada", *LOW)
        signed_in = tuple(who for who in everybody if who)
        rows = {
            START_TLS: ((extended(START_TLS), everybody),),
            "1.3.6.1.4.1.4203.1.11.3": ((WHO_AM_I, everybody),),
            PASSWORD_MODIFY: ((passmod(user("ada")), ("operator", "ada")), (passmod(user("bob")), ("operator", "ada")),
                              (passmod(user("bea", OTHER)), ("operator", "eve"))),
            # For an application, too, that a rule lets see the session.
            RENEW_SESSION: ((None, ("operator", "ada", "svc")),),
            END_SESSION: ((None, ("operator", "ada")),),
            # None of these is under way on this connection.
            CANCEL: ((extended(CANCEL, sequence(number(99))), ()),),
            START_TRANSACTION: ((extended(START_TRANSACTION), signed_in),),
            END_TRANSACTION: ((extended(END_TRANSACTION, sequence(text("of somebody else"))), ()),),
        }
        self.assertEqual(self.root_dse("supportedExtension"), set(rows))
        for oid, cases in rows.items():
            for operation, allowed in cases:
                # What is allowed comes last, since it changes things.
                for who in sorted(everybody, key=lambda who: who in allowed):
                    if oid in (END_SESSION, RENEW_SESSION):
                        self.server.signed_in("bob").close()
                        operation = extended(oid, sequence(text(self.server.sessions_of("bob")[0])))
                    with self.server.signed_in(who) as client:
                        code, _ = client.ask(operation)
                    self.assertEqual(code == SUCCESS, who in allowed, f"{who or 'anonymous'}: {oid}: {code}")
                    if oid == PASSWORD_MODIFY and code == SUCCESS:
                        for dn in (user("ada"), user("bob"), user("bea", OTHER)):
                            self.assertEqual(self.server.by_operator.ask(replace(dn, "userPassword", PASSWORD))[0], SUCCESS)

    def test_hc8_no_control_opens_what_is_closed(self):
        adding = sequence(number(1, 0x0A), text(""), b"\x01\x01\x00")
        rows = {
            RELAX: {"a stamp, relaxed": (replace(user("bob"), "modifiersName", "cn=nobody"), control(RELAX, True))},
            TREE_DELETE: {"a tree": (delete(f"ou=users,{ACME}"), control(TREE_DELETE, True))},
            PROXIED: {f"as {dn}": (ROOT, control(PROXIED, True, f"dn:{dn}")) for dn in (user("ada"), user("root"), self.server.operator)},
            RIGHTS: {"rights of the operator": (search("cn=Monitor", 0, present("objectClass")), control(
                RIGHTS, True, f"dn:{self.server.operator}"))},
            SYNC: {"sync of the monitor": (search("cn=Monitor", 2, present("objectClass")), control(SYNC, True, adding))},
            PERSISTENT: {"following the monitor": (search("cn=Monitor", 2, present("objectClass")), control(
                PERSISTENT, True, sequence(number(15), b"\x01\x01\x00", b"\x01\x01\x00")))},
            USABILITY: {"usability of the monitor": (search("cn=Monitor", 0, present("objectClass")), control(USABILITY, True))},
        }
        self.assertEqual(self.root_dse("supportedControl"), set(rows) | WITHOUT_PRIVILEGE)
        for row in rows.values():
            self.refused(row)

    def test_hc8_each_sees_no_session_but_its_own(self):
        held = [self.server.signed_in(who) for who in ("bob", "ada")]
        count = lambda who: self.server.signed_in(who).ask(search(f"ou=sessions,{ACME}", 1, equal("objectClass", "hcSession"), "*"))[1]
        self.assertEqual(count("ann"), 1)
        self.assertEqual((count(""), count("eve")), (0, 0))
        self.assertGreaterEqual(count("ada"), 3)
        for client in held:
            client.close()

    def test_hc8_the_control_socket_is_the_servers_own(self):
        data = self.server.folder / "data"
        path = data / "control.sock"
        self.assertEqual((data.stat().st_mode & 0o777, path.stat().st_mode & 0o777), (0o700, 0o600))
        self.assertEqual({path.stat().st_uid, data.stat().st_uid}, {os.getuid()})
        if os.getuid() != 0:
            self.skipTest("another user can be played by root only")
        # Even where the folder were open, the socket is not.
        for folder in (self.server.folder, data):
            folder.chmod(0o755)
            self.addCleanup(folder.chmod, 0o700)
        child = os.fork()
        if child == 0:
            refused = 1
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                socket.socket(socket.AF_UNIX).connect(str(path))
            except PermissionError:
                refused = 0
            finally:
                os._exit(refused)
        self.assertEqual(os.waitpid(child, 0)[1], 0, "somebody else reached the control socket")

    # The last one -----------------------------------------------------------------------------------------------------

    def scim(self, token, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http_port, timeout=30)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"}
        connection.request(method, f"/scim/v2{path}", json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        octets = answer.read()
        connection.close()
        return answer.status, json.loads(octets) if octets else None

    def test_hc8_a_provisioning_client_keeps_its_hands_off_administrators_and_others(self):
        mint = lambda organisation: next(json.loads(line)["token"] for line in self.server.run(
            "token", "mint", "--json", "--organisation", organisation, "provider").stdout.splitlines() if line.startswith("{"))
        ours, others = mint(ACME), mint(OTHER)
        find = lambda token, uid: self.scim(token, "GET", f"/Users?filter=userName%20eq%20%22{uid}%22")[1]["Resources"][0]["id"]
        ada, bob, bea = find(ours, "ada"), find(ours, "bob"), find(others, "bea")
        before = self.server.contents()
        patch = lambda *operations: {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": list(operations)}
        for what, (method, path, body) in {
            "disable an administrator": ("PATCH", f"/Users/{ada}", patch({"op": "replace", "path": "active", "value": False})),
            "its password": ("PATCH", f"/Users/{ada}", patch({"op": "replace", "path": "password", "value": "another one, chosen"})),
            "its address": ("PATCH", f"/Users/{ada}", patch({"op": "replace", "path": "emails", "value": [{"value": "evil@example.com"}]})),
            "delete an administrator": ("DELETE", f"/Users/{ada}", None),
            "make an administrator": ("PATCH", f"/Users/{bob}", patch({"op": "add", "path": "roles", "value": [{"value": "chief"}]})),
            "somebody elsewhere": ("DELETE", f"/Users/{bea}", None),
            "look at somebody elsewhere": ("GET", f"/Users/{bea}", None),
            "disable somebody elsewhere": ("PATCH", f"/Users/{bea}", patch({"op": "replace", "path": "active", "value": False})),
        }.items():
            status, answer = self.scim(ours, method, path, body)
            self.assertGreaterEqual(status, 400, f"{what}: {answer}")
            self.assertLess(status, 500, f"{what}: {answer}")
        self.assertEqual(self.server.contents(), before)

    def test_hc8_the_last_administrator_of_an_organisation_stays(self):
        ada, chief = user("ada"), f"cn=chief,ou=roles,{ACME}"
        self.refused({
            "deleted": (delete(ada),),
            "deleted with the tree": (delete(f"ou=users,{ACME}"), control(TREE_DELETE, True)),
            "disabled": (replace(ada, "hcActive", "FALSE"),),
            "without its role": (replace(ada, "hcRole"),),
            "with another role": (replace(ada, "hcRole", f"cn=searcher,ou=roles,{ACME}"),),
            "without a password": (replace(ada, "userPassword"),),
            **{what: (replace(ada, *change),) for what, change in LOCKED_OUT.items()},
            "a service": (replace(ada, "hcUserType", "service"),),
            "moved away": (rename(ada, "uid=ada", f"ou=users,{OTHER}"),),
            "moved out": (rename(ada, "uid=ada", SUFFIX),),
            "its role deleted": (delete(chief),),
            "its role moved": (rename(chief, "cn=chief", f"ou=roles,{OTHER}"),),
        }, roles=("operator", "ada"))
        for command in (("user", "delete", ada), ("user", "disable", ada), ("role", "unassign", ada, "chief")):
            self.assertEqual(self.server.run(*command).returncode, 1, command)


class LastOperator(unittest.TestCase):
    """Without an operator in the config, users of type admin are all there is."""

    def test_hc8_the_last_user_of_type_admin_stays(self):
        server = Target()
        self.addCleanup(server.end)
        server.stop()
        config = server.folder / "headcount.toml"
        before, _, after = config.read_text().partition("[operator]")
        config.write_text(before + after.partition("\n[[listener]]")[1] + after.partition("\n[[listener]]")[2])
        server.start()
        # The socket is there before the directory is open.
        self.assertTrue(server.is_alive())
        token, password = server.folder / "token", server.folder / "password"
        password.write_text(PASSWORD + "\n")
        for command in (("bootstrap", "--file", token), ("activate", token, "--password-file", password)):
            done = server.run(*command)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        root = f"uid=operator,{SUFFIX}"
        client = Client(server, patience=60)
        self.addCleanup(client.close)
        self.assertEqual(client.ask(bind(root, PASSWORD))[0], SUCCESS)
        ways = {
            "deleted": delete(root), "disabled": replace(root, "hcActive", "FALSE"), "a user": replace(root, "hcUserType", "app"),
            "without a password": replace(root, "userPassword"),
            **{what: replace(root, *change) for what, change in LOCKED_OUT.items()},
        }
        for what, operation in ways.items():
            self.assertEqual(client.ask(operation)[0], UNWILLING, what)
            with Client(server, patience=60) as other:
                self.assertEqual(other.ask(bind(root, PASSWORD))[0], SUCCESS, what)
        for command in (("user", "delete", root), ("user", "disable", root)):
            self.assertEqual(server.run(*command).returncode, 1, command)
        second = f"uid=second,{SUFFIX}"
        code = client.add(second, objectClass=["inetOrgPerson", "hcUser"], uid=["second"], cn=["second"], sn=["second"], hcUserType=["admin"],
                          userPassword=[PASSWORD])
        self.assertEqual(code, SUCCESS)
        self.assertEqual(client.ask(ways["deleted"])[0], SUCCESS, "one of two may go")
        with Client(server) as other:
            self.assertEqual(other.ask(bind(second, PASSWORD))[0], SUCCESS)
            self.assertEqual(other.ask(delete(second))[0], UNWILLING)
