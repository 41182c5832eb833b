"""Bounds on what one operation may cost, whoever asks (hardening HA5, HD6)."""

import subprocess
import time
import unittest

import target
from target import LONG, SUFFIX, Client, Target, equal, present, search, sequence, substrings, text

READER = (f"uid=reader,ou=users,o=Acme,{SUFFIX}", "what the searching account knows")
PEOPLE = f"ou=people,o=Acme,{SUFFIX}"
SUCCESS, TIME_LIMIT, SIZE_LIMIT, ADMIN_LIMIT = 0, 3, 4, 11
#: Seconds of CPU one operation may take: 250 ms for a release build, so much more for this one.
CPU = 2.5


class Limited(Target):
    """A server with people, and an account that searches and is held to the limits (the operator is to few of them)."""

    rule = f'[[access]]\nwho = ["services"]\nsubtree = "{SUFFIX}"\nattributes = ["*", "+"]\nrights = ["read"]\n'

    def __init__(self, limits, count):
        self.count = count
        super().__init__(f"{limits}\n{self.rule}", people=count)

    def records(self, people):
        yield (
            f"dn: {SUFFIX}\nobjectClass: domain\ndc: example\n\n"
            f"dn: o=Acme,{SUFFIX}\nobjectClass: organization\nobjectClass: hcOrganisation\no: Acme\n\n"
            f"dn: {PEOPLE}\nobjectClass: organizationalUnit\nou: people\n\n"
            f"dn: {READER[0]}\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\nobjectClass: uidObject\n"
            f"objectClass: hcUser\nuid: reader\ncn: reader\nhcUserType: service\nuserPassword: {READER[1]}\n\n"
        )
        for n in range(people):
            yield (f"dn: cn=person {n},{PEOPLE}\nobjectClass: person\ncn: person {n}\nsn: family {n % 53}\n"
                   f"description: {'ab' * 200}{n}\n\n")

    def reader(self):
        client = Client(self, patience=120)
        code, _ = client.ask(target.bind(*READER))
        assert code == 0, (code, self.said())
        return client


