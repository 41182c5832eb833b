"""An organisation for foreign applications: a daemon with people, groups in both Unix forms, and an account that searches.

Applications bind as the user who signs in, so a login takes a seat. Which licence it draws on is the config's to say:
here the listener with TLS stands for the Unix hosts and draws on a licence of theirs, one listener is administrative, so that
administrators take no seat through it, and all else draws on the default licence.
The account that searches is of type `service` and takes no seat; what it may read is one `[[access]]` rule.
"""

import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "differential"))
import box  # noqa: E402
import servers  # noqa: E402

SUFFIX = "dc=example,dc=com"
ORGANISATION = f"o=Office,{SUFFIX}"
READER = (f"uid=reader,ou=users,{ORGANISATION}", "what the searching account knows")
PASSWORDS = {
    "anna": "seven green bottles of anna",
    "ben": "twelve angry bees of ben",
    "chloe": "forty tidy sheds of chloe",
}
#: An administrator of the organisation.
OLGA = (f"uid=olga,ou=users,{ORGANISATION}", "ninety nine loaves of olga")
#: Groups by name: number, and who is in them.
GROUPS = {"accounts": (30001, ("anna", "ben")), "wardens": (30002, ("anna",)), "empty": (30003, ())}


def dn(uid):
    return f"uid={uid},ou=users,{ORGANISATION}"


def _people():
    for number, (uid, password) in enumerate(PASSWORDS.items(), 20001):
        yield (
            f"dn: {dn(uid)}\nobjectClass: inetOrgPerson\nobjectClass: posixAccount\nobjectClass: hcUser\nuid: {uid}\n"
            f"cn: {uid.title()} Example\nsn: Example\ngivenName: {uid.title()}\nmail: {uid}@example.com\n"
            f"uidNumber: {number}\ngidNumber: 30001\nhomeDirectory: /home/{uid}\nloginShell: /bin/sh\ngecos: {uid.title()} Example\n"
            f"hcUserType: app\nuserPassword: {password}\n"
        )


def _groups():
    for name, (number, members) in GROUPS.items():
        lines = [f"dn: cn={name},ou=groups,{ORGANISATION}", "objectClass: hcGroup", "objectClass: posixGroup", f"cn: {name}",
                 f"gidNumber: {number}", f"mail: {name}@example.com", *(f"member: {dn(uid)}" for uid in members)]
        yield "\n".join(lines) + "\n"
        # The form of RFC 2307: members by login name.
        lines = [f"dn: cn={name},ou=unix,{ORGANISATION}", "objectClass: posixGroup", f"cn: {name}", f"gidNumber: {number}",
                 *(f"memberUid: {uid}" for uid in members)]
        yield "\n".join(lines) + "\n"


def _entries():
    yield f"dn: {SUFFIX}\nobjectClass: domain\ndc: example\n"
    yield f"dn: {ORGANISATION}\nobjectClass: organization\nobjectClass: hcOrganisation\no: Office\n"
    yield f"dn: ou=unix,{ORGANISATION}\nobjectClass: organizationalUnit\nou: unix\n"
    for name, default in (("Desk", "TRUE"), ("Unix hosts", "FALSE")):
        yield (
            f"dn: cn={name},ou=licences,{ORGANISATION}\nobjectClass: hcLicence\ncn: {name}\nhcSessionLimit: 20\n"
            f"hcPackage: Standard\nhcLicenceDefault: {default}\n"
        )
    yield (
        f"dn: {READER[0]}\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\nobjectClass: uidObject\n"
        f"objectClass: hcUser\nuid: reader\ncn: reader\nhcUserType: service\nuserPassword: {READER[1]}\n"
    )
    yield (
        f"dn: cn=Organisation Admin,ou=roles,{ORGANISATION}\nobjectClass: hcRoleDefinition\ncn: Organisation Admin\n"
        "hcRoleSystem: organisation-admin\n\n"
        f"dn: {OLGA[0]}\nobjectClass: inetOrgPerson\nobjectClass: hcUser\nuid: olga\ncn: Olga Example\nsn: Example\n"
        f"hcUserType: app\nhcRole: cn=Organisation Admin,ou=roles,{ORGANISATION}\nuserPassword: {OLGA[1]}\n"
    )
    yield from _people()
    yield from _groups()


