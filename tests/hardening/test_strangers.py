"""What somebody learns, and what it costs, before a password was proven: over followed searches (hardening HC4), without a
password (HA11), and without TLS (HB6)."""

import json
import re
import types
import unittest

import target
from target import SUFFIX, WHO_AM_I, Client, Measured, bind, control, equal, extended, message, number, present, replace, search, sequence, text

CANCEL = "1.3.6.1.1.8"
PASSWORD = "what somebody here signs in with"
#: Words that nobody says otherwise.
ORGANISATION = f"o=Zwiebelkuchen,{SUFFIX}"
SOMEBODY = f"uid=quittengelee,ou=users,{ORGANISATION}"
FOLLOWED = {
    "persistent search": control("2.16.840.1.113730.3.4.3", True, sequence(number(15), b"\x01\x01\x00", b"\x01\x01\xff")),
    "content sync": control("1.3.6.1.4.1.4203.1.9.1.1", True, sequence(number(3, 0x0A))),
}


def laxest():
    """The config with every switch of the example turned the other way, and what is asked of passwords as little as it may be."""
    example = (target.servers.demo.PROJECT / "config" / "headcount.toml").read_text()
    tables, table = {}, None
    for line in example.splitlines():
        if found := re.match(r"(# )?\[\[?(\w+)\]", line):
            # What only a commented table has goes with things that are not there.
            table = None if found[1] else found[2]
        elif table and (found := re.match(r"(?:# )?(\w+) = (true|false)\b", line)):
            tables.setdefault(table, {})[found[1]] = "false" if found[2] == "true" else "true"
    tables.setdefault("passwords", {})["minimum_length"] = "8"
    tables.setdefault("hashing", {})["allow"] = '["plain", "des"]'
    return tables


class Strangers(unittest.TestCase):
    def start(self, more=""):
        server = Measured(more=more)
        self.addCleanup(server.end)
        self.operator = Client(server, patience=60).sign_in(server)
        self.addCleanup(self.operator.close)
        add = self.operator.add
        self.assertEqual(add(SUFFIX, objectClass=["domain"], dc=["example"]), 0)
        self.assertEqual(add(ORGANISATION, objectClass=["organization", "hcOrganisation"]), 0)
        self.assertEqual(add(SOMEBODY, objectClass=["inetOrgPerson", "hcUser"], cn=["x"], sn=["x"], mail=["x@example.com"], userPassword=[PASSWORD]), 0)
        return server

    def change(self):
        self.changes = getattr(self, "changes", 0) + 1
        self.assertEqual(self.operator.ask(replace(SOMEBODY, "title", f"change {self.changes}"))[0], 0)

    def told(self, client, base, scope, followed):
        """What comes of a followed search, by its tag, until it is cancelled after a change."""
        client.send(message(5, search(base, scope, present("objectClass"), "*", "+"), followed))
        client.send(message(6, WHO_AM_I))
        heard = []

        def until(ident):
            while True:
                answered, tag, content = client.receive()
                heard.append((answered, tag, content))
                if answered == ident and tag == 0x78:
                    return

        until(6)
        self.change()
        client.send(message(7, WHO_AM_I))
        until(7)
        client.send(message(8, extended(CANCEL, sequence(number(5)))))
        until(8)
        return [(tag, content) for answered, tag, content in heard if answered == 5]

    def test_hc4_who_is_not_bound_follows_nothing(self):
        server = self.start()
        with Client(server) as client:
            code, _ = client.ask(bind("", ""))
            self.assertEqual(code, 0)
            for what, followed in FOLLOWED.items():
                seen = [tag for tag, _ in self.told(Client(server).sign_in(server), SUFFIX, 2, followed)]
                self.assertGreater(seen.count(0x64), 2, f"{what}: the operator is told what there is and what changes")
                for base in ("", SUFFIX, ORGANISATION, SOMEBODY, f"ou=sessions,{ORGANISATION}", "cn=Monitor"):
                    for scope in range(4):
                        if base or scope:
                            heard = self.told(client, base, scope, followed)
                            self.assertEqual([tag for tag, _ in heard if tag in (0x64, 0x73)], [], f"{what}: {base!r}, scope {scope}")
                            for word in (b"zwiebelkuchen", b"quittengelee"):
                                self.assertNotIn(word, b"".join(content for _, content in heard).lower(), f"{what}: {base!r}, scope {scope}")

    def test_hc4_neither_the_root_nor_the_schema_names_an_organisation(self):
        server = self.start()
        everything = lambda client, base: self.entry(client, search(base, 0, present("objectClass"), "*", "+")).lower()
        with Client(server) as client:
            for base in ("", "cn=Subschema"):
                self.assertNotIn(b"zwiebelkuchen", everything(client, base))
                self.assertNotIn(SUFFIX.encode(), everything(client, base))
        self.assertIn(SUFFIX.encode(), everything(self.operator, ""), "who is bound is told the suffix")

    def entry(self, client, operation):
        """The octets of the one entry that is found."""
        client.ident += 1
        client.send(message(client.ident, operation))
        found = client.receive()[2]
        self.assertEqual(target.first(client.receive()[2])[0], b"\0")
        return found

    def nothing_is_hashed(self, server, attempts, codes):
        """Binds that must cost no hash; the last one of all, with a password, does cost one."""
        hashes = lambda: server.metrics()["password_hashes_total"]
        before = hashes()
        for what, (client, request) in attempts.items():
            with client:
                self.assertIn(client.ask(request)[0], codes, what)
                self.assertEqual(client.ask(WHO_AM_I)[0], 0)
        self.assertEqual(hashes(), before)
        with Client(server) as client:
            self.assertEqual(client.ask(bind(SOMEBODY, "not the password"))[0], 49)
        self.assertEqual(hashes(), before + 1)

    def test_ha11_a_name_without_a_password_costs_no_hash_and_no_switch_lets_it_in(self):
        switched = laxest()
        self.assertGreater(sum(len(keys) for keys in switched.values()), 4, switched)
        more = "".join(f"[{table}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()) for table, keys in switched.items())
        for config in ("", more):
            server = self.start(config)
            names = (SOMEBODY, server.operator, f"uid=nobody,{ORGANISATION}")
            attempts = {name: (Client(server), bind(name, "")) for name in names}
            self.nothing_is_hashed(server, attempts, [53])

    def test_hb6_a_password_in_clear_from_afar_is_refused_before_anybody_is_looked_for(self):
        port = target.servers.free_port()
        server = self.start(f'[[listener]]\nname = "far"\nkind = "ldap"\naddress = "127.0.0.1:{port}"\nproxy_protocol = ["127.0.0.1/32"]\n')

        def from_afar():
            client = Client(types.SimpleNamespace(port=port))
            client.send(b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 389\r\n")
            return client

        attempts = {name: (from_afar(), bind(name, password)) for name, password in
                    ((SOMEBODY, PASSWORD), (server.operator, target.servers.PASSWORD), (f"uid=nobody,{ORGANISATION}", "anything"))}
        self.nothing_is_hashed(server, attempts, [13])

        file = server.folder / "data" / "security.jsonl"

        def written():
            """It is written in batches."""
            lines = [json.loads(line) for line in (file.read_text().splitlines() if file.exists() else [])]
            found = [(line["organisation"], line["result"]) for line in lines if line.get("address") == "192.0.2.7"]
            return found if len(found) >= len(attempts) else None

        lines = target.servers.demo.eventually("all are written down", written)
        self.assertEqual(lines, [(None, "password without TLS")] * len(attempts))
