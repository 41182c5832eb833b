"""What clients and identity providers sign, made by PyJWT and cryptography: assertions at /oauth/token (RFC 7523), and the bearer
tokens that Entra ID sends where it has no secret token (quirk 20)."""

import json
import time
import urllib.parse
import uuid

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from demo import eventually, headcount
from provider import Client
from test_clients import FAILED, Keeper

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TENANT = "3f0c9a6e-7f5b-4c61-9d5e-0a4f0b6a2c11"
ENTRA = "8adf8e6e-67b2-4cf2-a259-e3dc5476c621"


class Key:
    """A private key with a name."""

    def __init__(self, algorithm, name):
        self.algorithm, self.name = algorithm, name
        by_curve = algorithm == "ES256"
        self.private = ec.generate_private_key(ec.SECP256R1()) if by_curve else rsa.generate_private_key(65537, 2048)
        self.kind = ECAlgorithm if by_curve else RSAAlgorithm

    def public(self):
        return json.loads(self.kind.to_jwk(self.private.public_key())) | {"kid": self.name, "use": "sig"}

    def sign(self, claims, **headers):
        return jwt.encode(claims, self.private, self.algorithm, {"kid": self.name} | headers)


KEYS = [Key("ES256", "one"), Key("RS256", "two"), Key("PS256", "three")]
STRANGE = Key("ES256", "one")


class Signed(Keeper):
    @classmethod
    def file(cls, *keys):
        """A file with the public halves of keys, or with what stands for one."""
        path = cls.demo.folder / f"keys-{next(cls._numbers)}.json"
        path.write_text(json.dumps({"keys": [key.public() if isinstance(key, Key) else key for key in keys]}))
        return str(path)

    def add(self, *options, expect=0):
        name = self.name("signing")
        rows = self.tool("client", "add", "--organisation", self.demo.organisation, name, *options, expect=expect)
        return rows[0] if rows else None

    def reasons(self):
        """Why tokens were refused, as the security log has it."""
        return [(row["result"], row.get("target", "")) for row in self.tool("audit", "show", "--security") if row["operation"] == "login"]

    def told(self, reason, client=""):
        eventually(f"the security log says: {reason}", lambda: any(reason in held and client in whose for held, whose in self.reasons()))


