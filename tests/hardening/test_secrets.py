"""Secrets go in by every door and are found nowhere but where they must be (hardening HC6).

What must be kept to be of use is excepted by name: the secret of one-time codes in the data folder; what may be left in memory
is listed with its reason. Hashes are kept, and told to nobody but by an export of the operator's.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
import unittest
import urllib.parse

import target
import vault
from target import SUFFIX, bind, equal, extended, number, present, search, sequence, servers, text
from vault import ACME, USERS, Vault, canary, found_in

SUCCESS, CONSTRAINT, INVALID_CREDENTIALS = 0, 19, 49
PASSWORD_MODIFY = "1.3.6.1.4.1.4203.1.11.1"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"


def passmod(dn, old=None, new=None):
    fields = [(0x80, dn), (0x81, old), (0x82, new)]
    return extended(PASSWORD_MODIFY, sequence(*(text(value, tag) for tag, value in fields if value is not None)))


def change(dn, *changes):
    """A ModifyRequest of changes: what is done (0 add, 1 delete, 2 replace), the attribute, its values."""
    one = lambda kind, name, *values: sequence(number(kind, 0x0A), sequence(text(name), sequence(*map(text, values), tag=0x31)))
    return sequence(text(dn), sequence(*(one(*each) for each in changes)), tag=0x66)


def compare(dn, attribute, value):
    return sequence(text(dn), sequence(text(attribute), text(value)), tag=0x6E)


def sasl(mechanism, credentials):
    return sequence(number(3), text(""), sequence(text(mechanism), text(credentials), tag=0xA3), tag=0x60)


KEPT = "codes are worked out from it: it is in the clear in the entry, the journal and the store, and so in what they freed"
HTTP = "the libraries of HTTP, JSON, forms and pages take a request apart and put an answer together, and wipe nothing of it"
ESTIMATED = "it was chosen, not set by the operator: the library that estimates its strength leaves pieces of it"
TLS = "it came by TLS: the library decrypts into buffers that it does not wipe"
SOUGHT = "no password is sought: requests of searches are not wiped, which each search would pay for"
#: What may be left in memory, and why. All else must not be.
IN_MEMORY = {
    "secret of one-time codes": KEPT,
    "secret of one-time codes by LDAP": KEPT,
    "set by password modify": f"{ESTIMATED}; {TLS}",
    "given to activate": ESTIMATED,
    "wrong, under TLS": TLS,
    "application password": TLS,
    "application password by LDAP": TLS,
    "sought": SOUGHT,
    "SCIM token": HTTP,
    "a revoked token": HTTP,
    "a wrong token": HTTP,
    "what is no token": HTTP,
    "by SCIM POST": HTTP,
    "by SCIM PATCH": HTTP,
    "by SCIM PUT": HTTP,
    "of a wrong type by SCIM": HTTP,
    "several by SCIM": HTTP,
    "of a name that is taken": HTTP,
    "in damaged JSON": HTTP,
    "given twice": HTTP,
    "in a filter of SCIM": HTTP,
    "one of two that differ": HTTP,
    "the other that differs": HTTP,
    "too short on a page": HTTP,
    "set on a page": HTTP,
    "given with a dead link": HTTP,
    "a link nobody made": HTTP,
    "welcome link": f"{HTTP}; so does the one that sends the mail, and a link is good once",
    "link to set a new password": "the library that sends the mail wipes nothing of it; the link is good once, for a time",
}


class Secrets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Vault()
        cls.addClassCleanup(cls.server.end)
        #: What was given as a secret, by what it was.
        cls.given = {}
        #: What is no secret and must be found wherever it is looked for.
        cls.marker = "mk" + secrets.token_hex(16)
        cls.build()
        cls.by_ldap()
        cls.by_unusual_messages()
        cls.by_scim()
        cls.by_command_line()
        cls.by_page()
        cls.by_one_time_code_and_application()
        cls.by_scram()

    @classmethod
    def secret(cls, name, value=None):
        cls.given[name] = value or canary()
        return cls.given[name]

    @classmethod
    def expect(cls, operation, *codes, client=None):
        code, _ = (client or cls.operator).ask(operation)
        assert code in codes, (code, operation)

    @classmethod
    def build(cls):
        cls.operator = cls.server.client().sign_in(cls.server)
        assert cls.operator.add(SUFFIX, objectClass=["domain"], dc=["example"]) == 0
        assert cls.operator.add(ACME, objectClass=["organization", "hcOrganisation"], o=["Acme"], hcScram=["TRUE"]) == 0
        licence = {"cn": ["Desk"], "hcSessionLimit": ["100"], "hcPackage": ["Standard"], "hcLicenceDefault": ["TRUE"]}
        assert cls.operator.add(f"cn=Desk,ou=licences,{ACME}", objectClass=["hcLicence"], **licence) == 0
        code, _ = cls.server.person(cls.operator, "marked", description=[cls.marker])
        assert code == 0

    # Doors ------------------------------------------------------------------------------------------------------------

    @classmethod
    def by_ldap(cls):
        server, secret = cls.server, cls.secret
        added = secret("added by LDAP")
        code, ann = server.person(cls.operator, "ann", userPassword=[added])
        assert code == SUCCESS
        assert server.person(cls.operator, "noclass", userPassword=[secret("in an add that is refused")], noSuchThing=["x"])[0] != SUCCESS
        replaced = secret("replaced by LDAP")
        cls.expect(bind(ann, added), SUCCESS, client=server.client())
        cls.expect(change(ann, (2, "userPassword", replaced)), SUCCESS)
        cls.expect(change(ann, (1, "userPassword", secret("a password deleted that is none"))), 16, SUCCESS)
        cls.expect(change(ann, (2, "userPassword", secret("beside a change that is refused")), (2, "noSuchThing", "x")), 17, 16)
        own = server.client()
        cls.expect(bind(ann, replaced), SUCCESS, client=own)
        modified = secret("set by password modify")
        cls.expect(passmod(ann, old=secret("wrongly given as the old one"), new=secret("new beside a wrong old one")), 49, 50, 53, client=own)
        cls.expect(passmod(ann, old=replaced, new=modified), SUCCESS, client=own)
        cls.expect(passmod(ann, old=modified, new=secret("refused as too short", secrets.token_hex(6))), CONSTRAINT, client=own)
        cls.expect(passmod(f"uid=nobody,{USERS}", new=secret("for nobody, by password modify")), 32, 50)
        cls.expect(sasl("PLAIN", f"\0{ann}\0{modified}"), SUCCESS, client=server.client())
        cls.expect(sasl("PLAIN", f"\0{ann}\0{secret('wrong, by PLAIN')}"), INVALID_CREDENTIALS, client=server.client())
        cls.expect(sasl("PLAIN", f"{secret('where PLAIN is damaged')}"), INVALID_CREDENTIALS, 2, client=server.client())
        cls.expect(bind(ann, secret("wrong, by bind")), INVALID_CREDENTIALS, client=server.client())
        cls.expect(bind(f"uid=nobody,{USERS}", secret("of nobody, by bind")), INVALID_CREDENTIALS, client=server.client())
        cls.expect(bind("this is no name", secret("beside a damaged name")), 34, INVALID_CREDENTIALS, client=server.client())
        cls.expect(bind(ann, secret("wrong, under TLS")), INVALID_CREDENTIALS, client=server.client(tls=True))
        cls.expect(bind(ann, modified), SUCCESS, client=server.client(tls=True))
        cls.expect(compare(ann, "userPassword", secret("compared")), *range(1, 100))
        for filter in (equal("userPassword", secret("sought")), text("userPassword", 0x87)):
            cls.expect(search(ACME, 2, filter, "userPassword", "*", "+"), SUCCESS)
        cls.expect(search(ACME, 2, present("objectClass"), "userPassword", "authPassword", "*", "+"), SUCCESS)
        renamed = sequence(text(ann), text("uid=anna"), b"\x01\x01\xff", tag=0x6C)
        cls.expect(renamed, SUCCESS)
        cls.ann, cls.password = f"uid=anna,{USERS}", modified

    @classmethod
    def by_unusual_messages(cls):
        """In messages that are cut off, damaged, long, one of many, kept for later, or answered with a password."""
        server, secret = cls.server, cls.secret
        half = server.client()
        half.send(target.message(1, bind(cls.ann, secret("in half a bind")))[:-3])
        half.close()
        damaged = server.client()
        damaged.send(sequence(number(1), bind(cls.ann, secret("beside damaged controls")), text("x", 0xA5)))
        assert damaged.receive()[1] == 0x61
        unnumbered = server.client()
        unnumbered.send(sequence(number(0), bind(cls.ann, secret("in a message without an id"))))
        assert unnumbered.receive()[0] == 0, "a Notice of Disconnection"
        code, _ = server.person(cls.operator, "long", description=["long " * 2_000], userPassword=[secret("in a long add")])
        assert code == SUCCESS
        many = server.client()
        searches = [target.message(number, target.ROOT) for number in range(1, 101)]
        many.send(b"".join(searches) + target.message(101, bind(cls.ann, secret("behind many searches"))))
        while many.receive()[0] != 101:
            pass
        for commit in (True, False, None):
            own = server.client().sign_in(server)
            own.ident += 1
            own.send(target.message(own.ident, extended("1.3.6.1.1.21.1")))
            identifier = own.receive()[2][-16:]
            update = change(f"uid=long,{USERS}", (2, "userPassword", secret(f"in a transaction, commit {commit}")))
            cls.expect_with(own, update, target.control("1.3.6.1.1.21.2", True, identifier))
            if commit is not None:
                cls.expect(extended("1.3.6.1.1.21.3", sequence(b"\x01\x01" + bytes([255 * commit]), text(identifier))), SUCCESS, client=own)
            own.close()
        # The answer that shows the password is the one place where it comes back.
        shown = len(server.heard)
        cls.operator.ident += 1
        cls.operator.send(target.message(cls.operator.ident, passmod(f"uid=long,{USERS}")))
        secret("made up by password modify", cls.operator.receive()[2][-43:].decode())
        del server.heard[shown:]

    @classmethod
    def expect_with(cls, client, operation, control):
        code, _ = client.ask(operation, control)
        assert code == SUCCESS, (code, operation)

    @classmethod
    def by_scim(cls):
        server, secret = cls.server, cls.secret
        minted = json.loads(server.tool("token", "mint", "--json", "--organisation", ACME, "provider").splitlines()[0])
        cls.token = secret("SCIM token", minted["token"].split("_", 2)[2])
        whole = minted["token"]
        body = lambda name, password: {"schemas": [USER], "userName": name, "name": {"familyName": name}, "password": password}
        status, octets = server.scim(whole, "POST", "/Users", body("scim", secret("by SCIM POST")))
        assert status == 201, octets
        path = "/Users/" + json.loads(octets)["id"]
        patch = lambda value, path="password": {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                                                "Operations": [{"op": "replace", "path": path, "value": value}]}
        assert server.scim(whole, "PATCH", path, patch(secret("by SCIM PATCH")))[0] == 200
        assert server.scim(whole, "PUT", path, body("scim", secret("by SCIM PUT")))[0] == 200
        assert server.scim(whole, "PATCH", path, patch({"a": secret("of a wrong type by SCIM")}))[0] == 400
        assert server.scim(whole, "PATCH", path, patch([secret("several by SCIM"), "x"]))[0] == 400
        assert server.scim(whole, "POST", "/Users", body("scim", secret("of a name that is taken")))[0] == 409
        damaged = json.dumps(body("broken", secret("in damaged JSON"))).encode()[:-1] + b",,"
        assert server.scim(whole, "POST", "/Users", damaged)[0] == 400
        twice = b'{"password": "x", "password": ' + json.dumps(secret("given twice")).encode() + b"}"
        assert server.scim(whole, "POST", "/Users", twice)[0] == 400
        sought = urllib.parse.quote(f'password eq "{secret("in a filter of SCIM", secrets.token_hex(16))}"')
        assert server.scim(whole, "GET", f"/Users?filter={sought}")[0] == 400
        assert server.scim(whole, "GET", path + "?attributes=password")[0] in (200, 400)
        assert server.scim(whole, "GET", "/Users")[0] == 200
        assert server.scim(minted["token"][:-4] + secret("a wrong token", secrets.token_hex(12)), "GET", "/Users")[0] == 401
        assert server.scim(secret("what is no token", secrets.token_hex(20)), "GET", "/Users")[0] == 401
        second = json.loads(server.tool("token", "mint", "--json", "--organisation", ACME, "revoked").splitlines()[0])
        secret("a revoked token", second["token"].split("_", 2)[2])
        assert server.scim(second["token"], "GET", "/Users")[0] == 200
        server.tool("token", "revoke", second["id"])
        assert server.scim(second["token"], "GET", "/Users")[0] == 401
        server.heard.append(server.tool("token", "list").encode())

    @classmethod
    def by_command_line(cls):
        server, secret = cls.server, cls.secret
        said = lambda *arguments, **options: server.heard.append(server.tool(*arguments, **options).encode())
        record = lambda uid, password, more="": (
            f"dn: uid={uid},{USERS}\nobjectClass: inetOrgPerson\nobjectClass: hcUser\nuid: {uid}\ncn: {uid}\nsn: {uid}\n{more}"
            f"userPassword:: {base64.b64encode(password.encode()).decode()}\n\n")
        said("import", given=record("imported", secret("imported")))
        refused = record("refused", secret("imported and refused"), "noSuchThing: x\n")
        said("import", "--continue", given=refused, expect=1)
        damaged = f"dn: uid=damaged,{USERS}\nobjectClass: inetOrgPerson\nuserPassword {secret('in damaged LDIF')}\n"
        said("import", given=damaged, expect=1)
        said("user", "add", "--organisation", ACME, "told", "--family-name", "told", "--password-file",
             given=secret("given to user add") + "\n")
        said("user", "password", f"uid=told,{USERS}", "--password-file", given=secret("given to user password") + "\n")
        secret("made by user password", server.tool("user", "password", f"uid=told,{USERS}", "--json").split('"password":"')[1].split('"')[0])
        said("passwd", "--password-file", given=secret("given to passwd") + "\n")
        server.tool("bootstrap", "--file", str(server.folder / "token"))
        token = (server.folder / "token").read_text().strip()
        said("activate", str(server.folder / "token"), "--password-file", given=secret("given to activate") + "\n")
        secret("bootstrap token", token)

    @classmethod
    def by_page(cls):
        server, secret = cls.server, cls.secret
        assert server.person(cls.operator, "invited")[0] == SUCCESS
        form = lambda password, again=None: urllib.parse.urlencode({"password": password, "again": again or password})
        post = lambda token, body: server.http("POST", f"/activate/{token}", body, Content_Type="application/x-www-form-urlencoded")
        welcome = server.link_to("invited@example.com")
        # The page shows where it sends its form; that is the one place where the token comes back.
        shown = len(server.heard)
        assert server.http("GET", f"/activate/{welcome}")[0] == 200
        post(welcome, form(secret("one of two that differ"), secret("the other that differs")))
        post(welcome, form(short := secrets.token_hex(5)))
        del server.heard[shown:]
        secret("too short on a page", short)
        assert post(welcome, form(secret("set on a page")))[0] == 200
        secret("welcome link", welcome)
        post(welcome, form(secret("given with a dead link")))
        server.http("GET", f"/activate/{welcome}")
        body = urllib.parse.urlencode({"email": "invited@example.com"})
        before = len(server.mail.mails)
        server.http("POST", "/forgot", body, Content_Type="application/x-www-form-urlencoded")
        servers.demo.eventually("the second mail", lambda: len(server.mail.mails) > before)
        secret("link to set a new password", server.link_to("invited@example.com"))
        assert server.link_to("invited@example.com") != welcome
        server.http("GET", "/activate/" + secret("a link nobody made", secrets.token_urlsafe(32)))

    @classmethod
    def by_one_time_code_and_application(cls):
        server, secret = cls.server, cls.secret
        assert server.person(cls.operator, "coded", userPassword=[secret("beside a code")])[0] == SUCCESS
        coded = f"uid=coded,{USERS}"
        uri = server.tool("user", "one-time-code", coded)
        secret("secret of one-time codes", re.search(r"secret=([A-Z2-7]+)", uri).group(1))
        code = "123456"
        cls.expect(bind(coded, secret("password before a code") + code), INVALID_CREDENTIALS, client=server.client())
        made = server.tool("user", "application-password", coded, "till")
        application = max(re.findall(r"[A-Za-z0-9_-]{32,}", made), key=len)
        cls.expect(bind(coded, secret("application password", application)), SUCCESS, client=server.client(tls=True))
        given = secret("application password by LDAP", secrets.token_hex(24))
        cls.expect(change(cls.ann, (0, "hcApplicationPassword", f"till${given}")), SUCCESS)
        cls.expect(bind(cls.ann, given), SUCCESS, client=server.client(tls=True))
        cls.expect(change(cls.ann, (0, "hcApplicationPassword", "none$" + secret("of no application", secrets.token_hex(24)))), CONSTRAINT)
        made_up = base64.b32encode(secrets.token_bytes(20)).decode()
        cls.expect(change(cls.ann, (2, "hcOneTimeSecret", secret("secret of one-time codes by LDAP", made_up))), SUCCESS)
        cls.expect(change(cls.ann, (1, "hcOneTimeSecret")), SUCCESS)

    @classmethod
    def by_scram(cls):
        server, secret = cls.server, cls.secret
        password = secret("proven by SCRAM", "Zq" + secrets.token_hex(12))
        assert server.person(cls.operator, "scram", userPassword=[password])[0] == SUCCESS
        dn = f"uid=scram,{USERS}"
        cls.expect(bind(dn, password), SUCCESS, client=server.client())
        key = lambda what, by: hmac.digest(by, what, "sha256")

        def prove(right):
            """Signs in; answers the result code and the salted password."""
            client, nonce = server.client(), secrets.token_hex(9)
            bare = f"n={dn.replace('=', '=3D').replace(',', '=2C')},r={nonce}"
            client.ident += 1
            client.send(target.message(client.ident, sasl("SCRAM-SHA-256", f"n,,{bare}")))
            _, _, content = client.receive()
            first = re.search(rb"r=[^,]+,s=[^,]+,i=\d+", content).group(0).decode()
            parts = dict(part.split("=", 1) for part in first.split(","))
            salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(parts["s"]), int(parts["i"]))
            last = f"c=biws,r={parts['r']}"
            signature = key(f"{bare},{first},{last}".encode(), hashlib.sha256(key(b"Client Key", salted)).digest())
            proof = bytes(a ^ b for a, b in zip(key(b"Client Key", salted), signature)) if right else bytes(32)
            code, _ = client.ask(sasl("SCRAM-SHA-256", f"{last},p={base64.b64encode(proof).decode()}"))
            return code, salted

        # The keys are made behind the answer of the bind.
        salted = servers.demo.eventually("keys", lambda: next((salted for code, salted in [prove(True)] if code == SUCCESS), None))
        assert prove(False)[0] == INVALID_CREDENTIALS
        keys = {"stored key": hashlib.sha256(key(b"Client Key", salted)).digest(), "server key": key(b"Server Key", salted)}
        #: Verifiers: kept, and told to nobody.
        cls.verifiers = {f"SCRAM {name}": base64.b64encode(octets).decode() for name, octets in keys.items()}

    # Places -----------------------------------------------------------------------------------------------------------

    def nowhere(self, octets, what, *excepted, verifiers=True, settings=True):
        named = {name: secret for name, secret in self.given.items() if name not in excepted}
        named |= (self.verifiers if verifiers else {}) | (self.server.settings if settings else {})
        self.assertEqual(found_in(octets, named), [], what)

    CODES = ("secret of one-time codes", "secret of one-time codes by LDAP")

    def test_hc6_the_data_folder_holds_no_secret(self):
        server = self.server
        server.tool("rebuild")
        files = server.data()
        self.assertGreater(len(files), 4, files.keys())
        everything = b"\0".join(files.values())
        self.assertIn(self.marker.encode(), everything, "what is no secret is found, so the search can find")
        for verifier in self.verifiers.values():
            self.assertIn(verifier.encode(), everything)
        for name, octets in files.items():
            self.nowhere(octets, name, *self.CODES, verifiers=False)

    def test_hc6_a_backup_holds_no_secret(self):
        file = self.server.folder / "saved"
        self.server.tool("backup", str(file))
        self.addCleanup(file.unlink)
        octets = vault.unpacked(file.read_bytes())
        self.assertIn(self.marker.encode(), octets)
        self.nowhere(octets, "the backup", *self.CODES, verifiers=False)

    def test_hc6_an_export_holds_no_secret(self):
        for more in ([], ["--operational"]):
            octets = self.server.tool("export", *more).encode().replace(b"\n ", b"")
            self.assertIn(self.marker.encode(), octets)
            octets += b"\n".join(base64.b64decode(value) for value in re.findall(rb":: (\S+)", octets))
            self.nowhere(octets, "the export", verifiers=False)

    def test_hc6_the_log_holds_no_secret_at_trace(self):
        octets = self.server.log().encode()
        self.assertIn(b'"level":"DEBUG"', octets, "what Headcount itself has to say below info")
        self.nowhere(octets, "the log")

    def test_hc6_the_audit_log_holds_no_secret(self):
        octets = (self.server.folder / "data" / "audit.jsonl").read_bytes()
        self.assertIn(b"userPassword", octets, "that there was a change is told")
        self.assertIn(b"uid=marked", octets)
        octets += self.server.tool("audit", "show", "--json").encode()
        self.nowhere(octets, "the audit log")

    def test_hc6_no_answer_holds_a_secret(self):
        octets = b"".join(self.server.heard)
        self.assertIn(self.marker.encode(), octets, "an administrator reads what is no secret")
        self.nowhere(octets, "answers")

    def test_hc6_metrics_and_monitor_hold_no_secret(self):
        status, octets = self.server.http("GET", "/metrics", Authorization=f"Bearer {self.server.settings['metrics token']}")
        self.assertEqual(status, 200)
        del self.server.heard[-1]
        shown = len(self.server.heard)
        self.expect(search("cn=Monitor", 2, present("objectClass"), "*", "+"), SUCCESS)
        self.nowhere(octets + b"".join(self.server.heard[shown:]), "metrics and cn=Monitor")

    def test_hc6_access_explain_holds_no_secret(self):
        said = [self.server.tool("access", "explain", self.ann, self.ann, attribute) for attribute in ("userPassword", "hcOneTimeSecret")]
        said += [self.server.tool("access", "explain", self.ann), self.server.tool("access", "explain", self.server.operator, self.ann)]
        self.nowhere("".join(said).encode(), "access explain")

    def test_hc6_a_core_holds_no_secret_but_those_named_here(self):
        octets = self.server.memory()
        self.assertIn(self.marker.encode(), octets)
        named = {name: vault.left_of(secret) for name, secret in self.given.items()}
        self.assertLessEqual(IN_MEMORY.keys(), named.keys())
        self.assertGreaterEqual(len(named.keys() - IN_MEMORY.keys()), 35)
        self.assertEqual([name for name in found_in(octets, named) if name not in IN_MEMORY], [], "memory")