class Office(servers.Headcount):
    """The daemon. `ca` is the certificate authority its certificate is from."""

    def __init__(self):
        self.tls_port = servers.free_port()
        self.administrative_port = servers.free_port()
        super().__init__(SUFFIX)
        self.tls_url = f"ldaps://127.0.0.1:{self.tls_port}"
        self.start()
        self.modify("\n".join(_entries()), "-a")

    def write_config(self):
        super().write_config()
        self.ca = self.folder / "ca.pem"
        self._certificates()
        with open(self.folder / "headcount.toml", "a") as config:
            config.write(
                f'[[listener]]\nname = "unix"\nkind = "ldaps"\naddress = "127.0.0.1:{self.tls_port}"\n'
                f'[[listener]]\nname = "administration"\nkind = "ldap"\naddress = "127.0.0.1:{self.administrative_port}"\n'
                '[[application]]\nname = "administration"\nlistener = "administration"\nadministrative = true\n'
                '[tls]\ncertificate = "server.pem"\nkey = "server.key"\n'
                '[[application]]\nname = "unix"\nlistener = "unix"\nlicence = "Unix hosts"\n'
                f'[[access]]\nwho = ["services"]\nsubtree = "{ORGANISATION}"\nrights = ["read"]\n'
                'attributes = ["*", "memberOf", "entryUUID", "modifyTimestamp", "entryDN"]\n'
                f'[log]\nlevel = "info,headcount=debug"\n'
            )

    def _certificates(self):
        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

        made = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
        openssl("req", "-x509", *made, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Office test authority")
        openssl("req", "-x509", *made, "-keyout", "server.key", "-out", "server.pem", "-subj", "/CN=localhost", "-CA", "ca.pem",
                "-CAkey", "ca.key", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE")
        (self.folder / "server.key").chmod(0o600)
        # The daemons of the box run as users of their own and read the authority's certificate only.
        self.folder.chmod(0o711)

    def tool(self, name, *arguments, text="", who=None):
        """One of the OpenLDAP tools, as the operator unless told."""
        user, password = who or (self.operator, servers.PASSWORD)
        command = [name, "-x", "-H", self.url, "-D", user, "-w", password, *arguments]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)

    def modify(self, ldif, *arguments):
        done = self.tool("ldapmodify", *arguments, text=ldif)
        if done.returncode:
            raise RuntimeError(f"{done.stdout[-500:]}{done.stderr}")

    def sessions(self):
        """Who has a seat on which licence: pairs of login name and licence."""
        found = self.tool("ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-b", ORGANISATION, "(objectClass=hcSession)", "hcSessionUser",
                          "hcSessionLicence").stdout
        seats = set()
        for entry in found.split("\n\n"):
            lines = dict(line.split(": ", 1) for line in entry.splitlines() if ": " in line)
            if "hcSessionUser" in lines:
                name = lambda value: lines[value].split(",")[0].partition("=")[2]
                seats.add((name("hcSessionUser"), name("hcSessionLicence")))
        return seats

    def end_sessions(self):
        """Frees every seat."""
        found = self.tool("ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-b", ORGANISATION, "(objectClass=hcSession)", "1.1").stdout
        for line in found.splitlines():
            if line.startswith("dn: "):
                self.tool("ldapdelete", line.removeprefix("dn: "))


_office = None


def the_office():
    """The one office of this process."""
    global _office
    if _office is None:
        _office = Office()
    return _office


def move_in(case):
    """Gives a class of tests the box and the office, or skips it with the reason why there is no box."""
    try:
        case.box = box.the_box()
    except box.NoBox as reason:
        raise unittest.SkipTest(f"no box for packages of Debian: {reason}") from None
    case.office = the_office()