class Assertions(Signed):
    """RFC 7523 §2.2 and §3."""

    def setUp(self):
        super().setUp()
        self.client_row = self.add("--keys", self.file(*KEYS))
        self.endpoint = self.metadata()["token_endpoint"]

    def metadata(self):
        return Client(self.demo.http, "")._once("GET", "/.well-known/oauth-authorization-server", None, {}).body

    def claims(self, **more):
        ident = self.client_row["id"]
        claims = {"iss": ident, "sub": ident, "aud": self.endpoint, "exp": int(time.time()) + 120, "jti": str(uuid.uuid4())} | more
        return {name: value for name, value in claims.items() if value is not None}

    def grant(self, assertion, **more):
        form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION, "client_assertion": assertion} | more
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return Client(self.demo.http, "")._once("POST", "/oauth/token", urllib.parse.urlencode(form).encode(), headers)

    def refused_alike(self, assertion, reason=None, client=""):
        answer = self.grant(assertion)
        self.assertEqual((answer.status, answer["error"]), (401, "invalid_client"), answer)
        self.assertEqual(answer.body, self.grant("x").body)
        if reason:
            self.told(reason, client)

    def test_access_is_given_for_what_each_kind_of_key_signs(self):
        for key in KEYS:
            given = self.grant(key.sign(self.claims()), client_id=self.client_row["id"])
            self.assertEqual((given.status, given["token_type"], given["expires_in"]), (200, "Bearer", 3600), given)
            client = Client(self.demo.scim, given["access_token"])
            made = self.made(client.ask("POST", "/Users", {"userName": self.name()}))
            self.assertEqual(client.ask("DELETE", f"/Users/{made['id']}").status, 204)
        narrowed = self.grant(KEYS[0].sign(self.claims()), scope="read")
        self.refused(Client(self.demo.scim, narrowed["access_token"]).ask("POST", "/Users", {"userName": self.name()}), 403)
        (listed,) = [row for row in self.tool("token", "list") if row["client"] == self.client_row["name"]]
        self.assertEqual((listed["signed"], listed["secret"]), (True, False))
        self.assertIsNotNone(listed["last_used"])
        self.assertEqual(self.tool("client", "show", self.client_row["name"])[0]["keys"], ["one", "two", "three"])

    def test_the_metadata_lists_it(self):
        metadata = self.metadata()
        self.assertIn("private_key_jwt", metadata["token_endpoint_auth_methods_supported"])
        self.assertEqual(set(metadata["token_endpoint_auth_signing_alg_values_supported"]), {key.algorithm for key in KEYS})

    def test_what_is_wrong_is_for_the_security_log_alone(self):
        now, key = int(time.time()), KEYS[0]
        for claims, reason in (
            ({"aud": "https://elsewhere.example.com/oauth/token"}, "it is for another audience"),
            ({"exp": now - 120}, "it is over"),
            ({"exp": now + 3600}, "its end is too far ahead"),
            ({"exp": None}, "its claim exp is missing"),
            ({"nbf": now + 300}, "it is not good yet"),
            ({"jti": None}, "its claim jti is missing"),
            ({"sub": "nobody"}, "no client with keys"),
        ):
            self.refused_alike(key.sign(self.claims(**claims)), reason)
        self.refused_alike(STRANGE.sign(self.claims()), "its signature is wrong")
        self.refused_alike(key.sign(self.claims(), kid="four"), "a key that is not registered")
        self.refused_alike(key.sign(self.claims(), crit=["exp"]), "crit")
        self.refused_alike(jwt.encode(self.claims(), None, "none"), "not signed by ES256, PS256 or RS256")
        self.refused_alike(jwt.encode(self.claims(), "x" * 64, "HS256"), "not signed by ES256, PS256 or RS256")
        for algorithm, other in (("RS512", KEYS[1]), ("PS384", KEYS[2])):
            self.refused_alike(jwt.encode(self.claims(), other.private, algorithm, {"kid": other.name}))
        self.assertNotIn("eyJ", str(self.reasons()), "no token is in the log")

    def test_an_assertion_is_taken_once(self):
        assertion = KEYS[0].sign(self.claims())
        self.assertEqual(self.grant(assertion).status, 200)
        self.refused_alike(assertion, "it was used before", self.client_row["id"])

    def test_keys_and_access_survive_a_restart(self):
        given = self.grant(KEYS[0].sign(self.claims()))
        self.demo.process.terminate()
        self.demo.process.wait(30)
        self.demo._launch()
        self.endpoint = self.metadata()["token_endpoint"]
        self.assertEqual(Client(self.demo.scim, given["access_token"]).ask("GET", "/Users").status, 200)
        self.assertEqual(self.grant(KEYS[1].sign(self.claims())).status, 200)

    def test_access_ends_with_the_key(self):
        given = self.grant(KEYS[0].sign(self.claims()))
        client = Client(self.demo.scim, given["access_token"])
        self.assertEqual(client.ask("GET", "/Users").status, 200)
        self.tool("client", "change", self.client_row["name"], "--keys", self.file(*KEYS[1:]))
        self.refused(client.ask("GET", "/Users"), 401)
        self.refused_alike(KEYS[0].sign(self.claims()))
        self.assertEqual(self.grant(KEYS[1].sign(self.claims())).status, 200)

    def test_files_that_have_no_public_keys_are_refused_by_name(self):
        private = json.loads(ECAlgorithm.to_jwk(KEYS[0].private)) | {"kid": "mine"}
        for file, says in ((self.file(private), "mine"), (self.file(), "no key"), (self.demo.folder / "none.json", "No such file"),
                           (__file__, "column")):
            done = headcount("--config", self.demo.facts["config"], "client", "change", self.client_row["name"], "--keys", file)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(says, done.stderr)
            self.assertNotIn(private["d"], done.stderr)
        kept = b"".join(file.read_bytes() for file in (self.demo.folder / "demo").rglob("*") if file.is_file())
        self.assertNotIn(private["d"].encode(), kept)


