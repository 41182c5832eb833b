"""What the suites of this tree share: a daemon for each file, and an own subtree for each test.

A test's docstring names the section it shows. A suite whose capability is not in the root DSE's lists is skipped.
"""

import pathlib
import ssl
import subprocess
import sys
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / folder) for folder in ("clients", "differential", "rfc")]
import demo  # noqa: E402
import servers  # noqa: E402
import wire  # noqa: E402
from wire import Wire  # noqa: E402

SUFFIX = "dc=example,dc=com"
OPERATOR = f"cn=admin,{SUFFIX}"
PASSWORD = servers.PASSWORD


class Daemon(servers.Headcount):
    """A server with TLS, a local socket and, where a suite has one, a schema of its own."""

    def __init__(self, schema="", config=""):
        self.schema, self.more = schema, config
        super().__init__(SUFFIX)

    def write_config(self):
        super().write_config()
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        files = ["-keyout", self.folder / "key.pem", "-out", self.folder / "certificate.pem"]
        subprocess.run([*command, *names, *files], check=True, capture_output=True)
        (self.folder / "key.pem").chmod(0o600)
        (self.folder / "test.schema").write_text(self.schema)
        self.local = str(self.folder / "ldapi")
        self.ldaps = servers.free_port()
        with open(self.folder / "headcount.toml", "a") as config:
            config.write(
                f'[tls]\ncertificate = "certificate.pem"\nkey = "key.pem"\n[schema]\nfiles = ["test.schema"]\n'
                f'[[listener]]\nkind = "ldapi"\naddress = "{self.local}"\n'
                f'[[listener]]\nkind = "ldaps"\naddress = "127.0.0.1:{self.ldaps}"\n{self.more}'
            )

    @property
    def tls(self):
        """A context that trusts the server's certificate and no other."""
        return ssl.create_default_context(cafile=self.folder / "certificate.pem")


class Conformance(unittest.TestCase):
    """A suite. `SCHEMA` and `CONFIG` are what its daemon has besides; `NEEDS` are OIDs that the root DSE must list."""

    maxDiff = 4000
    SCHEMA = ""
    CONFIG = ""
    NEEDS = ()
    _daemons = {}

    @classmethod
    def setUpClass(cls):
        key = (cls.__module__, cls.SCHEMA, cls.CONFIG)
        if key not in cls._daemons:
            for other in list(cls._daemons):
                cls._daemons.pop(other).end()
            daemon = Daemon(cls.SCHEMA, cls.CONFIG)
            daemon.start()
            cls._daemons[key] = daemon
            operator = cls.connect_to(daemon)
            made = operator.request(wire.add(SUFFIX, {"objectClass": ["domain"], "dc": ["example"]}))
            assert made.code == 0, made
            operator.close()
        cls.daemon = cls._daemons[key]
        root = Wire(("127.0.0.1", cls.daemon.port)).entry("", "*", "+")
        listed = {oid for kind in ("supportedControl", "supportedExtension", "supportedFeatures", "supportedSASLMechanisms") for oid in root.values(kind)}
        for oid in cls.NEEDS:
            if oid not in listed:
                raise unittest.SkipTest(f"{oid} is not in the root DSE yet")

    @staticmethod
    def connect_to(daemon):
        connection = Wire(("127.0.0.1", daemon.port))
        bound = connection.request(wire.bind(OPERATOR, PASSWORD))
        assert bound.code == 0, bound
        return connection

    def setUp(self):
        self.wire = self.operator()
        self.top = "-".join(reversed(self.id().split(".")[-2:]))
        self.base = f"ou={self.top},{SUFFIX}"
        self.ok(wire.add(self.base, {"objectClass": ["organizationalUnit"]}))

    def anonymous(self):
        """A fresh connection."""
        connection = Wire(("127.0.0.1", self.daemon.port))
        self.addCleanup(connection.close)
        return connection

    def operator(self):
        """A fresh connection of the operator."""
        connection = self.connect_to(self.daemon)
        self.addCleanup(connection.close)
        return connection

    def bound_as(self, dn, password):
        connection = self.anonymous()
        self.assertEqual(connection.request(wire.bind(dn, password)).code, 0)
        return connection

    def ok(self, operation, controls=()):
        """A request of the operator that must succeed."""
        return self.refused(0, operation, controls)

    def refused(self, code, operation, controls=(), connection=None):
        """A request that must end with this result code."""
        answer = (connection or self.wire).request(operation, controls)
        self.assertEqual(answer.code, code, answer)
        return answer

    def person(self, name, base=None, **attributes):
        """Adds a person under the test's subtree and answers its DN."""
        dn = f"cn={name},{base or self.base}"
        self.ok(wire.add(dn, {"objectClass": ["inetOrgPerson"], "sn": [name], **attributes}))
        return dn

    def unit(self, name, base=None):
        """Adds an organisational unit and answers its DN."""
        dn = f"ou={name},{base or self.base}"
        self.ok(wire.add(dn, {"objectClass": ["organizationalUnit"]}))
        return dn

    def names(self, text, scope=wire.SUB, base=None, **options):
        """The values of cn or ou of what a search finds, sorted."""
        found = self.wire.entries(base or self.base, scope, text, **options)
        return sorted(answer.dn.split(",")[0].split("=")[1] for answer in found)

    def library(self, kind="python-ldap"):
        """A connection of an independent client, signed in as the operator."""
        if kind == "ldap3":
            import ldap3

            server = ldap3.Server("127.0.0.1", self.daemon.port, get_info=ldap3.ALL)
            connection = ldap3.Connection(server, OPERATOR, PASSWORD, auto_bind=True)
            self.addCleanup(connection.unbind)
            return connection
        import ldap

        connection = ldap.initialize(self.daemon.url)
        connection.set_option(ldap.OPT_TIMEOUT, wire.PATIENCE)
        connection.simple_bind_s(OPERATOR, PASSWORD)
        self.addCleanup(connection.unbind_s)
        return connection
