"""Everything there is goes out as LDIF, or as a backup, and comes back the same: proven by SCIM and LDAP before and after."""

import http.client
import json
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "differential"))
import servers  # noqa: E402

SUFFIX = "dc=example,dc=com"
ACME = f"o=Acme,{SUFFIX}"
PASSWORD = "a password that goes along with its user"
CORE, ENTERPRISE = "urn:ietf:params:scim:schemas:core:2.0", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


class Place(servers.Headcount):
    """A server with SCIM."""

    def write_config(self):
        super().write_config()
        self.http_port = servers.free_port()
        with open(self.folder / "headcount.toml", "a") as config:
            config.write(f'[[listener]]\nkind = "http"\naddress = "127.0.0.1:{self.http_port}"\n')

    def start(self):
        """Its ports are there before the directory is open, and the socket of the tools after it."""
        super().start()
        servers.demo.eventually("it serves", lambda: " serving" in self.said())

    def tool(self, *arguments, expect=0):
        done = servers.demo.headcount("--config", self.folder / "headcount.toml", *arguments)
        assert done.returncode == expect, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def mint(self, organisation=ACME, client=None):
        """A token; `client` is the id of the provider in the place that all was imported from."""
        if client:
            self.tool("client", "add", "--organisation", organisation, "--id", client, "provider")
        self.token = json.loads(self.tool("token", "mint", "--json", "--organisation", organisation, "provider").splitlines()[0])["token"]

    def client(self):
        return json.loads(self.tool("client", "show", "--json", "provider"))["id"]

    def scim(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=30)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/scim+json"}
        connection.request(method, f"/scim/v2{path}", json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        octets = answer.read()
        connection.close()
        assert answer.status < 300, (method, path, answer.status, octets)
        return json.loads(octets) if octets else None

    def resources(self):
        """All users and groups as SCIM shows them, wherever the server is; versions are those of a store."""
        everything = [self.scim("GET", f"/{kind}?count=100")["Resources"] for kind in ("Users", "Groups")]
        for found in (found for kind in everything for found in kind):
            del found["meta"]["version"]
        text = json.dumps(everything, sort_keys=True).replace(str(self.http_port), "PORT")
        return json.loads(text)

    def binds(self, dn, password):
        command = ["ldapwhoami", "-x", "-H", self.url, "-D", dn, "-w", password]
        return subprocess.run(command, capture_output=True, text=True).returncode


class RoundTrip(unittest.TestCase):
    def place(self, start=True):
        place = Place(SUFFIX)
        self.addCleanup(place.end)
        if start:
            place.start()
        return place

    def filled(self):
        place = self.place()
        file = place.folder / "beginning.ldif"
        file.write_text(
            f"dn: {SUFFIX}\nobjectClass: domain\ndc: example\n\ndn: {ACME}\nobjectClass: organization\nobjectClass: hcOrganisation\no: Acme\n\n"
            f"dn: cn=Desk,ou=licences,{ACME}\nobjectClass: hcLicence\ncn: Desk\nhcSessionLimit: 5\nhcPackage: Standard\nhcLicenceDefault: TRUE\n\n"
            f"dn: cn=clerk,ou=roles,{ACME}\nobjectClass: hcRoleDefinition\ncn: clerk\nhcRolePermission: people.search\n\n")
        place.tool("import", file)
        place.mint()
        made = {}
        for name in ("boss", "wanda", "plain"):
            user = {"schemas": [f"{CORE}:User"], "userName": name, "name": {"familyName": "Example"}, "password": PASSWORD,
                    "emails": [{"value": f"{name}@example.com", "type": "work", "primary": True}]}
            if name == "wanda":
                user |= {
                    "schemas": [f"{CORE}:User", ENTERPRISE], "externalId": "x-42", "displayName": "Wanda, „die Ältere“", "nickName": "W",
                    "name": {"familyName": "Example", "givenName": "Wanda", "middleName": "Q", "honorificPrefix": "Dr.", "honorificSuffix": "III",
                             "formatted": "Dr. Wanda Q Example III"},
                    "emails": [{"value": "wanda@home.example", "type": "home"},
                               {"value": "wanda@example.com", "type": "work", "primary": True, "display": "at work"}],
                    "phoneNumbers": [{"value": "+64 9 555 0100", "type": "work"}, {"value": "+64 21 555 010", "type": "mobile", "primary": True}],
                    "addresses": [{"type": "work", "streetAddress": "1 High St\nFloor 2", "locality": "Town", "region": "R", "postalCode": "1010",
                                   "country": "NZ", "primary": True}],
                    "ims": [{"value": "wanda", "type": "xmpp"}], "photos": [{"value": "https://example.com/w.jpg", "type": "photo"}],
                    "title": "Head of $ and \\ things", "preferredLanguage": "en-NZ", "locale": "en-NZ",
                    "timezone": "Pacific/Auckland", "profileUrl": "https://example.com/wanda", "active": True,
                    ENTERPRISE: {"employeeNumber": "7", "costCenter": "c1", "department": "Sales", "division": "South", "organization": "Acme",
                                 "manager": {"value": made["boss"]["id"]}},
                }
            made[name] = place.scim("POST", "/Users", user)
        members = [{"value": made[name]["id"]} for name in ("boss", "wanda")]
        place.scim("POST", "/Groups", {"schemas": [f"{CORE}:Group"], "displayName": "Crew", "externalId": "g-1", "members": members})
        inner = place.scim("GET", "/Groups")["Resources"][0]["id"]
        place.scim("POST", "/Groups", {"schemas": [f"{CORE}:Group"], "displayName": "All", "members": [{"value": inner, "type": "Group"}]})
        place.tool("role", "assign", f"uid=wanda,ou=users,{ACME}", "clerk")
        place.tool("user", "disable", f"uid=plain,ou=users,{ACME}")
        # What is there in the course of a life: members by another order than they were made in, groups and aliases that lost what they
        # had, names of nobody, what is held elsewhere, and somebody who is signed in.
        later = place.folder / "later.ldif"
        people, groups = f"ou=users,{ACME}", f"ou=groups,{ACME}"
        plain = lambda dn, *lines: "\n".join((f"dn: {dn}", *lines)) + "\n\n"
        later.write_text(
            plain(f"uid=gone,{people}", "objectClass: inetOrgPerson", "cn: gone", "sn: gone")
            + plain(f"cn=left,{groups}", "objectClass: groupOfNames", f"member: uid=gone,{people}")
            + plain(f"cn=unique,{groups}", "objectClass: groupOfUniqueNames", f"uniqueMember: uid=gone,{people}")
            + plain(f"cn=astray,{groups}", "objectClass: alias", "objectClass: extensibleObject", f"aliasedObjectName: uid=gone,{people}")
            + plain(f"cn=lost,{groups}", "objectClass: alias", "objectClass: extensibleObject", f"aliasedObjectName: uid=nobody,{people}")
            + plain(f"cn=away,{groups}", "objectClass: referral", "objectClass: extensibleObject", "ref: ldap://elsewhere.example.com/o=away")
            + plain(f"ou=Aside,{SUFFIX}", "objectClass: organizationalUnit")
            + "".join(plain(f"cn={name},ou=Aside,{SUFFIX}", "objectClass: device") for name in ("z", "a", "m"))
            + plain(f"cn=all,ou=Aside,{SUFFIX}", "objectClass: groupOfNames", *(f"member: cn={name},ou=Aside,{SUFFIX}" for name in ("m", "nobody", "z", "a")))
            + plain(f"cn=b,ou=Aside,{SUFFIX}", "objectClass: device", f"owner: cn=z,ou=Aside,{SUFFIX}", f"owner: cn=a,ou=Aside,{SUFFIX}")
            + plain(f"cn=shared,{ACME}", "objectClass: subentry", "objectClass: collectiveAttributeSubentry", 'subtreeSpecification: { base "ou=users" }',
                    "c-l: Wellington")
            + plain(f"cn=policy,{ACME}", "objectClass: applicationProcess", "objectClass: pwdPolicy", "pwdAttribute: userPassword", "pwdInHistory: 3")
            + plain(f"uid=boss,{people}", "changetype: modify", "add: pwdPolicySubentry", f"pwdPolicySubentry: cn=policy,{ACME}", "-")
            + plain(f"uid=plain,{people}", "changetype: modify", "add: pwdReset", "pwdReset: TRUE", "-")
            + plain(f"uid=gone,{people}", "changetype: delete"))
        place.tool("import", later)
        assert place.binds(f"uid=wanda,{people}", PASSWORD) == 0
        return place

    def test_an_export_imported_into_a_new_store_gives_the_same_resources(self):
        place = self.filled()
        before, file = place.resources(), place.folder / "all.ldif"
        self.assertIn("wanda@home.example", json.dumps(before))
        place.tool("export", "--operational", file)
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        other = self.place()
        other.tool("import", "--operational", file)
        other.mint(client=place.client())
        self.maxDiff = None
        self.assertEqual(other.resources(), before)
        self.assertEqual(other.binds(f"uid=wanda,ou=users,{ACME}", PASSWORD), 0, "hashes go along")
        self.assertEqual(other.binds(f"uid=plain,ou=users,{ACME}", PASSWORD), 49, "disabled stays disabled")
        self.assertNotIn("hcSessionId", file.read_text(), "a seat is held where it was taken")
        other.tool("export", "--operational", other.folder / "again.ldif")
        self.assertEqual((other.folder / "again.ldif").read_bytes(), file.read_bytes(), "and out again the same, octet by octet")

    def test_without_operational_attributes_all_but_ids_and_times_is_the_same(self):
        place = self.filled()
        file, other = place.folder / "all.ldif", self.place()
        place.tool("export", file)
        other.tool("import", file)
        other.mint(client=place.client())

        def bare(value, own):
            """Without what the server makes, and with names in the place of ids."""
            if isinstance(value, dict):
                return {name: bare(held, own) for name, held in value.items() if name not in ("id", "meta", "$ref")}
            if isinstance(value, list):
                return sorted((bare(held, own) for held in value), key=json.dumps)
            return own.get(value, value) if isinstance(value, str) else value

        def shown(where):
            everything = where.resources()
            ids = {found["id"]: found.get("userName", found.get("displayName")) for kind in everything for found in kind}
            ids |= {role["value"]: role["display"] for kind in everything for found in kind for role in found.get("roles", [])}
            return bare(everything, ids)

        self.maxDiff = None
        self.assertEqual(shown(other), shown(place))
        other.tool("export", other.folder / "again.ldif")
        self.assertEqual((other.folder / "again.ldif").read_text(), file.read_text(), "and out again the same, octet by octet")

    def test_a_subtree_goes_out_alone(self):
        place = self.filled()
        text = place.tool("export", "--base", f"ou=groups,{ACME}")
        names = [line for line in text.splitlines() if line.startswith("dn: ")]
        self.assertEqual(names, [f"dn: ou=groups,{ACME}", *[name for name in names if name.endswith(f",ou=groups,{ACME}")]])
        self.assertGreaterEqual(len(names), 3)
        place.tool("export", "--base", f"ou=nowhere,{ACME}", expect=1)

    def test_a_backup_restored_is_the_same_with_tokens_and_seats(self):
        place = self.filled()
        self.assertEqual(place.binds(f"uid=wanda,ou=users,{ACME}", PASSWORD), 0)
        before, saved = place.resources(), place.folder / "saved"
        sessions = place.tool("sessions", "list")
        place.tool("backup", saved)
        self.assertEqual(saved.stat().st_mode & 0o777, 0o600)
        place.tool("backup", saved, expect=1)
        other = self.place(start=False)
        other.tool("restore", saved)
        other.tool("verify")
        other.tool("restore", saved, expect=1)
        damaged = other.folder / "damaged"
        octets = bytearray(saved.read_bytes())
        octets[len(octets) // 2] ^= 0x10
        damaged.write_bytes(octets)
        third = self.place(start=False)
        third.tool("restore", damaged, expect=1)
        third.tool("restore", third.folder / "nothing", expect=1)
        other.start()
        other.token = place.token
        self.assertEqual(other.resources(), before, "a token goes on working")
        self.assertEqual(other.tool("sessions", "list").splitlines()[0:2], sessions.splitlines()[0:2])
        other.tool("compact")
        other.tool("verify")
        self.assertEqual(other.resources(), before)