class Bearers(Signed):
    """Quirk 20."""

    PROVIDER = Key("RS256", "entra-1")

    def setUp(self):
        super().setUp()
        self.tenant = str(uuid.uuid4())
        self.options = ("--issuer", f"https://sts.windows.net/{self.tenant}/", "--audience", ENTRA, "--keys", self.file(self.PROVIDER))

    def token(self, key=None, **more):
        now = int(time.time())
        claims = {"iss": f"https://sts.windows.net/{self.tenant}/", "aud": ENTRA, "iat": now, "nbf": now, "exp": now + 3600,
                  "appid": "00000014-0000-0000-c000-000000000000", "tid": self.tenant, "ver": "1.0"} | more
        return (key or self.PROVIDER).sign(claims)

    def client_of(self, *arguments, **more):
        return Client(self.demo.scim, self.token(*arguments, **more))

    def test_entra_provisions_by_its_own_token(self):
        row = self.add(*self.options, "--profile", "entra", "--scope", "read,users")
        entra = self.client_of()
        made = self.made(entra.ask("POST", "/Users", {"userName": self.name(), "active": "True"}))
        self.assertIs(made["active"], True)
        self.assertEqual(entra.ask("GET", "/Users", filter=f'userName eq "{made["userName"]}"')["totalResults"], 1)
        self.refused(entra.ask("POST", "/Groups", {"displayName": self.name()}), 403)
        log = self.tool("client", "log", row["name"])
        self.assertEqual([line["status"] for line in log], [201, 200, 403])
        (listed,) = [token for token in self.tool("token", "list") if token["client"] == row["name"]]
        self.assertEqual({line["token"] for line in log}, {f"token:{listed['id']}"})
        self.tool("client", "remove", row["name"])
        self.refused(entra.ask("GET", "/Users"), 401)

    def test_others_are_refused_and_the_security_log_says_why(self):
        self.add(*self.options)
        now = int(time.time())
        for client, reason in (
            (self.client_of(iss=f"https://sts.windows.net/{TENANT}/", tid=TENANT), "of no issuer, audience and application"),
            (self.client_of(aud=str(uuid.uuid4())), "of no issuer, audience and application"),
            (self.client_of(exp=now - 120), "it is over"),
            (self.client_of(nbf=now + 300), "it is not good yet"),
            (self.client_of(Key("RS256", "entra-1")), "its signature is wrong"),
            (self.client_of(more="x" * 9000), "longer than 8192"),
        ):
            answer = self.refused(client.ask("GET", "/Users"), 401)
            self.assertEqual(answer.headers["www-authenticate"], 'Bearer realm="headcount"')
            self.told(reason)

    def test_a_key_that_is_new_is_warned_of_by_name_and_taken_over(self):
        row = self.add(*self.options)
        renewed = Key("RS256", self.name("entra"))
        self.refused(self.client_of(renewed).ask("GET", "/Users"), 401)
        eventually("the log names it", lambda: renewed.name in self.demo.said() and row["id"] in self.demo.said())
        self.tool("client", "change", row["name"], "--keys", self.file(self.PROVIDER, renewed))
        for key in (self.PROVIDER, renewed):
            self.assertEqual(self.client_of(key).ask("GET", "/Users").status, 200)

    def test_clients_of_one_tenant_need_an_application_each(self):
        first = self.add(*self.options, "--application", "one")
        self.add(*self.options, expect=FAILED)
        self.add(*self.options, "--application", "one", expect=FAILED)
        second = self.add(*self.options, "--application", "two")
        for row, application in ((first, "one"), (second, "two")):
            self.assertEqual(self.client_of(appid=application).ask("GET", "/Users").status, 200)
            self.assertEqual(len(self.tool("client", "log", row["name"])), 1)
        self.refused(self.client_of(appid="three").ask("GET", "/Users"), 401)