class Limits(unittest.TestCase):
    def start(self, limits="", count=200):
        server = Limited(limits, count)
        self.addCleanup(server.end)
        self.addCleanup(lambda: self.assertEqual(server.panics(), []))
        return server

    def test_hd6_a_client_only_lowers_the_size_limit(self):
        server = self.start("size = 50")
        with server.reader() as client:
            for asked, expected in ((0, (SIZE_LIMIT, 50)), (10, (SIZE_LIMIT, 10)), (100, (SIZE_LIMIT, 50)), (2**31 - 1, (SIZE_LIMIT, 50))):
                self.assertEqual(client.ask(search(PEOPLE, 2, present("sn"), "1.1", size=asked)), expected, f"asked for {asked}")
            self.assertEqual(client.ask(search(PEOPLE, 2, equal("cn", "person 7"), "1.1", size=1)), (SUCCESS, 1))

    def test_hd6_the_look_through_limit(self):
        server = self.start("size = 1000\nlook_through = 100")
        with server.reader() as client:
            # No index has descriptions: every person would be looked at.
            code, _ = client.ask(search(PEOPLE, 2, equal("description", "of nobody"), "1.1"))
            self.assertEqual(code, ADMIN_LIMIT)
            self.assertEqual(client.ask(search(PEOPLE, 2, equal("cn", "person 7"), "1.1")), (SUCCESS, 1), "an index finds it")

    def dear(self):
        """A search that takes long: many substrings that almost match, on every person."""
        return sequence(*(substrings("description", *[(1, "ba")] * 150, (1, f"zz{n}")) for n in range(100)), tag=0xA1)

    def time_limit(self, limit, asked):
        server = self.start(f'look_through = 10000000\ntime = "{limit}s"', 8_000)
        with server.reader() as client:
            began = time.monotonic()
            code, _ = client.ask(search(PEOPLE, 2, self.dear(), "1.1", seconds=asked))
            taken = time.monotonic() - began
        self.assertEqual(code, TIME_LIMIT, f"after {taken:.1f} s")
        self.assertLess(taken, 6)
        self.assertTrue(server.is_alive())

    def test_hd6_a_client_lowers_the_time_limit(self):
        self.time_limit(60, 1)

    def test_hd6_a_client_does_not_raise_the_time_limit(self):
        self.time_limit(1, 60)

    def costs(self, server, client, what, operation, codes):
        """Sends it, and holds its result and its CPU to what is allowed."""
        before = server.cpu()
        code, entries = client.ask(operation)
        taken = server.cpu() - before
        print(f"{what}: code {code}, {entries} entries, {taken * 1e3:.0f} ms of CPU")
        self.assertIn(code, codes, what)
        self.assertLess(taken, CPU, what)
        self.assertTrue(server.is_alive())

    def test_ha5_large_filters_are_answered_or_refused_cheaply(self):
        server = self.start("size = 100000\nlook_through = 100000\nfilter_elements = 512", 5_000 if LONG else 1_000)
        allowed = (SUCCESS, ADMIN_LIMIT, TIME_LIMIT)
        with server.reader() as client:
            terms = lambda count: sequence(*(equal("cn", f"person {n}") for n in range(count)), tag=0xA1)
            self.costs(server, client, "an OR of 500 terms", search(PEOPLE, 2, terms(500), "1.1"), allowed)
            self.costs(server, client, "an OR of 10 000 terms", search(PEOPLE, 2, terms(10_000), "1.1"), allowed)
            stars = substrings("description", *[(1, "a")] * 200)
            self.costs(server, client, "*a*a*a… 200 times", search(PEOPLE, 2, stars, "1.1"), allowed)
            self.costs(server, client, "*a*a*a… 10 000 times", search(PEOPLE, 2, substrings("description", *[(1, "a")] * 10_000), "1.1"),
                       allowed)
            almost = substrings("description", *[(1, "ba")] * 199, (2, "z"))
            self.costs(server, client, "*ba*ba*…*z", search(PEOPLE, 2, almost, "1.1"), allowed)
            self.costs(server, client, "300 KB of one value", search(PEOPLE, 2, equal("cn", "a " * 150_000), "1.1"), allowed)

    def test_ha5_cyclic_deep_and_large_groups(self):
        server = self.start("size = 100000\nlook_through = 100000", 10_000 if LONG else 2_000)
        group = lambda name, *members: (
            f"dn: cn={name},{PEOPLE}\nobjectClass: groupOfNames\ncn: {name}\n" + "".join(f"member: {member}\n" for member in members))
        named = lambda name: f"cn={name},{PEOPLE}"
        entries = [group(f"ring {n}", named(f"ring {(n + 1) % 5}"), named("person 1")) for n in range(5)]
        entries += [group("itself", named("itself"))]
        entries += [group(f"deep {n}", named(f"deep {n + 1}") if n < 50 else named("person 2")) for n in range(51)]
        entries += [group("large", *(named(f"person {n}") for n in range(server.count)))]
        file = server.folder / "groups.ldif"
        file.write_text("\n".join(entries))
        done = subprocess.run(["ldapadd", "-x", "-H", server.url, "-D", server.operator, "-w", target.servers.PASSWORD, "-f", file],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        in_chain = lambda attribute, value: sequence(
            text("1.2.840.113556.1.4.1941", 0x81), text(attribute, 0x82), text(value, 0x83), tag=0xA9)
        allowed = (SUCCESS, ADMIN_LIMIT, TIME_LIMIT)
        with server.reader() as client:
            for name in ("ring 0", "itself", "deep 0", "large"):
                self.costs(server, client, f"the entry of {name}", search(named(name), 0, present("objectClass"), "*", "+"), allowed)
                self.costs(server, client, f"members of {name}", search(PEOPLE, 2, equal("memberOf", named(name)), "1.1"), allowed)
                self.costs(server, client, f"in the chain of {name}", search(PEOPLE, 2, in_chain("memberOf", named(name)), "1.1"), allowed)
            for name in ("person 1", "person 2", "ring 3"):
                self.costs(server, client, f"groups of {name}", search(named(name), 0, present("objectClass"), "memberOf"), allowed)
                self.costs(server, client, f"groups with {name}", search(PEOPLE, 2, equal("member", named(name)), "1.1"), allowed)
                self.costs(server, client, f"in the chain above {name}", search(PEOPLE, 2, in_chain("member", named(name)), "1.1"), allowed)
